//! [`Aim`]: where plans are to lead, and what they are to come by.

use crate::error::{Error, Result};
use crate::names::{Names, dim_of};
use diffplan_envs::Goal;
use diffplan_pipelines::{Condition, Part, TrainedConditions};
use ndarray::Array1;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An aim as it is typed and written in files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AimText {
    /// `NAME=VALUE,…`, or the numbers of the first dimensions, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The step of the episode at which the goal is to be reached; a plan's last one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal_time: Option<usize>,
    /// `STEP:NAME=VALUE,…` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waypoints: Vec<String>,
}

impl AimText {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What some dimensions of the observation are to be at a step of the episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Waypoint {
    /// The step, from the episode's first, 0.
    pub time: usize,
    /// The dimensions.
    pub dims: Vec<usize>,
    /// What they are to be, one number each.
    pub values: Array1<f64>,
}

/// Where plans are to lead, and what they are to come by, in the environment's units.
///
/// A planner that was trained with goals has always known the whole last observation, so all of it is imposed: dimensions that a goal says
/// nothing of are 0, which for velocities is standing still there, as the original Diffuser plans in mazes, to (x, y, 0, 0).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aim {
    /// What is to be reached; where an environment has goals of its own, theirs hold in the dimensions they are of.
    pub goal: Option<Goal>,
    /// The step of the episode at which the goal is to be reached, beside the plan's last step: from there to its end a plan stays, or
    /// comes back. It comes nearer as the episode goes on, and is past at last.
    pub goal_time: Option<usize>,
    /// On the way.
    pub waypoints: Vec<Waypoint>,
}

impl Aim {
    /// Of text, with these names of dimensions, or their numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Unknown`], with what was expected.
    pub fn parse(text: &AimText, names: &Names) -> Result<Self> {
        if text.goal_time.is_some() && text.goal.is_none() {
            return Err(setting(
                "goal_time",
                &format!("{:?}", text.goal_time),
                "a goal beside it",
            ));
        }
        if text.goal_time == Some(0) {
            return Err(setting(
                "goal_time",
                "0",
                "at least 1: step 0 is where the episode begins",
            ));
        }
        let goal = text
            .goal
            .as_deref()
            .map(|goal| places("goal", goal, names))
            .transpose()?;
        let waypoints = text.waypoints.iter().map(|text| waypoint(text, names));
        let waypoints = waypoints.collect::<Result<Vec<_>>>()?;
        if let Some(both) = waypoints.iter().find(|waypoint| Some(waypoint.time) == text.goal_time) {
            return Err(setting(
                "waypoint",
                &both.time.to_string(),
                "another step than the goal's, at which all of the observation is said",
            ));
        }
        Ok(Self {
            goal: goal.map(|(dims, values)| Goal {
                dims,
                values,
                tolerance: None,
            }),
            goal_time: text.goal_time,
            waypoints,
        })
    }

    /// That a planner of such training can be told a goal by whoever made this.
    ///
    /// # Errors
    /// [`Error::Setting`] for a goal where it was not trained with any.
    pub fn check(&self, trained: Option<TrainedConditions>) -> Result<()> {
        match &self.goal {
            Some(goal) if trained != Some(TrainedConditions::Goal) => Err(setting(
                "goal",
                &goal.values.to_string(),
                "none: the checkpoint was not trained with goals, so its plans cannot be led to one (planning_config.json of one \
                 that was says \"conditions\": \"goal\"; diffplan train --conditions goal)",
            )),
            _ => Ok(()),
        }
    }

    /// The whole observation at the goal: numbers of the environment's, else of one's own, else 0. None where neither has a goal.
    pub fn end(&self, of_env: Option<&Goal>, observation_dim: usize) -> Option<Array1<f32>> {
        let mut goals = [self.goal.as_ref(), of_env].into_iter().flatten().peekable();
        goals.peek()?;
        let mut end = Array1::zeros(observation_dim);
        for goal in goals {
            for (&dim, &value) in goal.dims.iter().zip(&goal.values) {
                if let Some(place) = end.get_mut(dim) {
                    *place = value as f32;
                }
            }
        }
        Some(end)
    }

