//! What can be chosen of the robots, under the names of Gymnasium's arguments and with its defaults.

use std::path::PathBuf;

use crate::{Dict, Error, Result, Value};

/// Which robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robot {
    /// One leg: three joints, 11 observations.
    Hopper,
    /// Two legs: six joints, 17 observations.
    Walker2d,
    /// Two legs and a long body: six joints, 17 observations, no episode terminates.
    HalfCheetah,
    /// Four legs, in space: eight joints, 27 observations and the forces on its bodies.
    Ant,
    /// Three links in a fluid, seen from above: two joints, 8 observations, no episode terminates.
    Swimmer,
    /// An arm of two links whose fingertip is to go to a target: 10 observations, no episode terminates.
    Reacher,
    /// A pole on a cart: 4 observations.
    InvertedPendulum,
    /// Two poles on a cart, one on the other: 9 observations.
    InvertedDoublePendulum,
}

impl Robot {
    /// All of them, and what they are called in ids.
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("Hopper", Self::Hopper),
        ("Walker2d", Self::Walker2d),
        ("HalfCheetah", Self::HalfCheetah),
        ("Ant", Self::Ant),
        ("Swimmer", Self::Swimmer),
        ("Reacher", Self::Reacher),
        ("InvertedPendulum", Self::InvertedPendulum),
        ("InvertedDoublePendulum", Self::InvertedDoublePendulum),
    ];

    /// Numbers in qpos, qvel and ctrl.
    pub(super) fn sizes(self) -> [usize; 3] {
        match self {
            Self::Hopper => [6, 6, 3],
            Self::Walker2d | Self::HalfCheetah => [9, 9, 6],
            // The torso's orientation is a quaternion, its rate is not.
            Self::Ant => [15, 14, 8],
            Self::Swimmer => [5, 5, 2],
            Self::Reacher => [4, 4, 2],
            Self::InvertedPendulum => [2, 2, 1],
            Self::InvertedDoublePendulum => [3, 3, 1],
        }
    }

    /// What its controls are limited to, either way.
    pub(super) fn largest_control(self) -> f32 {
        match self {
            Self::InvertedPendulum => 3.0,
            _ => 1.0,
        }
    }

    /// How many of its coordinates, the first ones, say where it is along the ground.
    pub(super) fn places(self) -> usize {
        match self {
            Self::Hopper | Self::Walker2d | Self::HalfCheetah => 1,
            Self::Ant | Self::Swimmer => 2,
            Self::Reacher | Self::InvertedPendulum | Self::InvertedDoublePendulum => 0,
        }
    }

    /// The versions there are of it.
    pub(super) fn versions(self) -> &'static [Version] {
        use Version::{V2, V3, V4, V5};
        match self {
            Self::Reacher | Self::InvertedPendulum | Self::InvertedDoublePendulum => &[V2, V4, V5],
            _ => &[V2, V3, V4, V5],
        }
    }
}

/// Which version of the environment.
///
/// | | reward of being healthy | terms in `info` | model |
/// | --- | --- | --- | --- |
/// | `V5` | only while healthy | all | Gymnasium's |
/// | `V4` | also in the step that ends the episode | position and velocity; HalfCheetah's, Ant's, Swimmer's and Reacher's terms | Gymnasium's; Walker2d's right foot has a friction of 0.9 |
/// | `V3` | as `V4` | as `V4`, and Ant's `reward_contact` | as `V4`, and margins as MuJoCo took them before 3.5.0 |
/// | `V2` | as `V4` | HalfCheetah's, Ant's, Swimmer's and Reacher's terms alone | as `V3` |
///
/// `V2` is what D4RL's datasets were made with, `V3` the same with arguments. From MuJoCo 3.5.0 on the margins of two geoms
/// are summed where they meet; before, the larger counted. Hopper and Ant alone have margins: in `V2` and `V3` they are
/// halved for those versions, so that contacts begin where they began for D4RL, in `V4` and `V5` they are as Gymnasium has
/// them.
///
/// Of the others:
///
/// - Ant observes forces on its bodies in `V5` (78 numbers, without those on the world) and, where it is asked to, in `V4`
///   (`use_contact_forces`, 84 numbers). In `V2` and `V3` there are 84 zeros: MuJoCo 2.0, which D4RL's datasets were made on,
///   and all later releases leave `cfrc_ext` alone unless they are asked for it, and mujoco-py did not ask (on 1.50 they were
///   forces). So these cost nothing there.
/// - Reacher's distance is in `V5` that after the step, before that the one at its beginning; its observation has a third
///   number of it, which is 0.
/// - `InvertedPendulum` gives a reward in the step that ends the episode up to `V4`, and so does `InvertedDoublePendulum`,
///   which observes the force at each joint, not at the cart alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Gym's, on mujoco-py; D4RL's.
    V2,
    /// Gym's, on mujoco-py, with arguments.
    V3,
    /// Gymnasium's first on MuJoCo's own bindings.
    V4,
    /// Gymnasium's latest.
    V5,
}

