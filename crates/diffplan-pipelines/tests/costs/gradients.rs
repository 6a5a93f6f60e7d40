//! Every cost's gradient: in the environment's units in f64, and through normalisers in f32.

use super::{layout, normalizers, random};
use diffplan_pipelines::check::{check_cost, check_guide};
use diffplan_pipelines::costs::{
    Cost, CostGuide, Effort, FnCost, FnDynamics, GoalDistance, GoalTime, Integrator, Linear, ObstacleCost, Residual,
    Smoothness, SoftLimits, SoftSpeed,
};
use diffplan_pipelines::limits::Shape;
use diffplan_pipelines::{Guide, SampleLayout};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, array};
use std::sync::Arc;

/// Every kind, so set that plans of a width of about 1 break it in some places and not in others.
fn costs() -> Vec<Arc<dyn Cost>> {
    let shapes = vec![
        Shape::Disc {
            center: [0.5, -0.2],
            radius: 0.8,
        },
        Shape::Box {
            low: [-1.5, -0.7],
            high: [-0.2, 0.9],
        },
    ];
    let goal = |time| GoalDistance::new("goal", vec![2, 3], &[1.5, -0.5]).unwrap().at(time);
    let matrix =
        |rows: usize, columns: usize| Array2::from_shape_fn((rows, columns), |(i, j)| ((3 * i + 5 * j) as f64).sin());
    let linear = Linear::new(matrix(4, 4), matrix(4, 2), array![0.1, 0.2, -0.3, 0.0]).unwrap();
    // s' = sin s + a0 a1, the last two the other way round.
    let step = |s: ArrayView1<f64>, a: ArrayView1<f64>, next: &mut [f64]| {
        for i in 0..4 {
            next[i] = s[3 - i].sin() + a[0] * a[1];
        }
    };
    let pull = |s: ArrayView1<f64>, a: ArrayView1<f64>, by: &[f64], of_s: &mut [f64], of_a: &mut [f64]| {
        for i in 0..4 {
            of_s[3 - i] += by[i] * s[3 - i].cos();
            of_a[0] += by[i] * a[1];
            of_a[1] += by[i] * a[0];
        }
    };
    let own = FnDynamics::new(4, 2, step, pull).unwrap();
    let integrator = Integrator::new(vec![0, 1], vec![2, 3], 0.3).unwrap();
    vec![
        Arc::new(goal(GoalTime::End)),
        Arc::new(goal(GoalTime::At(3))),
        Arc::new(goal(GoalTime::Nearest)),
        Arc::new(ObstacleCost::new("obstacles", [2, 3], shapes, 0.3).unwrap()),
        Arc::new(Effort::new("effort", vec![0, 1])),
        Arc::new(Smoothness::new("smoothness", vec![0, 1], 1).unwrap()),
        Arc::new(Smoothness::new("smoothness 2", vec![2, 4], 2).unwrap()),
        Arc::new(SoftLimits::new("limits", vec![2, 0], &[-0.4, f64::NEG_INFINITY], &[0.5, 0.2]).unwrap()),
        Arc::new(SoftSpeed::new("speed", vec![2, 3], 1.5, 0.4).unwrap()),
        Arc::new(Residual::new("linear", layout(), linear).unwrap()),
        Arc::new(Residual::new("integrator", layout(), integrator).unwrap()),
        Arc::new(Residual::new("own model", layout(), own).unwrap()),
        Arc::new(FnCost::new("own", |plan: ArrayView2<f64>, gradient: Option<_>| {
            if let Some(mut gradient) = gradient {
                gradient += &plan.mapv(f64::cos);
            }
            plan.mapv(f64::sin).sum()
        })),
    ]
}

#[test]
fn gradients_are_those_of_the_costs() {
    let plans = random((3, 9, 6), 1.0, 4).mapv(f64::from);
    for cost in costs() {
        let report = check_cost(&*cost, plans.view(), &layout()).unwrap();
        assert!(report.is_right(), "{:?}", report.lines(|channel| channel.to_string()));
        assert!(report.kinks.is_empty(), "{}: {:?}", cost.name(), report.kinks);
        // Something is bent, and nothing is overwritten that was there.
        let mut gradient = Array2::from_elem((9, 6), 7.0);
        let value = cost.cost(plans.index_axis(Axis(0), 0), Some(gradient.view_mut()));
        assert_eq!(value, cost.cost(plans.index_axis(Axis(0), 0), None), "{}", cost.name());
        let moved = gradient.iter().filter(|&&g| g != 7.0).count();
        assert!(moved > 0 && gradient.sum() != 0.0, "{}", cost.name());
    }
}

