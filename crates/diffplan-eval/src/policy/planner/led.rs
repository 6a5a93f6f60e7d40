//! A planner's policy in an environment: led where it was said, with the controller that its options ask for.

use super::{Aim, PlannerPolicy};
use crate::error::{Error, Result};
use crate::names::Names;
use diffplan_envs::{BoxEnv, Env};
use diffplan_pipelines::Planner;

impl PlannerPolicy {
    /// Who acts by a planner's plans in `env`.
    ///
    /// # Errors
    /// As [`Aim::check_places`], [`Aim::check_times`] and [`PlannerPolicy::with_aim`]; if states are to be followed and what steers there
    /// cannot be told.
    pub fn led(planner: Planner, aim: Aim, env: &BoxEnv) -> Result<Self> {
        aim.check_places(env)?;
        aim.check_times(env)?;
        Self::new(planner).with_aim(aim)?.with_follower_of(&Names::of_env(env)?)
    }
}

impl Aim {
    /// That nothing is to be reached where nothing can be.
    ///
    /// # Errors
    /// [`Error::Setting`] for a goal or a waypoint in a wall, or outside all of them.
    pub fn check_places(&self, env: &BoxEnv) -> Result<()> {
        let Some(walls) = env.walls() else { return Ok(()) };
        let goal = self.goal.iter().map(|goal| ("goal", &goal.dims, goal.values.to_vec()));
        let waypoints = self.waypoints.iter();
        let waypoints = waypoints.map(|waypoint| ("waypoint", &waypoint.dims, waypoint.values.to_vec()));
        for (name, dims, values) in goal.chain(waypoints) {
            if let Some(place) = walls.position(dims, &values).filter(|&place| walls.blocks(place)) {
                return Err(Error::Setting {
                    name,
                    value: format!("{},{}", place[0], place[1]),
                    expected: "a position in the maze that is not in a wall".into(),
                });
            }
        }
        Ok(())
    }

    /// That nothing is to be reached after an episode's last step.
    ///
    /// # Errors
    /// [`Error::Setting`] for what is.
    pub fn check_times(&self, env: &BoxEnv) -> Result<()> {
        let Some(last) = env.spec().and_then(|spec| spec.max_episode_steps) else {
            return Ok(());
        };
        let waypoints = self.waypoints.iter().map(|waypoint| ("waypoint", waypoint.time));
        let goal = self.goal_time.map(|time| ("goal-time", time));
        match waypoints.chain(goal).find(|&(_, time)| time > last) {
            None => Ok(()),
            Some((name, time)) => Err(Error::Setting {
                name,
                value: time.to_string(),
                expected: format!("a step from 1 to {last}, the last of an episode"),
            }),
        }
    }
}
