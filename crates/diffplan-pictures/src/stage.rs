//! An environment that is only drawn, never played.

use crate::error::{Error, Result};
use crate::style::{GHOSTS, PLANNED, TRUE, faded_from, rgb};
use diffplan_envs::{BoxEnv, Env, Frame, Ghost, Overlay, ResetOptions, Trail};
use ndarray::{Array2, ArrayView1, ArrayView2};
use plotters::style::RGBColor;

/// An environment that is put into states and drawn.
pub struct Stage {
    env: BoxEnv,
    name: String,
}

/// What is drawn beside the state of the moment: paths through states, (n, state dimensions).
#[derive(Default)]
pub struct Paths {
    /// What came true.
    pub truth: Option<Array2<f64>>,
    /// What was planned, with ghosts.
    pub plan: Option<Array2<f64>>,
    /// What else could have been, the best first: the later the fainter.
    pub others: Vec<Array2<f64>>,
    /// Red, green and blue of what is planned, where it is to be told from other plans.
    pub colour: Option<[u8; 3]>,
}

impl Stage {
    /// Takes an environment that is called so in messages.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if the environment cannot be drawn in any state it is put into.
    pub fn new(mut env: BoxEnv, name: &str) -> Result<Self> {
        // Whatever the state is, it is replaced by those that are drawn.
        let mut check = || {
            env.reset(Some(0), &ResetOptions::default())?;
            let state = env.state()?;
            env.set_state(state.view())?;
            env.render().map(|_| ())
        };
        let name = name.to_owned();
        match check() {
            Ok(()) => Ok(Self { env, name }),
            Err(error) => Err(Error::NoPicture { env: name, error }),
        }
    }

    /// Begins an episode as it was played, so that what belongs to an episode and not to a state, its goal, is drawn too. The state is replaced by
    /// those that are drawn.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if the environment does not take the options.
    pub fn begin(&mut self, seed: u64, options: &ResetOptions) -> Result<()> {
        let result = self.env.reset(Some(seed), options);
        result.map(|_| ()).map_err(|error| self.no_picture(error))
    }

    /// The seconds that a step takes in the environment's world; a thirtieth where it has no clock.
    pub fn dt(&self) -> f64 {
        self.env.dt().filter(|dt| *dt > 0.0).unwrap_or(1.0 / 30.0)
    }

    /// Whether a step takes a known time.
    pub fn has_clock(&self) -> bool {
        self.env.dt().is_some()
    }

    /// Puts the environment into a state.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if it is none.
    pub fn set_state(&mut self, state: ArrayView1<f64>) -> Result<()> {
        let result = self.env.set_state(state);
        result.map(|_| ()).map_err(|error| self.no_picture(error))
    }

    /// Puts the environment into a state in which this is observed.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if states cannot be told from observations.
    pub fn observe(&mut self, observation: ArrayView1<f32>) -> Result<()> {
        let observation = observation.mapv(f64::from).insert_axis(ndarray::Axis(0));
        let states = self.env.states_of(observation.view());
        let states = states.map_err(|error| self.no_picture(error))?;
        self.set_state(states.row(0))
    }

    /// The states of planned observations (n, observation dimensions), the first being of the state it is in. None where the
    /// environment does not tell.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if they are no observations.
    pub fn states_of(&self, observations: ArrayView2<f32>) -> Result<Option<Array2<f64>>> {
        match self.env.states_of(observations.mapv(f64::from).view()) {
            Ok(states) => Ok(Some(states)),
            Err(diffplan_envs::Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(self.no_picture(error)),
        }
    }

    /// The state it is in, and paths: those not chosen faint, then what came true, the plan on top.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if it cannot be drawn.
    pub fn draw(&self, paths: Paths) -> Result<Frame> {
        let trail = |states: Array2<f64>, colour, opacity, width| Trail {
            states,
            color: rgb(colour),
            opacity,
            width,
        };
        let mut overlay = Overlay::default();
        let planned = paths
            .colour
            .map_or(PLANNED, |[red, green, blue]| RGBColor(red, green, blue));
        let count = paths.others.len();
        let others = paths.others.into_iter().enumerate().map(|(rank, states)| {
            let (colour, opacity) = faded_from(planned, rank, count);
            trail(states, colour, opacity, 1.4)
        });
        // The best of them on top.
        overlay.trails.extend(others.rev());
        overlay
            .trails
            .extend(paths.truth.map(|states| trail(states, TRUE, 1.0, 7.0)));
        if let Some(states) = paths.plan {
            let last = states.nrows().saturating_sub(1);
            overlay.ghosts = GHOSTS
                .iter()
                .filter(|_| last > 0)
                .map(|&(part, opacity)| Ghost {
                    state: states.row(last * part / GHOSTS.len()).to_owned(),
                    color: rgb(planned),
                    opacity,
                })
                .collect();
            // The furthest behind all others.
            overlay.ghosts.reverse();
            overlay.trails.push(trail(states, planned, 1.0, 2.6));
        }
        self.env.render_with(&overlay).map_err(|error| self.no_picture(error))
    }

    fn no_picture(&self, error: diffplan_envs::Error) -> Error {
        let env = self.name.clone();
        Error::NoPicture { env, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_envs::{Info, Space, Step};
    use ndarray::{Array1, array};

    /// An environment without state and picture.
    struct Blind(Space);

    impl Env for Blind {
        type Observation = Array1<f64>;
        type Action = Array1<f32>;

        fn reset(&mut self, _: Option<u64>, _: &ResetOptions) -> diffplan_envs::Result<(Array1<f64>, Info)> {
            Ok((array![0.0], Info::new()))
        }

        fn step(&mut self, _: &Array1<f32>) -> diffplan_envs::Result<Step<Array1<f64>>> {
            Err(diffplan_envs::Error::Unsupported { method: "step" })
        }

        fn observation_space(&self) -> &Space {
            &self.0
        }

        fn action_space(&self) -> &Space {
            &self.0
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_said_at_once() {
        let space = diffplan_envs::Discrete::new(2, 0).unwrap().into();
        let error = Stage::new(Box::new(Blind(space)), "Blind-v0")
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            error,
            "no picture of Blind-v0: this environment does not support `state`"
        );
    }

    #[test]
    fn observations_put_it_into_their_state() {
        let mut stage = Stage::new(diffplan_envs::make("Pendulum-v1").unwrap(), "Pendulum-v1").unwrap();
        let picture = |stage: &Stage| stage.draw(Paths::default()).unwrap();
        stage.set_state(array![0.5_f64, 0.0].view()).unwrap();
        let expected = picture(&stage);
        stage.set_state(array![2.0, 0.0].view()).unwrap();
        assert_ne!(picture(&stage), expected);
        stage.observe(array![0.5_f32.cos(), 0.5_f32.sin(), 0.0].view()).unwrap();
        assert_eq!(picture(&stage), expected);
        let error = stage.observe(array![0.0, 0.0].view()).unwrap_err().to_string();
        assert!(error.contains("2 elements, expected 3"), "{error}");
        assert_eq!((stage.dt(), stage.has_clock()), (0.05, true));
    }
}
