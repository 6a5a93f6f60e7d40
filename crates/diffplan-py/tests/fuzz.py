"""Calls of nonsense: shapes, dtypes, NaN, text, huge numbers, objects that misbehave. Whatever is given, an answer or an exception that says
what was wrong, and never a crash.

    python fuzz.py [CALLS] [SEED]

Each call is a method of a pipeline, a planner, a network, a scheduler, a sampler, statistics or an environment, with arguments that are drawn. An
exception must be one of diffplan's, or one that Python itself raises for arguments (TypeError, OverflowError, …); it must have a message, and an
`InternalError` (a panic that was caught) is a failure.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import diffplan
from diffplan import _diffplan

ROOT = Path(__file__).resolve().parents[3]

EXPECTED = (diffplan.Error, TypeError, ValueError, OverflowError, AttributeError, KeyError, IndexError, LookupError)


class Hostile:
    """An object that raises whatever is asked of it."""

    def __array__(self, *_, **__):
        raise LookupError("no array")

    def __str__(self):
        raise LookupError("no text")

    def __len__(self):
        return -1

    def __iter__(self):
        return self

    def __next__(self):
        raise LookupError("no next")


class Calls:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        load = diffplan.ValueGuidedRLPipeline.from_pretrained
        self.pipeline = load(ROOT / "testdata" / "pendulum-hor32", threads=1)
        # Every plan that is made is quick.
        self.small = {"batch_size": 1, "num_inference_steps": 1, "n_guide_steps": 0}
        self.planner = self.pipeline.planner(**self.small)
        self.plan = self.planner.plan([1.0, 0.0, 0.1], seed=0)
        self.env = _diffplan.Env("Pendulum-v1")

    def number(self):
        return self.random.choice(
            [0, 1, -1, 2, 3, 32, 0.5, -0.0, 1e-300, 1e300, 2**31, 2**63, 2**64, -(2**63), 10**400, float("nan"), float("inf"), -float("inf"), True]
        )

    def text(self):
        return self.random.choice(
            ["", "ddim", "nonsense", "0.5", "true", "\0", "é" * 50, "[1, 2", '{"a": 1}', "observations", "../..", "a" * 5000, "diffusers", "\ud800"]
        )

    def shape(self):
        return tuple(self.random.choice([0, 1, 2, 3, 4, 5, 8, 31, 32]) for _ in range(self.random.randint(0, 5)))

    def array(self):
        shape = self.random.choice([(3,), (1, 4, 32), (2, 4, 32), (4,), (1,), self.shape(), self.shape()])
        if int(np.prod(shape)) > 20_000:
            shape = shape[:2]
        dtype = self.random.choice("f4 f4 f4 f8 f2 i8 u1 ? c8 O U3 S3 M8[s] V4 >f4".split())
        with np.errstate(all="ignore"):
            made = np.asarray(self.rng.normal(size=shape))
            made = np.zeros(shape, dtype) if dtype in ("V4", "M8[s]") else made.astype(dtype)
        if made.dtype.kind == "f" and made.size and self.random.random() < 0.3:
            made[(0,) * made.ndim] = self.random.choice([np.nan, np.inf, -np.inf])
        turn = self.random.randrange(6)
        if turn == 0 and made.ndim:
            made = made[::-1]
        elif turn == 1:
            made = made.T
        elif turn == 2 and made.ndim and len(made):
            made = np.broadcast_to(made[:1], (self.random.choice([1, 3]), *made.shape[1:]))
        elif turn == 3 and made.dtype.itemsize > 1 and made.dtype.kind in "fiu":
            # Not aligned.
            raw = np.zeros(made.nbytes + 1, np.uint8)
            shifted = np.frombuffer(raw.data, made.dtype, count=made.size, offset=1) if made.size else made
            made = shifted.reshape(made.shape)
        return made

    def anything(self, depth=0):
        kind = self.random.randrange(10 if depth < 2 else 6)
        if kind <= 2:
            return self.array()
        if kind == 3:
            return self.number()
        if kind == 4:
            return self.text()
        if kind == 5:
            return self.random.choice([None, Hostile(), object(), b"bytes", range(3), lambda *_: None, diffplan, self.plan, 1j, ...])
        if kind in (6, 7):
            return [self.anything(depth + 1) for _ in range(self.random.randrange(4))]
        if kind == 8:
            return {self.random.choice([0, -1, "time", 2.5, "observations", (1,)]): self.anything(depth + 1) for _ in range(self.random.randrange(3))}
        return tuple(self.anything(depth + 1) for _ in range(self.random.randrange(4)))

    def good(self, value):
        """`value`, most of the time: so that calls get past their first argument."""
        return value if self.random.random() < 0.7 else self.anything()

    def option(self):
        spec = self.random.choice(diffplan.OPTIONS)
        name = spec["name"] if self.random.random() < 0.9 else self.text()
        return name, self.random.choice([self.number(), self.text(), spec["default"], self.anything()])

    def keywords(self, *names):
        """Few: one that is refused hides the others."""
        return {name: self.anything() for name in names if self.random.random() < 0.1}

    def call(self):
        pick, good = self.random.random(), self.good
        obs = np.array([1.0, 0.0, 0.1], np.float32)
        planner, unet, values = self.planner, self.pipeline.unet, self.pipeline.value_function
        scheduler, statistics = self.pipeline.scheduler, self.pipeline.normalizers
        sample = np.zeros((1, 4, 32), np.float32)
        if pick < 0.25:
            return "plan", lambda: planner.plan(
                good(obs), **{"seed": 0, **self.keywords("conditions", "start", "visit", "shift", "seed", "torch_seed", "noise", "generator")}
            )
        if pick < 0.35:
            return "plan_batch", lambda: planner.plan_batch(good(obs[None]), **self.keywords("seed", "torch_seed"))
        if pick < 0.5:
            name, value = self.option()
            # Made, not planned with: a plan of 10^6 candidates is a wish, not nonsense. Sizes that would take the machine's memory are not tried.
            if name in ("batch_size", "planning_horizon") and isinstance(value, (int, float)) and abs(value) > 64:
                value = -1
            if not isinstance(name, str) or not name.isprintable():
                name = "nonsense"
            return "options", lambda: self.pipeline.options(**{name: value})
        if pick < 0.6:
            model = self.random.choice([unet, values])
            method = self.random.choice(["forward", "value_and_grad", "__call__"])
            return method, lambda: getattr(model, method)(good(sample), good(3))
        if pick < 0.65:
            return "vjp", lambda: unet.vjp(good(sample), good(3), good(sample))
        if pick < 0.72:
            return "normalize", lambda: getattr(statistics, self.random.choice(["normalize", "denormalize"]))(good(obs), good("observations"))
        if pick < 0.76:
            return "statistics", lambda: self.random.choice(
                [lambda: diffplan.Normalizers(good('{"observations": {}}')), lambda: diffplan.Normalizers.fit(good(obs[None]), good(obs[None]), good("gaussian"))]
            )()
        if pick < 0.82:
            return "scheduler", lambda: self.random.choice(
                [
                    lambda: diffplan.Scheduler(good({"_class_name": "DDIMScheduler", "num_train_timesteps": good(20)})),
                    lambda: scheduler.converted(good("ddim")),
                    lambda: scheduler.add_noise(good(sample), good(sample), good(3)),
                    lambda: scheduler.sampler(good(5), good(0.5)),
                ]
            )()
        if pick < 0.88:

            def step():
                sampler = scheduler.sampler(5)
                if self.random.random() < 0.8:
                    sampler.begin(good((1, 4, 32)))
                return sampler.step(good(0), good(sample), good(sample), good(sample))

            return "step", step
        if pick < 0.96:
            return "env", lambda: self.random.choice(
                [
                    lambda: self.env.reset(good(0), good({})),
                    lambda: self.env.step(good(obs[:1])),
                    lambda: self.env.set_state(good(obs[:2])),
                    lambda: _diffplan.Env(good("Pendulum-v1"), good({"g": good(9.8)})),
                ]
            )()
        return "model", lambda: self.random.choice(
            [
                lambda: diffplan.UNet1DModel(good({"in_channels": good(4)})),
                lambda: diffplan.UNet1DModel.from_state_dict(good({}), good({})),
                lambda: diffplan.ValueGuidedRLPipeline(good(values), good(unet), good(scheduler), normalizers=good(statistics)),
                lambda: diffplan.ValueGuidedRLPipeline.from_pretrained(good("nowhere"), local_files_only=True),
                lambda: unet.check_horizon(good(31)),
            ]
        )()


def run(count: int, seed: int) -> Counter:
    """What became of so many calls."""
    calls, became = Calls(seed), Counter()
    for number in range(count):
        name, call = calls.call()
        try:
            call()
        except diffplan.InternalError as error:
            raise AssertionError(f"call {number} of seed {seed}, {name}: {error}") from error
        except EXPECTED as error:
            if not isinstance(error, LookupError) and not str(error):
                raise AssertionError(f"call {number} of seed {seed}, {name}: {type(error).__name__} without a message") from error
            became[f"{name}: {type(error).__name__}"] += 1
        else:
            became[f"{name}: answered"] += 1
    return became


if __name__ == "__main__":
    count, seed = (int(text) for text in (*sys.argv[1:], *["100000", "0"][len(sys.argv) - 1 :]))
    began = time.perf_counter()
    for what, times in sorted(run(count, seed).items()):
        print(f"{times:8}  {what}")
    print(f"{count} calls in {time.perf_counter() - began:.0f} s, none crashed")
