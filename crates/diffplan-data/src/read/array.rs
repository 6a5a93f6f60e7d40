//! Arrays as files hold them, of whichever format: what they say of themselves, and bytes that become numbers.

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

    fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(0)
    }

    fn columns(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }
}

/// An array to be read, known to be there and to have a shape that makes sense.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    key: String,
    header: Header,
}

const NUMBERS: &str = "numbers";
const FLAGS: &str = "bool, or numbers that are 0 or 1";

impl Planned {
    pub(super) fn rows(&self) -> u64 {
        self.header.rows()
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
        let planned = Self {
            key: key.into(),
            header,
        };
        planned.single(source.place(key), FLAGS).map(Some)
    }

    fn required(source: &mut impl Source, key: &str) -> Result<Self, ReadError> {
        match source.header(key)? {
            Some(header) => Ok(Self {
                key: key.into(),
                header,
            }),
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
            actual: self.header.shape.clone(),
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
        self.header.bytes()
    }

    /// Bytes of the array in memory, `size` of them an element.
    pub(super) fn kept(&self, size: u64) -> u64 {
        self.header.len().saturating_mul(size)
    }

    /// Appends the first `rows` rows as float32, and adds to what is known of the numbers that float32 rounds.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`], and [`ReadError::Value`] for a finite number that float32 cannot hold.
    pub(super) fn append_f32(
        &self,
        source: &mut impl Source,
        rows: u64,
        to: &mut Vec<f32>,
        rounding: &mut Rounding,
    ) -> Result<(), ReadError> {
        let bytes = self.read(source)?;
        let columns = self.columns() as usize;
        let count = (rows as usize).saturating_mul(columns);
        let mut overflow = None;
        let start = to.len();
        let wanted = || decode(&bytes, &self.header).take(count);
        to.extend(wanted().map(|value| value as f32));
        if let Element::Float64 | Element::Integer { size: 4 | 8, .. } = self.header.element {
            rounding.push(columns, wanted());
        }
        if self.header.element == Element::Float64 {
            overflow = wanted()
                .zip(&to[start..])
                .position(|(wide, narrow)| wide.is_finite() && !narrow.is_finite());
        }
        match overflow {
            None => Ok(()),
            Some(at) => Err(ReadError::Value {
                key: source.place(&self.key),
                row: at / columns,
                column: at % columns,
                value: decode(&bytes, &self.header).nth(at).unwrap_or(f64::NAN),
                expected: "a number that float32 can hold",
            }),
        }
    }

    /// Appends the numbers.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`].
    pub(super) fn append_f64(&self, source: &mut impl Source, to: &mut Vec<f64>) -> Result<(), ReadError> {
        let bytes = self.read(source)?;
        to.extend(decode(&bytes, &self.header));
        Ok(())
    }

    /// The flags.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`], and [`ReadError::Value`] for what is neither 0 nor 1.
    pub(super) fn read_flags(&self, source: &mut impl Source) -> Result<Vec<bool>, ReadError> {
        let bytes = self.read(source)?;
        let mut flags = reserved(self.rows(), &self.key)?;
        for (row, value) in decode(&bytes, &self.header).enumerate() {
            if value != 0.0 && value != 1.0 {
                return Err(ReadError::Value {
                    key: source.place(&self.key),
                    row,
                    column: 0,
                    value,
                    expected: "0 or 1",
                });
            }
            flags.push(value == 1.0);
        }
        Ok(flags)
    }

    fn read(&self, source: &mut impl Source) -> Result<Vec<u8>, ReadError> {
        let bytes = source.bytes(&self.key, &self.header)?;
        if bytes.len() as u64 == self.header.bytes() {
            return Ok(bytes);
        }
        Err(ReadError::Unreadable {
            place: source.place(&self.key),
            reason: format!(
                "{} bytes, expected {} for {} of shape {}",
                bytes.len(),
                self.header.bytes(),
                self.header.element.name(),
                shown(&self.header.shape)
            ),
        })
    }
}

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

/// The numbers of an array, each exactly but for integers beyond 2⁵³.
pub(super) fn decode<'a>(bytes: &'a [u8], header: &Header) -> Box<dyn Iterator<Item = f64> + 'a> {
    macro_rules! of {
        ($type:ty) => {{
            let big = header.order == Order::Big;
            let (elements, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            Box::new(elements.iter().map(move |element| {
                let value = if big {
                    <$type>::from_be_bytes(*element)
                } else {
                    <$type>::from_le_bytes(*element)
                };
                f64::from_element(value)
            }))
        }};
    }
    match header.element {
        Element::Float16 => of!(f16),
        Element::Float32 => of!(f32),
        Element::Float64 => of!(f64),
        Element::Bool => of!(u8),
        Element::Integer { size: 1, signed: true } => of!(i8),
        Element::Integer { size: 1, signed: false } => of!(u8),
        Element::Integer { size: 2, signed: true } => of!(i16),
        Element::Integer { size: 2, signed: false } => of!(u16),
        Element::Integer { size: 4, signed: true } => of!(i32),
        Element::Integer { size: 4, signed: false } => of!(u32),
        Element::Integer { size: 8, signed: true } => of!(i64),
        Element::Integer { size: 8, signed: false } => of!(u64),
        Element::Integer { .. } | Element::Other(_) => Box::new(std::iter::empty()),
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
