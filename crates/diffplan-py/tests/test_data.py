"""Datasets: of every layout against what NumPy, h5py and the layouts' own packages said of them; arrays, looked at, saved and read again."""

from __future__ import annotations

import copy
import gc
import json
import pickle

import numpy as np
import pytest
from conftest import ROOT

import diffplan

DATASETS = ROOT / "testdata" / "datasets"
EXPECTED = {
    name: told
    for name, told in json.loads((DATASETS / "expected.json").read_text()).items()
    if isinstance(told, dict) and "returns" in told
}


def arrays(rows: int = 60, seed: int = 0) -> dict:
    """As D4RL has them: episodes of 12 rows, every other one ending in a terminal state."""
    rng = np.random.default_rng(seed)
    ends = np.arange(rows) % 12 == 11
    first = np.arange(rows) // 12 % 2 == 0
    return {
        "observations": rng.normal(size=(rows, 3)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (rows, 2)).astype(np.float32),
        "rewards": rng.normal(size=rows),
        "terminals": ends & first,
        "timeouts": ends & ~first,
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_every_layout(name):
    told = EXPECTED[name]
    data = diffplan.load_dataset(DATASETS / name, keys=told.get("keys"), rewards=told.get("rewards"))
    assert data.layout == told["format"]
    assert data.env == told["env"]
    assert data.lengths.tolist() == told["lengths"]
    assert data.terminated.tolist() == told["terminated"]
    np.testing.assert_allclose(data.returns, told["returns"], atol=1e-6)
    rows = np.concatenate([np.arange(start, end) for start, end in data.bounds])
    for key in ("observations", "actions"):
        values = getattr(data, key)[rows].astype(np.float64)
        np.testing.assert_allclose(values.mean(0), told[key]["mean"], atol=1e-6)
        np.testing.assert_allclose(values.std(0), told[key]["std"], atol=1e-6)
    assert len(data) == len(told["lengths"]) == len(list(data))
    assert data.arrays and data.path == DATASETS / name
    assert data.summary()["episodes"] == len(data)


def test_arrays_are_shared_and_cannot_be_written_to():
    given = arrays()
    data = diffplan.Dataset(given)
    for name in ("observations", "actions", "rewards"):
        own = getattr(data, name)
        np.testing.assert_array_equal(own, given[name])
        assert np.shares_memory(own, getattr(data, name)) and not np.shares_memory(own, given[name])
        with pytest.raises(ValueError, match="read-only"):
            own[0] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            own.flags.writeable = True
        assert np.shares_memory(own, getattr(data[1], name))
    for name in ("terminals", "timeouts"):
        np.testing.assert_array_equal(getattr(data, name), given[name])
    kept = data[4].observations
    expected = given["observations"][48:]
    del data
    gc.collect()
    np.ones(100_000)
    np.testing.assert_array_equal(kept, expected)


def test_episodes():
    data = diffplan.Dataset({**arrays(), "observations": np.arange(180.0).reshape(60, 3)}, env="Pendulum-v1", env_kwargs={"g": 1.62})
    assert len(data) == 5 and data.bounds[1].tolist() == [12, 24] and data.left_out == 0
    episode = data[-1]
    assert (episode.start, episode.end, episode.terminated) == (48, 60, True)
    assert episode.observations[0, 0] == 144 and episode.rewards.shape == (12,)
    assert [one.terminated for one in data] == data.terminated.tolist() == [True, False, True, False, True]
    assert (data.env, data.env_kwargs, data.path, data.layout) == ("Pendulum-v1", {"g": 1.62}, None, "npz")
    with pytest.raises(IndexError):
        data[5]
    assert repr(data).startswith("Dataset(npz, env='Pendulum-v1', 5 episodes, 60 rows")
    left = diffplan.Dataset({name: values[:55] for name, values in arrays().items()})
    assert left.left_out == 7 and any("belong to no finished episode" in found for found in left.findings)
    cut = diffplan.Dataset({**{k: v for k, v in arrays().items() if k != "timeouts"}, "terminals": np.zeros(60, bool)}, max_episode_steps=20)
    assert cut.lengths.tolist() == [20, 20, 20]


def test_other_names_types_and_rules():
    own = arrays()
    names = {"obs": own["observations"][:, :1], "more": own["observations"][:, 1:], "acts": own["actions"].astype(np.float64).tolist()}
    given = {**names, "rewards": own["rewards"].astype(np.float16), "done": own["terminals"].astype(np.int8), "cut": own["timeouts"]}
    keys = {"observations": ["obs", "more"], "actions": "acts", "rewards": "rewards", "terminals": "done", "timeouts": "cut"}
    data = diffplan.Dataset(given, keys=keys)
    np.testing.assert_array_equal(data.observations, own["observations"])
    np.testing.assert_array_equal(data.actions, own["actions"])
    assert data.lengths.tolist() == [12] * 5
    assert diffplan.Dataset(own, rewards="zeros").returns.tolist() == [0.0] * 5
    # Arrays of any strides.
    backwards = {name: values[::-1][::-1] for name, values in own.items()}
    backwards["observations"] = np.asfortranarray(own["observations"])
    np.testing.assert_array_equal(diffplan.Dataset(backwards).observations, own["observations"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"observations": None}, diffplan.InvalidType, "observations is an array of Python objects"),
        ({"observations": np.full((60, 3), np.nan)}, ValueError, "NaN"),
        ({"actions": np.zeros((59, 2))}, ValueError, "59"),
        ({"terminals": np.zeros(60, bool), "timeouts": np.zeros(60, bool)}, ValueError, "never set"),
        ({"rewards": np.full(60, "a")}, OSError, "rewards"),
    ],
)
def test_what_cannot_be_trained_on(change, error, message):
    with pytest.raises((error, diffplan.Error), match=message):
        diffplan.Dataset({**arrays(), **change})


