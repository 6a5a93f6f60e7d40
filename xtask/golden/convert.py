"""Does diffusers load what `diffplan convert --to diffusers` writes, and does it compute what the original did?

    python xtask/golden/convert.py DIFFPLAN CASE [CASE ..]

DIFFPLAN is the built command; a CASE is a folder of kind `jannerm` with runs that diffusers can hold (branch main, no attention).
Each is converted in three precisions and loaded by diffusers, and its outputs compared with those that the case records of the
original; then it is converted back, and every file must have the same bytes. Needs torch, diffusers and safetensors.
"""

import filecmp
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import DDPMScheduler, UNet1DModel
from safetensors.torch import load_file

TOLERANCES = {"f32": 2e-5, "f16": 5e-3, "bf16": 4e-2}


def run(*args):
    subprocess.run([str(arg) for arg in args], check=True, stdout=subprocess.DEVNULL)


def network(folder, part, tensors, name):
    """The largest relative error, norm-wise, of a network's output."""
    model, info = UNet1DModel.from_pretrained(folder, subfolder=part, output_loading_info=True, torch_dtype=torch.float32)
    wrong = {key: value for key, value in info.items() if value}
    assert not wrong, f"{part}: {wrong}"
    x, t = tensors[f"{name}.sample"].permute(0, 2, 1), tensors[f"{name}.timestep"]
    with torch.no_grad():
        out = model(x, t).sample
    expected = tensors[f"{name}.output"]
    if out.ndim == 3:
        out = out.permute(0, 2, 1)
    return ((out - expected).norm() / expected.norm()).item()


def check(diffplan, case):
    about = json.loads((case / "case.json").read_text())
    tensors = load_file(case / "tensors.safetensors")
    parts = {"unet": "planner"} | ({"value_function": "value"} if "values" in about["folders"] else {})
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        ours = place / "ours"
        run(diffplan, "convert", case, ours, "--dataset", case / about["dataset"])
        for dtype, tolerance in TOLERANCES.items():
            theirs = place / dtype
            run(diffplan, "convert", ours, theirs, "--to", "diffusers", "--dtype", dtype)
            scheduler = DDPMScheduler.from_pretrained(theirs, subfolder="scheduler")
            assert scheduler.config.prediction_type == "sample", scheduler.config
            for part, name in parts.items():
                error = network(theirs, part, tensors, name)
                print(f"{case.name} {part} {dtype}: error {error:.1e} of {tolerance:.0e}")
                assert error <= tolerance
        # What diffusers itself saves again, and what comes back of it.
        saved = place / "saved"
        for part in parts:
            UNet1DModel.from_pretrained(place / "f32", subfolder=part).save_pretrained(saved / part)
        DDPMScheduler.from_pretrained(place / "f32", subfolder="scheduler").save_pretrained(saved / "scheduler")
        back = place / "back"
        run(diffplan, "convert", saved, back, "--stats", ours / "normalizer.json")
        for part in parts:
            file = f"{part}/diffusion_pytorch_model.safetensors"
            a, b = load_file(ours / file), load_file(back / file)
            assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a), file
            for file in [f"{part}/config.json", "scheduler/scheduler_config.json", "normalizer.json"]:
                assert filecmp.cmp(ours / file, back / file, shallow=False), file
        print(f"{case.name}: back through diffusers, the same numbers and configurations")


if __name__ == "__main__":
    for folder in sys.argv[2:]:
        check(sys.argv[1], pathlib.Path(folder))
