//! [`Work`]: what a planner's own thread does.

use super::inquiry::Inquiry;
use crate::log::{self, Level};
use crate::status::{Fault, Result, Status};
use diffplan::RngNoise;
use diffplan::envs::{self, BoxSpace, Dtype, Env, Goal, Space};
use diffplan::eval::{Aim, Names, PlannerPolicy, Policy, Start, env_with, make_env};
use diffplan::ndarray::{Array1, Array2, aview1};
use diffplan::pipelines::deadline::{CancelToken, DeadlinePlanner, DeadlineSettings, Ended, Timely};
use diffplan::pipelines::doctor::Outside;
use diffplan::pipelines::{Plan, PlanOptions, ValueGuidedPipeline};
use rayon::ThreadPool;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the thread is to do next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// A plan for every query of the inquiry.
    Plan,
    /// The best plan within so many seconds from `since`.
    PlanWithin { budget: Duration, since: Instant },
    /// To measure what plans cost.
    Measure { margin: f64, cheapest_anyway: bool },
    /// The next action of the episode.
    Act,
}

/// Whose plans are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Plans,
    Within,
    Episode,
}

/// A planner with all that it plans by.
pub(super) struct Work {
    pipeline: ValueGuidedPipeline,
    options: PlanOptions,
    pool: Arc<ThreadPool>,
    cancel: CancelToken,
    /// Acts; and its planner makes single plans.
    policy: PlannerPolicy,
    /// Made and measured when it is first asked for.
    timely: Option<DeadlinePlanner>,
    outside: Outside,
    /// Whether a far observation was told.
    told: bool,
    pub(super) question: Question,
    pub(super) inquiry: Inquiry,
    answer: Result<()>,
    /// The last ones, and those within deadlines: each kind is handed back to whoever made it.
    plans: Vec<Plan>,
    within: Vec<Plan>,
    shown: Shown,
    /// The last one within a deadline, without its plans.
    pub(super) report: Option<Timely>,
    begun: bool,
    /// (1, observation dimensions) and (1, action dimensions), of an episode.
    seen: Array2<f64>,
    done: Array2<f32>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}

impl Work {
    pub(super) fn new(
        pipeline: &ValueGuidedPipeline,
        options: PlanOptions,
        pool: &Arc<ThreadPool>,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let planner = pipeline.planner(options.clone())?;
        let planner = planner.in_pool(Arc::clone(pool)).cancelled_by(cancel.clone());
        let (observation_dim, action_dim) = (pipeline.observation_dim(), pipeline.action_dim());
        Ok(Self {
            pipeline: pipeline.clone(),
            options,
            pool: Arc::clone(pool),
            cancel: cancel.clone(),
            policy: acting(PlannerPolicy::new(planner), pipeline)?,
            timely: None,
            outside: Outside::of(pipeline.normalizers()),
            told: false,
            question: Question::Plan,
            inquiry: Inquiry::default(),
            answer: Ok(()),
            plans: Vec::new(),
            within: Vec::new(),
            shown: Shown::Nothing,
            report: None,
            begun: false,
            seen: Array2::zeros((1, observation_dim)),
            done: Array2::zeros((1, action_dim)),
        })
    }

    /// Does what is asked.
    pub(super) fn answer(&mut self) {
        self.answer = match self.question {
            Question::Plan => self.plan(),
            Question::PlanWithin { budget, since } => self.plan_within(budget, since),
            Question::Measure {
                margin,
                cheapest_anyway,
            } => self.measure(margin, cheapest_anyway),
            Question::Act => self.act(),
        };
    }

    /// There is no answer.
    pub(super) fn fail(&mut self, fault: Fault) {
        self.answer = Err(fault);
    }

    /// What came of it.
    pub(super) fn answered(&mut self) -> Result<()> {
        std::mem::replace(&mut self.answer, Ok(()))
    }

