"""Who draws: torch's global generator where torch has been imported, as for diffusers, or a generator that is handed in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Draws = tuple[Callable[[int], Any], Callable[[int], int]]


def draws(generator: Any = None) -> Draws | None:
    """What draws ``n`` standard normal numbers, and what picks a number below ``n``; None for a fresh seed."""
    torch = sys.modules.get("torch")
    if generator is None:
        if torch is None or not hasattr(torch, "randn"):
            return None
        return _of_torch(torch, None)
    if isinstance(generator, np.random.Generator):
        return (
            lambda n: generator.standard_normal(n, dtype=np.float32),
            lambda n: int(generator.integers(n)),
        )
    if torch is not None and isinstance(generator, torch.Generator):
        return _of_torch(torch, generator)
    from ._errors import InvalidType

    raise InvalidType(
        f"generator is a {type(generator).__name__}, expected a torch.Generator or a numpy.random.Generator"
    )


def _of_torch(torch: Any, generator: Any) -> Draws:
    def draw(n: int) -> Any:
        return torch.randn(n, generator=generator, device="cpu", dtype=torch.float32).numpy()

    def pick(n: int) -> int:
        if generator is None:
            # As in diffusers, whatever torch's seed.
            return int(np.random.randint(0, n))
        return int(torch.randint(n, (1,), generator=generator))

    return draw, pick
