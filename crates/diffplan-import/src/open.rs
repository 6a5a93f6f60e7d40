//! [`open`]: a pipeline of whatever makes one.

use crate::error::{Error, Result};
use crate::kind::{Source, SourceKind};
use crate::options::Options;
use diffplan_pipelines::ValueGuidedPipeline;
use std::path::Path;

/// A pipeline, and what is to be known about how it came to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The pipeline.
    pub pipeline: ValueGuidedPipeline,
    /// What was odd and harmless in the files, and what was assumed where they were converted, a sentence each.
    pub notes: Vec<String>,
}

/// The pipeline of a checkpoint folder; of anything else that can be converted by itself, the pipeline of what it is converted to, in memory: folders of
/// older releases of diffusers, runs of the original Diffuser that have their statistics with them. For programs in other languages, which have one call for
/// this; whoever converts once and for all uses [`Source::convert`].
///
/// # Errors
/// What a checkpoint folder lacks or has wrong; for anything else what it is, and what converting it takes.
pub fn open(path: impl AsRef<Path>) -> Result<Opened> {
    let path = path.as_ref();
    let source = Source::of(path)?;
    let loaded = ValueGuidedPipeline::from_pretrained(path);
    let reason = match loaded {
        Ok(pipeline) => {
            let notes = pipeline.notes().to_vec();
            return Ok(Opened { pipeline, notes });
        }
        Err(reason) => reason,
    };
    // A checkpoint's own trouble says more than what converting it would.
    let whole = matches!(source.kind(), SourceKind::Checkpoint);
    let checkpoint = match source.convert(&Options::default()) {
        Ok(checkpoint) if checkpoint.plans() => checkpoint,
        Ok(_) if !whole => {
            let what = format!("{}, which makes no plan by itself: {}", source.describe(), source.takes());
            return Err(Error::source(path, what));
        }
        Err(error) if !whole => return Err(error),
        _ => return Err(reason.into()),
    };
    let pipeline = ValueGuidedPipeline::from_folder(&checkpoint.folder())?;
    let mut notes = checkpoint.report().notes.clone();
    for note in pipeline.notes() {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    Ok(Opened { pipeline, notes })
}
