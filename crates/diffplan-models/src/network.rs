//! [`Network`]: what a planner needs of a denoiser, open to anybody's.
//!
//! A network is immutable and shared; a [`NetworkSession`] is one caller's use of it, with buffers of its own. What depends on the
//! timesteps is computed once a schedule ([`prepare`](NetworkSession::prepare)), on the conditioning once a plan
//! ([`condition`](NetworkSession::condition)), and only then is the network asked, once a visit.

use crate::error::{Error, Result};
use diffplan_nn::Compute;
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3};
use std::fmt::Debug;
use std::sync::Arc;

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// Numbers of a step of a sample.
    pub sample_channels: usize,
    /// Numbers of a step of the output.
    pub out_channels: usize,
    /// Numbers that a sample is conditioned on as a whole; 0 where the network takes none.
    pub condition: usize,
}

impl Signature {
    /// A network whose output has the shape of its sample, without conditioning.
    pub fn new(sample_channels: usize) -> Self {
        Self {
            sample_channels,
            out_channels: sample_channels,
            condition: 0,
        }
    }
}

/// What a plan is conditioned on, beside what is imposed on the sample.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Conditioning<'a> {
    /// Nothing.
    #[default]
    None,
    /// (1 or batch, [`Signature::condition`]).
    Rows(ArrayView2<'a, f32>),
}

/// A denoiser: from a noised sample and the time of its noise to what the scheduler's `prediction_type` says.
pub trait Network: Debug + Send + Sync {
    /// The class as diffusers spells it in `_class_name`, or a name of one's own.
    fn class_name(&self) -> &str;

    /// Its sizes.
    fn signature(&self) -> Signature;

    /// That it takes samples of this length and gives them back with the same: any, if it does not say.
    ///
    /// # Errors
    /// Why not, and which lengths it does take.
    fn check_horizon(&self, _horizon: usize) -> Result<()> {
        Ok(())
    }

    /// A use of it, computed as `compute` says.
    fn session(self: Arc<Self>, compute: Compute) -> Box<dyn NetworkSession>;

    /// What was odd and harmless in the files it was loaded from, a sentence each.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// One caller's use of a [`Network`].
pub trait NetworkSession: Send {
    /// The times of a schedule; [`forward`](Self::forward) names one by its place here. Replaces those of the last call.
    fn prepare(&mut self, times: &[f32]);

    /// What the samples from now on are conditioned on: nothing, if it does not say.
    ///
    /// # Errors
    /// If the network takes another number of numbers, or none.
    fn condition(&mut self, conditioning: Conditioning<'_>) -> Result<()> {
        match conditioning {
            Conditioning::None => Ok(()),
            Conditioning::Rows(rows) => Err(Error::Shape {
                name: "conditioning",
                actual: rows.shape().to_vec(),
                expected: "none: the network is not conditioned".into(),
            }),
        }
    }

    /// The output for `x` at the `time`-th of the times, into `out`; both (batch, horizon, channels), of any memory order. Allocates
    /// nothing once it was called with a batch and horizon of this size.
    ///
    /// # Errors
    /// If a shape does not fit or there is no such time.
    fn forward(&mut self, x: ArrayView3<'_, f32>, time: usize, out: ArrayViewMut3<'_, f32>) -> Result<()>;
}
