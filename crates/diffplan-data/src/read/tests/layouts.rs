//! Every layout: files of `testdata/datasets`, which `xtask/golden/datasets.py` made, against what their own projects' readers
//! find in them; which layout a file is taken for; what is wrong with broken ones.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::npz::npz;
use super::*;

#[derive(Deserialize)]
struct Expected {
    format: String,
    env: Option<String>,
    lengths: Vec<usize>,
    terminated: Vec<bool>,
    returns: Vec<f64>,
    observations: Moments,
    actions: Moments,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    empty: usize,
    #[serde(default)]
    short: usize,
    #[serde(default)]
    keys: String,
    rewards: Option<RewardRule>,
}

#[derive(Deserialize)]
struct Moments {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Moments {
    #[track_caller]
    fn check(&self, name: &str, array: &ndarray::ArrayView2<'_, f32>) {
        assert_eq!(array.ncols(), self.mean.len(), "{name}");
        for (column, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            let own = array.column(column).mapv(f64::from);
            let off = (own.mean().unwrap() - mean).abs().max((own.std(0.0) - std).abs());
            assert!(off < 1e-6, "{name}, column {column}: {off:e}");
        }
    }
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/datasets")
}

fn expected() -> BTreeMap<String, Expected> {
    let text = fs::read_to_string(folder().join("expected.json")).unwrap();
    let mut all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    all.retain(|name, _| !name.starts_with("versions"));
    all.into_iter()
        .map(|(name, value)| (name, serde_json::from_value(value).unwrap()))
        .collect()
}

fn options_of(expected: &Expected) -> ReadOptions {
    ReadOptions {
        keys: match expected.keys.as_str() {
            "" => Keys::default(),
            keys => keys.parse().unwrap(),
        },
        rewards: expected.rewards.clone(),
        ..options()
    }
}

#[test]
fn every_layout_is_read_as_its_own_project_reads_it() {
    let all = expected();
    assert!(all.len() >= 16);
    for (name, expected) in &all {
        if ["LeRobot", "imitation"].contains(&expected.format.as_str()) && !cfg!(feature = "parquet") {
            continue;
        }
        let raw = RawDataset::read(folder().join(name), &options_of(expected)).unwrap();
        assert_eq!(raw.format.name(), expected.format, "{name}");
        assert_eq!(raw.env, expected.env, "{name}");
        let notes: Vec<String> = raw.layout_notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), expected.notes.len(), "{name}: {notes:?}");
        for (note, start) in notes.iter().zip(&expected.notes) {
            assert!(note.starts_with(start), "{name}: {note}");
        }
        assert_eq!(
            (raw.empty_episodes, raw.short_episodes),
            (expected.empty, expected.short),
            "{name}"
        );
        assert!(!raw.arrays.is_empty(), "{name}");
        let dataset = raw.into_dataset(None).unwrap();
        let lengths: Vec<usize> = dataset.episodes().iter().map(crate::EpisodeRange::len).collect();
        let terminated: Vec<bool> = dataset.episodes().iter().map(|episode| episode.terminated).collect();
        assert_eq!(
            (&lengths, &terminated),
            (&expected.lengths, &expected.terminated),
            "{name}"
        );
        for (own, expected) in dataset.returns().iter().zip(&expected.returns) {
            assert!(
                (own - expected).abs() < 1e-6,
                "{name}: a return of {own}, expected {expected}"
            );
        }
        expected.observations.check(name, &dataset.observations());
        expected.actions.check(name, &dataset.actions());
    }
}

/// Every single file here by its name and content.
pub(super) fn files() -> Vec<(String, Vec<u8>, ReadOptions)> {
    let files = expected().into_iter().filter(|(name, _)| folder().join(name).is_file());
    files
        .map(|(name, expected)| {
            let bytes = fs::read(folder().join(&name)).unwrap();
            (name, bytes, options_of(&expected))
        })
        .collect()
}

fn with_keys(keys: &str) -> ReadOptions {
    ReadOptions {
        keys: keys.parse().unwrap(),
        ..options()
    }
}

fn raw(name: &str, options: &ReadOptions) -> RawDataset {
    RawDataset::read(folder().join(name), options).unwrap()
}

#[track_caller]
fn complains(name: &str, options: &ReadOptions, expected: &str) {
    let error = Dataset::read(folder().join(name), options);
    assert_eq!(complaint(error), expected, "{name}");
}