impl Version {
    /// How an id ends.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
            Self::V5 => "v5",
        }
    }

    /// Whether it was on mujoco-py.
    pub(super) fn is_of_mujoco_py(self) -> bool {
        self <= Self::V3
    }
}

/// A body of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// By its place in the model; 0 is the world.
    Index(usize),
    /// By name.
    Name(String),
}

/// What a robot is made with; [`Options::new`] gives Gymnasium's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// A model file of the user's own with as many joints and actuators, these limited as the robot's (to ±1, of
    /// InvertedPendulum ±3), such as one of a Gymnasium installation; a path as it is. The default is the one that comes with
    /// this crate.
    pub xml_file: Option<PathBuf>,
    /// Time steps of the simulation a step of the environment.
    pub frame_skip: usize,
    /// Weight of the velocity in the reward.
    pub forward_reward_weight: f64,
    /// Weight of the squared action in the cost.
    pub ctrl_cost_weight: f64,
    /// Weight of the squared forces on bodies in the cost (Ant).
    pub contact_cost_weight: f64,
    /// Reward a step for being healthy (Hopper, Walker2d, Ant, InvertedDoublePendulum).
    pub healthy_reward: f64,
    /// Whose place the velocity is that counts (Ant).
    pub main_body: Body,
    /// Whether an episode ends where the robot is no longer healthy (where it can be so).
    pub terminate_when_unhealthy: bool,
    /// Between which all of position and velocity but x and z must lie (Hopper).
    pub healthy_state_range: [f64; 2],
    /// Between which the height must lie (Hopper, Walker2d; Ant, the ends included).
    pub healthy_z_range: [f64; 2],
    /// Between which the torso's angle must lie (Hopper, Walker2d).
    pub healthy_angle_range: [f64; 2],
    /// What forces on bodies are clipped to (Ant).
    pub contact_force_range: [f64; 2],
    /// Weight of the distance in the reward (Reacher).
    pub reward_dist_weight: f64,
    /// Weight of the squared action in the cost (Reacher).
    pub reward_control_weight: f64,
    /// Size of the noise on position and velocity where an episode starts (not Reacher's, which is fixed).
    pub reset_noise_scale: f64,
    /// Whether the observation leaves out x, and of Ant and Swimmer y.
    pub exclude_current_positions_from_observation: bool,
    /// Whether forces on bodies are observed and cost (Ant, version 4).
    pub use_contact_forces: bool,
    /// Whether forces on bodies are observed (Ant, version 5).
    pub include_cfrc_ext_in_observation: bool,
}

