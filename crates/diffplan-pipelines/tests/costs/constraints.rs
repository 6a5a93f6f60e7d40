//! Projections: nothing is violated afterwards, to the bit; a second one changes nothing; what is imposed stays.

use super::{layout, random_plan};
use diffplan_pipelines::limits::{Equal, Limits, Obstacles, Shape, SpeedLimit};
use diffplan_pipelines::{Constraint, SampleLayout};
use ndarray::{Array2, array, s};

fn square(x: f64, y: f64, half: f64) -> Shape {
    Shape::Box {
        low: [x - half, y - half],
        high: [x + half, y + half],
    }
}

fn constraints() -> Vec<Box<dyn Constraint>> {
    let disc = Shape::Disc {
        center: [0.4, 0.1],
        radius: 0.7,
    };
    // Side by side and across each other: the nearest way out of one leads into another.
    let walls: Vec<Shape> = (0..5).map(|i| square(f64::from(i) - 2.0, 0.0, 0.5)).collect();
    let cross = [
        walls.clone(),
        (0..3).map(|i| square(0.0, f64::from(i) - 1.0, 0.5)).collect(),
        vec![disc],
    ]
    .concat();
    vec![
        Box::new(
            Limits::new(
                "limits",
                vec![0, 2, 5],
                &[-0.1, -0.7, f64::NEG_INFINITY],
                &[0.1, 0.3, 0.2],
            )
            .unwrap(),
        ),
        Box::new(SpeedLimit::new("speed of one", vec![2], 0.7, 0.1).unwrap()),
        Box::new(SpeedLimit::new("speed", vec![2, 3], 1.3, 0.1).unwrap()),
        Box::new(Obstacles::new("disc", [2, 3], vec![disc], 0.0).unwrap()),
        Box::new(Obstacles::new("walls", [2, 3], walls, 0.1).unwrap()),
        Box::new(
            Obstacles::new("cross", [2, 3], cross, 0.25)
                .unwrap()
                .within([-3.0, -3.0], [3.0, 3.0])
                .unwrap(),
        ),
        Box::new(Equal::new("locked", vec![4, 1], &[0.3, -0.123_456_789]).unwrap()),
        Box::new(Equal::new("goal", vec![2, 3], &[1.0, 1.5]).unwrap().steps(7..9)),
    ]
}

/// The present of a plan is imposed: all that is observed at step 0.
fn present(horizon: usize) -> Array2<bool> {
    let mut fixed = Array2::default((horizon, 6));
    fixed.slice_mut(s![0, 2..]).fill(true);
    fixed
}

#[test]
fn projected_plans_violate_nothing() {
    let mut violated = 0;
    for constraint in constraints() {
        constraint.check(40, &layout()).unwrap();
        for (seed, width) in [(0, 1.0), (1, 0.3), (2, 10.0), (3, 1e-3), (4, 1000.0)] {
            let before = random_plan(40, 6, width, seed);
            let fixed = present(40);
            violated += usize::from(constraint.violation(before.view(), fixed.view()) > 0.0);
            let mut after = before.clone();
            constraint.project(after.view_mut(), fixed.view());
            let left = constraint.violation(after.view(), fixed.view());
            assert_eq!(left, 0.0, "{} of plans {width} wide", constraint.name());
            for ((place, &fixed), (a, b)) in fixed.indexed_iter().zip(after.iter().zip(&before)) {
                assert!(!fixed || a == b, "{} moved {place:?}", constraint.name());
            }
            let mut again = after.clone();
            constraint.project(again.view_mut(), fixed.view());
            assert_eq!(again, after, "{}: the second time", constraint.name());
        }
    }
    assert!(violated > 25, "{violated} of 40 random plans are to be projected");
}

