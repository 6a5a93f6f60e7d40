"""The configurations that every release of diffusers since 0.3 writes, and what they mean in the one of today.

    python xtask/golden/releases.py WHEELS                          prints where a class, its keys or their defaults changed
    python xtask/golden/releases.py WHEELS --out testdata/releases.json
    python xtask/golden/releases.py WHEELS --check                  runs the code of every release, and compares

WHEELS is a folder; what is missing in it is downloaded with pip (180 MB). Wheels are read, never installed: `__init__` is looked at as text. A
release writes every key it has, so a configuration is its defaults and what is said in KINDS. `today` in the file is what has to be said
besides for 0.42.1 to do what the release did: the decisions in `today()`, which `--check` tests by running the classes of the release, taken
out of its wheel, against those of 0.42.1. It needs torch and diffusers 0.42.1; differences that no key of today says are in IN_CODE, and
in docs/convert.md.
"""

import argparse
import ast
import functools
import importlib.abc
import importlib.machinery
import json
import pathlib
import re
import subprocess
import sys
import types
import zipfile

CLASSES = [
    "UNet1DModel",
    "DDPMScheduler",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "UniPCMultistepScheduler",
]
SOLVERS = {"DPMSolverMultistepScheduler": (0, 26), "UniPCMultistepScheduler": (0, 28)}

# Diffuser's networks for Hopper as the Hub has them, and one for audio in the proportions of those there.
TEMPORAL = dict(
    sample_size=65536,
    in_channels=14,
    out_channels=14,
    time_embedding_type="positional",
    use_timestep_embedding=True,
    flip_sin_to_cos=False,
    freq_shift=1,
    act_fn="mish",
    block_out_channels=[32, 64, 128, 256],
    down_block_types=["DownResnetBlock1D"] * 4,
)
KINDS = {
    "UNet1DModel": {
        "planner": dict(
            TEMPORAL,
            up_block_types=["UpResnetBlock1D"] * 3,
            mid_block_type="MidResTemporalBlock1D",
            out_block_type="OutConv1DBlock",
        ),
        "value": dict(
            TEMPORAL,
            up_block_types=[],
            mid_block_type="ValueFunctionMidBlock1D",
            out_block_type="ValueFunction",
            downsample_each_block=True,
        ),
        "audio": dict(extra_in_channels=16, time_embedding_dim=16),
    },
    "DDPMScheduler": {
        "defaults": {},
        "diffuser": dict(
            num_train_timesteps=20,
            beta_schedule="squaredcos_cap_v2",
            clip_sample=False,
            variance_type="fixed_small_log",
            predict_epsilon=False,
            prediction_type="sample",
        ),
    },
    "DPMSolverMultistepScheduler": {
        "defaults": {},
        "noise": dict(algorithm_type="dpmsolver", final_sigmas_type="sigma_min"),
        "thresholding": dict(thresholding=True),
        "karras": dict(use_karras_sigmas=True),
    },
    "UniPCMultistepScheduler": {
        "defaults": {},
        "thresholding": dict(thresholding=True),
        "karras": dict(use_karras_sigmas=True),
    },
    "HeunDiscreteScheduler": {"defaults": {}, "karras": dict(use_karras_sigmas=True)},
    "EulerDiscreteScheduler": {"defaults": {}, "karras": dict(use_karras_sigmas=True)},
}

# No release wrote these, but the branch on the way to 0.8 that the first networks on the Hub were saved by.
EMBEDDED = ["time_embedding_type", "use_timestep_embedding", "flip_sin_to_cos", "freq_shift"]
DEVELOPMENT = "0.8.0.dev0"

# Kinds that are nothing without a key.
NEEDED = {"planner": "out_block_type", "value": "out_block_type", "karras": "use_karras_sigmas"}

# Differences that no key says: class and kind, before which release, why.
IN_CODE = [
    ("DDPMScheduler", "diffuser", (0, 8), "fixed_small_log took the root of a logarithm: its noise is not a number"),
    ("DPMSolverMultistepScheduler", "karras", (0, 22), "levels were rounded to those of training timesteps"),
    ("UniPCMultistepScheduler", "karras", (0, 20), "a method was missing"),
    ("UniPCMultistepScheduler", "karras", (0, 22), "levels were rounded to those of training timesteps"),
]


def today(name, kind, release, config):
    """What has to be said in 0.42.1 besides what the file says."""
    said = {}
    if name == "UNet1DModel" and kind == "audio" and release < (0, 36):
        said["time_embedding_dim"] = 16
    if name in SOLVERS and release < SOLVERS[name]:
        said["final_sigmas_type"] = "sigma_min"
    if name in SOLVERS and release < (0, 15) and config["thresholding"]:
        said["sample_max_value"] = 3.4028234663852886e38
    if "predict_epsilon" in config:
        said["prediction_type"] = "epsilon" if config["predict_epsilon"] else "sample"
    return said


