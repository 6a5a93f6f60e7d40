"""Threads, signals, processes, copies, and what a call costs."""

from __future__ import annotations

import copy
import hashlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import diffplan

OBS = np.array([0.8, -0.6, 1.2], dtype=np.float32)


def long_plan(pipeline, **keywords):
    """Takes a second or more."""
    return pipeline.planner(batch_size=256, n_guide_steps=40, threads=1, **keywords)


def test_the_gil_is_released(pipeline):
    planner = pipeline.planner(batch_size=64, n_guide_steps=2, threads=1)
    thread = threading.Thread(target=lambda: planner.plan(OBS, seed=0))
    began = time.perf_counter()
    thread.start()
    turns = 0
    while thread.is_alive():
        time.sleep(0.001)
        turns += 1
    took = time.perf_counter() - began
    # Every turn is a millisecond and some: a held GIL would let one through.
    assert took > 0.05 and turns > 20 * took, (turns, took)


def test_several_planners_in_several_threads(pipeline, quick):
    expected = [pipeline.planner(**quick).plan(OBS, seed=seed).trajectories for seed in range(4)]
    shared = pipeline.planner(**quick)
    failures = []

    def work(seed, planner):
        for _ in range(5):
            if not np.array_equal(planner.plan(OBS, seed=seed).trajectories, expected[seed]):
                failures.append(seed)

    for planners in ([shared] * 4, [pipeline.planner(threads=1, **quick) for _ in range(4)]):
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(planners)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert failures == []


def digest(plans):
    """What all bits of the plans come down to."""
    return hashlib.sha256(b"".join(plan.trajectories.tobytes() for plan in plans)).hexdigest()


def test_a_thousand_plans_from_four_threads_have_the_bits_of_one_by_one(pipeline, quick):
    planner = pipeline.planner(**quick)
    expected = digest(planner.plan(OBS, seed=seed) for seed in range(1000))
    with ThreadPoolExecutor(4) as threads:
        made = digest(threads.map(lambda seed: planner.plan(OBS, seed=seed), range(1000)))
    assert made == expected


