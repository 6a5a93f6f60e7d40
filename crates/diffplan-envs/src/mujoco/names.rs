//! What the dimensions of the robots' observations and actions are called.

use super::Robot;

/// Of observations, without the place along the ground, and of actions.
pub(super) fn names(robot: Robot) -> (&'static [&'static str], &'static [&'static str]) {
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
    }
}