    /// What is imposed on a plan made at `step` of an episode, beside its first observation. What is further away than its horizon is
    /// not, and what is past is not.
    pub fn held(&self, step: usize, end: Option<&Array1<f32>>, horizon: usize) -> Vec<Held> {
        let mut held = Vec::new();
        let at = |time: usize| time.checked_sub(step).filter(|&time| time > 0 && time < horizon);
        if let Some(end) = end {
            let last = horizon - 1;
            let early = self.goal_time.and_then(at).filter(|&time| time < last);
            for time in early.into_iter().chain((last > 0).then_some(last)) {
                held.push(Held::whole(time, Part::Observation, end.to_vec(), 1.0));
            }
        }
        held.extend(self.waypoints.iter().filter_map(|waypoint| {
            // Where the goal is held there is no other place to be.
            let time = at(waypoint.time).filter(|&time| end.is_none() || time < horizon - 1)?;
            Some(Held {
                time,
                part: Part::Observation,
                dims: Some(waypoint.dims.clone()),
                values: waypoint.values.iter().map(|&v| v as f32).collect(),
                strength: 1.0,
            })
        }));
        held
    }

    /// Checks that all that it says lies within a plan that is made at an episode's first step, at whose end a goal is held.
    ///
    /// # Errors
    /// [`Error::Setting`] for what is beyond the horizon, or at the step that is observed, and for a waypoint where the goal is.
    pub fn check_horizon(&self, horizon: usize) -> Result<()> {
        let last = horizon.saturating_sub(1);
        let times = self.waypoints.iter().map(|waypoint| ("waypoint", waypoint.time));
        for (name, time) in times.chain(self.goal_time.map(|time| ("goal_time", time))) {
            let expected = if !(1..horizon).contains(&time) {
                format!("a step from 1 to {last}, within the horizon")
            } else if name == "waypoint" && time == last && self.goal.is_some() {
                format!("a step before {last}, the plan's last, at which it is to be at the goal")
            } else {
                continue;
            };
            return Err(setting(name, &time.to_string(), &expected));
        }
        Ok(())
    }
}

/// A condition that owns what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The step of the plan.
    pub time: usize,
    /// What it is of.
    pub part: Part,
    /// Its dimensions; all of them where it does not say.
    pub dims: Option<Vec<usize>>,
    /// One number a dimension, in the environment's units.
    pub values: Vec<f32>,
    /// As in [`Condition::strength`].
    pub strength: f32,
}

impl Held {
    /// Of all dimensions.
    pub(super) fn whole(time: usize, part: Part, values: Vec<f32>, strength: f32) -> Self {
        Self {
            time,
            part,
            dims: None,
            values,
            strength,
        }
    }

    /// As planners take it.
    pub fn condition(&self) -> Condition<'_> {
        Condition {
            time: self.time,
            part: self.part,
            dims: self.dims.as_deref(),
            values: Cow::Borrowed(&self.values),
            strength: self.strength,
        }
    }
}

