"""Statistics of a dataset file by h5py and NumPy, to hold `diffplan data inspect` to.

    python xtask/reference/datasets.py FILE.hdf5                      prints them as JSON
    python xtask/reference/datasets.py FILE.hdf5 --diffplan DIFFPLAN  runs that program on the file too, prints the
                                                                      largest relative difference of each kind of number,
                                                                      and fails if one is above 1e-12

FILE is in the layout of D4RL. Needs h5py and NumPy. Everything is computed in float64.
"""

import argparse
import hashlib
import json
import subprocess
import sys

import h5py
import numpy as np

TOLERANCE = 1e-12


def episode_ends(file):
    """The row after the last of every episode."""
    ends = np.zeros(len(file["rewards"]), dtype=bool)
    for key in ("terminals", "timeouts"):
        if key in file:
            ends |= file[key][()].astype(bool)
    return np.flatnonzero(ends) + 1


def dimensions(values):
    values = values.reshape(len(values), -1)
    moments = {"mean": np.mean, "std": np.std, "min": np.min, "max": np.max}
    return {name: moment(values, axis=0).tolist() for name, moment in moments.items()}


def statistics(path):
    with h5py.File(path) as file:
        arrays = {key: file[key][()] for key in ("observations", "actions", "rewards")}
        ends = episode_ends(file)
        terminals = file["terminals"][()].astype(bool) if "terminals" in file else np.zeros(len(arrays["rewards"]), bool)
    wide = {key: values.astype(np.float64) for key, values in arrays.items()}
    starts = np.concatenate([[0], ends[:-1]])
    returns = np.array([wide["rewards"][a:b].sum() for a, b in zip(starts, ends)])
    lengths = ends - starts
    return {
        "rows": len(wide["rewards"]),
        "left_out": int(len(wide["rewards"]) - ends[-1]),
        "episodes": len(ends),
        "terminated": int(terminals[ends - 1].sum()),
        "lengths": {"min": int(lengths.min()), "median": float(np.median(lengths)), "mean": float(lengths.mean()), "max": int(lengths.max())},
        "returns": {
            "mean": returns.mean(),
            "std": returns.std(),
            "min": returns.min(),
            "max": returns.max(),
            **{name: np.quantile(returns, q) for name, q in [("q05", 0.05), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("q95", 0.95), ("best_tenth", 0.9)]},
        },
        **{key: dimensions(values) for key, values in wide.items()},
        "sha256": {key: hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest() for key, values in arrays.items()},
    }


def compare(reference, report):
    """The largest relative difference of every kind of number."""
    columns = lambda key, name: [d[name] for d in (report[key] if key != "rewards" else [report[key]])]
    kinds = {
        "counts": [
            (reference[key], report[key]) for key in ("rows", "left_out")
        ] + [(reference["episodes"], report["episodes"]["count"]), (reference["terminated"], report["episodes"]["terminated"])],
        "lengths": [(value, report["episodes"]["lengths"][key]) for key, value in reference["lengths"].items()],
        "returns": [(value, report["episodes"]["returns"][key]) for key, value in reference["returns"].items()],
    }
    for key in ("observations", "actions", "rewards"):
        for name in ("mean", "std", "min", "max"):
            pairs = list(zip(reference[key][name], columns(key, name), strict=True))
            if name == "mean":
                # A mean near zero is as exact as the values it is of are large.
                scales = reference[key]["std"]
                kinds[f"{key} {name} (of the std)"] = [(a / s, b / s) if s else (a, b) for (a, b), s in zip(pairs, scales)]
            else:
                kinds[f"{key} {name}"] = pairs
    # Relative to 1 below it.
    return {kind: max(abs(a - b) / max(abs(a), 1.0 if "mean" in kind else 1e-300) if a != b else 0.0 for a, b in pairs) for kind, pairs in kinds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--diffplan")
    args = parser.parse_args()
    reference = statistics(args.file)
    print(json.dumps(reference, indent=1))
    if not args.diffplan:
        return
    run = subprocess.run([args.diffplan, "data", "inspect", args.file, "--json"], check=True, capture_output=True)
    differences = compare(reference, json.loads(run.stdout))
    for kind, difference in differences.items():
        print(f"{kind:32} {difference:.1e}")
    if max(differences.values()) > TOLERANCE:
        sys.exit(f"more than {TOLERANCE}")


if __name__ == "__main__":
    main()
