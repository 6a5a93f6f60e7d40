"""Episodes in environments of Python: as many at a time as there are slots, each what its seed makes of it.

A slot is an environment, or a place in a vector of them. An episode begins with a reset by its own seed, and nothing of it depends on what runs
beside it; so an environment that resets itself by its own stream is not followed there: what it does after the end of a seeded episode is not
looked at, and the slot gets its next episode by a seed. How, depends on what the environment lets be done:

- single environments, and vectors whose autoreset mode is ``DISABLED``: a slot is reset as soon as its episode is over, the others go on;
- vectors that reset themselves (``NEXT_STEP``, ``SAME_STEP``): all slots together, once the last of their episodes is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ._errors import Error, InvalidType, InvalidValue

# Where an info says whether a goal was reached.
_SUCCESS = ("success", "is_success")


class Step(NamedTuple):
    """What became of a step in one slot."""

    reward: float
    terminated: bool
    truncated: bool
    success: bool | None


class Slots(Protocol):
    """Environments, by slots."""

    count: int
    together: bool
    """Whether slots are reset all at once or not at all."""
    observation_space: Any
    action_space: Any

    def reset(self, seeds: dict[int, int]) -> None:
        """Begins an episode in each of these slots, by its seed."""

    def observe(self, slots: Sequence[int]) -> Any:
        """What is observed there, one after the other along the first axis."""

    def step(self, slots: Sequence[int], actions: NDArray[Any]) -> list[Step]:
        """Takes a step in each of these slots."""


class Singles:
    """Environments that know nothing of each other."""

    together = False

    def __init__(self, envs: Sequence[Any]) -> None:
        self._envs = list(envs)
        self.count = len(self._envs)
        self.observation_space, self.action_space = self._envs[0].observation_space, self._envs[0].action_space
        for number, env in enumerate(self._envs):
            for name in ("observation_space", "action_space"):
                own, first = getattr(env, name), getattr(self._envs[0], name)
                if own != first:
                    raise InvalidValue(f"environment {number} has the {name} {own}, expected {first}, as the first has")
            if any(env is other for other in self._envs[:number]):
                raise InvalidValue(f"environment {number} is the same object as one before it, expected one for each slot")
        self._observed: list[Any] = [None] * self.count

    def reset(self, seeds: dict[int, int]) -> None:
        for slot, seed in seeds.items():
            self._observed[slot], _ = self._envs[slot].reset(seed=seed)

    def observe(self, slots: Sequence[int]) -> Any:
        return _stacked([self._observed[slot] for slot in slots])

    def step(self, slots: Sequence[int], actions: NDArray[Any]) -> list[Step]:
        taken = []
        for slot, action in zip(slots, actions):
            self._observed[slot], reward, terminated, truncated, info = self._envs[slot].step(action)
            taken.append(Step(float(reward), bool(terminated), bool(truncated), _success(info)))
        return taken


class Vector:
    """A vector of environments, in any of Gymnasium's autoreset modes."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self.count = int(env.num_envs)
        self.observation_space, self.action_space = env.single_observation_space, env.single_action_space
        # Before Gymnasium 1.1 there was one mode, and no name for it.
        mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode", "NextStep")
        mode = str(getattr(mode, "value", mode))
        if mode not in ("NextStep", "SameStep", "Disabled"):
            raise InvalidValue(f"the vector's autoreset mode is {mode}, expected one of Gymnasium's: NextStep, SameStep, Disabled")
        self.together = mode != "Disabled"
        self._last_seeds = [0] * self.count
        self._over = np.zeros(self.count, dtype=bool)
        self._observed: Any = None

    def reset(self, seeds: dict[int, int]) -> None:
        for slot, seed in seeds.items():
            self._last_seeds[slot] = seed
        if self.together or self._observed is None:
            options = None
            self._over[:] = False
        else:
            mask = np.isin(np.arange(self.count), list(seeds))
            options = {"reset_mask": mask}
            self._over[mask] = False
        try:
            self._observed, _ = self._env.reset(seed=list(self._last_seeds), options=options)
        except (TypeError, ValueError, AttributeError, *_gymnasium_errors()) as error:
            if isinstance(error, Error):
                raise
            raise InvalidValue(
                f"{self._env} takes no seed for each of its environments, so that episodes would depend on each other: {error}; give its id, a "
                "function that makes one, or a list of environments"
            ) from error

    def observe(self, slots: Sequence[int]) -> Any:
        return _taken(self._observed, np.asarray(slots))

    def step(self, slots: Sequence[int], actions: NDArray[Any]) -> list[Step]:
        idle = [slot for slot in range(self.count) if self._over[slot]]
        if idle and not self.together:
            # They have to be stepped with the others, which nobody may do after the end of an episode.
            self.reset({slot: self._last_seeds[slot] for slot in idle})
        batch = np.zeros((self.count, *actions.shape[1:]), dtype=actions.dtype)
        batch[:] = actions[0]
        batch[list(slots)] = actions
        self._observed, rewards, terminations, truncations, infos = self._env.step(batch)
        self._over |= np.logical_or(terminations, truncations)
        return [
            Step(
                float(rewards[slot]),
                bool(terminations[slot]),
                bool(truncations[slot]),
                _success_of(infos, slot, bool(terminations[slot]) or bool(truncations[slot])),
            )
            for slot in slots
        ]


