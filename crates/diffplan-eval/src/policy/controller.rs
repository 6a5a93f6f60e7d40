//! [`ControllerPolicy`]: noise, and controllers written by hand.
//!
//! **Swinging up a pendulum** (`Pendulum-v1`, θ from upright, unit mass and length, g = 10): θ̈ = 15 sin θ + 3 u, so the energy
//! E = θ̇² / 2 + 15 (cos θ - 1), which is 0 at rest upright, changes as Ė = 3 u θ̇. A torque along -E θ̇ brings it to 0 (K. J. Åström
//! and K. Furuta, "Swinging up a pendulum by energy control", Automatica 36, 2000). Near the top, where 2 N m suffice, u = -10 θ - 2.5 θ̇
//! holds it there: θ̈ = -15 θ - 7.5 θ̇, almost critically damped.
//!
//! **Driving out of a valley** (`MountainCarContinuous-v0`): full force along the velocity pumps energy into every swing.
//!
//! A controller's `skill` is the share of its action that is taken. Noise is an Ornstein-Uhlenbeck process a dimension,
//! x' = (1 - κ) x + √(1 - (1 - κ)²) ε with κ = 0.15 and standard normal ε: standard deviation 1 at all times, and a memory of some seven steps.

use super::{Policy, slot};
use crate::error::{Error, Result};
use crate::start::{Start, policy_seed};
use diffplan_envs::{BoxSpace, NumpyRng, Space};
use ndarray::{Array1, ArrayView1, ArrayView2, ArrayViewMut2};
use ndarray_rand::rand::Rng;
use ndarray_rand::rand_distr::StandardNormal;

/// A controller written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Controller {
    /// Pendulum-v1: pump energy until it is upright, then hold it there.
    SwingUp,
    /// MountainCarContinuous-v0: push along the velocity.
    BangBang,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::SwingUp, Self::BangBang];

    /// The name a command has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SwingUp => "swing-up",
            Self::BangBang => "bang-bang",
        }
    }

    /// The environment it is made for.
    pub fn env(self) -> &'static str {
        match self {
            Self::SwingUp => "Pendulum-v1",
            Self::BangBang => "MountainCarContinuous-v0",
        }
    }

    /// The dimensions of its observations and actions.
    fn dimensions(self) -> (usize, usize) {
        match self {
            Self::SwingUp => (3, 1),
            Self::BangBang => (2, 1),
        }
    }

    /// What it does at an observation of its environment.
    fn act(self, observation: ArrayView1<f64>) -> f64 {
        match self {
            Self::SwingUp => swing_up(observation[0], observation[1], observation[2]),
            Self::BangBang => 1.0_f64.copysign(observation[1]),
        }
    }
}

fn swing_up(cos: f64, sin: f64, speed: f64) -> f64 {
    const TORQUE: f64 = 2.0;
    let angle = sin.atan2(cos);
    let hold = -10.0 * angle - 2.5 * speed;
    // Twice the torque there is: what it asks for falls below that before the pendulum has gone far.
    if angle.abs() < 0.5 && hold.abs() < 2.0 * TORQUE {
        return hold.clamp(-TORQUE, TORQUE);
    }
    let energy = 0.5 * speed * speed + 15.0 * (cos - 1.0);
    // At rest either way will do; a gain of 1 takes the full torque until the energy is almost right.
    let direction = 1.0_f64.copysign(speed);
    (-energy * direction).clamp(-TORQUE, TORQUE)
}

/// What acts before noise is added.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Base {
    /// Nothing: zero in every dimension.
    Zero,
    /// Uniform over the action space; noise is not added.
    Random,
    /// A controller, of whose action a share is taken.
    Controller {
        /// Which.
        controller: Controller,
        /// The share: 0 nothing, 1 all of it.
        skill: f64,
    },
}

/// What an episode's actor is drawn from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Mixture {
    /// The same in every episode: what acts, and the standard deviation of Ornstein-Uhlenbeck noise on it, 1 being half the range of
    /// actions.
    Same(Base, f64),
    /// A controller with a skill and a noise drawn for every episode: from random to good.
    Mixed(Controller),
}

