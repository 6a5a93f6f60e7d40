//! `config.json` of a `UNet1DModel`, key for key as diffusers writes it.

use crate::error::{Error, Result};
use diffplan_nn::{Activation, activation_from_name, activation_names};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The configuration of a [`UNet1dModel`](crate::UNet1dModel). [`Default`] is diffusers' own, which describes a network for
/// audio; [`planner`](Self::planner) and [`value_function`](Self::value_function) are Diffuser's two networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UNet1dConfig {
    /// A default length of samples; not used by the network, so kept as it is found: a number, a list, null.
    pub sample_size: Value,
    /// For audio; not used by the network either.
    pub sample_rate: Value,
    /// Channels of a sample: action and observation dimensions together.
    pub in_channels: usize,
    /// Channels of the output, where it is a sample.
    pub out_channels: usize,
    /// Channels of a sample beyond `in_channels`.
    pub extra_in_channels: usize,
    /// How a timestep becomes a vector.
    pub time_embedding_type: TimeEmbeddingType,
    /// The vector's length for `fourier`; twice the first block's channels where not given.
    pub time_embedding_dim: Option<usize>,
    /// Cosines before sines.
    pub flip_sin_to_cos: bool,
    /// A small network on top of the vector, which residual temporal blocks and value functions need, and `DownBlock1DNoSkip` cannot do with.
    pub use_timestep_embedding: bool,
    /// Shift of the sinusoids' frequencies.
    pub freq_shift: f32,
    /// One a level.
    pub down_block_types: Vec<DownBlockType>,
    /// One a level to come back up.
    pub up_block_types: Vec<UpBlockType>,
    /// Between down and up; null, which diffusers does not know, is nothing (the value functions of the original's branch maze2d).
    pub mid_block_type: Option<MidBlockType>,
    /// At the end.
    pub out_block_type: Option<OutBlockType>,
    /// Channels of each level; multiples of 8 where residual temporal blocks are.
    pub block_out_channels: Vec<usize>,
    /// Activation of the time embedding and of the last block: swish, silu, mish, gelu or relu.
    pub act_fn: Option<String>,
    /// Groups of the last block's normalisation; a quarter of the first level's channels, at most 32, where null.
    pub norm_num_groups: Option<usize>,
    /// Residual blocks a level beyond the first.
    pub layers_per_block: usize,
    /// Downsample after the last level too.
    pub downsample_each_block: bool,
    /// How the value function's last layers read what is left of a trajectory, for networks with `out_block_type`
    /// `ValueFunction` alone. A key of ours, which diffusers does not know; absent (or null) is what diffusers does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_pooling: Option<ValuePooling>,
    /// How many numbers of a sample the value function's last layers read beside the time embedding: channels times positions that are left. A
    /// key of ours; absent (or null) is what diffusers does, a quarter of the last level's channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_features: Option<usize>,
    /// Attention in the residual temporal blocks' levels, as the original Diffuser has it. A key of ours, which diffusers does not know; absent
    /// (or null) is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporal_attention: Option<TemporalAttention>,
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)*
        }
    };
}
names!(
    /// How a timestep becomes a vector.
    TimeEmbeddingType {
        /// Random frequencies, saved with the model.
        Fourier = "fourier",
        /// Sinusoids at fixed frequencies.
        Positional = "positional",
    }
);
names!(
    /// Blocks of the way down.
    DownBlockType {
        /// Residual temporal blocks, then a strided convolution.
        DownResnetBlock1D = "DownResnetBlock1D",
        /// A fixed resampler, three residual convolution blocks.
        DownBlock1D = "DownBlock1D",
        /// Three residual convolution blocks over the sample joined with the timestep's vector.
        DownBlock1DNoSkip = "DownBlock1DNoSkip",
        /// As `DownBlock1D`, with attention behind each.
        AttnDownBlock1D = "AttnDownBlock1D",
    }
);
names!(
    /// Blocks of the way up.
    UpBlockType {
        /// Residual temporal blocks over the joined skip, then a transposed convolution.
        UpResnetBlock1D = "UpResnetBlock1D",
        /// Three residual convolution blocks over the joined skip, a fixed resampler.
        UpBlock1D = "UpBlock1D",
        /// The same without the resampler, at the end.
        UpBlock1DNoSkip = "UpBlock1DNoSkip",
        /// As `UpBlock1D`, with attention behind each.
        AttnUpBlock1D = "AttnUpBlock1D",
    }
);
names!(
    /// Blocks in the middle.
    MidBlockType {
        /// The planner's: residual temporal blocks.
        MidResTemporalBlock1D = "MidResTemporalBlock1D",
        /// The value function's: two residual blocks, each halving channels and length.
        ValueFunctionMidBlock1D = "ValueFunctionMidBlock1D",
        /// Of audio networks: half the length, six residual convolution blocks with attention, and back.
        UNetMidBlock1D = "UNetMidBlock1D",
    }
);
names!(
    /// Blocks at the end.
    OutBlockType {
        /// The planner's: convolution, normalisation, activation, convolution to `out_channels`.
        OutConv1DBlock = "OutConv1DBlock",
        /// The value function's: two linear layers to one number a sample.
        ValueFunction = "ValueFunction",
    }
);
names!(
    /// How the value function's last layers read the positions that are left at the end of the way down.
    ///
    /// diffusers flattens them and reads as many numbers as one position has, so that only horizons work that come down to one.
    /// The weights are the same either way, and where one position is left so is the network, to the bit: a value
    /// function with `value_pooling` loads in diffusers, which warns that the key is not expected and ignores it, and gives
    /// the same values there for such horizons; others fail there, in a product of matrices whose shapes do not fit.
    ValuePooling {
        /// Their mean: any horizon works.
        Mean = "mean",
    }
);

