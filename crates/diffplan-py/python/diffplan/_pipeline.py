"""``ValueGuidedRLPipeline``: diffusers' pipeline, by its constructor and its call."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _diffplan
from ._denoiser import Denoiser
from ._diffplan import Normalizers, Scheduler, UNet1DModel
from ._diffusers import statistics_of, to_denoiser, to_scheduler, to_unet
from ._errors import FileMissing, InvalidType, InvalidValue
from ._guide import as_guide
from ._planner import Planner

# Keywords of diffusers' `from_pretrained` that change nothing of what is computed here, and what they are for instead; None for those that only
# choose a way.
_WITHOUT_EFFECT = {
    "use_safetensors": None,
    "low_cpu_mem_usage": None,
    "force_download": "what the Hub's cache has of a revision is what the Hub has; delete the cache's folder to load it anew",
    "token": "the Hub's token is that of HF_TOKEN, or the one that huggingface_hub has saved",
    "device_map": "diffplan plans on the CPU",
}


class ValueGuidedRLPipeline:
    """Planning by diffusion, guided by a value function.

    The constructor and the call are those of diffusers' pipeline of the same name; what comes after them by keyword is ours.

    Parameters
    ----------
    value_function : UNet1DModel or None
        Of diffplan, or of diffusers, whose parameters are copied.
    unet : UNet1DModel or Denoiser
        The planner network, likewise; or a function.
    scheduler : Scheduler
        Likewise.
    env : object, optional
        An environment: its ``get_dataset()`` gives the statistics, as in diffusers, its spaces the dimensions.
    normalizers : Normalizers, optional
        Statistics, in place of those of ``env.get_dataset()``.
    dataset : str or os.PathLike, optional
        A dataset file, of which the statistics are computed as diffusers does: one mean and one deviation a key.
    action_dim : int, optional
        Dimensions of an action, where neither environment nor statistics say.
    planning_config : dict, optional
        What ``planner`` uses where its caller says nothing: as in ``planning_config.json``.
    guides : iterable of Guide or callable, optional
        Functions that guide beside the value function.
    guides_file : str or os.PathLike, optional
        A TOML file with guides and constraints.
    threads : int, optional
        Threads to plan on, all cores by default. Plans have the same bits on any number.

    Attributes
    ----------
    unet, value_function, scheduler, env
        As they were given, as diffplan's.
    normalizers : Normalizers
    state_dim, action_dim : int
        Dimensions of an observation and of an action.
    notes : list of str
        What is odd about the checkpoint, a sentence each.
    """

    def __init__(
        self,
        value_function: Any,
        unet: Any,
        scheduler: Any,
        env: Any = None,
        *,
        normalizers: Normalizers | None = None,
        dataset: str | os.PathLike[str] | None = None,
        action_dim: int | None = None,
        planning_config: dict[str, Any] | None = None,
        guides: Iterable[Any] = (),
        guides_file: str | os.PathLike[str] | None = None,
        threads: int | None = None,
    ) -> None:
        statistics = _statistics(env, normalizers, dataset)
        if statistics is None:
            raise InvalidValue(
                "there are no statistics to normalise with: expected an env with get_dataset(), normalizers= or dataset="
            )
        native = _diffplan.Pipeline(
            to_denoiser(unet),
            None if value_function is None else to_unet(value_function, "value_function"),
            to_scheduler(scheduler),
            statistics,
            action_dim if action_dim is not None else _dimensions(env, "action_space"),
            planning_config,
        )
        self._begin(native, env, threads)
        self._add(guides, guides_file)

    def _begin(self, native: _diffplan.Pipeline, env: Any, threads: int | None) -> None:
        observed = _dimensions(env, "observation_space")
        if observed is not None and observed != native.observation_dim:
            raise InvalidValue(
                f"the environment's observations have {observed} dimensions, expected {native.observation_dim}: the planner "
                f"network takes {native.observation_dim + native.action_dim} channels, {native.action_dim} of them actions"
            )
        self._bare = self._native = native
        self.env = env
        self.threads = threads
        self._guides: list[Any] = []
        self._instead = False
        self._file: tuple[str, str, str | None] | None = None

    def _add(
        self, guides: Iterable[Any], file: str | os.PathLike[str] | None, instead: bool = False, env: str | None = None
    ) -> None:
        self._guides = [as_guide(guide) for guide in guides]
        self._instead = instead
        if file is not None:
            try:
                text = Path(file).read_text(encoding="utf-8")
            except FileNotFoundError as error:
                raise FileMissing(f"{os.fspath(file)}: there is no such file of guides") from error
            self._file = (text, os.fspath(file), env)
        self._bend()

    def _bend(self) -> None:
        if self._guides or self._file is not None or self._instead:
            text, path, env = self._file or (None, None, None)
            self._native = self._bare.with_guides(self._guides, self._instead, text, path, env)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        env: Any = None,
        subfolder: str | None = None,
        variant: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        torch_dtype: Any = None,
        value_function: Any = None,
        unet: Any = None,
        scheduler: Any = None,
        normalizers: Normalizers | None = None,
        dataset: str | os.PathLike[str] | None = None,
        action_dim: int | None = None,
        guides: Iterable[Any] = (),
        guides_file: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        **others: Any,
    ) -> ValueGuidedRLPipeline:
        """The pipeline of a folder in diffusers' layout, or of a repository of the Hub by its name.

        Parameters
        ----------
        pretrained_model_name_or_path : str or os.PathLike
            A folder; where there is none, ``OWNER/NAME`` on the Hub.
        env : object, optional
            Statistics are those of its ``get_dataset()`` if it has that, as in diffusers, and of the checkpoint's ``normalizer.json``
            otherwise.
        subfolder, variant, revision : str, optional
        local_files_only : bool
            Whether the Hub's cache must do.
        torch_dtype : optional
            float32 alone: networks compute in float32, or as the option ``precision`` says.
        value_function, unet, scheduler : optional
            In place of the folder's.
        normalizers, dataset, action_dim, guides, guides_file, threads
            As for the constructor.

        Raises
        ------
        FileMissing, CheckpointError, FileError
            Which part is missing or wrong, and why.
        """
        unknown = sorted(set(others) - set(_WITHOUT_EFFECT))
        if unknown:
            raise InvalidType(f"from_pretrained() got an unexpected keyword argument {unknown[0]!r}")
        for name, instead in _WITHOUT_EFFECT.items():
            if instead is not None and others.get(name):
                warnings.warn(f"{name} changes nothing: {instead}", stacklevel=2)
        if torch_dtype is not None and "float32" not in str(torch_dtype):
            raise InvalidValue(f"torch_dtype = {torch_dtype}: expected float32; the option precision='bf16' is for calls")
        folder = os.fspath(pretrained_model_name_or_path)
        if not os.path.isdir(folder):
            folder = _of_hub(folder, revision, subfolder, variant, local_files_only)
        statistics = _statistics(env, normalizers, dataset)
        dimensions = action_dim if action_dim is not None else _dimensions(env, "action_space")
        native = _diffplan.Pipeline.load(folder, subfolder, variant, statistics, dimensions)
        if not (value_function is None and unet is None and scheduler is None):
            native = _diffplan.Pipeline(
                native.unet if unet is None else to_denoiser(unet),
                native.value_function if value_function is None else to_unet(value_function, "value_function"),
                native.scheduler if scheduler is None else to_scheduler(scheduler),
                native.normalizers,
                native.action_dim,
                native.planning_config,
            )
        made = cls.__new__(cls)
        made._begin(native, env, threads)
        made._add(guides, guides_file)
        return made

    def __call__(
        self,
        obs: ArrayLike,
        batch_size: int = 64,
        planning_horizon: int = 32,
        n_guide_steps: int = 2,
        scale: float = 0.1,
        *,
        torch_seed: int | None = None,
        seed: int | None = None,
        noise: ArrayLike | None = None,
        generator: Any = None,
        **options: Any,
    ) -> np.ndarray:
        """What to do now, at an observation.

        The defaults are diffusers', whatever the checkpoint's ``planning_config.json`` says: ``planner`` heeds that.

        Parameters
        ----------
        obs : array_like, shape (observation dimensions,)
            The observation, in the environment's units.
        batch_size : int
            Candidate trajectories.
        planning_horizon : int
            Steps of each.
        n_guide_steps : int
            Gradient steps at every timestep.
        scale : float
            Length of a gradient step.
        torch_seed : int, optional
            The noise, and so the action, that diffusers has after ``torch.manual_seed(torch_seed)``. torch is not needed.
        seed : int, optional
            A seed of diffplan's own generator.
        noise : array_like, shape (draws, batch, horizon, action + observation dimensions), optional
            The noise itself.
        generator : torch.Generator or numpy.random.Generator, optional
            What draws. With none of the four, torch's global generator draws where torch has been imported, as for diffusers; a fresh seed
            is taken elsewhere.
        **options
            Any other of ``diffplan.OPTIONS``: ``guidance``, ``rescore``, ``num_inference_steps``, ``scheduler``, …

        Returns
        -------
        numpy.ndarray, shape (action dimensions,), float32
            The first action of the best candidate, in the environment's units.
        """
        keywords = {
            "batch_size": batch_size,
            "planning_horizon": planning_horizon,
            "n_guide_steps": n_guide_steps,
            "scale": scale,
            **options,
        }
        return self._native.act(obs, keywords, False, self.threads, seed, torch_seed, noise, generator)

    def planner(self, *, threads: int | None = None, **options: Any) -> Planner:
        """What plans again and again with these options over the checkpoint's own.

        Parameters
        ----------
        threads : int, optional
            Those of the pipeline by default.
        **options
            ``diffplan.OPTIONS`` lists them.
        """
        return Planner(self, threads=threads, **options)

    def options(self, **options: Any) -> dict[str, Any]:
        """All options of a ``planner`` of these keywords: the keywords, else the checkpoint's, else diffusers' defaults."""
        return self._native.resolved(options, True)

    def with_guides(self, *guides: Any, instead: bool = False) -> ValueGuidedRLPipeline:
        """The same pipeline, guided by these functions too, or, ``instead``, by them alone."""
        made = self._like()
        made._guides = [*([] if instead else self._guides), *(as_guide(guide) for guide in guides)]
        made._instead = instead or self._instead
        made._bend()
        return made

    def with_guides_file(self, path: str | os.PathLike[str], env: str | None = None) -> ValueGuidedRLPipeline:
        """The same pipeline with the guides and constraints of a TOML file; ``env``: the id of diffplan's environment whose names of
        dimensions and walls the file refers to, where it is not the checkpoint's."""
        made = self._like()
        made._add(self._guides, path, self._instead, env)
        return made

    def _like(self) -> ValueGuidedRLPipeline:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def cancel(self) -> None:
        """Calls off every plan in the making, from any thread: each call raises ``Cancelled``."""
        self._native.cancel()

    @property
    def unet(self) -> UNet1DModel | Denoiser:
        """The planner network."""
        return self._native.unet

    @property
    def value_function(self) -> UNet1DModel | None:
        """The value function, if there is one."""
        return self._native.value_function

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler."""
        return self._native.scheduler

    @property
    def normalizers(self) -> Normalizers:
        """The statistics."""
        return self._native.normalizers

    @property
    def planning_config(self) -> dict[str, Any]:
        """What the checkpoint says about planning."""
        return self._native.planning_config

    @property
    def state_dim(self) -> int:
        """Dimensions of an observation."""
        return self._native.observation_dim

    @property
    def action_dim(self) -> int:
        """Dimensions of an action."""
        return self._native.action_dim

    @property
    def guides(self) -> list[str]:
        """The names of what guides."""
        return self._native.guides

    @property
    def notes(self) -> list[str]:
        """What is odd about the checkpoint, a sentence each."""
        return self._native.notes

    @property
    def means(self) -> dict[str, Any]:
        """The mean of each key: a number, or one for each dimension."""
        return self._statistic("mean")

    @property
    def stds(self) -> dict[str, Any]:
        """The standard deviation of each key."""
        return self._statistic("std")

    def _statistic(self, name: str) -> dict[str, Any]:
        entries = json.loads(self.normalizers.to_json())
        arrays = {key: np.asarray(entry[name], dtype=np.float32) for key, entry in entries.items() if name in entry}
        return {key: value[()] for key, value in arrays.items()}

    def normalize(self, x_in: ArrayLike, key: str) -> np.ndarray:
        """From the environment's units to the networks': ``key`` is ``"observations"`` or ``"actions"``."""
        return self.normalizers.normalize(x_in, key)

    def de_normalize(self, x_in: ArrayLike, key: str) -> np.ndarray:
        """From the networks' numbers to the environment's units."""
        return self.normalizers.denormalize(x_in, key)

    @property
    def device(self) -> str:
        """``"cpu"``."""
        return "cpu"

    def to(self, *args: Any, **_: Any) -> ValueGuidedRLPipeline:
        """The pipeline itself, for scripts that move it to the CPU."""
        for arg in args:
            if str(arg).split(":")[0] not in ("cpu", "torch.float32"):
                raise InvalidValue(f"to({arg!r}): diffplan plans on the CPU, in float32 or as the option precision says")
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        bare = self._bare
        parts = (
            bare.unet,
            bare.value_function,
            bare.scheduler,
            bare.normalizers,
            bare.action_dim,
            bare.planning_config,
        )
        state = (self.env, self.threads, self._guides, self._instead, self._file)
        return (_again, (type(self), parts, state))

    def __copy__(self) -> ValueGuidedRLPipeline:
        return self._like()

    def __deepcopy__(self, memo: dict[int, Any]) -> ValueGuidedRLPipeline:
        # What is planned with never changes; the environment does, and is shared.
        return self._like()

    def __repr__(self) -> str:
        guides = ", ".join(self.guides) or "nothing"
        return (
            f"ValueGuidedRLPipeline({self.unet!r}, {self.scheduler!r}, {self.state_dim} observation and {self.action_dim} "
            f"action dimensions, guided by {guides})"
        )


def _again(
    cls: type[ValueGuidedRLPipeline], parts: tuple[Any, ...], state: tuple[Any, ...]
) -> ValueGuidedRLPipeline:
    made = cls.__new__(cls)
    env, threads, guides, instead, file = state
    made._begin(_diffplan.Pipeline(*parts), env, threads)
    made._guides, made._instead, made._file = guides, instead, file
    made._bend()
    return made


def _statistics(
    env: Any, normalizers: Normalizers | None, dataset: str | os.PathLike[str] | None
) -> Normalizers | None:
    if normalizers is not None and dataset is not None:
        raise InvalidValue("normalizers and dataset are given, expected one of them")
    if normalizers is not None:
        return normalizers
    if dataset is not None:
        return Normalizers.of_file(dataset, "scalar_gaussian")
    return statistics_of(env)


def _dimensions(env: Any, space: str) -> int | None:
    shape = getattr(getattr(env, space, None), "shape", None)
    return int(shape[0]) if shape else None


def _of_hub(
    name: str, revision: str | None, subfolder: str | None, variant: str | None, local_files_only: bool
) -> str:
    if os.path.exists(name):
        raise FileMissing(f"{name} is a file, expected a checkpoint's folder")
    repository = f"{name}@{revision}" if revision else name
    try:
        return os.fspath(_diffplan.fetch(repository, subfolder, variant, local_files_only))
    except FileMissing as error:
        raise FileMissing(f"there is no folder {name}; and as a repository of the Hub: {error}") from error
