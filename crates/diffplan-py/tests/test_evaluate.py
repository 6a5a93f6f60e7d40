"""Evaluations: our environments to the command's numbers, Gymnasium's in every autoreset mode, any policy; episodes that depend on their seeds alone."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import diffplan

OURS = "diffplan/Pendulum-v1"
# Of a planner that takes no time.
QUICK = {"batch_size": 2, "num_inference_steps": 3, "n_guide_steps": 1}


def push(observations: np.ndarray) -> np.ndarray:
    """Against the angular velocity."""
    return -0.7 * observations[:, 2:]


@pytest.fixture(scope="module")
def planner(pendulum_path) -> diffplan.Planner:
    return diffplan.Planner.from_pretrained(pendulum_path, threads=1, **QUICK)


@pytest.fixture
def gymnasium():
    return pytest.importorskip("gymnasium", reason="gymnasium is not installed")


def test_a_planner_where_it_was_trained(planner, pendulum_path):
    result = diffplan.evaluate(planner, episodes=5, seed=40, max_episode_steps=40, parallel=2)
    assert (result.env, len(result), result.seeds.tolist()) == ("Pendulum-v1", 5, [40, 41, 42, 43, 44])
    assert result.lengths.tolist() == [40] * 5 and not result.terminated.any()
    assert result.mean_return == pytest.approx(result.returns.mean())
    assert result.standard_error == pytest.approx(result.returns.std(ddof=1) / 5**0.5)
    low, high = result.confidence_interval
    assert low < result.mean_return < high
    assert result.plans_per_second > 0 and result.success_rate is None and result.successes is None
    assert result.normalized_score is None
    assert "standard error of 5 episodes" in result.text and "Pendulum-v1" in str(result) and "plans/s" in result.text
    # Whatever runs beside it, on however many threads, by whichever door.
    pipeline = diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path)
    for again in (
        diffplan.evaluate(pipeline, OURS, episodes=5, seed=40, max_episode_steps=40, parallel=5, threads=2, **QUICK),
        diffplan.evaluate(pendulum_path, episodes=5, seed=40, max_episode_steps=40, parallel=1, **QUICK),
        diffplan.evaluate(str(pendulum_path), episodes=5, seed=40, max_episode_steps=40, **QUICK),
    ):
        np.testing.assert_array_equal(again.returns, result.returns)


def test_the_commands_numbers(planner, pendulum_path, tmp_path):
    """Those that ``diffplan evaluate`` prints, where the command has been built."""
    command = os.environ.get("DIFFPLAN_COMMAND")
    if not command:
        pytest.skip("DIFFPLAN_COMMAND does not say where the command diffplan is")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items()]
    done = subprocess.run(
        [command, "evaluate", "--checkpoint", str(pendulum_path), "--episodes", "3", "--seed", "7", "--json", *options],
        capture_output=True, text=True, check=True,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    result = diffplan.evaluate(planner, episodes=3, seed=7)
    assert result.returns.tolist() == theirs["returns"]
    ours = result.to_dict()
    assert set(theirs) == set(ours)
    assert theirs["config"].keys() - ours["config"].keys() == {"checkpoint", "checkpoint_hash"}


def test_seeds_of_ones_own(planner):
    one = diffplan.evaluate(planner, seeds=[9, 3, 9, 5], parallel=3, max_episode_steps=30)
    assert one.seeds.tolist() == [9, 3, 9, 5]
    assert one.returns[0] == one.returns[2] != one.returns[1]
    other = diffplan.evaluate(planner, seeds=[5, 9], parallel=1, max_episode_steps=30)
    assert other.returns.tolist() == [one.returns[3], one.returns[0]]


@pytest.mark.parametrize("policy", ["random", "swing-up", "zero", push])
def test_other_policies(policy):
    result = diffplan.evaluate(policy, OURS, episodes=3, seed=1)
    again = diffplan.evaluate(policy, OURS, episodes=3, seed=1, parallel=1)
    np.testing.assert_array_equal(result.returns, again.returns)
    assert result.name == (policy if isinstance(policy, str) else "push")
    assert "actions/s" in result.text


def test_how_the_environment_is_made():
    moon = diffplan.evaluate("swing-up", OURS, episodes=2, env_kwargs={"g": 1.62}, max_episode_steps=50)
    assert moon.lengths.tolist() == [50, 50]
    assert moon.returns[0] != diffplan.evaluate("swing-up", OURS, episodes=2, max_episode_steps=50).returns[0]
    assert "g = 1.62" in moon.settings
    with pytest.raises(diffplan.InvalidValue, match="gravity"):
        diffplan.evaluate("swing-up", OURS, episodes=2, env_kwargs={"gravity": 1.62})


def test_the_same_in_gymnasium(gymnasium, planner):
    """A planner and a function in Gymnasium's own Pendulum, which is ours to rounding."""
    for policy in (planner, push):
        ours = diffplan.evaluate(policy, OURS, episodes=3, seed=5, max_episode_steps=40)
        theirs = diffplan.evaluate(policy, "Pendulum-v1", episodes=3, seed=5, max_episode_steps=40)
        np.testing.assert_allclose(ours.returns, theirs.returns, rtol=1e-3)
        assert theirs.env == "Pendulum-v1" and theirs.seeds.tolist() == ours.seeds.tolist()
        wrapped = diffplan.evaluate(policy, gymnasium.make(OURS, max_episode_steps=40), episodes=3, seed=5)
        np.testing.assert_allclose(ours.returns, wrapped.returns, rtol=1e-6)


