//! D4RL's reference returns, and which environment a dataset was recorded in.
//!
//! A normalised score puts a return between that of a random policy (0) and that of an expert (100):
//! `100 · (return − min) / (max − min)`, with the references `REF_MIN_SCORE` and `REF_MAX_SCORE` of D4RL's `d4rl/infos.py`
//! (Fu et al. 2020, [arXiv:2004.07219](https://arxiv.org/abs/2004.07219)). D4RL has one pair of references for all datasets
//! of a locomotion task, measured in version 2 of Gym's environment; as is usual, the same pair is taken for the versions
//! that came after it. Of D4RL's other tasks maze2d is here; AntMaze, Adroit and the kitchen are not, as there are no such
//! environments here. What D4RL has no references for, such as `Pendulum-v1`, has no score.

/// The return that scores 0, and the one that scores 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceReturns {
    /// D4RL's `REF_MIN_SCORE`: of a random policy.
    pub min: f64,
    /// D4RL's `REF_MAX_SCORE`: of an expert.
    pub max: f64,
}

impl ReferenceReturns {
    /// The score of a return. It is affine: the score of a mean is the mean of the scores.
    pub fn score(self, episode_return: f64) -> f64 {
        100.0 * (episode_return - self.min) / (self.max - self.min)
    }

    /// What a difference of returns, or the standard error of their mean, comes to in scores.
    pub fn scale(self, difference: f64) -> f64 {
        100.0 * difference / (self.max - self.min)
    }
}

/// Returns of an environment that are known, to compare others with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownReturns {
    /// The mean return of random actions.
    pub random: f64,
    /// A good one.
    pub good: f64,
    /// Whose that is, as the subject of a sentence.
    pub whose: &'static str,
}

/// What is known of the returns in an environment: D4RL's references, or what was measured here over 150 episodes from seed 0
/// (`diffplan evaluate --policy random`, and the controller that is named).
pub fn known_returns(env: &str) -> Option<KnownReturns> {
    if let Some(references) = reference_returns(env) {
        return Some(KnownReturns {
            random: references.min,
            good: references.max,
            whose: "D4RL's expert",
        });
    }
    match env {
        "Pendulum-v1" => Some(KnownReturns {
            random: PENDULUM[0],
            good: PENDULUM[1],
            whose: "energy control (swing-up)",
        }),
        "MountainCarContinuous-v0" => Some(KnownReturns {
            random: MOUNTAIN_CAR[0],
            good: MOUNTAIN_CAR[1],
            whose: "full force along the velocity (bang-bang)",
        }),
        _ => None,
    }
}

/// Of random actions, and of the controller.
const PENDULUM: [f64; 2] = [-1225.0, -155.0];
const MOUNTAIN_CAR: [f64; 2] = [-33.0, 89.0];

/// A locomotion task of D4RL: its name in dataset ids, the name of its environment, and its references.
struct Task {
    dataset: &'static str,
    /// What the D4RL datasets were recorded in.
    env: &'static str,
    min: f64,
    max: f64,
}

const LOCOMOTION: [Task; 4] = [
    Task {
        dataset: "hopper",
        env: "Hopper-v2",
        min: -20.272305,
        max: 3234.3,
    },
    Task {
        dataset: "halfcheetah",
        env: "HalfCheetah-v2",
        min: -280.178953,
        max: 12135.0,
    },
    Task {
        dataset: "walker2d",
        env: "Walker2d-v2",
        min: 1.629008,
        max: 4592.3,
    },
    Task {
        dataset: "ant",
        env: "Ant-v2",
        min: -325.6,
        max: 3879.7,
    },
];

/// The versions of an environment that a task's references are taken for.
const VERSIONS: [&str; 4] = ["2", "3", "4", "5"];

/// The qualities of D4RL's locomotion datasets; version 0 has no `full-replay`.
const QUALITIES: [&str; 6] = [
    "random",
    "medium",
    "expert",
    "medium-replay",
    "full-replay",
    "medium-expert",
];

