//! [`PointMaze`]: the environment of all three suites.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::options::{self, Place, Rules, Told};
use super::physics::Motion;
use super::suite::{Suite, below, places};
use super::{Kind, Layout, draw, registered};
use crate::{
    BoxSpace, Dict, Dtype, Env, Error, Frame, Goal, Info, NumpyRng, Overlay, ResetOptions, Result, Space, Step, Walls,
};

/// The fastest that a ball starts a step with, along either axis, in m/s.
const MAX_SPEED: f64 = 5.0;
/// The standard deviation of the speeds that D4RL starts with, in m/s.
const START_SPEED: f64 = 0.1;
/// How far OGBench's ball is put by an action of 1, in m.
const STRIDE: f32 = 0.2;
/// The distance, in cells, up to which a start is too close to the goal for Gymnasium-Robotics.
const TOO_CLOSE: f64 = 0.5;
/// The distance from a teleport up to which it takes effect, in m.
const TELEPORT: f64 = 1.5;

/// A ball in a maze.
///
/// | | elements |
/// | --- | --- |
/// | observation and state `(4,)` | x, y (m), dx/dt, dy/dt (m/s); OGBench: `(2,)`, x and y |
/// | action `(2,)` | force along x and y, 100 N at 1, clipped to ±1; OGBench: a step of 0.2 m at 1 |
///
/// Options of [`Env::reset`], arrays of two numbers: `goal` and `start`, x and y of the episode's goal and of the ball, which
/// then starts at rest; in a wall they are an [`Error::OptionValue`]. Of Gymnasium-Robotics' mazes `goal_cell` and
/// `reset_cell` too, row and column of a cell near whose centre they are put; of OGBench's `task_id`, from 1 to 5.
///
/// Arguments, with the suites' names and defaults: of D4RL's mazes `maze_spec`, `reset_target` (a new goal each episode),
/// `reward_type`; of Gymnasium-Robotics' `continuing_task`, `position_noise_range`, `reset_target` (a new goal whenever one
/// is reached, in continuing tasks), `reward_type`; of OGBench's `add_noise_to_goal`, `reward_task_id`, `success_timing`,
/// `terminate_at_goal`.
///
/// `info` holds `goal` (array) and `success` (truth value): whether the position observed is within the tolerance of the goal
/// that the reward is of. After a step that brought a new goal, [`Env::goal`] tells it.
///
/// Episodes of Gymnasium-Robotics' mazes start where the package's do with the same seed. D4RL drew from another
/// generator, and OGBench takes NumPy's global one: what is drawn here, and in which order, is theirs, the numbers are not.
#[derive(Debug, Clone)]
pub struct PointMaze {
    suite: Suite,
    maze: Layout,
    rules: Rules,
    /// Where goals may be, and where episodes may start.
    goals: Vec<[f64; 2]>,
    starts: Vec<[f64; 2]>,
    rng: Option<NumpyRng>,
    motion: Option<Motion>,
    goal: Option<[f64; 2]>,
    observation_space: Space,
    action_space: Space,
}

impl PointMaze {
    /// The maze of a registered id, bare: without a time limit.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownEnv`] for an id that is none of a maze's; as [`Registry::make_with`](crate::Registry::make_with) for
    /// arguments.
    pub fn new(id: &str, kwargs: &Dict) -> Result<Self> {
        registered::make(id, kwargs)
    }

    pub(super) fn from_kwargs(suite: Suite, map: &str, dense: bool, kwargs: &Dict) -> Result<Self> {
        let (rules, own) = Rules::new(suite, dense, kwargs)?;
        let maze = suite.layout(own.as_deref().unwrap_or(map))?;
        let [goals, starts] = places(suite, &maze);
        if suite == Suite::D4rl && maze.cells().filter(|&cell| maze.kind(cell) == Kind::Goal).count() > 1 {
            return Err(Error::OptionValue {
                name: "maze_spec",
                actual: "a map of several goals".into(),
                expected: "one G at most",
            });
        }
        let dim = if suite.has_velocity() { 4 } else { 2 };
        let mut env = Self {
            observation_space: BoxSpace::unbounded(dim, Dtype::Float64).into(),
            action_space: BoxSpace::uniform(-1.0, 1.0, 2, Dtype::Float32)?.into(),
            suite,
            maze,
            rules,
            goals,
            starts,
            rng: None,
            motion: None,
            goal: None,
        };
        // D4RL's is there before any episode: whoever sets a state instead of a reset has one too.
        env.goal = (suite == Suite::D4rl).then(|| env.fixed_goal()).flatten();
        Ok(env)
    }

