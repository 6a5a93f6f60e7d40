"""Does diffusers load what diffplan writes, of every class of scheduler, and does it compute what it did before?

    python xtask/golden/written.py DIFFPLAN

DIFFPLAN is the built command. Folders of diffusers are made with options that are not the defaults, converted by `diffplan convert --to diffusers`,
and loaded by diffusers again: every key of every configuration, every number of every weight, and a run of the planner must be the same. The
same run is made by `diffplan plan` and must agree within TOLERANCE. Weights are written in both formats and three types, and what
`torch.load(weights_only=True)` reads of the one must be, bit for bit, what safetensors reads of the other. At last a folder that `diffplan train`
writes is loaded. A line a check, and exit status 1 if one failed. Needs torch, diffusers and safetensors.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TQDM_DISABLE", "1")  # read when diffusers is imported

import diffusers  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from unet import UNETS, diffuser_config, random_model  # noqa: E402

# Of plans, in the last digits of float32 over a run: measured 1e-6 to 2e-5.
TOLERANCE = 1e-4
HORIZON, ACTIONS, OBSERVATION, SEED = 32, 2, [0.3, -0.2, 0.7], 11
STEM = "diffusion_pytorch_model"
# What diffusers adds when it loads, and what names the release.
OWN = {"_name_or_path", "_diffusers_version", "_use_default_values"}

COSINE = dict(num_train_timesteps=20, beta_schedule="squaredcos_cap_v2", prediction_type="sample")
LINEAR = dict(num_train_timesteps=40, beta_start=0.001, beta_end=0.1)
TRAILING = dict(timestep_spacing="trailing")
# Of each class: options, and the number of steps.
CASES = {
    "DDPMScheduler": [
        (dict(COSINE, clip_sample=False, variance_type="fixed_small_log"), 20),
        (dict(LINEAR, **TRAILING, prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample_range=2.5), 8),
        (dict(num_train_timesteps=5, trained_betas=[0.05, 0.1, 0.02, 0.3, 0.6], variance_type="fixed_large"), 5),
        (dict(LINEAR, thresholding=True, sample_max_value=2.5, dynamic_thresholding_ratio=0.9, steps_offset=1), 8),
    ],
    "DDIMScheduler": [
        (dict(COSINE, clip_sample=False, timestep_spacing="linspace"), 7),
        (dict(LINEAR, set_alpha_to_one=False, steps_offset=1, clip_sample_range=2.0), 8),
        (dict(LINEAR, **TRAILING, prediction_type="v_prediction", rescale_betas_zero_snr=True), 8),
    ],
    "DPMSolverMultistepScheduler": [
        (dict(COSINE, **TRAILING, algorithm_type="sde-dpmsolver++"), 8),
        (dict(LINEAR, use_karras_sigmas=True, solver_order=3, euler_at_final=True), 8),
        (dict(LINEAR, algorithm_type="dpmsolver", final_sigmas_type="sigma_min", solver_type="heun"), 8),
        (dict(LINEAR, use_lu_lambdas=True, prediction_type="v_prediction", lower_order_final=False), 8),
        (dict(LINEAR, thresholding=True, sample_max_value=2.0, lambda_min_clipped=-5.1, variance_type="fixed_small"), 8),
    ],
    "EulerDiscreteScheduler": [
        (dict(COSINE, **TRAILING), 8),
        (dict(LINEAR, use_karras_sigmas=True, sigma_min=0.05, sigma_max=2.0), 8),
        (dict(LINEAR, prediction_type="v_prediction", timestep_type="continuous", final_sigmas_type="sigma_min"), 8),
        (dict(LINEAR, use_exponential_sigmas=True, timestep_spacing="leading", steps_offset=1), 8),
    ],
    "EulerAncestralDiscreteScheduler": [
        (dict(LINEAR, **TRAILING), 8),
        (dict(LINEAR, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="leading"), 8),
    ],
    "HeunDiscreteScheduler": [
        (dict(COSINE, **TRAILING), 8),
        (dict(LINEAR, use_karras_sigmas=True, clip_sample=True, clip_sample_range=2.0), 8),
        (dict(LINEAR, prediction_type="v_prediction", timestep_spacing="leading", steps_offset=1), 8),
    ],
    "UniPCMultistepScheduler": [
        (dict(COSINE, **TRAILING), 8),
        (dict(LINEAR, use_karras_sigmas=True, solver_order=3, disable_corrector=[0, 2]), 8),
        (dict(LINEAR, predict_x0=False, solver_type="bh1", final_sigmas_type="sigma_min"), 8),
        (dict(LINEAR, prediction_type="v_prediction", thresholding=True, sample_max_value=2.0, sigma_min=0.02), 8),
    ],
}

failures = 0


def say(ok, line):
    global failures
    failures += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {line}", flush=True)


def run(diffplan, *args):
    done = subprocess.run([diffplan, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"diffplan {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def changed(a, b):
    """The keys in which two configurations differ."""
    keys = (set(a) | set(b)) - OWN
    return sorted(key for key in keys if key not in a or key not in b or plain(a[key]) != plain(b[key]))


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def network(folder, part, **options):
    model, info = diffusers.UNet1DModel.from_pretrained(
        folder, subfolder=part, output_loading_info=True, low_cpu_mem_usage=False, **options
    )
    wrong = {key: value for key, value in info.items() if value}
    assert not wrong, f"{part}: {wrong}"
    return model.eval()


def same_network(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours), "weights differ"
    assert not changed(a.config, b.config), f"keys differ: {changed(a.config, b.config)}"


class Moved:
    """UniPC corrects from the sample before, and what was done to a sample in between is lost; diffplan moves the corrected one by it."""

    def __init__(self, scheduler):
        self.by, inner = 0, scheduler.multistep_uni_c_bh_update
        scheduler.multistep_uni_c_bh_update = lambda *args, **more: inner(*args, **more) + self.by


def plan(folder, name, steps, eta):
    """The plan of `diffplan plan --torch-seed` without guidance, by diffusers: docs/samplers.md says what is done to a scaled sample."""
    unet = network(folder, "unet")
    scheduler = getattr(diffusers, name).from_pretrained(folder, subfolder="scheduler")
    scheduler.set_timesteps(steps)
    scaled = name in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler")
    moved = Moved(scheduler) if name == "UniPCMultistepScheduler" else None

    def imposed(x, visit):
        x = x.clone()
        # What is left at the end is the plan.
        level = scheduler.sigmas[visit].item() if scaled and visit < len(scheduler.timesteps) else 0
        x[:, 0, ACTIONS:] = torch.tensor(OBSERVATION) * (1 + level**2) ** 0.5
        return x

    torch.manual_seed(SEED)
    x = torch.randn(1, HORIZON, ACTIONS + len(OBSERVATION)) * scheduler.init_noise_sigma
    x = imposed(x, 0)
    with torch.no_grad():
        for visit, t in enumerate(scheduler.timesteps):
            seen = scheduler.scale_model_input(x, t)
            answer = unet(seen.permute(0, 2, 1), t).sample.permute(0, 2, 1)
            given = scheduler.step(answer, t, x, **({"eta": eta} if eta else {})).prev_sample
            x = imposed(given, visit + 1)
            if moved:
                moved.by = x - given
    return x[0]


def check_class(diffplan, place, name, options, steps, eta):
    title = f"{name} {' '.join(f'{key}={value}' for key, value in options.items())}" + (f" eta={eta}" if eta else "")
    original, written, own = place / "original", place / "written", place / "own"
    scheduler = getattr(diffusers, name)(**options)
    scheduler.save_pretrained(original / "scheduler")
    try:
        run(diffplan, "convert", original, written, "--to", "diffusers", "--force")
        run(diffplan, "convert", original, own, "--stats", place / "stats.json", "--force")
        back = getattr(diffusers, name).from_pretrained(written, subfolder="scheduler")
        keys = changed(scheduler.config, back.config)
        for part in ["unet", "value_function"]:
            same_network(network(original, part), network(written, part))
        theirs, again = plan(original, name, steps, eta), plan(written, name, steps, eta)
        flags = ["--n-guide-steps", 0, "--batch-size", 1, "--horizon", HORIZON, "--num-inference-steps", steps]
        flags += ["--torch-seed", SEED, "--obs", ",".join(map(str, OBSERVATION)), "--json"] + (["--eta", eta] if eta else [])
        ours = torch.tensor(json.loads(run(diffplan, "plan", "--checkpoint", own, *flags).splitlines()[-1])["best_trajectory"])
    except (AssertionError, RuntimeError) as why:
        return say(False, f"{title}: {why}")
    error = ((ours - theirs).abs() / theirs.abs().clamp(min=1)).max().item()
    same = torch.equal(theirs, again) and theirs.isfinite().all().item()
    line = f"{title}: {'keys and run the same' if same and not keys else f'keys {keys}, run the same: {same}'}"
    say(same and not keys and error <= TOLERANCE, f"{line}, diffplan's run off by {error:.1e}")


def check_networks(diffplan, place):
    """Each variety of `generate.py --kind unet`, and one of audio, in both formats."""
    configs = {name: case["config"] for name, case in UNETS.items()}
    configs["audio"] = dict(extra_in_channels=16, time_embedding_dim=16)
    wrong = 0
    for name, config in configs.items():
        model = random_model(config)
        model.save_pretrained(place / "one" / name)
        for weights in ["safetensors", "bin"]:
            written = place / "one" / f"{name}-{weights}"
            try:
                run(diffplan, "convert", place / "one" / name, written, "--to", "diffusers", "--weights", weights)
                same_network(model, network(written, None, use_safetensors=weights == "safetensors"))
            except (AssertionError, RuntimeError) as why:
                wrong += 1
                say(False, f"UNet1DModel {name} {weights}: {why}")
    say(not wrong, f"UNet1DModel: {len(configs)} configurations, keys and weights the same in both formats")


def check_weights(diffplan, place):
    """Both formats in three types, of one network."""
    for dtype, kind in [("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
        folders = {}
        for weights in ["safetensors", "bin"]:
            folders[weights] = place / f"{weights}-{dtype}"
            flags = ["--to", "diffusers", "--weights", weights, "--dtype", dtype]
            run(diffplan, "convert", place / "original", folders[weights], *flags)
        same = True
        for part in ["unet", "value_function"]:
            expected = load_file(folders["safetensors"] / part / f"{STEM}.safetensors")
            file = folders["bin"] / part / f"{STEM}.bin"
            assert not (folders["bin"] / part / f"{STEM}.safetensors").exists()
            for mmap in [False, True]:
                loaded = torch.load(file, weights_only=True, mmap=mmap)
                same &= set(loaded) == set(expected) and all(
                    loaded[key].dtype == kind and torch.equal(loaded[key].view(torch.uint8), expected[key].view(torch.uint8))
                    for key in expected
                )
                same &= all(tensor.is_contiguous() and tensor.data_ptr() % 64 == 0 for tensor in loaded.values())
            model = network(folders["bin"], part, use_safetensors=False, torch_dtype=kind)
            same &= all(torch.equal(model.state_dict()[key], expected[key]) for key in expected)
        # What is read of it by diffplan, and written again.
        back = place / f"back-{dtype}"
        run(diffplan, "convert", folders["bin"], back, "--to", "diffusers", "--dtype", dtype)
        same &= (back / "unet" / f"{STEM}.safetensors").read_bytes() == (
            folders["safetensors"] / "unet" / f"{STEM}.safetensors"
        ).read_bytes()
        say(same, f"weights {dtype}: torch.load(weights_only=True), mapped or not, diffusers and diffplan read of .bin what .safetensors holds")


def check_trained(diffplan, place):
    data, out = place / "data.hdf5", place / "trained"
    run(diffplan, "data", "collect", "--env", "Pendulum-v1", "--policy", "mixed", "--episodes", 4, "--out", data)
    flags = ["--channels", "8,32", "--horizon", 8, "--batch-size", 4, "--steps", 3, "--value-steps", 3, "--sample-every", 0]
    run(diffplan, "train", "both", "--dataset", data, "--out", out, *flags)
    written = place / "from-trained"
    run(diffplan, "convert", out, written, "--to", "diffusers")
    try:
        for part, shape in [("unet", (2, 4, 8)), ("value_function", (2, 1))]:
            for folder in [out, written]:
                with torch.no_grad():
                    given = network(folder, part)(torch.zeros(2, 4, 8), torch.tensor([1, 2])).sample
                assert given.shape == shape and given.isfinite().all(), (part, given.shape)
            same_network(network(out, part), network(written, part))
        scheduler = diffusers.DDPMScheduler.from_pretrained(out, subfolder="scheduler")
        assert scheduler.config.num_train_timesteps == 20 and scheduler.config.prediction_type == "sample", scheduler.config
        index = json.loads((out / "model_index.json").read_text())
        assert index["_class_name"] == "ValueGuidedRLPipeline" and set(index) >= {"unet", "value_function", "scheduler"}, index
        say(True, "diffplan train: both networks and the scheduler of its folder load, and --to diffusers has the same")
    except (AssertionError, OSError, ValueError) as why:
        say(False, f"diffplan train: {why}")


def main():
    diffplan = sys.argv[1]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        torch.manual_seed(1)
        dims = ACTIONS + len(OBSERVATION)
        random_model(diffuser_config(dims, (16, 24))).save_pretrained(place / "original" / "unet")
        value = random_model(diffuser_config(dims, (16, 16, 32), value=True))
        value.save_pretrained(place / "original" / "value_function")
        identity = {"observations": len(OBSERVATION), "actions": ACTIONS}
        stats = {key: {"type": "gaussian", "mean": [0.0] * n, "std": [1.0] * n} for key, n in identity.items()}
        (place / "stats.json").write_text(json.dumps(stats))
        for name, cases in CASES.items():
            for options, steps in cases:
                check_class(diffplan, place, name, options, steps, 0)
        check_class(diffplan, place, "DDIMScheduler", CASES["DDIMScheduler"][0][0], 7, 0.5)
        check_networks(diffplan, place)
        check_weights(diffplan, place)
        check_trained(diffplan, place)
    print("all checks passed" if not failures else f"{failures} checks failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
