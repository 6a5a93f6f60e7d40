//! Many episodes side by side: each is what it would be alone.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_envs::{
    AutoresetMode, BoxEnv, BoxSpace, Dtype, Env, Error as EnvError, Info, ResetOptions, Space, Step, VecEnv, make_vec,
};
use diffplan_eval::{EpisodeResult, EvaluationEvent, PlannerPolicy, Start, evaluate, rollout};
use diffplan_models::{Params, UNet1dConfig, UNet1dModel};
use diffplan_pipelines::{FnGuide, Moment, PlanOptions, Prefix, ValueGuidedPipeline, ValueNetwork};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType, VarianceType};
use ndarray::{Array1, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut3, array};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use std::ops::ControlFlow;
use std::sync::Arc;

fn network(config: UNet1dConfig, seed: u64) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    Params::init(&mut model, &mut StdRng::seed_from_u64(seed));
    model
}

/// Three observation dimensions, one action dimension: Pendulum's.
fn pipeline() -> ValueGuidedPipeline {
    let scheduler = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 6,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        variance_type: VarianceType::FixedSmallLog,
        prediction_type: PredictionType::Sample,
        clip_sample: false,
        ..DdpmConfig::default()
    });
    let observations = NormalizerConfig::Gaussian {
        mean: vec![0.1, 0.2, 0.3],
        std: vec![0.5, 0.6, 4.0],
    };
    let actions = NormalizerConfig::Gaussian {
        mean: vec![0.5],
        std: vec![2.0],
    };
    let normalizers = Normalizers::new(observations, actions, None).unwrap();
    let unet = network(UNet1dConfig::planner(4, &[16, 32]), 1);
    let value = ValueNetwork::new(network(UNet1dConfig::value_function(4, &[16, 32]), 2)).unwrap();
    ValueGuidedPipeline::new(
        Arc::new(unet),
        Arc::new(value),
        Arc::new(scheduler.unwrap()),
        normalizers,
    )
    .unwrap()
}

fn policy(pipeline: &ValueGuidedPipeline) -> PlannerPolicy {
    PlannerPolicy::new(pipeline.planner(quick()).unwrap())
}

/// A point that drifts as it is pushed, from a place and for a number of steps that depend on the seed. It ends in a terminal
/// state, or, with a seed divisible by 3, by truncation.
struct Drift {
    seed: u64,
    steps: u64,
    place: f64,
    spaces: (Space, Space),
    fault: Fault,
}

/// What goes wrong in the episode of seed 105, at step 2.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Nothing,
    Step,
    Observation,
    Reward,
    Warning,
}

impl Drift {
    fn new(fault: Fault) -> Self {
        let space = |dim: usize, bound: f64| {
            BoxSpace::new(
                Array1::from_elem(dim, -bound),
                Array1::from_elem(dim, bound),
                Dtype::Float64,
            )
        };
        let spaces = (space(3, 100.0).unwrap().into(), space(1, 0.75).unwrap().into());
        Self {
            seed: 0,
            steps: 0,
            place: 0.0,
            spaces,
            fault,
        }
    }

    fn length(seed: u64) -> u64 {
        1 + seed * 7 % 11
    }

    fn observation(&self) -> Array1<f64> {
        array![self.place, self.place.sin(), self.steps as f64 / 10.0]
    }
}

