//! The types of HDF5, and how their elements become numbers.
//!
//! Integers of 1, 2, 4 and 8 bytes and IEEE's floats of 2, 4 and 8 are handed on as they are. Of others the elements are
//! converted: integers of another size or of fewer bits than their bytes have to 64 bits; floats of any layout up to 16
//! bytes (bfloat16, the x87's 80 bits, IEEE's 128) to float64; enumerations and bit fields that are 0 or 1 to flags. An
//! array type adds its dimensions to the dataset's; of a compound type one field is taken.

use hdf5_reader::error::Error;
use hdf5_reader::io::Cursor;

use crate::read::array::{Element, Order};

/// Types within types.
const MOST_DEPTH: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    /// Bytes of an element.
    pub(super) size: u32,
    class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Integer(Bits),
    Float(Float),
    /// Flags, mostly.
    BitField(Bits),
    Enum {
        base: Box<Type>,
        members: Vec<(String, Vec<u8>)>,
    },
    Array {
        base: Box<Type>,
        dims: Vec<u64>,
    },
    Compound(Vec<Field>),
    /// What is not numbers, by its name.
    Other(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    offset: u32,
    of: Type,
}

/// Where the bits of an integer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bits {
    order: Order,
    offset: u16,
    count: u16,
    signed: bool,
}

/// Where the parts of a float are: bits from the lowest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Float {
    order: Order,
    sign: u8,
    exponent: (u8, u8),
    mantissa: (u8, u8),
    bias: u32,
    /// The first bit of the mantissa is not there, for it is 1.
    implied: bool,
}

/// How to take the numbers out of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    /// What they are afterwards.
    pub(super) element: Element,
    pub(super) order: Order,
    /// What an element adds to the shape.
    pub(super) dims: Vec<u64>,
    /// Where in the element they begin.
    offset: usize,
    /// Bytes of one of them in the file.
    size: usize,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Copy,
    Integer(Bits),
    Float(Float),
    Flag(Bits),
}

impl Type {
    pub(super) fn parse(message: &[u8]) -> Result<Self, Error> {
        Self::read(&mut Cursor::new(message), MOST_DEPTH)
    }