def download(folder):
    """All wheels, by release."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip"]
    versions = subprocess.run([*pip, "index", "versions", "diffusers"], capture_output=True, text=True).stdout
    for version in re.findall(r"\d+\.\d+\.\d+", "".join(re.findall("Available versions:.*", versions))):
        if number(version) >= (0, 3) and not list(folder.glob(f"diffusers-{version}-*.whl")):
            # Some releases are there as sources alone; their neighbours do.
            what = ["download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder, f"diffusers=={version}"]
            subprocess.run([*pip, *what], capture_output=True)
    wheels = {wheel.name.split("-")[1]: wheel for wheel in folder.glob("diffusers-*.whl")}
    return {version: wheels[version] for version in sorted(wheels, key=number)}


def number(version):
    return tuple(int(part) for part in version.split("."))


def value(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        text = ast.unparse(node)
        return {"-float('inf')": float("-inf"), "float('inf')": float("inf")}[text]


@functools.cache
def signatures(wheel):
    """The keys of every class with their defaults, and the file it is in."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not re.match(r"diffusers/(models|schedulers)/.*\.py$", name) or "flax" in name:
                continue
            text = archive.read(name).decode()
            if not any(f"class {wanted}(" in text for wanted in CLASSES):
                continue
            for node in ast.parse(text).body:
                if not isinstance(node, ast.ClassDef) or node.name not in CLASSES:
                    continue
                init = next((item for item in node.body if getattr(item, "name", "") == "__init__"), None)
                if init is None or init.args.vararg:
                    # The name of another module's class, where it was before.
                    continue
                keys = [arg.arg for arg in init.args.args[1:]]
                assert len(keys) == len(init.args.defaults), (wheel, node.name)
                found[node.name] = name, dict(zip(keys, map(value, init.args.defaults)))
    return found


def plain(value):
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def configurations(name, defaults):
    """The configurations of one class in one release, by kind."""
    for kind, changes in KINDS.get(name, {"defaults": {}}).items():
        if NEEDED.get(kind, "num_train_timesteps") not in {*defaults, "num_train_timesteps"}:
            continue
        config = {key: plain(changes.get(key, default)) for key, default in defaults.items()}
        yield kind, config


def entries(wheels):
    """Every distinct configuration with the first and the last release that write it, oldest first."""
    rows = {}
    for version, wheel in wheels.items():
        for name, (_, defaults) in signatures(wheel).items():
            for kind, config in configurations(name, defaults):
                said = today(name, kind, number(version), config)
                key = name, kind, json.dumps([config, said])
                row = {"class": name, "kind": kind, "first": version, "config": config, "today": said}
                rows.setdefault(key, row)["last"] = version
    return list(rows.values()) + list(development())


def development():
    for kind in ["planner", "value"]:
        config = dict(KINDS["UNet1DModel"][kind], norm_num_groups=8, layers_per_block=1)
        said = {key: config.pop(key) for key in EMBEDDED}
        said["downsample_each_block"] = config.pop("downsample_each_block", False)
        config["always_downsample"] = said["downsample_each_block"]
        yield {"class": "UNet1DModel", "kind": kind, "first": DEVELOPMENT, "config": config, "today": said, "last": DEVELOPMENT}


def history(wheels):
    """Prints what changed, release by release."""
    last = {}
    for version, wheel in wheels.items():
        for name, (_, new) in signatures(wheel).items():
            old = last.get(name)
            if old is None:
                print(f"{version} {name}: first, {', '.join(new)}")
            else:
                changes = [f"+{key}={new[key]!r}" for key in new if key not in old]
                changes += [f"-{key}" for key in old if key not in new]
                changes += [f"{key}: {old[key]!r} -> {new[key]!r}" for key in new if key in old and old[key] != new[key]]
                if changes:
                    print(f"{version} {name}: {'; '.join(changes)}")
            last[name] = new