def _gymnasium_errors() -> tuple[type[BaseException], ...]:
    import gymnasium

    return (gymnasium.error.Error, AssertionError)


def _stacked(observations: list[Any]) -> Any:
    first = observations[0]
    if isinstance(first, dict):
        return {name: _stacked([one[name] for one in observations]) for name in first}
    if isinstance(first, tuple):
        return tuple(_stacked([one[place] for one in observations]) for place in range(len(first)))
    return np.stack([np.asarray(one) for one in observations])


def _taken(batch: Any, rows: NDArray[Any]) -> Any:
    if isinstance(batch, dict):
        return {name: _taken(one, rows) for name, one in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_taken(one, rows) for one in batch)
    return np.asarray(batch)[rows]


def _success(info: dict[str, Any]) -> bool | None:
    for name in _SUCCESS:
        if name in info:
            return bool(info[name])
    return None


def _success_of(infos: dict[str, Any], slot: int, ended: bool) -> bool | None:
    """Of a vector's infos: of the step that ended an episode they are beside those of the next one's first."""
    final = infos.get("final_info") if ended else None
    if isinstance(final, dict):
        infos = final
    elif final is not None and final[slot] is not None:
        return _success(final[slot])
    for name in _SUCCESS:
        if name in infos and infos.get(f"_{name}", np.ones(slot + 1, dtype=bool))[slot]:
            return bool(infos[name][slot])
    return None


class Start(NamedTuple):
    """Which episode, and its seed."""

    number: int
    seed: int


class Running:
    """An episode in the making."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.rewards: list[float] = []
        self.plans = 0
        self.planning = 0.0
        self.success: bool | None = None


# Number, seed, return, steps, whether it ended in a terminal state, plans, seconds of planning, seconds of all by then, success.
Row = tuple[int, int, float, int, bool, int, float, float, "bool | None"]
Act = Callable[[list[int], Any], tuple[NDArray[Any], list[bool], float]]


def play(
    slots: Slots,
    starts: Sequence[Start],
    begin: Callable[[int, Start], None],
    act: Act,
    tell: Callable[[int, float, int], None],
) -> tuple[list[Row], list[float]]:
    """Plays an episode from each start.

    Parameters
    ----------
    begin : callable
        Is told the slot and the start of every episode, after the reset.
    act : callable
        Slots and what is observed there, to actions, for which of them a plan was made, and the seconds that took.
    tell : callable
        Is told how many episodes are over, the sum of their returns, and the number of plans.

    Returns
    -------
    rows : list
        In the order of the starts.
    calls : list of float
        Milliseconds of every call that planned.
    """
    began = time.perf_counter()
    running: list[Running | None] = [None] * slots.count
    waiting = list(reversed(starts))
    rows: list[Row] = []
    calls: list[float] = []
    plans = 0
    total = 0.0
    while True:
        free = [slot for slot in range(slots.count) if running[slot] is None]
        if waiting and (len(free) == slots.count or (free and not slots.together)):
            new = {slot: waiting.pop() for slot in free[: len(waiting)]}
            slots.reset({slot: start.seed for slot, start in new.items()})
            for slot, start in new.items():
                running[slot] = Running(start)
                begin(slot, start)
        live = [(slot, episode) for slot, episode in enumerate(running) if episode is not None]
        if not live:
            break
        places = [slot for slot, _ in live]
        actions, planned, seconds = act(places, slots.observe(places))
        count = sum(planned)
        plans += count
        if count:
            calls.append(1e3 * seconds)
        for (slot, episode), is_planned, step in zip(live, planned, slots.step(places, actions)):
            if not math.isfinite(step.reward):
                raise InvalidValue(
                    f"episode {episode.start.number} (seed {episode.start.seed}), step {len(episode.rewards)}: the reward is {step.reward}, "
                    "expected a finite number"
                )
            episode.rewards.append(step.reward)
            if is_planned:
                episode.plans += 1
                episode.planning += seconds / count
            if step.success is not None:
                episode.success = bool(episode.success) or step.success
            if step.terminated or step.truncated:
                running[slot] = None
                # Exactly rounded: the order of the sum, which a machine may choose, does not matter.
                value = math.fsum(episode.rewards)
                total += value
                rows.append(
                    (
                        *episode.start,
                        value,
                        len(episode.rewards),
                        step.terminated,
                        episode.plans or len(episode.rewards),
                        episode.planning,
                        time.perf_counter() - began,
                        episode.success,
                    )
                )
        tell(len(rows), total, plans)
    rows.sort()
    return rows, calls


def actions_for(space: Any, actions: Any, count: int) -> NDArray[Any]:
    """A policy's actions, checked and, of a box, clipped to it."""
    batch = np.asarray(actions)
    if batch.dtype.hasobject:
        raise InvalidType(f"the policy's actions are {type(actions).__name__} of dtype {batch.dtype}, expected an array of numbers")
    shape = (count, *(space.shape or ()))
    if batch.shape != shape:
        raise InvalidValue(f"the policy's actions have shape {batch.shape}, expected {shape}: a row for each observation")
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None:
        return batch
    if not np.isfinite(batch).all():
        raise InvalidValue("the policy's actions are not all finite numbers")
    clipped: NDArray[Any] = np.clip(batch, low, high).astype(space.dtype)
    return clipped
