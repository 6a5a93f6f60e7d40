//! Kind `env`: recorded episodes, played step by step from the recorded states, and once more from their start on.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_envs::{BoxEnv, Dict, Error, Space, make};
use ndarray::{Array1, Array2, ArrayD, ArrayView1, Axis, Ix2};

/// A step from a recorded state: what the reference holds in float64 has float64's accuracy.
const STEP: f64 = 1e-12;
/// What it holds in float32 may differ by one unit in the last place, where the C library's functions differ in the last bit.
const SINGLE_STEP: f64 = 1.2e-7;
/// Over a whole episode such differences add up. With the reference's own C library there are none.
const EPISODE: f64 = 1e-5;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let id = case.text("env_id")?;
    let mut env = make(id).map_err(|e| match e {
        Error::UnknownEnv { id, .. } => CaseError::NotSupported(id),
        other => CaseError::refused(other),
    })?;
    spaces(case, report, &env)?;
    let episodes = case.count("episodes")?;
    if episodes == 0 {
        return Err(case.wrong_key("episodes", "at least 1"));
    }
    for k in 0..episodes {
        let episode = Episode::read(case, k)?;
        episode.play(&mut env, report, true)?;
        episode.play(&mut env, report, false)?;
    }
    Ok(())
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
    /// (n, action dimensions).
    actions: Array2<f32>,
    /// (n + 1, state dimensions) and (n + 1, observation dimensions).
    states: Array2<f64>,
    observations: Array2<f64>,
    /// (n).
    rewards: Array1<f64>,
    terminated: Array1<f64>,
    truncated: Array1<f64>,
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
        let vector = |what: &str| Ok(rows(what, steps, 1)?.into_iter().collect::<Array1<f64>>());
        Ok(Self {
            states: matrix(rows("states", steps + 1, 2)?)?,
            observations: matrix(rows("observations", steps + 1, 2)?)?,
            rewards: vector("rewards")?,
            terminated: vector("terminated")?,
            truncated: vector("truncated")?,
            actions,
            name,
        })
    }

    /// Plays the actions: from each recorded state, or from the first one on.
    fn play(&self, env: &mut BoxEnv, report: &mut Report, from_states: bool) -> Result<(), CaseError> {
        // For the time limit; the state that it draws is replaced.
        env.reset(Some(0), &Dict::new()).map_err(CaseError::refused)?;
        let at = |what: &str, row: usize| {
            let how = if from_states { "step" } else { "episode" };
            format!("{}.{what}[{row}] of the {how}", self.name)
        };
        let tolerance = |what: &str, expected: &[f64]| match what {
            "terminated" | "truncated" => 0.0,
            _ if !from_states => EPISODE,
            _ if expected.iter().all(|v| f64::from(*v as f32) == *v) => SINGLE_STEP,
            _ => STEP,
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
        for (i, action) in self.actions.outer_iter().enumerate() {
            if from_states || i == 0 {
                let observation = env.set_state(self.states.row(i)).map_err(CaseError::refused)?;
                compare("observations", i, &observation.to_vec(), self.observations.row(i))?;
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
            compare("rewards", i, &[step.reward], one(&self.rewards).view())?;
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
        }
        Ok(())
    }
}
