//! What can be typed after `diffplan train`. A TOML file has the same keys, with underscores: [`Keys`] is both.

use super::tune::budget;
use super::{MAX_BATCH, MAX_HORIZON, count, env_argument, finite64, seed, serde_name};
use clap::{Args, Subcommand};
use diffplan_schedulers::{BetaSchedule, PredictionType};
use diffplan_train::session::{MAX_STEPS, NormalizerKind, Optimizer, Pooling};
use diffplan_train::{Conditions, Loss, RateSchedule};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Train a planner, a value function, or both, on a dataset
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    after_help = "\
Examples:
  diffplan train both --dataset pendulum.hdf5 --out runs/pendulum --steps 20000 --value-steps 12000
  diffplan train planner --dataset hopper.hdf5 --out runs/hopper --channels 32,64,128,256
  diffplan train both --config training.toml --out runs/again
  diffplan train both --out runs/pendulum --resume       goes on where a run stopped
  diffplan rollout --checkpoint runs/pendulum            plays with what was trained"
)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What is trained.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Train the network that denoises trajectories
    #[command(after_help = AFTER_HELP)]
    Planner(TrainOptions),
    /// Train the network that values noised trajectories
    #[command(after_help = AFTER_HELP)]
    Value(TrainOptions),
    /// Train the planner, then the value function
    #[command(after_help = AFTER_HELP)]
    Both(BothOptions),
}

const AFTER_HELP: &str = "\
--config FILE.toml has the same keys with underscores, and tables [planner] and [value] whose keys are of one network alone.
Flags win over the file, the file wins over defaults. Every run writes its settings as OUT/training.toml.

OUT becomes a checkpoint that `diffplan rollout --checkpoint OUT` and diffusers load. Ctrl-C saves a state and stops; --resume
goes on from the newest state, to the same bits that a run without a stop would have had.

Examples:
  diffplan train both --dataset pendulum.hdf5 --out runs/pendulum --steps 20000 --value-steps 12000
  diffplan train both --dataset medium.hdf5 --dataset expert.hdf5 --dataset-weights 1,1 --best 0.5,1 --out runs/both
  diffplan train both --dataset pendulum.hdf5 --validation 0.05 --strict --out runs/pendulum
  diffplan train planner --config training.toml --out runs/again --seed 1
  diffplan train both --dataset pendulum.hdf5 --out runs/pendulum --tune 5min
  diffplan train both --out runs/pendulum --resume";

/// What every kind of training takes.
#[derive(Debug, Args)]
pub(crate) struct TrainOptions {
    /// At the end, play with what was trained for so long, 5min say, to find the planning options that are best; they become the
    /// checkpoint's defaults. docs/tuning.md
    #[arg(long, value_name = "TIME", value_parser = budget)]
    pub(crate) tune: Option<Duration>,
    /// Settings in a TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Go on from the newest state in the folder, with the settings it was started with
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Delete what the folder holds of the networks that are to be trained
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Exit status 1, before anything is trained or written, if anything is odd about the data
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) keys: Box<Keys>,
}

#[derive(Debug, Args)]
pub(crate) struct BothOptions {
    #[command(flatten)]
    pub(crate) options: TrainOptions,
    #[command(flatten)]
    pub(crate) value: ValueKeys,
}

