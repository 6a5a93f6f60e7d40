//! [`Options`]: what a conversion is asked for beside its source.

use diffplan_data::{Keys, NormalizerKind, ReadOptions, RewardRule};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whose checkpoint is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// diffplan's: that of diffusers, with `normalizer.json` and `planning_config.json`.
    #[default]
    Diffplan,
    /// What diffusers loads, and nothing else.
    Diffusers,
}

/// The type of the weights that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32.
    #[default]
    F32,
    /// float16.
    F16,
    /// bfloat16.
    Bf16,
}

impl Precision {
    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

/// The format of the weights that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// `diffusion_pytorch_model.safetensors`.
    #[default]
    Safetensors,
    /// `diffusion_pytorch_model.bin`, as `torch.save` writes it, for tools that know no safetensors.
    Bin,
}

impl WeightFormat {
    /// The name of a network's file of weights.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Safetensors => "diffusion_pytorch_model.safetensors",
            Self::Bin => "diffusion_pytorch_model.bin",
        }
    }
}

/// Where statistics come from that the source does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// Nowhere: the source has them, or none are needed.
    #[default]
    None,
    /// From the dataset that was trained on.
    Dataset(PathBuf),
    /// From a file of them.
    File(PathBuf),
}

/// What a conversion is asked for. [`Default`] leaves everything to the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Whose checkpoint is written.
    pub target: Target,
    /// In which type.
    pub precision: Precision,
    /// In which format.
    pub weights: WeightFormat,
    /// Statistics for `normalizer.json`.
    pub statistics: Statistics,
    /// The kind of normaliser, where no file says it.
    pub normalizer: Option<NormalizerKind>,
    /// After how many steps an episode of the dataset ends, where it has no `timeouts`.
    pub max_episode_steps: Option<usize>,
    /// Which arrays of the dataset are what.
    pub keys: Keys,
    /// Rewards in place of those of the dataset.
    pub rewards: Option<RewardRule>,
    /// The goal of a maze, by which its dataset is cut into episodes, where the name of the environment does not say it.
    pub maze_goal: Option<[f64; 2]>,
    /// Of a state: its plain weights rather than their average.
    pub plain_weights: bool,
    /// Of a run: the state of this step rather than its last.
    pub step: Option<u64>,
    /// How many dimensions of a transition are actions, where no file says it.
    pub action_dim: Option<usize>,
    /// Whether the planner predicts noise rather than the trajectory, where no file says it.
    pub predict_epsilon: Option<bool>,
    /// Whether predicted trajectories are clipped to [-1, 1], where no file says it.
    pub clip_denoised: Option<bool>,
    /// Of a folder of diffusers: weights of this variant.
    pub variant: Option<String>,
}

impl Options {
    /// How the dataset is read.
    pub(crate) fn read(&self) -> ReadOptions {
        ReadOptions {
            max_episode_steps: self.max_episode_steps,
            keys: self.keys.clone(),
            rewards: self.rewards.clone(),
            ..ReadOptions::default()
        }
    }
}
