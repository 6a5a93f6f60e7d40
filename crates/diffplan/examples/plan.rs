#![allow(clippy::print_stdout, missing_docs)]
use diffplan::{Dict, Env, PlanOptions, RngNoise, ValueGuidedPipeline, make};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = ValueGuidedPipeline::from_pretrained("testdata/pendulum-hor32")?;
    let mut planner = pipeline.planner(PlanOptions {
        batch_size: 4,
        ..pipeline.options()
    })?;
    let (mut env, mut noise) = (make("Pendulum-v1")?, RngNoise::seed(0));
    let (mut observation, _) = env.reset(Some(1000), &Dict::new())?;
    for _ in 0..3 {
        let plan = planner.plan(observation.mapv(|x| x as f32).view(), &mut noise)?;
        println!(
            "{} of value {}",
            plan.action,
            plan.values.as_ref().map_or(f32::NAN, |values| values[0])
        );
        observation = env.step(&plan.action)?.observation;
    }
    Ok(())
}
