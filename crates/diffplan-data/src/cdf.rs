//! The empirical cumulative distribution of one dimension, piecewise linear, and what is kept of it.
//!
//! The original's `CDFNormalizer` (jannerm/diffuser, `diffuser/datasets/normalization.py`) makes each dimension uniform: with the
//! distinct values q₀ < q₁ < … of n rows and the number cᵢ of rows that are not above qᵢ, F is linear between the knots
//! (qᵢ, cᵢ / n), and
//!
//! ```text
//! y = 2 F(x) - 1            x clipped to [q₀, q_last], so that y lies in [2 c₀ / n - 1, 1]
//! x = F⁻¹((y + 1) / 2)      y clipped to [2 c₀ / n - 1, 1]
//! ```
//!
//! Here are the same knots, but at most [`MOST_KNOTS`] of them: of more, those are kept between which F rises by no more than
//! some g, and g is the smallest that leaves few enough. So they lie at about even steps of probability, both ends stay, and a
//! value that many rows share keeps its own step (a torque at its limit, say), since between neighbours nothing is left out.
//! Both curves rise between two knots from the same number to the same number, so y is off by at most 2 g: 2 / 1023 for data
//! without ties, and never more than 1 / 256, since of two steps in a row one would have done if they came to g together.
//! The largest measured against the full table: 1.2e-3 for a million normal numbers (in the tails), 1.2e-4 for uniform ones,
//! 1.5e-3 for fifth powers of normal ones; 1.0e-3 for the worst observation of 250,000 steps of Hopper, 5.7e-4 for the worst
//! action. The way back is the inverse of what was kept, so nothing is lost going there and back.
//!
//! y is a float32, so what lies between two values is found again to within 6e-8 / (the step of y between them) of their distance.

/// The most knots that are fitted to a dimension. A file may hold more.
pub(crate) const MOST_KNOTS: usize = 1024;

/// A piecewise linear curve from x up to y, and back. At least two knots, both coordinates strictly increasing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    x: Vec<f64>,
    /// 2 F(x) - 1.
    y: Vec<f64>,
}

impl Curve {
    pub(crate) fn new(quantiles: &[f32], cumulative_counts: &[u64]) -> Self {
        let rows = cumulative_counts.last().map_or(1.0, |&rows| rows as f64);
        let y = |&count: &u64| 2.0 * (count as f64 / rows) - 1.0;
        Self {
            x: quantiles.iter().map(|&x| f64::from(x)).collect(),
            y: cumulative_counts.iter().map(y).collect(),
        }
    }

    pub(crate) fn normalize(&self, x: f32) -> f32 {
        along(&self.x, &self.y, f64::from(x)) as f32
    }

    pub(crate) fn denormalize(&self, y: f32) -> f32 {
        along(&self.y, &self.x, f64::from(y)) as f32
    }

    /// The derivative of [`Curve::denormalize`]: that of the piece that ends at or above `y`, at the first knot of the first piece; 0 where
    /// `y` is clipped.
    pub(crate) fn slope(&self, y: f32) -> f32 {
        let y = f64::from(y);
        let last = self.y.len() - 1;
        if y.is_nan() {
            return f32::NAN;
        }
        if y < self.y[0] || y > self.y[last] {
            return 0.0;
        }
        let above = self.y.partition_point(|knot| *knot < y).clamp(1, last);
        ((self.x[above] - self.x[above - 1]) / (self.y[above] - self.y[above - 1])) as f32
    }
}

/// The curve through the knots (`from`, `to`) at `at`, which is clipped to the knots' range; NaN stays NaN.
fn along(from: &[f64], to: &[f64], at: f64) -> f64 {
    let above = from.partition_point(|knot| *knot < at);
    match above.checked_sub(1) {
        _ if at.is_nan() => at,
        None => to[0],
        Some(below) if above == from.len() => to[below],
        Some(below) => {
            let part = (at - from[below]) / (from[above] - from[below]);
            to[below] + (to[above] - to[below]) * part
        }
    }
}

