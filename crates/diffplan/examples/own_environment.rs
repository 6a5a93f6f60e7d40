//! A point mass of one's own and a policy of one's own: evaluated with rows on disk, compared with random actions, and drawn.
//! `cargo run --release -p diffplan --features render --example own_environment`

#![allow(clippy::print_stdout)]

use diffplan::envs::wrappers::TimeLimit;
use diffplan::envs::{BoxSpace, Dict, Dtype, Info, Result, Space, Step};
use diffplan::eval::{ControllerPolicy, Names, Start};
use diffplan::ndarray::{Array1, ArrayView1, array};
use diffplan::pictures::{EpisodePicture, episode_png};
use diffplan::{BoxEnv, Comparison, Env, Evaluation, FnPolicy, rollout};

/// Its position and speed on a line, and the spaces of observations and actions.
struct PointMass(Array1<f64>, Space, Space);

fn point_mass() -> Result<BoxEnv> {
    let observations = BoxSpace::unbounded(2, Dtype::Float64).into();
    let actions = BoxSpace::uniform(-1.0, 1.0, 1, Dtype::Float32)?.into();
    let mass = PointMass(array![0.0, 0.0], observations, actions);
    Ok(Box::new(TimeLimit::new(mass, 50)?))
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
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let push = |at: ArrayView1<f64>| array![(-2.0 * at[0] - 2.0 * at[1]) as f32];
    let mut spring = FnPolicy::new("spring", push);
    let out = std::env::temp_dir().join("point-mass");
    let of = |name| Evaluation::new("PointMass").episodes(20).out(out.join(name)).resume();
    let report = of("spring").run(&mut spring, point_mass)?;
    of("random").run(&mut ControllerPolicy::random(), point_mass)?;
    let comparison = Comparison::of_files(&out.join("random"), &out.join("spring"))?;
    println!("{}\n\n{}\n", report.text(), comparison.text());
    let mut env = point_mass()?;
    let episode = rollout(&mut env, &Start::alone(0, 1000), &mut spring, &mut |_| ())?;
    let names = Names::of_env(&env)?;
    let picture = EpisodePicture::new("A point mass", &episode, &names);
    std::fs::write(out.join("episode.png"), episode_png(&picture)?)?;
    println!("saved {}", out.join("episode.png").display());
    Ok(())
}
