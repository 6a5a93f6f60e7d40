//! [`Report`]: what a conversion read, made and left out.

use serde::Serialize;

/// What a conversion did, for people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The files that were read, and what they were.
    pub read: Vec<String>,
    /// What became of them.
    pub mapped: Vec<String>,
    /// What was left out on purpose, and why nothing is lost by it.
    pub left_out: Vec<String>,
    /// What was assumed, or is odd, or should be known.
    pub notes: Vec<String>,
}

impl Report {
    pub(crate) fn read(&mut self, line: impl Into<String>) {
        self.read.push(line.into());
    }

    pub(crate) fn mapped(&mut self, line: impl Into<String>) {
        self.mapped.push(line.into());
    }

    pub(crate) fn left_out(&mut self, line: impl Into<String>) {
        self.left_out.push(line.into());
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        let line = line.into();
        // Both runs of a checkpoint say much the same.
        if !self.notes.contains(&line) {
            self.notes.push(line);
        }
    }
}
