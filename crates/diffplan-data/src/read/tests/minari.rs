//! Minari's folders.

use super::*;

/// In a folder as Minari makes it.
fn minari_folder(file: Hdf5) -> TempDir {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("main_data.hdf5"), file.bytes()).unwrap();
    let metadata = r#"{"data_format": "hdf5", "env_spec": "{\"id\": \"Pendulum-v1\", \"kwargs\": {}}"}"#;
    fs::write(data.join("metadata.json"), metadata).unwrap();
    folder
}

#[test]
fn episodes_of_minari_are_read_in_the_order_of_their_numbers() {
    let folder = minari_folder(Hdf5::minari());
    for path in [
        folder.path(),
        &folder.path().join("data"),
        &folder.path().join("data/main_data.hdf5"),
    ] {
        let raw = RawDataset::read(path, &options()).unwrap();
        assert_eq!((raw.format, raw.flags_within), (FileFormat::Minari, 0));
        assert_eq!(raw.groups, [(0, 0), (2, 2), (10, 5)]);
        assert_eq!(raw.arrays.len(), 5);
        let dataset = raw.into_dataset(None).unwrap();
        assert_eq!(dataset.env(), Some("Pendulum-v1"));
        // The last has neither flag set, and ends with its group.
        assert_eq!(ranges(&dataset), [(0, 2, false), (2, 5, true), (5, 9, false)]);
        let column: Vec<f32> = dataset.observations().column(0).to_vec();
        assert_eq!(column, [0.0, 2.0, 200.0, 202.0, 204.0, 1000.0, 1002.0, 1004.0, 1006.0]);
        assert_eq!(dataset.actions()[[8, 0]], 1003.0);
        assert_eq!(dataset.rewards().sum(), 9.0);
    }
    // Of releases before there was metadata.json.
    let mut file = Hdf5::minari();
    file.attributes = vec![AttributeBuilder::fixed_string("env_spec", r#"{"id": "Hopper-v4"}"#)];
    assert_eq!(file.read().unwrap().env(), Some("Hopper-v4"));
    // Flags before the end are counted and left out.
    let name = "episode_10/terminations";
    let folder = minari_folder(Hdf5::minari().with(name, bools(name, &[1, 3], 4)));
    let raw = RawDataset::read(folder.path(), &options()).unwrap();
    assert_eq!(raw.flags_within, 1);
    assert_eq!(ranges(&raw.into_dataset(None).unwrap())[2], (5, 9, true));
}

#[test]
fn what_is_wrong_with_a_minari_dataset_is_said_of_the_episode() {
    let with = |name: &str, shape: &[u64]| Hdf5::minari().with(name, floats(name, shape, |_| 0.0_f32));
    let nan = floats(
        "episode_2/observations",
        &[4, 2],
        |i| if i == 3 { f64::NAN } else { 0.0 },
    );
    let dict = "episode_2/observations/desired_goal";
    for (file, expected) in [
        (
            with("episode_10/observations", &[3, 2]),
            "episode_10/observations: 3 rows, expected 5, one more than actions has",
        ),
        (
            with("episode_10/observations", &[5, 3]),
            "episode_10/observations: shape (5, 3), expected 2 columns, as in episode_0/observations",
        ),
        (
            with("episode_2/rewards", &[4]),
            "episode_2/rewards: 4 rows, expected 3, as many as actions has",
        ),
        (
            with("episode_2/actions", &[2, 1]),
            "episode_2/actions: 2 rows, expected 3, as the episode's attribute total_steps says",
        ),
        (
            Hdf5::minari().without("episode_0/actions"),
            r#""episode_0/actions" is missing, there are observations, rewards, terminations, truncations"#,
        ),
        (
            Hdf5::minari().with("episode_2/observations", nan),
            "episode_2/observations: row 1, column 1 is NaN, expected a finite number",
        ),
        (
            Hdf5::minari()
                .without("episode_2/observations")
                .with(dict, floats(dict, &[4, 2], |_| 0.0_f32)),
            r#""episode_2/observations" is a group of desired_goal (a dictionary or tuple space), expected one array (rows, dimensions): flatten it first"#,
        ),
    ] {
        assert_eq!(file.complaint(), expected);
    }
}

/// A dictionary in the order that its space has in the metadata, and parts that are no vectors.
#[test]
fn a_dictionary_is_in_the_order_of_its_space() {
    let read = |parts: &str| {
        let mut file = Hdf5::empty();
        for (key, column) in [("a", 0), ("b", 1), ("c", 2)] {
            let name = format!("episode_0/observations/{key}");
            file = file.with(&name, floats(&name, &[3, 1], |_| column as f32));
        }
        for key in ["actions", "rewards"] {
            let name = format!("episode_0/{key}");
            file = file.with(&name, floats(&name, &[2, 1], |i| i as f32));
        }
        let folder = minari_folder(file);
        let space = format!(r#"{{"type": "Dict", "subspaces": {{{parts}}}}}"#);
        let metadata = serde_json::json!({"observation_space": space}).to_string();
        fs::write(folder.path().join("data/metadata.json"), metadata).unwrap();
        RawDataset::read(folder.path(), &options())
    };
    let part =
        |key: &str| format!(r#""{key}": {{"type": "Box", "dtype": "float64", "shape": [1], "low": [-Infinity]}}"#);
    let row = |raw: RawDataset| raw.observations.row(0).to_vec();
    assert_eq!(row(read("").unwrap()), [0.0, 1.0, 2.0]);
    assert_eq!(
        row(read(&[part("c"), part("a"), part("b")].join(", ")).unwrap()),
        [2.0, 0.0, 1.0]
    );
    let discrete = r#""b": {"type": "Discrete", "n": 3, "start": 0}"#;
    let text = read(discrete).unwrap_err().to_string();
    assert!(
        text.ends_with("episode_0/observations/b: a Discrete space, expected Box or MultiBinary: leave it out by --keys observations=NAME+NAME"),
        "{text}"
    );
}
