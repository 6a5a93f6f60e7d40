"""Progress of what takes long: bars of tqdm where it is installed, or anybody's own function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Union

from ._errors import InvalidValue


class Progress(NamedTuple):
    """Where a training or an evaluation is.

    Attributes
    ----------
    task : str
        ``"planner"`` or ``"value"``, the network that is trained; ``"episodes"`` of an evaluation.
    done, total : int
        Steps of the optimiser, or episodes.
    values : dict of float
        ``loss`` and ``validation_loss``; ``mean_return`` and ``plans``. Those that are not known yet are not there.
    """

    task: str
    done: int
    total: int
    values: dict[str, float]


Watcher = Union[bool, Callable[[Progress], object], None]
"""What ``progress=`` takes: a function of a ``Progress``; True, a bar; False, nothing; None, a bar where there is tqdm and somebody to see it."""


class Reporter:
    """Tells a watcher, one bar a task; a context that closes the last of them."""

    def __init__(self, watcher: Watcher, unit: str) -> None:
        self._unit = unit
        self._bar: Any = None
        self._task: str | None = None
        self._call: Callable[[Progress], object] | None = None
        self._tqdm: Any = None
        if callable(watcher):
            self._call = watcher
            return
        if watcher is False:
            return
        if watcher is not None and watcher is not True:
            raise InvalidValue(f"progress = {watcher!r}: expected a function, True, False or None")
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            if watcher is True:
                raise InvalidValue("progress = True: bars are tqdm's, which is not installed (pip install tqdm)") from error
            return
        self._tqdm = tqdm
        # A notebook has no terminal, and shows bars of its own.
        self._hidden = None if watcher is None and "ipykernel" not in sys.modules else False

    @property
    def listens(self) -> bool:
        """Whether anybody does."""
        return self._call is not None or self._tqdm is not None

    def __call__(self, task: str, done: int, total: int, **values: float | None) -> None:
        known = {name: value for name, value in values.items() if value is not None}
        if self._call is not None:
            self._call(Progress(task, done, total, known))
        elif self._tqdm is not None:
            self._show(task, done, total, known)

    def _show(self, task: str, done: int, total: int, values: dict[str, float]) -> None:
        if task != self._task:
            self.close()
            # What was done before is not of this run's pace.
            self._bar = self._tqdm(desc=task, total=total, initial=done, unit=f" {self._unit}", disable=self._hidden)
            self._task = task
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Ends the bar, which stays where it is."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._task = None

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
