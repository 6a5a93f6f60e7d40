"""Kind `env`: episodes of Gymnasium's classic control, and of its robots on MuJoCo.

    python env.py cases [NAME..]    those of the names, or all, without what the other kinds need
"""

import sys
from pathlib import Path

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
    "ant-v5": dict(env_id="Ant-v5", episodes=3, max_steps=20),
    "ant-v4": dict(env_id="Ant-v4", episodes=3, max_steps=30),
    "ant-forces": dict(env_id="Ant-v4", kwargs={"use_contact_forces": True}, max_steps=20),
    "ant-kwargs": dict(
        env_id="Ant-v5",
        episodes=1,
        kwargs={
            "frame_skip": 3,
            "forward_reward_weight": 2.5,
            "ctrl_cost_weight": 0.25,
            "contact_cost_weight": 0.01,
            "healthy_reward": 0.5,
            "main_body": 3,
            "healthy_z_range": [0.3, 0.9],
            "contact_force_range": [-0.5, 2.0],
            "reset_noise_scale": 0.02,
            "exclude_current_positions_from_observation": False,
        },
        max_steps=45,
    ),
    "ant-unhealthy": dict(
        env_id="Ant-v5",
        episodes=1,
        kwargs={
            "include_cfrc_ext_in_observation": False,
            "terminate_when_unhealthy": False,
            "healthy_z_range": [0.55, 0.8],
        },
        max_steps=45,
    ),
    "swimmer-v5": dict(env_id="Swimmer-v5", episodes=1, max_steps=60),
    "swimmer-v4": dict(env_id="Swimmer-v4", episodes=1, max_steps=60),
    "swimmer-kwargs": dict(
        env_id="Swimmer-v5",
        episodes=1,
        kwargs={
            "frame_skip": 2,
            "forward_reward_weight": 2.5,
            "ctrl_cost_weight": 0.25,
            "reset_noise_scale": 0.02,
            "exclude_current_positions_from_observation": False,
        },
        max_steps=60,
    ),
    "reacher-v5": dict(env_id="Reacher-v5"),
    "reacher-v4": dict(env_id="Reacher-v4"),
    "reacher-kwargs": dict(
        env_id="Reacher-v5",
        episodes=1,
        kwargs={"frame_skip": 3, "reward_dist_weight": 2.5, "reward_control_weight": 0.25},
    ),
    "invertedpendulum-v5": dict(env_id="InvertedPendulum-v5", episodes=5),
    "invertedpendulum-v4": dict(env_id="InvertedPendulum-v4", episodes=5),
    "invertedpendulum-kwargs": dict(
        env_id="InvertedPendulum-v5", kwargs={"frame_skip": 1, "reset_noise_scale": 0.05}
    ),
    "inverteddoublependulum-v5": dict(env_id="InvertedDoublePendulum-v5", episodes=4),
    "inverteddoublependulum-v4": dict(env_id="InvertedDoublePendulum-v4", episodes=4),
    "inverteddoublependulum-kwargs": dict(
        env_id="InvertedDoublePendulum-v5", kwargs={"frame_skip": 2, "healthy_reward": 3.5, "reset_noise_scale": 0.3}
    ),
}


ROBOTS = [
    "Hopper",
    "Walker2d",
    "HalfCheetah",
    "Ant",
    "Swimmer",
    "Reacher",
    "InvertedPendulum",
    "InvertedDoublePendulum",
]


def random_env(rng):
    return dict(
        env_id=rng.choice(["Pendulum-v1", "MountainCarContinuous-v0", *(f"{robot}-v5" for robot in ROBOTS)]),
        episodes=rng.randint(1, 3),
        policy=rng.choice(["random", "along"]),
    )


if __name__ == "__main__":
    for variety in sys.argv[2:] or ENVS:
        env_case(Path(sys.argv[1]) / f"env-{variety}", 0, **ENVS[variety])
