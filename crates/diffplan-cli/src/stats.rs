//! Numbers that sum up many.

/// The mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the values as they are (population); NaN of nothing.
pub(crate) fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}

/// The standard error of the mean, √(Σ(x - mean)² / (n - 1) / n); none of fewer than two values.
pub(crate) fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    Some((squares / (n - 1) as f64 / n as f64).sqrt())
}

/// The quantile `q` in 0..=1, linear between neighbours as NumPy's default; NaN of nothing.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} instead of {expected}");
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [4.0, 1.0, 3.0, 10.0];
        close(median(&values), 3.5);
        close(quantile(&values, 0.95), 9.1);
        close(quantile(&values, 0.0), 1.0);
        close(quantile(&values, 1.0), 10.0);
        close(quantile(&[7.0], 0.95), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn standard_error_is_that_of_the_mean() {
        let values = [1.0, 2.0, 3.0, 6.0];
        close(mean(&values), 3.0);
        close(std(&values), 3.5_f64.sqrt());
        close(standard_error(&values).unwrap(), (14.0_f64 / 3.0 / 4.0).sqrt());
        assert_eq!(standard_error(&[1.0]), None);
    }
}
