//! How a plan is made: options under the reference's names, and what a checkpoint says about them.

use crate::error::{Error, Result};
use diffplan_models::{Algorithm, Compute, Precision};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// How the gradient of the value is scaled at timestep t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Guidance {
    /// By `exp(0.5 · scheduler._get_variance(t))`, as diffusers' `ValueGuidedRLPipeline` does. With `fixed_small_log` that is
    /// between 1 and 1.65 at every timestep.
    #[default]
    Diffusers,
    /// By the posterior variance, as the paper's own code does: strong in the noise, weak at the end.
    Diffuser,
}

impl Guidance {
    /// The name used in `planning_config.json` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Guidance::Diffusers => "diffusers",
            Guidance::Diffuser => "diffuser",
        }
    }
}

/// How a plan is made. [`Default`] is that of the reference's call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Candidate trajectories for an observation.
    pub batch_size: usize,
    /// Steps of a trajectory.
    pub planning_horizon: usize,
    /// Gradient steps at every timestep. With 0, candidates have no value unless they are rescored, and one is picked by
    /// the noise source.
    pub n_guide_steps: usize,
    /// Length of a gradient step, before the timestep's weight.
    pub scale: f32,
    /// The timestep's weight.
    pub guidance: Guidance,
    /// Rank candidates by the value of what they became (at t = 0) rather than, as the reference, by the value seen at the last
    /// gradient step, before the last denoising.
    pub rescore: bool,
    /// No gradient step below this timestep (`t_stopgrad` in the paper's code; fixed to 2 in diffusers).
    pub t_stopgrad: usize,
    /// Timesteps visited; all that the networks were trained with if none.
    pub num_inference_steps: Option<usize>,
    /// In which precision the networks' convolutions multiply.
    pub precision: Precision,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            batch_size: 64,
            planning_horizon: 32,
            n_guide_steps: 2,
            scale: 0.1,
            guidance: Guidance::Diffusers,
            rescore: false,
            t_stopgrad: 2,
            num_inference_steps: None,
            precision: Precision::F32,
        }
    }
}

/// Candidates from which on Toom-Cook's fewer multiplications are worth its larger weights.
const TOOM_COOK_FROM: usize = 3;

impl PlanOptions {
    /// How the networks are computed on so many threads. The rest depends on these options alone, not on how many observations
    /// are planned for at a time: a plan has the same bits alone and among others.
    pub fn compute(&self, threads: usize) -> Compute {
        Compute {
            threads,
            algorithm: if self.batch_size < TOOM_COOK_FROM {
                Algorithm::Direct
            } else {
                Algorithm::Auto
            },
            precision: self.precision,
        }
    }

    /// Checks what does not depend on the networks.
    ///
    /// # Errors
    /// [`Error::Option`] for the first that is impossible.
    pub fn validate(&self) -> Result<()> {
        let refuse = |name, value: String, expected: &str| {
            Err(Error::Option {
                name,
                value,
                expected: expected.into(),
            })
        };
        if self.batch_size == 0 {
            return refuse("batch_size", "0".into(), "at least 1 candidate");
        }
        if self.planning_horizon == 0 {
            return refuse("planning_horizon", "0".into(), "at least 1 step");
        }
        if !self.scale.is_finite() {
            return refuse("scale", self.scale.to_string(), "a finite number");
        }
        if self.num_inference_steps == Some(0) {
            return refuse("num_inference_steps", "0".into(), "at least 1 timestep");
        }
        Ok(())
    }

    /// Whether candidates come out with values.
    pub(crate) fn ranks(&self) -> bool {
        self.n_guide_steps > 0 || self.rescore
    }
}

/// `planning_config.json`: what a call uses where the caller says nothing. Every key is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanningConfig {
    /// The environment the checkpoint was trained for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// As in [`PlanOptions`], as are all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planning_horizon: Option<usize>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_guide_steps: Option<usize>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Guidance>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescore: Option<bool>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t_stopgrad: Option<usize>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<usize>,
}

impl PlanningConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, is no JSON, or has a key or value that is unknown.
    pub fn from_json(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = serde_json::from_str(&text).map_err(|e| Error::Config {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let options = config.over(PlanOptions::default());
        options.validate().map_err(|e| Error::Config {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(config)
    }

    /// `options` with what this configuration says in place of theirs.
    pub fn over(&self, options: PlanOptions) -> PlanOptions {
        PlanOptions {
            batch_size: self.batch_size.unwrap_or(options.batch_size),
            planning_horizon: self.planning_horizon.unwrap_or(options.planning_horizon),
            n_guide_steps: self.n_guide_steps.unwrap_or(options.n_guide_steps),
            scale: self.scale.unwrap_or(options.scale),
            guidance: self.guidance.unwrap_or(options.guidance),
            rescore: self.rescore.unwrap_or(options.rescore),
            t_stopgrad: self.t_stopgrad.unwrap_or(options.t_stopgrad),
            num_inference_steps: self.num_inference_steps.or(options.num_inference_steps),
            ..options
        }
    }
}