/// The knots of finite `values`: distinct ones in rising order, and how many values are not above each; at most `most`, at least 2.
pub(crate) fn fit(mut values: Vec<f32>, most: usize) -> (Vec<f32>, Vec<u64>) {
    values.sort_unstable_by(f32::total_cmp);
    let (mut quantiles, mut counts) = (Vec::new(), Vec::new());
    let mut count = 0;
    // -0 is 0, as everywhere but in the sorting.
    for equal in values.chunk_by(|a, b| a == b) {
        count += equal.len() as u64;
        quantiles.push(equal[0]);
        counts.push(count);
    }
    if counts.len() > most {
        // With all rows as the step two knots are left; more knots are kept the smaller it is.
        let (mut too_small, mut step) = (0, count);
        while step - too_small > 1 {
            let middle = too_small.midpoint(step);
            match kept(&counts, middle).count() <= most {
                true => step = middle,
                false => too_small = middle,
            }
        }
        let kept: Vec<usize> = kept(&counts, step).collect();
        quantiles = kept.iter().map(|&i| quantiles[i]).collect();
        counts = kept.iter().map(|&i| counts[i]).collect();
    }
    (quantiles, counts)
}

/// From the first knot to the last, each as far from the one before as `step` rows allow, or next to it.
fn kept(counts: &[u64], step: u64) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(0), move |&i| {
        let far = counts.partition_point(|&count| count <= counts[i] + step) - 1;
        (i + 1 < counts.len()).then_some(far.max(i + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A linear congruential generator's output, spread over [0, 1).
    fn uniform(count: usize) -> impl Iterator<Item = f64> {
        let mut state = 12_345_u64;
        (0..count).map(move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    /// Uniform numbers in pairs, by the Box-Muller transform.
    fn normal(count: usize) -> Vec<f32> {
        let numbers: Vec<f64> = uniform(2 * count).collect();
        let (pairs, _) = numbers.as_chunks::<2>();
        let one = |[a, b]: &[f64; 2]| (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        pairs.iter().map(|pair| one(pair) as f32).collect()
    }

    /// The twin: counts by looking at every value, and the curve by looking at every pair of knots.
    fn twin(values: &[f32], x: f32) -> f64 {
        let not_above = |q: f32| values.iter().filter(|&&v| v <= q).count() as f64 / values.len() as f64;
        let below = values
            .iter()
            .copied()
            .filter(|&v| v <= x)
            .fold(f32::NEG_INFINITY, f32::max);
        let above = values.iter().copied().filter(|&v| v >= x).fold(f32::INFINITY, f32::min);
        let lowest = values.iter().copied().fold(f32::INFINITY, f32::min);
        if below == f32::NEG_INFINITY {
            return 2.0 * not_above(lowest) - 1.0;
        }
        if above == f32::INFINITY || above == below {
            return 2.0 * not_above(below) - 1.0;
        }
        let part = (f64::from(x) - f64::from(below)) / (f64::from(above) - f64::from(below));
        2.0 * (not_above(below) + part * (not_above(above) - not_above(below))) - 1.0
    }

    fn curve(values: &[f32], most: usize) -> Curve {
        let (quantiles, counts) = fit(values.to_vec(), most);
        Curve::new(&quantiles, &counts)
    }

    /// Its largest distance in y from the full curve, which lies at a knot of that.
    fn largest_error(values: &[f32], most: usize) -> f64 {
        let (full, few) = (curve(values, usize::MAX), curve(values, most));
        assert!(few.x.len() <= most && few.x[0] == full.x[0] && few.x.last() == full.x.last());
        assert_eq!((few.y[0], few.y.last()), (full.y[0], full.y.last()));
        let knots = full.x.iter().zip(&full.y);
        knots
            .map(|(&x, y)| (along(&few.x, &few.y, x) - y).abs())
            .fold(0.0, f64::max)
    }

    /// NumPy 2.4.6 and SciPy 1.17.1: the original's `empirical_cdf` and `interp1d`, in float64, rounded to float32.
    #[test]
    fn curves_are_those_of_scipy() {
        let values = [1.0, -2.0, 1.0, 0.5, 4.0, 4.0, 4.0, -2.0, 0.25, 1.0];
        let (quantiles, counts) = fit(values.to_vec(), MOST_KNOTS);
        assert_eq!(quantiles, [-2.0, 0.25, 0.5, 1.0, 4.0]);
        assert_eq!(counts, [2, 3, 4, 7, 10]);
        let curve = Curve::new(&quantiles, &counts);
        let there = [
            (-3.0, -0.6),
            (-2.0, -0.6),
            (-1.0, -0.511_111_14),
            (0.3, -0.36),
            (0.5, -0.2),
            (0.9, 0.28),
            (1.0, 0.4),
            (2.5, 0.7),
            (4.0, 1.0),
            (9.0, 1.0),
        ];
        for (x, y) in there {
            assert!(
                (curve.normalize(x) - y).abs() <= f32::EPSILON / 2.0,
                "{x}: {}",
                curve.normalize(x)
            );
        }
        let back = [
            (-2.0, -2.0),
            (-1.0, -2.0),
            (-0.6, -2.0),
            (-0.5, -0.875),
            (0.0, 0.666_666_7),
            (0.1, 0.75),
            (0.4, 1.0),
            (0.7, 2.5),
            (1.0, 4.0),
            (1.5, 4.0),
        ];
        for (y, x) in back {
            // y is rounded: its 6e-8 times the largest slope, 15.
            assert!(
                (curve.denormalize(y) - x).abs() <= 1e-6,
                "{y}: {}",
                curve.denormalize(y)
            );
        }
        assert!(curve.normalize(f32::NAN).is_nan() && curve.denormalize(f32::NAN).is_nan());
        assert_eq!(
            [f32::NEG_INFINITY, f32::INFINITY].map(|x| curve.normalize(x)),
            [-0.6, 1.0]
        );
    }

    #[test]
    fn curves_agree_with_plain_loops() {
        for values in [
            normal(300),
            normal(200).iter().map(|x| (x * 4.0).round() / 4.0).collect(),
            vec![0.0, -0.0, 1.0],
        ] {
            let curve = curve(&values, MOST_KNOTS);
            for x in normal(200).into_iter().map(|x| 1.5 * x).chain(values.iter().copied()) {
                let (actual, expected) = (curve.normalize(x), twin(&values, x));
                assert!(
                    (f64::from(actual) - expected).abs() < 1e-7,
                    "{x}: {actual}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn what_is_left_out_moves_nothing_far() {
        let million = normal(1_000_000);
        let flat: Vec<f32> = uniform(1_000_000).map(|x| x as f32).collect();
        let at_limits: Vec<f32> = million.iter().map(|x| x.clamp(-1.0, 1.0)).collect();
        let heavy: Vec<f32> = million.iter().map(|x| x.powi(5)).collect();
        // Measured: 1.17e-3, 1.23e-4, 1.00e-4, 1.51e-3.
        for (name, values, most) in [
            ("normal", &million, 1.3e-3),
            ("uniform", &flat, 1.4e-4),
            ("clipped", &at_limits, 1.1e-4),
            ("heavy tails", &heavy, 1.7e-3),
        ] {
            let error = largest_error(values, MOST_KNOTS);
            assert!(error < most, "{name}: {error}");
        }
    }

    /// A step of many rows stays a step, whatever lies beside it.
    #[test]
    fn ties_keep_their_step() {
        let mut values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        values.extend([1.0; 10_000]);
        let (quantiles, counts) = fit(values.clone(), 64);
        assert!(quantiles.len() <= 64);
        let end = quantiles.len() - 2;
        assert_eq!((quantiles[end], counts[end..].to_vec()), (0.9999, vec![10_000, 20_000]));
        // 62 steps over 10,000 of 20,000 rows, rounded up; y rises twice as fast as F.
        assert!(largest_error(&values, 64) <= 2.0 * 162.0 / 20_000.0);
    }

    #[test]
    fn never_more_knots_than_asked_for_and_always_both_ends() {
        for length in [2, 3, 10, 1000, 1025, 5000] {
            let mut values = normal(length);
            values.extend(normal(length).iter().take(length / 2).map(|x| x.round()));
            for most in [2, 3, 64, 1024] {
                largest_error(&values, most);
            }
        }
        let (quantiles, counts) = fit(normal(1024), MOST_KNOTS);
        assert_eq!((quantiles.len(), counts.last()), (1024, Some(&1024)));
        assert!(
            counts.iter().copied().eq(1..=1024),
            "nothing is left out that need not be"
        );
    }
}
