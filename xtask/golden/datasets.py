"""Small dataset files of every layout that diffplan reads, and what their own projects' readers find in them.

    python datasets.py ../../testdata/datasets        # needs minari, gymnasium, h5py, pyarrow; ogbench where it is installed
    python datasets.py ../../testdata/datasets own    # adds to them what d3rlpy, imitation and datasets write; needs these

Minari's files are written and read by minari, and flattened by Gymnasium; OGBench's are read by ogbench; LeRobot's are written
and read by pyarrow. The others are written with h5py and NumPy as their projects document them (robomimic
docs/datasets/overview, ManiSkill docs/user_guide/datasets, act/record_sim_episodes.py, d3rlpy dataset/io.py, imitation
data/serialize.py, Stable-Baselines record_expert.py), and cut here with plain NumPy. `expected.json` holds for each the
episodes' lengths, whether they terminated, their returns, and moments of observations and actions.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

OUT = Path(sys.argv[1]).resolve()
EXPECTED = {}


def expect(name, format, episodes, env=None, **more):
    """`episodes` are of (observations, actions, rewards, terminated), each as long as the other."""
    rows = lambda i: np.concatenate([np.asarray(e[i], np.float64).reshape(len(e[1]), -1) for e in episodes])
    o, a = rows(0), rows(1)
    moments = lambda x: {"mean": x.mean(0).tolist(), "std": x.std(0).tolist()}
    EXPECTED[name] = {
        "format": format,
        "env": env,
        "lengths": [len(e[1]) for e in episodes],
        "terminated": [bool(e[3]) for e in episodes],
        "returns": [float(np.sum(e[2], dtype=np.float64)) for e in episodes],
        "observations": moments(o),
        "actions": moments(a),
        **more,
    }


def rng(seed):
    return np.random.default_rng(seed)


def episodes(seed, lengths, obs=3, act=2, terminated=None):
    """Observations have a row more than actions."""
    r = rng(seed)
    terminated = terminated or [i % 2 == 0 for i in range(len(lengths))]
    return [
        (
            r.normal(size=(n + 1, obs)).astype(np.float32),
            r.uniform(-1, 1, size=(n, act)).astype(np.float32),
            r.normal(size=n).astype(np.float32),
            t,
        )
        for n, t in zip(lengths, terminated)
    ]


def short(eps):
    return [(o[: len(a)], a, r, t) for o, a, r, t in eps]


# --- Minari


def minari_files():
    import gymnasium as gym
    from gymnasium import spaces

    root = tempfile.mkdtemp()
    os.environ["MINARI_DATASETS_PATH"] = root
    import minari
    from minari.data_collector import EpisodeBuffer

    def write(name, observation_space, action_space, env=None, lengths=(3, 2)):
        observation_space.seed(1)
        action_space.seed(2)
        r = rng(3)
        buffers = []

        def stack(space, values):
            if isinstance(space, spaces.Dict):
                return {k: stack(s, [v[k] for v in values]) for k, s in space.spaces.items()}
            if isinstance(space, spaces.Tuple):
                return tuple(stack(s, [v[i] for v in values]) for i, s in enumerate(space.spaces))
            return np.stack(values)

        for i, n in enumerate(lengths):
            terminations = np.zeros(n, bool)
            truncations = np.zeros(n, bool)
            (terminations if i % 2 == 0 else truncations)[-1] = True
            buffers.append(
                EpisodeBuffer(
                    id=i,
                    observations=stack(observation_space, [observation_space.sample() for _ in range(n + 1)]),
                    actions=stack(action_space, [action_space.sample() for _ in range(n)]),
                    rewards=r.normal(size=n),
                    terminations=terminations,
                    truncations=truncations,
                    infos={"extra": {"x": np.arange(n + 1.0)}},
                )
            )
        dataset = minari.create_dataset_from_buffers(
            f"{name}-v0",
            buffer=buffers,
            env=env,
            observation_space=observation_space,
            action_space=action_space,
            algorithm_name="none",
            author="diffplan",
            author_email="diffplan@example.com",
            code_permalink="https://example.com",
        )
        folder = OUT / name
        shutil.copytree(Path(root) / f"{name}-v0", folder)
        dataset = minari.load_dataset(f"{name}-v0")
        take = lambda space, x, i: (
            {k: take(s, x[k], i) for k, s in space.spaces.items()}
            if isinstance(space, spaces.Dict)
            else tuple(take(s, x[j], i) for j, s in enumerate(space.spaces))
            if isinstance(space, spaces.Tuple)
            else x[i]
        )
        flat = lambda space, x, n: np.stack([spaces.flatten(space, take(space, x, i)) for i in range(n)])
        found = []
        for e in dataset.iterate_episodes():
            n = len(e.rewards)
            o = flat(dataset.observation_space, e.observations, n)
            a = flat(dataset.action_space, e.actions, n)
            found.append((o, a, e.rewards, e.terminations[-1]))
        expect(name, "Minari", found, env=dataset.env_spec.id if dataset.env_spec else None)

    box = lambda *shape, dtype=np.float64: spaces.Box(-1, 1, shape, dtype)
    write("minari-box", box(3, dtype=np.float32), box(1, dtype=np.float32), env="Pendulum-v1")
    goal = {"observation": box(4), "desired_goal": box(2), "achieved_goal": box(2)}
    write("minari-dict", spaces.Dict(goal), box(2, dtype=np.float32))
    nested = {
        "robot": spaces.Dict({"qvel": box(2), "qpos": box(2, 2)}),
        "pair": spaces.Tuple((box(1), spaces.Dict({"z": box(1), "a": box(2)}))),
        "B": box(1),
    }
    actions = spaces.Tuple((box(1, dtype=np.float32), box(2, dtype=np.float32)))
    write("minari-nested", spaces.Dict(nested), actions)
    shutil.rmtree(root)


def minari_odd():
    """An episode of no step, one without the observation after its last action, and no metadata."""
    eps = episodes(11, [3, 0, 4, 5])
    with h5py.File(OUT / "minari-odd.hdf5", "w") as f:
        for i, (o, a, r, t) in enumerate(eps):
            g = f.create_group(f"episode_{i}")
            o = o[:-1] if i == 2 else o
            half = {"b": o[:, :1], "a": o[:, 1:]}
            for key, value in half.items():
                g.create_dataset(f"observations/{key}", data=value)
            g.create_dataset("actions", data=a)
            g.create_dataset("rewards", data=r)
            flags = np.zeros(len(a), bool)
            flags[-1:] = t
            g.create_dataset("terminations", data=flags)
            g.create_dataset("truncations", data=np.zeros(len(a), bool))
    found = [(np.hstack([o[: len(a), 1:], o[: len(a), :1]]), a, r, t) for o, a, r, t in eps if len(a)]
    expect("minari-odd.hdf5", "Minari", found, empty=1, short=1)


# --- NumPy's archives


def ogbench():
    eps = short(episodes(21, [5, 5, 5], terminated=[False] * 3))
    o, a = (np.concatenate([e[i] for e in eps]) for i in (0, 1))
    terminals = np.concatenate([np.arange(len(e[1])) == len(e[1]) - 1 for e in eps])
    path = OUT / "ogbench.npz"
    np.savez_compressed(path, observations=o, actions=a, terminals=terminals, qpos=o[:, :2], qvel=o[:, 1:])
    try:
        from ogbench.utils import load_dataset

        own = load_dataset(str(path))
        assert int(own["terminals"].sum()) == 3 and len(own["observations"]) == len(o) - 3
        print("ogbench reads", path.name, ": 3 trajectories")
    except ImportError as error:
        print("ogbench is not here:", error)
    zero = [(o, a, 0 * r, t) for o, a, r, t in eps]
    expect("ogbench.npz", "OGBench npz", zero, notes=["there are no rewards, and all are 0"])


def stable_baselines():
    eps = short(episodes(22, [4, 6, 2], terminated=[False] * 3))
    o, a, r = (np.concatenate([e[i] for e in eps]) for i in (0, 1, 2))
    starts = np.concatenate([np.arange(len(e[1])) == 0 for e in eps])
    returns = np.array([e[2].sum() for e in eps])
    np.savez(
        OUT / "stable-baselines.npz", obs=o, actions=a, rewards=r, episode_returns=returns, episode_starts=starts
    )
    expect("stable-baselines.npz", "Stable-Baselines npz", eps)


def imitation():
    eps = episodes(23, [4, 6, 2], terminated=[True, False, True])
    lengths = [len(e[1]) for e in eps]
    infos = np.array([{"step": 1} for i in range(sum(lengths))], dtype=object)
    np.savez_compressed(
        OUT / "imitation.npz",
        obs=np.concatenate([e[0] for e in eps]),
        acts=np.concatenate([e[1] for e in eps]),
        rews=np.concatenate([e[2] for e in eps]),
        infos=infos,
        terminal=np.array([e[3] for e in eps]),
        indices=np.cumsum(lengths[:-1]),
    )
    # As imitation's own reader cuts it.
    data = np.load(OUT / "imitation.npz", allow_pickle=True)
    i = data["indices"]
    own = zip(
        np.split(data["obs"], i + np.arange(len(i)) + 1),
        np.split(data["acts"], i),
        np.split(data["rews"], i),
        data["terminal"],
    )
    expect("imitation.npz", "imitation npz", short(list(own)))


# --- HDF5


def robomimic():
    eps = episodes(31, [4, 3, 5], obs=5, terminated=[True] * 3)
    with h5py.File(OUT / "robomimic.hdf5", "w") as f:
        data = f.create_group("data")
        data.attrs["total"] = 12
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": {}})
        # Two tenths of the names would sort another way.
        for i, (o, a, r, t) in zip((0, 2, 10), eps):
            g = data.create_group(f"demo_{i}")
            n = len(a)
            g.attrs["num_samples"] = n
            g.create_dataset("obs/robot0_eef_pos", data=o[:n, 2:].astype(np.float64))
            g.create_dataset("obs/object", data=o[:n, :2].astype(np.float64))
            g.create_dataset("obs/agentview_image", data=np.zeros((n, 4, 4, 3), np.uint8))
            g.create_dataset("next_obs/object", data=o[1:, :2])
            g.create_dataset("actions", data=a)
            g.create_dataset("rewards", data=r)
            g.create_dataset("dones", data=(np.arange(n) == n - 1).astype(np.int64))
            g.create_dataset("states", data=np.zeros((n, 7)))
        f.create_dataset("mask/train", data=np.array([b"demo_0", b"demo_10"]))
        f.create_dataset("mask/valid", data=np.array([b"demo_2"]))
    notes = ["left out of the observations, being images or no numbers: obs/agentview_image"]
    expect("robomimic.hdf5", "robomimic HDF5", short(eps), env="Lift", notes=notes)


def maniskill():
    eps = episodes(32, [4, 3], obs=6)
    with h5py.File(OUT / "maniskill.h5", "w") as f:
        for i, (o, a, r, t) in enumerate(eps):
            g = f.create_group(f"traj_{i}")
            n = len(a)
            g.create_dataset("obs/agent/qpos", data=o[:, :2])
            g.create_dataset("obs/agent/qvel", data=o[:, 2:4])
            g.create_dataset("obs/extra/tcp_pose", data=o[:, 4:])
            g.create_dataset("obs/sensor_data/base_camera/rgb", data=np.zeros((n + 1, 4, 4, 3), np.uint8))
            g.create_dataset("actions", data=a)
            g.create_dataset("rewards", data=r)
            last = np.arange(n) == n - 1
            g.create_dataset("terminated", data=last & t)
            g.create_dataset("truncated", data=last & (not t))
            g.create_dataset("success", data=last & t)
            g.create_dataset("env_states/actors/cube", data=np.zeros((n + 1, 13), np.float32))
    (OUT / "maniskill.json").write_text(json.dumps({"env_info": {"env_id": "PickCube-v1"}, "episodes": []}))
    notes = ["left out of the observations, being images or no numbers: obs/sensor_data"]
    expect("maniskill.h5", "ManiSkill HDF5", short(eps), env="PickCube-v1", notes=notes)


def act():
    eps = short(episodes(33, [4] * 3, obs=4, terminated=[False] * 3))
    (OUT / "act").mkdir()
    # More than ten, so that the order of names is not that of numbers.
    for i, (o, a, r, t) in zip((2, 9, 10), eps):
        with h5py.File(OUT / "act" / f"episode_{i}.hdf5", "w") as f:
            f.attrs["sim"] = True
            f.create_dataset("observations/qpos", data=o[:, :2])
            f.create_dataset("observations/qvel", data=o[:, 2:])
            f.create_dataset("observations/images/top", data=np.zeros((len(a), 4, 4, 3), np.uint8))
            f.create_dataset("action", data=a)
    notes = ["left out of the observations, being images or no numbers: observations/images"]
    zero = [(o, a, 0 * r, t) for o, a, r, t in eps]
    expect("act", "ACT HDF5", zero, notes=notes, rewards="zeros")


def d3rlpy():
    eps = short(episodes(34, [4, 6, 3], terminated=[False, True, False]))
    o, a, r = (np.concatenate([e[i] for e in eps]) for i in (0, 1, 2))
    last = np.concatenate([np.arange(len(e[1])) == len(e[1]) - 1 for e in eps])
    terminals = np.concatenate([(np.arange(len(e[1])) == len(e[1]) - 1) & e[3] for e in eps])
    with h5py.File(OUT / "d3rlpy-v1.h5", "w") as f:
        f["observations"], f["actions"], f["rewards"] = o, a, r
        f["terminals"], f["episode_terminals"] = terminals.astype(np.float32), last.astype(np.float32)
        f["discrete_action"], f["version"] = False, "1.0"
    expect("d3rlpy-v1.h5", "d3rlpy HDF5", eps)
    eps = short(episodes(35, list(range(2, 13)), terminated=[i % 3 == 0 for i in range(11)]))
    with h5py.File(OUT / "d3rlpy-v2.h5", "w") as f:
        f["columns"] = ["observations", "actions", "rewards", "terminated"]
        f["num_episodes"], f["version"] = len(eps), "2.1"
        for i, (o, a, r, t) in enumerate(eps):
            f[f"observations_{i}"], f[f"actions_{i}"] = o, a
            f[f"rewards_{i}"], f[f"terminated_{i}"] = r[:, None], t
    expect("d3rlpy-v2.h5", "d3rlpy HDF5", eps)


def own_packages():
    """Files that d3rlpy, imitation and Hugging Face's datasets write themselves."""
    # This script has the name of a package that is needed here.
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]
    import d3rlpy as d3
    import datasets
    import imitation as im
    from imitation.data import serialize, types

    eps = episodes(38, [4, 6, 3], terminated=[False, True, False])
    buffer = d3.dataset.create_infinite_replay_buffer(
        episodes=[d3.dataset.Episode(o[:-1], a, r[:, None], t) for o, a, r, t in eps]
    )
    with open(OUT / "d3rlpy-own.h5", "w+b") as f:
        buffer.dump(f)
    expect("d3rlpy-own.h5", "d3rlpy HDF5", short(eps))

    # With pyarrow and Python 3.11 its fingerprints cannot be pickled, and nothing here reads them.
    import datasets.arrow_dataset
    import datasets.fingerprint

    datasets.fingerprint.generate_fingerprint = datasets.arrow_dataset.generate_fingerprint = lambda _: "0" * 16
    trajectories = [types.TrajectoryWithRew(obs=o, acts=a, rews=r.astype(np.float64), infos=None, terminal=t) for o, a, r, t in eps]
    serialize.save(OUT / "imitation-own", trajectories)
    read = serialize.load(OUT / "imitation-own")
    expect("imitation-own", "imitation", [(np.asarray(e.obs)[:-1], e.acts, e.rews, e.terminal) for e in read])

    value, vector = datasets.Value, lambda n: datasets.Sequence(datasets.Value("float32"), n)
    columns = {
        "observation.state": (vector(3), [row.tolist() for e in eps for row in e[0][:-1]]),
        "action": (vector(2), [row.tolist() for e in eps for row in e[1]]),
        "next.reward": (value("float32"), [float(x) for e in eps for x in e[2]]),
        "episode_index": (value("int64"), [i for i, e in enumerate(eps) for _ in e[1]]),
    }
    features = datasets.Features({name: feature for name, (feature, _) in columns.items()})
    root = OUT / "lerobot-own"
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta").mkdir()
    table = datasets.Dataset.from_dict({name: values for name, (_, values) in columns.items()}, features=features)
    table.to_parquet(str(root / "data/chunk-000/file-000.parquet"))
    shapes = {"observation.state": ("float32", 3), "action": ("float32", 2), "next.reward": ("float32", 1), "episode_index": ("int64", 1)}
    info = {"codebase_version": "v3.0", "features": {name: {"dtype": d, "shape": [n]} for name, (d, n) in shapes.items()}}
    (root / "meta/info.json").write_text(json.dumps(info, indent=1))
    expect("lerobot-own", "LeRobot", [(o, a, r, False) for o, a, r, _ in short(eps)])
    EXPECTED["versions of own packages"] = {m.__name__: m.__version__ for m in (d3, im, datasets)}


