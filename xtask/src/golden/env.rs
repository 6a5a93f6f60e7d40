//! Kind `env`: recorded episodes, played step by step from the recorded states, and once more from their start on.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_envs::{BoxEnv, Dict, Error, Info, MakeOptions, Registry, Space, Value as EnvValue, mujoco};
use ndarray::{Array1, Array2, ArrayD, ArrayView1, Axis, Ix2};
use serde_json::Value;

/// A step from a recorded state: what the reference holds in float64 has float64's accuracy.
const STEP: f64 = 1e-12;
/// What it holds in float32 may differ by one unit in the last place, where the C library's functions differ in the last bit.
const SINGLE_STEP: f64 = 1.2e-7;
/// Over a whole episode such differences add up. With the reference's own C library there are none.
const EPISODE: f64 = 1e-5;
/// MuJoCo's solver starts from its last solution, which is not part of a recorded state. 1e-12 is the most that came of it in
/// 45 cases of the planar robots; where contacts are stiffer, it may be more.
const MUJOCO_STEP: f64 = 1e-9;
/// With the reference's own libmujoco, played through, no episode differed in a bit. Another C library's sine may.
const MUJOCO_EPISODE: f64 = 1e-6;
/// The first release in which the margins of two geoms are summed.
const SUMMED_MARGINS: (u32, u32) = (3, 5);
/// The first release in which a time step (RK4) turns a free joint as it does today: 1e-8 to 1e-4 apart from 3.17.0's, from the
/// same accelerations. Ant has one.
const FREE_JOINTS: (u32, u32) = (4, 0);

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let id = case.text("env_id")?;
    let kwargs = kwargs(case)?;
    let options = MakeOptions {
        kwargs,
        ..MakeOptions::default()
    };
    let mut env = Registry::default().make_with(id, &options).map_err(|e| match e {
        Error::UnknownEnv { id, .. } => CaseError::NotSupported(id),
        missing @ Error::MujocoMissing { .. } => CaseError::Skipped(missing.to_string()),
        other => CaseError::refused(other),
    })?;
    let play = how(case, id, report)?;
    spaces(case, report, &env)?;
    let episodes = case.count("episodes")?;
    if episodes == 0 {
        return Err(case.wrong_key("episodes", "at least 1"));
    }
    let seeds = case.optional_numbers("reset_seeds")?;
    for k in 0..episodes {
        let mut episode = Episode::read(case, k)?;
        if let Some(seeds) = &seeds {
            let seed = seeds
                .get(k)
                .ok_or_else(|| case.wrong_key("reset_seeds", "one an episode"))?;
            episode.seed = *seed as u64;
            episode.start(&mut env, report, &play)?;
        }
        episode.play(&mut env, report, true, &play)?;
        if play.whole {
            episode.play(&mut env, report, false, &play)?;
        }
    }
    Ok(())
}

/// How close an environment must come.
struct Play {
    step: f64,
    episode: f64,
    /// Whether episodes are played through as well.
    whole: bool,
    /// Whether what is observed in a state, or what reward a step from there gives, depends on how the simulation came there:
    /// on where bodies were seen last, and on forces. Then both are compared over whole episodes alone, and `info` with them.
    observation_remembers: bool,
    reward_remembers: bool,
}

/// What can be asked of the environment here: of one on MuJoCo it depends on the version of the library.
fn how(case: &Case, id: &str, report: &mut Report) -> Result<Play, CaseError> {
    if case.value("mujoco").is_null() {
        return Ok(Play {
            step: STEP,
            episode: EPISODE,
            whole: true,
            observation_remembers: false,
            reward_remembers: false,
        });
    }
    let recorded = case.text("mujoco")?;
    let here = mujoco::library_version().map_err(CaseError::refused)?;
    let same = here == recorded;
    if !same {
        let summed = |version: &str| numbers_of(version) >= SUMMED_MARGINS;
        if (id.starts_with("Hopper") || id.starts_with("Ant")) && summed(&here) != summed(recorded) {
            return Err(CaseError::Skipped(format!(
                "recorded with MuJoCo {recorded}, this is {here}: before 3.5.0 contacts begin elsewhere"
            )));
        }
        let turns_otherwise = |version: &str| numbers_of(version) < FREE_JOINTS;
        if id.starts_with("Ant") && turns_otherwise(&here) != turns_otherwise(recorded) {
            return Err(CaseError::Skipped(format!(
                "recorded with MuJoCo {recorded}, this is {here}: before 4.0.0 free joints turn otherwise"
            )));
        }
        report.notes.push(format!(
            "recorded with MuJoCo {recorded}, this is {here}: steps only, whole episodes run apart from rounding"
        ));
    }
    let is = |names: &[&str]| names.iter().any(|name| id.starts_with(name));
    Ok(Play {
        step: MUJOCO_STEP,
        episode: MUJOCO_EPISODE,
        whole: same,
        observation_remembers: is(&["Ant", "Reacher", "InvertedDoublePendulum"]),
        reward_remembers: is(&["Ant", "Reacher"]),
    })
}

