//! What came out, as a table and as one JSON object.

use super::Settings;
use crate::guides;
use diffplan_eval::evaluation::{Success, known_returns};
use diffplan_eval::{Episode, stats, table};
use diffplan_pipelines::ViolationsSummary;
use serde::Serialize;

/// The object of `--json` and of `summary.json`.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    env: &'a str,
    seed: u64,
    returns: Vec<f64>,
    lengths: Vec<usize>,
    mean_return: f64,
    /// Of the mean; null of a single episode.
    standard_error: Option<f64>,
    plan_ms: PlanMs,
    /// Of the episodes that say.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<Success>,
    /// Of constraints, by the plans that were followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    violations: Option<&'a ViolationsSummary>,
    config: &'a Settings,
}

/// Milliseconds a plan.
#[derive(Debug, Serialize)]
struct PlanMs {
    median: f64,
    p95: f64,
}

impl PlanMs {
    fn of<'a>(episodes: impl IntoIterator<Item = &'a Episode>) -> Self {
        let times = episodes.into_iter().flat_map(|episode| &episode.plan_times);
        let ms: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e3).collect();
        Self {
            median: stats::median(&ms),
            p95: stats::quantile(&ms, 0.95),
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(settings: &'a Settings, episodes: &[Episode], violations: Option<&'a ViolationsSummary>) -> Self {
        let returns: Vec<f64> = episodes.iter().map(Episode::total_return).collect();
        Self {
            env: &settings.env,
            seed: settings.seed,
            lengths: episodes.iter().map(Episode::length).collect(),
            mean_return: stats::mean(&returns),
            standard_error: stats::standard_error(&returns),
            plan_ms: PlanMs::of(episodes),
            success: Success::of(
                &episodes
                    .iter()
                    .filter_map(|episode| episode.success)
                    .collect::<Vec<_>>(),
            ),
            violations,
            config: settings,
            returns,
        }
    }
}

/// A line an episode, then the mean over all.
pub(super) fn text(summary: &Summary, episodes: &[Episode]) -> String {
    let rows: Vec<Vec<String>> = episodes
        .iter()
        .enumerate()
        .map(|(i, episode)| {
            let ms = PlanMs::of([episode]);
            vec![
                (summary.config.first + i).to_string(),
                summary.config.seed_of(summary.config.first + i).to_string(),
                format!("{:.1}", episode.total_return()),
                episode.length().to_string(),
                ending(episode).to_owned(),
                format!("{:.2}", ms.median),
                format!("{:.2}", ms.p95),
            ]
        })
        .collect();
    let header = ["episode", "seed", "return", "length", "end", "ms/plan median", "p95"];
    let error = match summary.standard_error {
        Some(error) => format!(" ± {error:.1} (standard error of {} episodes)", episodes.len()),
        None => String::new(),
    };
    // Of the environment's own goals.
    let known = match summary.config.aim.goal {
        None => known_returns(&summary.config.made()),
        Some(_) => None,
    };
    let mut context = known.map_or(String::new(), |known| format!("\n  {known}"));
    if let Some(success) = summary.success {
        context += &format!("\n  success {}", success.text());
    }
    if let Some(violations) = summary.violations {
        context += &format!("\n{}", guides::violations(violations));
    }
    format!(
        "{}\n\n  mean return {:.1}{error}, {:.2} ms a plan (p95 {:.2}){context}",
        table::table(&header, &rows),
        summary.mean_return,
        summary.plan_ms.median,
        summary.plan_ms.p95
    )
}

fn ending(episode: &Episode) -> &'static str {
    match episode.terminated {
        true => "terminated",
        false => "truncated",
    }
}
