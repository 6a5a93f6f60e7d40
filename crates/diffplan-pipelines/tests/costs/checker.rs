//! The checker: what is wrong with a gradient, and where.

use super::{layout, random};
use diffplan_pipelines::check::{Verdict, check_cost, check_guide};
use diffplan_pipelines::costs::FnCost;
use diffplan_pipelines::{FnGuide, Guide, Moment};
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, Axis, Zip};
use std::sync::Arc;

/// The sum of sines, with a gradient that goes through `bend(step, dimension, right)`.
fn guide(bend: impl Fn(usize, usize, f32) -> f32 + Send + Sync + 'static) -> Arc<dyn Guide> {
    let of = move |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
        for (value, plan) in values.iter_mut().zip(x.outer_iter()) {
            *value = plan.mapv(f32::sin).sum();
        }
        if let Some(grad) = grad {
            Zip::indexed(grad)
                .and(x)
                .for_each(|(_, step, dim), grad, x| *grad = bend(step, dim, x.cos()));
        }
        Ok(())
    };
    Arc::new(FnGuide(of))
}

fn verdict(guide: &Arc<dyn Guide>) -> (Verdict, Vec<String>) {
    let report = check_guide(guide, random((2, 8, 3), 0.5, 1).view(), 5.0).unwrap();
    let names = ["torque", "x", "y"];
    (
        report.verdict.clone(),
        report.lines(|channel| names[channel].to_owned()),
    )
}

#[test]
fn it_says_what_is_wrong_and_where() {
    let (right, lines) = verdict(&guide(|_, _, right| right));
    assert_eq!(right, Verdict::Right);
    assert_eq!(lines, ["function at timestep 5: right, of 48 numbers looked at"]);

    let (wrong, lines) = verdict(&guide(|_, _, right| -right));
    assert_eq!(wrong, Verdict::WrongSign);
    assert!(
        lines[0].contains("wrong sign") && lines[1].contains("(ratio -1.0"),
        "{lines:?}"
    );

    let Verdict::WrongFactor(factor) = verdict(&guide(|_, _, right| 2.0 * right)).0 else {
        panic!("twice is a factor")
    };
    assert!((factor - 2.0).abs() < 0.01, "{factor}");

    // A normaliser that was forgotten.
    let (wrong, lines) = verdict(&guide(|_, dim, right| [0.5, 4.0, 1.0][dim] * right));
    let Verdict::WrongFactors(factors) = wrong else {
        panic!("{lines:?}")
    };
    assert_eq!(factors.iter().map(|factor| factor.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(
        factors
            .iter()
            .zip([0.5, 4.0, 1.0])
            .all(|(actual, expected)| (actual.1 - expected).abs() < 0.05)
    );
    assert!(
        lines[0].contains("torque 0.5") && lines[0].contains("other units"),
        "{lines:?}"
    );

    let (wrong, lines) = verdict(&guide(
        |step, dim, right| if (step, dim) == (3, 1) { right + 1.0 } else { right },
    ));
    assert_eq!(wrong, Verdict::Wrong);
    assert_eq!(lines.len(), 3, "one of each plan: {lines:?}");
    assert!(lines[1].contains("step 3, x: "), "{lines:?}");

    // Nothing at all is no factor either.
    assert_eq!(verdict(&guide(|_, _, _| 0.0)).0, Verdict::Wrong);
    let nan = guide(|step, _, right| if step == 2 { f32::NAN } else { right });
    assert_eq!(verdict(&nan).0, Verdict::Wrong);
}

#[test]
fn kinks_are_no_errors() {
    let cost = |slope_at_0: f64| {
        FnCost::new(
            "magnitude",
            move |plan: ArrayView2<f64>, gradient: Option<ArrayViewMut2<f64>>| {
                if let Some(mut gradient) = gradient {
                    gradient.zip_mut_with(&plan, |g, &x| *g += if x == 0.0 { slope_at_0 } else { x.signum() });
                }
                plan.mapv(f64::abs).sum()
            },
        )
    };
    let mut plans = random((1, 5, 6), 1.0, 2).mapv(f64::from);
    plans.index_axis_mut(Axis(1), 2).fill(0.0);
    let report = check_cost(&cost(0.3), plans.view(), &layout()).unwrap();
    assert!(report.is_right(), "{report:?}");
    assert_eq!(report.kinks.len(), 6);
    assert!(report.lines(|_| String::new())[0].contains("not differentiable at 6"));
    // Outside of what either side has it is wrong.
    assert_eq!(check_cost(&cost(1.7), plans.view(), &layout()).unwrap().wrong.len(), 6);
}

#[test]
fn a_value_that_is_none_is_an_error() {
    let nan = |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, _: Option<ArrayViewMut3<f32>>| {
        values.fill(x.sum() + f32::NAN);
        Ok(())
    };
    let guide: Arc<dyn Guide> = Arc::new(FnGuide(nan));
    let error = check_guide(&guide, random((1, 4, 2), 1.0, 0).view(), 0.0).unwrap_err();
    assert!(error.to_string().contains("has the value NaN"), "{error}");
}
