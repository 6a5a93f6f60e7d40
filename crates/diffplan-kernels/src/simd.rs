//! Vectors of float32 numbers, one type an instruction set, behind one trait.
//!
//! Kernels are written once, generic over [`Simd`], as `#[inline(always)]` functions, and compiled for each instruction set by
//! [`dispatch!`](crate::isa::dispatch). A vector is plain data; operations hang off the instruction set's type.

/// What products ask of an instruction set.
///
/// # Safety
/// The CPU must have the instruction set wherever a method is called; `load` and `store` read and write `LANES` numbers.
pub(crate) trait Lanes: Copy + 'static {
    type V: Copy;
    const LANES: usize;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, fused where the instruction set has it.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
}

/// What all other kernels ask of it.
///
/// # Safety
/// The CPU must have the instruction set wherever a method is called.
pub(crate) trait Simd: Lanes {
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// 1 / a to a unit in the last place, for finite numbers between 1e-30 and 1e30.
    #[inline(always)]
    unsafe fn reciprocal(a: Self::V) -> Self::V {
        // SAFETY: the trait's contract.
        unsafe { Self::div(Self::splat(1.0), a) }
    }
    /// c − a · b, fused where the instruction set has it.
    unsafe fn neg_mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller one; `b` where `a` is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// The larger one; `b` where `a` is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// 2ⁿ for n = the integer in the low bits of `shifted`, which is n + 1.5·2²³.
    unsafe fn exp2_of_shifted(shifted: Self::V) -> Self::V;
    /// One number of `a` where the same number of `x` is below zero, of `b` elsewhere.
    unsafe fn if_negative(x: Self::V, a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// Every number plus the one `step` places off, places paired as i and i XOR `step`; `step` is 1, 2, 4, or 8 where there
    /// are 16 lanes.
    unsafe fn add_across(a: Self::V, step: usize) -> Self::V;
}

/// Eight numbers in an array: what the compiler makes of it depends on the target.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

impl Lanes for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: the caller vouches for eight numbers.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 8]) {
        // SAFETY: the caller vouches for eight numbers.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // Fused where the target's base set has the instruction; elsewhere `f32::mul_add` is a library call.
        if cfg!(target_arch = "aarch64") {
            map(|i| a[i].mul_add(b[i], c[i]))
        } else {
            map(|i| a[i] * b[i] + c[i])
        }
    }
}

impl Simd for Portable {
    #[inline(always)]
    unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn neg_mul_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        if cfg!(target_arch = "aarch64") {
            map(|i| (-a[i]).mul_add(b[i], c[i]))
        } else {
            map(|i| c[i] - a[i] * b[i])
        }
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn exp2_of_shifted(shifted: [f32; 8]) -> [f32; 8] {
        map(|i| f32::from_bits(shifted[i].to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    unsafe fn if_negative(x: [f32; 8], a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map(|i| if x[i] < 0.0 { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sqrt(a: [f32; 8]) -> [f32; 8] {
        map(|i| a[i].sqrt())
    }
    #[inline(always)]
    unsafe fn add_across(a: [f32; 8], step: usize) -> [f32; 8] {
        map(|i| a[i] + a[i ^ step])
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Pairs};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Simd};
    use std::arch::x86_64::*;

    /// 256-bit vectors.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    /// 512-bit vectors.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    /// 512-bit vectors whose every lane is a pair of bfloat16 numbers, and sums of their products in float32.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512Pairs;

    /// Every method is one instruction or a few; each passes on what it is asked: that the CPU has the instruction set and, for
    /// `load` and `store`, that the numbers are there.
    macro_rules! wraps {
        ($(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? { $($body:tt)* })*) => {
            $(#[inline(always)]
            unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the trait's contract, which is that of the instructions.
                unsafe { $($body)* }
            })*
        };
    }

    impl Lanes for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        wraps! {
            fn splat(x: f32) -> __m256 { _mm256_set1_ps(x) }
            fn load(from: *const f32) -> __m256 { _mm256_loadu_ps(from) }
            fn store(to: *mut f32, v: __m256) { _mm256_storeu_ps(to, v) }
            fn add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
            fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
        }
    }

    impl Simd for Avx2 {
        wraps! {
            fn sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
            fn mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
            fn div(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
            fn neg_mul_add(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fnmadd_ps(a, b, c) }
            fn min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
            fn max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
            fn exp2_of_shifted(shifted: __m256) -> __m256 {
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                    _mm256_castps_si256(shifted),
                    _mm256_set1_epi32(127),
                )))
            }
            fn if_negative(x: __m256, a: __m256, b: __m256) -> __m256 {
                _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps()))
            }
            fn sqrt(a: __m256) -> __m256 { _mm256_sqrt_ps(a) }
            fn add_across(a: __m256, step: usize) -> __m256 {
                let other = match step {
                    1 => _mm256_permute_ps::<0b10_11_00_01>(a),
                    2 => _mm256_permute_ps::<0b01_00_11_10>(a),
                    _ => _mm256_permute2f128_ps::<1>(a, a),
                };
                _mm256_add_ps(a, other)
            }
        }
    }

    impl Lanes for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        wraps! {
            fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
            fn load(from: *const f32) -> __m512 { _mm512_loadu_ps(from) }
            fn store(to: *mut f32, v: __m512) { _mm512_storeu_ps(to, v) }
            fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
            fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        }
    }

    impl Lanes for Avx512Pairs {
        type V = __m512;
        const LANES: usize = 16;
        wraps! {
            fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
            fn load(from: *const f32) -> __m512 { _mm512_loadu_ps(from) }
            fn store(to: *mut f32, v: __m512) { _mm512_storeu_ps(to, v) }
            fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
            fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
                // The intrinsic's operand type is 512 bits of the same meaning.
                _mm512_dpbf16_ps(c, std::mem::transmute::<__m512, __m512bh>(a), std::mem::transmute::<__m512, __m512bh>(b))
            }
        }
    }

    impl Simd for Avx512 {
        wraps! {
            fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
            fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
            fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
            fn reciprocal(a: __m512) -> __m512 {
                // An estimate of 14 bits and a step of Newton's method: half of what a division takes.
                let estimate = _mm512_rcp14_ps(a);
                _mm512_mul_ps(estimate, _mm512_fnmadd_ps(a, estimate, _mm512_set1_ps(2.0)))
            }
            fn neg_mul_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fnmadd_ps(a, b, c) }
            fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
            fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
            fn exp2_of_shifted(shifted: __m512) -> __m512 {
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                    _mm512_castps_si512(shifted),
                    _mm512_set1_epi32(127),
                )))
            }
            fn if_negative(x: __m512, a: __m512, b: __m512) -> __m512 {
                _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps()), b, a)
            }
            fn sqrt(a: __m512) -> __m512 { _mm512_sqrt_ps(a) }
            fn add_across(a: __m512, step: usize) -> __m512 {
                let other = match step {
                    1 => _mm512_permute_ps::<0b10_11_00_01>(a),
                    2 => _mm512_permute_ps::<0b01_00_11_10>(a),
                    4 => _mm512_shuffle_f32x4::<0b10_11_00_01>(a, a),
                    _ => _mm512_shuffle_f32x4::<0b01_00_11_10>(a, a),
                };
                _mm512_add_ps(a, other)
            }
        }
    }
}
