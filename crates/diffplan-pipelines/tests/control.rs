//! What bends the prediction, with every sampler: constraints, guides that see the clean plan, soft conditions; and the options of noise and
//! of when there is a gradient. On Gaussian data with the exact network, so that what must come out is known.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod exact;

use diffplan_models::Compute;
use diffplan_pipelines::{
    Condition, Constraint, Error, Guide, GuideSchedule, GuideSession, GuideTerm, Moment, NoiseSource, Plan,
    PlanOptions, Planner, Query, Result, RngNoise, SampleLayout, Sees, Start, ValueGuidedPipeline,
};
use exact::{MEAN, SAMPLERS, unguided};
use ndarray::{ArrayView1, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, Axis};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn options(scheduler: &str, steps: usize, eta: f32) -> PlanOptions {
    PlanOptions {
        batch_size: 16,
        planning_horizon: 8,
        n_guide_steps: 0,
        t_stopgrad: 0,
        scheduler: Some(scheduler.to_owned()),
        num_inference_steps: Some(steps),
        eta,
        ..PlanOptions::default()
    }
}

fn plan(pipeline: &ValueGuidedPipeline, options: PlanOptions) -> Result<Plan> {
    pipeline.plan(ArrayView1::from(&[0.3]), options, &mut RngNoise::seed(3))
}

/// That the action is at least so much at every step, or at most.
#[derive(Debug)]
struct Bound {
    limit: f32,
    at_most: bool,
}

impl Bound {
    fn miss(&self, action: f32) -> f32 {
        let miss = if self.at_most {
            action - self.limit
        } else {
            self.limit - action
        };
        miss.max(0.0)
    }
}

impl Constraint for Bound {
    fn name(&self) -> &str {
        if self.at_most { "at most" } else { "at least" }
    }

    fn check(&self, _: usize, layout: &SampleLayout) -> Result<()> {
        assert_eq!(layout.actions(), 0..1);
        Ok(())
    }

    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32 {
        // The present is what it is.
        let from = usize::from(fixed[[0, 0]]);
        let actions = trajectory.column(0);
        actions
            .iter()
            .skip(from)
            .map(|&action| self.miss(action))
            .fold(0.0, f32::max)
    }

    fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        for (action, &fixed) in trajectory.column_mut(0).iter_mut().zip(fixed.column(0)) {
            if !fixed && self.miss(*action) > 0.0 {
                *action = self.limit;
            }
        }
    }
}

fn bound(limit: f32, at_most: bool) -> Arc<dyn Constraint> {
    Arc::new(Bound { limit, at_most })
}

#[test]
fn constraints_hold_with_every_sampler() {
    let free = unguided(0.25);
    let bounded = free.clone().with_constraints([bound(0.6, false)]);
    let idle = free.clone().with_constraints([bound(-50.0, false)]);
    for (scheduler, eta) in SAMPLERS {
        let options = options(scheduler, 20, eta);
        let plan_of = |pipeline: &ValueGuidedPipeline| plan(pipeline, options.clone()).unwrap();
        let (unbounded, plan) = (plan_of(&free), plan_of(&bounded));
        assert!(unbounded.actions().iter().any(|&action| action < 0.4));
        assert!(plan.actions().iter().all(|&action| action >= 0.6), "{scheduler}");
        // The rest is planned along with it: not everything lies on the bound.
        assert!(
            plan.actions().iter().filter(|&&action| action > 0.65).count() > 16,
            "{scheduler}"
        );
        let violations = plan.violations.unwrap();
        assert_eq!(violations.names, ["at least"]);
        assert!(violations.after.iter().all(|&violation| violation == 0.0));
        assert!(
            violations.before.iter().any(|&violation| violation > 0.0),
            "{scheduler}"
        );
        // What need not be moved keeps its bits.
        assert_eq!(plan_of(&idle).trajectories, unbounded.trajectories, "{scheduler}");
    }
}

#[test]
fn what_cannot_hold_is_an_error_that_names_it() {
    let torn = unguided(0.25).with_constraints([bound(1.0, false), bound(0.5, true)]);
    let error = plan(&torn, options("ddpm", 10, 0.0)).unwrap_err();
    assert!(matches!(&error, Error::Infeasible { candidates: 16, .. }), "{error}");
    assert!(error.to_string().contains("the constraint at least"), "{error}");
    assert!(error.to_string().contains("by 0.5"), "{error}");

    // A decided action is not moved, and nothing else can make up for it.
    let pipeline = unguided(0.25).with_constraints([bound(0.0, false)]);
    let mut planner = pipeline.planner(options("ddpm", 10, 0.0)).unwrap();
    let mut noise = RngNoise::seed(0);
    let decided = [Condition::observation(0, &[0.3]), Condition::action(4, &[-1.0])];
    let error = planner.plan_conditioned(&decided, &mut noise).unwrap_err();
    assert!(matches!(error, Error::Infeasible { least, .. } if least == 1.0));
    // The present is what it is.
    let present = [Condition::observation(0, &[0.3]), Condition::action(0, &[-1.0])];
    let plan = planner.plan_conditioned(&present, &mut noise).unwrap();
    assert_eq!(plan.violations.unwrap().after.iter().copied().fold(0.0, f32::max), 0.0);
}

