"""Datasets: read from files of many projects or from arrays, looked at, and written."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _diffplan
from ._diffplan import Normalizers
from ._errors import InvalidType, InvalidValue

Keys = Union[str, Mapping[str, Union[str, Iterable[str]]]]


class Episode(NamedTuple):
    """An episode of a dataset: views of its rows.

    Attributes
    ----------
    observations : numpy.ndarray, shape (steps, observation dimensions), float32
    actions : numpy.ndarray, shape (steps, action dimensions), float32
    rewards : numpy.ndarray, shape (steps,), float64
    terminated : bool
        Whether it ended in a terminal state, rather than being cut off.
    start, end : int
        Its first row in the dataset, and the row after its last.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float64]
    terminated: bool
    start: int
    end: int


class Dataset:
    """The steps of many episodes, one after the other, in the units of the environment.

    ``load_dataset`` reads files; this is of arrays. Arrays of a dataset can be read, and not be written to; they are shared, not copied.

    Parameters
    ----------
    arrays : mapping of str to array_like
        As D4RL's ``env.get_dataset()`` gives it: ``observations`` (rows, observation dimensions), ``actions`` (rows, action dimensions),
        ``rewards`` (rows,), ``terminals`` (rows,) and, where episodes are cut off too, ``timeouts`` (rows,). ``next_observations`` is kept
        when the dataset is saved. Any other layout that is read of an ``.npz`` will do, and any other names with ``keys``.
    env : str, optional
        The id of the environment that it is of.
    env_kwargs : dict, optional
        What that was made with.
    max_episode_steps : int, optional
        Steps after which an episode ends, where there are no ``timeouts``.
    keys : str or dict, optional
        Which arrays are what, where names are others: ``{"observations": "obs", "actions": "acts"}``, or ``"observations=obs,actions=acts"``.
        Several arrays side by side are joined with ``+``, or given as a list.
    rewards : str, optional
        Rewards in place of those in the data: ``"zeros"``, or ``"goal=X,Y"``, which is 1 within 0.5 of there.

    Raises
    ------
    InvalidValue, InvalidType, FileError
        What cannot be trained on: which array, which row, and why.

    Examples
    --------
    >>> import numpy as np, diffplan
    >>> data = diffplan.Dataset({
    ...     "observations": np.zeros((4, 2)), "actions": np.ones((4, 1)), "rewards": [1.0, 2.0, 3.0, 4.0],
    ...     "terminals": [False, True, False, False], "timeouts": [False, False, False, True],
    ... }, env="Pendulum-v1")
    >>> len(data), data.returns.tolist(), data.terminated.tolist()
    (2, [3.0, 7.0], [True, False])
    >>> data[1].rewards
    array([3., 4.])
    """

    __slots__ = ("_native",)

    def __init__(
        self,
        arrays: Mapping[str, ArrayLike],
        *,
        env: str | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
        max_episode_steps: int | None = None,
        keys: Keys | None = None,
        rewards: str | None = None,
    ) -> None:
        if not isinstance(arrays, Mapping):
            raise InvalidType(f"arrays are a {type(arrays).__name__}, expected a mapping of names to arrays; load_dataset reads files")
        texts: dict[str, ArrayLike] = {}
        if env is not None:
            texts["metadata/env_id"] = env
        if env_kwargs:
            if env is None:
                raise InvalidValue("env_kwargs are given, and no env that is made with them")
            texts["metadata/env_kwargs"] = json.dumps(dict(env_kwargs))
        npz = _npz({**arrays, **texts})
        self._native = _diffplan.Dataset.of_npz(npz, max_episode_steps, keys_text(keys), rewards)

    @classmethod
    def _of(cls, native: _diffplan.Dataset) -> Dataset:
        self = cls.__new__(cls)
        self._native = native
        return self

    @classmethod
    def from_episodes(
        cls, episodes: Iterable[Mapping[str, Any]], *, env: str | None = None, env_kwargs: Mapping[str, Any] | None = None
    ) -> Dataset:
        """Of episodes that were played.

        Parameters
        ----------
        episodes : iterable of mapping
            Each with ``observations`` (steps, ·), or (steps + 1, ·) with what was observed after the last action; ``actions`` (steps, ·);
            ``rewards`` (steps,); and ``terminated``, whether it ended in a terminal state.
        env, env_kwargs
            As of the constructor.

        Examples
        --------
        >>> import numpy as np, diffplan
        >>> played = {"observations": np.zeros((4, 2)), "actions": np.zeros((3, 1)), "rewards": [0, 0, 1], "terminated": True}
        >>> data = diffplan.Dataset.from_episodes([played, played])
        >>> len(data), data.observations.shape
        (2, (6, 2))
        """
        parts: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
        }
        for number, episode in enumerate(episodes):
            try:
                observed = np.asarray(episode["observations"])
                acted = np.asarray(episode["actions"])
                rewarded = np.asarray(episode["rewards"])
                ended = bool(episode["terminated"])
            except KeyError as error:
                raise InvalidValue(f"episode {number} has no {error}, expected observations, actions, rewards and terminated") from error
            steps = len(acted)
            if steps == 0 or len(rewarded) != steps or len(observed) not in (steps, steps + 1):
                raise InvalidValue(
                    f"episode {number} has {len(observed)} observations, {steps} actions and {len(rewarded)} rewards, expected at least one "
                    "action, as many rewards, and as many observations or one more"
                )
            last = np.arange(steps) == steps - 1
            parts["observations"].append(observed[:steps])
            parts["actions"].append(acted)
            parts["rewards"].append(rewarded)
            parts["terminals"].append(last & ended)
            parts["timeouts"].append(last & (not ended))
            if len(observed) > steps:
                parts["next_observations"].append(observed[1:])
        if not parts["actions"]:
            raise InvalidValue("there are no episodes, expected at least one")
        if len(parts["next_observations"]) < len(parts["actions"]):
            # Known of all, or of none.
            del parts["next_observations"]
        arrays = {name: np.concatenate(of_each) for name, of_each in parts.items()}
        return cls(arrays, env=env, env_kwargs=env_kwargs)

    @property
    def observations(self) -> NDArray[np.float32]:
        """Shape (rows, observation dimensions)."""
        return self._native.observations

    @property
    def actions(self) -> NDArray[np.float32]:
        """Shape (rows, action dimensions)."""
        return self._native.actions

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Shape (rows,)."""
        return self._native.rewards

    @property
    def terminals(self) -> NDArray[np.bool_]:
        """Shape (rows,): whether an episode ended in a terminal state in that row."""
        return self._flags(self._native.terminated)

    @property
    def timeouts(self) -> NDArray[np.bool_]:
        """Shape (rows,): whether an episode was cut off after that row."""
        return self._flags(~self._native.terminated)

    def _flags(self, of_episode: NDArray[np.bool_]) -> NDArray[np.bool_]:
        flags = np.zeros(len(self.rewards), dtype=bool)
        flags[self._native.ends - 1] = of_episode
        return flags

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Shape (episodes, 2): the first row of every episode, and the row after its last."""
        return np.stack([self._native.starts, self._native.ends], axis=1)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Shape (episodes,): whether each ended in a terminal state, rather than being cut off."""
        return self._native.terminated

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Shape (episodes,): steps of each."""
        return self._native.ends - self._native.starts

    @property
    def returns(self) -> NDArray[np.float64]:
        """Shape (episodes,): the sum of rewards of each."""
        return self._native.returns

    @property
    def left_out(self) -> int:
        """Rows after the last end of an episode, which belong to none."""
        return self._native.left_out

    @property
    def env(self) -> str | None:
        """The id of its environment, where it is known."""
        known = self._native.env
        return None if known is None else known[0]

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """What that was made with, its ``max_episode_steps`` among it where the data says so."""
        known = self._native.env
        if known is None:
            return {}
        limit = {} if known[2] is None else {"max_episode_steps": known[2]}
        return {**known[1], **limit}

    @property
    def path(self) -> Path | None:
        """The file or folder that it was read from; None of arrays."""
        return None if self._native.path is None else Path(self._native.path)

    @property
    def layout(self) -> str:
        """Whose layout the data is in: ``"D4RL HDF5"``, ``"Minari"``, ``"LeRobot"``, …"""
        return self._native.format

    @property
    def metadata(self) -> dict[str, str]:
        """What else the data says of itself."""
        return dict(self._native.metadata)

    @property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of every array in the file; of one with a group an episode, those of the first."""
        return {name: (tuple(shape), dtype) for name, shape, dtype in self._native.arrays}

    @property
    def findings(self) -> list[str]:
        """What is odd about it, a sentence each: what ``diffplan data inspect`` and ``diffplan train`` warn of."""
        return self._native.findings

    def normalizers(self, kind: str = "gaussian") -> Normalizers:
        """Statistics of the rows of all episodes.

        Parameters
        ----------
        kind : str
            ``"gaussian"``, ``"scalar_gaussian"`` (one number for all dimensions, as diffusers has it), ``"limits"``, ``"safe_limits"`` or
            ``"cdf"``.
        """
        return self._native.normalizers(kind)

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """The arrays as D4RL's ``env.get_dataset()`` has them."""
        return {name: getattr(self, name) for name in ("observations", "actions", "rewards", "terminals", "timeouts")}

    def summary(self) -> dict[str, Any]:
        """Its numbers: episodes, rows, dimensions, and mean, standard deviation, least and most of returns and lengths."""

        def spread(values: NDArray[Any]) -> dict[str, float]:
            return {"mean": float(values.mean()), "std": float(values.std()), "min": float(values.min()), "max": float(values.max())}

        return {
            "layout": self.layout,
            "env": self.env,
            "episodes": len(self),
            "terminated": int(self.terminated.sum()),
            "rows": len(self.rewards),
            "left_out": self.left_out,
            "observation_dim": self.observations.shape[1],
            "action_dim": self.actions.shape[1],
            "returns": spread(self.returns),
            "lengths": spread(self.lengths),
            "findings": self.findings,
        }

    def save(
        self, path: str | os.PathLike[str], format: str | None = None, *, overwrite: bool = False
    ) -> list[str]:
        """Writes the finished episodes, whole or not at all.

        Parameters
        ----------
        path : path
            A name that ends in ``.hdf5`` or ``.h5`` (D4RL's), ``.npz``, or in nothing: a folder of Minari.
        format : {"d4rl", "minari", "npz"}, optional
            In place of what the name says.
        overwrite : bool
            Whether a dataset that is there is replaced.

        Returns
        -------
        list of str
            What is left out or made up in that format, a sentence each.
        """
        where = Path(path)
        is_folder = format == "minari" or (format is None and where.suffix == "")
        if where.exists():
            if where.is_dir() != is_folder:
                there = "a folder" if where.is_dir() else "a file"
                raise InvalidValue(f"path = {os.fspath(path)!r}: {there} is there, expected another name")
            names = sorted(entry.name for entry in where.iterdir()) if is_folder else []
            if not overwrite and (names or not is_folder):
                raise InvalidValue(f"path = {os.fspath(path)!r}: there is one, expected another name, or overwrite=True")
            others = [name for name in names if name != "data"]
            if others:
                raise InvalidValue(f"path = {os.fspath(path)!r}: {others[0]} would be lost, expected a dataset of Minari and nothing else")
        own = self.path
        if own is not None and own.is_dir() and own.resolve() in (where.resolve(), *where.resolve().parents):
            raise InvalidValue(f"path = {os.fspath(path)!r}: expected a place outside of {own}, which is read")
        where.parent.mkdir(parents=True, exist_ok=True)
        return self._native.save(where, format)

    def __len__(self) -> int:
        """The number of episodes."""
        return len(self._native.starts)

    def __getitem__(self, number: int) -> Episode:
        """An episode by its number; from the end below 0."""
        count = len(self)
        if not -count <= number < count:
            raise IndexError(f"episode {number} of {count}")
        start, end = (int(bounds[number]) for bounds in (self._native.starts, self._native.ends))
        rows = slice(start, end)
        ended = bool(self._native.terminated[number])
        return Episode(self.observations[rows], self.actions[rows], self.rewards[rows], ended, start, end)

    def __iter__(self) -> Iterator[Episode]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        env = "" if self.env is None else f", env={self.env!r}"
        return (
            f"Dataset({self.layout}{env}, {len(self)} episodes, {len(self.rewards)} rows, {self.observations.shape[1]} observation and "
            f"{self.actions.shape[1]} action dimensions)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        limit, keys, rewards = self._native.read_options
        if self._native.npz is not None:
            return (_again, (self._native.npz, limit, keys, rewards))
        # By contents, not by paths: as they would be saved.
        import tempfile

        folder = tempfile.mkdtemp()
        try:
            self._native.save(Path(folder) / "dataset.npz", "npz")
            npz = (Path(folder) / "dataset.npz").read_bytes()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return (_again, (npz, None, None, None))


def _again(npz: bytes, limit: int | None, keys: str | None, rewards: str | None) -> Dataset:
    return Dataset._of(_diffplan.Dataset.of_npz(npz, limit, keys, rewards))


def load_dataset(
    path: str | os.PathLike[str],
    *,
    max_episode_steps: int | None = None,
    keys: Keys | None = None,
    rewards: str | None = None,
    download: bool = False,
) -> Dataset:
    """Reads a dataset of any layout that diffplan knows.

    HDF5 and ``.npz`` of D4RL, Minari, OGBench, robomimic, ManiSkill, ACT, d3rlpy, Stable-Baselines and imitation, folders of such files,
    LeRobot's folders, packed files; others by ``keys``. docs/datasets.md tells what is taken from each.

    Parameters
    ----------
    path : path
        A file or folder; or the name of a dataset that was downloaded: ``"hopper-medium-v2"`` of D4RL, ``"D4RL/door/human-v2"`` of Minari.
    max_episode_steps : int, optional
        Steps after which an episode ends, in a file without timeouts.
    keys : str or dict, optional
        Where the steps are in the file, for a layout that is not known or other arrays than its own; see ``Dataset``.
    rewards : str, optional
        Rewards in place of the file's; see ``Dataset``.
    download : bool
        Whether a dataset of that name is downloaded to where its project looks for it, if it is not there.

    Returns
    -------
    Dataset

    Raises
    ------
    FileMissing, FileError
        If it is not there, or cannot be read or trained on: where, why, and what to do.

    Examples
    --------
    >>> import diffplan
    >>> data = diffplan.load_dataset("testdata/datasets/robomimic.hdf5")
    >>> data.layout, len(data)
    ('robomimic HDF5', 3)
    """
    where = os.fspath(path)
    if download and not os.path.exists(where):
        where = os.fspath(_diffplan.download_dataset(where))
    return Dataset._of(_diffplan.Dataset.load(where, max_episode_steps, keys_text(keys), rewards))


def as_dataset(given: Any) -> Dataset:
    """A dataset, of one, arrays, or a path."""
    if isinstance(given, Dataset):
        return given
    if isinstance(given, (str, os.PathLike)):
        return load_dataset(given)
    return Dataset(given)


def keys_text(keys: Keys | None) -> str | None:
    """As the command has them."""
    if keys is None or isinstance(keys, str):
        return keys
    joined = {name: paths if isinstance(paths, str) else "+".join(paths) for name, paths in keys.items()}
    return ",".join(f"{name}={paths}" for name, paths in joined.items())


def _npz(arrays: Mapping[str, ArrayLike]) -> bytes:
    """What ``numpy.savez`` writes, with any names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            try:
                array = np.asarray(value)
            except ValueError as error:
                raise InvalidType(f"{name} is no array: {error}") from error
            if array.dtype.hasobject:
                raise InvalidType(f"{name} is an array of Python objects (dtype {array.dtype}), expected numbers of one shape a row")
            # One stamp, so that the same arrays are the same bytes.
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()
