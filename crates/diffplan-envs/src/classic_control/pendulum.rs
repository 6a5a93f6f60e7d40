//! `Pendulum-v1`: swing a pendulum up and hold it there, with a motor that is too weak to lift it in one go.
//!
//! With θ the angle from upright, u the torque in N m clipped to ±2, dt = 0.05 s, m = 1 kg, l = 1 m:
//!
//! ```text
//! reward = -(normalized(θ)² + 0.1 · θ̇² + 0.001 · u²)
//! θ̇' = clip(θ̇ + (3g / 2l · sin θ + 3 / ml² · u) · dt, ±8)
//! θ' = θ + θ̇' · dt
//! ```
//!
//! Source: Gymnasium 1.4.0, `classic_control/pendulum.py`. The state is `float64`; the terms that hold nothing but the
//! action and constants, `0.001 · u²` and `3 / ml² · u`, are `float32`; the observation is rounded to `float32`.

use std::f64::consts::PI;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, array};

use super::{
    draw, float32_box, float32_observation, numbers, observation_elements, random_stream, single_action, square,
    square_f32, state_elements, usable,
};
use crate::{Dict, Env, Error, Frame, Info, NumpyRng, Overlay, ResetOptions, Result, Space, Step};

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;
const DT: f64 = 0.05;
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;

#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    theta: f64,
    theta_dot: f64,
}

/// The environment `Pendulum-v1`.
///
/// | | elements |
/// | --- | --- |
/// | observation `(3,)` | cos θ, sin θ, θ̇ (rad/s, within ±8) |
/// | action `(1,)` | torque in N m, positive counter-clockwise, clipped to ±2 |
/// | state `(2,)` | θ (rad, 0 is upright, not wrapped), θ̇ |
///
/// Options of [`Env::reset`]: `x_init` (default π) and `y_init` (default 1) are the bounds ± between which θ and θ̇ are
/// drawn; a negative one is [`Error::ResetBounds`]. No episode terminates; the time limit is the registry's to add.
#[derive(Debug, Clone)]
pub struct Pendulum {
    g: f64,
    rng: Option<NumpyRng>,
    state: Option<State>,
    /// The torque of the last step, for the picture.
    last_torque: Option<f32>,
    observation_space: Space,
    action_space: Space,
}

impl Pendulum {
    /// A pendulum under the gravity `g` in m/s²; Gymnasium's default is 10.
    ///
    /// # Errors
    ///
    /// [`Error::OptionNotFinite`] if `g`, or three times of it, is not finite.
    pub fn new(g: f64) -> Result<Self> {
        Ok(Self {
            g: usable("g", g, 3.0 * g)?,
            rng: None,
            state: None,
            last_torque: None,
            observation_space: float32_box([-1.0, -1.0, -MAX_SPEED], [1.0, 1.0, MAX_SPEED]),
            action_space: float32_box([-f64::from(MAX_TORQUE)], [f64::from(MAX_TORQUE)]),
        })
    }

    /// A pendulum with the arguments that Gymnasium's `make` passes on: `g`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownOption`], [`Error::OptionKind`] and [`Error::OptionNotFinite`].
    pub fn from_kwargs(kwargs: &Dict) -> Result<Self> {
        let [g] = numbers(kwargs, &["g"], [10.0])?;
        Self::new(g)
    }

    fn enter(&mut self, state: State, last_torque: Option<f32>) -> Result<Array1<f64>> {
        if !(state.theta_dot as f32).is_finite() {
            return Err(Error::StateTooLarge {
                index: 1,
                value: state.theta_dot,
            });
        }
        self.state = Some(state);
        self.last_torque = last_torque;
        Ok(float32_observation([
            state.theta.cos(),
            state.theta.sin(),
            state.theta_dot,
        ]))
    }
}