names!(
    /// Attention in the levels of residual temporal blocks.
    TemporalAttention {
        /// Linear attention behind the residual blocks of every level and the first of the middle: 4 heads of 32 channels.
        Linear = "linear",
    }
);

impl Default for UNet1dConfig {
    fn default() -> Self {
        Self {
            sample_size: 65536.into(),
            sample_rate: Value::Null,
            in_channels: 2,
            out_channels: 2,
            extra_in_channels: 0,
            time_embedding_type: TimeEmbeddingType::Fourier,
            time_embedding_dim: None,
            flip_sin_to_cos: true,
            use_timestep_embedding: false,
            freq_shift: 0.0,
            down_block_types: vec![
                DownBlockType::DownBlock1DNoSkip,
                DownBlockType::DownBlock1D,
                DownBlockType::AttnDownBlock1D,
            ],
            up_block_types: vec![
                UpBlockType::AttnUpBlock1D,
                UpBlockType::UpBlock1D,
                UpBlockType::UpBlock1DNoSkip,
            ],
            mid_block_type: Some(MidBlockType::UNetMidBlock1D),
            out_block_type: None,
            block_out_channels: vec![32, 32, 64],
            act_fn: None,
            norm_num_groups: Some(8),
            layers_per_block: 1,
            downsample_each_block: false,
            value_pooling: None,
            value_features: None,
            temporal_attention: None,
        }
    }
}

/// The groups of every residual block, whatever `norm_num_groups` says, as in diffusers' `Conv1dBlock`.
pub(crate) const RESIDUAL_GROUPS: usize = 8;

// A configuration of more is taken for a broken file rather than for a network to find memory for.
const MAX_LAYERS: usize = 256;
const MAX_FOURIER_DIM: usize = 1 << 16;
const MAX_VALUE_FEATURES: usize = 1 << 20;
const MAX_PARAMETERS: usize = 2_000_000_000;

impl UNet1dConfig {
    /// The keys of a file.
    pub const KEYS: &[&str] = &[
        "sample_size",
        "sample_rate",
        "in_channels",
        "out_channels",
        "extra_in_channels",
        "time_embedding_type",
        "time_embedding_dim",
        "flip_sin_to_cos",
        "use_timestep_embedding",
        "freq_shift",
        "down_block_types",
        "up_block_types",
        "mid_block_type",
        "out_block_type",
        "block_out_channels",
        "act_fn",
        "norm_num_groups",
        "layers_per_block",
        "downsample_each_block",
        "value_pooling",
        "value_features",
        "temporal_attention",
    ];

    /// Those of [`KEYS`](Self::KEYS) that are ours: diffusers does not know them.
    pub const OWN_KEYS: &[&str] = &["value_pooling", "value_features", "temporal_attention"];

    fn diffuser(channels: usize, block_out_channels: &[usize]) -> Self {
        Self {
            in_channels: channels,
            out_channels: channels,
            time_embedding_type: TimeEmbeddingType::Positional,
            flip_sin_to_cos: false,
            use_timestep_embedding: true,
            freq_shift: 1.0,
            down_block_types: vec![DownBlockType::DownResnetBlock1D; block_out_channels.len()],
            up_block_types: Vec::new(),
            block_out_channels: block_out_channels.to_vec(),
            act_fn: Some("mish".into()),
            ..Self::default()
        }
    }

