//! [`trajectories_npz`]: episodes as a NumPy file.

use crate::error::{Error, Result};
use crate::rollout::Episode;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s, stack};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use std::io::Cursor;

const NPZ: &str = "trajectories.npz";

/// Transitions of all episodes one after the other, under the keys of D4RL: `observations`, `actions`, `next_observations`
/// float32 (N, dimensions), `rewards` float64 (N), `terminals` and `timeouts` bool (N); and plans of the first, with the steps they are
/// of: `plan_steps` int64 (plans), `plan_trajectories` float32 (plans, horizon, action + observation dimensions); the two keys are left
/// out where there are none.
///
/// # Errors
/// If the episodes' shapes differ.
pub fn trajectories_npz(episodes: &[Episode], plans: &[(usize, ArrayView2<f32>)]) -> Result<Vec<u8>> {
    let observations = |from: usize, left_out: usize| {
        let part = |e: &Episode| {
            let rows = from..e.observations.nrows() - left_out;
            e.observations.slice(s![rows, ..]).mapv(|v| v as f32)
        };
        let parts: Vec<Array2<f32>> = episodes.iter().map(part).collect();
        join(&parts)
    };
    let actions: Vec<Array2<f32>> = episodes.iter().map(|e| e.actions.clone()).collect();
    let rewards: Array1<f64> = episodes.iter().flat_map(|e| e.rewards.iter().copied()).collect();
    let at_end = |ended: fn(&Episode) -> bool| -> Array1<bool> {
        let flags = |e: &Episode| {
            let (last, ended) = (e.length(), ended(e));
            (1..=last).map(move |step| step == last && ended)
        };
        episodes.iter().flat_map(flags).collect()
    };
    let mut npz = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    add(&mut npz, "observations", &observations(0, 1)?)?;
    add(&mut npz, "actions", &join(&actions)?)?;
    add(&mut npz, "rewards", &rewards)?;
    add(&mut npz, "terminals", &at_end(|e| e.terminated))?;
    add(&mut npz, "timeouts", &at_end(|e| e.truncated))?;
    add(&mut npz, "next_observations", &observations(1, 0)?)?;
    if !plans.is_empty() {
        let steps: Array1<i64> = plans.iter().map(|(step, _)| *step as i64).collect();
        let plans: Vec<ArrayView2<f32>> = plans.iter().map(|(_, plan)| plan.view()).collect();
        add(&mut npz, "plan_steps", &steps)?;
        add(
            &mut npz,
            "plan_trajectories",
            &stack(Axis(0), &plans).map_err(Error::encode(NPZ))?,
        )?;
    }
    Ok(npz.finish().map_err(Error::encode(NPZ))?.into_inner())
}

fn add(npz: &mut NpzWriter<Cursor<Vec<u8>>>, key: &str, array: &impl WriteNpyExt) -> Result<()> {
    npz.add_array(key, array).map_err(Error::encode(NPZ))
}

fn join(parts: &[Array2<f32>]) -> Result<Array2<f32>> {
    let views: Vec<ArrayView2<f32>> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).map_err(Error::encode(NPZ))
}
