"""Steps per second of whole training runs, PyTorch's and `diffplan train`'s, in turn, on the same dataset and networks.

PyTorch trains diffusers' UNet1DModel as jannerm/diffuser does: windows gathered from arrays in memory, noise, conditions, weighted
loss, Adam, EMA. Pendulum size by default.

    python -m venv ref && ref/bin/pip install torch diffusers h5py
    cargo build --release
    ref/bin/python benches/train_run.py DATASET.hdf5 --threads 2
"""
import argparse, copy, json, statistics, subprocess, tempfile, time, warnings
warnings.filterwarnings("ignore")
import h5py, numpy as np, torch
from diffusers import DDPMScheduler, UNet1DModel

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("dataset")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--channels", default="32,64,128")
parser.add_argument("--horizon", type=int, default=32)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--ours", default="target/release/diffplan")
args = parser.parse_args()
torch.set_num_threads(args.threads)
CHANNELS = [int(c) for c in args.channels.split(",")]

with h5py.File(args.dataset) as f:
    actions, observations = f["actions"][:], f["observations"][:]
    ends = np.flatnonzero(f["terminals"][:] | f["timeouts"][:])
normal = lambda x: (x - x.mean(0, dtype=np.float64)) / x.std(0, dtype=np.float64)
rows = torch.tensor(np.concatenate([normal(actions), normal(observations)], 1), dtype=torch.float32)
starts, begin = [], 0
for end in ends:  # windows within an episode: padding changes no time
    starts.extend(range(begin, end + 2 - args.horizon))
    begin = end + 1
starts, ACTIONS, DIMS = torch.tensor(starts), actions.shape[1], rows.shape[1]
scheduler = DDPMScheduler(num_train_timesteps=20, beta_schedule="squaredcos_cap_v2", clip_sample=False)
COMMON = dict(
    in_channels=DIMS, out_channels=DIMS, time_embedding_type="positional", use_timestep_embedding=True, flip_sin_to_cos=False,
    freq_shift=1, block_out_channels=CHANNELS, down_block_types=["DownResnetBlock1D"] * len(CHANNELS), act_fn="mish",
)
MODELS = {
    "planner": dict(COMMON, up_block_types=["UpResnetBlock1D"] * (len(CHANNELS) - 1), mid_block_type="MidResTemporalBlock1D",
                    out_block_type="OutConv1DBlock"),
    "value": dict(COMMON, up_block_types=(), mid_block_type="ValueFunctionMidBlock1D", out_block_type="ValueFunction",
                  downsample_each_block=True),
}


def reference(name):
    model = UNet1DModel(**MODELS[name])
    average, optimiser = copy.deepcopy(model), torch.optim.Adam(model.parameters(), lr=2e-4)
    weights = torch.ones(args.horizon, DIMS)
    weights[0, :ACTIONS] = 10

    def run(steps):
        for step in range(steps):
            picked = starts[torch.randint(len(starts), (args.batch_size,))]
            x = rows[picked[:, None] + torch.arange(args.horizon)]
            noise, t = torch.randn_like(x), torch.randint(0, 20, (len(x),))
            noised = scheduler.add_noise(x, noise, t)
            noised[:, 0, ACTIONS:] = x[:, 0, ACTIONS:]
            output = model(noised.transpose(1, 2), t).sample
            if name == "value":
                loss = output.square().mean()
            else:
                prediction = output.transpose(1, 2).clone()
                prediction[:, 0, ACTIONS:] = x[:, 0, ACTIONS:]
                loss = ((prediction - x).square() * weights).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 10 == 0:
                with torch.no_grad():
                    for mean, parameter in zip(average.parameters(), model.parameters()):
                        mean.lerp_(parameter, 0.005)

    return run


def ours(name):
    with tempfile.TemporaryDirectory() as out:
        command = [args.ours, "train", name, "--dataset", args.dataset, "--out", out, "--channels", args.channels, "--horizon",
                   str(args.horizon), "--batch-size", str(args.batch_size), "--gradient-accumulate-every", "1", "--steps",
                   str(args.steps), "--threads", str(args.threads), "--json"]
        line = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.splitlines()[-1]
        return json.loads(line)["networks"][0]["steps_per_second"]


print(f"{'network':<10}{'PyTorch':>10}{'diffplan':>10}{'ratio':>8}   steps/s (threads {args.threads}, batch {args.batch_size}, medians)")
for name in MODELS:
    run = reference(name)
    run(10)
    theirs, own = [], []
    for _ in range(args.repeat):
        start = time.perf_counter()
        run(args.steps)
        theirs.append(args.steps / (time.perf_counter() - start))
        own.append(ours(name))
    ratio = statistics.median(b / a for a, b in zip(theirs, own))
    print(f"{name:<10}{statistics.median(theirs):>10.1f}{statistics.median(own):>10.1f}{ratio:>8.2f}", flush=True)
