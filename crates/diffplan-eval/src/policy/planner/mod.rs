//! [`PlannerPolicy`]: plan, do what was planned for a while, look, plan again.
//!
//! By default the first action of a plan is done and the rest thrown away. The options that are marked `acting`
//! ([`OPTIONS`](diffplan_pipelines::OPTIONS)) say otherwise; docs/receding-horizon.md tells what each does. In short, at step k of an
//! episode with `n_action_steps` s and `observation_delay` d:
//!
//! ```text
//! step            k ……… k+d-1 | k+d ……… k+d+s-1 | …
//! committed       a   …   a   |                     done whatever comes: imposed on the plan of the observation at k
//! that plan's     0   …   d-1 | d   …   d+s-1   | …  steps d to d+s-1 of it are appended; the next plan is made at k+s
//! ```
//!
//! An episode is a slot's own: its noise, its goal, its last plan, what is left of it. Slots that need a plan in the same call are planned
//! for in one batch, those that start from noise and those that start from their last plan in one each; others go on with what they have.
//! A plan has the same bits alone and among others, so an episode does not depend on which others run.

mod aim;
mod episode;
mod follower;
mod led;

pub use aim::{Aim, AimText, Held, Waypoint};
pub use follower::StateFollower;

use super::{Policy, check_dimensions, slot};
use crate::error::{Error, Result};
use crate::names::Names;
use crate::start::Start;
use diffplan_envs::{Goal, Space};
use diffplan_pipelines::doctor::{Finding, Outside};
use diffplan_pipelines::{
    Condition, Follow, Part, Plan, Planner, Query, RngNoise, Start as From, TrainedConditions, ViolationsSummary,
};
use episode::{Doing, Running};
use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut2};

/// A planner that acts: all slots of a call that need a plan are planned for in one batch, each with its episode's own noise.
#[derive(Debug)]
pub struct PlannerPolicy {
    planner: Planner,
    doing: Doing,
    aim: Aim,
    follower: Option<StateFollower>,
    episodes: Vec<Option<Running>>,
    /// Looks at every observation.
    outside: Outside,
    /// The lowest and highest of each action dimension, once an environment told them.
    bounds: Vec<(f64, f64)>,
    /// What its plans violated.
    violations: ViolationsSummary,
    /// What slot 0's plans were made of, if that is wanted.
    remembered: Option<Vec<Made>>,
}

/// What a plan was made of: it can be made again.
#[derive(Clone, Debug)]
pub struct Made {
    /// The step of the episode.
    pub step: usize,
    /// The noise, before the plan.
    pub noise: RngNoise,
    /// What was imposed on it beside the observation.
    pub held: Vec<Held>,
    /// What it started from, if not from noise: candidates (batch, horizon, dimensions), normalised, and the visit.
    pub warm: Option<(Array3<f32>, usize)>,
}

impl Made {
    /// What it started from.
    pub fn start(&self) -> From<'_> {
        match &self.warm {
            Some((sample, from)) => From::Warm { sample, from: *from },
            None => From::Noise,
        }
    }
}

impl PlannerPolicy {
    /// Acts by the plans of this planner, as its options say.
    pub fn new(planner: Planner) -> Self {
        Self {
            outside: Outside::of(planner.pipeline().normalizers()),
            doing: Doing::of(planner.options()),
            planner,
            aim: Aim::default(),
            follower: None,
            episodes: Vec::new(),
            bounds: Vec::new(),
            violations: ViolationsSummary::default(),
            remembered: None,
        }
    }

    /// With plans that lead to and come by this, in every episode.
    ///
    /// # Errors
    /// [`Error::Setting`] for a goal that the planner was not trained for.
    pub fn with_aim(mut self, aim: Aim) -> Result<Self> {
        aim.check(self.planner.pipeline().planning_config().conditions)?;
        self.aim = aim;
        Ok(self)
    }

    /// With the controller that planned states are followed by, which is used where the options say `follow = states`.
    #[must_use]
    pub fn with_follower(mut self, follower: StateFollower) -> Self {
        self.follower = Some(follower);
        self
    }

    /// With the controller that the planner's options ask for, if they ask for one: that of `follow_dims`, or of what dimensions are called.
    ///
    /// # Errors
    /// As [`StateFollower::parse`] and [`StateFollower::of_names`].
    pub fn with_follower_of(self, names: &Names) -> Result<Self> {
        let options = self.planner.options();
        if options.follow != Follow::States {
            return Ok(self);
        }
        let follower = match &options.follow_dims {
            Some(dims) => StateFollower::parse(dims, names)?,
            None => StateFollower::of_names(names)?,
        };
        Ok(self.with_follower(follower))
    }

