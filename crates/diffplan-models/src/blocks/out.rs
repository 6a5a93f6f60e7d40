//! The last block: `OutConv1DBlock` of the planner, `OutValueFunctionBlock` of the value function.
//!
//! The value function's layers read the hidden signal and the time embedding side by side. As in diffusers, the signal is
//! flattened, (channels, length); or, which is ours, they read its mean over the positions, so that any length will do:
//! `input[c] = Σ_l x[c, l] / len`, summed in the order of the positions, and back `d x[c, l] = d input[c] / len`. Of one position
//! both are the same, in the bits.

use super::{GradTask, Keep, Scratch, conv_task};
use crate::config::ValuePooling;
use crate::time::TimeRows;
use diffplan_kernels::After;
use diffplan_nn::{
    Activation, Conv1d, Exec, GroupNorm, GroupNormSaved, Linear, Params, Path, Signal, add_params, fill_zero, params,
    zeros_like,
};
use ndarray::{ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

/// Convolution of kernel 5, group normalisation, activation, convolution of kernel 1 to the sample's channels.
#[derive(Clone, Debug)]
pub(crate) struct OutConv1dBlock {
    final_conv1d_1: Conv1d,
    final_conv1d_gn: GroupNorm,
    final_conv1d_2: Conv1d,
    activation: Activation,
}
params!(OutConv1dBlock {
    final_conv1d_1,
    final_conv1d_gn,
    final_conv1d_2
});

/// Linear, activation, linear over the hidden signal and the time embedding: one value a sample.
#[derive(Clone, Debug)]
pub(crate) struct OutValueFunctionBlock {
    final_block: ValueLayers,
    activation: Activation,
    /// Length of the time embedding in the first layer's input.
    time_channels: usize,
    pooling: Option<ValuePooling>,
}
params!(OutValueFunctionBlock { final_block });

/// The layers, numbered as in diffusers' module list, where the activation is number 1.
#[derive(Clone, Debug)]
struct ValueLayers {
    first: Linear,
    last: Linear,
}
params!(ValueLayers { first as "0", last as "2" });

#[derive(Debug, Default)]
pub(crate) struct OutConvSaved {
    norm: GroupNormSaved,
    activated: Signal,
    for_params: Option<Box<ForParams>>,
}

/// What the parameters' gradients of [`OutConv1dBlock`] read, and the normalisation's own.
#[derive(Debug)]
struct ForParams {
    /// The input, and the gradients of the outputs of the first convolution and of the second.
    x: Signal,
    d_first: Signal,
    d_second: Signal,
    norm: GroupNorm,
}

#[derive(Debug, Default)]
pub(crate) struct OutValueSaved {
    /// The hidden signal's (length, channels).
    shape: (usize, usize),
    /// The first layer's input, (batch, features + time channels).
    input: Vec<f32>,
    /// Its output, before and after the activation.
    hidden: Vec<f32>,
    activated: Vec<f32>,
    /// The gradient of `input`; that of `hidden`.
    d_input: Vec<f32>,
    d_hidden: Vec<f32>,
    /// The gradient of the values.
    d_values: Vec<f32>,
    /// (batch), what the block computed.
    values: Vec<f32>,
}

/// What the gradient of the last block reads, and the value function's values.
#[derive(Debug)]
pub(crate) enum OutSaved {
    Conv(OutConvSaved),
    Value(OutValueSaved),
}

impl OutSaved {
    /// The values, one a sample; none where the output is a signal.
    pub(crate) fn values(&self) -> &[f32] {
        match self {
            OutSaved::Conv(_) => &[],
            OutSaved::Value(saved) => &saved.values,
        }
    }
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one a model
pub(crate) enum OutBlock {
    Conv(OutConv1dBlock),
    Value(OutValueFunctionBlock),
}

impl OutConv1dBlock {
    pub(crate) fn zeros(groups: usize, out_channels: usize, channels: usize, activation: Activation) -> Self {
        Self {
            final_conv1d_1: Conv1d::zeros(channels, channels, 5).padding(2),
            final_conv1d_gn: GroupNorm::zeros(groups, channels),
            final_conv1d_2: Conv1d::zeros(channels, out_channels, 1),
            activation,
        }
    }

    fn saved(&self, keep: Keep) -> OutConvSaved {
        let for_params = || {
            Box::new(ForParams {
                x: Signal::default(),
                d_first: Signal::default(),
                d_second: Signal::default(),
                norm: zeros_like(&self.final_conv1d_gn),
            })
        };
        OutConvSaved {
            for_params: (keep == Keep::AllGrads).then(for_params),
            ..OutConvSaved::default()
        }
    }

    fn forward(&self, x: &mut Signal, saved: &mut OutConvSaved, exec: &mut Exec) {
        let OutConvSaved {
            norm,
            activated,
            for_params,
        } = saved;
        let (conv, keep, after) = (&self.final_conv1d_1, for_params.is_some(), After::Overwrite);
        self.final_conv1d_gn
            .forward_after(conv, self.activation, x, norm, keep, activated, after, exec);
        if let Some(for_params) = for_params {
            std::mem::swap(&mut for_params.x, x);
        }
        self.final_conv1d_2.forward(activated, x, exec);
    }

    fn backward(&self, d: &mut Signal, saved: &mut OutConvSaved, scratch: &mut Scratch) {
        let Scratch { exec, out, side, .. } = scratch;
        self.final_conv1d_2.input_grad(d, d.len(), out, exec);
        let (before, grad) = match saved.for_params.as_deref_mut() {
            Some(saved) => {
                saved.d_second.copy_from(d);
                fill_zero(&mut saved.norm);
                (&mut saved.d_first, Some(&mut saved.norm))
            }
            None => (side, None),
        };
        self.final_conv1d_gn
            .backward(self.activation, &saved.norm, out, before, grad, exec);
        self.final_conv1d_1.input_grad(before, before.len(), d, exec);
    }

    fn param_grads<'a>(
        &'a self,
        saved: impl Iterator<Item = &'a OutConvSaved>,
        grad: &'a mut Self,
        tasks: &mut Vec<GradTask<'a>>,
    ) {
        let parts: Vec<(&ForParams, &Signal)> = saved
            .filter_map(|saved| Some((saved.for_params.as_deref()?, &saved.activated)))
            .collect();
        for (part, _) in &parts {
            add_params(&mut grad.final_conv1d_gn, &part.norm);
        }
        let (first, second) = (&mut grad.final_conv1d_1, &mut grad.final_conv1d_2);
        tasks.push(conv_task!(
            &self.final_conv1d_1,
            first,
            parts.iter().map(|(p, _)| (&p.x, &p.d_first))
        ));
        tasks.push(conv_task!(
            &self.final_conv1d_2,
            second,
            parts.iter().map(|(p, x)| (*x, &p.d_second))
        ));
    }
}

impl OutValueFunctionBlock {
    pub(crate) fn zeros(
        features: usize,
        time_channels: usize,
        activation: Activation,
        pooling: Option<ValuePooling>,
    ) -> Self {
        let final_block = ValueLayers {
            first: Linear::zeros(features + time_channels, features / 2),
            last: Linear::zeros(features / 2, 1),
        };
        Self {
            final_block,
            activation,
            time_channels,
            pooling,
        }
    }

    /// How many numbers of the first layer's input come from the hidden signal.
    fn features(&self) -> usize {
        self.final_block.first.in_features() - self.time_channels
    }

    fn forward(&self, x: &Signal, time: &TimeRows, saved: &mut OutValueSaved) {
        let (len, batch, channels) = x.shape();
        saved.shape = (len, channels);
        let width = self.final_block.first.in_features();
        saved.input.resize(batch * width, 0.0);
        for (b, row) in saved.input.chunks_exact_mut(width).enumerate() {
            let (hidden, embedding) = row.split_at_mut(self.features());
            let positions = x.data().chunks_exact(batch * channels);
            let positions = positions.map(|position| &position[b * channels..(b + 1) * channels]);
            match self.pooling {
                // PyTorch flattens (channels, length).
                None => {
                    for (l, position) in positions.enumerate() {
                        for (c, value) in position.iter().enumerate() {
                            hidden[c * len + l] = *value;
                        }
                    }
                }
                Some(ValuePooling::Mean) => {
                    hidden.fill(0.0);
                    for position in positions {
                        hidden.iter_mut().zip(position).for_each(|(sum, value)| *sum += value);
                    }
                    hidden.iter_mut().for_each(|sum| *sum /= len as f32);
                }
            }
            embedding.copy_from_slice(time.embedding(b));
        }
        saved.hidden.resize(batch * self.final_block.first.out_features(), 0.0);
        saved.activated.resize(saved.hidden.len(), 0.0);
        saved.values.resize(batch, 0.0);
        self.final_block.first.forward(&saved.input, &mut saved.hidden);
        diffplan_kernels::activate(self.activation, &saved.hidden, &mut saved.activated);
        self.final_block.last.forward(&saved.activated, &mut saved.values);
    }

    /// `d_values` (batch) is the gradient of the values; `d` becomes that of the hidden signal.
    fn backward(&self, d_values: &[f32], d: &mut Signal, saved: &mut OutValueSaved) {
        let ValueLayers { first, last } = &self.final_block;
        saved.d_values.clear();
        saved.d_values.extend_from_slice(d_values);
        saved.d_hidden.resize(saved.hidden.len(), 0.0);
        saved.d_input.resize(saved.input.len(), 0.0);
        // The gradient of the activated numbers goes where that of the input will be: it is smaller.
        let (d_activated, _) = saved.d_input.split_at_mut(saved.activated.len());
        last.input_grad(d_values, d_activated);
        diffplan_kernels::activation_grad(self.activation, &saved.hidden, d_activated, &mut saved.d_hidden);
        first.input_grad(&saved.d_hidden, &mut saved.d_input);
        let ((len, channels), width) = (saved.shape, first.in_features());
        let batch = d_values.len();
        d.reset(len, batch, channels);
        for (b, row) in saved.d_input.chunks_exact(width).enumerate() {
            for (l, position) in d.data_mut().chunks_exact_mut(batch * channels).enumerate() {
                let position = position[b * channels..(b + 1) * channels].iter_mut().enumerate();
                match self.pooling {
                    None => position.for_each(|(c, value)| *value = row[c * len + l]),
                    Some(ValuePooling::Mean) => position.for_each(|(c, value)| *value = row[c] / len as f32),
                }
            }
        }
    }

    fn param_grads<'a>(&self, saved: impl Iterator<Item = &'a OutValueSaved>, grad: &mut Self) {
        let ValueLayers { first, last } = &self.final_block;
        let layers = &mut grad.final_block;
        for saved in saved {
            last.weight_grad(&saved.activated, &saved.d_values, &mut layers.last);
            last.bias_grad(&saved.d_values, &mut layers.last);
            first.weight_grad(&saved.input, &saved.d_hidden, &mut layers.first);
            first.bias_grad(&saved.d_hidden, &mut layers.first);
        }
    }
}

