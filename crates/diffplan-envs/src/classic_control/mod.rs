//! The classic control problems that have continuous actions: [`Pendulum`] and [`MountainCarContinuous`].
//!
//! Both follow the sources of Gymnasium 1.4.0 operation by operation, with NumPy's rules for mixed precision (NEP 50): an
//! action is `float32`, a Python number takes the precision of what it meets, and an array keeps its own.

mod draw;
mod mountain_car_continuous;
mod pendulum;
mod track;

use std::hint::black_box;

use ndarray::{Array1, ArrayView1, ArrayView2};

pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;

use crate::{BoxSpace, Dict, Dtype, Error, NumpyRng, Result, Space};

/// The box between two bounds in `float32`, as all spaces of these environments are.
fn float32_box<const N: usize>(low: [f64; N], high: [f64; N]) -> Space {
    BoxSpace::new(low.to_vec().into(), high.to_vec().into(), Dtype::Float32)
        .expect("the bounds of the built-in environments are finite and in order")
        .into()
}

/// An observation as Gymnasium gives it: rounded to `float32`.
fn float32_observation<const N: usize>(values: [f64; N]) -> Array1<f64> {
    values.iter().map(|&value| f64::from(value as f32)).collect()
}

/// The one element of an action.
fn single_action(action: &Array1<f32>) -> Result<f32> {
    match action.as_slice() {
        Some(&[value]) if value.is_finite() => Ok(value),
        Some(&[value]) => Err(Error::ActionNotFinite { index: 0, value }),
        _ => Err(Error::ActionLength {
            expected: 1,
            actual: action.len(),
        }),
    }
}

/// The elements of a state.
fn state_elements<const N: usize>(state: ArrayView1<'_, f64>) -> Result<[f64; N]> {
    if state.len() != N {
        return Err(Error::StateLength {
            expected: N,
            actual: state.len(),
        });
    }
    match state.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::StateNotFinite {
            index,
            value: state[index],
        }),
        None => Ok(std::array::from_fn(|index| state[index])),
    }
}

/// Checks that observations, one a row, have `expected` elements.
fn observation_elements(observations: ArrayView2<'_, f64>, expected: usize) -> Result<()> {
    match observations.ncols() {
        actual if actual == expected => Ok(()),
        actual => Err(Error::ObservationLength { expected, actual }),
    }
}

/// The random stream that an episode starts from: anew from a seed, else the one there is.
fn random_stream(rng: &mut Option<NumpyRng>, seed: Option<u64>) -> Result<&mut NumpyRng> {
    if let Some(seed) = seed {
        *rng = Some(NumpyRng::new(seed));
    }
    rng.as_mut().ok_or(Error::SeedNeeded)
}

/// The numbers that options name, or their defaults; any other option is an error.
fn numbers<const N: usize>(options: &Dict, known: &'static [&'static str; N], defaults: [f64; N]) -> Result<[f64; N]> {
    let mut numbers = defaults;
    for (name, value) in options.iter() {
        let index = known
            .iter()
            .position(|&known| known == name)
            .ok_or_else(|| Error::UnknownOption {
                name: name.to_owned(),
                known,
            })?;
        let name = known[index];
        let number = value.as_f64().ok_or(Error::OptionKind {
            name,
            actual: value.kind(),
        })?;
        numbers[index] = usable(name, number, number)?;
    }
    Ok(numbers)
}

/// The value of an option, if what is calculated with it is a number.
fn usable(name: &'static str, value: f64, calculated: f64) -> Result<f64> {
    if calculated.is_finite() {
        Ok(value)
    } else {
        Err(Error::OptionNotFinite { name, value })
    }
}

/// `x ** 2` of a NumPy scalar, which is the C library's `pow(x, 2)` and not `x * x`: the two differ in the last bit for
/// one `float64` in 1200 (glibc 2.36). The exponent is hidden from the compiler, which would multiply.
fn square(x: f64) -> f64 {
    x.powf(black_box(2.0))
}

/// [`square`] in single precision, the C library's `powf(x, 2)`.
fn square_f32(x: f32) -> f32 {
    x.powf(black_box(2.0))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const KNOWN: [&str; 2] = ["low", "high"];

    #[test]
    fn options_are_numbers_by_name() {
        let mut options = Dict::from_iter([("high", 3_i64)]);
        assert_eq!(numbers(&options, &KNOWN, [-0.5, 0.5]), Ok([-0.5, 3.0]));
        options.insert("low", true);
        assert_eq!(
            numbers(&options, &KNOWN, [-0.5, 0.5]),
            Err(Error::OptionKind {
                name: "low",
                actual: "a truth value"
            })
        );
        options.insert("low", f64::NEG_INFINITY);
        assert_eq!(
            numbers(&options, &KNOWN, [-0.5, 0.5]),
            Err(Error::OptionNotFinite {
                name: "low",
                value: f64::NEG_INFINITY
            })
        );
        let misspelt = Dict::from_iter([("lo", 0.0)]);
        assert_eq!(
            numbers(&misspelt, &KNOWN, [-0.5, 0.5]),
            Err(Error::UnknownOption {
                name: "lo".into(),
                known: &KNOWN
            })
        );
    }

    #[test]
    fn an_action_is_one_finite_number() {
        assert_eq!(single_action(&array![0.5]), Ok(0.5));
        assert_eq!(
            single_action(&array![]),
            Err(Error::ActionLength { expected: 1, actual: 0 })
        );
        assert_eq!(
            single_action(&array![0.0, 0.0]),
            Err(Error::ActionLength { expected: 1, actual: 2 })
        );
        for value in [f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                single_action(&array![value]),
                Err(Error::ActionNotFinite { index: 0, value })
            );
        }
        assert!(matches!(
            single_action(&array![f32::NAN]),
            Err(Error::ActionNotFinite { index: 0, .. })
        ));
    }

    #[test]
    fn a_state_has_its_length_and_finite_numbers() {
        assert_eq!(state_elements(array![1.0, 2.0].view()), Ok([1.0, 2.0]));
        assert_eq!(
            state_elements::<2>(array![1.0].view()),
            Err(Error::StateLength { expected: 2, actual: 1 })
        );
        assert_eq!(
            state_elements::<2>(array![1.0, f64::INFINITY].view()),
            Err(Error::StateNotFinite {
                index: 1,
                value: f64::INFINITY
            })
        );
        assert!(matches!(
            state_elements::<1>(array![f64::NAN].view()),
            Err(Error::StateNotFinite { index: 0, .. })
        ));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn squares_are_those_of_a_numpy_scalar() {
        // numpy 2.4.6, glibc 2.36: x ** 2, where x * x differs in the last bit.
        assert_eq!(square(-2.8239505176090614), 7.974696525904486);
        assert_eq!(square(4.309727835887987), 18.573754019427753);
        assert_eq!(square_f32(8.205_115), 67.323_92);
        assert_eq!(square_f32(-2.166_504), 4.693_739_4);
        assert_eq!((square(3.0), square_f32(-0.5)), (9.0, 0.25));
    }
}
