"""Checkpoints, networks, schedulers, statistics, and what is said of wrong ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import diffplan

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


def test_a_pipeline_says_what_it_is(pipeline):
    assert (pipeline.state_dim, pipeline.action_dim) == (3, 1)
    assert pipeline.planning_config["env"] == "Pendulum-v1"
    assert pipeline.unet.config["_class_name"] == "UNet1DModel" and not pipeline.unet.is_value_function
    assert pipeline.value_function.is_value_function and pipeline.guides == ["value"]
    assert pipeline.to("cpu") is pipeline and pipeline.device == "cpu"
    with pytest.raises(diffplan.InvalidValue, match="plans on the CPU"):
        pipeline.to("cuda:0")
    assert "ValueGuidedRLPipeline(UNet1DModel(planner, 4 channels" in repr(pipeline)
    assert pipeline.means["observations"].shape == (3,) and pipeline.stds["actions"].shape == (1,)


def test_checkpoints_that_are_none(pendulum_path, tmp_path):
    load = diffplan.ValueGuidedRLPipeline.from_pretrained
    with pytest.raises(diffplan.FileMissing, match="there is no folder .*none") as raised:
        load(tmp_path / "none", local_files_only=True)
    assert isinstance(raised.value, FileNotFoundError)
    shutil.copytree(pendulum_path, tmp_path / "copy")
    folder = tmp_path / "copy"
    (folder / "normalizer.json").rename(tmp_path / "kept.json")
    with pytest.raises(diffplan.FileMissing, match="normalizer.json is missing"):
        load(folder)
    statistics = diffplan.Normalizers.from_json(tmp_path / "kept.json")
    assert load(folder, normalizers=statistics).normalizers == statistics
    config = folder / "unet" / "config.json"
    text = config.read_text()
    config.write_text(text.replace("block_out_channels", "block_out_chanels"))
    with pytest.raises(diffplan.CheckpointError, match="block_out_chanels"):
        load(folder, normalizers=statistics)
    config.write_text(text)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(diffplan.Error, match="diffusion_pytorch_model.safetensors"):
        load(folder, normalizers=statistics)
    with pytest.raises(diffplan.InvalidType, match="unexpected keyword argument 'envs'"):
        load(folder, envs=None)
    with pytest.warns(UserWarning, match="token changes nothing: .*HF_TOKEN"):
        load(pendulum_path, token="hf_…", use_safetensors=True)
    with pytest.raises(diffplan.InvalidValue, match="torch_dtype"):
        load(folder, torch_dtype="float16")
    with pytest.raises(diffplan.InvalidValue, match="there are no statistics"):
        diffplan.ValueGuidedRLPipeline(None, None, None)


def test_put_together_of_parts(pipeline, quick):
    built = diffplan.ValueGuidedRLPipeline(
        pipeline.value_function, pipeline.unet, pipeline.scheduler, normalizers=pipeline.normalizers
    )
    np.testing.assert_array_equal(built(OBS, seed=0, **quick), pipeline(OBS, seed=0, **quick))
    unguided = diffplan.ValueGuidedRLPipeline(None, pipeline.unet, pipeline.scheduler, normalizers=pipeline.normalizers)
    assert unguided.planner(batch_size=2).plan(OBS, seed=0).values is None
    with pytest.raises(diffplan.InvalidValue, match="needs a value function"):
        unguided(OBS)
    with pytest.raises(diffplan.InvalidValue, match="is a value function"):
        diffplan.ValueGuidedRLPipeline(
            None, pipeline.value_function, pipeline.scheduler, normalizers=pipeline.normalizers
        )
    with pytest.raises(diffplan.InvalidType, match="unet is a int"):
        diffplan.ValueGuidedRLPipeline(None, 3, pipeline.scheduler, normalizers=pipeline.normalizers)


def test_statistics_of_a_dataset_file(pipeline, pendulum_path, tmp_path, pendulum_env):
    data = pendulum_env.get_dataset()
    file = tmp_path / "data.npz"
    rows = len(data["actions"])
    np.savez(
        file,
        observations=data["observations"],
        actions=data["actions"],
        rewards=np.zeros(rows, np.float32),
        terminals=np.zeros(rows, bool),
        timeouts=np.arange(rows) % 100 == 99,
    )
    of_file = diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path, dataset=file, action_dim=1)
    of_env = diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path, env=pendulum_env)
    for key in ("observations", "actions"):
        assert of_file.means[key] == pytest.approx(of_env.means[key], abs=1e-6)
        assert of_file.stds[key] == pytest.approx(of_env.stds[key], rel=1e-6)
        assert of_env.means[key] == data[key].mean() and of_env.stds[key] == data[key].std()


def test_gradients_are_slopes(pipeline):
    """Central differences along a random direction, of both networks, by the sample and by a parameter."""
    rng = np.random.default_rng(0)
    for model in (pipeline.unet, pipeline.value_function):
        sample = rng.normal(size=(2, 4, 32)).astype(np.float32)
        output = model.forward(sample, 7)
        cotangent = rng.normal(size=output.shape).astype(np.float32)
        same, grad, params = model.vjp(sample, 7, cotangent)
        np.testing.assert_allclose(same, output, atol=1e-5)
        direction = rng.normal(size=sample.shape).astype(np.float32)
        step = 1e-2

        def along(t):
            return float(np.vdot(model.forward(sample + t * direction, 7).astype(np.float64), cotangent))

        slope = (along(step) - along(-step)) / (2 * step)
        assert slope == pytest.approx(float(np.vdot(grad, direction)), rel=2e-2, abs=2e-2)
        assert {name: value.shape for name, value in params.items()} == {
            name: value.shape for name, value in model.state_dict().items()
        }
        assert model.num_parameters == sum(value.size for value in params.values())


def test_networks_made_and_refused(pipeline, tmp_path):
    unet = pipeline.unet
    made = diffplan.UNet1DModel(unet.config, seed=1)
    assert made.state_dict().keys() == unet.state_dict().keys()
    made.save_pretrained(tmp_path)
    again = diffplan.UNet1DModel.from_pretrained(tmp_path)
    sample = np.zeros((1, 4, 32), np.float32)
    np.testing.assert_array_equal(again.forward(sample, 0), made.forward(sample, 0))
    np.testing.assert_array_equal(unet(sample, [3]).sample, unet(sample, 3).sample)
    state = unet.state_dict()
    name = next(iter(state))
    values = state.pop(name)
    with pytest.raises(diffplan.Error, match=name):
        diffplan.UNet1DModel.from_state_dict(unet.config, state)
    with pytest.raises(diffplan.Error, match="odd"):
        diffplan.UNet1DModel.from_state_dict(unet.config, {**state, name: values, "odd": values})
    with pytest.raises(diffplan.InvalidValue, match=r"sample has shape \(4, 32\), expected \(batch, channels, horizon\)"):
        unet.forward(sample[0], 0)
    with pytest.raises(diffplan.InvalidValue, match="shape"):
        unet.forward(np.zeros((1, 5, 32)), 0)
    with pytest.raises(diffplan.InvalidValue, match=r"timestep has shape \(2,\), expected a number, or \(1,\)"):
        unet.forward(sample, [1, 2])
    with pytest.raises(diffplan.InvalidValue, match="horizon 33 does not work"):
        unet.check_horizon(33)
    with pytest.raises(diffplan.InvalidValue, match="not a value function"):
        unet.value_and_grad(sample, 0)
    with pytest.raises(diffplan.InvalidValue, match="cotangent"):
        unet.vjp(sample, 0, np.zeros((1, 2, 3)))
    with pytest.raises(diffplan.InvalidType, match="config is no configuration"):
        diffplan.UNet1DModel({"a": object()})
    with pytest.raises(diffplan.Error, match="in_chanels"):
        diffplan.UNet1DModel({"in_chanels": 3})


def test_schedulers(pipeline, tmp_path):
    scheduler = pipeline.scheduler
    assert scheduler.class_name == "DDPMScheduler" and scheduler.config["_class_name"] == "DDPMScheduler"
    classes = dict(diffplan.Scheduler.classes())
    assert classes["DDIMScheduler"] == "ddim" and len(classes) >= 7
    for name in classes.values():
        other = scheduler.converted(name)
        sampler = other.sampler(5)
        assert len(sampler.timesteps) >= 5 and len(sampler.draws_noise) == len(sampler.timesteps), name
    scheduler.save_pretrained(tmp_path)
    assert diffplan.Scheduler.from_pretrained(tmp_path).config == scheduler.config
    with pytest.raises(diffplan.InvalidValue, match="DDPM"):
        diffplan.Scheduler({"_class_name": "DDPMSchedular"})
    with pytest.raises(diffplan.InvalidValue):
        scheduler.sampler(0)
    sampler = scheduler.sampler()
    x = np.zeros((1, 8, 4), np.float32)
    with pytest.raises(diffplan.InvalidValue, match="noise"):
        sampler.step(0, x, x)
    with pytest.raises(diffplan.InvalidValue):
        sampler.step(99, x, x, x)
    with pytest.raises(diffplan.InvalidValue, match="whole numbers"):
        scheduler.add_noise(x, x, 0.5)


def test_statistics(tmp_path):
    rng = np.random.default_rng(0)
    observations, actions = rng.normal(size=(400, 3)), rng.normal(size=(400, 2))
    for kind in ("gaussian", "scalar_gaussian", "limits", "safe_limits", "cdf"):
        own = diffplan.Normalizers.fit(observations, actions, kind)
        inside = observations[:7].reshape(7, 1, 3).astype(np.float32)
        back = own.denormalize(own.normalize(inside), "observations")
        np.testing.assert_allclose(back, inside, atol=1e-4, err_msg=kind)
        own.save(tmp_path / "n.json")
        assert diffplan.Normalizers.from_json(tmp_path / "n.json") == own
        assert json.loads(own.to_json())["actions"]["type"] == kind
    with pytest.raises(diffplan.InvalidValue, match="expected rows of 3 values, got 4"):
        diffplan.Normalizers.fit(observations, actions).normalize(np.zeros(4))
    with pytest.raises(diffplan.InvalidValue, match="key = \"rewards\""):
        own.normalize(np.zeros(3), "rewards")
    with pytest.raises(diffplan.InvalidValue, match="no statistics of values"):
        own.normalize(np.zeros(1), "values")
    with pytest.raises(diffplan.InvalidValue, match="unknown normaliser"):
        diffplan.Normalizers.fit(observations, actions, "gauss")
    with pytest.raises(diffplan.Error, match="JSON"):
        diffplan.Normalizers("{")


def test_everything_public_has_a_doc_string():
    for name in diffplan.__all__:
        thing = getattr(diffplan, name)
        if not isinstance(thing, type) or issubclass(thing, Exception):
            continue
        assert thing.__doc__, name
        for member, value in vars(thing).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, (property, staticmethod, classmethod))):
                assert getattr(value, "__doc__", None), f"{name}.{member}"
