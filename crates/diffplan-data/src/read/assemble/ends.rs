//! Where episodes end, of rows one after the other: looked at before the rows are read.

use super::{Part, Plan, PlannedEnds};
use crate::read::ReadError;
use crate::read::array::{Planned, Source, reserved};
use crate::read::map::{Ends, Steps};
use crate::read::tree::{Scope, Tree};

/// Where episodes end in rows one after the other: the rows in which flags are set.
#[derive(Debug, Default, Clone)]
pub(in crate::read) struct FoundEnds {
    pub(in crate::read) terminals: Option<Vec<usize>>,
    pub(in crate::read) timeouts: Option<Vec<usize>>,
    /// The row after the last of every episode, where observations have one more than actions.
    pub(super) splits: Vec<usize>,
    /// Rows that are read.
    pub(in crate::read) rows: usize,
    /// Rows after the last end of a file of several.
    pub(super) unfinished: usize,
}

impl Plan {
    /// Where episodes end, as far as it is known before rows are read: whether one of groups ends in a terminal state is not.
    pub(in crate::read) fn found(&self) -> FoundEnds {
        if let Some(found) = &self.found {
            return found.clone();
        }
        let mut rows = 0;
        let ends = self.parts.iter().map(|part| {
            rows += part.steps as usize;
            rows - 1
        });
        FoundEnds {
            timeouts: Some(ends.collect()),
            rows,
            ..FoundEnds::default()
        }
    }

    /// Looks where episodes end, of rows one after the other. `several` if the file is one of several: a file without any end is then
    /// one episode, and rows after its last end belong to none, for they must not run into those of the next file.
    pub(in crate::read) fn look(&mut self, tree: &mut dyn Tree, several: bool) -> Result<(), ReadError> {
        let (Steps::Rows(_), Some(part), None) = (&self.map.steps, self.parts.first(), &self.found) else {
            return Ok(());
        };
        let mut found = self.ends(part, tree)?;
        if several {
            let last = |flags: &Option<Vec<usize>>| flags.as_ref().and_then(|set| set.last().map(|row| row + 1));
            match last(&found.terminals).max(last(&found.timeouts)) {
                Some(end) => {
                    found.unfinished = found.rows - end;
                    found.rows = end;
                }
                None => found.timeouts.get_or_insert_default().push(found.rows - 1),
            }
        }
        self.found = Some(found);
        Ok(())
    }

    fn ends(&self, part: &Part, tree: &mut dyn Tree) -> Result<FoundEnds, ReadError> {
        let mut scope = Scope {
            tree,
            prefix: "",
            flatten: self.map.flatten,
        };
        let scope = &mut scope;
        let steps = part.steps as usize;
        let read = |planned: &Option<Planned>, scope: &mut Scope<'_>| {
            planned.as_ref().map(|planned| planned.set_rows(scope)).transpose()
        };
        let mut found = FoundEnds {
            rows: steps,
            ..FoundEnds::default()
        };
        (found.terminals, found.timeouts) = match &part.ends {
            PlannedEnds::Flags { terminals, timeouts } => (read(terminals, scope)?, read(timeouts, scope)?),
            PlannedEnds::Last { ends, terminals } => {
                let mut ends = ends.set_rows(scope)?;
                let terminals = read(terminals, scope)?;
                if let Some(terminals) = &terminals {
                    ends.retain(|row| terminals.binary_search(row).is_err());
                }
                (terminals, Some(ends))
            }
            PlannedEnds::Starts(starts) => {
                // The row before each first row, and the last.
                let starts = starts.set_rows(scope)?;
                let before = starts.into_iter().filter_map(|row| row.checked_sub(1));
                let mut ends: Vec<usize> = before.filter(|row| row + 1 < steps).collect();
                ends.push(steps - 1);
                (None, Some(ends))
            }
            PlannedEnds::Numbers(numbers) => {
                let (mut ends, mut last) = (Vec::new(), None);
                numbers.each_f64(scope, &mut |start, values| {
                    for (row, &value) in (start as usize..).zip(values) {
                        if last.is_some_and(|last: f64| last != value) {
                            ends.push(row - 1);
                        }
                        last = Some(value);
                    }
                    Ok(())
                })?;
                ends.push(steps - 1);
                (None, Some(ends))
            }
            PlannedEnds::Splits { starts, terminal } => {
                let mut values = reserved(starts.rows(), "indices")?;
                starts.append_f64(scope, 0..starts.rows(), &mut values)?;
                found.splits = splits(scope, self.starts(), &values, steps)?;
                let terminal = read(terminal, scope)?.unwrap_or_default();
                let (mut terminals, mut timeouts) = (Vec::new(), Vec::new());
                for (episode, end) in found.splits.iter().enumerate() {
                    let terminated = terminal.binary_search(&episode).is_ok();
                    let flags = if terminated { &mut terminals } else { &mut timeouts };
                    flags.push(end - 1);
                }
                (Some(terminals), Some(timeouts))
            }
        };
        Ok(found)
    }

    fn starts(&self) -> &str {
        match &self.map.steps {
            Steps::Rows(Ends::Splits { starts, .. }) => starts,
            _ => "",
        }
    }
}

/// The row after the last of every episode, from the first rows of all but the first episode.
fn splits(scope: &Scope<'_>, key: &str, starts: &[f64], steps: usize) -> Result<Vec<usize>, ReadError> {
    let mut ends = Vec::with_capacity(starts.len() + 1);
    let mut last = 0;
    for (row, &value) in starts.iter().enumerate() {
        // As NaN fails it too.
        if !(value > last as f64 && value < steps as f64 && value.fract() == 0.0) {
            return Err(ReadError::Value {
                key: scope.place(key),
                row,
                column: 0,
                value,
                expected: "the number of an episode's first row, above the one before it",
            });
        }
        last = value as usize;
        ends.push(last);
    }
    ends.push(steps);
    Ok(ends)
}
