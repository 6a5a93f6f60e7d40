//! [`Running`]: an episode that is planned for, and what is left to do of its plans.

use super::aim::{Aim, Held};
use super::follower::StateFollower;
use crate::error::{Error, Result};
use diffplan_envs::Goal;
use diffplan_pipelines::{Follow, Part, Plan, PlanOptions, Prefix, RngNoise};
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};
use std::collections::VecDeque;

/// An episode in a slot.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) noise: RngNoise,
    /// What the environment wants.
    pub(super) goal: Option<Goal>,
    /// The newest plan.
    pub(super) plan: Option<Plan>,
    /// The step at which it was made.
    made_at: usize,
    /// Whether the next plan may go on from it: not where it leads to another goal.
    leads_on: bool,
    /// Steps for which there was an action.
    pub(super) steps: usize,
    /// What is to be done next: actions, or observations to be steered to.
    ahead: VecDeque<Array1<f64>>,
    /// What is steered to once nothing is ahead.
    rest: Option<Array1<f64>>,
}

/// The options that say what is done of plans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doing {
    pub(super) follow: Follow,
    /// Steps done of a plan before another is made.
    count: usize,
    pub(super) delay: usize,
    prefix: Prefix,
    prefix_steps: usize,
    horizon: usize,
    pub(super) warm_start: f32,
}

impl Doing {
    pub(super) fn of(options: &PlanOptions) -> Self {
        Self {
            follow: options.follow,
            count: options.n_action_steps,
            delay: options.observation_delay,
            prefix: options.prefix,
            prefix_steps: options.prefix_steps.unwrap_or(usize::MAX),
            horizon: options.planning_horizon,
            warm_start: options.warm_start,
        }
    }

    /// Whether an episode has one plan for each of its goals: states are steered to after the last of them as well.
    fn once(self) -> bool {
        self.follow == Follow::States && self.count >= self.horizon
    }

    /// Of so many visits, the one that a warm plan starts at.
    pub(super) fn first_visit(self, visits: usize) -> usize {
        let made = (self.warm_start * visits as f32).round() as usize;
        visits - made.clamp(1, visits.max(1)).min(visits)
    }
}

impl Running {
    pub(super) fn new(noise: RngNoise) -> Self {
        Self {
            noise,
            goal: None,
            plan: None,
            made_at: 0,
            leads_on: false,
            steps: 0,
            ahead: VecDeque::new(),
            rest: None,
        }
    }

    /// There is another goal: the next plan is one to it alone.
    pub(super) fn set_goal(&mut self, goal: Option<&Goal>) {
        if self.goal.as_ref() != goal {
            self.goal = goal.cloned();
            self.leads_on = false;
        }
    }

    /// The next plan is made by other options: nothing of the last one, which may be of another shape, is to be done or gone on from.
    pub(super) fn let_go(&mut self) {
        self.leads_on = false;
        self.ahead.clear();
        self.rest = None;
    }

    /// Whether the next action takes a new plan.
    pub(super) fn needs_plan(&self, doing: Doing) -> bool {
        !self.leads_on || (!doing.once() && self.ahead.len() <= doing.delay)
    }

    /// Whether the next plan may start from the last one.
    pub(super) fn starts_warm(&self, doing: Doing) -> bool {
        doing.warm_start > 0.0 && self.leads_on
    }

    /// Steps since the newest plan was made, at the last action.
    pub(super) fn age(&self) -> usize {
        self.steps.saturating_sub(self.made_at + 1)
    }

    /// The candidates of the last plan (batch, horizon, dimensions), normalised, as they are from now on; its last step stands for those
    /// after it.
    pub(super) fn shifted(&self) -> Option<Array3<f32>> {
        let candidates = &self.plan.as_ref()?.normalized;
        let last = candidates.dim().1.checked_sub(1)?;
        let done = self.steps - self.made_at;
        let rows: Vec<usize> = (0..=last).map(|row| (row + done).min(last)).collect();
        Some(candidates.select(Axis(1), &rows))
    }

    /// Steps that are decided whatever the next plan is.
    fn committed(&self, doing: Doing) -> usize {
        self.ahead.len().min(doing.delay)
    }

