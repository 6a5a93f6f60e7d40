//! [`Planner`]: a pipeline with options fixed and every buffer in place.

mod buffers;
mod denoising;

pub(crate) use buffers::reshape;
pub use denoising::Denoising;
pub(crate) use denoising::gather;

use crate::condition::Condition;
use crate::deadline::CancelToken;
use crate::error::{Error, Result};
use crate::guide::{GuideSchedule, GuideTerm, within};
use crate::noise::NoiseSource;
use crate::options::{Guidance, PlanOptions, Prefix};
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::{Plan, Query};
use buffers::Buffers;
use diffplan_schedulers::{Sampler, Steps};
use ndarray::{ArrayView1, ArrayView2};
use std::sync::Arc;

/// Plans again and again: options fixed, every buffer in place.
///
/// It borrows nothing, so it can be a field, and moved to a thread. [`begin`](Self::begin) gives the loop to step through; the
/// `plan…` calls are that loop to its end.
pub struct Planner {
    parts: Parts,
    /// Made for the first plan: only then is it known on how many threads.
    buffers: Option<Buffers>,
}

/// What a planner plans by.
struct Parts {
    pipeline: ValueGuidedPipeline,
    options: PlanOptions,
    sampler: Box<dyn Sampler>,
    /// The last step to a clean sample, of a sampler without noise, where there are extra steps.
    polish: Option<Box<dyn Sampler>>,
    /// For every visit, and for the extra steps, how long a gradient step is before weights and the scale; 0 where there is none.
    guided: Vec<f32>,
    /// Visits at which guides are not even asked for values.
    skipped: Vec<bool>,
    pool: Option<Arc<rayon::ThreadPool>>,
    cancel: Option<CancelToken>,
}

// A planner goes where it is needed.
const _: () = {
    const fn goes_to_threads<T: Send + 'static>() {}
    goes_to_threads::<Planner>();
};

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner")
            .field("options", self.options())
            .finish_non_exhaustive()
    }
}

impl ValueGuidedPipeline {
    /// What plans with these options; computed on all threads of the rayon pool it is called in, unless it is given
    /// [one of its own](Planner::in_pool).
    ///
    /// # Errors
    /// [`Error::Option`] and the like if an option is impossible, or the networks do not take the horizon.
    pub fn planner(&self, options: PlanOptions) -> Result<Planner> {
        Planner::new(self.clone(), options)
    }

    /// One plan: [`Planner::plan`] of a planner made for it.
    ///
    /// # Errors
    /// Those of [`planner`](Self::planner) and of [`Planner::plan`].
    pub fn plan(
        &self,
        observation: ArrayView1<f32>,
        options: PlanOptions,
        noise: &mut dyn NoiseSource,
    ) -> Result<Plan> {
        self.planner(options)?.plan(observation, noise)
    }
}

/// That options and ranges leave those a gradient step that are to have one; `any`: whether there would be any without them.
fn check_steps(pipeline: &ValueGuidedPipeline, options: &PlanOptions, any: bool, guided: &[f32]) -> Result<()> {
    let visits = guided.len();
    if !any {
        // As it comes from the reference it leaves nothing of a single visit at timestep 0, which is no mistake of anybody's.
        return match options.n_guide_steps > 0 && options.t_stopgrad > PlanOptions::default().t_stopgrad {
            true => Err(Error::Option {
                name: "t_stopgrad",
                value: options.t_stopgrad.to_string(),
                expected: format!(
                    "what leaves one of {visits} timesteps a gradient step; n_guide_steps = 0 plans without"
                ),
            }),
            false => Ok(()),
        };
    }
    if guided.iter().all(|&weight| weight == 0.0) {
        let (name, value) = match options.guide_every {
            1 => ("guidance_start", options.guidance_start.to_string()),
            every => ("guide_every", every.to_string()),
        };
        return Err(Error::Option {
            name,
            value,
            expected: format!(
                "what leaves one of {visits} timesteps a gradient step that is not below t_stopgrad = {}; n_guide_steps = 0 plans without",
                options.t_stopgrad
            ),
        });
    }
    let steps = |term: &GuideTerm| (0..visits).any(|at| term.step(at, visits, guided[at]) != 0.0);
    let idle = |term: &&GuideTerm| term.weight != 0.0 && term.schedule != GuideSchedule::Judge && !steps(term);
    match pipeline.guides.0.iter().find(idle) {
        None => Ok(()),
        Some(term) => Err(Error::Parts(format!(
            "{}: its range {:?} leaves it no gradient step among {visits} timesteps, of which those below t_stopgrad = {} have none; expected a wider \
             one, or the schedule judge",
            term.name(),
            term.range,
            options.t_stopgrad
        ))),
    }
}

