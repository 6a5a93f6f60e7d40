//! What works, but is rarely meant: each check says in one line what it found.

use super::moments::{Dimension, number};
use diffplan_data::{EpisodeRange, RawDataset};
use diffplan_envs::{BoxSpace, Env};
use diffplan_eval::stats;
use ndarray::{ArrayView1, ArrayView2};

/// The episode limit and the action space of an environment that is known here.
struct Known {
    id: String,
    max_episode_steps: Option<usize>,
    actions: Option<BoxSpace>,
}

impl Known {
    fn of(id: Option<&str>) -> Option<Self> {
        let env = diffplan_envs::make(id?).ok()?;
        let spec = env.spec()?;
        Some(Self {
            id: spec.id.clone(),
            max_episode_steps: spec.max_episode_steps,
            actions: env.action_space().as_box().ok().cloned(),
        })
    }
}

pub(super) fn all(
    raw: &RawDataset,
    episodes: &[EpisodeRange],
    max_episode_steps: Option<usize>,
    observations: &[Dimension],
    actions: &[Dimension],
    rewards: &Dimension,
) -> Vec<String> {
    let known = Known::of(raw.env.as_deref());
    let left_out = episodes.last().map_or(0, |last| raw.observations.nrows() - last.end);
    let mut odd = Vec::new();
    let mut check = |found: Option<String>| odd.extend(found);
    check((left_out > 0).then(|| {
        format!("{left_out} rows after the last episode's end belong to no finished episode, and are left out")
    }));
    odd.extend(raw.layout_notes.iter().map(ToString::to_string));
    let mut check = |found: Option<String>| odd.extend(found);
    check((raw.empty_episodes > 0).then(|| format!("{} episodes of no step, which are left out", raw.empty_episodes)));
    check((raw.short_episodes > 0).then(|| {
        format!(
            "{} episodes without an observation after their last action",
            raw.short_episodes
        )
    }));
    check(missing_timeouts(raw, max_episode_steps, known.as_ref()));
    check(both_flags(raw));
    check((raw.flags_within > 0).then(|| {
        format!(
            "{} flags before the last step of their episode, which are not looked at",
            raw.flags_within
        )
    }));
    check(constants("observations", observations));
    check(constants("actions", actions));
    check((rewards.std == 0.0).then(|| format!("every reward is {}", rewards.mean)));
    check(short(episodes));
    if let Some(known) = &known {
        check(long(known, episodes));
        check(known.actions.as_ref().and_then(|space| beyond(known, space, raw)));
    }
    check(bounds(raw.observations.view(), episodes, observations));
    odd
}

fn missing_timeouts(raw: &RawDataset, max_episode_steps: Option<usize>, known: Option<&Known>) -> Option<String> {
    if raw.timeouts.is_some() || max_episode_steps.is_some() {
        return None;
    }
    let limit = known.and_then(|known| known.max_episode_steps);
    let hint = match limit {
        Some(limit) => format!("--max-episode-steps {limit}, as the environment has it"),
        None => "--max-episode-steps".into(),
    };
    Some(format!(
        "there are no timeouts, so episodes that were cut off are joined to the next: give {hint}"
    ))
}

fn both_flags(raw: &RawDataset) -> Option<String> {
    let (terminals, timeouts) = (raw.terminals.as_deref()?, raw.timeouts.as_deref()?);
    let both = terminals.iter().zip(timeouts).filter(|(a, b)| **a && **b).count();
    (both > 0).then(|| format!("terminals and timeouts are both set in {both} rows, which count as terminal"))
}

fn constants(key: &str, dimensions: &[Dimension]) -> Option<String> {
    let constant: Vec<String> = dimensions
        .iter()
        .filter(|dimension| dimension.std == 0.0)
        .map(|dimension| format!("{} = {}", dimension.name, number(dimension.mean)))
        .collect();
    (!constant.is_empty()).then(|| format!("{key} that never change: {}", constant.join(", ")))
}

fn short(episodes: &[EpisodeRange]) -> Option<String> {
    let lengths: Vec<f64> = episodes.iter().map(|episode| episode.len() as f64).collect();
    let median = stats::median(&lengths);
    let short = lengths.iter().filter(|&&length| length <= 0.1 * median).count();
    let shortest = episodes.iter().map(EpisodeRange::len).min()?;
    (short > 0).then(|| {
        format!("{short} episodes are a tenth as long as the median ({median}) or shorter; the shortest has {shortest} steps")
    })
}

