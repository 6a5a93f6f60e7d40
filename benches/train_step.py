"""Time a training step (forward, backward, Adam) of PyTorch's UNet1DModel, beside ours, in turn; with --forward a forward pass alone.

planner and value are of Hopper's size; attention is the planner with the original Diffuser's linear attention (which diffusers lacks: it is
written out below); audio is the network of diffusers' defaults, 1024 samples long.

    python -m venv ref && ref/bin/pip install torch diffusers
    cargo build --release -p diffplan-benches
    ref/bin/python benches/train_step.py --threads 2 --batch-size 32
    ref/bin/python benches/train_step.py --networks audio --batch-size 1 --forward
"""
import argparse, json, statistics, subprocess, time, warnings
warnings.filterwarnings("ignore")
import torch
from diffusers import UNet1DModel

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--networks", nargs="+", default=["planner", "value"], choices=["planner", "value", "attention", "audio"])
parser.add_argument("--forward", action="store_true")
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


class LinearAttention(torch.nn.Module):
    """Four heads of 32 channels, keys through a softmax over the positions, on the sample normalised over its channels; added to it."""

    def __init__(self, channels, heads=4, width=32):
        super().__init__()
        self.heads = heads
        self.gain, self.shift = (torch.nn.Parameter(fill(1, channels, 1)) for fill in (torch.ones, torch.zeros))
        self.inside = torch.nn.Conv1d(channels, 3 * heads * width, 1, bias=False)
        self.outside = torch.nn.Conv1d(heads * width, channels, 1)

    def forward(self, x, _time):
        variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
        normal = (x - mean) / (variance + 1e-5).sqrt() * self.gain + self.shift
        q, k, v = self.inside(normal).unflatten(1, (3, self.heads, -1)).unbind(1)
        context = k.softmax(dim=-1) @ v.transpose(-1, -2)
        out = context.transpose(-1, -2) @ (q * q.shape[2] ** -0.5)
        return x + self.outside(out.flatten(1, 2))


def build(name):
    """The network, and a sample's shape."""
    if name == "audio":
        return UNet1DModel(extra_in_channels=64), (args.batch_size, 2, 1024)
    model = UNet1DModel(**MODELS["planner" if name == "attention" else name])
    if name == "attention":
        for block in [*model.down_blocks, *model.up_blocks]:
            block.resnets.append(LinearAttention(block.resnets[-1].conv_out.conv1d.out_channels))
        model.mid_block.resnets.insert(1, LinearAttention(COMMON["block_out_channels"][-1]))
    return model, (args.batch_size, 14, 32)


def reference(name):
    model, shape = build(name)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4)
    sample, timestep = torch.randn(shape), torch.full((args.batch_size,), 5)

    def forward():
        with torch.inference_mode():
            model(sample, timestep)

    def step():
        optimiser.zero_grad()
        model(sample, timestep).sample.square().mean().backward()
        optimiser.step()

    return forward if args.forward else step


def timed(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


print(f"{'network':<10}{'reference ms':>14}{'ours ms':>10}{'ratio':>8}   (threads {args.threads}, batch {args.batch_size}, medians)")
for name in args.networks:
    step = reference(name)
    step(), step()
    theirs, ours = [], []
    for _ in range(args.repeat):
        theirs.append(statistics.median(timed(step) for _ in range(5)))
        command = [args.ours, name, str(args.batch_size), str(args.threads), "5"] + ["forward"] * args.forward
        ours.append(statistics.median(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["seconds"]))
    ratio = statistics.median(a / b for a, b in zip(theirs, ours))
    print(f"{name:<10}{statistics.median(theirs) * 1e3:>14.1f}{statistics.median(ours) * 1e3:>10.1f}{ratio:>8.2f}", flush=True)
