//! [`SampleLayout`]: where actions and observations lie in a sample.

use std::ops::Range;

/// The channels of a sample that are actions, and those that are observations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SampleLayout {
    actions: Range<usize>,
    observations: Range<usize>,
}

impl SampleLayout {
    /// Actions, then observations: Diffuser's, and diffusers'.
    pub fn action_first(actions: usize, observations: usize) -> Self {
        Self {
            actions: 0..actions,
            observations: actions..actions.saturating_add(observations),
        }
    }

    /// Observations, then actions.
    pub fn observation_first(observations: usize, actions: usize) -> Self {
        Self {
            observations: 0..observations,
            actions: observations..observations.saturating_add(actions),
        }
    }

    /// Observations alone: actions are for an [`ActionHead`](crate::ActionHead) to find.
    pub fn states_only(observations: usize) -> Self {
        Self::action_first(0, observations)
    }

    /// Actions alone.
    pub fn actions_only(actions: usize) -> Self {
        Self::action_first(actions, 0)
    }

    /// The channels of actions.
    pub fn actions(&self) -> Range<usize> {
        self.actions.clone()
    }

    /// The channels of observations.
    pub fn observations(&self) -> Range<usize> {
        self.observations.clone()
    }

    /// All channels.
    pub fn channels(&self) -> usize {
        self.actions.len() + self.observations.len()
    }
}
