"""``train``: from data to a checkpoint that plans."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from . import _diffplan
from ._data import Dataset, as_dataset, keys_text
from ._errors import InvalidValue
from ._progress import Reporter, Watcher

if TYPE_CHECKING:
    from ._pipeline import ValueGuidedRLPipeline
    from ._planner import Planner

Data = Union[Dataset, Mapping[str, Any], str, "os.PathLike[str]"]

# Settings that are lists, of which one number will do.
_LISTS = {"dataset_weights", "episodes", "best"}
# What is given by arguments of its own, or by nobody: pictures of samples are drawn by the command.
_OWN = {"dataset", "out"}


class Training:
    """What a training came to.

    Attributes
    ----------
    folder : pathlib.Path
        The checkpoint: what ``ValueGuidedRLPipeline.from_pretrained`` and ``Planner.from_pretrained`` load, and diffusers too.
    env : str or None
        The environment that it was trained for, where that is known.
    networks : dict of dict
        Of ``"planner"`` and ``"value"``, those that were trained: ``steps``, ``loss`` (the mean over the last interval), ``validation_loss``
        where episodes are held out, ``seconds``, ``steps_per_second``, ``parameters``.
    findings : list of str
        What is odd about the data, or about training on it so.
    notes : list of str
        Settings that change nothing, or are in the way of others.
    """

    __slots__ = ("env", "findings", "folder", "networks", "notes")

    def __init__(self, report: dict[str, Any]) -> None:
        self.folder = Path(report["folder"])
        self.env: str | None = report["env"]
        self.networks: dict[str, dict[str, Any]] = {
            one["network"]: {name: value for name, value in one.items() if name != "network"} for one in report["networks"]
        }
        self.findings: list[str] = report["findings"]
        self.notes: list[str] = report["notes"]

    @property
    def losses(self) -> dict[str, dict[str, NDArray[Any]]]:
        """How it went, of every network that the folder has a record of: arrays of the same length, a number an interval of ``log_every`` steps.

        ``step``, ``loss``, ``first_action_loss`` (of a planner), ``validation_loss`` (where episodes are held out), ``grad_norm``, ``lr``,
        ``steps_per_second`` and ``seconds``.
        """
        records = {kind: _diffplan.training_record(self.folder, kind) for kind in ("planner", "value")}
        return {kind: record for kind, record in records.items() if len(record["step"])}

    def pipeline(self, **keywords: Any) -> ValueGuidedRLPipeline:
        """``ValueGuidedRLPipeline.from_pretrained(folder, **keywords)``."""
        from ._pipeline import ValueGuidedRLPipeline

        return ValueGuidedRLPipeline.from_pretrained(self.folder, **keywords)

    def planner(self, **options: Any) -> Planner:
        """A planner of what was trained, with these planning options."""
        return self.pipeline().planner(**options)

    def __repr__(self) -> str:
        losses = ", ".join(
            f"{name}: loss {'-' if one['loss'] is None else format(one['loss'], '.4g')} after {one['steps']} steps"
            for name, one in self.networks.items()
        )
        return f"Training({str(self.folder)!r}, {losses})"


def train(
    dataset: Data | Sequence[Data] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    what: str = "both",
    resume: bool = False,
    overwrite: bool = False,
    strict: bool = False,
    config: str | os.PathLike[str] | None = None,
    progress: Watcher = None,
    **settings: Any,
) -> Training:
    """Trains a planner, a value function, or both, as ``diffplan train`` does: same settings, same bits.

    Ctrl-C, and whatever ``progress`` raises, stops it: what was learned is saved first, and ``resume=True`` goes on from there to the bits
    that a run without a stop would have had. A second Ctrl-C does not wait for that.

    Parameters
    ----------
    dataset : Dataset, mapping of arrays, path, or a sequence of them
        What is trained on; of several, the episodes of all. Arrays are written to the folder as ``dataset.npz`` first, so that the run can be
        gone on with. May be left out with ``resume`` or ``config``, which say it.
    out : path
        The folder of the run, which becomes the checkpoint: states, tables, ``training.toml``.
    what : {"both", "planner", "value"}
        Which networks.
    resume : bool
        Go on from the newest states in the folder, with the settings that it was started with. More ``steps`` make it longer.
    overwrite : bool
        Delete what the folder holds of the networks that are trained.
    strict : bool
        Raise, before anything is trained, if anything is odd about the data.
    config : path, optional
        A TOML file of settings, such as another run's ``training.toml``; keywords win over it.
    progress : callable, bool, optional
        See ``Progress``.
    **settings
        Those of ``diffplan train`` and ``training.toml``, by their names there: ``steps``, ``horizon``, ``channels``, ``batch_size``, ``lr``,
        ``normalizer``, ``discount``, ``seed``, ``threads``, ``env``, … ``diffplan.TRAINING_KEYS`` has all, docs/training.md what each does.
        With ``value_`` before it, one holds for the value function alone where both are trained: ``value_steps=2000``. ``env_kwargs`` may be
        a dict. ``diffplan train`` draws samples as pictures now and then (``sample_every``); this does not.

    Returns
    -------
    Training

    Raises
    ------
    InvalidValue, InvalidType, FileError
        What is wrong with a setting, the data or the folder, before anything is trained.
    Diverged
        The loss is no number any more; the last state stays.

    Examples
    --------
    >>> import tempfile, numpy as np, diffplan
    >>> rng = np.random.default_rng(0)
    >>> played = [
    ...     {"observations": rng.normal(size=(41, 3)), "actions": rng.uniform(-1, 1, (40, 1)), "rewards": rng.normal(size=40),
    ...      "terminated": False} for _ in range(4)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = diffplan.train(
    ...         diffplan.Dataset.from_episodes(played), folder, steps=2, horizon=16, channels=[8, 32], batch_size=4, threads=1)
    ...     run.planner(batch_size=2).plan(np.zeros(3), seed=0).action.shape
    (1,)
    """
    folder = None if out is None else Path(out)
    flags, of_value = _split(settings)
    if folder is not None:
        flags["out"] = os.fspath(folder)
    # Drawn by the command.
    flags["sample_every"] = 0
    arrays: list[tuple[Path, bytes]] = []
    if dataset is not None:
        if folder is None:
            raise InvalidValue("out is not given, expected the folder of the run")
        flags["dataset"], arrays, read = _sources(dataset, folder)
        for name, value in read.items():
            flags.setdefault(name, value)
    with Reporter(progress, "steps") as report:

        def tell(task: str, done: int, total: int, loss: float | None, validation_loss: float | None) -> None:
            report(task, done, total, loss=loss, validation_loss=validation_loss)

        return Training(
            _diffplan.train(
                what,
                flags,
                of_value,
                None if config is None else Path(config),
                arrays,
                resume=resume,
                overwrite=overwrite,
                strict=strict,
                progress=tell if report.listens else None,
            )
        )


def _split(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of both networks, and of the value function alone."""
    known, values = (set(names) for names in _diffplan.training_keys())
    flags: dict[str, Any] = {}
    of_value: dict[str, Any] = {}
    for name, value in settings.items():
        own = name[len("value_") :] if name.startswith("value_") else ""
        if name == "sample_every":
            raise InvalidValue("sample_every: pictures of samples are drawn by the command diffplan train alone, expected no such setting")
        if name in _OWN or (name not in known and own not in values):
            raise InvalidValue(f"{name}: there is no such setting, expected one of {', '.join(sorted(known - _OWN - {'sample_every'}))}")
        if value is None:
            continue
        if name in known:
            flags[name] = _plain(name, value)
        else:
            of_value[own] = _plain(own, value)
    return flags, of_value


def _plain(name: str, value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if name == "env" and isinstance(value, str):
        # Gymnasium has ours by this namespace.
        return value[len("diffplan/") :] if value.startswith("diffplan/") else value
    if name == "env_kwargs" and isinstance(value, Mapping):
        return [f"{key}={json.dumps(one)}" for key, one in value.items()]
    if name == "keys":
        text = keys_text(value)
        return None if text is None else dict(part.split("=", 1) for part in text.split(","))
    if name in _LISTS and isinstance(value, (int, float)):
        return [value]
    return list(value) if isinstance(value, tuple) else value


def _sources(given: Data | Sequence[Data], folder: Path) -> tuple[list[str], list[tuple[Path, bytes]], dict[str, Any]]:
    """Paths of all datasets; files to be written first; how they are read."""
    many: list[Data] = list(given) if isinstance(given, (list, tuple)) else [given]  # type: ignore[list-item]
    if not many:
        raise InvalidValue("there are no datasets, expected at least one")
    paths: list[str] = []
    arrays: list[tuple[Path, bytes]] = []
    read: list[tuple[int | None, str | None, str | None]] = []
    for number, one in enumerate(many):
        if isinstance(one, (str, os.PathLike)):
            # It may be packed, and larger than memory: then it is not read as a whole.
            paths.append(os.fspath(one))
            continue
        data = as_dataset(one)
        read.append(data._native.read_options)
        npz = data._native.npz
        if npz is None:
            paths.append(os.fspath(data._native.path or ""))
            continue
        file = folder.absolute() / ("dataset.npz" if len(many) == 1 else f"dataset-{number}.npz")
        arrays.append((file, npz))
        paths.append(os.fspath(file))
    if any(options != read[0] for options in read):
        raise InvalidValue("datasets were read with different max_episode_steps, keys or rewards, expected the same of all")
    if not read:
        return paths, arrays, {}
    limit, keys, rewards = read[0]
    named = {"max_episode_steps": limit, "keys": keys, "rewards": rewards}
    return paths, arrays, {name: _plain(name, value) for name, value in named.items() if value is not None}
