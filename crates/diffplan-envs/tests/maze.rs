//! Goals, walls and options of the mazes, through all wrappers that `make` applies.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_envs::maze::{Layout, PointMaze};
use diffplan_envs::{BoxEnv, Dict, Env, Error, Goal, MakeOptions, Registry, Value, make};
use ndarray::{Array1, array};

fn made(id: &str, kwargs: Dict) -> BoxEnv {
    let options = MakeOptions {
        kwargs,
        ..MakeOptions::default()
    };
    Registry::default().make_with(id, &options).unwrap()
}

fn goal(env: &BoxEnv) -> [f64; 2] {
    let Goal { dims, values, .. } = env.goal().unwrap();
    assert_eq!(dims, [0, 1]);
    [values[0], values[1]]
}

fn success(info: &Dict) -> bool {
    info.get("success") == Some(&Value::Bool(true))
}

#[test]
fn an_episode_can_be_told_where_it_starts_and_ends() {
    for (id, start, end, (along, tolerance)) in [
        ("maze2d-umaze-v1", [3.0, 1.0], [1.1, 0.9], (1, 0.5)),
        ("PointMaze_UMaze-v3", [-1.0, 1.0], [-1.0, -1.0], (0, 0.45)),
        ("pointmaze-medium-v0", [0.0, 0.0], [20.0, 20.0], (1, 1.0)),
    ] {
        let mut env = make(id).unwrap();
        assert_eq!(env.goal(), None, "{id}");
        let at = |[x, y]: [f64; 2]| array![x, y];
        let options = Dict::from_iter([("start", at(start)), ("goal", at(end))]);
        let (observation, info) = env.reset(Some(0), &options).unwrap();
        assert_eq!(
            (observation[0], observation[1], goal(&env)),
            (start[0], start[1], end),
            "{id}"
        );
        assert!(observation.iter().skip(2).all(|&speed| speed == 0.0), "{id}");
        assert_eq!(env.goal().unwrap().tolerance, Some(tolerance));
        assert!(
            !success(&info) && info.get("goal") == Some(&Value::Array(at(end))),
            "{id}"
        );
        // Just within the tolerance, and just out of it.
        for (offset, within) in [(tolerance - 0.01, true), (tolerance + 0.01, false)] {
            let mut state = Array1::zeros(observation.len());
            (state[0], state[1]) = (end[0], end[1]);
            state[along] += offset;
            env.set_state(state.view()).unwrap();
            let step = env.step(&array![0.0, 0.0]).unwrap();
            assert_eq!(
                (step.reward, success(&step.info)),
                (f64::from(u8::from(within)), within),
                "{id}"
            );
            assert_eq!(step.terminated, within && id.starts_with("pointmaze"), "{id}");
        }
        // The next one is not told.
        env.reset(None, &Dict::new()).unwrap();
        assert_ne!(goal(&env), end, "{id}");
    }
}

#[test]
fn places_in_walls_and_what_is_no_place_are_errors_and_change_nothing() {
    for (id, wall) in [
        ("maze2d-umaze-v1", [2.0, 1.0]),
        ("PointMaze_UMaze-v3", [-1.0, 0.0]),
        ("pointmaze-giant-v0", [4.0, 0.0]),
    ] {
        let mut env = make(id).unwrap();
        env.reset(Some(1), &Dict::new()).unwrap();
        let before = (env.state().unwrap(), env.goal());
        for name in ["goal", "start"] {
            let values = [
                Value::Array(array![wall[0], wall[1]]),
                Value::Array(array![f64::NAN, 1.0]),
                Value::Array(array![1e9, 1.0]),
                Value::Array(array![1.0]),
                Value::F64(1.0),
            ];
            for value in values {
                let error = env.reset(Some(2), &Dict::from_iter([(name, value)])).unwrap_err();
                assert!(
                    matches!(error, Error::OptionValue { name: of, .. } if of == name),
                    "{id}: {error}"
                );
            }
        }
        let unknown = env.reset(Some(2), &Dict::from_iter([("gaol", 1.0)])).unwrap_err();
        assert!(matches!(unknown, Error::UnknownOption { .. }));
        assert_eq!((env.state().unwrap(), env.goal()), before, "{id}");
    }
    let mut env = make("PointMaze_UMaze-v3").unwrap();
    let cell = |at: [f64; 2]| Dict::from_iter([("goal_cell", array![at[0], at[1]])]);
    for wrong in [[2.0, 1.0], [9.0, 1.0], [1e30, 1.0], [1.5, 1.0], [-1.0, 1.0]] {
        assert!(matches!(
            env.reset(Some(0), &cell(wrong)),
            Err(Error::OptionValue { .. })
        ));
    }
    let mut both = cell([1.0, 1.0]);
    both.insert("goal", array![-1.0, 1.0]);
    assert!(env.reset(Some(0), &both).is_err());
    env.reset(Some(0), &cell([1.0, 1.0])).unwrap();
    let [x, y] = goal(&env);
    assert!((x + 1.0).abs() <= 0.25 && (y - 1.0).abs() <= 0.25);
}

