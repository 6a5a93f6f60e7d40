//! Activation functions and their derivatives over slices.
//!
//! With t = eˣ, n = t² + 2t and d = n + 2, Mish (Misra 2019) is x·tanh(ln(1 + t)) = x·n/d, and its derivative is
//! n/d + 4x·t(t + 1)/d²: one exponential and one division for both. SiLU is x·σ(x); GELU is the exact one, with erf.

use crate::arith::{Arith, exp};
use crate::isa::dispatch;

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

/// A function of one number and its derivative; every implementation is a unit type, so that loops specialise on it.
pub(crate) trait Function {
    fn value<A: Arith>(x: f32) -> f32;
    fn derivative<A: Arith>(x: f32) -> f32;
}

pub(crate) struct Identity;
pub(crate) struct Mish;
pub(crate) struct Silu;
pub(crate) struct Gelu;
pub(crate) struct Relu;

impl Function for Identity {
    #[inline(always)]
    fn value<A: Arith>(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn derivative<A: Arith>(_: f32) -> f32 {
        1.0
    }
}

/// From here on tanh(ln(1 + eˣ)) is 1 in float32; beyond it eˣ squared would overflow.
const MISH_LINEAR: f32 = 20.0;

impl Function for Mish {
    #[inline(always)]
    fn value<A: Arith>(x: f32) -> f32 {
        let t = exp::<A>(x.min(MISH_LINEAR));
        let n = A::mul_add(t, t, 2.0 * t);
        x * (n / (n + 2.0))
    }
    #[inline(always)]
    fn derivative<A: Arith>(x: f32) -> f32 {
        let t = exp::<A>(x.min(MISH_LINEAR));
        let n = A::mul_add(t, t, 2.0 * t);
        let inverse = 1.0 / (n + 2.0);
        A::mul_add(4.0 * x * (t * inverse), (t + 1.0) * inverse, n * inverse)
    }
}

impl Function for Silu {
    #[inline(always)]
    fn value<A: Arith>(x: f32) -> f32 {
        x / (1.0 + exp::<A>(-x))
    }
    #[inline(always)]
    fn derivative<A: Arith>(x: f32) -> f32 {
        let sigmoid = 1.0 / (1.0 + exp::<A>(-x));
        sigmoid * A::mul_add(x, 1.0 - sigmoid, 1.0)
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value<A: Arith>(x: f32) -> f32 {
        0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
    }
    #[inline(always)]
    fn derivative<A: Arith>(x: f32) -> f32 {
        const INV_SQRT_2PI: f32 = 0.398_942_3;
        let cdf = 0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2));
        A::mul_add(x * INV_SQRT_2PI, exp::<A>(-0.5 * x * x), cdf)
    }
}

impl Function for Relu {
    #[inline(always)]
    fn value<A: Arith>(x: f32) -> f32 {
        // Not `max`, which would turn NaN into 0.
        if x < 0.0 { 0.0 } else { x }
    }
    #[inline(always)]
    fn derivative<A: Arith>(x: f32) -> f32 {
        if x > 0.0 { 1.0 } else { 0.0 }
    }
}

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

#[inline(always)]
fn activate_body<A: Arith, F: Function>(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = F::value::<A>(x);
    }
}

#[inline(always)]
fn grad_body<A: Arith, F: Function>(x: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
        *dx = dy * F::derivative::<A>(x);
    }
}

dispatch!(fn activate_with<F: Function>(x: &[f32], y: &mut [f32]) => activate_body);
dispatch!(fn grad_with<F: Function>(x: &[f32], dy: &[f32], dx: &mut [f32]) => grad_body);

/// y = f(x), overwriting y.
///
/// # Panics
/// If the lengths differ.
pub fn activate(f: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    with_function!(f, F => activate_with::<F>(x, y));
}

/// dx = dy · f′(x), overwriting dx.
///
/// # Panics
/// If the lengths differ.
pub fn activation_grad(f: Activation, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!(x.len(), dy.len());
    assert_eq!(x.len(), dx.len());
    with_function!(f, F => grad_with::<F>(x, dy, dx));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{Fused, Portable};

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
            Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
            Activation::Relu => x.max(0.0),
        }
    }

    fn grid() -> Vec<f32> {
        // Off zero, where ReLU has no derivative; from far below to far above every threshold.
        (0..4001).map(|i| -30.0 + i as f32 * 0.015 + 1e-3).collect()
    }

    fn check<A: Arith>(f: Activation) {
        let x = grid();
        let (mut y, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
        let dy: Vec<f32> = (0..x.len()).map(|i| 1.0 + (i % 7) as f32).collect();
        with_function!(f, F => activate_body::<A, F>(&x, &mut y));
        with_function!(f, F => grad_body::<A, F>(&x, &dy, &mut dx));
        for i in 0..x.len() {
            let at = x[i] as f64;
            // Three units in the last place, beside 1e-7 where the value passes through zero.
            let value = twin(f, at);
            assert!(
                (y[i] as f64 - value).abs() <= 4e-7 * value.abs() + 1e-7,
                "{f:?}({at}) = {}, not {value}",
                y[i]
            );
            // Central differences in float64 are good to 1e-9; the derivative itself to a few units.
            let h = 1e-5;
            let slope = (twin(f, at + h) - twin(f, at - h)) / (2.0 * h) * dy[i] as f64;
            assert!(
                (dx[i] as f64 - slope).abs() <= 1e-6 * dy[i] as f64,
                "{f:?}'({at}) = {}, not {slope}",
                dx[i]
            );
        }
    }

    #[test]
    fn values_and_derivatives_agree_with_float64() {
        for f in ALL {
            check::<Portable>(f);
            check::<Fused>(f);
        }
    }

    #[test]
    fn the_dispatched_path_is_one_of_the_two() {
        let x = grid();
        for f in ALL {
            let mut got = vec![f32::NAN; x.len()];
            activate(f, &x, &mut got);
            let (mut fused, mut portable) = (got.clone(), got.clone());
            with_function!(f, F => activate_body::<Fused, F>(&x, &mut fused));
            with_function!(f, F => activate_body::<Portable, F>(&x, &mut portable));
            assert!(got == fused || got == portable, "{f:?}");
        }
    }

    #[test]
    fn nan_stays_nan_and_infinity_stays_large() {
        for f in ALL {
            let mut y = [0.0; 2];
            activate(f, &[f32::NAN, f32::INFINITY], &mut y);
            assert!(y[0].is_nan(), "{f:?}");
            assert_eq!(y[1], f32::INFINITY, "{f:?}");
        }
    }
}
