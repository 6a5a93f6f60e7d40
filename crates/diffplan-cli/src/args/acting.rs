//! Who acts, and where.

use super::GuidesArgs;
use clap::Args;
use diffplan_eval::AimText;
use std::path::PathBuf;

/// Which networks plan.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CheckpointArgs {
    /// Checkpoint folder, or a repository of the Hub, OWNER/NAME[@REVISION]; testdata/pendulum-hor32, which is built in, by default
    #[arg(id = "checkpoint", short, long = "checkpoint", value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

/// Which files of a checkpoint.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FilesArgs {
    /// The folder within the checkpoint's that the checkpoint is in
    #[arg(long, value_name = "NAME")]
    pub(crate) subfolder: Option<String>,
    /// Read diffusion_pytorch_model.V.safetensors (or .bin), or the weights in a folder V/: fp16, ema, 190000
    #[arg(long, value_name = "V")]
    pub(crate) variant: Option<String>,
    /// Ask nothing of the Hub, and take what its cache has of the repository; as HF_HUB_OFFLINE=1
    #[arg(long)]
    pub(crate) offline: bool,
}

impl CheckpointArgs {
    /// The flag that was given, if any was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.path.is_some(), "checkpoint"),
            (self.files.subfolder.is_some(), "subfolder"),
            (self.files.variant.is_some(), "variant"),
            (self.files.offline, "offline"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }
}

/// Where episodes are played.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EnvArgs {
    /// Environment; the one named in the checkpoint's planning_config.json by default
    #[arg(short, long, value_name = "ID")]
    pub(crate) env: Option<String>,
    /// An argument of the environment, with a value in JSON: g=1.62, healthy_z_range=[0.7,2], max_episode_steps=50; null takes one of
    /// the checkpoint's away. May be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = env_argument)]
    pub(crate) env_kwargs: Vec<String>,
}

/// Checks the form alone: which arguments there are, an environment knows.
pub(crate) fn env_argument(text: &str) -> Result<String, String> {
    match diffplan_data::RecordedEnv::argument(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Where plans are to lead.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AimArgs {
    /// What is to be reached, of a checkpoint that was trained with goals: NAME=VALUE,… or the numbers of the first dimensions of the
    /// observation, in order. Dimensions that are not said are 0. An environment with goals is reset to it
    #[arg(long, value_name = "NAME=X,…", allow_hyphen_values = true, help_heading = "Goals")]
    pub(crate) goal: Option<String>,
    /// The step of the episode at which the goal is to be reached, rather than at the end of a plan
    #[arg(long, value_name = "STEP", requires = "goal", help_heading = "Goals")]
    pub(crate) goal_time: Option<usize>,
    /// What some dimensions of the observation are to be at a step of the episode; may be given several times
    #[arg(long, value_name = "STEP:NAME=X,…", help_heading = "Goals")]
    pub(crate) waypoint: Vec<String>,
}

impl AimArgs {
    /// As evaluations keep it.
    pub(crate) fn text(&self) -> AimText {
        AimText {
            goal: self.goal.clone(),
            goal_time: self.goal_time,
            waypoints: self.waypoint.clone(),
        }
    }

    /// The flag that was given, if any was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [(self.goal.is_some(), "goal"), (!self.waypoint.is_empty(), "waypoint")];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }
}

/// What plays episodes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ActingArgs {
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    /// Who acts: planner (the checkpoint; the default), random, zero, ou, swing-up, bang-bang, mixed, waypoint (of mazes), or one of your own
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    #[command(flatten)]
    pub(crate) guides: GuidesArgs,
}

impl ActingArgs {
    /// The policy that was named, if it is not the checkpoint's planner.
    pub(crate) fn other(&self) -> Option<&str> {
        self.policy.as_deref().filter(|&name| name != PLANNER)
    }
}

/// The policy that is a checkpoint.
pub(crate) const PLANNER: &str = "planner";
