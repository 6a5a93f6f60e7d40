"""Against Gymnasium: our environments under its names, by its own checker, and step for step beside its own."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import has_mujoco

import diffplan
from diffplan import _diffplan

gymnasium = pytest.importorskip("gymnasium")

OURS = [env_id for env_id, _, _ in _diffplan.envs()]
CLASSIC = ["Pendulum-v1", "MountainCarContinuous-v0"]


def make(env_id: str, **keywords):
    try:
        return gymnasium.make(f"diffplan/{env_id}", **keywords)
    except diffplan.FileError as error:
        if error.kind == "mujoco" and not has_mujoco():
            pytest.skip(f"no libmujoco: {error}")
        raise


@pytest.mark.parametrize("env_id", OURS)
def test_gymnasiums_checker_passes(env_id):
    from gymnasium.utils.env_checker import check_env

    env = make(env_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of Gymnasium's own environments too: bounds that are infinite, actions that are not in [-1, 1].
        warnings.filterwarnings("ignore", message=".*(infinity|symmetric and normalized|max_episode_steps).*")
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", CLASSIC)
def test_rendering_passes_the_checker(env_id):
    from gymnasium.utils.env_checker import check_env

    env = make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    assert len(np.unique(picture)) > 1
    check_env(env.unwrapped)


@pytest.mark.parametrize("env_id", [*CLASSIC, "Hopper-v5"])
def test_episodes_are_gymnasiums(env_id):
    ours = make(env_id)
    try:
        theirs = gymnasium.make(env_id)
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(f"Gymnasium's own {env_id} cannot be made: {error}")
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    theirs.action_space.seed(0)
    for seed in (0, 1000):
        a, _ = ours.reset(seed=seed)
        b, _ = theirs.reset(seed=seed)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
        while True:
            action = theirs.action_space.sample()
            mine, his = ours.step(action), theirs.step(action)
            np.testing.assert_allclose(mine[0], his[0], rtol=1e-6, atol=1e-6)
            assert mine[1] == pytest.approx(his[1], rel=1e-6, abs=1e-9)
            assert mine[2:4] == his[2:4]
            if mine[2] or mine[3]:
                break


def test_arguments_of_the_constructor():
    moon = make("Pendulum-v1", g=1.62)
    earth = make("Pendulum-v1")
    for env in (moon, earth):
        env.reset(seed=0)
    assert moon.step([0.0])[0][2] != earth.step([0.0])[0][2]
    with pytest.raises(diffplan.InvalidValue, match="gravity"):
        make("Pendulum-v1", gravity=1.62)
    with pytest.raises(ValueError, match="render_mode = 'human'"):
        type(earth.unwrapped)("Pendulum-v1", render_mode="human")


def test_actions_that_are_none():
    env = make("Pendulum-v1").unwrapped
    with pytest.raises(diffplan.ResetNeeded):
        _diffplan.Env("Pendulum-v1").step([0.0])
    env.reset(seed=0)
    with pytest.raises(diffplan.InvalidValue):
        env.step([0.0, 1.0])
    with pytest.raises(diffplan.InvalidValue):
        env.step([float("nan")])


def test_states_and_pickles():
    env = make("Pendulum-v1").unwrapped
    env.reset(seed=3)
    env.step([1.0])
    again = pickle.loads(pickle.dumps(env))
    for _ in range(3):
        a, b = env.step([0.5]), again.step([0.5])
        np.testing.assert_array_equal(a[0], b[0])
    env.set_state(again.state())
    np.testing.assert_array_equal(env.state(), again.state())


@pytest.mark.parametrize(
    "lines",
    [
        "import gymnasium, diffplan",
        "import diffplan, gymnasium",
        "import diffplan; from gymnasium.envs.registration import make; import gymnasium",
        "import gymnasium, diffplan; gymnasium.register_envs(diffplan)",
    ],
)
def test_registered_in_whatever_order_of_imports(lines):
    code = f"{lines}; gymnasium.make('diffplan/Pendulum-v1').reset(seed=0); assert 'Loader' not in type(gymnasium.__loader__).__name__[:7]"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import gymnasium; gymnasium.make('diffplan.gym:diffplan/Pendulum-v1')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_vector_of_them():
    vector = gymnasium.make_vec("diffplan/Pendulum-v1", num_envs=3)
    observations, _ = vector.reset(seed=0)
    assert observations.shape == (3, 3)
    assert vector.step(vector.action_space.sample())[0].shape == (3, 3)


def test_a_pipeline_acts_in_them(pendulum_path, quick):
    env = make("Pendulum-v1")
    pipeline = diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path, env=env, threads=1)
    obs, _ = env.reset(seed=0)
    for _ in range(3):
        obs, reward, *_ = env.step(pipeline(obs, seed=0, **quick))
    assert reward <= 0
    wrong = make("MountainCarContinuous-v0")
    with pytest.raises(diffplan.InvalidValue, match="observations have 2 dimensions, expected 3"):
        diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path, env=wrong)


def test_who_only_asks_whether_gymnasium_is_there_changes_nothing():
    """As many packages do."""
    asks = "import importlib.util; assert importlib.util.find_spec('gymnasium')"
    lines = [
        "import diffplan", asks, asks, "import gymnasium, sys", "gymnasium.make('diffplan/Pendulum-v1')",
        "assert 'diffplan' not in str(sys.meta_path)",
    ]
    subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join(lines)], check=True)