#[test]
fn a_speed_limit_reaches_what_is_imposed_later() {
    let speed = SpeedLimit::new("speed", vec![2, 3], 1.0, 0.1).unwrap();
    for (seed, reach) in [(0, 0.5), (1, 0.9), (2, 0.999), (3, 0.0)] {
        let mut plan = random_plan(21, 6, 2.0, seed);
        let mut fixed = present(21);
        let from = [plan[[0, 2]], plan[[0, 3]]];
        // A goal at step 12 and another at the end, the share of what can be reached.
        for (step, sign) in [(12, 1.0), (20, -1.0)] {
            let (way, last) = (if step == 12 { 12.0 } else { 8.0 }, if step == 12 { 0 } else { 12 });
            let base = [plan[[last, 2]], plan[[last, 3]]];
            plan[[step, 2]] = base[0] + sign * 0.6 * 0.1 * way * reach;
            plan[[step, 3]] = base[1] + 0.8 * 0.1 * way * reach;
            fixed.slice_mut(s![step, 2..4]).fill(true);
        }
        let goals = [plan[[12, 2]], plan[[20, 3]]];
        assert!(speed.violation(plan.view(), fixed.view()) > 0.0);
        speed.project(plan.view_mut(), fixed.view());
        assert_eq!(speed.violation(plan.view(), fixed.view()), 0.0, "share {reach}");
        assert_eq!(
            ([plan[[0, 2]], plan[[0, 3]]], [plan[[12, 2]], plan[[20, 3]]]),
            (from, goals)
        );
    }
    // What cannot be reached stays violated, and is said to be: by the way that is left.
    let mut plan = Array2::zeros((4, 6));
    let mut fixed = present(4);
    plan[[3, 2]] = 5.0;
    fixed.slice_mut(s![3, 2..4]).fill(true);
    speed.project(plan.view_mut(), fixed.view());
    let left = speed.violation(plan.view(), fixed.view());
    assert!((left - (5.0 - 0.3)).abs() < 1e-3, "{left}");
}

#[test]
fn a_plan_that_holds_keeps_its_bits() {
    let mut plan = Array2::zeros((10, 6));
    plan.column_mut(2).fill(0.25);
    for constraint in [
        Box::new(Limits::new("limits", vec![2], &[0.25], &[0.25]).unwrap()) as Box<dyn Constraint>,
        Box::new(SpeedLimit::new("speed", vec![2], 1e-9, 1.0).unwrap()),
        Box::new(Obstacles::new("disc", [2, 3], vec![square(2.0, 0.0, 1.0)], 0.5).unwrap()),
    ] {
        let before = plan.clone();
        constraint.project(plan.view_mut(), present(10).view());
        assert_eq!(plan, before, "{}", constraint.name());
    }
}

/// Steps come out where that is nearest, and a maze is not left through its wall.
#[test]
fn the_way_out_is_the_nearest_that_is_free() {
    let free = Array2::default((1, 6));
    let out = |obstacles: &Obstacles, x: f32, y: f32| {
        let mut plan = Array2::zeros((1, 6));
        (plan[[0, 2]], plan[[0, 3]]) = (x, y);
        obstacles.project(plan.view_mut(), free.view());
        [plan[[0, 2]], plan[[0, 3]]]
    };
    let near = |actual: [f32; 2], expected: [f32; 2]| {
        assert!(
            (actual[0] - expected[0]).abs() < 1e-4 && (actual[1] - expected[1]).abs() < 1e-4,
            "{actual:?} instead of {expected:?}"
        );
    };
    let one = Obstacles::new("box", [2, 3], vec![square(0.0, 0.0, 1.0)], 0.5).unwrap();
    near(out(&one, 0.9, 0.1), [1.5, 0.1]);
    near(out(&one, 0.1, -0.7), [0.1, -1.5]);
    // Past a corner: straight away from it.
    near(out(&one, 1.06, 1.08), [1.3, 1.4]);
    // Two boxes side by side: not from one into the other.
    let two = Obstacles::new("wall", [2, 3], vec![square(0.0, 0.0, 1.0), square(2.0, 0.0, 1.0)], 0.0).unwrap();
    near(out(&two, 0.95, 0.4), [0.95, 1.0]);
    // The outer wall of a maze: inward, however near the outside is.
    let wall = Obstacles::new("wall", [2, 3], vec![square(0.0, 0.0, 1.0)], 0.2).unwrap();
    let wall = wall.within([-1.0, -1.0], [5.0, 1.0]).unwrap();
    near(out(&wall, -0.9, 0.0), [1.2, 0.0]);
    near(out(&wall, -7.0, 0.5), [1.2, 0.5]);
    // With one dimension imposed, along the other.
    let mut fixed = Array2::default((1, 6));
    fixed[[0, 2]] = true;
    let mut plan = Array2::zeros((1, 6));
    plan[[0, 2]] = 0.9;
    one.project(plan.view_mut(), fixed.view());
    near([plan[[0, 2]], plan[[0, 3]]], [0.9, plan[[0, 3]]]);
    // Step 0 with a part free is no present.
    assert_eq!(one.violation(plan.view(), fixed.view()), 0.0);
    assert!(plan[[0, 3]].abs() >= 1.5);
}

