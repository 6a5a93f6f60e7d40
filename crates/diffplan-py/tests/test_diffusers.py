"""Against diffusers itself: the same torch seed, the same action."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
from conftest import DatasetEnv

import diffplan

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.experimental import ValueGuidedRLPipeline as Reference  # noqa: E402
from diffusers import DDIMScheduler, DDPMScheduler, UNet1DModel  # noqa: E402

# Float32 through 20 steps of two networks: measured max 2e-6 on Pendulum, times 10. Values and actions are of order 1.
TOLERANCE = 2e-5


def reference(path, env) -> Reference:
    """diffusers cannot load an environment from a folder, so the parts are loaded and put together."""
    pipe = Reference(
        value_function=UNet1DModel.from_pretrained(path / "value_function"),
        unet=UNet1DModel.from_pretrained(path / "unet"),
        scheduler=DDPMScheduler.from_pretrained(path / "scheduler"),
        env=env,
    )
    return pipe


def act(pipe, obs, seed, **keywords):
    torch.manual_seed(seed)
    return pipe(obs, **keywords)


@pytest.fixture(scope="module")
def pair(pendulum_path):
    env = DatasetEnv(3, 1)
    return reference(pendulum_path, env), diffplan.ValueGuidedRLPipeline.from_pretrained(pendulum_path, env=env)


@pytest.mark.parametrize(
    ("seed", "keywords"),
    [
        (0, {"batch_size": 8}),
        (1, {"batch_size": 5, "scale": 0.03}),
        (2, {"batch_size": 4, "planning_horizon": 16, "n_guide_steps": 1}),
        (2**40 + 7, {"batch_size": 3}),
        (-5, {"batch_size": 2, "n_guide_steps": 3, "scale": 0.2}),
    ],
)
def test_same_torch_seed_same_action(pair, seed, keywords):
    theirs, ours = pair
    obs = np.array([0.8, -0.6, 1.2], dtype=np.float32)
    expected = act(theirs, obs, seed, **keywords)
    # torch draws.
    np.testing.assert_allclose(act(ours, obs, seed, **keywords), expected, atol=TOLERANCE)
    # Without torch.
    actual = ours(obs, torch_seed=seed, **keywords)
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype == np.float32


def test_the_defaults_of_the_call_are_those_of_diffusers(pair):
    theirs, ours = pair
    obs = np.array([1.0, 0.0, 0.5], dtype=np.float32)
    np.testing.assert_allclose(act(ours, obs, 3), act(theirs, obs, 3), atol=TOLERANCE)


def test_the_global_generator_goes_on_as_after_diffusers(pair):
    """A script that draws between its plans goes on as it did: as many numbers are taken."""
    theirs, ours = pair
    obs = np.array([0.0, 1.0, 0.5], dtype=np.float32)
    runs = []
    for pipe in (theirs, ours):
        torch.manual_seed(11)
        actions = [pipe(obs, batch_size=3) for _ in range(2)]
        runs.append((actions, torch.rand(5)))
    np.testing.assert_allclose(runs[0][0], runs[1][0], atol=TOLERANCE)
    assert torch.equal(runs[0][1], runs[1][1])


def test_a_generator_of_torch_draws_its_own(pair):
    _, ours = pair
    obs = np.array([0.0, 1.0, 0.5], dtype=np.float32)
    expected = ours(obs, batch_size=3, torch_seed=4)
    np.testing.assert_array_equal(ours(obs, batch_size=3, generator=torch.Generator().manual_seed(4)), expected)


def test_observations_in_float64_and_of_any_stride(pair):
    theirs, ours = pair
    wide = np.arange(12, dtype=np.float64).reshape(3, 4) / 10
    obs = wide[:, 1]
    expected = act(theirs, obs, 0, batch_size=3)
    np.testing.assert_allclose(ours(obs, batch_size=3, torch_seed=0), expected, atol=TOLERANCE)
    np.testing.assert_allclose(ours(obs.astype(np.float32)[::-1][::-1], batch_size=3, torch_seed=0), expected, atol=TOLERANCE)


def test_from_diffusers_takes_live_modules(pair):
    theirs, _ = pair
    changed = copy.deepcopy(theirs)
    with torch.no_grad():
        for parameter in changed.unet.parameters():
            parameter.mul_(0.9)
    ours = diffplan.from_diffusers(changed)
    obs = np.array([0.8, -0.6, 1.2], dtype=np.float32)
    expected = act(changed, obs, 0, batch_size=4)
    np.testing.assert_allclose(ours(obs, batch_size=4, torch_seed=0), expected, atol=TOLERANCE)
    assert np.abs(expected - act(theirs, obs, 0, batch_size=4)).max() > 1e-3
    with pytest.raises(diffplan.InvalidType, match="expected diffusers' ValueGuidedRLPipeline"):
        diffplan.from_diffusers(theirs.unet)


def test_the_constructor_takes_modules_of_diffusers(pair, pendulum_env):
    theirs, ours = pair
    built = diffplan.ValueGuidedRLPipeline(
        value_function=theirs.value_function, unet=theirs.unet, scheduler=theirs.scheduler, env=pendulum_env
    )
    obs = np.array([0.8, -0.6, 1.2], dtype=np.float32)
    np.testing.assert_array_equal(built(obs, batch_size=3, torch_seed=0), ours(obs, batch_size=3, torch_seed=0))
    for key in ("observations", "actions"):
        assert built.means[key] == theirs.means[key] and built.stds[key] == theirs.stds[key]
        row = np.linspace(-1, 1, 3 if key == "observations" else 1, dtype=np.float32)
        np.testing.assert_allclose(built.normalize(row, key), theirs.normalize(row, key), rtol=1e-6)
        np.testing.assert_allclose(built.de_normalize(row, key), theirs.de_normalize(row, key), rtol=1e-6)
    assert (built.state_dim, built.action_dim) == (theirs.state_dim, theirs.action_dim)


def test_other_schedulers(pair, pendulum_env):
    theirs, _ = pair
    scheduler = DDIMScheduler.from_config(theirs.scheduler.config)
    scheduler.set_timesteps(5)
    ours = diffplan.ValueGuidedRLPipeline(theirs.value_function, theirs.unet, scheduler, pendulum_env)
    assert ours.scheduler.class_name == "DDIMScheduler"
    assert ours.planner(num_inference_steps=5).timesteps == scheduler.timesteps.tolist()


def test_networks(pair):
    theirs, ours = pair
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(3, 4, 32)).astype(np.float32)
    times = np.array([1, 5, 19])
    for module, mine in ((theirs.unet, ours.unet), (theirs.value_function, ours.value_function)):
        x = torch.tensor(sample, requires_grad=True)
        out = module(x, torch.tensor(times)).sample
        cotangent = torch.tensor(rng.normal(size=tuple(out.shape)).astype(np.float32))
        module.zero_grad()
        out.backward(cotangent)
        np.testing.assert_allclose(mine(sample, times).sample, out.detach(), atol=2e-5)
        output, grad, params = mine.vjp(sample, times, cotangent.numpy())
        np.testing.assert_allclose(output, out.detach(), atol=2e-5)
        np.testing.assert_allclose(grad, x.grad, atol=2e-5, rtol=1e-4)
        assert params.keys() == dict(module.named_parameters()).keys()
        for name, parameter in module.named_parameters():
            scale = float(parameter.grad.abs().max()) + 1e-6
            np.testing.assert_allclose(params[name], parameter.grad, atol=2e-4 * scale, err_msg=name)
        state = module.state_dict()
        assert mine.state_dict().keys() == state.keys()
        # An array of any memory layout.
        turned = np.asfortranarray(sample)
        np.testing.assert_array_equal(mine(turned, times).sample, mine(sample, times).sample)
    x = torch.tensor(sample, requires_grad=True)
    values = theirs.value_function(x, torch.tensor(times)).sample
    values.sum().backward()
    mine, grad = ours.value_function.value_and_grad(sample, times)
    np.testing.assert_allclose(mine, values.detach()[:, 0], atol=2e-5)
    np.testing.assert_allclose(grad, x.grad, atol=2e-5, rtol=1e-4)


def test_schedulers_step_as_those_of_diffusers(pair):
    theirs, ours = pair
    rng = np.random.default_rng(1)
    output, sample = rng.normal(size=(2, 2, 8, 4)).astype(np.float32)
    scheduler = copy.deepcopy(theirs.scheduler)
    scheduler.set_timesteps(5)
    sampler = ours.scheduler.sampler(5)
    assert sampler.timesteps == scheduler.timesteps.tolist()
    sampler.begin((2, 8, 4))
    for visit, timestep in enumerate(scheduler.timesteps):
        torch.manual_seed(visit)
        noise = torch.randn(2, 8, 4).numpy() if sampler.draws_noise[visit] else None
        torch.manual_seed(visit)
        expected = scheduler.step(torch.tensor(output), timestep, torch.tensor(sample))
        prev, original = sampler.step(visit, output, sample, noise)
        np.testing.assert_allclose(prev, expected.prev_sample, atol=1e-5)
        np.testing.assert_allclose(original, expected.pred_original_sample, atol=1e-5)
    noised = ours.scheduler.add_noise(sample, output, np.array([3, 17]))
    expected = scheduler.add_noise(torch.tensor(sample), torch.tensor(output), torch.tensor([3, 17]))
    np.testing.assert_allclose(noised, expected, atol=1e-6)


def test_what_diffusers_saves_is_loaded_and_the_other_way_round(pair, pendulum_env, tmp_path):
    theirs, ours = pair
    for name in ("unet", "value_function", "scheduler"):
        getattr(theirs, name).save_pretrained(tmp_path / name)
    # Statistics come from the environment: there is no normalizer.json.
    loaded = diffplan.ValueGuidedRLPipeline.from_pretrained(tmp_path, env=pendulum_env)
    obs = np.array([0.8, -0.6, 1.2], dtype=np.float32)
    np.testing.assert_array_equal(loaded(obs, batch_size=3, torch_seed=0), ours(obs, batch_size=3, torch_seed=0))
    with pytest.raises(diffplan.FileMissing, match="normalizer.json is missing"):
        diffplan.ValueGuidedRLPipeline.from_pretrained(tmp_path)
    shutil.rmtree(tmp_path / "unet")
    ours.unet.save_pretrained(tmp_path / "unet")
    ours.scheduler.save_pretrained(tmp_path / "scheduler")
    again = UNet1DModel.from_pretrained(tmp_path / "unet").state_dict()
    for name, values in theirs.unet.state_dict().items():
        assert torch.equal(again[name], values), name
    assert json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())["_class_name"] == "DDPMScheduler"


def test_hopper(hopper_path):
    env = DatasetEnv(11, 3)
    theirs = reference(hopper_path, env)
    ours = diffplan.ValueGuidedRLPipeline.from_pretrained(hopper_path, env=env)
    obs = np.random.default_rng(0).normal(size=11)
    for seed in (0, 1):
        expected = act(theirs, obs, seed, batch_size=4)
        np.testing.assert_allclose(act(ours, obs, seed, batch_size=4), expected, atol=1e-4)
        np.testing.assert_allclose(ours(obs, batch_size=4, torch_seed=seed), expected, atol=1e-4)
