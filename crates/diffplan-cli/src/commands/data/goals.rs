//! One long run through a maze, from one random goal to the next, as D4RL collected its data of mazes
//! (`scripts/generation/generate_maze2d_datasets.py`).
//!
//! Nothing is reset on the way: a goal that is reached, or was not within the steps of an episode, is followed by another, drawn like D4RL's near the
//! spot of an open cell. Rewards are the environment's own, whose goal is another one and stays: of D4RL's mazes that is what its
//! files hold. An environment's end means nothing here.

use super::collect::Steps;
use crate::args::Cut;
use crate::error::{Error, Result};
use diffplan_envs::maze::Layout;
use diffplan_envs::{BoxEnv, Env, Goal, NumpyRng, ResetOptions};
use diffplan_eval::{Policy, Start};
use indicatif::ProgressBar;
use ndarray::{Array1, Array2, Axis};

/// How near a goal counts as reached, in cells: the controller's own bound, not that of rewards.
const REACHED: f64 = 0.1;
/// How far goals lie from the spot of a cell along either axis, in cells: in D4RL's mazes, whose spots are not the centres, and in others,
/// which have as much at their resets.
const SPREAD: [f64; 2] = [0.1, 0.25];
/// Where neither the environment nor the user gives an episode's steps.
const LIMIT: usize = 1000;

/// What is played.
pub(super) struct GoalRun {
    pub(super) steps: usize,
    pub(super) seed: u64,
    pub(super) cut: Cut,
    /// The steps after which a goal is given up.
    pub(super) limit: usize,
    maze: Layout,
}

impl GoalRun {
    /// # Errors
    /// If the environment is no maze, or one of another map than its id says.
    pub(super) fn new(env: &BoxEnv, id: &str, [steps, seed]: [u64; 2], cut: Cut) -> Result<Self> {
        let maze = Layout::of(id).ok_or_else(|| Error::OtherEnv {
            env: id.to_owned(),
            reason: "--steps is for runs from goal to goal, expected a maze, such as maze2d-umaze-v1; of others give --episodes".into(),
        })?;
        if !env.walls().is_some_and(|walls| maze.has(&walls)) {
            return Err(Error::OtherEnv {
                env: id.to_owned(),
                reason: "its walls are others than the id's, expected it without a map of its own (maze_spec)".into(),
            });
        }
        Ok(Self {
            steps: usize::try_from(steps).unwrap_or(usize::MAX),
            seed,
            cut,
            limit: env.spec().and_then(|spec| spec.max_episode_steps).unwrap_or(LIMIT),
            maze,
        })
    }

    pub(super) fn play(&self, env: &mut BoxEnv, policy: &mut dyn Policy, bar: &ProgressBar) -> Result<Steps> {
        let space = env.action_space().as_box().map_err(diffplan_eval::Error::from)?.clone();
        // Another stream than the environment's and the policy's, which come from the seed as well.
        let mut rng = NumpyRng::new(!self.seed);
        let (mut observation, _) = env.reset(Some(self.seed), &ResetOptions::default())?;
        policy.begin(0, &Start::alone(0, self.seed))?;
        let mut goal = self.draw(&observation, &mut rng);
        policy.set_goal(0, Some(&goal))?;
        let mut steps = Steps::default();
        let (mut on_the_way, mut in_this_part) = (0, 0);
        let mut action = Array2::zeros((1, space.dim()));
        for step in 1..=self.steps {
            policy.act(&[0], observation.view().insert_axis(Axis(0)), action.view_mut())?;
            let chosen = action.row(0);
            let within = chosen.iter().zip(space.low()).zip(space.high());
            let bounded: Array1<f32> = within
                .map(|((&a, &low), &high)| a.clamp(low as f32, high as f32))
                .collect();
            (on_the_way, in_this_part) = (on_the_way + 1, in_this_part + 1);
            let over = self.reached(&observation, &goal) || on_the_way >= self.limit;
            let next = env.step(&bounded)?;
            let cut = step == self.steps
                || match self.cut {
                    Cut::Goal => over,
                    Cut::Limit => in_this_part >= self.limit,
                    Cut::Never => false,
                };
            steps.push(&observation, &bounded, &next, cut);
            steps.goals.extend(goal.values.iter().map(|&x| x as f32));
            if cut {
                steps.end_part(in_this_part);
                in_this_part = 0;
            }
            observation = next.observation;
            // A teleport may leave a goal where no way leads to.
            if over || !self.leads(&observation, &goal) {
                goal = self.draw(&observation, &mut rng);
                policy.set_goal(0, Some(&goal))?;
                on_the_way = 0;
            }
            bar.inc(1);
        }
        Ok(steps)
    }

    /// A goal that a way leads to.
    fn draw(&self, observation: &Array1<f64>, rng: &mut NumpyRng) -> Goal {
        let open: Vec<_> = self.maze.open_cells().collect();
        loop {
            let cell = open[((rng.random() * open.len() as f64) as usize).min(open.len() - 1)];
            let centred = usize::from(self.maze.spot(cell) == self.maze.centre(cell));
            let spread = SPREAD[centred] * self.maze.edge();
            let values = self.maze.spot(cell).map(|x| x + rng.uniform(-spread, spread));
            let goal = Goal {
                dims: vec![0, 1],
                values: Array1::from(values.to_vec()),
                tolerance: Some(REACHED * self.maze.edge()),
            };
            if self.leads(observation, &goal) {
                return goal;
            }
        }
    }

    /// Whether a way leads to a goal, as far as can be said: a ball within a wall, as far as contacts give way, is on its way.
    fn leads(&self, observation: &Array1<f64>, goal: &Goal) -> bool {
        let from = self
            .maze
            .cell_at([observation[0], observation[1]])
            .filter(|&cell| self.maze.is_open(cell));
        let to = self.maze.cell_at([goal.values[0], goal.values[1]]);
        from.zip(to)
            .is_none_or(|(from, to)| self.maze.shortest_path(from, to).is_some())
    }

    fn reached(&self, observation: &Array1<f64>, goal: &Goal) -> bool {
        let (x, y) = (observation[0] - goal.values[0], observation[1] - goal.values[1]);
        x.hypot(y) < REACHED * self.maze.edge()
    }
}
