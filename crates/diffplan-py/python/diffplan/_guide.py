"""What a caller brings to a plan: guides, conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Guide:
    """A function as a guide: what is better, and in which direction.

    Parameters
    ----------
    function : callable
        ``function(trajectories, timestep)`` gives ``(values, gradient)``. ``trajectories`` is float32 of shape (batch, horizon, action +
        observation dimensions), actions first; ``values`` has shape (batch,), the more the better; ``gradient`` is that of the sum of the
        values, of the shape of ``trajectories``. It is called on a thread of the planner's. What it raises is raised by the plan.
    weight : float
        What values and gradients are multiplied by.
    units : {"environment", "normalized"}
        Whether trajectories are in the environment's units, and the gradient by them, or as the networks see them.
    sees : {"clean", "noised"}
        Whether it is shown the plan that the network predicts, or the noised sample that it is predicted from. A distance in the
        environment's units means something of the first alone.
    schedule : {"guidance", "constant", "rising", "judge"}
        How long its gradient step is at which timestep: by the option ``guidance``, the same at all, from 0 to 1, or none: it then only judges.
    range : (float, float)
        The part of the timesteps, from 0 (before the first) to 1 (after the last), at which it has a gradient step.
    name : str
        What reports and errors call it.
    """

    function: Callable[[np.ndarray, float], tuple[ArrayLike, ArrayLike]]
    weight: float = 1.0
    units: Literal["environment", "normalized"] = "environment"
    sees: Literal["clean", "noised"] = "clean"
    schedule: Literal["guidance", "constant", "rising", "judge"] = "guidance"
    range: tuple[float, float] = (0.0, 1.0)
    name: str = "function"


@dataclass(frozen=True)
class Condition:
    """Numbers imposed on every candidate at a time step, in the environment's units.

    Parameters
    ----------
    time : int
        The step of the plan; below 0, counted from the end.
    values : array_like, shape (dimensions,)
    dims : sequence of int, optional
        The dimensions that ``values`` are of; all, in order, by default.
    part : {"observation", "action"}
    strength : float
        1 imposes; less, and more than 0, pulls that share of the way at every step.
    """

    time: int
    values: ArrayLike
    dims: Sequence[int] | None = None
    part: Literal["observation", "action"] = "observation"
    strength: float = 1.0


def as_guide(guide: Any) -> Guide:
    """A guide as it is, or a bare function with every default."""
    if isinstance(guide, Guide):
        return guide
    if callable(guide):
        return Guide(guide, name=getattr(guide, "__name__", "function"))
    from ._errors import InvalidType

    raise InvalidType(f"a guide is a {type(guide).__name__}, expected diffplan.Guide or a function")