def test_errors_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(diffplan.FileMissing):
        diffplan.load_dataset(tmp_path / "none.hdf5")
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    with pytest.raises(diffplan.FileMissing, match="download=True") as raised:
        diffplan.load_dataset("hopper-medium-v2")
    assert raised.value.kind == "not_downloaded"
    with pytest.raises(diffplan.InvalidValue, match="keys"):
        diffplan.load_dataset(DATASETS / "told.hdf5", keys="nothing")
    with pytest.raises(diffplan.InvalidValue, match="rewards"):
        diffplan.Dataset(arrays(), rewards="many")
    with pytest.raises(diffplan.InvalidType, match="load_dataset"):
        diffplan.Dataset("a.hdf5")
    with pytest.raises(diffplan.InvalidValue, match="expected one of|kind|gaussian"):
        diffplan.Dataset(arrays()).normalizers("none")
    # A name, where its file is.
    diffplan.Dataset(arrays()).save(tmp_path / "hopper_medium-v2.hdf5")
    assert len(diffplan.load_dataset("hopper-medium-v2")) == 5


def test_statistics(tmp_path):
    given = arrays()
    data = diffplan.Dataset(given)
    data.save(tmp_path / "own.npz")
    for kind in ("gaussian", "scalar_gaussian", "limits", "safe_limits", "cdf"):
        own = data.normalizers(kind)
        assert own == diffplan.Normalizers.of_file(tmp_path / "own.npz", kind)
        assert own == diffplan.Normalizers.fit(given["observations"], given["actions"], kind)
    normal = data.normalizers().normalize(data.observations)
    np.testing.assert_allclose([normal.mean(), normal.std()], [0, 1], atol=1e-5)


@pytest.mark.parametrize("name", ["own.hdf5", "own.npz", "own"])
@pytest.mark.parametrize("source", ["arrays", "minari-box", "robomimic.hdf5"])
def test_saved_and_read_again(tmp_path, name, source):
    data = diffplan.Dataset(arrays(), env="Pendulum-v1") if source == "arrays" else diffplan.load_dataset(DATASETS / source)
    notes = data.save(tmp_path / name)
    assert all(isinstance(note, str) for note in notes)
    again = diffplan.load_dataset(tmp_path / name)
    assert (again.env, again.lengths.tolist(), again.terminated.tolist()) == (data.env, data.lengths.tolist(), data.terminated.tolist())
    for mine, other in zip(data, again):
        np.testing.assert_array_equal(mine.observations, other.observations)
        np.testing.assert_array_equal(mine.actions, other.actions)
        np.testing.assert_array_equal(mine.rewards, other.rewards)
    with pytest.raises(diffplan.InvalidValue, match="overwrite=True"):
        data.save(tmp_path / name)
    data.save(tmp_path / name, overwrite=True)


