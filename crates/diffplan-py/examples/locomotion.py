"""diffusers' script for D4RL's locomotion, by diffusers or by diffplan: the import is the one line that differs.

    python locomotion.py --checkpoint hopper-medium-hor32 --dataset hopper-medium.hdf5
    python locomotion.py --checkpoint hopper-medium-hor32 --dataset hopper-medium.hdf5 --package diffusers
    python locomotion.py … --both --steps 50 --batch-size 8      # the two in turn, step by step: actions, returns, seconds a step

Needs Gymnasium with MuJoCo (`pip install "gymnasium[mujoco]"`), torch for the random numbers, and for `--package diffusers` and `--both`, diffusers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

# Of diffusers' plans; a line of this script says what became of each.
os.environ.setdefault("TQDM_DISABLE", "1")

import gymnasium
import numpy as np
import torch

import diffplan


class WithDataset(gymnasium.Wrapper):
    """What D4RL adds to an environment: ``get_dataset``, of which both packages take means and deviations."""

    def __init__(self, env, path):
        super().__init__(env)
        self._data = diffplan.load_dataset(path)

    def get_dataset(self):
        return self._data.to_dict()


def pipeline_of(package, checkpoint, env):
    """The pipeline of a folder: one line of diffplan; diffusers loads no environment, so there its parts are put together."""
    if package == "diffplan":
        return diffplan.ValueGuidedRLPipeline.from_pretrained(checkpoint, env=env)
    from diffusers import DDPMScheduler, UNet1DModel
    from diffusers.experimental import ValueGuidedRLPipeline

    return ValueGuidedRLPipeline(
        value_function=UNet1DModel.from_pretrained(checkpoint, subfolder="value_function"),
        unet=UNet1DModel.from_pretrained(checkpoint, subfolder="unet"),
        scheduler=DDPMScheduler.from_pretrained(checkpoint, subfolder="scheduler"),
        env=env,
    )


def play(package, arguments):
    """One episode: yields an action, the seconds it took, and the reward it brought, step by step."""
    env = WithDataset(gymnasium.make(arguments.env), arguments.dataset)
    pipeline = pipeline_of(package, arguments.checkpoint, env)
    obs, _ = env.reset(seed=arguments.seed)
    state = torch.Generator().manual_seed(arguments.seed).get_state()
    for _ in range(arguments.steps):
        # Each of the two goes on where it was in its own stream of random numbers.
        torch.set_rng_state(state)
        began = time.perf_counter()
        action = pipeline(obs, batch_size=arguments.batch_size, planning_horizon=arguments.planning_horizon)
        seconds = time.perf_counter() - began
        state = torch.get_rng_state()
        obs, reward, terminated, truncated, _ = env.step(np.clip(action, -1, 1))
        yield action, seconds, float(reward)
        if terminated or truncated:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--dataset", required=True, help="any that diffplan reads")
    parser.add_argument("--env", default="Hopper-v5")
    parser.add_argument("--package", choices=["diffplan", "diffusers"], default="diffplan")
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--planning-horizon", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of --both: how far actions may be apart")
    arguments = parser.parse_args()
    packages = ["diffusers", "diffplan"] if arguments.both else [arguments.package]
    taken = {package: [] for package in packages}
    for steps in zip(*(play(package, arguments) for package in packages)):
        for package, step in zip(packages, steps):
            taken[package].append(step)
        if arguments.both:
            apart = np.abs(steps[0][0] - steps[1][0]).max()
            print(f"step {len(taken['diffplan']):4}  actions {apart:.1e} apart", flush=True)
    for package, steps in taken.items():
        seconds = statistics.median(step[1] for step in steps[1:] or steps)
        print(f"{package:9}  {len(steps)} steps, return {sum(step[2] for step in steps):.2f}, {seconds:.4f} s a step (median)")
    if arguments.both:
        pairs = list(zip(*taken.values()))
        apart = max(np.abs(theirs[0] - ours[0]).max() for theirs, ours in pairs)
        ratio = statistics.median(theirs[1] / ours[1] for theirs, ours in pairs[1:] or pairs)
        print(f"actions at most {apart:.1e} apart over {len(pairs)} steps; diffplan is {ratio:.1f} times as fast (median of pairs)")
        if apart > arguments.tolerance:
            raise SystemExit(f"expected at most {arguments.tolerance} apart")


if __name__ == "__main__":
    main()
