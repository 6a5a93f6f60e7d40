//! Adds up returns, lengths and times of episodes.

use std::collections::VecDeque;
use std::time::Instant;

use crate::env::forward_to_env;
use crate::{Dict, Env, Error, Info, ResetOptions, Result, Step};

/// What there is to say about an episode that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpisodeStatistics {
    /// The sum of the rewards: `r` in the info.
    pub episode_return: f64,
    /// The number of steps: `l` in the info.
    pub length: usize,
    /// Seconds of wall time since its `reset`, rounded to microseconds: `t` in the info.
    pub seconds: f64,
}

/// Puts `{"episode": {"r": return, "l": length, "t": seconds}}` into the info of the step that ends an episode, and keeps
/// the last episodes' statistics, as `gymnasium.wrappers.RecordEpisodeStatistics`.
///
/// Only a `reset` starts an episode: whoever steps on after the end gets the sums so far with every such step.
#[derive(Debug, Clone)]
pub struct RecordEpisodeStatistics<E> {
    env: E,
    stats_key: String,
    buffer_length: usize,
    recent: VecDeque<EpisodeStatistics>,
    episode_count: usize,
    episode_return: f64,
    length: usize,
    started: Instant,
}

impl<E: Env> RecordEpisodeStatistics<E> {
    /// Wraps an environment; the info key is `"episode"`, and the last 100 episodes are kept.
    pub fn new(env: E) -> Self {
        Self {
            env,
            stats_key: "episode".into(),
            buffer_length: 100,
            recent: VecDeque::new(),
            episode_count: 0,
            episode_return: 0.0,
            length: 0,
            started: Instant::now(),
        }
    }

    /// Keeps the last `buffer_length` episodes.
    #[must_use]
    pub fn buffer_length(mut self, buffer_length: usize) -> Self {
        self.buffer_length = buffer_length;
        self
    }

    /// Uses another key of the info.
    #[must_use]
    pub fn stats_key(mut self, stats_key: impl Into<String>) -> Self {
        self.stats_key = stats_key.into();
        self
    }

    /// The last episodes, the latest at the end.
    pub fn recent(&self) -> impl ExactSizeIterator<Item = &EpisodeStatistics> {
        self.recent.iter()
    }

    /// How many episodes have ended.
    pub fn episode_count(&self) -> usize {
        self.episode_count
    }

    fn record(&mut self) -> EpisodeStatistics {
        let statistics = EpisodeStatistics {
            episode_return: self.episode_return,
            length: self.length,
            seconds: (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6,
        };
        self.recent.push_back(statistics);
        if self.recent.len() > self.buffer_length {
            self.recent.pop_front();
        }
        self.episode_count += 1;
        self.started = Instant::now();
        statistics
    }
}

impl<E: Env> Env for RecordEpisodeStatistics<E> {
    type Observation = E::Observation;
    type Action = E::Action;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(E::Observation, Info)> {
        let start = self.env.reset(seed, options)?;
        (self.episode_return, self.length, self.started) = (0.0, 0, Instant::now());
        Ok(start)
    }

    /// # Errors
    ///
    /// Those of the environment, and [`Error::InfoKeyTaken`] if its info has the key already when an episode ends.
    fn step(&mut self, action: &E::Action) -> Result<Step<E::Observation>> {
        let mut step = self.env.step(action)?;
        self.episode_return += step.reward;
        self.length += 1;
        if step.done() {
            if step.info.contains_key(&self.stats_key) {
                return Err(Error::InfoKeyTaken {
                    key: self.stats_key.clone(),
                });
            }
            let statistics = self.record();
            let mut entry = Dict::new();
            entry.insert("r", statistics.episode_return);
            entry.insert("l", statistics.length as i64);
            entry.insert("t", statistics.seconds);
            step.info.insert(self.stats_key.clone(), entry);
        }
        Ok(step)
    }

    forward_to_env!(observation_space, action_space, render, state, set_state, spec);
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::wrappers::TimeLimit;
    use crate::wrappers::test_env::Counter;

    /// Return and length in the info, and the seconds checked to be some.
    fn episode(info: &Info, key: &str) -> Option<(f64, i64)> {
        let entry = info.get(key)?.as_dict()?;
        let seconds = entry.get("t")?.as_f64()?;
        assert!((0.0..3600.0).contains(&seconds), "{seconds}");
        Some((entry.get("r")?.as_f64()?, entry.get("l")?.as_i64()?))
    }

    #[test]
    fn the_last_step_of_an_episode_tells_return_and_length() {
        let terminated = Counter::new(Some(3));
        let truncated = TimeLimit::new(Counter::new(None), 3).unwrap();
        let envs: [Box<dyn Env<Observation = _, Action = _>>; 2] = [Box::new(terminated), Box::new(truncated)];
        for env in envs {
            let mut env = RecordEpisodeStatistics::new(env);
            for round in 1..=2 {
                env.reset(Some(0), &Dict::new()).unwrap();
                let infos = [(); 3].map(|()| env.step(&array![0.0]).unwrap().info);
                assert!(infos[0].is_empty() && infos[1].is_empty());
                assert_eq!(episode(&infos[2], "episode"), Some((6.0, 3)));
                assert_eq!(env.episode_count(), round);
            }
            // As in Gymnasium: without a reset the sums go on.
            assert_eq!(
                episode(&env.step(&array![0.0]).unwrap().info, "episode"),
                Some((10.0, 4))
            );
        }
    }

    #[test]
    fn only_the_last_episodes_are_kept() {
        let mut env = RecordEpisodeStatistics::new(Counter::new(None))
            .buffer_length(2)
            .stats_key("mine");
        for length in 1..=3_u32 {
            env.env = Counter::new(Some(length));
            env.reset(Some(0), &Dict::new()).unwrap();
            let last = (0..length).map(|_| env.step(&array![0.0]).unwrap()).last().unwrap();
            assert!(episode(&last.info, "mine").is_some());
        }
        let recent: Vec<_> = env
            .recent()
            .map(|episode| (episode.episode_return, episode.length))
            .collect();
        assert_eq!(recent, [(3.0, 2), (6.0, 3)]);
        assert_eq!(env.episode_count(), 3);
        let none = RecordEpisodeStatistics::new(Counter::new(Some(1))).buffer_length(0);
        let mut none = none;
        none.step(&array![0.0]).unwrap();
        assert_eq!((none.recent().len(), none.episode_count()), (0, 1));
    }

    #[test]
    fn a_key_that_the_environment_uses_is_not_overwritten() {
        let mut env = RecordEpisodeStatistics::new(RecordEpisodeStatistics::new(Counter::new(Some(1))));
        env.reset(Some(0), &Dict::new()).unwrap();
        assert_eq!(
            env.step(&array![0.0]).unwrap_err(),
            Error::InfoKeyTaken { key: "episode".into() }
        );
    }
}
