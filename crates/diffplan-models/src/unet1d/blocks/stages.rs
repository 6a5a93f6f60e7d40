//! The levels of the network: `DownResnetBlock1D`, `MidResTemporalBlock1D`, `ValueFunctionMidBlock1D`, `UpResnetBlock1D`.

use super::block::{Backward, Block, Forward, GradTask, Gradients, Keep, Slots};
use super::linear_attention::{LinearAttention, LinearSaved};
use super::resample::{Downsample1d, ResampleSaved, Upsample1d};
use super::residual::{ResidualSaved, ResidualTemporalBlock1d};
use diffplan_nn::{Linear, Signal, params};

/// One level of the way down. The skip connection leaves before the downsampling.
#[derive(Clone, Debug)]
pub(crate) struct DownResnetBlock1d {
    resnets: Vec<ResidualTemporalBlock1d>,
    attention: Option<LinearAttention>,
    downsample: Option<Downsample1d>,
}
params!(DownResnetBlock1d {
    resnets,
    attention,
    downsample
});

/// The planner's middle.
#[derive(Clone, Debug)]
pub(crate) struct MidResTemporalBlock1d {
    resnets: Vec<ResidualTemporalBlock1d>,
    attention: Option<LinearAttention>,
    downsample: Option<Downsample1d>,
}
params!(MidResTemporalBlock1d {
    resnets,
    attention,
    downsample
});

/// One level of the way up, over the signal joined with its skip connection.
#[derive(Clone, Debug)]
pub(crate) struct UpResnetBlock1d {
    resnets: Vec<ResidualTemporalBlock1d>,
    attention: Option<LinearAttention>,
    upsample: Option<Upsample1d>,
}
params!(UpResnetBlock1d {
    resnets,
    attention,
    upsample
});

/// The value function's middle: channels and length halve twice.
#[derive(Clone, Debug)]
pub(crate) struct ValueFunctionMidBlock1d {
    res1: ResidualTemporalBlock1d,
    down1: Downsample1d,
    res2: ResidualTemporalBlock1d,
    down2: Downsample1d,
}
params!(ValueFunctionMidBlock1d {
    res1,
    down1,
    res2,
    down2
});

/// What the gradient of a level reads.
#[derive(Debug)]
pub(crate) struct StageSaved {
    resnets: Vec<ResidualSaved>,
    attention: LinearSaved,
    resample: ResampleSaved,
}

/// One residual block that may change the channels, and `layers` that do not.
fn resnets(
    in_channels: usize,
    out_channels: usize,
    time_channels: usize,
    layers: usize,
    slots: &mut Slots,
) -> Vec<ResidualTemporalBlock1d> {
    (0..=layers)
        .map(|i| {
            let input = if i == 0 { in_channels } else { out_channels };
            ResidualTemporalBlock1d::zeros(input, out_channels, time_channels, slots)
        })
        .collect()
}

/// The residual blocks, and the attention behind the block of that number.
fn forward_resnets(
    resnets: &[ResidualTemporalBlock1d],
    attention: Option<(usize, &LinearAttention)>,
    x: &mut Signal,
    mut saved: Option<&mut StageSaved>,
    run: &mut Forward,
) {
    for (i, resnet) in resnets.iter().enumerate() {
        resnet.forward(x, saved.as_mut().map(|s| &mut s.resnets[i]), run);
        if let Some((_, attention)) = attention.filter(|(behind, _)| *behind == i) {
            attention.forward(x, saved.as_mut().map(|s| &mut s.attention), run.scratch);
        }
    }
}

fn backward_resnets(
    resnets: &[ResidualTemporalBlock1d],
    attention: Option<(usize, &LinearAttention)>,
    d: &mut Signal,
    saved: &mut StageSaved,
    run: &mut Backward,
) {
    for (i, resnet) in resnets.iter().enumerate().rev() {
        if let Some((_, attention)) = attention.filter(|(behind, _)| *behind == i) {
            attention.backward(d, &mut saved.attention, run.scratch);
        }
        resnet.backward(d, &mut saved.resnets[i], run.scratch);
    }
}

