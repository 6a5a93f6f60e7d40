//! The ladder: settings from what was wanted down to the least that is a plan.

use crate::error::Result;
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::planner::Planner;
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What may be given up to be in time. By default everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GiveUp {
    /// Whether candidates may go unguided, and the best be chosen by the value of what they became (`rescore`) alone.
    pub gradient: bool,
    /// The fewest steps, where more were wanted.
    pub least_steps: usize,
    /// The fewest candidates, where more were wanted.
    pub least_candidates: usize,
    /// The scheduler of rungs with fewer steps than were wanted, with `timestep_spacing` trailing: few steps of DDPM leave noise, and
    /// leading ones begin below the noisiest timestep. `None`, or a scheduler or spacing that the wanted options name, changes
    /// neither; nor does a pipeline whose scheduler cannot be converted.
    pub scheduler: Option<String>,
}

impl Default for GiveUp {
    fn default() -> Self {
        Self {
            gradient: true,
            least_steps: 1,
            least_candidates: 1,
            scheduler: Some("ddim".into()),
        }
    }
}

/// A step of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rung {
    /// What it plans with.
    pub options: PlanOptions,
    /// Visits of a whole plan.
    pub visits: usize,
    /// What it gives up of what was wanted, in words; empty for what was wanted.
    pub dropped: String,
}

impl Rung {
    /// What it plans with, in a few words.
    pub fn text(&self) -> String {
        let PlanOptions {
            batch_size,
            n_guide_steps,
            rescore,
            scheduler,
            ..
        } = &self.options;
        let candidates = counted(*batch_size, "candidate");
        let by = match (n_guide_steps, rescore) {
            (0, false) => String::new(),
            (0, true) => ", the best by value".into(),
            (steps, _) => format!(", {} at each", counted(*steps, "guide step")),
        };
        let sampler = scheduler.as_ref().map_or(String::new(), |name| format!(" of {name}"));
        format!("{candidates}, {}{sampler}{by}", counted(self.visits, "visit"))
    }
}

/// Steps below which candidates are given up before more steps are.
const FEW_STEPS: usize = 5;

/// The settings, best first. The order is that of what costs much and buys little: on Hopper the gradient, then steps down to
/// [`FEW_STEPS`], then candidates, and of one candidate the remaining steps (docs/deadlines.md has the figures).
fn settings(wanted: &PlanOptions, all_steps: usize, give_up: &GiveUp) -> Vec<(PlanOptions, usize)> {
    let mut now = wanted.clone();
    let mut steps = all_steps;
    let mut ladder = vec![(now.clone(), steps)];
    let least_steps = give_up.least_steps.max(1);
    let least_candidates = give_up.least_candidates.max(1);
    if give_up.gradient && now.n_guide_steps > 0 {
        now.n_guide_steps = 0;
        now.rescore = now.batch_size > 1;
        ladder.push((now.clone(), steps));
    }
    let fewer_candidates = |now: &mut PlanOptions, to: usize| {
        now.batch_size = to;
        // A single one is the best whatever its value.
        now.rescore &= to > 1;
    };
    if !now.ranks() && now.batch_size > least_candidates {
        // Nothing chooses among them: one at random is what one alone is.
        fewer_candidates(&mut now, least_candidates);
        ladder.push((now.clone(), steps));
    }
    if now.extra_steps > 0 {
        now.extra_steps = 0;
        ladder.push((now.clone(), steps));
    }
    while steps > least_steps.max(FEW_STEPS) {
        steps = steps.div_ceil(2).max(least_steps.max(FEW_STEPS));
        ladder.push((now.clone(), steps));
    }
    while now.batch_size > least_candidates {
        let to = now.batch_size.div_ceil(2).max(least_candidates);
        fewer_candidates(&mut now, to);
        ladder.push((now.clone(), steps));
    }
    while steps > least_steps {
        steps = steps.div_ceil(2).max(least_steps);
        ladder.push((now.clone(), steps));
    }
    ladder
}