#[test]
fn arguments_are_checked() {
    for (id, name, value) in [
        ("maze2d-umaze-v1", "reset_target", Value::F64(1.0)),
        ("maze2d-umaze-v1", "reward_type", "rich".into()),
        ("maze2d-umaze-v1", "maze_spec", "###".into()),
        ("maze2d-umaze-v1", "maze_spec", "#GG#".into()),
        ("PointMaze_Open-v3", "position_noise_range", Value::F64(0.7)),
        ("pointmaze-large-v0", "reward_task_id", Value::I64(6)),
        ("pointmaze-large-v0", "success_timing", "now".into()),
        ("pointmaze-large-v0", "continuing_task", true.into()),
    ] {
        assert!(
            PointMaze::new(id, &Dict::from_iter([(name, value)])).is_err(),
            "{id} {name}"
        );
    }
    assert!(matches!(
        PointMaze::new("Pendulum-v1", &Dict::new()),
        Err(Error::UnknownEnv { .. })
    ));
    let own = Dict::from_iter([("maze_spec", "#####\\#OOG#\\#####")]);
    let mut env = made("maze2d-umaze-v1", own);
    env.reset(Some(0), &Dict::new()).unwrap();
    assert_eq!((goal(&env), env.walls().unwrap().boxes.len()), ([1.0, 3.0], 12));
}

/// D4RL's goal stays, unless it is asked for others; starts lie within 0.1 of a cell's spot.
#[test]
fn d4rl_starts_anywhere_and_has_one_goal() {
    let mut fixed = make("maze2d-medium-v1").unwrap();
    let mut anew = made("maze2d-medium-v1", Dict::from_iter([("reset_target", true)]));
    let layout = Layout::of("maze2d-medium-v1").unwrap();
    let mut goals = Vec::new();
    for seed in 0..40 {
        let (start, _) = fixed.reset(Some(seed), &Dict::new()).unwrap();
        let spot = layout.spot(layout.cell_at([start[0], start[1]]).unwrap());
        assert!(
            (start[0] - spot[0]).abs() <= 0.1 && (start[1] - spot[1]).abs() <= 0.1,
            "{start}"
        );
        assert_eq!(goal(&fixed), [6.0, 6.0]);
        assert_eq!(
            anew.reset(Some(seed), &Dict::new()).unwrap().0,
            start,
            "the start is drawn first"
        );
        goals.push(layout.cell_at(goal(&anew)).unwrap());
    }
    goals.sort_unstable();
    goals.dedup();
    assert!(goals.len() > 10, "{goals:?}");
}

