//! Activation functions and their derivatives over slices.
//!
//! With t = eˣ, n = t² + 2t and d = n + 2, Mish (Misra 2019) is x·tanh(ln(1 + t)) = x·n/d, and its derivative is
//! n/d + 4x·t(t + 1)/d²: one exponential and one division for both. SiLU is x·σ(x); GELU is the exact one, with erf.

use crate::isa::{Isa, dispatch};
use crate::math::{exp, exp_below, normal_cdf};
use crate::simd::Simd;

/// An activation function, named as diffusers' `act_fn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// f(x) = x.
    Identity,
    /// x · tanh(ln(1 + eˣ)).
    Mish,
    /// x / (1 + e⁻ˣ), also called swish.
    Silu,
    /// x · Φ(x) with the normal distribution function by erf, not the tanh approximation.
    Gelu,
    /// max(x, 0).
    Relu,
}

/// A function of a vector's numbers and its derivative; every implementation is a unit type, so that loops specialise on it.
///
/// # Safety
/// The CPU must have the instruction set.
pub(crate) trait Function {
    unsafe fn value<S: Simd>(x: S::V) -> S::V;
    unsafe fn derivative<S: Simd>(x: S::V) -> S::V;
}

pub(crate) struct Identity;
pub(crate) struct Mish;
pub(crate) struct Silu;
pub(crate) struct Gelu;
pub(crate) struct Relu;

/// From here on tanh(ln(1 + eˣ)) is 1 in float32; beyond it eˣ squared would overflow.
const MISH_LINEAR: f32 = 20.0;

/// Implements [`Function`]; all bodies ask for the instruction set alone.
macro_rules! function {
    ($type:ident, $S:ident, |$x:ident| $value:expr, $derivative:expr) => {
        impl Function for $type {
            #[inline(always)]
            unsafe fn value<$S: Simd>($x: $S::V) -> $S::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $value }
            }
            #[inline(always)]
            unsafe fn derivative<$S: Simd>($x: $S::V) -> $S::V {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $derivative }
            }
        }
    };
}

impl Function for Identity {
    #[inline(always)]
    unsafe fn value<S: Simd>(x: S::V) -> S::V {
        x
    }
    #[inline(always)]
    unsafe fn derivative<S: Simd>(_: S::V) -> S::V {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { S::splat(1.0) }
    }
}
function!(
    Mish,
    S,
    |x| {
        let t = exp_below::<S>(S::min(x, S::splat(MISH_LINEAR)));
        let n = S::mul(t, S::add(t, S::splat(2.0)));
        S::mul(x, S::mul(n, S::reciprocal(S::add(n, S::splat(2.0)))))
    },
    {
        let t = exp_below::<S>(S::min(x, S::splat(MISH_LINEAR)));
        let n = S::mul(t, S::add(t, S::splat(2.0)));
        let inverse = S::reciprocal(S::add(n, S::splat(2.0)));
        let first = S::mul(S::mul(S::splat(4.0), x), S::mul(t, inverse));
        S::mul_add(first, S::mul(S::add(t, S::splat(1.0)), inverse), S::mul(n, inverse))
    }
);
function!(
    Silu,
    S,
    |x| S::div(x, S::add(S::splat(1.0), exp::<S>(S::sub(S::splat(0.0), x)))),
    {
        let sigmoid = S::div(S::splat(1.0), S::add(S::splat(1.0), exp::<S>(S::sub(S::splat(0.0), x))));
        S::mul(sigmoid, S::mul_add(x, S::sub(S::splat(1.0), sigmoid), S::splat(1.0)))
    }
);
function!(Gelu, S, |x| S::mul(x, normal_cdf::<S>(x)), {
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    let density = exp::<S>(S::mul(S::mul(S::splat(-0.5), x), x));
    S::mul_add(S::mul(x, S::splat(INV_SQRT_2PI)), density, normal_cdf::<S>(x))
});
function!(
    Relu,
    S,
    // Not a maximum, which would turn NaN into 0.
    |x| S::if_negative(x, S::splat(0.0), x),
    S::if_negative(S::sub(S::splat(0.0), x), S::splat(1.0), S::splat(0.0))
);

/// Runs `$call` with the type parameter `F` bound to the function that `$activation` names.
macro_rules! with_function {
    ($activation:expr, $F:ident => $call:expr) => {
        match $activation {
            $crate::Activation::Identity => {
                type $F = $crate::activation::Identity;
                $call
            }
            $crate::Activation::Mish => {
                type $F = $crate::activation::Mish;
                $call
            }
            $crate::Activation::Silu => {
                type $F = $crate::activation::Silu;
                $call
            }
            $crate::Activation::Gelu => {
                type $F = $crate::activation::Gelu;
                $call
            }
            $crate::Activation::Relu => {
                type $F = $crate::activation::Relu;
                $call
            }
        }
    };
}
pub(crate) use with_function;

/// Vectors of at most this many numbers.
const WIDEST: usize = 16;

/// # Safety
/// The CPU must have the instruction set; the lengths are equal.
#[inline(always)]
unsafe fn activate_body<S: Simd, F: Function>(x: &[f32], y: &mut [f32]) {
    let whole = x.len() - x.len() % S::LANES;
    let mut tail = [0.0; WIDEST];
    tail[..x.len() - whole].copy_from_slice(&x[whole..]);
    // SAFETY: every vector lies within `x`, `y` or `tail`; the caller vouches for the rest.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            S::store(y.as_mut_ptr().add(i), F::value::<S>(S::load(x.as_ptr().add(i))));
        }
        S::store(tail.as_mut_ptr(), F::value::<S>(S::load(tail.as_ptr())));
    }
    y[whole..].copy_from_slice(&tail[..x.len() - whole]);
}

