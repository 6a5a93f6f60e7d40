//! The horizons a network can take, in few words.

use std::fmt;

/// Horizons looked at: 1 up to this.
const LIMIT: usize = 1024;

/// A set of horizons up to [`LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Horizons(Vec<usize>);

impl Horizons {
    /// Those up to the limit that `works` says yes to.
    pub(crate) fn that(works: impl Fn(usize) -> bool) -> Self {
        Self((1..=LIMIT).filter(|&horizon| works(horizon)).collect())
    }

    /// Those in both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self::that(|horizon| self.contains(horizon) && other.contains(horizon))
    }

    fn contains(&self, horizon: usize) -> bool {
        self.0.binary_search(&horizon).is_ok()
    }
}

/// "multiples of 4", "17 to 32", "20, 24, 28, 32", "4, 8, 64 to 128 in steps of 4".
impl fmt::Display for Horizons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(&first) = self.0.first() else {
            return write!(f, "none up to {LIMIT}");
        };
        if self.0.iter().copied().eq((first..=LIMIT).step_by(first)) {
            return match first {
                1 => f.write_str("any"),
                _ => write!(f, "multiples of {first}"),
            };
        }
        let gaps = self.0.windows(2).map(|pair| pair[1] - pair[0]);
        let step = gaps.min().unwrap_or(1);
        let mut parts = Vec::new();
        for run in self.0.chunk_by(|a, b| b - a == step) {
            let (low, high) = (run[0], run[run.len() - 1]);
            // The last run may go on beyond the limit.
            let open = high + step > LIMIT;
            parts.push(match (run.len(), step) {
                (1, _) => low.to_string(),
                (_, 1) if open => format!("{low} up"),
                (_, 1) => format!("{low} to {high}"),
                (_, _) if open => format!("{low} up in steps of {step}"),
                (2..=4, _) => run.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
                (_, _) => format!("{low} to {high} in steps of {step}"),
            });
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words() {
        type Works = fn(usize) -> bool;
        let cases: [(Works, &str); 9] = [
            (|_| true, "any"),
            (|h| h % 4 == 0, "multiples of 4"),
            (|h| (17..=32).contains(&h), "17 to 32"),
            (|h| h >= 17, "17 up"),
            (|h| h % 4 == 0 && (17..=32).contains(&h), "20, 24, 28, 32"),
            (|h| h % 4 == 0 && (17..=64).contains(&h), "20 to 64 in steps of 4"),
            (|h| h % 4 == 0 && h > 16, "20 up in steps of 4"),
            (|h| h == 5 || (8..=10).contains(&h), "5, 8 to 10"),
            (|_| false, "none up to 1024"),
        ];
        for (works, words) in cases {
            assert_eq!(Horizons::that(works).to_string(), words);
        }
        let both = Horizons::that(|h| h % 4 == 0).and(&Horizons::that(|h| (17..=32).contains(&h)));
        assert_eq!(both.to_string(), "20, 24, 28, 32");
    }
}
