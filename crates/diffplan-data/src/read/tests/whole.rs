//! All formats: damaged files, bytes in memory, what is written here.

use super::npz::{good_npz, npz};
use super::*;

/// Reading ends well or in an error, whatever is in the file; what is read is whole.
#[test]
fn mutants_of_good_files_cause_no_panic() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("d4rl.hdf5");
    let flags: Vec<bool> = (0..ROWS).map(|row| row % 3 == 2).collect();
    let rewards = Array1::from_iter((0..ROWS).map(|row| row as f32));
    let actions = observations();
    let written = D4rlFile {
        observations: observations().view(),
        actions: actions.view(),
        rewards: rewards.view(),
        terminals: &flags,
        timeouts: &flags,
        next_observations: None,
        metadata: &[("env_id", "Pendulum-v1")],
    }
    .write(&path);
    written.unwrap();
    let (_npz, npz) = npz(good_npz);
    let mut files = vec![
        ("d4rl.hdf5".to_owned(), fs::read(&path).unwrap(), options()),
        ("contiguous.hdf5".to_owned(), Hdf5::d4rl().bytes(), options()),
        ("minari.hdf5".to_owned(), Hdf5::minari().bytes(), options()),
        ("data.npz".to_owned(), fs::read(npz).unwrap(), options()),
    ];
    files.extend(super::layouts::files());
    for (_, _, options) in &mut files {
        options.max_memory = Some(1 << 20);
    }
    let mut state = 1_u64;
    let mut random = |below: usize| {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    let mutants: usize = std::env::var("DIFFPLAN_MUTANTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(150);
    for (name, good, limits) in &files {
        for i in 0..mutants {
            let mut bytes = good.clone();
            match i % 5 {
                0 => bytes.truncate(random(good.len())),
                1 => bytes[random(good.len())] = [0, 1, 0x7F, 0x80, 0xFF][random(5)],
                2 => {
                    let (from, length) = (random(good.len()), random(64));
                    let end = (from + length).min(good.len());
                    bytes[from..end].fill(0xFF);
                }
                _ => {
                    for _ in 0..=random(4) {
                        bytes[random(good.len())] ^= 1 << random(8);
                    }
                }
            }
            fs::write(folder.path().join(name), &bytes).unwrap();
            match Dataset::read(folder.path().join(name), limits) {
                Ok(dataset) => assert_eq!(dataset.observations().nrows(), dataset.rewards().len()),
                Err(Error::File { .. }) => refused += 1,
                Err(other) => panic!("{name}, mutant {i}: {other}"),
            }
        }
    }
    assert!(refused > mutants, "only {refused} of {} refused", files.len() * mutants);
}

#[test]
fn what_is_written_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.hdf5");
    let observations = Array2::from_shape_fn((30_000, 3), |(row, column)| (row as f32).sin() + column as f32);
    let actions = Array2::from_shape_fn((30_000, 1), |(row, _)| (row as f32).cos());
    let rewards = Array1::from_iter((0..30_000).map(|row| -(row as f32)));
    let flags = |each: usize| -> Vec<bool> { (1..=30_000).map(|row| row % each == 0).collect() };
    let file = D4rlFile {
        observations: observations.view(),
        actions: actions.view(),
        rewards: rewards.view(),
        terminals: &flags(3000),
        timeouts: &flags(1000),
        next_observations: Some(observations.view()),
        metadata: &[("env_id", "Pendulum-v1"), ("policy", "zufällig")],
    };
    file.write(&path).unwrap();
    let raw = RawDataset::read(&path, &options()).unwrap();
    assert_eq!(raw.metadata[1], ("policy".into(), "zufällig".into()));
    let dataset = raw.into_dataset(None).unwrap();
    assert_eq!(
        (dataset.observations(), dataset.actions()),
        (observations.view(), actions.view())
    );
    assert_eq!(dataset.rewards(), rewards.mapv(f64::from));
    assert_eq!(dataset.episodes().len(), 30);
    assert!(dataset.episodes()[2].terminated && !dataset.episodes()[3].terminated);
    assert_eq!(dataset.env(), Some("Pendulum-v1"));

    let first = fs::read(&path).unwrap();
    file.write(&path).unwrap();
    assert_eq!(first, fs::read(&path).unwrap());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a temporary file is left"
    );

    let short = D4rlFile {
        rewards: rewards.slice(ndarray::s![1..]),
        ..file
    };
    assert!(matches!(
        short.write(&path),
        Err(Error::DatasetRows { key: "rewards", .. })
    ));
    assert!(matches!(
        file.write(Path::new("/nonexistent/data.hdf5")),
        Err(Error::Io { operation: "write", .. })
    ));
}

#[test]
fn bytes_are_read_as_their_file_is() {
    let (_folder, npz) = npz(good_npz);
    let files = [
        ("d4rl.hdf5", Hdf5::d4rl().bytes()),
        ("minari.hdf5", Hdf5::minari().bytes()),
        ("data.npz", fs::read(npz).unwrap()),
    ];
    for (name, bytes) in files {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let expected = RawDataset::read(&path, &options()).unwrap();
        let read = RawDataset::from_bytes(bytes, "in memory", &options()).unwrap();
        assert_eq!(read.path, Path::new("in memory"));
        assert_eq!(read.format, expected.format);
        assert_eq!(read.observations, expected.observations);
        assert_eq!(read.actions, expected.actions);
        assert_eq!(read.rewards, expected.rewards);
        assert_eq!(read.terminals, expected.terminals);
        assert_eq!(read.groups, expected.groups);
    }
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n and no more", "HDF5"),
        (b"PK\x03\x04", "npz"),
    ] {
        let error = RawDataset::from_bytes(bytes, "in memory", &options()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("in memory: ") && text.contains(word), "{text}");
    }
}
