//! [`Tuning`]: the search.

use super::demand::Demand;
use super::outcome::{PairedDifference, TrialResult, Tuned};
use super::rows::{Measured, Row, TuneRows};
use super::space::Space;
use crate::episodes::{EvaluationEvent, evaluate};
use crate::error::{Error, Result};
use crate::policy::{PlannerPolicy, Policy};
use crate::start::Start;
use crate::stats;
use diffplan_envs::{AutoresetMode, BoxEnv, Env, ResetOptions, VecEnv};
use diffplan_pipelines::{PlanOptions, Planner, ValueGuidedPipeline};
use ndarray::{Array2, Axis};
use rayon::ThreadPool;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The share of the budget for timing plans, and the one after which the final begins.
const TIMING: f64 = 0.15;
const SEARCH: f64 = 0.6;

/// Of so many survivors of a round one goes on.
const ETA: usize = 3;

/// Episodes that a round adds at the most.
const MOST: usize = 100;

/// Episodes of the final that are played by all before anybody plays more.
const CHUNK: usize = 10;

/// The final's first episode: none of the search.
const FINAL_SEED: u64 = 1 << 32;

/// How to tune.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The environment, as it is named in reports.
    pub env: String,
    /// Plans a second that are needed: 95 of 100 plans must be faster. `None` where any speed will do.
    pub hz: Option<f64>,
    /// How long it may take, but for two episodes of the default plan at the end, which are played in any case.
    pub budget: Duration,
    /// Of the search's episodes and of what is tried.
    pub seed: u64,
    /// Episodes of the final.
    pub episodes: usize,
    /// The most combinations that are tried.
    pub trials: usize,
    /// Episodes side by side.
    pub parallel: usize,
    /// What is tried; [`Space::around`] the pipeline where nothing is said.
    pub space: Option<Space>,
}

impl Tuning {
    /// Ten minutes for an environment, for any speed.
    pub fn new(env: impl Into<String>) -> Self {
        Self {
            env: env.into(),
            hz: None,
            budget: Duration::from_secs(600),
            seed: 0,
            episodes: 50,
            trials: 96,
            parallel: 8,
            space: None,
        }
    }
}

/// Where a tuning is, for who watches; every one comes with the share of the budget that is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TuneEvent {
    /// So many of the combinations are timed.
    Timed {
        /// How many.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// Episodes of a round, for so many combinations, up to so many each.
    Round {
        /// From 1.
        number: usize,
        /// How many combinations are left.
        trials: usize,
        /// Episodes that each has played at its end.
        episodes: usize,
    },
    /// Fresh episodes, of so many the first so many.
    Final {
        /// How many are played by all.
        episodes: usize,
        /// Of how many.
        of: usize,
    },
    /// A step of the episodes that are being played is over.
    Step,
    /// An episode is over.
    Episode,
}

type Watch<'a> = &'a mut dyn FnMut(TuneEvent, f64) -> ControlFlow<()>;

/// Where plans are timed, and where episodes are played.
#[derive(Clone, Debug)]
pub struct Pools {
    /// The threads that a plan will have.
    pub timed: Arc<ThreadPool>,
    /// All that there are: episodes are the same on any number.
    pub played: Arc<ThreadPool>,
}

/// What is tuned.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What plans.
    pub pipeline: &'a ValueGuidedPipeline,
    /// The options that others are tried around: the default plan.
    pub options: &'a PlanOptions,
    /// Makes the environment.
    pub make: &'a dyn Fn() -> Result<BoxEnv>,
    /// Makes what acts of a planner: [`PlannerPolicy::new`], with an aim and a follower where plans need them.
    pub policy: &'a dyn Fn(Planner) -> Result<PlannerPolicy>,
    /// Where it is done.
    pub pools: &'a Pools,
}

