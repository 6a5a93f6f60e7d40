//! [`Planner`]: the denoising loop, with every buffer in place.

use crate::error::{Error, Result};
use crate::guide::{GuideSession, features_at};
use crate::noise::NoiseSource;
use crate::options::{Guidance, PlanOptions};
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::{Condition, Plan, PlanEvent};
use diffplan_models::{TimeFeatures, Workspace};
use diffplan_schedulers::Scheduler;
use ndarray::{Array, Array1, Array3, ArrayView1, ArrayView2, Axis, ShapeBuilder, Slice};
use std::sync::Arc;

/// A pipeline with its options fixed and its buffers in place. Plans do not depend on what was planned before, but for
/// the noise source.
pub struct Planner<'a> {
    pipeline: &'a ValueGuidedPipeline,
    options: PlanOptions,
    scheduler: Box<dyn Scheduler>,
    /// scale · weight(t) for every timestep in the order they are visited; 0 where no gradient step is made.
    steps: Vec<(usize, f32)>,
    pool: Option<Arc<rayon::ThreadPool>>,
    run: Run<'a>,
}

/// The state of a plan in the making: trajectories are (observations · batch, horizon, dimensions).
struct Run<'a> {
    workspace: Workspace,
    /// None where the pipeline has no guide; the options then ask for none.
    guide: Option<Box<dyn GuideSession + 'a>>,
    time: Vec<Option<TimeFeatures>>,
    x: Array3<f32>,
    model_output: Array3<f32>,
    prev_sample: Array3<f32>,
    noise: Array3<f32>,
    grad: Array3<f32>,
    values: Array1<f32>,
    /// Normalised observations to impose: (which observation of the batch, time, row).
    conditions: Vec<(usize, usize, Array1<f32>)>,
}