@pytest.fixture
def walk(gymnasium):
    """A corridor: episodes differ in length by seed, end at either end, and say whether it was the right one."""

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        metadata = {"render_modes": []}

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.at, self.steps = self.np_random.uniform(-1, 1), 0
            return self._observed(), {}

        def _observed(self):
            return np.array([self.at, self.steps], dtype=np.float32)

        def step(self, action):
            assert self.action_space.contains(action), action
            self.steps += 1
            self.at += 0.2 * float(action[0]) + 0.3 * self.np_random.normal()
            over = abs(self.at) > 2
            return self._observed(), float(self.at), over, self.steps >= 30, {"success": bool(self.at > 2)}

    return Walk


def outwards(observations):
    return 5 * np.sign(observations[:, :1])


def test_every_way_to_give_an_environment(gymnasium, walk):
    expected = diffplan.evaluate(outwards, walk, episodes=11, seed=3, parallel=4)
    assert len(set(expected.lengths)) > 3 and expected.terminated.any() and expected.env == "Walk"
    assert expected.successes is not None and 0 < expected.success_rate < 1
    assert not (expected.successes & ~expected.terminated).any()
    mode = gymnasium.vector.AutoresetMode
    made = {
        "one": walk(),
        "list": [walk() for _ in range(3)],
        "functions": [walk, walk],
        **{m.name: gymnasium.vector.SyncVectorEnv([walk] * 4, autoreset_mode=m) for m in mode},
        **{f"{m.name} of one": gymnasium.vector.SyncVectorEnv([walk], autoreset_mode=m) for m in mode},
        **{f"{m.name} of many": gymnasium.vector.SyncVectorEnv([walk] * 13, autoreset_mode=m) for m in mode},
    }
    for name, env in made.items():
        result = diffplan.evaluate(outwards, env, episodes=11, seed=3)
        for of_each in ("returns", "lengths", "terminated", "successes", "seeds"):
            np.testing.assert_array_equal(getattr(result, of_each), getattr(expected, of_each), err_msg=f"{name}: {of_each}")


def test_in_processes(gymnasium):
    expected = diffplan.evaluate(push, "Pendulum-v1", episodes=5, seed=3)
    for mode in gymnasium.vector.AutoresetMode:
        vector = gymnasium.make_vec(
            "Pendulum-v1", num_envs=2, vectorization_mode="async", vector_kwargs={"autoreset_mode": mode, "context": "spawn"}
        )
        try:
            result = diffplan.evaluate(push, vector, episodes=5, seed=3)
        finally:
            vector.close()
        np.testing.assert_array_equal(result.returns, expected.returns)


def test_discrete_actions_and_functions_of_one_observation(gymnasium):
    def follow(observation):
        return int(observation[2] + 0.3 * observation[3] > 0)

    one = diffplan.evaluate(follow, "CartPole-v1", episodes=4, seed=2, batched=False)
    many = diffplan.evaluate(
        lambda observations: (observations[:, 2] + 0.3 * observations[:, 3] > 0).astype(int), "CartPole-v1", episodes=4, seed=2, name="many"
    )
    np.testing.assert_array_equal(one.returns, many.returns)
    assert (one.name, many.name) == ("follow", "many")
    # Gymnasium's vector of CartPoles draws all of them from one stream.
    vector = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point")
    with pytest.raises(diffplan.InvalidValue, match="takes no seed for each"):
        diffplan.evaluate(follow, vector, episodes=4, batched=False)
    with pytest.raises(diffplan.InvalidValue, match="expected a Box of one axis"):
        diffplan.evaluate("random", "CartPole-v1", episodes=1)


