//! The files of `--out`.

use super::report::Summary;
use super::{Played, Settings, picture};
use crate::error::{Error, Result};
use crate::{json, output};
use diffplan_pipelines::{Episode, ValueGuidedPipeline};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s, stack};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use std::io::Cursor;
use std::path::{Path, PathBuf};

const NPZ: &str = "trajectories.npz";

/// Writes all files in `folder` and says which.
pub(super) fn all(
    folder: &Path,
    settings: &Settings,
    pipeline: &ValueGuidedPipeline,
    played: &Played,
    summary: &Summary,
) -> Result<Vec<PathBuf>> {
    let files = [
        (NPZ, trajectories(played)?),
        ("summary.json", json::file(summary)?),
        ("rollout.png", picture::png(settings, pipeline, played)?),
    ];
    write(folder, files)
}

/// Writes files by name in `folder` and says which.
pub(super) fn write<const N: usize>(folder: &Path, files: [(&str, Vec<u8>); N]) -> Result<Vec<PathBuf>> {
    let write = |(name, content): (&str, Vec<u8>)| {
        let path = folder.join(name);
        output::write_atomically(&path, &content)?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// Transitions of all episodes one after the other, under the keys of D4RL: `observations`, `actions`, `next_observations`
/// float32 (N, dimensions), `rewards` float64 (N), `terminals` and `timeouts` bool (N); and the plans that the picture
/// shows: `plan_steps` int64 (plans), `plan_trajectories` float32 (plans, horizon, action + observation dimensions).
fn trajectories(played: &Played) -> Result<Vec<u8>> {
    let observations = |from: usize, left_out: usize| {
        let part = |e: &Episode| {
            let rows = from..e.observations.nrows() - left_out;
            e.observations.slice(s![rows, ..]).mapv(|v| v as f32)
        };
        let parts: Vec<Array2<f32>> = played.episodes.iter().map(part).collect();
        join(&parts)
    };
    let actions: Vec<Array2<f32>> = played.episodes.iter().map(|e| e.actions.clone()).collect();
    let rewards: Array1<f64> = played.episodes.iter().flat_map(|e| e.rewards.iter().copied()).collect();
    let at_end = |ended: fn(&Episode) -> bool| -> Array1<bool> {
        let flags = |e: &Episode| {
            let (last, ended) = (e.length(), ended(e));
            (1..=last).map(move |step| step == last && ended)
        };
        played.episodes.iter().flat_map(flags).collect()
    };
    let moments = played.moments();
    let plan_steps: Array1<i64> = moments.iter().map(|&step| step as i64).collect();
    let plans: Vec<ArrayView2<f32>> = moments.iter().map(|&step| played.plans[step].view()).collect();
    let plans = stack(Axis(0), &plans).map_err(Error::encode(NPZ))?;

    let mut npz = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    add(&mut npz, "observations", &observations(0, 1)?)?;
    add(&mut npz, "actions", &join(&actions)?)?;
    add(&mut npz, "rewards", &rewards)?;
    add(&mut npz, "terminals", &at_end(|e| e.terminated))?;
    add(&mut npz, "timeouts", &at_end(|e| e.truncated))?;
    add(&mut npz, "next_observations", &observations(1, 0)?)?;
    add(&mut npz, "plan_steps", &plan_steps)?;
    add(&mut npz, "plan_trajectories", &plans)?;
    Ok(npz.finish().map_err(Error::encode(NPZ))?.into_inner())
}

fn add(npz: &mut NpzWriter<Cursor<Vec<u8>>>, key: &str, array: &impl WriteNpyExt) -> Result<()> {
    npz.add_array(key, array).map_err(Error::encode(NPZ))
}

fn join(parts: &[Array2<f32>]) -> Result<Array2<f32>> {
    let views: Vec<ArrayView2<f32>> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).map_err(Error::encode(NPZ))
}