impl Planner {
    fn new(pipeline: ValueGuidedPipeline, options: PlanOptions) -> Result<Self> {
        options.validate()?;
        // Not of a file by itself, whose prefix may be said elsewhere.
        if let (Prefix::None, Some(steps)) = (options.prefix, options.prefix_steps) {
            return Err(Error::Option {
                name: "prefix_steps",
                value: steps.to_string(),
                expected: "a prefix beside it, which these steps are of".into(),
            });
        }
        let channels = pipeline.layout.channels();
        let horizon = options.planning_horizon;
        let in_unet = |error| Error::Network { part: "unet", error };
        pipeline.network.check_horizon(horizon).map_err(in_unet)?;
        pipeline.constraints.check(horizon, &pipeline.layout)?;
        if options.ranks() {
            if pipeline.guides.0.is_empty() {
                let asked = match options.rescore {
                    true => "rescore = true".into(),
                    false => format!("n_guide_steps = {}", options.n_guide_steps),
                };
                return Err(Error::NoGuide { asked });
            }
            pipeline.guides.check(horizon, channels)?;
        }
        let scheduler = match (&options.scheduler, &options.timestep_spacing) {
            (None, None) => Arc::clone(&pipeline.scheduler),
            (name, spacing) => {
                let spacing = spacing
                    .as_ref()
                    .map(|spacing| ("timestep_spacing", spacing.as_str().into()));
                pipeline
                    .schedulers
                    .converted_with(name.as_deref(), &*pipeline.scheduler, spacing)?
            }
        };
        let steps = Steps::new(options.num_inference_steps).with_eta(options.eta);
        let sampler = scheduler.sampler(&steps)?;
        let weight = |visit: &diffplan_schedulers::Visit| {
            let guided = options.n_guide_steps > 0 && visit.timestep >= options.t_stopgrad as f32;
            let weight = match options.guidance {
                _ if !guided => 0.0,
                // The posterior's where the scheduler has none of a timestep, which the reference cannot guide at all.
                Guidance::Diffusers => (0.5 * visit.variance.unwrap_or(visit.posterior_variance)).exp(),
                Guidance::Diffuser => visit.posterior_variance,
            };
            // A step that draws less noise than DDPM's forgets less of what was done before it: docs/samplers.md.
            visit.guidance * weight
        };
        let visits = sampler.visits().len();
        let in_turn = |at: usize| {
            let range = [options.guidance_start, options.guidance_end];
            within(range, at, visits) && (visits - 1 - at).is_multiple_of(options.guide_every)
        };
        let weigh = |(at, visit)| if in_turn(at) { weight(visit) } else { 0.0 };
        let mut guided: Vec<f32> = sampler.visits().iter().enumerate().map(weigh).collect();
        check_steps(
            &pipeline,
            &options,
            sampler.visits().iter().any(|visit| weight(visit) != 0.0),
            &guided,
        )?;
        // Extra steps go as far as the last visit that was guided.
        guided.push(
            guided
                .iter()
                .rev()
                .copied()
                .find(|&weight| weight != 0.0)
                .unwrap_or(0.0),
        );
        let skipped = (0..visits).map(|at| !in_turn(at) && at + 1 < visits).collect();
        let polish = match options.extra_steps {
            0 => None,
            _ => Some(
                pipeline
                    .schedulers
                    .converted("ddim", &*pipeline.scheduler)?
                    .sampler(&Steps::default())?,
            ),
        };
        let parts = Parts {
            pipeline,
            options,
            sampler,
            polish,
            guided,
            skipped,
            pool: None,
            cancel: None,
        };
        Ok(Self { parts, buffers: None })
    }

