//! Parquet files of the same columns, one after the other, as one source of arrays. The library panics on some damaged files: those are errors.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::array::{Element, Header, Order, Source, reserved};
use super::guard::guarded;
use super::tree::{Members, Tree};
use super::{ArrayInfo, ReadError};

/// Rows that are decoded at a time.
const BATCH: usize = 1 << 14;

/// Columns by name. A row's values are as many as was said of its column.
pub(super) struct Table {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Values in a row.
    widths: BTreeMap<String, u64>,
    types: BTreeMap<String, Type>,
    rows: u64,
    /// Rows of every file.
    each: Vec<u64>,
    /// The file that a column is read from, where only some rows are asked for: its number and values.
    held: BTreeMap<String, (usize, Vec<u8>)>,
    about: Vec<(String, String)>,
}

impl Table {
    /// Reads the ends of all files.
    pub(super) fn open(
        folder: &Path,
        files: Vec<PathBuf>,
        widths: BTreeMap<String, u64>,
        about: Vec<(String, String)>,
    ) -> Result<Self, ReadError> {
        let mut table = Self {
            folder: folder.into(),
            files,
            widths,
            types: BTreeMap::new(),
            rows: 0,
            each: Vec::new(),
            held: BTreeMap::new(),
            about,
        };
        for at in 0..table.files.len() {
            guarded(table.place_of(at), || table.look(at))?;
        }
        Ok(table)
    }

    /// Adds what the end of a file says.
    fn look(&mut self, at: usize) -> Result<(), ReadError> {
        let (reader, place) = self.reader(at)?;
        let metadata = reader.metadata().file_metadata();
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        self.rows = self.rows.saturating_add(rows);
        self.each.push(rows);
        for column in metadata.schema_descr().columns() {
            let Some(name) = column.path().parts().first() else {
                continue;
            };
            let own = column.physical_type();
            let first = *self.types.entry(name.clone()).or_insert(own);
            if first != own && self.widths.contains_key(name) {
                return Err(ReadError::Unreadable {
                    place: format!("{place}: {name}"),
                    reason: format!("{own}, expected {first} as in the first file"),
                });
            }
        }
        Ok(())
    }

    fn place_of(&self, at: usize) -> String {
        let path = &self.files[at];
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    fn reader(&self, at: usize) -> Result<(SerializedFileReader<fs::File>, String), ReadError> {
        let path = &self.files[at];
        let place = self.place_of(at);
        let unreadable = |reason: String| ReadError::Unreadable {
            place: place.clone(),
            reason,
        };
        let file = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let reader = SerializedFileReader::new(file).map_err(|error| unreadable(error.to_string()))?;
        Ok((reader, place))
    }

    /// Appends the values of a column in one file.
    fn append(&self, at: usize, key: &str, width: usize, to: &mut Vec<u8>) -> Result<(), ReadError> {
        guarded(self.place_of(at), || self.append_all(at, key, width, to))
    }

    fn append_all(&self, at: usize, key: &str, width: usize, to: &mut Vec<u8>) -> Result<(), ReadError> {
        let (reader, place) = self.reader(at)?;
        let unreadable = |reason: String| ReadError::Unreadable {
            place: format!("{place}: {key}"),
            reason,
        };
        let schema = reader.metadata().file_metadata().schema_descr();
        let named = |i: &usize| schema.column(*i).path().parts().first().is_some_and(|name| name == key);
        let column = (0..schema.num_columns()).find(named);
        let column = column.ok_or_else(|| unreadable("there is no such column".into()))?;
        for group in 0..reader.num_row_groups() {
            let read = reader
                .get_row_group(group)
                .and_then(|group| group.get_column_reader(column));
            let read = read.map_err(|error| unreadable(error.to_string()))?;
            let levels = (
                schema.column(column).max_def_level(),
                schema.column(column).max_rep_level(),
            );
            match read {
                ColumnReader::FloatColumnReader(values) => append(values, levels, width, to, |x| x.to_le_bytes()),
                ColumnReader::DoubleColumnReader(values) => append(values, levels, width, to, |x| x.to_le_bytes()),
                ColumnReader::Int64ColumnReader(values) => append(values, levels, width, to, |x| x.to_le_bytes()),
                ColumnReader::Int32ColumnReader(values) => append(values, levels, width, to, |x| x.to_le_bytes()),
                ColumnReader::BoolColumnReader(values) => append(values, levels, width, to, |x| [u8::from(*x)]),
                _ => Err("no numbers".into()),
            }
            .map_err(unreadable)?;
        }
        Ok(())
    }
}

/// Appends the values of a column in one group of rows.
fn append<T: DataType, const N: usize>(
    mut reader: ColumnReaderImpl<T>,
    (most_defined, most_repeated): (i16, i16),
    width: usize,
    to: &mut Vec<u8>,
    bytes: impl Fn(&T::T) -> [u8; N],
) -> Result<(), String> {
    let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        defined.clear();
        repeated.clear();
        values.clear();
        let read = reader.read_records(BATCH, Some(&mut defined), Some(&mut repeated), &mut values);
        let (records, count, _) = read.map_err(|error: ParquetError| error.to_string())?;
        if records == 0 {
            return Ok(());
        }
        if most_defined > 0 && defined.iter().any(|level| *level != most_defined) {
            return Err("there are rows without a value".into());
        }
        let starts = repeated
            .iter()
            .enumerate()
            .all(|(at, level)| (*level == 0) == (at % width == 0));
        if count != records.saturating_mul(width) || (most_repeated > 0 && !starts) {
            return Err(format!("rows of other lengths than {width}, which meta/info.json says"));
        }
        for value in &values {
            // No more than was reserved, whatever the file holds.
            if to.capacity() - to.len() < N {
                return Err("more rows than the file says that it has".into());
            }
            to.extend_from_slice(&bytes(value));
        }
    }
}

