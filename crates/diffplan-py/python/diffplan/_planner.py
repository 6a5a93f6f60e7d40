"""``Planner``: a pipeline with options fixed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ._diffplan import Plan

if TYPE_CHECKING:
    from ._guide import Condition
    from ._pipeline import ValueGuidedRLPipeline


class Planner:
    """Plans again and again: options fixed, every buffer in place.

    It may be called from several threads at a time; a plan that is made while another is being made has buffers and threads of its own, which
    are kept. ``fork`` and ``spawn`` are fine: threads are those of the process that plans.

    Parameters
    ----------
    pipeline : ValueGuidedRLPipeline
    threads : int, optional
        Those of the pipeline by default.
    **options
        Any of ``diffplan.OPTIONS``; what is not given is as the checkpoint's ``planning_config.json`` says, or as in diffusers.

    Attributes
    ----------
    pipeline : ValueGuidedRLPipeline
    """

    __slots__ = ("_keywords", "_native", "_threads", "pipeline")

    def __init__(self, pipeline: ValueGuidedRLPipeline, *, threads: int | None = None, **options: Any) -> None:
        self.pipeline = pipeline
        self._threads = pipeline.threads if threads is None else threads
        self._keywords = options
        self._native = pipeline._native.planner(options, True, self._threads)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, threads: int | None = None, **options: Any) -> Planner:
        """A planner of a checkpoint's folder, or of its name on the Hub: what ``ValueGuidedRLPipeline.from_pretrained`` takes.

        Examples
        --------
        >>> import diffplan
        >>> planner = diffplan.Planner.from_pretrained("testdata/pendulum-hor32", batch_size=4)
        >>> planner.plan([1.0, 0.0, 0.1], seed=0).trajectories.shape
        (4, 32, 4)
        """
        from ._pipeline import ValueGuidedRLPipeline

        return cls(ValueGuidedRLPipeline.from_pretrained(folder), threads=threads, **options)

    def plan(
        self,
        obs: ArrayLike,
        *,
        conditions: dict[int, ArrayLike] | Iterable[Condition | tuple[Any, ...]] | None = None,
        start: Plan | ArrayLike | None = None,
        visit: int | None = None,
        shift: int = 0,
        deadline: float | None = None,
        seed: int | None = None,
        torch_seed: int | None = None,
        noise: ArrayLike | None = None,
        generator: Any = None,
    ) -> Plan:
        """A plan from an observation.

        Parameters
        ----------
        obs : array_like, shape (observation dimensions,)
            The current observation, in the environment's units.
        conditions : dict or iterable, optional
            What else is imposed on every candidate, in the environment's units: whole observations by time step, ``{-1: goal}``; or
            ``Condition``, ``(time, values)`` and ``(time, dims, values)``, in any number. Times below 0 are counted from the end.
        start : Plan or array_like, shape (batch, horizon, action + observation dimensions), optional
            A warm start: the last plan, or candidates as in ``Plan.normalized``. They are noised to a visit and denoised from there.
        visit : int, optional
            That visit, from 0, which is nothing but noise; the option ``warm_start``, a share of the visits, says it where this does not.
        shift : int
            Steps that have passed since ``start`` was made.
        deadline : float, optional
            Seconds, from the call, within which there must be a plan: the best that there is time for. A planner's first such call measures
            what plans cost, which takes as long as some plans do. Excludes ``start``.
        seed : int, optional
            A seed of diffplan's own generator.
        torch_seed : int, optional
            The noise that torch draws after ``torch.manual_seed(torch_seed)``; torch is not needed.
        noise : array_like, shape (draws, batch, horizon, action + observation dimensions), optional
            The noise itself: a draw for the start, and one for each step that takes noise.
        generator : torch.Generator or numpy.random.Generator, optional
            What draws. With none of the four, torch's global generator does where torch has been imported, and a fresh seed elsewhere.

        Returns
        -------
        Plan

        Raises
        ------
        InvalidValue, InvalidType
            What is wrong with an argument.
        Diverged, Infeasible, DeadlineError, Cancelled
            Why there is no plan.
        """
        return self._native.plan(
            obs,
            conditions=conditions,
            start=start,
            visit=visit,
            shift=shift,
            deadline=deadline,
            seed=seed,
            torch_seed=torch_seed,
            noise=noise,
            generator=generator,
        )

    def plan_batch(
        self, observations: ArrayLike, *, seed: int | None = None, torch_seed: Sequence[int] | None = None
    ) -> list[Plan]:
        """A plan from each of several observations, in one go: quicker than one by one.

        Parameters
        ----------
        observations : array_like, shape (count, observation dimensions)
        seed : int, optional
            Each plan's noise is a fork of this seed's, in order, whatever the others are; a fresh seed by default.
        torch_seed : sequence of int, optional
            One for each: each plan is then that of ``plan(observation, torch_seed=…)``.
        """
        return self._native.plan_batch(observations, seed=seed, torch_seed=torch_seed)

    def cancel(self) -> None:
        """Calls off every plan in the making, from any thread: each raises ``Cancelled`` before its next step."""
        self._native.cancel()

    @property
    def options(self) -> dict[str, Any]:
        """All planning options by name."""
        return self._native.options

    @property
    def timesteps(self) -> list[float]:
        """The timesteps that a plan visits, first to last."""
        return self._native.timesteps

    @property
    def threads(self) -> int | None:
        """The number of threads; None for all cores."""
        return self._threads

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (self.pipeline, self._threads, self._keywords))

    def __repr__(self) -> str:
        return repr(self._native)


def _again(pipeline: ValueGuidedRLPipeline, threads: int | None, options: dict[str, Any]) -> Planner:
    return Planner(pipeline, threads=threads, **options)
