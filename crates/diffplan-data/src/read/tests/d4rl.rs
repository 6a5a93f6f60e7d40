//! D4RL's HDF5.

use super::*;

#[test]
fn a_file_of_d4rl_is_read_in_every_way_it_may_be_stored() {
    is_the_good_one(&Hdf5::d4rl().read().unwrap());

    let gzip = FilterDescription {
        id: 1,
        name: None,
        client_data: vec![4],
    };
    let shuffle = FilterDescription {
        id: 2,
        name: None,
        client_data: vec![4],
    };
    let compressed = floats("observations", &[6, 2], |i| (i / 2) as f32 + 0.5 * (i % 2) as f32)
        .chunked(vec![4, 1])
        .filter(shuffle)
        .filter(gzip);
    is_the_good_one(&Hdf5::d4rl().with("observations", compressed).read().unwrap());

    let wide = floats("observations", &[6, 2], |i| (i / 2) as f64 + 0.5 * (i % 2) as f64);
    let others = Hdf5::d4rl().with("observations", wide);
    is_the_good_one(&others.read().unwrap());

    // Columns of one; integers as rewards; flags of other types; what is not asked for.
    let others = Hdf5::d4rl()
        .with("actions", floats("actions", &[6], |i| i as f32))
        .with("rewards", floats("rewards", &[6, 1], |i| i as i64))
        .with("terminals", floats("terminals", &[6], |i| u8::from(i == 2)))
        .with("timeouts", floats("timeouts", &[6, 1], |i| f32::from(u8::from(i == 5))))
        .with("infos/qpos", floats("infos/qpos", &[6, 9], |i| i as f64))
        .with("next_observations", floats("next_observations", &[6, 2], |i| i as f32));
    is_the_good_one(&others.read().unwrap());
}

#[test]
fn numbers_of_the_other_byte_order_are_the_same() {
    let big = |name: &str, shape: Vec<u64>, values: &[f64]| {
        let builder = DatasetBuilder::typed_with_order::<f64>(name, shape, ByteOrder::BigEndian);
        builder.data(values).unwrap()
    };
    let plan = Hdf5Builder::new()
        .dataset(big("observations", vec![2, 2], &[1.0, -2.5, 3.0, 4.0]))
        .dataset(big("actions", vec![2, 1], &[0.5, 0.25]))
        .dataset(big("rewards", vec![2], &[-1.0, 7.0]))
        .dataset(big("terminals", vec![2], &[0.0, 1.0]))
        .into_plan();
    let order = WriteOptions {
        byte_order: ByteOrder::BigEndian,
        ..WriteOptions::default()
    };
    let bytes = plan.unwrap().encode(order).unwrap();
    let dataset = read_bytes("data.hdf5", &bytes, &options()).unwrap();
    assert_eq!(dataset.observations(), array![[1.0, -2.5], [3.0, 4.0]]);
    assert_eq!(dataset.rewards(), array![-1.0, 7.0]);
}

#[test]
fn the_environment_and_the_arrays_are_known() {
    let env = DatasetBuilder::vlen_string_data("metadata/env_id", vec![], &["Pendulum-v1"]).unwrap();
    let policy = DatasetBuilder::fixed_string_data("metadata/policy", vec![], &["sac"]).unwrap();
    let file = Hdf5::d4rl()
        .with("metadata/env_id", env)
        .with("metadata/policy", policy)
        .with("metadata/weights/0", floats("metadata/weights/0", &[3, 4], |_| 0.0_f32));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data");
    fs::write(&path, file.bytes()).unwrap();

    let raw = RawDataset::read(&path, &options()).unwrap();
    assert_eq!(
        (raw.format, raw.env.as_deref()),
        (FileFormat::D4rl, Some("Pendulum-v1"))
    );
    assert_eq!(raw.metadata[1], ("policy".into(), "sac".into()));
    let arrays: Vec<String> = raw
        .arrays
        .iter()
        .map(|array| format!("{} {:?} {}", array.name, array.shape, array.dtype))
        .collect();
    for expected in [
        "observations [6, 2] float32",
        "terminals [6] bool",
        "metadata/policy [] strings",
        "metadata/weights/0 [3, 4] float32",
    ] {
        assert!(
            arrays.iter().any(|array| array == expected),
            "no {expected} in {arrays:?}"
        );
    }
    assert_eq!(raw.into_dataset(None).unwrap().env(), Some("Pendulum-v1"));
}

