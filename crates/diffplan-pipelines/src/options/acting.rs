//! The types of what acting by plans depends on, and of what a planner was trained with.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// What of a trajectory was known in training, and imposed on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainedConditions {
    /// The first observation.
    #[default]
    Start,
    /// The first and the last: a plan without a goal at its end is none that the network has learned.
    Goal,
}

/// What is followed of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Follow {
    /// Its actions are done as they are.
    #[default]
    Actions,
    /// A controller steers from each of its states to the next, and to the last one at rest once the plan is over.
    States,
}

impl Follow {
    /// The names of all.
    pub const NAMES: &[&str] = &["actions", "states"];

    /// The name used in `planning_config.json` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::States => "states",
        }
    }
}

impl Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By which weights the plan before holds a new one in the steps that both have: soft conditions
/// ([`Condition::soft`](crate::Condition::soft)) on what is followed, actions or states. Of real-time chunking (Black et al. 2025,
/// arXiv:2506.07339, equation 5; `RTCAttentionSchedule` of LeRobot).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    /// Nothing is held but what is committed already: steps before the observation delay is over.
    #[default]
    None,
    /// All steps are held whole: the new plan only adds what the old one did not have.
    Ones,
    /// Weights fall evenly.
    Linear,
    /// Weights fall faster: c · (exp(c) - 1) / (e - 1) of the linear one c.
    Exp,
}

impl Prefix {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Ones, Self::Linear, Self::Exp];

    /// The names of all.
    pub const NAMES: &[&str] = &["none", "ones", "linear", "exp"];

    /// The name used in `planning_config.json` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ones => "ones",
            Self::Linear => "linear",
            Self::Exp => "exp",
        }
    }

    /// The weight of step `step` of a new plan of which the first `committed` steps are decided and those before `end` held: 1 of what
    /// is committed, 0 from `end` on.
    pub fn weight(self, step: usize, committed: usize, end: usize) -> f32 {
        if step < committed {
            return 1.0;
        }
        if step >= end {
            return 0.0;
        }
        let linear = (end - step) as f32 / (end - committed + 1) as f32;
        match self {
            Self::None => 0.0,
            Self::Ones => 1.0,
            Self::Linear => linear,
            Self::Exp => linear * linear.exp_m1() / 1.0f32.exp_m1(),
        }
    }
}

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear weights of 2 committed steps, 6 held ones of a horizon of 8: `linspace(1, 0, 4 + 2)` without its ends.
    #[test]
    fn weights_fall_from_what_is_committed_to_where_holding_ends() {
        let weights = |prefix: Prefix| (0..8).map(|step| prefix.weight(step, 2, 6)).collect::<Vec<f32>>();
        assert_eq!(weights(Prefix::None), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(weights(Prefix::Ones), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(weights(Prefix::Linear), [1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]);
        let exp = weights(Prefix::Exp);
        let expected = [0.8f64, 0.6, 0.4, 0.2].map(|c| c * c.exp_m1() / 1.0f64.exp_m1());
        for (weight, expected) in exp[2..6].iter().zip(expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-6, "{weight} {expected}");
        }
        assert_eq!((exp[1], exp[6]), (1.0, 0.0));
    }
}