#[test]
fn keys_change_what_a_layout_takes() {
    let one = raw("robomimic.hdf5", &with_keys("observations=obs/object"));
    assert_eq!((one.format, one.observations.ncols()), (FileFormat::Robomimic, 2));
    let all = raw("robomimic.hdf5", &options());
    let swapped = raw(
        "robomimic.hdf5",
        &with_keys("observations=obs/robot0_eef_pos+obs/object"),
    );
    assert_eq!(swapped.observations.column(3), all.observations.column(0));
    // Episodes of a mask, in the order of their numbers.
    let train = raw("robomimic.hdf5", &with_keys("mask=train"));
    assert_eq!(train.rewards.len(), 4 + 5);
    assert_eq!(raw("robomimic.hdf5", &with_keys("mask=valid")).rewards.len(), 3);
    let success = raw(
        "maniskill.h5",
        &with_keys("observations=obs/agent/qpos,terminals=success"),
    );
    assert_eq!(success.observations.ncols(), 2);
    // Without a layout: patterns from the top, and rows whose names are told.
    let told = raw(
        "told.hdf5",
        &with_keys("observations=runs/run_*/sensors/gripper,actions=runs/run_*/acts,rewards=runs/run_*/rew"),
    );
    assert_eq!(
        (told.format, told.observations.ncols(), told.groups.len()),
        (FileFormat::Told, 1, 2)
    );
    let rows = raw(
        "stable-baselines.npz",
        &with_keys("observations=obs,rewards=rewards,starts=episode_starts"),
    );
    assert_eq!(rows.into_dataset(None).unwrap().episodes().len(), 3);
    let rows = raw(
        "d3rlpy-v1.h5",
        &with_keys("terminals=terminals,timeouts=episode_terminals"),
    );
    assert_eq!(rows.into_dataset(None).unwrap().episodes().len(), 3);
}

#[test]
fn rewards_that_are_missing_are_zero_where_demonstrations_have_none() {
    let without = raw("act", &options());
    assert!(
        without.layout_notes.contains(&LayoutNote::ZeroRewards),
        "{:?}",
        without.layout_notes
    );
    assert!(without.rewards.iter().all(|reward| *reward == 0.0));
    let asked = ReadOptions {
        rewards: Some("zeros".parse().unwrap()),
        ..options()
    };
    assert!(!raw("act", &asked).layout_notes.contains(&LayoutNote::ZeroRewards));
    let goal = ReadOptions {
        rewards: Some("goal=0,0;tolerance=1".parse().unwrap()),
        ..options()
    };
    let there = raw("ogbench.npz", &goal);
    let expected = there
        .observations
        .rows()
        .into_iter()
        .map(|row| row[0].hypot(row[1]) <= 1.0);
    let expected: Vec<f64> = expected.map(|there| f64::from(u8::from(there))).collect();
    assert!(expected.contains(&1.0) && expected.contains(&0.0));
    assert_eq!(there.rewards.to_vec(), expected);
    assert!(there.layout_notes.is_empty());
    let (_folder, path) = npz(|npz| {
        super::npz::good_npz(npz);
        npz.add_array("qpos", &observations()).unwrap();
    });
    assert_eq!(RawDataset::read(&path, &options()).unwrap().format, FileFormat::Npz);
}

#[test]
fn what_is_told_wrong_is_said_with_what_there_is() {
    for (name, keys, expected) in [
        (
            "robomimic.hdf5",
            "observations=obs/objekt",
            r#""data/demo_0/obs/objekt" is missing, there are obs/agentview_image, obs/object, obs/robot0_eef_pos"#,
        ),
        (
            "robomimic.hdf5",
            "observations=obs/agentview_image",
            "data/demo_0/obs/agentview_image: shape (4, 4, 4, 3), which are images: name the other observations by --keys observations=NAME+NAME",
        ),
        (
            "robomimic.hdf5",
            "mask=test",
            r#""mask/test" is missing, there are train, valid"#,
        ),
        (
            "told.hdf5",
            "episodes=runs/demo_*",
            r#""runs/demo_*" is missing, there are run_0/, run_1/"#,
        ),
        (
            "told.hdf5",
            "episodes=run/demo_*",
            r#""run" is missing, there is runs/"#,
        ),
        (
            "told.hdf5",
            "episodes=runs/run_*,observations=sensors/joints,actions=acts,rewards=rew,terminals=over",
            r#""runs/run_0/over" is missing, there are acts, done, rew, sensors/"#,
        ),
        (
            "ogbench.npz",
            "mask=train",
            r#""mask/train" is missing, there are actions, observations, qpos, qvel, terminals"#,
        ),
        (
            "stable-baselines.npz",
            "terminals=episode_returns",
            "episode_returns: 3 rows, expected 12, as many as observations has",
        ),
        ("ogbench.npz", "rewards=qpos", "qpos: shape (15, 2), expected (rows,)"),
    ] {
        complains(name, &with_keys(keys), expected);
    }
}