def _of_a_process(planner, seeds, queue):
    queue.put((seeds[0], [planner.plan(OBS, seed=seed).trajectories for seed in seeds]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_hundred_plans_from_four_forked_processes_have_the_bits_of_one_by_one(pipeline, quick):
    planner = pipeline.planner(**quick)
    expected = [planner.plan(OBS, seed=seed).trajectories for seed in range(100)]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    parts = [range(first, 100, 4) for first in range(4)]
    children = [context.Process(target=_of_a_process, args=(planner, part, queue)) for part in parts]
    [child.start() for child in children]
    answers = dict(queue.get(timeout=120) for _ in children)
    [child.join(timeout=30) for child in children]
    assert [child.exitcode for child in children] == [0] * 4
    for part in parts:
        for seed, made in zip(part, answers[part[0]]):
            np.testing.assert_array_equal(made, expected[seed])


def test_cancelled_from_another_thread(pipeline):
    planner = long_plan(pipeline)
    timer = threading.Timer(0.1, planner.cancel)
    timer.start()
    with pytest.raises(diffplan.Cancelled, match="was cancelled") as raised:
        planner.plan(OBS, seed=0)
    assert raised.value.kind == "cancelled"
    # Plans that are asked for afterwards are made.
    quick = pipeline.planner(batch_size=1, num_inference_steps=1)
    quick.cancel()
    quick.plan(OBS, seed=0)


def test_interrupted_within_50_ms(pendulum_path):
    """Ctrl-C, sent while a plan of seconds is made: when it was raised is what the child says."""
    code = f"""
import os, signal, sys, threading, time
import diffplan
planner = diffplan.ValueGuidedRLPipeline.from_pretrained({str(pendulum_path)!r}, threads=1).planner(
    batch_size=512, n_guide_steps=100)
sent = []
def press():
    time.sleep(0.3)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    planner.plan([0.8, -0.6, 1.2], seed=0)
    print("not interrupted")
except KeyboardInterrupt:
    print(1000 * (time.perf_counter() - sent[0]))
    sys.stdout.flush()
    # And the next plan is made.
    planner = planner.pipeline.planner(batch_size=1, num_inference_steps=2)
    assert planner.plan([0.8, -0.6, 1.2], seed=0).action.shape == (1,)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    late = float(done.stdout)
    # 10 ms by design; what is left is for a machine that others use.
    assert late < 50, f"{late} ms"


def _child(pipeline, planner, queue):
    queue.put((pipeline(OBS, batch_size=2, seed=0), planner.plan(OBS, seed=0).trajectories))


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_processes(pipeline, quick, how):
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {how}")
    planner = pipeline.planner(threads=2, **quick)
    # Threads run by now, which a forked child does not have.
    expected = (pipeline(OBS, batch_size=2, seed=0), planner.plan(OBS, seed=0).trajectories)
    context = multiprocessing.get_context(how)
    queue = context.Queue()
    children = [context.Process(target=_child, args=(pipeline, planner, queue)) for _ in range(2)]
    [child.start() for child in children]
    answers = [queue.get(timeout=120) for _ in children]
    [child.join(timeout=30) for child in children]
    assert [child.exitcode for child in children] == [0, 0]
    for answer in answers:
        for actual, wanted in zip(answer, expected):
            np.testing.assert_array_equal(actual, wanted)
    # The parent's own threads are where they were.
    np.testing.assert_array_equal(planner.plan(OBS, seed=0).trajectories, expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_a_deadline(pipeline, quick):
    planner = pipeline.planner(threads=2, **quick)
    expected = planner.plan(OBS, deadline=30.0, seed=0).trajectories
    pid = os.fork()
    if pid == 0:
        same = np.array_equal(planner.plan(OBS, deadline=30.0, seed=0).trajectories, expected)
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 60
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pytest.fail("the child waits for threads that it does not have")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status) == 0


def halves(x, timestep):
    return -np.square(x).sum((1, 2)) / 2, -x


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_and_pickles(pipeline, quick, again, tmp_path):
    file = tmp_path / "guides.toml"
    file.write_text('[[guide]]\ntype = "effort"\nweight = 0.01\n')
    guided = pipeline.with_guides_file(file).with_guides(diffplan.Guide(halves, weight=0.1))
    file.unlink()
    for thing in (pipeline, guided):
        other = again(thing)
        np.testing.assert_array_equal(other(OBS, seed=0, **quick), thing(OBS, seed=0, **quick))
        assert other.guides == thing.guides and other.planning_config == thing.planning_config
    planner = pipeline.planner(**quick)
    other = again(planner)
    assert other.options == planner.options
    np.testing.assert_array_equal(other.plan(OBS, seed=0).trajectories, planner.plan(OBS, seed=0).trajectories)
    for part in (pipeline.unet, pipeline.value_function):
        same = again(part)
        for name, values in part.state_dict().items():
            np.testing.assert_array_equal(same.state_dict()[name], values)
    assert again(pipeline.scheduler).config == pipeline.scheduler.config
    assert again(pipeline.normalizers) == pipeline.normalizers
    plan = planner.plan(OBS, seed=0)
    same = again(plan)
    np.testing.assert_array_equal(same.trajectories, plan.trajectories)
    assert same.actions.shape == plan.actions.shape and repr(same) == repr(plan)
    error = again(diffplan.InvalidValue("a message"))
    assert str(error) == "a message" and isinstance(error, ValueError)


def test_no_torch_and_no_gymnasium_are_imported(pendulum_path):
    code = f"""
import sys, time
began = time.perf_counter()
import numpy
middle = time.perf_counter()
import diffplan
own = time.perf_counter() - middle
pipeline = diffplan.ValueGuidedRLPipeline.from_pretrained({str(pendulum_path)!r})
pipeline([1.0, 0.0, 0.1], batch_size=2, torch_seed=0)
assert not {{"torch", "diffusers", "gymnasium"}} & set(sys.modules)
print(own)
"""
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
             for _ in range(3)]
    assert min(times) < 0.2, times


def timed_sum():
    began = time.perf_counter()
    sum(range(10_000))
    return time.perf_counter() - began


def test_what_a_call_costs_beside_the_plan(pipeline):
    """On a machine that others use a call waits for a core as often as it hands over to a thread: then only its own work is held against the
    limit, not its time."""
    planner = pipeline.planner(batch_size=1, num_inference_steps=1, n_guide_steps=0, threads=1)
    over, work = [], []
    for _ in range(300):
        cpu, began = time.thread_time(), time.perf_counter()
        plan = planner.plan(OBS, seed=0)
        over.append(time.perf_counter() - began - plan.seconds)
        work.append(time.thread_time() - cpu)
    over, work = (1e6 * sorted(times)[len(times) // 10] for times in (over, work))
    print(f"a call costs {over:.1f} µs beside the plan, {work:.1f} µs of them the calling thread's own work")
    # What the limit is meant for: a core that sums ten thousand numbers in some 150 µs. A slower one is given as much more.
    limit = 50 * max(1, 1e6 * sorted(timed_sum() for _ in range(200))[20] / 150)
    assert work < limit, f"{work:.1f} µs, expected {limit:.1f}"
    with ThreadPoolExecutor(1) as pool:
        bare = []
        for _ in range(100):
            began = time.perf_counter()
            pool.submit(lambda: None).result()
            bare.append(1e6 * (time.perf_counter() - began))
    bare = sorted(bare)[len(bare) // 10]
    if over >= limit and bare >= limit:
        pytest.skip(f"to a thread and back takes {bare:.0f} µs here: others use this machine")
    assert over < limit + bare, f"{over:.1f} µs, expected {limit:.1f}, or {bare:.1f} more where others use this machine"