/// Every key, typed or not.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// Dataset: a file or folder, as `diffplan data inspect` takes it. Given several times, the episodes of all are trained on
    #[arg(short, long, value_name = "FILE", help_heading = "Data")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dataset: Vec<PathBuf>,
    /// How often windows of each dataset are drawn, one number each: 1,3 draws three of the second for one of the first. By default a
    /// window is drawn as often as any other
    #[arg(long, value_name = "W,W,…", help_heading = "Data", num_args = 1, value_delimiter = ',', value_parser = above_zero)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dataset_weights: Option<Vec<f64>>,
    /// A share of the episodes, spread evenly over the file: one number, or one for each dataset
    #[arg(long, value_name = "X[,X…]", help_heading = "Data", num_args = 1, value_delimiter = ',', value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) episodes: Option<Vec<f64>>,
    /// The best share of the episodes, by return: one number, or one for each dataset. 0.1 is the best tenth
    #[arg(long, value_name = "X[,X…]", help_heading = "Data", num_args = 1, value_delimiter = ',', value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<Vec<f64>>,
    /// A share of the episodes that is held out: the loss on them is a column of the tables, and a panel of loss.png
    #[arg(long, value_name = "X", help_heading = "Data", value_parser = part)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) validation: Option<f64>,
    /// The folder of states, tables and the checkpoint
    #[arg(short, long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<PathBuf>,
    /// Environment; the one that the dataset names by default. The data is compared with it before the first step
    #[arg(short, long, value_name = "ID", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) env: Option<String>,
    /// An argument of the environment that the checkpoint is played in, with a value in JSON: g=1.62, max_episode_steps=50; those that
    /// the dataset says by default, and null takes one away. May be given several times
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Data", value_parser = env_argument)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env_kwargs: Vec<String>,
    /// Statistics that observations and actions are normalised with [default: gaussian]
    #[arg(long, value_name = "KIND", help_heading = "Data", value_parser = serde_name::<NormalizerKind>(&["gaussian", "scalar_gaussian", "limits", "safe_limits", "cdf"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) normalizer: Option<NormalizerKind>,
    /// No episode may be longer, and no window reaches further [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Data", value_parser = count(1, u32::MAX.into()))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_path_length: Option<usize>,
    /// Whether windows may reach past the end of their episode [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Data", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) use_padding: Option<bool>,
    /// Steps after which an episode ends, for files without timeouts (in others it is not used, which is said)
    #[arg(long, value_name = "N", help_heading = "Data", value_parser = count(1, u32::MAX.into()))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_episode_steps: Option<usize>,
    /// Where the steps are in the file, as `diffplan data inspect --help` has it; a table [keys] in a file
    #[arg(long, value_name = "KEY=PATH,…", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<diffplan_data::Keys>,
    /// Rewards in place of the file's: zeros, or "goal=X,Y;tolerance=R;dims=I,J"
    #[arg(long, value_name = "RULE", help_heading = "Data", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rewards: Option<diffplan_data::RewardRule>,
    /// Train on so many episodes of each dataset, the first ones; all by default
    #[arg(long, value_name = "N", help_heading = "Data", value_parser = count(1, u32::MAX.into()))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_episodes: Option<usize>,

    /// Steps of a trajectory [default: 32]
    #[arg(long, value_name = "H", help_heading = "Networks and diffusion", value_parser = count(1, MAX_HORIZON))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) horizon: Option<usize>,
    /// Channels of each level, multiples of 8; the value function's last a multiple of 32 [default: 32,64,128,256]
    #[arg(long, value_name = "C,C,…", help_heading = "Networks and diffusion", num_args = 1, value_delimiter = ',', value_parser = count(1, 1 << 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<Vec<usize>>,
    /// Linear attention in every level of the planner, as the original Diffuser can have it; diffusers cannot load such a network [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Networks and diffusion", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attention: Option<bool>,
    /// How the value function reads what is left of a trajectory: as diffusers, for some horizons, or by the mean, for any
    /// [default: flatten]
    #[arg(long, value_name = "HOW", help_heading = "Networks and diffusion", value_parser = serde_name::<Pooling>(&["flatten", "mean"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_pooling: Option<Pooling>,
    /// Diffusion steps [default: 20]
    #[arg(long, value_name = "T", help_heading = "Networks and diffusion", value_parser = count(1, 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_train_timesteps: Option<usize>,
    /// How noise grows [default: squaredcos_cap_v2]
    #[arg(long, value_name = "RULE", help_heading = "Networks and diffusion", value_parser = serde_name::<BetaSchedule>(&["linear", "scaled_linear", "squaredcos_cap_v2", "laplace", "sigmoid"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beta_schedule: Option<BetaSchedule>,
    /// What the planner gives: the clean trajectory, the noise, or the velocity [default: sample]
    #[arg(long, value_name = "KIND", help_heading = "Networks and diffusion", value_parser = serde_name::<PredictionType>(&["sample", "epsilon", "v_prediction"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prediction_type: Option<PredictionType>,
    /// Whether plans clip the predicted trajectory to ±1 [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Networks and diffusion", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clip_sample: Option<bool>,
    /// Observations that are known: the current one, or the goal as well [default: current]
    #[arg(long, value_name = "KIND", help_heading = "Networks and diffusion", value_parser = serde_name::<Conditions>(&["current", "goal"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conditions: Option<Conditions>,

    /// Discount of the value function's return [default: 0.99]
    #[arg(long, value_name = "X", help_heading = "Objective", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discount: Option<f64>,
    /// Added to the reward that ends an episode in a terminal state [default: -100]
    #[arg(long, value_name = "X", help_heading = "Objective", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) termination_penalty: Option<f64>,
    /// Whether returns are scaled to [-1, 1], so that a plan's scale does not depend on the unit of rewards [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Objective", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) normalize_values: Option<bool>,
    /// Squared or absolute differences [default: l2]
    #[arg(long, value_name = "KIND", help_heading = "Objective", value_parser = serde_name::<Loss>(&["l2", "l1"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss: Option<Loss>,
    /// How much the first action counts in the planner's loss [default: 10]
    #[arg(long, value_name = "X", help_heading = "Objective", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action_weight: Option<f64>,
    /// Step h of a trajectory counts X^h in the planner's loss [default: 1]
    #[arg(long, value_name = "X", help_heading = "Objective", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss_discount: Option<f64>,
    /// How much each observation dimension counts in the planner's loss; 1 each by default
    #[arg(long, value_name = "X,X,…", help_heading = "Objective", num_args = 1, value_delimiter = ',', value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss_weights: Option<Vec<f64>>,

    /// Steps of the optimiser [default: 1000000 for a planner, 200000 for a value function]
    #[arg(short = 'n', long, value_name = "N", help_heading = "Optimiser", value_parser = steps())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<u64>,
    /// Trajectories of a batch [default: 32]
    #[arg(short = 'b', long, value_name = "B", help_heading = "Optimiser", value_parser = count(1, MAX_BATCH))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_size: Option<usize>,
    /// Batches over which the gradient of a step is averaged [default: 2]
    #[arg(long, value_name = "K", help_heading = "Optimiser", value_parser = count(1, 1 << 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gradient_accumulate_every: Option<usize>,
    /// Learning rate [default: 2e-4]
    #[arg(long, value_name = "X", help_heading = "Optimiser", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lr: Option<f64>,
    /// Steps in which the learning rate rises to its value [default: 0]
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warmup_steps: Option<u64>,
    /// What becomes of the learning rate then: it stays, or falls to 0 at the end [default: constant]
    #[arg(long, value_name = "RULE", help_heading = "Optimiser", value_parser = serde_name::<RateSchedule>(&["constant", "cosine"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lr_schedule: Option<RateSchedule>,
    /// The step from which it falls [default: the end of warm-up]
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cosine_from: Option<u64>,
    /// The optimiser, by how weights decay [default: adam]
    #[arg(long, value_name = "NAME", help_heading = "Optimiser", value_parser = serde_name::<Optimizer>(&["adam", "adamw"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) optimizer: Option<Optimizer>,
    /// Decay of weights [default: 0]
    #[arg(long, value_name = "X", help_heading = "Optimiser", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight_decay: Option<f64>,
    /// The largest norm of a step's gradient; not clipped by default
    #[arg(long, value_name = "X", help_heading = "Optimiser", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_grad_norm: Option<f64>,
    /// What stays of the average at an update [default: 0.995]
    #[arg(long, value_name = "X", help_heading = "Optimiser", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ema_decay: Option<f64>,
    /// Steps between updates of the average [default: 10]
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ema_every: Option<u64>,
    /// The step before which the average is the network itself [default: 2000]
    #[arg(long, value_name = "N", help_heading = "Optimiser", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ema_start: Option<u64>,
    /// Of the parameters' first values, the order of windows, timesteps and noise [default: 0]
    #[arg(short, long, value_name = "S", help_heading = "Optimiser", value_parser = seed())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,

    /// Threads; all cores by default. Results are the same for any number
    #[arg(short = 't', long, value_name = "T", value_parser = count(1, 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<usize>,
    /// Steps between states [default: 20000]
    #[arg(long, value_name = "N", help_heading = "Output", value_parser = steps())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) save_every: Option<u64>,
    /// States that stay [default: 5]
    #[arg(long, value_name = "N", help_heading = "Output", value_parser = count(1, 1 << 20))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep: Option<usize>,
    /// Steps between pictures of what the average gives, in samples/; 0 for none [default: 20000]
    #[arg(long, value_name = "N", help_heading = "Output", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_every: Option<u64>,
    /// Steps that a line of the tables is the mean of [default: 100]
    #[arg(long, value_name = "N", help_heading = "Output", value_parser = steps())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_every: Option<u64>,
}