impl Env for Drift {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, seed: Option<u64>, _: &ResetOptions) -> diffplan_envs::Result<(Array1<f64>, Info)> {
        self.seed = seed.ok_or(EnvError::SeedNeeded)?;
        (self.steps, self.place) = (0, (self.seed as f64).sin());
        Ok((self.observation(), Info::new()))
    }

    fn step(&mut self, action: &Array1<f32>) -> diffplan_envs::Result<Step<Array1<f64>>> {
        assert!(action[0].abs() <= 0.75, "{action} was not clipped");
        assert!(self.steps < Self::length(self.seed), "stepped after its end");
        let faulty = |fault| self.fault == fault && self.seed == 105 && self.steps == 2;
        if faulty(Fault::Step) {
            return Err(EnvError::Unsupported { method: "step" });
        }
        let mut info = Info::new();
        if self.fault == Fault::Warning && self.seed == 105 && self.steps >= 2 {
            info.insert("mujoco_warning", format!("at {}", self.steps).as_str());
        }
        let (lost, no_reward) = (faulty(Fault::Observation), faulty(Fault::Reward));
        self.steps += 1;
        self.place += 0.1 * f64::from(action[0]);
        let over = self.steps == Self::length(self.seed);
        Ok(Step {
            observation: if lost {
                array![0.0, f64::NAN, 0.0]
            } else {
                self.observation()
            },
            reward: if no_reward { f64::INFINITY } else { self.place.cos() },
            terminated: over && !self.seed.is_multiple_of(3),
            truncated: over && self.seed.is_multiple_of(3),
            info,
        })
    }

    fn observation_space(&self) -> &Space {
        &self.spaces.0
    }

    fn action_space(&self) -> &Space {
        &self.spaces.1
    }
}

fn drifts(count: usize, fault: Fault) -> VecEnv<Drift> {
    let envs = (0..count).map(|_| Drift::new(fault)).collect();
    VecEnv::new(envs).unwrap().with_autoreset(AutoresetMode::Disabled)
}

fn quick() -> PlanOptions {
    PlanOptions {
        batch_size: 3,
        planning_horizon: 16,
        num_inference_steps: Some(2),
        ..PlanOptions::default()
    }
}

const SEED: u64 = 100;
const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// All but what depends on the clock.
fn timeless(mut result: EpisodeResult) -> EpisodeResult {
    result.planning_time = std::time::Duration::ZERO;
    result
}

fn play(pipeline: &ValueGuidedPipeline, side_by_side: usize, threads: usize, episodes: &[usize]) -> Vec<EpisodeResult> {
    play_with(pipeline, quick(), (side_by_side, threads), episodes)
}

fn play_with(
    pipeline: &ValueGuidedPipeline,
    options: PlanOptions,
    (side_by_side, threads): (usize, usize),
    episodes: &[usize],
) -> Vec<EpisodeResult> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut planner = PlannerPolicy::new(pipeline.planner(options).unwrap().in_pool(Arc::new(pool)));
    let starts = Start::seeded(SEED)
        .take(20)
        .filter(|start| episodes.contains(&start.index));
    let mut envs = drifts(side_by_side, Fault::Nothing);
    let results = evaluate(&mut planner, &mut envs, starts, &mut |_| GO_ON).unwrap();
    results.into_iter().map(timeless).collect()
}

#[test]
fn how_many_run_side_by_side_changes_no_bit() {
    let pipeline = pipeline();
    let all: Vec<usize> = (0..20).collect();
    let one = play(&pipeline, 1, 1, &all);
    let lengths: Vec<u64> = one.iter().map(|result| result.length as u64).collect();
    assert_eq!(lengths, (100..120).map(Drift::length).collect::<Vec<_>>());
    assert!(lengths.contains(&1) && lengths.contains(&11), "{lengths:?}");
    for (i, result) in one.iter().enumerate() {
        assert_eq!(
            (result.index, result.seed, result.plans),
            (i, SEED + i as u64, result.length)
        );
        assert_eq!(result.terminated, result.seed % 3 != 0);
        assert_eq!(result.truncated, result.seed % 3 == 0);
    }
    for (side_by_side, threads) in [(1, 3), (2, 2), (4, 1), (4, 2), (4, 5), (16, 1), (16, 3), (32, 2)] {
        let many = play(&pipeline, side_by_side, threads, &all);
        assert_eq!(many, one, "{side_by_side} side by side on {threads} threads");
    }
    // What is left of an evaluation that was stopped.
    let rest = [3, 4, 9, 19];
    let part = play(&pipeline, 3, 2, &rest);
    assert_eq!(part, rest.map(|i| one[i].clone()));
    assert_eq!(play(&pipeline, 3, 2, &[]), []);
}

