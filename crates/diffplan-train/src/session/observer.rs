//! [`Observer`]: who looks on while a run trains, and may end it.

use super::data::Data;
use super::keys::Kind;
use super::settings::{Network, Settings};
use crate::error::Result;
use crate::trainer::StepReport;
use diffplan_models::UNet1dModel;
use std::path::PathBuf;

/// Who looks on while a run trains: a progress bar, pictures, a stop button. `()` sees nothing.
pub trait Observer {
    /// A network's training begins after `from` of `to` steps.
    fn begin(&mut self, _kind: Kind, _from: u64, _to: u64) {}

    /// A step was taken.
    fn step(&mut self, _kind: Kind, _report: &StepReport) {}

    /// The loss of the averaged network on held-out episodes, after `steps` steps.
    fn validated(&mut self, _kind: Kind, _steps: u64, _loss: f64) {}

    /// Whether to stop: asked before every step. What was learned is saved first.
    fn stopped(&mut self) -> bool {
        false
    }

    /// Now and then (`sample_every`): a look at what the averaged network gives.
    ///
    /// # Errors
    /// Ends the training.
    fn sample(&mut self, _sample: &Sample) -> Result<()> {
        Ok(())
    }

    /// A network's training is over, or was stopped.
    fn end(&mut self, _kind: Kind) {}
}

impl Observer for () {}

/// What there is to look at.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Which network, and how it is trained.
    pub network: &'a Network,
    /// Of the run.
    pub settings: &'a Settings,
    /// What it is trained on.
    pub data: &'a Data,
    /// The averaged network.
    pub average: &'a UNet1dModel,
    /// Steps taken.
    pub steps: u64,
    /// Where a picture belongs; its folder may not be there yet.
    pub path: PathBuf,
}