    /// Goes on with the episodes of another, which has none from then on: with their noise, their goals and their steps. For each of
    /// them a plan is made at its next step, from noise; nothing of the plans of before holds it.
    pub fn take_over(&mut self, other: &mut Self) {
        self.episodes = std::mem::take(&mut other.episodes);
        self.episodes.iter_mut().flatten().for_each(Running::let_go);
    }

    /// Keeps what every plan of slot 0 is made of from its next episode on, so that any of them can be made again.
    pub fn remember(&mut self) {
        self.remembered = Some(Vec::new());
    }

    /// What each plan of slot 0's episode was made of, in order, if it was kept.
    pub fn remembered(&mut self) -> Vec<Made> {
        self.remembered.take().unwrap_or_default()
    }

    /// The planner.
    pub fn planner(&mut self) -> &mut Planner {
        &mut self.planner
    }

    /// The controller, where it is one that acts.
    fn steers(&self) -> Option<&StateFollower> {
        self.follower.as_ref().filter(|_| self.doing.follow == Follow::States)
    }

    fn running_mut(&mut self, at: usize) -> Result<&mut Running> {
        let begun = self.episodes.get_mut(at).and_then(Option::as_mut);
        begun.ok_or_else(not_begun)
    }

    /// Makes plans for `places` of a call's `slots`, all from noise or all from their last plans.
    fn plan_for(&mut self, places: &[usize], warm: bool, slots: &[usize], observations: ArrayView2<f32>) -> Result<()> {
        let own: Vec<usize> = places.iter().filter_map(|&place| slots.get(place).copied()).collect();
        let doing = self.doing;
        let visits = self.planner.sampler().visits().len();
        let observation_dim = self.planner.pipeline().observation_dim();
        let is_led = self.planner.pipeline().planning_config().conditions == Some(TrainedConditions::Goal);
        let mut made = Vec::with_capacity(own.len());
        for &at in &own {
            let running = running(&self.episodes, at)?;
            let end = match is_led {
                true => self.aim.end(running.goal.as_ref(), observation_dim),
                false => None,
            };
            let mut held = running.held(doing, &self.aim, end.as_ref());
            held.iter_mut().for_each(|held| clip(&self.bounds, held));
            made.push(Made {
                step: running.steps,
                noise: running.noise.clone(),
                held,
                warm: match warm {
                    true => running.shifted().map(|sample| (sample, doing.first_visit(visits))),
                    false => None,
                },
            });
        }
        let conditions: Vec<Vec<Condition>> = made
            .iter()
            .zip(places)
            .map(|(made, &place)| {
                let first = Condition::observation(0, observations.row(place));
                [first]
                    .into_iter()
                    .chain(made.held.iter().map(Held::condition))
                    .collect()
            })
            .collect();
        let mut noises: Vec<RngNoise> = made.iter().map(|made| made.noise.clone()).collect();
        let parts = made.iter().zip(&conditions).zip(&mut noises);
        let mut queries: Vec<Query> = parts
            .map(|((made, conditions), noise)| Query::new(conditions, noise).start(made.start()))
            .collect();
        let plans = self.planner.plan_queries(&mut queries);
        drop(queries);
        let plans = plans.map_err(|error| in_slot(error, &own))?;
        let follower = self.steers().cloned();
        for ((&at, plan), noise) in own.iter().zip(plans).zip(noises) {
            if let Some(violations) = &plan.violations {
                self.violations.add(violations, plan.chosen);
            }
            let running = self.running_mut(at)?;
            running.noise = noise;
            running.go_on_with(plan, doing, follower.as_ref());
        }
        if let (Some(remembered), Some(first)) = (&mut self.remembered, own.iter().position(|&at| at == 0)) {
            remembered.push(made.swap_remove(first));
        }
        Ok(())
    }
}

impl Policy for PlannerPolicy {
    fn name(&self) -> String {
        "planner".into()
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        let pipeline = self.planner.pipeline();
        let (observation_dim, action_dim) = (pipeline.observation_dim(), pipeline.action_dim());
        if let Some(follower) = self.steers() {
            // Plans may be of states alone.
            let action_dim = actions.as_box()?.dim();
            check_dimensions(observations, actions, (observation_dim, action_dim), "the checkpoint's")?;
            follower.check(observation_dim, action_dim)?;
        } else {
            check_dimensions(observations, actions, (observation_dim, action_dim), "the checkpoint's")?;
        }
        let Doing { follow, delay, .. } = self.doing;
        if follow == Follow::States && self.follower.is_none() {
            return Err(Error::Parts(
                "follow = states needs a controller: give the policy one with with_follower(StateFollower)".into(),
            ));
        }
        let horizon = self.planner.options().planning_horizon;
        // States are one fewer to steer to than actions are to do.
        let followed = horizon - usize::from(follow == Follow::States && horizon > 1);
        if delay >= followed {
            return Err(Error::Setting {
                name: "observation_delay",
                value: delay.to_string(),
                expected: format!("less than the {followed} steps that can be followed of a plan of horizon {horizon}"),
            });
        }
        let space = actions.as_box()?;
        self.bounds = space.low().iter().copied().zip(space.high().iter().copied()).collect();
        Ok(())
    }

