//! The arithmetic of strided convolutions.
//!
//! A convolution maps a long signal to a short one (equal lengths where the stride is 1): with tap weights
//! W_k (long channels × short channels),
//!
//! > short[p] = Σ_k long[p·stride + k − padding] · W_k,  where that position exists.
//!
//! Its transpose maps short to long with the same pairs of positions. So [`Conv1d`](crate::Conv1d) goes "down" in its forward
//! pass and "up" in its input gradient, and [`ConvTranspose1d`](crate::ConvTranspose1d) the other way round; PyTorch stores
//! both as (short channels, long channels, kernel), and one struct serves both.
//!
//! Neighbouring output positions that the same taps reach are one run: one sum of matrix products over their rows,
//! accumulated over taps and channels in registers. Nothing is copied and padding is not multiplied. Kernels of 5 that keep
//! the length go by Toom-Cook where [`Algorithm`](crate::Algorithm) says so; see `diffplan_kernels`' `toom_cook`.
//!
//! Weights are packed for the kernels when first needed, for each direction and algorithm that is asked for.

use crate::exec::{Algorithm, Exec, Precision, over_columns};
use crate::signal::Signal;
use diffplan_kernels::{Buffer, Init, MatRef, Packed, Rows, RowsMut, Term, ToomCook, add_outer_products, products};
use ndarray::{Array3, ArrayView3, ArrayViewMut3};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

#[derive(Debug)]
pub(crate) struct Taps {
    /// (kernel, long channels, short channels): a tap is a matrix, and gradients of weights are added to it as they come.
    weight: Array3<f32>,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    packs: [Packs; 2],
}

/// Weights packed for a direction.
#[derive(Debug, Default)]
struct Packs {
    direct: OnceLock<Packed>,
    bf16: OnceLock<Packed>,
    /// For signals of length 4, and for longer ones.
    toom_cook: [OnceLock<ToomCook>; 2],
}

impl Clone for Taps {
    /// Without the packed weights, which a copy makes anew: most copies are gradients, or about to change.
    fn clone(&self) -> Self {
        Self {
            weight: self.weight.clone(),
            packs: Default::default(),
            ..*self
        }
    }
}

/// From the long signal to the short one, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// Output positions `first`, `first + out_step`, … that the same taps reach.
struct Run {
    first: usize,
    count: usize,
    /// Taps `tap`, `tap + tap_step`, …, `taps` of them.
    tap: usize,
    tap_step: usize,
    taps: usize,
    /// The input position that meets the first output at the first tap, and by how much it moves from tap to tap.
    input: usize,
    input_tap_step: isize,
}

/// A pass made ready: weights packed, inputs as they are or, where weights ask for it, rounded or combined.
pub(crate) enum Ready<'a> {
    Direct(&'a Packed, Rows<'a>),
    ToomCook(&'a ToomCook, &'a Buffer),
}

/// Channels from which on a layer takes Toom-Cook's algorithm of itself.
const WIDE: usize = 64;

/// Fewer samples than this take no longer to multiply than their weights to read.
const FEW: usize = 3;

/// Terms handed to the kernel at a time; kernels with more taps take several turns.
const TERMS: usize = 8;

impl Taps {
    pub(crate) fn zeros(short_channels: usize, long_channels: usize, kernel: usize) -> Self {
        assert!(kernel > 0, "a kernel of size 0");
        Self {
            weight: Array3::zeros((kernel, long_channels, short_channels)),
            stride: 1,
            padding: 0,
            packs: Default::default(),
        }
    }