    fn plan(&mut self) -> Result<()> {
        self.shown = Shown::Nothing;
        let planner = self.policy.planner();
        planner.reuse(std::mem::take(&mut self.plans));
        self.plans = self.inquiry.ask(|queries| planner.plan_queries(queries))??;
        self.shown = Shown::Plans;
        Ok(())
    }

    fn measure(&mut self, margin: f64, cheapest_anyway: bool) -> Result<()> {
        let settings = DeadlineSettings {
            margin,
            cheapest_anyway,
            cancel: self.cancel.clone(),
            ..DeadlineSettings::default()
        };
        let made = DeadlinePlanner::new(&self.pipeline, self.options.clone(), Arc::clone(&self.pool), settings)?;
        self.timely = Some(made);
        self.within.clear();
        Ok(())
    }

    fn plan_within(&mut self, budget: Duration, since: Instant) -> Result<()> {
        self.shown = Shown::Nothing;
        let measured = self.timely.is_none();
        if measured {
            let DeadlineSettings {
                margin,
                cheapest_anyway,
                ..
            } = DeadlineSettings::default();
            self.measure(margin, cheapest_anyway)?;
        }
        let Some(planner) = &mut self.timely else {
            return Err(Fault::new(Status::Internal, "a ladder that is gone at once"));
        };
        planner.reuse(std::mem::take(&mut self.within));
        // What was measured for the first plan is not its own time.
        let since = if measured { Instant::now() } else { since };
        let left = budget.saturating_sub(since.elapsed());
        let mut timely = self.inquiry.ask(|queries| planner.queries_within(queries, left))??;
        timely.budget = budget;
        timely.took = since.elapsed();
        self.within = std::mem::take(&mut timely.plans);
        let (ended, visits, of) = (timely.ended, timely.visits, timely.rung.visits);
        self.report = Some(timely);
        if ended == Ended::Cancelled {
            return Err(diffplan::pipelines::Error::Cancelled { visits, of }.into());
        }
        self.shown = Shown::Within;
        Ok(())
    }

    /// The ladder, a line a rung.
    pub(super) fn ladder(&self) -> Vec<String> {
        let Some(timely) = &self.timely else { return Vec::new() };
        let rungs = timely.rungs().iter().zip(&timely.costs().rungs);
        rungs
            .map(|(rung, cost)| format!("{}: {:.2} ms a plan", rung.text(), cost.whole(rung.visits) * 1e3))
            .collect()
    }

    /// How many rungs the ladder has.
    pub(super) fn rungs(&self) -> usize {
        self.timely.as_ref().map_or(0, |timely| timely.rungs().len())
    }

    /// Begins an episode.
    pub(super) fn begin(&mut self, seed: u64) -> Result<()> {
        let start = Start {
            index: 0,
            seed,
            noise: RngNoise::seed(seed),
            reset: envs::ResetOptions::default(),
        };
        self.policy.begin(0, &start)?;
        self.begun = true;
        if self.shown == Shown::Episode {
            self.shown = Shown::Nothing;
        }
        Ok(())
    }

    /// Tells an episode its goal.
    pub(super) fn set_goal(&mut self, dims: &[usize], values: &[f32]) -> Result<()> {
        self.check_begun()?;
        if dims.is_empty() {
            return Ok(self.policy.set_goal(0, None)?);
        }
        let observation_dim = self.pipeline.observation_dim();
        let refuse = |what: String| Err(Fault::new(Status::Condition, format!("goal: {what}")));
        for (place, (&dim, value)) in dims.iter().zip(values).enumerate() {
            if dim >= observation_dim {
                return refuse(format!("dimension {dim}, expected below {observation_dim}"));
            }
            if dims[..place].contains(&dim) {
                return refuse(format!("dimension {dim} twice, expected each once"));
            }
            if !value.is_finite() {
                return refuse(format!("dimension {dim} is {value}, expected a finite number"));
            }
        }
        let goal = Goal {
            dims: dims.to_vec(),
            values: values.iter().map(|&value| f64::from(value)).collect::<Array1<f64>>(),
            tolerance: None,
        };
        let aim = Aim {
            goal: Some(goal.clone()),
            ..Aim::default()
        };
        aim.check(self.pipeline.planning_config().conditions)?;
        Ok(self.policy.set_goal(0, Some(&goal))?)
    }

