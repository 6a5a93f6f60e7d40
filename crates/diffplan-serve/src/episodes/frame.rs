//! A frame: all that there is to see of a moment.

use crate::look::{self, Path};
use crate::model::{Model, World};
use crate::numbers::{Short, short};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diffplan_envs::Goal;
use diffplan_pictures::{Paths, Stage, frame_png};
use diffplan_pipelines::Plan;
use ndarray::{Array1, Array2, ArrayView1, Axis, Slice, s};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;

/// Pixels across.
const WIDTH: usize = 480;
/// Of what came true this many states are drawn.
const TRAIL: usize = 300;
/// Candidates beside the chosen one that a picture shows, spread over their ranks.
const OTHERS: usize = 12;

/// What is sent. What is planned from is the observation, and what is done there the action; the reward is of that.
#[derive(Serialize)]
pub(crate) struct Frame<'a> {
    pub(crate) step: usize,
    pub(crate) reward: Short,
    #[serde(rename = "return")]
    pub(crate) total: Short,
    pub(crate) seed: u64,
    pub(crate) observation: Vec<Short>,
    pub(crate) action: Option<Vec<Short>>,
    pub(crate) position: Option<[Short; 2]>,
    pub(crate) goal: Option<Vec<Short>>,
    #[serde(flatten)]
    pub(crate) planned: Option<Planned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    pub(crate) options: &'a Value,
    pub(crate) terminated: bool,
    pub(crate) truncated: bool,
}

/// Of a frame for which a plan was made.
#[derive(Serialize)]
pub(crate) struct Planned {
    latency_ms: Short,
    value: Option<Short>,
    values: Option<Vec<Short>>,
    candidates: Vec<Path>,
    plan: Path,
    plan_actions: Vec<Vec<Short>>,
}

impl Planned {
    pub(crate) fn of(model: &Model, plan: &Plan, seconds: f64) -> Self {
        let observations = plan.observations();
        let actions = plan.actions();
        let actions = actions.index_axis(Axis(0), plan.chosen);
        Self {
            latency_ms: Short(seconds * 1e3),
            value: plan
                .values
                .as_ref()
                .and_then(|values| Some(Short((*values.get(plan.chosen)?).into()))),
            values: plan.values.as_ref().map(short),
            candidates: look::paths(model, observations),
            plan: look::path(model, observations.index_axis(Axis(0), plan.chosen)),
            plan_actions: actions.outer_iter().map(short).collect(),
        }
    }
}

/// Where an observation is in the environment's plane.
pub(crate) fn position(world: &World, observation: ArrayView1<f64>) -> Option<[Short; 2]> {
    let [x, y] = world.walls.as_ref()?.dims;
    Some([Short(*observation.get(x)?), Short(*observation.get(y)?)])
}

pub(crate) fn goal(goal: Option<&Goal>) -> Option<Vec<Short>> {
    goal.map(|goal| short(&goal.values))
}

/// Draws an environment that draws itself, with what is planned and what came true.
pub(crate) struct Artist {
    stage: Option<Stage>,
    past: VecDeque<Array1<f64>>,
}

impl Artist {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            stage: world.stage(),
            past: VecDeque::new(),
        }
    }

    /// Another episode begins.
    pub(crate) fn begin(&mut self, seed: u64, options: &diffplan_envs::ResetOptions) {
        self.past.clear();
        if let Some(stage) = &mut self.stage
            && stage.begin(seed, options).is_err()
        {
            self.stage = None;
        }
    }

    /// A state came true.
    pub(crate) fn saw(&mut self, state: &Array1<f64>) {
        if self.stage.is_none() {
            return;
        }
        if self.past.len() == TRAIL {
            self.past.pop_front();
        }
        self.past.push_back(state.clone());
    }

    /// The last state that was seen, with a plan that was made `age` steps ago: as the address of a picture, which holds it. `None` where
    /// nothing is drawn; an environment that cannot draw a state is not asked again.
    pub(crate) fn picture(&mut self, plan: Option<(&Plan, usize)>) -> Option<String> {
        let drawn = self.draw(plan)?;
        match drawn {
            Ok(png) => Some(format!("data:image/png;base64,{}", STANDARD.encode(png))),
            Err(_) => {
                self.stage = None;
                None
            }
        }
    }

    fn draw(&mut self, plan: Option<(&Plan, usize)>) -> Option<diffplan_pictures::Result<Vec<u8>>> {
        let state = self.past.back()?;
        let stage = self.stage.as_mut()?;
        let mut drawn = || {
            stage.set_state(state.view())?;
            let mut paths = Paths {
                truth: rows(&self.past),
                ..Paths::default()
            };
            if let Some((plan, age)) = plan {
                let observations = plan.observations();
                let left = observations.slice_axis(Axis(1), Slice::from(age.min(observations.dim().1)..));
                if left.dim().1 > 1 {
                    paths.plan = stage.states_of(left.index_axis(Axis(0), plan.chosen))?;
                    let others: Vec<usize> = (0..left.dim().0).filter(|&place| place != plan.chosen).collect();
                    let shown = others.len().min(OTHERS);
                    for place in (0..shown).map(|place| others[place * others.len() / shown]) {
                        paths.others.extend(stage.states_of(left.slice(s![place, .., ..]))?);
                    }
                }
            }
            frame_png(&stage.draw(paths)?, WIDTH)
        };
        Some(drawn())
    }
}

/// (states, state dimensions), where there is a path.
fn rows(past: &VecDeque<Array1<f64>>) -> Option<Array2<f64>> {
    let views: Vec<_> = past.iter().map(|state| state.view()).collect();
    (views.len() > 1)
        .then(|| ndarray::stack(Axis(0), &views).ok())
        .flatten()
}