#[test]
fn without_timeouts_the_time_limit_ends_episodes() {
    let file = || Hdf5::d4rl().without("timeouts");
    let limit = |steps| ReadOptions {
        max_episode_steps: Some(steps),
        ..options()
    };
    let dataset = file().read_with(&limit(2)).unwrap();
    assert_eq!(ranges(&dataset), [(0, 2, false), (2, 3, true), (3, 5, false)]);
    assert_eq!(dataset.left_out(), 1);
    assert_eq!(file().read().unwrap().left_out(), 3);
    assert_eq!(
        complaint(file().read_with(&limit(0))),
        "max_episode_steps = 0, expected at least 1"
    );
}

#[test]
fn whole_numbers_are_read_as_numbers_but_for_discrete_actions() {
    let file = Hdf5::d4rl()
        .with("observations", floats("observations", &[6, 2], |i| i as u8))
        .with("actions", floats("actions", &[6, 1], |i| i as i64 - 2))
        .with("rewards", bools("rewards", &[1], ROWS));
    let raw = file.raw();
    assert_eq!(
        raw.observations.as_slice().unwrap(),
        (0..12).map(|i| i as f32).collect::<Vec<_>>()
    );
    assert_eq!(raw.actions.as_slice().unwrap(), [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    assert_eq!(raw.rewards.as_slice().unwrap(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn numbers_that_float32_takes_the_differences_of_are_noted() {
    let file = Hdf5::d4rl().with(
        "observations",
        floats("observations", &[6, 2], |i| {
            if i % 2 == 0 { 1.7e9 + i as f64 } else { i as f64 }
        }),
    );
    let raw = file.raw();
    assert_eq!(raw.notes.len(), 1);
    let note = raw.notes[0].to_string();
    assert!(
        note.starts_with("observations, column 0: as float32 its standard deviation is"),
        "{note}"
    );
}

#[test]
fn what_is_wrong_with_a_file_is_said_of_the_array() {
    let string = |name: &str| DatasetBuilder::vlen_string_data(name, vec![6], &["a"; 6]).unwrap();
    let good = Hdf5::d4rl;
    for (file, expected) in [
        (
            good().without("actions"),
            r#""actions" is missing, there are observations, rewards, terminals, timeouts"#,
        ),
        (
            good().without("observations"),
            r#""observations" is missing, there are actions, rewards, terminals, timeouts"#,
        ),
        (
            Hdf5::empty().with("x", floats("x", &[1], |_| 0.0_f32)),
            "no layout is known by its names, there is x: say which are what by --keys observations=NAME,actions=NAME,rewards=NAME",
        ),
        (
            good().with("observations", floats("observations", &[6, 2, 2], |_| 0.0_f32)),
            "observations: shape (6, 2, 2), expected (rows, dimensions)",
        ),
        (
            good().with("observations", floats("observations", &[], |_| 0.0_f32)),
            "observations: shape (), expected (rows, dimensions)",
        ),
        (
            good().with("observations", floats("observations", &[0, 2], |_| 0.0_f32)),
            "observations: shape (0, 2), expected at least one row of at least one value",
        ),
        (
            good().with("observations", floats("observations", &[6, 0], |_| 0.0_f32)),
            "observations: shape (6, 0), expected at least one row of at least one value",
        ),
        (
            good().with("rewards", floats("rewards", &[6, 2], |_| 0.0_f32)),
            "rewards: shape (6, 2), expected (rows,)",
        ),
        (
            good().with("rewards", floats("rewards", &[5], |_| 0.0_f32)),
            "rewards: 5 rows, expected 6, as many as observations has",
        ),
        (
            good().with("timeouts", floats("timeouts", &[7], |_| 0_u8)),
            "timeouts: 7 rows, expected 6, as many as observations has",
        ),
        (
            good().with("observations", string("observations")),
            "observations: holds strings, expected numbers",
        ),
        (
            good().with("rewards", string("rewards")),
            "rewards: holds strings, expected numbers",
        ),
        (
            good().with("terminals", string("terminals")),
            "terminals: holds strings, expected bool, or numbers that are 0 or 1",
        ),
        (
            good().with("actions", floats("actions", &[6], |i| i as i64)),
            "actions: holds int64, expected float32 or float64: discrete actions are not supported",
        ),
        (
            good().with("terminals", floats("terminals", &[6], |i| i as u8)),
            "terminals: row 2, column 0 is 2, expected 0 or 1",
        ),
        (
            good().with(
                "terminals",
                floats("terminals", &[6], |i| if i == 3 { f32::NAN } else { 0.0 }),
            ),
            "terminals: row 3, column 0 is NaN, expected 0 or 1",
        ),
        (
            good().with(
                "actions",
                floats("actions", &[6, 1], |i| if i == 4 { 1e39 } else { 0.0_f64 }),
            ),
            "actions: row 4, column 0 is 1000000000000000000000000000000000000000, expected a number that float32 can hold",
        ),
        (
            good().with(
                "observations",
                floats("observations", &[6, 2], |i| if i == 7 { f64::NAN } else { 0.0 }),
            ),
            "observations: row 3, column 1 of the dataset is NaN, expected a finite number",
        ),
        (
            good().with(
                "rewards",
                floats("rewards", &[6], |i| if i == 5 { f32::INFINITY } else { 0.0 }),
            ),
            "rewards: row 5, column 0 of the dataset is inf, expected a finite number",
        ),
        (
            good()
                .with("terminals", bools("terminals", &[], ROWS))
                .without("timeouts"),
            "no episode ends within 6 rows: terminals is never set, and there are no timeouts. If episodes have a time limit, give it as max_episode_steps",
        ),
        (
            good()
                .without("observations")
                .with("observations/b", floats("observations/b", &[6, 2], |_| 0.0_f32))
                .with("observations/a", floats("observations/a", &[6, 2], |_| 0.0_f32)),
            r#""observations" is a group of a, b (a dictionary or tuple space), expected one array (rows, dimensions): flatten it first"#,
        ),
    ] {
        assert_eq!(file.complaint(), expected);
    }
}

#[test]
fn more_than_there_is_memory_for_is_refused_before_it_is_read() {
    let small = ReadOptions {
        max_memory: Some(200),
        ..options()
    };
    // 12 + 6 float32, 6 float64 and 12 flags are kept, and 48 bytes are the largest array in the file.
    assert_eq!(
        complaint(Hdf5::d4rl().read_with(&ReadOptions {
            max_memory: Some(179),
            ..options()
        })),
        "reading takes 180 bytes, but 179 bytes are allowed"
    );
    assert!(Hdf5::d4rl().read_with(&small).is_ok());

    // A file of a few kilobytes.
    let gzip = FilterDescription {
        id: 1,
        name: None,
        client_data: vec![9],
    };
    let zeros = floats("observations", &[20_000, 60], |_| 0.0_f32);
    let file = Hdf5::empty()
        .with("observations", zeros.chunked(vec![20_000, 60]).filter(gzip))
        .with("actions", floats("actions", &[20_000], |_| 0.0_f32))
        .with("rewards", floats("rewards", &[20_000], |_| 0.0_f32));
    assert_eq!(
        complaint(file.read_with(&ReadOptions {
            max_memory: Some(1 << 20),
            ..options()
        })),
        "reading takes 9.4 MiB, but 1.0 MiB are allowed"
    );
}

#[test]
fn what_is_no_dataset_is_told_apart() {
    for (name, bytes, expected) in [
        ("data.txt", &b""[..], "it is empty"),
        ("data", b"hello", "it is something else"),
        ("data.hdf5", b"", "HDF5 file: "),
        ("data.h5", b"\x89HDF\r\n\x1a\n", "HDF5 file: "),
        (
            "data.hdf5",
            b"version https://git-lfs.github.com/spec/v1\n",
            "pointer of Git LFS",
        ),
        ("data.npz", b"", "npz file: "),
        ("data.npz", b"PK\x03\x04", "npz file: "),
    ] {
        let text = complaint(read_bytes(name, bytes, &options()));
        assert!(text.contains(expected), "{name}: {text}");
    }
    let folder = TempDir::new().unwrap();
    let text = complaint(Dataset::read(folder.path(), &options()));
    assert!(
        text.starts_with("it is a folder without data/main_data.hdf5 and main_data.hdf5"),
        "{text}"
    );
    fs::write(folder.path().join("metadata.json"), r#"{"data_format": "arrow"}"#).unwrap();
    let text = complaint(Dataset::read(folder.path(), &options()));
    assert!(
        text.starts_with(r#"it is a Minari dataset in the data format "arrow""#),
        "{text}"
    );
    assert!(matches!(
        Dataset::read(folder.path().join("none"), &options()),
        Err(Error::Io { operation: "read", .. })
    ));
}
