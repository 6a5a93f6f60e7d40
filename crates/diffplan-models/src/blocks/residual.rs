//! `ResidualTemporalBlock1D`: two convolutions with normalisation and Mish, the time embedding added between them, and the
//! input added at the end.

use super::{BlockGrad, Forward, Keep, Scratch};
use crate::config::RESIDUAL_GROUPS;
use diffplan_nn::{Activation, Conv1d, GroupNorm, GroupNormSaved, Linear, Signal, params};

/// Convolution of kernel 5, group normalisation, Mish.
#[derive(Clone, Debug)]
pub(crate) struct Conv1dBlock {
    conv1d: Conv1d,
    group_norm: GroupNorm,
}
params!(Conv1dBlock { conv1d, group_norm });

impl Conv1dBlock {
    fn zeros(in_channels: usize, out_channels: usize) -> Self {
        Self {
            conv1d: Conv1d::zeros(in_channels, out_channels, 5).padding(2),
            group_norm: GroupNorm::zeros(RESIDUAL_GROUPS, out_channels),
        }
    }

    fn forward(&self, x: &Signal, saved: &mut GroupNormSaved, y: &mut Signal) {
        self.conv1d.forward(x, &mut saved.signal);
        self.group_norm.forward(Activation::Mish, saved, y);
    }

    /// `dx` is overwritten; with `grad`, the convolution's input and the parameters' gradients.
    fn backward(
        &self,
        saved: &mut GroupNormSaved,
        dy: &Signal,
        dx: &mut Signal,
        scratch: &mut Signal,
        grad: Option<(&Signal, &mut Self)>,
    ) {
        match grad {
            None => self.group_norm.backward(Activation::Mish, saved, dy, scratch, None),
            Some((x, grad)) => {
                self.group_norm
                    .backward(Activation::Mish, saved, dy, scratch, Some(&mut grad.group_norm));
                self.conv1d.weight_grad(x, scratch, &mut grad.conv1d);
                self.conv1d.bias_grad(scratch, &mut grad.conv1d);
            }
        }
        self.conv1d.input_grad(scratch, dy.len(), dx);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ResidualTemporalBlock1d {
    conv_in: Conv1dBlock,
    conv_out: Conv1dBlock,
    pub(crate) time_emb: Linear,
    residual_conv: Option<Conv1d>,
}
params!(ResidualTemporalBlock1d {
    conv_in,
    conv_out,
    time_emb,
    residual_conv
});

#[derive(Debug, Default)]
pub(crate) struct ResidualSaved {
    norm_in: GroupNormSaved,
    norm_out: GroupNormSaved,
    /// The inputs of the two convolutions, where parameter gradients are asked for.
    inputs: Option<(Signal, Signal)>,
}

impl ResidualSaved {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            inputs: (keep == Keep::AllGrads).then(Default::default),
            ..Self::default()
        }
    }
}

impl ResidualTemporalBlock1d {
    pub(crate) fn zeros(in_channels: usize, out_channels: usize, time_channels: usize) -> Self {
        Self {
            conv_in: Conv1dBlock::zeros(in_channels, out_channels),
            conv_out: Conv1dBlock::zeros(out_channels, out_channels),
            time_emb: Linear::zeros(time_channels, out_channels),
            residual_conv: (in_channels != out_channels).then(|| Conv1d::zeros(in_channels, out_channels, 1)),
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut ResidualSaved>, run: &mut Forward) {
        let time = run.time.next_rows();
        let Scratch {
            out,
            hidden,
            side,
            residual,
            ..
        } = &mut *run.scratch;
        let saved = saved.unwrap_or(residual);
        self.conv_in.forward(x, &mut saved.norm_in, hidden);
        hidden.add_rows(time);
        self.conv_out.forward(hidden, &mut saved.norm_out, out);
        match &self.residual_conv {
            Some(conv) => {
                conv.forward(x, side);
                out.add(side);
            }
            None => out.add(x),
        }
        std::mem::swap(x, out);
        if let Some((conv_in, conv_out)) = &mut saved.inputs {
            std::mem::swap(conv_in, out);
            std::mem::swap(conv_out, hidden);
        }
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(
        &self,
        d: &mut Signal,
        saved: &mut ResidualSaved,
        scratch: &mut Scratch,
        grad: Option<BlockGrad<Self>>,
    ) {
        let Scratch { out, hidden, side, .. } = scratch;
        match (grad, &saved.inputs) {
            (Some(grad), Some((x, between))) => {
                let block = grad.block;
                let conv_out = Some((between, &mut block.conv_out));
                self.conv_out.backward(&mut saved.norm_out, d, hidden, side, conv_out);
                hidden.sum_into_rows(grad.time.last_rows());
                self.conv_in
                    .backward(&mut saved.norm_in, hidden, out, side, Some((x, &mut block.conv_in)));
                if let (Some(conv), Some(grad)) = (&self.residual_conv, &mut block.residual_conv) {
                    conv.weight_grad(x, d, grad);
                    conv.bias_grad(d, grad);
                }
            }
            (None, _) => {
                self.conv_out.backward(&mut saved.norm_out, d, hidden, side, None);
                self.conv_in.backward(&mut saved.norm_in, hidden, out, side, None);
            }
            (Some(_), None) => unreachable!("parameter gradients asked for, but the forward pass kept no inputs"),
        }
        match &self.residual_conv {
            Some(conv) => {
                conv.input_grad(d, d.len(), side);
                out.add(side);
            }
            None => out.add(d),
        }
        std::mem::swap(d, out);
    }
}
