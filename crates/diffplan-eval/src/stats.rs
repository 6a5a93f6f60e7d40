//! Numbers that sum up many.

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the values as they are (population); NaN of nothing.
pub fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}

/// The standard error of the mean, √(Σ(x - mean)² / (n - 1) / n); none of fewer than two values.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    Some((squares / (n - 1) as f64 / n as f64).sqrt())
}

/// The quantile `q` in 0..=1, linear between neighbours as NumPy's default; NaN of nothing.
pub fn quantile(values: &[f64], q: f64) -> f64 {
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
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The 95 % confidence interval of the mean by Student's t; none of fewer than two values.
pub fn confidence_interval(values: &[f64]) -> Option<[f64; 2]> {
    let error = standard_error(values)?;
    let (mean, t) = (mean(values), t_quantile((values.len() - 1) as f64));
    Some([mean - t * error, mean + t * error])
}

/// The 95 % confidence interval of a share of which `successes` of `count` were seen (E. B. Wilson, "Probable inference, the law of
/// succession, and statistical inference", 1927): within 0 to 1 also where all or none were. None of nothing.
pub fn wilson_interval(successes: usize, count: usize) -> Option<[f64; 2]> {
    if count == 0 {
        return None;
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (n, share) = (count as f64, successes as f64 / count as f64);
    let (wide, middle) = (1.0 + Z * Z / n, share + Z * Z / (2.0 * n));
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some([((middle - half) / wide).max(0.0), ((middle + half) / wide).min(1.0)])
}

/// What Student's t with so many degrees of freedom stays below with probability 0.975.
///
/// With t = √ν · tan θ its density is proportional to cos θ to the power of ν - 1, which is integrated by Simpson's rule.
fn t_quantile(degrees: f64) -> f64 {
    const INTERVALS: usize = 1000;
    let density = |theta: f64| theta.cos().powf(degrees - 1.0);
    let integral = |to: f64| {
        let width = to / INTERVALS as f64;
        let weight = |i: usize| match i {
            0 | INTERVALS => 1.0,
            i if i.is_multiple_of(2) => 2.0,
            _ => 4.0,
        };
        let terms = (0..=INTERVALS).map(|i| weight(i) * density(i as f64 * width));
        terms.sum::<f64>() * width / 3.0
    };
    // Beyond it, the density of many degrees of freedom is nothing.
    let end = f64::min(std::f64::consts::FRAC_PI_2, 12.0 / degrees.sqrt());
    let wanted = 0.95 * integral(end);
    let (mut low, mut high) = (0.0, end);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match integral(middle) < wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    degrees.sqrt() * low.tan()
}

/// The 95 % percentile interval of a number that `resample` draws anew, `resamples` times.
pub fn percentile_interval(resamples: usize, resample: impl FnMut() -> f64) -> [f64; 2] {
    let drawn: Vec<f64> = std::iter::repeat_with(resample).take(resamples).collect();
    [quantile(&drawn, 0.025), quantile(&drawn, 0.975)]
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

    /// Expected: the density of t, integrated with NumPy by Gauss-Legendre quadrature; as in printed tables.
    #[test]
    fn quantiles_of_t_are_those_of_the_table() {
        for (degrees, expected) in [
            (1.0, 12.706204736174698),
            (2.0, 4.302652729749462),
            (9.0, 2.2621571628540993),
            (149.0, 1.976013177689244),
            (1000.0, 1.9623390808264078),
            (999_999.0, 1.9599663546634758),
        ] {
            let actual = t_quantile(degrees);
            assert!(
                (actual - expected).abs() < 1e-6,
                "{degrees}: {actual} instead of {expected}"
            );
        }
        let [low, high] = confidence_interval(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        // t(3) = 3.182446, times the standard error 1.080123.
        assert!(
            (low + 0.437435).abs() < 1e-5 && (high - 6.437435).abs() < 1e-5,
            "{low} {high}"
        );
        assert_eq!(confidence_interval(&[1.0]), None);
    }

    /// Expected: R's `prop.test(8, 10, correct = FALSE)`, 0.4901625 to 0.9433178, and the ends in closed form, n / (n + z²).
    #[test]
    fn shares_have_intervals_within_their_bounds() {
        let [low, high] = wilson_interval(8, 10).unwrap();
        assert!(
            (low - 0.490_162_5).abs() < 1e-7 && (high - 0.943_317_8).abs() < 1e-7,
            "{low} {high}"
        );
        let square = 1.959_963_984_540_054_f64.powi(2);
        let [low, high] = wilson_interval(0, 10).unwrap();
        assert!(
            low == 0.0 && (high - square / (10.0 + square)).abs() < 1e-12,
            "{low} {high}"
        );
        let [low, high] = wilson_interval(100, 100).unwrap();
        assert!(
            high <= 1.0 && (low - 100.0 / (100.0 + square)).abs() < 1e-12,
            "{low} {high}"
        );
        assert_eq!(wilson_interval(0, 0), None);
    }

    #[test]
    fn percentiles_are_of_what_was_drawn() {
        let mut drawn = 0.0;
        let interval = percentile_interval(1001, || {
            drawn += 1.0;
            drawn
        });
        close(interval[0], 26.0);
        close(interval[1], 976.0);
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
