//! A point mass of one's own and a policy of one's own, evaluated with rows on disk, resumed, and compared with random actions.
//! `cargo run --release -p diffplan --example own_environment`

#![allow(clippy::print_stdout)]

use diffplan::envs::{BoxSpace, Dict, Dtype, Info, Result, Space, Step};
use diffplan::eval::{ControllerPolicy, Start};
use diffplan::ndarray::{Array1, ArrayView2, ArrayViewMut2, array};
use diffplan::{Comparison, Env, Evaluation, Policy};

struct PointMass(Array1<f64>, usize, Space, Space);

fn point_mass() -> Result<diffplan::BoxEnv> {
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
    fn check_spaces(&mut self, _: &Space, _: &Space) -> diffplan::eval::Result<()> {
        Ok(())
    }
    fn begin(&mut self, _: usize, _: &Start) -> diffplan::eval::Result<()> {
        Ok(())
    }
    fn act(&mut self, _: &[usize], at: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> diffplan::eval::Result<()> {
        actions.column_mut(0).assign(
            &at.outer_iter()
                .map(|o| (-2.0 * o[0] - 2.0 * o[1]) as f32)
                .collect::<Array1<f32>>(),
        );
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    Evaluation::new("PointMass")
        .episodes(20)
        .out(a.path())
        .run(&mut ControllerPolicy::random(), point_mass)?;
    Evaluation::new("PointMass")
        .episodes(10)
        .out(b.path())
        .run(&mut Spring, point_mass)?;
    let report = Evaluation::new("PointMass")
        .episodes(20)
        .out(b.path())
        .resume()
        .run(&mut Spring, point_mass)?;
    println!(
        "{}\n\n{}",
        report.text(),
        Comparison::of_files(a.path(), b.path())?.text()
    );
    Ok(())
}