    /// (short channels, long channels, kernel), as in PyTorch's state dict.
    pub(crate) fn weight(&self) -> ArrayView3<'_, f32> {
        self.weight.view().permuted_axes([2, 1, 0])
    }

    /// (short channels, long channels, kernel), as in PyTorch's state dict.
    pub(crate) fn weight_mut(&mut self) -> ArrayViewMut3<'_, f32> {
        self.packs = Default::default();
        self.weight.view_mut().permuted_axes([2, 1, 0])
    }

    pub(crate) fn short_channels(&self) -> usize {
        self.weight.dim().2
    }

    pub(crate) fn long_channels(&self) -> usize {
        self.weight.dim().1
    }

    pub(crate) fn kernel(&self) -> usize {
        self.weight.dim().0
    }

    /// The length a convolution makes of `long`; none if the kernel does not fit once.
    pub(crate) fn short_len(&self, long: usize) -> Option<usize> {
        Some((long + 2 * self.padding).checked_sub(self.kernel())? / self.stride + 1)
    }

    /// The length a transposed convolution makes of `short`; none if nothing is left after the padding is cut off.
    pub(crate) fn long_len(&self, short: usize) -> Option<usize> {
        let whole = short.checked_sub(1)? * self.stride + self.kernel();
        whole.checked_sub(2 * self.padding).filter(|&len| len > 0)
    }

    /// (in channels, out channels) of a direction.
    fn channels(&self, direction: Direction) -> (usize, usize) {
        match direction {
            Direction::Down => (self.long_channels(), self.short_channels()),
            Direction::Up => (self.short_channels(), self.long_channels()),
        }
    }

    /// W_k, or its transpose: (in channels, out channels).
    fn tap(&self, direction: Direction, k: usize) -> MatRef<'_> {
        let (kernel, long, short) = self.weight.dim();
        debug_assert!(k < kernel);
        let weight = self.weight.as_slice().expect("made in standard layout");
        let tap = MatRef::row_major(&weight[k * long * short..][..long * short], long, short);
        match direction {
            Direction::Down => tap,
            Direction::Up => tap.t(),
        }
    }

    fn direct(&self, direction: Direction) -> &Packed {
        let (inputs, outputs) = self.channels(direction);
        let pack = || self.pack(direction, Packed::zeros(self.kernel(), inputs, outputs));
        self.packs[direction as usize].direct.get_or_init(pack)
    }

    /// Packs the weights for both directions, tap by tap, where they are not yet.
    pub(crate) fn pack_direct(&self) {
        self.direct(Direction::Down);
        self.direct(Direction::Up);
    }

    fn bf16(&self, direction: Direction) -> &Packed {
        let (inputs, outputs) = self.channels(direction);
        let pack = || self.pack(direction, Packed::zeros_bf16(self.kernel(), inputs, outputs));
        self.packs[direction as usize].bf16.get_or_init(pack)
    }

    fn pack(&self, direction: Direction, mut packed: Packed) -> Packed {
        (0..self.kernel()).for_each(|k| packed.set(k, self.tap(direction, k)));
        packed
    }

    fn toom_cook(&self, direction: Direction, len: usize) -> &ToomCook {
        let form = usize::from(len != 4);
        self.packs[direction as usize].toom_cook[form].get_or_init(|| {
            // Upwards position q meets q + padding − k, so that the taps come the other way round.
            let taps: [MatRef; 5] = std::array::from_fn(|k| match direction {
                Direction::Down => self.tap(direction, k),
                Direction::Up => self.tap(direction, 4 - k),
            });
            ToomCook::pack(len, &taps)
        })
    }

    /// Packs the weights, at the first call, and makes the inputs ready for them, on the calling thread.
    pub(crate) fn ready<'a>(&'a self, direction: Direction, x: &'a Signal, exec: &'a mut Exec) -> Ready<'a> {
        assert_eq!(x.channels(), self.channels(direction).0, "channels of the input");
        let Exec { compute, inputs } = exec;
        if compute.precision == Precision::Bf16 {
            let packed = self.bf16(direction);
            packed.round_rows(x.data(), inputs);
            return Ready::Direct(packed, Rows::new(inputs, packed.row_len()));
        }
        let fits = self.kernel() == 5 && self.stride == 1 && self.padding == 2 && ToomCook::takes(x.len());
        let asked = match compute.algorithm {
            Algorithm::Auto => self.long_channels().min(self.short_channels()) >= WIDE,
            Algorithm::ToomCook => true,
            Algorithm::Direct => false,
        };
        if fits && asked {
            let toom_cook = self.toom_cook(direction, x.len());
            toom_cook.combine_inputs(x.data(), x.len(), inputs);
            return Ready::ToomCook(toom_cook, inputs);
        }
        Ready::Direct(self.direct(direction), Rows::new(x.data(), x.channels()))
    }

    /// Some columns of the output: `y` = bias + the sum, the sum, or what `y` holds + the sum, as `init` says.
    ///
    /// `columns` begin at a panel's first; `y` and a bias have as many.
    pub(crate) fn columns(
        &self,
        direction: Direction,
        ready: &Ready,
        x: &Signal,
        columns: Range<usize>,
        init: Init,
        y: RowsMut,
    ) {
        let (batch, panel, mut y) = (x.batch(), columns.start / Packed::PANEL, y);
        let (packed, input) = match ready {
            Ready::Direct(packed, input) => (packed, *input),
            Ready::ToomCook(toom_cook, combined) => return toom_cook.outputs(combined, batch, panel, init, y),
        };
        let out_len = y.rows() / batch;
        if batch < FEW && self.stride == 1 && packed.sums_taps_apart() {
            return self.columns_by_tap(direction, input, batch, packed, panel, init, y);
        }
        let (out_step, in_step) = match direction {
            Direction::Down => (1, self.stride),
            Direction::Up => (self.stride, 1),
        };
        for run in self.runs(direction, x.len(), out_len) {
            // Rows of neighbouring positions are neighbours too, unless positions are skipped and there is more than one sample.
            let together = batch == 1 || out_step == 1 && in_step == 1;
            let (turns, rows) = if together {
                (1, run.count * batch)
            } else {
                (run.count, batch)
            };
            for turn in 0..turns {
                let row = (run.first + turn * out_step) * batch;
                let step = |step: usize| if together && batch == 1 { step } else { 1 };
                let end = y.rows();
                let mut to = y.reborrow().range(row..end).every(step(out_step), rows);
                let term = |i: usize| Term {
                    row: (run.input + turn * in_step).wrapping_add_signed(run.input_tap_step * i as isize) * batch,
                    tap: run.tap + i * run.tap_step,
                };
                let (mut init, mut done) = (init, 0);
                loop {
                    let mut terms = [Term::default(); TERMS];
                    let count = (run.taps - done).min(TERMS);
                    terms[..count]
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, t)| *t = term(done + i));
                    products(
                        input,
                        step(in_step),
                        &terms[..count],
                        packed,
                        panel,
                        init,
                        to.reborrow(),
                    );
                    (done, init) = (done + count, Init::Accumulate);
                    if done == run.taps {
                        break;
                    }
                }
            }
        }
    }

    /// [`columns`](Self::columns) with stride 1 for few samples: a tap after another rather than a run after another, so that
    /// weights are read once. The sums are the same to the bit.
    #[allow(clippy::too_many_arguments)] // those of `columns`, taken apart
    fn columns_by_tap(
        &self,
        direction: Direction,
        input: Rows,
        batch: usize,
        packed: &Packed,
        panel: usize,
        init: Init,
        y: RowsMut,
    ) {
        let (in_len, out_len, mut y) = (input.rows() / batch, y.rows() / batch, y);
        if !matches!(init, Init::Accumulate) {
            products(input, 1, &[], packed, panel, init, y.reborrow());
        }
        for tap in 0..self.kernel() {
            // Output p meets input p + shift, where both exist.
            let shift = match direction {
                Direction::Down => tap as isize - self.padding as isize,
                Direction::Up => self.padding as isize - tap as isize,
            };
            let first = usize::try_from(-shift).unwrap_or(0);
            let end = in_len.saturating_add_signed(-shift).min(out_len);
            if first < end {
                let term = Term {
                    row: first.saturating_add_signed(shift) * batch,
                    tap,
                };
                let rows = y.reborrow().range(first * batch..end * batch);
                products(input, 1, &[term], packed, panel, Init::Accumulate, rows);
            }
        }
    }

    /// The whole output, over the threads that `exec` says.
    pub(crate) fn apply(&self, direction: Direction, x: &Signal, init: Init, y: &mut Signal, exec: &mut Exec) {
        let (threads, channels) = (exec.compute.threads, y.channels());
        let ready = self.ready(direction, x, exec);
        let rows = RowsMut::new(y.data_mut(), channels);
        over_columns(threads, Packed::PANEL, 0..channels, rows, &|columns, rows| {
            let init = match init {
                Init::Bias(bias) => Init::Bias(&bias[columns.clone()]),
                other => other,
            };
            self.columns(direction, &ready, x, columns, init, rows);
        });
    }

    /// The output's positions in runs; a position that no tap reaches is in a run of none.
    fn runs(&self, direction: Direction, in_len: usize, out_len: usize) -> impl Iterator<Item = Run> + use<'_> {
        let out_step = match direction {
            Direction::Down => 1,
            Direction::Up => self.stride,
        };
        (0..out_step.min(out_len)).flat_map(move |first| {
            let mut next = first;
            std::iter::from_fn(move || {
                if next >= out_len {
                    return None;
                }
                let mut run = self.reach(direction, next, in_len);
                let same = |other: &Run| other.taps == run.taps && (other.taps == 0 || other.tap == run.tap);
                let positions = (next..out_len).step_by(out_step);
                run.count = positions
                    .take_while(|&p| same(&self.reach(direction, p, in_len)))
                    .count();
                next += run.count * out_step;
                Some(run)
            })
        })
    }

    /// The taps that reach an output position, as a run of that position alone.
    fn reach(&self, direction: Direction, position: usize, in_len: usize) -> Run {
        let (stride, padding, kernel) = (self.stride, self.padding, self.kernel());
        let run = |tap, tap_step, taps, input, input_tap_step| Run {
            first: position,
            count: 1,
            tap,
            tap_step,
            taps,
            input,
            input_tap_step,
        };
        match direction {
            Direction::Down => {
                // 0 ≤ position·stride + k − padding < in_len
                let start = position * stride;
                let tap = padding.saturating_sub(start).min(kernel);
                let end = (in_len + padding).saturating_sub(start).clamp(tap, kernel);
                run(tap, 1, end - tap, (start + tap).saturating_sub(padding), 1)
            }
            Direction::Up => {
                // k = position + padding − input·stride, 0 ≤ k < kernel, input < in_len
                let sum = position + padding;
                let beyond = sum.saturating_sub((in_len - 1) * stride);
                // The first tap from there on that is congruent to `sum`.
                let tap = beyond + (sum - beyond) % stride;
                let last = sum.min(kernel - 1);
                let taps = if tap <= last { (last - tap) / stride + 1 } else { 0 };
                let input = if taps > 0 { (sum - tap) / stride } else { 0 };
                run(tap, stride, taps, input, -1)
            }
        }
    }

    /// self += the gradients of the weights, one (long, short) pair of signals after another: the same product for both
    /// directions. The taps are shared out over so many threads.
    pub(crate) fn accumulate_weight_grad(&mut self, parts: &[(&Signal, &Signal)], threads: usize) {
        for (long, short) in parts {
            assert_eq!(long.channels(), self.long_channels(), "channels of the longer signal");
            assert_eq!(
                short.channels(),
                self.short_channels(),
                "channels of the shorter signal"
            );
            assert_eq!(long.batch(), short.batch(), "batch");
        }
        self.packs = Default::default();
        let (long_channels, short_channels) = (self.long_channels(), self.short_channels());
        let (stride, padding) = (self.stride, self.padding);
        let weight = self.weight.as_slice_mut().expect("made in standard layout");
        let tap = |(k, weight): (usize, &mut [f32])| {
            let mut weight = RowsMut::new(weight, short_channels);
            for (long, short) in parts {
                let batch = long.batch();
                let (x, d) = (
                    Rows::new(long.data(), long_channels),
                    Rows::new(short.data(), short_channels),
                );
                // 0 ≤ p·stride + k − padding < long length
                let first = padding.saturating_sub(k).div_ceil(stride);
                let end = (long.len() + padding)
                    .saturating_sub(k)
                    .div_ceil(stride)
                    .min(short.len());
                let step = if stride == 1 {
                    end.saturating_sub(first).max(1)
                } else {
                    1
                };
                for p in (first..end).step_by(step) {
                    let q = p * stride + k - padding;
                    add_outer_products(
                        x.range(q * batch..(q + step) * batch),
                        d.range(p * batch..(p + step) * batch),
                        weight.reborrow(),
                    );
                }
            }
        };
        let taps = long_channels * short_channels;
        if threads > 1 {
            weight.par_chunks_exact_mut(taps).enumerate().for_each(tap);
        } else {
            weight.chunks_exact_mut(taps).enumerate().for_each(tap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of positions is in exactly one run, at its tap, taps in order.
    #[test]
    fn runs_hold_the_pairs_of_the_definition() {
        for kernel in 1..8 {
            for stride in 1..5 {
                for padding in 0..6 {
                    let taps = Taps {
                        stride,
                        padding,
                        ..Taps::zeros(1, 1, kernel)
                    };
                    for long in 1..14 {
                        let Some(short) = taps.short_len(long) else { continue };
                        check(&taps, Direction::Down, long, short);
                        check(&taps, Direction::Up, long, short);
                    }
                }
            }
        }
    }

    fn check(taps: &Taps, direction: Direction, long: usize, short: usize) {
        let (kernel, stride, padding) = (taps.kernel(), taps.stride, taps.padding);
        let (in_len, out_len) = if direction == Direction::Down {
            (long, short)
        } else {
            (short, long)
        };
        let (out_step, in_step) = if direction == Direction::Down {
            (1, stride)
        } else {
            (stride, 1)
        };
        let mut found = vec![Vec::new(); out_len];
        let mut visited = vec![0; out_len];
        for run in taps.runs(direction, in_len, out_len) {
            for i in 0..run.count {
                visited[run.first + i * out_step] += 1;
                for t in 0..run.taps {
                    let input = (run.input + i * in_step).wrapping_add_signed(run.input_tap_step * t as isize);
                    found[run.first + i * out_step].push((run.tap + t * run.tap_step, input));
                }
            }
        }
        assert!(visited.iter().all(|&v| v == 1), "{taps:?} {direction:?}: {visited:?}");
        for (output, found) in found.iter().enumerate() {
            let mut expected = Vec::new();
            for k in 0..kernel {
                for input in 0..in_len {
                    let (p, q) = if direction == Direction::Down {
                        (output, input)
                    } else {
                        (input, output)
                    };
                    if p * stride + k == q + padding {
                        expected.push((k, input));
                    }
                }
            }
            assert_eq!(
                found, &expected,
                "{kernel} {stride} {padding} {direction:?} {long} {short} at {output}"
            );
        }
    }
}
