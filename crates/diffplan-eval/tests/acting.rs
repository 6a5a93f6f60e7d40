//! What is done of plans one after another: in a world that plans know to the last digit, and on Pendulum with a trained planner.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_envs::{BoxSpace, Dtype, Env, Goal, Info, ResetOptions, Space, Step, VecEnv};
use diffplan_eval::{Aim, AimText, Episode, Names, PlannerPolicy, Policy, Start, StateFollower, evaluate, rollout};
use diffplan_models::{Compute, Network, NetworkSession, Params, Signature, UNet1dConfig, UNet1dModel};
use diffplan_pipelines::{Follow, PlanOptions, PlanningConfig, Prefix, TrainedConditions, ValueGuidedPipeline};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, PredictionType};
use ndarray::{Array1, Array2, ArrayView3, ArrayViewMut3, Axis, array, s};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A point that is moved by its action, from 1; a gust moves it once.
struct World {
    spaces: (Space, Space),
    place: f64,
    step: usize,
    /// The step after which there is one, and how far it carries.
    gust: Option<(usize, f64)>,
}

const STEPS: usize = 12;

impl World {
    fn new(gust: Option<(usize, f64)>) -> Self {
        let space = || BoxSpace::new(array![-9.0], array![9.0], Dtype::Float64).unwrap().into();
        Self {
            spaces: (space(), space()),
            place: 0.0,
            step: 0,
            gust,
        }
    }
}

impl Env for World {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, _: Option<u64>, _: &ResetOptions) -> diffplan_envs::Result<(Array1<f64>, Info)> {
        (self.place, self.step) = (1.0, 0);
        Ok((array![self.place], Info::new()))
    }

    fn step(&mut self, action: &Array1<f32>) -> diffplan_envs::Result<Step<Array1<f64>>> {
        self.step += 1;
        self.place += f64::from(action[0]);
        if let Some((at, by)) = self.gust.filter(|gust| gust.0 == self.step) {
            assert_eq!(at, self.step);
            self.place += by;
        }
        Ok(Step {
            truncated: self.step == STEPS,
            ..Step::new(array![self.place], -self.place.abs())
        })
    }

    fn observation_space(&self) -> &Space {
        &self.spaces.0
    }

    fn action_space(&self) -> &Space {
        &self.spaces.1
    }
}

/// What a plan does in a place.
fn law(place: f32) -> f32 {
    -0.25 * place
}

/// Knows the world: the clean plan of where it begins, by the actions that are decided already, and its law from there. Of the first
/// `decided` actions those that are not 0 are, where nothing else is in a sample: at the only visit, without noise.
#[derive(Debug)]
struct Knowing {
    decided: usize,
}

impl Network for Knowing {
    fn class_name(&self) -> &str {
        "Knowing"
    }

    fn signature(&self) -> Signature {
        Signature::new(2)
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn NetworkSession> {
        Box::new(Session(self.decided))
    }
}

struct Session(usize);

impl NetworkSession for Session {
    fn prepare(&mut self, _: &[f32]) {}

