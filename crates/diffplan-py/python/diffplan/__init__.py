"""Planning by diffusion, native, on NumPy arrays.

``ValueGuidedRLPipeline`` is diffusers' pipeline of that name: the same constructor, the same call, the same action for a torch seed. Below it,
``Planner`` plans again and again with options fixed, and returns every candidate.

>>> from diffplan import ValueGuidedRLPipeline
>>> pipeline = ValueGuidedRLPipeline.from_pretrained("testdata/pendulum-hor32")
>>> pipeline([1.0, 0.0, 0.1], batch_size=8, seed=0)
array([...], dtype=float32)

Environments are registered with Gymnasium as ``diffplan/…`` where Gymnasium is installed: ``gymnasium.make("diffplan/Pendulum-v1")``.
"""

from __future__ import annotations

from typing import Any

from . import _mujoco, _register
from ._convert import Conversion, convert
from ._denoiser import Denoiser
from ._diffplan import Normalizers, Plan, Sampler, Scheduler, UNet1DModel, UNet1DOutput, __version__
from ._data import Dataset, Episode, load_dataset
from ._diffplan import options as _options
from ._diffplan import training_keys as _training_keys
from ._diffusers import from_diffusers
from ._errors import (
    Cancelled,
    CheckpointError,
    DeadlineError,
    Diverged,
    Error,
    FileError,
    FileMissing,
    Infeasible,
    InternalError,
    InvalidType,
    InvalidValue,
    ResetNeeded,
    Unsupported,
)
from ._evaluate import Comparison, EvaluationResult, evaluate
from ._guide import Condition, Guide
from ._pipeline import ValueGuidedRLPipeline
from ._planner import Planner
from ._progress import Progress
from ._train import Training, train

__all__ = [
    "OPTIONS",
    "TRAINING_KEYS",
    "Cancelled",
    "CheckpointError",
    "Comparison",
    "Condition",
    "Conversion",
    "Dataset",
    "DeadlineError",
    "Denoiser",
    "Diverged",
    "Episode",
    "Error",
    "EvaluationResult",
    "FileError",
    "FileMissing",
    "Guide",
    "Infeasible",
    "InternalError",
    "InvalidType",
    "InvalidValue",
    "Normalizers",
    "Plan",
    "Planner",
    "Progress",
    "ResetNeeded",
    "Sampler",
    "Scheduler",
    "Training",
    "UNet1DModel",
    "UNet1DOutput",
    "Unsupported",
    "ValueGuidedRLPipeline",
    "__version__",
    "convert",
    "evaluate",
    "from_diffusers",
    "load_dataset",
    "train",
]

OPTIONS: list[dict[str, Any]] = _options()
"""Every planning option: ``name``, ``default``, what it ``takes``, ``doc``, and whether it is about plans one after another (``acting``)."""

TRAINING_KEYS: list[str] = [name for name in _training_keys()[0] if name not in ("dataset", "out", "sample_every")]
"""Every setting of ``train``; docs/training.md tells what each does."""

_mujoco.tell_where_it_is()
_register.when_gymnasium_is_there()