/// Major and minor number of a version.
fn numbers_of(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// What the environment was made with.
fn kwargs(case: &Case) -> Result<Dict, CaseError> {
    let wrong = || case.wrong_key("kwargs", "an object of numbers, truth values and arrays of numbers");
    let object = match case.value("kwargs") {
        Value::Null => return Ok(Dict::new()),
        Value::Object(object) => object,
        _ => return Err(wrong()),
    };
    let value = |value: &Value| -> Option<EnvValue> {
        Some(match value {
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => integer.into(),
                None => number.as_f64()?.into(),
            },
            Value::Array(numbers) => {
                let numbers: Option<Array1<f64>> = numbers.iter().map(Value::as_f64).collect();
                numbers?.into()
            }
            _ => return None,
        })
    };
    let entry = |(key, json): (&String, &Value)| Some((key.clone(), value(json)?));
    object.iter().map(entry).collect::<Option<Dict>>().ok_or_else(wrong)
}

fn spaces(case: &Case, report: &mut Report, env: &BoxEnv) -> Result<(), CaseError> {
    let bounds = |space: &Space| {
        let space = space.as_box().map_err(CaseError::refused)?;
        Ok::<_, CaseError>((space.low().to_owned(), space.high().to_owned()))
    };
    let (observation, action) = (bounds(env.observation_space())?, bounds(env.action_space())?);
    for (key, actual) in [
        ("observation_low", observation.0),
        ("observation_high", observation.1),
        ("action_low", action.0),
        ("action_high", action.1),
    ] {
        if let Some(expected) = case.optional_numbers(key)? {
            report.compare(key, actual.view(), &expected.into_dyn(), Measure::Absolute, 0.0)?;
        }
    }
    if let Some(expected) = case.optional_count("max_episode_steps")? {
        let actual = env.spec().and_then(|spec| spec.max_episode_steps);
        let error = actual.map_or(f64::INFINITY, |actual| actual.abs_diff(expected) as f64);
        report.record("max_episode_steps", error, 0.0);
    }
    Ok(())
}

/// What the reference did in one episode of n steps.
struct Episode {
    name: String,
    /// What it is reset with: where that was not recorded, any will do.
    seed: u64,
    /// What it is to reach, where the seed does not say (2): x and y.
    goal: Option<Array1<f64>>,
    /// (n, action dimensions).
    actions: Array2<f32>,
    /// (n + 1, state dimensions) and (n + 1, observation dimensions).
    states: Array2<f64>,
    observations: Array2<f64>,
    /// (n).
    rewards: Array1<f64>,
    terminated: Array1<f64>,
    truncated: Array1<f64>,
    /// Numbers of `info` by key: after the reset (1), and after each step (n).
    reset_info: Vec<(String, Array1<f64>)>,
    info: Vec<(String, Array1<f64>)>,
    /// Whether those are all there were: older cases do not tell.
    info_recorded: bool,
}

impl Episode {
    fn read(case: &Case, k: usize) -> Result<Self, CaseError> {
        let name = format!("ep{k}");
        let actions: Array2<f32> = case.tensor_f32(&format!("{name}.actions"))?;
        let steps = actions.nrows();
        let rows = |what: &str, rows: usize, axes: usize| {
            let name = format!("{name}.{what}");
            let tensor = case.tensor(&name)?;
            if tensor.ndim() != axes || tensor.len_of(Axis(0)) != rows {
                let actual = format!("of shape {:?}", tensor.shape());
                let expected = format!("{axes} axes, the first of {rows}, for {steps} actions");
                return Err(CaseError::Tensor { name, actual, expected });
            }
            Ok(tensor)
        };
        let matrix = |tensor: ArrayD<f64>| tensor.into_dimensionality::<Ix2>().map_err(CaseError::refused);
        let column = |what: &str, length: usize| Ok(rows(what, length, 1)?.into_iter().collect::<Array1<f64>>());
        let vector = |what: &str| column(what, steps);
        let infos = |what: &str, length: usize| -> Result<Vec<_>, CaseError> {
            let prefix = format!("{name}.{what}.");
            let names = case.names();
            let keys = names.iter().filter_map(|name| name.strip_prefix(&prefix));
            keys.map(|key| Ok((key.to_owned(), column(&format!("{what}.{key}"), length)?)))
                .collect()
        };
        Ok(Self {
            info_recorded: !case.value("info").is_null(),
            reset_info: infos("reset_info", 1)?,
            info: infos("info", steps)?,
            states: matrix(rows("states", steps + 1, 2)?)?,
            observations: matrix(rows("observations", steps + 1, 2)?)?,
            rewards: vector("rewards")?,
            terminated: vector("terminated")?,
            truncated: vector("truncated")?,
            actions,
            seed: 0,
            goal: case.names().contains(&format!("{name}.goal")).then(|| column("goal", 2)).transpose()?,
            name,
        })
    }

