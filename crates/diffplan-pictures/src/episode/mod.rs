//! What happened in an episode, and what was planned: a panel for every observation, action and the reward.

mod chart;

use crate::error::Result;
use chart::{Panel, Plan, Scene, Trace};
use diffplan_eval::{Episode, Names};
use diffplan_pipelines::SampleLayout;
use ndarray::{Array2, ArrayView1};

/// Everything that is drawn of an episode.
#[derive(Clone, Debug)]
pub struct EpisodePicture<'a> {
    /// Above all.
    pub title: String,
    /// Below that.
    pub subtitle: String,
    /// What was played.
    pub episode: &'a Episode,
    /// What dimensions are called.
    pub names: &'a Names,
    /// Plans that are shown, with the steps that they are of: (horizon, dimensions), in the environment's units.
    pub plans: Vec<(usize, &'a Array2<f32>)>,
    /// Where actions and observations lie in a plan.
    pub layout: SampleLayout,
}

impl<'a> EpisodePicture<'a> {
    /// Of an episode without plans.
    pub fn new(title: impl Into<String>, episode: &'a Episode, names: &'a Names) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            episode,
            names,
            plans: Vec::new(),
            layout: SampleLayout::action_first(names.actions.len(), names.observations.len()),
        }
    }
}

/// The picture, encoded PNG.
///
/// # Errors
/// If it cannot be encoded.
pub fn episode_png(picture: &EpisodePicture) -> Result<Vec<u8>> {
    let EpisodePicture {
        title,
        subtitle,
        episode,
        names,
        plans,
        layout,
    } = picture;
    let plans_of = |channel: usize| -> Vec<Plan> {
        let shown = plans.iter().filter(|(_, plan)| channel < plan.ncols());
        let plan = |&(step, plan): &(usize, &Array2<f32>)| Plan {
            step,
            values: numbers(plan.column(channel)),
        };
        shown.map(plan).collect()
    };
    // Of a plan that holds no actions, or no observations, none.
    let of = |channels: std::ops::Range<usize>, dim: usize| match channels.len() > dim {
        true => plans_of(channels.start + dim),
        false => Vec::new(),
    };
    let mut panels = Vec::new();
    for (dim, name) in names.observations.iter().enumerate() {
        panels.push(Panel {
            label: name.clone(),
            truth: Trace::At(episode.observations.column(dim).to_vec()),
            plans: of(layout.observations(), dim),
        });
    }
    for (dim, name) in names.actions.iter().enumerate() {
        panels.push(Panel {
            label: name.clone(),
            truth: Trace::Held(numbers(episode.actions.column(dim))),
            plans: of(layout.actions(), dim),
        });
    }
    panels.push(Panel {
        label: "reward".into(),
        truth: Trace::Held(episode.rewards.to_vec()),
        plans: Vec::new(),
    });
    chart::png(&Scene {
        title: title.clone(),
        subtitle: subtitle.clone(),
        steps: episode.length(),
        moments: plans.iter().map(|(step, _)| *step).collect(),
        panels,
    })
}

fn numbers(values: ArrayView1<f32>) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
