//! [`Denoising`]: the loop, a step at a time.

use super::buffers::{At, Buffers, Lost, draw, noise_to, recycle, reshape};
use super::{Parts, Planner};
use crate::action::Chosen;
use crate::condition::Imposed;
use crate::constraint::{self, Violations};
use crate::deadline::CancelToken;
use crate::error::{Error, Result};
use crate::guide::{Moment, Sees};
use crate::noise::NoiseSource;
use crate::options::TrainedConditions;
use crate::plan::{Plan, Query, Start, StepReport};
use crate::select::{Candidates, First, Selection, choose};
use crate::units::denormalize;
use ndarray::{Array1, Array2, Array3, ArrayView3, Axis, Slice};

/// Plans in the making, one for each query: [`step`](Self::step) through the visits, or [`finish`](Self::finish). Dropped, it leaves
/// nothing behind.
///
/// ```
/// # use diffplan_pipelines::{Condition, Query, RngNoise, ValueGuidedPipeline};
/// # use ndarray::array;
/// # fn main() -> Result<(), diffplan_pipelines::Error> {
/// # let checkpoint = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
/// # if !std::path::Path::new(checkpoint).exists() { return Ok(()); } // a published crate comes without checkpoints
/// let mut planner = ValueGuidedPipeline::from_pretrained(checkpoint)?.planner(Default::default())?;
/// let (observation, mut noise) = (array![1.0, 0.0, 0.1], RngNoise::seed(0));
/// let conditions = [Condition::observation(0, observation.view())];
/// let mut queries = [Query::new(&conditions, &mut noise)];
/// let mut denoising = planner.begin(&mut queries)?;
/// while let Some(step) = denoising.step()? {
///     println!("{} of {}", step.visit + 1, step.visits);
/// }
/// let plans = denoising.finish()?;
/// # assert_eq!(plans.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Denoising<'a> {
    parts: &'a mut Parts,
    buffers: &'a mut Buffers,
    noise: Vec<&'a mut dyn NoiseSource>,
    /// The visit to make next.
    next: usize,
    /// Whether a visit was made.
    begun: bool,
    /// Whether a guide was asked for values: those of an earlier plan are none of this one's.
    valued: bool,
    /// Whether one failed: its gradient steps are not to be made twice.
    failed: bool,
}

impl std::fmt::Debug for Denoising<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denoising")
            .field("next", &self.next)
            .field("visits", &self.visits())
            .finish_non_exhaustive()
    }
}

impl Planner {
    pub(super) fn begin_here<'a>(&'a mut self, queries: &'a mut [Query]) -> Result<Denoising<'a>> {
        let Self { parts, buffers } = self;
        let (batch, horizon) = (parts.options.batch_size, parts.options.planning_horizon);
        let channels = parts.pipeline.layout.channels();
        let from = parts.check_starts(queries)?;
        let buffers = buffers.get_or_insert_with(|| parts.buffers());
        buffers.imposed.clear();
        for (index, query) in queries.iter().enumerate() {
            let sizes = (&parts.pipeline.layout, horizon);
            buffers
                .imposed
                .add(index, query.conditions, sizes, &parts.pipeline.normalizers)?;
            parts.check_goal(&buffers.imposed, index)?;
        }
        if !parts.pipeline.constraints.is_empty() {
            for index in 0..queries.len() {
                let imposed = buffers.imposed.values(index, (horizon, channels));
                let units = (&parts.pipeline.layout, &*parts.pipeline.normalizers);
                constraint::check_imposed(&parts.pipeline.constraints, imposed, index, units)?;
            }
        }
        let candidates = queries.len().checked_mul(batch).ok_or_else(|| Error::Option {
            name: "batch_size",
            value: batch.to_string(),
            expected: format!("fewer candidates for {} queries", queries.len()),
        })?;
        buffers.resize(candidates, horizon, channels)?;
        parts.sampler.begin([candidates, horizon, channels], from);
        let sources = queries
            .iter_mut()
            .map(|query| &mut *query.noise as &mut dyn NoiseSource);
        draw(&mut buffers.x, sources, parts.options.temperature)?;
        parts.set_off(queries, &mut buffers.x)?;
        let mut noise: Vec<&'a mut dyn NoiseSource> = recycle(std::mem::take(&mut buffers.sources));
        noise.extend(
            queries
                .iter_mut()
                .map(|query| &mut *query.noise as &mut dyn NoiseSource),
        );
        Ok(Denoising {
            parts,
            buffers,
            noise,
            next: from,
            begun: false,
            valued: false,
            failed: false,
        })
    }
}

