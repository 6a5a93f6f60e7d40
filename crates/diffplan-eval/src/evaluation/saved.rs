//! [`Saved`]: an evaluation in a folder, as it is read again.

use super::report::Latency;
use super::row::{Columns, HEADER, Row};
use super::settings::{Asked, Config, MAX_EPISODES, MAX_SEED, check_plan_size};
use crate::error::{Error, Result};
use diffplan_data::RecordedEnv;
use diffplan_files::{Folder, read_rows as read_lines};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of settings, and at the end of everything.
pub(super) const EVALUATION: &str = "evaluation.json";
/// The file with a row for every episode.
pub(super) const EPISODES: &str = "episodes.csv";

/// An evaluation in a folder, over or not.
#[derive(Debug)]
pub struct Saved {
    /// The file of the settings.
    pub path: PathBuf,
    /// Whether it came to its end.
    pub finished: bool,
    /// The environment.
    pub env: String,
    /// The seed of the first episode.
    pub seed: u64,
    /// What it was begun with.
    pub config: Config,
    /// Of the run that came to the end.
    pub plan_ms: Option<Latency>,
    /// In the order of the episodes.
    pub rows: Vec<Row>,
}

/// `evaluation.json` as far as it is read again.
#[derive(Deserialize)]
struct Json {
    finished: bool,
    env: String,
    seed: u64,
    config: Config,
    plan_ms: Option<Latency>,
    /// At the end.
    returns: Option<Vec<f64>>,
    lengths: Option<Vec<usize>>,
}

impl Saved {
    /// That of a folder, if there is one.
    ///
    /// # Errors
    /// If its files are not what was written.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let refuse = |reason| Error::Folder {
            path: folder.to_owned(),
            reason,
        };
        let (path, csv) = (folder.join(EVALUATION), folder.join(EPISODES));
        let files = Folder::at(folder);
        if !files.has(EVALUATION)? {
            return match files.has(EPISODES)? {
                true => Err(refuse(format!(
                    "there is {EPISODES} but no {EVALUATION}, expected both or neither"
                ))),
                false => Ok(None),
            };
        }
        let text = files.read(EVALUATION)?;
        let json: Json = serde_json::from_slice(&text).map_err(|e| Error::Folder {
            path: path.clone(),
            reason: format!("this is no evaluation: {e}"),
        })?;
        check(&json).map_err(|reason| Error::Folder {
            path: path.clone(),
            reason,
        })?;
        let rows = read_rows(&csv, json.seed)?;
        let returns = json
            .returns
            .filter(|_| json.finished && json.config.episodes == rows.len());
        let lengths = json.lengths.unwrap_or_default();
        if let Some(returns) = returns {
            let is = |row: &Row| (Some(row.episode_return), Some(row.length));
            let said = |row: &Row| (returns.get(row.episode).copied(), lengths.get(row.episode).copied());
            if let Some(row) = rows.iter().find(|row| is(row) != said(row)) {
                let number = row.episode;
                return Err(refuse(format!(
                    "{EPISODES} and {EVALUATION} differ about episode {number}"
                )));
            }
        }
        let saved = Saved {
            path,
            finished: json.finished,
            env: json.env,
            seed: json.seed,
            config: json.config,
            plan_ms: json.plan_ms.filter(|_| json.finished),
            rows,
        };
        if saved.finished && saved.rows.len() < saved.config.episodes {
            return Err(refuse(format!(
                "{EPISODES} has {} episodes, but {EVALUATION} says that all {} are played",
                saved.rows.len(),
                saved.config.episodes
            )));
        }
        Ok(Some(saved))
    }

    /// The environment, and what it is made with.
    pub(super) fn made(&self) -> RecordedEnv {
        RecordedEnv {
            id: self.env.clone(),
            kwargs: self.config.env_kwargs.clone(),
            max_episode_steps: self.config.max_episode_steps,
        }
    }

    /// Whether nothing is left to play of what is asked for.
    pub fn is_over(&self, asked: &Asked) -> bool {
        self.rows.len() >= asked.episodes.unwrap_or(self.config.episodes)
    }
}

/// Checks that what is written there could have been typed.
fn check(json: &Json) -> std::result::Result<(), String> {
    let config = &json.config;
    if !(1..=MAX_EPISODES).contains(&config.episodes) {
        return Err(format!("episodes is {}, expected 1 to {MAX_EPISODES}", config.episodes));
    }
    if json.seed > MAX_SEED {
        return Err(format!("seed is {}, expected at most {MAX_SEED}", json.seed));
    }
    let Some(options) = &config.options else {
        return Ok(());
    };
    options.validate().map_err(|error| error.to_string())?;
    check_plan_size(options).map_err(|error| error.to_string())
}

