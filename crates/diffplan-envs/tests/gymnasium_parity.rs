//! The built-in environments against Gymnasium 1.4.0 (NumPy 2.4.6, glibc 2.36): episodes recorded in Python by
//!
//! ```python
//! env = gymnasium.make(id); env.reset(seed=1000)
//! env.step(numpy.array([((i * 37) % 101 - 50) / 20], numpy.float32))  # i = 0, 1, 2, …
//! ```
//!
//! With the same C library the numbers are the same to the bit; this was also measured over whole episodes: 460,000 steps
//! of `Pendulum-v1` and 503,540 of `MountainCarContinuous-v0` without a difference.

use diffplan_envs::{Dict, Env, MakeOptions, Registry, make};
use ndarray::{Array1, array};

/// Another C library may give `sin`, `cos` and `pow` that differ in the last bit. That moves the mountain car's `float32`
/// state by 6e-8 a step at most where it rounds the other way, and the pendulum by less.
const TOLERANCE: f64 = if cfg!(all(target_os = "linux", target_env = "gnu")) {
    0.0
} else {
    1e-5
};

/// Fails unless all numbers are within [`TOLERANCE`], and on NaN.
fn check(what: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let close = (actual - expected).abs() <= TOLERANCE;
        assert!(close, "{what}: element {index} is {actual:?}, expected {expected:?}");
    }
}

fn action(step: u32) -> Array1<f32> {
    array![((f64::from((step * 37) % 101) - 50.0) / 20.0) as f32]
}

/// Step, state after it, observation, reward.
type Row<'a> = (u32, &'a [f64], &'a [f64], f64);

struct Episode<'a> {
    id: &'a str,
    start: (&'a [f64], &'a [f64]),
    rows: &'a [Row<'a>],
    next_start: &'a [f64],
}

const EPISODES: [Episode<'static>; 2] = [
    Episode {
        id: "Pendulum-v1",
        start: (
            &[0.13437055462810665, 0.20768369401265918],
            &[0.9909858703613281, 0.1339665651321411, 0.20768369734287262],
        ),
        rows: &[
            (
                0,
                &[0.13477848555858332, 0.008158618609533624],
                &[0.9909310936927795, 0.1343708038330078, 0.008158618584275246],
                -0.026368697816929184,
            ),
            (
                1,
                &[0.13535032199608069, 0.011436728749947528],
                &[0.9908541440963745, 0.13493743538856506, 0.01143672876060009],
                -0.018594396461825126,
            ),
            (
                2,
                &[0.14998231268896903, 0.29263981385776705],
                &[0.9887737035751343, 0.14942064881324768, 0.292639821767807],
                -0.01977278967913826,
            ),
            (
                10,
                &[0.46271090565998996, 1.6863560017628325],
                &[0.894845724105835, 0.4463755786418915, 1.6863559484481812],
                -0.30820117190723384,
            ),
            (
                100,
                &[19.155214653794136, 2.1228645124567795],
                &[0.9536489248275757, 0.3009214401245117, 2.1228644847869873],
                -0.38969427856052824,
            ),
            (
                199,
                &[37.65753401541825, 0.9194357026242937],
                &[0.9991357922554016, -0.041565850377082825, 0.9194356799125671],
                -0.0585893613488563,
            ),
        ],
        next_start: &[-0.18257807211786048, -0.5935041149106424],
    },
    Episode {
        id: "MountainCarContinuous-v0",
        start: (&[-0.4957228524049875, 0.0], &[-0.49572286009788513, 0.0]),
        rows: &[
            (
                0,
                &[-0.4974316656589508, -0.0017088258173316717],
                &[-0.4974316656589508, -0.0017088258173316717],
                -0.625,
            ),
            (
                1,
                &[-0.500311553478241, -0.0028798775747418404],
                &[-0.500311553478241, -0.0028798775747418404],
                -0.04224999690055853,
            ),
            (
                2,
                &[-0.5018659234046936, -0.0015543898334726691],
                &[-0.5018659234046936, -0.0015543898334726691],
                -0.14400001144409202,
            ),
            (
                50,
                &[-0.4970969557762146, 0.002188179176300764],
                &[-0.4970969557762146, 0.002188179176300764],
                -0.08099999570846564,
            ),
            (
                300,
                &[-0.5303540229797363, -0.0008504574652761221],
                &[-0.5303540229797363, -0.0008504574652761221],
                -0.42024998044967676,
            ),
            (
                600,
                &[-0.5618405342102051, -0.00017855362966656685],
                &[-0.5618405342102051, -0.00017855362966656685],
                -0.24024998521804833,
            ),
        ],
        next_start: &[-0.4792316305987341, 0.0],
    },
];