fn long(known: &Known, episodes: &[EpisodeRange]) -> Option<String> {
    let limit = known.max_episode_steps?;
    let long = episodes.iter().filter(|episode| episode.len() > limit).count();
    (long > 0).then(|| format!("{long} episodes are longer than the {limit} steps of {}", known.id))
}

fn beyond(known: &Known, space: &BoxSpace, raw: &RawDataset) -> Option<String> {
    if space.dim() != raw.actions.ncols() {
        return Some(format!(
            "actions have {} dimensions, those of {} have {}",
            raw.actions.ncols(),
            known.id,
            space.dim()
        ));
    }
    // What is not finite is a problem of its own.
    let outside = |row: &ArrayView1<f32>| row.iter().all(|x| x.is_finite()) && !space.contains(*row);
    let rows: Vec<ArrayView1<f32>> = raw.actions.rows().into_iter().filter(outside).collect();
    let excess = |row: &ArrayView1<f32>| {
        let bounds = space.low().to_vec().into_iter().zip(space.high().to_vec());
        let each = row
            .iter()
            .zip(bounds)
            .map(|(&x, (low, high))| (low - f64::from(x)).max(f64::from(x) - high));
        each.fold(0.0, f64::max)
    };
    let most = rows.iter().map(excess).fold(0.0, f64::max);
    (!rows.is_empty()).then(|| {
        format!(
            "{} actions lie outside the action space of {}, by up to {}",
            rows.len(),
            known.id,
            number(most)
        )
    })
}

/// Whether observations jump where they should: from an episode's last to the next one's first, and nowhere else. Flags
/// that are a row off show themselves like this. Distances are in standard deviations.
fn bounds(observations: ArrayView2<f32>, episodes: &[EpisodeRange], dimensions: &[Dimension]) -> Option<String> {
    const FEWEST: usize = 5;
    const ROWS: usize = 100_000;
    let distance = |row: usize| -> f64 {
        let (a, b) = (observations.row(row), observations.row(row + 1));
        let each = a
            .iter()
            .zip(b)
            .zip(dimensions)
            .filter(|(_, dimension)| dimension.std > 0.0);
        let squares = each.map(|((&a, &b), dimension)| ((f64::from(a) - f64::from(b)) / dimension.std).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let median = |rows: Vec<usize>| {
        let distances: Vec<f64> = rows.into_iter().map(distance).filter(|d| d.is_finite()).collect();
        stats::median(&distances)
    };
    let joints: Vec<(&EpisodeRange, &EpisodeRange)> = episodes
        .iter()
        .zip(episodes.iter().skip(1))
        .filter(|(a, b)| a.len() > 2 && b.len() > 2)
        .collect();
    if joints.len() < FEWEST {
        return None;
    }
    let inside = episodes.iter().flat_map(|episode| episode.start..episode.end - 1);
    let inside = median(inside.step_by(observations.nrows().div_ceil(ROWS)).collect());
    let across = median(joints.iter().map(|(a, _)| a.end - 1).collect());
    let last = median(joints.iter().map(|(a, _)| a.end - 2).collect());
    let first = median(joints.iter().map(|(_, b)| b.start).collect());
    let goes_on = across <= 2.0 * inside;
    if goes_on && last > 5.0 * inside {
        Some("observations jump one row before episodes end: the flags seem to be one row late".into())
    } else if goes_on && first > 5.0 * inside {
        Some("observations jump one row after episodes end: the flags seem to be one row early".into())
    } else if across == 0.0 && inside > 0.0 {
        Some("most episodes begin with the observation that the one before ended with".into())
    } else if goes_on && inside > 0.0 {
        Some("observations do not jump from one episode to the next: they seem to go on across their ends".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Ramps that begin anew every ten rows, and flags that are `late` rows late.
    fn found(late: usize, ramp: usize) -> Option<String> {
        let observations = Array2::from_shape_fn((200, 1), |(row, _)| (row % ramp) as f32);
        let episodes: Vec<EpisodeRange> = (0..15)
            .map(|i| EpisodeRange {
                start: 10 * i + late,
                end: 10 * i + late + 10,
                terminated: false,
            })
            .collect();
        let dimension = Dimension::of("x", observations.iter().copied().map(f64::from));
        bounds(observations.view(), &episodes, &[dimension])
    }

    #[test]
    fn flags_that_are_a_row_off_are_noticed() {
        assert_eq!(found(0, 10), None);
        assert!(found(1, 10).unwrap().contains("one row late"));
        assert!(found(9, 10).unwrap().contains("one row early"));
        assert!(found(0, 1000).unwrap().contains("go on across"));
        // Nothing ever moves.
        assert_eq!(found(0, 1), None);
    }
}