/// A file of one layout that has what another is recognised by, and what is wrong with broken ones.
#[test]
fn a_file_is_not_taken_for_another_layout() {
    let data = |name: &str| floats(name, &[6, 2], |i| i as f32);
    // D4RL with groups and arrays of names that others begin with.
    let d4rl = Hdf5::d4rl()
        .with("data/x", data("data/x"))
        .with("infos/episode_0", data("infos/episode_0"))
        .with("observations_2", data("observations_2"))
        .with("traj_x/a", data("traj_x/a"))
        .with("action", data("action"));
    is_the_good_one(&d4rl.read().unwrap());
    // Minari's infos may hold what robomimic is known by.
    let minari = Hdf5::minari()
        .with("data/demo_0/actions", data("data/demo_0/actions"))
        .with("data/demo_0/obs/a", data("data/demo_0/obs/a"));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, minari.bytes()).unwrap();
    assert_eq!(RawDataset::read(&path, &options()).unwrap().format, FileFormat::Minari);
}

#[test]
fn what_is_wrong_with_a_layouts_file_is_said_of_its_array() {
    let robomimic = || {
        let name = |demo: usize, key: &str| format!("data/demo_{demo}/{key}");
        let mut file = Hdf5::empty();
        for demo in [1, 11] {
            for (key, shape) in [
                ("obs/b", vec![3, 2]),
                ("obs/a", vec![3]),
                ("actions", vec![3, 1]),
                ("rewards", vec![3]),
            ] {
                let array = floats(&name(demo, key), &shape, |i| i as f32);
                file = file.with(&name(demo, key), array);
            }
        }
        file
    };
    let steps = |value: i64| {
        let mut file = robomimic();
        let attribute = AttributeBuilder::scalar("num_samples", value).unwrap();
        file.group_attributes = vec![("data/demo_11".into(), attribute)];
        file
    };
    assert_eq!(robomimic().read().unwrap().observations().ncols(), 3);
    let nan = |i: usize| if i == 3 { f32::NAN } else { 0.0 };
    let replaced = |name: &str, shape: &[u64]| robomimic().with(name, floats(name, shape, |_| 0.0_f32));
    for (file, expected) in [
        (
            robomimic().with("data/demo_11/obs/b", floats("data/demo_11/obs/b", &[3, 2], nan)),
            "data/demo_11/obs/b: row 1, column 1 is NaN, expected a finite number",
        ),
        (
            replaced("data/demo_11/obs/a", &[4]),
            "data/demo_11/obs/b: 3 rows, expected 4, as many as obs/a has",
        ),
        (
            replaced("data/demo_11/obs/b", &[3, 5]),
            "data/demo_11/obs/b: shape (3, 5), expected 2 columns, as in data/demo_1/obs/b",
        ),
        (
            replaced("data/demo_11/rewards", &[2]),
            "data/demo_11/rewards: 2 rows, expected 3, as many as actions has",
        ),
        (
            replaced("data/demo_11/actions", &[9, 1]),
            "data/demo_11/obs/a: 3 rows, expected 9, as many as actions has, or one more",
        ),
        (
            robomimic().without("data/demo_11/obs/b"),
            r#""data/demo_11/obs/b" is missing, there is obs/a"#,
        ),
        (
            robomimic().without("data/demo_1/rewards"),
            r#""data/demo_1/rewards" is missing, there are actions, obs/: name the array by --keys rewards=NAME, or take zeros by --rewards zeros"#,
        ),
        (
            steps(4),
            "data/demo_11/actions: 3 rows, expected 4, as the episode's attribute num_samples says",
        ),
        (
            replaced("data/demo_1/actions", &[0, 1]).with(
                "data/demo_11/actions",
                floats("data/demo_11/actions", &[0, 1], |_| 0.0_f32),
            ),
            r#"no episode "data/*/" has a step"#,
        ),
    ] {
        assert_eq!(file.complaint(), expected);
    }
    let trajectories = |indices: Vec<i64>, rows: usize| {
        let (_folder, path) = npz(|npz| {
            npz.add_array("obs", &Array2::<f32>::zeros((rows, 2))).unwrap();
            npz.add_array("acts", &Array2::<f32>::zeros((6, 1))).unwrap();
            npz.add_array("rews", &Array1::<f64>::zeros(6)).unwrap();
            npz.add_array("indices", &Array1::from(indices)).unwrap();
        });
        Dataset::read(&path, &options())
    };
    assert_eq!(trajectories(vec![2, 3], 9).unwrap().episodes().len(), 3);
    assert_eq!(trajectories(vec![], 7).unwrap().episodes().len(), 1);
    for (indices, rows, expected) in [
        (
            vec![2],
            7,
            "obs: 7 rows, expected 8, those of actions and one more an episode",
        ),
        (
            vec![2, 2],
            9,
            "indices: row 1, column 0 is 2, expected the number of an episode's first row, above the one before it",
        ),
        (
            vec![0],
            8,
            "indices: row 0, column 0 is 0, expected the number of an episode's first row, above the one before it",
        ),
        (
            vec![6],
            8,
            "indices: row 0, column 0 is 6, expected the number of an episode's first row, above the one before it",
        ),
    ] {
        assert_eq!(complaint(trajectories(indices, rows)), expected);
    }
}

