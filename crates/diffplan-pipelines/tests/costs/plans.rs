//! Whole plans with costs and constraints, of the pendulum's checkpoint.

use super::pendulum;
use diffplan_pipelines::check::{check_guides, propose_scale};
use diffplan_pipelines::controls::{Context, Controls};
use diffplan_pipelines::{Condition, Plan, PlanOptions, RngNoise, ValueGuidedPipeline, ViolationsSummary};
use ndarray::{ArrayView1, Axis, aview1};
use std::path::Path;

const HANGING: [f32; 3] = [-1.0, 0.0, 0.5];

fn controlled(pipeline: &ValueGuidedPipeline, text: &str) -> ValueGuidedPipeline {
    let controls = Controls::from_toml(text, Path::new("g.toml")).unwrap();
    let context = Context {
        action_space: Some([vec![-2.0], vec![2.0]]),
        ..Context::default()
    };
    controls.apply(pipeline.clone(), &context).unwrap()
}

fn plan(pipeline: &ValueGuidedPipeline, options: PlanOptions) -> Plan {
    pipeline
        .plan(aview1(&HANGING), options, &mut RngNoise::seed(3))
        .unwrap()
}

const LIMITS: &str = "
[[constraint]]
type = \"action-limits\"
low = -0.8
high = 0.8
[[constraint]]
type = \"state-limits\"
dims = [2]
low = -2
high = 2
";

#[test]
fn no_plan_that_is_returned_violates_a_constraint() {
    let Some(pipeline) = pendulum() else { return };
    let free = plan(&pipeline, pipeline.options());
    let fastest = |plan: &Plan| {
        plan.trajectories
            .index_axis(Axis(2), 3)
            .iter()
            .fold(0.0_f32, |a, x| a.max(x.abs()))
    };
    assert!(
        fastest(&free) > 2.5,
        "the plan without limits is fast: {}",
        fastest(&free)
    );
    assert_eq!(free.violations, None);
    let limited = controlled(&pipeline, LIMITS);
    for scheduler in [None, Some("ddim".to_owned()), Some("dpm++".to_owned())] {
        let options = PlanOptions {
            num_inference_steps: scheduler.as_ref().map(|_| 8),
            scheduler,
            ..limited.options()
        };
        let plan = plan(&limited, options);
        let violations = plan.violations.clone().unwrap();
        assert_eq!(
            violations.names,
            ["action-limits (action 0)", "state-limits (observation 2)"]
        );
        assert!(violations.before.iter().any(|&v| v > 0.0), "{violations:?}");
        assert!(violations.after.iter().all(|&v| v == 0.0), "{violations:?}");
        assert!(fastest(&plan) <= 2.0 && plan.actions().iter().all(|a| a.abs() <= 0.8));
        // The present is what was observed.
        for (planned, observed) in plan.observations().index_axis(Axis(1), 0).row(0).iter().zip(HANGING) {
            assert!((planned - observed).abs() < 1e-6);
        }
        let mut summary = ViolationsSummary::default();
        summary.add(&violations, plan.chosen);
        summary.add(&violations, plan.chosen);
        assert_eq!((summary.plans, summary.constraints.len()), (2, 2));
        assert_eq!(summary.constraints[1].plans_after, 0);
        assert_eq!(summary.constraints[1].before, violations.before[[1, plan.chosen]]);
    }
}

#[test]
fn a_condition_that_a_constraint_forbids_is_an_error_at_once() {
    let Some(pipeline) = pendulum() else { return };
    let limited = controlled(&pipeline, LIMITS);
    let mut planner = limited.planner(limited.options()).unwrap();
    let mut with_goal = |speed: f32| {
        let goal = [speed];
        let dims = [2];
        let conditions = [
            Condition::observation(0, &HANGING[..]),
            Condition::observation(31, &goal[..]).dims(&dims),
        ];
        planner.plan_conditioned(&conditions, &mut RngNoise::seed(0))
    };
    let error = with_goal(3.0).unwrap_err().to_string();
    assert!(
        error.starts_with("a condition violates the constraint state-limits (observation 2) by "),
        "{error}"
    );
    // At the limit itself it holds, whatever the normaliser makes of it.
    let plan = with_goal(2.0).unwrap();
    assert!((plan.trajectories[[0, 31, 3]] - 2.0).abs() < 1e-4);
    assert!(plan.violations.unwrap().after.iter().all(|&v| v == 0.0));
    // So does the present, however fast it is.
    let fast = [1.0, 0.0, 6.0];
    let plan = planner.plan(ArrayView1::from(&fast), &mut RngNoise::seed(0)).unwrap();
    assert!(plan.violations.unwrap().after.iter().all(|&v| v == 0.0));
}

const JUDGES: &str = "
[[guide]]
type = \"value\"
weight = 0
[[guide]]
type = \"effort\"
schedule = \"judge\"
";

/// The least effort of all candidates, without a gradient.
#[test]
fn costs_alone_choose_among_finished_plans() {
    let Some(pipeline) = pendulum() else { return };
    let judged = controlled(&pipeline, JUDGES);
    // Said by nobody, so that there are no gradient steps and plans are valued at the end.
    let plain = judged.clone().with_planning_config(Default::default());
    assert_eq!((plain.options().n_guide_steps, plain.options().rescore), (0, true));
    let options = PlanOptions {
        n_guide_steps: 0,
        rescore: true,
        ..judged.options()
    };
    let plan = plan(&judged, options);
    let efforts: Vec<f32> = plan
        .actions()
        .outer_iter()
        .map(|actions| actions.mapv(|a| a * a).sum())
        .collect();
    assert!(efforts.is_sorted(), "{efforts:?}");
    for (effort, value) in efforts.iter().zip(plan.values.unwrap()) {
        assert!((effort + value).abs() < 1e-3 * effort, "{effort} and {value}");
    }
    assert!(efforts[0] < efforts[efforts.len() - 1]);
    // With gradients in a file, and nothing said, there are as many steps as the reference makes.
    let bent = controlled(&pipeline, &JUDGES.replace("judge", "constant"));
    assert_eq!(bent.with_planning_config(Default::default()).options().n_guide_steps, 2);
}

