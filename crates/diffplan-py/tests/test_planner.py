"""Planners: options, candidates, conditions, guides, warm starts, deadlines."""

from __future__ import annotations

import numpy as np
import pytest

import diffplan

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


@pytest.fixture(scope="module")
def planner(pipeline, quick):
    return pipeline.planner(**quick)


def test_all_candidates_and_their_values(pipeline):
    plan = pipeline.planner(batch_size=5).plan(OBS, seed=0)
    assert plan.trajectories.shape == plan.normalized.shape == (5, 32, 4)
    assert plan.actions.shape == (5, 32, 1) and plan.observations.shape == (5, 32, 3)
    assert np.shares_memory(plan.actions, plan.trajectories)
    assert plan.values.shape == (5,) and (np.diff(plan.values) <= 0).all()
    assert sorted(plan.order) == list(range(5)) and plan.chosen == 0
    np.testing.assert_array_equal(plan.action, plan.trajectories[0, 0, :1])
    # The observation is where it was put, in the environment's units.
    np.testing.assert_allclose(plan.observations[:, 0], np.tile(OBS, (5, 1)), atol=1e-5)
    assert plan.seconds > 0 and plan.deadline is None and plan.violations is None
    assert "Plan(action=" in repr(plan)


def test_same_seed_same_bits_on_any_number_of_threads(pipeline, quick):
    plans = [pipeline.planner(**quick, threads=threads).plan(OBS, seed=7) for threads in (1, 2, 3)]
    for plan in plans[1:]:
        np.testing.assert_array_equal(plan.trajectories, plans[0].trajectories)
    other = pipeline.planner(**quick).plan(OBS, seed=8)
    assert (other.trajectories != plans[0].trajectories).any()


def test_the_call_is_the_planners_first_action(pipeline, quick):
    expected = pipeline.planner(**quick).plan(OBS, torch_seed=3).action
    np.testing.assert_array_equal(pipeline(OBS, torch_seed=3, **quick), expected)


def test_without_a_seed_plans_differ(planner):
    assert (planner.plan(OBS).trajectories != planner.plan(OBS).trajectories).any()


def test_options(pipeline, quick):
    planner = pipeline.planner(rescore=True, scheduler="ddim", **quick)
    assert planner.options["rescore"] is True and planner.options["scheduler"] == "ddim"
    assert planner.options["scale"] == 0.03 and planner.options["batch_size"] == 2
    assert len(planner.timesteps) == 4
    # What is not given is the checkpoint's, and diffusers' in the call.
    assert pipeline.options()["batch_size"] == pipeline.planning_config["batch_size"]
    names = {option["name"] for option in diffplan.OPTIONS}
    assert names == set(planner.options) and {"batch_size", "guidance", "precision", "warm_start"} <= names
    defaults = {option["name"]: option["default"] for option in diffplan.OPTIONS}
    assert (defaults["batch_size"], defaults["planning_horizon"], defaults["n_guide_steps"]) == (64, 32, 2)
    assert defaults["scale"] == 0.1 and defaults["rescore"] is False and defaults["scheduler"] is None
    # NumPy's scalars, and None for what is not said.
    numpy = pipeline.planner(batch_size=np.int64(2), scale=np.float32(0.5), rescore=np.bool_(True), eta=None)
    assert (numpy.options["batch_size"], numpy.options["scale"], numpy.options["rescore"]) == (2, 0.5, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batchsize": 3}, "option = batchsize: expected batch_size, or one of"),
        ({"batch_size": 0}, "batch_size = 0: expected at least 1"),
        ({"batch_size": 2.5}, "batch_size = 2.5: expected"),
        ({"guidance": "strong"}, "guidance = strong: expected one of diffusers, diffuser"),
        ({"scheduler": "euller"}, "euler"),
        ({"planning_horizon": 33}, "horizon 33 does not work with this network"),
        ({"rescore": "perhaps"}, "rescore = perhaps: expected true or false"),
    ],
)
def test_options_that_make_no_plan(pipeline, options, message):
    for make in (pipeline.planner, lambda **keywords: pipeline(OBS, **keywords)):
        with pytest.raises(diffplan.InvalidValue, match=message) as raised:
            make(**options)
        assert isinstance(raised.value, ValueError) and isinstance(raised.value, diffplan.Error)
        assert raised.value.kind in ("option", "horizon", "class")