    /// What the reset is told.
    fn reset_options(&self) -> Dict {
        self.goal.iter().map(|goal| ("goal", goal.clone())).collect()
    }

    /// Starts the episode from its seed: where the reference's starts, and what it says there.
    fn start(&self, env: &mut BoxEnv, report: &mut Report, play: &Play) -> Result<(), CaseError> {
        let reset = env.reset(Some(self.seed), &self.reset_options());
        let (observation, info) = reset.map_err(CaseError::refused)?;
        let state = env.state().map_err(CaseError::refused)?;
        for (what, actual, expected) in [
            ("states", state, self.states.row(0)),
            ("observations", observation, self.observations.row(0)),
        ] {
            let at = format!("{}.{what}[0] of the reset", self.name);
            report.compare(at, actual.view(), &expected.to_owned().into_dyn(), Measure::Mixed, STEP)?;
        }
        self.compare_info(&info, &self.reset_info, 0, "reset", report, play.step)
    }

    /// All numbers of `info`, and no others.
    fn compare_info(
        &self,
        actual: &Info,
        expected: &[(String, Array1<f64>)],
        row: usize,
        how: &str,
        report: &mut Report,
        tolerance: f64,
    ) -> Result<(), CaseError> {
        for (key, values) in expected {
            let number = |value: &EnvValue| match value {
                EnvValue::Bool(flag) => Some(f64::from(u8::from(*flag))),
                other => other.as_f64(),
            };
            let actual = actual.get(key).and_then(number).unwrap_or(f64::NAN);
            let expected = Array1::from_elem(1, values[row]).into_dyn();
            let at = format!("{}.info.{key}[{row}] of the {how}", self.name);
            report.compare(at, ArrayView1::from(&[actual]), &expected, Measure::Mixed, tolerance)?;
        }
        let unexpected = actual
            .iter()
            .filter(|(key, _)| expected.iter().all(|(other, _)| other != key));
        let count = unexpected.count();
        if count > 0 && self.info_recorded {
            report.record(
                format!("{}: {count} more entries of info at the {how}", self.name),
                f64::INFINITY,
                0.0,
            );
        }
        Ok(())
    }

    /// Plays the actions: from each recorded state, or from the first one on.
    fn play(&self, env: &mut BoxEnv, report: &mut Report, from_states: bool, play: &Play) -> Result<(), CaseError> {
        // For the time limit and the goal; the state that it draws is replaced.
        env.reset(Some(self.seed), &self.reset_options())
            .map_err(CaseError::refused)?;
        let at = |what: &str, row: usize| {
            let how = if from_states { "step" } else { "episode" };
            format!("{}.{what}[{row}] of the {how}", self.name)
        };
        let tolerance = |what: &str, expected: &[f64]| match what {
            "terminated" | "truncated" => 0.0,
            _ if !from_states => play.episode,
            _ if expected.iter().all(|v| f64::from(*v as f32) == *v) => play.step.max(SINGLE_STEP),
            _ => play.step,
        };
        let mut compare = |what: &str, row: usize, actual: &[f64], expected: ArrayView1<f64>| {
            let expected = expected.to_vec();
            let tolerance = tolerance(what, &expected);
            let expected = Array1::from(expected).into_dyn();
            report.compare(
                at(what, row),
                ArrayView1::from(actual),
                &expected,
                Measure::Mixed,
                tolerance,
            )
        };
        let mut infos = Vec::new();
        for (i, action) in self.actions.outer_iter().enumerate() {
            if from_states || i == 0 {
                let observation = env.set_state(self.states.row(i)).map_err(CaseError::refused)?;
                if i == 0 || !play.observation_remembers {
                    compare("observations", i, &observation.to_vec(), self.observations.row(i))?;
                }
            }
            let step = env.step(&action.to_owned()).map_err(CaseError::refused)?;
            let state = env.state().map_err(CaseError::refused)?;
            compare("states", i + 1, &state.to_vec(), self.states.row(i + 1))?;
            compare(
                "observations",
                i + 1,
                &step.observation.to_vec(),
                self.observations.row(i + 1),
            )?;
            let one = |array: &Array1<f64>| Array1::from_elem(1, array[i]);
            if !(from_states && play.reward_remembers) {
                compare("rewards", i, &[step.reward], one(&self.rewards).view())?;
            }
            compare(
                "terminated",
                i,
                &[f64::from(u8::from(step.terminated))],
                one(&self.terminated).view(),
            )?;
            compare(
                "truncated",
                i,
                &[f64::from(u8::from(step.truncated))],
                one(&self.truncated).view(),
            )?;
            infos.push(step.info);
        }
        if from_states != play.reward_remembers {
            let (how, tolerance) = if from_states {
                ("step", play.step)
            } else {
                ("episode", play.episode)
            };
            for (i, info) in infos.iter().enumerate() {
                self.compare_info(info, &self.info, i, how, report, tolerance)?;
            }
        }
        Ok(())
    }
}