/// What the three levels of residual blocks and a layer that resamples have in common.
macro_rules! level {
    ($resample:ident) => {
        type Saved = StageSaved;

        fn saved(&self, keep: Keep) -> StageSaved {
            StageSaved {
                resnets: self.resnets.iter().map(|resnet| resnet.saved(keep)).collect(),
                attention: self
                    .attention
                    .as_ref()
                    .map_or_else(LinearSaved::default, |layer| layer.saved(keep)),
                resample: ResampleSaved::new(keep),
            }
        }

        fn out_len(&self, len: usize) -> Option<usize> {
            self.$resample
                .as_ref()
                .map_or(Some(len), |layer| layer.out_len(len))
        }

        fn time_layers<'a>(&'a self, f: &mut dyn FnMut(usize, &'a Linear)) {
            self.resnets.iter().for_each(|resnet| resnet.time_layer(f));
        }

        fn param_grads<'a>(&'a self, saved: &[&'a StageSaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
            for (i, (resnet, grad)) in self.resnets.iter().zip(&mut grad.resnets).enumerate() {
                resnet.param_grads(saved.iter().map(|saved| &saved.resnets[i]), grad, into);
            }
            if let (Some(layer), Some(grad)) = (&self.attention, &mut grad.attention) {
                layer.param_grads(saved.iter().map(|saved| &saved.attention), grad, into);
            }
            if let (Some(layer), Some(grad)) = (&self.$resample, &mut grad.$resample) {
                layer.param_grads(saved.iter().map(|saved| &saved.resample), grad, into);
            }
        }

        fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
            self.resnets.iter().for_each(|resnet| resnet.pack_direct(tasks));
            if let Some(layer) = &self.attention {
                layer.pack_direct(tasks);
            }
            if let Some(layer) = &self.$resample {
                layer.pack_direct(tasks);
            }
        }
    };
}

impl DownResnetBlock1d {
    #[allow(clippy::too_many_arguments)] // a level's sizes
    pub(crate) fn zeros(
        in_channels: usize,
        out_channels: usize,
        time_channels: usize,
        layers: usize,
        downsample: bool,
        attention: bool,
        slots: &mut Slots,
    ) -> Self {
        Self {
            resnets: resnets(in_channels, out_channels, time_channels, layers, slots),
            attention: attention.then(|| LinearAttention::zeros(out_channels)),
            downsample: downsample.then(|| Downsample1d::zeros(out_channels)),
        }
    }

    /// The attention, and the number of the residual block that it follows.
    fn attention(&self) -> Option<(usize, &LinearAttention)> {
        Some((self.resnets.len() - 1, self.attention.as_ref()?))
    }
}

impl Block for DownResnetBlock1d {
    level!(downsample);

    fn forward(
        &self,
        x: &mut Signal,
        skip: Option<&mut Signal>,
        mut saved: Option<&mut StageSaved>,
        run: &mut Forward,
    ) {
        forward_resnets(&self.resnets, self.attention(), x, saved.as_deref_mut(), run);
        if let Some(skip) = skip {
            skip.copy_from(x);
        }
        if let Some(downsample) = &self.downsample {
            downsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }

    fn backward(&self, d: &mut Signal, skip: Option<&mut Signal>, saved: &mut StageSaved, run: &mut Backward) {
        if let Some(downsample) = &self.downsample {
            downsample.backward(d, &mut saved.resample, run.scratch);
        }
        if let Some(d_skip) = skip {
            d.add(d_skip);
        }
        backward_resnets(&self.resnets, self.attention(), d, saved, run);
    }
}

impl MidResTemporalBlock1d {
    pub(crate) fn zeros(
        channels: usize,
        time_channels: usize,
        layers: usize,
        downsample: bool,
        attention: bool,
        slots: &mut Slots,
    ) -> Self {
        Self {
            resnets: resnets(channels, channels, time_channels, layers, slots),
            attention: attention.then(|| LinearAttention::zeros(channels)),
            downsample: downsample.then(|| Downsample1d::zeros(channels)),
        }
    }

    /// The attention, and the number of the residual block that it follows.
    fn attention(&self) -> Option<(usize, &LinearAttention)> {
        Some((0, self.attention.as_ref()?))
    }
}

impl Block for MidResTemporalBlock1d {
    level!(downsample);

    fn forward(&self, x: &mut Signal, _: Option<&mut Signal>, mut saved: Option<&mut StageSaved>, run: &mut Forward) {
        forward_resnets(&self.resnets, self.attention(), x, saved.as_deref_mut(), run);
        if let Some(downsample) = &self.downsample {
            downsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }

    fn backward(&self, d: &mut Signal, _: Option<&mut Signal>, saved: &mut StageSaved, run: &mut Backward) {
        if let Some(downsample) = &self.downsample {
            downsample.backward(d, &mut saved.resample, run.scratch);
        }
        backward_resnets(&self.resnets, self.attention(), d, saved, run);
    }
}

impl UpResnetBlock1d {
    #[allow(clippy::too_many_arguments)] // a level's sizes
    pub(crate) fn zeros(
        in_channels: usize,
        out_channels: usize,
        time_channels: usize,
        layers: usize,
        upsample: bool,
        attention: bool,
        slots: &mut Slots,
    ) -> Self {
        Self {
            resnets: resnets(2 * in_channels, out_channels, time_channels, layers, slots),
            attention: attention.then(|| LinearAttention::zeros(out_channels)),
            upsample: upsample.then(|| Upsample1d::zeros(out_channels)),
        }
    }

