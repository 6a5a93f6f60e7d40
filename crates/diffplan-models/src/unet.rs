//! [`UNet1dModel`]: how the blocks are put together, which horizons they take, and the files they come from.

use crate::blocks::{
    DownResnetBlock1d, MidBlock, MidResTemporalBlock1d, OutBlock, OutConv1dBlock, OutValueFunctionBlock,
    ResidualTemporalBlock1d, UpResnetBlock1d, ValueFunctionMidBlock1d,
};
use crate::config::{MidBlockType, OutBlockType, TimeEmbeddingType, UNet1dConfig};
use crate::error::{Error, Result};
use crate::json::from_object;
use crate::time::{TimeFeatures, TimeProjection};
use diffplan_nn::{
    Algorithm, GaussianFourierProjection, Params, TimestepEmbedding, Timesteps, params, safetensors, write_atomically,
};
use ndarray_rand::rand::RngCore;
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// diffusers' `UNet1DModel` with the blocks of Diffuser: a planner or a value function, as its configuration says.
///
/// Its gradients are another value of this type. Parameters are reached through
/// [`named_params`](crate::named_params) and [`named_params_mut`](crate::named_params_mut).
#[derive(Clone, Debug)]
pub struct UNet1dModel {
    config: UNet1dConfig,
    pub(crate) time_proj: TimeProjection,
    pub(crate) time_mlp: TimestepEmbedding,
    pub(crate) down_blocks: Vec<DownResnetBlock1d>,
    pub(crate) mid_block: MidBlock,
    pub(crate) up_blocks: Vec<UpResnetBlock1d>,
    pub(crate) out_block: Option<OutBlock>,
}
params!(UNet1dModel {
    time_proj,
    time_mlp,
    down_blocks,
    mid_block,
    up_blocks,
    out_block
});

const CONFIG_FILE: &str = "config.json";
const WEIGHTS_FILE: &str = "diffusion_pytorch_model.safetensors";
const CLASS_NAME: &str = "UNet1DModel";
/// The release of diffusers whose layout this is; it goes into the files, as diffusers writes its own.
const DIFFUSERS_VERSION: &str = "0.42.1";

/// The longest horizon that is looked at when one is refused and others are named.
const LONGEST: usize = 4096;

impl UNet1dModel {
    /// A model with all parameters zero.
    ///
    /// # Errors
    /// If the configuration is not supported; the error names the key.
    pub fn new(config: UNet1dConfig) -> Result<Self> {
        config.validate()?;
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
        let activation = config.activation()?;
        let time_mlp = TimestepEmbedding::zeros(time_proj.channels(), 4 * time_channels, time_channels, activation);
        let down_blocks = (0..levels)
            .map(|i| {
                let input = if i == 0 {
                    config.sample_channels()
                } else {
                    channels[i - 1]
                };
                let downsample = i + 1 < levels || config.downsample_each_block;
                DownResnetBlock1d::zeros(input, channels[i], time_channels, layers, downsample)
            })
            .collect();
        let last = channels[levels - 1];
        let mid_block = match config.mid_block_type {
            Some(MidBlockType::ValueFunctionMidBlock1D) => {
                MidBlock::Value(ValueFunctionMidBlock1d::zeros(last, time_channels))
            }
            _ => MidBlock::Residual(MidResTemporalBlock1d::zeros(
                last,
                time_channels,
                layers,
                config.downsample_each_block,
            )),
        };
        let up_blocks = (0..config.up_block_types.len())
            .map(|i| {
                let input = channels[levels - 1 - i];
                UpResnetBlock1d::zeros(input, config.up_channels(i), time_channels, layers, i + 1 < levels)
            })
            .collect();
        let out_block = config.out_block_type.map(|kind| match kind {
            OutBlockType::OutConv1DBlock => OutBlock::Conv(OutConv1dBlock::zeros(
                config.out_groups(),
                config.out_channels,
                time_channels,
                activation,
            )),
            OutBlockType::ValueFunction => OutBlock::Value(OutValueFunctionBlock::zeros(
                config.value_features(),
                time_channels,
                activation,
                config.value_pooling,
            )),
        });
        Ok(Self {
            time_proj,
            time_mlp,
            down_blocks,
            mid_block,
            up_blocks,
            out_block,
            config,
        })
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
        matches!(self.out_block, Some(OutBlock::Value(_)))
    }