    fn begin(&mut self, at: usize, start: &Start) -> Result<()> {
        *slot(&mut self.episodes, at) = Some(Running::new(start.noise.clone()));
        if let (0, Some(remembered)) = (at, &mut self.remembered) {
            remembered.clear();
        }
        Ok(())
    }

    fn set_goal(&mut self, at: usize, goal: Option<&Goal>) -> Result<()> {
        self.running_mut(at)?.set_goal(goal);
        Ok(())
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        let seen: Array2<f32> = observations.mapv(|v| v as f32);
        seen.outer_iter().for_each(|observation| self.outside.see(observation));
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        let doing = self.doing;
        for (place, &at) in slots.iter().enumerate() {
            let running = running(&self.episodes, at)?;
            match (running.needs_plan(doing), running.starts_warm(doing)) {
                (false, _) => {}
                (true, false) => cold.push(place),
                (true, true) => warm.push(place),
            }
        }
        for (places, is_warm) in [(cold, false), (warm, true)] {
            if !places.is_empty() {
                self.plan_for(&places, is_warm, slots, seen.view())?;
            }
        }
        let follower = self.steers().cloned();
        for ((&at, observation), mut row) in slots
            .iter()
            .zip(observations.outer_iter())
            .zip(actions.outer_iter_mut())
        {
            row.assign(&self.running_mut(at)?.next_action(observation, follower.as_ref())?);
        }
        Ok(())
    }

    fn plan(&self, slot: usize) -> Option<&Plan> {
        self.episodes.get(slot)?.as_ref()?.plan.as_ref()
    }

    fn plan_age(&self, slot: usize) -> usize {
        let running = self.episodes.get(slot).and_then(Option::as_ref);
        running.map_or(0, Running::age)
    }

    fn violations(&self) -> Option<&ViolationsSummary> {
        (self.violations.plans > 0).then_some(&self.violations)
    }

    fn findings(&self) -> Vec<Finding> {
        self.outside.finding().cloned().into_iter().collect()
    }
}

fn running(episodes: &[Option<Running>], at: usize) -> Result<&Running> {
    episodes.get(at).and_then(Option::as_ref).ok_or_else(not_begun)
}

fn not_begun() -> Error {
    Error::Parts("a slot was to be acted for whose episode has not begun".into())
}

/// An action that is held is held as it is done: within the action space.
fn clip(bounds: &[(f64, f64)], held: &mut Held) {
    if held.part == Part::Action {
        for (value, &(low, high)) in held.values.iter_mut().zip(bounds) {
            *value = value.clamp(low as f32, high as f32);
        }
    }
}

/// An error of planning. It tells the place in the batch where it is a matter of one observation, which is left out of the message
/// then: it is about one slot only.
fn in_slot(error: diffplan_pipelines::Error, slots: &[usize]) -> Error {
    use diffplan_pipelines::Error as E;
    let (place, error) = match error {
        E::Condition {
            index,
            time,
            part,
            reason,
        } => (
            Some(index),
            E::Condition {
                index: 0,
                time,
                part,
                reason,
            },
        ),
        E::Diverged {
            index,
            step,
            timestep,
            what,
            scale,
        } => (
            Some(index),
            E::Diverged {
                index: 0,
                step,
                timestep,
                what,
                scale,
            },
        ),
        E::NoGoal { index, time } => (Some(index), E::NoGoal { index: 0, time }),
        E::Infeasible {
            index,
            constraint,
            least,
            candidates,
        } => (
            Some(index),
            E::Infeasible {
                index: 0,
                constraint,
                least,
                candidates,
            },
        ),
        E::NoiseOf { index, error } => (Some(index), E::Noise(error)),
        other => ((slots.len() == 1).then_some(0), other),
    };
    match place.and_then(|place| slots.get(place)) {
        Some(&slot) => Error::InSlot {
            slot,
            error: Box::new(error.into()),
        },
        None => error.into(),
    }
}