impl OutBlock {
    pub(crate) fn saved(&self, keep: Keep) -> OutSaved {
        match self {
            OutBlock::Conv(block) => OutSaved::Conv(block.saved(keep)),
            OutBlock::Value(_) => OutSaved::Value(OutValueSaved::default()),
        }
    }

    /// How many numbers a sample of the hidden signal must have; none if any length will do.
    pub(crate) fn features(&self) -> Option<usize> {
        match self {
            OutBlock::Conv(_) => None,
            OutBlock::Value(block) => block.pooling.is_none().then(|| block.features()),
        }
    }

    /// `x` becomes the output; a value function's is in `saved`.
    pub(crate) fn forward(&self, x: &mut Signal, time: &TimeRows, saved: &mut OutSaved, exec: &mut Exec) {
        match (self, saved) {
            (OutBlock::Conv(block), OutSaved::Conv(saved)) => block.forward(x, saved, exec),
            (OutBlock::Value(block), OutSaved::Value(saved)) => block.forward(x, time, saved),
            _ => unreachable!("saved by another kind of block"),
        }
    }

    /// `d` becomes the gradient of the hidden signal. Before, it is that of the output signal; a value function's comes in
    /// `d_values`.
    pub(crate) fn backward(&self, d: &mut Signal, d_values: &[f32], saved: &mut OutSaved, scratch: &mut Scratch) {
        match (self, saved) {
            (OutBlock::Conv(block), OutSaved::Conv(saved)) => block.backward(d, saved, scratch),
            (OutBlock::Value(block), OutSaved::Value(saved)) => block.backward(d_values, d, saved),
            _ => unreachable!("saved by another kind of block"),
        }
    }

