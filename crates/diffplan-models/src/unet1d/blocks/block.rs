//! [`Block`]: what every block of the network can do, and what passes hand it.

use super::attention::SelfAttentionSaved;
use super::linear_attention::LinearSaved;
use crate::unet1d::time::{TimeGrad, TimeRows};
use diffplan_nn::{Exec, GroupNormSaved, Linear, Params, Signal};
use std::fmt::Debug;

/// A part of the network that a signal goes through.
pub(crate) trait Block: Params {
    /// What its gradient reads.
    type Saved: Debug;

    /// Room for what the gradient reads.
    fn saved(&self, keep: Keep) -> Self::Saved;

    /// The output's length for an input's; `None` if nothing is left.
    fn out_len(&self, len: usize) -> Option<usize> {
        Some(len)
    }

    /// How many numbers of a sample it must be given; none if any will do.
    fn features(&self) -> Option<usize> {
        None
    }

    /// Shows the layer of every residual block that projects the time embedding, with the block's slot.
    fn time_layers<'a>(&'a self, _f: &mut dyn FnMut(usize, &'a Linear)) {}

    /// `x` becomes the output. `skip` is written on the way down, where the skip connection leaves, and read on the way up.
    fn forward(&self, x: &mut Signal, skip: Option<&mut Signal>, saved: Option<&mut Self::Saved>, run: &mut Forward);

    /// `d` is the gradient of the output and becomes that of the input. `skip`, the gradient of the skip connection, is written on
    /// the way up and read on the way down.
    fn backward(&self, d: &mut Signal, skip: Option<&mut Signal>, saved: &mut Self::Saved, run: &mut Backward);

    /// Adds the parameters' gradients, or the tasks that do, from all parts of a batch, in order.
    fn param_grads<'a>(&'a self, saved: &[&'a Self::Saved], grad: &'a mut Self, into: &mut Gradients<'a>);

    /// Adds the tasks that pack the convolutions' weights, where they are not yet.
    fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>);
}

/// Which gradients a forward pass prepares for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those of the sample alone.
    SampleGrad,
    /// Those of the parameters as well: the inputs of all convolutions are kept.
    AllGrads,
}

/// Hands out a slot to every residual block as it is made: where the projection of the time embedding for it is kept. The one
/// place that orders them.
#[derive(Debug, Default)]
pub(crate) struct Slots(usize);

impl Slots {
    pub(crate) fn next(&mut self) -> usize {
        self.0 += 1;
        self.0 - 1
    }
}

/// How layers are executed, and buffers that hold nothing between two blocks.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) exec: Exec,
    /// Where a block's output is built before it takes the input's place.
    pub(crate) out: Signal,
    /// Between the two convolutions of a residual block; the gradient there.
    pub(crate) hidden: Signal,
    /// The residual path; the gradient behind a normalisation.
    pub(crate) side: Signal,
    /// The gradient behind a block's first normalisation.
    pub(crate) side_too: Signal,
    /// Used as a block's own where no gradient is asked for.
    pub(crate) norm_in: GroupNormSaved,
    pub(crate) norm_out: GroupNormSaved,
    pub(crate) attention: SelfAttentionSaved,
    pub(crate) linear: LinearSaved,
    /// A value function's last layers: their input, and what is between them.
    pub(crate) rows: [Vec<f32>; 3],
}

/// What every block's forward pass is handed beside its input.
pub(crate) struct Forward<'a> {
    /// The rows that the residual blocks add.
    pub(crate) time: TimeRows<'a>,
    pub(crate) scratch: &'a mut Scratch,
    /// (batch), what a value function computes.
    pub(crate) values: &'a mut Vec<f32>,
}

/// What every block's backward pass is handed beside its output's gradient.
pub(crate) struct Backward<'a> {
    pub(crate) scratch: &'a mut Scratch,
    /// (batch), the gradient of a value function's values.
    pub(crate) d_values: &'a [f32],
}

/// A sum of parameter gradients over the parts of a batch: run on any thread, it may use so many.
pub(crate) type GradTask<'a> = Box<dyn FnOnce(usize) + Send + 'a>;

/// What is left to do for the parameters' gradients once every block was asked.
#[derive(Default)]
pub(crate) struct Gradients<'a> {
    pub(crate) tasks: Vec<GradTask<'a>>,
    /// Of the layers that project the time embedding.
    pub(crate) time: Vec<TimeGrad<'a>>,
    /// Of what the last block of a value function reads, for every part: the width of a row, and rows that end in the time
    /// embedding.
    pub(crate) last: Vec<(usize, &'a [f32])>,
}

/// The task of a convolution: its weight and bias from the inputs and the outputs' gradients of every part, in order.
macro_rules! conv_task {
    ($layer:expr, $grad:expr, $parts:expr) => {{
        let (layer, grad) = ($layer, $grad);
        let parts: Vec<(&diffplan_nn::Signal, &diffplan_nn::Signal)> = $parts.collect();
        Box::new(move |threads: usize| {
            layer.weight_grad_of_parts(&parts, grad, threads);
            parts.iter().for_each(|(_, dy)| layer.bias_grad(dy, grad));
        }) as $crate::unet1d::blocks::block::GradTask
    }};
}
pub(crate) use conv_task;