    fn read(cursor: &mut Cursor, depth: usize) -> Result<Self, Error> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Error::InvalidData("types within types".into()));
        };
        let head = cursor.read_bytes(4)?;
        let (class, version, flags) = (head[0] & 15, head[0] >> 4, head[1]);
        let count = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let size = cursor.read_u32_le()?;
        let order = if flags & 1 == 0 { Order::Little } else { Order::Big };
        // In versions 1 and 2 names are filled up to eight bytes.
        let name = |cursor: &mut Cursor| {
            let start = cursor.position();
            let name = cursor.read_null_terminated_string()?;
            let length = cursor.position() - start;
            if version < 3 {
                cursor.skip((length.next_multiple_of(8) - length) as usize)?;
            }
            Ok::<_, Error>(name)
        };
        let class = match class {
            0 | 4 => {
                let bits = Bits {
                    order,
                    offset: cursor.read_u16_le()?,
                    count: cursor.read_u16_le()?,
                    signed: class == 0 && flags & 8 != 0,
                };
                if class == 0 {
                    Class::Integer(bits)
                } else {
                    Class::BitField(bits)
                }
            }
            1 => {
                cursor.skip(4)?;
                let float = Float {
                    order,
                    sign: head[2],
                    exponent: (cursor.read_u8()?, cursor.read_u8()?),
                    mantissa: (cursor.read_u8()?, cursor.read_u8()?),
                    bias: cursor.read_u32_le()?,
                    implied: flags >> 4 & 3 == 2,
                };
                // Words in the order of the VAX.
                if flags & 0x40 != 0 {
                    Class::Other("floats of a VAX")
                } else {
                    Class::Float(float)
                }
            }
            2 => {
                cursor.skip(2)?;
                Class::Other("times")
            }
            3 => Class::Other("strings"),
            5 => {
                cursor.skip(usize::from(flags).next_multiple_of(8))?;
                Class::Other("opaque bytes")
            }
            6 => {
                let mut fields = Vec::new();
                for _ in 0..count {
                    let name = name(cursor)?;
                    let offset = match version {
                        0..3 => cursor.read_u32_le()?,
                        // As few bytes as the size takes.
                        _ => {
                            let bytes = cursor.read_bytes((size.max(1).ilog2() / 8 + 1) as usize)?;
                            bytes.iter().rev().fold(0, |wide, byte| wide << 8 | u32::from(*byte))
                        }
                    };
                    let mut dims = Vec::new();
                    if version == 1 {
                        let rank = usize::from(cursor.read_u8()?);
                        cursor.skip(3 + 4 + 4)?;
                        for axis in 0..4 {
                            let length = u64::from(cursor.read_u32_le()?);
                            if axis < rank {
                                dims.push(length);
                            }
                        }
                    }
                    let mut of = Self::read(cursor, depth)?;
                    if !dims.is_empty() {
                        let count = dims.iter().fold(1u64, |all, one| all.saturating_mul(*one));
                        of = Self {
                            size: u32::try_from(count.saturating_mul(u64::from(of.size))).unwrap_or(u32::MAX),
                            class: Class::Array {
                                base: Box::new(of),
                                dims,
                            },
                        };
                    }
                    fields.push(Field { name, offset, of });
                }
                Class::Compound(fields)
            }
            7 => Class::Other("references"),
            8 => {
                let base = Box::new(Self::read(cursor, depth)?);
                let mut names = Vec::new();
                for _ in 0..count {
                    names.push(name(cursor)?);
                }
                let values = names.into_iter().map(|name| {
                    let value = cursor.read_bytes(base.size as usize)?;
                    Ok((name, value.to_vec()))
                });
                let members = values.collect::<Result<_, Error>>()?;
                Class::Enum { base, members }
            }
            9 => {
                let text = flags & 15 == 1;
                Self::read(cursor, depth)?;
                Class::Other(if text {
                    "strings"
                } else {
                    "sequences of variable length"
                })
            }
            10 => {
                let rank = cursor.read_u8()?;
                cursor.skip(if version < 3 { 3 } else { 0 })?;
                let dims = (0..rank).map(|_| cursor.read_u32_le().map(u64::from));
                let dims = dims.collect::<Result<_, _>>()?;
                cursor.skip(if version < 3 { 4 * usize::from(rank) } else { 0 })?;
                let base = Box::new(Self::read(cursor, depth)?);
                Class::Array { base, dims }
            }
            11 => {
                Self::read(cursor, depth)?;
                Class::Other("complex numbers")
            }
            class => return Err(Error::UnsupportedDatatypeClass(class)),
        };
        Ok(Self { size, class })
    }

    /// A field of a compound type, and where in the element it begins; names of nested ones are joined by points.
    pub(super) fn field(&self, path: &str) -> Option<(usize, &Self)> {
        let Class::Compound(fields) = &self.class else {
            return None;
        };
        fields.iter().find_map(|field| {
            let rest = path.strip_prefix(field.name.as_str())?;
            match rest.strip_prefix('.') {
                Some(rest) => field
                    .of
                    .field(rest)
                    .map(|(offset, of)| (field.offset as usize + offset, of)),
                None if rest.is_empty() => Some((field.offset as usize, &field.of)),
                None => None,
            }
        })
    }

    /// How to take the numbers out of elements of this type, or a field of it.
    pub(super) fn numbers(&self) -> Numbers {
        self.numbers_at(0)
    }

    pub(super) fn numbers_at(&self, offset: usize) -> Numbers {
        let size = self.size as usize;
        let of = |element, order, how| Numbers {
            element,
            order,
            dims: Vec::new(),
            offset,
            size,
            how,
        };
        let other = |name: String| of(Element::Other(name), Order::Little, How::Copy);
        match &self.class {
            Class::Integer(bits) => match (size, bits.whole(size)) {
                (1 | 2 | 4 | 8, true) => {
                    let signed = bits.signed;
                    of(Element::Integer { size, signed }, bits.order, How::Copy)
                }
                (1..=8, _) if bits.fits(size) => {
                    let element = Element::Integer {
                        size: 8,
                        signed: bits.signed,
                    };
                    of(element, Order::Little, How::Integer(*bits))
                }
                _ => other(format!("{size}-byte integers")),
            },
            Class::Float(float) => match float.standard(size) {
                Some(element) => of(element, float.order, How::Copy),
                None if float.fits(size) => of(Element::Float64, Order::Little, How::Float(*float)),
                None => other(format!("floats of {size} bytes in a form of their own")),
            },
            Class::BitField(bits) => match size {
                1 if bits.fits(1) => of(Element::Bool, Order::Little, How::Flag(*bits)),
                _ => other("bit fields".into()),
            },
            Class::Enum { base, members } => match &base.class {
                Class::Integer(bits) if bits.fits(base.size as usize) && base.size == self.size => {
                    let value = |bytes: &[u8]| bits.value(bytes);
                    if !members.is_empty() && members.iter().all(|(_, bytes)| matches!(value(bytes), 0 | 1)) {
                        return of(Element::Bool, Order::Little, How::Flag(*bits));
                    }
                    const SHOWN: usize = 4;
                    let named = members.iter().take(SHOWN);
                    let named = named.map(|(name, bytes)| format!("{name} = {}", value(bytes)));
                    let more = if members.len() > SHOWN { ", ..." } else { "" };
                    other(format!(
                        "an enumeration ({}{more})",
                        named.collect::<Vec<_>>().join(", ")
                    ))
                }
                _ => other("an enumeration".into()),
            },
            Class::Array { base, dims } => {
                let mut inner = base.numbers_at(offset);
                let count = dims.iter().try_fold(1u64, |all, one| all.checked_mul(*one));
                if count.and_then(|count| count.checked_mul(u64::from(base.size))) != Some(u64::from(self.size)) {
                    return other("arrays of an impossible size".into());
                }
                if let Class::Compound(_) = base.class {
                    return other("arrays of a compound type".into());
                }
                inner.dims = [dims.clone(), inner.dims].concat();
                inner
            }
            Class::Compound(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                match names[..] {
                    ["r", "i"] => other("complex numbers".into()),
                    _ => other(format!("a table (compound type) of the columns {}", names.join(", "))),
                }
            }
            Class::Other(name) => other((*name).into()),
        }
    }
}

