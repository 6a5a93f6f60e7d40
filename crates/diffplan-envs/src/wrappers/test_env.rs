//! An environment for the tests of the wrappers, which shows what reaches it.

use ndarray::{Array1, ArrayView1, array};

use crate::{BoxSpace, Dtype, Env, Error, Frame, Info, Overlay, ResetOptions, Result, Space, Step};

/// Counts its steps: the observation is the action that it was given, the reward the number of the step, and it
/// terminates at `terminates_at`. Its `reset` fails if the options have a key `fail`, its `step` if the action has not
/// the right length, and it enforces no order.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    steps: f64,
    terminates_at: Option<u32>,
    action_space: Space,
    observation_space: Space,
}

impl Counter {
    pub(crate) fn new(terminates_at: Option<u32>) -> Self {
        let space = |bound: f64| BoxSpace::new(array![-bound], array![bound], Dtype::Float32).unwrap();
        Self {
            steps: 0.0,
            terminates_at,
            action_space: space(2.0).into(),
            observation_space: space(9.0).into(),
        }
    }

    pub(crate) fn with_action_space(space: impl Into<Space>) -> Self {
        Self {
            action_space: space.into(),
            ..Self::new(None)
        }
    }

    pub(crate) fn with_action_bounds(low: Array1<f64>, high: Array1<f64>) -> Self {
        Self::with_action_space(BoxSpace::new(low, high, Dtype::Float32).unwrap())
    }
}

impl Env for Counter {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, _seed: Option<u64>, options: &ResetOptions) -> Result<(Array1<f64>, Info)> {
        if options.contains_key("fail") {
            return Err(Error::UnknownOption {
                name: "fail".into(),
                known: &[],
            });
        }
        self.steps = 0.0;
        Ok((array![0.0], Info::new()))
    }

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        let expected = self.action_space.as_box()?.dim();
        if action.len() != expected {
            return Err(Error::ActionLength {
                expected,
                actual: action.len(),
            });
        }
        self.steps += 1.0;
        Ok(Step {
            observation: action.mapv(f64::from),
            reward: self.steps,
            terminated: self.terminates_at.is_some_and(|at| self.steps >= f64::from(at)),
            truncated: false,
            info: Info::new(),
        })
    }

    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn render_with(&self, _overlay: &Overlay) -> Result<Frame> {
        Ok(Frame {
            width: 1,
            height: 1,
            pixels: vec![1, 2, 3],
        })
    }

    fn state(&self) -> Result<Array1<f64>> {
        Ok(array![self.steps])
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        self.steps = state[0];
        Ok(array![0.0])
    }
}
