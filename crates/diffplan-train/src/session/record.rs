//! How the loss went: means over intervals of steps, one a row of `planner.csv` or `value.csv`.
//!
//! A row is written when its interval is over; what an unfinished interval has summed up is part of a state, so that a run that
//! goes on writes the rows that it would have written without the stop, but for times.

use crate::error::Result;
use crate::trainer::StepReport;
use diffplan_files::{Rows, read_rows};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

const HEADER: &str = "step,loss,first_action_loss,grad_norm,lr,steps_per_second,seconds";
/// One more, where episodes are held out.
const VALIDATED: &str = ",validation_loss";

/// Sums over an interval. As bits: JSON's numbers may lose the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    steps: u64,
    loss: f64,
    first_action: Option<f64>,
    grad_norm: f64,
}

/// Where a record stands, for a state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Steps of the unfinished interval.
    steps: u64,
    /// Bits of the sums of float64.
    loss: u64,
    first_action: Option<u64>,
    grad_norm: u64,
    lr: u64,
    /// Of the unfinished interval, and of the whole run.
    interval_seconds: f64,
    seconds: f64,
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Steps taken at its end.
    pub step: u64,
    /// The mean loss.
    pub loss: f64,
    /// That of the first action alone; none of a value function.
    pub first_action_loss: Option<f64>,
    /// The mean norm of the gradient.
    pub grad_norm: f64,
    /// The learning rate at its end.
    pub lr: f64,
    /// Over the interval.
    pub steps_per_second: f64,
    /// Of the whole run.
    pub seconds: f64,
    /// The loss of the average on held-out episodes at its end; none where none are held out.
    pub validation_loss: Option<f64>,
}

impl Row {
    fn text(&self, validated: bool) -> String {
        let Self {
            step,
            loss,
            first_action_loss,
            grad_norm,
            lr,
            steps_per_second,
            seconds,
            validation_loss,
        } = self;
        let first = first_action_loss.map_or(String::new(), |loss| loss.to_string());
        let more = match (validated, validation_loss) {
            (true, Some(loss)) => format!(",{loss}"),
            (true, None) => ",".to_owned(),
            (false, _) => String::new(),
        };
        format!("{step},{loss},{first},{grad_norm},{lr},{steps_per_second:.3},{seconds:.3}{more}")
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split(',').collect();
        let (&[step, loss, first, grad_norm, lr, steps_per_second, seconds], validation) =
            match cells.split_at_checked(7)? {
                (cells, []) => (<&[&str; 7]>::try_from(cells).ok()?, ""),
                (cells, [one]) => (<&[&str; 7]>::try_from(cells).ok()?, *one),
                _ => return None,
            };
        Some(Self {
            step: step.parse().ok()?,
            loss: loss.parse().ok()?,
            first_action_loss: match first {
                "" => None,
                first => Some(first.parse().ok()?),
            },
            grad_norm: grad_norm.parse().ok()?,
            lr: lr.parse().ok()?,
            steps_per_second: steps_per_second.parse().ok()?,
            seconds: seconds.parse().ok()?,
            validation_loss: match validation {
                "" => None,
                loss => Some(loss.parse().ok()?),
            },
        })
    }
}

/// The rows of a file, up to the first that is none.
///
/// # Errors
/// What the system said.
pub fn read_record(path: &Path) -> Result<Vec<Row>> {
    let lines = read_rows(path)?;
    Ok(lines.iter().skip(1).map_while(|line| Row::parse(line)).collect())
}

pub(super) struct Record {
    file: Rows,
    validated: bool,
    every: u64,
    sums: Sums,
    /// When the interval, and the run, would have begun if they had never stopped.
    interval: Instant,
    interval_before: f64,
    begun: Instant,
    before: f64,
    lr: f64,
    last: Option<Row>,
}

impl Record {
    /// The record in `path` as it was after `steps` steps, when `mark` was set.
    pub(super) fn new(path: &Path, every: u64, steps: u64, mark: &Mark, validated: bool) -> Result<Self> {
        let full = steps.saturating_sub(mark.steps);
        let rows: Vec<Row> = read_record(path)?.into_iter().filter(|row| row.step <= full).collect();
        let lines = rows.iter().map(|row| row.text(validated));
        let header = format!("{HEADER}{}", if validated { VALIDATED } else { "" });
        let file = Rows::begin(path, [header].into_iter().chain(lines))?;
        Ok(Self {
            file,
            validated,
            every,
            sums: Sums {
                steps: mark.steps,
                loss: f64::from_bits(mark.loss),
                first_action: mark.first_action.map(f64::from_bits),
                grad_norm: f64::from_bits(mark.grad_norm),
            },
            interval: Instant::now(),
            interval_before: mark.interval_seconds,
            begun: Instant::now(),
            before: mark.seconds,
            lr: f64::from_bits(mark.lr),
            last: rows.last().copied(),
        })
    }

    /// Whether an interval is over after `steps` steps.
    pub(super) fn is_due(&self, steps: u64) -> bool {
        steps.is_multiple_of(self.every)
    }

