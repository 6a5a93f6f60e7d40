"""Conversion: folders of diffusers in other forms, states of the original Diffuser, and back."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

import diffplan

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


def action(folder) -> np.ndarray:
    return diffplan.ValueGuidedRLPipeline.from_pretrained(folder)(OBS, batch_size=4, seed=0, scale=0.03)


def test_precision_and_format(pendulum_path, tmp_path):
    made = diffplan.convert(pendulum_path, tmp_path / "half", dtype="f16", weights="bin")
    assert made.plans and made.folder == tmp_path / "half"
    assert "unet/diffusion_pytorch_model.bin" in made.files and made.read and made.mapped
    np.testing.assert_allclose(action(made.folder), action(pendulum_path), atol=0.05)
    full = diffplan.convert(pendulum_path, tmp_path / "full", weights="bin")
    np.testing.assert_array_equal(full.pipeline()(OBS, batch_size=4, seed=0, scale=0.03), action(pendulum_path))
    assert repr(full) == f"Conversion({str(tmp_path / 'full')!r}, {len(full.files)} files)"


def test_for_diffusers_and_back(pendulum_path, tmp_path):
    theirs = diffplan.convert(pendulum_path, tmp_path / "theirs", to="diffusers", weights="bin")
    assert not theirs.plans and "normalizer.json" not in theirs.files
    back = diffplan.convert(theirs.folder, tmp_path / "back", stats=pendulum_path / "normalizer.json")
    assert back.plans
    np.testing.assert_array_equal(action(back.folder), action(pendulum_path))


def test_statistics_of_a_dataset(pendulum_path, tmp_path):
    rng = np.random.default_rng(0)
    episode = {
        "observations": rng.normal(size=(50, 3)), "actions": rng.uniform(-1, 1, (50, 1)), "rewards": np.zeros(50), "terminated": False,
    }
    data = diffplan.Dataset.from_episodes([episode])
    data.save(tmp_path / "own.hdf5")
    theirs = diffplan.convert(pendulum_path, tmp_path / "theirs", to="diffusers")
    made = diffplan.convert(theirs.folder, tmp_path / "back", dataset=tmp_path / "own.hdf5", normalizer="gaussian")
    assert made.pipeline().normalizers == data.normalizers()


def test_a_folder_of_old_diffusers(pendulum_path, tmp_path):
    """As its first release with this pipeline wrote it: no version of its own, weights of torch."""
    old = diffplan.convert(pendulum_path, tmp_path / "old", weights="bin", to="diffusers").folder
    index = json.loads((old / "model_index.json").read_text())
    index["_diffusers_version"] = "0.9.0"
    (old / "model_index.json").write_text(json.dumps(index))
    made = diffplan.convert(old, tmp_path / "new", stats=pendulum_path / "normalizer.json")
    np.testing.assert_array_equal(action(made.folder), action(pendulum_path))


# What a residual block's parameters, and those around it, are called in the original.
_BLOCK = [
    ("conv_in.conv1d", "blocks.0.block.0"), ("conv_in.group_norm", "blocks.0.block.2"), ("conv_out.conv1d", "blocks.1.block.0"),
    ("conv_out.group_norm", "blocks.1.block.2"), ("time_emb", "time_mlp.1"), ("residual_conv", "residual_conv"),
]
_NAMES = [
    (r"time_mlp\.linear_1\.", "time_mlp.1."), (r"time_mlp\.linear_2\.", "time_mlp.3."),
    (r"down_blocks\.(\d+)\.resnets\.(\d)\.", r"downs.\1.\2."), (r"up_blocks\.(\d+)\.resnets\.(\d)\.", r"ups.\1.\2."),
    (r"mid_block\.resnets\.0\.", "mid_block1."), (r"mid_block\.resnets\.1\.", "mid_block2."),
    (r"down_blocks\.(\d+)\.downsample\.conv\.", r"downs.\1.3.conv."), (r"up_blocks\.(\d+)\.upsample\.conv\.", r"ups.\1.3.conv."),
    (r"out_block\.final_conv1d_1\.", "final_conv.0.block.0."), (r"out_block\.final_conv1d_gn\.", "final_conv.0.block.2."),
    (r"out_block\.final_conv1d_2\.", "final_conv.1."),
]


def theirs(name: str) -> str:
    for ours, original in _NAMES:
        if re.match(ours, name):
            name = re.sub(f"^{ours}", original, name)
            break
    for ours, original in _BLOCK:
        name = name.replace(ours, original)
    return f"model.{name}"


def state_of_the_original(torch, pendulum_path, path) -> diffplan.UNet1DModel:
    """What the original's trainer saves, of the planner of a checkpoint: its names, its buffers, and as average what the checkpoint holds."""
    ours = diffplan.UNet1DModel.from_pretrained(pendulum_path, subfolder="unet")
    state = {theirs(name): torch.from_numpy(values.copy()) for name, values in ours.state_dict().items()}
    config = diffplan.Scheduler.from_pretrained(pendulum_path, subfolder="scheduler").config
    steps = config["num_train_timesteps"]
    # The original's cosine schedule, of Nichol and Dhariwal.
    at = np.linspace(0, steps + 1, steps + 1)
    products = np.cos((at / (steps + 1) + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.clip(1 - products[1:] / products[:-1], 0, 0.999)
    state["betas"] = torch.tensor(betas, dtype=torch.float32)
    plain = {name: values + 1 if values.dtype == torch.float32 and name != "betas" else values for name, values in state.items()}
    torch.save({"step": 7, "model": plain, "ema": state}, path)
    return ours


def test_a_state_of_the_original(pendulum_path, tmp_path):
    """Written by torch, with the original's names and buffers."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours = state_of_the_original(torch, pendulum_path, tmp_path / "state_7.pt")
    keywords = {"stats": pendulum_path / "normalizer.json", "action_dim": 1, "predict_epsilon": False, "clip_denoised": False}
    made = diffplan.convert(None, tmp_path / "made", planner=tmp_path / "state_7.pt", **keywords)
    again = made.pipeline().unet.state_dict()
    for name, values in ours.state_dict().items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    plain_too = diffplan.convert(tmp_path / "state_7.pt", tmp_path / "plain", which="model", **keywords)
    np.testing.assert_array_equal(
        plain_too.pipeline().unet.state_dict()["time_mlp.linear_1.bias"], again["time_mlp.linear_1.bias"] + 1
    )
    with pytest.raises(diffplan.CheckpointError, match="predict_epsilon"):
        diffplan.convert(tmp_path / "state_7.pt", tmp_path / "none", stats=pendulum_path / "normalizer.json")
    assert not (tmp_path / "none").exists()


def test_what_is_refused(pendulum_path, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    for arguments, error, message in (
        ((tmp_path / "nothing", tmp_path / "a"), diffplan.Error, "nothing"),
        ((tmp_path / "notes.txt", tmp_path / "a"), diffplan.CheckpointError, "notes.txt"),
        ((pendulum_path, pendulum_path / "half"), diffplan.InvalidValue, "outside of"),
        ((None, tmp_path / "a"), diffplan.InvalidValue, "either source"),
    ):
        with pytest.raises(error, match=message):
            diffplan.convert(*arguments)
    for keywords, message in (
        ({"dtype": "f64"}, "dtype"), ({"to": "torch"}, "to ="), ({"which": "best"}, "which"), ({"normalizer": "none"}, "none"),
        ({"dataset": "a", "stats": "b"}, "both given"),
    ):
        with pytest.raises(diffplan.InvalidValue, match=message):
            diffplan.convert(pendulum_path, tmp_path / "a", **keywords)
    with pytest.raises(diffplan.InvalidType, match="step"):
        diffplan.convert(pendulum_path, tmp_path / "a", step="last")
    assert not (tmp_path / "a").exists()


def test_what_is_there_is_not_lost(pendulum_path, tmp_path):
    out = tmp_path / "out"
    diffplan.convert(pendulum_path, out)
    with pytest.raises(diffplan.InvalidValue):
        diffplan.convert(pendulum_path, out)
    diffplan.convert(pendulum_path, out, overwrite=True)
    (out / "thesis.tex").write_text("")
    with pytest.raises(diffplan.InvalidValue, match="thesis.tex"):
        diffplan.convert(pendulum_path, out, overwrite=True)
    shutil.rmtree(out)