#[test]
fn files_of_a_folder_must_fit_each_other() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a2.hdf5"), Hdf5::d4rl().bytes()).unwrap();
    let wide = Hdf5::d4rl().with("actions", floats("actions", &[6, 3], |_| 0.0_f32));
    fs::write(folder.path().join("a10.hdf5"), wide.bytes()).unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let error = Dataset::read(folder.path(), &options()).unwrap_err().to_string();
    assert!(
        error.ends_with("a10.hdf5: actions: shape (6, 3), expected 1 columns, as in a2.hdf5"),
        "{error}"
    );
    let nan = Hdf5::d4rl().with(
        "rewards",
        floats("rewards", &[6], |i| if i == 4 { f32::NAN } else { 0.0 }),
    );
    fs::write(folder.path().join("a10.hdf5"), nan.bytes()).unwrap();
    let error = complaint(Dataset::read(folder.path(), &options()));
    assert_eq!(
        error,
        "a10.hdf5: rewards: row 4, column 0 is NaN, expected a finite number"
    );
    fs::write(folder.path().join("a10.hdf5"), b"").unwrap();
    let error = Dataset::read(folder.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("a10.hdf5: HDF5 file: "), "{error}");
    let small = ReadOptions {
        max_memory: Some(300),
        ..options()
    };
    fs::write(folder.path().join("a10.hdf5"), Hdf5::d4rl().bytes()).unwrap();
    let error = complaint(Dataset::read(folder.path(), &small));
    assert_eq!(error, "reading takes 312 bytes, but 300 bytes are allowed");
    assert_eq!(Dataset::read(folder.path(), &options()).unwrap().episodes().len(), 4);
}

/// A batch that claims more rows than any file has, found by fuzzing.
#[cfg(feature = "parquet")]
#[test]
fn rows_without_columns_are_refused() {
    let to = TempDir::new().unwrap();
    fs::copy(folder().join("imitation-own/state.json"), to.path().join("state.json")).unwrap();
    let path = to.path().join("data-00000-of-00001.arrow");
    fs::write(&path, include_bytes!("rows-without-columns.arrow")).unwrap();
    let error = complaint(Dataset::read(to.path(), &options()));
    assert!(error.contains(" rows in "), "{error}");
}

#[cfg(feature = "parquet")]
mod lerobot {
    use super::*;

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said_of_its_file() {
        let to = TempDir::new().unwrap();
        copy(&folder().join("lerobot-v3"), to.path());
        let info = to.path().join("meta/info.json");
        let text = fs::read_to_string(&info).unwrap();
        let with = |from: &str, by: &str| {
            fs::write(&info, text.replace(from, by)).unwrap();
            complaint(Dataset::read(to.path(), &options()))
        };
        assert!(
            with("next.reward", "reward").starts_with(r#""next.reward" is missing, there are action, episode_index"#)
        );
        assert_eq!(with("{", "["), "meta/info.json: no JSON");
        let wide = with("\"shape\": [\n    3\n   ]", "\"shape\": [\n    4\n   ]");
        assert_eq!(
            wide,
            "data/chunk-000/file-000.parquet: observation.state: rows of other lengths than 4, which meta/info.json says"
        );
    }

    #[test]
    fn mutants_of_parquet_cause_no_panic() {
        let to = TempDir::new().unwrap();
        copy(&folder().join("lerobot-v3"), to.path());
        let path = to.path().join("data/chunk-000/file-000.parquet");
        let good = fs::read(&path).unwrap();
        let limits = ReadOptions {
            max_memory: Some(1 << 20),
            ..options()
        };
        let (mut state, mut refused) = (7_u64, 0);
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for i in 0..300 {
            let mut bytes = good.clone();
            match i % 3 {
                0 => bytes.truncate(random(good.len())),
                1 => bytes[random(good.len())] = [0, 1, 0x7F, 0x80, 0xFF][random(5)],
                _ => (0..=random(4)).for_each(|_| bytes[random(good.len())] ^= 1 << random(8)),
            }
            fs::write(&path, &bytes).unwrap();
            match Dataset::read(to.path(), &limits) {
                Ok(dataset) => assert_eq!(dataset.observations().nrows(), dataset.rewards().len()),
                Err(Error::File { .. }) => refused += 1,
                Err(other) => panic!("mutant {i}: {other}"),
            }
        }
        assert!(refused > 50, "{refused}");
    }
}