    /// The attention, and the number of the residual block that it follows.
    fn attention(&self) -> Option<(usize, &LinearAttention)> {
        Some((self.resnets.len() - 1, self.attention.as_ref()?))
    }
}

impl Block for UpResnetBlock1d {
    level!(upsample);

    fn forward(
        &self,
        x: &mut Signal,
        skip: Option<&mut Signal>,
        mut saved: Option<&mut StageSaved>,
        run: &mut Forward,
    ) {
        if let Some(skip) = skip {
            run.scratch.out.concat_channels(x, skip);
            std::mem::swap(x, &mut run.scratch.out);
        }
        forward_resnets(&self.resnets, self.attention(), x, saved.as_deref_mut(), run);
        if let Some(upsample) = &self.upsample {
            upsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }

    fn backward(&self, d: &mut Signal, skip: Option<&mut Signal>, saved: &mut StageSaved, run: &mut Backward) {
        if let Some(upsample) = &self.upsample {
            upsample.backward(d, &mut saved.resample, run.scratch);
        }
        backward_resnets(&self.resnets, self.attention(), d, saved, run);
        if let Some(d_skip) = skip {
            d.split_channels(d.channels() / 2, &mut run.scratch.out, d_skip);
            std::mem::swap(d, &mut run.scratch.out);
        }
    }
}

/// What the gradient of [`ValueFunctionMidBlock1d`] reads.
#[derive(Debug)]
pub(crate) struct ValueFunctionMidSaved {
    res1: ResidualSaved,
    down1: ResampleSaved,
    res2: ResidualSaved,
    down2: ResampleSaved,
}

impl ValueFunctionMidBlock1d {
    pub(crate) fn zeros(channels: usize, time_channels: usize, slots: &mut Slots) -> Self {
        Self {
            res1: ResidualTemporalBlock1d::zeros(channels, channels / 2, time_channels, slots),
            down1: Downsample1d::zeros(channels / 2),
            res2: ResidualTemporalBlock1d::zeros(channels / 2, channels / 4, time_channels, slots),
            down2: Downsample1d::zeros(channels / 4),
        }
    }
}

impl Block for ValueFunctionMidBlock1d {
    type Saved = ValueFunctionMidSaved;

    fn saved(&self, keep: Keep) -> ValueFunctionMidSaved {
        ValueFunctionMidSaved {
            res1: self.res1.saved(keep),
            down1: ResampleSaved::new(keep),
            res2: self.res2.saved(keep),
            down2: ResampleSaved::new(keep),
        }
    }

    fn out_len(&self, len: usize) -> Option<usize> {
        self.down2.out_len(self.down1.out_len(len)?)
    }

    fn time_layers<'a>(&'a self, f: &mut dyn FnMut(usize, &'a Linear)) {
        self.res1.time_layer(f);
        self.res2.time_layer(f);
    }

    fn forward(
        &self,
        x: &mut Signal,
        _: Option<&mut Signal>,
        mut saved: Option<&mut ValueFunctionMidSaved>,
        run: &mut Forward,
    ) {
        self.res1.forward(x, saved.as_mut().map(|s| &mut s.res1), run);
        self.down1.forward(x, saved.as_mut().map(|s| &mut s.down1), run.scratch);
        self.res2.forward(x, saved.as_mut().map(|s| &mut s.res2), run);
        self.down2.forward(x, saved.map(|s| &mut s.down2), run.scratch);
    }

    fn backward(&self, d: &mut Signal, _: Option<&mut Signal>, saved: &mut ValueFunctionMidSaved, run: &mut Backward) {
        self.down2.backward(d, &mut saved.down2, run.scratch);
        self.res2.backward(d, &mut saved.res2, run.scratch);
        self.down1.backward(d, &mut saved.down1, run.scratch);
        self.res1.backward(d, &mut saved.res1, run.scratch);
    }

    fn param_grads<'a>(&'a self, saved: &[&'a ValueFunctionMidSaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
        let parts = || saved.iter().copied();
        self.res1.param_grads(parts().map(|s| &s.res1), &mut grad.res1, into);
        self.down1.param_grads(parts().map(|s| &s.down1), &mut grad.down1, into);
        self.res2.param_grads(parts().map(|s| &s.res2), &mut grad.res2, into);
        self.down2.param_grads(parts().map(|s| &s.down2), &mut grad.down2, into);
    }

    fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        self.res1.pack_direct(tasks);
        self.down1.pack_direct(tasks);
        self.res2.pack_direct(tasks);
        self.down2.pack_direct(tasks);
    }
}