def test_observations_that_are_dictionaries(gymnasium, walk):
    class Named(gymnasium.ObservationWrapper):
        def __init__(self):
            super().__init__(walk())
            self.observation_space = gymnasium.spaces.Dict({"at": gymnasium.spaces.Box(-9, 9, (1,)), "steps": gymnasium.spaces.Box(0, 99, (1,))})

        def observation(self, observation):
            return {"at": observation[:1], "steps": observation[1:]}

    expected = diffplan.evaluate(outwards, walk, episodes=5, seed=3)
    for batched, policy in ((True, lambda o: 5 * np.sign(o["at"])), (False, lambda o: 5 * np.sign(o["at"]))):
        result = diffplan.evaluate(policy, Named, episodes=5, seed=3, batched=batched)
        np.testing.assert_array_equal(result.returns, expected.returns)
        vector = gymnasium.vector.SyncVectorEnv([Named] * 3)
        result = diffplan.evaluate(policy, vector, episodes=5, seed=3, batched=batched)
        np.testing.assert_array_equal(result.returns, expected.returns)


class Remembers:
    """Acts by what it drew when its episode began."""

    def __init__(self):
        self.drawn = {}
        self.begun = []

    def begin(self, slot, episode, seed):
        self.drawn[slot] = np.random.default_rng(seed).uniform(-2, 2)
        self.begun.append((episode, seed))

    def __call__(self, observations, slots):
        return np.array([[self.drawn[slot]] for slot in slots])


def test_policies_that_keep_something_of_an_episode(gymnasium):
    for env in (OURS, "Pendulum-v1"):
        policy = Remembers()
        result = diffplan.evaluate(policy, env, episodes=4, seed=6, parallel=3)
        assert sorted(policy.begun) == [(0, 6), (1, 7), (2, 8), (3, 9)]
        np.testing.assert_array_equal(diffplan.evaluate(Remembers(), env, episodes=4, seed=6, parallel=1).returns, result.returns)
        assert result.name == "Remembers"


@pytest.mark.parametrize("env", [OURS, "Pendulum-v1"])
def test_what_goes_wrong(env, request):
    if env != OURS:
        request.getfixturevalue("gymnasium")

    def raises(observations):
        raise ZeroDivisionError("of the policy")

    with pytest.raises(ZeroDivisionError, match="of the policy"):
        diffplan.evaluate(raises, env, episodes=2)
    with pytest.raises(diffplan.InvalidValue, match="a row for each observation"):
        diffplan.evaluate(lambda o: o, env, episodes=2)
    with pytest.raises(diffplan.InvalidType, match="actions"):
        diffplan.evaluate(lambda o: [object()] * len(o), env, episodes=2)
    with pytest.raises(diffplan.InvalidType, match="policy is a int"):
        diffplan.evaluate(3, env, episodes=2)


