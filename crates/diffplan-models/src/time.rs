//! What depends on the timestep alone: the time embedding, and its projection for every residual block.
//!
//! Guidance visits each timestep several times and every plan visits them again, so these are computed once and kept.

use crate::blocks::ResidualTemporalBlock1d;
use crate::unet::UNet1dModel;
use diffplan_kernels::{activate, activation_grad};
use diffplan_nn::{Activation, GaussianFourierProjection, Params, Path, TimestepEmbeddingSaved, Timesteps};
use ndarray::{ArrayViewD, ArrayViewMutD};
use ndarray_rand::rand::RngCore;
use std::ops::Range;

/// How a timestep becomes a vector.
#[derive(Clone, Debug)]
pub(crate) enum TimeProjection {
    Positional(Timesteps),
    Fourier(GaussianFourierProjection, usize),
}

impl TimeProjection {
    pub(crate) fn channels(&self) -> usize {
        match self {
            TimeProjection::Positional(timesteps) => timesteps.channels,
            TimeProjection::Fourier(_, channels) => *channels,
        }
    }

    fn embed(&self, timestep: f32, out: &mut [f32]) {
        match self {
            TimeProjection::Positional(timesteps) => timesteps.embed(timestep, out),
            TimeProjection::Fourier(projection, _) => projection.embed(timestep, out),
        }
    }
}

impl Params for TimeProjection {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        if let TimeProjection::Fourier(projection, _) = self {
            projection.visit(path, f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        if let TimeProjection::Fourier(projection, _) = self {
            projection.visit_mut(path, f);
        }
    }

    fn init(&mut self, rng: &mut dyn RngCore) {
        if let TimeProjection::Fourier(projection, _) = self {
            projection.init(rng);
        }
    }
}

/// The time embedding of one timestep for a whole batch, or of one a sample, and its projection for every residual block.
/// Made by [`UNet1dModel::time_features`]; of use to that model alone, and stale once its parameters change.
#[derive(Clone, Debug)]
pub struct TimeFeatures {
    rows: usize,
    /// (rows, time channels): sinusoids or Fourier features.
    vectors: Vec<f32>,
    saved: TimestepEmbeddingSaved,
    /// (rows, embedding), and Mish of it, which the projections read.
    embedding: Vec<f32>,
    activated: Vec<f32>,
    /// For every residual block in the order of the forward pass: (rows, its channels).
    projections: Vec<Vec<f32>>,
}

impl TimeFeatures {
    /// The number of timesteps: 1, or one a sample.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn new(model: &UNet1dModel, timesteps: &[f32]) -> Self {
        let rows = timesteps.len();
        let mut vectors = vec![0.0; rows * model.time_proj.channels()];
        for (row, &timestep) in vectors.chunks_exact_mut(model.time_proj.channels()).zip(timesteps) {
            model.time_proj.embed(timestep, row);
        }
        let (embedding, saved) = model.time_mlp.forward(&vectors);
        let mut activated = vec![0.0; embedding.len()];
        activate(Activation::Mish, &embedding, &mut activated);
        let project = |block: &ResidualTemporalBlock1d| {
            let mut projection = vec![0.0; rows * block.time_emb.out_features()];
            block.time_emb.forward(&activated, &mut projection);
            projection
        };
        let projections = model.residual_blocks().into_iter().map(project).collect();
        Self {
            rows,
            vectors,
            saved,
            embedding,
            activated,
            projections,
        }
    }

    /// The rows of some samples, handed out block by block.
    pub(crate) fn of_samples(&self, samples: Range<usize>) -> TimeRows<'_> {
        TimeRows {
            features: self,
            samples,
            next: 0,
        }
    }

    /// Adds the gradients of the time embedding's parameters and of every block's projection to `grad`, from those of the
    /// projections, block by block in the order of the forward pass, and that of the embedding itself, which a value
    /// function's last block reads.
    pub(crate) fn backward(
        &self,
        model: &UNet1dModel,
        d_projections: &[&[f32]],
        d_embedding: &[f32],
        grad: &mut UNet1dModel,
    ) {
        let mut d_activated = vec![0.0; self.activated.len()];
        let mut d_one = vec![0.0; self.activated.len()];
        let blocks = model.residual_blocks().into_iter().zip(grad.residual_blocks_mut());
        for ((block, grad), d) in blocks.zip(d_projections) {
            block.time_emb.weight_grad(&self.activated, d, &mut grad.time_emb);
            block.time_emb.bias_grad(d, &mut grad.time_emb);
            block.time_emb.input_grad(d, &mut d_one);
            d_activated.iter_mut().zip(&d_one).for_each(|(sum, d)| *sum += d);
        }
        let mut d = d_one;
        activation_grad(Activation::Mish, &self.embedding, &d_activated, &mut d);
        d.iter_mut().zip(d_embedding).for_each(|(sum, d)| *sum += d);
        model
            .time_mlp
            .backward(&self.vectors, &self.saved, &d, &mut grad.time_mlp);
    }

    /// The size of the embedding: (rows, time channels) in all.
    pub(crate) fn embedding_len(&self) -> usize {
        self.embedding.len()
    }
}

/// The part of [`TimeFeatures`] that some samples read.
#[derive(Clone, Debug)]
pub(crate) struct TimeRows<'a> {
    features: &'a TimeFeatures,
    samples: Range<usize>,
    next: usize,
}

impl<'a> TimeRows<'a> {
    /// The next residual block's rows: one for all samples, or one each.
    pub(crate) fn next_rows(&mut self) -> &'a [f32] {
        let rows = &self.features.projections[self.next];
        self.next += 1;
        if self.features.rows == 1 {
            return rows;
        }
        let width = rows.len() / self.features.rows;
        &rows[self.samples.start * width..self.samples.end * width]
    }

    /// The embedding of the `b`-th of these samples.
    pub(crate) fn embedding(&self, b: usize) -> &'a [f32] {
        let width = self.features.embedding.len() / self.features.rows;
        let row = if self.features.rows == 1 {
            0
        } else {
            self.samples.start + b
        };
        &self.features.embedding[row * width..(row + 1) * width]
    }
}