#[test]
fn episodes_from_a_seed_are_those_of_gymnasium() {
    for Episode {
        id,
        start,
        rows,
        next_start,
    } in EPISODES
    {
        let mut env = make(id).unwrap();
        let (observation, info) = env.reset(Some(1000), &Dict::new()).unwrap();
        assert!(info.is_empty());
        check(&format!("{id}: first observation"), &observation.to_vec(), start.1);
        check(&format!("{id}: first state"), &env.state().unwrap().to_vec(), start.0);
        let mut rows = rows.iter().peekable();
        for i in 0.. {
            let step = env.step(&action(i)).unwrap();
            assert!(!step.terminated, "{id}: step {i}");
            if let Some((_, state, observation, reward)) = rows.next_if(|row| row.0 == i) {
                check(
                    &format!("{id}: state after step {i}"),
                    &env.state().unwrap().to_vec(),
                    state,
                );
                check(
                    &format!("{id}: observation of step {i}"),
                    &step.observation.to_vec(),
                    observation,
                );
                check(&format!("{id}: reward of step {i}"), &[step.reward], &[*reward]);
            }
            if rows.peek().is_none() {
                // The last row of the pendulum is the end of its episode.
                assert_eq!(step.truncated, i == 199, "{id}: step {i}");
                break;
            }
        }
        env.reset(None, &Dict::new()).unwrap();
        check(&format!("{id}: next start"), &env.state().unwrap().to_vec(), next_start);
    }
}

#[test]
fn steps_from_a_state_are_those_of_gymnasium() {
    for Episode { id, rows, start, .. } in EPISODES {
        let mut env = make(id).unwrap();
        env.reset(Some(0), &Dict::new()).unwrap();
        let states = std::iter::once(start.0).chain(rows.iter().map(|row| row.1));
        for (before, (i, after, observation, reward)) in states.zip(rows).take(3) {
            env.set_state(ndarray::ArrayView1::from(before)).unwrap();
            let step = env.step(&action(*i)).unwrap();
            check(
                &format!("{id}: state after step {i}"),
                &env.state().unwrap().to_vec(),
                after,
            );
            check(
                &format!("{id}: observation of step {i}"),
                &step.observation.to_vec(),
                observation,
            );
            check(&format!("{id}: reward of step {i}"), &[step.reward], &[*reward]);
        }
    }
}

