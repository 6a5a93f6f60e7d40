//! The dataset, as both networks see it.

use super::keys::Kind;
use super::settings::Settings;
use super::source::Source;
use crate::error::{Error, Result};
use diffplan_data::findings::{self, EnvFacts, Found, Padding};
use diffplan_data::read::{DatasetReader, check_memory};
use diffplan_data::{
    DiscountedReturns, EpisodeSet, Finding, Normalizers, RecordedEnv, SequenceDataset, Transitions, content_hash,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A dataset, as both networks see it.
#[derive(Debug)]
pub struct Data {
    /// In its own units; the episodes of all files, one file after the other, less what is held out.
    pub dataset: Arc<dyn Transitions>,
    /// With values where a value function is trained on scaled ones.
    pub normalizers: Normalizers,
    /// Its windows, normalised: all at once where it is in memory, as they are asked for where it is packed.
    pub sequences: Arc<SequenceDataset>,
    /// The value function's target.
    pub returns: Option<DiscountedReturns>,
    /// What tells it from another.
    pub fingerprint: Fingerprint,
    /// The windows of each file, with its weight; none where every window is drawn as often as any other.
    pub groups: Vec<Group>,
    /// What is held out, if anything is.
    pub validation: Option<Validation>,
    /// What is odd about the files, and about training on them so.
    pub findings: Vec<Found>,
}

/// Some of the windows, and how often they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// By number.
    pub windows: Range<usize>,
    /// Relative to the other groups.
    pub weight: f64,
}

/// Episodes that are not trained on.
#[derive(Debug)]
pub struct Validation {
    /// How many.
    pub episodes: usize,
    /// Their windows, normalised as those that are trained on.
    pub sequences: Arc<SequenceDataset>,
    /// The value function's target.
    pub returns: Option<DiscountedReturns>,
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
    fn of(dataset: &dyn Transitions) -> Result<Self> {
        Ok(Self {
            rows: dataset.rows(),
            episodes: dataset.episodes().len(),
            fnv1a: content_hash(dataset)?,
        })
    }
}

impl Validation {
    fn of(settings: &Settings, dataset: &Arc<dyn Transitions>, normalizers: &Normalizers) -> Result<Self> {
        let value = settings.networks.iter().find(|network| network.kind == Kind::Value);
        Ok(Self {
            episodes: dataset.episodes().len(),
            sequences: Arc::new(SequenceDataset::on_demand(dataset, normalizers, &settings.sequences)?),
            returns: value
                .map(|network| DiscountedReturns::on_demand(dataset, network.discount, network.termination_penalty))
                .transpose()?,
        })
    }
}

/// A dataset that is trained on, and what is odd about it: in memory, or where it is if it is packed.
fn open(
    source: &Source,
    settings: &Settings,
    know: &dyn Fn(&RecordedEnv) -> Option<EnvFacts>,
) -> Result<(EpisodeSet, Vec<Finding>)> {
    let limit = settings.read.max_episode_steps;
    let reader = DatasetReader::open(&source.path, &settings.read)?;
    let facts = |recorded: Option<&RecordedEnv>| settings.made_of(recorded).as_ref().and_then(know);
    if let Some(packed) = reader.packed() {
        let found = findings::of_packed(packed, limit, facts(packed.recorded_env()).as_ref())?;
        return Ok((EpisodeSet::new(packed.clone()), found));
    }
    let raw = reader.read_all()?;
    let facts = facts(raw.recorded_env.as_ref());
    let found = findings::of_file(&raw, &raw.episodes(limit)?, limit, facts.as_ref());
    // Rows of no finished episode are in no window, nor in the statistics: the original leaves them out of both.
    Ok((EpisodeSet::new(Arc::new(raw.into_dataset(limit)?)), found))
}

/// The windows of each file, where files have weights. `ends` are the episodes up to the end of each.
fn groups(settings: &Settings, sequences: &SequenceDataset, ends: &[usize]) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for (source, &end) in settings.datasets.iter().zip(ends) {
        let Some(weight) = source.weight else { continue };
        let start = groups.last().map_or(0, |group: &Group| group.windows.end);
        let windows = start..sequences.windows_before(end);
        if windows.is_empty() {
            return Err(Error::option(
                "dataset_weights",
                weight,
                format!(
                    "no weight: no episode of {} is long enough for a window",
                    source.path.display()
                ),
            ));
        }
        groups.push(Group { windows, weight });
    }
    Ok(groups)
}

