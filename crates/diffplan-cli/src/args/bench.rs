//! `diffplan bench`.

use super::tune::duration;
use super::{CheckpointArgs, PlanningArgs, RunArgs, count};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::time::Duration;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// One forward pass of the planner network
    Unet,
    /// Value and its gradient with respect to the sample
    ValueGrad,
    /// One whole call: observation in, action out
    Plan,
    /// Many plans, each within a deadline
    Deadline,
}

impl Task {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Unet => "unet",
            Task::ValueGrad => "value_grad",
            Task::Plan => "plan",
            Task::Deadline => "deadline",
        }
    }
}

/// Time a network, a gradient or a whole plan; or see whether deadlines are kept
#[derive(Debug, Args)]
#[command(after_help = "\
One call warms up, then each of the repeats is timed. Options that are not given are those of diffusers' call, whatever
planning_config.json says, so that numbers compare.

With --task deadline a plan is wanted once a deadline, as a control loop wants it: by the checkpoint's own options where there is time,
by less where there is not (docs/deadlines.md). Observations are those of the checkpoint's environment, played with the plans; where it cannot
be made, draws by the checkpoint's statistics. Threads are one fewer than there are cores, if --threads does not say.

Examples:
  diffplan bench
  diffplan bench --task unet --batch-size 64 --threads 1 --json
  diffplan bench --hopper-size --task plan --threads 2 --repeat 10
  diffplan bench --task deadline --deadline 20ms                    1,000 plans: percentiles, misses, jitter
  diffplan bench --task deadline --deadline 100ms --plans 200 --checkpoint DIR --pin --realtime --json")]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    /// Random weights in networks of the size for Hopper (32-64-128-256 channels, 11 + 3 dimensions), no checkpoint
    #[arg(long, conflicts_with_all = ["checkpoint", "subfolder", "variant"])]
    pub(crate) hopper_size: bool,
    /// What to time
    #[arg(long, value_enum, default_value_t = Task::Plan)]
    pub(crate) task: Task,
    /// Timed calls; 5 by default
    #[arg(short, long, value_name = "R", value_parser = count(1, 1_000_000))]
    pub(crate) repeat: Option<usize>,
    #[command(flatten)]
    pub(crate) deadline: DeadlineArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

/// Of the task `deadline` alone.
#[derive(Debug, Args)]
#[command(next_help_heading = "Deadlines")]
pub(crate) struct DeadlineArgs {
    /// Time for a plan, with its unit: 20ms, 0.1s, 500us
    #[arg(long, value_name = "TIME", value_parser = duration, required_if_eq("task", "deadline"))]
    pub(crate) deadline: Option<Duration>,
    /// Plans to make; 1000 by default
    #[arg(long, value_name = "N", value_parser = count(1, 10_000_000))]
    pub(crate) plans: Option<usize>,
    /// Each thread on a core of its own, where the system lets them
    #[arg(long)]
    pub(crate) pin: bool,
    /// Threads at a real-time priority, where the system lets them
    #[arg(long)]
    pub(crate) realtime: bool,
}

impl DeadlineArgs {
    /// The flag of one that was given, if any was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("deadline", self.deadline.is_some()),
            ("plans", self.plans.is_some()),
            ("pin", self.pin),
            ("realtime", self.realtime),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}
