//! A penalty on episodes that reached their goal.
//!
//! The original's locomotion adds -100 to the reward of a terminal state, since there it is a fall. Where episodes end because a
//! goal is reached, that makes the goal the worst of all states. A goal is told by the reward of the last step: it is above all others of
//! the episode by more than those differ among themselves. That holds for 0 and 1, -1 and 0, a bonus at the end; a fall of a robot
//! that was fast is not above all by so much.

use super::{Finding, Steps};

pub(super) fn check(steps: &Steps<'_>, penalty: f64) -> Option<Finding> {
    if penalty >= 0.0 {
        return None;
    }
    let (mut terminated, mut goals) = (0, 0);
    for episode in steps.episodes.iter().filter(|episode| episode.terminated) {
        terminated += 1;
        let rewards = steps.rewards.iter().skip(episode.start).take(episode.len());
        let mut rewards: Vec<f64> = rewards.copied().collect();
        let Some(last) = rewards.pop() else { continue };
        let before = rewards
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &reward| {
                (low.min(reward), high.max(reward))
            });
        // Of one step there is nothing to compare with: infinities, which fail this.
        goals += usize::from(last - before.1 > before.1 - before.0 && before.1.is_finite());
    }
    (2 * goals >= terminated && goals > 0).then_some(Finding::GoalsPenalised {
        goals,
        terminated,
        penalty,
    })
}