/// -(last observation - target)², and how often it was asked.
#[derive(Debug)]
struct Target {
    target: f32,
    sees: Sees,
    asked: Arc<AtomicUsize>,
}

impl Guide for Target {
    fn check(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn GuideSession> {
        Box::new(TargetSession(self))
    }
}

struct TargetSession(Arc<Target>);

impl GuideSession for TargetSession {
    fn value_and_grad(
        &mut self,
        x: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        mut grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        grad.fill(0.0);
        let last = x.dim().1 - 1;
        for (x, mut grad) in x.outer_iter().zip(grad.outer_iter_mut()) {
            grad[[last, 1]] = -2.0 * (x[[last, 1]] - self.0.target);
        }
        self.value(x, at, values)
    }

    fn value(&mut self, x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>) -> Result<()> {
        let last = x.dim().1 - 1;
        for (value, x) in values.iter_mut().zip(x.outer_iter()) {
            *value = -(x[[last, 1]] - self.0.target).powi(2);
        }
        Ok(())
    }
}

fn target(sees: Sees) -> (GuideTerm, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let guide = Target {
        target: 2.0,
        sees,
        asked: Arc::clone(&asked),
    };
    (GuideTerm::new(1.0, Arc::new(guide)), asked)
}

/// Mean over candidates of the last observation.
fn last(plan: &Plan) -> f32 {
    let observations = plan.observations();
    let last = observations.len_of(Axis(1)) - 1;
    observations.index_axis(Axis(1), last).mean().unwrap()
}

#[test]
fn the_clean_plan_is_bent_with_every_sampler() {
    let (term, _) = target(Sees::Clean);
    let pipeline = unguided(0.25).with_terms([term.schedule(GuideSchedule::Constant)]);
    for (scheduler, eta) in SAMPLERS {
        let of = |scale: f32| {
            let options = PlanOptions {
                n_guide_steps: 2,
                scale,
                ..options(scheduler, 20, eta)
            };
            let plan = plan(&pipeline, options).unwrap();
            // Best first, by what the last prediction was worth.
            let values = plan.values.clone().unwrap();
            assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]));
            last(&plan)
        };
        let [none, weak, strong] = [0.0, 0.02, 0.25].map(of);
        assert!((none - MEAN).abs() < 0.4, "{scheduler}: {none}");
        assert!(weak > none + 0.2, "{scheduler}: {none}, {weak}");
        assert!((strong - 2.0).abs() < 0.15, "{scheduler}, eta {eta}: {strong}");
    }
}

#[test]
fn soft_conditions_pull_with_every_sampler() {
    let pipeline = unguided(0.25);
    for (scheduler, eta) in SAMPLERS {
        let mut planner = pipeline.planner(options(scheduler, 20, eta)).unwrap();
        let mut of = |strength: Option<f32>| {
            let mut conditions = vec![Condition::observation(0, &[0.3])];
            conditions.extend(strength.map(|strength| Condition::observation(7, &[2.0]).soft(strength)));
            last(&planner.plan_conditioned(&conditions, &mut RngNoise::seed(3)).unwrap())
        };
        let [none, weak, strong, imposed] = [None, Some(0.1), Some(0.9), Some(1.0)].map(&mut of);
        assert!(
            none < weak && weak < strong && strong < imposed + 0.05,
            "{scheduler}: {none} {weak} {strong}"
        );
        assert!(strong > 1.8, "{scheduler}: {strong}");
        assert_eq!(imposed, 2.0);
    }
    let mut planner = pipeline.planner(options("ddpm", 10, 0.0)).unwrap();
    for strength in [0.0, -1.0, 1.5, f32::NAN] {
        let condition = [Condition::observation(7, &[2.0]).soft(strength)];
        let error = planner
            .plan_conditioned(&condition, &mut RngNoise::seed(3))
            .unwrap_err();
        assert!(
            error.to_string().contains("expected more than 0 and at most 1"),
            "{error}"
        );
    }
}