impl Parts {
    /// Everything that planning writes to, for the threads that it is done on.
    fn buffers(&self) -> Buffers {
        let threads = match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => rayon::current_num_threads(),
        };
        Buffers::new(&self.pipeline, &self.options, &*self.sampler, &self.guided, threads)
    }

    /// That a network which has learned to reach goals is given one.
    fn check_goal(&self, imposed: &Imposed, index: usize) -> Result<()> {
        if self.pipeline.planning_config().conditions != Some(TrainedConditions::Goal) {
            return Ok(());
        }
        let last = self.options.planning_horizon - 1;
        let mut own = self.pipeline.layout.observations();
        match own.all(|channel| imposed.holds(index, last, channel)) {
            true => Ok(()),
            false => Err(Error::NoGoal { index, time: last }),
        }
    }

    /// The visit that all queries start at.
    fn check_starts(&self, queries: &[Query]) -> Result<usize> {
        let visits = self.sampler.visits().len();
        let shape = (
            self.options.batch_size,
            self.options.planning_horizon,
            self.pipeline.layout.channels(),
        );
        let mut common = None;
        for (index, query) in queries.iter().enumerate() {
            let refuse = |reason| Err(Error::Start { index, reason });
            let from = match query.start {
                Start::Noise => 0,
                Start::Warm { from, .. } if from >= visits => {
                    return refuse(format!("visit {from} of {visits}"));
                }
                Start::Warm { sample, .. } if sample.dim() != shape => {
                    return refuse(format!("a sample of shape {:?}, expected {shape:?}", sample.dim()));
                }
                Start::Warm { sample, .. } if sample.iter().any(|v| !v.is_finite()) => {
                    return refuse("a sample with numbers that are not finite".into());
                }
                Start::Warm { from, .. } => from,
            };
            if *common.get_or_insert(from) != from {
                return refuse(format!(
                    "visit {from}, others of the call start at another: expected the same"
                ));
            }
        }
        Ok(common.unwrap_or(0))
    }

    /// What was drawn becomes what the first visit sees.
    fn set_off(&self, queries: &[Query], x: &mut Array3<f32>) -> Result<()> {
        let batch = self.options.batch_size;
        let sigma = self.sampler.init_noise_sigma();
        for (index, query) in queries.iter().enumerate() {
            let own = Slice::from(index * batch..(index + 1) * batch);
            let mut own = x.slice_axis_mut(Axis(0), own);
            match query.start {
                // By 1 the numbers stay as they are.
                Start::Noise if sigma == 1.0 => {}
                Start::Noise => own.mapv_inplace(|draw| sigma * draw),
                Start::Warm { sample, from } => {
                    let schedule = self.pipeline.scheduler.schedule();
                    noise_to(&self.sampler.visits()[from], schedule, sample, own)?;
                }
            }
        }
        Ok(())
    }
}