def told():
    eps = short(episodes(36, [4, 3], obs=4, terminated=[True, False]))
    with h5py.File(OUT / "told.hdf5", "w") as f:
        for i, (o, a, r, t) in enumerate(eps):
            f[f"runs/run_{i}/sensors/joints"], f[f"runs/run_{i}/sensors/gripper"] = o[:, :3], o[:, 3]
            f[f"runs/run_{i}/acts"], f[f"runs/run_{i}/rew"] = a, r
            f[f"runs/run_{i}/done"] = (np.arange(len(a)) == len(a) - 1) & t
    keys = "episodes=runs/run_*/,observations=sensors/joints+sensors/gripper,actions=acts,rewards=rew,terminals=done"
    expect("told.hdf5", "by keys", eps, keys=keys)


def folder():
    """Files of D4RL's layout: an unfinished end, no end at all."""
    eps = short(episodes(37, [3, 2, 4], terminated=[True, False, False]))
    (OUT / "folder").mkdir()
    for name, part, flags in [("part_2.hdf5", eps[:2], [2]), ("part_10.hdf5", eps[2:], [])]:
        o, a, r = (np.concatenate([e[i] for e in part]) for i in (0, 1, 2))
        with h5py.File(OUT / "folder" / name, "w") as f:
            f["observations"], f["actions"], f["rewards"] = o, a, r
            f["terminals"] = np.isin(np.arange(len(a)), flags)
    notes = ["2 rows after the last episode's end in their file are left out"]
    expect("folder", "D4RL HDF5", [eps[0], eps[2]], notes=notes)


