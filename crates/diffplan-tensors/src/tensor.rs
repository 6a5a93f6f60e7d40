//! [`Tensor`]: a view of shared bytes.

use crate::dtype::Dtype;
use half::{bf16, f16};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a file that several tensors share.
#[derive(Clone)]
pub(crate) struct Bytes {
    owner: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Bytes {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            owner: Arc::new(bytes),
        }
    }

    /// A part of these; `range` is within them.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.owner[self.range.clone()]
    }
}

/// The most elements a view may have that repeats those of its storage (`expand`): more is taken for an attempt on memory.
const MAX_REPEATED: usize = 1 << 26;

/// A tensor: its type, its shape, and where its elements lie.
#[derive(Clone)]
pub struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    /// In elements; `None` if they lie one after the other.
    strides: Option<Vec<usize>>,
    /// From the first element of the view to the last.
    bytes: Bytes,
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype, self.shape)
    }
}

impl Tensor {
    /// Elements in row-major order, little-endian; `None` if there are not as many as the shape says.
    pub fn from_bytes(dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
        let fits = count.checked_mul(dtype.size()) == Some(bytes.len());
        fits.then(|| Self::contiguous(dtype, shape.to_vec(), Bytes::whole(bytes)))
    }

    /// Elements that lie one after the other in all of `bytes`.
    pub(crate) fn contiguous(dtype: Dtype, shape: Vec<usize>, bytes: Bytes) -> Self {
        Self {
            dtype,
            shape,
            strides: None,
            bytes,
        }
    }

    /// A view of a storage, checked. `offset` and `strides` are in elements.
    pub(crate) fn view(
        dtype: Dtype,
        shape: &[usize],
        strides: &[usize],
        offset: usize,
        storage: &Bytes,
    ) -> Result<Self, String> {
        let there = storage.len() / dtype.size();
        let overflow = || format!("a tensor of shape {shape:?} and strides {strides:?}, which no memory holds");
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let count = match count {
            // Sizes that overflow are no matter where one of them is 0.
            None if shape.contains(&0) => 0,
            count => count.ok_or_else(overflow)?,
        };
        if count == 0 {
            return Ok(Self::contiguous(dtype, shape.to_vec(), storage.part(0..0)));
        }
        let mut last = 0usize;
        for (&size, &stride) in shape.iter().zip(strides) {
            let reach = (size - 1).checked_mul(stride).ok_or_else(overflow)?;
            last = last.checked_add(reach).ok_or_else(overflow)?;
        }
        let end = offset
            .checked_add(last)
            .and_then(|end| end.checked_add(1))
            .ok_or_else(overflow)?;
        if end > there {
            return Err(format!(
                "a tensor of shape {shape:?} with strides {strides:?} from element {offset} on reaches to {end}, but its storage has {there} elements"
            ));
        }
        if count > there && count > MAX_REPEATED {
            return Err(format!(
                "a tensor of shape {shape:?} that repeats the {there} elements of its storage {count} times: more than is read"
            ));
        }
        let mut expected = 1;
        let contiguous = shape.iter().zip(strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        });
        Ok(Self {
            dtype,
            shape: shape.to_vec(),
            strides: (!contiguous).then(|| strides.to_vec()),
            bytes: storage.part(offset * dtype.size()..end * dtype.size()),
        })
    }

    /// The type of its elements.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        if self.shape.contains(&0) {
            0
        } else {
            self.shape.iter().product()
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements in row-major order, little-endian, of its own type.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = self.dtype.size();
        if self.strides.is_none() {
            return self.bytes.to_vec();
        }
        let mut bytes = Vec::with_capacity(self.len() * size);
        self.each_offset(|offset| bytes.extend_from_slice(&self.bytes[offset * size..][..size]));
        bytes
    }

    /// Its elements in row-major order as float32, from float32, float64, float16 and bfloat16; `None` if it is of another type. What float32
    /// cannot hold becomes infinite.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        Some(match self.dtype {
            Dtype::F32 => self.numbers(f32::from_le_bytes),
            Dtype::F64 => self.numbers(|b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => self.numbers(|b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => self.numbers(|b| bf16::from_le_bytes(b).to_f32()),
            _ => return None,
        })
    }

    /// As [`to_f32`](Self::to_f32), without rounding float64.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        match self.dtype {
            Dtype::F64 => Some(self.numbers(f64::from_le_bytes)),
            _ => Some(self.to_f32()?.into_iter().map(f64::from).collect()),
        }
    }

    fn numbers<const N: usize, T>(&self, number: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (elements, _) = self.bytes.as_chunks::<N>();
        if self.strides.is_none() {
            return elements.iter().map(|&element| number(element)).collect();
        }
        let mut numbers = Vec::with_capacity(self.len());
        self.each_offset(|offset| numbers.push(number(elements[offset])));
        numbers
    }

    /// Where the elements lie, in row-major order.
    fn each_offset(&self, mut f: impl FnMut(usize)) {
        let strides = self.strides.as_deref().unwrap_or_default();
        let mut index = vec![0; self.shape.len()];
        let mut offset = 0;
        for _ in 0..self.len() {
            f(offset);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                offset += strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                offset -= strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(count: usize) -> Bytes {
        Bytes::whole((0..count).flat_map(|i| (i as f32).to_le_bytes()).collect())
    }

    #[test]
    fn views_read_what_they_show() {
        let storage = storage(12);
        let view = |shape: &[usize], strides: &[usize], offset| {
            Tensor::view(Dtype::F32, shape, strides, offset, &storage)
                .unwrap()
                .to_f32()
                .unwrap()
        };
        assert_eq!(view(&[2, 3], &[3, 1], 1), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(view(&[2, 3], &[1, 4], 0), [0., 4., 8., 1., 5., 9.]);
        assert_eq!(view(&[2, 2], &[0, 1], 5), [5., 6., 5., 6.]);
        assert_eq!(view(&[], &[], 11), [11.]);
        assert_eq!(view(&[0, 7], &[7, 1], 100), [0f32; 0]);
        assert_eq!(view(&[1, 2, 1], &[99, 1, 99], 0), [0., 1.]);
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        let storage = storage(4);
        let view =
            |shape: &[usize], strides: &[usize], offset| Tensor::view(Dtype::F32, shape, strides, offset, &storage);
        assert!(view(&[5], &[1], 0).is_err());
        assert!(view(&[4], &[1], 1).is_err());
        assert!(view(&[2], &[usize::MAX], 1).is_err());
        assert!(view(&[usize::MAX, 3], &[0, 0], 0).is_err());
        assert!(view(&[1 << 27], &[0], 0).is_err());
        assert!(view(&[1 << 10], &[0], 3).is_ok());
        assert!(view(&[1], &[1], usize::MAX).is_err());
    }
}
