"""Planning by diffusion, native, on NumPy arrays.

``ValueGuidedRLPipeline`` is diffusers' pipeline of that name: the same constructor, the same call, the same action for a torch seed. Below it,
``Planner`` plans again and again with options fixed, and returns every candidate.

>>> from diffplan import ValueGuidedRLPipeline  # doctest: +SKIP
>>> pipeline = ValueGuidedRLPipeline.from_pretrained("testdata/pendulum-hor32")  # doctest: +SKIP
>>> pipeline([1.0, 0.0, 0.1], batch_size=8, seed=0)  # doctest: +SKIP
array([...], dtype=float32)

Environments are registered with Gymnasium as ``diffplan/…`` where Gymnasium is installed: ``gymnasium.make("diffplan/Pendulum-v1")``.
"""

from __future__ import annotations

from typing import Any

from . import _mujoco, _register
from ._convert import from_diffusers
from ._denoiser import Denoiser
from ._diffplan import Normalizers, Plan, Sampler, Scheduler, UNet1DModel, UNet1DOutput, __version__
from ._diffplan import options as _options
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
from ._guide import Condition, Guide
from ._pipeline import ValueGuidedRLPipeline
from ._planner import Planner

__all__ = [
    "OPTIONS",
    "Cancelled",
    "CheckpointError",
    "Condition",
    "DeadlineError",
    "Denoiser",
    "Diverged",
    "Error",
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
    "ResetNeeded",
    "Sampler",
    "Scheduler",
    "UNet1DModel",
    "UNet1DOutput",
    "Unsupported",
    "ValueGuidedRLPipeline",
    "__version__",
    "from_diffusers",
]

OPTIONS: list[dict[str, Any]] = _options()
"""Every planning option: ``name``, ``default``, what it ``takes``, ``doc``, and whether it is about plans one after another (``acting``)."""

_mujoco.tell_where_it_is()
_register.when_gymnasium_is_there()
