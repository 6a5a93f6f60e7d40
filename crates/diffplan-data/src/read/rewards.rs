//! [`RewardRule`]: rewards for files that have none, or others than theirs.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::ReadError;

/// How near counts as there where it is not said: D4RL's mazes have this.
const TOLERANCE: f64 = 0.5;

/// What rewards are, in place of those of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum RewardRule {
    /// All 0.
    Zeros,
    /// 1 where the observation is at the goal, 0 elsewhere, as in D4RL's mazes.
    Goal {
        /// The goal, a number a dimension.
        goal: Vec<f64>,
        /// The Euclidean distance from it that counts as there.
        tolerance: f64,
        /// Which dimensions of the observation are compared; the first ones where none are given.
        dimensions: Vec<usize>,
    },
}

/// What is wrong with a [`RewardRule`] as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?}, expected zeros, or goal=X,Y with tolerance=R and dims=I,J after a semicolon each where they differ from 0.5 and 0,1,…"
)]
pub struct RewardRuleError(String);

impl RewardRule {
    /// The reward of every row.
    pub(super) fn rewards(&self, observations: ArrayView2<'_, f32>) -> Result<Array1<f64>, ReadError> {
        let Self::Goal {
            goal,
            tolerance,
            dimensions,
        } = self
        else {
            return Ok(Array1::zeros(observations.nrows()));
        };
        let first: Vec<usize> = (0..goal.len()).collect();
        let dimensions = if dimensions.is_empty() { &first } else { dimensions };
        if dimensions.iter().any(|&at| at >= observations.ncols()) {
            return Err(ReadError::GoalDimensions {
                dimensions: dimensions.clone(),
                actual: observations.ncols(),
            });
        }
        let there = |row: ndarray::ArrayView1<'_, f32>| {
            let differences = dimensions.iter().zip(goal).map(|(&at, goal)| f64::from(row[at]) - goal);
            differences.map(|x| x * x).sum::<f64>().sqrt() <= *tolerance
        };
        Ok(observations
            .rows()
            .into_iter()
            .map(|row| f64::from(u8::from(there(row))))
            .collect())
    }
}

impl FromStr for RewardRule {
    type Err = RewardRuleError;

    fn from_str(text: &str) -> Result<Self, RewardRuleError> {
        if text == "zeros" {
            return Ok(Self::Zeros);
        }
        parse(text).ok_or_else(|| RewardRuleError(text.into()))
    }
}

fn parse(text: &str) -> Option<RewardRule> {
    fn list<T: FromStr>(text: &str) -> Option<Vec<T>> {
        text.split(',').map(|part| part.trim().parse().ok()).collect()
    }
    let (mut goal, mut tolerance, mut dimensions) = (Vec::new(), TOLERANCE, Vec::new());
    for part in text.split(';') {
        match part.split_once('=')? {
            ("goal", value) => goal = list::<f64>(value)?,
            ("tolerance", value) => tolerance = value.trim().parse().ok()?,
            ("dims", value) => dimensions = list(value)?,
            _ => return None,
        }
    }
    let finite = goal.iter().all(|x| x.is_finite()) && tolerance.is_finite() && tolerance >= 0.0;
    let fit = !goal.is_empty() && (dimensions.is_empty() || dimensions.len() == goal.len());
    (finite && fit).then_some(RewardRule::Goal {
        goal,
        tolerance,
        dimensions,
    })
}

impl fmt::Display for RewardRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(values: &[T]) -> String {
            values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
        }
        match self {
            Self::Zeros => f.write_str("zeros"),
            Self::Goal {
                goal,
                tolerance,
                dimensions,
            } => {
                write!(f, "goal={};tolerance={tolerance}", list(goal))?;
                match dimensions.is_empty() {
                    true => Ok(()),
                    false => write!(f, ";dims={}", list(dimensions)),
                }
            }
        }
    }
}

impl TryFrom<String> for RewardRule {
    type Error = RewardRuleError;

    fn try_from(text: String) -> Result<Self, RewardRuleError> {
        text.parse()
    }
}

impl From<RewardRule> for String {
    fn from(rule: RewardRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_goal_is_reached_within_its_tolerance() {
        let observations = array![[0.0, 9.0, 0.0], [1.0, 9.0, 2.0], [1.25, 9.0, 2.25], [1.4, 9.0, 2.4]];
        let rule: RewardRule = "goal=1,2;dims=0,2".parse().unwrap();
        assert_eq!(rule.rewards(observations.view()).unwrap(), array![0.0, 1.0, 1.0, 0.0]);
        assert_eq!(rule.to_string(), "goal=1,2;tolerance=0.5;dims=0,2");
        assert_eq!(rule.to_string().parse(), Ok(rule));
        let rule: RewardRule = "goal=1;dims=3".parse().unwrap();
        assert_eq!(
            rule.rewards(observations.view()).unwrap_err().to_string(),
            "the goal is in dimension 3, but observations have 3 dimensions, from 0"
        );
        for text in [
            "",
            "ones",
            "goal=",
            "goal=1,2;dims=0",
            "goal=nan",
            "goal=1;tolerance=-1",
            "dims=1",
        ] {
            assert!(text.parse::<RewardRule>().is_err(), "{text}");
        }
    }
}