impl Data {
    /// Reads what the settings name, of environments of which nothing is known.
    ///
    /// # Errors
    /// If it cannot be read, or not trained on so.
    pub fn read(settings: &Settings) -> Result<Self> {
        Self::read_knowing(settings, &|_| None)
    }

    /// Reads what the settings name. `know` says what is known of an environment that data is of: this crate knows none.
    ///
    /// # Errors
    /// If it cannot be read, or not trained on so.
    pub fn read_knowing(settings: &Settings, know: &dyn Fn(&RecordedEnv) -> Option<EnvFacts>) -> Result<Self> {
        let mut findings = Vec::new();
        let (mut kept, mut held) = (Vec::new(), Vec::new());
        let mut first_env: Option<String> = None;
        for source in &settings.datasets {
            let (dataset, mut found) = open(source, settings, know)?;
            let dataset = dataset.selected(source.selection)?;
            if let Some(env) = dataset.recorded_env() {
                let first = first_env.get_or_insert_with(|| env.id.clone());
                if *first != env.id {
                    found.push(Finding::OtherEnvironment {
                        env: env.id.clone(),
                        first: first.clone(),
                    });
                }
            }
            findings.extend(found.into_iter().map(|finding| Found {
                file: Some(source.path.clone()),
                finding,
            }));
            let (dataset, out) = match settings.validation {
                Some(share) => dataset.split_off(share)?,
                None => (dataset, None),
            };
            held.extend(out.map(|out| (&source.path, out)));
            kept.push((&source.path, dataset));
        }
        // How many episodes there are up to the end of each file.
        let ends: Vec<usize> = kept
            .iter()
            .scan(0, |end, (_, dataset)| {
                *end += dataset.episodes().len();
                Some(*end)
            })
            .collect();
        let dataset: Arc<dyn Transitions> = Arc::new(EpisodeSet::join(kept)?);
        let mut normalizers = Normalizers::of_transitions(settings.normalizer.kind(), &*dataset)?;
        if dataset.in_memory() {
            // Windows are a copy of it, normalised.
            let rows = dataset.rows() as u64;
            let room = check_memory(rows.saturating_mul(4 * dataset.transition_dim() as u64));
            room.map_err(diffplan_data::Error::from)?;
        }
        let sequences = SequenceDataset::on_demand(&dataset, &normalizers, &settings.sequences)?;
        let groups = groups(settings, &sequences, &ends)?;
        let mut returns = None;
        if let Some(network) = settings.networks.iter().find(|network| network.kind == Kind::Value) {
            let to_go = DiscountedReturns::on_demand(&dataset, network.discount, network.termination_penalty)?;
            if network.normalize_values {
                normalizers = normalizers.with_values(to_go.limits(&sequences)?)?;
            }
            returns = Some(to_go);
        }
        let validation = match settings.validation {
            None => None,
            Some(share) if held.is_empty() => {
                return Err(Error::option(
                    "validation",
                    share,
                    "none of a dataset of less than two episodes: there is none to hold out",
                ));
            }
            Some(_) => {
                let held: Arc<dyn Transitions> = Arc::new(EpisodeSet::join(held)?);
                Some(Validation::of(settings, &held, &normalizers)?)
            }
        };
        let padding = Padding {
            normalizers: &normalizers,
            sequences: Some(&sequences),
        };
        let facts = settings.made_of(dataset.recorded_env());
        let found = findings::of_training(
            &*dataset,
            Some(&padding),
            settings.termination_penalty(),
            facts.as_ref().and_then(know).as_ref(),
        )?;
        let file = match &settings.datasets[..] {
            [one] => Some(one.path.clone()),
            _ => None,
        };
        findings.extend(found.into_iter().map(|finding| Found {
            file: file.clone(),
            finding,
        }));
        Ok(Self {
            fingerprint: Fingerprint::of(&*dataset)?,
            dataset,
            normalizers,
            sequences: Arc::new(sequences),
            returns,
            groups,
            validation,
            findings,
        })
    }

    /// In words.
    pub fn words(&self) -> String {
        let held = self.validation.as_ref().map_or(String::new(), |validation| {
            format!(
                "; held out: {} episodes, {} windows",
                validation.episodes,
                validation.sequences.len()
            )
        });
        format!(
            "{} rows in {} episodes, {} windows{held}",
            self.dataset.rows(),
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