/// What holds for the value function alone where both networks are trained: the key without `value_`, in the table `[value]`.
#[derive(Debug, Clone, Default, Args, Serialize)]
#[command(next_help_heading = "Value function, where it differs from the planner")]
pub(crate) struct ValueKeys {
    /// Channels of each level
    #[arg(id = "value_channels", long = "value-channels", value_name = "C,C,…", num_args = 1, value_delimiter = ',', value_parser = count(1, 1 << 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<usize>>,
    /// Squared or absolute differences
    #[arg(id = "value_loss", long = "value-loss", value_name = "KIND", value_parser = serde_name::<Loss>(&["l2", "l1"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<Loss>,
    /// Steps of the optimiser
    #[arg(id = "value_steps", long = "value-steps", value_name = "N", value_parser = steps())]
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    /// Trajectories of a batch
    #[arg(id = "value_batch_size", long = "value-batch-size", value_name = "B", value_parser = count(1, MAX_BATCH))]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    /// Batches over which the gradient of a step is averaged
    #[arg(id = "value_gradient_accumulate_every", long = "value-gradient-accumulate-every", value_name = "K", value_parser = count(1, 1 << 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    gradient_accumulate_every: Option<usize>,
    /// Learning rate
    #[arg(id = "value_lr", long = "value-lr", value_name = "X", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    lr: Option<f64>,
    /// Steps in which the learning rate rises to its value
    #[arg(id = "value_warmup_steps", long = "value-warmup-steps", value_name = "N", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    warmup_steps: Option<u64>,
    /// What becomes of the learning rate then
    #[arg(id = "value_lr_schedule", long = "value-lr-schedule", value_name = "RULE", value_parser = serde_name::<RateSchedule>(&["constant", "cosine"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    lr_schedule: Option<RateSchedule>,
    /// The step from which it falls
    #[arg(id = "value_cosine_from", long = "value-cosine-from", value_name = "N", value_parser = steps_or_none())]
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine_from: Option<u64>,
    /// The optimiser, by how weights decay
    #[arg(id = "value_optimizer", long = "value-optimizer", value_name = "NAME", value_parser = serde_name::<Optimizer>(&["adam", "adamw"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    optimizer: Option<Optimizer>,
    /// Decay of weights
    #[arg(id = "value_weight_decay", long = "value-weight-decay", value_name = "X", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    /// The largest norm of a step's gradient
    #[arg(id = "value_max_grad_norm", long = "value-max-grad-norm", value_name = "X", value_parser = finite64, allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_grad_norm: Option<f64>,
}

fn above_zero(text: &str) -> Result<f64, String> {
    match finite64(text)? {
        value if value > 0.0 => Ok(value),
        value => Err(format!("{value}, expected a number above 0")),
    }
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    match finite64(text)? {
        value if value > 0.0 && value <= 1.0 => Ok(value),
        value => Err(format!("{value}, expected a number above 0 and at most 1")),
    }
}

fn part(text: &str) -> Result<f64, String> {
    match finite64(text)? {
        value if value > 0.0 && value < 1.0 => Ok(value),
        value => Err(format!("{value}, expected a number above 0 and below 1")),
    }
}

fn steps() -> clap::builder::RangedU64ValueParser<u64> {
    clap::builder::RangedU64ValueParser::new().range(1..=MAX_STEPS)
}

fn steps_or_none() -> clap::builder::RangedU64ValueParser<u64> {
    clap::builder::RangedU64ValueParser::new().range(0..=MAX_STEPS)
}