/// A controller, noise, or both, each episode's drawn from its seed.
#[derive(Debug)]
pub struct ControllerPolicy {
    mixture: Mixture,
    space: Option<BoxSpace>,
    actors: Vec<Option<Actor>>,
}

impl ControllerPolicy {
    /// Acts as this says.
    pub fn new(mixture: Mixture) -> Self {
        Self {
            mixture,
            space: None,
            actors: Vec::new(),
        }
    }

    /// A new sample of the action space at every step.
    pub fn random() -> Self {
        Self::new(Mixture::Same(Base::Random, 0.0))
    }
}

impl Policy for ControllerPolicy {
    fn name(&self) -> String {
        match self.mixture {
            Mixture::Mixed(controller) => format!("{}, mixed", controller.name()),
            Mixture::Same(Base::Random, _) => "random".into(),
            Mixture::Same(Base::Zero, noise) if noise > 0.0 => format!("noise of {noise}"),
            Mixture::Same(Base::Zero, _) => "zero".into(),
            Mixture::Same(Base::Controller { controller, skill }, noise) => {
                format!("{}, skill {skill}, noise {noise}", controller.name())
            }
        }
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        let controller = match self.mixture {
            Mixture::Mixed(controller) | Mixture::Same(Base::Controller { controller, .. }, _) => Some(controller),
            Mixture::Same(..) => None,
        };
        if let Some(controller) = controller {
            let expected = controller.dimensions();
            let whose = format!("the controller {} is made for", controller.name());
            super::check_dimensions(observations, actions, expected, &whose)?;
        }
        self.space = Some(actions.as_box()?.clone());
        Ok(())
    }

    fn begin(&mut self, at: usize, start: &Start) -> Result<()> {
        let Some(space) = &self.space else {
            return Err(Error::Parts(
                "a controller was to act before it was shown the spaces".into(),
            ));
        };
        let rng = NumpyRng::new(policy_seed(start.seed));
        let actor = match self.mixture {
            Mixture::Same(base, noise) => Actor::new(base, noise, space, rng),
            Mixture::Mixed(controller) => Actor::mixed(controller, space, rng),
        };
        *slot(&mut self.actors, at) = Some(actor);
        Ok(())
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        for ((&at, observation), mut action) in slots
            .iter()
            .zip(observations.outer_iter())
            .zip(actions.outer_iter_mut())
        {
            let Some(actor) = slot(&mut self.actors, at) else {
                return Err(Error::Parts(
                    "a slot was to be acted for whose episode has not begun".into(),
                ));
            };
            action.assign(&actor.act(observation));
        }
        Ok(())
    }
}

/// A policy in one episode.
#[derive(Debug)]
pub(crate) struct Actor {
    base: Base,
    /// Standard deviation, 1 being half the range of actions.
    noise: f64,
    process: Vec<f64>,
    space: BoxSpace,
    rng: NumpyRng,
}

const KAPPA: f64 = 0.15;

impl Actor {
    /// All its randomness comes from `rng`.
    pub(crate) fn new(base: Base, noise: f64, space: &BoxSpace, mut rng: NumpyRng) -> Self {
        let process = (0..space.dim()).map(|_| rng.sample(StandardNormal)).collect();
        Self {
            base,
            noise,
            process,
            space: space.clone(),
            rng,
        }
    }

    /// From random to good: half of the episodes at full skill, with from no noise to much; of the others a quarter noise alone,
    /// and the more skill, the less noise. Good episodes show what there is to reach, the others what comes of other actions.
    pub(crate) fn mixed(controller: Controller, space: &BoxSpace, mut rng: NumpyRng) -> Self {
        let (skill, noise) = if rng.random() < 0.5 {
            (1.0, rng.uniform(0.0, 0.6))
        } else {
            let skill = if rng.random() < 0.25 { 0.0 } else { rng.random() };
            (skill, rng.uniform(0.05, 0.3) + 0.5 * (1.0 - skill))
        };
        Self::new(Base::Controller { controller, skill }, noise, space, rng)
    }

