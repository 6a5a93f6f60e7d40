//! What is legal in a checkpoint but almost surely wrong, each with its remedy.
//!
//! Every part of a checkpoint can be well formed, fit the others, and still make plans that mean nothing: samples clamped where the
//! statistics leave them unbounded, a network asked for noise that predicts samples. Nothing fails then; plans are just bad. [`examine`]
//! looks for what people have got wrong; each check is a function with its reasoning and its numbers in its documentation, and is
//! silent where it does not know. What makes no plan at all, [`Severity::Error`], is refused when a folder is loaded.
//!
//! It knows no environments and no command lines: what they know comes in as numbers ([`Dims`]) and names.
//!
//! | [`Code`] | function | said where |
//! | --- | --- | --- |
//! | `clipped_gaussian` | [`clipping`] | loading, inspecting |
//! | `prediction_type` | [`prediction`] | loading, inspecting |
//! | `zero_terminal_snr` | [`signal`] | refused by loading |
//! | `observation_first` | [`order`] | loading, inspecting |
//! | `default_horizon` | [`horizon`] | loading, where another is asked for; inspecting |
//! | `dimensions` | [`Dims::disagreement`] | refused by loading and by acting |
//! | `other_dataset` | [`other_dataset`], [`other_environment`] | inspecting |
//! | `far_observation` | [`Outside`] | planning and acting, once |
//! | `constant` | [`constant`] | loading, inspecting |

mod clipping;
mod constant;
mod dimensions;
mod horizon;
mod order;
mod origin;
mod outside;
mod prediction;
mod signal;
mod spreads;

pub use clipping::clipping;
pub use constant::constant;
pub use dimensions::Dims;
pub use horizon::horizon;
pub use order::order;
pub use origin::{other_dataset, other_environment};
pub use outside::Outside;
pub use prediction::{Probe, prediction};
pub use signal::signal;

use crate::pipeline::ValueGuidedPipeline;
use serde::Serialize;
use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Plans can be made, and are almost surely not what they should be.
    Warning,
    /// There is no plan to be made.
    Error,
}

/// Which check it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// Samples are clamped, and statistics leave them unbounded.
    ClippedGaussian,
    /// The network predicts something else than the scheduler says.
    PredictionType,
    /// No signal at the last timestep, and a prediction that divides by it.
    ZeroTerminalSnr,
    /// Statistics stand in the order of observation, action.
    ObservationFirst,
    /// The networks do not take the horizon that is planned by default.
    DefaultHorizon,
    /// Environment, statistics and networks are of different dimensions.
    Dimensions,
    /// Statistics are not those of the dataset, or the settings of another environment.
    OtherDataset,
    /// An observation is far from all that the statistics have seen.
    FarObservation,
    /// A dimension does not vary.
    Constant,
}

/// Something that is almost surely wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and why.
    pub what: String,
    /// The file, and the key in it.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn warning(code: Code, place: &str, what: String, remedy: String) -> Self {
        Self {
            code,
            severity: Severity::Warning,
            what,
            place: place.to_owned(),
            remedy,
        }
    }

    pub(crate) fn error(code: Code, place: &str, what: String, remedy: String) -> Self {
        Self {
            severity: Severity::Error,
            ..Self::warning(code, place, what, remedy)
        }
    }
}

/// "scheduler/scheduler_config.json, clip_sample: samples are …; set …".
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// Everything that can be seen from a pipeline alone. Cheap: the networks are asked once for four samples, and a few times more only
/// where the answer is suspicious.
pub fn examine(pipeline: &ValueGuidedPipeline) -> Vec<Finding> {
    let (scheduler, normalizers) = (pipeline.scheduler(), pipeline.normalizers());
    let mut findings: Vec<Finding> = signal(scheduler.as_ref()).into_iter().collect();
    findings.extend(clipping(scheduler.as_ref(), normalizers));
    findings.extend(order(normalizers));
    findings.extend(constant(normalizers));
    findings.extend(horizon(pipeline));
    findings.extend(prediction(pipeline));
    findings
}

/// Parts for the tests of the checks.
#[cfg(test)]
pub(crate) mod testing;
