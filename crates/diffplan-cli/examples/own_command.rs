//! Every command of diffplan with an environment, a policy and a guide of one's own beside ours.
//! `cargo run --release -p diffplan-cli --example own_command -- rollout --env PointMass-v0 --policy spring`

use diffplan_envs::{BoxEnv, BoxSpace, Dict, Dtype, Env, EnvSpec, Info, Result, Space, Step};
use diffplan_eval::{Policy, Registry, Start};
use diffplan_pipelines::{FnGuide, Moment};
use ndarray::{Array1, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, array};
use std::process::ExitCode;
use std::sync::Arc;

struct PointMass(Array1<f64>, usize, Space, Space);

fn point_mass() -> Result<BoxEnv> {
    let space = |n: usize, bound: f64| {
        BoxSpace::new(
            Array1::from_elem(n, -bound),
            Array1::from_elem(n, bound),
            Dtype::Float64,
        )
    };
    Ok(Box::new(PointMass(
        array![0.0, 0.0],
        0,
        space(2, 10.0)?.into(),
        space(1, 1.0)?.into(),
    )))
}

impl Env for PointMass {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;
    fn reset(&mut self, seed: Option<u64>, _: &Dict) -> Result<(Array1<f64>, Info)> {
        (self.0, self.1) = (array![(seed.unwrap_or(0) as f64).sin(), 0.0], 0);
        Ok((self.0.clone(), Info::new()))
    }
    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        self.1 += 1;
        let speed = self.0[1] + 0.1 * f64::from(action[0]);
        self.0 = array![self.0[0] + 0.1 * speed, speed];
        let (observation, reward) = (self.0.clone(), -self.0[0].abs());
        Ok(Step {
            observation,
            reward,
            terminated: false,
            truncated: self.1 == 50,
            info: Info::new(),
        })
    }
    fn observation_space(&self) -> &Space {
        &self.2
    }
    fn action_space(&self) -> &Space {
        &self.3
    }
}

struct Spring;

impl Policy for Spring {
    fn name(&self) -> String {
        "spring".into()
    }
    fn check_spaces(&mut self, _: &Space, _: &Space) -> diffplan_eval::Result<()> {
        Ok(())
    }
    fn begin(&mut self, _: usize, _: &Start) -> diffplan_eval::Result<()> {
        Ok(())
    }
    fn act(&mut self, _: &[usize], at: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> diffplan_eval::Result<()> {
        actions.column_mut(0).assign(
            &at.outer_iter()
                .map(|o| (-2.0 * o[0] - 2.0 * o[1]) as f32)
                .collect::<Array1<f32>>(),
        );
        Ok(())
    }
}

fn main() -> ExitCode {
    let mut registry = Registry::builtin();
    let spec = EnvSpec {
        id: "PointMass-v0".into(),
        max_episode_steps: None,
        reward_threshold: None,
    };
    registry
        .envs
        .register(spec, |_| point_mass())
        .expect("no other environment has this id");
    registry.register_policy("spring", |_| Ok(Box::new(Spring)));
    registry.register_guide("still", || {
        Ok(Arc::new(FnGuide(
            |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
                let squares = x.outer_iter().map(|x| -x.mapv(|v| v * v).sum());
                values.assign(&squares.collect::<Array1<f32>>());
                if let Some(mut grad) = grad {
                    grad.assign(&x.mapv(|v| -2.0 * v));
                }
                Ok(())
            },
        )))
    });
    diffplan_cli::run(registry)
}
