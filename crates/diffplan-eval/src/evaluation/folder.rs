//! [`Output`]: the output folder. `episodes.csv` has a row for every episode, written when it is over, and is what an evaluation
//! goes on from; `evaluation.json` has the settings from the start, and at the end everything.

use super::report::Report;
use super::row::{HEADER, Row};
use super::saved::{EPISODES, EVALUATION, Saved};
use super::settings::{Config, Settings};
use crate::error::{Error, Result};
use diffplan_files::{FolderLock, Rows, write_atomically};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `evaluation.json` before the end.
#[derive(Serialize)]
struct Begun<'a> {
    finished: bool,
    env: &'a str,
    seed: u64,
    config: &'a Config,
}

/// The output folder of an evaluation.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// None of a folder that is not there yet.
    lock: Option<FolderLock>,
    rows: Option<Rows>,
}

impl Output {
    /// Keeps other runs out of the folder, if there is one.
    ///
    /// # Errors
    /// If it is being written to.
    pub fn open(path: PathBuf) -> Result<Self> {
        let there = path.try_exists().map_err(Error::io(&path))?;
        let lock = there.then(|| FolderLock::acquire(&path)).transpose()?;
        Ok(Self { path, lock, rows: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The evaluation to go on with. None to begin one.
    ///
    /// # Errors
    /// If there is one and no wish to go on with it, or its files are not what was written.
    pub fn before(&self, resume: bool) -> Result<Option<Saved>> {
        let Some(saved) = Saved::read(&self.path)? else {
            return Ok(None);
        };
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

    /// Puts settings and rows in the folder, which is made if need be.
    ///
    /// # Errors
    /// What the system said, or that another run was faster.
    pub fn begin(&mut self, settings: &Settings, rows: &[Row]) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(FolderLock::acquire(&self.path)?);
            // Another run may have been faster.
            self.before(false)?;
        }
        let begun = Begun {
            finished: false,
            env: &settings.env,
            seed: settings.seed,
            config: &settings.config,
        };
        write(&self.path.join(EVALUATION), &begun)?;
        self.rows = Some(self.write_rows(rows)?);
        Ok(())
    }

    fn write_rows(&self, rows: &[Row]) -> Result<Rows> {
        let lines = [HEADER.to_owned()].into_iter().chain(rows.iter().map(Row::text));
        Ok(Rows::begin(&self.path.join(EPISODES), lines)?)
    }

    /// Returns when the row is on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, row: &Row) -> Result<()> {
        if let Some(rows) = &mut self.rows {
            rows.add(&row.text())?;
            rows.sync()?;
        }
        Ok(())
    }

    /// Writes the rows in order, and everything else; says in which files.
    ///
    /// # Errors
    /// What the system said.
    pub fn finish(&self, report: &Report) -> Result<Vec<PathBuf>> {
        self.write_rows(report.rows())?;
        let path = self.path.join(EVALUATION);
        write(&path, report)?;
        Ok(vec![path, self.path.join(EPISODES)])
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Folder {
            path: self.path.clone(),
            reason,
        }
    }
}

/// One JSON object, as a file.
fn write(path: &Path, object: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(object).map_err(Error::encode("JSON"))?;
    text.push(b'\n');
    write_atomically(path, &text).map_err(Error::io(path))
}
