//! Controls as TOML: what can be said, and what is said of what cannot.

use super::pendulum;
use diffplan_pipelines::controls::{
    ConstraintKind, ConstraintSpec, Context, Controls, GuideKind, GuideSpec, LimitsSpec, Numbers, ValueSpec, Walls,
};
use diffplan_pipelines::{GuideSchedule, Sees};
use std::path::Path;

const ALL: &str = r#"
[[guide]]
type = "value"

[[guide]]
type = "goal"
dims = ["cos θ", "sin θ"]
goal = [1, 0.0]
at = "nearest"
weight = 2
schedule = "rising"
range = [0.5, 1]
sees = "noised"
name = "upright"

[[guide]]
type = "goal"
dims = [2]
goal = [0.5]
at = 7

[[guide]]
type = "obstacles"
dims = [0, 1]
discs = [[0.5, 0.5, 0.1]]
boxes = [[-1, -1, -0.5, 0]]
margin = 0.1

[[guide]]
type = "effort"
weight = 0.01

[[guide]]
type = "smoothness"
order = 2

[[guide]]
type = "state-limits"
dims = ["dθ/dt"]
high = 3

[[guide]]
type = "action_limits"
low = -1
high = [1]

[[guide]]
type = "speed"
dims = [0, 1]
speed = 4
dt = 0.05

[[guide]]
type = "dynamics"
a = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
b = [[0], [0], [0.15]]
schedule = "judge"

[[guide]]
type = "integrator"
positions = [0]
velocities = [2]
dt = 0.05

[[constraint]]
type = "action-limits"

[[constraint]]
type = "state-limits"
dims = ["dθ/dt"]
low = -4
high = 4

[[constraint]]
type = "speed"
dims = [0, 1]
speed = 8
dt = 0.05

[[constraint]]
type = "obstacles"
dims = [0, 1]
discs = [[0, -1, 0.2]]
radius = 0.05

[[constraint]]
type = "fixed"
dims = [2]
values = 0.0
steps = [31, 32]
"#;

fn context() -> Context {
    Context {
        action_space: Some([vec![-2.0], vec![2.0]]),
        ..Context::named(
            ["cos θ", "sin θ", "dθ/dt"].map(str::to_owned).into(),
            vec!["torque".into()],
        )
    }
}

#[test]
fn every_kind_is_read_and_made() {
    let Some(pipeline) = pendulum() else { return };
    let controls = Controls::from_toml(ALL, Path::new("g.toml")).unwrap();
    assert_eq!((controls.guides.len(), controls.constraints.len()), (11, 5));
    assert_eq!(controls.guides[1].line, Some(5));
    let kinds: Vec<&str> = controls.guides.iter().map(|spec| spec.kind.name()).collect();
    for name in GuideKind::NAMES {
        assert!(kinds.contains(name), "no {name}");
    }
    let kinds: Vec<&str> = controls.constraints.iter().map(|spec| spec.kind.name()).collect();
    assert!(ConstraintKind::NAMES.iter().all(|name| kinds.contains(name)));
    let made = controls.apply(pipeline, &context()).unwrap();
    let names: Vec<&str> = made.guides().iter().map(|term| term.guide.name()).collect();
    assert_eq!(
        names[..4],
        ["value", "upright", "goal (dθ/dt)", "obstacles (cos θ, sin θ)"]
    );
    let goal = &made.guides()[1];
    assert_eq!(
        (goal.weight, goal.schedule, goal.range),
        (2.0, GuideSchedule::Rising, [0.5, 1.0])
    );
    assert_eq!(
        (goal.guide.sees(), made.guides()[2].guide.sees()),
        (Sees::Noised, Sees::Clean)
    );
    let names: Vec<&str> = made.constraints().iter().map(|constraint| constraint.name()).collect();
    assert_eq!(names[..2], ["action-limits (torque)", "state-limits (dθ/dt)"]);
    // The environment's own, where the table says nothing.
    assert_eq!(made.constraints()[0].bounds(0), [-2.0, 2.0]);
}

#[test]
fn the_checkpoints_value_function_stays_unless_a_table_is_of_values() {
    let Some(pipeline) = pendulum() else { return };
    let applied = |text: &str| {
        let controls = Controls::from_toml(text, Path::new("g.toml")).unwrap();
        let made = controls.apply(pipeline.clone(), &context()).unwrap();
        let names = made
            .guides()
            .iter()
            .map(|term| (term.guide.name().to_owned(), term.weight));
        (names.collect::<Vec<_>>(), made.options())
    };
    let effort = "[[guide]]\ntype = \"effort\"\n";
    let (names, options) = applied(effort);
    assert_eq!(names, [("value".into(), 1.0), ("effort (torque)".into(), 1.0)]);
    assert_eq!(options, pipeline.options());
    let (names, _) = applied(&format!("{effort}[[guide]]\ntype = \"value\"\nweight = 0.5\n"));
    assert_eq!(names, [("effort (torque)".into(), 1.0), ("value".into(), 0.5)]);
    let (names, _) = applied(&format!("{effort}[[guide]]\ntype = \"value\"\nweight = 0\n"));
    assert_eq!(names, [("effort (torque)".into(), 1.0)]);
}

