//! [`Sampler`]: the state of one run of a scheduler.

use std::fmt::Debug;

use ndarray::{ArrayD, ArrayView3, ArrayViewD, ArrayViewMut3, ArrayViewMutD};

use crate::{Error, Prediction, Result};

/// Which timesteps a run visits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timesteps {
    /// All training timesteps, as a scheduler that was just loaded has them.
    #[default]
    All,
    /// So many, spread by the scheduler's `timestep_spacing`.
    Count(usize),
    /// These, strictly descending.
    Custom(Vec<usize>),
}

impl From<Option<usize>> for Timesteps {
    fn from(count: Option<usize>) -> Self {
        count.map_or(Self::All, Self::Count)
    }
}

/// How a run goes: the arguments of diffusers' `set_timesteps` and `step`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Steps {
    /// Which timesteps are visited.
    pub timesteps: Timesteps,
    /// DDIM's η, from 0 (no noise) to 1 (as much as DDPM); classes without it take 0 alone.
    pub eta: f32,
    /// DDIM's: whether the noise is recomputed from the clipped prediction.
    pub use_clipped_model_output: bool,
}

impl Steps {
    /// These timesteps, with the other arguments as diffusers has them.
    pub fn new(timesteps: impl Into<Timesteps>) -> Self {
        Self {
            timesteps: timesteps.into(),
            ..Self::default()
        }
    }

    /// With this η.
    #[must_use]
    pub fn with_eta(mut self, eta: f32) -> Self {
        self.eta = eta;
        self
    }
}

impl Steps {
    /// That there are none of DDIM's arguments, which no other class has.
    ///
    /// # Errors
    /// [`Error::NoSuchOption`].
    pub(crate) fn check_plain(&self, class: &'static str) -> Result<()> {
        let (option, expected) = match self {
            Self { eta, .. } if *eta != 0.0 => ("eta", "eta 0"),
            Self {
                use_clipped_model_output: true,
                ..
            } => ("use_clipped_model_output", "false"),
            _ => return Ok(()),
        };
        Err(Error::NoSuchOption {
            class,
            option,
            expected,
        })
    }
}

/// One visit of a run: the model is asked once, the sample goes one step on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Visit {
    /// What the model is told.
    pub timestep: f32,
    /// Whether the step takes noise.
    pub draws_noise: bool,
    /// Variance of the posterior over the step (Ho et al. 2020, equation 7), at least 1e-20.
    pub posterior_variance: f32,
    /// diffusers' `_get_variance` of the class; `None` where it has none of a timestep alone.
    pub variance: Option<f32>,
    /// What the sample is divided by before a model sees it, or anything else that was trained on samples of unit variance: 1 but
    /// in the classes that add noise without shrinking the signal.
    pub scale: f32,
    /// Shares `[signal, noise]` of the sample here: `signal original + noise draw`. `None` where they are those of the noise schedule
    /// at the timestep.
    pub shares: Option<[f32; 2]>,
    /// How long a step of guidance is beside that of DDPM: (1 + η²) / 2 for a step that draws η of DDPM's noise, 0 for a second look at
    /// the same step. docs/samplers.md derives it.
    pub guidance: f32,
}

impl Visit {
    /// A visit that draws no noise.
    pub fn new(timestep: f32, posterior_variance: f32) -> Self {
        Self {
            timestep,
            draws_noise: false,
            posterior_variance,
            variance: None,
            scale: 1.0,
            shares: None,
            guidance: 1.0,
        }
    }
}

/// The arrays of a step, all of the sample's shape `(batch, …)`; the model's output has twice the channels where the class
/// learns its variance.
#[derive(Debug)]
#[non_exhaustive]
pub struct SamplerStep<'a> {
    /// What the model said of the sample.
    pub model_output: ArrayViewD<'a, f32>,
    /// The sample.
    pub sample: ArrayViewD<'a, f32>,
    /// A standard normal draw, where the visit draws noise.
    pub noise: Option<ArrayViewD<'a, f32>>,
    /// Where the sample at the next visit goes.
    pub prev_sample: ArrayViewMutD<'a, f32>,
    /// Where the predicted original sample goes, if somebody wants it.
    pub pred_original: Option<ArrayViewMutD<'a, f32>>,
}

impl<'a> SamplerStep<'a> {
    /// A step that draws no noise and tells nobody its prediction.
    pub fn new(
        model_output: ArrayViewD<'a, f32>,
        sample: ArrayViewD<'a, f32>,
        prev_sample: ArrayViewMutD<'a, f32>,
    ) -> Self {
        Self {
            model_output,
            sample,
            noise: None,
            prev_sample,
            pred_original: None,
        }
    }

