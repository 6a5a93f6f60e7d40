//! What `diffplan convert` takes.

use super::{ReadArgs, count, finite64};
use clap::{Args, ValueEnum};
use diffplan_data::NormalizerKind;
use diffplan_import::{Precision, Target, WeightFormat};
use std::path::PathBuf;

/// Make a checkpoint folder of what other projects save, and back: runs of the original Diffuser, folders of any diffusers
#[derive(Debug, Args)]
#[command(
    override_usage = "diffplan convert [OPTIONS] SRC DST\n       diffplan convert [OPTIONS] --planner RUN --value RUN DST"
)]
#[command(after_help = "\
SRC is a folder or a file; `diffplan inspect SRC` says what it is and what it takes:
  a logs folder of jannerm/diffuser with diffusion/ and values/, a run folder in one of them, or a state_N.pt
  a checkpoint folder of diffusers in any form: .bin, shards, variants, half precision, configurations of old releases
  a folder of one network (config.json and weights), or a repository's in a cache of the Hub

No file of the original holds the statistics that it normalised with. They are computed again from the dataset, by the rule of the
normaliser it was trained with (--dataset), or taken from a file (--stats), which is one of:
  normalizer.json                 taken as it is
  FILE.json                       {\"observations\": {\"mean\": [..], \"std\": [..], \"min\": [..], \"max\": [..]}, \"actions\": {..}}
  FILE.npz                        the same as arrays observations.mean, observations.std, actions.min, ..

Examples:
  diffplan convert logs/hopper-medium-v2 hopper --dataset hopper_medium-v2.hdf5
  diffplan convert --planner logs/a/diffusion/defaults_H32_T20 --value logs/a/values/defaults_H32_T20_d0.997 hopper --stats stats.json
  diffplan convert --planner state_190000.pt planner --stats stats.json --action-dim 3 --predict-epsilon false --clip-denoised false
  diffplan convert ~/.cache/huggingface/hub/models--OWNER--NAME hopper --dataset hopper_medium-v2.hdf5
  diffplan convert hopper hopper-half --dtype f16
  diffplan convert hopper for-diffusers --to diffusers
  diffplan convert hopper for-old-tools --to diffusers --weights bin")]
pub(crate) struct ConvertArgs {
    /// What is converted (left out with --planner and --value), and the folder to write
    #[arg(value_name = "SRC DST", required = true, num_args = 1..=2)]
    pub(crate) paths: Vec<PathBuf>,
    /// Run folder or state of the original's planner, in place of SRC
    #[arg(long, value_name = "RUN")]
    pub(crate) planner: Option<PathBuf>,
    /// Run folder or state of the original's value function, in place of SRC
    #[arg(long, value_name = "RUN")]
    pub(crate) value: Option<PathBuf>,
    /// The dataset that was trained on, for the statistics: HDF5 in the layout of D4RL, Minari, .npz
    #[arg(short, long, value_name = "FILE", conflicts_with = "stats")]
    pub(crate) dataset: Option<PathBuf>,
    /// A file of statistics: normalizer.json, JSON or .npz of mean, std, min, max
    #[arg(long, value_name = "FILE")]
    pub(crate) stats: Option<PathBuf>,
    /// Kind of normaliser, where the source does not say it: gaussian, limits, safe_limits, cdf; of diffusers' folders scalar_gaussian too
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub(crate) normalizer: Option<NormalizerKind>,
    /// Which weights of a state: their average, or the plain ones
    #[arg(long, value_enum, default_value_t = Which::Ema)]
    pub(crate) which: Which,
    /// The state of this step; the last by default
    #[arg(long, value_name = "N")]
    pub(crate) step: Option<u64>,
    /// Weights of this variant of a diffusers folder: fp16, ema, 190000
    #[arg(long, value_name = "V")]
    pub(crate) variant: Option<String>,
    /// Type of the weights that are written
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
    /// Format of the weights that are written; bin is what torch.save writes, for old tools
    #[arg(long, value_enum, default_value_t = Weights::Safetensors)]
    pub(crate) weights: Weights,
    /// Whose checkpoint is written; diffusers' is without diffplan's own files and keys
    #[arg(long, value_enum, default_value_t = To::Diffplan)]
    pub(crate) to: To,
    /// Dimensions of an action, for a state without its run's configuration
    #[arg(long, value_name = "N", value_parser = count(1, 1 << 20))]
    pub(crate) action_dim: Option<usize>,
    /// Whether the planner predicts noise rather than the trajectory, for a state without its run's configuration
    #[arg(long, value_name = "BOOL")]
    pub(crate) predict_epsilon: Option<bool>,
    /// Whether predicted trajectories are clipped to [-1, 1], for a state without its run's configuration
    #[arg(long, value_name = "BOOL")]
    pub(crate) clip_denoised: Option<bool>,
    /// Steps after which an episode of the dataset ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Goal of a maze, by which its dataset is cut into episodes; known of D4RL's umaze, medium and large
    #[arg(long, value_name = "X,Y", value_parser = goal, allow_hyphen_values = true)]
    pub(crate) maze_goal: Option<[f64; 2]>,
    /// Replace a checkpoint that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// A half of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Ema,
    Model,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Weights {
    /// diffusion_pytorch_model.safetensors
    Safetensors,
    /// diffusion_pytorch_model.bin, which torch.load reads with weights_only=True too
    Bin,
}

impl From<Weights> for WeightFormat {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::Safetensors => Self::Safetensors,
            Weights::Bin => Self::Bin,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    Diffplan,
    Diffusers,
}

impl From<To> for Target {
    fn from(to: To) -> Self {
        match to {
            To::Diffplan => Self::Diffplan,
            To::Diffusers => Self::Diffusers,
        }
    }
}

fn kind(name: &str) -> Result<NormalizerKind, String> {
    name.parse().map_err(|error: diffplan_data::Error| error.to_string())
}

fn goal(text: &str) -> Result<[f64; 2], String> {
    let (x, y) = text.split_once(',').ok_or("expected two numbers, X,Y")?;
    Ok([finite64(x.trim())?, finite64(y.trim())?])
}
