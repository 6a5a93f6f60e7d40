//! Sizes of environment, statistics and networks.

use super::{Code, Finding};
use crate::pipeline::ValueGuidedPipeline;
use diffplan_data::Normalizers;

/// The dimensions that each part is of; `None` of what is not there or does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dims {
    /// Channels of the planner network: actions and observations together.
    pub network: Option<usize>,
    /// Dimensions of the trajectories that the value function takes.
    pub value: Option<usize>,
    /// Dimensions of the actions' statistics.
    pub actions: Option<usize>,
    /// Dimensions of the observations' statistics.
    pub observations: Option<usize>,
    /// Observation and action dimensions of the environment.
    pub env: Option<(usize, usize)>,
}

impl Dims {
    /// Those of statistics.
    pub fn of_normalizers(normalizers: &Normalizers) -> Self {
        Self {
            actions: normalizers.actions().dimensions(),
            observations: normalizers.observations().dimensions(),
            ..Self::default()
        }
    }

    /// Those of a pipeline whose samples are actions, then observations; of any other only the layout's, which it was told.
    pub fn of_pipeline(pipeline: &ValueGuidedPipeline) -> Self {
        let mut guides = pipeline.guides().iter().filter_map(|term| term.guide.dimensions());
        Self {
            network: Some(pipeline.network().signature().sample_channels),
            value: guides.next(),
            actions: Some(pipeline.action_dim()).filter(|&dim| dim > 0),
            observations: Some(pipeline.observation_dim()).filter(|&dim| dim > 0),
            env: None,
        }
    }

    /// With those of an environment.
    #[must_use]
    pub fn with_env(self, observations: usize, actions: usize) -> Self {
        Self {
            env: Some((observations, actions)),
            ..self
        }
    }

    /// All that disagree, in one sentence. The planner network decides: it was trained, and has as many channels as actions and
    /// observations together. Nothing where all that is known fits, and nothing of scalar statistics, which fit any.
    pub fn disagreement(&self) -> Option<Finding> {
        let sums = [
            self.network,
            self.value,
            self.actions.zip(self.observations).map(|(a, o)| a.saturating_add(o)),
            self.env.map(|(o, a)| a.saturating_add(o)),
        ];
        let mut sums = sums.into_iter().flatten();
        let first = sums.next()?;
        let statistic_beside_env = |statistic: Option<usize>, env: Option<usize>| {
            statistic.zip(env).is_some_and(|(statistic, env)| statistic != env)
        };
        let apart = statistic_beside_env(self.actions, self.env.map(|(_, a)| a))
            || statistic_beside_env(self.observations, self.env.map(|(o, _)| o));
        let too_many = [self.actions, self.observations]
            .into_iter()
            .flatten()
            .any(|dim| dim >= first);
        if !apart && !too_many && sums.all(|sum| sum == first) {
            return None;
        }
        let (code, remedy) = self.remedy(first);
        Some(Finding::error(code, "normalizer.json", self.table(), remedy))
    }

    /// What each part has, in words.
    fn table(&self) -> String {
        let mut parts = Vec::new();
        if let Some((observations, actions)) = self.env {
            parts.push(format!(
                "the environment's observations have {observations} dimensions, its actions {actions}"
            ));
        }
        match (self.observations, self.actions) {
            (Some(observations), Some(actions)) => {
                parts.push(format!(
                    "the checkpoint's statistics of observations {observations}, of actions {actions}"
                ));
            }
            (Some(observations), None) => {
                parts.push(format!("the checkpoint's statistics of observations {observations}"))
            }
            (None, Some(actions)) => parts.push(format!("the checkpoint's statistics of actions {actions}")),
            (None, None) => {}
        }
        if let Some(channels) = self.network {
            parts.push(format!("the planner network takes {channels} channels"));
        }
        if let Some(channels) = self.value {
            parts.push(format!("the value function {channels}"));
        }
        parts.join(", ")
    }

