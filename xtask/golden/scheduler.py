"""Kind `scheduler`: DDPM and DDIM."""

from common import IllConditioned, write

import torch
from diffusers import DDIMScheduler, DDPMScheduler


def scheduler_case(folder, seed, config, num_inference_steps=None, custom_timesteps=None, shape=(3, 4, 5), eta=None):
    """A case of DDPM, or of DDIM where there is an eta."""
    torch.manual_seed(seed)
    ddim = eta is not None
    scheduler = (DDIMScheduler if ddim else DDPMScheduler)(**config)
    if num_inference_steps is not None:
        scheduler.set_timesteps(num_inference_steps)
    elif custom_timesteps is not None:
        scheduler.set_timesteps(timesteps=custom_timesteps)
    learned = not ddim and scheduler.config.variance_type in ("learned", "learned_range")

    x0, noise = torch.randn(shape), torch.randn(shape)
    at = torch.randint(0, scheduler.config.num_train_timesteps, shape[:1])
    tensors = {
        "betas": scheduler.betas,
        "alphas_cumprod": scheduler.alphas_cumprod,
        "timesteps": scheduler.timesteps,
        "add_noise_x0": x0,
        "add_noise_noise": noise,
        "add_noise_t": at,
        "add_noise_out": scheduler.add_noise(x0, noise, at),
        "velocity_out": scheduler.get_velocity(x0, noise, at),
    }
    if not learned and not ddim:
        tensors["variance"] = torch.stack([scheduler._get_variance(t) for t in scheduler.timesteps])

    sample = torch.randn(shape)
    for i, t in enumerate(scheduler.timesteps):
        outputs = [shape[0], 2 * shape[1], *shape[2:]] if learned else shape
        model_output = torch.randn(outputs)
        if learned:
            # A variance, or its place between two.
            model_output[:, shape[1] :] = torch.rand(shape)
        drawn = torch.randn(shape)
        if ddim:
            step = scheduler.step(model_output, t, sample, eta=eta, variance_noise=drawn if eta > 0 else None)
        else:
            with Recorded([drawn]):
                step = scheduler.step(model_output, t, sample)
        for name, tensor in [
            ("model_output", model_output),
            ("sample", sample),
            ("noise", drawn),
            ("prev_sample", step.prev_sample),
            ("pred_original_sample", step.pred_original_sample),
        ]:
            tensors[f"step{i}.{name}"] = tensor
        sample = step.prev_sample
        if not sample.isfinite().all():
            raise IllConditioned("the reference is not finite")
    description = {
        "kind": "scheduler",
        "class": type(scheduler).__name__,
        "config": config,
        "num_inference_steps": num_inference_steps,
        "custom_timesteps": custom_timesteps,
        "eta": eta,
        "seed": seed,
    }
    write(folder, description, tensors)


class Recorded:
    """Within it, the scheduler gets its draws from a list, one after the other, or adds its own to it."""

    def __init__(self, draws, note=False):
        self.draws, self.note, self.next = draws, note, 0

    def __enter__(self):
        from diffusers.schedulers import scheduling_ddpm

        self.module, self.original = scheduling_ddpm, scheduling_ddpm.randn_tensor
        self.module.randn_tensor = self.draw

    def draw(self, shape, **options):
        if self.note:
            self.draws.append(self.original(shape, **options))
            return self.draws[-1]
        self.next += 1
        return self.draws[self.next - 1]

    def __exit__(self, *_):
        self.module.randn_tensor = self.original


