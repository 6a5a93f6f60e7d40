"""``evaluate``: how good a policy is, over many episodes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _diffplan
from ._episodes import Singles, Slots, Start, Vector, actions_for, play
from ._errors import FileMissing, InvalidType, InvalidValue
from ._pipeline import ValueGuidedRLPipeline
from ._planner import Planner
from ._progress import Reporter, Watcher

_OURS = "diffplan/"
_EPISODES = 150
_PARALLEL = 8


class Comparison:
    """By how much the mean returns of two evaluations differ, and how sure that is.

    Attributes
    ----------
    mean_return : float
        That of the second less that of the first.
    confidence_interval : tuple of float or None
        Its 95 % interval, by the percentile bootstrap; None of single episodes.
    normalized_score, normalized_confidence_interval
        The same in D4RL's scores, where it has them.
    paired : bool
        Whether episode i of one began as episode i of the other did: then pairs are drawn, and what an easy start does to both cancels.
    warnings : list of str
        What one should know before believing it.
    text : str
        A table.
    """

    __slots__ = ("_all", "text")

    def __init__(self, everything: dict[str, Any], text: str) -> None:
        self._all = everything
        self.text = text

    def _interval(self, name: str) -> tuple[float, float] | None:
        interval = self._all["difference"][name]
        return None if interval is None else (interval[0], interval[1])

    @property
    def mean_return(self) -> float:
        """The mean return of the second less that of the first."""
        return float(self._all["difference"]["mean_return"])

    @property
    def confidence_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, by the percentile bootstrap; None of single episodes."""
        return self._interval("confidence_interval")

    @property
    def normalized_score(self) -> float | None:
        """The same in D4RL's scores; None where it has none."""
        score: float | None = self._all["difference"]["normalized_score"]
        return score

    @property
    def normalized_confidence_interval(self) -> tuple[float, float] | None:
        """The interval of that."""
        return self._interval("normalized_confidence_interval")

    @property
    def paired(self) -> bool:
        """Whether episode i of one began as episode i of the other did."""
        return bool(self._all["difference"]["paired"])

    @property
    def warnings(self) -> list[str]:
        """What one should know before believing it."""
        return list(self._all["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """Everything, as ``diffplan evaluate --compare A B --json`` prints it."""
        return dict(self._all)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Comparison(mean_return={self.mean_return:+.1f}, confidence_interval={self.confidence_interval}, paired={self.paired})"


class EvaluationResult:
    """What came of many episodes.

    ``print(result)`` shows the table of ``diffplan evaluate``.

    Attributes
    ----------
    name : str
        Who acted.
    env : str
        The environment's id.
    findings : list of str
        What was almost surely wrong with what the policy was shown.
    text, settings : str
        The table; what was played, and how.
    """

    __slots__ = ("_all", "_bytes", "_csv", "findings", "name", "settings", "text")

    def __init__(self, native: _diffplan.Evaluation, name: str, findings: list[str]) -> None:
        self.name = name
        self.findings = findings
        self.text: str = native.text
        self.settings: str = native.settings
        self._csv: str = native.csv
        self._bytes: bytes = native.bytes
        self._all: dict[str, Any] = native.json

    @property
    def env(self) -> str:
        """The environment's id."""
        return str(self._all["env"])

    @property
    def episodes(self) -> list[dict[str, Any]]:
        """Of each: ``episode``, ``seed``, ``return``, ``length``, ``end``, ``normalized_score``, ``plans``, ``planning_seconds``, ``success``, …"""
        return [dict(one) for one in self._all["episodes"]]

    def _column(self, name: str, dtype: Any) -> NDArray[Any]:
        return np.array([one[name] for one in self._all["episodes"]], dtype=dtype)

    @property
    def returns(self) -> NDArray[np.float64]:
        """Shape (episodes,): the sum of rewards of each."""
        return self._column("return", np.float64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Shape (episodes,): steps of each."""
        return self._column("length", np.int64)

    @property
    def seeds(self) -> NDArray[np.uint64]:
        """Shape (episodes,): what each was reset with."""
        return self._column("seed", np.uint64)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Shape (episodes,): whether each ended in a terminal state, rather than being cut off."""
        return np.array([one["end"] == "terminated" for one in self._all["episodes"]], dtype=bool)

    @property
    def successes(self) -> NDArray[np.bool_] | None:
        """Shape (episodes,): whether each reached its goal at any step; None where not all say."""
        said = [one["success"] for one in self._all["episodes"]]
        return None if None in said else np.array(said, dtype=bool)

    @property
    def success_rate(self) -> float | None:
        """The share of those that did, of those that say; None where none does."""
        success = self._all["success"]
        return None if success is None else float(success["rate"])

    @property
    def mean_return(self) -> float:
        """The mean over all episodes."""
        return float(self._all["mean_return"])

    @property
    def standard_error(self) -> float | None:
        """Of the mean; None of a single episode."""
        error: float | None = self._all["standard_error"]
        return error

    @property
    def confidence_interval(self) -> tuple[float, float] | None:
        """95 %, of the mean, by Student's t; None of a single episode."""
        interval = self._all["confidence_interval"]
        return None if interval is None else (interval[0], interval[1])

    @property
    def normalized_score(self) -> float | None:
        """D4RL's, of the mean: 0 is a random policy, 100 an expert. None where D4RL has no references for such episodes."""
        score = self._all["normalized_score"]
        return None if score is None else float(score["mean"])

    @property
    def plans_per_second(self) -> float:
        """Of the time spent planning; actions a second of a policy that plans nothing."""
        return float(self._all["plans_per_second"])

    def to_dict(self) -> dict[str, Any]:
        """Everything, as ``evaluation.json`` has it."""
        everything: dict[str, Any] = json.loads(self._bytes)
        return everything

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """A line an episode, as ``episodes.csv`` has them; written to a file, if one is given."""
        if path is not None:
            _write(Path(path), self._csv.encode())
        return self._csv

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``evaluation.json`` and ``episodes.csv``, which ``diffplan evaluate --compare`` takes, into a folder that has none yet."""
        where = Path(folder)
        if (where / "evaluation.json").exists():
            raise InvalidValue(f"folder = {os.fspath(folder)!r}: there is an evaluation, expected another folder")
        where.mkdir(parents=True, exist_ok=True)
        _write(where / "episodes.csv", self._csv.encode())
        _write(where / "evaluation.json", self._bytes + b"\n")

    def compare(self, other: EvaluationResult | str | os.PathLike[str]) -> Comparison:
        """By how much ``other`` is better than this one: an evaluation, or the folder or file of one."""
        if isinstance(other, EvaluationResult):
            text, name = other._bytes, other.name
        else:
            path = Path(other)
            path = path / "evaluation.json" if path.is_dir() else path
            try:
                text, name = path.read_bytes(), str(path)
            except FileNotFoundError as error:
                raise FileMissing(f"{path}: there is no such evaluation") from error
        return Comparison(*_diffplan.compare((self.name, self._bytes), (name, text)))

    def __len__(self) -> int:
        return len(self._all["episodes"])

    def __str__(self) -> str:
        return f"{self.settings}\n\n{self.text}"

    def __repr__(self) -> str:
        error = "" if self.standard_error is None else f" ± {self.standard_error:.1f}"
        return f"EvaluationResult({self.name!r} in {self.env!r}: {self.mean_return:.1f}{error} over {len(self)} episodes)"


def _write(path: Path, content: bytes) -> None:
    """Under a temporary name first."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def evaluate(
    policy: Any,
    env: Any = None,
    *,
    episodes: int | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    parallel: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    batched: bool = True,
    name: str | None = None,
    threads: int | None = None,
    progress: Watcher = None,
    **options: Any,
) -> EvaluationResult:
    """Plays episodes, and says how good a policy is.

    What an episode is like depends on its seed, and not on how many run beside it. Running episodes are planned for in one batch.

    Parameters
    ----------
    policy : Planner, ValueGuidedRLPipeline, path, str or callable
        A planner; a pipeline or the folder of one, which plans with ``options``; the name of a registered policy (``"random"``, ``"zero"``,
        ``"ou"``, ``"swing-up"``, …); or a function of observations (episodes, ·) that gives actions (episodes, ·). A function that has a method
        ``begin(slot, episode, seed)`` is told when an episode begins in a slot, and is called with observations and their slots.
    env : optional
        - None: the environment that the checkpoint was trained for, which is one of diffplan's own;
        - ``"diffplan/ID"``: one of them. They are played without Python, with the numbers of ``diffplan evaluate``;
        - any other id: Gymnasium's environment of it; a function that makes one; an environment, or a list of them;
        - a ``gymnasium.vector.VectorEnv``, in any autoreset mode. Where that is not ``DISABLED``, slots begin their episodes together.
    episodes : int, optional
        150 by default, or as many as ``seeds``.
    seed : int
        Episode i is reset with ``seed + i``, and a planner's noise depends on ``seed`` and i alone, as in ``diffplan evaluate``.
    seeds : sequence of int, optional
        Instead: a seed for each episode, which decides all of it.
    parallel : int, optional
        Episodes side by side, 8 by default. Of environments that are given it is their number.
    env_kwargs : mapping, optional
        What the environment of an id is made with; of diffplan's, those of the checkpoint by default, where it is the same environment.
    max_episode_steps : int, optional
        Steps after which episodes are cut off, where an id was given and that is not as registered.
    batched : bool
        Whether a function takes all observations at once; otherwise it is called with one after the other.
    name : str, optional
        What the policy is called in comparisons.
    threads : int, optional
        Threads to plan on, where the policy is no ``Planner``.
    progress : callable, bool, optional
        See ``Progress``.
    **options
        Planning options, where the policy is a pipeline or a folder.

    Returns
    -------
    EvaluationResult

    Examples
    --------
    >>> import diffplan
    >>> random = diffplan.evaluate("random", "diffplan/Pendulum-v1", episodes=2, seed=7, max_episode_steps=20)
    >>> planned = diffplan.evaluate(
    ...     "testdata/pendulum-hor32", episodes=2, seed=7, max_episode_steps=20, batch_size=2, num_inference_steps=3)
    >>> planned.env, planned.lengths.tolist(), planned.seeds.tolist()
    ('Pendulum-v1', [20, 20], [7, 8])
    >>> random.compare(planned).paired
    True
    """
    starts = _starts(episodes, seed, seeds)
    if parallel is not None and parallel < 1:
        raise InvalidValue(f"parallel = {parallel}: expected at least 1")
    planner = _planner(policy, threads, options)
    known = planner.pipeline.planning_config if planner is not None else {}
    if env is None:
        if "env" not in known:
            raise InvalidValue("env is not given, and the policy says none: expected an environment")
        env = _OURS + known["env"]
    if isinstance(env, str) and env.startswith(_OURS):
        own = env[len(_OURS) :]
        if own == known.get("env"):
            # Made as that of the checkpoint, and as is said here.
            env_kwargs = {**known.get("env_kwargs", {}), **(env_kwargs or {})}
            max_episode_steps = max_episode_steps or known.get("max_episode_steps")
        actor = _actor(policy, planner, own, threads, batched, name)
        with Reporter(progress, "episodes") as report:

            def tell(done: int, mean: float | None, plans: int) -> None:
                report("episodes", done, len(starts), mean_return=mean, plans=plans)

            native = _diffplan.evaluate(
                actor,
                own,
                len(starts),
                starts[0].seed,
                None if seeds is None else [start.seed for start in starts],
                parallel,
                dict(env_kwargs or {}),
                max_episode_steps,
                tell if report.listens else None,
            )
        return EvaluationResult(native, name or actor.name, actor.findings())
    slots, env_id, limit, made = _slots(env, parallel, len(starts), env_kwargs, max_episode_steps)
    try:
        actor = _actor(policy, planner, env_id, threads, batched, name)
        act = _acting(policy if _is_function(policy, planner) else None, actor, slots, batched)
        first = None if seeds is not None else seed

        def begin(slot: int, start: Start) -> None:
            actor.begin(slot, start.number, start.seed, first)

        with Reporter(progress, "episodes") as report:

            def over(done: int, total: float, plans: int) -> None:
                if report.listens:
                    report("episodes", done, len(starts), mean_return=total / done if done else None, plans=plans)

            rows, calls = play(slots, starts, begin, act, over)
    finally:
        for one in made:
            one.close()
    parallel = min(slots.count, len(starts))
    native = _diffplan.Evaluation.of_rows(actor, env_id, starts[0].seed, rows, calls, parallel, dict(env_kwargs or {}), limit)
    return EvaluationResult(native, name or actor.name, actor.findings())


def _starts(episodes: int | None, seed: int, seeds: Sequence[int] | None) -> list[Start]:
    if seeds is None:
        count = _EPISODES if episodes is None else episodes
        if count < 1:
            raise InvalidValue(f"episodes = {count}: expected at least 1")
        if seed < 0:
            raise InvalidValue(f"seed = {seed}: expected 0 or more")
        return [Start(index, seed + index) for index in range(count)]
    if seed != 0:
        raise InvalidValue("seed and seeds are both given, expected one of them")
    own = [int(one) for one in seeds]
    if not own or min(own) < 0 or (episodes is not None and episodes != len(own)):
        raise InvalidValue(f"seeds are {own!r}, expected {'at least one' if episodes is None else episodes} of them, each 0 or more")
    return [Start(index, one) for index, one in enumerate(own)]


def _planner(policy: Any, threads: int | None, options: dict[str, Any]) -> Planner | None:
    """Who plans, if anybody does."""
    if isinstance(policy, (str, os.PathLike)) and policy not in _diffplan.Actor.names():
        if isinstance(policy, str) and not os.path.exists(policy) and "/" not in policy:
            raise InvalidValue(f"policy = {policy!r}: expected a folder, or one of {_diffplan.Actor.names()}")
        policy = ValueGuidedRLPipeline.from_pretrained(policy)
    if isinstance(policy, ValueGuidedRLPipeline):
        return policy.planner(threads=threads, **options)
    if options:
        raise InvalidValue(f"{', '.join(options)}: planning options are of a pipeline or a folder, and the policy is {policy!r}")
    if isinstance(policy, Planner):
        if threads is not None and threads != policy.threads:
            raise InvalidValue(f"threads = {threads}: the planner has its own, {policy.threads}")
        return policy
    return None


def _is_function(policy: Any, planner: Planner | None) -> bool:
    return planner is None and not isinstance(policy, str)


def _actor(
    policy: Any, planner: Planner | None, env: str, threads: int | None, batched: bool, name: str | None
) -> _diffplan.Actor:
    if planner is not None:
        return _diffplan.Actor.of_planner(planner._native, env)
    if isinstance(policy, str):
        return _diffplan.Actor.named(policy, env, threads)
    if not callable(policy):
        raise InvalidType(
            f"policy is a {type(policy).__name__}, expected a planner, a pipeline, a folder, a name or a function of observations"
        )
    called = name or str(getattr(policy, "__name__", type(policy).__name__))
    return _diffplan.Actor.of_function(policy if batched else _one_by_one(policy), called, getattr(policy, "begin", None))


def _one_by_one(policy: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one observation as one of many."""

    def acts(observations: NDArray[Any], slots: Sequence[int] | None = None) -> NDArray[Any]:
        if slots is None:
            return np.stack([np.asarray(policy(one)) for one in observations])
        return np.stack([np.asarray(policy(one, slot)) for one, slot in zip(observations, slots)])

    return acts


def _acting(
    function: Callable[..., Any] | None, actor: _diffplan.Actor, slots: Slots, batched: bool
) -> Callable[[list[int], Any], tuple[NDArray[Any], list[bool], float]]:
    """Who acts in environments of Python."""
    space = slots.action_space
    if function is None:
        observed = slots.observation_space
        for what, one in (("observation", observed), ("action", space)):
            if getattr(one, "low", None) is None or len(one.shape or ()) != 1:
                raise InvalidValue(f"the {what} space is {one}, expected a Box of one axis: gymnasium.wrappers has FlattenObservation")
        actor.check_spaces((observed.low, observed.high), (space.low, space.high))

        def native(places: list[int], observations: Any) -> tuple[NDArray[Any], list[bool], float]:
            actions, planned, seconds = actor.act(places, observations)
            return actions_for(space, actions, len(places)), planned, seconds

        return native
    acts = function if batched else _each(function)
    told = getattr(function, "begin", None) is not None

    def called(places: list[int], observations: Any) -> tuple[NDArray[Any], list[bool], float]:
        began = time.perf_counter()
        actions = acts(observations, places) if told else acts(observations)
        seconds = time.perf_counter() - began
        return actions_for(space, actions, len(places)), [True] * len(places), seconds

    return called


def _each(policy: Callable[..., Any]) -> Callable[..., Any]:
    """As ``_one_by_one``, of observations that may be dictionaries and tuples of arrays."""

    def pick(batch: Any, place: int) -> Any:
        if isinstance(batch, dict):
            return {name: pick(one, place) for name, one in batch.items()}
        if isinstance(batch, tuple):
            return tuple(pick(one, place) for one in batch)
        return batch[place]

    def count(batch: Any) -> int:
        if isinstance(batch, dict):
            return count(next(iter(batch.values())))
        return count(batch[0]) if isinstance(batch, tuple) else len(batch)

    def acts(observations: Any, slots: Sequence[int] | None = None) -> NDArray[Any]:
        each = [pick(observations, place) for place in range(count(observations))]
        if slots is None:
            return np.stack([np.asarray(policy(one)) for one in each])
        return np.stack([np.asarray(policy(one, slot)) for one, slot in zip(each, slots)])

    return acts


def _slots(
    env: Any,
    parallel: int | None,
    episodes: int,
    env_kwargs: Mapping[str, Any] | None,
    max_episode_steps: int | None,
) -> tuple[Slots, str, int | None, list[Any]]:
    """Where it is played: slots, the environment's id, its limit of steps where that is not as registered, and what was made here."""
    import gymnasium

    made: list[Any] = []
    if isinstance(env, str):
        keywords: dict[str, Any] = dict(env_kwargs or {})
        if max_episode_steps is not None:
            keywords["max_episode_steps"] = max_episode_steps
        count = min(parallel or _PARALLEL, episodes)
        made = [gymnasium.make(env, **keywords) for _ in range(count)]
        slots: Slots = Singles(made)
        first = made[0]
    else:
        for what, value in (("env_kwargs", env_kwargs), ("max_episode_steps", max_episode_steps)):
            if value is not None:
                raise InvalidValue(f"{what}: only an environment that is given by its id is made here")
        if isinstance(env, gymnasium.vector.VectorEnv):
            slots, first = Vector(env), env
        elif isinstance(env, gymnasium.Env):
            slots, first = Singles([env]), env
        elif isinstance(env, (list, tuple)):
            if not env:
                raise InvalidValue("env is an empty list, expected at least one environment")
            each = []
            for one in env:
                if not isinstance(one, gymnasium.Env) and callable(one):
                    one = one()
                    made.append(one)
                each.append(one)
            slots, first = Singles(each), each[0]
        elif callable(env):
            made = [env() for _ in range(min(parallel or _PARALLEL, episodes))]
            slots, first = Singles(made), made[0]
        else:
            raise InvalidType(
                f"env is a {type(env).__name__}, expected an id, a gymnasium.Env, a list of them, a function that makes one, or a "
                "gymnasium.vector.VectorEnv"
            )
        if parallel is not None and parallel < slots.count:
            raise InvalidValue(f"parallel = {parallel}: there are {slots.count} environments, expected none of it, or that number")
    spec = getattr(first, "spec", None)
    if spec is None:
        return slots, type(getattr(first, "unwrapped", first)).__name__, None, made
    registered = gymnasium.registry.get(spec.id)
    limit_of = spec.max_episode_steps
    is_as_registered = registered is not None and registered.max_episode_steps == limit_of
    name = spec.id[len(_OURS) :] if spec.id.startswith(_OURS) else spec.id
    return slots, name, None if is_as_registered else limit_of, made