# --- LeRobot


def lerobot():
    import pyarrow as pa
    import pyarrow.parquet as pq

    eps = short(episodes(41, [5, 3, 4], terminated=[False] * 3))
    low = lambda n, shape: {"dtype": "float32", "shape": [shape], "names": None}
    features = {
        "observation.state": low(0, 3),
        "observation.image": {"dtype": "video", "shape": [96, 96, 3], "names": None},
        "action": low(0, 2),
        "next.reward": low(0, 1),
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "timestamp": low(0, 1),
        **{k: {"dtype": "int64", "shape": [1], "names": None} for k in ("frame_index", "episode_index", "index", "task_index")},
    }

    def table(part):
        columns = {k: [] for k in features if k != "observation.image"}
        for i, (o, a, r, t) in part:
            n = len(a)
            columns["observation.state"] += [row.tolist() for row in o]
            columns["action"] += [row.tolist() for row in a]
            columns["next.reward"] += r.tolist()
            columns["next.done"] += [k == n - 1 for k in range(n)]
            columns["timestamp"] += [k / 10 for k in range(n)]
            columns["frame_index"] += list(range(n))
            columns["episode_index"] += [i] * n
            columns["index"] += list(range(n))
            columns["task_index"] += [0] * n
        floats = pa.list_(pa.float32())
        types = {"observation.state": pa.list_(pa.float32(), 3), "action": floats, "next.reward": pa.float32(), "timestamp": pa.float32()}
        return pa.table({k: pa.array(v, types.get(k)) for k, v in columns.items()})

    for name, version in [("lerobot-v2", "v2.1"), ("lerobot-v3", "v3.0")]:
        root = OUT / name
        (root / "meta").mkdir(parents=True)
        (root / "data/chunk-000").mkdir(parents=True)
        info = {
            "codebase_version": version,
            "robot_type": "none",
            "total_episodes": 3,
            "total_frames": 12,
            "fps": 10,
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
            if version == "v2.1"
            else "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "features": features,
        }
        (root / "meta/info.json").write_text(json.dumps(info, indent=1))
        numbered = list(enumerate(eps))
        if version == "v2.1":
            for i, e in numbered:
                pq.write_table(table([(i, e)]), root / f"data/chunk-000/episode_{i:06d}.parquet", compression="snappy")
        else:
            pq.write_table(table(numbered[:2]), root / "data/chunk-000/file-000.parquet", compression="snappy", row_group_size=3)
            pq.write_table(table(numbered[2:]), root / "data/chunk-000/file-001.parquet", compression="snappy")
        read = pa.concat_tables(pq.read_table(p) for p in sorted(root.glob("data/*/*.parquet"))).to_pydict()
        index = np.array(read["episode_index"])
        found = []
        for i in range(3):
            at = np.flatnonzero(index == i)
            pick = lambda key: np.array([read[key][k] for k in at])
            found.append((pick("observation.state"), pick("action"), pick("next.reward"), False))
        expect(name, "LeRobot", found, notes=["left out of the observations, being images or no numbers: observation.image"])


def main():
    if sys.argv[2:] == ["own"]:
        EXPECTED.update(json.loads((OUT / "expected.json").read_text()))
        for name in ["imitation-own", "lerobot-own"]:
            shutil.rmtree(OUT / name, ignore_errors=True)
        own_packages()
        (OUT / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")
        return
    if OUT.exists():
        shutil.rmtree(OUT)
    OUT.mkdir(parents=True)
    for write in [
        minari_files,
        minari_odd,
        ogbench,
        stable_baselines,
        imitation,
        robomimic,
        maniskill,
        act,
        d3rlpy,
        told,
        folder,
        lerobot,
    ]:
        write()
    import gymnasium
    import minari
    import pyarrow

    EXPECTED["versions"] = {m.__name__: m.__version__ for m in (np, h5py, minari, gymnasium, pyarrow)}
    (OUT / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")
    print(len(EXPECTED) - 1, "datasets,", sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file()), "bytes")


if __name__ == "__main__":
    main()