impl Options {
    /// Gymnasium's defaults.
    pub fn new(robot: Robot) -> Self {
        let hopper = Self {
            xml_file: None,
            frame_skip: 4,
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            contact_cost_weight: 5e-4,
            healthy_reward: 1.0,
            main_body: Body::Index(1),
            terminate_when_unhealthy: true,
            healthy_state_range: [-100.0, 100.0],
            healthy_z_range: [0.7, f64::INFINITY],
            healthy_angle_range: [-0.2, 0.2],
            contact_force_range: [-1.0, 1.0],
            reward_dist_weight: 1.0,
            reward_control_weight: 1.0,
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
            use_contact_forces: false,
            include_cfrc_ext_in_observation: true,
        };
        match robot {
            Robot::Hopper => hopper,
            Robot::Walker2d => Self {
                healthy_z_range: [0.8, 2.0],
                healthy_angle_range: [-1.0, 1.0],
                ..hopper
            },
            Robot::HalfCheetah => Self {
                frame_skip: 5,
                ctrl_cost_weight: 0.1,
                reset_noise_scale: 0.1,
                ..hopper
            },
            Robot::Ant => Self {
                frame_skip: 5,
                ctrl_cost_weight: 0.5,
                healthy_z_range: [0.2, 1.0],
                reset_noise_scale: 0.1,
                ..hopper
            },
            Robot::Swimmer => Self {
                ctrl_cost_weight: 1e-4,
                reset_noise_scale: 0.1,
                ..hopper
            },
            Robot::Reacher => Self {
                frame_skip: 2,
                ..hopper
            },
            Robot::InvertedPendulum => Self {
                frame_skip: 2,
                reset_noise_scale: 0.01,
                ..hopper
            },
            Robot::InvertedDoublePendulum => Self {
                frame_skip: 5,
                healthy_reward: 10.0,
                reset_noise_scale: 0.1,
                ..hopper
            },
        }
    }

    /// The defaults with what Gymnasium's `make` would hand on in their place.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownOption`] for an argument that the environment does not have, [`Error::OptionKind`] and
    /// [`Error::OptionValue`] for a value that is none.
    pub fn from_kwargs(robot: Robot, version: Version, kwargs: &Dict) -> Result<Self> {
        let known = known(robot, version);
        let mut options = Self::new(robot);
        for (name, value) in kwargs.iter() {
            let Some(&name) = known.iter().find(|&&known| known == name) else {
                return Err(Error::UnknownOption {
                    name: name.to_owned(),
                    known,
                });
            };
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &'static str, value: &Value) -> Result<()> {
        match name {
            "xml_file" => match value {
                Value::String(file) => self.xml_file = Some(file.into()),
                _ => return Err(wrong(name, value, "the path of a file")),
            },
            "frame_skip" => {
                let count = value.as_i64().and_then(|count| usize::try_from(count).ok());
                self.frame_skip = count
                    .filter(|&count| count > 0)
                    .ok_or_else(|| wrong(name, value, "an integer of at least 1"))?;
            }
            "forward_reward_weight" => self.forward_reward_weight = number(name, value)?,
            "ctrl_cost_weight" => self.ctrl_cost_weight = number(name, value)?,
            "contact_cost_weight" => self.contact_cost_weight = number(name, value)?,
            "healthy_reward" => self.healthy_reward = number(name, value)?,
            "main_body" => {
                self.main_body = match value {
                    Value::String(body) => Body::Name(body.clone()),
                    _ => {
                        let index = value.as_i64().and_then(|index| usize::try_from(index).ok());
                        Body::Index(index.ok_or_else(|| wrong(name, value, "the name of a body, or its index"))?)
                    }
                };
            }
            "terminate_when_unhealthy" => self.terminate_when_unhealthy = truth(name, value)?,
            "healthy_state_range" => self.healthy_state_range = range(name, value)?,
            "healthy_z_range" => self.healthy_z_range = range(name, value)?,
            "healthy_angle_range" => self.healthy_angle_range = range(name, value)?,
            "contact_force_range" => self.contact_force_range = range(name, value)?,
            "reward_dist_weight" => self.reward_dist_weight = number(name, value)?,
            "reward_control_weight" => self.reward_control_weight = number(name, value)?,
            "reset_noise_scale" => {
                self.reset_noise_scale = number(name, value)?;
                if self.reset_noise_scale < 0.0 {
                    return Err(wrong(name, value, "a number of at least 0"));
                }
            }
            "exclude_current_positions_from_observation" => {
                self.exclude_current_positions_from_observation = truth(name, value)?;
            }
            "use_contact_forces" => self.use_contact_forces = truth(name, value)?,
            "include_cfrc_ext_in_observation" => self.include_cfrc_ext_in_observation = truth(name, value)?,
            _ => unreachable!("every known option is above"),
        }
        Ok(())
    }
}

/// The arguments of the environment's constructor.
fn known(robot: Robot, version: Version) -> &'static [&'static str] {
    // Each list is the next with more in front; versions 4 (from 2 on) and 3 (from 1 on) have less.
    const HOPPER: &[&str] = &[
        "frame_skip",
        "xml_file",
        "forward_reward_weight",
        "ctrl_cost_weight",
        "reset_noise_scale",
        "exclude_current_positions_from_observation",
        "healthy_reward",
        "terminate_when_unhealthy",
        "healthy_z_range",
        "healthy_angle_range",
        "healthy_state_range",
    ];
    // Version 4 has the first alone besides those of version 3, which begin with the second.
    const ANT: &[&str] = &[
        "use_contact_forces",
        "xml_file",
        "ctrl_cost_weight",
        "contact_cost_weight",
        "healthy_reward",
        "terminate_when_unhealthy",
        "healthy_z_range",
        "contact_force_range",
        "reset_noise_scale",
        "exclude_current_positions_from_observation",
    ];
    const ANT_V5: &[&str] = &[
        "xml_file",
        "frame_skip",
        "forward_reward_weight",
        "ctrl_cost_weight",
        "contact_cost_weight",
        "healthy_reward",
        "main_body",
        "terminate_when_unhealthy",
        "healthy_z_range",
        "contact_force_range",
        "reset_noise_scale",
        "exclude_current_positions_from_observation",
        "include_cfrc_ext_in_observation",
    ];
    let end = match robot {
        Robot::Hopper => HOPPER.len(),
        Robot::Walker2d => HOPPER.len() - 1,
        Robot::HalfCheetah | Robot::Swimmer => HOPPER.len() - 5,
        Robot::Ant => {
            return match version {
                Version::V2 => &[],
                Version::V3 => &ANT[1..],
                Version::V4 => ANT,
                Version::V5 => ANT_V5,
            };
        }
        Robot::Reacher if version == Version::V5 => {
            return &["xml_file", "frame_skip", "reward_dist_weight", "reward_control_weight"];
        }
        Robot::InvertedPendulum if version == Version::V5 => {
            return &["xml_file", "frame_skip", "reset_noise_scale"];
        }
        Robot::InvertedDoublePendulum if version == Version::V5 => {
            return &["xml_file", "frame_skip", "healthy_reward", "reset_noise_scale"];
        }
        Robot::Reacher | Robot::InvertedPendulum | Robot::InvertedDoublePendulum => return &[],
    };
    match version {
        Version::V2 => &[],
        Version::V3 => &HOPPER[1..end],
        Version::V4 => &HOPPER[2..end],
        Version::V5 => &HOPPER[..end],
    }
}

