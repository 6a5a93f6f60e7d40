//! A guide of one's own beside the value function, with a weight: plans that also keep the pendulum's speed low.
//! `cargo run --release -p diffplan --example own_guide`

#![allow(clippy::print_stdout)]

use diffplan::ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis, arr1};
use diffplan::pipelines::Moment;
use diffplan::{FnGuide, RngNoise, ValueGuidedPipeline};
use std::sync::Arc;

/// In a sample: one action, then cos θ, sin θ and the speed.
const SPEED: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let slow = FnGuide(
        |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            let speeds = x.index_axis(Axis(2), SPEED);
            values.assign(&speeds.mapv(|v| -v * v).sum_axis(Axis(1)));
            if let Some(mut grad) = grad {
                grad.fill(0.0);
                grad.index_axis_mut(Axis(2), SPEED).assign(&speeds.mapv(|v| -2.0 * v));
            }
            Ok(())
        },
    );
    let pipeline = ValueGuidedPipeline::from_pretrained("testdata/pendulum-hor32")?;
    let value_function = pipeline.guides()[0].guide.clone();
    for weight in [0.0, 0.1, 1.0] {
        let both = pipeline
            .clone()
            .with_guides([(1.0, value_function.clone()), (weight, Arc::new(slow) as _)]);
        let plan = both
            .planner(both.options())?
            .plan(arr1(&[-1.0, 0.0, 1.0]).view(), &mut RngNoise::seed(0))?;
        let speeds = plan
            .observations()
            .index_axis(Axis(0), plan.chosen)
            .index_axis(Axis(1), 2)
            .mapv(f32::abs);
        println!(
            "weight {weight}: torque {:.3}, mean speed planned {:.3}",
            plan.action[0],
            speeds.mean().unwrap_or(0.0)
        );
    }
    Ok(())
}
