//! Rows of zeros: what windows that reach past the end of their episode are padded with.
//!
//! They are normalised like any others. Where a dimension's mean is many standard deviations from 0, a padded row is as many away from
//! all that the network otherwise sees, and a squared loss looks at nothing else: of a dimension of 10 ± 1e-6 the loss is 1e14, and of
//! demonstrations of a robot at a table (0.42 ± 0.003) 90 instead of 0.8. A dimension that never changes is centred and not scaled,
//! so its padding is as far away as the constant is large.

use ndarray::Array2;

use super::{EnvFacts, Finding};
use crate::{Key, Normalizer, Normalizers, SequenceDataset};

/// Standard deviations (or half ranges) from the middle that a row of zeros may be.
const FAR: f32 = 20.0;
/// The share of windows that may be padded.
const MANY: f64 = 0.5;

/// How windows are padded.
#[derive(Debug, Clone, Copy)]
pub struct Padding<'a> {
    /// By which a row of zeros is normalised.
    pub normalizers: &'a Normalizers,
    /// The windows, where they are known.
    pub sequences: Option<&'a SequenceDataset>,
}

impl Padding<'_> {
    pub(super) fn check(&self, (observations, actions): (usize, usize), env: Option<&EnvFacts>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let padded = self.sequences.map(SequenceDataset::padded);
        if padded == Some(0) {
            return findings;
        }
        let mut far = Vec::new();
        for (key, normalizer, dimensions) in [
            (Key::Observations, self.normalizers.observations(), observations),
            (Key::Actions, self.normalizers.actions(), actions),
        ] {
            let zeros = zeros(normalizer, dimensions);
            let beyond = zeros.iter().enumerate().filter(|(_, at)| at.abs() > FAR);
            far.extend(beyond.map(|(i, at)| (EnvFacts::named(env, key, i, dimensions), f64::from(*at))));
        }
        findings.extend((!far.is_empty()).then_some(Finding::FarPadding { dimensions: far }));
        if let (Some(padded), Some(sequences)) = (padded, self.sequences)
            && padded as f64 > MANY * sequences.len() as f64
        {
            findings.push(Finding::ManyPadded {
                padded,
                windows: sequences.len(),
                horizon: sequences.horizon(),
            });
        }
        findings
    }
}

/// Where zeros are, normalised; nothing of statistics of other dimensions.
fn zeros(normalizer: &Normalizer, dimensions: usize) -> Vec<f32> {
    let zeros = normalizer.normalize(Array2::zeros((1, dimensions)).view());
    zeros.map_or_else(|_| Vec::new(), |zeros| zeros.into_iter().collect())
}
