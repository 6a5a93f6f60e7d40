//! `Downsample1D` and `Upsample1D`: a strided convolution, and a transposed one.

use super::block::{GradTask, Gradients, Keep, Scratch, conv_task};
use diffplan_nn::{Conv1d, ConvTranspose1d, Signal, params};

/// Halves the length, rounding up: kernel 3, stride 2, padding 1.
#[derive(Clone, Debug)]
pub(crate) struct Downsample1d {
    conv: Conv1d,
}
params!(Downsample1d { conv });

/// Doubles the length: kernel 4, stride 2, padding 1.
#[derive(Clone, Debug)]
pub(crate) struct Upsample1d {
    conv: ConvTranspose1d,
}
params!(Upsample1d { conv });

#[derive(Debug, Default)]
pub(crate) struct ResampleSaved {
    /// The input's length.
    len: usize,
    /// The input and the output's gradient, where parameter gradients are asked for.
    for_params: Option<(Signal, Signal)>,
}

impl ResampleSaved {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            for_params: (keep == Keep::AllGrads).then(Default::default),
            ..Self::default()
        }
    }
}

macro_rules! in_place {
    ($layer:ident) => {
        impl $layer {
            /// `x` becomes the output.
            pub(crate) fn forward(&self, x: &mut Signal, saved: Option<&mut ResampleSaved>, scratch: &mut Scratch) {
                let len = x.len();
                self.conv.forward(x, &mut scratch.out, &mut scratch.exec);
                std::mem::swap(x, &mut scratch.out);
                if let Some(saved) = saved {
                    saved.len = len;
                    if let Some((input, _)) = &mut saved.for_params {
                        std::mem::swap(input, &mut scratch.out);
                    }
                }
            }

            /// `d` is the gradient of the output and becomes that of the input.
            pub(crate) fn backward(&self, d: &mut Signal, saved: &mut ResampleSaved, scratch: &mut Scratch) {
                self.conv
                    .input_grad(d, saved.len, &mut scratch.out, &mut scratch.exec);
                std::mem::swap(d, &mut scratch.out);
                if let Some((_, d_output)) = &mut saved.for_params {
                    std::mem::swap(d_output, &mut scratch.out);
                }
            }

            /// Adds the task that adds the parameters' gradients from all parts of a batch.
            pub(crate) fn param_grads<'a>(
                &'a self,
                saved: impl Iterator<Item = &'a ResampleSaved>,
                grad: &'a mut Self,
                into: &mut Gradients<'a>,
            ) {
                let parts = saved
                    .filter_map(|saved| saved.for_params.as_ref())
                    .map(|(x, d)| (x, d));
                into.tasks.push(conv_task!(&self.conv, &mut grad.conv, parts));
            }

            /// Packs the convolution's weights, where they are not yet.
            pub(crate) fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
                tasks.push(Box::new(|_| self.conv.pack_direct()));
            }

            /// The output's length for an input's.
            pub(crate) fn out_len(&self, len: usize) -> Option<usize> {
                self.conv.out_len(len)
            }
        }
    };
}
in_place!(Downsample1d);
in_place!(Upsample1d);

impl Downsample1d {
    pub(crate) fn zeros(channels: usize) -> Self {
        Self {
            conv: Conv1d::zeros(channels, channels, 3).stride(2).padding(1),
        }
    }
}

impl Upsample1d {
    pub(crate) fn zeros(channels: usize) -> Self {
        Self {
            conv: ConvTranspose1d::zeros(channels, channels, 4).stride(2).padding(1),
        }
    }
}