impl std::fmt::Debug for Planner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Planner<'a> {
    pub(crate) fn new(pipeline: &'a ValueGuidedPipeline, options: PlanOptions) -> Result<Self> {
        options.validate()?;
        let channels = pipeline.unet.config().sample_channels();
        let in_unet = |error| Error::Network { part: "unet", error };
        let output = pipeline
            .unet
            .output_shape(1, options.planning_horizon)
            .map_err(in_unet)?;
        if output != [1, channels, options.planning_horizon] {
            return Err(Error::Option {
                name: "planning_horizon",
                value: options.planning_horizon.to_string(),
                expected: format!("a horizon the planner network keeps; its output here is {output:?}"),
            });
        }
        if options.ranks() {
            let guide = pipeline.guide.as_ref().ok_or_else(|| Error::NoGuide {
                asked: if options.rescore {
                    "rescore = true".into()
                } else {
                    format!("n_guide_steps = {}", options.n_guide_steps)
                },
            })?;
            guide.check(options.planning_horizon, channels)?;
        }
        let mut scheduler = pipeline.scheduler.clone_boxed();
        if let Some(count) = options.num_inference_steps {
            scheduler.set_timesteps(count)?;
        }
        let mut steps = Vec::with_capacity(scheduler.timesteps().len());
        for &t in scheduler.timesteps() {
            let guided = options.n_guide_steps > 0 && t >= options.t_stopgrad;
            let weight = match options.guidance {
                _ if !guided => 0.0,
                Guidance::Diffusers => (0.5 * scheduler.variance(t)?).exp(),
                Guidance::Diffuser => scheduler.posterior_variance(t)?,
            };
            steps.push((t, weight));
        }
        let run = Run::new(pipeline, &options, &steps, rayon::current_num_threads());
        Ok(Self {
            pipeline,
            options,
            scheduler,
            steps,
            pool: None,
            run,
        })
    }

    /// The same planner on the threads of `pool` rather than on those of the pool it is called in.
    #[must_use]
    pub fn in_pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.run = Run::new(self.pipeline, &self.options, &self.steps, pool.current_num_threads());
        self.pool = Some(pool);
        self
    }

    /// The options it was made with.
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// The pipeline it plans with.
    pub fn pipeline(&self) -> &'a ValueGuidedPipeline {
        self.pipeline
    }

    /// A plan from the current observation (observation dimensions), in the environment's units.
    ///
    /// # Errors
    /// If the observation has another length or is not finite, the noise source fails, or the trajectories diverge.
    pub fn plan(&mut self, observation: ArrayView1<f32>, noise: &mut dyn NoiseSource) -> Result<Plan> {
        self.plan_conditioned(&[Condition { time: 0, observation }], noise, &mut |_| ())
    }

    /// A plan through any observations at any time steps; `watch` is shown every step.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); a time beyond the horizon, or one given twice.
    pub fn plan_conditioned(
        &mut self,
        conditions: &[Condition],
        noise: &mut dyn NoiseSource,
        watch: &mut (dyn FnMut(PlanEvent) + Send),
    ) -> Result<Plan> {
        self.set_conditions(0, conditions)?;
        let mut plans = self.on_pool(&mut [noise], watch)?;
        Ok(plans.remove(0))
    }

    /// A plan for each of many observations (observations, observation dimensions), all candidates in one batch. Each has a
    /// noise source of its own, so its plan is the one it would have had alone.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); another number of noise sources than observations.
    pub fn plan_batch(
        &mut self,
        observations: ArrayView2<f32>,
        noise: &mut [&mut dyn NoiseSource],
    ) -> Result<Vec<Plan>> {
        if noise.len() != observations.nrows() {
            return Err(Error::NoiseSources {
                actual: noise.len(),
                expected: observations.nrows(),
            });
        }
        if noise.is_empty() {
            return Ok(Vec::new());
        }
        for (i, observation) in observations.outer_iter().enumerate() {
            self.set_conditions(i, &[Condition { time: 0, observation }])?;
        }
        self.on_pool(noise, &mut |_| ())
    }

    /// Checks and normalises the conditions of one observation of the batch; those of the first replace all from before.
    fn set_conditions(&mut self, index: usize, conditions: &[Condition]) -> Result<()> {
        let (expected, horizon) = (self.pipeline.observation_dim(), self.options.planning_horizon);
        if index == 0 {
            self.run.conditions.clear();
        }
        for (i, condition) in conditions.iter().enumerate() {
            let (time, observation) = (condition.time, condition.observation);
            let refuse = |reason| Err(Error::Observation { index, time, reason });
            if time >= horizon {
                return refuse(format!("the time is beyond the horizon, expected below {horizon}"));
            }
            if conditions[..i].iter().any(|other| other.time == time) {
                return refuse("two conditions for the same time, expected one".into());
            }
            if observation.len() != expected {
                return refuse(format!("{} numbers, expected {expected}", observation.len()));
            }
            if let Some(dim) = observation.iter().position(|v| !v.is_finite()) {
                return refuse(format!(
                    "dimension {dim} is {}, expected a finite number",
                    observation[dim]
                ));
            }
            let row = self.pipeline.normalizers.observations().normalize(observation)?;
            self.run.conditions.push((index, time, row));
        }
        Ok(())
    }

    /// Plans on the planner's pool, or on the one it is called in. The whole loop is one piece of work: threads are handed
    /// nothing from outside between its steps.
    fn on_pool(
        &mut self,
        noise: &mut [&mut dyn NoiseSource],
        watch: &mut (dyn FnMut(PlanEvent) + Send),
    ) -> Result<Vec<Plan>> {
        match self.pool.clone() {
            Some(pool) => pool.install(|| self.denoise(noise, watch)),
            None => self.denoise(noise, watch),
        }
    }

    fn denoise(
        &mut self,
        noise: &mut [&mut dyn NoiseSource],
        watch: &mut (dyn FnMut(PlanEvent) + Send),
    ) -> Result<Vec<Plan>> {
        let Self {
            pipeline,
            options,
            scheduler,
            steps,
            run,
            ..
        } = self;
        let (action_dim, batch) = (pipeline.action_dim, options.batch_size);
        run.resize(
            noise.len() * batch,
            options.planning_horizon,
            pipeline.unet.config().sample_channels(),
        );
        draw(&mut run.x, noise)?;
        run.apply_conditions(batch, action_dim);
        let count = steps.len();
        for (step, &(timestep, weight)) in steps.iter().enumerate() {
            run.guide(options, timestep, weight, batch, action_dim)?;
            let values = (options.n_guide_steps > 0).then(|| run.values.view());
            watch(PlanEvent::Guided {
                step,
                steps: count,
                timestep,
                sample: run.x.view(),
                values,
            });

            run.predict(pipeline, timestep)?;
            let needs_noise = scheduler.needs_noise(timestep);
            if needs_noise {
                draw(&mut run.noise, noise)?;
            }
            scheduler.step_into(
                run.model_output.view().into_dyn(),
                timestep,
                run.x.view().into_dyn(),
                needs_noise.then(|| run.noise.view().into_dyn()),
                run.prev_sample.view_mut().into_dyn(),
            )?;
            let prev_sample = run.prev_sample.view();
            watch(PlanEvent::Denoised {
                step,
                steps: count,
                timestep,
                prev_sample,
            });
            std::mem::swap(&mut run.x, &mut run.prev_sample);
            run.apply_conditions(batch, action_dim);
        }
        if let (true, Some(guide)) = (options.rescore, &mut run.guide) {
            guide.value(run.x.view(), 0, run.values.view_mut())?;
        }
        let lost = (0..noise.len()).find(|&i| !run.finite(i, batch, options.ranks()));
        if let (Some(index), Some(&(timestep, _))) = (lost, steps.last()) {
            let scale = options.scale;
            return Err(Error::Diverged { index, timestep, scale });
        }
        let plans = noise.iter_mut().enumerate();
        plans
            .map(|(i, noise)| run.plan(pipeline, options, i, &mut **noise))
            .collect()
    }
}

