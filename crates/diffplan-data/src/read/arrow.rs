//! Arrow's stream files, a row of nested lists an episode, as one source of arrays: `3/obs` is column `obs` of row 3. As Hugging Face's
//! datasets writes them with `save_to_disk`. The library panics on some damaged files: those are errors.

use std::fs;
use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::DataType;

use super::array::{Element, Header, Order, Source, reserved};
use super::guard::guarded;
use super::memory::Budget;
use super::tree::{Members, Tree};
use super::{ArrayInfo, ReadError};

/// Lists within lists: rows of vectors are two, and pictures four.
const DEEPEST: usize = 8;

/// The rows of all files, one file after the other.
pub(super) struct Rows {
    /// The number of each one's first row.
    batches: Vec<(usize, RecordBatch)>,
    rows: usize,
    columns: Vec<String>,
}

impl Rows {
    /// Reads the files of a folder whole: what they hold refers to their bytes.
    pub(super) fn open(folder: &Path, files: &[String], budget: Budget) -> Result<Self, ReadError> {
        let mut rows = Self {
            batches: Vec::new(),
            rows: 0,
            columns: Vec::new(),
        };
        let mut taken = 0;
        for name in files {
            let unreadable = |reason: String| ReadError::Unreadable {
                place: name.clone(),
                reason,
            };
            let path = folder.join(name);
            let length = fs::metadata(&path)
                .map_err(|error| unreadable(error.to_string()))?
                .len();
            // The bytes, and as much again where they do not lie as arrays want them.
            taken += 2 * length;
            budget.check(taken)?;
            let mut bytes = Buffer::from_vec(fs::read(&path).map_err(|error| unreadable(error.to_string()))?);
            guarded(name.clone(), || {
                let mut decoder = StreamDecoder::new();
                while !bytes.is_empty() {
                    let batch = decoder
                        .decode(&mut bytes)
                        .map_err(|error| unreadable(error.to_string()))?;
                    rows.push(batch);
                    // A batch without columns can claim any number of rows.
                    if rows.len() as u64 > taken {
                        return Err(unreadable(format!("{} rows in {length} bytes", rows.len())));
                    }
                }
                decoder.finish().map_err(|error| unreadable(error.to_string()))
            })?;
        }
        Ok(rows)
    }

    fn push(&mut self, batch: Option<RecordBatch>) {
        let Some(batch) = batch else { return };
        if self.columns.is_empty() {
            let fields = batch.schema();
            self.columns = fields.fields().iter().map(|field| field.name().clone()).collect();
        }
        let first = self.rows;
        self.rows = self.rows.saturating_add(batch.num_rows());
        self.batches.push((first, batch));
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The value of a column in a row, an array of one element.
    fn value(&self, key: &str) -> Option<ArrayRef> {
        let (row, column) = key.split_once('/')?;
        let row: usize = row.parse().ok()?;
        let after = self.batches.partition_point(|(first, _)| *first <= row);
        let (first, batch) = self.batches.get(after.checked_sub(1)?)?;
        let column = batch.column_by_name(column)?;
        (row - first < column.len()).then(|| column.slice(row - first, 1))
    }
}

/// What lists hold, one after the other, and the lengths of the lists; a reason where they are no array.
fn unnested(mut values: ArrayRef) -> Result<(Vec<u64>, ArrayRef), String> {
    let mut shape = Vec::new();
    for _ in 0..DEEPEST {
        if values.null_count() > 0 {
            return Err("there are rows without a value".into());
        }
        let (length, inner) = match values.data_type() {
            DataType::List(_) => inner(values.as_list::<i32>().iter()),
            DataType::LargeList(_) => inner(values.as_list::<i64>().iter()),
            DataType::FixedSizeList(..) => inner(values.as_fixed_size_list().iter()),
            _ => return Ok((shape, values)),
        }?;
        shape.push(length);
        values = inner;
    }
    Err(format!("more than {DEEPEST} lists within each other"))
}

/// The length of lists of the same length, and what they hold.
fn inner(lists: impl Iterator<Item = Option<ArrayRef>>) -> Result<(u64, ArrayRef), String> {
    let lists: Vec<ArrayRef> = lists.flatten().collect();
    let Some(first) = lists.first() else {
        return Err("an empty list of lists".into());
    };
    if let Some(other) = lists.iter().find(|list| list.len() != first.len()) {
        return Err(format!("vectors of {} and of {} values", first.len(), other.len()));
    }
    let length = first.len() as u64;
    let parts: Vec<&dyn Array> = lists.iter().map(AsRef::as_ref).collect();
    let all = match &parts[..] {
        [_] => first.clone(),
        parts => arrow_select::concat::concat(parts).map_err(|error| error.to_string())?,
    };
    Ok((length, all))
}

fn element(of: &DataType) -> Element {
    let integer = |size, signed| Element::Integer { size, signed };
    match of {
        DataType::Float32 => Element::Float32,
        DataType::Float64 => Element::Float64,
        DataType::Boolean => Element::Bool,
        DataType::Int8 => integer(1, true),
        DataType::Int16 => integer(2, true),
        DataType::Int32 => integer(4, true),
        DataType::Int64 => integer(8, true),
        DataType::UInt8 => integer(1, false),
        DataType::UInt16 => integer(2, false),
        DataType::UInt32 => integer(4, false),
        DataType::UInt64 => integer(8, false),
        DataType::Utf8 | DataType::LargeUtf8 => Element::Other("strings".into()),
        other => Element::Other(other.to_string()),
    }
}

fn append<T: ArrowPrimitiveType, const N: usize>(
    values: &ArrayRef,
    to: &mut Vec<u8>,
    bytes: impl Fn(&T::Native) -> [u8; N],
) {
    let values = values.as_primitive::<T>().values().iter();
    to.extend(values.flat_map(bytes));
}

impl Source for Rows {
    fn place(&self, key: &str) -> String {
        match key.split_once('/') {
            Some((row, column)) => format!("row {row}: {column}"),
            None => key.into(),
        }
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let place = self.place(key);
        guarded(place.clone(), || {
            let (mut shape, values) = unnested(value).map_err(|reason| ReadError::Unreadable { place, reason })?;
            // What is no list is one number for the whole episode.
            if shape.is_empty() {
                shape.push(1);
            }
            Ok(Some(Header {
                shape,
                element: element(values.data_type()),
                order: Order::Little,
            }))
        })
    }

