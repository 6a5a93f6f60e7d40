//! [`PlannerPolicy`]: plan, do the first action, look, plan again.

use super::{Policy, check_dimensions, slot};
use crate::error::{Error, Result};
use crate::start::Start;
use diffplan_envs::Space;
use diffplan_pipelines::doctor::{Finding, Outside};
use diffplan_pipelines::{NoiseSource, Plan, Planner, RngNoise};
use ndarray::{ArrayView2, ArrayViewMut2};

/// A planner that acts: all slots of a call are planned for in one batch, each with its episode's own noise.
#[derive(Debug)]
pub struct PlannerPolicy {
    planner: Planner,
    noise: Vec<Option<RngNoise>>,
    plans: Vec<Option<Plan>>,
    /// Looks at every observation.
    outside: Outside,
    /// What the noise of slot 0 was like before each of its plans, if that is wanted.
    remembered: Option<Vec<RngNoise>>,
}

impl PlannerPolicy {
    /// Acts by the plans of this planner.
    pub fn new(planner: Planner) -> Self {
        Self {
            outside: Outside::of(planner.pipeline().normalizers()),
            planner,
            noise: Vec::new(),
            plans: Vec::new(),
            remembered: None,
        }
    }

    /// Keeps the noise of every plan of slot 0 from its next episode on, so that any of them can be made again.
    pub fn remember(&mut self) {
        self.remembered = Some(Vec::new());
    }

    /// The noise that each plan of slot 0's episode was made from, if it was kept.
    pub fn remembered(&mut self) -> Vec<RngNoise> {
        self.remembered.take().unwrap_or_default()
    }

    /// The planner.
    pub fn planner(&mut self) -> &mut Planner {
        &mut self.planner
    }
}

impl Policy for PlannerPolicy {
    fn name(&self) -> String {
        "planner".into()
    }

    fn check_spaces(&mut self, observations: &Space, actions: &Space) -> Result<()> {
        let pipeline = self.planner.pipeline();
        let expected = (pipeline.observation_dim(), pipeline.action_dim());
        check_dimensions(observations, actions, expected, "the checkpoint's")
    }

    fn begin(&mut self, at: usize, start: &Start) -> Result<()> {
        *slot(&mut self.noise, at) = Some(start.noise.clone());
        *slot(&mut self.plans, at) = None;
        if let (0, Some(remembered)) = (at, &mut self.remembered) {
            remembered.clear();
        }
        Ok(())
    }

    fn act(&mut self, slots: &[usize], observations: ArrayView2<f64>, mut actions: ArrayViewMut2<f32>) -> Result<()> {
        let observations = observations.mapv(|v| v as f32);
        observations
            .outer_iter()
            .for_each(|observation| self.outside.see(observation));
        if let (Some(remembered), Some(Some(noise)), true) =
            (&mut self.remembered, self.noise.first(), slots.contains(&0))
        {
            remembered.push(noise.clone());
        }
        let mut places: Vec<(usize, &mut RngNoise)> = Vec::with_capacity(slots.len());
        for (at, noise) in self.noise.iter_mut().enumerate() {
            if let (Some(place), Some(noise)) = (slots.iter().position(|&slot| slot == at), noise) {
                places.push((place, noise));
            }
        }
        if places.len() != slots.len() {
            return Err(Error::Parts(
                "a slot was to be acted for whose episode has not begun".into(),
            ));
        }
        places.sort_by_key(|(place, _)| *place);
        let mut noise: Vec<&mut dyn NoiseSource> = places.into_iter().map(|(_, noise)| noise as _).collect();
        let plans = self.planner.plan_batch(observations.view(), &mut noise);
        let plans = plans.map_err(|error| in_slot(error, slots))?;
        for ((&at, plan), mut row) in slots.iter().zip(plans).zip(actions.outer_iter_mut()) {
            row.assign(&plan.action);
            *slot(&mut self.plans, at) = Some(plan);
        }
        Ok(())
    }

    fn plan(&self, slot: usize) -> Option<&Plan> {
        self.plans.get(slot)?.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        self.outside.finding().cloned().into_iter().collect()
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
