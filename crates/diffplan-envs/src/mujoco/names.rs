//! What the dimensions of the robots' observations and actions are called.

use super::{Robot, Version};

/// Of observations, without the place along the ground, and of actions.
pub(super) fn names(robot: Robot, version: Version) -> (Vec<String>, Vec<String>) {
    let (observations, actions) = fixed(robot, version);
    let mut observations: Vec<String> = observations.iter().map(|&name| name.to_owned()).collect();
    if robot == Robot::Ant {
        // In version 5 without the world; version 4 observes none unless it is asked to.
        let bodies = match version {
            Version::V2 | Version::V3 => 0..14,
            Version::V4 => 0..0,
            Version::V5 => 1..14,
        };
        for body in bodies {
            for kind in ["torque", "force"] {
                observations.extend(["x", "y", "z"].map(|axis| format!("{axis} {kind} on body {body}")));
            }
        }
    }
    (observations, actions.iter().map(|&name| name.to_owned()).collect())
}

fn fixed(robot: Robot, version: Version) -> (&'static [&'static str], &'static [&'static str]) {
    match robot {
        Robot::Hopper => (
            &[
                "height",
                "torso angle",
                "thigh angle",
                "leg angle",
                "foot angle",
                "x velocity",
                "z velocity",
                "torso rate",
                "thigh rate",
                "leg rate",
                "foot rate",
            ],
            &["thigh torque", "leg torque", "foot torque"],
        ),
        Robot::Walker2d => (
            &[
                "height",
                "torso angle",
                "right thigh angle",
                "right leg angle",
                "right foot angle",
                "left thigh angle",
                "left leg angle",
                "left foot angle",
                "x velocity",
                "z velocity",
                "torso rate",
                "right thigh rate",
                "right leg rate",
                "right foot rate",
                "left thigh rate",
                "left leg rate",
                "left foot rate",
            ],
            &[
                "right thigh torque",
                "right leg torque",
                "right foot torque",
                "left thigh torque",
                "left leg torque",
                "left foot torque",
            ],
        ),
        Robot::HalfCheetah => (
            &[
                "height",
                "torso angle",
                "back thigh angle",
                "back shin angle",
                "back foot angle",
                "front thigh angle",
                "front shin angle",
                "front foot angle",
                "x velocity",
                "z velocity",
                "torso rate",
                "back thigh rate",
                "back shin rate",
                "back foot rate",
                "front thigh rate",
                "front shin rate",
                "front foot rate",
            ],
            &[
                "back thigh torque",
                "back shin torque",
                "back foot torque",
                "front thigh torque",
                "front shin torque",
                "front foot torque",
            ],
        ),
        Robot::Ant => (
            &[
                "height",
                "torso quaternion w",
                "torso quaternion x",
                "torso quaternion y",
                "torso quaternion z",
                "front left hip angle",
                "front left ankle angle",
                "front right hip angle",
                "front right ankle angle",
                "back left hip angle",
                "back left ankle angle",
                "back right hip angle",
                "back right ankle angle",
                "x velocity",
                "y velocity",
                "z velocity",
                "torso rate about x",
                "torso rate about y",
                "torso rate about z",
                "front left hip rate",
                "front left ankle rate",
                "front right hip rate",
                "front right ankle rate",
                "back left hip rate",
                "back left ankle rate",
                "back right hip rate",
                "back right ankle rate",
            ],
            &[
                "back right hip torque",
                "back right ankle torque",
                "front left hip torque",
                "front left ankle torque",
                "front right hip torque",
                "front right ankle torque",
                "back left hip torque",
                "back left ankle torque",
            ],
        ),
        Robot::Swimmer => (
            &[
                "front angle",
                "first joint angle",
                "second joint angle",
                "x velocity",
                "y velocity",
                "front rate",
                "first joint rate",
                "second joint rate",
            ],
            &["first joint torque", "second joint torque"],
        ),
        Robot::Reacher => {
            const ALL: &[&str] = &[
                "cos shoulder angle",
                "cos elbow angle",
                "sin shoulder angle",
                "sin elbow angle",
                "target x",
                "target y",
                "shoulder rate",
                "elbow rate",
                "x to fingertip",
                "y to fingertip",
                "z to fingertip",
            ];
            let end = ALL.len() - usize::from(version == Version::V5);
            (&ALL[..end], &["shoulder torque", "elbow torque"])
        }
        Robot::InvertedPendulum => (
            &["cart position", "pole angle", "cart velocity", "pole rate"],
            &["force on the cart"],
        ),
        Robot::InvertedDoublePendulum => {
            const ALL: &[&str] = &[
                "cart position",
                "sin lower angle",
                "sin upper angle",
                "cos lower angle",
                "cos upper angle",
                "cart velocity",
                "lower rate",
                "upper rate",
                "constraint force on the cart",
                "constraint torque on the lower pole",
                "constraint torque on the upper pole",
            ];
            let end = if version == Version::V5 {
                ALL.len() - 2
            } else {
                ALL.len()
            };
            (&ALL[..end], &["force on the cart"])
        }
    }
}
