//! What depends on the timestep alone: the time embedding, and its projection for every residual block.
//!
//! Guidance visits each timestep several times and every plan visits them again, so these are computed once and kept.

use diffplan_kernels::{activate, activation_grad};
use diffplan_nn::{
    Activation, GaussianFourierProjection, Linear, Params, Path, Role, TimestepEmbedding, TimestepEmbeddingSaved,
    Timesteps,
};
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

    fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
        if let TimeProjection::Fourier(projection, _) = self {
            projection.visit_roles(f);
        }
    }
}

/// The layers that make the time embedding and its projections.
pub(crate) struct TimeLayers<'a> {
    pub(crate) projection: &'a TimeProjection,
    /// None where blocks read the vector itself.
    pub(crate) mlp: Option<&'a TimestepEmbedding>,
    /// One a residual block, by slot.
    pub(crate) blocks: Vec<&'a Linear>,
}

/// A residual block's layer that projects the time embedding, and what its gradient is computed from.
pub(crate) struct TimeGrad<'a> {
    pub(crate) slot: usize,
    pub(crate) layer: &'a Linear,
    pub(crate) grad: &'a mut Linear,
    /// The gradient of the projection, for every part of the batch.
    pub(crate) d: Vec<&'a [f32]>,
}

/// The time embedding of one timestep for a whole batch, or of one a sample, and its projection for every residual block.
/// Made by [`UNet1dModel::time_features`](crate::UNet1dModel::time_features); stale once the model's parameters change. Another
/// model, a copy too, refuses them.
#[derive(Clone, Debug)]
pub struct TimeFeatures {
    /// The model they are of.
    model: u64,
    rows: usize,
    /// (rows, time channels): sinusoids or Fourier features.
    vectors: Vec<f32>,
    saved: TimestepEmbeddingSaved,
    /// (rows, embedding), and Mish of it, which the projections read.
    embedding: Vec<f32>,
    activated: Vec<f32>,
    /// For every residual block, by slot: (rows, its channels).
    projections: Vec<Vec<f32>>,
}

impl TimeFeatures {
    /// The number of timesteps: 1, or one a sample.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of the model they are of.
    pub(crate) fn model(&self) -> u64 {
        self.model
    }

    pub(crate) fn new(model: u64, layers: &TimeLayers, timesteps: &[f32]) -> Self {
        let rows = timesteps.len();
        let channels = layers.projection.channels();
        let mut vectors = vec![0.0; rows * channels];
        for (row, &timestep) in vectors.chunks_exact_mut(channels).zip(timesteps) {
            layers.projection.embed(timestep, row);
        }
        let (embedding, saved) = layers.mlp.map(|mlp| mlp.forward(&vectors)).unwrap_or_default();
        let mut activated = vec![0.0; embedding.len()];
        activate(Activation::Mish, &embedding, &mut activated);
        let project = |layer: &&Linear| {
            let mut projection = vec![0.0; rows * layer.out_features()];
            layer.forward(&activated, &mut projection);
            projection
        };
        let projections = layers.blocks.iter().map(project).collect();
        Self {
            model,
            rows,
            vectors,
            saved,
            embedding,
            activated,
            projections,
        }
    }

    /// The rows of some samples.
    pub(crate) fn of_samples(&self, samples: Range<usize>) -> TimeRows<'_> {
        TimeRows {
            features: self,
            samples,
        }
    }

    /// Adds the gradients of the embedding's network to `mlp_grad` and those of the blocks' layers to their own, from those of the
    /// projections in part `part` of a batch, summed by slot, and `d_embedding`, that of the embedding itself, which a value
    /// function's last block reads.
    pub(crate) fn backward(
        &self,
        mlp: &TimestepEmbedding,
        blocks: &mut [TimeGrad],
        part: usize,
        d_embedding: &[f32],
        mlp_grad: &mut TimestepEmbedding,
    ) {
        let mut d_activated = vec![0.0; self.activated.len()];
        let mut d_one = vec![0.0; self.activated.len()];
        for block in blocks {
            let Some(d) = block.d.get(part) else { continue };
            block.layer.weight_grad(&self.activated, d, block.grad);
            block.layer.bias_grad(d, block.grad);
            block.layer.input_grad(d, &mut d_one);
            d_activated.iter_mut().zip(&d_one).for_each(|(sum, d)| *sum += d);
        }
        let mut d = d_one;
        activation_grad(Activation::Mish, &self.embedding, &d_activated, &mut d);
        d.iter_mut().zip(d_embedding).for_each(|(sum, d)| *sum += d);
        mlp.backward(&self.vectors, &self.saved, &d, mlp_grad);
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
}

impl<'a> TimeRows<'a> {
    /// A residual block's rows: one for all samples, or one each.
    pub(crate) fn rows(&self, slot: usize) -> &'a [f32] {
        let rows = &self.features.projections[slot];
        if self.features.rows == 1 {
            return rows;
        }
        let width = rows.len() / self.features.rows;
        &rows[self.samples.start * width..self.samples.end * width]
    }

    /// The vector of the `b`-th of these samples' timestep, as it is before the embedding's network.
    pub(crate) fn vector(&self, b: usize) -> &'a [f32] {
        self.row(&self.features.vectors, b)
    }

    /// The embedding of the `b`-th of these samples.
    pub(crate) fn embedding(&self, b: usize) -> &'a [f32] {
        self.row(&self.features.embedding, b)
    }

    /// The row of the `b`-th of these samples.
    fn row(&self, rows: &'a [f32], b: usize) -> &'a [f32] {
        let width = rows.len() / self.features.rows;
        let row = if self.features.rows == 1 {
            0
        } else {
            self.samples.start + b
        };
        &rows[row * width..(row + 1) * width]
    }
}
