//! [`DeadlinePlanner`]: the best plan that there is time for.

use super::cancel::CancelToken;
use super::clock::{Clock, SystemClock};
use super::cost::{CostModel, VisitCost};
use super::ladder::{GiveUp, Rung, ladder};
use super::pace::Pace;
use super::rank::Rank;
use super::run::{Made, Run, Station, measure};
use super::timely::{Ended, Timely};
use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::noise::NoiseSource;
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::{Plan, Query, Start};
use ndarray::{Array1, ArrayView1};
use rayon::ThreadPool;
use std::sync::Arc;
use std::time::Duration;

/// How deadlines are kept.
#[derive(Clone, Debug)]
pub struct DeadlineSettings {
    /// What may be given up for them.
    pub give_up: GiveUp,
    /// The share of a budget that a rung must leave over to be chosen, 0 up to below 1.
    pub margin: f64,
    /// Whether a budget in which nothing fits is answered with the cheapest rung, late, instead of an error.
    pub cheapest_anyway: bool,
    /// How many queries are planned for at a time, mostly: what is measured.
    pub queries: usize,
    /// What the time is taken from.
    pub clock: Arc<dyn Clock>,
    /// What cancels plans.
    pub cancel: CancelToken,
}

impl Default for DeadlineSettings {
    fn default() -> Self {
        Self {
            give_up: GiveUp::default(),
            margin: 0.05,
            cheapest_anyway: false,
            queries: 1,
            clock: Arc::new(SystemClock::default()),
            cancel: CancelToken::new(),
        }
    }
}

/// What is being measured at the start.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Measuring<'a> {
    /// The rung.
    pub rung: &'a Rung,
    /// Its place, from 0.
    pub place: usize,
    /// How many there are.
    pub rungs: usize,
}

/// Plans within deadlines: [`plan_within`](Self::plan_within).
///
/// ```
/// use diffplan_pipelines::deadline::{DeadlinePlanner, DeadlineSettings, PoolOptions};
/// use diffplan_pipelines::{RngNoise, ValueGuidedPipeline};
/// use ndarray::array;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), diffplan_pipelines::Error> {
/// # let checkpoint = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
/// # if !std::path::Path::new(checkpoint).exists() { return Ok(()); } // a published crate comes without checkpoints
/// let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint)?;
/// let pool = PoolOptions::new(1).build()?.pool;
/// let mut planner = DeadlinePlanner::new(&pipeline, pipeline.options(), pool, DeadlineSettings::default())?;
/// let mut noise = RngNoise::seed(0);
/// let timely = planner.plan_within(array![1.0, 0.0, 0.1].view(), &mut noise, Duration::from_secs(2))?;
/// println!("{}", timely.text()); // what was chosen, what was dropped, how long it took
/// assert_eq!(timely.plan().map(|plan| plan.action.len()), Some(1));
/// # Ok(())
/// # }
/// ```
pub struct DeadlinePlanner {
    rungs: Vec<Arc<Rung>>,
    stations: Vec<Station>,
    costs: CostModel,
    pace: Pace,
    pool: Arc<ThreadPool>,
    settings: DeadlineSettings,
    /// The rung of the last plans.
    last: usize,
}

impl std::fmt::Debug for DeadlinePlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadlinePlanner")
            .field("rungs", &self.rungs)
            .field("costs", &self.costs)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

// A planner goes where it is needed.
const _: () = {
    const fn goes_to_threads<T: Send + 'static>() {}
    goes_to_threads::<DeadlinePlanner>();
};

impl DeadlinePlanner {
    /// Makes the ladder below `wanted` and measures it from the mean observation (and to it, where the checkpoint was trained with goals): some plans
    /// of every rung, which takes a few times as long as one as wanted.
    ///
    /// # Errors
    /// Those of [`measured`](Self::measured).
    pub fn new(
        pipeline: &ValueGuidedPipeline,
        wanted: PlanOptions,
        pool: Arc<ThreadPool>,
        settings: DeadlineSettings,
    ) -> Result<Self> {
        let mut mean = Array1::zeros(pipeline.observation_dim());
        pipeline
            .normalizers()
            .observations()
            .denormalize_inplace(mean.view_mut())?;
        let conditions = pipeline.conditions_of(&mean, wanted.planning_horizon);
        Self::measured(pipeline, wanted, pool, settings, &conditions, &mut |_| {})
    }