    fn check_begun(&self) -> Result<()> {
        match self.begun {
            true => Ok(()),
            false => Err(Fault::new(
                Status::NoEpisode,
                "no episode has begun: call diffplan_planner_reset first",
            )),
        }
    }

    fn act(&mut self) -> Result<()> {
        self.check_begun()?;
        self.shown = Shown::Nothing;
        for (to, &from) in self.seen.iter_mut().zip(&self.inquiry.observations) {
            *to = f64::from(from);
        }
        self.policy.act(&[0], self.seen.view(), self.done.view_mut())?;
        self.shown = Shown::Episode;
        Ok(())
    }

    /// The action that the episode's last step is.
    pub(super) fn done(&self) -> &[f32] {
        self.done.as_slice().unwrap_or_default()
    }

    /// Plan `query` of those that were made last.
    pub(super) fn shown(&self, query: usize) -> Result<&Plan> {
        let (plan, count) = match self.shown {
            Shown::Nothing => (None, 0),
            Shown::Plans => (self.plans.get(query), self.plans.len()),
            Shown::Within => (self.within.get(query), self.within.len()),
            Shown::Episode => (self.policy.plan(0).filter(|_| query == 0), 1),
        };
        plan.ok_or_else(|| match count {
            0 => Fault::new(
                Status::NoPlan,
                "there is no plan: none was made yet, or the last one failed",
            ),
            _ => Fault::new(Status::Value, format!("query is {query}, expected below {count}")),
        })
    }

    /// All that were made at once.
    pub(super) fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// How many there are to tell of.
    pub(super) fn count(&self) -> usize {
        match self.shown {
            Shown::Nothing => 0,
            Shown::Plans => self.plans.len(),
            Shown::Within => self.within.len(),
            Shown::Episode => 1,
        }
    }

    /// Tells the log, once, of an observation that no network can know.
    pub(super) fn look_at_observations(&mut self) {
        if self.told {
            return;
        }
        let each = self.pipeline.observation_dim().max(1);
        for observation in self.inquiry.observations.chunks(each) {
            self.outside.see(aview1(observation));
        }
        if let Some(finding) = self.outside.finding() {
            self.told = true;
            log::say(Level::Warning, || finding.to_string());
        }
    }
}

/// Fits a policy to the environment that the checkpoint names, as far as that is known here: its names, its bounds of actions.
fn acting(policy: PlannerPolicy, pipeline: &ValueGuidedPipeline) -> Result<PlannerPolicy> {
    let (observation_dim, action_dim) = (pipeline.observation_dim(), pipeline.action_dim());
    let recorded = env_with(None, &[], pipeline.planning_config().recorded_env())?;
    // One that is not known here, or needs what is not installed, tells nothing.
    let env = recorded.and_then(|env| make_env(&envs::Registry::default(), &env).ok());
    let fits = |space: &Space, dim: usize| space.as_box().is_ok_and(|space| space.dim() == dim);
    let env = env.filter(|env| fits(env.observation_space(), observation_dim) && fits(env.action_space(), action_dim));
    let names = Names::of(env.as_ref(), observation_dim, action_dim);
    let mut policy = policy.with_follower_of(&names)?;
    match &env {
        Some(env) => policy.check_spaces(env.observation_space(), env.action_space())?,
        None => {
            let any = |dim| Space::from(BoxSpace::unbounded(dim, Dtype::Float32));
            policy.check_spaces(&any(observation_dim), &any(action_dim))?;
        }
    }
    Ok(policy)
}
