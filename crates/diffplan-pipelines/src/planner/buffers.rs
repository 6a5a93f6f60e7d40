//! [`Buffers`]: everything that planning writes to, and what it does to that.

use crate::condition::Imposed;
use crate::error::{Error, Result};
use crate::guide::{Moment, WeightedSession};
use crate::noise::NoiseSource;
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use diffplan_models::{Conditioning, NetworkSession};
use diffplan_schedulers::{NoiseSchedule, Sampler, SamplerStep, Visit};
use ndarray::{Array, Array1, Array3, ArrayViewMut3, ShapeBuilder};

/// The sessions of network and guides, and the arrays, (queries · batch, horizon, channels) but for the values.
pub(super) struct Buffers {
    pub(super) network: Box<dyn NetworkSession>,
    pub(super) guide: Option<WeightedSession>,
    pub(super) x: Array3<f32>,
    pub(super) model_output: Array3<f32>,
    pub(super) prev_sample: Array3<f32>,
    /// The predicted sample without noise.
    pub(super) original: Array3<f32>,
    pub(super) noise: Array3<f32>,
    pub(super) grad: Array3<f32>,
    /// Of the network's input where that is not the sample itself.
    scaled: Array3<f32>,
    pub(super) values: Array1<f32>,
    pub(super) imposed: Imposed,
}

/// Which part of a step's numbers was no longer finite.
pub(super) type Lost = Option<&'static str>;

impl Buffers {
    pub(super) fn new(
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        sampler: &dyn Sampler,
        threads: usize,
    ) -> Self {
        let empty = || Array3::zeros((0, 0, 0));
        let compute = options.compute(threads);
        let mut times = sampler.timesteps();
        let mut network = pipeline.network.clone().session(compute);
        network.prepare(&times);
        // Finished plans are valued as of time 0, after the last visit.
        times.push(0.0);
        let guide = options.ranks().then(|| {
            let mut guide = pipeline.guides.session(compute);
            guide.prepare(&times);
            guide
        });
        Self {
            network,
            guide,
            x: empty(),
            model_output: empty(),
            prev_sample: empty(),
            original: empty(),
            noise: empty(),
            grad: empty(),
            scaled: empty(),
            values: Array1::zeros(0),
            imposed: Imposed::default(),
        }
    }

    /// Room for so many candidates.
    pub(super) fn resize(&mut self, candidates: usize, horizon: usize, channels: usize) -> Result<()> {
        let shape = (candidates, horizon, channels);
        if self.x.dim() != shape {
            let all = [
                &mut self.x,
                &mut self.model_output,
                &mut self.prev_sample,
                &mut self.original,
                &mut self.noise,
                &mut self.grad,
                &mut self.scaled,
            ];
            all.into_iter().for_each(|array| reshape(array, shape));
            reshape(&mut self.values, candidates);
        }
        Ok(self.network.condition(Conditioning::None)?)
    }

    /// Conditions, where the sample is `scale` times what they are imposed on.
    pub(super) fn impose(&mut self, batch: usize, scale: f32) {
        self.imposed.apply(self.x.view_mut(), batch, scale);
    }

    /// The gradient steps of a visit. The guide sees what the network does, so a sample that is `Visit::scale` times that goes as many
    /// times as far.
    pub(super) fn guide(
        &mut self,
        options: &PlanOptions,
        sampler: &dyn Sampler,
        at: Moment,
        weight: f32,
    ) -> Result<()> {
        let Some(guide) = &mut self.guide else {
            return Ok(());
        };
        let visit = sampler.visits().get(at.index);
        let factor = visit.map_or(1.0, |visit| visit.scale);
        for _ in 0..options.n_guide_steps {
            let scaled = sampler.scale_input(at.index, self.x.view(), self.scaled.view_mut());
            let seen = if scaled { &self.scaled } else { &self.x };
            if at.timestep < options.t_stopgrad as f32 || visit.is_some_and(|visit| visit.guidance == 0.0) {
                // Nothing moves, so valuing again would give the same.
                return guide.value(seen.view(), at, self.values.view_mut());
            }
            guide.value_and_grad(seen.view(), at, self.values.view_mut(), self.grad.view_mut())?;
            // By 1 the numbers stay as they are.
            self.x
                .zip_mut_with(&self.grad, |x, g| *x += factor * (options.scale * (weight * g)));
            self.imposed.apply(self.x.view_mut(), options.batch_size, factor);
        }
        Ok(())
    }