    /// The action at an observation, within the action space.
    pub(crate) fn act(&mut self, observation: ArrayView1<f64>) -> Array1<f32> {
        match self.base {
            Base::Random => self.space.sample(&mut self.rng).mapv(|x| x as f32),
            Base::Zero => self.noisy(Array1::zeros(self.space.dim()).view()),
            Base::Controller { controller, skill } => {
                let action = skill * controller.act(observation);
                self.noisy(Array1::from_elem(self.space.dim(), action).view())
            }
        }
    }

    /// An action with noise, within the action space.
    pub(crate) fn noisy(&mut self, action: ArrayView1<f64>) -> Array1<f32> {
        let bounds = self.space.low().to_vec().into_iter().zip(self.space.high().to_vec());
        let mut noisy = Array1::zeros(action.len());
        for (((x, to), low_high), &action) in self.process.iter_mut().zip(&mut noisy).zip(bounds).zip(action) {
            let (low, high) = low_high;
            let kept = 1.0 - KAPPA;
            let half = 0.5 * (high - low);
            // Where the range has no end, noise is in the action's own units.
            let scale = if half.is_finite() { half } else { 1.0 };
            *to = (action + self.noise * scale * *x).clamp(low, high) as f32;
            let fresh: f64 = self.rng.sample(StandardNormal);
            *x = kept * *x + (1.0 - kept * kept).sqrt() * fresh;
        }
        noisy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_envs::{Env, ResetOptions, make};

    fn mean_return(controller: Controller, skill: f64, noise: f64) -> f64 {
        let mut env = make(controller.env()).unwrap();
        let space = env.action_space().as_box().unwrap().clone();
        let mut total = 0.0;
        const EPISODES: u64 = 20;
        for seed in 0..EPISODES {
            let (mut observation, _) = env.reset(Some(seed), &ResetOptions::default()).unwrap();
            let rng = NumpyRng::new(policy_seed(seed));
            let mut actor = Actor::new(Base::Controller { controller, skill }, noise, &space, rng);
            loop {
                let action = actor.act(observation.view());
                assert!(space.contains(action.view()), "{action}");
                let step = env.step(&action).unwrap();
                total += step.reward;
                observation = step.observation;
                if step.terminated || step.truncated {
                    break;
                }
            }
        }
        total / EPISODES as f64
    }

    #[test]
    fn skill_is_worth_something() {
        // Measured over these seeds; the bounds are a little below.
        let good = mean_return(Controller::SwingUp, 1.0, 0.0);
        assert!(good > -200.0, "{good}");
        let none = mean_return(Controller::SwingUp, 0.0, 0.5);
        assert!(none < -900.0, "{none}");
        let half = mean_return(Controller::SwingUp, 0.5, 0.2);
        assert!((none..good).contains(&half), "{half}");

        let good = mean_return(Controller::BangBang, 1.0, 0.0);
        assert!(good > 85.0, "{good}");
        assert!(mean_return(Controller::BangBang, 0.0, 0.0) == 0.0);
    }

    #[test]
    fn noise_has_the_deviation_asked_for_and_a_memory() {
        let env = make("Pendulum-v1").unwrap();
        let space = env.action_space().as_box().unwrap().clone();
        // A fifth of half the range of ±2, which is beyond the bounds once in two million.
        let mut actor = Actor::new(Base::Zero, 0.2, &space, NumpyRng::new(3));
        let observation = Array1::zeros(3);
        let values: Vec<f64> = (0..100_000)
            .map(|_| f64::from(actor.act(observation.view())[0]))
            .collect();
        let deviation = crate::stats::std(&values);
        // Some 100,000 / 13 independent values, so √(1 / 15,000) of it or 0.8 %: five times that.
        assert!((deviation / 0.4 - 1.0).abs() < 0.04, "{deviation}");
        let products: Vec<f64> = values.windows(2).map(|pair| pair[0] * pair[1]).collect();
        let correlation = crate::stats::mean(&products) / deviation.powi(2);
        assert!((correlation - (1.0 - KAPPA)).abs() < 0.02, "{correlation}");
    }
}