    /// The same, measured under these conditions, which are to be like those that will be planned under; `progress` is called before each
    /// rung is measured.
    ///
    /// # Errors
    /// [`Error::Option`] for a margin outside 0 to 1 or no queries, and as [`ValueGuidedPipeline::planner`]; what is wrong with the
    /// conditions.
    pub fn measured(
        pipeline: &ValueGuidedPipeline,
        wanted: PlanOptions,
        pool: Arc<ThreadPool>,
        settings: DeadlineSettings,
        conditions: &[Condition],
        progress: &mut dyn FnMut(Measuring),
    ) -> Result<Self> {
        check(&settings)?;
        let threads = pool.current_num_threads();
        let ladder = ladder(pipeline, &wanted, &settings.give_up, &pool)?;
        let count = ladder.len();
        let (mut rungs, mut stations, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (rung, planner)) in ladder.into_iter().enumerate() {
            progress(Measuring {
                rung: &rung,
                place,
                rungs: count,
            });
            let rank = Rank::new(pipeline, &rung.options, threads);
            let mut station = Station { planner, rank };
            let (clock, queries) = (&*settings.clock, settings.queries);
            match measure(&mut station, &pool, clock, conditions, queries) {
                // Few candidates in few steps may find no way that satisfies all constraints: no rung to step on.
                Err(Error::Infeasible { .. }) if place > 0 => continue,
                cost => costs.push(cost?),
            }
            rungs.push(Arc::new(rung));
            stations.push(station);
        }
        let costs = CostModel {
            rungs: costs,
            queries: settings.queries,
        };
        Ok(Self {
            rungs,
            stations,
            costs,
            pace: Pace::default(),
            pool,
            settings,
            last: 0,
        })
    }

    /// Takes the plans of the last call, when nobody needs them any more: the next ones of their rung are written into their memory, as
    /// [`Planner::reuse`](crate::Planner::reuse) does. Who hands plans back allocates nothing from the first call on: every rung has had a plan when it was
    /// measured.
    pub fn reuse(&mut self, plans: Vec<Plan>) {
        if let Some(station) = self.stations.get_mut(self.last) {
            station.planner.reuse(plans);
        }
    }

    /// The ladder, what was wanted first.
    pub fn rungs(&self) -> &[Arc<Rung>] {
        &self.rungs
    }

    /// What each rung was measured to cost at the start.
    pub fn costs(&self) -> &CostModel {
        &self.costs
    }

    /// Seconds of a visit by the number of candidates: of the network, and of the guide.
    pub fn visit_costs(&self) -> Vec<VisitCost> {
        self.costs.visits(self.rungs.iter().map(|rung| &**rung))
    }

    /// How many times as long plans take now as they did at the start: nine of ten of the last took no longer.
    pub fn slowdown(&self) -> f64 {
        self.pace.plan()
    }

    /// How long the cheapest rung is expected to take, at the pace of the last plans: no shorter deadline is kept.
    pub fn cheapest(&self) -> Duration {
        let (_, needed) = self.least(self.pace.plan());
        Duration::try_from_secs_f64(needed).unwrap_or(Duration::MAX)
    }

    /// The cheapest rung and its seconds, where everything takes `pace` times what was measured.
    fn least(&self, pace: f64) -> (usize, f64) {
        let costs = self.costs.rungs.iter().zip(&self.rungs).enumerate();
        let costs = costs.map(|(place, (cost, rung))| (place, pace * cost.whole(rung.visits)));
        // There is at least the rung of what was wanted.
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
    }

    /// What cancels the plan in the making, from another thread.
    pub fn cancel_token(&self) -> CancelToken {
        self.settings.cancel.clone()
    }