class Taken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Classes of a release out of its wheel, on the base classes and helpers of the diffusers that is installed."""

    OWN = r"schedulers\.scheduling_\w+|models\.(unets\.)?unet_1d(_blocks)?|models\.(embeddings|resnet|activations|downsampling|upsampling)"

    def __init__(self, version, wheel):
        self.root = "taken_" + version.replace(".", "_")
        with zipfile.ZipFile(wheel) as archive:
            files = {name for name in archive.namelist() if name.endswith(".py")}
            modules = {name[len("diffusers/") : -3].replace("/", "."): name for name in files if name.count("/")}
            own = {module: name for module, name in modules.items() if re.fullmatch(self.OWN, module)}
            self.sources = {module: archive.read(name).decode() for module, name in own.items()}

    def find_spec(self, name, path, target=None):
        if name == self.root or name.startswith(self.root + "."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Stand(spec.name)

    def exec_module(self, module):
        name = module.__name__[len(self.root) + 1 :]
        module.__path__ = []
        if name in self.sources:
            # Its relative imports count from the package that it is in.
            module.__package__ = module.__name__.rpartition(".")[0]
            exec(compile(self.sources[name], module.__name__, "exec"), module.__dict__)
            if "np" in module.__dict__:
                module.np = Numbers(module.np)

    def get(self, file, name):
        sys.meta_path.insert(0, self)
        try:
            return getattr(importlib.import_module(f"{self.root}.{file[len('diffusers/') : -3].replace('/', '.')}"), name)
        finally:
            sys.meta_path.remove(self)


class Numbers:
    """NumPy, which used to make arrays between numbers that stood in tensors, and now makes tensors."""

    def __init__(self, numpy):
        self.numpy = numpy

    def __getattr__(self, name):
        return getattr(self.numpy, name)

    def linspace(self, *numbers, **options):
        return self.numpy.linspace(*[float(number) if hasattr(number, "item") else number for number in numbers], **options)


class Stand(types.ModuleType):
    """A module in place of one that is not taken: names of the diffusers that is installed, or empty classes."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "deprecate":
            return lambda key, *rest, take_from=None, **more: (take_from or {}).pop(key, None) if isinstance(key, str) else None
        if name == "USE_PEFT_BACKEND":
            return True
        import diffusers
        from diffusers import configuration_utils, utils
        from diffusers.models import modeling_utils
        from diffusers.schedulers import scheduling_utils
        from diffusers.utils import torch_utils

        for place in [configuration_utils, utils, torch_utils, modeling_utils, scheduling_utils, diffusers]:
            if hasattr(place, name):
                return getattr(place, name)
        return [] if name.isupper() else type(name, (), {})


def run(scheduler, steps):
    """What a scheduler gives at every step of a run with a made-up network."""
    import torch

    torch.manual_seed(5)
    scheduler.set_timesteps(steps)
    sample = torch.randn(2, 4, 3, 3) * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else torch.randn(2, 4, 3, 3)
    # A few values far out, for thresholds.
    sample.view(-1)[::17] *= 3
    samples = []
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, t) if hasattr(scheduler, "scale_model_input") else sample
        answer = 0.4 * seen + 0.3 * torch.sin(seen + 0.02 * float(t))
        sample = scheduler.step(answer, t, sample).prev_sample
        samples.append(sample)
    return torch.stack(samples)


def difference(name, old, new, own, config):
    """The largest difference between a class of old and of today, relative to the largest number."""
    import torch

    if name == "UNet1DModel":
        torch.manual_seed(3)
        a = old(**own).eval()
        b = new(**config).eval()
        b.load_state_dict(a.state_dict(), strict=True)
        with torch.no_grad():
            x, t = torch.randn(3, own["in_channels"], 32 if own["in_channels"] == 14 else 512), torch.tensor([7, 0, 3])
            a, b = a(x, t).sample, b(x, t).sample
    else:
        steps = own["num_train_timesteps"] if name == "DDPMScheduler" else 10
        a, b = run(old(**own), steps), run(new(**config), steps)
        assert a.shape == b.shape, (a.shape, b.shape)
    return float("nan") if not a.isfinite().all() else ((a - b).abs().max() / a.abs().max()).item()


def check(wheels, rows):
    """Runs every configuration with the code of the first and the last release that wrote it."""
    import diffusers
    import torch

    torch.set_num_threads(1)
    worst, wrong = {}, 0
    for row in rows:
        name, kind = row["class"], row["kind"]
        if row["first"] == DEVELOPMENT:
            continue
        new = getattr(diffusers, name)
        keys = signatures(wheels["0.42.1"])[name][1]
        config = {key: value for key, value in {**row["config"], **row["today"]}.items() if key in keys}
        for version in dict.fromkeys([row["first"], row["last"]]):
            taken = Taken(version, wheels[version])
            old = taken.get(signatures(wheels[version])[name][0], name)
            own = {key: value for key, value in row["config"].items() if key != "tensor_format"}
            why = [why for *of, before, why in IN_CODE if of == [name, kind] and number(version) < before]
            try:
                error = difference(name, old, new, own, config)
            except AttributeError:
                if not why:
                    raise
                error = float("nan")
            ok = error < 1e-4
            if ok and not why:
                worst[name, kind] = max(worst.get((name, kind), 0), error)
            else:
                wrong += not why
                print(f"{name} {kind} of {version}: {error:.1e} {'in code: ' + why[0] if why else 'DIFFERS'}", flush=True)
    for (name, kind), error in worst.items():
        print(f"{name} {kind}: {error:.1e} at most")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("wheels", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    wheels = download(args.wheels)
    rows = entries(wheels)
    if args.out:
        lines = ",\n".join(json.dumps(row) for row in rows)
        args.out.write_text(f"[\n{lines}\n]\n")
        print(f"{args.out}: {len(rows)} configurations of {len(wheels)} releases")
    elif args.check:
        sys.exit(1 if check(wheels, rows) else 0)
    else:
        history(wheels)


if __name__ == "__main__":
    main()