impl Tuning {
    /// Tunes.
    ///
    /// # Errors
    /// If the pipeline does not fit the environment, or an episode fails; [`Error::Stopped`] if `watch` ended it. Rows that were written stay, and
    /// can be gone on from.
    pub fn run(&self, subject: &Subject<'_>, rows: &mut TuneRows, watch: Watch<'_>) -> Result<Tuned> {
        let envs = (0..self.parallel.max(1))
            .map(|_| (subject.make)())
            .collect::<Result<Vec<_>>>()?;
        let before = rows.seconds();
        let mut search = Search {
            tuning: self,
            subject,
            limit: envs
                .first()
                .and_then(|env| env.spec()?.max_episode_steps)
                .unwrap_or(1000),
            envs: VecEnv::new(envs)?.with_autoreset(AutoresetMode::Disabled),
            rows,
            begun: Instant::now(),
            before,
            trials: Vec::new(),
            passed_over: 0,
            watch,
        };
        search.time_all(subject.options)?;
        let winner = search.rounds()?;
        search.last(winner)
    }
}

struct Search<'a> {
    tuning: &'a Tuning,
    subject: &'a Subject<'a>,
    limit: usize,
    envs: VecEnv<BoxEnv>,
    rows: &'a mut TuneRows,
    begun: Instant,
    /// Seconds that were spent before this run.
    before: f64,
    trials: Vec<TrialResult>,
    /// Combinations that were not timed, for one that takes no longer was too slow.
    passed_over: usize,
    watch: Watch<'a>,
}

