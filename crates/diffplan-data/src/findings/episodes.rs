//! Where episodes end, and what belongs to none.

use super::{EnvFacts, Finding, median};
use crate::{EpisodeRange, RawDataset};

pub(super) fn check(
    raw: &RawDataset,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let longest = episodes.iter().map(EpisodeRange::len).max().unwrap_or(0);
    let rows = raw.observations.nrows();
    let end = episodes.last().map_or(rows, |last| last.end);
    let mut findings = Vec::new();
    findings.extend(raw.notes.iter().cloned().map(Finding::File));
    findings.extend(raw.layout_notes.iter().cloned().map(Finding::Layout));
    let (empty, episodes_short) = (raw.empty_episodes, raw.short_episodes);
    findings.extend((empty > 0).then_some(Finding::EpisodesSkipped { empty }));
    findings.extend((episodes_short > 0).then_some(Finding::ShortObservations {
        episodes: episodes_short,
    }));
    findings.extend((rows > end).then_some(Finding::RowsLeftOut {
        rows: rows - end,
        first: end,
    }));
    if raw.timeouts.is_none() && max_episode_steps.is_none() {
        let limit = env.and_then(|env| env.max_episode_steps);
        findings.push(Finding::EpisodesJoined { limit, longest });
    }
    findings.extend(max_episode_steps.and_then(|limit| limit_not_used(raw, episodes, limit, longest)));
    findings.extend(both_flags(raw));
    findings.extend((raw.flags_within > 0).then_some(Finding::FlagsWithin {
        flags: raw.flags_within,
    }));
    findings.extend(short_ones(episodes));
    findings.extend(env.and_then(|env| long_ones(episodes, env)));
    findings
}

/// Of a limit that cuts nothing, since timeouts do, where it would have.
fn limit_not_used(raw: &RawDataset, episodes: &[EpisodeRange], limit: usize, longest: usize) -> Option<Finding> {
    let timeouts = raw.timeouts.as_deref().unwrap_or_default();
    let timeouts = timeouts.iter().filter(|set| **set).count();
    let longer = episodes.iter().filter(|episode| episode.len() > limit).count();
    (timeouts > 0 && longer > 0).then_some(Finding::LimitNotUsed {
        limit,
        timeouts,
        longer,
        longest,
    })
}

fn both_flags(raw: &RawDataset) -> Option<Finding> {
    let (terminals, timeouts) = (raw.terminals.as_deref()?, raw.timeouts.as_deref()?);
    let rows = terminals.iter().zip(timeouts).filter(|(a, b)| **a && **b).count();
    (rows > 0).then_some(Finding::BothFlags { rows })
}

fn short_ones(episodes: &[EpisodeRange]) -> Option<Finding> {
    let lengths: Vec<f64> = episodes.iter().map(|episode| episode.len() as f64).collect();
    let shortest = episodes.iter().map(EpisodeRange::len).min()?;
    let median = median(lengths.clone());
    let count = lengths.iter().filter(|&&length| length <= 0.1 * median).count();
    (count > 0).then_some(Finding::ShortEpisodes {
        count,
        median,
        shortest,
    })
}

fn long_ones(episodes: &[EpisodeRange], env: &EnvFacts) -> Option<Finding> {
    let limit = env.max_episode_steps?;
    let count = episodes.iter().filter(|episode| episode.len() > limit).count();
    (count > 0).then(|| Finding::LongEpisodes {
        count,
        limit,
        env: env.id.clone(),
    })
}