/// The ladder with what plans on each rung. Rungs whose options the pipeline does not take are left out, but the first.
pub(super) fn ladder(
    pipeline: &ValueGuidedPipeline,
    wanted: &PlanOptions,
    give_up: &GiveUp,
    pool: &Arc<ThreadPool>,
) -> Result<Vec<(Rung, Planner)>> {
    let first = pipeline.planner(wanted.clone())?;
    let timesteps = pipeline.scheduler().schedule().num_train_timesteps();
    let all_steps = wanted.num_inference_steps.unwrap_or(timesteps);
    let named = wanted.scheduler.is_some() || wanted.timestep_spacing.is_some();
    let short = give_up.scheduler.clone().filter(|_| !named);
    let mut first = Some(first);
    let mut rungs = Vec::new();
    for (mut options, steps) in settings(wanted, all_steps, give_up) {
        let planner = match first.take() {
            Some(planner) => planner,
            None => match shorter(pipeline, &mut options, steps, all_steps, short.as_deref()) {
                Some(planner) => planner,
                None => continue,
            },
        };
        let visits = planner.sampler().visits().len() + options.extra_steps;
        let dropped = dropped(wanted, &options, [all_steps, steps]);
        let rung = Rung {
            options,
            visits,
            dropped,
        };
        rungs.push((rung, planner.in_pool(Arc::clone(pool))));
    }
    Ok(rungs)
}

/// What plans with `options` in so many steps: by the scheduler for few ones if it is to be had, by the pipeline's own otherwise.
fn shorter(
    pipeline: &ValueGuidedPipeline,
    options: &mut PlanOptions,
    steps: usize,
    all_steps: usize,
    scheduler: Option<&str>,
) -> Option<Planner> {
    if steps == all_steps {
        return pipeline.planner(options.clone()).ok();
    }
    options.num_inference_steps = Some(steps);
    if let Some(name) = scheduler {
        let other = PlanOptions {
            scheduler: Some(name.to_owned()),
            timestep_spacing: Some("trailing".into()),
            ..options.clone()
        };
        if let Ok(planner) = pipeline.planner(other.clone()) {
            *options = other;
            return Some(planner);
        }
    }
    pipeline.planner(options.clone()).ok()
}

/// In words what `now` gives up of `wanted`; `steps` are those wanted and those left.
fn dropped(wanted: &PlanOptions, now: &PlanOptions, steps: [usize; 2]) -> String {
    let mut parts = Vec::new();
    if now.n_guide_steps < wanted.n_guide_steps {
        parts.push("the gradient".to_owned());
    }
    if wanted.ranks() && !now.ranks() {
        parts.push("values".to_owned());
    }
    if now.extra_steps < wanted.extra_steps {
        parts.push("the extra steps".to_owned());
    }
    let [all, left] = steps;
    if left < all {
        let by = match &now.scheduler {
            name if *name == wanted.scheduler => String::new(),
            name => name
                .as_ref()
                .map_or(String::new(), |name| format!(" ({left} of {name})")),
        };
        parts.push(format!("{} of {all} steps{by}", all - left));
    }
    let (all, left) = (wanted.batch_size, now.batch_size);
    if left < all {
        parts.push(format!("{} of {all} candidates", all - left));
    }
    parts.join(", ")
}

pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (candidates, steps, guide steps, rescore) of every rung.
    fn of(wanted: PlanOptions, give_up: &GiveUp) -> Vec<(usize, usize, usize, bool)> {
        let rungs = settings(&wanted, 20, give_up);
        let of = |(o, steps): &(PlanOptions, usize)| (o.batch_size, *steps, o.n_guide_steps, o.rescore);
        rungs.iter().map(of).collect()
    }

    fn options(batch_size: usize, n_guide_steps: usize) -> PlanOptions {
        PlanOptions {
            batch_size,
            n_guide_steps,
            ..PlanOptions::default()
        }
    }

    #[test]
    fn first_the_gradient_then_steps_then_candidates_then_the_last_steps() {
        assert_eq!(
            of(options(6, 2), &GiveUp::default()),
            [
                (6, 20, 2, false),
                (6, 20, 0, true),
                (6, 10, 0, true),
                (6, 5, 0, true),
                (3, 5, 0, true),
                (2, 5, 0, true),
                (1, 5, 0, false),
                (1, 3, 0, false),
                (1, 2, 0, false),
                (1, 1, 0, false),
            ]
        );
    }

    #[test]
    fn what_may_not_be_given_up_stays() {
        let keep = GiveUp {
            gradient: false,
            least_steps: 8,
            least_candidates: 4,
            ..GiveUp::default()
        };
        assert_eq!(
            of(options(6, 2), &keep),
            [(6, 20, 2, false), (6, 10, 2, false), (6, 8, 2, false), (4, 8, 2, false)]
        );
        // More than was wanted is never asked for.
        let more = GiveUp {
            least_steps: 50,
            least_candidates: 50,
            ..keep
        };
        assert_eq!(of(options(6, 2), &more), [(6, 20, 2, false)]);
    }

    #[test]
    fn candidates_among_which_nothing_chooses_go_first() {
        let ladder = of(options(64, 0), &GiveUp::default());
        assert_eq!(ladder[..3], [(64, 20, 0, false), (1, 20, 0, false), (1, 10, 0, false)]);
    }
}
