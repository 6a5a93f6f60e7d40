//! Arrays as files hold them, of whichever format: what they say of themselves, and bytes that become numbers.

use std::ops::Range;
use std::sync::Arc;

use half::f16;
use ndarray::Array2;

use super::ReadError;
use super::error::shape as shown;
use super::rounding::Rounding;

/// One number in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Float16,
    Float32,
    Float64,
    /// One byte, 0 or 1.
    Bool,
    /// Of 1, 2, 4 or 8 bytes.
    Integer {
        size: usize,
        signed: bool,
    },
    /// What is not read as numbers, by the name that is shown of it.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// What a file says of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) shape: Vec<u64>,
    pub(super) element: Element,
    pub(super) order: Order,
}

/// A file, or a group of one, that holds arrays by name.
pub(super) trait Source {
    /// The name of an array as messages call it.
    fn place(&self, key: &str) -> String;
    /// What an array says of itself; none where it is not there.
    fn header(&mut self, key: &str) -> Result<Option<Header>, ReadError>;
    /// The names of all arrays and groups.
    fn keys(&self) -> Vec<String>;
    /// The elements of an array, last axis fastest.
    fn bytes(&mut self, key: &str, header: &Header) -> Result<Vec<u8>, ReadError>;
    /// The elements of some of its rows. They are asked for in their order, each once, and not beside other rows of the same array.
    fn range(&mut self, key: &str, header: &Header, rows: Range<u64>) -> Result<Vec<u8>, ReadError>;
}

/// Arrays that are read whole, of which some rows are asked for at a time.
#[derive(Default)]
pub(super) struct Whole(Vec<(String, Vec<u8>)>);

impl Whole {
    /// Some rows of an array, which is kept from its first row to its last.
    pub(super) fn range(
        &mut self,
        key: &str,
        header: &Header,
        rows: Range<u64>,
        read: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> Result<Vec<u8>, ReadError> {
        let at = match self.0.iter().position(|(own, _)| own == key) {
            Some(at) => at,
            None => {
                self.0.push((key.to_owned(), read()?));
                self.0.len() - 1
            }
        };
        let part = part(&self.0[at].1, header, &rows).to_vec();
        if rows.end >= header.rows() {
            self.0.swap_remove(at);
        }
        Ok(part)
    }
}

/// The bytes of some rows, or as many of them as there are.
fn part<'a>(bytes: &'a [u8], header: &Header, rows: &Range<u64>) -> &'a [u8] {
    let row = header.row_bytes();
    let place = |row_number: u64| (row_number.saturating_mul(row).min(bytes.len() as u64)) as usize;
    &bytes[place(rows.start)..place(rows.end)]
}

impl Element {
    /// Bytes of one.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Float16 => 2,
            Self::Float32 => 4,
            Self::Float64 => 8,
            Self::Bool => 1,
            Self::Integer { size, .. } => *size as u64,
            Self::Other(_) => 0,
        }
    }

    /// As NumPy calls it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Float16 => "float16".into(),
            Self::Float32 => "float32".into(),
            Self::Float64 => "float64".into(),
            Self::Bool => "bool".into(),
            Self::Integer { size, signed } => format!("{}int{}", if *signed { "" } else { "u" }, 8 * size),
            Self::Other(name) => name.clone(),
        }
    }
}

impl Header {
    /// Elements; as many as fit where there are more.
    fn len(&self) -> u64 {
        self.shape
            .iter()
            .fold(1, |product: u64, &size| product.saturating_mul(size))
    }

    /// The bytes that the array takes in the file, uncompressed.
    pub(super) fn bytes(&self) -> u64 {
        self.len().saturating_mul(self.element.size())
    }

    pub(super) fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Bytes of a row.
    pub(super) fn row_bytes(&self) -> u64 {
        self.bytes() / self.rows().max(1)
    }

    fn columns(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }
}

/// An array to be read, known to be there and to have a shape that makes sense.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    key: Arc<str>,
    rows: u64,
    /// But for its rows: episodes of a file share what else they are.
    header: Arc<Header>,
}

