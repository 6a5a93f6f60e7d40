//! The levels of the network: `DownResnetBlock1D`, `MidResTemporalBlock1D`, `ValueFunctionMidBlock1D`, `UpResnetBlock1D`.

use super::Upsample1d;
use super::{Downsample1d, Forward, GradTask, Keep, ResampleSaved, ResidualSaved, ResidualTemporalBlock1d, Scratch};
use diffplan_nn::{Params, Path, Signal, params};
use ndarray::{ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

/// One level of the way down. The skip connection leaves before the downsampling.
#[derive(Clone, Debug)]
pub(crate) struct DownResnetBlock1d {
    pub(crate) resnets: Vec<ResidualTemporalBlock1d>,
    pub(crate) downsample: Option<Downsample1d>,
}
params!(DownResnetBlock1d { resnets, downsample });

/// The planner's middle.
#[derive(Clone, Debug)]
pub(crate) struct MidResTemporalBlock1d {
    pub(crate) resnets: Vec<ResidualTemporalBlock1d>,
    pub(crate) downsample: Option<Downsample1d>,
}
params!(MidResTemporalBlock1d { resnets, downsample });

/// One level of the way up, over the signal joined with its skip connection.
#[derive(Clone, Debug)]
pub(crate) struct UpResnetBlock1d {
    pub(crate) resnets: Vec<ResidualTemporalBlock1d>,
    pub(crate) upsample: Option<Upsample1d>,
}
params!(UpResnetBlock1d { resnets, upsample });

/// The value function's middle: channels and length halve twice.
#[derive(Clone, Debug)]
pub(crate) struct ValueFunctionMidBlock1d {
    pub(crate) res1: ResidualTemporalBlock1d,
    pub(crate) down1: Downsample1d,
    pub(crate) res2: ResidualTemporalBlock1d,
    pub(crate) down2: Downsample1d,
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
    resample: ResampleSaved,
}

impl StageSaved {
    /// What the residual blocks saved, in the order of the forward pass.
    pub(crate) fn residuals(&self) -> impl Iterator<Item = &ResidualSaved> {
        self.resnets.iter()
    }
}

/// One residual block that may change the channels, and `layers` that do not.
fn resnets(
    in_channels: usize,
    out_channels: usize,
    time_channels: usize,
    layers: usize,
) -> Vec<ResidualTemporalBlock1d> {
    (0..=layers)
        .map(|i| {
            ResidualTemporalBlock1d::zeros(
                if i == 0 { in_channels } else { out_channels },
                out_channels,
                time_channels,
            )
        })
        .collect()
}

fn forward_resnets(
    resnets: &[ResidualTemporalBlock1d],
    x: &mut Signal,
    mut saved: Option<&mut StageSaved>,
    run: &mut Forward,
) {
    for (i, resnet) in resnets.iter().enumerate() {
        resnet.forward(x, saved.as_mut().map(|s| &mut s.resnets[i]), run);
    }
}

macro_rules! level {
    ($block:ident, $resample:ident) => {
        impl $block {
            pub(crate) fn saved(&self, keep: Keep) -> StageSaved {
                StageSaved {
                    resnets: self.resnets.iter().map(|resnet| resnet.saved(keep)).collect(),
                    resample: ResampleSaved::new(keep),
                }
            }

            /// `d` is the gradient of the output and becomes that of the input; `d_skip` is added to it where the
            /// skip connection left.
            pub(crate) fn backward(
                &self,
                d: &mut Signal,
                d_skip: Option<&Signal>,
                saved: &mut StageSaved,
                scratch: &mut Scratch,
            ) {
                if let Some(layer) = &self.$resample {
                    layer.backward(d, &mut saved.resample, scratch);
                }
                if let Some(d_skip) = d_skip {
                    d.add(d_skip);
                }
                for (resnet, saved) in self.resnets.iter().zip(&mut saved.resnets).rev() {
                    resnet.backward(d, saved, scratch);
                }
            }

            /// Adds the parameters' gradients, or the tasks that do, from all parts of a batch.
            pub(crate) fn param_grads<'a>(
                &'a self,
                saved: &[&'a StageSaved],
                grad: &'a mut Self,
                tasks: &mut Vec<GradTask<'a>>,
            ) {
                for (i, (resnet, grad)) in self.resnets.iter().zip(&mut grad.resnets).enumerate() {
                    resnet.param_grads(saved.iter().map(|saved| &saved.resnets[i]), grad, tasks);
                }
                if let (Some(layer), Some(grad)) = (&self.$resample, &mut grad.$resample) {
                    layer.param_grads(saved.iter().map(|saved| &saved.resample), grad, tasks);
                }
            }

            /// Packs the convolutions' weights, where they are not yet.
            pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
                self.resnets.iter().for_each(|resnet| resnet.pack_direct(tasks));
                if let Some(layer) = &self.$resample {
                    layer.pack_direct(tasks);
                }
            }

            /// The output's length for an input's.
            pub(crate) fn out_len(&self, len: usize) -> Option<usize> {
                self.$resample
                    .as_ref()
                    .map_or(Some(len), |layer| layer.out_len(len))
            }
        }
    };
}
level!(DownResnetBlock1d, downsample);
level!(MidResTemporalBlock1d, downsample);
level!(UpResnetBlock1d, upsample);

