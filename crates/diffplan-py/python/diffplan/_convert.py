"""``convert``: checkpoints of other projects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _diffplan
from ._data import Keys, keys_text
from ._errors import InvalidValue

if TYPE_CHECKING:
    from ._pipeline import ValueGuidedRLPipeline


class Conversion:
    """What a conversion read, made and left out.

    Attributes
    ----------
    folder : pathlib.Path
        What was written.
    files : list of str
        Its files.
    read, mapped, left_out, notes : list of str
        The files that were read; what became of them; what was left out on purpose; what was assumed, or is odd.
    plans : bool
        Whether it can plan as it is: a planner, a scheduler and statistics are there.
    """

    __slots__ = ("files", "folder", "left_out", "mapped", "notes", "plans", "read")

    def __init__(self, folder: Path, report: dict[str, Any]) -> None:
        self.folder = folder
        self.files: list[str] = report["files"]
        self.read: list[str] = report["read"]
        self.mapped: list[str] = report["mapped"]
        self.left_out: list[str] = report["left_out"]
        self.notes: list[str] = report["notes"]
        self.plans: bool = report["plans"]

    def pipeline(self, **keywords: Any) -> ValueGuidedRLPipeline:
        """``ValueGuidedRLPipeline.from_pretrained(folder, **keywords)``."""
        from ._pipeline import ValueGuidedRLPipeline

        return ValueGuidedRLPipeline.from_pretrained(self.folder, **keywords)

    def __repr__(self) -> str:
        return f"Conversion({str(self.folder)!r}, {len(self.files)} files{'' if self.plans else ', which do not plan yet'})"


def convert(
    source: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    planner: str | os.PathLike[str] | None = None,
    value: str | os.PathLike[str] | None = None,
    dataset: str | os.PathLike[str] | None = None,
    stats: str | os.PathLike[str] | None = None,
    normalizer: str | None = None,
    which: str | None = None,
    step: int | None = None,
    variant: str | None = None,
    dtype: str | None = None,
    weights: str | None = None,
    to: str | None = None,
    action_dim: int | None = None,
    predict_epsilon: bool | None = None,
    clip_denoised: bool | None = None,
    max_episode_steps: int | None = None,
    keys: Keys | None = None,
    rewards: str | None = None,
    maze_goal: tuple[float, float] | None = None,
) -> Conversion:
    """Makes a checkpoint folder of what another project saved, and back, as ``diffplan convert`` does.

    No file of the original Diffuser holds the statistics that it normalised with: they are computed again from the dataset, or taken from a file.

    Parameters
    ----------
    source : path or None
        A logs folder of jannerm/diffuser, a run folder in it, or a state; a checkpoint folder of any release of diffusers, in any form of
        weights; the folder of one network. None with ``planner`` and ``value``.
    out : path
        The folder to write, whole or not at all.
    overwrite : bool
        Replace a checkpoint that is there.
    planner, value : path, optional
        Run folders or states of the original's planner and value function, in place of ``source``.
    dataset, stats : path, optional
        The dataset that was trained on; or a file of statistics: ``normalizer.json``, JSON or ``.npz`` of mean, std, min and max.
    normalizer : str, optional
        Kind of normaliser, where the source does not say it.
    which : {"ema", "model"}, optional
        Which weights of a state: their average, the default, or the plain ones.
    step : int, optional
        The state of this step; the last by default.
    variant : str, optional
        Weights of this variant of a diffusers folder.
    dtype : {"f32", "f16", "bf16"}, optional
    weights : {"safetensors", "bin"}, optional
    to : {"diffplan", "diffusers"}, optional
        Whose checkpoint is written; diffusers' is without diffplan's own files and keys.
    action_dim, predict_epsilon, clip_denoised : optional
        For a state without its run's configuration.
    max_episode_steps, keys, rewards, maze_goal : optional
        How the dataset is read, and cut into episodes.

    Returns
    -------
    Conversion

    Raises
    ------
    CheckpointError, FileError, InvalidValue
        What cannot be read, does not fit, or is missing, and what to give.

    Examples
    --------
    >>> import tempfile, diffplan
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = diffplan.convert("testdata/pendulum-hor32", folder + "/half", dtype="f16")
    ...     made.pipeline()([1.0, 0.0, 0.1], batch_size=2, seed=0).shape
    (1,)
    """
    if (source is None) == (planner is None and value is None):
        raise InvalidValue("expected either source, or planner and value, and not both")
    where = Path(out)
    for given in (source, planner, value):
        inside = None if given is None else Path(given).resolve()
        if inside is not None and inside in (where.resolve(), *where.resolve().parents):
            raise InvalidValue(f"out = {os.fspath(out)!r}: expected a folder outside of {inside}, which is read")
    keywords: dict[str, Any] = {
        "planner": planner,
        "value": value,
        "dataset": dataset,
        "stats": stats,
        "normalizer": normalizer,
        "which": which,
        "step": step,
        "variant": variant,
        "dtype": dtype,
        "weights": weights,
        "to": to,
        "action_dim": action_dim,
        "predict_epsilon": predict_epsilon,
        "clip_denoised": clip_denoised,
        "max_episode_steps": max_episode_steps,
        "keys": keys_text(keys),
        "rewards": rewards,
        "maze_goal": maze_goal,
    }
    report = _diffplan.convert(None if source is None else os.fspath(source), where, overwrite, keywords)
    return Conversion(where, report)