impl Env for Pendulum {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Array1<f64>, Info)> {
        const OPTIONS: [&str; 2] = ["x_init", "y_init"];
        let high = numbers(options, &OPTIONS, [PI, 1.0])?;
        for (name, high) in OPTIONS.into_iter().zip(high) {
            if high < 0.0 {
                return Err(Error::ResetBounds { name, low: -high, high });
            }
            usable(name, high, high - -high)?;
        }
        let rng = random_stream(&mut self.rng, seed)?;
        let [theta, theta_dot] = high.map(|high| rng.uniform(-high, high));
        Ok((self.enter(State { theta, theta_dot }, None)?, Info::new()))
    }

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        let State { theta, theta_dot } = self.state.ok_or(Error::ResetNeeded { method: "step" })?;
        let torque = single_action(action)?.clamp(-MAX_TORQUE, MAX_TORQUE);

        let cost = square(angle_normalize(theta)) + 0.1 * square(theta_dot) + f64::from(0.001 * square_f32(torque));

        let gravity = 3.0 * self.g / (2.0 * LENGTH) * theta.sin();
        let motor = f64::from((3.0 / (MASS * LENGTH * LENGTH)) as f32 * torque);
        let theta_dot = (theta_dot + (gravity + motor) * DT).clamp(-MAX_SPEED, MAX_SPEED);
        let theta = theta + theta_dot * DT;

        Ok(Step {
            observation: self.enter(State { theta, theta_dot }, Some(torque))?,
            reward: -cost,
            terminated: false,
            truncated: false,
            info: Info::new(),
        })
    }

    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        Some(["cos θ", "sin θ", "dθ/dt"].map(str::to_owned).to_vec())
    }

    fn action_names(&self) -> Option<Vec<String>> {
        Some(["torque"].map(str::to_owned).to_vec())
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        let State { theta, .. } = self.state.ok_or(Error::ResetNeeded { method: "render" })?;
        draw::pendulum(theta, self.last_torque, overlay)
    }

    fn dt(&self) -> Option<f64> {
        Some(DT)
    }

    fn state(&self) -> Result<Array1<f64>> {
        let state = self.state.ok_or(Error::ResetNeeded { method: "state" })?;
        Ok(array![state.theta, state.theta_dot])
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        let [theta, theta_dot] = state_elements(state)?;
        self.enter(State { theta, theta_dot }, None)
    }

    /// θ is the angle closest to the one before, the first the closest to the present one.
    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let state = self.state.ok_or(Error::ResetNeeded { method: "states_of" })?;
        observation_elements(observations, 3)?;
        let mut last = state.theta;
        let mut states = Array2::zeros((observations.nrows(), 2));
        for (mut state, observation) in states.outer_iter_mut().zip(observations.outer_iter()) {
            let theta = last + angle_normalize(observation[1].atan2(observation[0]) - last);
            state[0] = theta;
            state[1] = observation[2];
            // After an angle that is no number the last one that was goes on.
            if theta.is_finite() {
                last = theta;
            }
        }
        Ok(states)
    }
}

/// The angle within [-π, π).
fn angle_normalize(theta: f64) -> f64 {
    (theta + PI).rem_euclid(2.0 * PI) - PI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_show_states_that_go_on_from_the_present_one() {
        let mut env = Pendulum::new(10.0).unwrap();
        assert_eq!(
            env.states_of(array![[1.0, 0.0, 0.0]].view()),
            Err(Error::ResetNeeded { method: "states_of" })
        );
        // Three turns and a bit away from upright, then over the top of the angle's range and back.
        let thetas = [6.0 * PI + 3.0, 6.0 * PI + 3.2, 6.0 * PI + 3.6, 6.0 * PI + 2.9];
        env.set_state(array![thetas[0], 0.5].view()).unwrap();
        let mut observations = Array2::zeros((4, 3));
        for (theta, mut row) in thetas.iter().zip(observations.outer_iter_mut()) {
            // Not on the unit circle, as a plan's.
            row.assign(&array![1.3 * theta.cos(), 1.3 * theta.sin(), 0.5]);
        }
        let states = env.states_of(observations.view()).unwrap();
        for (state, theta) in states.outer_iter().zip(thetas) {
            assert!((state[0] - theta).abs() < 1e-12 && state[1] == 0.5, "{state} {theta}");
        }
        observations[[1, 0]] = f64::NAN;
        let states = env.states_of(observations.view()).unwrap();
        assert!(states[[1, 0]].is_nan() && (states[[2, 0]] - thetas[2]).abs() < 1e-12);
        assert_eq!(
            env.states_of(observations.slice(ndarray::s![.., 1..])),
            Err(Error::ObservationLength { expected: 3, actual: 2 })
        );
    }
}
