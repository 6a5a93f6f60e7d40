//! The environment trait, with the semantics of Gymnasium 1.x.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::{Error, Frame, Goal, Info, Overlay, ResetOptions, Result, Space, Walls};

/// An environment with vectors as observations and actions, as [`make`](crate::make) returns it.
pub type BoxEnv = Box<dyn Env<Observation = Array1<f64>, Action = Array1<f32>> + Send>;

/// What a step returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<Observation> {
    /// The observation after the step.
    pub observation: Observation,
    /// The reward of the step.
    pub reward: f64,
    /// Whether the step led to a terminal state of the task: no reward can follow.
    pub terminated: bool,
    /// Whether the episode ends here for a reason outside the task, such as a time limit.
    pub truncated: bool,
    /// Whatever else there is to tell.
    pub info: Info,
}

impl<Observation> Step<Observation> {
    /// A step that ends nothing and has nothing else to tell.
    pub fn new(observation: Observation, reward: f64) -> Self {
        Self {
            observation,
            reward,
            terminated: false,
            truncated: false,
            info: Info::new(),
        }
    }

    /// Whether the episode is over, for either reason: `reset` comes next.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// What an environment was registered with.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvSpec {
    /// The id, such as `"Pendulum-v1"`.
    pub id: String,
    /// The number of steps after which an episode is truncated; `None` where it is not.
    pub max_episode_steps: Option<usize>,
    /// The mean return of an episode from which on the task counts as solved.
    pub reward_threshold: Option<f64>,
}

/// An environment.
///
/// With `Observation` and `Action` fixed the trait is object safe ([`BoxEnv`]). A wrapper is an `Env` that holds another.
pub trait Env {
    /// What the agent sees.
    type Observation;
    /// What the agent does.
    type Action;

    /// Starts an episode.
    ///
    /// A seed restarts the environment's random stream; without one the stream goes on. Usually a seed is given once,
    /// with the first call. The keys of `options` are the environment's own.
    ///
    /// # Errors
    ///
    /// [`Error::SeedNeeded`] if there is no random stream to go on with yet; errors of the options.
    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Self::Observation, Info)>;

    /// Applies an action for one step.
    ///
    /// After a step that ended the episode the next call should be `reset`. As in Gymnasium, stepping on is not an
    /// error, but what comes of it means nothing.
    ///
    /// # Errors
    ///
    /// [`Error::ResetNeeded`] before the first `reset`; [`Error::ActionLength`] and [`Error::ActionNotFinite`] for an
    /// action that is none, in which case the environment has not moved.
    fn step(&mut self, action: &Self::Action) -> Result<Step<Self::Observation>>;

    /// The space that observations lie in.
    fn observation_space(&self) -> &Space;

    /// The space that actions lie in.
    fn action_space(&self) -> &Space;

    /// Draws the current state: [`Env::render_with`] nothing else. An environment implements that one.
    ///
    /// # Errors
    ///
    /// As [`Env::render_with`].
    fn render(&self) -> Result<Frame> {
        self.render_with(&Overlay::default())
    }

    /// Draws the current state, and into the same picture other states: what was planned, and what came of it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the environment has no picture (what this default returns), and
    /// [`Error::RenderFeature`] where this crate was built without one; [`Error::StateLength`] for an overlay whose
    /// states are not the environment's. Numbers in it that are not finite, or far out of sight, leave no trace.
    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        let _ = overlay;
        Err(Error::Unsupported { method: "render" })
    }

    /// The seconds that pass in the environment's world in one step, as `dt` of Gymnasium's MuJoCo environments; `None`
    /// where it has no clock (what this default returns). Pictures in a row are shown by it.
    fn dt(&self) -> Option<f64> {
        None
    }

    /// The state of the dynamics, shape `(state_dim,)`: what [`Env::set_state`] takes.
    ///
    /// It holds what the next step depends on, and neither the random stream nor what wrappers count.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the environment does not tell (what this default returns), and
    /// [`Error::ResetNeeded`] before there is a state.
    fn state(&self) -> Result<Array1<f64>> {
        Err(Error::Unsupported { method: "state" })
    }

    /// Puts the dynamics into a state, shape `(state_dim,)`, and returns the observation there.
    ///
    /// Stepping may follow at once, also where no `reset` came before.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the environment cannot (what this default returns); [`Error::StateLength`] and
    /// [`Error::StateNotFinite`] for a state that is none, and [`Error::StateTooLarge`] for one that leads to infinities,
    /// in which cases the environment keeps the one it has.
    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Self::Observation> {
        let _ = state;
        Err(Error::Unsupported { method: "set_state" })
    }

    /// The states that a sequence of observations shows, shapes `(n, observation_dim)` to `(n, state_dim)`: what
    /// [`Env::set_state`] and an [`Overlay`] take.
    ///
    /// The first observation is of the present state, or of one that might be: what observations leave out, such as the
    /// place along the ground, is the present one's at first, and what follows of it from the velocities. Numbers that
    /// are not finite lead to such.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where states cannot be told from observations (what this default returns),
    /// [`Error::ResetNeeded`] before there is a state, and [`Error::ObservationLength`].
    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let _ = observations;
        Err(Error::Unsupported { method: "states_of" })
    }

    /// What the running episode is to reach; `None` where the environment has no goals (what this default returns), or before
    /// the first `reset`.
    fn goal(&self) -> Option<Goal> {
        None
    }

    /// Gives the running episode another goal, which has a number for each dimension that its goals are of. What it has done so far stays
    /// as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where the environment has no goals that can be set (what this default returns), and
    /// [`Error::ResetNeeded`] before there is an episode; [`Error::OptionValue`] and the like for what is no goal of it, in which case
    /// it keeps the one it has.
    fn set_goal(&mut self, goal: &Goal) -> Result<()> {
        let _ = goal;
        Err(Error::Unsupported { method: "set_goal" })
    }

    /// Solid things in the plane of two dimensions of the observation, for pictures and constraints; `None` where the
    /// environment tells of none (what this default returns).
    fn walls(&self) -> Option<Walls> {
        None
    }

    /// The simulator that the dynamics are calculated by, and its version, such as `"MuJoCo 4.0.0"`: what else decides where
    /// an episode leads. `None` where they are calculated here (what this default returns).
    fn simulator(&self) -> Option<String> {
        None
    }

    /// What the dimensions of observations are called, one name each, for tables and pictures; `None` where they have no names
    /// (what this default returns).
    fn observation_names(&self) -> Option<Vec<String>> {
        None
    }

    /// What the dimensions of actions are called, likewise.
    fn action_names(&self) -> Option<Vec<String>> {
        None
    }

    /// What the environment was registered with; `None` where it was not made by a [`Registry`](crate::Registry).
    fn spec(&self) -> Option<&EnvSpec> {
        None
    }
}

