//! [`WaypointPolicy`]: from cell to cell of a maze to the goal, as D4RL collected its data of mazes.
//!
//! The way is a shortest one through cells. In each cell of it a point is drawn, the last is the goal itself, and the ball is pulled to
//! one after the other; it turns to the next within a tenth of a cell. A ball that is pushed is pulled by
//! 10 (point − position) − velocity, clipped to ±1, as by D4RL's `pointmaze/waypoint_controller.py`; OGBench's, which is put where its action says, goes
//! straight to the point. Where it leaves the way, it looks for one anew.
//!
//! D4RL's waypoints lie up to 0.2 from a cell's spot, toward its centre, and the last one at the spot of the goal's cell; here the last is
//! the goal. In other mazes they lie up to a tenth of a cell from the centre, either way.

use super::{Policy, slot};
use crate::error::{Error, Result};
use crate::start::{Start, policy_seed};
use diffplan_envs::maze::{Cell, Layout};
use diffplan_envs::{Goal, NumpyRng, Space, Walls};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

const POSITION_GAIN: f64 = 10.0;
const VELOCITY_GAIN: f64 = -1.0;
/// How near a waypoint counts as there, in cells.
const THERE: f64 = 0.1;
/// How far waypoints lie from a cell's centre, in cells, where spots are centres.
const SPREAD: f64 = 0.1;
/// How far OGBench's ball is put by an action of 1.
const STRIDE: f64 = 0.2;

/// The controller of mazes: it knows the map of its environment, and is told goals by [`Policy::set_goal`].
#[derive(Debug)]
pub struct WaypointPolicy {
    maze: Layout,
    /// Standard deviation of white noise on the actions.
    noise: f64,
    /// Whether velocities are observed and actions are forces: not of OGBench's mazes.
    forces: Option<bool>,
    walks: Vec<Option<Walk>>,
}

/// What it does in one episode.
#[derive(Debug)]
struct Walk {
    rng: NumpyRng,
    goal: Option<[f64; 2]>,
    /// The cells of the way, and where in each it goes: nothing until it was looked for.
    cells: Vec<Cell>,
    points: Vec<[f64; 2]>,
    /// Which of them is next.
    next: usize,
}

impl WaypointPolicy {
    /// For the maze of this id, with white noise of this standard deviation on the actions, which D4RL's data has 0.5 of.
    ///
    /// # Errors
    /// [`Error::Parts`] if it is no maze's.
    pub fn new(env_id: &str, noise: f64) -> Result<Self> {
        let maze = Layout::of(env_id).ok_or_else(|| {
            Error::Parts(format!(
                "the policy \"waypoint\" is made for mazes, such as maze2d-umaze-v1, PointMaze_UMaze-v3 and pointmaze-medium-v0, not for \
                 {env_id:?}"
            ))
        })?;
        Ok(Self {
            maze,
            noise,
            forces: None,
            walks: Vec::new(),
        })
    }

    /// That an environment has the walls that this knows, not those of a map of its own (D4RL's `maze_spec`).
    ///
    /// # Errors
    /// [`Error::Parts`] if not.
    pub fn check_walls(&self, walls: &Walls) -> Result<()> {
        match self.maze.has(walls) {
            true => Ok(()),
            false => Err(Error::Parts(
                "the policy \"waypoint\" knows the map of the environment's id, and its walls are others; expected it without a map of its own (maze_spec)"
                    .into(),
            )),
        }
    }

    fn act_in(&mut self, at: usize, observation: ArrayView1<f64>) -> Result<[f32; 2]> {
        let (maze, noise, forces) = (&self.maze, self.noise, self.forces);
        let (Some(walk), Some(forces)) = (slot(&mut self.walks, at), forces) else {
            return Err(Error::Parts(
                "a slot was to be acted for whose episode has not begun".into(),
            ));
        };
        let position = [observation[0], observation[1]];
        let point = walk.point(maze, position)?;
        let mut action = [0, 1].map(|axis| {
            let away = point[axis] - position[axis];
            match forces {
                true => (POSITION_GAIN * away + VELOCITY_GAIN * observation[2 + axis]).clamp(-1.0, 1.0),
                false => away / STRIDE,
            }
        });
        if !forces {
            let length = action[0].hypot(action[1]).max(1.0);
            action = action.map(|a| a / length);
        }
        if noise > 0.0 {
            action = action.map(|a| a + noise * walk.rng.standard_normal());
        }
        Ok(action.map(|a| a.clamp(-1.0, 1.0) as f32))
    }
}