    /// Which of the usual mistakes it is.
    fn remedy(&self, network: usize) -> (Code, String) {
        let joint = |dim: Option<usize>| dim == Some(network);
        if joint(self.observations) || joint(self.actions) {
            return (
                Code::ObservationFirst,
                "statistics of whole rows seem to be under one key: cut them into `observations` and `actions` of normalizer.json, whichever \
                 stood first, or make it anew from the dataset with `diffplan normalizer`"
                    .into(),
            );
        }
        let statistics = self.actions.zip(self.observations).map(|(a, o)| a.saturating_add(o));
        if let (Some(value), Some(statistics)) = (self.value, statistics) {
            let odd = match (value == network, statistics == network) {
                (false, true) => {
                    "the value function is of another checkpoint: expected one of as many channels as the planner network"
                }
                (false, false) if statistics == value => {
                    "the planner network is of another checkpoint than the value function and the statistics"
                }
                _ => "",
            };
            if !odd.is_empty() {
                return (Code::Dimensions, odd.into());
            }
        }
        if let (Some((o, a)), Some(observations), Some(actions)) = (self.env, self.observations, self.actions) {
            if (o, a) == (actions, observations) {
                return (
                    Code::ObservationFirst,
                    "the statistics stand observation first: exchange `observations` and `actions` in normalizer.json"
                        .into(),
                );
            }
            if actions + observations == network {
                let remedy =
                    "the checkpoint is of another environment: give its own with --env, or in planning_config.json";
                return (Code::Dimensions, remedy.into());
            }
        }
        (
            Code::Dimensions,
            "expected as many channels as there are action and observation dimensions: make normalizer.json from the dataset that the \
             networks were trained on, with `diffplan normalizer`"
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pendulum's.
    const HEALTHY: Dims = Dims {
        network: Some(4),
        value: Some(4),
        actions: Some(1),
        observations: Some(3),
        env: Some((3, 1)),
    };

    #[test]
    fn what_fits_and_what_does_not_say_is_fine() {
        assert_eq!(HEALTHY.disagreement(), None);
        let scalar = Dims {
            actions: None,
            observations: None,
            ..HEALTHY
        };
        assert_eq!(scalar.disagreement(), None);
        assert_eq!(Dims::default().disagreement(), None);
        let alone = Dims {
            observations: None,
            value: None,
            env: None,
            ..HEALTHY
        };
        assert_eq!(alone.disagreement(), None);
    }

    #[track_caller]
    fn check(dims: Dims, code: Code, words: &[&str]) {
        let finding = dims.disagreement().unwrap();
        assert_eq!(finding.code, code, "{finding}");
        let text = finding.to_string();
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
    }

    #[test]
    fn all_that_differ_are_named_with_the_mistake_that_it_is() {
        let all = [
            "observations have 3 dimensions, its actions 1",
            "takes 4 channels, the value function 14",
        ];
        let value = Dims {
            value: Some(14),
            ..HEALTHY
        };
        check(value, Code::Dimensions, &all);
        check(value, Code::Dimensions, &["value function is of another checkpoint"]);
        let env = Dims {
            env: Some((2, 1)),
            ..HEALTHY
        };
        check(
            env,
            Code::Dimensions,
            &["observations have 2", "statistics of observations 3", "--env"],
        );
        let short = Dims {
            observations: Some(2),
            env: None,
            ..HEALTHY
        };
        check(
            short,
            Code::Dimensions,
            &["observations 2, of actions 1", "`diffplan normalizer`"],
        );
    }

    #[test]
    fn observations_first_is_told_by_the_sizes() {
        let swapped = Dims {
            actions: Some(3),
            observations: Some(1),
            ..HEALTHY
        };
        check(
            swapped,
            Code::ObservationFirst,
            &["exchange `observations` and `actions`"],
        );
        let joint = Dims {
            observations: Some(4),
            env: None,
            ..HEALTHY
        };
        check(joint, Code::ObservationFirst, &["whole rows"]);
    }
}