/// The rows of a file in the order of the episodes; of an episode with two rows that say the same, one.
fn read_rows(path: &Path, seed: u64) -> Result<Vec<Row>> {
    let refuse = |reason| {
        Err(Error::Folder {
            path: path.to_owned(),
            reason,
        })
    };
    let (mut rows, mut columns) = (BTreeMap::new(), Columns::All);
    for (i, line) in read_lines(path)?.iter().enumerate() {
        let number = i + 1;
        if i == 0 {
            match Columns::of_header(line) {
                Some(known) => columns = known,
                None => return refuse(format!("line 1 is {line:?}, expected {HEADER:?}")),
            }
            continue;
        }
        let Some(row) = Row::parse(line, columns) else {
            return refuse(format!("line {number} is no episode: {line:?}"));
        };
        if Some(row.seed) != seed.checked_add(row.episode as u64) {
            let (episode, actual) = (row.episode, row.seed);
            return refuse(format!(
                "line {number}: episode {episode} has seed {actual}, expected {seed} + {episode}"
            ));
        }
        let episode = row.episode;
        let result = |row: &Row| (row.episode_return.to_bits(), row.length, row.end);
        if let Some(before) = rows
            .insert(episode, row.clone())
            .filter(|before| result(before) != result(&row))
        {
            return refuse(format!(
                "line {number}: episode {episode} has return {}, but {} in a line before",
                row.episode_return, before.episode_return
            ));
        }
    }
    Ok(rows.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::super::row::End;
    use super::*;
    use crate::policy::AimText;
    use std::fs;

    fn row(episode: usize) -> Row {
        Row {
            episode,
            seed: 10 + episode as u64,
            episode_return: 1.5 * episode as f64,
            length: 3,
            end: End::Truncated,
            normalized_score: None,
            plans: 3,
            planning_seconds: 0.5,
            elapsed_seconds: 1.0,
            success: None,
            mujoco_warning: None,
        }
    }

    #[test]
    fn rows_in_any_order_and_the_last_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(EPISODES);
        let [zero, one, two] = [0, 1, 2].map(|episode| row(episode).text());
        let read = |text: String| {
            fs::write(&path, text).unwrap();
            read_rows(&path, 10)
        };
        let all = [row(0), row(1), row(2)];
        assert_eq!(read(format!("{HEADER}\n{two}\n{zero}\n{one}\n")).unwrap(), all);
        // The same row twice counts once.
        assert_eq!(read(format!("{HEADER}\n{two}\n{zero}\n{two}\n{one}\n")).unwrap(), all);
        let whole = format!("{HEADER}\n{zero}\n{one}\n");
        for cut in 0..whole.len() {
            let rows = read(whole[..cut].to_owned()).unwrap();
            let expected = whole[..cut].matches('\n').count().saturating_sub(1);
            assert_eq!(rows, all[..expected], "cut after {cut} bytes");
        }
        for (text, reason) in [
            (
                format!("{HEADER}\n{zero}\n1,11,x\n{two}\n"),
                "line 3 is no episode: \"1,11,x\"",
            ),
            (format!("{zero}\n"), "line 1 is"),
            (
                format!("{HEADER}\n{}\n", zero.replacen("0,10", "0,11", 1)),
                "line 2: episode 0 has seed 11, expected 10 + 0",
            ),
            (
                format!("{HEADER}\n{one}\n{}\n", one.replacen("1.5", "1.6", 1)),
                "line 3: episode 1 has return 1.6, but 1.5 in a line before",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn settings_that_could_not_be_typed_are_refused() {
        let config = Config {
            policy: None,
            checkpoint: Some("c".into()),
            variant: None,
            checkpoint_hash: Some(String::new()),
            episodes: 3,
            parallel: 1,
            options: Some(diffplan_pipelines::PlanOptions::default()),
            guides: Vec::new(),
            aim: AimText::default(),
            simulator: None,
            env_kwargs: serde_json::Map::new(),
            max_episode_steps: None,
            threads: 1,
            out: None,
        };
        let json = |change: &dyn Fn(&mut Config), seed| {
            let mut config = config.clone();
            change(&mut config);
            let (finished, env, plan_ms) = (false, String::new(), None);
            let (returns, lengths) = (None, None);
            check(&Json {
                finished,
                env,
                seed,
                config,
                plan_ms,
                returns,
                lengths,
            })
        };
        fn options(config: &mut Config) -> &mut diffplan_pipelines::PlanOptions {
            config.options.as_mut().unwrap()
        }
        assert_eq!(json(&|_| (), 7), Ok(()));
        for (change, seed, word) in [
            (
                &(|c: &mut Config| c.episodes = 0) as &dyn Fn(&mut Config),
                0,
                "episodes is 0",
            ),
            (&|c| c.episodes = usize::MAX, 0, "episodes"),
            (&|c| options(c).batch_size = 0, 0, "batch_size"),
            (&|c| options(c).planning_horizon = 0, 0, "planning_horizon"),
            (&|c| options(c).batch_size = usize::MAX, 0, "at most"),
            (&|_| (), u64::MAX, "seed is 18446744073709551615"),
        ] {
            let reason = json(change, seed).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