fn wrong(name: &'static str, value: &Value, expected: &'static str) -> Error {
    Error::OptionValue {
        name,
        actual: value.to_string(),
        expected,
    }
}

fn number(name: &'static str, value: &Value) -> Result<f64> {
    let expected = "a finite number";
    let number = value.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| wrong(name, value, expected))
}

fn truth(name: &'static str, value: &Value) -> Result<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong(name, value, "true or false")),
    }
}

fn range(name: &'static str, value: &Value) -> Result<[f64; 2]> {
    let ends = match value {
        Value::Array(ends) => ends.as_slice().and_then(|ends| <[f64; 2]>::try_from(ends).ok()),
        _ => None,
    };
    ends.filter(|[low, high]| low <= high)
        .ok_or_else(|| wrong(name, value, "an array of two numbers, the lower first"))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn arguments_replace_defaults() {
        let mut kwargs = Dict::from_iter([("ctrl_cost_weight", 0.5)]);
        kwargs.insert("healthy_z_range", array![0.5, 3.0]);
        kwargs.insert("terminate_when_unhealthy", false);
        kwargs.insert("frame_skip", 2_i64);
        kwargs.insert("xml_file", "mine.xml");
        let options = Options::from_kwargs(Robot::Walker2d, Version::V5, &kwargs).unwrap();
        let expected = Options {
            ctrl_cost_weight: 0.5,
            healthy_z_range: [0.5, 3.0],
            terminate_when_unhealthy: false,
            frame_skip: 2,
            xml_file: Some("mine.xml".into()),
            ..Options::new(Robot::Walker2d)
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn a_robot_has_the_arguments_of_its_version() {
        let takes = |robot, version, name: &str, value: Value| {
            Options::from_kwargs(robot, version, &Dict::from_iter([(name, value)])).is_ok()
        };
        let range = || Value::from(array![0.0, 1.0]);
        assert!(takes(Robot::Hopper, Version::V5, "healthy_state_range", range()));
        assert!(!takes(Robot::Walker2d, Version::V5, "healthy_state_range", range()));
        assert!(takes(Robot::Walker2d, Version::V4, "healthy_angle_range", range()));
        assert!(!takes(Robot::HalfCheetah, Version::V5, "healthy_z_range", range()));
        assert!(takes(Robot::HalfCheetah, Version::V4, "reset_noise_scale", 0.0.into()));
        assert!(!takes(Robot::HalfCheetah, Version::V4, "frame_skip", 5_i64.into()));
        assert!(!takes(Robot::Hopper, Version::V2, "ctrl_cost_weight", 0.0.into()));
        assert!(takes(Robot::Hopper, Version::V3, "xml_file", "mine.xml".into()));
        assert!(!takes(Robot::Hopper, Version::V3, "frame_skip", 5_i64.into()));
        assert!(!takes(Robot::Hopper, Version::V4, "xml_file", "mine.xml".into()));
        assert!(takes(Robot::Ant, Version::V4, "xml_file", "mine.xml".into()));
        assert!(takes(Robot::Ant, Version::V4, "use_contact_forces", true.into()));
        assert!(!takes(Robot::Ant, Version::V3, "use_contact_forces", true.into()));
        assert!(!takes(Robot::Ant, Version::V4, "forward_reward_weight", 2.0.into()));
        assert!(takes(Robot::Ant, Version::V5, "main_body", "torso".into()));
        assert!(takes(Robot::Ant, Version::V5, "main_body", 1_i64.into()));
        assert!(!takes(Robot::Ant, Version::V5, "main_body", (-1_i64).into()));
        assert!(!takes(Robot::Swimmer, Version::V5, "healthy_reward", 1.0.into()));
        assert!(takes(Robot::Swimmer, Version::V3, "xml_file", "mine.xml".into()));
        assert!(takes(Robot::Reacher, Version::V5, "reward_dist_weight", 2.0.into()));
        assert!(!takes(Robot::Reacher, Version::V4, "reward_dist_weight", 2.0.into()));
        assert!(!takes(Robot::Reacher, Version::V5, "reset_noise_scale", 0.0.into()));
        assert!(takes(
            Robot::InvertedDoublePendulum,
            Version::V5,
            "healthy_reward",
            1.0.into()
        ));
        assert!(!takes(
            Robot::InvertedPendulum,
            Version::V5,
            "healthy_reward",
            1.0.into()
        ));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_was_expected() {
        for (name, value, message) in [
            (
                "frame_skip",
                Value::from(0_i64),
                "option \"frame_skip\" is 0, expected an integer of at least 1",
            ),
            (
                "ctrl_cost_weight",
                f64::NAN.into(),
                "option \"ctrl_cost_weight\" is NaN, expected a finite number",
            ),
            (
                "reset_noise_scale",
                (-1.0).into(),
                "option \"reset_noise_scale\" is -1, expected a number of at least 0",
            ),
            (
                "terminate_when_unhealthy",
                1.0.into(),
                "option \"terminate_when_unhealthy\" is 1, expected true or false",
            ),
            (
                "healthy_z_range",
                array![2.0, 1.0].into(),
                "option \"healthy_z_range\" is [2, 1], expected an array of two numbers, the lower first",
            ),
            (
                "xml_file",
                true.into(),
                "option \"xml_file\" is true, expected the path of a file",
            ),
        ] {
            let error =
                Options::from_kwargs(Robot::Hopper, Version::V5, &Dict::from_iter([(name, value)])).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