/// D4RL's mazes, where dataset and environment have the same id. Those that `d4rl/infos.py` does not list have the references that
/// they are registered with, in `d4rl/pointmaze/__init__.py` (where the dense large one of the `eval` mazes has the lower one of the
/// U-shaped, as here).
const MAZES: [(&str, f64, f64); 20] = [
    ("maze2d-open-v0", 0.01, 20.66),
    ("maze2d-umaze-v1", 23.85, 161.86),
    ("maze2d-medium-v1", 13.13, 277.39),
    ("maze2d-large-v1", 6.7, 273.99),
    ("maze2d-open-dense-v0", 11.17817, 27.166538620695782),
    ("maze2d-umaze-dense-v1", 68.537689, 193.66285642381482),
    ("maze2d-medium-dense-v1", 44.264742, 297.4552547777125),
    ("maze2d-large-dense-v1", 30.569041, 303.4857382709002),
    ("maze2d-umaze-v0", 0.94, 62.6),
    ("maze2d-medium-v0", 5.77, 85.14),
    ("maze2d-large-v0", 4.83, 191.99),
    ("maze2d-umaze-dense-v0", 23.249793, 81.78995240126592),
    ("maze2d-medium-dense-v0", 19.477620, 96.03474232952358),
    ("maze2d-large-dense-v0", 27.388310, 215.09965671563742),
    ("maze2d-eval-umaze-v1", 36.63, 141.4),
    ("maze2d-eval-medium-v1", 13.07, 204.93),
    ("maze2d-eval-large-v1", 16.4, 302.22),
    ("maze2d-eval-umaze-dense-v1", 56.95455, 178.21373133248397),
    ("maze2d-eval-medium-dense-v1", 42.28578, 235.5658957482388),
    ("maze2d-eval-large-dense-v1", 56.95455, 326.09647655082637),
];

/// Minari's names of the MuJoCo environments, and what its datasets were recorded in.
const MINARI: [(&str, &str); 11] = [
    ("ant", "Ant-v5"),
    ("halfcheetah", "HalfCheetah-v5"),
    ("hopper", "Hopper-v5"),
    ("humanoid", "Humanoid-v5"),
    ("humanoidstandup", "HumanoidStandup-v5"),
    ("inverteddoublependulum", "InvertedDoublePendulum-v5"),
    ("invertedpendulum", "InvertedPendulum-v5"),
    ("pusher", "Pusher-v5"),
    ("reacher", "Reacher-v5"),
    ("swimmer", "Swimmer-v5"),
    ("walker2d", "Walker2d-v5"),
];

/// The references for an environment (`"Hopper-v5"`), or for the one that a dataset was recorded in
/// (`"hopper-medium-v2"`); `None` where D4RL has none, and of those of its tasks that are not here.
pub fn reference_returns(id: &str) -> Option<ReferenceReturns> {
    let id = env_id(id).unwrap_or(id);
    if let Some(&(_, min, max)) = MAZES.iter().find(|(maze, ..)| *maze == id) {
        return Some(ReferenceReturns { min, max });
    }
    let (name, version) = id.rsplit_once("-v")?;
    let of_name = |task: &&Task| task.env.strip_suffix("-v2") == Some(name);
    let task = LOCOMOTION.iter().find(of_name)?;
    VERSIONS.contains(&version).then_some(ReferenceReturns {
        min: task.min,
        max: task.max,
    })
}

/// D4RL's normalised score of a return, 0 for random and 100 for an expert; `None` where D4RL has no references.
///
/// ```
/// use diffplan_envs::d4rl::normalized_score;
///
/// assert_eq!(normalized_score("Hopper-v5", 3234.3), Some(100.0));
/// assert_eq!(normalized_score("Pendulum-v1", -150.0), None);
/// ```
pub fn normalized_score(env_id: &str, episode_return: f64) -> Option<f64> {
    reference_returns(env_id).map(|references| references.score(episode_return))
}

