"""Kind `train`: steps of training, losses in jannerm/diffuser's form written out (GaussianDiffusion.p_losses, WeightedLoss)."""

import copy

from common import IllConditioned, write
from unet import diffuser_config, random_model

import torch
from diffusers import DDPMScheduler

# A quarter of what diffplan may be off by, for PyTorch's own float32.
FLOAT32_ERROR = 2.5e-5
OPTIMIZERS = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def loss_weights(case, observation_dim, action_dim):
    dims = torch.ones(action_dim + observation_dim, dtype=torch.float64)
    dims[action_dim:] *= torch.tensor(case["loss_weights"] or [1.0] * observation_dim, dtype=torch.float64)
    discounts = case["loss_discount"] ** torch.arange(case["horizon"], dtype=torch.float64)
    weights = torch.einsum("h,t->ht", discounts / discounts.mean(), dims)
    weights[0, :action_dim] = case["action_weight"]
    return weights


def train_case(folder, seed, value=False, widths=(16, 32), horizon=8, steps=4, accumulate=1, **options):
    case = {
        "kind": "train",
        "objective": "value" if value else "planner",
        "observation_dim": 3,
        "action_dim": 2,
        "batch_size": 3,
        "horizon": horizon,
        "steps": steps,
        "gradient_accumulate_every": accumulate,
        "optimizer": "Adam(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)",
        "ema_decay": 0.995,
        "ema_every": 1,
        "action_weight": 10,
        "loss": "l2",
        "loss_discount": 1.0,
        "loss_weights": None,
        "conditions": "current",
        "max_grad_norm": None,
        "scheduler": {
            "num_train_timesteps": 20,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "sample",
            "clip_sample": False,
            "variance_type": "fixed_small_log",
            **options.pop("scheduler", {}),
        },
        **options,
        "seed": seed,
    }
    torch.manual_seed(seed)
    action_dim, transition_dim = case["action_dim"], case["action_dim"] + case["observation_dim"]
    model = random_model(diffuser_config(transition_dim, widths, value=value))
    model.save_pretrained(folder / "model")
    scheduler = DDPMScheduler(**case["scheduler"])
    tensors = {}
    for step in range(steps):
        for micro in range(accumulate):
            shape = (case["batch_size"], horizon, transition_dim)
            name = f"step{step}.{micro}"
            tensors[f"{name}.x"], tensors[f"{name}.noise"] = torch.randn(shape), torch.randn(shape)
            tensors[f"{name}.t"] = torch.randint(0, scheduler.config.num_train_timesteps, shape[:1])
            if value:
                tensors[f"{name}.value"] = torch.randn(shape[0], 1)
    times = [0] if case["conditions"] == "current" else [0, horizon - 1]

    def distance(difference):
        return difference.square() if case["loss"] == "l2" else difference.abs()

    def loss_of(network, name, dtype):
        x, noise, t = tensors[f"{name}.x"].to(dtype), tensors[f"{name}.noise"].to(dtype), tensors[f"{name}.t"]
        noised = scheduler.add_noise(x, noise, t)
        noised[:, times, action_dim:] = x[:, times, action_dim:]
        output = network(noised.transpose(1, 2), t).sample
        if value:
            return distance(output - tensors[f"{name}.value"].to(dtype)).mean()
        prediction = output.transpose(1, 2).clone()
        prediction[:, times, action_dim:] = x[:, times, action_dim:]
        kind = case["scheduler"]["prediction_type"]
        target = {"sample": x, "epsilon": noise}.get(kind)
        target = scheduler.get_velocity(x, noise, t) if target is None else target
        weights = loss_weights(case, case["observation_dim"], action_dim).to(dtype)
        return (distance(prediction - target) * weights).mean()

    def train(dtype):
        network = copy.deepcopy(model).to(dtype).train()
        average = copy.deepcopy(network)
        kind, arguments = case["optimizer"].rstrip(")").split("(", 1)
        optimizer = OPTIMIZERS[kind](network.parameters(), **eval(f"dict({arguments})"))
        losses = []
        for step in range(steps):
            total = 0.0
            for micro in range(accumulate):
                loss = loss_of(network, f"step{step}.{micro}", dtype) / accumulate
                loss.backward()
                total += loss.item()
            if case["max_grad_norm"]:
                torch.nn.utils.clip_grad_norm_(network.parameters(), case["max_grad_norm"])
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                for mean, parameter in zip(average.parameters(), network.parameters()):
                    mean.mul_(case["ema_decay"]).add_(parameter, alpha=1 - case["ema_decay"])
            losses.append(total)
        results = {f"param.{name}": parameter.detach() for name, parameter in network.named_parameters()}
        results |= {f"ema.{name}": parameter.detach() for name, parameter in average.named_parameters()}
        return torch.tensor(losses, dtype=torch.float64), results

    single, double = train(torch.float32), train(torch.float64)
    error = max(((single[1][name] - exact).norm() / exact.norm()).item() for name, exact in double[1].items())
    if error > FLOAT32_ERROR:
        raise IllConditioned(f"PyTorch in float32 is off by {error:.1e}")
    tensors |= {"losses": double[0], **{name: tensor.float() for name, tensor in double[1].items()}}
    note = "reference in float64; the loss of a step is the mean over its accumulated batches"
    write(folder, {**case, "note": note, "float32_error": error}, tensors)


TRAINS = {
    "planner-goal-clip": dict(conditions="goal", max_grad_norm=0.5, loss_discount=0.9, loss_weights=[1.0, 2.0, 0.5]),
    "planner-epsilon-l1": dict(scheduler={"prediction_type": "epsilon"}, loss="l1"),
    "planner-v-adamw": dict(
        scheduler={"prediction_type": "v_prediction"},
        optimizer="AdamW(lr=1e-3, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)",
        accumulate=2,
    ),
    "planner-l2-decay": dict(optimizer="Adam(lr=2e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)"),
    "value-l1": dict(value=True, widths=(32, 64), loss="l1", max_grad_norm=0.1),
    "value-accumulate": dict(value=True, widths=(32, 64), accumulate=3),
}


def random_train(rng):
    value = rng.random() < 0.4
    options = {
        "loss": rng.choice(["l2", "l2", "l1"]),
        "conditions": rng.choice(["current", "goal"]),
        "max_grad_norm": rng.choice([None, 0.1, 1.0]),
        "accumulate": rng.choice([1, 2, 3]),
        "optimizer": rng.choice(
            [
                "Adam(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)",
                "Adam(lr=1e-3, betas=(0.9, 0.99), eps=1e-7, weight_decay=0.01)",
                "AdamW(lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)",
            ]
        ),
        "scheduler": {"prediction_type": rng.choice(["sample", "epsilon", "v_prediction"])},
    }
    if value:
        return dict(value=True, widths=(32, 64), horizon=rng.choice([5, 8, 16]), **options)
    return dict(
        horizon=rng.choice([4, 8, 12]), loss_discount=rng.choice([1.0, 0.9]), action_weight=rng.choice([1, 10]), **options
    )
