//! [`FnPolicy`]: a function of the observation as a policy.

use super::Policy;
use crate::error::{Error, Result};
use ndarray::{Array1, ArrayView1, ArrayView2, ArrayViewMut2};

/// A function from an observation (observation dimensions) to an action (action dimensions), with a name: a controller that keeps
/// nothing of an episode.
pub struct FnPolicy<F> {
    name: String,
    function: F,
}

impl<F: FnMut(ArrayView1<f64>) -> Array1<f32> + Send> FnPolicy<F> {
    /// The policy that `name` stands for in reports.
    pub fn new(name: impl Into<String>, function: F) -> Self {
        Self {
            name: name.into(),
            function,
        }
    }
}

impl<F: FnMut(ArrayView1<f64>) -> Array1<f32> + Send> Policy for FnPolicy<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        let rows = observations.outer_iter().zip(actions.outer_iter_mut());
        for (&slot, (observation, mut row)) in slots.iter().zip(rows) {
            let action = (self.function)(observation);
            if action.len() != row.len() {
                let (name, given, expected) = (&self.name, action.len(), row.len());
                let message =
                    format!("policy {name} gave an action of {given} dimensions, the environment takes {expected}");
                let error = Box::new(Error::Parts(message));
                return Err(Error::InSlot { slot, error });
            }
            row.assign(&action);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Start, rollout};
    use ndarray::array;

    #[test]
    fn a_function_acts_and_an_action_of_another_length_is_an_error() {
        let mut env = diffplan_envs::make("Pendulum-v1").unwrap();
        let start = Start::alone(0, 1000);
        let mut seen = 0;
        let mut damper = FnPolicy::new("damper", |observation: ArrayView1<f64>| {
            seen += 1;
            array![-observation[2] as f32]
        });
        let episode = rollout(&mut env, &start, &mut damper, &mut |_| ()).unwrap();
        assert_eq!(
            episode.actions[[7, 0]],
            (-episode.observations[[7, 2]] as f32).clamp(-2.0, 2.0)
        );
        assert_eq!(seen, 200);

        let mut wrong = FnPolicy::new("wrong", |_: ArrayView1<f64>| array![0.0, 0.0]);
        let error = rollout(&mut env, &start, &mut wrong, &mut |_| ()).unwrap_err();
        let expected = "policy wrong gave an action of 2 dimensions, the environment takes 1";
        assert_eq!(error.to_string(), expected);
    }
}