impl Walk {
    /// Where to go from a position.
    fn point(&mut self, maze: &Layout, position: [f64; 2]) -> Result<[f64; 2]> {
        let Some(goal) = self.goal else {
            return Err(Error::Parts(
                "the policy \"waypoint\" was not told a goal: expected an environment that has one".into(),
            ));
        };
        // Noise may push a ball a little way into a wall: then it goes on as it was.
        let cell = maze.cell_at(position).filter(|&cell| maze.is_open(cell));
        let lost = cell.is_some_and(|cell| !self.cells.contains(&cell));
        if self.points.is_empty() || lost {
            self.look(maze, position, goal)?;
        }
        let (last, there) = (self.points.len() - 1, THERE * maze.edge());
        while self.next < last && between(position, self.points[self.next]) < there {
            self.next += 1;
        }
        Ok(self.points[self.next])
    }

    fn look(&mut self, maze: &Layout, position: [f64; 2], goal: [f64; 2]) -> Result<()> {
        let way = maze.cell_at(position).zip(maze.cell_at(goal));
        let way = way.and_then(|(from, to)| maze.shortest_path(from, to));
        let Some(cells) = way else {
            return Err(Error::Parts(format!(
                "there is no way in the maze from {position:?} to {goal:?}: expected two places that corridors lead between"
            )));
        };
        // The cell it is in is left at once.
        let between = &cells[1..cells.len().max(2) - 1];
        self.points = between
            .iter()
            .map(|&cell| waypoint(maze, cell, &mut self.rng))
            .collect();
        self.points.push(goal);
        (self.cells, self.next) = (cells, 0);
        Ok(())
    }
}

/// Where in a cell it goes.
fn waypoint(maze: &Layout, cell: Cell, rng: &mut NumpyRng) -> [f64; 2] {
    let (spot, centre) = (maze.spot(cell), maze.centre(cell));
    [0, 1].map(|axis| {
        let share = rng.random();
        match spot[axis] - centre[axis] {
            0.0 => centre[axis] + (2.0 * share - 1.0) * SPREAD * maze.edge(),
            off => spot[axis] - share * off,
        }
    })
}

