//! Gradients of all parameters.
//!
//! A batch is cut into parts, of a number of samples that hangs on their length alone. [`forward_saving`](UNet1dModel::forward_saving) takes the parts
//! through the network in parallel and keeps every layer's input; the caller turns the output into the gradient of its loss;
//! [`backward`](UNet1dModel::backward) takes the parts back, keeping every layer's gradient, and then sums the parameters'
//! gradients, layers in parallel, each over the parts in order. So the bits do not depend on the number of threads, and no
//! thread needs a gradient of its own.
//!
//! Convolutions go tap by tap: weights change at every step, and packing them for Toom-Cook would take longer than it saves.

use crate::error::{Error, Result};
use crate::unet1d::UNet1dModel;
use crate::unet1d::blocks::{AnySaved, Block, GradTask, Gradients};
use crate::unet1d::run::{check_shape, check_timesteps, write_output};
use crate::unet1d::time::TimeFeatures;
use crate::unet1d::workspace::{Chunk, Saved};
use diffplan_nn::{Algorithm, Compute, Precision, zeros_like};
use ndarray::{Array3, ArrayD, ArrayView3, ArrayViewD, ArrayViewMut3, ArrayViewMutD, Axis, Ix3};
use rayon::prelude::*;

/// Positions that are computed together, of as many samples as it takes, but of no more than [`MOST_SAMPLES`].
const POSITIONS_A_PART: usize = 512;
const MOST_SAMPLES: usize = 16;

/// Samples of a part. By their length alone, so that sums are the same for any number of threads: a few long samples are then shared
/// out too.
fn samples_a_part(len: usize) -> usize {
    (POSITIONS_A_PART / len.max(1)).clamp(1, MOST_SAMPLES)
}

/// Everything a forward pass keeps for the backward pass, of one model; made once and used for every step.
#[derive(Debug, Default)]
pub struct Backprop {
    parts: Vec<Part>,
    /// The samples of the last forward pass.
    batch: usize,
    /// The model that it was of; 0 if there was none.
    model: u64,
}

#[derive(Debug)]
struct Part {
    chunk: Chunk,
    time: TimeFeatures,
}

/// What [`UNet1dModel::vjp`] computes.
#[derive(Debug)]
pub struct Vjp {
    /// The output, (batch, out channels, horizon), or (batch, 1) of a value function.
    pub output: ArrayD<f32>,
    /// The gradient with respect to the sample, (batch, channels, horizon).
    pub sample_grad: Array3<f32>,
    /// The gradients with respect to all parameters.
    pub param_grad: UNet1dModel,
}

impl UNet1dModel {
    /// [`forward_into`](Self::forward_into), keeping in `backprop` what [`backward`](Self::backward) reads. Runs on all threads
    /// of the rayon pool it is called in.
    ///
    /// # Shapes
    /// `sample` (batch, channels, horizon); `timesteps` one, or one a sample; `output` as
    /// [`output_shape`](Self::output_shape) says.
    ///
    /// # Errors
    /// If a shape or the horizon does not fit; nothing is changed then.
    pub fn forward_saving(
        &self,
        sample: ArrayView3<f32>,
        timesteps: &[f32],
        mut output: ArrayViewMutD<f32>,
        backprop: &mut Backprop,
    ) -> Result<()> {
        let batch = sample.dim().0;
        self.check_channels(sample)?;
        check_timesteps(timesteps.len(), batch)?;
        check_shape("output", output.shape(), &self.output_shape(batch, sample.dim().2)?)?;
        self.pack_direct();
        backprop.batch = batch;
        if backprop.model != self.identity.number() {
            backprop.model = self.identity.number();
            backprop.parts.clear();
        }
        let per_part = samples_a_part(sample.dim().2);
        let count = batch.div_ceil(per_part);
        backprop.parts.truncate(count);
        let times: Vec<TimeFeatures> = (0..count)
            .map(|i| match timesteps {
                [one] => self.time_features(&[*one]),
                each => self.time_features(&each[i * per_part..batch.min((i + 1) * per_part)]),
            })
            .collect();
        for (i, time) in times.into_iter().enumerate() {
            match backprop.parts.get_mut(i) {
                Some(part) => part.time = time,
                None => {
                    let chunk = Chunk::keeping_all(self);
                    backprop.parts.push(Part { chunk, time });
                }
            }
        }
        for part in &mut backprop.parts {
            part.chunk.scratch.exec.compute = Compute {
                threads: rayon::current_num_threads().div_ceil(count),
                algorithm: Algorithm::Direct,
                precision: Precision::F32,
            };
        }
        let samples = sample.axis_chunks_iter(Axis(0), per_part);
        let outputs = output.axis_chunks_iter_mut(Axis(0), per_part);
        let work: Vec<_> = backprop.parts.iter_mut().zip(samples.zip(outputs)).collect();
        work.into_par_iter().for_each(|(part, (sample, output))| {
            self.forward_chunk(&mut part.chunk, 0, sample, &part.time);
            write_output(&part.chunk, output);
        });
        Ok(())
    }

