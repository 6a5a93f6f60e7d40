//! Where episodes end, and what belongs to none.

use super::{EnvFacts, Finding, median};
use crate::EpisodeRange;
use crate::read::Facts;

pub(super) fn check(
    facts: &Facts,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let mut findings = of_reading(facts, episodes, max_episode_steps, env);
    findings.extend(short_ones(episodes));
    findings.extend(env.and_then(|env| long_ones(episodes, env)));
    findings
}

/// What only the file that rows were read from says, and a packed file of them no more.
pub(crate) fn of_reading(
    facts: &Facts,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    env: Option<&EnvFacts>,
) -> Vec<Finding> {
    let longest = episodes.iter().map(EpisodeRange::len).max().unwrap_or(0);
    let rows = facts.rows;
    let end = episodes.last().map_or(rows, |last| last.end);
    let mut findings = Vec::new();
    findings.extend(facts.packed_notes.iter().cloned().map(Finding::Packed));
    findings.extend(facts.notes.iter().cloned().map(Finding::File));
    findings.extend(facts.layout_notes.iter().cloned().map(Finding::Layout));
    let (empty, episodes_short) = (facts.empty_episodes, facts.short_episodes);
    findings.extend((empty > 0).then_some(Finding::EpisodesSkipped { empty }));
    findings.extend((episodes_short > 0).then_some(Finding::ShortObservations {
        episodes: episodes_short,
    }));
    findings.extend((rows > end).then_some(Finding::RowsLeftOut {
        rows: rows - end,
        first: end,
    }));
    if facts.timeouts.is_none() && max_episode_steps.is_none() {
        let limit = env.and_then(|env| env.max_episode_steps);
        findings.push(Finding::EpisodesJoined { limit, longest });
    }
    findings.extend(max_episode_steps.and_then(|limit| limit_not_used(facts, episodes, limit, longest)));
    let both = facts.both_flags;
    findings.extend((both > 0).then_some(Finding::BothFlags { rows: both }));
    findings.extend((facts.flags_within > 0).then_some(Finding::FlagsWithin {
        flags: facts.flags_within,
    }));
    findings
}

/// Of a limit that cuts nothing, since timeouts do, where it would have.
fn limit_not_used(facts: &Facts, episodes: &[EpisodeRange], limit: usize, longest: usize) -> Option<Finding> {
    let timeouts = facts.timeouts.unwrap_or(0);
    let longer = episodes.iter().filter(|episode| episode.len() > limit).count();
    (timeouts > 0 && longer > 0).then_some(Finding::LimitNotUsed {
        limit,
        timeouts,
        longer,
        longest,
    })
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
