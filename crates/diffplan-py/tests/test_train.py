"""Training: what the command does, from Python; stopped, gone on with, watched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import diffplan

SMALL = {
    "horizon": 16, "channels": (8, 32), "batch_size": 4, "gradient_accumulate_every": 1, "log_every": 2, "save_every": 4, "num_train_timesteps": 4,
    "threads": 1, "max_path_length": 40,
}
OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


def episodes(count: int = 6, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {
            "observations": rng.uniform(-1, 1, (31, 3)).astype(np.float32),
            "actions": rng.uniform(-1, 1, (30, 1)).astype(np.float32),
            "rewards": -rng.uniform(size=30),
            "terminated": False,
        }
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def data() -> diffplan.Dataset:
    return diffplan.Dataset.from_episodes(episodes(), env="Pendulum-v1")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> diffplan.Training:
    return diffplan.train(data, tmp_path_factory.mktemp("whole"), steps=6, value_steps=4, **SMALL)


def parameters(folder) -> dict:
    pipeline = diffplan.ValueGuidedRLPipeline.from_pretrained(folder)
    return {**pipeline.unet.state_dict(), **{f"value.{k}": v for k, v in pipeline.value_function.state_dict().items()}}


def same(a, b) -> None:
    a, b = parameters(a), parameters(b)
    assert a.keys() == b.keys()
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name], err_msg=name)


def test_a_checkpoint_that_plans(run):
    assert run.env == "Pendulum-v1"
    assert {name: one["steps"] for name, one in run.networks.items()} == {"planner": 6, "value": 4}
    assert np.isfinite([one["loss"] for one in run.networks.values()]).all()
    losses = run.losses
    assert losses["planner"]["step"].tolist() == [2, 4, 6] and losses["value"]["step"].tolist() == [2, 4]
    assert losses["planner"]["loss"][-1] == run.networks["planner"]["loss"]
    assert "first_action_loss" in losses["planner"] and "first_action_loss" not in losses["value"]
    plan = diffplan.Planner.from_pretrained(run.folder, batch_size=2).plan(OBS, seed=0)
    assert plan.trajectories.shape == (2, 16, 4)
    np.testing.assert_array_equal(run.planner(batch_size=2).plan(OBS, seed=0).action, plan.action)
    assert "planner: loss" in repr(run) and "value: loss" in repr(run)
    # The run says what it was started with, and on what.
    text = (run.folder / "training.toml").read_text()
    assert "dataset.npz" in text and "horizon = 16" in text


def test_the_commands_bits(run, data, tmp_path):
    """A file with the same steps, settings as TOML, one network after the other."""
    data.save(tmp_path / "own.hdf5")
    lines = [f"{name} = {list(value) if isinstance(value, tuple) else value}" for name, value in SMALL.items()]
    (tmp_path / "settings.toml").write_text("\n".join([*lines, "[planner]", "steps = 6", "[value]", "steps = 4"]))
    out = tmp_path / "run"
    diffplan.train(str(tmp_path / "own.hdf5"), out, what="planner", config=tmp_path / "settings.toml")
    diffplan.train(tmp_path / "own.hdf5", out, what="value", config=tmp_path / "settings.toml", threads=2)
    same(run.folder, out)


class Enough(Exception):
    pass


def test_stopped_and_gone_on_with(run, data, tmp_path):
    out = tmp_path / "run"

    def stop(progress):
        if progress.task == "planner" and progress.done >= 1:
            raise Enough

    with pytest.raises(Enough) as raised:
        # So many steps that it is seen before the last.
        diffplan.train(data, out, steps=100_000, value_steps=4, progress=stop, **SMALL)
    if sys.version_info >= (3, 11):
        assert "resume=True" in raised.value.__notes__[0]
    # The state of the step that it was stopped at is there; fewer steps than were taken are none.
    states = [path.name for path in (out / "checkpoints" / "planner").iterdir()]
    assert states
    with pytest.raises(diffplan.InvalidValue, match="steps"):
        diffplan.train(out=out, resume=True, steps=1)


def test_what_goes_on_is_what_was_never_stopped(run, tmp_path):
    out = tmp_path / "run"
    own = diffplan.Dataset.from_episodes(episodes(), env="Pendulum-v1")
    diffplan.train(own, out, steps=2, value_steps=2, **SMALL)
    diffplan.train(own, out, steps=6, value_steps=4, resume=True, **SMALL)
    same(run.folder, out)
    # Without saying anything again.
    again = diffplan.train(out=out, resume=True)
    assert again.networks["planner"]["steps"] == 6
    with pytest.raises(diffplan.InvalidValue, match="holds other arrays"):
        diffplan.train(diffplan.Dataset.from_episodes(episodes(seed=1)), out, resume=True)
    with pytest.raises(diffplan.Error, match="resume|overwrite"):
        diffplan.train(own, out, steps=6, value_steps=4, **SMALL)
    fresh = diffplan.train(own, out, steps=2, value_steps=2, overwrite=True, **SMALL)
    assert fresh.networks["planner"]["steps"] == 2


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_ctrl_c_saves_a_state(tmp_path):
    code = f"""
    import os, signal, sys
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    import diffplan
    from test_train import SMALL, episodes
    def press(progress):
        if progress.done >= 3 and not pressed:
            pressed.append(progress.done)
            os.kill(os.getpid(), signal.SIGINT)
    pressed = []
    try:
        diffplan.train(diffplan.Dataset.from_episodes(episodes()), {str(tmp_path / "run")!r}, steps=10**6, progress=press, **SMALL)
    except KeyboardInterrupt:
        print("interrupted", pressed[0])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120)
    word, step = done.stdout.split()
    assert word == "interrupted"
    states = sorted((tmp_path / "run" / "checkpoints" / "planner").iterdir())
    assert int("".join(filter(str.isdigit, states[-1].name))) >= int(step)
    assert (tmp_path / "run" / "unet" / "config.json").is_file()


