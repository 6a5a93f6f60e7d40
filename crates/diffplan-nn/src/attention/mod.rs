//! What attention computes between its projections, over the positions of every sample: by softmax of all pairs ([`softmax_attention`]), and linear
//! in the length ([`linear_attention`]).

mod linear;
mod softmax;

pub use linear::{LinearAttentionSaved, linear_attention, linear_attention_grad};
pub use softmax::{softmax_attention, softmax_attention_grad};

use crate::signal::Signal;
use ndarray::{ArrayView2, ArrayViewMut2, s};
use std::ops::Range;

/// Some channels of one sample, (length, channels), without copying.
fn of_sample(signal: &Signal, sample: usize, channels: Range<usize>) -> ArrayView2<'_, f32> {
    signal.lbc().slice_move(s![.., sample, channels])
}

/// The same, to be written.
fn of_sample_mut(signal: &mut Signal, sample: usize, channels: Range<usize>) -> ArrayViewMut2<'_, f32> {
    signal.lbc_mut().slice_move(s![.., sample, channels])
}