/// Draws the noise of each observation's candidates from its own source.
fn draw(into: &mut Array3<f32>, noise: &mut [&mut dyn NoiseSource]) -> Result<()> {
    let values = into.as_slice_mut().expect("made in standard layout");
    let an_observation = values.len() / noise.len();
    let alone = noise.len() == 1;
    for (index, (values, noise)) in values.chunks_exact_mut(an_observation).zip(noise).enumerate() {
        noise.fill_standard_normal(values).map_err(|error| match alone {
            true => Error::Noise(error),
            false => Error::NoiseOf { index, error },
        })?;
    }
    Ok(())
}

/// Gives an array another shape and keeps its memory: from step to step of an evaluation, episodes end and others begin. What
/// it holds means nothing afterwards.
fn reshape<Sh: ShapeBuilder>(array: &mut Array<f32, Sh::Dim>, shape: Sh) {
    let shape = shape.into_shape_with_order();
    let (mut values, _) = std::mem::take(array).into_raw_vec_and_offset();
    values.resize(shape.size(), 0.0);
    *array = Array::from_shape_vec(shape, values).expect("as many values as the shape has places");
}

impl<'a> Run<'a> {
    fn new(pipeline: &'a ValueGuidedPipeline, options: &PlanOptions, steps: &[(usize, f32)], threads: usize) -> Self {
        let empty = || Array3::zeros((0, 0, 0));
        let compute = options.compute(threads);
        let (mut guide, mut time) = (pipeline.guide.as_ref().map(|guide| guide.session(compute)), Vec::new());
        let mut timesteps: Vec<usize> = steps.iter().map(|&(timestep, _)| timestep).collect();
        for &timestep in &timesteps {
            features_at(&mut time, &pipeline.unet, timestep);
        }
        if options.rescore {
            timesteps.push(0);
        }
        if let (true, Some(guide)) = (options.ranks(), &mut guide) {
            guide.prepare(&timesteps);
        }
        Self {
            workspace: Workspace::with(compute),
            guide,
            time,
            x: empty(),
            model_output: empty(),
            prev_sample: empty(),
            noise: empty(),
            grad: empty(),
            values: Array1::zeros(0),
            conditions: Vec::new(),
        }
    }

