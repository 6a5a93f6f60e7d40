//! Elementary functions of vectors.

use crate::simd::Simd;

/// Below it `exp` is taken as that of the bound, 1.6e-38, the smallest that needs no subnormal.
const EXP_LOWEST: f32 = -87.0;
/// Above it `exp` is taken as that of the bound, 1.7e38.
const EXP_HIGHEST: f32 = 88.0;

/// eˣ to two units in the last place for x in [-87, 88]; outside, the value at the bound (NaN: of the upper bound).
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by the polynomial of degree 7 of Cephes' `expf`, times 2ⁿ put together from
/// its bits. There is no branch and no conversion.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { exp_below::<S>(S::min(x, S::splat(EXP_HIGHEST))) }
}

/// [`exp`] of numbers that are known to be at most 88.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn exp_below<S: Simd>(x: S::V) -> S::V {
    /// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let x = S::max(x, S::splat(EXP_LOWEST));
        let shifted = S::mul_add(x, S::splat(std::f32::consts::LOG2_E), S::splat(ROUND));
        let n = S::sub(shifted, S::splat(ROUND));
        // ln 2 in two parts, the first with so few bits that n times it is exact.
        #[allow(clippy::excessive_precision)] // the exact value, of ten bits
        let r = S::neg_mul_add(n, S::splat(0.693_359_375), x);
        let r = S::mul_add(n, S::splat(2.121_944_4e-4), r);
        let mut p = S::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
            p = S::mul_add(p, r, S::splat(coefficient));
        }
        let e_r = S::add(S::mul_add(p, S::mul(r, r), r), S::splat(1.0));
        S::mul(e_r, S::exp2_of_shifted(shifted))
    }
}

/// The normal distribution function Φ(x) = erfc(−x/√2) / 2, to 2e-7.
///
/// erfc(z) = t · exp(−z² + P(t)) with t = 1 / (1 + z/2) for z ≥ 0, P the Chebyshev fit `erfcc` of Numerical Recipes (Press et
/// al., section 6.2), whose relative error is below 1.2e-7.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
pub(crate) unsafe fn normal_cdf<S: Simd>(x: S::V) -> S::V {
    #[allow(clippy::excessive_precision)] // the book's digits
    const FIT: [f32; 9] = [
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let one = S::splat(1.0);
        let z = S::mul(
            S::max(x, S::sub(S::splat(0.0), x)),
            S::splat(std::f32::consts::FRAC_1_SQRT_2),
        );
        let t = S::div(one, S::mul_add(z, S::splat(0.5), one));
        let mut p = S::splat(0.170_872_77);
        for coefficient in FIT {
            p = S::mul_add(p, t, S::splat(coefficient));
        }
        let tail = S::mul(S::mul(S::splat(0.5), t), exp::<S>(S::neg_mul_add(z, z, p)));
        S::if_negative(x, tail, S::sub(one, tail))
    }
}

#[cfg(test)]
mod tests {
    use crate::isa::{Isa, dispatch};
    use crate::simd::Simd;

    #[inline(always)]
    unsafe fn map<S: Simd>(x: &[f32], y: &mut [f32], cdf: bool) {
        for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
            // SAFETY: the chunks hold a vector each; the caller vouches for the instruction set.
            unsafe {
                let v = S::load(x.as_ptr());
                let v = if cdf {
                    super::normal_cdf::<S>(v)
                } else {
                    super::exp::<S>(v)
                };
                S::store(y.as_mut_ptr(), v);
            }
        }
    }
    dispatch!(unsafe fn map_with(x: &[f32], y: &mut [f32], cdf: bool) => map);

    fn compute(isa: Isa, x: &[f32], cdf: bool) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len()];
        // SAFETY: `map` asks for nothing but the instruction set, and callers pass available ones.
        unsafe { map_with(isa, x, &mut y, cdf) };
        y
    }

    #[test]
    fn exp_agrees_with_float64_and_is_finite_everywhere() {
        let x: Vec<f32> = (0..200_000).map(|i| -87.0 + 175.0 * i as f32 / 200_000.0).collect();
        for isa in Isa::available() {
            let error = compute(isa, &x, false)
                .iter()
                .zip(&x)
                .map(|(y, x)| (f64::from(*y) / f64::from(*x).exp() - 1.0).abs())
                .fold(0.0, f64::max);
            // Measured: 1.0e-7 fused, 1.3e-7 portable; 2.4e-7 is two units in the last place.
            assert!(error < 2.4e-7, "{}: {error:e}", isa.name());
            let far = [f32::NEG_INFINITY, -1e30, -88.0, 0.0, 89.0, f32::INFINITY, f32::NAN, 1.0].repeat(2);
            let y = compute(isa, &far, false);
            assert!(y.iter().all(|y| y.is_finite() && *y > 0.0), "{}: {y:?}", isa.name());
            assert_eq!(y[3], 1.0);
        }
    }

    #[test]
    fn the_normal_distribution_function_agrees_with_float64() {
        let x: Vec<f32> = (0..160_000).map(|i| -8.0 + 16.0 * i as f32 / 160_000.0).collect();
        for isa in Isa::available() {
            for (y, x) in compute(isa, &x, true).iter().zip(&x) {
                let expected = 0.5 * libm::erfc(-f64::from(*x) / 2f64.sqrt());
                let error = (f64::from(*y) - expected).abs();
                // Measured: 1.3e-7.
                assert!(error < 2e-7, "{}: Φ({x}) = {y}, not {expected}", isa.name());
            }
        }
    }
}
