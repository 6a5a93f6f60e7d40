//! What one episode and many have in common: that planner and environment fit, and what becomes of a plan's action.

use crate::error::{Error, Result};
use crate::pipeline::ValueGuidedPipeline;
use diffplan_envs::{BoxSpace, Space};
use ndarray::{Array1, ArrayView1};

/// An action space that a pipeline's actions lie in, or are clipped to.
pub(crate) struct Acting {
    bounds: BoxSpace,
}

impl Acting {
    /// # Errors
    /// If the spaces are no boxes, or have other dimensions than the pipeline.
    pub(crate) fn new(pipeline: &ValueGuidedPipeline, observation_space: &Space, action_space: &Space) -> Result<Self> {
        for (what, space, expected) in [
            ("observations", observation_space, pipeline.observation_dim()),
            ("actions", action_space, pipeline.action_dim()),
        ] {
            let actual = space.as_box()?.dim();
            if actual != expected {
                let message = format!("the environment's {what} have {actual} dimensions, the checkpoint's {expected}");
                return Err(Error::Parts(message));
            }
        }
        let bounds = action_space.as_box()?.clone();
        Ok(Self { bounds })
    }

    pub(crate) fn action_dim(&self) -> usize {
        self.bounds.dim()
    }

    /// The action that the environment is handed.
    pub(crate) fn clip(&self, action: &Array1<f32>) -> Array1<f32> {
        let (low, high) = (self.bounds.low(), self.bounds.high());
        let clip = |(i, &a): (usize, &f32)| a.clamp(low[i] as f32, high[i] as f32);
        action.iter().enumerate().map(clip).collect()
    }
}

impl ValueGuidedPipeline {
    /// Checks that plans of this pipeline can be acted on in an environment with these spaces.
    ///
    /// # Errors
    /// If they are no boxes, or have other dimensions than the pipeline.
    pub fn check_spaces(&self, observation_space: &Space, action_space: &Space) -> Result<()> {
        Acting::new(self, observation_space, action_space).map(|_| ())
    }
}

/// The sum of rewards: in one order, so that an episode has the same return to the bit however it is played.
pub(crate) fn total(rewards: &[f64]) -> f64 {
    ArrayView1::from(rewards).sum()
}
