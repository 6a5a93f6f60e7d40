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
}

impl Robot {
    /// Numbers in qpos (as many as in qvel) and in ctrl.
    pub(super) fn sizes(self) -> (usize, usize) {
        match self {
            Self::Hopper => (6, 3),
            Self::Walker2d | Self::HalfCheetah => (9, 6),
        }
    }

    /// Whether velocities are clipped to ±10 where they are observed.
    pub(super) fn clips_velocities(self) -> bool {
        self != Self::HalfCheetah
    }
}

/// Which version of the environment.
///
/// | | reward of being healthy | terms in `info` | model |
/// | --- | --- | --- | --- |
/// | `V5` | only while healthy | all | Gymnasium's |
/// | `V4` | also in the step that ends the episode | position and velocity; HalfCheetah's two terms | Gymnasium's; Walker2d's right foot has a friction of 0.9 |
/// | `V2` | as `V4` | HalfCheetah's two terms alone | as `V4`, and margins as MuJoCo took them before 3.5.0 |
///
/// `V2` is what D4RL's datasets were made with. From MuJoCo 3.5.0 on the margins of two geoms are summed where they
/// meet; before, the larger counted. Hopper alone has margins: in `V2` they are halved for those versions, so that
/// contacts begin where they began for D4RL, in `V4` and `V5` they are as Gymnasium has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Gym's, on mujoco-py; D4RL's.
    V2,
    /// Gymnasium's first on MuJoCo's own bindings.
    V4,
    /// Gymnasium's latest.
    V5,
}

/// What a robot is made with; [`Options::new`] gives Gymnasium's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// A model file of the user's own with as many joints and actuators, these limited to ±1, such as one of a Gymnasium
    /// installation; a path as it is. The default is the one that comes with this crate.
    pub xml_file: Option<PathBuf>,
    /// Time steps of the simulation a step of the environment.
    pub frame_skip: usize,
    /// Weight of the velocity in the reward.
    pub forward_reward_weight: f64,
    /// Weight of the squared action in the cost.
    pub ctrl_cost_weight: f64,
    /// Reward a step for being healthy (not HalfCheetah).
    pub healthy_reward: f64,
    /// Whether an episode ends where the robot is no longer healthy (not HalfCheetah).
    pub terminate_when_unhealthy: bool,
    /// Between which all of position and velocity but x and z must lie (Hopper).
    pub healthy_state_range: [f64; 2],
    /// Between which the height must lie (not HalfCheetah).
    pub healthy_z_range: [f64; 2],
    /// Between which the torso's angle must lie (not HalfCheetah).
    pub healthy_angle_range: [f64; 2],
    /// Size of the noise on position and velocity where an episode starts.
    pub reset_noise_scale: f64,
    /// Whether the observation leaves out x.
    pub exclude_current_positions_from_observation: bool,
}

impl Options {
    /// Gymnasium's defaults.
    pub fn new(robot: Robot) -> Self {
        let hopper = Self {
            xml_file: None,
            frame_skip: 4,
            forward_reward_weight: 1.0,
            ctrl_cost_weight: 1e-3,
            healthy_reward: 1.0,
            terminate_when_unhealthy: true,
            healthy_state_range: [-100.0, 100.0],
            healthy_z_range: [0.7, f64::INFINITY],
            healthy_angle_range: [-0.2, 0.2],
            reset_noise_scale: 5e-3,
            exclude_current_positions_from_observation: true,
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
            "healthy_reward" => self.healthy_reward = number(name, value)?,
            "terminate_when_unhealthy" => self.terminate_when_unhealthy = truth(name, value)?,
            "healthy_state_range" => self.healthy_state_range = range(name, value)?,
            "healthy_z_range" => self.healthy_z_range = range(name, value)?,
            "healthy_angle_range" => self.healthy_angle_range = range(name, value)?,
            "reset_noise_scale" => {
                self.reset_noise_scale = number(name, value)?;
                if self.reset_noise_scale < 0.0 {
                    return Err(wrong(name, value, "a number of at least 0"));
                }
            }
            "exclude_current_positions_from_observation" => {
                self.exclude_current_positions_from_observation = truth(name, value)?;
            }
            _ => unreachable!("every known option is above"),
        }
        Ok(())
    }
}

/// The arguments of the environment's constructor.
fn known(robot: Robot, version: Version) -> &'static [&'static str] {
    // Each list is the next with more in front.
    const HOPPER: &[&str] = &[
        "xml_file",
        "frame_skip",
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
    let end = match robot {
        Robot::Hopper => HOPPER.len(),
        Robot::Walker2d => HOPPER.len() - 1,
        Robot::HalfCheetah => HOPPER.len() - 5,
    };
    match version {
        Version::V2 => &[],
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
