//! [`Settings`]: everything that decides about a run, and what each network needs.

use super::file::File;
use super::keys::{Kind, NormalizerKind, Pooling};
use crate::batches::Conditions;
use crate::error::{Error, Result};
use crate::objective::{Loss, TrajectoryWeights};
use crate::optim::{Decay, RateSchedule};
use crate::trainer::TrainOptions;
use diffplan_data::{ReadOptions, SequenceOptions};
use diffplan_models::{TemporalAttention, UNet1dConfig};
use diffplan_schedulers::DdpmConfig;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Keys that may change while a run goes on. The dataset is known by its content, not by its path.
const FREE: [&str; 6] = ["dataset", "threads", "save_every", "keep", "sample_every", "log_every"];

/// What is known of a run before its dataset is read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the dataset is.
    pub dataset: PathBuf,
    /// The environment, if it is known.
    pub env: Option<String>,
    /// How the dataset is read.
    pub read: ReadOptions,
    /// Train on so many episodes alone.
    pub max_episodes: Option<usize>,
    /// The statistics.
    pub normalizer: NormalizerKind,
    /// The windows.
    pub sequences: SequenceOptions,
    /// Which observations are known.
    pub conditions: Conditions,
    /// The scheduler, of both networks.
    pub scheduler: DdpmConfig,
    /// Threads; all cores otherwise.
    pub threads: Option<usize>,
    /// Steps between states.
    pub save_every: u64,
    /// States that stay.
    pub keep: usize,
    /// Steps between samples; 0 for none.
    pub sample_every: u64,
    /// Steps that a row of the record is the mean of.
    pub log_every: u64,
    /// In the order they are trained.
    pub networks: Vec<Network>,
    /// All keys with their values, as `training.toml` has them.
    pub(super) table: Table,
}

/// What is known of a network.
#[derive(Debug, Clone)]
pub struct Network {
    /// Which.
    pub kind: Kind,
    /// Channels of each level.
    pub channels: Vec<usize>,
    /// Whether a planner's levels have linear attention.
    pub attention: bool,
    /// How a value function reads what is left.
    pub pooling: Pooling,
    /// Trajectories of a batch.
    pub batch_size: usize,
    /// Batches of a step.
    pub accumulate: usize,
    /// Steps in all.
    pub steps: u64,
    /// Of everything random.
    pub seed: u64,
    /// How it is trained.
    pub options: TrainOptions,
    /// The loss.
    pub loss: Loss,
    /// Of a planner's loss.
    pub weights: TrajectoryWeights,
    /// Of a value function's return.
    pub discount: f64,
    /// Added to the reward that ends an episode in a terminal state.
    pub termination_penalty: f64,
    /// Whether returns are scaled.
    pub normalize_values: bool,
}

impl Network {
    /// The configuration for trajectories of `channels` dimensions.
    pub fn config(&self, channels: usize) -> UNet1dConfig {
        match self.kind {
            Kind::Planner => UNet1dConfig {
                temporal_attention: self.attention.then_some(TemporalAttention::Linear),
                ..UNet1dConfig::planner(channels, &self.channels)
            },
            Kind::Value => UNet1dConfig {
                value_pooling: self.pooling.value_pooling(),
                ..UNet1dConfig::value_function(channels, &self.channels)
            },
        }
    }
}

impl Network {
    /// In words.
    pub fn words(&self) -> String {
        let channels: Vec<String> = self.channels.iter().map(usize::to_string).collect();
        let rate = &self.options.rate;
        let optimizer = match self.options.adam.decay {
            Decay::Decoupled(_) => "adamw",
            _ => "adam",
        };
        let schedule = match rate.schedule {
            RateSchedule::Constant => "constant",
            RateSchedule::Cosine => "cosine",
        };
        format!(
            "channels {}, {} steps of {} × {} trajectories, {optimizer} at {} ({schedule}), seed {}",
            channels.join("-"),
            self.steps,
            self.accumulate,
            self.batch_size,
            rate.lr,
            self.seed
        )
    }
}

impl Settings {
    /// Trajectories in words.
    pub fn words(&self) -> String {
        let conditions = match self.conditions {
            Conditions::Current => "from the current observation",
            Conditions::Goal => "between two observations",
        };
        format!(
            "{} steps, {conditions}, normaliser {}",
            self.sequences.horizon,
            self.normalizer.kind()
        )
    }

    /// Sets the environment that the dataset names, where none was typed.
    pub fn set_env(&mut self, env: Option<&str>) {
        if let (None, Some(env)) = (&self.env, env) {
            self.env = Some(env.to_owned());
            self.table.insert("env".into(), env.into());
        }
    }

    /// The text of `training.toml`. What `before`, the one that is there, says of the other network stays.
    ///
    /// # Errors
    /// If that one is damaged.
    pub fn to_toml(&self, before: Option<&Path>) -> Result<String> {
        let mut table = self.table.clone();
        if let Some(path) = before {
            let file = File::read(path)?;
            for (kind, of_network) in Kind::ALL.into_iter().zip(file.tables) {
                if !of_network.is_empty() && !table.contains_key(kind.name()) {
                    table.insert(kind.name().into(), Value::Table(of_network));
                }
            }
        }
        let text = toml::to_string(&table).map_err(Error::encode("training.toml"))?;
        Ok(format!(
            "# Settings of `diffplan train`, which reads them with --config.\n\n{text}"
        ))
    }

    /// Checks that nothing that the result depends on differs from what `path` says, but for a longer run at a constant rate.
    /// `resumed` are the networks that go on; where there are none, only what both networks share must be the same.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub fn check_same(&self, path: &Path, resumed: &[Kind]) -> Result<()> {
        let file = File::read(path)?;
        let differs = |key: String, typed: Option<&Value>, saved: Option<&Value>| {
            let text = |value: Option<&Value>| value.map_or("none".into(), ToString::to_string);
            Err(Error::Changed {
                key,
                saved: text(saved),
                typed: text(typed),
                path: path.to_owned(),
            })
        };
        let of_network = |key: &str| Kind::ALL.iter().any(|kind| kind.name() == key);
        let compare = |new: &Table, old: &Table, prefix: &str, free: &dyn Fn(&str) -> bool| {
            for key in new.keys().chain(old.keys()).filter(|key| !free(key)) {
                let (typed, saved) = (new.get(key), old.get(key));
                if typed != saved && !of_network(key) {
                    return differs(format!("{prefix}{key}"), typed, saved);
                }
            }
            Ok(())
        };
        compare(&self.table, &file.shared, "", &|key| FREE.contains(&key))?;
        let nothing = Table::new();
        for network in self.networks.iter().filter(|network| resumed.contains(&network.kind)) {
            let name = network.kind.name();
            let new = self.table.get(name).and_then(Value::as_table).unwrap_or(&nothing);
            let old = file.of(network.kind);
            let steps = |table: &Table| table.get("steps").and_then(Value::as_integer);
            let longer = network.options.rate.schedule == RateSchedule::Constant && steps(new) >= steps(old);
            compare(new, old, &format!("{name}."), &|key| key == "steps" && longer)?;
        }
        Ok(())
    }
}