    /// Adds the parameters' gradients, or the tasks that do, from all parts of a batch.
    pub(crate) fn param_grads<'a>(&'a self, saved: &[&'a OutSaved], grad: &'a mut Self, tasks: &mut Vec<GradTask<'a>>) {
        // A gradient is another value of the model's type, so its last block is of the same kind.
        match (self, grad) {
            (OutBlock::Conv(block), OutBlock::Conv(grad)) => {
                let saved = saved.iter().filter_map(|saved| match saved {
                    OutSaved::Conv(saved) => Some(saved),
                    OutSaved::Value(_) => None,
                });
                block.param_grads(saved, grad, tasks);
            }
            (OutBlock::Value(block), OutBlock::Value(grad)) => {
                let saved = saved.iter().filter_map(|saved| match saved {
                    OutSaved::Conv(_) => None,
                    OutSaved::Value(saved) => Some(saved),
                });
                block.param_grads(saved, grad);
            }
            _ => unreachable!("a gradient of another model"),
        }
    }

    /// Packs the convolutions' weights, where they are not yet.
    pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        if let OutBlock::Conv(block) = self {
            tasks.push(Box::new(|_| block.final_conv1d_1.pack_direct()));
            tasks.push(Box::new(|_| block.final_conv1d_2.pack_direct()));
        }
    }
}

impl OutSaved {
    /// Adds the gradient of the time embedding that a value function reads, (1 or batch, time channels), to `d`.
    pub(crate) fn add_d_embedding(&self, d: &mut [f32], time_channels: usize) {
        let OutSaved::Value(saved) = self else { return };
        let width = saved.input.len() / saved.values.len();
        let rows = d.len() / time_channels;
        for (b, row) in saved.d_input.chunks_exact(width).enumerate() {
            let own = if rows == 1 { 0 } else { b };
            let sums = d[own * time_channels..].iter_mut();
            sums.zip(&row[width - time_channels..]).for_each(|(sum, d)| *sum += d);
        }
    }
}

impl Params for OutBlock {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        match self {
            OutBlock::Conv(block) => block.visit(path, f),
            OutBlock::Value(block) => block.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        match self {
            OutBlock::Conv(block) => block.visit_mut(path, f),
            OutBlock::Value(block) => block.visit_mut(path, f),
        }
    }

    fn init(&mut self, rng: &mut dyn RngCore) {
        match self {
            OutBlock::Conv(block) => block.init(rng),
            OutBlock::Value(block) => block.init(rng),
        }
    }
}
