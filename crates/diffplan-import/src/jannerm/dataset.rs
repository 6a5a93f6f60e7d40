//! A dataset's episodes as the original cuts them.
//!
//! As `sequence_dataset` of the original (`diffuser/datasets/d4rl.py`): an episode ends in the row in which `terminals` or `timeouts` is
//! set, or without `timeouts` after as many steps as the environment allows; rows after the last end are left out. Of mazes
//! (`maze2d` in the environment's name) the last row of every episode is dropped. `preprocess_fns` of the configuration change the
//! data first: `maze2d_set_terminals` puts a timeout where the goal is left (within 0.5 of it in this row, and not in the next).

use crate::error::{Error, Result};
use diffplan_data::{Dataset, EpisodeEnds, Keys, RawDataset, ReadOptions, RewardRule};
use ndarray::{Array2, Axis};
use std::path::Path;

/// How near to the goal counts as there.
const AT_GOAL: f64 = 0.5;

/// The goals of D4RL's mazes, by a part of their names.
const GOALS: [(&str, [f64; 2]); 3] = [
    ("-umaze-", [1.0, 1.0]),
    ("-medium-", [6.0, 6.0]),
    ("-large-", [7.0, 9.0]),
];

/// What a configuration says of its dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// The environment, by D4RL's name.
    pub env: Option<String>,
    /// What changes the data first, by the original's names.
    pub preprocess: Vec<String>,
    /// The goal of a maze.
    pub maze_goal: Option<[f64; 2]>,
    /// After how many steps an episode ends, in data without `timeouts`.
    pub max_episode_steps: Option<usize>,
    /// Which arrays are what.
    pub keys: Keys,
    /// Rewards in place of those of the file.
    pub rewards: Option<RewardRule>,
}

impl Preparation {
    /// Reads a dataset file and cuts it.
    ///
    /// # Errors
    /// If it cannot be read, has no episode, or is to be changed in a way that is not known here.
    pub fn read(&self, path: &Path) -> Result<Dataset> {
        let options = ReadOptions {
            max_episode_steps: self.max_episode_steps,
            keys: self.keys.clone(),
            rewards: self.rewards.clone(),
            ..ReadOptions::default()
        };
        self.cut(RawDataset::read(path, &options)?)
    }

    /// Cuts a dataset that was read.
    ///
    /// # Errors
    /// As [`Preparation::read`].
    pub fn cut(&self, mut raw: RawDataset) -> Result<Dataset> {
        let path = raw.path.clone();
        for name in &self.preprocess {
            match name.as_str() {
                "maze2d_set_terminals" => raw.timeouts = Some(self.goal_left(&raw)?),
                other => {
                    return Err(Error::source(
                        path,
                        format!(
                            "the run changed its dataset by `{other}` (preprocess_fns), which is not known here, only \
                             maze2d_set_terminals: take the statistics that it was trained with by `--stats FILE`"
                        ),
                    ));
                }
            }
        }
        let dataset = raw.into_dataset(self.max_episode_steps)?;
        match self.is_maze() {
            true => without_last_rows(&dataset).map_err(|error| Error::source(path, error.to_string())),
            false => Ok(dataset),
        }
    }

    fn is_maze(&self) -> bool {
        self.env.as_ref().is_some_and(|env| env.contains("maze2d"))
    }

    /// In which rows the goal is left.
    fn goal_left(&self, raw: &RawDataset) -> Result<Vec<bool>> {
        let env = self.env.as_deref().unwrap_or_default();
        let known = GOALS.iter().find(|(part, _)| env.contains(part)).map(|(_, goal)| *goal);
        let Some([x, y]) = self.maze_goal.or(known) else {
            let what =
                format!("the goal of {env:?} is not known, by which its episodes end: say it with `--maze-goal X,Y`");
            return Err(Error::source(&raw.path, what));
        };
        if raw.observations.ncols() < 2 {
            let what = "observations of one dimension, expected a position in a maze".to_owned();
            return Err(Error::source(&raw.path, what));
        }
        let there: Vec<bool> = raw
            .observations
            .rows()
            .into_iter()
            .map(|row| (f64::from(row[0]) - x).hypot(f64::from(row[1]) - y) < AT_GOAL)
            .collect();
        let mut left: Vec<bool> = there.windows(2).map(|pair| pair[0] && !pair[1]).collect();
        left.push(false);
        left.truncate(there.len());
        Ok(left)
    }
}

/// Every episode without its last row; those of one row are gone.
fn without_last_rows(dataset: &Dataset) -> std::result::Result<Dataset, diffplan_data::Error> {
    let mut rows = Vec::new();
    let mut ends = Vec::new();
    for episode in dataset.episodes() {
        rows.extend(episode.start..episode.end - 1);
        if episode.len() > 1 {
            ends.push(rows.len());
        }
    }
    let mut timeouts = vec![false; rows.len()];
    ends.iter().for_each(|end| timeouts[end - 1] = true);
    let pick = |array: ndarray::ArrayView2<'_, f32>| -> Array2<f32> { array.select(Axis(0), &rows) };
    let short = Dataset::new(
        pick(dataset.observations()),
        pick(dataset.actions()),
        dataset.rewards().select(Axis(0), &rows),
        EpisodeEnds {
            timeouts: Some(&timeouts),
            ..EpisodeEnds::default()
        },
    )?;
    Ok(short.with_env(dataset.env().map(str::to_owned)))
}
