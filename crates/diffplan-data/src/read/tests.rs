//! Files made here, whole and broken.

use std::fs;
use std::path::Path;

use hdf5_writer::{
    AttributeBuilder, ByteOrder, DatasetBuilder, Datatype, EnumMember, FilterDescription, H5WriteElement, Hdf5Builder,
    WriteOptions,
};
use ndarray::{Array1, Array2, ShapeBuilder, array};
use ndarray_npy::NpzWriter;
use tempfile::TempDir;

use super::*;
use crate::D4rlFile;

const ROWS: usize = 6;

fn options() -> ReadOptions {
    ReadOptions::default()
}

/// Two episodes of three steps, the first of which terminates.
fn observations() -> Array2<f32> {
    Array2::from_shape_fn((ROWS, 2), |(row, column)| row as f32 + 0.5 * column as f32)
}

fn floats<T: H5WriteElement>(name: &str, shape: &[u64], value: impl Fn(usize) -> T) -> DatasetBuilder {
    let values: Vec<T> = (0..shape.iter().product::<u64>() as usize).map(value).collect();
    DatasetBuilder::typed_data(name, shape.to_vec(), &values).unwrap()
}

fn bools(name: &str, set: &[usize], rows: usize) -> DatasetBuilder {
    let member = |name: &str, value| EnumMember {
        name: name.into(),
        value: vec![value],
    };
    let datatype = Datatype::Enum {
        base: Box::new(i8::hdf5_type_with_order(ByteOrder::LittleEndian)),
        members: vec![member("FALSE", 0), member("TRUE", 1)],
    };
    let bytes: Vec<u8> = (0..rows).map(|row| u8::from(set.contains(&row))).collect();
    DatasetBuilder::new(name, datatype, vec![rows as u64]).raw_data(bytes)
}

/// A good file, but for what is given: an array of a name replaces that of the same name.
struct Hdf5 {
    arrays: Vec<(String, Option<DatasetBuilder>)>,
    attributes: Vec<AttributeBuilder>,
    group_attributes: Vec<(String, AttributeBuilder)>,
}

impl Hdf5 {
    fn d4rl() -> Self {
        Self::empty()
            .with(
                "observations",
                floats("observations", &[6, 2], |i| (i / 2) as f32 + 0.5 * (i % 2) as f32),
            )
            .with("actions", floats("actions", &[6, 1], |i| i as f32))
            .with("rewards", floats("rewards", &[6], |i| i as f32))
            .with("terminals", bools("terminals", &[2], ROWS))
            .with("timeouts", bools("timeouts", &[5], ROWS))
    }

    /// Three episodes of 2, 3 and 4 steps, numbered 0, 2 and 10.
    fn minari() -> Self {
        let mut file = Self::empty();
        for (number, steps) in [(10, 4), (0, 2), (2, 3)] {
            let name = |key: &str| format!("episode_{number}/{key}");
            let at = |i: usize| (100 * number + i) as f64;
            file = file
                .with(
                    &name("observations"),
                    floats(&name("observations"), &[steps + 1, 2], at),
                )
                .with(
                    &name("actions"),
                    floats(&name("actions"), &[steps, 1], |i| at(i) as f32),
                )
                .with(&name("rewards"), floats(&name("rewards"), &[steps], |_| 1.0_f64))
                .with(
                    &name("terminations"),
                    bools(
                        &name("terminations"),
                        if number == 2 { &[2] } else { &[] },
                        steps as usize,
                    ),
                )
                .with(
                    &name("truncations"),
                    bools(
                        &name("truncations"),
                        if number == 0 { &[1] } else { &[] },
                        steps as usize,
                    ),
                );
            let total = AttributeBuilder::scalar("total_steps", steps as i64).unwrap();
            file.group_attributes.push((format!("episode_{number}"), total));
        }
        file
    }

    fn empty() -> Self {
        Self {
            arrays: Vec::new(),
            attributes: Vec::new(),
            group_attributes: Vec::new(),
        }
    }

    fn with(mut self, name: &str, array: DatasetBuilder) -> Self {
        self = self.without(name);
        self.arrays.push((name.into(), Some(array)));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.arrays.retain(|(own, _)| own != name);
        self
    }

    fn bytes(self) -> Vec<u8> {
        let mut file = Hdf5Builder::new();
        for (_, array) in self.arrays {
            file = file.dataset(array.unwrap());
        }
        for attribute in self.attributes {
            file = file.attribute(attribute);
        }
        for (group, attribute) in self.group_attributes {
            file = file.group_attribute(group, attribute);
        }
        file.into_plan().unwrap().encode(WriteOptions::default()).unwrap()
    }

    fn read(self) -> Result<Dataset, Error> {
        self.read_with(&options())
    }

    fn read_with(self, options: &ReadOptions) -> Result<Dataset, Error> {
        read_bytes("data.hdf5", &self.bytes(), options)
    }

    /// What reading complains of, without the name of the file.
    #[track_caller]
    fn complaint(self) -> String {
        complaint(self.read())
    }
}

fn read_bytes(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    Dataset::read(&path, options)
}

#[track_caller]
fn complaint(result: Result<Dataset, Error>) -> String {
    match result.unwrap_err() {
        Error::File { error, .. } => error.to_string(),
        other => panic!("no error of a file: {other}"),
    }
}

