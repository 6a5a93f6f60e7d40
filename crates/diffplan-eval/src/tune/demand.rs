//! [`Demand`]: what a plan asks of the machine, as far as it can be told without making one.

use diffplan_pipelines::{PlanOptions, Planner};

/// Numbers that a plan takes longer with, and the options that they are not from.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// Candidates, horizon, runs of the network, gradient steps, and whether finished plans are valued.
    amounts: [f64; 5],
    rest: PlanOptions,
    /// All of them: how the network is computed hangs on some.
    options: PlanOptions,
}

impl Demand {
    /// Of a planner's plans, after an episode's first.
    pub(super) fn of(planner: &Planner) -> Self {
        let options = planner.options();
        let visits = planner.sampler().visits().len() as f64;
        let made = match options.warm_start {
            share if share > 0.0 => (visits * f64::from(share)).max(1.0),
            _ => visits,
        };
        let steps = made * options.n_guide_steps as f64 / options.guide_every.max(1) as f64;
        let same = PlanOptions::default();
        Self {
            amounts: [
                options.batch_size as f64,
                options.planning_horizon as f64,
                made,
                steps,
                f64::from(u8::from(options.rescore)),
            ],
            // What is counted above, and what a plan takes as long with, whatever it is.
            rest: PlanOptions {
                batch_size: same.batch_size,
                planning_horizon: same.planning_horizon,
                num_inference_steps: same.num_inference_steps,
                scheduler: same.scheduler,
                timestep_spacing: same.timestep_spacing,
                warm_start: same.warm_start,
                n_guide_steps: same.n_guide_steps,
                guide_every: same.guide_every,
                rescore: same.rescore,
                scale: same.scale,
                temperature: same.temperature,
                n_action_steps: same.n_action_steps,
                ..options.clone()
            },
            options: options.clone(),
        }
    }

    /// Whether a plan of these takes at least as long as one of the others, as far as that is sure: no amount is less, and all else is the same.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let mut pairs = self.amounts.iter().zip(&other.amounts);
        pairs.all(|(own, other)| own >= other)
            && self.rest == other.rest
            && self.options.compute(1) == other.options.compute(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_pipelines::ValueGuidedPipeline;

    #[test]
    fn more_of_anything_takes_longer_and_less_of_something_may_not() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
        let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
        let slow = PlanOptions {
            batch_size: 8,
            num_inference_steps: Some(5),
            ..pipeline.options()
        };
        let covers = |change: &dyn Fn(&mut PlanOptions)| {
            let mut options = slow.clone();
            change(&mut options);
            let of = |options| Demand::of(&pipeline.planner(options).unwrap());
            of(options).covers(&of(slow.clone()))
        };
        assert!(covers(&|_| ()));
        assert!(covers(&|options| options.batch_size = 16));
        assert!(covers(&|options| options.num_inference_steps = None));
        assert!(covers(&|options| options.n_guide_steps += 1));
        // What a plan takes as long with.
        assert!(covers(&|options| options.temperature = 0.0));
        assert!(covers(&|options| options.scheduler = Some("ddim".into())));
        // Heun runs the network twice for most steps.
        assert!(covers(&|options| options.scheduler = Some("heun".into())));
        assert!(!covers(&|options| options.batch_size = 4));
        assert!(!covers(
            &|options| (options.batch_size, options.num_inference_steps) = (64, Some(3))
        ));
        assert!(!covers(&|options| (options.batch_size, options.warm_start) = (64, 0.4)));
        assert!(!covers(&|options| options.guide_every = 2));
        // Whether that is slower nobody knows beforehand.
        assert!(!covers(&|options| options.extra_steps = 2));
        assert!(!covers(
            &|options| options.precision = diffplan_pipelines::Precision::Bf16
        ));
    }
}
