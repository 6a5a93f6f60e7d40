//! [`Buffers`]: everything that planning writes to, and what it does to that.

use crate::condition::Imposed;
use crate::constraint::{Scratch, of_query};
use crate::error::{Error, Result};
use crate::guide::{Moment, Sees, WeightedSession};
use crate::noise::NoiseSource;
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::Plan;
use crate::select::Selection;
use diffplan_models::{Conditioning, NetworkSession};
use diffplan_schedulers::{NoiseSchedule, Sampler, SamplerStep, Visit};
use ndarray::{Array, Array1, Array2, Array3, ArrayViewMut3, Axis, ShapeBuilder, Slice};

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
    /// What the predicted sample without noise is made.
    pub(super) wanted: Array3<f32>,
    pub(super) values: Array1<f32>,
    /// Of the guides that see the clean sample.
    clean_values: Array1<f32>,
    pub(super) imposed: Imposed,
    /// (constraints, queries · batch): what the last prediction violated.
    pub(super) violated: Array2<f32>,
    /// (horizon, channels): what is imposed on a query's trajectories.
    pub(super) fixed: Array2<bool>,
    scratch: Scratch,
    /// Plans that nobody needs any more: the next ones are written into their memory.
    pub(super) spare: Vec<Plan>,
    pub(super) selection: Selection,
    /// The memory of a list of noise sources, between plans.
    pub(super) sources: Vec<&'static mut dyn NoiseSource>,
}

/// Where in the loop a step is: at a visit of a sampler.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) sampler: &'a dyn Sampler,
    /// The sampler's visit.
    pub(super) visit: usize,
    /// As guides are told, of all steps.
    pub(super) moment: Moment,
    /// As the network is told, of all steps.
    pub(super) time: usize,
}

/// Which part of a step's numbers was no longer finite.
pub(super) type Lost = Option<&'static str>;

impl Buffers {
    /// `guided`: the weight of a gradient step at every visit, and in the extra steps.
    pub(super) fn new(
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        sampler: &dyn Sampler,
        guided: &[f32],
        threads: usize,
    ) -> Self {
        let empty = || Array3::zeros((0, 0, 0));
        let compute = options.compute(threads);
        let mut times = sampler.timesteps();
        let mut network = pipeline.network.clone().session(compute);
        // Finished plans are valued, and extra steps made, as of time 0, after the last visit.
        times.push(0.0);
        network.prepare(match options.extra_steps {
            0 => &times[..times.len() - 1],
            _ => &times,
        });
        let guide = options.ranks().then(|| {
            let mut guide = pipeline.guides.session(compute, guided);
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
            wanted: empty(),
            values: Array1::zeros(0),
            clean_values: Array1::zeros(0),
            imposed: Imposed::default(),
            violated: Array2::zeros((pipeline.constraints.0.len(), 0)),
            fixed: Array2::default((0, 0)),
            scratch: Scratch::default(),
            spare: Vec::new(),
            selection: Selection::default(),
            sources: Vec::new(),
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
                &mut self.wanted,
            ];
            all.into_iter().for_each(|array| reshape(array, shape));
            reshape(&mut self.values, candidates);
            reshape(&mut self.clean_values, candidates);
            let constraints = self.violated.nrows();
            reshape(&mut self.violated, (constraints, candidates));
            if self.fixed.dim() != (horizon, channels) {
                self.fixed = Array2::default((horizon, channels));
            }
        }
        Ok(self.network.condition(Conditioning::None)?)
    }

    /// Conditions, where the sample is `scale` times what they are imposed on.
    pub(super) fn impose(&mut self, batch: usize, scale: f32) {
        self.imposed.apply(self.x.view_mut(), batch, scale);
    }

    /// The gradient steps of a visit, of the guides that see what the network does: a sample that is `Visit::scale` times that goes as many
    /// times as far.
    pub(super) fn guide(&mut self, options: &PlanOptions, at: At<'_>) -> Result<()> {
        let Some(guide) = &mut self.guide else {
            return Ok(());
        };
        let factor = at.sampler.visits().get(at.visit).map_or(1.0, |visit| visit.scale);
        for _ in 0..options.n_guide_steps {
            let scaled = at.sampler.scale_input(at.visit, self.x.view(), self.scaled.view_mut());
            let seen = if scaled { &self.scaled } else { &self.x };
            if !guide.moves(Sees::Noised, at.moment.index) {
                // Nothing moves, so valuing again would give the same.
                return guide.value(Some(Sees::Noised), seen.view(), at.moment, self.values.view_mut());
            }
            let (values, step) = (self.values.view_mut(), self.grad.view_mut());
            guide.value_and_step(Sees::Noised, seen.view(), at.moment, values, step)?;
            // By 1 the numbers stay as they are.
            self.x
                .zip_mut_with(&self.grad, |x, step| *x += factor * (options.scale * step));
            self.imposed.apply(self.x.view_mut(), options.batch_size, factor);
        }
        Ok(())
    }