#[test]
fn seeds_and_options_start_the_episodes_of_gymnasium() {
    let pendulum = ("Pendulum-v1", Dict::from_iter([("x_init", 0.5), ("y_init", 3.0)]));
    let car = (
        "MountainCarContinuous-v0",
        Dict::from_iter([("low", 0.1), ("high", 0.3)]),
    );
    // Seed, first observation without options, first state with options.
    let rows: [(_, u64, &[f64], [f64; 2]); 6] = [
        (
            &pendulum,
            0,
            &[0.652016282081604, 0.758204996585846, -0.46042656898498535],
            [0.1369616873214543, -1.3812797174167781],
        ),
        (
            &pendulum,
            1 << 31,
            &[-0.8194785714149475, 0.5731098055839539, -0.8897441625595093],
            [0.402868423177299, -2.669232512484934],
        ),
        (
            &pendulum,
            (1 << 63) + 5,
            &[0.9922972321510315, -0.12388000637292862, 0.8083467483520508],
            [-0.01976689467670223, 2.4250402620824936],
        ),
        (&car, 0, &[-0.47260767221450806, 0.0], [0.22739233746429086, 0.0]),
        (&car, 1 << 31, &[-0.4194263219833374, 0.0], [0.2805736846354598, 0.0]),
        (
            &car,
            (1 << 63) + 5,
            &[-0.5039533972740173, 0.0],
            [0.19604662106465953, 0.0],
        ),
    ];
    for ((id, options), seed, observation, state) in rows {
        let mut env = make(id).unwrap();
        let (actual, _) = env.reset(Some(seed), &Dict::new()).unwrap();
        check(
            &format!("{id}, seed {seed}: observation"),
            &actual.to_vec(),
            observation,
        );
        env.reset(Some(seed), options).unwrap();
        check(
            &format!("{id}, seed {seed}, options: state"),
            &env.state().unwrap().to_vec(),
            &state,
        );
    }
}

#[test]
fn the_car_reaches_the_goal_as_in_gymnasium() {
    // The action is 1.0 while the velocity is not negative, else -1.25, which is clipped.
    let mut env = make("MountainCarContinuous-v0").unwrap();
    let (mut observation, _) = env.reset(Some(3), &Dict::new()).unwrap();
    for i in 1.. {
        let step = env
            .step(&array![if observation[1] >= 0.0 { 1.0 } else { -1.25 }])
            .unwrap();
        if step.done() {
            assert!((i, step.terminated, step.truncated) == (109, true, false), "step {i}");
            check(
                "last observation",
                &step.observation.to_vec(),
                &[0.5020867586135864, 0.0640476867556572],
            );
            check("last reward", &[step.reward], &[99.9]);
            break;
        }
        observation = step.observation;
    }
}

#[test]
fn the_step_after_a_reset_is_in_double_precision_as_in_gymnasium() {
    // Seed, action, state after the step. In single precision all of these velocities have another last digit.
    let rows: [(u64, f32, [f64; 2]); 4] = [
        (0, 0.3, [-0.47253862023353577, 6.905646296218038e-05]),
        (1, 0.3, [-0.49738019704818726, 0.0002554735983721912]),
        (2, 1.25, [-0.545997142791748, 0.0016804339829832315]),
        (4, 1.25, [-0.4107145369052887, 0.0006742296973243356]),
    ];
    for (seed, action, state) in rows {
        let mut env = make("MountainCarContinuous-v0").unwrap();
        env.reset(Some(seed), &Dict::new()).unwrap();
        let start = env.state().unwrap();
        env.step(&array![action]).unwrap();
        check(&format!("seed {seed}: state"), &env.state().unwrap().to_vec(), &state);
        // The state that a reset draws is one that `set_state` takes for such.
        env.set_state(start.view()).unwrap();
        env.step(&array![action]).unwrap();
        check(
            &format!("seed {seed}: state, once more"),
            &env.state().unwrap().to_vec(),
            &state,
        );
    }
}

#[test]
fn gravity_is_an_argument_as_in_gymnasium() {
    let options = MakeOptions {
        kwargs: Dict::from_iter([("g", 9.81)]),
        ..MakeOptions::default()
    };
    let mut env = Registry::default().make_with("Pendulum-v1", &options).unwrap();
    env.reset(Some(3), &Dict::new()).unwrap();
    let last = (0..10).map(|i| env.step(&action(i)).unwrap()).last().unwrap();
    check(
        "state",
        &env.state().unwrap().to_vec(),
        &[-3.5844539011253724, -1.652680809073921],
    );
    check("reward", &[last.reward], &[-8.04746625978205]);
}
