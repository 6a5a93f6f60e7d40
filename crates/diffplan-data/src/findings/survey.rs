//! [`Survey`]: all that is looked at in a dataset's rows, in one pass over them, so that they need not be in memory.

use ndarray::{ArrayView1, ArrayView2};

use super::boundaries::Jumps;
use super::goal::Endings;
use super::spaces::Outside;
use super::{Boundary, EnvFacts, Finding, boundaries, dimensions, episodes, goal, spaces};
use crate::read::{Block, Facts};
use crate::{EpisodeRange, Moments, NormalizerConfig, Normalizers, RawDataset};

/// NaN and infinities of an array.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct NonFinite {
    /// Which.
    pub array: &'static str,
    /// How many are NaN.
    pub nan: usize,
    /// How many are infinite.
    pub infinite: usize,
    /// Rows that have any.
    pub rows: usize,
    /// The first row and column.
    pub first: (usize, usize),
}

/// What was found in rows.
#[derive(Debug)]
pub struct Survey {
    observations: Moments,
    actions: Moments,
    rewards: Moments,
    non_finite: [Option<NonFinite>; 3],
    /// Of observations and of actions, where the environment's spaces are known.
    outside: [Option<Outside>; 2],
    endings: Endings,
    jumps: Jumps,
}

impl Survey {
    /// Of so many rows, whose episodes are known but for whether they end in a terminal state; none where they could not be told.
    #[must_use]
    pub fn new(
        (observation_dim, action_dim): (usize, usize),
        rows: usize,
        episodes: &[EpisodeRange],
        env: Option<&EnvFacts>,
    ) -> Self {
        Self {
            observations: Moments::new(observation_dim),
            actions: Moments::new(action_dim),
            rewards: Moments::new(1),
            non_finite: [None, None, None],
            outside: spaces::counters(env, observation_dim, action_dim),
            endings: Endings::new(episodes),
            jumps: Jumps::new(rows, observation_dim, episodes),
        }
    }

    /// Of rows in memory.
    #[must_use]
    pub fn of_file(raw: &RawDataset, episodes: &[EpisodeRange], env: Option<&EnvFacts>) -> Self {
        let dimensions = (raw.observations.ncols(), raw.actions.ncols());
        let mut survey = Self::new(dimensions, raw.observations.nrows(), episodes, env);
        survey.add(0, raw.observations.view(), raw.actions.view(), raw.rewards.view());
        survey
    }

    /// The rows that follow.
    pub fn add_block(&mut self, block: &Block<'_>) {
        self.add(block.first_row, block.observations, block.actions, block.rewards);
    }

    /// Rows from `first_row` on.
    pub(crate) fn add(
        &mut self,
        first_row: usize,
        observations: ArrayView2<'_, f32>,
        actions: ArrayView2<'_, f32>,
        rewards: ArrayView1<'_, f64>,
    ) {
        let all = [
            ("observations", &mut self.observations, observations),
            ("actions", &mut self.actions, actions),
        ];
        for (at, (array, moments, values)) in all.into_iter().enumerate() {
            match values.as_slice() {
                Some(values) => moments.push(values),
                None => values
                    .rows()
                    .into_iter()
                    .for_each(|row| moments.push_row(row.iter().copied())),
            }
            if !moments.is_finite() {
                let rows = values
                    .rows()
                    .into_iter()
                    .map(|row| row.into_iter().map(|x| f64::from(*x)));
                count(&mut self.non_finite[at], array, first_row, rows);
            }
            if let Some(outside) = &mut self.outside[at] {
                outside.add(values);
            }
        }
        for reward in rewards {
            self.rewards.push_row(std::iter::once(*reward));
        }
        if !self.rewards.is_finite() {
            let rows = rewards.iter().map(|reward| std::iter::once(*reward));
            count(&mut self.non_finite[2], "rewards", first_row, rows);
        }
        self.endings.add(first_row, rewards.iter().copied());
        self.jumps.add(first_row, observations);
    }

    /// Of every dimension of observations.
    #[must_use]
    pub fn observations(&self) -> &Moments {
        &self.observations
    }

    /// Of every dimension of actions.
    #[must_use]
    pub fn actions(&self) -> &Moments {
        &self.actions
    }

    /// Of rewards, in one column.
    #[must_use]
    pub fn rewards(&self) -> &Moments {
        &self.rewards
    }

    /// The sum of rewards of every episode.
    #[must_use]
    pub fn returns(&self) -> &[f64] {
        self.endings.returns()
    }

    /// What is no finite number, of each array that has such.
    pub fn non_finite(&self) -> impl Iterator<Item = &NonFinite> {
        self.non_finite.iter().flatten()
    }

    /// The normalisers that training makes of these rows where nothing else is said; none of what is not finite.
    #[must_use]
    pub fn normalizers(&self) -> Option<Normalizers> {
        if self.non_finite.iter().take(2).any(Option::is_some) {
            return None;
        }
        let gaussian = |moments: &Moments| NormalizerConfig::Gaussian {
            mean: (0..moments.columns())
                .map(|column| moments.mean(column) as f32)
                .collect(),
            std: (0..moments.columns())
                .map(|column| moments.std(column) as f32)
                .collect(),
        };
        Normalizers::new(gaussian(&self.observations), gaussian(&self.actions), None).ok()
    }

    /// Whether observations jump where episodes end.
    pub(crate) fn boundaries(&self) -> Option<Boundary> {
        boundaries::check(&self.jumps, &self.observations)
    }

    /// What is odd about the file, whatever it is used for. `max_episode_steps` is the limit that was asked for.
    #[must_use]
    pub fn findings(
        &self,
        facts: &Facts,
        episodes: &[EpisodeRange],
        max_episode_steps: Option<usize>,
        env: Option<&EnvFacts>,
    ) -> Vec<Finding> {
        let mut findings = episodes::check(facts, episodes, max_episode_steps, env);
        findings.extend(dimensions::check(&self.observations, &self.actions, &self.rewards, env));
        findings.extend(env.into_iter().flat_map(|env| {
            spaces::check(
                [self.observations.columns(), self.actions.columns()],
                &self.outside,
                env,
                facts.recorded_env.as_ref(),
            )
        }));
        findings.extend(self.boundaries().map(Finding::Boundaries));
        findings
    }

    /// A penalty on episodes that seem to end at a goal.
    #[must_use]
    pub fn goal(&self, episodes: &[EpisodeRange], penalty: f64) -> Option<Finding> {
        goal::check(&self.endings, episodes, penalty)
    }
}

fn count(
    found: &mut Option<NonFinite>,
    array: &'static str,
    first_row: usize,
    rows: impl Iterator<Item = impl Iterator<Item = f64>>,
) {
    for (row, values) in (first_row..).zip(rows) {
        let mut any = false;
        for (column, value) in values.enumerate().filter(|(_, value)| !value.is_finite()) {
            let found = found.get_or_insert(NonFinite {
                array,
                nan: 0,
                infinite: 0,
                rows: 0,
                first: (row, column),
            });
            match value.is_nan() {
                true => found.nan += 1,
                false => found.infinite += 1,
            }
            found.rows += usize::from(!any);
            any = true;
        }
    }
}
