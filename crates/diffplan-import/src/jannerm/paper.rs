//! How the paper's runs were planned with: what `planning_config.json` says of a converted run.
//!
//! From `config/locomotion.py` and `config/maze2d.py` of the original. The scale is one of the original's own rule, which multiplies the
//! gradient by the posterior's variance ([`Guidance::Diffuser`]); under that of diffusers the same number is another strength.

use diffplan_pipelines::{Follow, Guidance, PlanningConfig, TrainedConditions};

/// The settings of a guided run.
struct Guided {
    /// How the names of its datasets begin.
    datasets: &'static str,
    scale: f32,
    t_stopgrad: usize,
}

/// Where the original's settings differ from its base, by dataset.
const OVERRIDES: [Guided; 2] = [
    Guided {
        datasets: "hopper-medium-expert-",
        scale: 1e-4,
        t_stopgrad: 4,
    },
    Guided {
        datasets: "halfcheetah-",
        scale: 1e-3,
        t_stopgrad: 4,
    },
];

const BASE: Guided = Guided {
    datasets: "",
    scale: 0.1,
    t_stopgrad: 2,
};

/// How a run is planned with. `guided` where it has a value function, `maze` where it is of branch maze2d, which plans without one.
pub(super) fn planning(dataset: Option<&str>, horizon: usize, guided: bool, maze: bool) -> PlanningConfig {
    let config = PlanningConfig {
        env: dataset.map(str::to_owned),
        planning_horizon: Some(horizon),
        ..PlanningConfig::default()
    };
    if maze {
        // The script plans once an episode, from where it starts to the goal, and steers along the states of that plan.
        return PlanningConfig {
            batch_size: Some(1),
            n_guide_steps: Some(0),
            conditions: Some(TrainedConditions::Goal),
            n_action_steps: Some(horizon),
            follow: Some(Follow::States),
            ..config
        };
    }
    if !guided {
        return PlanningConfig {
            batch_size: Some(64),
            n_guide_steps: Some(0),
            ..config
        };
    }
    let dataset = dataset.unwrap_or_default();
    let own = OVERRIDES
        .iter()
        .find(|own| dataset.starts_with(own.datasets))
        .unwrap_or(&BASE);
    PlanningConfig {
        batch_size: Some(64),
        n_guide_steps: Some(2),
        scale: Some(own.scale),
        t_stopgrad: Some(own.t_stopgrad),
        guidance: Some(Guidance::Diffuser),
        ..config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_the_papers() {
        for (dataset, scale, t_stopgrad) in [
            (Some("hopper-medium-v2"), 0.1, 2),
            (Some("hopper-medium-expert-v2"), 1e-4, 4),
            (Some("halfcheetah-medium-v2"), 1e-3, 4),
            (Some("my-robot-v0"), 0.1, 2),
            (None, 0.1, 2),
        ] {
            let config = planning(dataset, 32, true, false);
            assert_eq!(
                (config.scale, config.t_stopgrad),
                (Some(scale), Some(t_stopgrad)),
                "{dataset:?}"
            );
            assert_eq!(config.env.as_deref(), dataset);
            assert_eq!(config.guidance, Some(Guidance::Diffuser));
        }
        let maze = planning(Some("maze2d-large-v1"), 384, true, true);
        assert_eq!(
            (maze.n_guide_steps, maze.batch_size, maze.scale),
            (Some(0), Some(1), None)
        );
        assert_eq!(
            (maze.conditions, maze.follow, maze.n_action_steps),
            (Some(TrainedConditions::Goal), Some(Follow::States), Some(384))
        );
    }
}
