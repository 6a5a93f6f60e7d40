#![allow(clippy::print_stdout, missing_docs)]
use diffplan::{Dict, Env, RngNoise, ValueGuidedPipeline, make};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = ValueGuidedPipeline::from_pretrained("testdata/pendulum-hor32")?;
    let mut planner = pipeline.planner(pipeline.options())?;
    let (mut env, mut noise) = (make("Pendulum-v1")?, RngNoise::seed(0));
    let (mut observation, _) = env.reset(Some(1000), &Dict::new())?;
    for _ in 0..3 {
        let plan = planner.plan(observation.mapv(|x| x as f32).view(), &mut noise)?;
        println!("{}, one of {} candidates", plan.action, plan.trajectories.dim().0);
        observation = env.step(&plan.action)?.observation;
    }
    Ok(())
}
