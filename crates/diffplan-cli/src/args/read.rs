//! How a dataset's file is read, wherever one is.

use clap::Args;
use diffplan_data::{Keys, ReadOptions, RewardRule};

/// What a file does not say, or says otherwise than it is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadArgs {
    /// Where the steps are in the file, for a layout that is not known or other arrays than its own: observations, actions, rewards,
    /// terminals, timeouts, starts, episodes (groups by a pattern such as data/demo_*/), mask (of robomimic); several arrays side by
    /// side with +, as in observations=obs/joint_pos+obs/gripper,actions=acts
    #[arg(long, value_name = "KEY=PATH,…")]
    pub(crate) keys: Option<Keys>,
    /// Rewards in place of the file's: zeros, or goal=X,Y, which is 1 within 0.5 of there in the first dimensions of the observation;
    /// more exactly "goal=X,Y;tolerance=R;dims=I,J"
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub(crate) rewards: Option<RewardRule>,
}

impl ReadArgs {
    pub(crate) fn options(&self, max_episode_steps: Option<usize>) -> ReadOptions {
        ReadOptions {
            max_episode_steps,
            keys: self.keys.clone().unwrap_or_default(),
            rewards: self.rewards.clone(),
            ..ReadOptions::default()
        }
    }
}
