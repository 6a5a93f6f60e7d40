//! [`Noise`]: where a plan's randomness comes from.

use crate::status::{Fault, Result, Status};
use diffplan::pipelines::{NoiseError, NoiseSource, RngNoise, TorchRng};

/// Where the randomness of one plan comes from: made by diffplan_seed or diffplan_torch_seed, and copied like a number. The same noise, the same plan, to the
/// bit, on any number of threads.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The seed.
    pub seed: u64,
    /// 0 for diffplan's generator, 1 for torch's. Nothing else is one.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
}

/// Noise of diffplan's own generator (ChaCha of 8 rounds): the same on every machine. `diffplan plan --seed`, `seed=` in Python, RngNoise::seed in Rust. A
/// control loop seeds each plan anew, for example with the number of the step.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_seed(seed: u64) -> Noise {
    Noise {
        seed,
        kind: 0,
        reserved: 0,
    }
}

/// What torch draws on the CPU after torch.manual_seed(seed), value for value: a plan by diffusers' ValueGuidedRLPipeline from that seed. A negative seed is its two's
/// complement, as in torch; the low 32 bits count.
#[unsafe(no_mangle)]
pub extern "C" fn diffplan_torch_seed(seed: u64) -> Noise {
    Noise {
        seed,
        kind: 1,
        reserved: 0,
    }
}

/// A generator of either kind, begun; the other one's memory stays for when it is asked for again.
#[derive(Debug)]
pub(crate) struct Source {
    own: RngNoise,
    torch: Option<Box<TorchRng>>,
    is_torch: bool,
}

impl Source {
    pub(crate) fn new() -> Self {
        Self {
            own: RngNoise::seed(0),
            torch: None,
            is_torch: false,
        }
    }

    /// Begins as `noise` says.
    ///
    /// # Errors
    /// If it is of no kind.
    pub(crate) fn begin(&mut self, noise: Noise) -> Result<()> {
        match noise.kind {
            0 => (self.own, self.is_torch) = (RngNoise::seed(noise.seed), false),
            1 => {
                let torch = TorchRng::manual_seed(noise.seed);
                match &mut self.torch {
                    Some(there) => **there = torch,
                    None => self.torch = Some(Box::new(torch)),
                }
                self.is_torch = true;
            }
            kind => {
                return Err(Fault::new(
                    Status::Value,
                    format!("noise of kind {kind}, expected 0 or 1, as diffplan_seed and diffplan_torch_seed make it"),
                ));
            }
        }
        Ok(())
    }

    fn current(&mut self) -> &mut dyn NoiseSource {
        match &mut self.torch {
            Some(torch) if self.is_torch => torch.as_mut(),
            _ => &mut self.own,
        }
    }
}

impl NoiseSource for Source {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> std::result::Result<(), NoiseError> {
        self.current().fill_standard_normal(out)
    }

    fn pick_index(&mut self, n: usize) -> std::result::Result<usize, NoiseError> {
        self.current().pick_index(n)
    }
}
