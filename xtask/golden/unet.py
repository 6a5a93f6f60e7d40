"""Kind `unet`: networks, with gradients in float64."""

from common import IllConditioned, write

import torch
from diffusers import UNet1DModel

# A quarter of what diffplan may be off by, for PyTorch's own float32.
FLOAT32_ERROR = 2.5e-5


def diffuser_config(channels, widths, **changes):
    """A planner as Diffuser has it; with value=True, a value function."""
    value = changes.pop("value", False)
    return {
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": list(widths),
        "down_block_types": ["DownResnetBlock1D"] * len(widths),
        "up_block_types": [] if value else ["UpResnetBlock1D"] * (len(widths) - 1),
        "mid_block_type": "ValueFunctionMidBlock1D" if value else "MidResTemporalBlock1D",
        "out_block_type": "ValueFunction" if value else "OutConv1DBlock",
        "downsample_each_block": value,
        "time_embedding_type": "positional",
        "use_timestep_embedding": True,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "act_fn": "mish",
        **changes,
    }


def random_model(config):
    """A model in which no parameter has a value of its own, such as a bias of zero or a gain of one."""
    model = UNet1DModel(**config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "_gn" in name or name.endswith("bias"):
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def unet_case(folder, seed, config, batch=2, horizon=16, timesteps=None):
    torch.manual_seed(seed)
    model = random_model(config)
    model.save_pretrained(folder / "model")
    channels = config["in_channels"] + config.get("extra_in_channels", 0)
    sample = torch.randn(batch, channels, horizon)
    timesteps = torch.tensor(timesteps) if timesteps is not None else torch.randint(0, 1000, (batch,))
    try:
        cotangent = torch.randn(model(sample, timesteps).sample.shape)
    except ValueError as why:
        # PyTorch refuses to normalise a single value.
        raise IllConditioned(why) from why

    def results(dtype):
        (model.double() if dtype == torch.float64 else model.float()).zero_grad()
        own = sample.to(dtype, copy=True).requires_grad_()
        output = model(own, timesteps).sample
        (output * cotangent.to(dtype)).sum().backward()
        gradients = {
            f"param_grad.{name}": parameter.grad.clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        return {"output": output.detach(), "sample_grad": own.grad, **gradients}

    single, double = results(torch.float32), results(torch.float64)
    whole = torch.stack([grad.norm() for name, grad in double.items() if name.startswith("param")]).norm()
    error = max(
        ((single[name] - exact).norm() / exact.norm()).item()
        for name, exact in double.items()
        if exact.norm() > 1e-10 * whole
    )
    if error > FLOAT32_ERROR:
        raise IllConditioned(f"PyTorch in float32 is off by {error:.1e}")
    tensors = {
        "sample": sample,
        "timestep": timesteps.reshape(-1),
        "cotangent": cotangent,
        **{name: tensor.float() for name, tensor in double.items()},
    }
    note = "reference in float64; gradients are those of the sum of output times cotangent"
    description = {"kind": "unet", "config": config, "seed": seed, "note": note, "float32_error": error}
    write(folder, description, tensors)


UNETS = {
    "planner-1level": dict(config=diffuser_config(3, [16])),
    "planner-2level": dict(config=diffuser_config(5, [16, 24]), batch=3, horizon=12),
    "planner-5level": dict(config=diffuser_config(4, [8, 8, 16, 24, 32]), horizon=64),
    "planner-no-extra-layers": dict(config=diffuser_config(4, [16, 32], layers_per_block=0)),
    "planner-3layers": dict(config=diffuser_config(4, [8, 16], layers_per_block=3)),
    "planner-extra-channels": dict(config=diffuser_config(4, [16, 24], extra_in_channels=3)),
    "planner-groups-null": dict(config=diffuser_config(4, [16, 24], norm_num_groups=None)),
    "planner-groups1": dict(config=diffuser_config(4, [16, 24], norm_num_groups=1)),
    "planner-groups16": dict(config=diffuser_config(4, [16, 24], norm_num_groups=16)),
    "planner-fourier": dict(
        config=diffuser_config(4, [16, 24], time_embedding_type="fourier", flip_sin_to_cos=True), timesteps=[3, 17]
    ),
    "planner-fourier-dim": dict(
        config=diffuser_config(4, [16, 24], time_embedding_type="fourier", time_embedding_dim=20), timesteps=[0, 9]
    ),
    "planner-flip-shift0": dict(config=diffuser_config(4, [16, 24], flip_sin_to_cos=True, freq_shift=0)),
    "planner-swish": dict(config=diffuser_config(4, [16, 24], act_fn="swish")),
    "planner-silu": dict(config=diffuser_config(4, [16, 24], act_fn="silu")),
    "planner-gelu": dict(config=diffuser_config(4, [16, 24], act_fn="gelu")),
    "planner-relu": dict(config=diffuser_config(4, [16, 24], act_fn="relu")),
    "planner-other-out-channels": dict(config=diffuser_config(4, [16, 24], out_channels=7)),
    "planner-no-out-block": dict(
        config=diffuser_config(4, [16, 24], out_block_type=None, out_channels=8, act_fn="mish")
    ),
    "planner-batch1-scalar": dict(config=diffuser_config(4, [8, 24]), batch=1, timesteps=7, horizon=8),
    "planner-scalar": dict(config=diffuser_config(4, [8, 24]), batch=3, timesteps=999, horizon=20),
    "planner-batch19": dict(config=diffuser_config(4, [8, 16]), batch=19, horizon=8),
    "planner-horizon2": dict(config=diffuser_config(4, [32, 64]), horizon=2),
    "planner-no-up": dict(
        config=diffuser_config(4, [16, 16], up_block_types=[], downsample_each_block=True), horizon=24
    ),
    "value-1level": dict(config=diffuser_config(4, [64], value=True), horizon=8),
    "value-2level": dict(config=diffuser_config(4, [16, 64], value=True), horizon=16, batch=3),
    "value-4level": dict(config=diffuser_config(5, [16, 32, 32, 64], value=True), horizon=64),
    "value-odd-horizon": dict(config=diffuser_config(4, [16, 64], value=True), horizon=13),
    "value-odd-horizon-3": dict(config=diffuser_config(4, [16, 64], value=True), horizon=3),
    "value-batch1": dict(config=diffuser_config(4, [16, 24, 64], value=True), horizon=30, batch=1, timesteps=3),
    "value-batch17": dict(config=diffuser_config(3, [16, 64], value=True), horizon=16, batch=17),
    "value-relu-2layers": dict(config=diffuser_config(4, [16, 64], value=True, act_fn="relu", layers_per_block=2)),
    "value-no-extra-layers": dict(config=diffuser_config(4, [16, 64], value=True, layers_per_block=0)),
    "value-fourier": dict(
        config=diffuser_config(4, [16, 64], value=True, time_embedding_type="fourier"), timesteps=[3, 17]
    ),
}


def value_fits(config, horizon):
    """diffusers gives the last layers of a value function a quarter of the last level's channels, over any length."""
    for _ in config["block_out_channels"] if config["downsample_each_block"] else config["block_out_channels"][1:]:
        horizon = (horizon + 1) // 2
    return (horizon + 3) // 4 == 1


def random_unet(rng):
    value = rng.random() < 0.4
    levels = rng.randint(1, 4)
    widths = [rng.choice([8, 16, 24, 32]) for _ in range(levels)]
    if value:
        widths[-1] = rng.choice([64, 96])
    options = {
        "layers_per_block": rng.choice([0, 1, 1, 2, 3]),
        "act_fn": rng.choice(["mish", "silu", "swish", "gelu", "relu"]),
        "norm_num_groups": rng.choice([8, 4, 2, 1, None]),
        "flip_sin_to_cos": rng.random() < 0.5,
        "freq_shift": rng.choice([0, 1, 0.5]),
        "extra_in_channels": rng.choice([0, 0, 2]),
        "time_embedding_type": rng.choice(["positional", "positional", "fourier"]),
    }
    config = diffuser_config(rng.randint(1, 7), widths, value=value, **options)
    fourier = options["time_embedding_type"] == "fourier"
    batch = rng.randint(1, 9)
    horizon = (
        rng.choice([h for h in range(1, 130) if value_fits(config, h)])
        if value
        else 2 ** (levels - 1) * rng.randint(1, 6)
    )
    # Fourier features of a late timestep are beyond float32: their angles go into the ten thousands.
    latest = 20 if fourier else 1000
    timesteps = [rng.randrange(latest) for _ in range(batch)]
    # A value function of the reference takes no timestep for the whole batch.
    if rng.random() < 0.5 and not (value and batch > 1):
        timesteps = timesteps[0]
    return dict(config=config, batch=batch, horizon=horizon, timesteps=timesteps)
