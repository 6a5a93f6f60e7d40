"""Kind `torch_randn`: the stream of PyTorch's generator on the CPU."""

from common import write

import torch


SHAPES = ((1,), (5,), (15,), (16,), (17,), (40,), (3, 7, 11))


def torch_randn_case(folder, seed, seeds=(0, 1, 2**31 + 7), shapes=SHAPES):
    tensors = {}
    for own in [seed + other for other in seeds]:
        for shape in shapes:
            torch.manual_seed(own)
            name = f"seed{own}.{'x'.join(map(str, shape))}"
            tensors[f"{name}.first"], tensors[f"{name}.second"] = torch.randn(shape), torch.randn(shape)
    note = "two successive draws after torch.manual_seed"
    write(folder, {"kind": "torch_randn", "seed": seed, "note": note}, tensors)


RANDNS = {"small": {}, "plans": dict(seeds=(77,), shapes=((4, 32, 4), (2, 3, 2), (1, 8, 3)))}


def random_randn(rng):
    seeds = [rng.choice([rng.randrange(2**32), rng.randrange(2**63), -rng.randrange(1, 2**40)]) for _ in range(3)]
    return dict(seeds=seeds, shapes=[(rng.randint(1, 60),), (rng.randint(1, 9), rng.randint(1, 20))])