    /// The model in `folder`: `config.json` and `diffusion_pytorch_model.safetensors`, as diffusers saves them.
    ///
    /// # Errors
    /// If a file is missing or damaged, the configuration is not supported, or a parameter is missing, unexpected, of another
    /// shape or not finite.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref().join(CONFIG_FILE);
        let text = fs::read_to_string(&path).map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })?;
        let json = |reason: String| Error::Json {
            path: path.clone(),
            reason,
        };
        let object: Map<String, Value> = serde_json::from_str(&text).map_err(|e| json(e.to_string()))?;
        if let Some(class) = object.get("_class_name").filter(|class| *class != CLASS_NAME) {
            return Err(Error::config("_class_name", format!("{class}, expected {CLASS_NAME:?}")).in_file(&path));
        }
        let config = from_object(object).map_err(|e| e.in_file(&path))?;
        let mut model = Self::new(config).map_err(|e| e.in_file(&path))?;
        safetensors::load(&mut model, &folder.as_ref().join(WEIGHTS_FILE))?;
        Ok(model)
    }

    /// Writes `config.json` and `diffusion_pytorch_model.safetensors` to `folder`, which is made if it is not there; diffusers'
    /// `UNet1DModel.from_pretrained` loads them. Each is written under a temporary name and renamed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(io(folder))?;
        safetensors::save(self, &folder.join(WEIGHTS_FILE))?;

        let path = folder.join(CONFIG_FILE);
        let json = |e: serde_json::Error| Error::Json {
            path: path.clone(),
            reason: e.to_string(),
        };
        let mut object = serde_json::to_value(&self.config).map_err(json)?;
        object["_class_name"] = CLASS_NAME.into();
        object["_diffusers_version"] = DIFFUSERS_VERSION.into();
        let text = serde_json::to_string_pretty(&object).map_err(json)?;
        write_atomically(&path, (text + "\n").as_bytes()).map_err(io(&path))
    }

    /// Checks that the network can take trajectories of this length.
    ///
    /// # Errors
    /// [`Error::Horizon`], with the nearest lengths that work.
    pub fn check_horizon(&self, horizon: usize) -> Result<()> {
        self.output_len(horizon).map(drop).map_err(|reason| {
            let works = |h: &usize| self.output_len(*h).is_ok();
            let below = (1..horizon.min(LONGEST)).rev().find(works);
            let above = (horizon.saturating_add(1)..=LONGEST).find(works);
            Error::Horizon {
                horizon,
                reason,
                nearest: below.into_iter().chain(above).collect(),
            }
        })
    }

    /// The length of the signal before the last block, or why there is none.
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
        len = self.mid_block.out_len(len).ok_or_else(gone)?;
        for (i, block) in self.up_blocks.iter().enumerate() {
            let skip = into_level(levels - 1 - i).unwrap_or(0);
            if skip != len {
                return Err(format!(
                    "on the way up {len} positions meet a skip connection of {skip}"
                ));
            }
            len = block.out_len(len).ok_or_else(gone)?;
        }
        if !self.up_blocks.is_empty() && len != horizon {
            return Err(format!("it comes back up with {len} positions"));
        }
        if let Some(expected) = self.out_block.as_ref().and_then(OutBlock::features) {
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
        TimeFeatures::new(self, timesteps)
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

    /// The residual blocks in the order of the forward pass.
    pub(crate) fn residual_blocks(&self) -> Vec<&ResidualTemporalBlock1d> {
        let down = self.down_blocks.iter().flat_map(|block| &block.resnets);
        let up = self.up_blocks.iter().flat_map(|block| &block.resnets);
        down.chain(self.mid_block.residual_blocks()).chain(up).collect()
    }

    /// The residual blocks in the order of the forward pass.
    pub(crate) fn residual_blocks_mut(&mut self) -> Vec<&mut ResidualTemporalBlock1d> {
        let down = self.down_blocks.iter_mut().flat_map(|block| &mut block.resnets);
        let up = self.up_blocks.iter_mut().flat_map(|block| &mut block.resnets);
        down.chain(self.mid_block.residual_blocks_mut()).chain(up).collect()
    }
}
