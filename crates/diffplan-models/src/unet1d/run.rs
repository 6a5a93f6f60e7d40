//! Forward and backward passes of [`UNet1dModel`]: the batch split over threads, each part taken through the whole network.

use crate::error::{Error, Result};
use crate::unet1d::UNet1dModel;
use crate::unet1d::blocks::{Backward, Block, Forward, Keep};
use crate::unet1d::time::TimeFeatures;
use crate::unet1d::workspace::{Chunk, Saved, Workspace};
use ndarray::{Array1, Array3, ArrayD, ArrayView3, ArrayViewMut1, ArrayViewMut3, ArrayViewMutD, Axis};
use ndarray::{Ix2, Ix3};

impl UNet1dModel {
    /// The output for `sample` (batch, channels, horizon): (batch, out channels, horizon), or (batch, 1) of a value function.
    ///
    /// `timesteps` is one for the whole batch, or one a sample. Allocates all it needs; for many calls use
    /// [`forward_into`](Self::forward_into).
    ///
    /// # Errors
    /// If a shape or the horizon does not fit.
    pub fn forward(&self, sample: ArrayView3<f32>, timesteps: &[f32]) -> Result<ArrayD<f32>> {
        let mut output = ArrayD::zeros(self.output_shape(sample.dim().0, sample.dim().2)?);
        let mut workspace = Workspace::new(rayon::current_num_threads());
        self.forward_into(
            sample,
            &self.time_features(timesteps),
            output.view_mut(),
            &mut workspace,
        )?;
        Ok(output)
    }

    /// The values (batch) for `sample` (batch, channels, horizon), and the gradient of their sum with respect to it.
    ///
    /// # Errors
    /// If this is not a value function, or a shape or the horizon does not fit.
    pub fn value_and_grad(&self, sample: ArrayView3<f32>, timesteps: &[f32]) -> Result<(Array1<f32>, Array3<f32>)> {
        let (mut values, mut grad) = (Array1::zeros(sample.dim().0), Array3::zeros(sample.dim()));
        let mut workspace = Workspace::new(rayon::current_num_threads());
        let features = self.time_features(timesteps);
        self.value_and_grad_into(sample, &features, values.view_mut(), grad.view_mut(), &mut workspace)?;
        Ok((values, grad))
    }

    /// The shape of the output for a batch of that horizon.
    ///
    /// # Errors
    /// If the network cannot take the horizon.
    pub fn output_shape(&self, batch: usize, horizon: usize) -> Result<Vec<usize>> {
        self.check_length(horizon)?;
        let (shape, axes) = self.output_axes(batch, horizon);
        Ok(shape[..axes].to_vec())
    }

    /// The output's shape for a horizon that was checked, and how many axes it has.
    fn output_axes(&self, batch: usize, horizon: usize) -> ([usize; 3], usize) {
        if self.is_value_function() {
            return ([batch, 1, 1], 2);
        }
        let channels = match &self.out_block {
            Some(_) => self.config().out_channels,
            None => self.config().hidden_channels(),
        };
        let len = self.output_len(horizon).expect("the horizon was checked");
        ([batch, channels, len], 3)
    }

    /// [`forward`](Self::forward) into `output`, with buffers that are kept.
    ///
    /// # Errors
    /// If a shape or the horizon does not fit; the output is then untouched.
    pub fn forward_into(
        &self,
        sample: ArrayView3<f32>,
        time: &TimeFeatures,
        output: ArrayViewMutD<f32>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        self.check_sample(sample, time)?;
        self.check_output("output", output.shape(), sample)?;
        let (parts, per_part) = workspace.parts(self, sample.dim().0, sample.dim().2);
        let run = &|chunk: &mut Chunk, first: usize, sample: ArrayView3<f32>, output: ArrayViewMutD<f32>| {
            self.forward_chunk(chunk, first, sample, time);
            write_output(chunk, output);
        };
        split(parts, per_part, 0, sample, output, run);
        Ok(())
    }

    /// The values alone, without a gradient.
    ///
    /// # Shapes
    /// `sample` (batch, channels, horizon), `values` (batch).
    ///
    /// # Errors
    /// If this is not a value function, or a shape or the horizon does not fit; the values are then untouched.
    pub fn value_into(
        &self,
        sample: ArrayView3<f32>,
        time: &TimeFeatures,
        values: ArrayViewMut1<f32>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        self.check_value_function()?;
        self.forward_into(sample, time, values.insert_axis(Axis(1)).into_dyn(), workspace)
    }

