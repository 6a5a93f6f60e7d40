//! What `diffplan data` takes.

use super::{CheckpointArgs, EnvArgs, PlanningArgs, ReadArgs, RunArgs, count, env_argument, seed, share};
use clap::{Args, Subcommand, ValueEnum};
use diffplan_data::WriteFormat;
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
    Convert(Box<DataConvertArgs>),
    #[cfg(feature = "hub")]
    Download(DownloadArgs),
}

/// Show what a dataset holds, and what is wrong or odd about it
#[derive(Debug, Args)]
#[command(after_help = "\
Formats: HDF5 and .npz in the layouts of D4RL, Minari (a folder or its main_data.hdf5), OGBench, robomimic, ManiSkill, ACT, d3rlpy,
Stable-Baselines and imitation, folders of such files, LeRobot's folders, packed files; others by --keys. It is read once, in blocks:
it may be larger than memory, but not for --plot. All statistics are in
float64 (of data kept as float32); those of dimensions leave out what is no finite number. What is odd is what `diffplan train` warns of
too. Exit status 2 if the dataset cannot be trained on.

Examples:
  diffplan data inspect pendulum.hdf5
  diffplan data inspect hopper-medium-v0.hdf5 --max-episode-steps 1000   old D4RL files have no timeouts
  diffplan data inspect ~/.minari/datasets/D4RL/pen/human-v2 --json
  diffplan data inspect lift.hdf5 --keys observations=obs/object+obs/robot0_eef_pos,mask=train
  diffplan data inspect own.hdf5 --keys 'episodes=runs/run_*/,observations=joints,actions=acts,rewards=rew'
  diffplan data inspect antmaze-medium-navigate-v0.npz --rewards goal=20,20
  diffplan data inspect pendulum.hdf5 --plot pendulum.png
  diffplan data inspect hopper-medium-v2                 downloaded by `diffplan data download`
  diffplan data inspect pendulum.hdf5 --strict           exit status 1 if anything is odd about it")]
