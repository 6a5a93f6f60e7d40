"""Kind `pipeline`: plans of the reference's pipeline, with everything on the way to them."""

import json

from common import IllConditioned, write
from scheduler import DIFFUSER, Recorded
from unet import diffuser_config, random_model, value_fits

import diffusers
import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.experimental import ValueGuidedRLPipeline

# A quarter of what diffplan may be off by, for noise that is changed in its last digits.
PLAN_CHANGE = 2.5e-4


class Dataset:
    """As much of an environment as the reference's pipeline asks for."""

    def __init__(self, observations, actions, rewards):
        self.data = {"observations": observations, "actions": actions, "rewards": rewards}
        self.observation_space, self.action_space = observations[:1].T, actions[:1].T

    def get_dataset(self):
        return self.data


def pipeline_case(
    folder,
    seed,
    observation_dim=3,
    action_dim=1,
    widths=(16, 24),
    value_widths=(16, 64),
    batch_size=4,
    horizon=16,
    n_guide_steps=2,
    scale=0.1,
    normalization="scalar",
    scheduler=None,
    torch_seed=77,
):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    dims = observation_dim + action_dim
    spread = rng.uniform(0.5, 3, observation_dim)
    observations = (rng.normal(size=(50, observation_dim)) * spread + 0.5).astype(np.float32)
    actions = rng.normal(size=(50, action_dim)).astype(np.float32)
    rewards = rng.normal(size=50).astype(np.float32)
    unet = random_model(diffuser_config(dims, widths))
    value_function = random_model(diffuser_config(dims, value_widths, value=True))
    scheduler = DDPMScheduler(
        **(scheduler or dict(num_train_timesteps=20, variance_type="fixed_small_log", **DIFFUSER))
    )
    pipeline = ValueGuidedRLPipeline(value_function, unet, scheduler, Dataset(observations, actions, rewards))
    if normalization == "per_dimension":
        for key in ["observations", "actions"]:
            pipeline.means[key] = pipeline.data[key].astype(np.float64).mean(0).astype(np.float32)
            pipeline.stds[key] = pipeline.data[key].astype(np.float64).std(0).astype(np.float32)
    observation = (observations[0] + rng.normal(size=observation_dim) / 4).astype(np.float32)

    normalized = pipeline.normalize(observation, "observations").astype(np.float32)
    conditions = {0: torch.from_numpy(np.repeat(normalized[None], batch_size, axis=0))}
    guided, prev_samples = [], []
    step = scheduler.step

    def recorded_step(model_output, t, sample, **options):
        guided.append(sample.clone())
        output = step(model_output, t, sample, **options)
        prev_samples.append(output.prev_sample.clone())
        return output

    def run(initial, draws, note):
        x = pipeline.reset_x0(initial.clone(), conditions, action_dim)
        with torch.no_grad(), Recorded(draws, note):
            return pipeline.run_diffusion(x, conditions, n_guide_steps, scale)

    torch.manual_seed(torch_seed)
    draws = [torch.randn(batch_size, horizon, dims)]
    scheduler.step = recorded_step
    try:
        x, y = run(draws[0], draws, note=True)
    except ValueError as why:
        # PyTorch refuses to normalise a single value.
        raise IllConditioned(why) from why
    scheduler.step = step
    for _ in range(4):
        other = [draw * (1 + 1e-6 * torch.randn(draw.shape).sign()) for draw in draws]
        change = (run(other[0], other[1:], note=False)[0] - x).abs().max().item()
        if not change < PLAN_CHANGE:
            raise IllConditioned(f"noise that is off by 1e-6 leaves the plan off by {change:.1e}")

    tensors = {
        "obs": observation,
        "dataset.observations": observations,
        "dataset.actions": actions,
        "dataset.rewards": rewards,
        "noise": torch.stack(draws),
        "guided": torch.stack(guided),
        "prev_sample": torch.stack(prev_samples),
        "x": x,
    }
    if y is not None:
        order = y[:, 0].argsort(descending=True)
        planned = pipeline.de_normalize(x[order][:, :, :action_dim].detach().numpy(), "actions")
        tensors.update(y=y, order=order, actions=planned, action=planned[0, 0])
    for name, part in [("unet", unet), ("value_function", value_function), ("scheduler", scheduler)]:
        part.save_pretrained(folder / name)
    index = {
        "_class_name": "ValueGuidedRLPipeline",
        "_diffusers_version": diffusers.__version__,
        "env": [None, None],
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet1DModel"],
        "value_function": ["diffusers", "UNet1DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    description = {
        "kind": "pipeline",
        "batch_size": batch_size,
        "planning_horizon": horizon,
        "n_guide_steps": n_guide_steps,
        "scale": scale,
        "normalization": normalization,
        "torch_seed": torch_seed,
        "seed": seed,
    }
    write(folder, description, tensors)


EPSILON = dict(num_train_timesteps=12, beta_end=0.2)
PIPELINES = {
    "diffuser": {},
    "per-dimension": dict(normalization="per_dimension"),
    "unguided": dict(n_guide_steps=0),
    "one-guide-step": dict(n_guide_steps=1, scale=1.0),
    "three-guide-steps": dict(n_guide_steps=3, action_dim=2, observation_dim=4),
    "one-candidate": dict(batch_size=1),
    "one-candidate-unguided": dict(batch_size=1, n_guide_steps=0),
    "epsilon-clip": dict(scheduler=EPSILON),
    "v-prediction": dict(scheduler=dict(prediction_type="v_prediction", variance_type="fixed_large", **EPSILON)),
    "draws-below-16": dict(batch_size=1, horizon=2, observation_dim=2, widths=(32, 32), value_widths=(128,)),
    "seed-beyond-32-bits": dict(torch_seed=2**40 + 5, batch_size=3),
}


def random_pipeline(rng):
    levels = rng.randint(1, 3)
    value_widths = [rng.choice([16, 32]) for _ in range(rng.randint(1, 3))] + [64]
    horizons = [h for h in range(1, 65) if value_fits(diffuser_config(1, value_widths, value=True), h)]
    horizons = [h for h in horizons if h % 2 ** (levels - 1) == 0]
    scheduler = {
        "num_train_timesteps": rng.choice([5, 10, 20]),
        "beta_schedule": rng.choice(["linear", "squaredcos_cap_v2"]),
        "beta_end": 0.2,
        "variance_type": rng.choice(["fixed_small", "fixed_small_log", "fixed_large"]),
        "prediction_type": rng.choice(["sample", "epsilon"]),
        "clip_sample": True,
        "clip_sample_range": rng.choice([1.0, 2.0]),
    }
    return dict(
        observation_dim=rng.randint(1, 6),
        action_dim=rng.randint(1, 3),
        widths=[rng.choice([16, 24, 32]) for _ in range(levels)],
        value_widths=value_widths,
        batch_size=rng.randint(1, 6),
        horizon=rng.choice(horizons),
        n_guide_steps=rng.randint(0, 3),
        scale=rng.choice([0.1, 0.5]),
        normalization=rng.choice(["scalar", "per_dimension"]),
        scheduler=scheduler,
        torch_seed=rng.randrange(2**32),
    )