    /// [`value_and_grad`](Self::value_and_grad) into `values` and `grad`, with buffers that are kept.
    ///
    /// # Shapes
    /// `sample` and `grad` (batch, channels, horizon), `values` (batch).
    ///
    /// # Errors
    /// If this is not a value function, or a shape or the horizon does not fit; the outputs are then untouched.
    pub fn value_and_grad_into(
        &self,
        sample: ArrayView3<f32>,
        time: &TimeFeatures,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        self.check_value_function()?;
        self.check_sample(sample, time)?;
        check_shape("values", values.shape(), &[sample.dim().0])?;
        check_shape("grad", grad.shape(), sample.shape())?;
        let (parts, per_part) = workspace.parts(self, sample.dim().0, sample.dim().2);
        let run = &|chunk: &mut Chunk, first: usize, sample: ArrayView3<f32>, mut out: ValueAndGrad| {
            chunk.saved.get_or_insert_with(|| Saved::new(self, Keep::SampleGrad));
            self.forward_chunk(chunk, first, sample, time);
            chunk.ones.resize(sample.dim().0, 1.0);
            out.values
                .iter_mut()
                .zip(&chunk.values)
                .for_each(|(to, from)| *to = *from);
            let ones = std::mem::take(&mut chunk.ones);
            self.backward_chunk(chunk, &ones);
            chunk.ones = ones;
            chunk.x.copy_to_bcl(out.grad);
        };
        split(parts, per_part, 0, sample, ValueAndGrad { values, grad }, run);
        Ok(())
    }

    /// `chunk.x` becomes the output for `sample`, samples `first..` of the batch; a value function's is in `chunk.values`. What a
    /// backward pass reads is kept where there is a place for it.
    pub(crate) fn forward_chunk(&self, chunk: &mut Chunk, first: usize, sample: ArrayView3<f32>, time: &TimeFeatures) {
        let Chunk {
            horizon,
            x,
            skips,
            scratch,
            values,
            saved,
            ..
        } = chunk;
        let mut run = Forward {
            time: time.of_samples(first..first + sample.dim().0),
            scratch,
            values,
        };
        *horizon = sample.dim().2;
        x.copy_from_bcl(sample);
        let unused = self.down_blocks.len() - self.up_blocks.len();
        for (i, block) in self.down_blocks.iter().enumerate() {
            let skip = (i >= unused).then_some(&mut skips[i]);
            block.forward(x, skip, saved.as_mut().map(|s| &mut s.down[i]), &mut run);
        }
        if let Some(block) = &self.mid_block {
            let mid = saved.as_mut().and_then(|s| s.mid.as_mut());
            block.forward(x, None, mid, &mut run);
        }
        for (i, block) in self.up_blocks.iter().enumerate() {
            let skip = skips.iter_mut().rev().nth(i);
            block.forward(x, skip, saved.as_mut().map(|s| &mut s.up[i]), &mut run);
        }
        if let Some(block) = &self.out_block {
            let out = saved.as_mut().and_then(|s| s.out.as_mut());
            block.forward(x, None, out, &mut run);
        }
    }

    /// `chunk.x`, the gradient of the output, becomes that of the sample; a value function's output has its in `d_values`.
    pub(crate) fn backward_chunk(&self, chunk: &mut Chunk, d_values: &[f32]) {
        let Chunk {
            x,
            skips,
            scratch,
            saved,
            ..
        } = chunk;
        let run = &mut Backward { scratch, d_values };
        let saved = saved.as_mut().expect("the forward pass saved what this pass reads");
        if let (Some(block), Some(out)) = (&self.out_block, &mut saved.out) {
            block.backward(x, None, out, run);
        }
        for (i, block) in self.up_blocks.iter().enumerate().rev() {
            block.backward(x, skips.iter_mut().rev().nth(i), &mut saved.up[i], run);
        }
        if let (Some(block), Some(mid)) = (&self.mid_block, &mut saved.mid) {
            block.backward(x, None, mid, run);
        }
        let unused = self.down_blocks.len() - self.up_blocks.len();
        for (i, block) in self.down_blocks.iter().enumerate().rev() {
            let d_skip = (i >= unused).then_some(&mut skips[i]);
            block.backward(x, d_skip, &mut saved.down[i], run);
        }
    }

