//! The exponential moving average of a network's parameters, which is what acts.

use diffplan_models::UNet1dModel;
use diffplan_nn::{named_params, named_params_mut};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// When and how the average follows, as the original's `Trainer.step_ema`: after every `every`-th step, from step 0 on; until
/// `start` the average is the network itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ema {
    /// What stays of the average: `ema ← decay · ema + (1 - decay) · parameter`.
    pub decay: f64,
    /// Steps between updates.
    pub every: u64,
    /// Before this step, an update copies.
    pub start: u64,
}

impl Default for Ema {
    fn default() -> Self {
        Self {
            decay: 0.995,
            every: 10,
            start: 2000,
        }
    }
}

impl Ema {
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(Error::option("ema_decay", self.decay, "a number from 0 to 1"));
        }
        if self.every == 0 {
            return Err(Error::option("ema_every", 0, "at least 1 step"));
        }
        Ok(())
    }

    /// What happens to the average after step `step`, from 0.
    pub(crate) fn update(&self, step: u64, average: &mut UNet1dModel, model: &UNet1dModel) {
        if !step.is_multiple_of(self.every) {
            return;
        }
        let (keep, take) = if step < self.start {
            (0.0, 1.0)
        } else {
            (self.decay as f32, (1.0 - self.decay) as f32)
        };
        let pairs: Vec<_> = named_params_mut(average).into_iter().zip(named_params(model)).collect();
        pairs.into_par_iter().for_each(|((_, mut average), (_, parameter))| {
            average.zip_mut_with(&parameter, |average, &parameter| {
                *average = keep * *average + take * parameter
            });
        });
    }
}
