//! [`Workspace`]: every buffer of a network's passes, a set a thread.

use crate::unet1d::UNet1dModel;
use crate::unet1d::blocks::{AnySaved, Block, Keep, Scratch};
use diffplan_nn::{Compute, Signal};

/// The buffers of forward and backward passes, and how they are computed.
///
/// Made once and used for every call of one model (another makes them anew); buffers grow to the largest batch and horizon seen. Threads are those of
/// the rayon pool that the call runs in: a batch is split between them, each taking its samples through the whole network;
/// where there are too few samples for that, they share out the channels of each layer.
#[derive(Debug, Default)]
pub struct Workspace {
    compute: Compute,
    /// The model that the buffers are of; 0 if there are none.
    model: u64,
    pub(crate) chunks: Vec<Chunk>,
}

/// Fewer samples than this are not worth reading a network's weights for once more.
const SAMPLES_A_PART: usize = 4;

/// One sample as long as this is.
const LONG: usize = 256;

impl Workspace {
    /// Buffers for passes on at most `threads` threads; 1 (or 0) keeps everything on the calling one.
    pub fn new(threads: usize) -> Self {
        Self::with(Compute {
            threads,
            ..Compute::default()
        })
    }

    /// Buffers for passes computed in this way.
    pub fn with(compute: Compute) -> Self {
        Self {
            compute,
            ..Self::default()
        }
    }

    /// A set of buffers for each part of a batch, and the samples in a part (fewer in the last).
    pub(crate) fn parts(&mut self, model: &UNet1dModel, batch: usize, len: usize) -> (&mut [Chunk], usize) {
        let threads = self.compute.threads.max(1);
        let least = if len >= LONG { 1 } else { SAMPLES_A_PART };
        let per_part = batch.div_ceil((batch / least).clamp(1, threads)).max(1);
        let parts = batch.div_ceil(per_part).max(1);
        if self.model != model.identity.number() {
            self.model = model.identity.number();
            self.chunks.clear();
        }
        while self.chunks.len() < parts {
            self.chunks.push(Chunk::new(model));
        }
        let chunks = &mut self.chunks[..parts];
        for chunk in &mut *chunks {
            chunk.scratch.exec.compute = Compute {
                threads: threads.div_ceil(parts),
                algorithm: model.algorithm(self.compute.algorithm),
                ..self.compute
            };
        }
        (chunks, per_part)
    }
}

/// The buffers of one thread.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The length of the sample that went in last.
    pub(crate) horizon: usize,
    /// The signal that goes through the network, or its gradient that comes back.
    pub(crate) x: Signal,
    pub(crate) skips: Vec<Signal>,
    pub(crate) scratch: Scratch,
    /// (batch), what a value function computes.
    pub(crate) values: Vec<f32>,
    /// What the backward pass reads; made when the first gradient is asked for.
    pub(crate) saved: Option<Saved>,
    /// Ones, the gradient of a sum of values with respect to each.
    pub(crate) ones: Vec<f32>,
}

impl Chunk {
    pub(crate) fn new(model: &UNet1dModel) -> Self {
        Self {
            horizon: 0,
            x: Signal::default(),
            skips: model.down_blocks.iter().map(|_| Signal::default()).collect(),
            scratch: Scratch::default(),
            values: Vec::new(),
            saved: None,
            ones: Vec::new(),
        }
    }

    /// Buffers that keep what the parameters' gradients read.
    pub(crate) fn keeping_all(model: &UNet1dModel) -> Self {
        Self {
            saved: Some(Saved::new(model, Keep::AllGrads)),
            ..Self::new(model)
        }
    }
}

/// What the backward pass reads, level by level.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) down: Vec<AnySaved>,
    pub(crate) mid: Option<AnySaved>,
    pub(crate) up: Vec<AnySaved>,
    pub(crate) out: Option<AnySaved>,
}

impl Saved {
    pub(crate) fn new(model: &UNet1dModel, keep: Keep) -> Self {
        Self {
            down: model.down_blocks.iter().map(|block| block.saved(keep)).collect(),
            mid: model.mid_block.as_ref().map(|block| block.saved(keep)),
            up: model.up_blocks.iter().map(|block| block.saved(keep)).collect(),
            out: model.out_block.as_ref().map(|block| block.saved(keep)),
        }
    }
}
