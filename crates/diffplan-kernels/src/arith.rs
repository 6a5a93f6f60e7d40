//! Scalar arithmetic the kernels are written in, with and without fused multiply-add, and `exp` on top of it.

/// `a * b + c`, fused or not. Kernels are generic over it, because `f32::mul_add` is a library call where the target has
/// no such instruction.
pub(crate) trait Arith: Copy {
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// One rounding; used where the instruction exists.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) struct Fused;

/// What the target always has: two roundings on x86-64, one on aarch64, whose base set has the instruction.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Arith for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl Arith for Portable {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        if cfg!(target_arch = "aarch64") {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

/// Below it `exp` is taken as that of the bound, 1.6e-38, the smallest that needs no subnormal.
const EXP_LOWEST: f32 = -87.0;
/// Above it `exp` is taken as that of the bound, 1.7e38.
const EXP_HIGHEST: f32 = 88.0;

/// eˣ to two units in the last place for x in [-87, 88]; outside, the value at the bound (NaN: of the upper bound).
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by the polynomial of degree 7 of Cephes' `expf`, times 2ⁿ put together from
/// its bits. There is no branch and no conversion, so a loop of it vectorises on any instruction set.
#[inline(always)]
pub(crate) fn exp<A: Arith>(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    #[allow(clippy::manual_clamp)] // `clamp` lets NaN through, which the bits below must not see
    let x = x.min(EXP_HIGHEST).max(EXP_LOWEST);
    let shifted = A::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, the first with so few bits that n times it is exact.
    #[allow(clippy::excessive_precision)] // the exact value, of ten bits
    let r = A::mul_add(n, -0.693_359_375, x);
    let r = A::mul_add(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = A::mul_add(p, r, coefficient);
    }
    let e_r = A::mul_add(p, r * r, r) + 1.0;
    e_r * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_error<A: Arith>() -> f64 {
        (0..200_000)
            .map(|i| -87.0 + 175.0 * i as f32 / 200_000.0)
            .map(|x| (exp::<A>(x) as f64 / (x as f64).exp() - 1.0).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_agrees_with_float64() {
        // Measured: 1.0e-7 fused, 1.3e-7 portable; 2.4e-7 is two units in the last place.
        assert!(
            largest_error::<Portable>() < 2.4e-7,
            "{:e}",
            largest_error::<Portable>()
        );
        assert!(largest_error::<Fused>() < 2.4e-7, "{:e}", largest_error::<Fused>());
    }

    #[test]
    fn exp_is_finite_everywhere() {
        for x in [f32::NEG_INFINITY, -1e30, -88.0, 0.0, 89.0, f32::INFINITY] {
            let y = exp::<Portable>(x);
            assert!(y.is_finite() && y > 0.0, "exp({x}) = {y}");
        }
        assert_eq!(exp::<Portable>(0.0), 1.0);
    }
}