    /// What the network makes of `x`.
    pub(super) fn predict(&mut self, at: At<'_>) -> Result<()> {
        let scaled = at.sampler.scale_input(at.visit, self.x.view(), self.scaled.view_mut());
        let x = if scaled { &self.scaled } else { &self.x };
        Ok(self.network.forward(x.view(), at.time, self.model_output.view_mut())?)
    }

    /// What is known of finished plans, put into the network's prediction: guides that see the clean sample bend it, soft conditions pull it,
    /// constraints project it, and the network's output becomes the one that predicts what came of that. `asked`: whether guides are, at this visit.
    pub(super) fn bend(
        &mut self,
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        at: At<'_>,
        asked: bool,
    ) -> Result<()> {
        let guided = asked && pipeline.guides.see(Sees::Clean);
        let (pulled, batch) = (self.imposed.any_soft(), options.batch_size);
        if !guided && !pulled && pipeline.constraints.is_empty() {
            return Ok(());
        }
        let Some(prediction) = at.sampler.prediction(at.visit) else {
            return Err(Error::Parts(
                "the scheduler does not tell what the network's output says of the clean sample: expected one of diffplan's for \
                 constraints, soft conditions and guides that see the clean plan"
                    .into(),
            ));
        };
        prediction.original(self.x.view(), self.model_output.view(), self.original.view_mut());
        self.wanted.assign(&self.original);
        self.imposed.apply(self.wanted.view_mut(), batch, 1.0);
        if let (true, Some(guide)) = (guided, &mut self.guide) {
            let wanted = &mut self.wanted;
            for _ in 0..options.n_guide_steps {
                let values = self.clean_values.view_mut();
                if !guide.moves(Sees::Clean, at.moment.index) {
                    guide.value(Some(Sees::Clean), wanted.view(), at.moment, values)?;
                    break;
                }
                guide.value_and_step(Sees::Clean, wanted.view(), at.moment, values, self.grad.view_mut())?;
                wanted.zip_mut_with(&self.grad, |x, step| *x += options.scale * step);
                self.imposed.apply(wanted.view_mut(), batch, 1.0);
            }
            self.values += &self.clean_values;
        }
        self.imposed.pull(self.wanted.view_mut(), batch);
        if !pipeline.constraints.is_empty() {
            self.project(pipeline, batch)?;
        }
        prediction.correct(
            self.x.view(),
            self.original.view(),
            self.wanted.view(),
            self.model_output.view_mut(),
        );
        Ok(())
    }

    fn project(&mut self, pipeline: &ValueGuidedPipeline, batch: usize) -> Result<()> {
        let mut wanted = self.wanted.view_mut();
        let queries = wanted.dim().0 / batch;
        for query in 0..queries {
            self.imposed.mark(query, &mut self.fixed);
            let own = Slice::from(query * batch..(query + 1) * batch);
            pipeline.constraints.project_normalized(
                of_query(&mut wanted, query, batch),
                self.fixed.view(),
                (&pipeline.layout, &pipeline.normalizers),
                &mut self.scratch,
                self.violated.slice_axis_mut(Axis(1), own),
            )?;
        }
        Ok(())
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

/// One draw of every query, into its candidates, `temperature` times as large.
pub(super) fn draw<'n>(
    into: &mut Array3<f32>,
    noise: impl ExactSizeIterator<Item = &'n mut dyn NoiseSource>,
    temperature: f32,
) -> Result<()> {
    if noise.len() == 0 {
        return Ok(());
    }
    let values = into.as_slice_mut().expect("made in standard layout");
    let of_a_query = values.len() / noise.len();
    let alone = noise.len() == 1;
    for (index, (own, noise)) in values.chunks_exact_mut(of_a_query).zip(noise).enumerate() {
        noise.fill_standard_normal(own).map_err(|error| match alone {
            true => Error::Noise(error),
            false => Error::NoiseOf { index, error },
        })?;
    }
    // By 1 the numbers stay as they are.
    if temperature != 1.0 {
        values.iter_mut().for_each(|draw| *draw *= temperature);
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

/// An empty vector of another type of the same size in the memory of an old one: collecting in place keeps it. So a list of what is borrowed for a
/// plan takes no memory of its own from the second plan on.
pub(crate) fn recycle<A, B>(old: Vec<A>) -> Vec<B> {
    old.into_iter().filter_map(|_| None).collect()
}

/// An array of another shape in the memory it has, where that suffices.
pub(crate) fn reshape<Sh: ShapeBuilder>(array: &mut Array<f32, Sh::Dim>, shape: Sh) {
    let shape = shape.into_shape_with_order();
    let (mut values, _) = std::mem::take(array).into_raw_vec_and_offset();
    values.resize(shape.size(), 0.0);
    *array = Array::from_shape_vec(shape, values).expect("as many values as the shape has places");
}
