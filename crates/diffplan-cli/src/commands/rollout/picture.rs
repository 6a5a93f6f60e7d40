//! What happened in an episode, and what was planned: a panel for every observation, action and the reward.

use super::chart::{self, Panel, Plan, Scene, Trace};
use super::{Played, Settings};
use crate::error::Result;
use crate::names::Names;
use crate::settings;
use diffplan_pipelines::{Episode, ValueGuidedPipeline};
use ndarray::ArrayView1;

/// The picture of the first episode.
pub(super) fn png(settings: &Settings, pipeline: &ValueGuidedPipeline, played: &Played) -> Result<Vec<u8>> {
    let episode = played.first();
    let names = Names::of(Some(&settings.env), pipeline.observation_dim(), pipeline.action_dim());
    let moments = played.moments();
    let plans = |dim: usize| -> Vec<Plan> {
        let plan = |&step: &usize| Plan {
            step,
            values: numbers(played.plans[step].column(dim)),
        };
        moments.iter().map(plan).collect()
    };
    let mut panels = Vec::new();
    for (dim, name) in names.observations.iter().enumerate() {
        panels.push(Panel {
            label: name.clone(),
            truth: Trace::At(episode.observations.column(dim).to_vec()),
            plans: plans(pipeline.action_dim() + dim),
        });
    }
    for (dim, name) in names.actions.iter().enumerate() {
        panels.push(Panel {
            label: name.clone(),
            truth: Trace::Held(numbers(episode.actions.column(dim))),
            plans: plans(dim),
        });
    }
    panels.push(Panel {
        label: "reward".into(),
        truth: Trace::Held(episode.rewards.to_vec()),
        plans: Vec::new(),
    });
    let (title, subtitle) = titles(settings, episode);
    chart::png(&Scene {
        title,
        subtitle,
        steps: episode.length(),
        moments,
        panels,
    })
}

/// What was played, and how it was planned.
pub(super) fn titles(settings: &Settings, episode: &Episode) -> (String, String) {
    let title = format!(
        "{}   ·   episode {}, seed {}   ·   return {:.1} in {} steps",
        settings.env,
        settings.first,
        settings.seed_of(settings.first),
        episode.total_return(),
        episode.length()
    );
    (title, settings::describe(&settings.options))
}

fn numbers(values: ArrayView1<f32>) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