/// Episodes of many lengths need plans in different calls, from noise and from their last plans.
#[test]
fn whatever_is_done_of_plans_an_episode_does_not_depend_on_others() {
    let pipeline = pipeline();
    let all: Vec<usize> = (0..20).collect();
    let every_step = play(&pipeline, 1, 1, &all);
    let sets: [fn(&mut PlanOptions); 4] = [
        |options| options.n_action_steps = 3,
        |options| (options.warm_start, options.n_action_steps) = (0.5, 2),
        |options| (options.prefix, options.observation_delay) = (Prefix::Exp, 2),
        |options| {
            (options.prefix, options.observation_delay) = (Prefix::Linear, 1);
            (options.warm_start, options.n_action_steps, options.temperature) = (1.0, 2, 0.5);
        },
    ];
    for (number, set) in sets.into_iter().enumerate() {
        let mut options = quick();
        set(&mut options);
        let one = play_with(&pipeline, options.clone(), (1, 1), &all);
        assert_ne!(one, every_step, "{number}");
        for result in &one {
            assert_eq!(result.plans, result.length.div_ceil(options.n_action_steps), "{number}");
        }
        for sizes in [(4, 2), (16, 3)] {
            assert_eq!(
                play_with(&pipeline, options.clone(), sizes, &all),
                one,
                "{number}: {sizes:?}"
            );
        }
        let rest = [3, 4, 9, 19];
        let part = play_with(&pipeline, options, (3, 2), &rest);
        assert_eq!(part, rest.map(|i| one[i].clone()), "{number}");
    }
}

#[test]
fn an_episode_is_that_of_rollout() {
    let pipeline = pipeline();
    let all: Vec<usize> = (0..20).collect();
    let mut planner = policy(&pipeline);
    let mut starts = Start::seeded(SEED);
    let mut env: BoxEnv = Box::new(Drift::new(Fault::Nothing));
    for result in play(&pipeline, 4, 2, &all) {
        let episode = rollout(&mut env, &starts.next().unwrap(), &mut planner, &mut |_| ()).unwrap();
        let (index, expected) = (result.index, episode.total_return().to_bits());
        assert_eq!(result.episode_return.to_bits(), expected, "episode {index}");
        assert_eq!(result.length, episode.length());
        assert_eq!(
            (result.terminated, result.truncated),
            (episode.terminated, episode.truncated)
        );
    }
    // Of 200 steps, whose sum depends on the order it is made in.
    let mut envs = make_vec("Pendulum-v1", 2)
        .unwrap()
        .with_autoreset(AutoresetMode::Disabled);
    let results = evaluate(&mut planner, &mut envs, Start::seeded(5).take(3), &mut |_| GO_ON).unwrap();
    let (mut env, mut starts) = (diffplan_envs::make("Pendulum-v1").unwrap(), Start::seeded(5));
    for result in results {
        let episode = rollout(&mut env, &starts.next().unwrap(), &mut planner, &mut |_| ()).unwrap();
        assert_eq!(result.episode_return.to_bits(), episode.total_return().to_bits());
    }
}

#[test]
fn every_call_and_every_end_is_told_and_can_be_the_last() {
    let pipeline = pipeline();
    let mut planner = policy(&pipeline);
    let mut envs = drifts(4, Fault::Nothing);
    let (mut plans, mut told, mut most) = (0, Vec::new(), 0);
    let results = evaluate(&mut planner, &mut envs, Start::seeded(SEED).take(10), &mut |event| {
        match event {
            EvaluationEvent::Stepped { running, .. } => {
                plans += running;
                most = most.max(running);
            }
            EvaluationEvent::Finished(result) => told.push(result.clone()),
            _ => {}
        }
        GO_ON
    })
    .unwrap();
    assert_eq!((plans, most), (results.iter().map(|result| result.plans).sum(), 4));
    assert!(!told.is_sorted_by_key(|result| result.index), "short ones end first");
    told.sort_by_key(|result| result.index);
    assert_eq!(told, results);

    // The environments are left in the middle of episodes, and can be used again.
    for last in [1, 5] {
        let mut ends = 0;
        let some = evaluate(&mut planner, &mut envs, Start::seeded(SEED).take(10), &mut |event| {
            ends += usize::from(matches!(event, EvaluationEvent::Finished(_)));
            match ends >= last {
                true => ControlFlow::Break(()),
                false => GO_ON,
            }
        })
        .unwrap();
        assert!((last..10).contains(&some.len()), "{} of 10", some.len());
        for result in some {
            assert_eq!(timeless(result.clone()), timeless(results[result.index].clone()));
        }
    }
}

