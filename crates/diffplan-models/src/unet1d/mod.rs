//! [`UNet1dModel`]: how the blocks are put together, which horizons they take, and the files they come from.

mod backprop;
mod blocks;
mod config;
mod files;
mod legacy;
mod network;
mod run;
mod time;
mod workspace;

pub use backprop::{Backprop, Vjp};
pub use config::{
    DownBlockType, MidBlockType, OutBlockType, TemporalAttention, TimeEmbeddingType, UNet1dConfig, UpBlockType,
    ValuePooling,
};
pub use time::TimeFeatures;
pub use workspace::Workspace;

use crate::error::{Error, Result};
use blocks::{
    AnyBlock, AudioBlock, Block, DownResnetBlock1d, MidResTemporalBlock1d, OutConv1dBlock, OutValueFunctionBlock,
    Slots, UpResnetBlock1d, ValueFunctionMidBlock1d,
};
use diffplan_nn::{
    Activation, Algorithm, GaussianFourierProjection, Linear, Params, TimestepEmbedding, Timesteps, params,
};
use ndarray_rand::rand::RngCore;
use std::sync::atomic::{AtomicU64, Ordering};
use time::{TimeLayers, TimeProjection};

/// diffusers' `UNet1DModel`: a planner, a value function or a network for audio, as its configuration says.
///
/// Its gradients are another value of this type. Parameters are reached through
/// [`named_params`](crate::named_params) and [`named_params_mut`](crate::named_params_mut).
#[derive(Clone, Debug)]
pub struct UNet1dModel {
    config: UNet1dConfig,
    pub(crate) time_proj: TimeProjection,
    pub(crate) time_mlp: Option<TimestepEmbedding>,
    pub(crate) down_blocks: Vec<AnyBlock>,
    pub(crate) mid_block: Option<AnyBlock>,
    pub(crate) up_blocks: Vec<AnyBlock>,
    pub(crate) out_block: Option<AnyBlock>,
    /// The channels of every residual block, by slot.
    pub(crate) time_widths: Vec<usize>,
    pub(crate) identity: Identity,
    notes: Vec<String>,
}
params!(UNet1dModel {
    time_proj,
    time_mlp,
    down_blocks,
    mid_block,
    up_blocks,
    out_block
});

/// The longest horizon that is looked at when one is refused and others are named.
const LONGEST: usize = 4096;

