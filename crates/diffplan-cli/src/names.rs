//! What the dimensions of known environments are called, for tables and pictures.

/// The names of an environment's dimensions.
pub(crate) struct Names {
    pub(crate) observations: Vec<String>,
    pub(crate) actions: Vec<String>,
}

impl Names {
    /// Those of `env`; numbered ones where it is not known, or known with other dimensions.
    pub(crate) fn of(env: Option<&str>, observation_dim: usize, action_dim: usize) -> Self {
        let (observations, actions): (&[&str], &[&str]) = match env {
            Some("Pendulum-v1") => (&["cos θ", "sin θ", "dθ/dt"], &["torque"]),
            Some("MountainCarContinuous-v0") => (&["position", "velocity"], &["force"]),
            Some(id) if id.to_lowercase().starts_with("hopper-") => (
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
            Some(id) if id.to_lowercase().starts_with("walker2d-") => (
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
            Some(id) if id.to_lowercase().starts_with("halfcheetah-") => (
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
            _ => (&[], &[]),
        };
        Self {
            observations: known_or_numbered(observations, "observation", observation_dim),
            actions: known_or_numbered(actions, "action", action_dim),
        }
    }
}

fn known_or_numbered(known: &[&str], kind: &str, dim: usize) -> Vec<String> {
    if known.len() == dim {
        return known.iter().map(|&name| name.to_owned()).collect();
    }
    match dim {
        1 => vec![kind.to_owned()],
        _ => (0..dim).map(|i| format!("{kind} {i}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_dimensions_are_numbered() {
        assert_eq!(Names::of(Some("Pendulum-v1"), 3, 1).observations[2], "dθ/dt");
        let other = Names::of(Some("Pendulum-v1"), 2, 2);
        assert_eq!(other.observations, ["observation 0", "observation 1"]);
        assert_eq!(other.actions, ["action 0", "action 1"]);
        assert_eq!(Names::of(None, 3, 1).actions, ["action"]);
    }
}