    /// With this draw.
    #[must_use]
    pub fn with_noise(mut self, noise: Option<ArrayViewD<'a, f32>>) -> Self {
        self.noise = noise;
        self
    }

    /// Writing the prediction too.
    #[must_use]
    pub fn with_pred_original(mut self, pred_original: Option<ArrayViewMutD<'a, f32>>) -> Self {
        self.pred_original = pred_original;
        self
    }
}

/// Both results of a step, in arrays of their own: [`dyn Sampler::step`](trait@Sampler).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplerOutput {
    /// The sample at the next visit.
    pub prev_sample: ArrayD<f32>,
    /// The predicted sample without noise, clipped or thresholded where the scheduler does so.
    pub pred_original_sample: ArrayD<f32>,
}

/// The state of one run: the visits, and whatever a class keeps from one to the next.
///
/// ```text
/// sampler.begin(shape, 0);
/// for (i, visit) in visits:  sampler.scale_input(i, x, scaled)
///                            model_output = model(scaled, visit.timestep)
///                            sampler.step_into(i, …)
/// ```
pub trait Sampler: Debug + Send {
    /// The visits, first to last. A timestep may come twice, and need not be whole.
    fn visits(&self) -> &[Visit];

    /// Standard deviation of the noise that a run starts from.
    fn init_noise_sigma(&self) -> f32 {
        1.0
    }

    /// A new run on samples of this shape, `(batch, horizon, dims)`, from visit `from` on (0 unless it goes on from a sample that
    /// was noised to that visit). Forgets the last run. Memory that steps need is taken here.
    fn begin(&mut self, _shape: [usize; 3], _from: usize) {}

    /// Writes what the model is to see of `sample` to `out`, [`Visit::scale`] taken out; where that is the sample itself it writes
    /// nothing and says false.
    fn scale_input(&self, visit: usize, sample: ArrayView3<'_, f32>, mut out: ArrayViewMut3<'_, f32>) -> bool {
        let scale = self.visits().get(visit).map_or(1.0, |visit| visit.scale);
        if scale == 1.0 || sample.dim() != out.dim() {
            return false;
        }
        out.zip_mut_with(&sample, |out, sample| *out = sample / scale);
        true
    }

    /// The noise levels of the visits as the class has them, noise over signal, and the one that the last step ends at; empty where it
    /// has none.
    fn sigmas(&self) -> &[f32] {
        &[]
    }

    /// What the model's output at a visit says of the sample without noise; `None` where the class does not tell (what this default
    /// returns): then nothing that looks at finished plans can bend the prediction.
    fn prediction(&self, _visit: usize) -> Option<Prediction> {
        None
    }

    /// Takes the sample to the next visit. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchVisit`], [`Error::MissingNoise`], arrays of wrong shapes; [`Error::NotFinite`] where clipping would hide that the
    /// prediction is infinite or NaN. What was written to the outputs then means nothing.
    fn step_into(&mut self, visit: usize, step: SamplerStep<'_>) -> Result<()>;
}

impl dyn Sampler + '_ {
    /// As [`Sampler::step_into`], in arrays of its own.
    ///
    /// # Errors
    /// As there.
    pub fn step(
        &mut self,
        visit: usize,
        model_output: ArrayViewD<'_, f32>,
        sample: ArrayViewD<'_, f32>,
        noise: Option<ArrayViewD<'_, f32>>,
    ) -> Result<SamplerOutput> {
        let mut prev_sample = ArrayD::zeros(sample.raw_dim());
        let mut pred_original_sample = prev_sample.clone();
        let step = SamplerStep::new(model_output, sample, prev_sample.view_mut())
            .with_noise(noise)
            .with_pred_original(Some(pred_original_sample.view_mut()));
        self.step_into(visit, step)?;
        Ok(SamplerOutput {
            prev_sample,
            pred_original_sample,
        })
    }

    /// The timesteps of the visits.
    pub fn timesteps(&self) -> Vec<f32> {
        self.visits().iter().map(|visit| visit.timestep).collect()
    }

    /// The first visit of this timestep.
    ///
    /// # Errors
    /// [`Error::TimestepNotSet`].
    pub fn visit_at(&self, timestep: usize) -> Result<usize> {
        let mut visits = self.visits().iter();
        let found = visits.position(|visit| visit.timestep == timestep as f32);
        found.ok_or(Error::TimestepNotSet {
            timestep,
            num_inference_steps: self.visits().len(),
        })
    }
}