impl Search<'_> {
    fn spent(&self) -> f64 {
        (self.before + self.begun.elapsed().as_secs_f64()) / self.tuning.budget.as_secs_f64().max(1e-3)
    }

    fn tell(&mut self, event: TuneEvent) -> Result<()> {
        let spent = self.spent();
        match (self.watch)(event, spent) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(stopped(self.rows.known.len())),
        }
    }

    /// The default, the plan without guidance where that is another, and the others as far as there is time; but for what takes at least as long as
    /// one that was too slow for the control rate.
    fn time_all(&mut self, options: &PlanOptions) -> Result<()> {
        let mut all = vec![options.clone()];
        let unguided = PlanOptions {
            n_guide_steps: 0,
            rescore: false,
            batch_size: 1,
            ..options.clone()
        };
        if unguided != *options {
            all.push(unguided);
        }
        let always = all.len();
        let (pipeline, tuning) = (self.subject.pipeline, self.tuning);
        let most = tuning.trials + always;
        for options in all {
            self.time_one(options, most)?;
        }
        let own = Space::around(pipeline, options);
        let space = tuning.space.as_ref().unwrap_or(&own);
        let mut draws = space.draws(pipeline, options, tuning.trials, tuning.seed);
        let mut hopeless: Vec<Demand> = Vec::new();
        while self.trials.len() < most
            && let Some(planner) = draws.next()?
        {
            let (drawn, demand) = (planner.options().clone(), Demand::of(&planner));
            let there = self.trials.iter().any(|trial| trial.options == drawn);
            if there {
                continue;
            }
            if hopeless.iter().any(|slow| demand.covers(slow)) {
                self.passed_over += 1;
                continue;
            }
            // What was timed before costs nothing.
            if self.known_time(&drawn).is_none() && self.spent() > TIMING {
                match self.trials.len() < self.rows.timed() {
                    true => continue,
                    false => break,
                }
            }
            let median = self.time_one(drawn, most)?;
            // By the median: a machine that was busy for a moment shuts nothing out.
            if tuning.hz.is_some_and(|hz| median > 1e3 / hz) {
                hopeless.push(demand);
            }
        }
        draws.check()
    }

    /// Times one, of so many at most, and gives its median in milliseconds.
    fn time_one(&mut self, options: PlanOptions, of: usize) -> Result<f64> {
        let [median, p95] = self.time(&options)?;
        let fast_enough = self.tuning.hz.is_none_or(|hz| p95 <= 1e3 / hz);
        let search = self.known_search(&options);
        let mut trial = TrialResult::new(options, fast_enough, [median, p95]);
        trial.search = search;
        self.trials.push(trial);
        let done = self.trials.len();
        self.tell(TuneEvent::Timed { done, of })?;
        Ok(median)
    }

    /// Milliseconds that were measured before.
    fn known_time(&self, options: &PlanOptions) -> Option<[f64; 2]> {
        self.rows.known.iter().find_map(|row| match row.measured {
            Measured::Latency { median_ms, p95_ms } if row.options == *options => Some([median_ms, p95_ms]),
            _ => None,
        })
    }

    /// The first episodes of the search that were played before.
    fn known_search(&self, options: &PlanOptions) -> Vec<f64> {
        let mut returns = Vec::new();
        for row in self.rows.known.iter().filter(|row| row.options == *options) {
            if let Measured::Episode {
                last: false,
                episode,
                episode_return,
                ..
            } = row.measured
            {
                returns.push((episode, episode_return));
            }
        }
        returns.sort_by_key(|(episode, _)| *episode);
        let in_order = returns.into_iter().enumerate();
        let first = in_order.take_while(|(place, (episode, _))| place == episode);
        first.map(|(_, (_, episode_return))| episode_return).collect()
    }

    /// What acts by these options, in an environment as those that are played.
    fn policy(&self, options: &PlanOptions, pool: &Arc<ThreadPool>) -> Result<PlannerPolicy> {
        let planner = self
            .subject
            .pipeline
            .planner(options.clone())?
            .in_pool(Arc::clone(pool));
        let mut policy = (self.subject.policy)(planner)?;
        policy.check_spaces(self.envs.single_observation_space(), self.envs.single_action_space())?;
        Ok(policy)
    }

    /// Milliseconds of a plan from the environment's first observation, as an episode makes them one after another.
    fn time(&mut self, options: &PlanOptions) -> Result<[f64; 2]> {
        if let Some(known) = self.known_time(options) {
            return Ok(known);
        }
        let begun = Instant::now();
        let start = Start::alone(0, self.tuning.seed);
        let (observation, _) = self.envs.reset_env(0, Some(start.seed), &ResetOptions::default())?;
        let observation = observation.to_owned().insert_axis(Axis(0));
        let mut policy = self.policy(options, &self.subject.pools.timed)?;
        policy.begin(0, &start)?;
        policy.set_goal(0, self.envs.envs()[0].goal().as_ref())?;
        let mut action = Array2::zeros((1, self.envs.single_action_space().as_box()?.dim()));
        let (mut times, mut acted): (Vec<f64>, usize) = (Vec::new(), 0);
        while times.len() < 7 || (times.iter().sum::<f64>() < 250.0 && times.len() < 60) {
            let started = Instant::now();
            policy.act(&[0], observation.view(), action.view_mut())?;
            let took = started.elapsed().as_secs_f64() * 1e3;
            acted += 1;
            // The first takes memory, and starts from noise whatever the others do.
            if policy.plan_age(0) == 0 && acted > 1 {
                times.push(took);
            }
            // One plan an episode: each is of an episode of its own.
            if acted.is_multiple_of(options.planning_horizon) && options.n_action_steps >= options.planning_horizon {
                policy.begin(0, &start)?;
                policy.set_goal(0, self.envs.envs()[0].goal().as_ref())?;
            }
        }
        let [median_ms, p95_ms] = [0.5, 0.95].map(|q| stats::quantile(&times, q));
        self.rows.add(Row {
            options: options.clone(),
            measured: Measured::Latency { median_ms, p95_ms },
            seconds: begun.elapsed().as_secs_f64(),
        })?;
        Ok([median_ms, p95_ms])
    }

    /// Plays until one is left, and gives that, or the best when time ran out; none where nothing is fast enough.
    fn rounds(&mut self) -> Result<Option<usize>> {
        let mut left: Vec<usize> = (0..self.trials.len())
            .filter(|&trial| self.trials[trial].fast_enough)
            .collect();
        let mut episodes = 0;
        for number in 1.. {
            if left.len() <= 1 || self.spent() > SEARCH {
                break;
            }
            let rounds_left = (1..).find(|&rounds| ETA.pow(rounds) >= left.len()).unwrap_or(1);
            let seconds = (SEARCH - self.spent()) * self.tuning.budget.as_secs_f64() / f64::from(rounds_left);
            // Of the first round those that there is time for, at two episodes each.
            if number == 1 {
                let mut needed = 0.0;
                let fit = left.iter().take_while(|&&trial| {
                    needed += 2.0 * self.seconds_of(trial);
                    needed <= seconds
                });
                let fit = fit.count().max(2);
                left.truncate(fit);
            }
            let each: f64 = left.iter().map(|&trial| self.seconds_of(trial)).sum();
            episodes += ((seconds / each.max(1e-9)) as usize).clamp(2, MOST);
            self.tell(TuneEvent::Round {
                number,
                trials: left.len(),
                episodes,
            })?;
            for &trial in &left {
                // The last third of the budget is the final's.
                if self.spent() > SEARCH + 0.1 {
                    break;
                }
                self.play(trial, false, episodes)?;
            }
            self.rank(&mut left, episodes);
            left.truncate(left.len().div_ceil(ETA));
        }
        self.rank(&mut left, episodes);
        Ok(left.first().copied())
    }

    /// Best first, by the first `episodes`; where none were played now, by as many as are known of any.
    fn rank(&self, left: &mut [usize], episodes: usize) {
        let search = |trial: usize| &self.trials[trial].search;
        let known = left.iter().map(|&trial| search(trial).len()).max().unwrap_or(0);
        let common = if episodes > 0 { episodes } else { known };
        // Who did not come to play as many was cut short by the clock.
        let mean = |trial: usize| search(trial).get(..common).map_or(f64::NEG_INFINITY, stats::mean);
        if common > 0 {
            left.sort_by(|&a, &b| mean(b).total_cmp(&mean(a)));
        }
    }

    /// Seconds of an episode: measured, or guessed from the time of a plan.
    fn seconds_of(&self, trial: usize) -> f64 {
        let options = &self.trials[trial].options;
        let known: Vec<f64> = self
            .rows
            .known
            .iter()
            .filter(|row| row.options == *options && matches!(row.measured, Measured::Episode { .. }))
            .map(|row| row.seconds)
            .collect();
        match known.is_empty() {
            false => stats::mean(&known),
            true => 1e-3 * self.trials[trial].median_ms * self.limit as f64,
        }
    }

    /// Plays what is missing of a trial's first `episodes`, of the search or of the final.
    fn play(&mut self, trial: usize, last: bool, episodes: usize) -> Result<()> {
        let options = self.trials[trial].options.clone();
        let mut returns = vec![None; episodes];
        for row in self.rows.known.iter().filter(|row| row.options == options) {
            if let Measured::Episode {
                last: of_last,
                episode,
                episode_return,
                ..
            } = row.measured
                && of_last == last
                && let Some(place) = returns.get_mut(episode)
            {
                *place = Some(episode_return);
            }
        }
        let seed = self.tuning.seed.wrapping_add(if last { FINAL_SEED } else { 0 });
        let missing: Vec<Start> = Start::seeded(seed)
            .take(episodes)
            .filter(|start| returns[start.index].is_none())
            .collect();
        if !missing.is_empty() {
            let mut policy = self.policy(&options, &self.subject.pools.played)?;
            let (rows, watch) = (&mut *self.rows, &mut *self.watch);
            let (before, budget) = (self.before, self.tuning.budget.as_secs_f64().max(1e-3));
            let (begun, mut since, mut failed) = (self.begun, Instant::now(), None);
            let mut heed = |event: EvaluationEvent| {
                let spent = (before + begun.elapsed().as_secs_f64()) / budget;
                // Seen at every step: an episode may take minutes.
                let EvaluationEvent::Finished(result) = event else {
                    return watch(TuneEvent::Step, spent);
                };
                let seconds = since.elapsed().as_secs_f64();
                since = Instant::now();
                returns[result.index] = Some(result.episode_return);
                let measured = Measured::Episode {
                    last,
                    episode: result.index,
                    episode_return: result.episode_return,
                    length: result.length,
                    plans: result.plans,
                };
                let options = options.clone();
                let added = rows.add(Row {
                    options,
                    measured,
                    seconds,
                });
                if let Err(error) = added {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                watch(TuneEvent::Episode, spent)
            };
            evaluate(&mut policy, &mut self.envs, missing, &mut heed)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        let Some(returns) = returns.into_iter().collect::<Option<Vec<f64>>>() else {
            return Err(stopped(self.rows.known.len()));
        };
        let result = &mut self.trials[trial];
        if last {
            result.last = returns;
        } else if returns.len() > result.search.len() {
            // What is known of more episodes stays known.
            result.search = returns;
        }
        Ok(())
    }

    /// The final, and what came out.
    fn last(mut self, winner: Option<usize>) -> Result<Tuned> {
        let unguided = (self.trials.len() > 1 && self.trials[1].options.n_guide_steps == 0).then_some(1);
        let mut finalists = vec![0];
        finalists.extend(unguided);
        finalists.extend(winner.filter(|winner| !finalists.contains(winner)));
        let of = self.tuning.episodes.max(1);
        let mut played = 0;
        while played < of {
            let each: f64 = finalists.iter().map(|&trial| self.seconds_of(trial)).sum();
            let left = (1.0 - self.spent()) * self.tuning.budget.as_secs_f64();
            let fit = (left / each.max(1e-9)).max(0.0) as usize;
            // Two there are in any case: of fewer there is no interval.
            let next = match played {
                0 => fit.clamp(2, CHUNK),
                _ => fit.min(CHUNK),
            };
            if next == 0 {
                break;
            }
            let next = (played + next).min(of);
            self.tell(TuneEvent::Final { episodes: played, of })?;
            for &trial in &finalists {
                self.play(trial, true, next)?;
            }
            played = next;
        }
        Ok(self.outcome(winner, unguided, (played, of)))
    }

    fn outcome(self, winner: Option<usize>, unguided: Option<usize>, (played, of): (usize, usize)) -> Tuned {
        let passed_over = self.passed_over;
        let trials = self.trials;
        let less = |these: usize, others: usize| PairedDifference::of(&trials[these].last, &trials[others].last);
        let mut remarks = Vec::new();
        let mut best = winner.unwrap_or_else(|| {
            let hz = self.tuning.hz.unwrap_or_default();
            let fastest = trials.iter().map(|trial| trial.p95_ms).fold(f64::INFINITY, f64::min);
            remarks.push(format!(
                "nothing that was tried makes {hz} plans a second, the fastest {:.1}: the default stays",
                1e3 / fastest
            ));
            0
        });
        let slow = "its return is clearly below the default's, which is too slow for the control rate";
        if best != 0 && less(best, 0).is_below() {
            match trials[0].fast_enough {
                true => best = 0,
                false => remarks.push(slow.into()),
            }
        }
        if let Some(unguided) = unguided
            && best != unguided
            && trials[unguided].fast_enough
            && less(best, unguided).is_below()
        {
            best = unguided;
        }
        let (timed, slow) = (trials.len(), trials.iter().filter(|trial| !trial.fast_enough).count());
        let searched = trials.iter().filter(|trial| !trial.search.is_empty()).count();
        remarks.push(format!(
            "{timed} combinations timed, {slow} of them too slow, {searched} played in the search"
        ));
        if passed_over > 0 {
            remarks.push(format!(
                "{passed_over} others, which take at least as long as one of those, were not timed"
            ));
        }
        if played < of {
            remarks.push(format!(
                "the budget was over after {played} of the final's {of} episodes: --resume with a larger one plays the rest"
            ));
        }
        Tuned {
            env: self.tuning.env.clone(),
            hz: self.tuning.hz,
            threads: self.subject.pools.timed.current_num_threads(),
            timesteps: self.subject.pipeline.scheduler().schedule().num_train_timesteps(),
            against_default: (best != 0).then(|| less(best, 0)),
            against_unguided: unguided.filter(|&other| other != best).map(|other| less(best, other)),
            best,
            trials,
            remarks,
        }
    }
}

fn stopped(rows: usize) -> Error {
    Error::Stopped {
        error: Box::new(Error::Parts("ended before the tuning was over".into())),
        kept: format!("{rows} measurements are kept"),
    }
}