#[test]
fn what_is_none_is_refused() {
    let message = |result: diffplan_pipelines::Result<()>| result.unwrap_err().to_string();
    let limits = |low: f64, high: f64| Limits::new("limits (x)", vec![2], &[low], &[high]).map(drop);
    assert_eq!(
        message(limits(2.0, 1.0)),
        "limits (x): `low` 2 is above `high` 1: nothing lies between them; expected low at most high"
    );
    assert!(message(limits(f64::NAN, 1.0)).contains("`low` has NaN"));
    let disc = |radius: f64| Shape::Disc {
        center: [0.0, 0.0],
        radius,
    };
    let obstacles = |shape, margin| Obstacles::new("discs", [2, 3], vec![shape], margin).map(drop);
    assert!(message(obstacles(disc(0.0), 0.0)).contains("`radius` is 0"));
    assert!(message(obstacles(disc(1.0), -1.0)).contains("`radius` is -1"));
    assert!(message(SpeedLimit::new("speed", vec![2], f64::INFINITY, 0.1).map(drop)).contains("`speed` is inf"));
    let goal = Equal::new("goal", vec![2], &[1.0]).unwrap().steps(10..12);
    assert!(message(goal.check(11, &layout())).contains("steps 10 to 12, expected some below the horizon, 11"));
    let beyond = Limits::new("limits", vec![9], &[0.0], &[1.0]).unwrap();
    assert!(message(beyond.check(8, &SampleLayout::action_first(1, 3))).contains("channel 9"));
}

#[test]
fn the_present_is_what_it_is_and_its_action_is_not() {
    let limits = Limits::new("limits", vec![0, 2], &[-1.0, -1.0], &[1.0, 1.0]).unwrap();
    let mut plan = Array2::zeros((3, 6));
    (plan[[0, 0]], plan[[0, 2]]) = (3.0, 5.0);
    let fixed = present(3);
    assert_eq!(limits.violation(plan.view(), fixed.view()), 2.0);
    limits.project(plan.view_mut(), fixed.view());
    assert_eq!(limits.violation(plan.view(), fixed.view()), 0.0);
    assert_eq!(plan.row(0), array![1.0, 0.0, 5.0, 0.0, 0.0, 0.0]);
    // A later one that is imposed counts, but for what a normaliser may have done to it.
    let mut fixed = present(3);
    fixed[[2, 2]] = true;
    plan[[2, 2]] = 1.000_001;
    assert_eq!(limits.violation(plan.view(), fixed.view()), 0.0);
    plan[[2, 2]] = 1.1;
    assert!((limits.violation(plan.view(), fixed.view()) - 0.1).abs() < 1e-6);
}
