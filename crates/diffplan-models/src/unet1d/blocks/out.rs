//! The last block: `OutConv1DBlock` of the planner, `OutValueFunctionBlock` of the value function.
//!
//! The value function's layers read the hidden signal and the time embedding side by side. As in diffusers, the signal is
//! flattened, (channels, length); or, which is ours, they read its mean over the positions, so that any length will do:
//! `input[c] = Σ_l x[c, l] / len`, summed in the order of the positions, and back `d x[c, l] = d input[c] / len`. Of one position
//! both are the same, in the bits.

use super::block::{Backward, Block, Forward, GradTask, Gradients, Keep, Scratch, conv_task};
use crate::unet1d::config::ValuePooling;
use diffplan_kernels::After;
use diffplan_nn::{
    Activation, Conv1d, GroupNorm, GroupNormSaved, Linear, Signal, add_params, fill_zero, params, zeros_like,
};

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
    /// The first layer's input, (batch, features + time channels); its output, before and after the activation.
    rows: [Vec<f32>; 3],
    /// The gradient of the input; that of the first layer's output.
    d_input: Vec<f32>,
    d_hidden: Vec<f32>,
    /// The gradient of the values.
    d_values: Vec<f32>,
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
}

impl Block for OutConv1dBlock {
    type Saved = OutConvSaved;

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

    fn forward(&self, x: &mut Signal, _: Option<&mut Signal>, saved: Option<&mut OutConvSaved>, run: &mut Forward) {
        let Scratch {
            exec, hidden, norm_in, ..
        } = &mut *run.scratch;
        let keep = saved.is_some();
        let (norm, activated, for_params) = match saved {
            Some(saved) => (&mut saved.norm, &mut saved.activated, saved.for_params.as_deref_mut()),
            None => (norm_in, hidden, None),
        };
        let (conv, after) = (&self.final_conv1d_1, After::Overwrite);
        self.final_conv1d_gn
            .forward_after(conv, self.activation, x, norm, keep, activated, after, exec);
        if let Some(for_params) = for_params {
            std::mem::swap(&mut for_params.x, x);
        }
        self.final_conv1d_2.forward(activated, x, exec);
    }

    fn backward(&self, d: &mut Signal, _: Option<&mut Signal>, saved: &mut OutConvSaved, run: &mut Backward) {
        let Scratch { exec, out, side, .. } = &mut *run.scratch;
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

    fn param_grads<'a>(&'a self, saved: &[&'a OutConvSaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
        let parts: Vec<(&ForParams, &Signal)> = saved
            .iter()
            .filter_map(|saved| Some((saved.for_params.as_deref()?, &saved.activated)))
            .collect();
        for (part, _) in &parts {
            add_params(&mut grad.final_conv1d_gn, &part.norm);
        }
        let (first, second) = (&mut grad.final_conv1d_1, &mut grad.final_conv1d_2);
        into.tasks.push(conv_task!(
            &self.final_conv1d_1,
            first,
            parts.iter().map(|(p, _)| (&p.x, &p.d_first))
        ));
        into.tasks.push(conv_task!(
            &self.final_conv1d_2,
            second,
            parts.iter().map(|(p, x)| (*x, &p.d_second))
        ));
    }

    fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        tasks.push(Box::new(|_| self.final_conv1d_1.pack_direct()));
        tasks.push(Box::new(|_| self.final_conv1d_2.pack_direct()));
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
    fn hidden_features(&self) -> usize {
        self.final_block.first.in_features() - self.time_channels
    }
}

impl Block for OutValueFunctionBlock {
    type Saved = OutValueSaved;

    fn saved(&self, _: Keep) -> OutValueSaved {
        OutValueSaved::default()
    }

    fn features(&self) -> Option<usize> {
        self.pooling.is_none().then(|| self.hidden_features())
    }

    /// The values go to `run.values`.
    fn forward(&self, x: &mut Signal, _: Option<&mut Signal>, saved: Option<&mut OutValueSaved>, run: &mut Forward) {
        let (len, batch, channels) = x.shape();
        let [input, hidden_layer, activated] = match saved {
            Some(saved) => {
                saved.shape = (len, channels);
                &mut saved.rows
            }
            None => &mut run.scratch.rows,
        };
        let width = self.final_block.first.in_features();
        input.resize(batch * width, 0.0);
        for (b, row) in input.chunks_exact_mut(width).enumerate() {
            let (hidden, embedding) = row.split_at_mut(self.hidden_features());
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
            embedding.copy_from_slice(run.time.embedding(b));
        }
        hidden_layer.resize(batch * self.final_block.first.out_features(), 0.0);
        activated.resize(hidden_layer.len(), 0.0);
        run.values.resize(batch, 0.0);
        self.final_block.first.forward(input, hidden_layer);
        diffplan_kernels::activate(self.activation, hidden_layer, activated);
        self.final_block.last.forward(activated, run.values);
    }

    /// `run.d_values` (batch) is the gradient of the values; `d` becomes that of the hidden signal.
    fn backward(&self, d: &mut Signal, _: Option<&mut Signal>, saved: &mut OutValueSaved, run: &mut Backward) {
        let ValueLayers { first, last } = &self.final_block;
        let d_values = run.d_values;
        let OutValueSaved {
            shape: (len, channels),
            rows: [input, hidden, activated],
            d_input,
            d_hidden,
            d_values: kept,
        } = saved;
        let (len, channels) = (*len, *channels);
        kept.clear();
        kept.extend_from_slice(d_values);
        d_hidden.resize(hidden.len(), 0.0);
        d_input.resize(input.len(), 0.0);
        // The gradient of the activated numbers goes where that of the input will be: it is smaller.
        let (d_activated, _) = d_input.split_at_mut(activated.len());
        last.input_grad(d_values, d_activated);
        diffplan_kernels::activation_grad(self.activation, hidden, d_activated, d_hidden);
        first.input_grad(d_hidden, d_input);
        let width = first.in_features();
        let batch = d_values.len();
        d.reset(len, batch, channels);
        for (b, row) in d_input.chunks_exact(width).enumerate() {
            for (l, position) in d.data_mut().chunks_exact_mut(batch * channels).enumerate() {
                let position = position[b * channels..(b + 1) * channels].iter_mut().enumerate();
                match self.pooling {
                    None => position.for_each(|(c, value)| *value = row[c * len + l]),
                    Some(ValuePooling::Mean) => position.for_each(|(c, value)| *value = row[c] / len as f32),
                }
            }
        }
    }

    fn param_grads<'a>(&'a self, saved: &[&'a OutValueSaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
        let ValueLayers { first, last } = &self.final_block;
        let layers = &mut grad.final_block;
        for saved in saved {
            let [input, _, activated] = &saved.rows;
            last.weight_grad(activated, &saved.d_values, &mut layers.last);
            last.bias_grad(&saved.d_values, &mut layers.last);
            first.weight_grad(input, &saved.d_hidden, &mut layers.first);
            first.bias_grad(&saved.d_hidden, &mut layers.first);
            into.last.push((first.in_features(), &saved.d_input));
        }
    }

    fn pack_direct<'a>(&'a self, _: &mut Vec<GradTask<'a>>) {}
}
