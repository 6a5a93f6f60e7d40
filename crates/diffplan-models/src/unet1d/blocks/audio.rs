//! The blocks of diffusers' audio networks: `DownBlock1DNoSkip`, `DownBlock1D`, `AttnDownBlock1D`, `UNetMidBlock1D`, `AttnUpBlock1D`, `UpBlock1D`,
//! `UpBlock1DNoSkip`. All are one thing: something joined at the entrance, a resampler before, three residual blocks (six in the middle), each
//! with an attention behind it or without, a resampler after.

use super::attention::{SelfAttention1d, SelfAttentionSaved};
use super::block::{Backward, Block, Forward, GradTask, Gradients, Keep};
use super::res_conv::{ResConvBlock, ResConvSaved};
use diffplan_nn::{FixedDownsample1d, FixedUpsample1d, ResampleKernel, Signal, params};

/// What is joined to the signal, along the channels, before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Nothing,
    /// The timestep's vector, at every position: of so many channels.
    Time(usize),
    /// The skip connection.
    Skip,
}

#[derive(Clone, Debug)]
pub(crate) struct AudioBlock {
    joined: Joined,
    down: Option<FixedDownsample1d>,
    resnets: Vec<ResConvBlock>,
    attentions: Vec<SelfAttention1d>,
    up: Option<FixedUpsample1d>,
}
params!(AudioBlock {
    down,
    resnets,
    attentions,
    up
});

/// What the gradient reads.
#[derive(Debug)]
pub(crate) struct AudioSaved {
    /// The lengths of what goes into the two resamplers.
    before_down: usize,
    before_up: usize,
    resnets: Vec<ResConvSaved>,
    attentions: Vec<SelfAttentionSaved>,
}

impl AudioBlock {
    fn zeros(joined: Joined, count: usize, [input, mid, output]: [usize; 3]) -> Self {
        let resnets = (0..count).map(|i| {
            let input = if i == 0 { input } else { mid };
            ResConvBlock::zeros(input, mid, if i + 1 == count { output } else { mid }, false)
        });
        Self {
            joined,
            down: None,
            resnets: resnets.collect(),
            attentions: Vec::new(),
            up: None,
        }
    }

    fn after_downsampling(mut self) -> Self {
        self.down = Some(FixedDownsample1d::zeros(ResampleKernel::Cubic));
        self
    }

    fn before_upsampling(mut self) -> Self {
        self.up = Some(FixedUpsample1d::zeros(ResampleKernel::Cubic));
        self
    }

    /// With an attention, of the channels that are there, behind each residual block; all but the last have `mid`.
    fn with_attention(mut self, mid: usize, output: usize) -> Self {
        let last = self.resnets.len() - 1;
        self.attentions = (0..=last)
            .map(|i| SelfAttention1d::zeros(if i == last { output } else { mid }))
            .collect();
        self
    }

    /// `DownBlock1DNoSkip`: it reads the timestep's vector, of `time` of its input channels.
    pub(crate) fn down_no_skip(input: usize, output: usize, time: usize) -> Self {
        Self::zeros(Joined::Time(time), 3, [input, output, output])
    }

    /// `DownBlock1D`.
    pub(crate) fn down(input: usize, output: usize) -> Self {
        Self::zeros(Joined::Nothing, 3, [input, output, output]).after_downsampling()
    }

    /// `AttnDownBlock1D`.
    pub(crate) fn attn_down(input: usize, output: usize) -> Self {
        Self::down(input, output).with_attention(output, output)
    }

    /// `UNetMidBlock1D`.
    pub(crate) fn mid(channels: usize) -> Self {
        Self::zeros(Joined::Nothing, 6, [channels; 3])
            .after_downsampling()
            .with_attention(channels, channels)
            .before_upsampling()
    }

    /// `AttnUpBlock1D`.
    pub(crate) fn attn_up(input: usize, output: usize) -> Self {
        Self::zeros(Joined::Skip, 3, [2 * input, output, output])
            .with_attention(output, output)
            .before_upsampling()
    }

    /// `UpBlock1D`.
    pub(crate) fn up(input: usize, output: usize) -> Self {
        Self::zeros(Joined::Skip, 3, [2 * input, input, output]).before_upsampling()
    }

    /// `UpBlock1DNoSkip`, which does join the skip connection; its last residual block has no normalisation at the end.
    pub(crate) fn up_no_skip(input: usize, output: usize) -> Self {
        let mut block = Self::zeros(Joined::Skip, 2, [2 * input, input, input]);
        block.resnets.push(ResConvBlock::zeros(input, input, output, true));
        block
    }
}

impl Block for AudioBlock {
    type Saved = AudioSaved;

