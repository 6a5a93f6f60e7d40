//! [`Keys`]: what can be set of a run, by name.

use super::source::Datasets;
use crate::batches::Conditions;
use crate::objective::Loss;
use crate::optim::RateSchedule;
use diffplan_models::ValuePooling;
use diffplan_schedulers::{BetaSchedule, PredictionType};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The network that denoises trajectories.
    Planner,
    /// The network that values noised trajectories.
    Value,
}

impl Kind {
    /// Both, in the order they are trained.
    pub const ALL: [Self; 2] = [Self::Planner, Self::Value];

    /// In names of files, and of the table in a TOML file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Value => "value",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Value => "value function",
        }
    }

    /// The folder of a checkpoint.
    pub fn part(self) -> &'static str {
        match self {
            Self::Planner => "unet",
            Self::Value => "value_function",
        }
    }

    /// Keys that mean nothing to the other network.
    pub(super) fn own_keys(self) -> &'static [&'static str] {
        match self {
            Self::Planner => &["action_weight", "loss_discount", "loss_weights", "attention"],
            Self::Value => &["discount", "termination_penalty", "normalize_values", "value_pooling"],
        }
    }

    /// Keys that are of this network alone, or may be different for it.
    pub fn keys(self) -> impl Iterator<Item = &'static str> + Clone {
        BOTH.iter().chain(self.own_keys()).copied()
    }
}

/// Keys that each network has.
const BOTH: [&str; 16] = [
    "channels",
    "batch_size",
    "gradient_accumulate_every",
    "steps",
    "lr",
    "warmup_steps",
    "lr_schedule",
    "cosine_from",
    "optimizer",
    "weight_decay",
    "max_grad_norm",
    "ema_decay",
    "ema_every",
    "ema_start",
    "loss",
    "seed",
];

/// Names of states have eight digits and more; batches are counted in 60 bits.
pub const MAX_STEPS: u64 = 1 << 40;

/// With which statistics data is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // as diffplan_data::NormalizerKind
pub enum NormalizerKind {
    Gaussian,
    ScalarGaussian,
    Limits,
    SafeLimits,
    Cdf,
}

impl NormalizerKind {
    /// The names of all.
    pub const NAMES: &[&str] = &["gaussian", "scalar_gaussian", "limits", "safe_limits", "cdf"];

    /// As diffplan-data has it.
    pub fn kind(self) -> diffplan_data::NormalizerKind {
        use diffplan_data::NormalizerKind as Kind;
        match self {
            Self::Gaussian => Kind::Gaussian,
            Self::ScalarGaussian => Kind::ScalarGaussian,
            Self::Limits => Kind::Limits,
            Self::SafeLimits => Kind::SafeLimits,
            Self::Cdf => Kind::Cdf,
        }
    }
}

/// How the value function's last layers read a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// As diffusers, for some horizons.
    Flatten,
    /// By the mean, for any.
    Mean,
}

impl Pooling {
    /// As a network's configuration has it.
    pub fn value_pooling(self) -> Option<ValuePooling> {
        match self {
            Self::Flatten => None,
            Self::Mean => Some(ValuePooling::Mean),
        }
    }
}

/// Whether decay is part of the gradient, or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Optimizer {
    Adam,
    AdamW,
}

/// Makes the struct of all keys, and the list of their names.
macro_rules! keys {
    ($($key:ident: $kind:ty,)+) => {
        /// Every key, set or not: what a TOML file may hold at its top.
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(missing_docs)] // the command's help says what each is
        pub struct Keys {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)+
        }

        impl Keys {
            /// The names of all keys.
            pub const NAMES: &[&str] = &[$(stringify!($key),)+];
        }
    };
}

keys! {
    dataset: Datasets,
    dataset_weights: Vec<f64>,
    episodes: Vec<f64>,
    best: Vec<f64>,
    validation: f64,
    out: PathBuf,
    env: String,
    env_kwargs: Vec<String>,
    normalizer: NormalizerKind,
    max_path_length: usize,
    use_padding: bool,
    max_episode_steps: usize,
    keys: diffplan_data::Keys,
    rewards: diffplan_data::RewardRule,
    max_episodes: usize,
    horizon: usize,
    channels: Vec<usize>,
    attention: bool,
    value_pooling: Pooling,
    num_train_timesteps: usize,
    beta_schedule: BetaSchedule,
    prediction_type: PredictionType,
    clip_sample: bool,
    conditions: Conditions,
    discount: f64,
    termination_penalty: f64,
    normalize_values: bool,
    loss: Loss,
    action_weight: f64,
    loss_discount: f64,
    loss_weights: Vec<f64>,
    steps: u64,
    batch_size: usize,
    gradient_accumulate_every: usize,
    lr: f64,
    warmup_steps: u64,
    lr_schedule: RateSchedule,
    cosine_from: u64,
    optimizer: Optimizer,
    weight_decay: f64,
    max_grad_norm: f64,
    ema_decay: f64,
    ema_every: u64,
    ema_start: u64,
    seed: u64,
    threads: usize,
    save_every: u64,
    keep: usize,
    sample_every: u64,
    log_every: u64,
}
