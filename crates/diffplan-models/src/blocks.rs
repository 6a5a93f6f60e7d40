//! The network's blocks, named and put together as in diffusers' `unet_1d_blocks.py` and `resnet.py`.
//!
//! Blocks work in place: a forward pass replaces its input by its output, a backward pass the output's gradient by the
//! input's. What a backward pass reads is in the block's `…Saved` struct; a block's output lands in it only as far as
//! the gradients asked for need it.

mod out;
mod resample;
mod residual;
mod stages;

pub(crate) use out::{OutBlock, OutConv1dBlock, OutSaved, OutValueFunctionBlock};
pub(crate) use resample::{Downsample1d, ResampleSaved, Upsample1d};
pub(crate) use residual::{ResidualSaved, ResidualTemporalBlock1d};
pub(crate) use stages::{
    DownResnetBlock1d, MidBlock, MidResTemporalBlock1d, MidSaved, StageSaved, UpResnetBlock1d, ValueFunctionMidBlock1d,
};

use crate::time::{TimeGrad, TimeRows};
use diffplan_nn::{Exec, Signal};

/// Which gradients a forward pass prepares for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those of the sample alone.
    SampleGrad,
    /// Those of the parameters as well: the inputs of all convolutions are kept.
    AllGrads,
}

/// How layers are executed, and buffers that hold nothing between two blocks.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) exec: Exec,
    /// Where a block's output is built before it takes the input's place.
    out: Signal,
    /// Between the two convolutions of a residual block; the gradient there.
    hidden: Signal,
    /// The residual path; the gradient behind a normalisation.
    side: Signal,
    /// Used as every residual block's where no gradient is asked for.
    residual: ResidualSaved,
}

/// Where a block's parameter gradients go: a block of the same shape, and the gradients of the time projections.
pub(crate) struct BlockGrad<'a, B> {
    pub(crate) block: &'a mut B,
    pub(crate) time: &'a mut TimeGrad,
}

impl<'a, B> BlockGrad<'a, B> {
    /// The same for a part of the block.
    fn part<'b, P>(&'b mut self, part: impl FnOnce(&'b mut B) -> &'b mut P) -> BlockGrad<'b, P> {
        BlockGrad {
            block: part(self.block),
            time: self.time,
        }
    }
}

/// What every block's forward pass is handed beside its input.
pub(crate) struct Forward<'a> {
    /// The rows that the residual blocks add, handed out in order.
    pub(crate) time: TimeRows<'a>,
    pub(crate) scratch: &'a mut Scratch,
}