#[test]
fn temperature_scales_all_noise() {
    let pipeline = unguided(0.25);
    let spread = |scheduler: &str, temperature: f32| {
        let options = PlanOptions {
            temperature,
            batch_size: 64,
            ..options(scheduler, 100, 0.0)
        };
        let plan = plan(&pipeline, options).unwrap();
        plan.actions().std(0.0)
    };
    for scheduler in ["ddpm", "ddim", "euler-a"] {
        let [none, half, full] = [0.0, 0.5, 1.0].map(|temperature| spread(scheduler, temperature));
        // All that happens to the noise is linear.
        assert!(
            none < 1e-5 && (half / full - 0.5).abs() < 1e-3,
            "{scheduler}: {none} {half} {full}"
        );
        assert!((full / 0.5 - 1.0).abs() < 0.1, "{scheduler}: {full}");
    }
}

#[test]
fn gradients_come_when_they_are_asked_for() {
    let count = |sees: Sees, change: fn(&mut PlanOptions)| {
        let (term, asked) = target(sees);
        let pipeline = unguided(0.25).with_terms([term]);
        let mut options = PlanOptions {
            n_guide_steps: 1,
            ..options("ddpm", 20, 0.0)
        };
        change(&mut options);
        let plan = plan(&pipeline, options).unwrap();
        (asked.load(Ordering::Relaxed), last(&plan))
    };
    for sees in [Sees::Noised, Sees::Clean] {
        let (all, by_all) = count(sees, |_| ());
        let (every_third, by_third) = count(sees, |options| options.guide_every = 3);
        let (late, _) = count(sees, |options| options.guidance_start = 0.5);
        let (early, _) = count(sees, |options| options.guidance_end = 0.25);
        assert_eq!((all, every_third, late, early), (20, 7, 10, 5), "{sees:?}");
        assert!(by_third < by_all, "{sees:?}: {by_third} {by_all}");
        // At the end there are no visits, but there is guidance.
        let (more, by_more) = count(sees, |options| options.extra_steps = 5);
        assert_eq!(more, 25);
        assert!(
            (by_more - 2.0).abs() < (by_all - 2.0).abs(),
            "{sees:?}: {by_more} {by_all}"
        );
    }
    let turned = PlanOptions {
        guidance_start: 0.8,
        guidance_end: 0.2,
        ..PlanOptions::default()
    };
    let error = turned.validate().unwrap_err().to_string();
    assert!(
        error.contains("guidance_start = 0.8: expected less than guidance_end, 0.2"),
        "{error}"
    );
}

#[test]
fn a_judge_bends_nothing_and_ranks() {
    let (term, asked) = target(Sees::Clean);
    let judged = unguided(0.25).with_terms([term.schedule(GuideSchedule::Judge)]);
    let options = PlanOptions {
        rescore: true,
        ..options("ddim", 10, 0.0)
    };
    let free = plan(
        &unguided(0.25),
        PlanOptions {
            rescore: false,
            ..options.clone()
        },
    )
    .unwrap();
    let plan = plan(&judged, options).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let of = |plan: &Plan| {
        let mut lasts: Vec<f32> = plan.observations().index_axis(Axis(1), 7).iter().copied().collect();
        lasts.sort_by(f32::total_cmp);
        lasts
    };
    assert_eq!(of(&free), of(&plan));
    let values = plan.values.unwrap();
    let best = *of(&free)
        .iter()
        .min_by(|a, b| (*a - 2.0).abs().total_cmp(&(*b - 2.0).abs()))
        .unwrap();
    assert_eq!(values[0], -(best - 2.0).powi(2));
}

#[test]
fn extra_steps_draw_no_noise_and_change_a_finished_plan_little() {
    for scheduler in ["ddpm", "euler", "unipc"] {
        let run = |extra_steps: usize| {
            let pipeline = unguided(0.25);
            let options = PlanOptions {
                extra_steps,
                ..options(scheduler, 20, 0.0)
            };
            let mut planner = pipeline.planner(options).unwrap();
            let mut noise = RngNoise::seed(3);
            let conditions = [Condition::observation(0, &[0.3])];
            let mut steps = 0;
            let plan = {
                let mut queries = [Query::new(&conditions, &mut noise)];
                let mut denoising = planner.begin(&mut queries).unwrap();
                while let Some(step) = denoising.step().unwrap() {
                    steps += 1;
                    assert_eq!(step.visits, 20 + extra_steps);
                }
                denoising.finish().unwrap().remove(0)
            };
            let mut next = [0.0; 2];
            noise.fill_standard_normal(&mut next).unwrap();
            (plan.order.clone(), steps, plan, next)
        };
        let (order, steps, plain, next) = run(0);
        let (_, more, extra, next_then) = run(3);
        assert_eq!((steps, more, next), (20, 23, next_then));
        let first = |plan: &Plan| plan.order.iter().position(|&candidate| candidate == order[0]).unwrap();
        let [one, other] = [&plain, &extra].map(|plan| plan.normalized.index_axis(Axis(0), first(plan)).to_owned());
        let error = (&one - &other).mapv(f32::abs).fold(0.0_f32, |a, &b| a.max(b));
        assert!(error > 0.0 && error < 0.05, "{scheduler}: {error}");
    }
}

