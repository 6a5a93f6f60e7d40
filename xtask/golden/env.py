"""Kind `env`: episodes of Gymnasium's classic control."""

from common import write

import gymnasium
import numpy as np


def env_case(folder, seed, env_id, episodes=2, policy="random"):
    env = gymnasium.make(env_id, disable_env_checker=True)
    rng = np.random.default_rng(seed)
    low, high = env.action_space.low, env.action_space.high
    tensors = {}
    for k in range(episodes):
        observation, _ = env.reset(seed=seed + k)
        state = lambda: np.array(env.unwrapped.state, dtype=np.float64)
        rows = {"states": [state()], "observations": [observation], "actions": [], "rewards": []}
        rows.update(terminated=[], truncated=[])
        done = False
        while not done:
            if policy == "random":
                # Beyond the bounds as well, where environments clip.
                action = (rng.uniform(1.3 * low, 1.3 * high)).astype(np.float32)
            else:
                action = np.where(observation[-1:] < 0, low, high).astype(np.float32)
            observation, reward, terminated, truncated, _ = env.step(action)
            done = terminated or truncated
            for name, value in [
                ("actions", action),
                ("states", state()),
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
        "seed": seed,
    }
    write(folder, description, tensors)


ENVS = {
    "pendulum": dict(env_id="Pendulum-v1"),
    "pendulum-swings": dict(env_id="Pendulum-v1", policy="along"),
    "mountain-car": dict(env_id="MountainCarContinuous-v0", episodes=1),
    "mountain-car-goal": dict(env_id="MountainCarContinuous-v0", policy="along"),
}


def random_env(rng):
    return dict(
        env_id=rng.choice(["Pendulum-v1", "MountainCarContinuous-v0"]),
        episodes=rng.randint(1, 3),
        policy=rng.choice(["random", "along"]),
    )
