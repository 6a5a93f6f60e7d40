//! The dataset, as both networks see it.

use super::keys::Kind;
use super::settings::Settings;
use crate::error::Result;
use diffplan_data::{Dataset, DiscountedReturns, Normalizers, SequenceDataset};
use fnv::FnvHasher;
use serde::{Deserialize, Serialize};
use std::hash::Hasher;
use std::sync::Arc;

/// A dataset, as both networks see it.
#[derive(Debug)]
pub struct Data {
    /// In its own units.
    pub dataset: Dataset,
    /// With values where a value function is trained on scaled ones.
    pub normalizers: Normalizers,
    /// Its windows, normalised.
    pub sequences: Arc<SequenceDataset>,
    /// The value function's target.
    pub returns: Option<DiscountedReturns>,
    /// What tells it from another.
    pub fingerprint: Fingerprint,
}

/// What tells one dataset from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    rows: usize,
    episodes: usize,
    /// FNV-1a over the bits of observations, actions, rewards and episode ends.
    fnv1a: u64,
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, episodes, fnv1a } = self;
        write!(f, "{rows} rows in {episodes} episodes, hash {fnv1a:016x}")
    }
}

impl Fingerprint {
    fn of(dataset: &Dataset) -> Self {
        let mut hasher = FnvHasher::default();
        for array in [dataset.observations(), dataset.actions()] {
            hasher.write(&(array.ncols() as u64).to_le_bytes());
            array.iter().for_each(|x| hasher.write(&x.to_bits().to_le_bytes()));
        }
        let rewards = dataset.rewards();
        rewards.iter().for_each(|x| hasher.write(&x.to_bits().to_le_bytes()));
        for episode in dataset.episodes() {
            hasher.write(&(episode.end as u64).to_le_bytes());
            hasher.write(&[episode.terminated.into()]);
        }
        Self {
            rows: dataset.rewards().len(),
            episodes: dataset.episodes().len(),
            fnv1a: hasher.finish(),
        }
    }
}

impl Data {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// If it cannot be read, or not trained on so.
    pub fn read(settings: &Settings) -> Result<Self> {
        // Rows of no finished episode are in no window, nor in the statistics: the original leaves them out of both.
        let dataset = Dataset::read(&settings.dataset, &settings.read)?;
        let dataset = dataset.first_episodes(settings.max_episodes.unwrap_or(usize::MAX));
        let (observations, actions) = (dataset.observations(), dataset.actions());
        let mut normalizers = Normalizers::fit(settings.normalizer.kind(), observations, actions)?;
        let sequences = SequenceDataset::new(&dataset, &normalizers, &settings.sequences)?;
        let mut returns = None;
        if let Some(network) = settings.networks.iter().find(|network| network.kind == Kind::Value) {
            let to_go = DiscountedReturns::new(&dataset, network.discount, network.termination_penalty);
            if network.normalize_values {
                normalizers = normalizers.with_values(to_go.limits(&sequences))?;
            }
            returns = Some(to_go);
        }
        Ok(Self {
            fingerprint: Fingerprint::of(&dataset),
            dataset,
            normalizers,
            sequences: Arc::new(sequences),
            returns,
        })
    }

    /// In words.
    pub fn words(&self) -> String {
        format!(
            "{} rows in {} episodes, {} windows",
            self.dataset.rewards().len(),
            self.dataset.episodes().len(),
            self.sequences.len()
        )
    }

    /// Dimensions of an action.
    pub fn action_dim(&self) -> usize {
        self.sequences.action_dim()
    }

    /// Dimensions of action and observation.
    pub fn transition_dim(&self) -> usize {
        self.sequences.transition_dim()
    }
}
