"""Kind `env`: point mazes, of Gymnasium-Robotics, OGBench and D4RL.

    python maze.py cases [NAME..]    those of the names, or all

Needs mujoco, gymnasium-robotics, ogbench, numpy and safetensors. D4RL itself asks for mujoco-py: its model is built here with its
numbers, on MuJoCo, the margin of 2 mm being the ball's alone, as newer releases sum those of two geoms and older ones took the larger.
Episodes have their goal as `ep0.goal`, where it is not drawn from the seed as the package draws it.
"""

import sys
from pathlib import Path

from common import write

import mujoco
import numpy as np

UMAZE = ["#####", "#GOO#", "###O#", "#OOO#", "#####"]
MEDIUM = ["########", "#OO##OO#", "#OO#OOO#", "##OOO###", "#OO#OOO#", "#O#OO#O#", "#OOO#OG#", "########"]


class D4rl:
    """Observations are qpos and qvel; nothing is reset but to a state."""

    def __init__(self, maze, dense):
        walls = "".join(
            f'<geom type="box" pos="{w + 1.0} {h + 1.0} 0" size=".5 .5 .2"/>'
            for w, row in enumerate(maze)
            for h, tile in enumerate(row)
            if tile == "#"
        )
        self.model = mujoco.MjModel.from_xml_string(f"""
            <mujoco>
              <compiler inertiafromgeom="true" angle="radian"/>
              <option timestep="0.01" gravity="0 0 0" iterations="20" integrator="Euler"/>
              <default>
                <joint damping="1" limited="false"/>
                <geom friction=".5 .1 .1" density="1000" condim="1" contype="2" conaffinity="1"/>
              </default>
              <worldbody>
                <body name="particle" pos="1.2 1.2 0">
                  <geom type="sphere" size="0.1" contype="1" margin="0.002"/>
                  <joint name="ball_x" type="slide" axis="1 0 0"/>
                  <joint name="ball_y" type="slide" axis="0 1 0"/>
                </body>
                {walls}
              </worldbody>
              <actuator>
                <motor joint="ball_x" ctrlrange="-1 1" ctrllimited="true" gear="100"/>
                <motor joint="ball_y" ctrlrange="-1 1" ctrllimited="true" gear="100"/>
              </actuator>
            </mujoco>""")
        self.data = mujoco.MjData(self.model)
        self.dense = dense
        (self.goal,) = [(w, h) for w, row in enumerate(maze) for h, tile in enumerate(row) if tile == "G"]

    def start(self, position, velocity):
        self.data.qpos[:], self.data.qvel[:] = position, velocity
        mujoco.mj_forward(self.model, self.data)

    def state(self):
        return np.concatenate([self.data.qpos, self.data.qvel])

    def step(self, action):
        self.data.qvel[:] = np.clip(self.data.qvel, -5.0, 5.0)
        mujoco.mj_forward(self.model, self.data)
        self.data.ctrl[:] = np.clip(action, -1.0, 1.0)
        mujoco.mj_step(self.model, self.data)
        distance = np.linalg.norm(self.data.qpos - self.goal)
        reward = np.exp(-distance) if self.dense else float(distance <= 0.5)
        return self.state(), reward, False, {"success": distance <= 0.5}


class Package:
    """An environment of Gymnasium's, with its observation alone."""

    def __init__(self, env_id, seed, kwargs):
        import gymnasium
        import gymnasium_robotics
        import ogbench  # noqa: F401

        gymnasium.register_envs(gymnasium_robotics)
        self.env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
        np.random.seed(seed)  # OGBench draws from there.
        observation, info = self.env.reset(seed=seed)
        self.info = {key: value for key, value in info.items() if key == "success"}
        self.drawn = isinstance(observation, dict)
        self.goal = observation["desired_goal"] if self.drawn else info["goal"]

    def state(self):
        bare = getattr(self.env.unwrapped, "point_env", self.env.unwrapped)
        return np.concatenate([bare.data.qpos, bare.data.qvel][: 2 if self.drawn else 1])

    def start(self, position, velocity):
        bare = getattr(self.env.unwrapped, "point_env", self.env.unwrapped)
        bare.set_state(np.array(position), np.array(velocity))

    def step(self, action):
        observation, reward, terminated, _, info = self.env.step(action)
        if self.drawn:
            observation = observation["observation"]
        return observation, reward, terminated, {"success": info["success"]}