    pub(crate) fn check_channels(&self, sample: ArrayView3<f32>) -> Result<()> {
        let channels = self.config().sample_channels();
        if sample.dim().1 == channels && sample.dim().0 > 0 {
            return Ok(());
        }
        let expected = format!("(batch of at least 1, {channels} channels, horizon)");
        Err(Error::Shape {
            name: "sample",
            actual: sample.shape().to_vec(),
            expected,
        })
    }

    fn check_sample(&self, sample: ArrayView3<f32>, time: &TimeFeatures) -> Result<()> {
        self.check_channels(sample)?;
        self.check_length(sample.dim().2)?;
        if time.model() != self.identity.number() {
            return Err(Error::OtherModel { what: "time features" });
        }
        check_timesteps(time.rows(), sample.dim().0)
    }

    fn check_output(&self, name: &'static str, actual: &[usize], sample: ArrayView3<f32>) -> Result<()> {
        let (shape, axes) = self.output_axes(sample.dim().0, sample.dim().2);
        check_shape(name, actual, &shape[..axes])
    }

    fn check_value_function(&self) -> Result<()> {
        if self.is_value_function() {
            return Ok(());
        }
        Err(Error::NotAValueFunction {
            out_block_type: self.config().out_block_type.map(|kind| format!("{kind:?}")),
        })
    }
}

pub(crate) fn check_shape(name: &'static str, actual: &[usize], expected: &[usize]) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::Shape {
        name,
        actual: actual.to_vec(),
        expected: format!("{expected:?}"),
    })
}

pub(crate) fn check_timesteps(rows: usize, batch: usize) -> Result<()> {
    if rows == 1 || rows == batch {
        return Ok(());
    }
    Err(Error::Shape {
        name: "timesteps",
        actual: vec![rows],
        expected: format!("[1] or [{batch}], one a sample"),
    })
}

/// Copies a part's output to where the caller wants it.
pub(crate) fn write_output(chunk: &Chunk, mut output: ArrayViewMutD<f32>) {
    match output.view_mut().into_dimensionality::<Ix3>() {
        Ok(signal) => chunk.x.copy_to_bcl(signal),
        Err(_) => {
            let mut values = output
                .into_dimensionality::<Ix2>()
                .expect("checked: a signal, or a value a sample");
            values.iter_mut().zip(&chunk.values).for_each(|(to, from)| *to = *from);
        }
    }
}

/// What a part of the batch is written to; splits along the samples.
trait Output: Send + Sized {
    fn split_at(self, samples: usize) -> (Self, Self);
}

impl Output for ArrayViewMutD<'_, f32> {
    fn split_at(self, samples: usize) -> (Self, Self) {
        ArrayViewMutD::split_at(self, Axis(0), samples)
    }
}

struct ValueAndGrad<'a> {
    values: ArrayViewMut1<'a, f32>,
    grad: ArrayViewMut3<'a, f32>,
}

impl Output for ValueAndGrad<'_> {
    fn split_at(self, samples: usize) -> (Self, Self) {
        let (values, values_rest) = self.values.split_at(Axis(0), samples);
        let (grad, grad_rest) = self.grad.split_at(Axis(0), samples);
        (
            Self { values, grad },
            Self {
                values: values_rest,
                grad: grad_rest,
            },
        )
    }
}

/// Runs `run` on every part with its samples and its output, in parallel: halves of halves, so that nothing is allocated.
fn split<O: Output>(
    parts: &mut [Chunk],
    per_part: usize,
    first: usize,
    sample: ArrayView3<f32>,
    output: O,
    run: &(impl Fn(&mut Chunk, usize, ArrayView3<f32>, O) + Sync),
) {
    if let [part] = parts {
        return run(part, first, sample, output);
    }
    let (left, right) = parts.split_at_mut(parts.len() / 2);
    let samples = left.len() * per_part;
    let (sample, sample_rest) = sample.split_at(Axis(0), samples);
    let (output, output_rest) = output.split_at(samples);
    rayon::join(
        || split(left, per_part, first, sample, output, run),
        || split(right, per_part, first + samples, sample_rest, output_rest, run),
    );
}