    fn keys(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError> {
        let place = self.place(key);
        let mut bytes = reserved(header.bytes(), key)?;
        let Some(value) = self.value(key) else {
            return Ok(bytes);
        };
        guarded(place.clone(), || {
            let (_, values) = unnested(value).map_err(|reason| ReadError::Unreadable { place, reason })?;
            let to = &mut bytes;
            match values.data_type() {
                DataType::Float32 => append::<Float32Type, 4>(&values, to, |x| x.to_le_bytes()),
                DataType::Float64 => append::<Float64Type, 8>(&values, to, |x| x.to_le_bytes()),
                DataType::Int8 => append::<Int8Type, 1>(&values, to, |x| x.to_le_bytes()),
                DataType::Int16 => append::<Int16Type, 2>(&values, to, |x| x.to_le_bytes()),
                DataType::Int32 => append::<Int32Type, 4>(&values, to, |x| x.to_le_bytes()),
                DataType::Int64 => append::<Int64Type, 8>(&values, to, |x| x.to_le_bytes()),
                DataType::UInt8 => append::<UInt8Type, 1>(&values, to, |x| x.to_le_bytes()),
                DataType::UInt16 => append::<UInt16Type, 2>(&values, to, |x| x.to_le_bytes()),
                DataType::UInt32 => append::<UInt32Type, 4>(&values, to, |x| x.to_le_bytes()),
                DataType::UInt64 => append::<UInt64Type, 8>(&values, to, |x| x.to_le_bytes()),
                DataType::Boolean => to.extend(values.as_boolean().values().iter().map(u8::from)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let mut bytes = self.bytes(key, header)?;
        let count = header.shape.first().map_or(1, |rows| (*rows).max(1));
        let row = bytes.len() / count as usize;
        bytes.truncate(rows.end as usize * row);
        bytes.drain(..(rows.start as usize * row).min(bytes.len()));
        Ok(bytes)
    }
}

impl Tree for Rows {
    fn members(&self, group: &str) -> Result<Option<Members>, ReadError> {
        let rows = || (0..self.rows).map(|row| row.to_string()).collect();
        Ok(Some(match group {
            "" => Members {
                groups: rows(),
                arrays: Vec::new(),
            },
            _ => Members {
                groups: Vec::new(),
                arrays: self.columns.clone(),
            },
        }))
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Unreadable {
            place: key.into(),
            reason: "strings of Arrow files are not read".into(),
        })
    }

    fn list(&mut self, group: &str) -> Vec<ArrayInfo> {
        let columns = self.columns.clone();
        let info = |name: String| {
            let header = self.header(&format!("{group}{name}")).ok().flatten()?;
            Some(ArrayInfo {
                name,
                shape: header.shape,
                dtype: header.element.name(),
            })
        };
        columns.into_iter().filter_map(info).collect()
    }
}