def test_progress(data, tmp_path):
    seen: list[diffplan.Progress] = []
    diffplan.train(data, tmp_path / "run", steps=40, value_steps=20, validation=0.2, progress=seen.append, **SMALL)
    assert [at.done for at in seen if at.task == "planner"] == sorted(at.done for at in seen if at.task == "planner")
    last = seen[-1]
    assert (last.task, last.done, last.total) == ("value", 20, 20) and np.isfinite(last.values["loss"])
    assert np.isfinite(last.values["validation_loss"])


def test_bars(data, tmp_path, capsys):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    diffplan.train(data, tmp_path / "run", what="planner", steps=3, progress=True, **SMALL)
    assert "planner: 100%" in capsys.readouterr().err
    diffplan.train(data, tmp_path / "again", what="planner", steps=3, progress=False, **SMALL)
    assert capsys.readouterr().err == ""
    with pytest.raises(diffplan.InvalidValue, match="progress = 3"):
        diffplan.train(data, tmp_path / "third", progress=3, **SMALL)


def test_settings_are_checked(data, tmp_path):
    out = tmp_path / "run"
    for settings, message in (
        ({"step": 3}, "step: there is no such setting"),
        ({"value_horizon": 3}, "value_horizon|horizon"),
        ({"sample_every": 3}, "sample_every"),
        ({"horizon": "long"}, "horizon"),
        ({"horizon": 0}, "horizon"),
        ({"channels": (7,)}, "7|channels"),
        ({"normalizer": "none"}, "none"),
        ({"what": "all"}, "both, planner or value"),
        ({"env": "Nowhere-v0"}, "Nowhere-v0"),
        ({"env": "diffplan/MountainCarContinuous-v0"}, "dimensions"),
        ({"resume": True, "overwrite": True}, "both given"),
    ):
        with pytest.raises((diffplan.InvalidValue, diffplan.InvalidType, diffplan.CheckpointError), match=message):
            diffplan.train(data, out, **{**SMALL, "steps": 1, **settings})
    with pytest.raises(diffplan.InvalidValue, match="out"):
        diffplan.train(data)
    with pytest.raises(diffplan.Error, match="no run to go on with"):
        diffplan.train(out=tmp_path / "nothing", resume=True)
    odd = diffplan.Dataset({**data.to_dict(), "rewards": np.ones(180)})
    with pytest.raises(diffplan.InvalidValue, match="odd.*every reward is 1"):
        diffplan.train(odd, out, strict=True, **{**SMALL, "steps": 1})
    # Nothing stays of what was not begun.
    assert not {path.name for path in out.iterdir()} & {"training.toml", "dataset.npz"}
    assert "horizon" in diffplan.TRAINING_KEYS and "dataset" not in diffplan.TRAINING_KEYS


def test_several_datasets_and_dicts(data, tmp_path):
    data.save(tmp_path / "own.npz")
    out = tmp_path / "run"
    run = diffplan.train(
        [data.to_dict(), tmp_path / "own.npz"], out, what="planner", steps=1, dataset_weights=[1, 2], best=0.5, env="Pendulum-v1",
        env_kwargs={"g": 1.62}, **SMALL,
    )
    assert (out / "dataset-0.npz").is_file() and run.env == "Pendulum-v1"
    assert "g=1.62" in (out / "training.toml").read_text()
    assert run.networks.keys() == {"planner"} and run.losses.keys() == {"planner"}


def test_the_gil_is_released(data, tmp_path):
    import threading
    import time

    thread = threading.Thread(target=lambda: diffplan.train(data, tmp_path / "run", steps=60, what="planner", **SMALL))
    began = time.perf_counter()
    thread.start()
    turns = 0
    while thread.is_alive():
        time.sleep(0.001)
        turns += 1
    assert turns > 20 * (time.perf_counter() - began)
