"""What h5py and NumPy say of dataset files in D4RL's layout; with --ours and --windows, how far diffplan is from it.

    python xtask/reference/datasets.py FILE... \\
        --ours "target/debug/diffplan data inspect --json" --windows "target/debug/examples/windows"

Everything is float64. Prints the largest relative difference of each group of numbers; counts must be equal.
"""

import argparse
import json
import shlex
import subprocess
import sys

import h5py
import numpy as np

HORIZON, DISCOUNT, MAX_PATH_LENGTH = 32, 0.97, 1000


def moments(values):
    values = np.asarray(values, np.float64)
    return [values.mean(0), values.std(0), values.min(0), values.max(0)]


def reference(path):
    with h5py.File(path) as file:
        data = {k: file[k][()] for k in ("observations", "actions", "rewards", "terminals", "timeouts")}
    ends = np.flatnonzero(data["terminals"] | data["timeouts"]) + 1
    starts = np.concatenate([[0], ends[:-1]])
    rewards = data["rewards"].astype(np.float64)
    lengths = ends - starts
    returns = np.array([rewards[a:b].sum() for a, b in zip(starts, ends)])
    quantiles = np.quantile(returns, [0.05, 0.25, 0.5, 0.75, 0.95, 0.9])
    discounts = DISCOUNT ** np.arange(lengths.max())
    values, unpadded = [], 0
    for a, b in zip(starts, ends):
        # make_indices of jannerm/diffuser, with and without use_padding
        max_start = min(b - a - 1, MAX_PATH_LENGTH - HORIZON)
        unpadded += len(range(min(max_start, b - a - HORIZON)))
        for start in range(max_start):
            rest = rewards[a + start : b]
            values.append((discounts[: len(rest)] * rest).sum())
    values = np.array(values)
    return {
        "counts": [len(rewards), len(ends), int(lengths.min()), int(lengths.max()), int(data["terminals"].sum())],
        "observations": moments(data["observations"]),
        "actions": moments(data["actions"]),
        "returns": moments(returns),
        "quantiles of returns": quantiles,
        "windows": [len(values), unpadded],
        "discounted returns": [values.min(), values.max(), *(values[i * len(values) // 5] for i in range(5))],
    }


def run(command, path):
    return json.loads(subprocess.run([*shlex.split(command), path], check=True, capture_output=True).stdout)


def ours(inspect, windows, path):
    found = {}
    if inspect:
        report = run(inspect, path)
        episodes = report["episodes"]
        lengths, returns = episodes["lengths"], episodes["returns"]
        found["counts"] = [report["rows"], episodes["count"], lengths["min"], lengths["max"], episodes["terminated"]]
        keys = ("mean", "std", "min", "max")
        for name in ("observations", "actions"):
            found[name] = [[dimension[key] for dimension in report[name]] for key in keys]
        found["returns"] = [returns[key] for key in keys]
        found["quantiles of returns"] = [returns[k] for k in ("q05", "q25", "median", "q75", "q95", "best_tenth")]
    if windows:
        report = run(windows, path)
        found["windows"] = [report["windows"], report["unpadded"]]
        found["discounted returns"] = [report["min"], report["max"], *report["picked"]]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--ours", help="command that prints the object of `diffplan data inspect --json`")
    parser.add_argument("--windows", help="the example `windows` of diffplan-data")
    args = parser.parse_args()
    np.set_printoptions(precision=10, linewidth=140)
    wrong = False
    for path in args.files:
        print(path)
        theirs = reference(path)
        for name, values in theirs.items():
            print(f"  {name}:", *np.asarray(values).tolist())
        for name, values in ours(args.ours, args.windows, path).items():
            a, b = np.asarray(values, np.float64), np.asarray(theirs[name], np.float64)
            if a.shape != b.shape or not np.isfinite(a).all():
                sys.exit(f"{name}: ours is {values}")
            worst = np.max(np.abs(a - b) / np.maximum(np.abs(b), np.finfo(np.float64).tiny), initial=0, where=a != b)
            print(f"  {name}: largest relative difference {worst:.2e}")
            wrong |= worst > (0 if name in ("counts", "windows") else 1e-9)
    sys.exit(int(wrong))


if __name__ == "__main__":
    main()