impl Denoising<'_> {
    /// The number of visits, made and to be made; extra steps are among them.
    pub fn visits(&self) -> usize {
        self.parts.sampler.visits().len() + self.parts.options.extra_steps
    }

    /// Makes the next visit, and says what it did; `None` once all are made.
    ///
    /// # Errors
    /// [`Error::Diverged`] if numbers are no longer finite, and where; what a network, the scheduler, a guide or the noise source
    /// says. After an error this is of no use any more.
    pub fn step(&mut self) -> Result<Option<StepReport<'_>>> {
        if self.next >= self.visits() {
            return Ok(None);
        }
        match self.parts.pool.clone() {
            Some(pool) => pool.install(|| self.step_here())?,
            None => self.step_here()?,
        }
        let visit = self.next - 1;
        let buffers = &*self.buffers;
        Ok(Some(StepReport {
            visit,
            visits: self.visits(),
            timestep: self
                .parts
                .sampler
                .visits()
                .get(visit)
                .map_or(0.0, |visit| visit.timestep),
            guided: buffers.prev_sample.view(),
            values: self.valued.then(|| buffers.values.view()),
            original: buffers.original.view(),
            prev_sample: buffers.x.view(),
        }))
    }

    fn step_here(&mut self) -> Result<()> {
        if self.failed {
            return Err(Error::Parts(
                "a step of this loop failed: begin another for a plan".into(),
            ));
        }
        if self.parts.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Error::Cancelled {
                visits: self.next,
                of: self.visits(),
            });
        }
        let made = self.visit();
        self.failed = made.is_err();
        made
    }

    fn visit(&mut self) -> Result<()> {
        let Parts {
            pipeline,
            options,
            sampler,
            polish,
            skipped,
            ..
        } = &mut *self.parts;
        let buffers = &mut *self.buffers;
        let (index, own) = (self.next, sampler.visits().len());
        // Extra steps are the last one of another sampler, again and again, of a sample that is clean already.
        let (sampler, own_visit, time) = match polish {
            Some(polish) if index >= own => {
                let last = polish.visits().len() - 1;
                (polish, last, own)
            }
            _ => (sampler, index, index),
        };
        let visit = sampler.visits()[own_visit];
        let candidates = buffers.x.dim().0;
        if candidates == 0 {
            // No queries: every visit is made at once.
            (self.next, self.begun) = (index + 1, true);
            return Ok(());
        }
        let diverged = |buffers: &Buffers, of: &dyn Fn(&Buffers) -> (&Array3<f32>, &'static str)| -> Result<()> {
            let (array, what) = of(buffers);
            let lost = Buffers::lost_in(array.as_slice().unwrap_or_default(), candidates);
            lost.map_or(Ok(()), |candidate| {
                Err(Error::Diverged {
                    index: candidate / options.batch_size,
                    step: index,
                    timestep: visit.timestep,
                    what,
                    scale: (options.n_guide_steps > 0).then_some(options.scale),
                })
            })
        };
        buffers.impose(options.batch_size, visit.scale);
        let at = At {
            sampler: &**sampler,
            visit: own_visit,
            moment: Moment {
                index: time,
                timestep: visit.timestep,
            },
            time,
        };
        let asked = options.n_guide_steps > 0 && !skipped.get(index).is_some_and(|&skipped| skipped);
        if asked {
            buffers.guide(options, at)?;
            check_values(buffers, options.batch_size, index, visit.timestep, options.scale)?;
            diverged(buffers, &|b| (&b.x, "the trajectories, once guided,"))?;
        }
        buffers.predict(at)?;
        diverged(buffers, &|b| (&b.model_output, "the planner network's output"))?;
        buffers.bend(pipeline, options, at, asked)?;
        if asked && pipeline.guides.see(Sees::Clean) {
            check_values(buffers, options.batch_size, index, visit.timestep, options.scale)?;
        }
        self.valued |= asked;
        let draws_noise = visit.draws_noise && index < own;
        if draws_noise {
            let sources = self
                .noise
                .iter_mut()
                .map(|source| &mut **source as &mut dyn NoiseSource);
            draw(&mut buffers.noise, sources, options.temperature)?;
        }
        buffers.step(&mut **sampler, own_visit, draws_noise)?;
        diverged(buffers, &|b| (&b.x, "the trajectories"))?;
        self.next += 1;
        self.begun = true;
        Ok(())
    }

    /// What the plans would be by the sample without noise that the last visit predicted: an early answer, the better the later.
    /// `None` before the first visit. The candidates are ranked by the values of the last gradient step; where nothing valued
    /// them, the first is acted on.
    ///
    /// # Errors
    /// What a normaliser or the action head says.
    pub fn estimate(&mut self) -> Result<Option<Vec<Plan>>> {
        if !self.begun {
            return Ok(None);
        }
        let (parts, buffers) = (&*self.parts, &mut *self.buffers);
        // Written anew before it is read, at every visit.
        buffers.wanted.assign(&buffers.original);
        buffers
            .imposed
            .apply(buffers.wanted.view_mut(), parts.options.batch_size, 1.0);
        let mut into = Into::take(buffers);
        let values = self.valued.then_some(&buffers.values);
        for index in 0..self.noise.len() {
            parts.plan_of((buffers.wanted.view(), buffers), values, index, &mut First, &mut into)?;
        }
        Ok(Some(into.plans(buffers, self.noise.len())))
    }

    /// Makes the visits that are left, and the plans.
    ///
    /// # Errors
    /// As [`step`](Self::step); what a normaliser, the selection or the action head says.
    pub fn finish(self) -> Result<Vec<Plan>> {
        match self.parts.pool.clone() {
            Some(pool) => pool.install(|| self.finish_here()),
            None => self.finish_here(),
        }
    }

    pub(super) fn finish_here(mut self) -> Result<Vec<Plan>> {
        while self.next < self.visits() {
            self.step_here()?;
        }
        let Self {
            parts, buffers, noise, ..
        } = &mut self;
        let visits = parts.sampler.visits();
        let (after, last) = (visits.len(), visits.last().map_or(0.0, |visit| visit.timestep));
        let options = &parts.options;
        buffers.impose(options.batch_size, 1.0);
        let rescore = options.rescore && !noise.is_empty();
        if let (true, Some(guide)) = (rescore, &mut buffers.guide) {
            let at = Moment {
                index: after,
                timestep: 0.0,
            };
            guide.value(None, buffers.x.view(), at, buffers.values.view_mut())?;
            check_values(
                buffers,
                options.batch_size,
                after.saturating_sub(1),
                last,
                options.scale,
            )?;
        }
        let count = noise.len();
        let mut into = Into::take(buffers);
        let values = options.ranks().then_some(&buffers.values);
        for (index, noise) in noise.iter_mut().enumerate() {
            parts.plan_of((buffers.x.view(), buffers), values, index, &mut **noise, &mut into)?;
        }
        buffers.sources = recycle(std::mem::take(noise));
        Ok(into.plans(buffers, count))
    }
}