#[test]
fn soft_costs_do_what_they_cost() {
    let Some(pipeline) = pendulum() else { return };
    let soft = |text: &str| {
        controlled(
            &pipeline,
            &format!("[[guide]]\ntype = \"value\"\nweight = 0\n[[guide]]\n{text}schedule = \"constant\"\n"),
        )
    };
    let options = |scale: f32| PlanOptions {
        n_guide_steps: 2,
        scale,
        // To the end: later visits would take back what the network does not believe.
        t_stopgrad: 0,
        ..pipeline.options()
    };
    let effort = soft("type = \"effort\"\n");
    let of = |plan: &Plan| plan.actions().mapv(|a| a * a).mean().unwrap();
    let [none, some, more] = [0.0, 0.01, 0.05].map(|scale| of(&plan(&effort, options(scale))));
    assert!(none > 1.1 * some && some > 1.5 * more, "{none} {some} {more}");
    // Toward fast at the end.
    let goal = soft("type = \"goal\"\ndims = [2]\ngoal = [5.0]\n");
    let of = |plan: &Plan| {
        plan.observations()
            .index_axis(Axis(1), 31)
            .column(2)
            .mapv(|v| (v - 5.0).abs())
            .mean()
            .unwrap()
    };
    let [none, some] = [0.0, 0.02].map(|scale| of(&plan(&goal, options(scale))));
    assert!(none > 1.2 * some, "{none} {some}");
}

/// Every kind is right as the checker sees it, the checkpoint's own value function too; and a scale comes of it.
#[test]
fn guides_are_checked_and_a_scale_is_proposed() {
    let Some(pipeline) = pendulum() else { return };
    let text = "[[guide]]\ntype = \"value\"\n[[guide]]\ntype = \"effort\"\nweight = 0.1\n[[guide]]\ntype = \"goal\"\ndims = [0, 1]\ngoal = [1, 0]\n";
    let guided = controlled(&pipeline, text);
    let reports = check_guides(&guided, 32, &mut RngNoise::seed(0)).unwrap();
    assert_eq!(reports.len(), 3 + 1 + 1);
    for report in &reports {
        assert!(report.is_right(), "{:?}", report.lines(|channel| channel.to_string()));
    }
    let conditions = [Condition::observation(0, &HANGING[..])];
    let options = guided.options();
    let propose = |options: &PlanOptions, share: f64| {
        propose_scale(&guided, options, &conditions, share, &mut RngNoise::seed(0)).unwrap()
    };
    let report = propose(&options, 0.2);
    assert_eq!(report.guides.len(), 3);
    let medians: Vec<f64> = report.guides.iter().map(|guide| guide.scale.unwrap().median).collect();
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(report.proposed, Some(least));
    assert!(
        report
            .guides
            .iter()
            .all(|guide| guide.scale.unwrap().min <= guide.scale.unwrap().median)
    );
    // Twice the share is twice the scale, twice the steps half of it.
    let twice = propose(&options, 0.4).proposed.unwrap();
    assert!((twice / least - 2.0).abs() < 1e-9);
    let steps = PlanOptions {
        n_guide_steps: 2 * options.n_guide_steps,
        ..options.clone()
    };
    assert!((propose(&steps, 0.2).proposed.unwrap() / least - 0.5).abs() < 1e-9);
    // Nothing bends, so there is nothing to propose.
    let judged = controlled(&pipeline, JUDGES);
    let none = propose_scale(&judged, &options, &conditions, 0.2, &mut RngNoise::seed(0)).unwrap();
    assert_eq!(none.proposed, None);
}

/// Constraints of several kinds on the same dimensions: the one that is acted on holds all of them, and candidates that do not come last.
#[test]
fn constraints_hold_together() {
    let Some(pipeline) = pendulum() else { return };
    let text = format!(
        "{LIMITS}[[constraint]]\ntype = \"obstacles\"\ndims = [0, 1]\ndiscs = [[-0.8, 0.6, 0.3]]\nradius = 0.05\n\
         [[constraint]]\ntype = \"speed\"\ndims = [0, 1]\nspeed = 3\ndt = 0.05\n"
    );
    let limited = controlled(&pipeline, &text);
    let mut before = 0;
    for seed in 0..4 {
        let plan = limited
            .plan(aview1(&HANGING), limited.options(), &mut RngNoise::seed(seed))
            .unwrap();
        let violations = plan.violations.unwrap();
        before += violations.before.iter().filter(|&&v| v > 0.0).count();
        assert!(
            violations.after.column(plan.chosen).iter().all(|&v| v == 0.0),
            "{violations:?}"
        );
        let holds: Vec<bool> = violations
            .after
            .columns()
            .into_iter()
            .map(|own| own.iter().all(|&v| v == 0.0))
            .collect();
        assert!(holds.is_sorted_by(|a, b| a >= b), "{holds:?}");
    }
    assert!(before > 16, "{before} violations to mend");
}
