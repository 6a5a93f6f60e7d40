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

/// A generator, begun.
#[derive(Debug)]
pub(crate) enum Source {
    Own(RngNoise),
    Torch(Box<TorchRng>),
}

impl Noise {
    /// Begins the generator in `source`, in the memory that it has.
    ///
    /// # Errors
    /// If it is of no kind.
    pub(crate) fn begin(self, source: &mut Option<Source>) -> Result<()> {
        match (self.kind, source.as_mut()) {
            (0, _) => *source = Some(Source::Own(RngNoise::seed(self.seed))),
            (1, Some(Source::Torch(torch))) => **torch = TorchRng::manual_seed(self.seed),
            (1, _) => *source = Some(Source::Torch(Box::new(TorchRng::manual_seed(self.seed)))),
            (kind, _) => {
                return Err(Fault::new(
                    Status::Value,
                    format!("noise of kind {kind}, expected 0 or 1, as diffplan_seed and diffplan_torch_seed make it"),
                ));
            }
        }
        Ok(())
    }
}

impl NoiseSource for Source {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> std::result::Result<(), NoiseError> {
        match self {
            Self::Own(source) => source.fill_standard_normal(out),
            Self::Torch(source) => source.fill_standard_normal(out),
        }
    }

    fn pick_index(&mut self, n: usize) -> std::result::Result<usize, NoiseError> {
        match self {
            Self::Own(source) => source.pick_index(n),
            Self::Torch(source) => source.pick_index(n),
        }
    }
}
