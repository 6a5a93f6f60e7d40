//! Observations far from anything, on every instruction set: a plan that is near the one at 1e10, or an error. Group
//! normalisation divides by the observation's own size, so that from some size on the plan no longer depends on it: one at 1e10,
//! far from where any square overflows, is the twin of those at larger ones.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by panicking, and says what it found

use diffplan_kernels::Isa;
use diffplan_pipelines::{Error, PlanOptions, Precision, RngNoise, ValueGuidedPipeline};
use ndarray::Array1;

const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");

fn plan(pipeline: &ValueGuidedPipeline, observation: &[f32], options: &PlanOptions) -> Result<Vec<f32>, Error> {
    let observation = Array1::from(observation.to_vec());
    let plan = pipeline.plan(observation.view(), options.clone(), &mut RngNoise::seed(1))?;
    // The candidates' order is left out: at such sizes values tie.
    let channels = plan.layout().actions().len();
    let mut actions: Vec<(usize, f32)> = Vec::new();
    for (place, trajectory) in plan.normalized.outer_iter().enumerate() {
        let own = trajectory
            .columns()
            .into_iter()
            .take(channels)
            .flatten()
            .copied()
            .collect::<Vec<_>>();
        actions.extend(own.into_iter().map(|v| (plan.order[place], v)));
    }
    actions.sort_by_key(|&(candidate, _)| candidate);
    Ok(actions.into_iter().map(|(_, v)| v).collect())
}

#[test]
fn a_plan_from_any_size_is_right_or_an_error() {
    let best = Isa::active();
    for isa in Isa::available() {
        assert!(isa.make_active());
        let pipeline = ValueGuidedPipeline::from_pretrained(CHECKPOINT).unwrap();
        for (precision, scheduler) in [
            (Precision::F32, None),
            (Precision::F32, Some("ddim".to_owned())),
            (Precision::Bf16, None),
        ] {
            for n_guide_steps in [0, 1] {
                let options = PlanOptions {
                    batch_size: 2,
                    n_guide_steps,
                    precision,
                    scheduler: scheduler.clone(),
                    num_inference_steps: Some(4),
                    ..pipeline.options()
                };
                for dim in 0..3 {
                    let at = |size: f32| {
                        let mut observation = [0.1, -0.2, 0.3];
                        observation[dim] = size;
                        plan(&pipeline, &observation, &options)
                    };
                    let twin = at(1e10).unwrap();
                    let (mut planned, mut refused) = (0, 0);
                    for exponent in (11..=38).map(|e| 10f32.powi(e)).chain([3e38]) {
                        let size = if dim == 1 { -exponent } else { exponent };
                        let case = format!(
                            "{} {precision:?} {scheduler:?} guide {n_guide_steps} dim {dim} size {size}",
                            isa.name()
                        );
                        let twin = if dim == 1 { at(-1e10).unwrap() } else { twin.clone() };
                        match at(size) {
                            Ok(actions) => {
                                assert_eq!(refused, 0, "{case}: planned where a smaller one was refused");
                                planned += 1;
                                let scale = twin.iter().fold(1f32, |m, v| m.max(v.abs()));
                                let worst = actions
                                    .iter()
                                    .zip(&twin)
                                    .map(|(a, b)| (a - b).abs())
                                    .fold(0f32, f32::max);
                                assert!(worst < 0.02 * scale, "{case}: off by {worst} of {scale}");
                            }
                            Err(Error::Diverged { .. } | Error::Condition { .. }) => refused += 1,
                            Err(other) => panic!("{case}: {other}"),
                        }
                    }
                    eprintln!(
                        "{} {precision:?} {scheduler:?} guide {n_guide_steps} dim {dim}: {planned} planned, {refused} refused",
                        isa.name()
                    );
                    assert!(refused > 0, "1e38 cannot be planned from in float32");
                }
            }
        }
    }
    assert!(best.make_active());
}
