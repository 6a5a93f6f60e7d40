//! The robots on MuJoCo beyond what holds for every environment: models, errors, warnings, versions. What Gymnasium does
//! with them is in the reference cases (`cargo xtask golden`).
//!
//! Without libmujoco every test says that it was skipped, and passes. Where `MUJOCO_LIB` is set, it must be there.
#![cfg(feature = "mujoco")]
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use diffplan_envs::mujoco::{MujocoEnv, Options, Robot, Version, library_version};
use diffplan_envs::{Dict, Env, Error, MakeOptions, NumpyRng, Registry, Step, Value};
use ndarray::{Array1, array, s};

/// Whether there is a libmujoco; says so where there is none.
fn mujoco(test: &str) -> bool {
    match library_version() {
        Ok(_) => true,
        Err(missing @ Error::MujocoMissing { .. }) => {
            skipped(test, &missing.to_string());
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// To stderr itself: what a test prints is shown only where it fails.
fn skipped(test: &str, why: &str) {
    writeln!(stderr(), "skipped {test}: {why}").expect("stderr");
}

fn hopper(version: Version) -> MujocoEnv {
    let mut env = MujocoEnv::new(Robot::Hopper, version, Options::new(Robot::Hopper)).unwrap();
    env.reset(Some(0), &Dict::new()).unwrap();
    env
}

fn with_model(robot: Robot, file: &Path) -> Result<MujocoEnv, Error> {
    let options = Options {
        xml_file: Some(file.to_owned()),
        ..Options::new(robot)
    };
    MujocoEnv::new(robot, Version::V5, options)
}

/// The model files of a Gymnasium installation: those in the folder `GYMNASIUM_ASSETS`, or beside the libmujoco of a Python
/// environment.
fn gymnasium_assets() -> Option<PathBuf> {
    let given = std::env::var_os("GYMNASIUM_ASSETS").map(PathBuf::from);
    let beside = || {
        let library = PathBuf::from(std::env::var_os("MUJOCO_LIB")?);
        let packages = library.ancestors().find(|folder| folder.ends_with("site-packages"))?;
        Some(packages.join("gymnasium/envs/mujoco/assets"))
    };
    given
        .or_else(beside)
        .filter(|folder| folder.join("hopper.xml").is_file())
}

#[test]
fn compiled_models_are_those_of_gymnasium_in_every_physical_quantity() {
    let test = "compiled_models_are_those_of_gymnasium_in_every_physical_quantity";
    if !mujoco(test) {
        return;
    }
    let Some(assets) = gymnasium_assets() else {
        return skipped(
            test,
            "set GYMNASIUM_ASSETS to gymnasium/envs/mujoco/assets of a Gymnasium installation",
        );
    };
    for (robot, version, file) in [
        (Robot::Hopper, Version::V5, "hopper.xml"),
        (Robot::Hopper, Version::V4, "hopper.xml"),
        (Robot::Walker2d, Version::V5, "walker2d_v5.xml"),
        (Robot::Walker2d, Version::V4, "walker2d.xml"),
        (Robot::Walker2d, Version::V2, "walker2d.xml"),
        (Robot::HalfCheetah, Version::V5, "half_cheetah.xml"),
        (Robot::HalfCheetah, Version::V2, "half_cheetah.xml"),
        (Robot::Ant, Version::V5, "ant.xml"),
        (Robot::Ant, Version::V4, "ant.xml"),
        (Robot::Swimmer, Version::V2, "swimmer.xml"),
        (Robot::Reacher, Version::V2, "reacher.xml"),
        (Robot::InvertedPendulum, Version::V2, "inverted_pendulum.xml"),
        (
            Robot::InvertedDoublePendulum,
            Version::V2,
            "inverted_double_pendulum.xml",
        ),
    ] {
        let ours = physics(&MujocoEnv::new(robot, version, Options::new(robot)).unwrap());
        let theirs = physics(&with_model(robot, &assets.join(file)).unwrap());
        assert!(ours.len() > 250, "{} lines are left", ours.len());
        let gravity = ours.iter().find(|line| line.contains("gravity")).unwrap();
        assert!(gravity.contains("-9.8100000000000005"), "in full precision: {gravity}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{file}");
        }
        assert_eq!(ours.len(), theirs.len(), "{file}");
    }
}

/// What MuJoCo prints of a model, without names, what is only for the eye, and how much memory it takes.
fn physics(env: &MujocoEnv) -> Vec<String> {
    const SECTIONS: [&str; 9] = [
        "MEMORY",
        "SIGNATURE",
        "VISUAL",
        "CAMERA",
        "LIGHT",
        "TEXTURE",
        "MATERIAL",
        // What Gym's own programs read from a file.
        "NUMERIC",
        "model name",
    ];
    const WORDS: [&str; 17] = [
        "name",
        "nnames",
        "npaths",
        "nnumeric",
        "nbuffer",
        "narena",
        "nuser_geom",
        "ntex",
        "nmat",
        "ncam",
        "nlight",
        "nstack",
        "npluginattr",
        "geom_matid",
        "geom_rgba",
        "geom_user",
        "names_map",
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.txt");
    env.print_model(&file).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let (mut lines, mut left_out) = (Vec::new(), false);
    for line in text.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            left_out = SECTIONS.iter().any(|section| line.starts_with(section));
        }
        let left_out =
            left_out || line.trim().is_empty() || WORDS.iter().any(|word| line.trim_start().starts_with(word));
        if !left_out {
            lines.push(line.trim_end().to_owned());
        }
    }
    lines
}

#[test]
fn datasets_of_d4rl_met_contacts_where_mujoco_before_3_5_has_them() {
    if !mujoco("datasets_of_d4rl_met_contacts_where_mujoco_before_3_5_has_them") {
        return;
    }
    // One passive second after the model's own start, MuJoCo 3.4.0: the height of the torso as Gymnasium's hopper.xml has it
    // there. The foot stands on the ground; margins that are summed hold it a millimetre higher.
    let height = |version: Version| {
        let mut env = hopper(version);
        env.set_state(array![0.0, 1.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0].view())
            .unwrap();
        for _ in 0..25 {
            env.step(&Array1::zeros(3)).unwrap();
        }
        env.state().unwrap()[1]
    };
    let (d4rl, gymnasium) = (height(Version::V2), height(Version::V4));
    assert!((d4rl - 1.205_53).abs() < 1e-5, "{d4rl}");
    let summed = library_version()
        .unwrap()
        .split('.')
        .take(2)
        .map(|n| n.parse::<u32>().unwrap())
        .collect::<Vec<_>>()
        >= vec![3, 5];
    let expected = if summed { 1.206_62 } else { 1.205_53 };
    assert!((gymnasium - expected).abs() < 1e-5, "{gymnasium}");
}

/// What an environment does from a seed on under random actions, until its episode ends.
fn played(id: &str, kwargs: &[(&str, Value)]) -> Vec<Step<Array1<f64>>> {
    let options = MakeOptions {
        kwargs: kwargs.iter().map(|(name, value)| (*name, value.clone())).collect(),
        ..MakeOptions::default()
    };
    let mut env = Registry::default().make_with(id, &options).unwrap();
    let (observation, info) = env.reset(Some(3), &Dict::new()).unwrap();
    let mut steps = vec![Step {
        observation,
        reward: 0.0,
        terminated: false,
        truncated: false,
        info,
    }];
    let mut rng = NumpyRng::new(5);
    while steps.len() <= 60 && !steps.iter().any(Step::done) {
        let action = env.action_space().as_box().unwrap().sample(&mut rng).mapv(|x| x as f32);
        steps.push(env.step(&action).unwrap());
    }
    assert!(steps.len() > 2, "{id}");
    steps
}

/// Gym's versions 2 and 3 are not in Gymnasium: they are what its version 4 is, on the models of their time.
#[test]
fn versions_2_and_3_are_version_4_on_their_models() {
    if !mujoco("versions_2_and_3_are_version_4_on_their_models") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, xml: String| -> Value {
        let path = folder.path().join(name);
        fs::write(&path, xml).unwrap();
        path.to_str().unwrap().into()
    };
    let walker = include_str!("../src/mujoco/assets/walker2d.xml");
    let walker = walker.replace(
        r#"name="foot_geom" friction="1.9""#,
        r#"name="foot_geom" friction="0.9""#,
    );
    // Version 3 on the model that version 4 has on this library.
    for (robot, model) in [
        ("Hopper", include_str!("../src/mujoco/assets/hopper.xml").to_owned()),
        ("Walker2d", walker),
        (
            "HalfCheetah",
            include_str!("../src/mujoco/assets/half_cheetah.xml").to_owned(),
        ),
        ("Swimmer", include_str!("../src/mujoco/assets/swimmer.xml").to_owned()),
    ] {
        let model = file("model.xml", model);
        let third = played(&format!("{robot}-v3"), &[("xml_file", model)]);
        assert!(third == played(&format!("{robot}-v4"), &[]), "{robot}");
    }
    let ant = file("ant.xml", include_str!("../src/mujoco/assets/ant.xml").to_owned());
    let third = played("Ant-v3", &[("xml_file", ant)]);
    for (ours, theirs) in third.iter().zip(&played("Ant-v4", &[])) {
        assert_eq!(ours.observation.len(), 111);
        assert_eq!(ours.observation.slice(s![..27]), theirs.observation);
        assert!(ours.observation.slice(s![27..]).iter().all(|&force| force == 0.0));
        assert_eq!((ours.reward, ours.done()), (theirs.reward, theirs.done()));
        for (key, value) in theirs.info.iter() {
            assert_eq!(ours.info.get(key), Some(value), "{key}");
        }
    }
    // Version 2 is version 3 without arguments, and says less in `info`.
    for robot in ["Hopper", "Walker2d", "HalfCheetah", "Swimmer", "Ant"] {
        let (second, third) = (played(&format!("{robot}-v2"), &[]), played(&format!("{robot}-v3"), &[]));
        assert_eq!(second.len(), third.len(), "{robot}");
        for (ours, theirs) in second.iter().zip(&third) {
            assert_eq!(ours.observation, theirs.observation, "{robot}");
            // Ant's terms are added in another order.
            assert!((ours.reward - theirs.reward).abs() < 1e-14, "{robot}");
            for (key, value) in ours.info.iter() {
                assert_eq!(theirs.info.get(key), Some(value), "{robot} {key}");
            }
        }
    }
    for robot in ["Reacher", "InvertedPendulum", "InvertedDoublePendulum"] {
        let (second, fourth) = (format!("{robot}-v2"), format!("{robot}-v4"));
        assert!(played(&second, &[]) == played(&fourth, &[]), "{robot}");
    }
}

#[test]
fn the_main_body_of_the_ant_goes_by_name_or_index() {
    if !mujoco("the_main_body_of_the_ant_goes_by_name_or_index") {
        return;
    }
    let by = |body: Value| played("Ant-v5", &[("main_body", body)]);
    assert!(by("torso".into()) == played("Ant-v5", &[]));
    let leg = by("aux_1".into());
    assert!(leg == by(3_i64.into()));
    assert_ne!(leg[1].reward, by(1_i64.into())[1].reward);
    for (body, words) in [
        (Value::from("tail"), "ant.xml: it has no body \"tail\""),
        (14_i64.into(), "ant.xml: it has no body 14"),
    ] {
        let options = MakeOptions {
            kwargs: Dict::from_iter([("main_body", body)]),
            ..MakeOptions::default()
        };
        let error = Registry::default().make_with("Ant-v5", &options).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_model_file_that_cannot_be_used_is_named_with_the_reason() {
    if !mujoco("a_model_file_that_cannot_be_used_is_named_with_the_reason") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let hinge = r#"<mujoco><worldbody><body><joint type="hinge"/><geom size="1"/></body></worldbody></mujoco>"#;
    for (file, reason) in [
        (folder.path().join("none.xml"), "No such file"),
        (folder.path().to_owned(), ""),
        (file("empty.xml", ""), ""),
        (file("torn.xml", "<mujoco><worldbody><body"), ""),
        (
            file("wrong.xml", "<mujoco><worldbody><bdoy/></worldbody></mujoco>"),
            "bdoy",
        ),
        (
            file(
                "massless.xml",
                "<mujoco><worldbody><body><joint/></body></worldbody></mujoco>",
            ),
            "mass",
        ),
        (
            file(
                "weak.xml",
                &include_str!("../src/mujoco/assets/hopper.xml").replace("ctrlrange=\"-1 1\"", "ctrlrange=\"-0.4 2\""),
            ),
            "control 0 is not limited to -1 to 1, expected the robot's action space",
        ),
        (
            file("pendulum.xml", hinge),
            "it has nq 1, nv 1, na 0, nu 0, expected those of the robot: nq 6, nv 6, na 0, nu 3",
        ),
    ] {
        let error = with_model(Robot::Hopper, &file).unwrap_err();
        let Error::MujocoModel {
            file: named,
            reason: actual,
        } = &error
        else {
            panic!("{}: {error:?}", file.display());
        };
        assert_eq!(named, &file);
        assert!(actual.contains(reason) && !actual.is_empty(), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    // The process goes on, and so do simulations.
    hopper(Version::V5).step(&Array1::zeros(3)).unwrap();
}

#[test]
fn a_model_of_the_users_own_is_played() {
    if !mujoco("a_model_of_the_users_own_is_played") {
        return;
    }
    let ours = include_str!("../src/mujoco/assets/hopper.xml");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("moon.xml");
    fs::write(&file, ours.replace("<option ", "<option gravity=\"0 0 -1.62\" ")).unwrap();
    let mut kwargs = Dict::new();
    kwargs.insert("xml_file", file.to_str().unwrap());
    let options = MakeOptions {
        kwargs,
        ..MakeOptions::default()
    };
    let mut moon = Registry::default().make_with("Hopper-v5", &options).unwrap();
    moon.reset(Some(0), &Dict::new()).unwrap();
    let mut earth = hopper(Version::V5);
    let zero = Array1::zeros(3);
    let (mut fall_there, mut fall_here) = (0.0, 0.0);
    for _ in 0..3 {
        fall_there = moon.step(&zero).unwrap().observation[6];
        fall_here = earth.step(&zero).unwrap().observation[6];
    }
    assert!(fall_here < fall_there, "{fall_here} {fall_there}");
}

#[test]
fn a_simulation_that_blows_up_says_so_and_goes_on_as_in_gymnasium() {
    if !mujoco("a_simulation_that_blows_up_says_so_and_goes_on_as_in_gymnasium") {
        return;
    }
    // One may be left there by something else, such as MuJoCo's Python bindings.
    let log = || fs::metadata("MUJOCO_LOG.TXT").map(|file| file.len()).ok();
    let log_before = log();
    let mut env = hopper(Version::V5);
    let mut wild = Array1::zeros(12);
    wild[6] = 1e9;
    wild[9] = -1e9;
    env.set_state(wild.view()).unwrap();
    let step = env.step(&Array1::zeros(3)).unwrap();
    let warning = step
        .info
        .get("mujoco_warning")
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(warning.contains("unstable"), "{:?}", step.info);
    assert!(step.observation.iter().all(|x| x.is_finite()));
    assert_eq!(log(), log_before, "MuJoCo wrote a log");
    // The next is not told of it again.
    env.reset(Some(1), &Dict::new()).unwrap();
    assert_eq!(env.step(&Array1::zeros(3)).unwrap().info.get("mujoco_warning"), None);
}

#[test]
fn simulations_on_many_threads_do_not_touch_each_other() {
    if !mujoco("simulations_on_many_threads_do_not_touch_each_other") {
        return;
    }
    let play = |seed: u64| {
        let mut env = MujocoEnv::new(Robot::HalfCheetah, Version::V5, Options::new(Robot::HalfCheetah)).unwrap();
        env.reset(Some(seed), &Dict::new()).unwrap();
        for step in 0..50 {
            env.step(&Array1::from_elem(6, if step % 9 < 4 { 0.8 } else { -0.6 }))
                .unwrap();
        }
        env.state().unwrap()
    };
    let alone: Vec<_> = (0..8).map(play).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|seed| scope.spawn(move || play(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert_ne!(alone[0], alone[1]);
}
