//! Every command of diffplan with an environment, a policy and a guide of one's own beside ours.
//! `cargo run --release -p diffplan-cli --example own_command -- rollout --env PointMass-v0 --policy spring`

use diffplan_envs::{BoxEnv, BoxSpace, Dict, Dtype, Env, EnvSpec, Info, Result, Space, Step};
use diffplan_eval::{FnPolicy, Registry};
use diffplan_pipelines::{FnGuide, Moment};
use ndarray::{Array1, ArrayView1, ArrayView3, ArrayViewMut1, ArrayViewMut3, array};
use std::process::ExitCode;
use std::sync::Arc;

/// Its position and speed on a line, and the spaces of observations and actions.
struct PointMass(Array1<f64>, Space, Space);

fn point_mass() -> Result<BoxEnv> {
    let observations = BoxSpace::unbounded(2, Dtype::Float64).into();
    let actions = BoxSpace::uniform(-1.0, 1.0, 1, Dtype::Float32)?.into();
    Ok(Box::new(PointMass(array![0.0, 0.0], observations, actions)))
}

impl Env for PointMass {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;
    fn reset(&mut self, seed: Option<u64>, _: &Dict) -> Result<(Array1<f64>, Info)> {
        self.0 = array![(seed.unwrap_or(0) as f64).sin(), 0.0];
        Ok((self.0.clone(), Info::new()))
    }
    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        let speed = self.0[1] + 0.1 * f64::from(action[0]);
        self.0 = array![self.0[0] + 0.1 * speed, speed];
        Ok(Step::new(self.0.clone(), -self.0[0].abs()))
    }
    fn observation_space(&self) -> &Space {
        &self.1
    }
    fn action_space(&self) -> &Space {
        &self.2
    }
    fn observation_names(&self) -> Option<Vec<String>> {
        Some(vec!["position".into(), "speed".into()])
    }
}

/// Holds a plan's states and actions near 0, in normalised units.
fn still(
    x: ArrayView3<f32>,
    _: Moment,
    mut values: ArrayViewMut1<f32>,
    grad: Option<ArrayViewMut3<f32>>,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let squares = x.outer_iter().map(|x| -x.mapv(|v| v * v).sum());
    values.assign(&squares.collect::<Array1<f32>>());
    if let Some(mut grad) = grad {
        grad.assign(&x.mapv(|v| -2.0 * v));
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut registry = Registry::builtin();
    let spec = EnvSpec {
        id: "PointMass-v0".into(),
        max_episode_steps: Some(50),
        reward_threshold: None,
    };
    let added = registry.envs.register(spec, |_| point_mass());
    added.expect("no other environment has this id");
    registry.register_policy("spring", |_| {
        let push = |at: ArrayView1<f64>| array![(-2.0 * at[0] - 2.0 * at[1]) as f32];
        Ok(Box::new(FnPolicy::new("spring", push)))
    });
    registry.register_guide("still", || Ok(Arc::new(FnGuide(still))));
    diffplan_cli::run(registry)
}
