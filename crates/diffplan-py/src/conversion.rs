//! `_diffplan.convert`: what `diffplan convert` does; `python/diffplan/_convert.py` is what people see.

use crate::dataset::{located, options};
use crate::errors::{OrRaise, Raise, Trouble};
use crate::json;
use crate::work::apart;
use diffplan::data::NormalizerKind;
use diffplan::import::{self, Checkpoint, Options, Precision, Source, Statistics, Target, WeightFormat, jannerm};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use std::path::PathBuf;

impl Raise for import::Error {
    fn raise(self) -> PyErr {
        use import::Error as E;
        let message = self.to_string();
        let (class, kind) = match self {
            E::File(error) => return error.raise(),
            E::Destination { .. } => ("InvalidValue", "destination"),
            _ => ("CheckpointError", "convert"),
        };
        Trouble::new(class, kind, message).into()
    }
}

fn one_of<T>(name: &str, value: &str, all: &[(&str, T)]) -> PyResult<T>
where
    T: Copy,
{
    match all.iter().find(|(known, _)| *known == value) {
        Some((_, found)) => Ok(*found),
        None => {
            let known: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
            Err(Trouble::value(format!("{name} = {value:?}: expected one of {known:?}")).into())
        }
    }
}

/// A keyword, where it is given and not None.
fn given<'py, T>(keywords: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
where
    T: FromPyObjectOwned<'py>,
{
    let value = keywords.get_item(name)?.filter(|value| !value.is_none());
    let Some(value) = value else { return Ok(None) };
    let told = value.repr()?.to_string();
    match value.extract::<T>() {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let error: PyErr = error.into();
            Err(Trouble::new("InvalidType", "type", format!("{name} = {told}: {error}")).into())
        }
    }
}

/// Makes a checkpoint folder of `source`, or of runs of the original's planner and value function; says what was read and made of it.
#[pyfunction]
pub(crate) fn convert<'py>(
    py: Python<'py>,
    source: Option<PathBuf>,
    out: PathBuf,
    overwrite: bool,
    keywords: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let (planner, value): (Option<PathBuf>, Option<PathBuf>) = (given(keywords, "planner")?, given(keywords, "value")?);
    let text = |name: &str| given::<String>(keywords, name);
    let read = options(
        given(keywords, "max_episode_steps")?,
        text("keys")?.as_deref(),
        text("rewards")?.as_deref(),
    )?;
    let statistics = match (
        given::<PathBuf>(keywords, "dataset")?,
        given::<PathBuf>(keywords, "stats")?,
    ) {
        (Some(_), Some(_)) => {
            return Err(Trouble::value("dataset and stats are both given, expected one of them").into());
        }
        (Some(path), None) => Statistics::Dataset(located(&path)?),
        (None, Some(path)) => Statistics::File(path),
        (None, None) => Statistics::None,
    };
    let normalizer = match text("normalizer")? {
        Some(kind) => Some(kind.parse::<NormalizerKind>().or_raise()?),
        None => None,
    };
    let options = Options {
        target: one_of(
            "to",
            &text("to")?.unwrap_or_else(|| "diffplan".into()),
            &[("diffplan", Target::Diffplan), ("diffusers", Target::Diffusers)],
        )?,
        precision: one_of(
            "dtype",
            &text("dtype")?.unwrap_or_else(|| "f32".into()),
            &[
                ("f32", Precision::F32),
                ("f16", Precision::F16),
                ("bf16", Precision::Bf16),
            ],
        )?,
        weights: one_of(
            "weights",
            &text("weights")?.unwrap_or_else(|| "safetensors".into()),
            &[("safetensors", WeightFormat::Safetensors), ("bin", WeightFormat::Bin)],
        )?,
        statistics,
        normalizer,
        max_episode_steps: read.max_episode_steps,
        keys: read.keys,
        rewards: read.rewards,
        maze_goal: given::<(f64, f64)>(keywords, "maze_goal")?.map(|(x, y)| [x, y]),
        plain_weights: one_of(
            "which",
            &text("which")?.unwrap_or_else(|| "ema".into()),
            &[("ema", false), ("model", true)],
        )?,
        step: given(keywords, "step")?,
        action_dim: given(keywords, "action_dim")?,
        predict_epsilon: given(keywords, "predict_epsilon")?,
        clip_denoised: given(keywords, "clip_denoised")?,
        variant: text("variant")?,
    };
    let checkpoint = apart(py, || {
        // Said before anything is read.
        Checkpoint::check_destination(&out, overwrite).or_raise()?;
        let checkpoint = match &source {
            Some(source) => Source::of(source)
                .and_then(|source| source.convert(&options))
                .or_raise()?,
            None => jannerm::convert(planner.as_deref(), value.as_deref(), &options).or_raise()?,
        };
        checkpoint.save(&out, overwrite).or_raise()?;
        Ok(checkpoint)
    })?;
    let mut report = match serde_json::to_value(checkpoint.report()) {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let files: Vec<&str> = checkpoint.files().map(|(name, _)| name).collect();
    report.insert("files".into(), files.into());
    report.insert("plans".into(), checkpoint.plans().into());
    json::dictionary(py, &report)
}
