"""Modules of diffusers, live, as diffplan's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._denoiser import Denoiser
from ._diffplan import Normalizers, Scheduler, UNet1DModel
from ._errors import InvalidType

if TYPE_CHECKING:
    from ._pipeline import ValueGuidedRLPipeline


def to_numpy(tensor: Any) -> np.ndarray:
    """A tensor of torch, on any device and of any real dtype, as float32; anything else as NumPy takes it."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().to(device="cpu").float().numpy()
    return np.asarray(tensor)


def to_unet(module: Any, name: str) -> UNet1DModel:
    """A network of diffplan, or one of diffusers: its ``config`` and ``state_dict()``."""
    if isinstance(module, UNet1DModel):
        return module
    config, state = getattr(module, "config", None), getattr(module, "state_dict", None)
    if not isinstance(config, Mapping) or not callable(state):
        also = ", or a function in diffplan.Denoiser" if name == "unet" else ""
        raise InvalidType(f"{name} is a {type(module).__name__}, expected a UNet1DModel of diffplan or of diffusers{also}")
    tensors = {key: to_numpy(value) for key, value in state().items()}
    return UNet1DModel.from_state_dict(_plain(config), tensors)


def to_denoiser(module: Any) -> UNet1DModel | Denoiser:
    """A planner network: ``Denoiser`` as it is, a network otherwise."""
    return module if isinstance(module, Denoiser) else to_unet(module, "unet")


def to_scheduler(module: Any) -> Scheduler:
    """A scheduler of diffplan, or one of diffusers: its ``config`` and class."""
    if isinstance(module, Scheduler):
        return module
    config = getattr(module, "config", None)
    if not isinstance(config, Mapping):
        raise InvalidType(f"scheduler is a {type(module).__name__}, expected a scheduler of diffplan or of diffusers")
    return Scheduler({**_plain(config), "_class_name": type(module).__name__})


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON has a word for: arrays as lists. Keys that say where a module was loaded from are left out."""

    def plain(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return value

    own = {"_class_name", "_diffusers_version"}
    return {key: plain(value) for key, value in config.items() if not key.startswith("_") or key in own}


def statistics_of(env: Any) -> Normalizers | None:
    """The statistics that diffusers' pipeline computes of ``env.get_dataset()``: one mean and one deviation of all numbers of a key. None
    where the environment has no dataset."""
    get_dataset = getattr(env, "get_dataset", None)
    if get_dataset is None:
        # Through Gymnasium's wrappers, which hand on nothing.
        get_dataset = getattr(getattr(env, "unwrapped", None), "get_dataset", None)
    if get_dataset is None:
        return None
    data = get_dataset()
    return scalar_statistics(
        {key: (data[key].mean(), data[key].std()) for key in ("observations", "actions")}
    )


def scalar_statistics(statistics: Mapping[str, tuple[Any, Any]]) -> Normalizers:
    """Statistics of one mean and one deviation a key."""
    import json

    entries = {
        key: {"type": "scalar_gaussian", "mean": float(mean), "std": float(std)}
        for key, (mean, std) in statistics.items()
    }
    return Normalizers(json.dumps(entries))


def from_diffusers(pipe: Any, *, threads: int | None = None) -> ValueGuidedRLPipeline:
    """diffplan's pipeline of a live one of diffusers: the same networks, scheduler, statistics and environment.

    Parameters
    ----------
    pipe : diffusers.experimental.ValueGuidedRLPipeline
        What it has learned is copied: later changes to it change nothing here.
    threads : int, optional
        Threads to plan on, all cores by default.

    Returns
    -------
    ValueGuidedRLPipeline
    """
    from ._pipeline import ValueGuidedRLPipeline

    missing = [name for name in ("unet", "value_function", "scheduler", "means", "stds") if not hasattr(pipe, name)]
    if missing:
        raise InvalidType(
            f"pipe is a {type(pipe).__name__} without {', '.join(missing)}, expected diffusers' ValueGuidedRLPipeline"
        )
    statistics = scalar_statistics({key: (pipe.means[key], pipe.stds[key]) for key in ("observations", "actions")})
    return ValueGuidedRLPipeline(
        pipe.value_function,
        pipe.unet,
        pipe.scheduler,
        pipe.env,
        normalizers=statistics,
        action_dim=pipe.action_dim,
        threads=threads,
    )