/// Tighter than the checker is: at every number, of the costs that are polynomials.
#[test]
fn quadratic_costs_agree_to_rounding() {
    let plan = random((1, 9, 6), 1.0, 9).mapv(f64::from).index_axis_move(Axis(0), 0);
    let quadratic = ["goal", "effort", "smoothness", "smoothness 2", "linear", "integrator"];
    for cost in costs().iter().filter(|cost| quadratic.contains(&cost.name())) {
        let mut gradient = Array2::zeros(plan.dim());
        cost.cost(plan.view(), Some(gradient.view_mut()));
        for ((step, dim), actual) in gradient.indexed_iter() {
            let [low, high] = [-1e-3, 1e-3].map(|by| {
                let mut moved = plan.clone();
                moved[[step, dim]] += by;
                cost.cost(moved.view(), None)
            });
            let expected = (high - low) / 2e-3;
            assert!(
                (actual - expected).abs() < 1e-8 * (1.0 + expected.abs()),
                "{} at {step}, {dim}",
                cost.name()
            );
        }
    }
}

#[test]
fn gradients_go_through_every_normaliser() {
    for kind in ["gaussian", "safe_limits", "cdf"] {
        let normalizers = Arc::new(normalizers(kind));
        for cost in costs() {
            let guide = CostGuide::new(Arc::clone(&cost), layout(), Arc::clone(&normalizers));
            let guide: Arc<dyn Guide> = Arc::new(guide);
            let plans = random((2, 9, 6), 0.6, 8);
            let report = check_guide(&guide, plans.view(), 3.0).unwrap();
            assert!(
                report.is_right(),
                "{kind}: {:?}",
                report.lines(|channel| channel.to_string())
            );
            assert!(report.checked >= 2 * 9 * 6);
        }
    }
}

#[test]
fn a_plan_is_taken_as_long_and_as_wide_as_it_is() {
    let refused =
        |cost: &dyn Cost, horizon: usize, layout: &SampleLayout| cost.check(horizon, layout).unwrap_err().to_string();
    let goal = GoalDistance::new("goal (x)", vec![2], &[0.0])
        .unwrap()
        .at(GoalTime::At(9));
    assert_eq!(
        refused(&goal, 9, &layout()),
        "goal (x): a goal at step 9, expected below the horizon, 9"
    );
    goal.check(10, &layout()).unwrap();
    let far = Effort::new("effort", vec![7]);
    assert_eq!(
        refused(&far, 9, &layout()),
        "effort: channel 7 of a sample, expected below 6"
    );
    let twice = Effort::new("effort", vec![1, 0, 1]);
    assert_eq!(
        refused(&twice, 9, &layout()),
        "effort: action 1 stands there twice, expected once"
    );
    let short = Smoothness::new("smooth", vec![0], 2).unwrap();
    assert!(refused(&short, 2, &layout()).contains("expected more than 2"));
    let message = |error: diffplan_pipelines::Error| error.to_string();
    assert!(message(Smoothness::new("smooth", vec![0], 3).unwrap_err()).contains("expected 1"));
    assert!(
        message(GoalDistance::new("goal", vec![0], &[1.0, 2.0]).unwrap_err()).contains("2 numbers of `goal` for 1")
    );
    assert!(message(SoftSpeed::new("speed", vec![0], 1.0, 0.0).unwrap_err()).contains("`dt` is 0"));
    let wrong = Linear::new(Array2::zeros((3, 3)), Array2::zeros((3, 2)), Array1::zeros(3)).unwrap();
    let refused = Residual::new("model", layout(), wrong).unwrap_err().to_string();
    assert_eq!(refused, "model: a model of 3 states and 2 actions, expected 4 and 2");
}