impl UNet1dModel {
    /// A model with all parameters zero.
    ///
    /// # Errors
    /// If the configuration is not supported; the error names the key.
    pub fn new(config: UNet1dConfig) -> Result<Self> {
        config.validate()?;
        diffplan_kernels::Isa::requested()?;
        let mut slots = Slots::default();
        let channels = &config.block_out_channels;
        let (time_channels, layers, levels) = (channels[0], config.layers_per_block, channels.len());
        let time_proj = match config.time_embedding_type {
            TimeEmbeddingType::Positional => TimeProjection::Positional(Timesteps {
                channels: time_channels,
                flip_sin_to_cos: config.flip_sin_to_cos,
                freq_shift: config.freq_shift,
            }),
            TimeEmbeddingType::Fourier => {
                let dim = config.fourier_dim();
                let projection = GaussianFourierProjection::zeros(dim / 2, config.flip_sin_to_cos);
                TimeProjection::Fourier(projection, dim)
            }
        };
        // Read by the embedding's network and the last block alone, and checked where there is one.
        let activation = config.activation().unwrap_or(Activation::Identity);
        let attention = config.temporal_attention.is_some();
        let time_mlp = config
            .use_timestep_embedding
            .then(|| TimestepEmbedding::zeros(time_proj.channels(), 4 * time_channels, time_channels, activation));
        let down_blocks = (0..levels)
            .map(|i| {
                let input = if i == 0 {
                    config.in_channels + config.extra_in_channels
                } else {
                    channels[i - 1]
                };
                let output = channels[i];
                match config.down_block_types[i] {
                    DownBlockType::DownResnetBlock1D => {
                        let downsample = i + 1 < levels || config.downsample_each_block;
                        let (time, slots) = (time_channels, &mut slots);
                        let block = DownResnetBlock1d::zeros(input, output, time, layers, downsample, attention, slots);
                        AnyBlock::DownResnet(block)
                    }
                    DownBlockType::DownBlock1D => AnyBlock::Audio(AudioBlock::down(input, output)),
                    DownBlockType::AttnDownBlock1D => AnyBlock::Audio(AudioBlock::attn_down(input, output)),
                    DownBlockType::DownBlock1DNoSkip => {
                        AnyBlock::Audio(AudioBlock::down_no_skip(input, output, time_proj.channels()))
                    }
                }
            })
            .collect();
        let last = channels[levels - 1];
        let mid_block = match config.mid_block_type {
            None => None,
            Some(MidBlockType::UNetMidBlock1D) => Some(AnyBlock::Audio(AudioBlock::mid(last))),
            Some(MidBlockType::ValueFunctionMidBlock1D) => {
                let block = ValueFunctionMidBlock1d::zeros(last, time_channels, &mut slots);
                Some(AnyBlock::ValueFunctionMid(block))
            }
            Some(MidBlockType::MidResTemporalBlock1D) => {
                let (downsample, slots) = (config.downsample_each_block, &mut slots);
                let block = MidResTemporalBlock1d::zeros(last, time_channels, layers, downsample, attention, slots);
                Some(AnyBlock::MidResTemporal(block))
            }
        };
        let up_blocks = (0..config.up_block_types.len())
            .map(|i| {
                let input = channels[levels - 1 - i];
                let (output, upsample) = (config.up_channels(i), i + 1 < levels);
                match config.up_block_types[i] {
                    UpBlockType::UpResnetBlock1D => {
                        let (time, slots) = (time_channels, &mut slots);
                        let block = UpResnetBlock1d::zeros(input, output, time, layers, upsample, attention, slots);
                        AnyBlock::UpResnet(block)
                    }
                    UpBlockType::UpBlock1D => AnyBlock::Audio(AudioBlock::up(input, output)),
                    UpBlockType::AttnUpBlock1D => AnyBlock::Audio(AudioBlock::attn_up(input, output)),
                    UpBlockType::UpBlock1DNoSkip => AnyBlock::Audio(AudioBlock::up_no_skip(input, output)),
                }
            })
            .collect();
        let out_block = config.out_block_type.map(|kind| match kind {
            OutBlockType::OutConv1DBlock => AnyBlock::OutConv1d(OutConv1dBlock::zeros(
                config.out_groups(),
                config.out_channels,
                time_channels,
                activation,
            )),
            OutBlockType::ValueFunction => AnyBlock::OutValueFunction(OutValueFunctionBlock::zeros(
                config.value_features(),
                time_channels,
                activation,
                config.value_pooling,
            )),
        });
        let mut model = Self {
            time_proj,
            time_mlp,
            down_blocks,
            mid_block,
            up_blocks,
            out_block,
            time_widths: Vec::new(),
            identity: Identity::new(),
            notes: Vec::new(),
            config,
        };
        let mut widths = vec![0; slots.next()];
        model.blocks().for_each(|block| {
            block.time_layers(&mut |slot, layer| widths[slot] = layer.out_features());
        });
        model.time_widths = widths;
        Ok(model)
    }

    /// Sets every parameter as PyTorch initialises such a network, with random numbers from `rng`.
    pub fn init(&mut self, rng: &mut dyn RngCore) {
        Params::init(self, rng);
    }

    /// The configuration.
    pub fn config(&self) -> &UNet1dConfig {
        &self.config
    }

    /// Whether the output is one value a sample.
    pub fn is_value_function(&self) -> bool {
        matches!(self.out_block, Some(AnyBlock::OutValueFunction(_)))
    }

    /// What was odd and harmless in the files it was loaded from, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Checks that the network can take trajectories of this length, and that those of a planner come back as long.
    ///
    /// # Errors
    /// [`Error::Horizon`], with the nearest lengths that work; [`Error::HorizonChanges`] of a network that gives back none as long as it went in.
    pub fn check_horizon(&self, horizon: usize) -> Result<()> {
        if self.is_value_function() {
            return self.check_length(horizon);
        }
        let becomes = self.output_len(horizon);
        if becomes.as_ref().is_ok_and(|&len| len != horizon) && !(1..=LONGEST).any(|h| self.output_len(h) == Ok(h)) {
            let becomes = becomes.unwrap_or_default();
            return Err(Error::HorizonChanges { horizon, becomes });
        }
        self.check_which(horizon, |h| match self.output_len(h)? {
            len if len == h => Ok(()),
            len => Err(format!("it comes back with {len} positions")),
        })
    }

