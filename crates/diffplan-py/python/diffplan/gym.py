"""The environments of diffplan as Gymnasium's: ``gymnasium.make("diffplan/Pendulum-v1")``.

They follow Gymnasium's own of the same names step for step. ``register`` is called where ``diffplan`` and ``gymnasium`` are both imported;
``gymnasium.make("diffplan.gym:diffplan/Pendulum-v1")`` does without the import.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from . import _diffplan

NAMESPACE = "diffplan"


def register() -> None:
    """Registers every environment, once."""
    for env_id, max_episode_steps, reward_threshold in _diffplan.envs():
        name = f"{NAMESPACE}/{env_id}"
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point="diffplan.gym:DiffplanEnv",
                kwargs={"env_id": env_id},
                max_episode_steps=max_episode_steps,
                reward_threshold=reward_threshold,
            )


def _box(bounds: dict[str, Any]) -> spaces.Box:
    dtype = np.dtype(bounds["dtype"])
    return spaces.Box(bounds["low"].astype(dtype), bounds["high"].astype(dtype), dtype=dtype.type)


class DiffplanEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """An environment of diffplan.

    Parameters
    ----------
    env_id : str
        Its id in diffplan, without the namespace.
    render_mode : {"rgb_array"}, optional
    **kwargs
        Arguments of the environment's constructor, such as ``g`` of ``Pendulum-v1``.

    Attributes
    ----------
    dt : float or None
        Seconds of the environment's world in a step.
    names : tuple of list of str
        What the dimensions of observations and of actions are called.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, env_id: str, render_mode: str | None = None, **kwargs: Any) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode = {render_mode!r}: expected 'rgb_array' or None")
        self.render_mode = render_mode
        self._made = (env_id, render_mode, kwargs)
        self._env = _diffplan.Env(env_id, kwargs)
        self.observation_space = _box(self._env.observation_space)
        self.action_space = _box(self._env.action_space)
        self.dt = self._env.dt
        self.names = self._env.names
        if self.dt:
            self.metadata = {**self.metadata, "render_fps": round(1 / self.dt)}
        self._begun = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode: the same seed, the same episode. Without one the stream goes on, from a fresh seed the first time."""
        super().reset(seed=seed)
        if seed is None and not self._begun:
            seed = int(self.np_random.integers(2**32))
        observation, info = self._env.reset(seed, options)
        self._begun = True
        return observation, info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step: observation, reward, terminated, truncated, info."""
        return self._env.step(action)

    def render(self) -> np.ndarray | None:
        """A picture of the state, shape (height, width, 3), uint8, with ``render_mode="rgb_array"``."""
        return None if self.render_mode is None else self._env.render()

    def state(self) -> np.ndarray:
        """The state of the dynamics: what ``set_state`` takes."""
        return self._env.state()

    def set_state(self, state: Any) -> np.ndarray:
        """Puts the dynamics into a state, and returns the observation there."""
        return self._env.set_state(state)

    def __reduce__(self) -> tuple[Any, ...]:
        env_id, render_mode, kwargs = self._made
        return (_again, (env_id, render_mode, kwargs, self.spec, self._state()))

    def _state(self) -> np.ndarray | None:
        return self._env.state() if self._begun else None


def _again(env_id: str, render_mode: str | None, kwargs: dict[str, Any], spec: Any, state: Any) -> DiffplanEnv:
    """One like it, in the same state; its random stream begins with the next ``reset``."""
    env = DiffplanEnv(env_id, render_mode, **kwargs)
    env.spec = spec
    if state is not None:
        env.set_state(state)
    return env


register()