def test_arguments_are_checked(planner):
    for arguments, message in (
        ({"episodes": 0}, "episodes = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1], "episodes": 2}, "expected 2"),
        ({"seeds": [1], "seed": 2}, "both given"),
        ({"parallel": 0}, "parallel = 0"),
        ({"scale": 0.1}, "scale: planning options"),
        ({"env": "diffplan/Nowhere-v1"}, "Nowhere-v1"),
        ({"env": "diffplan/MountainCarContinuous-v0"}, "dimensions"),
    ):
        with pytest.raises(diffplan.InvalidValue, match=message):
            diffplan.evaluate(planner, **arguments)
    with pytest.raises(diffplan.InvalidValue, match="env is not given"):
        diffplan.evaluate("random")
    with pytest.raises(diffplan.InvalidValue, match="swing-up"):
        diffplan.evaluate("swing", OURS)


def test_arguments_of_environments_are_checked(gymnasium, planner):
    with pytest.raises(diffplan.InvalidType, match="env is a int"):
        diffplan.evaluate(push, 3)
    with pytest.raises(diffplan.InvalidValue, match="env_kwargs"):
        diffplan.evaluate(push, gymnasium.make("Pendulum-v1"), env_kwargs={"g": 1.0})
    with pytest.raises(diffplan.InvalidValue, match="dimensions"):
        diffplan.evaluate(planner, "MountainCarContinuous-v0", episodes=1)
    env = gymnasium.make("Pendulum-v1")
    with pytest.raises(diffplan.InvalidValue, match="same object"):
        diffplan.evaluate(push, [env, env], episodes=1)
    with pytest.raises(diffplan.InvalidValue, match="observation_space"):
        diffplan.evaluate(push, [env, gymnasium.make("MountainCarContinuous-v0")], episodes=1)


def test_rewards_that_are_no_numbers(gymnasium, walk):
    class Broken(walk):
        def step(self, action):
            observed, _, *rest = super().step(action)
            return observed, float("nan"), *rest

    with pytest.raises(diffplan.InvalidValue, match=r"episode 0 \(seed 4\), step 0: the reward is nan"):
        diffplan.evaluate(outwards, Broken, episodes=2, seed=4)


def test_d4rls_scores(gymnasium, walk):
    gymnasium.register("hopper-medium-v2", entry_point=walk, max_episode_steps=1000)
    try:
        result = diffplan.evaluate(outwards, "hopper-medium-v2", episodes=2)
    finally:
        del gymnasium.registry["hopper-medium-v2"]
    # Its references are Hopper's: -20.272305 of a random policy, 3234.3 of an expert.
    assert result.normalized_score == pytest.approx(100 * (result.mean_return + 20.272305) / (3234.3 + 20.272305))


def test_compared(planner, tmp_path):
    random = diffplan.evaluate("random", OURS, episodes=12, seed=3, max_episode_steps=30)
    planned = diffplan.evaluate(planner, OURS, episodes=12, seed=3, max_episode_steps=30)
    difference = random.compare(planned)
    assert difference.paired and difference.mean_return == pytest.approx(planned.mean_return - random.mean_return)
    low, high = difference.confidence_interval
    assert low < difference.mean_return < high
    assert "B less A" in str(difference) and "percentile bootstrap" in difference.text
    assert any("another policy acted" in warning for warning in difference.warnings)
    # The same, by what is on disk; and what the bootstrap is, drawn with NumPy.
    planned.save(tmp_path / "planned")
    assert random.compare(tmp_path / "planned").mean_return == difference.mean_return
    assert random.compare(tmp_path / "planned" / "evaluation.json").confidence_interval == (low, high)
    pairs = planned.returns - random.returns
    drawn = np.random.default_rng(0).choice(pairs, (20_000, 12)).mean(1)
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), rtol=0.05)
    with pytest.raises(diffplan.InvalidValue, match="another folder"):
        planned.save(tmp_path / "planned")
    with pytest.raises(diffplan.FileMissing):
        random.compare(tmp_path / "nowhere")
    # Episodes that did not begin alike are no pairs.
    for other in (
        diffplan.evaluate("random", OURS, episodes=12, seed=4, max_episode_steps=30),
        diffplan.evaluate("random", OURS, episodes=3, seed=3, max_episode_steps=30),
        diffplan.evaluate("random", OURS, seeds=[3, *range(20, 31)], max_episode_steps=30),
    ):
        assert not random.compare(other).paired


def test_files_and_copies(tmp_path):
    result = diffplan.evaluate("random", OURS, episodes=3, seed=3)
    lines = result.to_csv(tmp_path / "own.csv").splitlines()
    assert (tmp_path / "own.csv").read_text().splitlines() == lines
    assert lines[0].startswith("episode,seed,return,length,end") and len(lines) == 4
    assert [float(line.split(",")[2]) for line in lines[1:]] == result.returns.tolist()
    result.save(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text()) == result.to_dict()
    again = pickle.loads(pickle.dumps(result))
    assert (again.text, repr(again)) == (result.text, repr(result))
    assert result.episodes[1]["seed"] == 4


def test_progress(gymnasium, walk):
    for env, policy in ((OURS, "random"), (walk, outwards)):
        seen: list[diffplan.Progress] = []
        result = diffplan.evaluate(policy, env, episodes=6, parallel=2, progress=seen.append)
        last = seen[-1]
        assert (last.task, last.done, last.total) == ("episodes", 6, 6)
        assert last.values["mean_return"] == pytest.approx(result.mean_return)
        assert [at.done for at in seen] == sorted(at.done for at in seen)


def test_stopped_by_its_watcher(planner):
    class Enough(Exception):
        pass

    def stop(progress):
        raise Enough

    before = threading.active_count()
    with pytest.raises(Enough):
        diffplan.evaluate(planner, episodes=10_000, progress=stop)
    assert threading.active_count() == before
    # What acts can act again.
    assert len(diffplan.evaluate(planner, episodes=1)) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_ctrl_c():
    code = f"""
    import os, signal, threading, time
    import diffplan
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        diffplan.evaluate("random", {OURS!r}, episodes=900_000)
    except KeyboardInterrupt:
        print("interrupted")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "interrupted\n"