    /// Computes on the threads of `pool` from now on. Plans have the same bits on any.
    #[must_use]
    pub fn in_pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.parts.pool = Some(pool);
        self.buffers = None;
        self
    }

    /// Is called off by this token from now on: before every visit it is looked at, and a plan whose token is cancelled is [`Error::Cancelled`].
    #[must_use]
    pub fn cancelled_by(mut self, cancel: CancelToken) -> Self {
        self.parts.cancel = Some(cancel);
        self
    }

    /// Takes plans that nobody needs any more: the next ones are written into their memory. Who hands back what a call returned before the next
    /// call for as many queries gets plans for which nothing is allocated, from the second on (constraints, networks with
    /// attention, and a selection or an action head of one's own may allocate).
    pub fn reuse(&mut self, mut plans: Vec<Plan>) {
        match &mut self.buffers {
            Some(buffers) if buffers.spare.is_empty() => buffers.spare = plans,
            Some(buffers) => buffers.spare.append(&mut plans),
            None => {}
        }
    }

    /// The options.
    pub fn options(&self) -> &PlanOptions {
        &self.parts.options
    }

    /// The pipeline that it plans with.
    pub fn pipeline(&self) -> &ValueGuidedPipeline {
        &self.parts.pipeline
    }

    /// The sampler: which visits a plan makes.
    pub fn sampler(&self) -> &dyn Sampler {
        &*self.parts.sampler
    }

    /// For every visit, and for the extra steps, how long a gradient step is before weights and the scale; 0 where there is none.
    pub(crate) fn guided(&self) -> &[f32] {
        &self.parts.guided
    }

    /// Plans from an observation (observation dimensions), in the environment's units.
    ///
    /// # Errors
    /// [`Error::Condition`] if it is none; [`Error::Diverged`]; what a network, the scheduler, a guide or the noise source says.
    pub fn plan(&mut self, observation: ArrayView1<f32>, noise: &mut dyn NoiseSource) -> Result<Plan> {
        self.plan_conditioned(&[Condition::observation(0, observation)], noise)
    }

    /// Plans under any conditions: the current observation, goals, actions that are decided.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn plan_conditioned(&mut self, conditions: &[Condition], noise: &mut dyn NoiseSource) -> Result<Plan> {
        let mut plans = self.plan_queries(&mut [Query::new(conditions, noise)])?;
        Ok(plans.swap_remove(0))
    }

    /// A plan from each of several observations (count, observation dimensions), each with a noise source of its own and the bits it
    /// would have alone.
    ///
    /// # Errors
    /// As [`Planner::plan`], naming the observation; [`Error::NoiseSources`].
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
        let conditions: Vec<[Condition; 1]> = observations
            .outer_iter()
            .map(|observation| [Condition::observation(0, observation)])
            .collect();
        let queries = conditions.iter().zip(noise);
        let mut queries: Vec<Query> = queries.map(|(own, noise)| Query::new(own, &mut **noise)).collect();
        self.plan_queries(&mut queries)
    }

    /// A plan for each query, with the bits it would have alone.
    ///
    /// # Errors
    /// As [`Planner::plan`], naming the query.
    pub fn plan_queries(&mut self, queries: &mut [Query]) -> Result<Vec<Plan>> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        // One piece of work on the pool, rather than one a step.
        match self.parts.pool.clone() {
            Some(pool) => pool.install(|| self.begin_here(queries)?.finish_here()),
            None => self.begin_here(queries)?.finish_here(),
        }
    }

    /// The same, unless they are called off by a token of this call alone, as by [`cancelled_by`](Self::cancelled_by).
    ///
    /// # Errors
    /// As [`Planner::plan_queries`]; [`Error::Cancelled`].
    pub fn plan_unless(&mut self, queries: &mut [Query], cancel: &CancelToken) -> Result<Vec<Plan>> {
        let own = self.parts.cancel.replace(cancel.clone());
        let plans = self.plan_queries(queries);
        self.parts.cancel = own;
        plans
    }

    /// Begins a plan for each query, to be stepped through: for progress, pictures, cancelling (drop it), deadlines
    /// ([`estimate`](Denoising::estimate)).
    ///
    /// # Errors
    /// What is wrong with a query; what the noise source says.
    pub fn begin<'a>(&'a mut self, queries: &'a mut [Query]) -> Result<Denoising<'a>> {
        self.begin_here(queries)
    }
}