    fn saved(&self, keep: Keep) -> AudioSaved {
        AudioSaved {
            before_down: 0,
            before_up: 0,
            resnets: self.resnets.iter().map(|resnet| resnet.saved(keep)).collect(),
            attentions: self.attentions.iter().map(|attention| attention.saved(keep)).collect(),
        }
    }

    fn out_len(&self, len: usize) -> Option<usize> {
        let len = self.down.as_ref().map_or(Some(len), |down| down.out_len(len))?;
        self.up.as_ref().map_or(Some(len), |up| up.out_len(len))
    }

    fn forward(
        &self,
        x: &mut Signal,
        mut skip: Option<&mut Signal>,
        mut saved: Option<&mut AudioSaved>,
        run: &mut Forward,
    ) {
        let out = &mut run.scratch.out;
        match (self.joined, &mut skip) {
            (Joined::Time(channels), _) => {
                out.reset(x.len(), x.batch(), x.channels() + channels);
                let rows = out.data_mut().chunks_exact_mut(x.channels() + channels);
                for (i, (row, x_row)) in rows.zip(x.data().chunks_exact(x.channels())).enumerate() {
                    row[..x_row.len()].copy_from_slice(x_row);
                    row[x_row.len()..].copy_from_slice(run.time.vector(i % x.batch()));
                }
                std::mem::swap(x, out);
            }
            (Joined::Skip, Some(skip)) => {
                out.concat_channels(x, skip);
                std::mem::swap(x, out);
            }
            _ => {}
        }
        if let Some(down) = &self.down {
            if let Some(saved) = &mut saved {
                saved.before_down = x.len();
            }
            down.forward(x, &mut run.scratch.out);
            std::mem::swap(x, &mut run.scratch.out);
        }
        for (i, resnet) in self.resnets.iter().enumerate() {
            resnet.forward(x, saved.as_mut().map(|s| &mut s.resnets[i]), run);
            if let Some(attention) = self.attentions.get(i) {
                attention.forward(x, saved.as_mut().map(|s| &mut s.attentions[i]), run.scratch);
            }
        }
        if let Some(up) = &self.up {
            if let Some(saved) = &mut saved {
                saved.before_up = x.len();
            }
            up.forward(x, &mut run.scratch.out);
            std::mem::swap(x, &mut run.scratch.out);
        }
        if let (true, Some(skip)) = (self.joined != Joined::Skip, skip) {
            skip.copy_from(x);
        }
    }

    fn backward(&self, d: &mut Signal, skip: Option<&mut Signal>, saved: &mut AudioSaved, run: &mut Backward) {
        let (written, read) = if self.joined == Joined::Skip {
            (None, skip)
        } else {
            (skip, None)
        };
        if let Some(d_skip) = written {
            d.add(d_skip);
        }
        if let Some(up) = &self.up {
            up.input_grad(d, saved.before_up, &mut run.scratch.out);
            std::mem::swap(d, &mut run.scratch.out);
        }
        for (i, resnet) in self.resnets.iter().enumerate().rev() {
            if let Some(attention) = self.attentions.get(i) {
                attention.backward(d, &mut saved.attentions[i], run.scratch);
            }
            resnet.backward(d, &mut saved.resnets[i], run.scratch);
        }
        if let Some(down) = &self.down {
            down.input_grad(d, saved.before_down, &mut run.scratch.out);
            std::mem::swap(d, &mut run.scratch.out);
        }
        let scratch = &mut *run.scratch;
        match (self.joined, read) {
            (Joined::Time(channels), _) => {
                d.split_channels(d.channels() - channels, &mut scratch.out, &mut scratch.side);
                std::mem::swap(d, &mut scratch.out);
            }
            (Joined::Skip, Some(d_skip)) => {
                d.split_channels(d.channels() / 2, &mut scratch.out, d_skip);
                std::mem::swap(d, &mut scratch.out);
            }
            _ => {}
        }
    }

    fn param_grads<'a>(&'a self, saved: &[&'a AudioSaved], grad: &'a mut Self, into: &mut Gradients<'a>) {
        for (i, (resnet, grad)) in self.resnets.iter().zip(&mut grad.resnets).enumerate() {
            resnet.param_grads(saved.iter().map(|saved| &saved.resnets[i]), grad, into);
        }
        for (i, (attention, grad)) in self.attentions.iter().zip(&mut grad.attentions).enumerate() {
            attention.param_grads(saved.iter().map(|saved| &saved.attentions[i]), grad, into);
        }
    }

    fn pack_direct<'a>(&'a self, tasks: &mut Vec<GradTask<'a>>) {
        self.resnets.iter().for_each(|resnet| resnet.pack_direct(tasks));
    }
}