    fn forward(&mut self, x: ArrayView3<f32>, _: usize, mut out: ArrayViewMut3<f32>) -> diffplan_models::Result<()> {
        for (x, mut out) in x.outer_iter().zip(out.outer_iter_mut()) {
            let mut place = x[[0, 1]];
            for step in 0..x.nrows() {
                let is_decided = step < self.0 && x[[step, 0]] != 0.0;
                let action = if is_decided { x[[step, 0]] } else { law(place) };
                (out[[step, 0]], out[[step, 1]]) = (action, place);
                place += action;
            }
        }
        Ok(())
    }
}

const HORIZON: usize = 8;

fn options() -> PlanOptions {
    PlanOptions {
        batch_size: 2,
        planning_horizon: HORIZON,
        n_guide_steps: 0,
        ..PlanOptions::default()
    }
}

fn scheduler() -> Arc<DdpmScheduler> {
    let config = DdpmConfig {
        num_train_timesteps: 5,
        prediction_type: PredictionType::Sample,
        clip_sample: false,
        ..DdpmConfig::default()
    };
    Arc::new(DdpmScheduler::new(config).unwrap())
}

fn unit() -> Normalizers {
    let unit = || NormalizerConfig::ScalarGaussian { mean: 0.0, std: 1.0 };
    Normalizers::new(unit(), unit(), None).unwrap()
}

fn knowing(options: PlanOptions, decided: usize) -> PlannerPolicy {
    let pipeline = ValueGuidedPipeline::without_guide(Arc::new(Knowing { decided }), scheduler(), unit()).unwrap();
    PlannerPolicy::new(pipeline.planner(options).unwrap())
}

/// An episode, and at which steps there was a new plan.
fn play(policy: &mut PlannerPolicy, gust: Option<(usize, f64)>) -> (Episode, Vec<usize>) {
    let (mut made, mut env) = (Vec::new(), World::new(gust));
    let start = Start::seeded(0).next().unwrap();
    let episode = rollout(&mut env, &start, policy, &mut |event| {
        made.extend((event.plan_age == 0).then_some(event.step));
    })
    .unwrap();
    assert_eq!(episode.plan_times.len(), made.len());
    (episode, made)
}

fn close(actual: f32, expected: f32, what: &str) {
    assert!(
        (actual - expected).abs() < 1e-5,
        "{what}: {actual} instead of {expected}"
    );
}

const GUST: Option<(usize, f64)> = Some((5, 3.0));

#[test]
fn a_plan_is_followed_for_as_long_as_was_asked() {
    let (every, made) = play(&mut knowing(options(), 0), GUST);
    let (calm, _) = play(&mut knowing(options(), 0), None);
    assert_eq!(made, (0..STEPS).collect::<Vec<_>>());
    for (count, expected) in [(2, vec![0, 2, 4, 6, 8, 10]), (5, vec![0, 5, 10]), (100, vec![0, 8])] {
        let options = PlanOptions {
            n_action_steps: count,
            ..options()
        };
        let mut policy = knowing(options, 0);
        let (episode, made) = play(&mut policy, GUST);
        assert_eq!(made, expected, "{count}");
        // What is planned is what happens until the gust, after step 4, which is heeded when there is a plan.
        for step in 0..5 {
            close(episode.actions[[step, 0]], every.actions[[step, 0]], "before the gust");
        }
        let heeds = made.iter().copied().find(|&step| step >= 5).unwrap();
        for step in 5..heeds {
            close(episode.actions[[step, 0]], calm.actions[[step, 0]], "as planned");
        }
        close(
            episode.actions[[heeds, 0]],
            law(episode.observations[[heeds, 0]] as f32),
            "heeded",
        );
        // Slots count their own.
        let mut envs = VecEnv::new(vec![World::new(GUST)])
            .unwrap()
            .with_autoreset(diffplan_envs::AutoresetMode::Disabled);
        let results = evaluate(&mut policy, &mut envs, Start::seeded(0).take(2), &mut |_| {
            ControlFlow::Continue(())
        });
        for result in results.unwrap() {
            assert_eq!(
                (result.plans, result.length, result.success),
                (expected.len(), STEPS, None)
            );
        }
    }
}

/// The action at k + d is that of the place where the point really is then, though it was planned from where it was at k.
#[test]
fn a_delay_is_made_up_for_by_what_is_committed() {
    let (at_once, _) = play(&mut knowing(options(), 0), None);
    for (delay, count) in [(1, 1), (3, 1), (2, 2), (2, 4), (7, 1)] {
        let options = PlanOptions {
            observation_delay: delay,
            n_action_steps: count,
            num_inference_steps: Some(1),
            temperature: 0.0,
            ..options()
        };
        let (calm, made) = play(&mut knowing(options.clone(), delay), None);
        for (step, (late, expected)) in calm.actions.iter().zip(&at_once.actions).enumerate() {
            close(*late, *expected, &format!("delay {delay}, step {step}"));
        }
        // The first plan goes as far as one that follows it: nothing was committed before it.
        let expected: Vec<usize> = [0]
            .into_iter()
            .chain((count.min(HORIZON - delay)..STEPS).step_by(count))
            .collect();
        assert_eq!(made, expected, "delay {delay}, {count} steps");
        let (gusty, _) = play(&mut knowing(options, delay), GUST);
        let heeded = made.iter().copied().find(|&step| step >= 5).unwrap() + delay;
        for step in 0..STEPS {
            let here = law(gusty.observations[[step, 0]] as f32);
            let action = gusty.actions[[step, 0]];
            match step < 5 || step >= heeded {
                true => close(action, here, &format!("delay {delay}, gust, step {step}")),
                false => assert!(
                    (action - here).abs() > 0.1,
                    "delay {delay}: step {step} knew of the gust"
                ),
            }
        }
    }
}

#[test]
fn the_last_plan_holds_the_next_by_the_weights_of_the_prefix() {
    let (free, _) = play(&mut knowing(options(), 0), GUST);
    let (calm, _) = play(&mut knowing(options(), 0), None);
    let (heeding, planned) = (free.actions[[5, 0]], calm.actions[[5, 0]]);
    for (prefix, steps, share) in [
        (Prefix::None, None, 0.0),
        (Prefix::Ones, None, 1.0),
        (Prefix::Ones, Some(1), 1.0),
        (Prefix::Linear, Some(2), 2.0 / 3.0),
        // All of the overlap: 7 steps.
        (Prefix::Linear, None, 7.0 / 8.0),
        (
            Prefix::Exp,
            Some(2),
            (2.0 / 3.0) * (2.0_f32 / 3.0).exp_m1() / 1.0_f32.exp_m1(),
        ),
    ] {
        let options = PlanOptions {
            prefix,
            prefix_steps: steps,
            ..options()
        };
        let (held, _) = play(&mut knowing(options, 0), GUST);
        let expected = heeding + share * (planned - heeding);
        close(held.actions[[5, 0]], expected, &format!("{prefix} {steps:?}"));
    }
}

#[test]
fn states_are_steered_along_and_the_last_is_held() {
    let follow = |count: usize, delay: usize| PlanOptions {
        follow: Follow::States,
        n_action_steps: count,
        observation_delay: delay,
        ..options()
    };
    let mut policy = knowing(follow(1, 0), 0);
    let mut env = World::new(None);
    let error = rollout(&mut env, &Start::alone(0, 0), &mut policy, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("StateFollower"), "{error}");
    let follower = || StateFollower::new(vec![0], vec![]).unwrap();
    let (acting, _) = play(&mut knowing(options(), 0), None);
    for (count, delay) in [(1, 0), (3, 0), (2, 2)] {
        let (steered, _) = play(&mut knowing(follow(count, delay), 0).with_follower(follower()), None);
        for (a, b) in steered.actions.iter().zip(&acting.actions) {
            close(*a, *b, "steered");
        }
    }
    // One plan: the gust is steered against at once, and after the plan the point stays where it ends.
    let (once, made) = play(&mut knowing(follow(HORIZON, 0), 0).with_follower(follower()), GUST);
    assert_eq!(made, [0]);
    for step in [1, 2, 3, 4, 6, 7, 8, 12] {
        let planned = 0.75_f64.powi(step.min(HORIZON as i32 - 1));
        close(
            once.observations[[step as usize, 0]] as f32,
            planned as f32,
            &format!("step {step}"),
        );
    }
    let mut policy = knowing(follow(1, 7), 0).with_follower(follower());
    let error = rollout(&mut env, &Start::alone(0, 0), &mut policy, &mut |_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("observation_delay = 7: expected less than the 7 steps"),
        "{error}"
    );
}

fn pendulum(change: impl FnOnce(&mut PlanOptions)) -> PlannerPolicy {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
    let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
    let mut options = pipeline.options();
    change(&mut options);
    PlannerPolicy::new(pipeline.planner(options).unwrap())
}

/// Normalised candidates of the first two plans of an episode, the second of which is at the observation the first foresaw.
fn two_plans(mut policy: PlannerPolicy) -> [ndarray::Array3<f32>; 2] {
    policy.begin(0, &Start::seeded(3).next().unwrap()).unwrap();
    let (mut action, mut observation) = (Array2::zeros((1, 1)), array![[-1.0, 0.0, 0.5]]);
    let mut plans = Vec::new();
    for _ in 0..2 {
        policy.act(&[0], observation.view(), action.view_mut()).unwrap();
        let plan = policy.plan(0).unwrap();
        plans.push(plan.normalized.clone());
        let next = plan.observations();
        observation = next.slice(s![plan.chosen..=plan.chosen, 1, ..]).mapv(f64::from);
    }
    plans.try_into().unwrap()
}

#[test]
fn another_planner_goes_on_with_the_episode() {
    let observation = array![[-1.0, 0.0, 0.5]];
    let act = |policy: &mut PlannerPolicy| {
        let mut action = Array2::zeros((1, 1));
        policy.act(&[0], observation.view(), action.view_mut()).unwrap();
        (
            action[[0, 0]],
            policy.plan_age(0),
            policy.plan(0).unwrap().normalized.dim(),
        )
    };
    let quick = |options: &mut PlanOptions| options.num_inference_steps = Some(2);
    let begun = |policy: &mut PlannerPolicy| policy.begin(0, &Start::seeded(3).next().unwrap()).unwrap();
    let mut alone = pendulum(quick);
    begun(&mut alone);
    let (first, second) = (act(&mut alone), act(&mut alone));
    // One with the same options makes the plan that would have been made: noise goes on.
    let mut before = pendulum(quick);
    begun(&mut before);
    assert_eq!(act(&mut before), first);
    let mut same = pendulum(quick);
    same.take_over(&mut before);
    assert_eq!(act(&mut same), second);
    let mut action = Array2::zeros((1, 1));
    assert!(
        before.act(&[0], observation.view(), action.view_mut()).is_err(),
        "it has no episode any more"
    );
    // Another shape, in the middle of a chunk and with a warm start: a new plan at once, from noise.
    let mut chunks = pendulum(|options| {
        quick(options);
        (options.n_action_steps, options.warm_start) = (4, 0.5);
    });
    begun(&mut chunks);
    act(&mut chunks);
    assert_eq!(act(&mut chunks).1, 1);
    let mut other = pendulum(|options| {
        quick(options);
        (options.batch_size, options.planning_horizon) = (3, 16);
        (options.n_action_steps, options.warm_start, options.prefix) = (2, 0.5, Prefix::Exp);
    });
    other.take_over(&mut chunks);
    let (_, age, shape) = act(&mut other);
    assert_eq!((age, shape), (0, (3, 16, 4)));
    assert_eq!(act(&mut other).1, 1);
}

#[test]
fn a_warm_start_of_few_steps_is_nearly_a_copy() {
    let distance = |warm_start: f32| {
        let [first, second] = two_plans(pendulum(|options| {
            (options.warm_start, options.n_guide_steps, options.batch_size) = (warm_start, 0, 4);
        }));
        let (shifted, next) = (first.slice(s![.., 1.., ..]), second.slice(s![.., ..-1, ..]));
        // Without values the order is the one they were made in.
        (&shifted - &next).mapv(f32::abs).mean().unwrap()
    };
    let (near, half, cold) = (distance(0.05), distance(0.5), distance(0.0));
    assert!(near < 0.3 * cold && near < half && half < cold, "{near} {half} {cold}");
    assert!(near > 0.0);
}

fn network(channels: usize) -> Arc<UNet1dModel> {
    let mut model = UNet1dModel::new(UNet1dConfig::planner(channels, &[16, 32])).unwrap();
    Params::init(&mut model, &mut StdRng::seed_from_u64(1));
    Arc::new(model)
}

/// Of a maze's dimensions, as trained with goals.
fn led(change: impl FnOnce(&mut PlanOptions)) -> PlannerPolicy {
    let flat = |dims: usize| NormalizerConfig::Gaussian {
        mean: vec![0.5; dims],
        std: vec![2.0; dims],
    };
    let normalizers = Normalizers::new(flat(4), flat(2), None).unwrap();
    let config = PlanningConfig {
        conditions: Some(TrainedConditions::Goal),
        ..PlanningConfig::default()
    };
    let pipeline = ValueGuidedPipeline::without_guide(network(6), scheduler(), normalizers)
        .unwrap()
        .with_planning_config(config);
    let mut options = PlanOptions {
        planning_horizon: 16,
        ..options()
    };
    change(&mut options);
    PlannerPolicy::new(pipeline.planner(options).unwrap())
}

fn goal(x: f64, y: f64) -> Goal {
    Goal {
        dims: vec![0, 1],
        values: array![x, y],
        tolerance: Some(0.5),
    }
}

fn near(plan: &diffplan_pipelines::Plan, time: usize, expected: &[f32]) {
    for candidate in plan.observations().axis_iter(Axis(0)) {
        for (actual, expected) in candidate.row(time).iter().zip(expected) {
            assert!(
                (actual - expected).abs() < 1e-5,
                "{time}: {} instead of {expected:?}",
                candidate.row(time)
            );
        }
    }
}

#[test]
fn plans_end_at_the_goal_and_turn_when_it_moves() {
    let names = Names {
        observations: ["x", "y", "dx/dt", "dy/dt"].map(str::to_owned).to_vec(),
        actions: vec!["a".into(), "b".into()],
    };
    let text = AimText {
        goal: Some("dy/dt=0.25".into()),
        goal_time: Some(9),
        // The second falls on the last step of the plan that is made at step 4, where the goal is.
        waypoints: vec!["4:x=2".into(), "19:x=2.5".into()],
    };
    let aim = Aim::parse(&text, &names).unwrap();
    let mut policy = led(|options| (options.n_action_steps, options.warm_start) = (3, 0.5))
        .with_aim(aim)
        .unwrap();
    policy.begin(0, &Start::alone(0, 5)).unwrap();
    policy.set_goal(0, Some(&goal(1.0, 3.0))).unwrap();
    let observation = array![[1.0, 1.0, 0.0, 0.0]];
    let mut action = Array2::zeros((1, 2));
    let mut ages = Vec::new();
    for step in 0..6 {
        if step == 4 {
            policy.set_goal(0, Some(&goal(2.0, 1.0))).unwrap();
        }
        policy.act(&[0], observation.view(), action.view_mut()).unwrap();
        ages.push(policy.plan_age(0));
        let (plan, last) = (policy.plan(0).unwrap(), 15);
        match step {
            0 => {
                near(plan, last, &[1.0, 3.0, 0.0, 0.25]);
                near(plan, 9, &[1.0, 3.0, 0.0, 0.25]);
                near(plan, 4, &[2.0]);
            }
            // Both are three steps nearer.
            3 => {
                near(plan, 6, &[1.0, 3.0, 0.0, 0.25]);
                near(plan, 1, &[2.0]);
            }
            4 => near(plan, last, &[2.0, 1.0, 0.0, 0.25]),
            _ => {}
        }
    }
    assert_eq!(ages, [0, 1, 2, 0, 0, 1]);
}

#[test]
fn without_a_goal_there_is_no_plan() {
    let mut policy = led(|_| ());
    policy.begin(2, &Start::alone(0, 5)).unwrap();
    let (observation, mut action) = (array![[1.0, 1.0, 0.0, 0.0]], Array2::zeros((1, 2)));
    let error = policy
        .act(&[2], observation.view(), action.view_mut())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("trained with goals") && error.contains("step 15"),
        "{error}"
    );
    let aim = Aim {
        goal: Some(goal(0.0, 0.0)),
        ..Aim::default()
    };
    let error = pendulum(|_| ()).with_aim(aim).unwrap_err().to_string();
    assert!(error.contains("not trained with goals"), "{error}");
}