    /// The map and where it lies.
    pub fn layout(&self) -> &Layout {
        &self.maze
    }

    fn present(&self, method: &'static str) -> Result<Motion> {
        self.motion.ok_or(Error::ResetNeeded { method })
    }

    fn observation(&self, motion: Motion) -> Array1<f64> {
        let ([x, y], [vx, vy]) = (motion.position, motion.velocity);
        match self.suite.has_velocity() {
            true => Array1::from(vec![x, y, vx, vy]),
            false => Array1::from(vec![x, y]),
        }
    }

    fn distance(&self, position: [f64; 2]) -> Option<f64> {
        self.goal.map(|goal| between(position, goal))
    }

    fn is_success(&self, position: [f64; 2]) -> bool {
        self.distance(position)
            .is_some_and(|distance| distance <= self.suite.tolerance())
    }

    fn info(&self, success: bool) -> Info {
        let mut info = Info::new();
        info.insert("success", success);
        if let Some([x, y]) = self.goal {
            info.insert("goal", Array1::from(vec![x, y]));
        }
        info
    }

    fn reward(&self, position: [f64; 2], success: bool) -> f64 {
        match (self.rules.dense, self.distance(position)) {
            (true, Some(distance)) => (-distance).exp(),
            (true, None) => 0.0,
            // A single task of OGBench costs 1 a step until its goal is reached.
            (false, _) => f64::from(u8::from(success)) - f64::from(u8::from(self.rules.task.is_some())),
        }
    }

    /// Where an episode starts and what its goal is.
    fn draw_start(&self, rng: &mut NumpyRng, told: Told) -> Result<(Motion, Option<[f64; 2]>)> {
        match self.suite {
            Suite::D4rl => Ok(self.draw_d4rl(rng, told)),
            Suite::Robotics => self.draw_robotics(rng, told),
            Suite::Ogbench { tasks, .. } => Ok(self.draw_ogbench(rng, told, &tasks)),
        }
    }

    fn draw_d4rl(&self, rng: &mut NumpyRng, told: Told) -> (Motion, Option<[f64; 2]>) {
        let motion = match told.start {
            Some(place) => still(self.at(rng, place, self.rules.noise)),
            None => {
                let spot = self.starts[below(rng, self.starts.len())];
                let position = self.near(rng, spot, self.rules.noise);
                let velocity = [0.0; 2].map(|_: f64| START_SPEED * rng.standard_normal());
                Motion { position, velocity }
            }
        };
        let goal = match told.goal {
            Some(place) => Some(self.at(rng, place, self.rules.noise)),
            None if self.rules.reset_target => Some(self.draw_goal(rng)),
            None => self.fixed_goal(),
        };
        (motion, goal)
    }

    /// D4RL's goal where it is always the same: the one that the map marks, else the first open cell.
    fn fixed_goal(&self) -> Option<[f64; 2]> {
        let marked = self.maze.cells().find(|&cell| self.maze.kind(cell) == Kind::Goal);
        marked.map(|cell| self.maze.spot(cell)).or(self.goals.first().copied())
    }

    fn draw_robotics(&self, rng: &mut NumpyRng, told: Told) -> Result<(Motion, Option<[f64; 2]>)> {
        let goal = match told.goal {
            Some(place) => self.at(rng, place, self.rules.noise),
            None => self.draw_goal(rng),
        };
        let start = match told.start {
            Some(place) => self.at(rng, place, self.rules.noise),
            None => {
                let far = |spot: [f64; 2]| between(spot, goal) > TOO_CLOSE * self.maze.edge();
                if !self.starts.iter().any(|&spot| far(spot)) {
                    return Err(Error::OptionValue {
                        name: "goal",
                        actual: format!("{goal:?}"),
                        expected: "one that is not closer than half a cell to every place where episodes start",
                    });
                }
                let spot = loop {
                    let spot = self.starts[below(rng, self.starts.len())];
                    if far(spot) {
                        break spot;
                    }
                };
                self.near(rng, spot, self.rules.noise)
            }
        };
        Ok((still(start), Some(goal)))
    }

