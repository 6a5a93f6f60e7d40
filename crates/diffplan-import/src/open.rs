//! [`open`]: a pipeline, or what a path holds instead.

use crate::error::{Error, Result};
use crate::kind::{Source, SourceKind};
use diffplan_pipelines::ValueGuidedPipeline;
use std::path::Path;

/// The pipeline of a checkpoint folder, as [`ValueGuidedPipeline::from_pretrained`] makes it: diffplan's own, or of any release of diffusers, with statistics. For
/// programs whose users may point at anything.
///
/// # Errors
/// What the checkpoint lacks or has wrong; for anything else what it is, and what converting it takes ([`Source::takes`]).
pub fn open(path: impl AsRef<Path>) -> Result<ValueGuidedPipeline> {
    let source = Source::of(path)?;
    match source.kind() {
        SourceKind::Checkpoint => Ok(ValueGuidedPipeline::from_pretrained(source.path())?),
        _ => {
            let what = format!("{}, where a checkpoint is expected: {}", source.describe(), source.takes());
            Err(Error::source(source.path(), what))
        }
    }
}