    /// Checks that the network can take samples of this length, whatever becomes of it.
    ///
    /// # Errors
    /// [`Error::Horizon`], with the nearest lengths that work.
    pub fn check_length(&self, len: usize) -> Result<()> {
        self.check_which(len, |len| self.output_len(len).map(drop))
    }

    fn check_which(&self, horizon: usize, check: impl Fn(usize) -> std::result::Result<(), String>) -> Result<()> {
        check(horizon).map_err(|reason| {
            let works = |h: &usize| check(*h).is_ok();
            let below = (1..horizon.min(LONGEST)).rev().find(works);
            let above = (horizon.saturating_add(1)..=LONGEST).find(works);
            Error::Horizon {
                horizon,
                pooling_helps: self.out_block.as_ref().and_then(Block::features).is_some(),
                reason,
                nearest: below.into_iter().chain(above).collect(),
            }
        })
    }

    /// The length of the output, which is that of the signal before the last block, or why there is none.
    pub(crate) fn output_len(&self, horizon: usize) -> std::result::Result<usize, String> {
        if horizon == 0 {
            return Err("there is nothing to plan".into());
        }
        let gone = || "nothing of it is left on the way down".to_owned();
        // The length that goes into a level on the way down; looked up again rather than listed, since this is asked at every
        // call and must not allocate.
        let into_level = |level: usize| {
            let mut blocks = self.down_blocks[..level].iter();
            blocks.try_fold(horizon, |len, block| block.out_len(len))
        };
        let levels = self.down_blocks.len();
        let mut len = into_level(levels).ok_or_else(gone)?;
        if let Some(mid) = &self.mid_block {
            len = mid.out_len(len).ok_or_else(gone)?;
        }
        for (i, block) in self.up_blocks.iter().enumerate() {
            let skip = into_level(levels - 1 - i).unwrap_or(0);
            if skip != len {
                return Err(format!(
                    "on the way up {len} positions meet a skip connection of {skip}"
                ));
            }
            len = block.out_len(len).ok_or_else(gone)?;
        }
        if let Some(expected) = self.out_block.as_ref().and_then(Block::features) {
            let actual = len * self.config.hidden_channels();
            if actual != expected {
                return Err(format!(
                    "the last layers read {expected} features, but are given {actual}"
                ));
            }
        }
        Ok(len)
    }

    /// What depends on the timesteps alone, for any number of calls: one timestep for the whole batch, or one a sample.
    pub fn time_features(&self, timesteps: &[f32]) -> TimeFeatures {
        TimeFeatures::new(self.identity.number(), &self.time_layers(), timesteps)
    }

    /// The algorithm that is asked for, or that suits this network: Toom-Cook in networks with a level of 128 channels or more.
    /// Smaller ones are quick as they are, and have groups of so few channels that the direct sum's smaller error shows.
    pub(crate) fn algorithm(&self, asked: Algorithm) -> Algorithm {
        const WIDE: usize = 128;
        match asked {
            Algorithm::Auto if self.config.block_out_channels.iter().any(|&channels| channels >= WIDE) => {
                Algorithm::ToomCook
            }
            Algorithm::Auto => Algorithm::Direct,
            asked => asked,
        }
    }

    /// The layers that make the time embedding and its projections.
    pub(crate) fn time_layers(&self) -> TimeLayers<'_> {
        let mut blocks: Vec<Option<&Linear>> = vec![None; self.time_widths.len()];
        self.blocks().for_each(|block| {
            block.time_layers(&mut |slot, layer| blocks[slot] = Some(layer));
        });
        TimeLayers {
            projection: &self.time_proj,
            mlp: self.time_mlp.as_ref(),
            blocks: blocks.into_iter().flatten().collect(),
        }
    }

    /// All blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &AnyBlock> {
        let (down, up) = (&self.down_blocks, &self.up_blocks);
        down.iter().chain(&self.mid_block).chain(up).chain(&self.out_block)
    }
}

/// Which model a value belongs to: no two have the same, a model's copy neither.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64);

impl Identity {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A number that stands for it; 0 is no model's.
    pub(crate) fn number(&self) -> u64 {
        self.0
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self::new()
    }
}
