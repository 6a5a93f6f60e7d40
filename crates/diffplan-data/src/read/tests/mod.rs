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

mod d4rl;
mod layouts;
mod minari;
mod npz;
mod whole;

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

    /// The file as it was read.
    fn raw(self) -> RawDataset {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("data.hdf5");
        fs::write(&path, self.bytes()).unwrap();
        RawDataset::read(&path, &options()).unwrap()
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