fn between(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Policy for WaypointPolicy {
    fn name(&self) -> String {
        match self.noise > 0.0 {
            true => format!("waypoint, noise {}", self.noise),
            false => "waypoint".into(),
        }
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        let dimensions = observations.as_box()?.dim();
        let expected = if dimensions == 2 { (2, 2) } else { (4, 2) };
        super::check_dimensions(observations, actions, expected, "the policy waypoint is made for")?;
        self.forces = Some(dimensions == 4);
        Ok(())
    }

    fn begin(&mut self, at: usize, start: &Start) -> Result<()> {
        *slot(&mut self.walks, at) = Some(Walk {
            rng: NumpyRng::new(policy_seed(start.seed)),
            goal: None,
            cells: Vec::new(),
            points: Vec::new(),
            next: 0,
        });
        Ok(())
    }

    fn set_goal(&mut self, at: usize, goal: Option<&Goal>) -> Result<()> {
        let position = |goal: &Goal| -> Result<[f64; 2]> {
            let of = |dim: usize| goal.dims.iter().position(|&other| other == dim);
            let (x, y) = of(0).zip(of(1)).ok_or_else(|| {
                Error::Parts(format!(
                    "the goal is one of dimensions {:?}, expected the position, dimensions 0 and 1",
                    goal.dims
                ))
            })?;
            Ok::<_, Error>([goal.values[x], goal.values[y]])
        };
        let goal = goal.map(position).transpose()?;
        if let Some(walk) = slot(&mut self.walks, at) {
            walk.goal = goal;
            walk.points.clear();
        }
        Ok(())
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        let rows = observations.outer_iter().zip(actions.outer_iter_mut());
        for (&at, (observation, mut row)) in slots.iter().zip(rows) {
            let action = self.act_in(at, observation).map_err(|error| Error::InSlot {
                slot: at,
                error: Box::new(error),
            })?;
            row.assign(&ArrayView1::from(&action));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout;
    use diffplan_envs::{Dict, MakeOptions, Registry};

    fn steps_to(id: &str, kwargs: Dict, noise: f64, episodes: u64) -> Vec<Option<usize>> {
        let options = MakeOptions {
            kwargs,
            ..MakeOptions::default()
        };
        let mut env = Registry::default().make_with(id, &options).unwrap();
        let mut policy = WaypointPolicy::new(id, noise).unwrap();
        (0..episodes)
            .map(|seed| {
                let start = Start::alone(0, seed);
                let episode = rollout(&mut env, &start, &mut policy, &mut |_| ()).unwrap();
                episode.rewards.iter().position(|&reward| reward > 0.0)
            })
            .collect()
    }

    /// From anywhere to any goal in every suite, with D4RL's noise as well, and it stays there.
    #[test]
    fn goals_are_reached() {
        let resetting = || Dict::from_iter([("reset_target", true)]);
        for (id, kwargs, noise) in [
            ("maze2d-umaze-v1", Dict::new(), 0.0),
            ("maze2d-large-v1", resetting(), 0.5),
            ("maze2d-medium-v1", resetting(), 0.5),
            ("PointMaze_Medium-v3", Dict::new(), 0.0),
            ("PointMaze_Large_Diverse_GR-v3", Dict::new(), 0.5),
            ("pointmaze-giant-v0", Dict::new(), 0.0),
        ] {
            let steps = steps_to(id, kwargs, noise, 8);
            assert!(steps.iter().all(Option::is_some), "{id}: {steps:?}");
        }
    }

    #[test]
    fn what_it_cannot_do_it_says() {
        let error = WaypointPolicy::new("Pendulum-v1", 0.0).unwrap_err();
        assert!(error.to_string().contains("made for mazes"), "{error}");
        let mut policy = WaypointPolicy::new("maze2d-umaze-v1", 0.0).unwrap();
        let mut env = Registry::default().make("maze2d-umaze-v1").unwrap();
        let (observation, _) = diffplan_envs::Env::reset(&mut env, Some(1), &Dict::new()).unwrap();
        let act = |policy: &mut WaypointPolicy| {
            let mut action = ndarray::Array2::zeros((1, 2));
            policy.act(
                &[0],
                observation.view().insert_axis(ndarray::Axis(0)),
                action.view_mut(),
            )
        };
        policy
            .check_spaces(
                diffplan_envs::Env::observation_space(&env),
                diffplan_envs::Env::action_space(&env),
            )
            .unwrap();
        assert!(act(&mut policy).unwrap_err().to_string().contains("has not begun"));
        policy.begin(0, &Start::alone(0, 1)).unwrap();
        assert!(act(&mut policy).unwrap_err().to_string().contains("not told a goal"));
        let goal = |x: f64, dims: Vec<usize>| Goal {
            dims,
            values: ndarray::array![x, 1.0],
            tolerance: None,
        };
        assert!(policy.set_goal(0, Some(&goal(1.0, vec![2, 3]))).is_err());
        policy.set_goal(0, Some(&goal(2.0, vec![0, 1]))).unwrap();
        assert!(act(&mut policy).unwrap_err().to_string().contains("no way"), "a wall");
        policy.set_goal(0, Some(&goal(1.0, vec![0, 1]))).unwrap();
        act(&mut policy).unwrap();
    }
}