fn ranges(dataset: &Dataset) -> Vec<(usize, usize, bool)> {
    dataset
        .episodes()
        .iter()
        .map(|e| (e.start, e.end, e.terminated))
        .collect()
}

#[track_caller]
fn is_the_good_one(dataset: &Dataset) {
    assert_eq!(dataset.observations(), observations());
    assert_eq!(dataset.actions(), array![[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]);
    assert_eq!(dataset.rewards(), array![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(ranges(dataset), [(0, 3, true), (3, 6, false)]);
}

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
            r#""observations" is missing, there is x"#,
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
            "observations: holds strings, expected float32 or float64",
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
            good().with("rewards", bools("rewards", &[], ROWS)),
            "rewards: holds bool, expected numbers",
        ),
        (
            good().with("actions", floats("actions", &[6], |i| i as i64)),
            "actions: holds int64, expected float32 or float64: discrete actions are not supported",
        ),
        (
            good().with("observations", floats("observations", &[6, 2], |i| i as u8)),
            "observations: holds uint8, expected float32 or float64",
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
            with("episode_10/observations", &[4, 2]),
            "episode_10/observations: 4 rows, expected 5, one more than actions has",
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

fn npz(fill: impl FnOnce(&mut NpzWriter<fs::File>)) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.npz");
    let mut npz = NpzWriter::new_compressed(fs::File::create(&path).unwrap());
    fill(&mut npz);
    npz.finish().unwrap();
    (folder, path)
}

fn good_npz(npz: &mut NpzWriter<fs::File>) {
    // First axis fastest, as NumPy writes a transposed array.
    let mut fortran = Array2::<f64>::zeros((ROWS, 2).f());
    fortran.assign(&observations().mapv(f64::from));
    npz.add_array("observations", &fortran).unwrap();
    npz.add_array("actions", &Array2::from_shape_fn((ROWS, 1), |(row, _)| row as f32))
        .unwrap();
    npz.add_array("rewards", &Array1::from_iter((0..ROWS).map(|row| row as f64)))
        .unwrap();
    npz.add_array("terminals", &Array1::from_iter((0..ROWS).map(|row| row == 2)))
        .unwrap();
    npz.add_array("timeouts", &Array1::from_iter((0..ROWS).map(|row| row == 5)))
        .unwrap();
}

#[test]
fn an_npz_file_is_read() {
    let (_folder, path) = npz(good_npz);
    is_the_good_one(&Dataset::read(&path, &options()).unwrap());
    let raw = RawDataset::read(&path, &options()).unwrap();
    assert_eq!((raw.format, raw.arrays.len()), (FileFormat::Npz, 5));
    let (_folder, path) = npz(|npz| npz.add_array("observations", &observations()).unwrap());
    assert_eq!(
        complaint(Dataset::read(&path, &options())),
        r#""actions" is missing, there is observations"#
    );
}

/// An archive of one array with this header and these numbers.
fn npz_header(header: &str, bytes: &[u8]) -> String {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default();
    for key in ["observations", "actions", "rewards"] {
        zip.start_file(format!("{key}.npy"), stored).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    complaint(read_bytes("data.npz", &bytes, &options()))
}

#[test]
fn headers_of_npz_are_not_believed() {
    let header =
        |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    for (header, bytes, expected) in [
        (header("'<f4'", "(1000000000000,)"), 4, "reading takes"),
        (
            header("'<f4'", "(18446744073709551615, 18446744073709551615)"),
            4,
            "rewards: shape (18446744073709551615, 18446744073709551615), expected (rows,)",
        ),
        (
            header("'<f4'", "(3,)"),
            8,
            "observations: 8 bytes, expected 12 for float32 of shape (3,)",
        ),
        (
            header("'<f4'", "(1,)"),
            8,
            "observations: 5 bytes, expected 4 for float32 of shape (1,)",
        ),
        (header("'<f4'", "(-1,)"), 4, "observations: the header has no descr"),
        (header("'|O'", "(1,)"), 8, "observations: holds Python objects"),
        (header("'<U5'", "(1,)"), 8, "observations: holds strings"),
        (
            header("[('a', '<f4')]", "(1,)"),
            8,
            "observations: holds a compound type",
        ),
        ("{".into(), 8, "observations: the header is no Python dictionary"),
        ("[".repeat(4000), 8, "observations: the header is nested too deeply"),
        (
            "x".repeat(5000),
            8,
            "observations: the header is longer than that of an array of numbers",
        ),
    ] {
        let text = npz_header(&header, &vec![0; bytes]);
        assert!(text.starts_with(expected), "{header}: {text}");
    }
}

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
    let files = [
        ("d4rl.hdf5", fs::read(&path).unwrap()),
        ("contiguous.hdf5", Hdf5::d4rl().bytes()),
        ("minari.hdf5", Hdf5::minari().bytes()),
        ("data.npz", fs::read(npz).unwrap()),
    ];
    let limits = ReadOptions {
        max_memory: Some(1 << 20),
        ..options()
    };
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
    for (name, good) in &files {
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
            match Dataset::read(folder.path().join(name), &limits) {
                Ok(dataset) => assert_eq!(dataset.observations().nrows(), dataset.rewards().len()),
                Err(Error::File { .. }) => refused += 1,
                Err(other) => panic!("{name}, mutant {i}: {other}"),
            }
        }
    }
    assert!(refused > mutants, "only {refused} of {} refused", 4 * mutants);
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
