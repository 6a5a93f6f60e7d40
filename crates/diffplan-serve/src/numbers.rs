//! Numbers as they are sent: whole where a plan is acted on, short where it is looked at.

use serde::{Serialize, Serializer};

/// Digits of a number that is looked at.
const DIGITS: i32 = 5;

/// A number of as many digits as a picture needs. What is not finite has no JSON and is null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Short(pub(crate) f64);

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.is_finite() {
            return serializer.serialize_none();
        }
        let rounded = round(self.0);
        // 0 rather than 0.0, and no sign of it.
        match rounded == rounded.trunc() && rounded.abs() < 1e15 {
            true => serializer.serialize_i64(rounded as i64),
            false => serializer.serialize_f64(rounded),
        }
    }
}

fn round(number: f64) -> f64 {
    if number == 0.0 {
        return 0.0;
    }
    let places = DIGITS - 1 - number.abs().log10().floor() as i32;
    let shift = 10f64.powi(places.abs());
    // Multiplied and divided by whole powers, which are exact up to 1e22.
    match places {
        0..=22 => (number * shift).round() / shift,
        -22..0 => (number / shift).round() * shift,
        _ => number,
    }
}

/// All of them, short.
pub(crate) fn short<'a, T: Copy + Into<f64> + 'a>(numbers: impl IntoIterator<Item = &'a T>) -> Vec<Short> {
    numbers.into_iter().map(|&number| Short(number.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_five_digits() {
        for (number, text) in [
            (0.1, "0.1"),
            (f64::from(0.1_f32), "0.1"),
            (-std::f64::consts::PI, "-3.1416"),
            (123_456.7, "123460"),
            (1.0, "1"),
            (-0.0, "0"),
            (0.000_123_456_789, "0.00012346"),
            (f64::NAN, "null"),
            (f64::NEG_INFINITY, "null"),
            (9.999_996, "10"),
        ] {
            assert_eq!(serde_json::to_string(&Short(number)).unwrap(), text, "{number}");
        }
        for number in [1e-300, 1e300, f64::MIN_POSITIVE] {
            let text = serde_json::to_string(&Short(number)).unwrap();
            let read: f64 = text.parse().unwrap();
            assert!((read / number - 1.0).abs() < 1e-4, "{text}");
        }
    }
}