def test_where_it_is_not_saved(tmp_path):
    data = diffplan.Dataset(arrays())
    with pytest.raises(diffplan.InvalidValue, match="ends in .hdf5"):
        data.save(tmp_path / "own.csv")
    with pytest.raises(diffplan.InvalidValue, match="d4rl, minari or npz"):
        data.save(tmp_path / "own.csv", "csv")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(diffplan.InvalidValue, match="thesis.tex would be lost"):
        data.save(tmp_path / "mine", overwrite=True)
    data.save(tmp_path / "minari")
    inside = diffplan.load_dataset(tmp_path / "minari")
    with pytest.raises(diffplan.InvalidValue, match="outside of"):
        inside.save(tmp_path / "minari" / "copy.npz")


def test_h5py_reads_what_was_saved(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    given = arrays()
    diffplan.Dataset(given).save(tmp_path / "own.hdf5")
    with h5py.File(tmp_path / "own.hdf5") as file:
        for name, values in given.items():
            np.testing.assert_array_equal(file[name][:], values)


def test_what_h5py_wrote_is_read(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    given = arrays()
    with h5py.File(tmp_path / "own.hdf5", "w") as file:
        for name, values in given.items():
            file.create_dataset(name, data=values, compression="gzip")
    data = diffplan.load_dataset(tmp_path / "own.hdf5")
    for name, values in data.to_dict().items():
        np.testing.assert_array_equal(values, given[name])


def test_minari_reads_what_was_saved(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari", reason="minari is not installed")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = diffplan.Dataset.from_episodes(played(3), env="Pendulum-v1")
    data.save(tmp_path / "test" / "own-v0")
    theirs = minari.load_dataset("test/own-v0")
    assert theirs.total_episodes == 3
    for mine, other in zip(data, theirs.iterate_episodes()):
        np.testing.assert_array_equal(mine.observations, other.observations[:-1])
        np.testing.assert_array_equal(mine.rewards, other.rewards)
    assert len(diffplan.load_dataset("test/own-v0")) == 3


def played(count: int) -> list[dict]:
    rng = np.random.default_rng(5)
    return [
        {
            "observations": rng.uniform(-1, 1, (steps + 1, 3)).astype(np.float32),
            "actions": rng.uniform(-1, 1, (steps, 1)).astype(np.float32),
            "rewards": rng.normal(size=steps),
            "terminated": steps == 7,
        }
        for steps in (5, 7, 6)[:count]
    ]


def test_of_episodes_that_were_played(tmp_path):
    episodes = played(3)
    data = diffplan.Dataset.from_episodes(episodes, env="Pendulum-v1")
    assert data.lengths.tolist() == [5, 7, 6] and data.terminated.tolist() == [False, True, False]
    data.save(tmp_path / "own.npz")
    following = np.load(tmp_path / "own.npz")["next_observations"]
    np.testing.assert_array_equal(following[4], episodes[0]["observations"][5])
    for change in ({"actions": np.zeros((3, 1))}, {"rewards": []}):
        with pytest.raises(diffplan.InvalidValue, match="episode 0 has 6 observations"):
            diffplan.Dataset.from_episodes([{**episodes[0], **change}])
    with pytest.raises(diffplan.InvalidValue, match="has no 'terminated'"):
        diffplan.Dataset.from_episodes([{k: v for k, v in episodes[0].items() if k != "terminated"}])
    with pytest.raises(diffplan.InvalidValue, match="at least one"):
        diffplan.Dataset.from_episodes([])


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_and_pickles_are_by_contents(tmp_path, again):
    of_arrays = diffplan.Dataset(arrays(), env="Pendulum-v1", env_kwargs={"g": 1.62, "max_episode_steps": 12})
    of_arrays.save(tmp_path / "own.hdf5")
    for data in (of_arrays, diffplan.load_dataset(tmp_path / "own.hdf5")):
        other = again(data)
        assert (other.env, other.env_kwargs) == (data.env, data.env_kwargs) == ("Pendulum-v1", {"g": 1.62, "max_episode_steps": 12})
        for name, values in data.to_dict().items():
            np.testing.assert_array_equal(other.to_dict()[name], values)


def test_what_is_odd():
    given = arrays()
    given["observations"][:, 2] = 3.0
    assert any("never change" in found for found in diffplan.Dataset(given).findings)
    outside = diffplan.Dataset({**given, "actions": 5 + np.zeros((60, 1))}, env="Pendulum-v1")
    assert any("lie outside the action space of Pendulum-v1" in found for found in outside.findings)