    /// What the network makes of `x`.
    pub(super) fn predict(&mut self, sampler: &dyn Sampler, visit: usize) -> Result<()> {
        let scaled = sampler.scale_input(visit, self.x.view(), self.scaled.view_mut());
        let x = if scaled { &self.scaled } else { &self.x };
        Ok(self.network.forward(x.view(), visit, self.model_output.view_mut())?)
    }

    /// The scheduler's step, after which `x` is the sample at the next visit, and `prev_sample` what it was.
    pub(super) fn step(&mut self, sampler: &mut dyn Sampler, visit: usize, draws_noise: bool) -> Result<()> {
        let step = SamplerStep::new(
            self.model_output.view().into_dyn(),
            self.x.view().into_dyn(),
            self.prev_sample.view_mut().into_dyn(),
        );
        let step = step
            .with_noise(draws_noise.then(|| self.noise.view().into_dyn()))
            .with_pred_original(Some(self.original.view_mut().into_dyn()));
        sampler.step_into(visit, step)?;
        std::mem::swap(&mut self.x, &mut self.prev_sample);
        Ok(())
    }

    /// The first candidate of which `array` (candidates, …) has a number that is not finite.
    pub(super) fn lost_in(array: &[f32], candidates: usize) -> Option<usize> {
        // The largest magnitude as bits: infinity and NaN are above all finite ones.
        let largest = |numbers: &[f32]| {
            numbers
                .iter()
                .fold(0, |largest, x| largest.max(x.to_bits() & 0x7fff_ffff))
        };
        let finite = |numbers: &[f32]| largest(numbers) < f32::INFINITY.to_bits();
        if finite(array) {
            return None;
        }
        let each = array.len() / candidates.max(1);
        array.chunks_exact(each.max(1)).position(|numbers| !finite(numbers))
    }
}

/// One draw of every query, into its candidates.
pub(super) fn draw(into: &mut Array3<f32>, noise: &mut [&mut dyn NoiseSource]) -> Result<()> {
    if noise.is_empty() {
        return Ok(());
    }
    let values = into.as_slice_mut().expect("made in standard layout");
    let of_a_query = values.len() / noise.len();
    let alone = noise.len() == 1;
    for (index, (values, noise)) in values.chunks_exact_mut(of_a_query).zip(noise).enumerate() {
        noise.fill_standard_normal(values).map_err(|error| match alone {
            true => Error::Noise(error),
            false => Error::NoiseOf { index, error },
        })?;
    }
    Ok(())
}

/// Noises `sample` to what it is at a visit, by the draw in `into`, where it goes: in the sampler's own shares, or else the schedule's.
pub(super) fn noise_to(
    visit: &Visit,
    schedule: &NoiseSchedule,
    sample: &Array3<f32>,
    mut into: ArrayViewMut3<f32>,
) -> Result<()> {
    if let Some([signal, noise]) = visit.shares {
        into.zip_mut_with(sample, |draw, original| *draw = signal * original + noise * *draw);
        return Ok(());
    }
    let (sample, draw) = (sample.view().into_dyn(), into.view().into_dyn());
    let noised = schedule.add_noise(sample, draw, &[visit.timestep as usize])?;
    into.assign(&noised);
    Ok(())
}

/// An array of another shape in the memory it has, where that suffices.
fn reshape<Sh: ShapeBuilder>(array: &mut Array<f32, Sh::Dim>, shape: Sh) {
    let shape = shape.into_shape_with_order();
    let (mut values, _) = std::mem::take(array).into_raw_vec_and_offset();
    values.resize(shape.size(), 0.0);
    *array = Array::from_shape_vec(shape, values).expect("as many values as the shape has places");
}
