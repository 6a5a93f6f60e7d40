//! [`Settings`]: everything that decides about a run, and what each network needs.

use super::file::File;
use super::keys::{Kind, NormalizerKind, Pooling};
use super::source::Source;
use crate::batches::Conditions;
use crate::error::{Error, Result};
use crate::objective::{Loss, TrajectoryWeights};
use crate::optim::{Decay, RateSchedule};
use crate::trainer::TrainOptions;
use diffplan_data::{ReadOptions, RecordedEnv, SequenceOptions};
use diffplan_models::{TemporalAttention, UNet1dConfig};
use diffplan_schedulers::DdpmConfig;
use std::path::Path;
use toml::{Table, Value};

/// Keys that may change while a run goes on. The dataset is known by its content, not by its path; what its
/// environment is made with is for playing alone.
const FREE: [&str; 7] = [
    "dataset",
    "env_kwargs",
    "threads",
    "save_every",
    "keep",
    "sample_every",
    "log_every",
];

/// What is known of a run before its dataset is read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The datasets, at least one.
    pub datasets: Vec<Source>,
    /// The share of episodes that are held out, if any are.
    pub validation: Option<f64>,
    /// The environment, if it is known.
    pub env: Option<String>,
    /// What it is made with, the limit of episodes among it, as it was typed and as the dataset says; null for what is not to be.
    pub env_kwargs: serde_json::Map<String, serde_json::Value>,
    /// How the dataset is read.
    pub read: ReadOptions,
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

    /// The environment, and what it is made with.
    pub fn made(&self) -> Option<RecordedEnv> {
        let mut env = RecordedEnv::new(self.env.clone()?);
        for (name, value) in &self.env_kwargs {
            // Checked when it was typed.
            let _ = env.set(name, value);
        }
        Some(env)
    }

    /// The environment that a dataset is compared with: the one typed, or that of the dataset, made as the dataset's where it is the same.
    pub(super) fn made_of(&self, recorded: Option<&RecordedEnv>) -> Option<RecordedEnv> {
        let mut settings = self.clone();
        settings.set_env(recorded);
        settings.made()
    }

    /// Sets the environment that the dataset names, where none was typed; and what that was made with, where it is the same one and
    /// nothing else was typed.
    pub fn set_env(&mut self, env: Option<&RecordedEnv>) {
        let Some(env) = env else { return };
        match &self.env {
            None => {
                self.env = Some(env.id.clone());
                self.table.insert("env".into(), env.id.as_str().into());
            }
            Some(own) if *own != env.id => return,
            Some(_) => {}
        }
        let mut all = env.arguments();
        all.append(&mut self.env_kwargs);
        self.env_kwargs = all;
        if !self.env_kwargs.is_empty() {
            let list = self
                .env_kwargs
                .iter()
                .map(|(name, value)| Value::from(format!("{name}={value}")));
            self.table.insert("env_kwargs".into(), Value::Array(list.collect()));
        }
    }

    /// Returns of a value function have this penalty for terminal states; none where none is trained.
    pub fn termination_penalty(&self) -> Option<f64> {
        let value = self.networks.iter().find(|network| network.kind == Kind::Value);
        value.map(|network| network.termination_penalty)
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