const NUMBERS: &str = "numbers";
const FLAGS: &str = "bool, or numbers that are 0 or 1";

impl Planned {
    fn new(key: &str, header: Header) -> Self {
        Self {
            key: key.into(),
            rows: header.rows(),
            header: Arc::new(header),
        }
    }

    /// What the file says of it.
    fn header(&self) -> Header {
        let mut header = Header::clone(&self.header);
        header.shape.iter_mut().take(1).for_each(|rows| *rows = self.rows);
        header
    }

    /// Takes no memory for what is the same of another.
    pub(super) fn share(&mut self, other: &Self) {
        if self.key == other.key {
            self.key = Arc::clone(&other.key);
        }
        let rest = |header: &Header| header.shape.get(1..).map(<[u64]>::to_vec);
        let (own, others) = (&self.header, &other.header);
        if own.element == others.element && own.order == others.order && rest(own) == rest(others) {
            self.header = Arc::clone(&other.header);
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn columns(&self) -> u64 {
        self.header.columns()
    }

    /// Its name.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// One vector of numbers a row: (rows, dimensions), or (rows,) for one dimension. Whole numbers one a row are the names
    /// of discrete actions where they are actions.
    pub(super) fn vectors(source: &mut impl Source, key: &str) -> Result<Self, ReadError> {
        let planned = Self::required(source, key)?;
        let place = source.place(key);
        match &planned.header.element {
            Element::Integer { .. } | Element::Bool if is_action(key) && planned.header.shape.len() == 1 => {
                return Err(ReadError::ElementType {
                    key: place,
                    expected: "float32 or float64: discrete actions are not supported",
                    actual: planned.header.element.name(),
                });
            }
            other @ Element::Other(_) => return Err(wrong_element(place, NUMBERS, other)),
            _ => {}
        }
        match planned.header.shape[..] {
            [rows] | [rows, _] if rows > 0 && planned.columns() > 0 => Ok(planned),
            [_] | [_, _] => Err(planned.wrong_shape(place, "at least one row of at least one value")),
            _ => Err(planned.wrong_shape(place, "(rows, dimensions)")),
        }
    }

    /// One number a row: (rows,) or (rows, 1).
    pub(super) fn numbers(source: &mut impl Source, key: &str) -> Result<Self, ReadError> {
        let planned = Self::required(source, key)?;
        planned.single(source.place(key), NUMBERS)
    }

    /// One flag a row: (rows,) or (rows, 1); none where there is no such array.
    pub(super) fn flags(source: &mut impl Source, key: &str) -> Result<Option<Self>, ReadError> {
        let Some(header) = source.header(key)? else {
            return Ok(None);
        };
        let planned = Self::new(key, header);
        planned.single(source.place(key), FLAGS).map(Some)
    }

    fn required(source: &mut impl Source, key: &str) -> Result<Self, ReadError> {
        match source.header(key)? {
            Some(header) => Ok(Self::new(key, header)),
            None => Err(ReadError::MissingKey {
                key: source.place(key),
                present: source.keys(),
            }),
        }
    }

    fn single(self, place: String, expected: &'static str) -> Result<Self, ReadError> {
        if let other @ Element::Other(_) = &self.header.element {
            return Err(wrong_element(place, expected, other));
        }
        match self.header.shape[..] {
            [_] | [_, 1] => Ok(self),
            _ => Err(self.wrong_shape(place, "(rows,)")),
        }
    }

    fn wrong_shape(&self, key: String, expected: &str) -> ReadError {
        ReadError::Shape {
            key,
            expected: expected.into(),
            actual: self.header().shape,
        }
    }

    /// # Errors
    /// [`ReadError::RowCount`].
    pub(super) fn check_rows(&self, source: &impl Source, expected: u64, reason: &str) -> Result<(), ReadError> {
        match self.rows() {
            actual if actual == expected => Ok(()),
            actual => Err(ReadError::RowCount {
                key: source.place(&self.key),
                expected,
                actual,
                reason: reason.into(),
            }),
        }
    }

    /// Bytes of the array in the file, uncompressed, while it is read.
    pub(super) fn transient(&self) -> u64 {
        self.header().bytes()
    }

    /// Bytes of the array in memory, `size` of them an element.
    pub(super) fn kept(&self, size: u64) -> u64 {
        self.header().len().saturating_mul(size)
    }

    /// Appends some rows as float32, and adds to what is known of the numbers that float32 rounds.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`], and [`ReadError::Value`] for a finite number that float32 cannot hold.
    pub(super) fn append_f32(
        &self,
        source: &mut impl Source,
        rows: Range<u64>,
        to: &mut Vec<f32>,
        rounding: &mut Rounding,
    ) -> Result<(), ReadError> {
        let bytes = self.read(source, &rows)?;
        let (Element::Float64 | Element::Integer { size: 4 | 8, .. }) = self.header.element else {
            decode(&bytes, &self.header, to, |value| value as f32);
            return Ok(());
        };
        let columns = self.columns() as usize;
        let mut wide = Vec::with_capacity(bytes.len() / self.header.element.size() as usize);
        decode(&bytes, &self.header, &mut wide, |value| value);
        rounding.push(columns, &wide);
        let start = to.len();
        to.extend(wide.iter().map(|value| *value as f32));
        let overflow = wide
            .iter()
            .zip(&to[start..])
            .position(|(wide, narrow)| wide.is_finite() && !narrow.is_finite());
        match overflow {
            None => Ok(()),
            Some(at) => Err(ReadError::Value {
                key: source.place(&self.key),
                row: rows.start as usize + at / columns,
                column: at % columns,
                value: wide[at],
                expected: "a number that float32 can hold",
            }),
        }
    }

    /// Appends the numbers of some rows.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`].
    pub(super) fn append_f64(
        &self,
        source: &mut impl Source,
        rows: Range<u64>,
        to: &mut Vec<f64>,
    ) -> Result<(), ReadError> {
        let bytes = self.read(source, &rows)?;
        decode(&bytes, &self.header, to, |value| value);
        Ok(())
    }

    /// Shows all numbers of an array of one number a row, a block at a time, with the row of the first.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`].
    pub(super) fn each_f64(&self, source: &mut impl Source, show: Show<'_>) -> Result<(), ReadError> {
        let mut block = Vec::new();
        for start in (0..self.rows()).step_by(SINGLES as usize) {
            let rows = start..self.rows().min(start + SINGLES);
            block.clear();
            self.append_f64(source, rows, &mut block)?;
            show(start, &block)?;
        }
        Ok(())
    }

    /// The rows whose flag is set.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`], and [`ReadError::Value`] for what is neither 0 nor 1.
    pub(super) fn set_rows(&self, source: &mut impl Source) -> Result<Vec<usize>, ReadError> {
        let place = source.place(&self.key);
        let mut set = Vec::new();
        self.each_f64(source, &mut |start, values| {
            for (row, &value) in (start as usize..).zip(values) {
                if value == 1.0 {
                    set.push(row);
                } else if value != 0.0 {
                    return Err(ReadError::Value {
                        key: place.clone(),
                        row,
                        column: 0,
                        value,
                        expected: "0 or 1",
                    });
                }
            }
            Ok(())
        })?;
        Ok(set)
    }

    fn read(&self, source: &mut impl Source, rows: &Range<u64>) -> Result<Vec<u8>, ReadError> {
        let (all, header) = (*rows == (0..self.rows()), self.header());
        let bytes = match all {
            true => source.bytes(&self.key, &header)?,
            false => source.range(&self.key, &header, rows.clone())?,
        };
        let count = rows.end - rows.start;
        let expected = match all {
            true => header.bytes(),
            false => header.row_bytes().saturating_mul(count),
        };
        if bytes.len() as u64 == expected {
            return Ok(bytes);
        }
        let mut wanted = header.shape.clone();
        wanted.iter_mut().take(1).for_each(|rows| *rows = count);
        Err(ReadError::Unreadable {
            place: source.place(&self.key),
            reason: format!(
                "{} bytes, expected {expected} for {} of shape {}",
                bytes.len(),
                self.header.element.name(),
                shown(&wanted)
            ),
        })
    }
}

/// Who is shown numbers, with the row of the first.
type Show<'a> = &'a mut dyn FnMut(u64, &[f64]) -> Result<(), ReadError>;

/// Rows that are read at a time of arrays of one number a row.
const SINGLES: u64 = if cfg!(test) { 5 } else { 1 << 17 };

fn wrong_element(key: String, expected: &'static str, actual: &Element) -> ReadError {
    ReadError::ElementType {
        key,
        expected,
        actual: actual.name(),
    }
}

/// Whether an array holds actions, by its name: `actions`, `action`, `acts`, `data/demo_0/actions`.
fn is_action(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| name.starts_with("act"))
}

/// Appends the numbers of an array, each exactly but for integers beyond 2⁵³.
pub(super) fn decode<T>(bytes: &[u8], header: &Header, to: &mut Vec<T>, of: impl Fn(f64) -> T) {
    macro_rules! all {
        ($type:ty) => {{
            let (elements, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            match header.order {
                Order::Little => to.extend(
                    elements
                        .iter()
                        .map(|element| of(f64::from_element(<$type>::from_le_bytes(*element)))),
                ),
                Order::Big => to.extend(
                    elements
                        .iter()
                        .map(|element| of(f64::from_element(<$type>::from_be_bytes(*element)))),
                ),
            }
        }};
    }
    match header.element {
        Element::Float16 => all!(f16),
        Element::Float32 => all!(f32),
        Element::Float64 => all!(f64),
        Element::Bool => all!(u8),
        Element::Integer { size: 1, signed: true } => all!(i8),
        Element::Integer { size: 1, signed: false } => all!(u8),
        Element::Integer { size: 2, signed: true } => all!(i16),
        Element::Integer { size: 2, signed: false } => all!(u16),
        Element::Integer { size: 4, signed: true } => all!(i32),
        Element::Integer { size: 4, signed: false } => all!(u32),
        Element::Integer { size: 8, signed: true } => all!(i64),
        Element::Integer { size: 8, signed: false } => all!(u64),
        Element::Integer { .. } | Element::Other(_) => {}
    }
}

/// Elements as float64, which all but large integers fit.
trait FromElement<T> {
    fn from_element(value: T) -> Self;
}

macro_rules! from_elements {
    ($($type:ty),*) => {
        $(impl FromElement<$type> for f64 {
            fn from_element(value: $type) -> Self {
                value as f64
            }
        })*
    };
}

from_elements!(f32, f64, i8, u8, i16, u16, i32, u32, i64, u64);

impl FromElement<f16> for f64 {
    fn from_element(value: f16) -> Self {
        value.to_f64()
    }
}

/// Room for so many values. Of sizes that come from a file, `Vec::with_capacity` would panic or abort.
///
/// # Errors
/// [`ReadError::Unreadable`] where memory ends, in spite of the budget.
pub(super) fn reserved<T>(count: u64, place: &str) -> Result<Vec<T>, ReadError> {
    let mut values = Vec::new();
    match values.try_reserve_exact(usize::try_from(count).unwrap_or(usize::MAX)) {
        Ok(()) => Ok(values),
        Err(error) => Err(ReadError::Unreadable {
            place: place.into(),
            reason: format!("{count} values: {error}"),
        }),
    }
}

/// Rows of vectors from their numbers one after the other.
pub(super) fn rows(key: &str, columns: u64, values: Vec<f32>) -> Result<Array2<f32>, ReadError> {
    let columns = columns as usize;
    Array2::from_shape_vec((values.len() / columns.max(1), columns), values).map_err(|e| ReadError::Unreadable {
        place: key.into(),
        reason: e.to_string(),
    })
}
