//! Distributions of a column in a few numbers, for pictures: [`Spread`], [`Histogram`].

/// The quantiles of a [`Spread`].
pub const QUANTILES: [f64; 7] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0];

/// What lies where, of all finite values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// At [`QUANTILES`], between neighbours as NumPy has it.
    pub quantiles: [f64; 7],
    /// Their mean.
    pub mean: f64,
    /// Population.
    pub std: f64,
}

impl Spread {
    /// None where no value is finite.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|x| x.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (&low, &high) = (values.first()?, values.last()?);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let at = |quantile: f64| {
            let place = quantile * (count - 1.0);
            let below = place.floor() as usize;
            let above = (below + 1).min(values.len() - 1);
            values[below] + (place - place.floor()) * (values[above] - values[below])
        };
        Some(Self {
            quantiles: QUANTILES.map(at),
            // The mean of equal numbers may be rounded away from them.
            mean: if low == high { low } else { mean },
            std: if low == high { 0.0 } else { variance.sqrt() },
        })
    }

    /// A value in standard deviations from the mean; 0 where there is no deviation.
    #[must_use]
    pub fn standard(&self, value: f64) -> f64 {
        if self.std > 0.0 {
            (value - self.mean) / self.std
        } else {
            0.0
        }
    }
}

/// How many values lie in bins of the same width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last bin ends.
    pub high: f64,
    /// One a bin, at least one.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Of all finite values, in at most `most` bins; of whole numbers, bins are of whole numbers. None where no value is finite.
    #[must_use]
    pub fn of(values: &[f64], most: usize) -> Option<Self> {
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if low > high {
            return None;
        }
        let whole = finite().all(|x| x.fract() == 0.0 && x.abs() < 1e15);
        let most = most.max(1) as f64;
        let (low, high, bins) = if whole {
            let width = ((high - low + 1.0) / most).ceil().max(1.0);
            let bins = ((high - low + 1.0) / width).ceil();
            (low - 0.5, low - 0.5 + bins * width, bins)
        } else if low == high {
            let margin = (0.5 * low.abs()).max(0.5);
            (low - margin, high + margin, 1.0)
        } else {
            (
                low,
                high,
                (finite().count() as f64).sqrt().ceil().clamp(most.min(8.0), most),
            )
        };
        let mut counts = vec![0; bins as usize];
        let last = counts.len() - 1;
        for value in finite() {
            // Of differences, which could be infinite, the half.
            let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
            counts[((share * bins) as usize).min(last)] += 1;
        }
        Some(Self { low, high, counts })
    }

    /// The width of a bin.
    #[must_use]
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.counts.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        let spread = Spread::of([4.0, 1.0, f64::NAN, 3.0, 2.0].into_iter()).unwrap();
        let expected = [1.0, 1.03, 1.75, 2.5, 3.25, 3.97, 4.0];
        // Rounding of a sum and a product of numbers up to 4.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-15;
        assert!(
            spread.quantiles.iter().zip(&expected).all(near),
            "{:?}",
            spread.quantiles
        );
        assert_eq!((spread.mean, spread.standard(2.5)), (2.5, 0.0));
        assert!((spread.std - 1.25_f64.sqrt()).abs() < 1e-15);
        let constant = Spread::of([0.1; 1000].into_iter()).unwrap();
        assert_eq!((constant.mean, constant.std, constant.standard(5.0)), (0.1, 0.0, 0.0));
        assert_eq!(Spread::of([f64::INFINITY].into_iter()), None);
    }

    #[test]
    fn every_value_is_in_a_bin() {
        let lengths: Vec<f64> = [200.0; 7].into_iter().chain([150.0]).collect();
        let histogram = Histogram::of(&lengths, 60).unwrap();
        assert_eq!((histogram.counts.len(), histogram.width()), (51, 1.0));
        assert_eq!((histogram.counts[0], histogram.counts[50]), (1, 7));
        let wide = Histogram::of(&[0.0, 1000.0], 50).unwrap();
        assert_eq!(wide.width(), 21.0);
        let equal = Histogram::of(&[200.0; 3], 50).unwrap();
        assert_eq!((equal.low, equal.high, &equal.counts[..]), (199.5, 200.5, &[3][..]));
        let many: Vec<f64> = (0..1000).map(|i| f64::from(i).sin()).chain([f64::NAN]).collect();
        let histogram = Histogram::of(&many, 40).unwrap();
        assert_eq!(histogram.counts.iter().sum::<u64>(), 1000);
        let huge = Histogram::of(&[-f64::MAX, 0.5, f64::MAX], 10).unwrap();
        assert_eq!(huge.counts.iter().sum::<u64>(), 3);
        assert_eq!(Histogram::of(&[], 10), None);
    }
}
