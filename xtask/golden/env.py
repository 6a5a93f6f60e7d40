"""Kind `env`: episodes of Gymnasium's classic control, and of its planar robots on MuJoCo."""

from common import write

import gymnasium
import numpy as np


def state_of(env):
    """What `Env::state` of diffplan is: of a robot qpos, then qvel."""
    bare = env.unwrapped
    return bare.state_vector() if hasattr(bare, "state_vector") else np.array(bare.state, dtype=np.float64)


def env_case(folder, seed, env_id, episodes=2, policy="random", kwargs={}, max_steps=None):
    env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
    rng = np.random.default_rng(seed)
    low, high = env.action_space.low, env.action_space.high
    tensors = {}
    for k in range(episodes):
        observation, info = env.reset(seed=seed + k)
        rows = {"states": [state_of(env)], "observations": [observation], "actions": [], "rewards": []}
        rows.update({f"reset_info.{key}": [value] for key, value in info.items()})
        rows.update(terminated=[], truncated=[])
        done = False
        while not done and len(rows["actions"]) != max_steps:
            if policy == "random":
                # Beyond the bounds as well, where environments clip.
                action = (rng.uniform(1.3 * low, 1.3 * high)).astype(np.float32)
            else:
                action = np.where(observation[-1:] < 0, low, high).astype(np.float32)
            observation, reward, terminated, truncated, info = env.step(action)
            for key, value in info.items():
                rows.setdefault(f"info.{key}", []).append(value)
            done = terminated or truncated
            for name, value in [
                ("actions", action),
                ("states", state_of(env)),
                ("observations", observation),
                ("rewards", float(np.asarray(reward).item())),
                ("terminated", terminated),
                ("truncated", truncated),
            ]:
                rows[name].append(value)
        types = {"actions": np.float32, "terminated": np.bool_, "truncated": np.bool_}
        for name, values in rows.items():
            tensors[f"ep{k}.{name}"] = np.array(values, dtype=types.get(name, np.float64))
    bounds = {
        "observation_low": env.observation_space.low,
        "observation_high": env.observation_space.high,
        "action_low": low,
        "action_high": high,
    }
    description = {
        "kind": "env",
        "env_id": env_id,
        "gymnasium": gymnasium.__version__,
        "episodes": episodes,
        **{key: [v if np.isfinite(v) else str(v) for v in map(float, values)] for key, values in bounds.items()},
        "max_episode_steps": env.spec.max_episode_steps,
        "reset_seeds": [seed + k for k in range(episodes)],
        "info": "recorded",
        "seed": seed,
    }
    if hasattr(env.unwrapped, "model"):
        import mujoco

        description["mujoco"] = mujoco.__version__
    if kwargs:
        description["kwargs"] = kwargs
    write(folder, description, tensors)


ENVS = {
    "pendulum": dict(env_id="Pendulum-v1"),
    "pendulum-swings": dict(env_id="Pendulum-v1", policy="along"),
    "mountain-car": dict(env_id="MountainCarContinuous-v0", episodes=1),
    "mountain-car-goal": dict(env_id="MountainCarContinuous-v0", policy="along"),
    "hopper-v5": dict(env_id="Hopper-v5"),
    "hopper-v4": dict(env_id="Hopper-v4"),
    "hopper-kwargs": dict(
        env_id="Hopper-v5",
        kwargs={
            "frame_skip": 2,
            "forward_reward_weight": 2.5,
            "ctrl_cost_weight": 0.25,
            "healthy_reward": 0.5,
            "healthy_state_range": [-8.0, 8.0],
            "healthy_z_range": [0.9, 1.4],
            "healthy_angle_range": [-0.15, 0.3],
            "reset_noise_scale": 0.02,
            "exclude_current_positions_from_observation": False,
        },
    ),
    "walker2d-v5": dict(env_id="Walker2d-v5"),
    "walker2d-v4": dict(env_id="Walker2d-v4"),
    "walker2d-unhealthy": dict(
        env_id="Walker2d-v5", episodes=1, kwargs={"terminate_when_unhealthy": False}, max_steps=60
    ),
    "halfcheetah-v5": dict(env_id="HalfCheetah-v5", max_steps=40),
    "halfcheetah-v4": dict(env_id="HalfCheetah-v4", max_steps=40),
}


def random_env(rng):
    return dict(
        env_id=rng.choice(["Pendulum-v1", "MountainCarContinuous-v0", "Hopper-v5", "Walker2d-v5", "HalfCheetah-v5"]),
        episodes=rng.randint(1, 3),
        policy=rng.choice(["random", "along"]),
    )
