"""The Python of docs/coming-from-*.md, page by page, with what a page takes for given."""

from __future__ import annotations

import importlib.util
import pickle
import re
import sys
import types

import numpy as np
import pytest
from conftest import PENDULUM, ROOT, DatasetEnv

import diffplan

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


def of_the_original(place, monkeypatch):
    """A run folder of the original, with the planner of the checkpoint, and a dataset: as `torch.save` and `pickle` write them there."""
    torch = pytest.importorskip("torch")
    from test_convert import state_of_the_original

    run = place / "logs" / "hopper-medium-v2" / "diffusion" / "defaults_H32_T20"
    run.mkdir(parents=True)
    state_of_the_original(torch, PENDULUM, run / "state_7.pt")
    for name in ("diffuser", "diffuser.utils", "diffuser.utils.config", "diffuser.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def named(module, name):
        made = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, made)
        return made

    config = named("diffuser.utils.config", "Config")
    settings = {
        "diffusion": ("GaussianDiffusion", {
            "horizon": 32, "observation_dim": 3, "action_dim": 1, "n_timesteps": 20, "clip_denoised": True, "predict_epsilon": False,
            "loss_weights": None,
        }),
        "dataset": ("SequenceDataset", {
            "env": "hopper-medium-v2", "horizon": 32, "normalizer": "GaussianNormalizer", "preprocess_fns": [], "use_padding": True,
            "max_path_length": 1000,
        }),
        "model": ("TemporalUnet", {"transition_dim": 4, "dim": 32, "dim_mults": (1, 2, 4)}),
        "trainer": ("Trainer", {}),
    }
    for name, (kind, values) in settings.items():
        own = config()
        own.__dict__.update(_class=named("diffuser.models", kind), _device=None, _dict=values)
        (run / f"{name}_config.pkl").write_bytes(pickle.dumps(own, protocol=2))
    rng = np.random.default_rng(0)
    episode = {"observations": rng.normal(size=(50, 3)), "actions": rng.uniform(-1, 1, (50, 1)), "rewards": np.zeros(50), "terminated": False}
    diffplan.Dataset.from_episodes([episode, episode]).save(place / "hopper_medium-v2.hdf5")


def test_what_the_readme_says_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    found = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for text in found:
        exec(compile(text, "README.md", "exec"), names)
    assert found and names["action"].shape == (1,)


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
        of_the_original(tmp_path, monkeypatch)
    ran = 0
    for needs, text in found:
        if needs and importlib.util.find_spec(needs) is None:
            continue
        exec(compile(text, f"{page}", "exec"), names)
        ran += 1
    if ran == 0:
        pytest.skip("none of what it needs is installed")
    assert "pipeline" in names or "planner" in names or "result" in names