impl DownResnetBlock1d {
    pub(crate) fn zeros(
        in_channels: usize,
        out_channels: usize,
        time_channels: usize,
        layers: usize,
        downsample: bool,
    ) -> Self {
        Self {
            resnets: resnets(in_channels, out_channels, time_channels, layers),
            downsample: downsample.then(|| Downsample1d::zeros(out_channels)),
        }
    }

    /// `x` becomes the output; `skip`, where given, a copy of the signal before the downsampling.
    pub(crate) fn forward(
        &self,
        x: &mut Signal,
        skip: Option<&mut Signal>,
        mut saved: Option<&mut StageSaved>,
        run: &mut Forward,
    ) {
        forward_resnets(&self.resnets, x, saved.as_deref_mut(), run);
        if let Some(skip) = skip {
            skip.copy_from(x);
        }
        if let Some(downsample) = &self.downsample {
            downsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }
}

impl MidResTemporalBlock1d {
    pub(crate) fn zeros(channels: usize, time_channels: usize, layers: usize, downsample: bool) -> Self {
        Self {
            resnets: resnets(channels, channels, time_channels, layers),
            downsample: downsample.then(|| Downsample1d::zeros(channels)),
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, mut saved: Option<&mut StageSaved>, run: &mut Forward) {
        forward_resnets(&self.resnets, x, saved.as_deref_mut(), run);
        if let Some(downsample) = &self.downsample {
            downsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }
}

impl UpResnetBlock1d {
    pub(crate) fn zeros(
        in_channels: usize,
        out_channels: usize,
        time_channels: usize,
        layers: usize,
        upsample: bool,
    ) -> Self {
        Self {
            resnets: resnets(2 * in_channels, out_channels, time_channels, layers),
            upsample: upsample.then(|| Upsample1d::zeros(out_channels)),
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, skip: &Signal, mut saved: Option<&mut StageSaved>, run: &mut Forward) {
        run.scratch.out.concat_channels(x, skip);
        std::mem::swap(x, &mut run.scratch.out);
        forward_resnets(&self.resnets, x, saved.as_deref_mut(), run);
        if let Some(upsample) = &self.upsample {
            upsample.forward(x, saved.map(|s| &mut s.resample), run.scratch);
        }
    }

    /// The gradient of the joined input, as [`backward`](Self::backward) leaves it, becomes that of the signal in `d` and
    /// that of the skip connection in `d_skip`.
    pub(crate) fn split_skip(&self, d: &mut Signal, d_skip: &mut Signal, scratch: &mut Scratch) {
        d.split_channels(d.channels() / 2, &mut scratch.out, d_skip);
        std::mem::swap(d, &mut scratch.out);
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
    pub(crate) fn zeros(channels: usize, time_channels: usize) -> Self {
        Self {
            res1: ResidualTemporalBlock1d::zeros(channels, channels / 2, time_channels),
            down1: Downsample1d::zeros(channels / 2),
            res2: ResidualTemporalBlock1d::zeros(channels / 2, channels / 4, time_channels),
            down2: Downsample1d::zeros(channels / 4),
        }
    }

    fn forward(&self, x: &mut Signal, mut saved: Option<&mut ValueFunctionMidSaved>, run: &mut Forward) {
        self.res1.forward(x, saved.as_mut().map(|s| &mut s.res1), run);
        self.down1.forward(x, saved.as_mut().map(|s| &mut s.down1), run.scratch);
        self.res2.forward(x, saved.as_mut().map(|s| &mut s.res2), run);
        self.down2.forward(x, saved.map(|s| &mut s.down2), run.scratch);
    }

    fn backward(&self, d: &mut Signal, saved: &mut ValueFunctionMidSaved, scratch: &mut Scratch) {
        self.down2.backward(d, &mut saved.down2, scratch);
        self.res2.backward(d, &mut saved.res2, scratch);
        self.down1.backward(d, &mut saved.down1, scratch);
        self.res1.backward(d, &mut saved.res1, scratch);
    }

    fn param_grads<'a>(
        &'a self,
        saved: &[&'a ValueFunctionMidSaved],
        grad: &'a mut Self,
        tasks: &mut Vec<GradTask<'a>>,
    ) {
        let parts = || saved.iter().copied();
        self.res1.param_grads(parts().map(|s| &s.res1), &mut grad.res1, tasks);
        self.down1
            .param_grads(parts().map(|s| &s.down1), &mut grad.down1, tasks);
        self.res2.param_grads(parts().map(|s| &s.res2), &mut grad.res2, tasks);
        self.down2
            .param_grads(parts().map(|s| &s.down2), &mut grad.down2, tasks);
    }

    fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        self.res1.pack_direct(tasks);
        self.down1.pack_direct(tasks);
        self.res2.pack_direct(tasks);
        self.down2.pack_direct(tasks);
    }
}

/// The middle of either network.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one a model
pub(crate) enum MidBlock {
    Residual(MidResTemporalBlock1d),
    Value(ValueFunctionMidBlock1d),
}

/// What the gradient of [`MidBlock`] reads.
#[derive(Debug)]
pub(crate) enum MidSaved {
    Residual(StageSaved),
    Value(Box<ValueFunctionMidSaved>),
}

impl MidBlock {
    pub(crate) fn saved(&self, keep: Keep) -> MidSaved {
        match self {
            MidBlock::Residual(block) => MidSaved::Residual(block.saved(keep)),
            MidBlock::Value(block) => MidSaved::Value(Box::new(ValueFunctionMidSaved {
                res1: block.res1.saved(keep),
                down1: ResampleSaved::new(keep),
                res2: block.res2.saved(keep),
                down2: ResampleSaved::new(keep),
            })),
        }
    }

    /// The residual blocks in the order of the forward pass.
    pub(crate) fn residual_blocks(&self) -> Vec<&ResidualTemporalBlock1d> {
        match self {
            MidBlock::Residual(block) => block.resnets.iter().collect(),
            MidBlock::Value(block) => vec![&block.res1, &block.res2],
        }
    }

    /// The residual blocks in the order of the forward pass.
    pub(crate) fn residual_blocks_mut(&mut self) -> Vec<&mut ResidualTemporalBlock1d> {
        match self {
            MidBlock::Residual(block) => block.resnets.iter_mut().collect(),
            MidBlock::Value(block) => vec![&mut block.res1, &mut block.res2],
        }
    }

    /// The output's length for an input's.
    pub(crate) fn out_len(&self, len: usize) -> Option<usize> {
        match self {
            MidBlock::Residual(block) => block.out_len(len),
            MidBlock::Value(block) => block.down2.out_len(block.down1.out_len(len)?),
        }
    }

    /// `x` becomes the output.
    pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut MidSaved>, run: &mut Forward) {
        match (self, saved) {
            (MidBlock::Residual(block), Some(MidSaved::Residual(saved))) => block.forward(x, Some(saved), run),
            (MidBlock::Value(block), Some(MidSaved::Value(saved))) => block.forward(x, Some(saved), run),
            (MidBlock::Residual(block), None) => block.forward(x, None, run),
            (MidBlock::Value(block), None) => block.forward(x, None, run),
            _ => unreachable!("saved by another kind of block"),
        }
    }

    /// `d` is the gradient of the output and becomes that of the input.
    pub(crate) fn backward(&self, d: &mut Signal, saved: &mut MidSaved, scratch: &mut Scratch) {
        match (self, saved) {
            (MidBlock::Residual(block), MidSaved::Residual(saved)) => block.backward(d, None, saved, scratch),
            (MidBlock::Value(block), MidSaved::Value(saved)) => block.backward(d, saved, scratch),
            _ => unreachable!("saved by another kind of block"),
        }
    }

    /// Adds the parameters' gradients, or the tasks that do, from all parts of a batch.
    pub(crate) fn param_grads<'a>(&'a self, saved: &[&'a MidSaved], grad: &'a mut Self, tasks: &mut Vec<GradTask<'a>>) {
        // A gradient is another value of the model's type, so its middle is of the same kind.
        match (self, grad) {
            (MidBlock::Residual(block), MidBlock::Residual(grad)) => {
                let saved: Vec<&StageSaved> = saved
                    .iter()
                    .filter_map(|saved| match saved {
                        MidSaved::Residual(saved) => Some(saved),
                        MidSaved::Value(_) => None,
                    })
                    .collect();
                block.param_grads(&saved, grad, tasks);
            }
            (MidBlock::Value(block), MidBlock::Value(grad)) => {
                let saved: Vec<&ValueFunctionMidSaved> = saved
                    .iter()
                    .filter_map(|saved| match saved {
                        MidSaved::Residual(_) => None,
                        MidSaved::Value(saved) => Some(&**saved),
                    })
                    .collect();
                block.param_grads(&saved, grad, tasks);
            }
            _ => unreachable!("a gradient of another model"),
        }
    }

    /// Packs the convolutions' weights, where they are not yet.
    pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        match self {
            MidBlock::Residual(block) => block.pack_direct(tasks),
            MidBlock::Value(block) => block.pack_direct(tasks),
        }
    }
}

impl MidSaved {
    /// What the residual blocks saved, in the order of the forward pass.
    pub(crate) fn residuals(&self) -> Vec<&ResidualSaved> {
        match self {
            MidSaved::Residual(saved) => saved.residuals().collect(),
            MidSaved::Value(saved) => vec![&saved.res1, &saved.res2],
        }
    }
}

impl Params for MidBlock {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        match self {
            MidBlock::Residual(block) => block.visit(path, f),
            MidBlock::Value(block) => block.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        match self {
            MidBlock::Residual(block) => block.visit_mut(path, f),
            MidBlock::Value(block) => block.visit_mut(path, f),
        }
    }

    fn init(&mut self, rng: &mut dyn RngCore) {
        match self {
            MidBlock::Residual(block) => block.init(rng),
            MidBlock::Value(block) => block.init(rng),
        }
    }
}
