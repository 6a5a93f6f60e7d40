#!/usr/bin/env python3
"""Makes reference cases with PyTorch, diffusers and Gymnasium.

testdata/golden/README.md says what a case holds and how it is checked.

    python generate.py --out cases                                  every variety of every kind
    python generate.py --out cases --kind unet --seed 7             one kind, other weights and data
    python generate.py --out cases --kind scheduler --random 20     and 20 configurations drawn at random
    python generate.py --out cases --only pipeline-one-candidate    one variety

Needs torch, diffusers, gymnasium, numpy and safetensors. Then: cargo xtask golden cases
"""

import argparse
import random
import shutil
import sys
from pathlib import Path

from common import IllConditioned
from env import ENVS, env_case, random_env
from pipeline import PIPELINES, pipeline_case, random_pipeline
from scheduler import DDIM, SCHEDULERS, random_ddim, random_scheduler, scheduler_case
from torch_randn import RANDNS, random_randn, torch_randn_case
from train import TRAINS, random_train, train_case
from unet import UNETS, random_unet, unet_case

KINDS = {
    "unet": (unet_case, UNETS, random_unet),
    "scheduler": (scheduler_case, SCHEDULERS, random_scheduler),
    "ddim": (scheduler_case, DDIM, random_ddim),
    "torch_randn": (torch_randn_case, RANDNS, random_randn),
    "env": (env_case, ENVS, random_env),
    "train": (train_case, TRAINS, random_train),
    "pipeline": (pipeline_case, PIPELINES, random_pipeline),
}
PREFIXES = {"scheduler": "ddpm", "torch_randn": "torch-randn"}


def attempt(make, folder, seed, options):
    """Makes the case, with other weights where these are ill-conditioned. Returns the number of cases made."""
    for again in range(10):
        try:
            make(folder, seed + 1000 * again, **options)
            return 1
        except IllConditioned as why:
            print(f"{folder.name}, attempt {again}: {why}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
        except Exception:
            print(f"{folder.name}: {options}", file=sys.stderr)
            raise
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of cases, made if it is not there")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=0, help="of weights and data")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="configurations at random, for each kind")
    parser.add_argument("--only", metavar="NAME", help="the case of this name alone")
    args = parser.parse_args()
    made = 0
    for kind in KINDS if args.kind == "all" else [args.kind]:
        make, varieties, draw = KINDS[kind]
        rng = random.Random(f"{kind} {args.seed}")
        varieties = {**varieties, **{f"random{i}": draw(rng) for i in range(args.random)}}
        for variety, options in varieties.items():
            name = f"{PREFIXES.get(kind, kind)}-{variety}" + (f"-seed{args.seed}" if args.seed else "")
            if args.only in (None, name):
                made += attempt(make, args.out / name, args.seed, options)
    print(f"{made} cases in {args.out}")
    return 0 if made else 1


if __name__ == "__main__":
    sys.exit(main())