    /// Diffuser's planner for trajectories of `channels` action and observation dimensions, as its conversion script for
    /// diffusers configures it. [`validate`](Self::validate) refuses channels of a level that are no multiple of 8.
    pub fn planner(channels: usize, block_out_channels: &[usize]) -> Self {
        Self {
            up_block_types: vec![UpBlockType::UpResnetBlock1D; block_out_channels.len().saturating_sub(1)],
            mid_block_type: Some(MidBlockType::MidResTemporalBlock1D),
            out_block_type: Some(OutBlockType::OutConv1DBlock),
            ..Self::diffuser(channels, block_out_channels)
        }
    }

    /// Diffuser's value function for trajectories of `channels` action and observation dimensions.
    /// [`validate`](Self::validate) refuses channels of a level that are no multiple of 8, and of the last level no multiple
    /// of 32. For any horizon, set [`value_pooling`](Self::value_pooling).
    pub fn value_function(channels: usize, block_out_channels: &[usize]) -> Self {
        Self {
            mid_block_type: Some(MidBlockType::ValueFunctionMidBlock1D),
            out_block_type: Some(OutBlockType::ValueFunction),
            downsample_each_block: true,
            ..Self::diffuser(channels, block_out_channels)
        }
    }

    /// Channels a sample must have: those that the first block reads, without those that it gets from the timestep's vector.
    pub fn sample_channels(&self) -> usize {
        let first = self.in_channels.saturating_add(self.extra_in_channels);
        match self.down_block_types.first() {
            Some(DownBlockType::DownBlock1DNoSkip) => first.saturating_sub(self.vector_channels()),
            _ => first,
        }
    }

    /// The length of a timestep's vector.
    fn vector_channels(&self) -> usize {
        match self.time_embedding_type {
            TimeEmbeddingType::Fourier => self.fourier_dim(),
            TimeEmbeddingType::Positional => self.block_out_channels.first().copied().unwrap_or(0),
        }
    }

    /// Checks everything that does not depend on the horizon.
    ///
    /// # Errors
    /// Names the first key whose value is not supported.
    pub fn validate(&self) -> Result<()> {
        let refuse = |key: &str, reason: String| Err(Error::config(key, reason));
        let levels = self.block_out_channels.len();
        if levels == 0 || self.block_out_channels.contains(&0) {
            return refuse("block_out_channels", blocks::not_in_groups(&self.block_out_channels));
        }
        if self.down_block_types.len() != levels {
            let reason = format!("{} blocks, expected {levels}, one a level", self.down_block_types.len());
            return refuse("down_block_types", reason);
        }
        if self.up_block_types.len() > levels {
            let reason = format!("{} blocks, expected at most {levels}", self.up_block_types.len());
            return refuse("up_block_types", reason);
        }
        if self.layers_per_block > MAX_LAYERS {
            let reason = format!("{}, expected at most {MAX_LAYERS}", self.layers_per_block);
            return refuse("layers_per_block", reason);
        }
        if self.parameters_at_least() > MAX_PARAMETERS {
            let reason = format!(
                "{:?}: more than two billion parameters are not supported",
                self.block_out_channels
            );
            return refuse("block_out_channels", reason);
        }
        if self.sample_channels() == 0 || self.out_channels == 0 {
            let reason = match self.down_block_types[0] {
                DownBlockType::DownBlock1DNoSkip => format!(
                    "{} and `extra_in_channels` {}: DownBlock1DNoSkip reads the timestep's vector of {} channels among them, and a sample \
                     needs at least one more, as does the output",
                    self.in_channels,
                    self.extra_in_channels,
                    self.vector_channels()
                ),
                _ => "a sample needs at least one channel, as does the output".into(),
            };
            return refuse("in_channels", reason);
        }
        if self.use_timestep_embedding || self.out_block_type.is_some() {
            self.activation()?;
        }
        self.validate_blocks()?;
        self.validate_time()?;
        self.validate_out()
    }

    /// The weights of the residual blocks' convolutions on the way down, which every network has.
    fn parameters_at_least(&self) -> usize {
        let mut input = self.sample_channels();
        let mut count = 0usize;
        for &channels in &self.block_out_channels {
            let wide = input.saturating_mul(channels).saturating_mul(5);
            let square = channels.saturating_mul(channels).saturating_mul(5);
            let more = square.saturating_mul(self.layers_per_block.saturating_mul(2).saturating_add(1));
            count = count.saturating_add(wide).saturating_add(more);
            input = channels;
        }
        count.max(self.out_channels)
    }