    fn resize(&mut self, candidates: usize, horizon: usize, dims: usize) {
        let shape = (candidates, horizon, dims);
        if self.x.dim() != shape {
            let all = [
                &mut self.x,
                &mut self.model_output,
                &mut self.prev_sample,
                &mut self.noise,
                &mut self.grad,
            ];
            all.into_iter().for_each(|array| reshape(array, shape));
            reshape(&mut self.values, candidates);
        }
    }

    /// Whether the candidates of one observation, and their values where they rank them, are numbers.
    fn finite(&self, index: usize, batch: usize, ranked: bool) -> bool {
        let of_it = Slice::from(index * batch..(index + 1) * batch);
        let values = self.values.slice_axis(Axis(0), of_it);
        self.x.slice_axis(Axis(0), of_it).iter().all(|v| v.is_finite())
            && (!ranked || values.iter().all(|v| v.is_finite()))
    }

    fn apply_conditions(&mut self, batch: usize, action_dim: usize) {
        for (index, time, row) in &self.conditions {
            let mut candidates = self
                .x
                .slice_axis_mut(Axis(0), Slice::from(index * batch..(index + 1) * batch));
            for mut trajectory in candidates.outer_iter_mut() {
                let mut step = trajectory.index_axis_mut(Axis(0), *time);
                step.slice_axis_mut(Axis(0), Slice::from(action_dim..)).assign(row);
            }
        }
    }

    /// The gradient steps of one timestep. Below the stop-gradient step trajectories stay, but are valued, as in the
    /// reference.
    fn guide(
        &mut self,
        options: &PlanOptions,
        timestep: usize,
        weight: f32,
        batch: usize,
        action_dim: usize,
    ) -> Result<()> {
        for _ in 0..options.n_guide_steps {
            let Some(guide) = &mut self.guide else {
                return Ok(());
            };
            if timestep < options.t_stopgrad {
                guide.value(self.x.view(), timestep, self.values.view_mut())?;
                // Nothing moves, so valuing again would give the same.
                return Ok(());
            }
            guide.value_and_grad(self.x.view(), timestep, self.values.view_mut(), self.grad.view_mut())?;
            self.x
                .zip_mut_with(&self.grad, |x, g| *x += options.scale * (weight * g));
            self.apply_conditions(batch, action_dim);
        }
        Ok(())
    }

    fn predict(&mut self, pipeline: &ValueGuidedPipeline, timestep: usize) -> Result<()> {
        let time = features_at(&mut self.time, &pipeline.unet, timestep);
        let sample = self.x.view().permuted_axes([0, 2, 1]);
        let output = self.model_output.view_mut().permuted_axes([0, 2, 1]).into_dyn();
        Ok(pipeline.unet.forward_into(sample, time, output, &mut self.workspace)?)
    }

    /// The plan of one observation of the batch.
    fn plan(
        &self,
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        index: usize,
        noise: &mut dyn NoiseSource,
    ) -> Result<Plan> {
        let own = Slice::from(index * options.batch_size..(index + 1) * options.batch_size);
        let (x, values) = (self.x.slice_axis(Axis(0), own), self.values.slice_axis(Axis(0), own));
        let mut order: Vec<usize> = (0..options.batch_size).collect();
        let chosen = if options.ranks() {
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            0
        } else {
            noise.pick_index(options.batch_size)?
        };
        let normalized = x.select(Axis(0), &order);
        let mut trajectories = normalized.clone();
        let (mut actions, mut observations) = trajectories.view_mut().split_at(Axis(2), pipeline.action_dim);
        pipeline.normalizers.actions().denormalize_inplace(actions.view_mut())?;
        pipeline
            .normalizers
            .observations()
            .denormalize_inplace(observations.view_mut())?;
        let first = trajectories.index_axis(Axis(0), chosen).index_axis_move(Axis(0), 0);
        let action = first.slice_axis(Axis(0), Slice::from(..pipeline.action_dim)).to_owned();
        let values = options.ranks().then(|| values.select(Axis(0), &order));
        Ok(Plan {
            action,
            chosen,
            trajectories,
            normalized,
            values,
            order,
            action_dim: pipeline.action_dim,
        })
    }
}