impl Source for Table {
    fn place(&self, key: &str) -> String {
        key.into()
    }

    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError> {
        let (Some(&width), Some(of)) = (self.widths.get(key), self.types.get(key)) else {
            return Ok(None);
        };
        let element = match of {
            Type::FLOAT => Element::Float32,
            Type::DOUBLE => Element::Float64,
            Type::BOOLEAN => Element::Bool,
            Type::INT32 => Element::Integer { size: 4, signed: true },
            Type::INT64 => Element::Integer { size: 8, signed: true },
            other => Element::Other(other.to_string()),
        };
        Ok(Some(Header {
            shape: vec![self.rows, width],
            element,
            order: Order::Little,
        }))
    }

    fn keys(&self) -> Vec<String> {
        let known = self.widths.keys().filter(|name| self.types.contains_key(*name));
        known.cloned().collect()
    }

    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError> {
        let width = self.widths.get(key).copied().unwrap_or(1) as usize;
        let mut bytes = reserved(header.bytes(), key)?;
        for at in 0..self.files.len() {
            self.append(at, key, width, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// A file's column at a time, which is kept for the rows that come next.
    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let width = self.widths.get(key).copied().unwrap_or(1);
        let row = width.saturating_mul(header.element.size());
        let mut bytes = reserved((rows.end - rows.start).saturating_mul(row), key)?;
        let mut first: u64 = 0;
        for at in 0..self.files.len() {
            let own = first..first.saturating_add(self.each[at]);
            first = own.end;
            let part = rows.start.max(own.start)..rows.end.min(own.end);
            if part.is_empty() {
                continue;
            }
            if self.held.get(key).is_none_or(|(held, _)| *held != at) {
                let mut values = reserved(self.each[at].saturating_mul(row), key)?;
                self.append(at, key, width as usize, &mut values)?;
                self.held.insert(key.to_owned(), (at, values));
            }
            let values = self.held.get(key).map_or(&[][..], |(_, values)| values);
            let place = |number: u64| ((number - own.start).saturating_mul(row).min(values.len() as u64)) as usize;
            bytes.extend_from_slice(&values[place(part.start)..place(part.end)]);
        }
        if rows.end >= self.rows {
            self.held.remove(key);
        }
        Ok(bytes)
    }
}

impl Tree for Table {
    fn members(&self, group: &str) -> Result<Option<Members>, ReadError> {
        Ok(group.is_empty().then(|| Members {
            groups: Vec::new(),
            arrays: self.keys(),
        }))
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Unreadable {
            place: key.into(),
            reason: "strings of Parquet files are not read".into(),
        })
    }

    fn list(&mut self, _: &str) -> Vec<ArrayInfo> {
        let keys = self.keys();
        let info = |name: String| {
            let header = self.header(&name).ok().flatten()?;
            Some(ArrayInfo {
                name,
                shape: header.shape,
                dtype: header.element.name(),
            })
        };
        keys.into_iter().filter_map(info).collect()
    }

    fn metadata(&self) -> Vec<(String, String)> {
        self.about.clone()
    }
}
