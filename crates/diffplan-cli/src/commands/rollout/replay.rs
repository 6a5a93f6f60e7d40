//! Any plan of an episode once more: from the same observation and the same noise it is the same plan, and can be watched.

use super::Played;
use diffplan_pipelines::{Episode, NoiseError, NoiseSource, RngNoise};
use ndarray::{Axis, s};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A source of noise that keeps what it was like when each step's plan began.
pub(super) struct Remembered {
    noise: RngNoise,
    /// The step being planned, which who watches the episode counts.
    step: Arc<AtomicUsize>,
    starts: Vec<RngNoise>,
}

impl Remembered {
    pub(super) fn new(noise: RngNoise, step: Arc<AtomicUsize>) -> Self {
        let starts = Vec::new();
        Self { noise, step, starts }
    }

    /// The source as it was at the beginning of every step.
    pub(super) fn into_starts(self) -> Vec<RngNoise> {
        self.starts
    }

    fn remember(&mut self) {
        if self.starts.len() <= self.step.load(Ordering::Relaxed) {
            self.starts.push(self.noise.clone());
        }
    }
}

impl NoiseSource for Remembered {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        self.remember();
        self.noise.fill_standard_normal(out)
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        self.remember();
        self.noise.pick_index(n)
    }
}

impl Played {
    /// The step of the first episode within whose horizon most happens: its plan is the one to watch.
    pub(super) fn liveliest(&self) -> usize {
        liveliest(self.first(), self.plans.first().map_or(1, |plan| plan.nrows()))
    }
}

/// The length of the way through observations, each measured by how much it varies in the episode.
fn liveliest(episode: &Episode, horizon: usize) -> usize {
    let observations = &episode.observations;
    let spread = observations.std_axis(Axis(0), 0.0).mapv(|spread| spread.max(1e-9));
    let steps = &observations.slice(s![1.., ..]) - &observations.slice(s![..-1, ..]);
    let ways = steps
        .outer_iter()
        .map(|step| (&step / &spread).mapv(f64::abs).sum())
        .collect::<Vec<f64>>();
    let windows = ways.windows(horizon.clamp(1, ways.len().max(1)));
    let lengths = windows.map(|window| window.iter().sum::<f64>()).enumerate();
    lengths
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
        .map_or(0, |(step, _)| step)
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, play};
    use super::*;
    use crate::pictures::denoising::Denoising;
    use diffplan_pipelines::{PlanOptions, ValueGuidedPipeline};
    use ndarray::{Array1, Array2};

    #[test]
    fn the_liveliest_moment_is_where_observations_change_most() {
        let episode = |heights: &[f64]| Episode {
            observations: Array2::from_shape_fn((heights.len(), 2), |(row, column)| [heights[row], 7.0][column]),
            states: None,
            actions: Array2::zeros((heights.len() - 1, 1)),
            rewards: Array1::zeros(heights.len() - 1),
            terminated: false,
            truncated: true,
            plan_times: Vec::new(),
        };
        let hop = [0.0, 0.0, 0.1, 0.5, 1.0, 0.4, 0.4, 0.4, 0.5];
        assert_eq!(liveliest(&episode(&hop), 3), 2);
        assert_eq!(liveliest(&episode(&hop), 100), 0);
        assert_eq!(liveliest(&episode(&[1.0, 1.0]), 1), 0);
    }

    #[test]
    fn a_source_is_remembered_once_a_step() {
        let step = Arc::new(AtomicUsize::new(0));
        let mut noise = Remembered::new(RngNoise::seed(4), step.clone());
        let mut drawn = Vec::new();
        for i in 0..3 {
            let mut values = [0.0; 5];
            noise.fill_standard_normal(&mut values).unwrap();
            drawn.push(values);
            noise.fill_standard_normal(&mut [0.0; 3]).unwrap();
            noise.pick_index(9).unwrap();
            step.store(i + 1, Ordering::Relaxed);
        }
        let starts = noise.into_starts();
        assert_eq!(starts.len(), 3);
        for (mut start, expected) in starts.into_iter().zip(drawn) {
            let mut values = [0.0; 5];
            start.fill_standard_normal(&mut values).unwrap();
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn a_plan_made_again_is_the_one_that_was_played() {
        let checkpoint = crate::settings::checkpoint(None).unwrap();
        let pipeline = ValueGuidedPipeline::from_pretrained(&checkpoint).unwrap();
        let options = PlanOptions {
            batch_size: 2,
            num_inference_steps: Some(2),
            ..pipeline.options()
        };
        let settings = Settings {
            checkpoint,
            env: "Pendulum-v1".into(),
            episodes: 1,
            seed: 5,
            first: 0,
            options: options.clone(),
            simulator: None,
            threads: 1,
            out: Some("not written to".into()),
        };
        let mut planner = pipeline.planner(options).unwrap();
        let env = diffplan_envs::make(&settings.env).unwrap();
        let played = play(&settings, env, &mut planner).unwrap();
        assert_eq!((played.plans.len(), played.noise.len()), (200, 200));
        for step in [0, 7, 199] {
            let observation = played.first().observations.row(step).mapv(|v| v as f32);
            let again = Denoising::record(&mut planner, observation.view(), &mut played.noise[step].clone()).unwrap();
            let plan = again.plan();
            let chosen = plan.trajectories.index_axis(Axis(0), plan.chosen);
            assert_eq!(chosen, played.plans[step], "step {step}");
        }
    }
}
