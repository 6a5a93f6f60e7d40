"""Arrays of other libraries, and functions of Python as networks."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PENDULUM

import diffplan

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


def sample(batch=3, channels=4, horizon=32):
    return np.random.default_rng(0).normal(size=(batch, channels, horizon)).astype(np.float32)


def test_torch_tensors_come_back_as_such(pipeline):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(sample())
    model = pipeline.unet
    expected = model.forward(sample(), 7)
    out = model.forward(x, torch.tensor([7, 7, 7]))
    assert isinstance(out, torch.Tensor) and out.dtype == torch.float32
    np.testing.assert_array_equal(out.numpy(), expected)
    assert isinstance(model(x, 7).sample, torch.Tensor)
    # Of any strides: one every second step of a longer sample, with axes turned.
    wide = torch.from_numpy(np.repeat(sample(), 2, axis=2)).permute(2, 0, 1)[::2].permute(1, 2, 0)
    assert not wide.is_contiguous()
    np.testing.assert_array_equal(model.forward(wide, 7).numpy(), expected)
    values, grad = pipeline.value_function.value_and_grad(x, 7)
    assert isinstance(values, torch.Tensor) and grad.shape == x.shape
    output, sample_grad, params = model.vjp(x, 7, torch.ones_like(x))
    assert all(isinstance(one, torch.Tensor) for one in (output, sample_grad, *params.values()))
    # An observation is one, too.
    np.testing.assert_array_equal(
        pipeline(torch.from_numpy(OBS), batch_size=2, torch_seed=0), pipeline(OBS, batch_size=2, torch_seed=0)
    )
    with pytest.raises(diffplan.InvalidType, match="sample is a Tensor, of which NumPy makes no array"):
        model.forward(x.clone().requires_grad_(), 7)


class Exported:
    """What another library's array is: it is seen by DLPack alone."""

    def __init__(self, array):
        self.array, self.asked = array, 0

    def __dlpack__(self, *args, **kwargs):
        self.asked += 1
        return self.array.__dlpack__(*args, **kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array__(self, *_, **__):
        raise AssertionError("copied by way of NumPy")


def test_arrays_are_seen_where_they_lie(pipeline):
    exported = Exported(sample())
    out = pipeline.unet.forward(exported, 7)
    assert exported.asked == 1
    np.testing.assert_array_equal(out, pipeline.unet.forward(sample(), 7))
    # What NumPy alone knows, of any strides and read-only.
    turned = np.asfortranarray(sample())[::-1]
    turned.setflags(write=False)
    np.testing.assert_array_equal(pipeline.unet.forward(turned[::-1], 7), out)
    with pytest.raises(diffplan.InvalidValue, match=r"sample has shape \(32,\), expected \(batch, channels, horizon\)"):
        pipeline.unet.forward(sample()[0, 0], 7)


def test_a_denoiser_of_python(pipeline, quick):
    """The checkpoint's own network, by way of Python: the same plan, but for how its convolutions are computed."""
    seen = []

    def through(x, timestep):
        seen.append((x.shape, x.dtype, timestep))
        assert x.flags.c_contiguous
        return pipeline.unet.forward(x, timestep)

    denoiser = diffplan.Denoiser(through, transition_dim=4, horizons=[16, 32], name="through")
    own = diffplan.ValueGuidedRLPipeline(
        pipeline.value_function, denoiser, pipeline.scheduler, normalizers=pipeline.normalizers, action_dim=1
    )
    assert own.unet is denoiser
    np.testing.assert_allclose(own(OBS, seed=0, **quick), pipeline(OBS, seed=0, **quick), atol=1e-5)
    planner = own.planner(**quick)
    assert seen[0] == ((2, 4, 32), np.float32, planner.timesteps[0]) and len(seen) == 4
    with pytest.raises(diffplan.InvalidValue, match="horizon 20 .* the denoiser through does not take it; nearest that work: .16, 32."):
        own.planner(planning_horizon=20)
    replaced = diffplan.ValueGuidedRLPipeline.from_pretrained(
        PENDULUM, unet=denoiser, action_dim=1
    )
    np.testing.assert_array_equal(replaced(OBS, seed=0, **quick), own(OBS, seed=0, **quick))


def test_what_a_denoiser_does_wrong(pipeline, quick):
    def plan(function):
        made = diffplan.ValueGuidedRLPipeline(
            None,
            diffplan.Denoiser(function, transition_dim=4),
            pipeline.scheduler,
            normalizers=pipeline.normalizers,
            action_dim=1,
        )
        return made.planner(**{**quick, "n_guide_steps": 0}).plan(OBS, seed=0)

    def fails(x, timestep):
        raise LookupError("no such weights")

    with pytest.raises(LookupError, match="no such weights"):
        plan(fails)
    with pytest.raises(diffplan.InvalidValue, match=r"denoiser denoiser gave has shape \(2, 4\), expected \(2, 4, 32\)"):
        plan(lambda x, t: x[:, :, 0])
    with pytest.raises(diffplan.InvalidType, match="gave is a NoneType"):
        plan(lambda x, t: None)
    with pytest.raises(diffplan.Diverged):
        plan(lambda x, t: x * np.nan)
    with pytest.raises(diffplan.InvalidValue, match="transition_dim = 0"):
        diffplan.ValueGuidedRLPipeline(
            None, diffplan.Denoiser(fails, transition_dim=0), pipeline.scheduler, normalizers=pipeline.normalizers
        )
    with pytest.raises(diffplan.InvalidType, match="or a function in diffplan.Denoiser"):
        diffplan.ValueGuidedRLPipeline(None, fails, pipeline.scheduler, normalizers=pipeline.normalizers)
