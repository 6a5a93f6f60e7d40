//! [`Controls`]: guides and constraints as data, from tables of a TOML file or made in code.
//!
//! ```toml
//! [[guide]]
//! type = "goal"
//! dims = ["x", "y"]          # names of the environment's dimensions, or their numbers
//! goal = [7.0, 7.0]          # in its units
//! at = "nearest"             # or "end", or a step
//! weight = 2.0
//!
//! [[constraint]]
//! type = "action-limits"
//! low = -1.0
//! high = 1.0
//! ```
//!
//! docs/guides.md lists every table and key. Where a file has no guide of type `value`, the checkpoint's own value function guides as it
//! does without a file; where it has one, that says all about learned values, and `weight = 0` that there are none.

mod build;
mod file;
mod names;
mod spec;

pub use names::{Context, Walls};
pub use spec::{
    ConstraintKind, ConstraintSpec, Dim, DynamicsSpec, EffortSpec, FixedSpec, GoalSpec, GoalWhen, GuideKind, GuideSpec,
    IntegratorSpec, LimitsSpec, Numbers, ObstaclesSpec, Of, SmoothnessSpec, SpeedSpec, ValueSpec,
};

use crate::error::{Error, Result};
use crate::pipeline::ValueGuidedPipeline;
use diffplan_files::FileError;
use std::path::{Path, PathBuf};

/// What bends plans, and what must hold of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    /// Guides, in order.
    pub guides: Vec<GuideSpec>,
    /// Constraints, in the order in which they are imposed.
    pub constraints: Vec<ConstraintSpec>,
    /// The file they are from, for errors; checkpoints that are named relative to a place lie relative to its folder.
    pub path: Option<PathBuf>,
}

impl Controls {
    /// Reads the text of a file; `path` is for errors, and for what is named relative to it.
    ///
    /// # Errors
    /// If it is no TOML, or a table has a type, key or value that is unknown: with the line, and what was probably meant.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self> {
        file::parse(text, path)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, and as [`from_toml`](Self::from_toml).
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| FileError::io(path, error))?;
        Self::from_toml(&text, path)
    }

    /// A pipeline with these guides (in place of its own, where one is of learned values; beside them otherwise) and these constraints beside
    /// its own. `context` says what dimensions are called, and what of the environment tables refer to.
    ///
    /// # Errors
    /// Which table asks for what is not there, or cannot be, and what would work.
    pub fn apply(&self, pipeline: ValueGuidedPipeline, context: &Context) -> Result<ValueGuidedPipeline> {
        build::apply(self, pipeline, context)
    }

    /// The discs `[x, y, radius]` and boxes `[x0, y0, x1, y1]` that guides and constraints keep away from in the plane of the dimensions `dims`, for
    /// pictures; walls of the environment are not among them.
    pub fn obstacles(&self) -> (Vec<[f64; 3]>, Vec<[f64; 4]>) {
        let (mut discs, mut boxes) = (Vec::new(), Vec::new());
        let of_guides = self.guides.iter().filter_map(|spec| match &spec.kind {
            GuideKind::Obstacles(obstacles) => Some(obstacles),
            _ => None,
        });
        let of_constraints = self.constraints.iter().filter_map(|spec| match &spec.kind {
            ConstraintKind::Obstacles(obstacles) => Some(obstacles),
            _ => None,
        });
        for obstacles in of_guides.chain(of_constraints) {
            discs.extend(
                obstacles
                    .discs
                    .iter()
                    .filter(|disc| !discs.contains(*disc))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            boxes.extend(
                obstacles
                    .boxes
                    .iter()
                    .filter(|shape| !boxes.contains(*shape))
                    .copied()
                    .collect::<Vec<_>>(),
            );
        }
        (discs, boxes)
    }

    /// An error about a table in line `line`.
    fn refuse(&self, line: Option<usize>, kind: &str, reason: &str) -> Error {
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        let reason = format!("{line}{kind}: {reason}");
        match &self.path {
            Some(path) => Error::Config {
                path: path.clone(),
                reason,
            },
            None => Error::Parts(reason),
        }
    }
}
