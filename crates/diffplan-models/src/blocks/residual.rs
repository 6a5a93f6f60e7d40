//! `ResidualTemporalBlock1D`: two convolutions with normalisation and Mish, the time embedding added between them, and the
//! input added at the end.

use super::{BlockGrad, Forward, Keep, Scratch};
use crate::config::RESIDUAL_GROUPS;
use diffplan_kernels::{After, Rows};
use diffplan_nn::{Activation, Conv1d, Exec, GroupNorm, GroupNormSaved, Linear, Signal, params};

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

    fn forward(
        &self,
        x: &Signal,
        saved: &mut GroupNormSaved,
        keep: bool,
        y: &mut Signal,
        after: After,
        exec: &mut Exec,
    ) {
        self.group_norm
            .forward_after(&self.conv1d, Activation::Mish, x, saved, keep, y, after, exec);
    }

    /// The gradient before the normalisation, which is overwritten; with `grad`, the convolution's input and the parameters'
    /// gradients.
    fn backward(
        &self,
        saved: &GroupNormSaved,
        dy: &Signal,
        before: &mut Signal,
        grad: Option<(&Signal, &mut Self)>,
        exec: &Exec,
    ) {
        let mish = Activation::Mish;
        match grad {
            None => self.group_norm.backward(mish, saved, dy, before, None, exec),
            Some((x, grad)) => {
                self.group_norm
                    .backward(mish, saved, dy, before, Some(&mut grad.group_norm), exec);
                self.conv1d.weight_grad(x, before, &mut grad.conv1d);
                self.conv1d.bias_grad(before, &mut grad.conv1d);
            }
        }
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
        let time = Rows::new(run.time.next_rows(), self.time_emb.out_features());
        let Scratch {
            exec,
            out,
            hidden,
            residual,
            ..
        } = &mut *run.scratch;
        let keep = saved.is_some();
        let saved = saved.unwrap_or(residual);
        self.conv_in
            .forward(x, &mut saved.norm_in, keep, hidden, After::AddRow(time), exec);
        if let Some((input, _)) = &mut saved.inputs {
            input.copy_from(x);
        }
        if let Some(conv) = &self.residual_conv {
            conv.forward(x, out, exec);
            std::mem::swap(x, out);
        }
        self.conv_out
            .forward(hidden, &mut saved.norm_out, keep, x, After::Accumulate, exec);
        if let Some((_, between)) = &mut saved.inputs {
            std::mem::swap(between, hidden);
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
        let Scratch {
            exec,
            out,
            hidden,
            side,
            ..
        } = scratch;
        let (mut block, mut time, inputs) = match (grad, &saved.inputs) {
            (Some(grad), Some((x, between))) => (Some(grad.block), Some(grad.time), Some((x, between))),
            (None, _) => (None, None, None),
            (Some(_), None) => unreachable!("parameter gradients asked for, but the forward pass kept no inputs"),
        };
        let of_conv_out = inputs
            .zip(block.as_mut())
            .map(|((_, x), block)| (x, &mut block.conv_out));
        self.conv_out.backward(&saved.norm_out, d, side, of_conv_out, exec);
        self.conv_out.conv1d.input_grad(side, d.len(), hidden, exec);
        if let Some(time) = &mut time {
            hidden.sum_into_rows(time.last_rows());
        }
        let of_conv_in = inputs
            .zip(block.as_mut())
            .map(|((x, _), block)| (x, &mut block.conv_in));
        self.conv_in.backward(&saved.norm_in, hidden, side, of_conv_in, exec);
        if let Some(conv) = &self.residual_conv {
            let of_conv = block.and_then(|block| block.residual_conv.as_mut());
            if let (Some((x, _)), Some(grad)) = (inputs, of_conv) {
                conv.weight_grad(x, d, grad);
                conv.bias_grad(d, grad);
            }
            conv.input_grad(d, d.len(), out, exec);
            std::mem::swap(d, out);
        }
        self.conv_in.conv1d.add_input_grad(side, d, exec);
    }
}
