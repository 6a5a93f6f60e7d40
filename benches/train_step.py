"""Time a training step (forward, backward, Adam) of PyTorch's UNet1DModel of Hopper size, beside ours, in turn.

    python -m venv ref && ref/bin/pip install torch diffusers
    cargo build --release -p diffplan-benches
    ref/bin/python benches/train_step.py --threads 2 --batch-size 32
"""
import argparse, json, statistics, subprocess, time, warnings
warnings.filterwarnings("ignore")
import torch
from diffusers import UNet1DModel

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--repeat", type=int, default=7)
parser.add_argument("--ours", default="target/release/train_step")
args = parser.parse_args()
torch.set_num_threads(args.threads)

COMMON = dict(
    in_channels=14, out_channels=14, time_embedding_type="positional", use_timestep_embedding=True, flip_sin_to_cos=False,
    freq_shift=1, block_out_channels=(32, 64, 128, 256), down_block_types=("DownResnetBlock1D",) * 4, act_fn="mish",
    norm_num_groups=8, layers_per_block=1,
)
MODELS = {
    "planner": dict(COMMON, up_block_types=("UpResnetBlock1D",) * 3, mid_block_type="MidResTemporalBlock1D",
                    out_block_type="OutConv1DBlock"),
    "value": dict(COMMON, up_block_types=(), mid_block_type="ValueFunctionMidBlock1D", out_block_type="ValueFunction",
                  downsample_each_block=True),
}


def reference(name):
    model = UNet1DModel(**MODELS[name])
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4)
    sample, timestep = torch.randn(args.batch_size, 14, 32), torch.full((args.batch_size,), 5)

    def step():
        optimiser.zero_grad()
        model(sample, timestep).sample.square().mean().backward()
        optimiser.step()

    return step


def timed(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


print(f"{'network':<10}{'reference ms':>14}{'ours ms':>10}{'ratio':>8}   (threads {args.threads}, batch {args.batch_size}, medians)")
for name in MODELS:
    step = reference(name)
    step(), step()
    theirs, ours = [], []
    for _ in range(args.repeat):
        theirs.append(statistics.median(timed(step) for _ in range(5)))
        command = [args.ours, name, str(args.batch_size), str(args.threads), "5"]
        ours.append(statistics.median(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["seconds"]))
    ratio = statistics.median(a / b for a, b in zip(theirs, ours))
    print(f"{name:<10}{statistics.median(theirs) * 1e3:>14.1f}{statistics.median(ours) * 1e3:>10.1f}{ratio:>8.2f}", flush=True)
