"""A denoiser that a caller brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Denoiser:
    """A function as the planner network: ``unet=`` of ``ValueGuidedRLPipeline``.

    Parameters
    ----------
    function : callable
        ``function(sample, timestep)`` gives what the scheduler's ``prediction_type`` says. ``sample`` is float32 of shape (batch, channels,
        horizon), as ``UNet1DModel`` of diffusers takes it, normalised, actions first; ``timestep`` is a number; what is given back has the shape of
        ``sample``. It is called on a thread of the planner's. What it raises is raised by the plan. A network of torch:
        ``lambda x, t: net(torch.from_numpy(x), torch.full((len(x),), t))``, under ``torch.no_grad()``.
    transition_dim : int
        Channels: dimensions of an action and of an observation.
    horizons : sequence of int, optional
        The lengths that it takes; any, without.
    name : str
        What reports and errors call it.
    """

    function: Callable[[np.ndarray, float], ArrayLike]
    transition_dim: int
    horizons: Sequence[int] | None = None
    name: str = "denoiser"