/// Writes the methods of [`Env`] that a wrapper leaves as they are: each hands on to the field `env`. `render` stands for
/// everything that pictures need, `render`, `render_with` and `dt`; `state` for `state`, `states_of`,
/// `goal`, `set_goal`, `walls` and `simulator`.
macro_rules! forward_to_env {
    ($($method:ident),+ $(,)?) => { $( forward_to_env!(@ $method); )+ };
    (@ reset) => {
        fn reset(&mut self, seed: Option<u64>, options: &$crate::ResetOptions) -> $crate::Result<(Self::Observation, $crate::Info)> {
            self.env.reset(seed, options)
        }
    };
    (@ step) => {
        fn step(&mut self, action: &Self::Action) -> $crate::Result<$crate::Step<Self::Observation>> {
            self.env.step(action)
        }
    };
    (@ observation_space) => {
        fn observation_space(&self) -> &$crate::Space {
            self.env.observation_space()
        }
    };
    (@ action_space) => {
        fn action_space(&self) -> &$crate::Space {
            self.env.action_space()
        }

        fn observation_names(&self) -> Option<Vec<String>> {
            self.env.observation_names()
        }

        fn action_names(&self) -> Option<Vec<String>> {
            self.env.action_names()
        }
    };
    (@ render) => {
        fn render(&self) -> $crate::Result<$crate::Frame> {
            self.env.render()
        }

        fn render_with(&self, overlay: &$crate::Overlay) -> $crate::Result<$crate::Frame> {
            self.env.render_with(overlay)
        }

        $crate::env::forward_to_env!(@ dt);
    };
    (@ dt) => {
        fn dt(&self) -> Option<f64> {
            self.env.dt()
        }
    };
    (@ state) => {
        fn state(&self) -> $crate::Result<ndarray::Array1<f64>> {
            self.env.state()
        }

        fn states_of(&self, observations: ndarray::ArrayView2<'_, f64>) -> $crate::Result<ndarray::Array2<f64>> {
            self.env.states_of(observations)
        }

        fn goal(&self) -> Option<$crate::Goal> {
            self.env.goal()
        }

        fn set_goal(&mut self, goal: &$crate::Goal) -> $crate::Result<()> {
            self.env.set_goal(goal)
        }

        fn walls(&self) -> Option<$crate::Walls> {
            self.env.walls()
        }

        fn simulator(&self) -> Option<String> {
            self.env.simulator()
        }
    };
    (@ set_state) => {
        fn set_state(&mut self, state: ndarray::ArrayView1<'_, f64>) -> $crate::Result<Self::Observation> {
            self.env.set_state(state)
        }
    };
    (@ spec) => {
        fn spec(&self) -> Option<&$crate::EnvSpec> {
            self.env.spec()
        }
    };
}
pub(crate) use forward_to_env;

impl<E: Env + ?Sized> Env for Box<E> {
    type Observation = E::Observation;
    type Action = E::Action;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Self::Observation, Info)> {
        (**self).reset(seed, options)
    }

    fn step(&mut self, action: &Self::Action) -> Result<Step<Self::Observation>> {
        (**self).step(action)
    }

    fn observation_space(&self) -> &Space {
        (**self).observation_space()
    }

    fn action_space(&self) -> &Space {
        (**self).action_space()
    }

    fn render(&self) -> Result<Frame> {
        (**self).render()
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        (**self).render_with(overlay)
    }

    fn dt(&self) -> Option<f64> {
        (**self).dt()
    }

    fn state(&self) -> Result<Array1<f64>> {
        (**self).state()
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Self::Observation> {
        (**self).set_state(state)
    }

    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        (**self).states_of(observations)
    }

    fn goal(&self) -> Option<Goal> {
        (**self).goal()
    }

    fn set_goal(&mut self, goal: &Goal) -> Result<()> {
        (**self).set_goal(goal)
    }

    fn walls(&self) -> Option<Walls> {
        (**self).walls()
    }

    fn simulator(&self) -> Option<String> {
        (**self).simulator()
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        (**self).observation_names()
    }

    fn action_names(&self) -> Option<Vec<String>> {
        (**self).action_names()
    }

    fn spec(&self) -> Option<&EnvSpec> {
        (**self).spec()
    }
}