impl Bits {
    /// Whether all bits of so many bytes are used.
    fn whole(self, size: usize) -> bool {
        self.offset == 0 && usize::from(self.count) == 8 * size
    }

    /// Whether the bits are within so many bytes, and not more than eight.
    fn fits(self, size: usize) -> bool {
        (1..=8).contains(&size) && self.count > 0 && usize::from(self.offset) + usize::from(self.count) <= 8 * size
    }

    /// The integer. Only of bits that fit.
    fn value(self, bytes: &[u8]) -> i64 {
        let raw = wide(bytes, self.order) >> self.offset;
        let unused = 128 - u32::from(self.count);
        match self.signed {
            true => ((raw << unused) as i128 >> unused) as i64,
            // Unsigned numbers of 64 bits keep them.
            false => (raw << unused >> unused) as u64 as i64,
        }
    }
}

/// Bytes as one number.
fn wide(bytes: &[u8], order: Order) -> u128 {
    let join = |wide: u128, byte: &u8| wide << 8 | u128::from(*byte);
    match order {
        Order::Big => bytes.iter().fold(0, join),
        Order::Little => bytes.iter().rev().fold(0, join),
    }
}

impl Float {
    fn standard(self, size: usize) -> Option<Element> {
        let Self {
            sign,
            exponent,
            mantissa,
            bias,
            implied: true,
            ..
        } = self
        else {
            return None;
        };
        match (size, sign, exponent, mantissa, bias) {
            (2, 15, (10, 5), (0, 10), 15) => Some(Element::Float16),
            (4, 31, (23, 8), (0, 23), 127) => Some(Element::Float32),
            (8, 63, (52, 11), (0, 52), 1023) => Some(Element::Float64),
            _ => None,
        }
    }