/// Where plans are written: in the memory of others, as far as it goes.
struct Into {
    plans: Vec<Plan>,
    selection: Selection,
}

impl Into {
    fn take(buffers: &mut Buffers) -> Self {
        Self {
            plans: std::mem::take(&mut buffers.spare),
            selection: std::mem::take(&mut buffers.selection),
        }
    }

    /// The plans, `count` of them.
    fn plans(self, buffers: &mut Buffers, count: usize) -> Vec<Plan> {
        buffers.selection = self.selection;
        let mut plans = self.plans;
        plans.truncate(count);
        plans
    }
}

/// That the guide's values are finite.
fn check_values(buffers: &Buffers, batch: usize, step: usize, timestep: f32, scale: f32) -> Result<()> {
    let values = buffers.values.as_slice().unwrap_or_default();
    let lost: Lost = Buffers::lost_in(values, values.len()).map(|_| "the guide's values");
    match (lost, Buffers::lost_in(values, values.len())) {
        (Some(what), Some(candidate)) => Err(Error::Diverged {
            index: candidate / batch,
            step,
            timestep,
            what,
            scale: Some(scale),
        }),
        _ => Ok(()),
    }
}

impl Parts {
    /// The plan of query `index` from its candidates in `x`, with their values if they have any: plan `index` of `into`.
    fn plan_of(
        &self,
        (x, buffers): (ArrayView3<f32>, &Buffers),
        values: Option<&Array1<f32>>,
        index: usize,
        noise: &mut dyn NoiseSource,
        into: &mut Into,
    ) -> Result<()> {
        let (pipeline, batch) = (&self.pipeline, self.options.batch_size);
        let own = Slice::from(index * batch..(index + 1) * batch);
        let x = x.slice_axis(Axis(0), own);
        let values = values.map(|values| values.slice_axis(Axis(0), own));
        let (layout, normalizers) = (&pipeline.layout, &pipeline.normalizers);
        if into.plans.len() <= index {
            into.plans.push(Plan::empty(layout));
        }
        let Into { plans, selection } = into;
        let plan = &mut plans[index];
        let constraints = &pipeline.constraints;
        (plan.layout, plan.violations) = (layout.clone(), None);
        let feasible = match constraints.is_empty() {
            true => None,
            false => {
                let (mut normalized, mut trajectories) = (x.to_owned(), x.to_owned());
                denormalize(layout, normalizers, trajectories.view_mut())?;
                let mut fixed = Array2::default((x.dim().1, x.dim().2));
                buffers.imposed.mark(index, &mut fixed);
                let (rows, parts) = (
                    (trajectories.view_mut(), normalized.view_mut()),
                    (layout, &**normalizers),
                );
                let after = constraint::finish(constraints, rows.0, rows.1, fixed.view(), parts)?;
                let names: Vec<String> = constraints.0.iter().map(|one| one.name().to_owned()).collect();
                let before = buffers.violated.slice_axis(Axis(1), own).to_owned();
                let all = Violations { names, before, after };
                let feasible = constraint::feasible(&all, index)?;
                Some((all, feasible, normalized, trajectories))
            }
        };
        match feasible {
            None => {
                let candidates = Candidates { normalized: x, values };
                choose(&*pipeline.select, candidates, None, noise, selection)?;
                gather(&mut plan.normalized, x, &selection.order);
                gather(&mut plan.trajectories, x, &selection.order);
                denormalize(layout, normalizers, plan.trajectories.view_mut())?;
            }
            Some((all, feasible, normalized, trajectories)) => {
                let candidates = Candidates {
                    normalized: normalized.view(),
                    values,
                };
                choose(&*pipeline.select, candidates, Some(feasible), noise, selection)?;
                gather(&mut plan.normalized, normalized.view(), &selection.order);
                gather(&mut plan.trajectories, trajectories.view(), &selection.order);
                plan.violations = Some(all.sorted(&selection.order));
            }
        }
        plan.chosen = selection.chosen;
        plan.order.clone_from(&selection.order);
        match values {
            Some(values) => {
                let sorted = plan.values.get_or_insert_with(|| Array1::zeros(0));
                reshape(sorted, selection.order.len());
                let from = selection.order.iter().map(|&place| values[place]);
                sorted.iter_mut().zip(from).for_each(|(to, value)| *to = value);
            }
            None => plan.values = None,
        }
        let chosen = Chosen {
            trajectory: plan.trajectories.index_axis(Axis(0), plan.chosen),
            normalized: plan.normalized.index_axis(Axis(0), plan.chosen),
            layout,
        };
        pipeline.head.actions_into(chosen, &mut plan.chunk)?;
        if plan.chunk.nrows() == 0 {
            return Err(Error::Parts(
                "the action head gave no action, expected at least one".into(),
            ));
        }
        reshape(&mut plan.action, plan.chunk.ncols());
        plan.action.assign(&plan.chunk.row(0));
        Ok(())
    }
}

/// The candidates of `from` in an order, in the memory of `into`.
pub(crate) fn gather(into: &mut Array3<f32>, from: ArrayView3<f32>, order: &[usize]) {
    reshape(into, (order.len(), from.dim().1, from.dim().2));
    for (mut to, &place) in into.outer_iter_mut().zip(order) {
        to.assign(&from.index_axis(Axis(0), place));
    }
}