    /// Takes in a step, and writes a row if an interval is over, with the loss on what is held out.
    pub(super) fn add(&mut self, report: &StepReport, validation: Option<f64>) -> Result<Option<Row>> {
        let sums = &mut self.sums;
        sums.steps += 1;
        sums.loss += report.loss;
        sums.first_action = report
            .first_action_loss
            .map(|loss| loss + sums.first_action.unwrap_or(0.0));
        sums.grad_norm += report.grad_norm;
        self.lr = report.lr;
        let steps = report.step + 1;
        if !self.is_due(steps) {
            return Ok(None);
        }
        self.close(steps, validation).map(Some)
    }

    /// Writes the row of an interval that is over, or that will never be.
    fn close(&mut self, step: u64, validation: Option<f64>) -> Result<Row> {
        let row = self.row(step, validation);
        self.file.add(&row.text(self.validated))?;
        self.sums = Sums::default();
        (self.interval, self.interval_before) = (Instant::now(), 0.0);
        self.last = Some(row);
        Ok(row)
    }

    fn row(&self, step: u64, validation_loss: Option<f64>) -> Row {
        let sums = self.sums;
        let steps = sums.steps as f64;
        Row {
            step,
            loss: sums.loss / steps,
            first_action_loss: sums.first_action.map(|sum| sum / steps),
            grad_norm: sums.grad_norm / steps,
            lr: self.lr,
            steps_per_second: steps / self.interval_seconds().max(1e-9),
            seconds: self.seconds(),
            validation_loss,
        }
    }

    /// Whether an interval is begun and not over.
    pub(super) fn is_open(&self) -> bool {
        self.sums.steps > 0
    }

    /// Of the last row.
    pub(super) fn last_step(&self) -> Option<u64> {
        self.last.map(|row| row.step)
    }

    fn interval_seconds(&self) -> f64 {
        self.interval_before + self.interval.elapsed().as_secs_f64()
    }

    /// Of the whole run, over all its parts.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    /// Where it stands. Rows before it are on disk when this returns.
    pub(super) fn mark(&self) -> Result<Mark> {
        self.file.sync()?;
        Ok(Mark {
            steps: self.sums.steps,
            loss: self.sums.loss.to_bits(),
            first_action: self.sums.first_action.map(f64::to_bits),
            grad_norm: self.sums.grad_norm.to_bits(),
            lr: self.lr.to_bits(),
            interval_seconds: self.interval_seconds(),
            seconds: self.seconds(),
        })
    }

    /// The end of the run after `steps` steps: the mean over the last interval, which is written if it is not over. A longer
    /// run, going on from the state, takes that row away again; so does the same run, which then writes it anew.
    pub(super) fn finish(&mut self, steps: u64, validation: Option<f64>) -> Result<Option<Row>> {
        if self.is_open() {
            self.close(steps, validation)?;
        }
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn report(step: u64) -> StepReport {
        StepReport {
            step,
            loss: 0.1 + 1.0 / (step + 3) as f64,
            first_action_loss: Some(0.3 * step as f64),
            grad_norm: 1.0,
            lr: 1e-3,
        }
    }

    fn add(record: &mut Record, steps: std::ops::Range<u64>) {
        for step in steps {
            record.add(&report(step), Some(0.5)).unwrap();
        }
    }

    fn losses(path: &Path) -> Vec<(u64, f64, Option<f64>)> {
        let rows = read_record(path).unwrap();
        rows.iter()
            .map(|row| (row.step, row.loss, row.first_action_loss))
            .collect()
    }

    #[test]
    fn a_record_that_goes_on_is_the_one_without_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let mut record = Record::new(&whole, 10, 0, &Mark::default(), true).unwrap();
        add(&mut record, 0..47);
        record.finish(47, Some(0.25)).unwrap();
        assert_eq!(losses(&whole).len(), 5);
        let validated = read_record(&whole).unwrap();
        assert_eq!(
            (validated[0].validation_loss, validated[4].validation_loss),
            (Some(0.5), Some(0.25))
        );

        for stop in [0, 3, 10, 25, 46] {
            let mut record = Record::new(&parts, 10, 0, &Mark::default(), true).unwrap();
            add(&mut record, 0..stop);
            let mark = serde_json::to_string(&record.mark().unwrap()).unwrap();
            // What a crash loses: rows after the state, and a line cut short. Or the run was over.
            add(&mut record, stop..stop + 13);
            record.finish(stop + 13, None).unwrap();
            fs::write(&parts, [fs::read(&parts).unwrap(), b"99,0.".to_vec()].concat()).unwrap();
            let mark: Mark = serde_json::from_str(&mark).unwrap();
            let mut record = Record::new(&parts, 10, stop, &mark, true).unwrap();
            add(&mut record, stop..47);
            record.finish(47, Some(0.25)).unwrap();
            assert_eq!(losses(&parts), losses(&whole), "stopped at {stop}");
        }
    }
}
