//! `MountainCarContinuous-v0`: drive an underpowered car out of a valley by swinging back and forth.
//!
//! With x the position, v the velocity, a the action, f = clip(a, ±1):
//!
//! ```text
//! v' = clip(v + 0.0015 · f - 0.0025 · cos 3x, ±0.07)
//! x' = clip(x + v', -1.2, 0.6), and v' = 0 where it hits the left wall
//! terminated = x' >= 0.45 and v' >= goal_velocity
//! reward = (100 if terminated) - 0.1 · a²
//! ```
//!
//! Source: Gymnasium 1.4.0, `classic_control/continuous_mountain_car.py`. There the state is `float64` after `reset` and
//! `float32` after every step, and all that follows from it has its precision. Here it is kept as `f64`, and every result
//! in single precision is one in double precision rounded: for `+`, `-` and `·` of `float32` numbers that is the same
//! (S. Figueroa, "When is double rounding innocuous?", 1995).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, array};

use super::track::{GOAL_POSITION, MAX_POSITION, MIN_POSITION};
use super::{
    draw, float32_box, float32_observation, numbers, observation_elements, random_stream, single_action,
    state_elements, usable,
};
use crate::{Dict, Env, Error, Frame, Info, NumpyRng, Overlay, ResetOptions, Result, Space, Step};

const MAX_SPEED: f64 = 0.07;
const MAX_FORCE: f32 = 1.0;
const POWER: f64 = 0.0015;
const GRAVITY: f64 = 0.0025;

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    position: f64,
    velocity: f64,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    /// Right after a reset.
    Double,
    /// After a step.
    Single,
}

impl Precision {
    fn round(self, value: f64) -> f64 {
        match self {
            Self::Double => value,
            Self::Single => single(value),
        }
    }
}

fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The environment `MountainCarContinuous-v0`.
///
/// | | elements |
/// | --- | --- |
/// | observation `(2,)` | position (-1.2 to 0.6), velocity (within ±0.07) |
/// | action `(1,)` | force, positive to the right, clipped to ±1 |
/// | state `(2,)` | position, velocity |
///
/// Options of [`Env::reset`]: `low` (default -0.6) and `high` (default -0.4), the bounds between which the position is
/// drawn; the velocity is 0. The time limit is the registry's to add.
///
/// [`Env::set_state`] takes a state whose numbers `f32` can hold for one after a step, where the dynamics run in single
/// precision, and any other for one after a reset, where they run in double precision.
#[derive(Debug, Clone)]
pub struct MountainCarContinuous {
    goal_velocity: f64,
    rng: Option<NumpyRng>,
    state: Option<State>,
    observation_space: Space,
    action_space: Space,
}

impl MountainCarContinuous {
    /// A car that must reach the goal with at least `goal_velocity`; Gymnasium's default is 0.
    ///
    /// # Errors
    ///
    /// [`Error::OptionNotFinite`] if it is not finite.
    pub fn new(goal_velocity: f64) -> Result<Self> {
        Ok(Self {
            goal_velocity: usable("goal_velocity", goal_velocity, goal_velocity)?,
            rng: None,
            state: None,
            observation_space: float32_box([MIN_POSITION, -MAX_SPEED], [MAX_POSITION, MAX_SPEED]),
            action_space: float32_box([-f64::from(MAX_FORCE)], [f64::from(MAX_FORCE)]),
        })
    }

    /// A car with the arguments that Gymnasium's `make` passes on: `goal_velocity`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownOption`], [`Error::OptionKind`] and [`Error::OptionNotFinite`].
    pub fn from_kwargs(kwargs: &Dict) -> Result<Self> {
        let [goal_velocity] = numbers(kwargs, &["goal_velocity"], [0.0])?;
        Self::new(goal_velocity)
    }

    fn enter(&mut self, state: State) -> Result<Array1<f64>> {
        // Three times the position enters the dynamics, and must be a number as well.
        for (index, (value, factor)) in [(state.position, 3.0), (state.velocity, 1.0)].into_iter().enumerate() {
            if !single(value * factor).is_finite() {
                return Err(Error::StateTooLarge { index, value });
            }
        }
        self.state = Some(state);
        Ok(float32_observation([state.position, state.velocity]))
    }
}

impl Env for MountainCarContinuous {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Array1<f64>, Info)> {
        let [low, high] = numbers(options, &["low", "high"], [-0.6, -0.4])?;
        if low > high {
            return Err(Error::ResetBounds {
                name: "position",
                low,
                high,
            });
        }
        usable("high", high, high - low)?;
        let position = random_stream(&mut self.rng, seed)?.uniform(low, high);
        let observation = self.enter(State {
            position,
            velocity: 0.0,
            precision: Precision::Double,
        })?;
        Ok((observation, Info::new()))
    }

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        let State {
            position,
            velocity,
            precision,
        } = self.state.ok_or(Error::ResetNeeded { method: "step" })?;
        let action = single_action(action)?;
        let round = |value| precision.round(value);

        let slope = GRAVITY * round(3.0 * position).cos();
        // A force that is clipped is a Python number there, and so in double precision.
        let acceleration = if action.abs() <= MAX_FORCE {
            f64::from(action * POWER as f32 - slope as f32)
        } else {
            f64::from(action.clamp(-MAX_FORCE, MAX_FORCE)) * POWER - slope
        };

        let max_speed = round(MAX_SPEED);
        let mut velocity = round(velocity + round(acceleration)).clamp(-max_speed, max_speed);
        let position = round(position + velocity).clamp(round(MIN_POSITION), round(MAX_POSITION));
        if position == round(MIN_POSITION) && velocity < 0.0 {
            velocity = 0.0;
        }

        let terminated = position >= round(GOAL_POSITION) && velocity >= round(self.goal_velocity);
        let reward = if terminated { 100.0 } else { 0.0 } - f64::from(action) * f64::from(action) * 0.1;

        let (position, velocity) = (single(position), single(velocity));
        Ok(Step {
            observation: self.enter(State {
                position,
                velocity,
                precision: Precision::Single,
            })?,
            reward,
            terminated,
            truncated: false,
            info: Info::new(),
        })
    }

    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        Some(["position", "velocity"].map(str::to_owned).to_vec())
    }

    fn action_names(&self) -> Option<Vec<String>> {
        Some(["force"].map(str::to_owned).to_vec())
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        let State { position, .. } = self.state.ok_or(Error::ResetNeeded { method: "render" })?;
        draw::mountain_car(position, overlay)
    }

    /// The observation is the state.
    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        observation_elements(observations, 2)?;
        Ok(observations.to_owned())
    }

    fn state(&self) -> Result<Array1<f64>> {
        let state = self.state.ok_or(Error::ResetNeeded { method: "state" })?;
        Ok(array![state.position, state.velocity])
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        let [position, velocity] = state_elements(state)?;
        let is_single = [position, velocity].iter().all(|&value| single(value) == value);
        let precision = if is_single {
            Precision::Single
        } else {
            Precision::Double
        };
        self.enter(State {
            position,
            velocity,
            precision,
        })
    }
}