    /// Adds the gradients of ⟨output, cotangent⟩ with respect to all parameters to `param_grad`, a model of the same shape,
    /// from what the last [`forward_saving`](Self::forward_saving) kept; that with respect to the sample is written to
    /// `sample_grad` where it is given.
    ///
    /// # Shapes
    /// `cotangent` as the output, `sample_grad` as the sample.
    ///
    /// # Errors
    /// If a shape is not that of the last forward pass, or that was another model's.
    ///
    /// # Panics
    /// If `param_grad` is of another shape than this model.
    pub fn backward(
        &self,
        cotangent: ArrayViewD<f32>,
        sample_grad: Option<ArrayViewMut3<f32>>,
        param_grad: &mut UNet1dModel,
        backprop: &mut Backprop,
    ) -> Result<()> {
        if backprop.model != self.identity.number() {
            return Err(Error::OtherModel {
                what: "what the forward pass kept",
            });
        }
        let (len, batch) = (
            backprop.parts.first().map_or(0, |part| part.chunk.horizon),
            backprop.batch,
        );
        check_shape("cotangent", cotangent.shape(), &self.output_shape(batch, len)?)?;
        if let Some(grad) = &sample_grad {
            check_shape(
                "sample_grad",
                grad.shape(),
                &[batch, self.config().sample_channels(), len],
            )?;
        }
        let per_part = samples_a_part(len);
        let cotangents = cotangent.axis_chunks_iter(Axis(0), per_part);
        let work: Vec<_> = backprop.parts.iter_mut().zip(cotangents).collect();
        work.into_par_iter().for_each(|(part, cotangent)| {
            let d_values: Vec<f32> = match cotangent.view().into_dimensionality::<Ix3>() {
                Ok(signal) => {
                    part.chunk.x.copy_from_bcl(signal);
                    Vec::new()
                }
                Err(_) => cotangent.iter().copied().collect(),
            };
            self.backward_chunk(&mut part.chunk, &d_values);
        });
        if let Some(mut grad) = sample_grad {
            for (part, grad) in backprop.parts.iter().zip(grad.axis_chunks_iter_mut(Axis(0), per_part)) {
                part.chunk.x.copy_to_bcl(grad);
            }
        }
        self.sum_param_grads(&backprop.parts, param_grad);
        Ok(())
    }

