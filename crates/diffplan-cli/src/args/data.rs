//! What `diffplan data` takes.

use super::{CheckpointArgs, EnvArgs, PlanningArgs, ReadArgs, RunArgs, count, env_argument, seed};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Look into datasets, and make some
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    Inspect(Box<DataInspectArgs>),
    Pack(Box<PackArgs>),
    Collect(Box<CollectArgs>),
}

/// Show what a dataset holds, and what is wrong or odd about it
#[derive(Debug, Args)]
#[command(after_help = "\
Formats: HDF5 and .npz in the layouts of D4RL, Minari (a folder or its main_data.hdf5), OGBench, robomimic, ManiSkill, ACT, d3rlpy,
Stable-Baselines and imitation, folders of such files, LeRobot's folders, packed files; others by --keys. It is read once, in blocks:
it may be larger than memory. All statistics are in
float64 (of data kept as float32); those of dimensions leave out what is no finite number. What is odd is what `diffplan train` warns of
too. Exit status 2 if the dataset cannot be trained on.

Examples:
  diffplan data inspect pendulum.hdf5
  diffplan data inspect hopper-medium-v0.hdf5 --max-episode-steps 1000   old D4RL files have no timeouts
  diffplan data inspect ~/.minari/datasets/D4RL/pen/human-v2 --json
  diffplan data inspect lift.hdf5 --keys observations=obs/object+obs/robot0_eef_pos,mask=train
  diffplan data inspect own.hdf5 --keys 'episodes=runs/run_*/,observations=joints,actions=acts,rewards=rew'
  diffplan data inspect antmaze-medium-navigate-v0.npz --rewards goal=20,20
  diffplan data inspect pendulum.hdf5 --strict           exit status 1 if anything is odd about it")]
pub(crate) struct DataInspectArgs {
    /// Dataset: a file, the folder of a Minari or LeRobot dataset, or a folder of files
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Steps after which an episode ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Exit status 1 if anything is odd
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write datasets as one packed file, which is trained on without being in memory
#[derive(Debug, Args)]
#[command(after_help = "\
A packed file holds steps as training takes them: float32, actions and observations side by side. `diffplan train` reads windows of it as
it draws them, to the same bits as from the files it was packed from; every command that takes a dataset takes it. Files are read once,
in blocks; rows of no finished episode are left out. The format is described in docs/datasets.md.

Examples:
  diffplan data pack medium.hdf5 --out medium.pack
  diffplan data pack medium.hdf5 expert.hdf5 --out both.pack               several as one
  diffplan data pack hopper-medium-v0.hdf5 --max-episode-steps 1000 --out hopper.pack
  diffplan data pack ~/.minari/datasets/mujoco/ant/expert-v0 --episodes 0.1 --out tenth.pack
  diffplan data pack lift.hdf5 --keys observations=obs/object+obs/robot0_eef_pos --rewards zeros --out lift.pack
  diffplan train both --dataset both.pack --out runs/both")]
pub(crate) struct PackArgs {
    /// Datasets: files or folders, as `diffplan data inspect` takes them, all of the same dimensions
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "FILE.pack")]
    pub(crate) out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Steps after which an episode ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Pack so many episodes of each dataset, the first ones; all by default
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episodes: Option<usize>,
    /// Pack this share of the episodes of each dataset, spread evenly over it
    #[arg(long, value_name = "0..1", value_parser = share)]
    pub(crate) episodes: Option<f64>,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Play an environment and write the steps as a dataset in the layout of D4RL
#[derive(Debug, Args)]
#[command(after_help = "\
Episode i is reset with seed S + i, and its policy's randomness depends on S + i alone: same seed, same bytes.

Examples:
  diffplan data collect --env Pendulum-v1 --policy random --episodes 100 --out random.hdf5
  diffplan data collect --env Pendulum-v1 --policy mixed --episodes 1500 --out mixed.hdf5
  diffplan data collect --env Pendulum-v1 --policy swing-up --skill 0.5 --noise 0.2 --episodes 100 --out half.hdf5
  diffplan data collect --env Pendulum-v1 --env-kwargs g=1.62 --policy random --out moon.hdf5
  diffplan data collect --policy planner --checkpoint testdata/pendulum-hor32 --episodes 20 --out planned.hdf5")]
pub(crate) struct CollectArgs {
    /// Environment; by default the one that the checkpoint or the controller is made for, or else Pendulum-v1
    #[arg(short, long, value_name = "ID")]
    pub(crate) env: Option<String>,
    /// An argument of the environment, with a value in JSON: g=1.62, max_episode_steps=50; it is stored with the data. May be given
    /// several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = env_argument)]
    pub(crate) env_kwargs: Vec<String>,
    /// Who acts: planner (a checkpoint), or a registered policy. random: a new sample of the action space at every step; zero; ou:
    /// Ornstein-Uhlenbeck noise; swing-up (Pendulum-v1): pump energy until it is upright; bang-bang
    /// (MountainCarContinuous-v0): push along the velocity; mixed: either with a skill and a noise drawn for every episode
    #[arg(short, long, value_name = "NAME", default_value = "random")]
    pub(crate) policy: String,
    /// Episodes to play
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = count(1, 1_000_000))]
    pub(crate) episodes: usize,
    /// Episode i is played with seed S + i
    #[arg(short, long, value_name = "S", default_value_t = 0, value_parser = seed())]
    pub(crate) seed: u64,
    /// The file to write
    #[arg(short, long, value_name = "FILE.hdf5")]
    pub(crate) out: PathBuf,
    /// Standard deviation of Ornstein-Uhlenbeck noise on the actions, 1 being half the range of actions; 0 by default,
    /// and 1 of the policy ou
    #[arg(long, value_name = "X", value_parser = noise)]
    pub(crate) noise: Option<f64>,
    /// How much of the controller's action is taken, of swing-up and bang-bang: 0 nothing, 1 all of it (default)
    #[arg(long, value_name = "0..1", value_parser = skill)]
    pub(crate) skill: Option<f64>,
    /// Write next_observations too
    #[arg(long)]
    pub(crate) next_observations: bool,
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

impl CollectArgs {
    /// Where it is played.
    pub(crate) fn env(&self) -> EnvArgs {
        EnvArgs {
            env: self.env.clone(),
            env_kwargs: self.env_kwargs.clone(),
        }
    }
}

fn between(text: &str, low: f64, high: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Written so that NaN fails it.
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        Ok(value) => Err(format!("{value}, expected a number from {low} to {high}")),
        Err(e) => Err(e.to_string()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match between(text, 0.0, 1.0)? {
        0.0 => Err("0, expected a number above 0 and at most 1".into()),
        share => Ok(share),
    }
}

fn noise(text: &str) -> Result<f64, String> {
    between(text, 0.0, 100.0)
}

fn skill(text: &str) -> Result<f64, String> {
    between(text, 0.0, 1.0)
}