@pytest.mark.parametrize(
    ("obs", "error", "message"),
    [
        (np.zeros(2, np.float32), diffplan.InvalidValue, "2 numbers, expected 3"),
        (np.zeros((1, 3), np.float32), diffplan.InvalidValue, r"obs has shape \(1, 3\), expected one axis"),
        (np.array([np.nan, 0, 0]), diffplan.InvalidValue, "dimension 0 is NaN, expected a finite number"),
        (np.array([1e300, 0, 0]), diffplan.InvalidValue, "dimension 0 is inf"),
        (np.zeros(3, complex), diffplan.InvalidType, "an array of dtype complex128, expected an array of real numbers"),
        (np.array(["a", "b", "c"]), diffplan.InvalidType, "obs is an array of dtype <U1"),
        ({"a": 1}, diffplan.InvalidType, "obs is a dict that becomes an array of dtype object"),
        ([[1], [1, 2]], diffplan.InvalidType, "obs is a list"),
        (None, diffplan.InvalidType, "obs is a NoneType"),
    ],
)
def test_observations_that_are_none(planner, obs, error, message):
    with pytest.raises(error, match=message):
        planner.plan(obs)


def test_lists_and_integers_are_observations(planner):
    expected = planner.plan(np.array([1, 0, 2], np.float32), seed=0).trajectories
    for obs in ([1, 0, 2], (1.0, 0.0, 2.0), np.array([1, 0, 2]), np.array([1, 0, 2], np.float16), np.array([1, 0, 2], ">f4")):
        np.testing.assert_array_equal(planner.plan(obs, seed=0).trajectories, expected)


def test_observations_of_any_memory(planner):
    expected = planner.plan(OBS, seed=0).trajectories
    packed = np.zeros(3, dtype=[("flag", "u1"), ("x", "f4")])
    packed["x"] = OBS
    wide = np.zeros((3, 5), np.float32, order="F")
    wide[:, 3] = OBS
    frozen = OBS.copy()
    frozen.flags.writeable = False
    for obs in (packed["x"], wide[:, 3], OBS[::-1].copy()[::-1], np.repeat(OBS, 3)[::3], frozen):
        np.testing.assert_array_equal(planner.plan(obs, seed=0).trajectories, expected)
    with pytest.raises(diffplan.InvalidValue, match="obs has 12 axes"):
        planner.plan(np.zeros((1,) * 12, np.float32))
    with pytest.raises(diffplan.InvalidValue, match="0 numbers, expected 3"):
        planner.plan(np.zeros((4, 0), np.float32)[::-1][0])


def test_conditions(planner):
    goal = np.array([1.0, 0.0, 0.0])
    for conditions in (
        {-1: goal},
        {31: goal},
        [(31, goal)],
        [(-1, [0, 1], goal[:2]), (-1, [2], goal[2:])],
        [diffplan.Condition(-1, goal)],
    ):
        plan = planner.plan(OBS, conditions=conditions, seed=0)
        np.testing.assert_allclose(plan.observations[:, -1], np.tile(goal, (2, 1)), atol=1e-5)
    plan = planner.plan(OBS, conditions=[diffplan.Condition(2, [0.5], part="action")], seed=0)
    np.testing.assert_allclose(plan.actions[:, 2], 0.5, atol=1e-5)
    free = planner.plan(OBS, seed=0).observations[:, -1]
    pulled = planner.plan(OBS, conditions=[diffplan.Condition(-1, goal, strength=0.5)], seed=0).observations[:, -1]
    assert np.abs(pulled - goal).sum() < np.abs(free - goal).sum()


@pytest.mark.parametrize(
    ("conditions", "error", "message"),
    [
        ({32: [0, 0, 0]}, diffplan.InvalidValue, "beyond the horizon"),
        ({-33: [0, 0, 0]}, diffplan.InvalidValue, "a condition's time is -33"),
        ([(3, [5], [1.0])], diffplan.InvalidValue, "dimension 5, expected below 3"),
        ([(3, [1.0])], diffplan.InvalidValue, "1 numbers, expected 3"),
        ([(0, [1.0, 0.0, 0.0])], diffplan.InvalidValue, "two conditions for the same time"),
        ([7], diffplan.InvalidType, "a condition is 7"),
        ([diffplan.Condition(3, [0, 0, 0], part="reward")], diffplan.InvalidValue, "part = \"reward\""),
        ([diffplan.Condition(3, [0, 0, 0], strength=2)], diffplan.InvalidValue, "a strength of 2"),
    ],
)
def test_conditions_that_are_none(planner, conditions, error, message):
    with pytest.raises(error, match=message):
        planner.plan(OBS, conditions=conditions)


