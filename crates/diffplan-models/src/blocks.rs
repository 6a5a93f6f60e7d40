//! The network's blocks, named and put together as in diffusers' `unet_1d_blocks.py` and `resnet.py`.
//!
//! Blocks work in place: a forward pass replaces its input by its output, a backward pass the output's gradient by the
//! input's. What a backward pass reads is in the block's `…Saved` struct, and so is what the parameters' gradients read, if they
//! are asked for: they are computed afterwards, over all parts of a batch, so that no two parts write to one gradient.

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

use crate::time::TimeRows;
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
    /// The gradient behind a block's first normalisation.
    side_too: Signal,
    /// Used as every residual block's where no gradient is asked for.
    residual: ResidualSaved,
}

/// A sum of parameter gradients over the parts of a batch: run on any thread, it may use so many.
pub(crate) type GradTask<'a> = Box<dyn FnOnce(usize) + Send + 'a>;

/// The task of a convolution: its weight and bias from the inputs and the outputs' gradients of every part, in order.
macro_rules! conv_task {
    ($layer:expr, $grad:expr, $parts:expr) => {{
        let (layer, grad) = ($layer, $grad);
        let parts: Vec<(&diffplan_nn::Signal, &diffplan_nn::Signal)> = $parts.collect();
        Box::new(move |threads: usize| {
            layer.weight_grad_of_parts(&parts, grad, threads);
            parts.iter().for_each(|(_, dy)| layer.bias_grad(dy, grad));
        }) as $crate::blocks::GradTask
    }};
}
use conv_task;

/// What every block's forward pass is handed beside its input.
pub(crate) struct Forward<'a> {
    /// The rows that the residual blocks add, handed out in order.
    pub(crate) time: TimeRows<'a>,
    pub(crate) scratch: &'a mut Scratch,
}
