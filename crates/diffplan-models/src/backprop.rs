//! Gradients of all parameters.
//!
//! A batch is cut into parts of a fixed number of samples. [`forward_saving`](UNet1dModel::forward_saving) takes the parts
//! through the network in parallel and keeps every layer's input; the caller turns the output into the gradient of its loss;
//! [`backward`](UNet1dModel::backward) takes the parts back, keeping every layer's gradient, and then sums the parameters'
//! gradients, layers in parallel, each over the parts in order. So the bits do not depend on the number of threads, and no
//! thread needs a gradient of its own.
//!
//! Convolutions go tap by tap: weights change at every step, and packing them for Toom-Cook would take longer than it saves.

use crate::blocks::GradTask;
use crate::error::Result;
use crate::run::{check_shape, check_timesteps, write_output};
use crate::time::TimeFeatures;
use crate::unet::UNet1dModel;
use crate::workspace::{Chunk, Saved};
use diffplan_nn::{Algorithm, Compute, Precision, zeros_like};
use ndarray::{Array3, ArrayD, ArrayView3, ArrayViewD, ArrayViewMut3, ArrayViewMutD, Axis, Ix3};
use rayon::prelude::*;

/// Samples that are computed together. Fixed, so that sums are the same for any number of threads.
const SAMPLES_A_PART: usize = 16;

/// Everything a forward pass keeps for the backward pass, of one model; made once and used for every step.
#[derive(Debug, Default)]
pub struct Backprop {
    parts: Vec<Part>,
    /// The samples of the last forward pass.
    batch: usize,
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
        let count = batch.div_ceil(SAMPLES_A_PART);
        backprop.parts.truncate(count);
        let times: Vec<TimeFeatures> = (0..count)
            .map(|i| match timesteps {
                [one] => self.time_features(&[*one]),
                each => self.time_features(&each[i * SAMPLES_A_PART..batch.min((i + 1) * SAMPLES_A_PART)]),
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
        let samples = sample.axis_chunks_iter(Axis(0), SAMPLES_A_PART);
        let outputs = output.axis_chunks_iter_mut(Axis(0), SAMPLES_A_PART);
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
    /// If a shape is not that of the last forward pass.
    ///
    /// # Panics
    /// If `param_grad` is of another shape than this model, or another model's forward pass came last.
    pub fn backward(
        &self,
        cotangent: ArrayViewD<f32>,
        sample_grad: Option<ArrayViewMut3<f32>>,
        param_grad: &mut UNet1dModel,
        backprop: &mut Backprop,
    ) -> Result<()> {
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
        let cotangents = cotangent.axis_chunks_iter(Axis(0), SAMPLES_A_PART);
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
            for (part, grad) in backprop
                .parts
                .iter()
                .zip(grad.axis_chunks_iter_mut(Axis(0), SAMPLES_A_PART))
            {
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
        self.down_blocks.iter().for_each(|block| block.pack_direct(&mut tasks));
        self.mid_block.pack_direct(&mut tasks);
        self.up_blocks.iter().for_each(|block| block.pack_direct(&mut tasks));
        self.out_block.iter().for_each(|block| block.pack_direct(&mut tasks));
        tasks.into_par_iter().with_max_len(1).for_each(|task| task(1));
    }

    fn sum_param_grads(&self, parts: &[Part], grad: &mut UNet1dModel) {
        for Part { chunk, time } in parts {
            let (Some(saved), mut d_embedding) = (&chunk.saved, vec![0.0; time.embedding_len()]) else {
                continue;
            };
            if let Some(out) = &chunk.out {
                out.add_d_embedding(&mut d_embedding, time.embedding_len() / time.rows());
            }
            time.backward(self, &saved.d_time(), &d_embedding, grad);
        }
        let saved: Vec<&Saved> = parts.iter().filter_map(|part| part.chunk.saved.as_ref()).collect();
        let mut tasks = Vec::new();
        for (i, (block, grad)) in self.down_blocks.iter().zip(&mut grad.down_blocks).enumerate() {
            let saved: Vec<_> = saved.iter().map(|saved| &saved.down[i]).collect();
            block.param_grads(&saved, grad, &mut tasks);
        }
        let of_mid: Vec<_> = saved.iter().map(|saved| &saved.mid).collect();
        self.mid_block.param_grads(&of_mid, &mut grad.mid_block, &mut tasks);
        for (i, (block, grad)) in self.up_blocks.iter().zip(&mut grad.up_blocks).enumerate() {
            let saved: Vec<_> = saved.iter().map(|saved| &saved.up[i]).collect();
            block.param_grads(&saved, grad, &mut tasks);
        }
        if let (Some(block), Some(grad)) = (&self.out_block, &mut grad.out_block) {
            let out: Vec<_> = parts.iter().filter_map(|part| part.chunk.out.as_ref()).collect();
            block.param_grads(&out, grad, &mut tasks);
        }
        let threads = rayon::current_num_threads();
        tasks.into_par_iter().with_max_len(1).for_each(|task| task(threads));
    }
}