DIFFUSER = dict(beta_schedule="squaredcos_cap_v2", clip_sample=False, prediction_type="sample")
SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2", "laplace", "sigmoid"]
SCHEDULERS = {
    "diffuser": dict(config=dict(num_train_timesteps=20, variance_type="fixed_small_log", **DIFFUSER)),
    "1000-by-50": dict(config={}, num_inference_steps=50),
    "one-step": dict(config=dict(num_train_timesteps=50), num_inference_steps=1),
    "custom": dict(config=dict(num_train_timesteps=60), custom_timesteps=[59, 31, 30, 4]),
    "v-prediction": dict(config=dict(num_train_timesteps=30, prediction_type="v_prediction"), num_inference_steps=6),
    "threshold": dict(
        config=dict(num_train_timesteps=30, thresholding=True, sample_max_value=2.5, dynamic_thresholding_ratio=0.9),
        num_inference_steps=6,
    ),
    "zero-snr": dict(
        config=dict(num_train_timesteps=30, rescale_betas_zero_snr=True, prediction_type="v_prediction"),
        num_inference_steps=6,
    ),
    "trained-betas": dict(config=dict(num_train_timesteps=5, trained_betas=[0.05, 0.1, 0.02, 0.3, 0.6])),
    "leading-offset": dict(config=dict(num_train_timesteps=50, steps_offset=1), num_inference_steps=7),
    "linspace": dict(config=dict(num_train_timesteps=50, timestep_spacing="linspace"), num_inference_steps=7),
    "trailing": dict(config=dict(num_train_timesteps=50, timestep_spacing="trailing"), num_inference_steps=7),
    "learned": dict(config=dict(num_train_timesteps=20, variance_type="learned"), num_inference_steps=5),
    "learned-range": dict(config=dict(num_train_timesteps=20, variance_type="learned_range"), num_inference_steps=5),
    **{
        f"{schedule}-{variance}": dict(
            config=dict(num_train_timesteps=40, beta_schedule=schedule, variance_type=variance), num_inference_steps=8
        )
        for schedule in SCHEDULES
        for variance in ["fixed_small", "fixed_small_log", "fixed_large"]
    },
}


def random_scheduler(rng):
    train = rng.choice([2, 10, 20, 37, 100, 1000])
    start = rng.choice([1e-4, 1e-3, 0.01])
    config = {
        "num_train_timesteps": train,
        "beta_start": start,
        "beta_end": rng.choice([0.02, 0.1]),
        "beta_schedule": rng.choice(SCHEDULES),
        "variance_type": rng.choice(["fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"]),
        "prediction_type": rng.choice(["epsilon", "sample", "v_prediction"]),
        "timestep_spacing": rng.choice(["leading", "trailing", "linspace"]),
        "clip_sample": rng.random() < 0.7,
        "clip_sample_range": rng.choice([1.0, 0.5, 3.0]),
        "thresholding": rng.random() < 0.3,
        "sample_max_value": rng.choice([1.0, 2.0]),
        "dynamic_thresholding_ratio": rng.choice([0.995, 0.8]),
        "rescale_betas_zero_snr": rng.random() < 0.2 and train > 2,
    }
    if config["rescale_betas_zero_snr"]:
        config["prediction_type"] = "v_prediction"
    # Other divisors leave the reference with a step too many, down to timestep -1.
    steps = rng.choice([None] + [n for n in range(1, min(train, 12) + 1)])
    if config["timestep_spacing"] == "trailing" and steps is not None:
        steps = rng.choice([n for n in range(1, min(train, 12) + 1) if train % n == 0])
    shape = rng.choice([(3, 4, 5), (1, 1, 1), (2, 6), (2, 3, 4, 2)])
    return dict(config=config, num_inference_steps=steps, shape=shape)


DDIM = {
    "eta0": dict(config=dict(num_train_timesteps=20, **DIFFUSER), num_inference_steps=5, eta=0.0),
    "eta1": dict(config=dict(num_train_timesteps=20, **DIFFUSER), num_inference_steps=5, eta=1.0),
    "not-alpha-one": dict(
        config=dict(num_train_timesteps=20, set_alpha_to_one=False, steps_offset=1), num_inference_steps=5, eta=0.3
    ),
    "threshold": dict(
        config=dict(num_train_timesteps=30, thresholding=True, sample_max_value=2.5), num_inference_steps=6, eta=0.5
    ),
}


def random_ddim(rng):
    options = random_scheduler(rng)
    config = options["config"]
    del config["variance_type"]
    if config["beta_schedule"] not in ("linear", "scaled_linear", "squaredcos_cap_v2"):
        config["beta_schedule"] = "linear"
    if len(options["shape"]) == 2:
        # The reference's thresholding fails on two dimensions.
        options["shape"] = (2, 6, 3)
    config["set_alpha_to_one"] = rng.random() < 0.5
    if options["num_inference_steps"] is None:
        options["num_inference_steps"] = config["num_train_timesteps"]
    return dict(eta=rng.choice([0.0, 0.3, 1.0]), **options)