    fn validate_time(&self) -> Result<()> {
        let first = self.block_out_channels[0];
        let dim = self.fourier_dim();
        if self.time_embedding_type == TimeEmbeddingType::Fourier && (!dim.is_multiple_of(2) || dim > MAX_FOURIER_DIM) {
            let reason = format!("{dim}, expected an even number of at most {MAX_FOURIER_DIM}");
            return Err(Error::config("time_embedding_dim", reason));
        }
        if !self.freq_shift.is_finite() || self.freq_shift >= (first / 2) as f32 {
            let reason = format!(
                "{}, expected less than {}, half the first level's channels",
                self.freq_shift,
                first / 2
            );
            return Err(Error::config("freq_shift", reason));
        }
        Ok(())
    }

    fn validate_out(&self) -> Result<()> {
        let (first, hidden) = (self.block_out_channels[0], self.hidden_channels());
        match self.out_block_type {
            Some(OutBlockType::OutConv1DBlock) => {
                let groups = self.out_groups();
                if groups == 0 || !first.is_multiple_of(groups) {
                    let reason = format!("{groups}, expected a divisor of {first}, the first level's channels");
                    return Err(Error::config("norm_num_groups", reason));
                }
                if hidden != first {
                    let reason =
                        format!("OutConv1DBlock reads {first} channels, but the blocks before it give {hidden}");
                    return Err(Error::config("out_block_type", reason));
                }
            }
            Some(OutBlockType::ValueFunction) if !(2..=MAX_VALUE_FEATURES).contains(&self.value_features()) => {
                if let Some(features) = self.value_features {
                    let reason = format!("{features}, expected from 2 to {MAX_VALUE_FEATURES}");
                    return Err(Error::config("value_features", reason));
                }
                return Err(Error::config(
                    "block_out_channels",
                    "too few at the end for a value function, expected 8 up",
                ));
            }
            Some(OutBlockType::ValueFunction) => {}
            None => {}
        }
        if self.value_features.is_some() && self.out_block_type != Some(OutBlockType::ValueFunction) {
            let reason = "needs an out_block_type of ValueFunction";
            return Err(Error::config("value_features", reason));
        }
        match (self.value_pooling, self.out_block_type) {
            (None, _) => Ok(()),
            (Some(pooling), Some(OutBlockType::ValueFunction)) if hidden == self.value_features() => {
                let ValuePooling::Mean = pooling;
                Ok(())
            }
            (Some(_), Some(OutBlockType::ValueFunction)) => {
                let reason = format!(
                    "the value function's last layers read {} channels, a quarter of the last level's, but the blocks before \
                     them give {hidden}",
                    self.value_features()
                );
                Err(Error::config("value_pooling", reason))
            }
            (Some(_), other) => {
                let other = other.map_or("null".into(), |kind| format!("{kind:?}"));
                let reason = format!("needs an out_block_type of ValueFunction, which is {other}");
                Err(Error::config("value_pooling", reason))
            }
        }
    }

    /// The function `act_fn` names.
    pub(crate) fn activation(&self) -> Result<Activation> {
        let expected = format!("expected one of {}", activation_names().join(", "));
        let Some(name) = &self.act_fn else {
            return Err(Error::config("act_fn", format!("null, {expected}")));
        };
        activation_from_name(name).ok_or_else(|| Error::config("act_fn", format!("{name:?}, {expected}")))
    }

    pub(crate) fn fourier_dim(&self) -> usize {
        self.time_embedding_dim.unwrap_or(2 * self.block_out_channels[0])
    }

    pub(crate) fn out_groups(&self) -> usize {
        self.norm_num_groups.unwrap_or((self.block_out_channels[0] / 4).min(32))
    }

    /// Features of the hidden signal that the value function's last layers read.
    pub(crate) fn value_features(&self) -> usize {
        self.value_features
            .unwrap_or(self.block_out_channels[self.block_out_channels.len() - 1] / 4)
    }

    /// Channels of up block `i`'s output.
    pub(crate) fn up_channels(&self, i: usize) -> usize {
        if i + 1 < self.up_block_types.len() {
            self.block_out_channels[self.block_out_channels.len() - 2 - i]
        } else if self.out_block_type.is_none() {
            self.out_channels
        } else {
            self.block_out_channels[0]
        }
    }

    /// Channels before the last block.
    pub(crate) fn hidden_channels(&self) -> usize {
        let last = self.block_out_channels[self.block_out_channels.len() - 1];
        match (self.up_block_types.len().checked_sub(1), self.mid_block_type) {
            (Some(i), _) => self.up_channels(i),
            (None, Some(MidBlockType::ValueFunctionMidBlock1D)) => last / 4,
            (None, _) => last,
        }
    }
}

mod blocks;
#[cfg(test)]
mod tests;