    fn draw_ogbench(&self, rng: &mut NumpyRng, told: Told, tasks: &[[[usize; 2]; 2]; 5]) -> (Motion, Option<[f64; 2]>) {
        // From 1; what is not among the five, no option or argument lets in.
        let task = self
            .rules
            .task
            .or(told.task)
            .unwrap_or_else(|| 1 + below(rng, tasks.len()));
        let [from, to] = tasks[(task - 1).min(tasks.len() - 1)];
        let start = told.start.unwrap_or(Place::Near(from));
        let start = self.at(rng, start, self.rules.noise);
        let goal = told.goal.unwrap_or(Place::Near(to));
        let goal = self.at(rng, goal, self.rules.goal_noise);
        (still(start), Some(goal))
    }

    /// A goal where the maze may have one.
    fn draw_goal(&self, rng: &mut NumpyRng) -> [f64; 2] {
        let spot = self.goals[below(rng, self.goals.len())];
        self.near(rng, spot, self.rules.noise)
    }

    fn at(&self, rng: &mut NumpyRng, place: Place, noise: f64) -> [f64; 2] {
        match place {
            Place::At(position) => position,
            Place::Near(cell) => self.near(rng, self.maze.spot(cell), noise),
        }
    }

    /// A position near a spot, up to `noise` cells away along either axis.
    fn near(&self, rng: &mut NumpyRng, spot: [f64; 2], noise: f64) -> [f64; 2] {
        let edge = self.maze.edge();
        match self.suite {
            // Uniform up to 1, then as much of it.
            Suite::Ogbench { .. } if noise == 0.0 => spot,
            Suite::Ogbench { .. } => spot.map(|x| x + rng.uniform(-1.0, 1.0) * (edge * noise)),
            Suite::D4rl | Suite::Robotics => spot.map(|x| x + rng.uniform(-noise, noise) * edge),
        }
    }

    /// A new goal where Gymnasium-Robotics takes one: in continuing tasks, once it was reached.
    fn renew_goal(&mut self, position: [f64; 2]) {
        let renews = self.suite == Suite::Robotics && self.rules.reset_target && !self.rules.ends_at_goal;
        // After a state that was set without a reset there is nothing to draw from.
        let Some(mut rng) = self.rng.clone().filter(|_| renews && self.goals.len() > 1) else {
            return;
        };
        while self.is_success(position) {
            self.goal = Some(self.draw_goal(&mut rng));
        }
        self.rng = Some(rng);
    }

    /// Where a step leads; from where OGBench's teleports are, elsewhere after it was observed.
    fn moved(&self, motion: Motion, action: [f32; 2]) -> Motion {
        let ball = self.suite.ball();
        match self.suite {
            Suite::D4rl | Suite::Robotics => {
                let force = action.map(|a| 100.0 * f64::from(a.clamp(-1.0, 1.0)));
                let velocity = motion.velocity.map(|v| v.clamp(-MAX_SPEED, MAX_SPEED));
                ball.step(&self.maze, Motion { velocity, ..motion }, force)
            }
            Suite::Ogbench { .. } => {
                let [x, y] = motion.position;
                let position = [x + f64::from(STRIDE * action[0]), y + f64::from(STRIDE * action[1])];
                let mut motion = still(position);
                for _ in 0..self.suite.frame_skip() {
                    motion = ball.step(&self.maze, motion, [0.0; 2]);
                }
                still(motion.position)
            }
        }
    }

    /// Where a teleport puts the ball, if one is near.
    fn teleported(&mut self, motion: Motion) -> Motion {
        let Suite::Ogbench { from, to, .. } = self.suite else {
            return motion;
        };
        let near = |&cell: &[usize; 2]| between(motion.position, self.maze.spot(cell)) <= TELEPORT;
        match self.rng.as_mut().filter(|_| from.iter().any(near)) {
            Some(rng) => still(self.maze.spot(to[below(rng, to.len())])),
            None => motion,
        }
    }
}

fn between(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    (x * x + y * y).sqrt()
}

fn still(position: [f64; 2]) -> Motion {
    Motion {
        position,
        velocity: [0.0; 2],
    }
}

