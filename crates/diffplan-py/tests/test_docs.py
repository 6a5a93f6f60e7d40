"""The Python of docs/coming-from-*.md, page by page, with what a page takes for given."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import PENDULUM, ROOT, DatasetEnv

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)
PAGES = sorted(path.name for path in (ROOT / "docs").glob("coming-from-*.md"))


def blocks(page: str) -> list[tuple[str, str]]:
    """What each block needs, and its text."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python(?: needs (\w+))?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def of_cleandiffuser():
    """What has the shapes and the calls of CleanDiffuser's: a network, a classifier, the agent's table of noise."""
    torch = pytest.importorskip("torch")

    class Agent:
        predict_noise = False
        alpha = torch.cos(torch.linspace(0.001, 0.99, 20) * np.pi / 2)

        def __init__(self, network):
            self.model_ema = {"diffusion": network}

    rng = np.random.default_rng(0)
    data = {"observations": rng.normal(size=(50, 3)), "actions": rng.normal(size=(50, 2))}
    return {
        "agent": Agent(lambda x, noise, condition: 0.9 * x * (noise[:, None, None] < 100)),
        "classifier": lambda x, noise, condition: -x.square().sum((1, 2))[:, None],
        "dataset": data,
    }


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_runs(page, tmp_path, monkeypatch):
    found = blocks(page)
    monkeypatch.chdir(tmp_path)
    names: dict = {"folder": str(PENDULUM), "obs": OBS, "env": DatasetEnv(3, 1)}
    if page == "coming-from-cpp.md":
        assert not found
        pytest.skip("C and C++: .ci/c runs them")
    assert found, f"{page} has no Python"
    if page == "coming-from-cleandiffuser.md":
        names |= of_cleandiffuser()
    if page == "coming-from-jannerm-diffuser.md":
        logs = ROOT / "testdata" / "jannerm-logs"
        shutil.copytree(logs, tmp_path / "logs" / "hopper-medium-v2")
        os.rename(tmp_path / "logs" / "hopper-medium-v2" / "data.hdf5", tmp_path / "hopper_medium-v2.hdf5")
    ran = 0
    for needs, text in found:
        if needs and importlib.util.find_spec(needs) is None:
            continue
        exec(compile(text, f"{page}", "exec"), names)
        ran += 1
    if ran == 0:
        pytest.skip("none of what it needs is installed")
    assert "pipeline" in names or "planner" in names or "result" in names