    /// The best plan from an observation (observation dimensions), in the environment's units, that is made within `budget`, counted
    /// from the call.
    ///
    /// # Errors
    /// As [`queries_within`](Self::queries_within).
    pub fn plan_within(
        &mut self,
        observation: ArrayView1<f32>,
        noise: &mut dyn NoiseSource,
        budget: Duration,
    ) -> Result<Timely> {
        let conditions = [Condition::observation(0, observation)];
        self.queries_within(&mut [Query::new(&conditions, noise)], budget)
    }

    /// The same for queries: a plan for each, all within `budget`.
    ///
    /// # Errors
    /// [`Error::Deadline`], before anything is begun, where not even the cheapest rung is to be expected within it; [`Error::Start`] for
    /// a query that does not start from noise; as [`Planner::plan_queries`](crate::Planner::plan_queries).
    pub fn queries_within(&mut self, queries: &mut [Query], budget: Duration) -> Result<Timely> {
        let start = self.settings.clock.now();
        for (index, query) in queries.iter().enumerate() {
            if !matches!(query.start, Start::Noise) {
                return Err(Error::Start {
                    index,
                    reason: "within a deadline plans start from noise: rungs have candidates and visits of their own"
                        .into(),
                });
            }
        }
        let seconds = budget.as_secs_f64();
        let share = (queries.len() as f64 / self.costs.queries as f64).max(1.0);
        let reserve = self.pace.reserve(seconds);
        let place = self.choose(budget, share, reserve)?;
        let cost = self.costs.rungs[place].times(share);
        self.last = place;
        let station = &mut self.stations[place];
        let mut run = Run {
            clock: &*self.settings.clock,
            cancel: &self.settings.cancel,
            cost,
            pace: &mut self.pace,
            start,
            budget: seconds,
            reserve,
        };
        let Made {
            plans,
            ended,
            visits,
            ending,
        } = self.pool.install(|| run.make(station, queries))?;
        let took = self.settings.clock.now().saturating_sub(start);
        if ended != Ended::Cancelled && !plans.is_empty() {
            let rest = match ended {
                Ended::Whole => cost.finish,
                Ended::Early | Ended::Cancelled => cost.estimate,
            };
            let (took, usual) = (took.as_secs_f64(), cost.begin + visits as f64 * cost.visit + rest);
            self.pace.saw_plan(took / usual);
            self.pace.saw_overshoot(took - ending - self.pace.end() * rest);
            self.pace.saw_end((took - ending) / rest);
        }
        Ok(Timely {
            plans,
            rung: Arc::clone(&self.rungs[place]),
            place,
            ended,
            visits,
            budget,
            took,
        })
    }

    /// The best rung that fits into `budget` but for `reserve` seconds, where everything costs `share` times what was measured.
    fn choose(&mut self, budget: Duration, share: f64, reserve: f64) -> Result<usize> {
        let seconds = budget.as_secs_f64();
        let pace = self.pace.plan() * share;
        let cost = |place: usize| pace * self.costs.rungs[place].whole(self.rungs[place].visits);
        let room = seconds * (1.0 - self.settings.margin) - reserve;
        if let Some(place) = (0..self.rungs.len()).find(|&place| cost(place) <= room) {
            return Ok(place);
        }
        let (cheapest, needed) = self.least(pace);
        if self.settings.cheapest_anyway || (seconds > 0.0 && needed <= seconds) {
            return Ok(cheapest);
        }
        self.pace.forget();
        Err(Error::Deadline {
            budget,
            needed: Duration::try_from_secs_f64(needed).unwrap_or(Duration::MAX),
            cheapest: self.rungs[cheapest].text(),
        })
    }
}

fn check(settings: &DeadlineSettings) -> Result<()> {
    let refuse = |name, value, expected: &str| Error::Option {
        name,
        value,
        expected: expected.to_owned(),
    };
    if !(0.0..1.0).contains(&settings.margin) {
        return Err(refuse(
            "margin",
            settings.margin.to_string(),
            "a share of the budget from 0 to below 1",
        ));
    }
    if settings.queries == 0 {
        return Err(refuse("queries", "0".into(), "at least 1"));
    }
    Ok(())
}
