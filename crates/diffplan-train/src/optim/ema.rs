//! The exponential moving average of a network's parameters, which is what acts.

use diffplan_nn::{Params, Role, named_params, named_params_mut, roles};
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

    /// What happens to the average after step `step`, from 0. Frozen parameters are the network's own, to the bit.
    pub(crate) fn update<M: Params>(&self, step: u64, average: &mut M, model: &M) {
        if !step.is_multiple_of(self.every) {
            return;
        }
        let (keep, take) = if step < self.start {
            (0.0, 1.0)
        } else {
            (self.decay as f32, (1.0 - self.decay) as f32)
        };
        let pairs = named_params_mut(average).into_iter().zip(named_params(model));
        let pairs: Vec<_> = pairs.zip(roles(model)).collect();
        pairs
            .into_par_iter()
            .for_each(|(((_, mut average), (_, parameter)), role)| {
                let (keep, take) = if role == Role::Frozen { (0.0, 1.0) } else { (keep, take) };
                average.zip_mut_with(&parameter, |average, &parameter| {
                    *average = keep * *average + take * parameter
                });
            });
    }
}