fn setting(name: &'static str, value: &str, expected: &str) -> Error {
    Error::Setting {
        name,
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

fn waypoint(text: &str, names: &Names) -> Result<Waypoint> {
    let form = || setting("waypoint", text, "STEP:NAME=VALUE,…, such as 12:x=1.5,y=2");
    let (time, rest) = text.split_once(':').ok_or_else(form)?;
    let time: usize = time.trim().parse().map_err(|_| form())?;
    if time == 0 {
        return Err(setting("waypoint", text, "a step of at least 1: at 0 the plan begins"));
    }
    let (dims, values) = places("waypoint", rest, names)?;
    Ok(Waypoint { time, dims, values })
}

/// Dimensions and their numbers, of `NAME=VALUE,…` or `VALUE,…`.
fn places(what: &'static str, text: &str, names: &Names) -> Result<(Vec<usize>, Array1<f64>)> {
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let number = |word: &str| match word.trim().parse::<f64>() {
        // Plans are in single precision.
        Ok(value) if (value as f32).is_finite() => Ok(value),
        _ => Err(setting(
            what,
            text,
            "finite numbers, or NAME=NUMBER, with commas between",
        )),
    };
    let known = &names.observations;
    let named = words.iter().any(|word| word.contains('='));
    let (mut dims, mut values) = (Vec::new(), Vec::new());
    for (at, word) in words.iter().enumerate() {
        let (dim, value) = match word.split_once('=') {
            Some((name, value)) => (dim_of(name.trim(), known)?, number(value)?),
            None if named => return Err(setting(what, text, "a name for each number, or for none")),
            None => (at, number(word)?),
        };
        if dim >= known.len() {
            let expected = format!("at most {} numbers, of {}", known.len(), known.join(", "));
            return Err(setting(what, text, &expected));
        }
        if dims.contains(&dim) {
            return Err(setting(what, text, &format!("{} once", known[dim])));
        }
        dims.push(dim);
        values.push(value);
    }
    Ok((dims, values.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn names() -> Names {
        Names {
            observations: ["x", "y", "dx/dt", "dy/dt"].map(str::to_owned).to_vec(),
            actions: vec!["a".into(), "b".into()],
        }
    }

    fn aim(goal: Option<&str>, goal_time: Option<usize>, waypoints: &[&str]) -> Result<Aim> {
        let text = AimText {
            goal: goal.map(str::to_owned),
            goal_time,
            waypoints: waypoints.iter().map(|text| (*text).to_owned()).collect(),
        };
        Aim::parse(&text, &names())
    }

    #[test]
    fn goals_are_named_or_in_order_and_the_rest_is_at_rest() {
        let env = Goal {
            dims: vec![0, 1],
            values: array![5.0, 6.0],
            tolerance: Some(0.5),
        };
        let end = |goal: Option<&str>, env: Option<&Goal>| aim(goal, None, &[]).unwrap().end(env, 4);
        assert_eq!(end(Some("1,2"), None), Some(array![1.0, 2.0, 0.0, 0.0]));
        assert_eq!(end(Some("1,2,0.5,-0.5"), None), Some(array![1.0, 2.0, 0.5, -0.5]));
        assert_eq!(end(Some("y=2, x=-1"), None), Some(array![-1.0, 2.0, 0.0, 0.0]));
        assert_eq!(end(Some("dx/dt=3"), Some(&env)), Some(array![5.0, 6.0, 3.0, 0.0]));
        assert_eq!(end(None, Some(&env)), Some(array![5.0, 6.0, 0.0, 0.0]));
        assert_eq!(end(None, None), None);
    }

    #[test]
    fn what_is_ahead_comes_nearer_and_is_past() {
        let aim = aim(Some("1,2"), Some(9), &["4:y=7"]).unwrap();
        let end = aim.end(None, 4);
        let held = |step: usize| {
            let held = aim.held(step, end.as_ref(), 8);
            held.iter()
                .map(|held| (held.time, held.values.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(held(0), [(7, 4), (4, 1)]);
        assert_eq!(held(3), [(6, 4), (7, 4), (1, 1)]);
        // At the last step it is one condition, not two of the same.
        assert_eq!(held(2), [(7, 4), (2, 1)]);
        assert_eq!(held(4), [(5, 4), (7, 4)]);
        assert_eq!(held(9), [(7, 4)]);
        assert!(aim.check_horizon(10).is_ok());
        assert!(aim.check_horizon(8).unwrap_err().to_string().contains("goal_time = 9"));
        let last = |goal: Option<&str>| super::tests::aim(goal, None, &["7:y=7"]).unwrap().check_horizon(8);
        assert!(last(None).is_ok());
        assert!(last(Some("1,2")).unwrap_err().to_string().contains("a step before 7"));
    }

    #[test]
    fn what_makes_no_aim_is_told() {
        for (goal, time, waypoint, word) in [
            (Some("1,2,3,4,5"), None, None, "at most 4 numbers"),
            (Some("z=1"), None, None, "there are x, y"),
            (Some("x=1,2"), None, None, "a name for each"),
            (Some("x=1,x=2"), None, None, "x once"),
            (Some("x=nan"), None, None, "finite"),
            (Some("1,,2"), None, None, "finite"),
            (None, Some(3), None, "a goal beside it"),
            (Some("1"), Some(0), None, "at least 1"),
            (None, None, Some("x=1"), "STEP:NAME=VALUE"),
            (None, None, Some("0:x=1"), "at least 1"),
            (None, None, Some("3:x"), "finite"),
        ] {
            let error = aim(goal, time, waypoint.as_slice()).unwrap_err().to_string();
            assert!(error.contains(word), "{goal:?} {waypoint:?}: {error}");
        }
        let goal = aim(Some("1,2"), None, &[]).unwrap();
        assert!(goal.check(Some(TrainedConditions::Goal)).is_ok());
        for trained in [None, Some(TrainedConditions::Start)] {
            let error = goal.check(trained).unwrap_err().to_string();
            assert!(error.contains("not trained with goals"), "{error}");
        }
        assert!(aim(None, None, &["3:x=1"]).unwrap().check(None).is_ok());
    }
}
