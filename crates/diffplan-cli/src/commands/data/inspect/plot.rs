//! The picture of `--plot`.

use crate::error::Result;
use crate::output;
use crate::patience::Busy;
use diffplan_data::summary::{Histogram, Spread};
use diffplan_data::{EpisodeRange, RawDataset};
use diffplan_eval::{Names, table};
use diffplan_files::folder_of;
use diffplan_pictures::{DatasetPicture, Shown, dataset_png};
use ndarray::{ArrayView2, s};
use std::path::Path;

/// Bins at most.
const BINS: usize = 50;

/// `given` is what was asked for.
pub(super) fn draw(
    raw: &RawDataset,
    names: &Names,
    (episodes, returns): (&[EpisodeRange], &[f64]),
    (given, path): (&Path, &Path),
) -> Result<()> {
    output::prepare_folder(folder_of(path))?;
    let busy = Busy::new("drawing".into());
    let picture = picture(raw, names, (episodes, returns), given);
    let png = dataset_png(&picture)?;
    drop(busy);
    output::write_atomically(path, &png)
}

fn picture(
    raw: &RawDataset,
    names: &Names,
    (episodes, returns): (&[EpisodeRange], &[f64]),
    given: &Path,
) -> DatasetPicture {
    let dims = |names: &[String], values: ArrayView2<f32>| {
        let column = |(name, column): (&String, ndarray::ArrayView1<f32>)| {
            (short(name), Spread::of(column.iter().copied().map(f64::from)))
        };
        names.iter().zip(values.columns()).map(column).collect::<Vec<_>>()
    };
    let lengths: Vec<f64> = episodes.iter().map(|episode| episode.len() as f64).collect();
    let env = match &raw.recorded_env {
        Some(env) => format!("{env} · "),
        None => String::new(),
    };
    let full = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    // Of all of Minari's the file has the same name.
    let named = match full.ends_with("data/main_data.hdf5") {
        true => full.ancestors().nth(2).unwrap_or(&full),
        false => &full,
    };
    let file = named.file_name().map_or_else(
        || given.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    DatasetPicture {
        title: format!("{file} · {}", raw.format.name()),
        subtitle: format!(
            "{env}{} episodes · {} steps · {} dimensions of observations, {} of actions",
            table::thousands(episodes.len()),
            table::thousands(raw.observations.nrows()),
            raw.observations.ncols(),
            raw.actions.ncols()
        ),
        returns: Histogram::of(returns, BINS),
        lengths: Histogram::of(&lengths, BINS),
        observations: dims(&names.observations, raw.observations.view()),
        actions: dims(&names.actions, raw.actions.view()),
        action_histograms: action_histograms(raw.actions.view()),
        episodes: shown(raw, episodes, returns),
    }
}

/// Of dimensions without names of their own.
fn short(name: &str) -> String {
    match name.strip_prefix("observation ") {
        Some(number) => format!("obs {number}"),
        None => name.to_owned(),
    }
}

/// All in the same bins, so that they can be compared.
fn action_histograms(actions: ArrayView2<f32>) -> Vec<Histogram> {
    let all: Vec<f64> = actions.iter().copied().map(f64::from).collect();
    let Some(Histogram { low, high, counts }) = Histogram::of(&all, BINS) else {
        return Vec::new();
    };
    let bins = counts.len();
    let of_column = |column: ndarray::ArrayView1<f32>| {
        let mut counts = vec![0; bins];
        for value in column.iter().map(|x| f64::from(*x)).filter(|x| x.is_finite()) {
            let bin = ((value - low) / (high - low) * bins as f64) as usize;
            counts[bin.min(bins - 1)] += 1;
        }
        Histogram { low, high, counts }
    };
    actions.columns().into_iter().map(of_column).collect()
}

/// The best, the median and the worst; fewer where there are not as many.
fn shown(raw: &RawDataset, episodes: &[EpisodeRange], returns: &[f64]) -> Vec<Shown> {
    let mut order: Vec<usize> = (0..episodes.len())
        .filter(|number| returns[*number].is_finite())
        .collect();
    order.sort_by(|a, b| returns[*b].total_cmp(&returns[*a]).then(a.cmp(b)));
    let chosen: Vec<(&str, usize)> = match order[..] {
        [] => Vec::new(),
        [one] => vec![("the only one", one)],
        [best, worst] => vec![("best", best), ("worst", worst)],
        [best, .., worst] => vec![("best", best), ("median", order[order.len() / 2]), ("worst", worst)],
    };
    let show = |(which, number): (&str, usize)| {
        let EpisodeRange { start, end, terminated } = episodes[number];
        let ended = if terminated { "terminal state" } else { "cut off" };
        Shown {
            title: format!(
                "{which}: episode {number}, return {:.1}, {} steps, {ended}",
                returns[number],
                end - start
            ),
            observations: raw.observations.slice(s![start..end, ..]).to_owned(),
        }
    };
    chosen.into_iter().map(show).collect()
}