/// The two elements of an action.
fn elements(action: &Array1<f32>) -> Result<[f32; 2]> {
    if action.len() != 2 {
        return Err(Error::ActionLength {
            expected: 2,
            actual: action.len(),
        });
    }
    match action.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::ActionNotFinite {
            index,
            value: action[index],
        }),
        None => Ok([action[0], action[1]]),
    }
}

impl Env for PointMaze {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Array1<f64>, Info)> {
        let told = Told::new(self.suite, &self.maze, options)?;
        told.check_task(self.rules.task)?;
        let mut rng = match seed {
            Some(seed) => NumpyRng::new(seed),
            None => self.rng.clone().ok_or(Error::SeedNeeded)?,
        };
        let (motion, goal) = self.draw_start(&mut rng, told)?;
        (self.rng, self.motion, self.goal) = (Some(rng), Some(motion), goal);
        Ok((self.observation(motion), self.info(self.is_success(motion.position))))
    }

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        let before = self.present("step")?;
        let motion = self.moved(before, elements(action)?);
        let success = match self.rules.success_before {
            true => self.is_success(before.position),
            false => self.is_success(motion.position),
        };
        let step = Step {
            observation: self.observation(motion),
            reward: self.reward(motion.position, success),
            terminated: success && self.rules.ends_at_goal,
            truncated: false,
            info: self.info(success),
        };
        self.motion = Some(self.teleported(motion));
        self.renew_goal(motion.position);
        Ok(step)
    }

    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        let names = ["x", "y", "dx/dt", "dy/dt"].map(str::to_owned);
        let count = if self.suite.has_velocity() { 4 } else { 2 };
        Some(names[..count].to_vec())
    }

    fn action_names(&self) -> Option<Vec<String>> {
        let names = match self.suite {
            Suite::D4rl | Suite::Robotics => ["force x", "force y"],
            Suite::Ogbench { .. } => ["step x", "step y"],
        };
        Some(names.map(str::to_owned).to_vec())
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        let motion = self.present("render")?;
        overlay_elements(overlay, self.observation(motion).len())?;
        draw::maze(&draw::Scene {
            maze: &self.maze,
            radius: self.suite.ball().radius,
            position: motion.position,
            goal: self.goal.map(|goal| (goal, self.suite.tolerance())),
            overlay,
        })
    }

    fn dt(&self) -> Option<f64> {
        Some(self.suite.ball().time_step * self.suite.frame_skip() as f64)
    }

    fn state(&self) -> Result<Array1<f64>> {
        Ok(self.observation(self.present("state")?))
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        let expected = if self.suite.has_velocity() { 4 } else { 2 };
        if state.len() != expected {
            return Err(Error::StateLength {
                expected,
                actual: state.len(),
            });
        }
        for (index, &value) in state.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::StateNotFinite { index, value });
            }
            if !(value as f32).is_finite() {
                return Err(Error::StateTooLarge { index, value });
            }
        }
        let velocity = if self.suite.has_velocity() {
            [state[2], state[3]]
        } else {
            [0.0; 2]
        };
        let position = [state[0], state[1]];
        self.motion = Some(Motion { position, velocity });
        Ok(state.to_owned())
    }

    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let expected = self.observation(self.present("states_of")?).len();
        match observations.ncols() {
            actual if actual == expected => Ok(observations.to_owned()),
            actual => Err(Error::ObservationLength { expected, actual }),
        }
    }

    fn goal(&self) -> Option<Goal> {
        let [x, y] = self.motion.and(self.goal)?;
        Some(Goal {
            dims: vec![0, 1],
            values: Array1::from(vec![x, y]),
            tolerance: Some(self.suite.tolerance()),
        })
    }

    fn set_goal(&mut self, goal: &Goal) -> Result<()> {
        self.present("set_goal")?;
        self.goal = Some(options::goal_of(&self.maze, goal)?);
        Ok(())
    }

    fn walls(&self) -> Option<Walls> {
        Some(self.maze.walls(self.suite.ball().radius))
    }
}

/// Without pictures, that there are none is what is wrong with an overlay.
fn overlay_elements(overlay: &Overlay, expected: usize) -> Result<()> {
    match cfg!(feature = "render") {
        true => overlay.check(expected),
        false => Ok(()),
    }
}
