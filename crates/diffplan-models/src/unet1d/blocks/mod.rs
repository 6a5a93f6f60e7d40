//! The network's blocks, named and put together as in diffusers' `unet_1d_blocks.py` and `resnet.py`.
//!
//! Blocks work in place: a forward pass replaces its input by its output, a backward pass the output's gradient by the
//! input's. What a backward pass reads is in the block's `…Saved` struct, and so is what the parameters' gradients read, if they
//! are asked for: they are computed afterwards, over all parts of a batch, so that no two parts write to one gradient.
//!
//! A network holds values of [`AnyBlock`], which the list at the end of this file makes: one more block is a file with a
//! [`Block`], and one more line there.

mod attention;
mod audio;
mod block;
mod linear_attention;
mod out;
mod res_conv;
mod resample;
mod residual;
mod stages;

pub(crate) use attention::SelfAttention1d;
pub(crate) use audio::AudioBlock;
pub(crate) use block::{Backward, Block, Forward, GradTask, Gradients, Keep, Scratch, Slots};
pub(crate) use out::{OutConv1dBlock, OutValueFunctionBlock};
pub(crate) use stages::{DownResnetBlock1d, MidResTemporalBlock1d, UpResnetBlock1d, ValueFunctionMidBlock1d};

use diffplan_nn::{Linear, Params, Path, Role, Signal};
use ndarray::{ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;

/// Makes the enum of all blocks, and that of what their gradients read.
macro_rules! blocks {
    ($($variant:ident($block:ty),)+) => {
        /// Any block.
        #[derive(Clone, Debug)]
        #[allow(clippy::large_enum_variant)] // there are a few a model
        pub(crate) enum AnyBlock {
            $($variant($block),)+
        }

        /// What the gradient of a block reads.
        #[derive(Debug)]
        #[allow(clippy::large_enum_variant)]
        pub(crate) enum AnySaved {
            $($variant(<$block as Block>::Saved),)+
        }

        impl Block for AnyBlock {
            type Saved = AnySaved;

            fn saved(&self, keep: Keep) -> AnySaved {
                match self { $(Self::$variant(block) => AnySaved::$variant(block.saved(keep)),)+ }
            }

            fn out_len(&self, len: usize) -> Option<usize> {
                match self { $(Self::$variant(block) => block.out_len(len),)+ }
            }

            fn features(&self) -> Option<usize> {
                match self { $(Self::$variant(block) => block.features(),)+ }
            }

            fn time_layers<'a>(&'a self, f: &mut dyn FnMut(usize, &'a Linear)) {
                match self { $(Self::$variant(block) => block.time_layers(f),)+ }
            }

            fn forward(&self, x: &mut Signal, skip: Option<&mut Signal>, saved: Option<&mut AnySaved>, run: &mut Forward) {
                match (self, saved) {
                    $((Self::$variant(block), Some(AnySaved::$variant(saved))) => block.forward(x, skip, Some(saved), run),)+
                    $((Self::$variant(block), None) => block.forward(x, skip, None, run),)+
                    _ => unreachable!("saved by another kind of block"),
                }
            }

            fn backward(&self, d: &mut Signal, skip: Option<&mut Signal>, saved: &mut AnySaved, run: &mut Backward) {
                match (self, saved) {
                    $((Self::$variant(block), AnySaved::$variant(saved)) => block.backward(d, skip, saved, run),)+
                    _ => unreachable!("saved by another kind of block"),
                }
            }

            fn param_grads<'a>(&'a self, saved: &[&'a AnySaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
                match (self, grad) {
                    $((Self::$variant(block), Self::$variant(grad)) => {
                        let own = saved.iter().filter_map(|saved| match saved {
                            AnySaved::$variant(saved) => Some(saved),
                            _ => None,
                        });
                        block.param_grads(&own.collect::<Vec<_>>(), grad, into);
                    })+
                    // A gradient is another value of the model's type, so its blocks are of the same kinds.
                    _ => unreachable!("a gradient of another model"),
                }
            }

            fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
                match self { $(Self::$variant(block) => block.pack_direct(tasks),)+ }
            }
        }

        impl Params for AnyBlock {
            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
                match self { $(Self::$variant(block) => block.visit(path, f),)+ }
            }

            fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
                match self { $(Self::$variant(block) => block.visit_mut(path, f),)+ }
            }

            fn init(&mut self, rng: &mut dyn RngCore) {
                match self { $(Self::$variant(block) => block.init(rng),)+ }
            }

            fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
                match self { $(Self::$variant(block) => block.visit_roles(f),)+ }
            }
        }
    };
}

blocks! {
    DownResnet(DownResnetBlock1d),
    MidResTemporal(MidResTemporalBlock1d),
    ValueFunctionMid(ValueFunctionMidBlock1d),
    UpResnet(UpResnetBlock1d),
    Audio(AudioBlock),
    OutConv1d(OutConv1dBlock),
    OutValueFunction(OutValueFunctionBlock),
}
