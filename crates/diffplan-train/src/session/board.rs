//! The record as TensorBoard reads it: one file of events a start, with all rows so far in it, in place of those before.

use super::record::Row;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tfrecord::{EventMeta, EventWriter, EventWriterConfig};

pub(super) struct Board {
    path: PathBuf,
    writer: EventWriter<File>,
    /// When the run would have begun if it had never stopped, in seconds.
    begun: f64,
}

impl Board {
    /// In `folder`, of a run that has taken `seconds` so far.
    pub(super) fn new(folder: &Path, seconds: f64, rows: &[Row]) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| name.starts_with("events.out.tfevents.")) {
                fs::remove_file(&path).map_err(Error::io("delete", &path))?;
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = folder.join(format!("events.out.tfevents.{}.diffplan", now.as_secs()));
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let config = EventWriterConfig { auto_flush: false };
        let writer = EventWriter::from_writer(file, config).map_err(failed(&path))?;
        let begun = now.as_secs_f64() - seconds;
        let mut board = Self { path, writer, begun };
        rows.iter().try_for_each(|row| board.add(row))?;
        Ok(board)
    }

    pub(super) fn add(&mut self, row: &Row) -> Result<()> {
        let scalars = [
            ("loss", Some(row.loss)),
            ("first_action_loss", row.first_action_loss),
            ("grad_norm", Some(row.grad_norm)),
            ("lr", Some(row.lr)),
            ("steps_per_second", Some(row.steps_per_second)),
            ("validation_loss", row.validation_loss),
        ];
        for (name, value) in scalars {
            let Some(value) = value else { continue };
            let meta = EventMeta::new(row.step as i64, self.begun + row.seconds);
            self.writer
                .write_scalar(name, meta, value as f32)
                .map_err(failed(&self.path))?;
        }
        Ok(())
    }
}

fn failed(path: &Path) -> impl FnOnce(tfrecord::Error) -> Error {
    let write = Error::io("write", path);
    move |error| write(io::Error::other(error.to_string()))
}