/// Buffers of several guides: plans of more, fewer and again more queries, some of which only ask for values.
#[test]
fn plans_of_other_numbers_of_queries_leave_nothing_behind() {
    let pipeline = || unguided(0.25).with_terms([target(Sees::Noised).0, target(Sees::Noised).0]);
    let options = PlanOptions {
        n_guide_steps: 1,
        t_stopgrad: 500,
        batch_size: 2,
        ..options("ddpm", 10, 0.0)
    };
    let mut planner = pipeline().planner(options.clone()).unwrap();
    let cold = |planner: &mut Planner| {
        let mut noise: Vec<RngNoise> = (0..3).map(RngNoise::seed).collect();
        let mut sources: Vec<&mut dyn NoiseSource> = noise.iter_mut().map(|noise| noise as _).collect();
        planner
            .plan_batch(ArrayView2::from(&[[0.3], [0.1], [0.2]]), &mut sources)
            .unwrap()
    };
    let first = cold(&mut planner);
    // Its only visit lies below the stop: values alone, of one query.
    let conditions = [Condition::observation(0, &[0.3])];
    let mut noise = RngNoise::seed(7);
    let start = Start::Warm {
        sample: &first[0].normalized,
        from: 9,
    };
    let warm = planner
        .plan_queries(&mut [Query::new(&conditions, &mut noise).start(start)])
        .unwrap();
    assert_eq!(warm[0].values.as_ref().unwrap().len(), 2);
    assert_eq!(cold(&mut planner), first);
    assert_eq!(cold(&mut pipeline().planner(options).unwrap()), first);
}

#[test]
fn what_was_valued_in_another_plan_ranks_nothing() {
    let pipeline = unguided(0.25).with_terms([target(Sees::Noised).0]);
    let options = PlanOptions {
        n_guide_steps: 1,
        guidance_start: 0.5,
        ..options("ddpm", 10, 0.0)
    };
    let mut planner = pipeline.planner(options).unwrap();
    planner.plan(ArrayView1::from(&[0.3]), &mut RngNoise::seed(1)).unwrap();
    let (conditions, mut noise) = ([Condition::observation(0, &[0.3])], RngNoise::seed(3));
    let mut queries = [Query::new(&conditions, &mut noise)];
    let mut denoising = planner.begin(&mut queries).unwrap();
    let mut valued = Vec::new();
    while let Some(step) = denoising.step().unwrap() {
        valued.push(step.values.is_some());
        let early = denoising.estimate().unwrap().unwrap().remove(0);
        assert_eq!(early.values.is_some(), *valued.last().unwrap());
    }
    assert_eq!(valued, [[false; 5], [true; 5]].concat());
}

#[test]
fn gradients_that_never_come_are_refused() {
    let refused = |change: &dyn Fn(&mut PlanOptions), range: [f32; 2]| {
        let pipeline = unguided(0.25).with_terms([target(Sees::Noised).0.range(range)]);
        let mut options = PlanOptions {
            n_guide_steps: 1,
            t_stopgrad: 300,
            ..options("ddpm", 10, 0.0)
        };
        change(&mut options);
        pipeline.planner(options).err().map(|error| error.to_string())
    };
    assert_eq!(refused(&|_| (), [0.0, 1.0]), None);
    let error = refused(&|options| options.guide_every = 10, [0.0, 1.0]).unwrap();
    assert!(
        error.contains("guide_every = 10") && error.contains("t_stopgrad = 300"),
        "{error}"
    );
    let error = refused(&|options| options.guidance_start = 0.9, [0.0, 1.0]).unwrap();
    assert!(error.contains("guidance_start = 0.9"), "{error}");
    let error = refused(&|_| (), [0.8, 1.0]).unwrap();
    assert!(error.contains("range [0.8, 1.0]") && error.contains("judge"), "{error}");
    let error = refused(&|options| options.t_stopgrad = 5000, [0.0, 1.0]).unwrap();
    assert!(error.contains("t_stopgrad = 5000"), "{error}");
    let error = refused(&|options| options.prefix_steps = Some(3), [0.0, 1.0]).unwrap();
    assert!(
        error.contains("prefix_steps = 3: expected a prefix beside it"),
        "{error}"
    );
}
