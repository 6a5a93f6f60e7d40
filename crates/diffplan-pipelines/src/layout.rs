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

    /// The channel of an observation's dimension, if there is one.
    pub fn observation(&self, dim: usize) -> Option<usize> {
        (dim < self.observations.len()).then(|| self.observations.start + dim)
    }

    /// The channel of an action's dimension, if there is one.
    pub fn action(&self, dim: usize) -> Option<usize> {
        (dim < self.actions.len()).then(|| self.actions.start + dim)
    }

    /// A channel in words: `action 0`, `observation 2`.
    pub fn describe(&self, channel: usize) -> String {
        match (self.actions.contains(&channel), self.observations.contains(&channel)) {
            (true, _) => format!("action {}", channel - self.actions.start),
            (_, true) => format!("observation {}", channel - self.observations.start),
            _ => format!("channel {channel}"),
        }
    }

    /// All channels.
    pub fn channels(&self) -> usize {
        self.actions.len() + self.observations.len()
    }
}
