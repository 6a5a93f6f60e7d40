"""Writing a case, and what makes one unfit to be one."""

import json
import os

import numpy as np

os.environ.setdefault("TQDM_DISABLE", "1")  # read when diffusers is imported

from safetensors.numpy import save_file  # noqa: E402

VERSIONS = {"numpy": np.__version__}
try:
    import diffusers  # noqa: E402
    import torch  # noqa: E402

    VERSIONS = {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__, **VERSIONS}
except ImportError:
    # Environments need neither (env.py is a program as well).
    torch = None


def write(folder, description, tensors):
    """One case; `folder` may hold models already."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**description, "reference": VERSIONS}, indent=1)
    (folder / "case.json").write_text(text + "\n")
    arrays = {}
    for name, tensor in tensors.items():
        if torch is not None and isinstance(tensor, torch.Tensor):
            tensor = tensor.detach().numpy()
        array = np.asarray(tensor)
        arrays[name] = array.copy() if array.ndim == 0 else np.ascontiguousarray(array)
    save_file(arrays, folder / "tensors.safetensors")


class IllConditioned(Exception):
    """The reference's own float32 misses it, or nearly; see testdata/golden/README.md. Other weights may do better."""
