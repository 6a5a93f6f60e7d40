//! Where a plan's randomness comes from, as Python says it.

use crate::arrays;
use crate::errors::Trouble;
use diffplan::ndarray::Ix4;
use diffplan::pipelines::{NoiseError, NoiseSource, RecordedNoise, RngNoise, TorchRng};
use diffplan::rand;
use pyo3::prelude::*;
use pyo3::types::PyAny;

/// A source that can be taken to another thread.
pub(crate) enum Noise {
    /// torch's stream for a seed, without torch.
    Torch(Box<TorchRng>),
    /// This project's generator.
    Seeded(Box<RngNoise>),
    /// Draws that were recorded.
    Recorded(RecordedNoise),
    /// Functions of Python: torch's global generator, or any other.
    Python(Draws),
}

/// `draw(n)`, an array of `n` standard normal numbers, and `pick(n)`, a number below `n`.
pub(crate) struct Draws {
    draw: Py<PyAny>,
    pick: Py<PyAny>,
    /// What one of them raised, to be raised again.
    raised: Option<PyErr>,
}

impl Draws {
    fn call<T>(&mut self, call: impl FnOnce(Python<'_>, &Self) -> PyResult<T>) -> Result<T, NoiseError> {
        Python::attach(|py| call(py, self)).map_err(|error| {
            self.raised = Some(error);
            // Stands for what was raised, which is told instead.
            NoiseError::NothingToPick
        })
    }
}

impl NoiseSource for Draws {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        self.call(|py, own| {
            let drawn = own.draw.bind(py).call1((out.len(),))?;
            let drawn = arrays::numbers(&drawn, "what the generator draws")?;
            if drawn.len() != out.len() {
                let message = format!("the generator drew {} numbers, expected {}", drawn.len(), out.len());
                return Err(Trouble::new("InvalidValue", "noise", message).into());
            }
            out.iter_mut().zip(&drawn).for_each(|(to, from)| *to = *from);
            Ok(())
        })
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        self.call(|py, own| own.pick.bind(py).call1((n,))?.extract())
    }
}

impl Noise {
    /// Of the keywords of a call. `draws`, a pair `(draw, pick)`, is what draws where none is given; without it, a fresh
    /// seed.
    pub(crate) fn of(
        seed: Option<u64>,
        torch_seed: Option<i128>,
        noise: Option<&Bound<'_, PyAny>>,
        draws: Option<(Py<PyAny>, Py<PyAny>)>,
    ) -> PyResult<Self> {
        let given = [seed.is_some(), torch_seed.is_some(), noise.is_some()];
        if given.iter().filter(|&&given| given).count() > 1 {
            return Err(Trouble::new(
                "InvalidValue",
                "noise",
                "more than one of seed, torch_seed and noise is given, expected one",
            )
            .into());
        }
        if let Some(seed) = seed {
            return Ok(Self::Seeded(Box::new(RngNoise::seed(seed))));
        }
        if let Some(seed) = torch_seed {
            return Ok(Self::Torch(Box::new(TorchRng::manual_seed(torch(seed)?))));
        }
        if let Some(noise) = noise {
            let recorded = arrays::of_rank::<Ix4>(noise, "noise", "(draws, batch, horizon, action + observation)")?;
            return Ok(Self::Recorded(RecordedNoise::from_arrays(recorded.outer_iter())));
        }
        Ok(match draws {
            Some((draw, pick)) => Self::Python(Draws {
                draw,
                pick,
                raised: None,
            }),
            None => Self::Seeded(Box::new(RngNoise::seed(rand::random()))),
        })
    }

    /// The source itself.
    pub(crate) fn source(&mut self) -> &mut dyn NoiseSource {
        match self {
            Self::Torch(source) => &mut **source,
            Self::Seeded(source) => &mut **source,
            Self::Recorded(source) => source,
            Self::Python(source) => source,
        }
    }

    /// One for each of `count` queries: forks of a seed; of anything else there is one stream, which queries cannot share.
    pub(crate) fn forks(self, count: usize) -> PyResult<Vec<Self>> {
        match self {
            Self::Seeded(mut source) => Ok((0..count).map(|_| Self::Seeded(Box::new(source.fork()))).collect()),
            own if count == 1 => Ok(vec![own]),
            _ => Err(Trouble::new(
                "InvalidValue",
                "noise",
                "several observations need a seed (seed=), or a torch seed each",
            )
            .into()),
        }
    }

    /// What a function of Python raised while it drew.
    pub(crate) fn raised(&mut self) -> Option<PyErr> {
        match self {
            Self::Python(draws) => draws.raised.take(),
            _ => None,
        }
    }
}

/// A seed as `torch.manual_seed` reads it: negative ones are counted from 2^64 down.
pub(crate) fn torch(seed: i128) -> PyResult<u64> {
    let whole = if seed < 0 { (1 << 64) + seed } else { seed };
    let read = u64::try_from(whole).ok().filter(|_| seed >= -(1 << 63));
    read.ok_or_else(|| {
        let message = format!("torch_seed = {seed}: expected a number from -2^63 to 2^64 - 1");
        Trouble::new("InvalidValue", "noise", message).into()
    })
}