/// The environment that a dataset of D4RL (`"walker2d-full-replay-v2"`) or of Minari (`"mujoco/hopper/medium-v0"`) was
/// recorded in; `None` for an id that is none of theirs.
pub fn env_id(dataset_id: &str) -> Option<&'static str> {
    if let Some(path) = dataset_id.strip_prefix("mujoco/") {
        let (name, quality) = path.split_once('/')?;
        let known = ["simple-v0", "medium-v0", "expert-v0"].contains(&quality);
        return MINARI
            .iter()
            .find(|(minari, _)| known && *minari == name)
            .map(|(_, env)| *env);
    }
    if let Some((maze, ..)) = MAZES.iter().find(|(maze, ..)| *maze == dataset_id) {
        return Some(maze);
    }
    let (name, version) = dataset_id.rsplit_once("-v")?;
    let (task, quality) = name.split_once('-')?;
    let task = LOCOMOTION.iter().find(|known| known.dataset == task)?;
    let exists = QUALITIES.contains(&quality)
        && match version {
            "0" => quality != "full-replay",
            "1" | "2" => true,
            _ => false,
        };
    exists.then_some(task.env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_have_the_environment_they_were_recorded_in() {
        for (dataset, env) in [
            ("hopper-medium-v2", Some("Hopper-v2")),
            ("hopper-random-v1", Some("Hopper-v2")),
            ("halfcheetah-medium-expert-v0", Some("HalfCheetah-v2")),
            ("walker2d-full-replay-v2", Some("Walker2d-v2")),
            ("walker2d-medium-replay-v0", Some("Walker2d-v2")),
            ("ant-expert-v2", Some("Ant-v2")),
            ("maze2d-umaze-v1", Some("maze2d-umaze-v1")),
            ("mujoco/hopper/medium-v0", Some("Hopper-v5")),
            ("mujoco/halfcheetah/simple-v0", Some("HalfCheetah-v5")),
            (
                "mujoco/inverteddoublependulum/expert-v0",
                Some("InvertedDoublePendulum-v5"),
            ),
            // There are none of these.
            ("walker2d-full-replay-v0", None),
            ("hopper-medium-v3", None),
            ("hopper-good-v2", None),
            ("hopper-v2", None),
            ("Hopper-v5", None),
            ("mujoco/hopper/medium-v1", None),
            ("mujoco/hopper", None),
            ("mujoco/pendulum/medium-v0", None),
            ("Pendulum-v1", None),
            ("", None),
        ] {
            assert_eq!(env_id(dataset), env, "{dataset}");
        }
    }

    /// The returns by which published tables are scored.
    #[test]
    fn references_are_those_of_d4rl() {
        for (names, min, max) in [
            (
                ["Hopper-v2", "Hopper-v5", "hopper-medium-v2", "mujoco/hopper/expert-v0"],
                -20.272305,
                3234.3,
            ),
            (
                [
                    "HalfCheetah-v2",
                    "HalfCheetah-v4",
                    "halfcheetah-random-v0",
                    "halfcheetah-full-replay-v1",
                ],
                -280.178953,
                12135.0,
            ),
            (
                [
                    "Walker2d-v3",
                    "Walker2d-v5",
                    "walker2d-medium-expert-v2",
                    "mujoco/walker2d/medium-v0",
                ],
                1.629008,
                4592.3,
            ),
            (
                ["Ant-v2", "Ant-v5", "ant-medium-v0", "mujoco/ant/medium-v0"],
                -325.6,
                3879.7,
            ),
        ] {
            for name in names {
                assert_eq!(reference_returns(name), Some(ReferenceReturns { min, max }), "{name}");
                assert_eq!(normalized_score(name, min), Some(0.0), "{name}");
                assert_eq!(normalized_score(name, max), Some(100.0), "{name}");
            }
        }
        for name in [
            "Pendulum-v1",
            "MountainCarContinuous-v0",
            "Hopper-v1",
            "Hopper-v6",
            "Hopper",
            "Humanoid-v5",
            "mujoco/humanoid/medium-v0",
            "hopper-v5",
        ] {
            assert_eq!(normalized_score(name, 1.0), None, "{name}");
        }
    }

    /// Every maze of D4RL that can be made has references, and its dataset's id is its own.
    #[test]
    fn mazes_have_references() {
        let registered = crate::registered();
        let ids = registered
            .iter()
            .map(|spec| spec.id.as_str())
            .filter(|id| id.starts_with("maze2d-"));
        let mut count = 0;
        for id in ids {
            let ReferenceReturns { min, max } = reference_returns(id).unwrap();
            assert!(env_id(id) == Some(id) && 0.0 < min && min < max, "{id}");
            count += 1;
        }
        assert_eq!(count, MAZES.len());
        // As in D4RL's d4rl/infos.py and d4rl/pointmaze/__init__.py.
        for (id, expected) in [
            ("maze2d-umaze-v1", [23.85, 161.86]),
            ("maze2d-medium-v0", [5.77, 85.14]),
            ("maze2d-medium-v1", [13.13, 277.39]),
            ("maze2d-large-v1", [6.7, 273.99]),
            ("maze2d-eval-large-dense-v1", [56.95455, 326.09647655082637]),
        ] {
            let ReferenceReturns { min, max } = reference_returns(id).unwrap();
            assert_eq!([min, max], expected, "{id}");
        }
    }

    #[test]
    fn scores_are_linear_in_the_return() {
        let references = reference_returns("maze2d-umaze-v1").unwrap();
        assert!((references.score((23.85 + 161.86) / 2.0) - 50.0).abs() < 1e-12);
        assert!((references.scale(161.86 - 23.85) - 100.0).abs() < 1e-12);
        // Worse than random, better than the expert.
        assert!(references.score(0.0) < 0.0 && references.score(200.0) > 100.0);
    }
}