    /// The vector-Jacobian product: the output, and the gradients of ⟨output, cotangent⟩ with respect to the sample and to
    /// all parameters. Allocates all it needs; for many steps use [`forward_saving`](Self::forward_saving) and
    /// [`backward`](Self::backward).
    ///
    /// # Shapes
    /// `sample` (batch, channels, horizon); `cotangent` as the output of [`forward`](Self::forward); `timesteps` one, or one
    /// a sample.
    ///
    /// # Errors
    /// If a shape or the horizon does not fit.
    pub fn vjp(&self, sample: ArrayView3<f32>, timesteps: &[f32], cotangent: ArrayViewD<f32>) -> Result<Vjp> {
        let shape = self.output_shape(sample.dim().0, sample.dim().2)?;
        check_shape("cotangent", cotangent.shape(), &shape)?;
        let (mut output, mut sample_grad) = (ArrayD::zeros(shape), Array3::zeros(sample.dim()));
        let (mut backprop, mut param_grad) = (Backprop::default(), zeros_like(self));
        self.forward_saving(sample, timesteps, output.view_mut(), &mut backprop)?;
        self.backward(cotangent, Some(sample_grad.view_mut()), &mut param_grad, &mut backprop)?;
        Ok(Vjp {
            output,
            sample_grad,
            param_grad,
        })
    }

    /// Packs all convolutions' weights, in parallel.
    fn pack_direct(&self) {
        let mut tasks: Vec<GradTask> = Vec::new();
        self.blocks().for_each(|block| block.pack_direct(&mut tasks));
        tasks.into_par_iter().with_max_len(1).for_each(|task| task(1));
    }

    fn sum_param_grads(&self, parts: &[Part], grad: &mut UNet1dModel) {
        let saved: Vec<&Saved> = parts.iter().filter_map(|part| part.chunk.saved.as_ref()).collect();
        let UNet1dModel {
            time_mlp,
            down_blocks,
            mid_block,
            up_blocks,
            out_block,
            ..
        } = grad;
        let mut into = Gradients::default();
        for (i, (block, grad)) in self.down_blocks.iter().zip(down_blocks).enumerate() {
            block.param_grads(&of_parts(&saved, |saved| Some(&saved.down[i])), grad, &mut into);
        }
        if let (Some(block), Some(grad)) = (&self.mid_block, mid_block) {
            block.param_grads(&of_parts(&saved, |saved| saved.mid.as_ref()), grad, &mut into);
        }
        for (i, (block, grad)) in self.up_blocks.iter().zip(up_blocks).enumerate() {
            block.param_grads(&of_parts(&saved, |saved| Some(&saved.up[i])), grad, &mut into);
        }
        if let (Some(block), Some(grad)) = (&self.out_block, out_block) {
            block.param_grads(&of_parts(&saved, |saved| saved.out.as_ref()), grad, &mut into);
        }
        let Gradients { tasks, mut time, last } = into;
        time.sort_by_key(|block| block.slot);
        for (i, part) in parts.iter().enumerate() {
            let mut d_embedding = vec![0.0; part.time.embedding_len()];
            if let Some(&(width, rows)) = last.get(i) {
                add_d_embedding(rows, width, &mut d_embedding, part.time.rows());
            }
            if let (Some(mlp), Some(grad)) = (&self.time_mlp, &mut *time_mlp) {
                part.time.backward(mlp, &mut time, i, &d_embedding, grad);
            }
        }
        let threads = rayon::current_num_threads();
        tasks.into_par_iter().with_max_len(1).for_each(|task| task(threads));
    }
}

/// What one block kept of every part.
fn of_parts<'a>(parts: &[&'a Saved], of: impl Fn(&'a Saved) -> Option<&'a AnySaved>) -> Vec<&'a AnySaved> {
    parts.iter().filter_map(|saved| of(saved)).collect()
}

/// Adds the gradient of the time embedding, at the end of each of `gradients`, rows of `width` numbers, to `sums`, (1 or a sample
/// each, time channels).
fn add_d_embedding(gradients: &[f32], width: usize, sums: &mut [f32], rows: usize) {
    let time_channels = sums.len() / rows;
    for (b, row) in gradients.chunks_exact(width).enumerate() {
        let own = if rows == 1 { 0 } else { b };
        let sums = sums[own * time_channels..].iter_mut();
        sums.zip(&row[width - time_channels..]).for_each(|(sum, d)| *sum += d);
    }
}