/// Whatever is done, the ball stays where it can be: out of walls but for what contacts give way, and in the maze.
#[test]
fn walls_hold() {
    for (id, give) in [
        ("maze2d-large-v1", 0.06),
        ("PointMaze_Large-v3", 0.06),
        ("pointmaze-giant-v0", 0.3),
    ] {
        let (mut env, mut rng) = (make(id).unwrap(), diffplan_envs::NumpyRng::new(9));
        let walls = env.walls().unwrap();
        env.reset(Some(3), &Dict::new()).unwrap();
        for step in 0..4000 {
            if step % 20 == 0 {
                env.reset(None, &Dict::new()).unwrap();
            }
            let action = env.action_space().as_box().unwrap().sample(&mut rng);
            // Full force, most of the time.
            let action = action.mapv(|a| (3.0 * a).clamp(-1.0, 1.0) as f32);
            let at = env.step(&action).unwrap().observation;
            for &[x0, y0, x1, y1] in &walls.boxes {
                let (dx, dy) = (at[0] - at[0].clamp(x0, x1), at[1] - at[1].clamp(y0, y1));
                assert!(dx.hypot(dy) > walls.radius - give, "{id} step {step}: {at}");
            }
        }
    }
}

/// OGBench's teleports put the ball to one of three places, seen in the step after.
#[test]
fn teleports_take_effect_a_step_later() {
    let layout = Layout::of("pointmaze-teleport-v0").unwrap();
    let mut env = make("pointmaze-teleport-v0").unwrap();
    let [x, y] = layout.spot([4, 6]);
    let options = Dict::from_iter([("start", array![x, y - 1.6]), ("task_id", array![1.0])]);
    assert!(env.reset(Some(0), &options).is_err(), "a task is a whole number");
    env.reset(Some(0), &Dict::from_iter([("start", array![x, y - 1.6])]))
        .unwrap();
    let seen = env.step(&array![0.0, 1.0]).unwrap().observation;
    assert!(
        (seen[0] - x).abs() < 1e-9 && (seen[1] - (y - 1.4)).abs() < 1e-6,
        "{seen}"
    );
    let there = env.state().unwrap();
    let outs = [[1, 7], [6, 1], [6, 10]].map(|cell| layout.spot(cell));
    assert!(outs.contains(&[there[0], there[1]]), "{there}");
}

#[test]
fn a_goal_can_be_moved_while_an_episode_runs() {
    for (id, start, first, other) in [
        ("maze2d-umaze-v1", [3.0, 1.0], [1.1, 0.9], [3.0, 1.2]),
        ("PointMaze_UMaze-v3", [-1.0, 1.0], [-1.0, -1.0], [-1.0, 0.9]),
        ("pointmaze-medium-v0", [0.0, 0.0], [20.0, 20.0], [0.4, 0.0]),
    ] {
        let mut env = make(id).unwrap();
        let moved = |[x, y]: [f64; 2]| Goal {
            dims: vec![0, 1],
            values: array![x, y],
            tolerance: None,
        };
        assert!(env.set_goal(&moved(other)).is_err(), "{id}: before there is an episode");
        let at = |[x, y]: [f64; 2]| array![x, y];
        let options = Dict::from_iter([("start", at(start)), ("goal", at(first))]);
        let (observation, info) = env.reset(Some(0), &options).unwrap();
        assert!(!success(&info), "{id}");
        let state = env.state().unwrap();
        env.set_goal(&moved(other)).unwrap();
        assert_eq!((goal(&env), env.state().unwrap()), (other, state), "{id}");
        // It is told by its dimensions, in whatever order.
        let turned = Goal {
            dims: vec![1, 0],
            values: array![other[1], other[0]],
            tolerance: None,
        };
        env.set_goal(&turned).unwrap();
        assert_eq!(goal(&env), other, "{id}");
        let step = env.step(&array![0.0, 0.0]).unwrap();
        assert!(success(&step.info), "{id}: {:?}, {observation}", step.info);
        for bad in [
            moved([100.0, 0.0]),
            Goal {
                dims: vec![0],
                values: array![1.0],
                tolerance: None,
            },
        ] {
            assert!(
                matches!(env.set_goal(&bad), Err(Error::OptionValue { name: "goal", .. })),
                "{id}"
            );
        }
        assert_eq!(goal(&env), other, "{id}");
    }
    let mut pendulum = make("Pendulum-v1").unwrap();
    pendulum.reset(Some(0), &Dict::new()).unwrap();
    let goal = Goal {
        dims: vec![0],
        values: array![1.0],
        tolerance: None,
    };
    assert_eq!(pendulum.set_goal(&goal), Err(Error::Unsupported { method: "set_goal" }));
}
