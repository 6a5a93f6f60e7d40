//! What `diffplan normalizer` takes.

use super::{ReadArgs, count};
use clap::Args;
use diffplan_data::NormalizerKind;
use std::path::PathBuf;

/// Make normalizer.json, the statistics that a checkpoint of diffusers comes without, from the dataset it was trained on
#[derive(Debug, Args)]
#[command(after_help = "\
Kinds: gaussian (per dimension, the default), limits, safe_limits, cdf; scalar: one mean and deviation over all dimensions, as
diffusers' ValueGuidedRLPipeline computes them from its environment's dataset.

Examples:
  diffplan normalizer --dataset hopper-medium-v2.hdf5 --out CHECKPOINT/normalizer.json
  diffplan normalizer --dataset hopper-medium-v2.hdf5 --kind scalar --out CHECKPOINT/normalizer.json
  diffplan normalizer --dataset ~/.minari/datasets/D4RL/pen/human-v2 --kind limits --out CHECKPOINT/normalizer.json")]
pub(crate) struct NormalizerArgs {
    /// Dataset: a file or folder, as `diffplan data inspect` takes it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) dataset: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE.json")]
    pub(crate) out: PathBuf,
    /// Which statistics
    #[arg(short, long, value_name = "KIND", default_value = "gaussian", value_parser = kind)]
    pub(crate) kind: NormalizerKind,
    /// Steps after which an episode ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

fn kind(name: &str) -> Result<NormalizerKind, String> {
    match name {
        "scalar" => Ok(NormalizerKind::ScalarGaussian),
        name => name.parse().map_err(|error: diffplan_data::Error| error.to_string()),
    }
}