def test_noise_of_ones_own(planner):
    visits = len(planner.timesteps)
    noise = np.random.default_rng(0).normal(size=(visits + 1, 2, 32, 4)).astype(np.float32)
    plan = planner.plan(OBS, noise=noise)
    np.testing.assert_array_equal(planner.plan(OBS, noise=noise).trajectories, plan.trajectories)
    with pytest.raises(diffplan.InvalidValue, match="the recording ends after 1 draw"):
        planner.plan(OBS, noise=noise[:1])
    with pytest.raises(diffplan.InvalidValue, match="more than one of seed, torch_seed and noise"):
        planner.plan(OBS, noise=noise, seed=0)
    with pytest.raises(diffplan.InvalidValue, match="generator is given beside"):
        planner.plan(OBS, seed=0, generator=np.random.default_rng(0))
    with pytest.raises(diffplan.InvalidType, match="generator is a int"):
        planner.plan(OBS, generator=5)
    plans = [planner.plan(OBS, generator=np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(plans[0].trajectories, plans[1].trajectories)
    for seed in (-(2**63) - 1, 2**64):
        with pytest.raises(diffplan.InvalidValue, match="torch_seed = "):
            planner.plan(OBS, torch_seed=seed)


def test_several_observations(planner):
    rows = np.stack([OBS, -OBS, OBS[::-1]])
    plans = planner.plan_batch(rows, torch_seed=[1, 2, 3])
    for row, seed, plan in zip(rows, (1, 2, 3), plans):
        np.testing.assert_array_equal(plan.trajectories, planner.plan(row, torch_seed=seed).trajectories)
    first = planner.plan_batch(rows[:2], seed=5)
    np.testing.assert_array_equal(planner.plan_batch(rows, seed=5)[1].trajectories, first[1].trajectories)
    assert planner.plan_batch(np.zeros((0, 3))) == []
    with pytest.raises(diffplan.InvalidValue, match="2 torch seeds for 3 observations"):
        planner.plan_batch(rows, torch_seed=[1, 2])


def test_warm_start(pipeline):
    planner = pipeline.planner(batch_size=3, warm_start=0.5)
    first = planner.plan(OBS, seed=0)
    warm = planner.plan(OBS, start=first, shift=1, seed=1)
    cold = planner.plan(OBS, seed=1)
    shifted = np.concatenate([first.normalized[:, 1:], first.normalized[:, -1:]], axis=1)
    np.testing.assert_array_equal(planner.plan(OBS, start=shifted, seed=1).trajectories, warm.trajectories)
    near = np.abs(warm.normalized.mean(0) - shifted.mean(0)).mean()
    assert near < np.abs(cold.normalized.mean(0) - shifted.mean(0)).mean()
    half = len(planner.timesteps) // 2
    np.testing.assert_array_equal(planner.plan(OBS, start=first, visit=half, seed=1).trajectories,
                                  planner.plan(OBS, start=first, seed=1).trajectories)
    with pytest.raises(diffplan.InvalidValue, match="a sample of shape"):
        planner.plan(OBS, start=first.normalized[:1], seed=1)
    with pytest.raises(diffplan.InvalidValue, match="visit 999"):
        planner.plan(OBS, start=first, visit=999)
    with pytest.raises(diffplan.InvalidValue, match="the option warm_start of the planner"):
        pipeline.planner(batch_size=3).plan(OBS, start=first)


def test_deadline(pipeline, quick):
    planner = pipeline.planner(**quick)
    plan = planner.plan(OBS, deadline=30.0, seed=0)
    assert plan.deadline["ended"] == "whole" and plan.deadline["rung"] == 0
    assert plan.deadline["took"] < plan.deadline["budget"] == 30.0
    np.testing.assert_array_equal(plan.trajectories, planner.plan(OBS, seed=0).trajectories)
    with pytest.raises(diffplan.DeadlineError, match="a deadline of 0.000 ms") as raised:
        planner.plan(OBS, deadline=1e-7)
    assert isinstance(raised.value, TimeoutError)
    for deadline in (-1.0, float("nan")):
        with pytest.raises(diffplan.InvalidValue, match="deadline = "):
            planner.plan(OBS, deadline=deadline)


def toward(x, timestep):
    """Prefers large actions at the end: in the environment's units."""
    assert x.dtype == np.float32 and x.shape[1:] == (32, 4) and isinstance(timestep, float)
    grad = np.zeros_like(x)
    grad[:, -1, 0] = 1.0
    return x[:, -1, 0].astype(np.float64), grad


def test_guides_of_python(pipeline, quick):
    plain = pipeline.planner(**quick).plan(OBS, seed=0)
    guided = pipeline.with_guides(diffplan.Guide(toward, weight=50.0, name="toward"))
    assert guided.guides == ["value", "toward"] and pipeline.guides == ["value"]
    bent = guided.planner(**quick).plan(OBS, seed=0)
    assert bent.actions[:, -1].mean() > plain.actions[:, -1].mean() + 0.05
    alone = pipeline.with_guides(toward, instead=True)
    assert alone.guides == ["toward"]
    plan = alone.planner(rescore=True, **quick).plan(OBS, seed=0)
    np.testing.assert_allclose(plan.values, plan.actions[:, -1, 0], atol=1e-5)


@pytest.mark.parametrize("units", ["environment", "normalized"])
@pytest.mark.parametrize("sees", ["clean", "noised"])
def test_a_guide_is_shown_what_it_asks_for(pipeline, quick, units, sees):
    seen = []

    def look(x, timestep):
        seen.append((x.copy(), timestep))
        return np.zeros(len(x)), np.zeros_like(x)

    guided = pipeline.with_guides(diffplan.Guide(look, units=units, sees=sees), instead=True)
    planner = guided.planner(rescore=True, **quick)
    plan = planner.plan(OBS, seed=0)
    last = plan.trajectories if units == "environment" else plan.normalized
    np.testing.assert_allclose(seen[-1][0], last[np.argsort(plan.order)], atol=1e-5)
    assert seen[0][1] == planner.timesteps[0] and seen[-1][1] == 0.0


def test_what_a_guide_raises_is_raised(pipeline, quick):
    class Odd(Exception):
        pass

    def fails(x, timestep):
        raise Odd("a fault of the guide's")

    with pytest.raises(Odd, match="a fault of the guide's"):
        pipeline.with_guides(fails)(OBS, **quick)
    for function, message in [
        (lambda x, t: 3.0, "gave something other than a pair"),
        (lambda x, t: (np.zeros(7), x), r"values of shape \(7,\)"),
        (lambda x, t: (np.zeros(len(x)), x[:, :1]), r"a gradient of shape \(2, 1, 4\)"),
    ]:
        with pytest.raises(diffplan.InvalidValue, match=message):
            pipeline.with_guides(function)(OBS, **quick)
    with pytest.raises(diffplan.Diverged, match="no longer finite"):
        pipeline.with_guides(lambda x, t: (np.full(len(x), np.nan), x * np.nan))(OBS, **quick)
    with pytest.raises(diffplan.InvalidValue, match='sees = "all": expected one of noised, clean'):
        pipeline.with_guides(diffplan.Guide(toward, sees="all"))
    with pytest.raises(diffplan.InvalidType, match="a guide is a int"):
        pipeline.with_guides(3)


def test_guides_of_a_file(pipeline, quick, tmp_path):
    file = tmp_path / "limits.toml"
    file.write_text('[[constraint]]\ntype = "action-limits"\nlow = -0.1\nhigh = 0.1\n')
    try:
        held = pipeline.with_guides_file(file)
    except diffplan.Error as error:
        pytest.fail(f"the file of the test is not as docs/guides.md has it: {error}")
    plan = held.planner(**quick).plan(OBS, seed=0)
    assert np.abs(plan.actions).max() <= 0.1 + 1e-5
    ((name, (before, after)),) = plan.violations.items()
    assert before.shape == after.shape == (2,) and after[0] == 0.0, name
    with pytest.raises(diffplan.FileMissing, match="no such file of guides"):
        pipeline.with_guides_file(tmp_path / "none.toml")
    file.write_text("[[constraint]]\ntype = 'bound'\n")
    with pytest.raises(diffplan.FileError, match="line"):
        pipeline.with_guides_file(file)