#[test]
fn what_goes_wrong_is_said_with_its_episode() {
    let pipeline = pipeline();
    let told = |fault, side_by_side| {
        let mut planner = policy(&pipeline);
        let mut envs = drifts(side_by_side, fault);
        let result = evaluate(&mut planner, &mut envs, Start::seeded(SEED).take(10), &mut |_| GO_ON);
        result.unwrap_err().to_string()
    };
    for side_by_side in [1, 3, 16] {
        for (fault, message) in [
            (
                Fault::Step,
                "episode 5, step 2: this environment does not support `step`",
            ),
            (
                Fault::Observation,
                "episode 5, step 3: observation: dimension 1 is NaN, expected a finite number",
            ),
            (
                Fault::Reward,
                "episode 5, step 2: the reward is inf, expected a finite number",
            ),
        ] {
            assert_eq!(told(fault, side_by_side), message, "{side_by_side} side by side");
        }
    }
}

#[test]
fn a_plan_that_diverges_names_its_episode() {
    // NaN as soon as an episode has gone on for two steps: the third observation dimension is a tenth of their number.
    let lost = FnGuide(
        |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            let steps = |x: ArrayView2<f32>| x[[0, 3]] * 4.0 + 0.3;
            for (x, value) in x.outer_iter().zip(&mut values) {
                *value = if steps(x) > 0.15 { f32::NAN } else { 0.0 };
            }
            if let Some(mut grad) = grad {
                grad.fill(0.0);
            }
            Ok(())
        },
    );
    let pipeline = pipeline().with_guide(Arc::new(lost));
    let mut planner = policy(&pipeline);
    // Seeds 100 and 105 last 8 and 10 steps; 101 and 102 last 4 and 11. The first to come to two steps is told of.
    let error = evaluate(
        &mut planner,
        &mut drifts(2, Fault::Nothing),
        Start::seeded(SEED).take(3).filter(|start| start.index > 0),
        &mut |_| GO_ON,
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("episode 1, step 2: the guide's values are no longer finite, at step 1"),
        "{error}"
    );
}

#[test]
fn a_warning_stays_with_its_episode() {
    let pipeline = pipeline();
    let mut planner = policy(&pipeline);
    let mut envs = drifts(3, Fault::Warning);
    let results = evaluate(&mut planner, &mut envs, Start::seeded(SEED).take(8), &mut |_| GO_ON).unwrap();
    for result in results {
        let expected = (result.index == 5).then_some("at 2");
        assert_eq!(result.mujoco_warning.as_deref(), expected, "episode {}", result.index);
    }
}

#[test]
fn environments_that_do_not_fit_are_refused() {
    let pipeline = pipeline();
    let mut planner = policy(&pipeline);
    let mut told = |envs: VecEnv| {
        let mut envs = envs;
        let result = evaluate(&mut planner, &mut envs, Start::seeded(0).take(1), &mut |_| GO_ON);
        result.unwrap_err().to_string()
    };
    let error = told(make_vec("Pendulum-v1", 2).unwrap());
    assert!(
        error.contains("(NextStep), expected the autoreset mode Disabled"),
        "{error}"
    );
    let cars = make_vec("MountainCarContinuous-v0", 2).unwrap();
    let error = told(cars.with_autoreset(AutoresetMode::Disabled));
    assert!(
        error.contains("observations have 2 dimensions, the checkpoint's 3"),
        "{error}"
    );
}