    /// All that is imposed on the next plan beside the observation that it begins at.
    pub(super) fn held(&self, doing: Doing, aim: &Aim, end: Option<&Array1<f32>>) -> Vec<Held> {
        let mut held = aim.held(self.steps, end, doing.horizon);
        let committed = self.committed(doing);
        let before = self.followed(doing.follow);
        let done = self.steps - self.made_at;
        let overlap = match self.leads_on {
            true => before.nrows().saturating_sub(done),
            false => 0,
        };
        let end = overlap.min(doing.prefix_steps);
        for step in 0..committed.max(end) {
            let strength = doing.prefix.weight(step, committed, end);
            let (time, part) = match doing.follow {
                // A state is reached a step after it is steered to.
                Follow::States => (step + 1, Part::Observation),
                _ => (step, Part::Action),
            };
            // What is aimed at wins over what the last plan made of it.
            let aimed = held.iter().any(|held| (held.time, held.part) == (time, part));
            if strength == 0.0 || aimed || time >= doing.horizon {
                continue;
            }
            let values = match self.ahead.get(step).filter(|_| step < committed) {
                Some(decided) => decided.mapv(|v| v as f32).to_vec(),
                None => before.row(done + step).to_vec(),
            };
            held.push(Held::whole(time, part, values, strength));
        }
        held
    }

    /// What is followed of the newest plan, a row a step: actions, or the observations after each.
    fn followed(&self, follow: Follow) -> Array2<f32> {
        let Some(plan) = &self.plan else {
            return Array2::zeros((0, 0));
        };
        match follow {
            Follow::States => {
                let states = plan.observations();
                states
                    .index_axis(Axis(0), plan.chosen)
                    .select(Axis(0), &(1..states.dim().1).collect::<Vec<_>>())
            }
            _ => actions_of(plan),
        }
    }

    /// There is a plan from here on: what was ahead beyond the delay is given up for it.
    pub(super) fn go_on_with(&mut self, plan: Plan, doing: Doing, follower: Option<&StateFollower>) {
        let committed = self.committed(doing);
        self.ahead.truncate(committed);
        self.plan = Some(plan);
        (self.made_at, self.leads_on) = (self.steps, true);
        let rows = self.followed(doing.follow);
        let most = doing.delay.saturating_add(doing.count);
        for row in rows.outer_iter().skip(committed) {
            if self.ahead.len() >= most {
                break;
            }
            self.ahead.push_back(row.mapv(f64::from));
        }
        self.rest = self.plan.as_ref().zip(follower).and_then(|(plan, follower)| {
            let states = plan.observations();
            let states = states.index_axis(Axis(0), plan.chosen);
            let last = states.outer_iter().next_back()?;
            Some(follower.at_rest(last.mapv(f64::from)))
        });
    }

    /// The action at an observation, of what is ahead, which is one step less then.
    pub(super) fn next_action(
        &mut self,
        observation: ArrayView1<f64>,
        follower: Option<&StateFollower>,
    ) -> Result<Array1<f32>> {
        let next = self.ahead.pop_front().or_else(|| self.rest.clone());
        let next = next.ok_or_else(|| Error::Parts("a plan without a step to do, expected at least one".into()))?;
        self.steps += 1;
        Ok(match follower {
            Some(follower) => follower.action(observation, next.view()),
            None => next.mapv(|v| v as f32),
        })
    }
}

/// The actions of a plan's chosen candidate, a row a step: those of the action head, and after them the candidate's own, where the head
/// takes those.
fn actions_of(plan: &Plan) -> Array2<f32> {
    let own = plan.actions();
    let own = own.index_axis(Axis(0), plan.chosen);
    let (chunk, whole) = (plan.chunk.nrows(), own.nrows());
    let takes_own = own.ncols() == plan.chunk.ncols() && own.row(0) == plan.chunk.row(0);
    if !takes_own || chunk >= whole {
        return plan.chunk.clone();
    }
    let mut actions = own.to_owned();
    for (mut row, head) in actions.outer_iter_mut().zip(plan.chunk.outer_iter()) {
        row.assign(&head);
    }
    actions
}