    fn fits(self, size: usize) -> bool {
        let end = |(from, count): (u8, u8)| usize::from(from) + usize::from(count);
        let within = [end(self.exponent), end(self.mantissa), usize::from(self.sign) + 1];
        (1..=16).contains(&size)
            && within.iter().all(|end| *end <= 8 * size)
            && (1..=30).contains(&self.exponent.1)
            && (1..=120).contains(&self.mantissa.1)
    }

    /// The number, rounded to float64. Only of floats that fit.
    fn value(self, bytes: &[u8]) -> f64 {
        let bits = wide(bytes, self.order);
        let part = |(from, count): (u8, u8)| bits >> from & ((1u128 << count) - 1);
        let (exponent, mantissa) = (part(self.exponent), part(self.mantissa));
        let (digits, largest) = (self.mantissa.1, (1u128 << self.exponent.1) - 1);
        // The digits behind the point; without an implied one, the first of them stands before it.
        let behind = i64::from(if self.implied { digits } else { digits - 1 });
        let scale = |exponent: i64| exponent - i64::from(self.bias) - behind;
        let size = match exponent {
            _ if exponent == largest => {
                // Infinity has no digits; on the x87 the one before the point is set.
                let rest = if self.implied {
                    mantissa
                } else {
                    mantissa & ((1 << behind) - 1)
                };
                if rest == 0 { f64::INFINITY } else { f64::NAN }
            }
            0 => scaled(mantissa as f64, scale(1)),
            _ => {
                let first = if self.implied { 1u128 << digits } else { 0 };
                scaled((first | mantissa) as f64, scale(exponent as i64))
            }
        };
        if bits >> self.sign & 1 == 1 { -size } else { size }
    }
}

/// `value * 2^power`, in steps that float64 can hold.
fn scaled(mut value: f64, power: i64) -> f64 {
    let mut power = power.clamp(-4000, 4000) as i32;
    while power != 0 && value != 0.0 && value.is_finite() {
        let step = power.clamp(-1000, 1000);
        value *= 2f64.powi(step);
        power -= step;
    }
    value
}

impl Numbers {
    /// The bytes of the numbers of so many elements afterwards.
    pub(super) fn converted(&self, elements: u64) -> u64 {
        elements.saturating_mul(self.each()).saturating_mul(self.element.size())
    }

    /// Numbers in an element.
    fn each(&self) -> u64 {
        self.dims.iter().fold(1, |all, one| all.saturating_mul(*one))
    }

    /// Takes the numbers out of elements of so many bytes each.
    ///
    /// # Errors
    /// If they are not within the elements, or memory ends.
    pub(super) fn convert(&self, raw: Vec<u8>, stride: u32) -> Result<Vec<u8>, Error> {
        let stride = stride as usize;
        let each = usize::try_from(self.each()).unwrap_or(usize::MAX);
        let length = each.saturating_mul(self.size);
        if self.how == How::Copy && self.offset == 0 && length == stride {
            return Ok(raw);
        }
        if stride == 0 || self.size == 0 || self.offset.saturating_add(length) > stride {
            return Err(Error::InvalidData("a field that is not within its table".into()));
        }
        let mut converted = Vec::new();
        let total = self.converted((raw.len() / stride) as u64);
        converted
            .try_reserve_exact(usize::try_from(total).unwrap_or(usize::MAX))
            .map_err(|error| Error::InvalidData(error.to_string()))?;
        for element in raw.chunks_exact(stride) {
            let numbers = &element[self.offset..self.offset + length];
            match self.how {
                How::Copy => converted.extend_from_slice(numbers),
                How::Integer(bits) => {
                    let values = numbers.chunks_exact(self.size).map(|bytes| bits.value(bytes));
                    values.for_each(|value| converted.extend(value.to_le_bytes()));
                }
                How::Float(float) => {
                    let values = numbers.chunks_exact(self.size).map(|bytes| float.value(bytes));
                    values.for_each(|value| converted.extend(value.to_le_bytes()));
                }
                How::Flag(bits) => {
                    let values = numbers.chunks_exact(self.size).map(|bytes| bits.value(bytes));
                    // What is neither stays so, whatever it is.
                    converted.extend(values.map(|value| u8::try_from(value).unwrap_or(u8::MAX)));
                }
            }
        }
        Ok(converted)
    }
}