/// # Safety
/// The CPU must have the instruction set; the lengths are equal.
#[inline(always)]
unsafe fn grad_body<S: Simd, F: Function>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let whole = x.len() - x.len() % S::LANES;
    let (mut tail, mut d_tail) = ([0.0; WIDEST], [0.0; WIDEST]);
    tail[..x.len() - whole].copy_from_slice(&x[whole..]);
    d_tail[..x.len() - whole].copy_from_slice(&dy[whole..]);
    // SAFETY: every vector lies within a slice or an array; the caller vouches for the rest.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            let slope = F::derivative::<S>(S::load(x.as_ptr().add(i)));
            S::store(dx.as_mut_ptr().add(i), S::mul(S::load(dy.as_ptr().add(i)), slope));
        }
        let slope = F::derivative::<S>(S::load(tail.as_ptr()));
        S::store(tail.as_mut_ptr(), S::mul(S::load(d_tail.as_ptr()), slope));
    }
    dx[whole..].copy_from_slice(&tail[..x.len() - whole]);
}

dispatch!(unsafe fn activate_with<F: Function>(x: &[f32], y: &mut [f32]) => activate_body);
dispatch!(unsafe fn grad_with<F: Function>(x: &[f32], dy: &[f32], dx: &mut [f32]) => grad_body);

/// y = f(x), overwriting y.
///
/// # Panics
/// If the lengths differ.
pub fn activate(f: Activation, x: &[f32], y: &mut [f32]) {
    activate_on(Isa::active(), f, x, y);
}

pub(crate) fn activate_on(isa: Isa, f: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    // SAFETY: the lengths are equal; `isa` is an available one.
    with_function!(f, F => unsafe { activate_with::<F>(isa, x, y) });
}

/// dx = dy · f′(x), overwriting dx.
///
/// # Panics
/// If the lengths differ.
pub fn activation_grad(f: Activation, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    activation_grad_on(Isa::active(), f, x, dy, dx);
}

pub(crate) fn activation_grad_on(isa: Isa, f: Activation, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!(x.len(), dy.len());
    assert_eq!(x.len(), dx.len());
    // SAFETY: the lengths are equal; `isa` is an available one.
    with_function!(f, F => unsafe { grad_with::<F>(isa, x, dy, dx) });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 5] = [
        Activation::Identity,
        Activation::Mish,
        Activation::Silu,
        Activation::Gelu,
        Activation::Relu,
    ];

    /// The slow twin, in float64 and from the textbook formulas.
    fn twin(f: Activation, x: f64) -> f64 {
        match f {
            Activation::Identity => x,
            Activation::Mish => x * x.exp().ln_1p().tanh(),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Gelu => 0.5 * x * libm::erfc(-x / 2f64.sqrt()),
            Activation::Relu => x.max(0.0),
        }
    }

    fn check(isa: Isa, f: Activation) {
        // Off zero, where ReLU has no derivative; from far below to far above every threshold; a tail of one to fifteen.
        let x: Vec<f32> = (0..4001).map(|i| -30.0 + i as f32 * 0.015 + 1e-3).collect();
        let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        let dy: Vec<f32> = (0..x.len()).map(|i| 1.0 + (i % 7) as f32).collect();
        activate_on(isa, f, &x, &mut y);
        activation_grad_on(isa, f, &x, &dy, &mut dx);
        for i in 0..x.len() {
            let at = x[i] as f64;
            // Three units in the last place, beside the value's own size where it passes through zero.
            let value = twin(f, at);
            assert!(
                (y[i] as f64 - value).abs() <= 4e-7 * value.abs() + 2e-7,
                "{} {f:?}({at}) = {}, not {value}",
                isa.name(),
                y[i]
            );
            // Central differences in float64 are good to 1e-9; the derivative itself to a few units.
            let h = 1e-5;
            let slope = (twin(f, at + h) - twin(f, at - h)) / (2.0 * h) * dy[i] as f64;
            assert!(
                (dx[i] as f64 - slope).abs() <= 1e-6 * dy[i] as f64,
                "{} {f:?}'({at}) = {}, not {slope}",
                isa.name(),
                dx[i]
            );
        }
    }

    #[test]
    fn values_and_derivatives_agree_with_float64_on_every_instruction_set() {
        for isa in Isa::available() {
            ALL.iter().for_each(|&f| check(isa, f));
        }
    }

    #[test]
    fn a_number_has_the_same_bits_wherever_it_stands() {
        let x: Vec<f32> = (0..50).map(|i| i as f32 * 0.2 - 5.0).collect();
        for isa in Isa::available() {
            for f in ALL {
                let mut whole = vec![f32::NAN; x.len()];
                activate_on(isa, f, &x, &mut whole);
                for (i, x) in x.iter().enumerate() {
                    let mut alone = [f32::NAN];
                    activate_on(isa, f, &[*x], &mut alone);
                    assert_eq!(alone[0].to_bits(), whole[i].to_bits(), "{} {f:?}", isa.name());
                }
            }
        }
    }

    #[test]
    fn nan_stays_nan_and_infinity_stays_large() {
        for isa in Isa::available() {
            for f in ALL {
                let mut y = [0.0; 2];
                activate_on(isa, f, &[f32::NAN, f32::INFINITY], &mut y);
                assert!(y[0].is_nan(), "{f:?}");
                assert_eq!(y[1], f32::INFINITY, "{f:?}");
            }
        }
    }
}