/// What is made in code is what a file says.
#[test]
fn controls_are_made_in_code_too() {
    let limits = LimitsSpec {
        dims: None,
        low: Some(Numbers::All(-1.0)),
        high: Some(Numbers::Each(vec![1.0])),
    };
    let controls = Controls {
        guides: vec![GuideSpec::new(GuideKind::Value(ValueSpec::default()))],
        constraints: vec![ConstraintSpec::new(ConstraintKind::ActionLimits(limits.clone()))],
        path: None,
    };
    let text = "[[guide]]\ntype = \"value\"\n[[constraint]]\ntype = \"action-limits\"\nlow = -1\nhigh = [1]\n";
    let mut read = Controls::from_toml(text, Path::new("g.toml")).unwrap();
    (read.path, read.guides[0].line, read.constraints[0].line) = (None, None, None);
    assert_eq!(read, controls);
    let Some(pipeline) = pendulum() else { return };
    let made = controls.apply(pipeline.clone(), &Context::default()).unwrap();
    assert_eq!(made.constraints()[0].name(), "action-limits (action 0)");
    let wrong = Controls {
        constraints: vec![ConstraintSpec::new(ConstraintKind::StateLimits(limits))],
        ..Controls::default()
    };
    let error = wrong.apply(pipeline, &Context::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "state-limits: state-limits (observation 0, observation 1, observation 2): 1 numbers of `high` for 3 dimensions, expected as many"
    );
}

#[test]
fn walls_of_an_environment() {
    let Some(pipeline) = pendulum() else { return };
    let text = "[[constraint]]\ntype = \"obstacles\"\nwalls = true\n[[guide]]\ntype = \"obstacles\"\nwalls = true\nmargin = 0.2\n";
    let controls = Controls::from_toml(text, Path::new("g.toml")).unwrap();
    let error = controls.apply(pipeline.clone(), &context()).unwrap_err().to_string();
    assert!(
        error.starts_with("g.toml: line 4: obstacles: `walls` is true"),
        "{error}"
    );
    let known = Context {
        walls: Some(Walls {
            dims: [0, 1],
            boxes: vec![[-2.0, -2.0, -1.5, 2.0], [1.5, -2.0, 2.0, 2.0]],
            radius: 0.1,
        }),
        ..context()
    };
    let made = controls.apply(pipeline, &known).unwrap();
    let walls = &made.constraints()[0];
    let mut plan = ndarray::array![[0.0_f32, 1.45, 0.0, 0.0], [0.0, 1.9, 0.5, 0.0], [0.0, 3.0, -9.0, 0.0]];
    let free = ndarray::Array2::default(plan.dim());
    assert!(walls.violation(plan.view(), free.view()) > 0.0);
    walls.project(plan.view_mut(), free.view());
    assert_eq!(walls.violation(plan.view(), free.view()), 0.0);
    // Within the outer walls, by the mover's radius.
    assert!(plan.column(1).iter().all(|x| (1.399..=1.4).contains(x)), "{plan}");
    assert_eq!(plan[[2, 2]], -2.0);
}

#[test]
fn what_is_wrong_is_said_of_its_line_with_what_would_work() {
    let read = |text: &str| {
        Controls::from_toml(text, Path::new("dir/g.toml"))
            .unwrap_err()
            .to_string()
    };
    let said = |text: &str, words: &[&str]| {
        let message = read(text);
        assert!(message.starts_with("dir/g.toml: "), "{message}");
        for words in words {
            assert!(message.contains(words), "no {words:?} in {message}");
        }
    };
    said(
        "[[guides]]\ntype = \"goal\"",
        &["line 1: ", "unknown table `guides`, did you mean `guide`?"],
    );
    said("[guide]\ntype = \"goal\"", &["line 1: ", "expected [[guide]]"]);
    said("guide = [3]", &["expected [[guide]]"]);
    said(
        "\n[[guide]]\ntype = \"gaol\"",
        &["line 3: [[guide]]: unknown type `gaol`, did you mean `goal`?"],
    );
    said(
        "[[guide]]\nweight = 1",
        &["line 1: [[guide]]: `type` is missing, expected one of value, goal"],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ngoall = [1]",
        &["line 3: [[guide]] goal: unknown key `goall`, did you mean `goal`?"],
    );
    said(
        "[[constraint]]\ntype = \"speed\"\nweight = 1",
        &["line 3: [[constraint]] speed: unknown key `weight`"],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ndims = [0]",
        &["line 1: [[guide]] goal: missing field `goal`"],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ngoal = true",
        &["line 3: [[guide]] goal: `goal`: ", "expected a sequence"],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ngoal = [1]\nat = \"soon\"",
        &["line 4: ", "`at`", "\"nearest\""],
    );
    said(
        "[[guide]]\ntype = \"effort\"\nweight = \"much\"",
        &["line 3: [[guide]]: `weight`: "],
    );
    said(
        "[[guide]]\ntype = \"effort\"\nschedule = \"risin\"",
        &["line 3: ", "`schedule`", "rising"],
    );
    said(
        "[[guide]]\ntype = \"effort\"\nsees = \"all\"",
        &["line 3: ", "noised", "clean"],
    );
    said(
        "[[guide]]\ntype = \"obstacles\"\ndiscs = [[0, 0]]",
        &["line 3: ", "`discs`"],
    );
    said("[[guide]\n", &["line 1: "]);
    said("[[guide]]\ntype = 3", &["line 2: ", "`type`"]);
}

