//! A penalty on episodes that reached their goal.
//!
//! The original's locomotion adds -100 to the reward of a terminal state, since there it is a fall. Where episodes end because a
//! goal is reached, that makes the goal the worst of all states. A goal is told by the reward of the last step: it is above all others of
//! the episode by more than those differ among themselves. That holds for 0 and 1, -1 and 0, a bonus at the end; a fall of a robot
//! that was fast is not above all by so much.

use super::Finding;
use crate::EpisodeRange;

/// What the rewards of every episode come to, and whether the last one stands out.
#[derive(Debug)]
pub(crate) struct Endings {
    /// The row after the last of every episode.
    ends: Vec<usize>,
    returns: Vec<f64>,
    stands_out: Vec<bool>,
    /// Of the episode that rows belong to: the sum, and the range but for the last reward.
    sum: Option<f64>,
    low: f64,
    high: f64,
}

impl Endings {
    pub(crate) fn new(episodes: &[EpisodeRange]) -> Self {
        Self {
            ends: episodes.iter().map(|episode| episode.end).collect(),
            returns: Vec::with_capacity(episodes.len()),
            stands_out: Vec::with_capacity(episodes.len()),
            sum: None,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }

    /// The rewards that follow.
    pub(crate) fn add(&mut self, first_row: usize, rewards: impl Iterator<Item = f64>) {
        let mut end = self.ends.get(self.returns.len()).copied();
        for (row, reward) in (first_row..).zip(rewards) {
            let Some(after) = end else { return };
            // Not from 0 on: that of negative zeros is one.
            let sum = self.sum.map_or(reward, |sum| sum + reward);
            if row + 1 < after {
                self.sum = Some(sum);
                (self.low, self.high) = (self.low.min(reward), self.high.max(reward));
                continue;
            }
            self.returns.push(sum);
            // Of one step there is nothing to compare with: infinities, which fail this.
            let (low, high) = (self.low, self.high);
            self.stands_out.push(reward - high > high - low && high.is_finite());
            (self.sum, self.low, self.high) = (None, f64::INFINITY, f64::NEG_INFINITY);
            end = self.ends.get(self.returns.len()).copied();
        }
    }

    pub(crate) fn returns(&self) -> &[f64] {
        &self.returns
    }
}

pub(super) fn check(endings: &Endings, episodes: &[EpisodeRange], penalty: f64) -> Option<Finding> {
    if penalty >= 0.0 {
        return None;
    }
    let own = episodes.iter().zip(&endings.stands_out);
    let (mut terminated, mut goals) = (0, 0);
    for (_, stands_out) in own.filter(|(episode, _)| episode.terminated) {
        terminated += 1;
        goals += usize::from(*stands_out);
    }
    (2 * goals >= terminated && goals > 0).then_some(Finding::GoalsPenalised {
        goals,
        terminated,
        penalty,
    })
}
