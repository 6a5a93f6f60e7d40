//! What `diffplan evaluate` takes.

use super::{ActingArgs, ActingOptions, AimArgs, MAX_EPISODES, RunArgs, count, seed};
use clap::Args;
use diffplan_pipelines::OPTIONS;
use std::path::PathBuf;

/// Everything that two finished evaluations are compared without.
fn of_playing() -> impl Iterator<Item = &'static str> {
    let own = [
        "checkpoint",
        "subfolder",
        "variant",
        "env",
        "env_kwargs",
        "guide",
        "guides",
        "goal",
        "goal_time",
        "waypoint",
        "episodes",
        "parallel",
        "seed",
        "out",
        "resume",
        "threads",
        "planning",
    ];
    own.into_iter().chain(OPTIONS.iter().map(|spec| spec.name))
}

/// Play many episodes side by side and say how good the plans are
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Episode i is the episode i of `diffplan rollout` with the same seed, to the bit, however many run side by side.

With --out, an episode is on disk as soon as it is over. After Ctrl-C or a crash, --resume plays what is missing, with the \
settings in the folder; a larger --episodes goes on with a finished one.

A checkpoint that was trained with goals is evaluated twice from the same starts unless --follow says which: with a controller that \
steers along the planned states, in DIR/states, and with the diffused actions, in DIR/actions.

Examples:
  diffplan evaluate                                        150 episodes, the checkpoint in testdata/
  diffplan evaluate --checkpoint DIR --seed 1000 --out runs/eval
  diffplan evaluate --out runs/eval --resume               goes on, or prints the table again
  diffplan evaluate --episodes 20 --parallel 4 --json      the last line is one JSON object
  diffplan evaluate --n-guide-steps 0 --seed 1000 --out runs/unguided
  diffplan evaluate --scheduler ddim --num-inference-steps 5 --seed 1000
  diffplan evaluate --policy random --env Pendulum-v1 --seed 1000 --out runs/random
  diffplan evaluate --env-kwargs g=1.62 --env-kwargs max_episode_steps=50   the same environment, made otherwise
  diffplan evaluate --compare runs/unguided runs/eval")]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) acting: ActingArgs,
    /// Episodes to play; 150 by default
    #[arg(short = 'n', long, value_name = "N", value_parser = count(1, MAX_EPISODES as u64))]
    pub(crate) episodes: Option<usize>,
    /// Episodes side by side, planned for in one batch; 8 by default, fewer of plans that are very large. Results are the same for any number
    #[arg(short, long, value_name = "P", value_parser = count(1, 65_536))]
    pub(crate) parallel: Option<usize>,
    /// Episode i is reset with seed S + i, and its noise depends on S and i alone; 0 by default
    #[arg(short, long, value_name = "S", value_parser = seed())]
    pub(crate) seed: Option<u64>,
    /// Keep episodes.csv and evaluation.json in this folder
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with the evaluation in the folder, with the settings it was started with; where there is none, begin one
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Compare two evaluations, by their folders, evaluation.json, or the summary.json of rollout; nothing is played
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = of_playing())]
    pub(crate) compare: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) aim: AimArgs,
    #[command(flatten)]
    pub(crate) planning: ActingOptions,
}