#[test]
fn what_cannot_be_made_is_said_of_its_table() {
    let Some(pipeline) = pendulum() else { return };
    let said = |text: &str, words: &[&str]| {
        let controls = Controls::from_toml(text, Path::new("g.toml")).unwrap();
        let message = match controls.apply(pipeline.clone(), &context()) {
            Err(error) => error.to_string(),
            // Contradictions are found once there is a horizon.
            Ok(made) => made.planner(made.options()).unwrap_err().to_string(),
        };
        for words in words {
            assert!(message.contains(words), "no {words:?} in {message}");
        }
    };
    said(
        "[[guide]]\ntype = \"goal\"\ndims = [\"cos t\"]\ngoal = [1]",
        &[
            "g.toml: line 1: goal: no dimension \"cos t\" of observations, did you mean \"cos θ\"?",
            "dθ/dt",
        ],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ndims = [3]\ngoal = [1]",
        &["dimension 3 of observations, expected below 3"],
    );
    said(
        "\n[[guide]]\ntype = \"goal\"\ngoal = [1]",
        &["line 2: ", "1 numbers of `goal` for 3 dimensions"],
    );
    said(
        "[[guide]]\ntype = \"effort\"\nrange = [0.5, 0.5]",
        &["`range` [0.5, 0.5]", "rises"],
    );
    said("[[guide]]\ntype = \"effort\"\nweight = inf", &["`weight` inf"]);
    said(
        "[[guide]]\ntype = \"effort\"\ndims = [\"cos θ\"]",
        &["no dimension \"cos θ\" of actions", "torque"],
    );
    said(
        "[[constraint]]\ntype = \"state-limits\"\ndims = [2]",
        &["neither `low` nor `high`"],
    );
    said(
        "[[constraint]]\ntype = \"state-limits\"\ndims = [2]\nlow = 3\nhigh = 1",
        &["`low` 3 is above `high` 1"],
    );
    said(
        "[[constraint]]\ntype = \"obstacles\"\ndims = [0, 1]",
        &["nothing is in the way"],
    );
    said(
        "[[constraint]]\ntype = \"obstacles\"\nwalls = true",
        &["`walls` is true"],
    );
    said(
        "[[constraint]]\ntype = \"obstacles\"\ndiscs = [[0, 0, 1]]",
        &["`dims` is missing"],
    );
    said(
        "[[constraint]]\ntype = \"fixed\"\ndims = [2]\nvalues = 0\nsteps = [30, 40]",
        &["steps 30 to 40"],
    );
    said(
        "[[guide]]\ntype = \"dynamics\"\na = [[1, 0], [0]]\nb = [[1], [1]]",
        &["rows of `a` differ"],
    );
    said(
        "[[guide]]\ntype = \"dynamics\"\na = [[1, 0], [0, 1]]\nb = [[1], [1]]",
        &["2 states and 1 actions, expected 3 and 1"],
    );
    said(
        "[[guide]]\ntype = \"value\"\ncheckpoints = [\"none/here\"]",
        &["none/here"],
    );
    said(
        "[[guide]]\ntype = \"goal\"\ngoal = [1, 0, 0]\nat = 32",
        &["a goal at step 32, expected below the horizon, 32"],
    );
    said(
        "[[constraint]]\ntype = \"state-limits\"\ndims = [2]\nhigh = 1\n[[constraint]]\ntype = \"fixed\"\ndims = [2]\nvalues = 2",
        &[
            "state-limits (dθ/dt)",
            "fixed (dθ/dt)",
            "contradict",
            "at least 2 and at most 1",
        ],
    );
}

/// Whatever stands there: an error, or controls that are made or refused.
#[test]
fn no_text_panics() {
    let Some(pipeline) = pendulum() else { return };
    let try_one = |text: &str| {
        if let Ok(controls) = Controls::from_toml(text, Path::new("g.toml"))
            && let Ok(made) = controls.apply(pipeline.clone(), &context())
        {
            let _ = made.planner(made.options());
        }
    };
    for (end, _) in ALL.char_indices() {
        try_one(&ALL[..end]);
    }
    let odd = [
        "-1",
        "1e999",
        "nan",
        "[]",
        "[[]]",
        "\"\"",
        "99999999999999999999",
        "{}",
        "[3, 1]",
        "true",
        "1979-05-27",
    ];
    let lines: Vec<&str> = ALL.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once('=') else { continue };
        for value in odd {
            let mut changed = lines.clone();
            let other = format!("{key}= {value}");
            changed[place] = &other;
            try_one(&changed.join("\n"));
        }
    }
}
