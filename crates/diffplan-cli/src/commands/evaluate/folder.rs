//! The output folder. `episodes.csv` has a row for every episode, written when it is over, and is what an evaluation goes on
//! from; `evaluation.json` has the settings from the start, and at the end everything.

use super::report::{Latency, Report};
use super::row::{HEADER, Row};
use super::settings::{Config, Settings};
use crate::args::{EvaluateArgs, MAX_EPISODES, MAX_SEED};
use crate::error::{Error, Result};
use crate::rows::{self, Rows};
use crate::settings::MAX_TRAJECTORY_STEPS;
use crate::{json, output};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const EVALUATION: &str = "evaluation.json";
const EPISODES: &str = "episodes.csv";

/// An evaluation in a folder, over or not.
#[derive(Debug)]
pub(super) struct Saved {
    /// The file of the settings.
    pub(super) path: PathBuf,
    pub(super) finished: bool,
    pub(super) env: String,
    pub(super) seed: u64,
    pub(super) config: Config,
    /// Of the run that came to the end.
    pub(super) plan_ms: Option<Latency>,
    /// In the order of the episodes.
    pub(super) rows: Vec<Row>,
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

/// `evaluation.json` before the end.
#[derive(Serialize)]
struct Begun<'a> {
    finished: bool,
    env: &'a str,
    seed: u64,
    config: &'a Config,
}

impl Saved {
    /// Whether nothing is left to play of what is asked for.
    pub(super) fn is_over(&self, args: &EvaluateArgs) -> bool {
        self.rows.len() >= args.episodes.unwrap_or(self.config.episodes)
    }
}

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// None of a folder that is not there yet.
    lock: Option<File>,
    rows: Option<Rows>,
}

impl Folder {
    /// Keeps other runs out of the folder, if there is one.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let lock = path.exists().then(|| output::lock_folder(&path)).transpose()?;
        Ok(Self { path, lock, rows: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The evaluation to go on with. None to begin one.
    ///
    /// # Errors
    /// If there is one and no wish to go on with it, or its files are not what was written.
    pub(super) fn before(&self, resume: bool) -> Result<Option<Saved>> {
        let Some(saved) = self.read()? else { return Ok(None) };
        if resume {
            return Ok(Some(saved));
        }
        match saved.rows.len() {
            // It stopped before the first end of an episode: nothing is lost.
            0 => Ok(None),
            played => Err(self.refuse(format!(
                "there is an evaluation with {played} of {} episodes: --resume goes on with it, another --out leaves it alone",
                saved.config.episodes
            ))),
        }
    }

    fn read(&self) -> Result<Option<Saved>> {
        let (path, csv) = (self.path.join(EVALUATION), self.path.join(EPISODES));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound && csv.exists() => {
                return Err(self.refuse(format!(
                    "there is {EPISODES} but no {EVALUATION}, expected both or neither"
                )));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path)(e)),
        };
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
                return Err(self.refuse(format!("{EPISODES} and {EVALUATION} differ about episode {number}")));
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
            return Err(self.refuse(format!(
                "{EPISODES} has {} episodes, but {EVALUATION} says that all {} are played",
                saved.rows.len(),
                saved.config.episodes
            )));
        }
        Ok(Some(saved))
    }

    /// Puts settings and rows in the folder, which is made if need be.
    pub(super) fn begin(&mut self, settings: &Settings, rows: &[Row]) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(output::lock_folder(&self.path)?);
            // Another run may have been faster.
            self.before(false)?;
        }
        let begun = Begun {
            finished: false,
            env: &settings.env,
            seed: settings.seed,
            config: &settings.config,
        };
        output::write_atomically(&self.path.join(EVALUATION), &json::file(&begun)?)?;
        self.rows = Some(self.write_rows(rows)?);
        Ok(())
    }

    fn write_rows(&self, rows: &[Row]) -> Result<Rows> {
        let lines = [HEADER.to_owned()].into_iter().chain(rows.iter().map(Row::text));
        Rows::begin(&self.path.join(EPISODES), lines)
    }

    /// Returns when the row is on disk.
    pub(super) fn add(&mut self, row: &Row) -> Result<()> {
        match &mut self.rows {
            Some(rows) => rows.add(&row.text()).and_then(|()| rows.sync()),
            None => Ok(()),
        }
    }

    /// Writes the rows in order, and everything else; says in which files.
    pub(super) fn finish(&self, report: &Report, rows: &[Row]) -> Result<Vec<PathBuf>> {
        self.write_rows(rows)?;
        let path = self.path.join(EVALUATION);
        output::write_atomically(&path, &json::file(report)?)?;
        Ok(vec![path, self.path.join(EPISODES)])
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Folder {
            path: self.path.clone(),
            reason,
        }
    }
}

/// Checks that what is written there could have been typed.
fn check(json: &Json) -> std::result::Result<(), String> {
    let (config, options) = (&json.config, &json.config.options);
    if !(1..=MAX_EPISODES).contains(&config.episodes) {
        return Err(format!("episodes is {}, expected 1 to {MAX_EPISODES}", config.episodes));
    }
    if json.seed > MAX_SEED {
        return Err(format!("seed is {}, expected at most {MAX_SEED}", json.seed));
    }
    options.validate().map_err(|error| error.to_string())?;
    let steps = options.batch_size.checked_mul(options.planning_horizon);
    match steps.is_some_and(|steps| steps <= MAX_TRAJECTORY_STEPS) {
        true => Ok(()),
        false => Err(format!(
            "batch_size × planning_horizon is {} × {}, expected at most {MAX_TRAJECTORY_STEPS} steps in all",
            options.batch_size, options.planning_horizon
        )),
    }
}

/// The rows of a file in the order of the episodes; of an episode with two rows that say the same, one.
fn read_rows(path: &Path, seed: u64) -> Result<Vec<Row>> {
    let refuse = |reason| {
        Err(Error::Folder {
            path: path.to_owned(),
            reason,
        })
    };
    let mut rows = BTreeMap::new();
    for (i, line) in rows::read(path)?.iter().enumerate() {
        let number = i + 1;
        if i == 0 {
            match line == HEADER {
                true => continue,
                false => return refuse(format!("line 1 is {line:?}, expected {HEADER:?}")),
            }
        }
        let Some(row) = Row::parse(line) else {
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
            checkpoint: "c".into(),
            checkpoint_hash: String::new(),
            episodes: 3,
            parallel: 1,
            options: diffplan_pipelines::PlanOptions::default(),
            simulator: None,
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
        assert_eq!(json(&|_| (), 7), Ok(()));
        for (change, seed, word) in [
            (
                &(|c: &mut Config| c.episodes = 0) as &dyn Fn(&mut Config),
                0,
                "episodes is 0",
            ),
            (&|c| c.episodes = usize::MAX, 0, "episodes"),
            (&|c| c.options.batch_size = 0, 0, "batch_size"),
            (&|c| c.options.planning_horizon = 0, 0, "planning_horizon"),
            (&|c| c.options.batch_size = usize::MAX, 0, "at most"),
            (&|_| (), u64::MAX, "seed is 18446744073709551615"),
        ] {
            let reason = json(change, seed).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