def actions_of(policy, rng, steps, walk):
    """Held for a while each, so that the ball comes to walls and along them; beyond the bounds where those are clipped."""
    largest = 1.0 if walk else 1.3
    held = []
    while len(held) < steps:
        held += [rng.uniform(-largest, largest, 2)] * int(rng.integers(1, 40))
    if policy == "diagonal":
        held = [np.array([1.0, 1.0])] * (steps // 2) + [np.array([-1.0, -0.7])] * steps
    return np.array(held[:steps], dtype=np.float32)


def maze_case(folder, seed, env_id, maze=None, steps=200, starts=(None,), kwargs={}, policy="held"):
    rng = np.random.default_rng(seed)
    tensors = {}
    seeds = []
    for k, start in enumerate(starts):
        env = D4rl(maze, "dense" in env_id) if maze else Package(env_id, seed + k, kwargs)
        if start is not None:
            env.start(*start)
        rows = {"states": [env.state()], "observations": [env.state()], "actions": [], "rewards": []}
        rows.update({f"reset_info.{key}": [value] for key, value in getattr(env, "info", {}).items()})
        rows.update(terminated=[], truncated=[])
        walk = getattr(env, "drawn", True) is False
        for action in actions_of(policy, rng, steps, walk):
            observation, reward, terminated, info = env.step(action)
            for key, value in info.items():
                rows.setdefault(f"info.{key}", []).append(value)
            for name, value in [
                ("actions", action),
                ("states", env.state()),
                ("observations", observation),
                ("rewards", float(reward)),
                ("terminated", terminated),
                ("truncated", False),
            ]:
                rows[name].append(value)
            if terminated:
                break
        types = {"actions": np.float32, "terminated": np.bool_, "truncated": np.bool_}
        for name, values in rows.items():
            tensors[f"ep{k}.{name}"] = np.array(values, dtype=types.get(name, np.float64))
        if getattr(env, "drawn", False) and start is None:
            seeds.append(seed + k)
        else:
            tensors[f"ep{k}.goal"] = np.array(env.goal, dtype=np.float64)
    description = {
        "kind": "env",
        "env_id": env_id,
        "episodes": len(starts),
        "max_episode_steps": None if maze else env.env.spec.max_episode_steps,
        "seed": seed,
        "recorded_with": f"MuJoCo {mujoco.__version__}",
    }
    if seeds:
        description["reset_seeds"] = seeds
    if kwargs:
        description["kwargs"] = kwargs
    write(folder, {key: value for key, value in description.items() if value is not None}, tensors)


CENTRE = ((3.0, 1.0), (0.0, 0.0))
MAZES = {
    "maze2d-umaze": dict(
        env_id="maze2d-umaze-v1",
        maze=UMAZE,
        # From rest; into a wall at full speed; along the seams of a wall; into a corner, which two boxes make; faster than is let be.
        starts=(
            CENTRE,
            ((2.9, 0.9), (5.0, 0.0)),
            ((3.17, 0.9), (1.0, 4.0)),
            ((3.1, 0.5), (3.0, -4.0)),
            ((2.5, 3.0), (-9.0, 7.0)),
        ),
    ),
    "maze2d-medium-dense": dict(
        env_id="maze2d-medium-dense-v1",
        maze=MEDIUM,
        # Around the corner of a single box as well.
        starts=(((1.0, 1.0), (0.5, -0.5)), ((2.1, 2.15), (2.0, 0.3)), ((5.15, 3.1), (-1.0, 0.2))),
        policy="diagonal",
    ),
    "pointmaze-umaze": dict(env_id="PointMaze_UMaze-v3", starts=(None, None, None)),
    "pointmaze-large-dense": dict(env_id="PointMaze_LargeDense-v3", starts=(None, None)),
    "pointmaze-open-goals": dict(
        env_id="PointMaze_Open_Diverse_GR-v3", starts=(None, None), steps=300, kwargs={"reset_target": True}
    ),
    "pointmaze-diverse-ends": dict(
        env_id="PointMaze_Medium_Diverse_G-v3", starts=(None, None), kwargs={"continuing_task": False}
    ),
    "pointmaze-ogbench-medium": dict(
        env_id="pointmaze-medium-v0",
        starts=(None, None, ((1.25, 0.9), (0, 0)), ((1.2, 1.2), (0, 0))),
    ),
    "pointmaze-ogbench-task": dict(
        env_id="pointmaze-giant-v0",
        starts=(None,),
        kwargs={"reward_task_id": 3, "success_timing": "pre", "add_noise_to_goal": False},
    ),
}


if __name__ == "__main__":
    for variety in sys.argv[2:] or MAZES:
        maze_case(Path(sys.argv[1]) / f"env-{variety}", 0, **MAZES[variety])