/// Mazes tell their goals, and take them: both ways of following end in rows with a success, side by side as alone.
#[test]
fn episodes_in_a_maze_are_led_to_its_goal() {
    let follower = || StateFollower::new(vec![0, 1], vec![2, 3]).unwrap();
    let play = |follow: Follow, side_by_side: usize| {
        let mut policy =
            led(|options| (options.n_action_steps, options.follow) = (5, follow)).with_follower(follower());
        let envs = (0..side_by_side).map(|_| diffplan_envs::make("maze2d-umaze-v1").unwrap());
        let mut envs = VecEnv::new(envs.collect())
            .unwrap()
            .with_autoreset(diffplan_envs::AutoresetMode::Disabled);
        let reset = ResetOptions::from_iter([("start", array![1.0, 1.0]), ("goal", array![1.0, 1.2])]);
        let starts = Start::seeded(7).take(3).map(|start| start.with_reset(reset.clone()));
        let results = evaluate(&mut policy, &mut envs, starts, &mut |_| ControlFlow::Continue(())).unwrap();
        results
            .into_iter()
            .map(|result| {
                (
                    result.episode_return.to_bits(),
                    result.plans,
                    result.length,
                    result.success,
                )
            })
            .collect::<Vec<_>>()
    };
    for follow in [Follow::Actions, Follow::States] {
        let alone = play(follow, 1);
        assert_eq!(alone, play(follow, 3));
        for (_, plans, length, success) in &alone {
            assert_eq!((*plans, *success), (length.div_ceil(5), Some(true)));
        }
    }
}
