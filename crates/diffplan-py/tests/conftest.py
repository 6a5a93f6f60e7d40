"""What the tests share. A test of what another package says is skipped, and says so, where that is not installed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import diffplan

# A shell that starts tests in the background has them ignore Ctrl-C, and so their children: those that press it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[3]
PENDULUM = ROOT / "testdata" / "pendulum-hor32"
HOPPER = ROOT.parent / "shared" / "checkpoints" / "hopper-medium-hor32"


class Space:
    """What diffusers asks of a space."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


class DatasetEnv:
    """What diffusers asks of an environment."""

    def __init__(self, observations: int, actions: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.observation_space, self.action_space = Space(observations), Space(actions)
        self._data = {
            "observations": rng.normal(0.1, 0.9, (500, observations)).astype(np.float32),
            "actions": rng.uniform(-1, 1, (500, actions)).astype(np.float32),
            "timeouts": "not an array",
        }

    def get_dataset(self):
        return self._data


@pytest.fixture(scope="session")
def pendulum_path() -> Path:
    return PENDULUM


@pytest.fixture(scope="session")
def hopper_path() -> Path:
    if not HOPPER.is_dir():
        pytest.skip(f"{HOPPER} is not here")
    return HOPPER


@pytest.fixture(scope="session")
def pipeline() -> diffplan.ValueGuidedRLPipeline:
    return diffplan.ValueGuidedRLPipeline.from_pretrained(PENDULUM, threads=1)


@pytest.fixture(scope="session")
def quick() -> dict:
    """Options of a plan that takes no time."""
    return {"batch_size": 2, "num_inference_steps": 4, "n_guide_steps": 1, "scale": 0.03}


@pytest.fixture
def pendulum_env() -> DatasetEnv:
    return DatasetEnv(3, 1)


def has_mujoco() -> bool:
    return "MUJOCO_LIB" in os.environ
