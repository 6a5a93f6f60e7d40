//! What the blocks of a configuration ask of channels and of each other.

use super::{DownBlockType, MidBlockType, OutBlockType, RESIDUAL_GROUPS, UNet1dConfig, UpBlockType};
use crate::error::{Error, Result};
use crate::unet1d::blocks::SelfAttention1d;

fn refuse(key: &str, reason: String) -> Result<()> {
    Err(Error::config(key, reason))
}

/// Residual temporal blocks normalise in groups.
fn check_residual(key: &str, block: &str, channels: usize) -> Result<()> {
    if channels.is_multiple_of(RESIDUAL_GROUPS) {
        return Ok(());
    }
    let reason = format!(
        "{channels} channels of {block}, expected multiples of {RESIDUAL_GROUPS}: every residual block normalises in \
         {RESIDUAL_GROUPS} groups"
    );
    refuse(key, reason)
}

/// Attention has a head for every 32 channels.
fn check_attention(key: &str, block: &str, channels: usize) -> Result<()> {
    let heads = channels / SelfAttention1d::HEAD;
    if heads > 0 && channels.is_multiple_of(heads) {
        return Ok(());
    }
    let reason = format!(
        "{channels} channels of {block}, whose attention has {heads} heads (a head for every {} channels): expected {0} or more, in equal \
         heads",
        SelfAttention1d::HEAD
    );
    refuse(key, reason)
}

impl UNet1dConfig {
    /// The blocks' channels, what they need of the time embedding, and how they follow on each other.
    pub(super) fn validate_blocks(&self) -> Result<()> {
        let (channels, key) = (&self.block_out_channels, "block_out_channels");
        let last = channels[channels.len() - 1];
        let mut temporal = 0;
        for (i, (kind, &channels)) in self.down_block_types.iter().zip(channels).enumerate() {
            match kind {
                DownBlockType::DownResnetBlock1D => {
                    temporal += 1;
                    check_residual(key, "DownResnetBlock1D", channels)?;
                }
                DownBlockType::AttnDownBlock1D => check_attention(key, "AttnDownBlock1D", channels)?,
                DownBlockType::DownBlock1DNoSkip if i > 0 => {
                    let reason =
                        "DownBlock1DNoSkip reads the timestep's vector beside the sample and can only come first";
                    return refuse("down_block_types", reason.into());
                }
                DownBlockType::DownBlock1DNoSkip if self.use_timestep_embedding => {
                    let reason = "true, expected false: DownBlock1DNoSkip reads the timestep's vector itself";
                    return refuse("use_timestep_embedding", reason.into());
                }
                DownBlockType::DownBlock1D | DownBlockType::DownBlock1DNoSkip => {}
            }
        }
        match self.mid_block_type {
            Some(MidBlockType::MidResTemporalBlock1D) => {
                temporal += 1;
                check_residual(key, "MidResTemporalBlock1D", last)?;
            }
            Some(MidBlockType::ValueFunctionMidBlock1D) => {
                temporal += 1;
                if !last.is_multiple_of(4 * RESIDUAL_GROUPS) {
                    let reason =
                        format!("{last} at the end, expected a multiple of 32: the value function quarters it");
                    return refuse(key, reason);
                }
                if !self.up_block_types.is_empty() {
                    let reason = format!(
                        "{} blocks after a ValueFunctionMidBlock1D, expected none: it leaves {} channels, and the way up needs {last}",
                        self.up_block_types.len(),
                        last / 4
                    );
                    return refuse("up_block_types", reason);
                }
            }
            Some(MidBlockType::UNetMidBlock1D) => check_attention(key, "UNetMidBlock1D", last)?,
            None if self.out_block_type != Some(OutBlockType::ValueFunction) => {
                let reason = "null is for value functions alone; expected MidResTemporalBlock1D, ValueFunctionMidBlock1D or UNetMidBlock1D";
                return refuse("mid_block_type", reason.into());
            }
            None => {}
        }
        for (i, kind) in self.up_block_types.iter().enumerate() {
            let last_of_all = i + 1 == self.up_block_types.len() && self.out_block_type.is_none();
            let key = if last_of_all { "out_channels" } else { key };
            match kind {
                UpBlockType::UpResnetBlock1D => {
                    temporal += 1;
                    check_residual(key, "UpResnetBlock1D", self.up_channels(i))?;
                }
                UpBlockType::AttnUpBlock1D => check_attention(key, "AttnUpBlock1D", self.up_channels(i))?,
                UpBlockType::UpBlock1D | UpBlockType::UpBlock1DNoSkip => {}
            }
        }
        if !self.use_timestep_embedding && (temporal > 0 || self.out_block_type == Some(OutBlockType::ValueFunction)) {
            let reason = "false, expected true: residual temporal blocks and value functions read a time embedding";
            return refuse("use_timestep_embedding", reason.into());
        }
        self.validate_attention(temporal)
    }

    fn validate_attention(&self, temporal: usize) -> Result<()> {
        let blocks = self.down_block_types.len() + self.up_block_types.len() + 1;
        let mid = self.mid_block_type == Some(MidBlockType::MidResTemporalBlock1D);
        if self.temporal_attention.is_none() || mid && temporal == blocks {
            return Ok(());
        }
        let reason = "needs residual temporal blocks alone: DownResnetBlock1D, MidResTemporalBlock1D, UpResnetBlock1D";
        refuse("temporal_attention", reason.into())
    }
}
