//! One plan against the clock, and the plans that are measured at the start.

use super::cancel::CancelToken;
use super::clock::Clock;
use super::cost::{RungCost, Samples};
use super::pace::Pace;
use super::rank::Rank;
use super::timely::Ended;
use crate::condition::Condition;
use crate::error::Result;
use crate::noise::RngNoise;
use crate::plan::{Plan, Query};
use crate::planner::Planner;
use rayon::ThreadPool;
use std::time::Duration;

/// A rung's planner, and what ranks its early answers where the planner does not.
pub(super) struct Station {
    pub(super) planner: Planner,
    pub(super) rank: Option<Rank>,
}

/// What a plan is held against.
pub(super) struct Run<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) cancel: &'a CancelToken,
    /// For so many queries as are asked.
    pub(super) cost: RungCost,
    pub(super) pace: &'a mut Pace,
    pub(super) start: Duration,
    /// Seconds, and those of them that are kept free.
    pub(super) budget: f64,
    pub(super) reserve: f64,
}

pub(super) struct Made {
    pub(super) plans: Vec<Plan>,
    pub(super) ended: Ended,
    pub(super) visits: usize,
    /// Seconds from the start at which what comes after the last visit was begun.
    pub(super) ending: f64,
}

impl Run<'_> {
    fn elapsed(&self) -> f64 {
        self.clock.now().saturating_sub(self.start).as_secs_f64()
    }

    /// Makes the plans, on a thread of the pool.
    pub(super) fn make(&mut self, station: &mut Station, queries: &mut [Query]) -> Result<Made> {
        let learns = !queries.is_empty();
        let mut denoising = station.planner.begin(queries)?;
        let (all, mut visits) = (denoising.visits(), 0);
        let (learnt, end) = (self.pace.visit(), self.pace.end());
        // Of this plan's visits, seconds by those that were to be expected: it may be slow as a whole.
        let mut seen = 0.0;
        let mut ended = Ended::Whole;
        let pace = |seen: f64, visits: usize| learnt.max(seen / visits.max(1) as f64);
        while visits < all {
            if self.cancel.is_cancelled() {
                ended = Ended::Cancelled;
                break;
            }
            let (now, pace) = (self.elapsed(), pace(seen, visits));
            let rest = match visits + 1 == all {
                true => self.cost.finish,
                false => self.cost.estimate,
            };
            // The first is made in any case: without it there is nothing to return.
            if visits > 0 && now + pace * self.cost.visit + end * rest + self.reserve > self.budget {
                ended = Ended::Early;
                break;
            }
            if denoising.step()?.is_none() {
                break;
            }
            visits += 1;
            if learns {
                let took = self.elapsed() - now;
                self.pace.saw_visit(took / self.cost.visit);
                self.pace.saw_overshoot(took - pace * self.cost.visit);
                seen += took / self.cost.visit;
            }
        }
        let ending = self.elapsed();
        let plans = match ended {
            Ended::Whole => denoising.finish()?,
            Ended::Early | Ended::Cancelled => {
                let mut plans = denoising.estimate()?.unwrap_or_default();
                if let Some(rank) = &mut station.rank {
                    plans.iter_mut().try_for_each(|plan| rank.rank(plan))?;
                }
                plans
            }
        };
        Ok(Made {
            plans,
            ended,
            visits,
            ending,
        })
    }
}

/// Plans that are measured on a rung: as many as there is time for, of short ones a few in any case.
const RUNS: usize = 8;
const A_FEW: usize = 3;
const ENOUGH: Duration = Duration::from_millis(100);
const TOO_LONG: Duration = Duration::from_millis(500);

/// Makes a plan that puts every buffer in place, then some that are measured.
pub(super) fn measure(
    station: &mut Station,
    pool: &ThreadPool,
    clock: &dyn Clock,
    conditions: &[Condition],
    queries: usize,
) -> Result<RungCost> {
    let mut noise: Vec<RngNoise> = (0..queries as u64).map(RngNoise::seed).collect();
    measure_one(station, pool, clock, conditions, &mut noise, &mut Samples::default())?;
    let (mut samples, begun) = (Samples::default(), clock.now());
    for run in 1..=RUNS {
        measure_one(station, pool, clock, conditions, &mut noise, &mut samples)?;
        let spent = clock.now().saturating_sub(begun);
        if spent > TOO_LONG || (run >= A_FEW && spent > ENOUGH) {
            break;
        }
    }
    Ok(samples.cost())
}

fn measure_one(
    station: &mut Station,
    pool: &ThreadPool,
    clock: &dyn Clock,
    conditions: &[Condition],
    noise: &mut [RngNoise],
    samples: &mut Samples,
) -> Result<()> {
    let mut queries: Vec<Query> = noise.iter_mut().map(|noise| Query::new(conditions, noise)).collect();
    let queries = queries.as_mut_slice();
    let start = clock.now();
    let since = |before: Duration| clock.now().saturating_sub(before).as_secs_f64();
    let (plans, before) = pool.install(|| -> Result<_> {
        let mut denoising = station.planner.begin(queries)?;
        samples.begin.push(since(start));
        loop {
            let before = clock.now();
            if denoising.step()?.is_none() {
                break;
            }
            samples.visit.push(since(before));
        }
        let before = clock.now();
        let mut plans = denoising.estimate()?.unwrap_or_default();
        if let Some(rank) = &mut station.rank {
            plans.iter_mut().try_for_each(|plan| rank.rank(plan))?;
        }
        samples.estimate.push(since(before));
        let before = clock.now();
        Ok((denoising.finish()?, before))
    })?;
    samples.finish.push(since(before));
    // The first plan against the clock is then written into their memory.
    station.planner.reuse(plans);
    Ok(())
}