pub(crate) struct DataInspectArgs {
    /// Dataset: a file, the folder of a Minari or LeRobot dataset, a folder of files, or the name of one that was downloaded
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Steps after which an episode ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// A picture of returns, lengths, ranges, actions and a few episodes
    #[arg(long, value_name = "FILE.png")]
    pub(crate) plot: Option<PathBuf>,
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

/// Write a dataset in another format: D4RL's HDF5, Minari's folder or .npz
#[derive(Debug, Args)]
#[command(after_help = "\
Any layout that `diffplan data inspect` reads. What is written: the steps of finished episodes, the environment and what it was made with,
what the source says of itself. Observations and actions are float32; rewards are float64 where float32 would round them. What is observed
after an episode's last action is kept where the source has it (as next_observations in D4RL and .npz); a Minari dataset needs it, and where it
is not known the last observation is repeated, which is said and marked in metadata.json.

Examples:
  diffplan data convert pendulum.hdf5 ~/.minari/datasets/pendulum/mixed-v0
  diffplan data convert ~/.minari/datasets/D4RL/pen/human-v2 pen.hdf5
  diffplan data convert hopper-medium-v2 hopper.npz      downloaded by `diffplan data download`
  diffplan data convert lift.hdf5 lift.npz --keys observations=obs/object+obs/robot0_eef_pos
  diffplan data convert hopper-medium-v0.hdf5 hopper --to minari --max-episode-steps 1000")]
pub(crate) struct DataConvertArgs {
    /// Dataset: what `diffplan data inspect` takes
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The file or folder to write
    #[arg(value_name = "DST")]
    pub(crate) out: PathBuf,
    /// Its format; by default by its ending: .hdf5 and .h5 are D4RL's, .npz NumPy's, a name without an ending is a folder of Minari
    #[arg(long, value_enum)]
    pub(crate) to: Option<DataFormat>,
    /// Steps after which an episode ends, in a file without timeouts
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    pub(crate) max_episode_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Replace a dataset that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    D4rl,
    Minari,
    Npz,
}

impl From<DataFormat> for WriteFormat {
    fn from(format: DataFormat) -> Self {
        match format {
            DataFormat::D4rl => Self::D4rl,
            DataFormat::Minari => Self::Minari,
            DataFormat::Npz => Self::Npz,
        }
    }
}

/// Download a dataset of D4RL or Minari by its name
#[cfg(feature = "hub")]
#[derive(Debug, Args)]
#[command(after_help = "\
A dataset lands where its project looks for it: $D4RL_DATASET_DIR or ~/.d4rl/datasets, $MINARI_DATASETS_PATH or ~/.minari/datasets; every
command that takes a dataset takes its name then. A download that broke off goes on where it stopped. The file's SHA-256 is recorded beside it
(FILE.sha256) and compared when it is asked for again; of Minari's, the Hub's own is compared too.

Mirrors are tried in their order; --mirror, $DIFFPLAN_D4RL_MIRRORS and $DIFFPLAN_MINARI_MIRRORS (addresses with commas between them) replace
them. HTTPS_PROXY, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean elsewhere.

Examples:
  diffplan data download hopper-medium-v2
  diffplan data download D4RL/door/human-v2
  diffplan data download --list kitchen
  diffplan data download hopper-medium-v2 --out data --mirror https://example.org/d4rl
  diffplan data download mujoco/hopper/expert-v0 --mirror hf://farama-minari")]
pub(crate) struct DownloadArgs {
    /// Its name: hopper-medium-v2 of D4RL, D4RL/door/human-v2 of Minari; with --list, part of names
    #[arg(value_name = "NAME", required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// List the names that are known, or those that NAME is a part of
    #[arg(long)]
    pub(crate) list: bool,
    /// Put it into this folder
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Ask here, and nowhere else: an address that files are below, or hf://OWNER, repositories on the Hub. May be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,
    /// The SHA-256 that the file is to have
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub(crate) sha256: Option<String>,
    /// Download it again, if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "hub")]
fn sha256(text: &str) -> Result<String, String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("expected 64 hexadecimal digits".into()),
    }
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
  diffplan data collect --env maze2d-umaze-v1 --policy waypoint --steps 200000 --out umaze.hdf5
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
    /// (MountainCarContinuous-v0): push along the velocity; mixed: either with a skill and a noise drawn for every episode; waypoint
    /// (mazes): from cell to cell to the goal
    #[arg(short, long, value_name = "NAME", default_value = "random")]
    pub(crate) policy: String,
    /// Episodes to play
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = count(1, 1_000_000))]
    pub(crate) episodes: usize,
    /// Instead of episodes one run of so many steps through a maze, from one random goal to the next, as D4RL collected; with infos/goal,
    /// infos/qpos and infos/qvel. Rewards are of the environment's own goal
    #[arg(long, value_name = "N", conflicts_with = "episodes", value_parser = count(1, 100_000_000))]
    pub(crate) steps: Option<usize>,
    /// Where timeouts cut such a run into episodes: goal, where a goal is reached or given up; limit, after max_episode_steps, whatever the
    /// goals; never. Windows are no longer than their episode
    #[arg(long, value_name = "WHERE", requires = "steps", default_value = "goal")]
    pub(crate) cut: Cut,
    /// Episode i is played with seed S + i
    #[arg(short, long, value_name = "S", default_value_t = 0, value_parser = seed())]
    pub(crate) seed: u64,
    /// The file to write
    #[arg(short, long, value_name = "FILE.hdf5")]
    pub(crate) out: PathBuf,
    /// Standard deviation of Ornstein-Uhlenbeck noise on the actions, 1 being half the range of actions; 0 by default,
    /// and 1 of the policy ou. Of waypoint it is white noise, 0.5 by default, as in D4RL's data
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

/// Where a run from goal to goal is cut into episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    /// Where a goal is reached, or given up.
    Goal,
    /// After as many steps as the environment's episodes have.
    Limit,
    /// Not at all.
    Never,
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

fn noise(text: &str) -> Result<f64, String> {
    between(text, 0.0, 100.0)
}

fn skill(text: &str) -> Result<f64, String> {
    between(text, 0.0, 1.0)
}
