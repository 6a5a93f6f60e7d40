//! Windows and discounted returns of a dataset, one JSON object, for `xtask/reference/datasets.py` to compare with NumPy's:
//!
//!     cargo run -p diffplan-data --example windows -- FILE [HORIZON [DISCOUNT]]
//!
//! A window begins at each of the first min(length - 1, 1000 - horizon) steps of an episode, as in the original's
//! `make_indices` (jannerm/diffuser, `diffuser/datasets/sequence.py`) with padding and its `max_path_length` of 1000; without
//! padding, at each of the first length - horizon as well. The discounted return is that of all the rest of the episode.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::error::Error;

use diffplan_data::{Dataset, ReadOptions};

const MAX_PATH_LENGTH: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let file = args.first().ok_or("expected FILE [HORIZON [DISCOUNT]]")?;
    let horizon: usize = args.get(1).map_or(Ok(32), |text| text.parse())?;
    let discount: f64 = args.get(2).map_or(Ok(0.97), |text| text.parse())?;
    let dataset = Dataset::read(file, &ReadOptions::default())?;
    let rewards = dataset.rewards();

    let (mut values, mut unpadded) = (Vec::new(), 0);
    for episode in dataset.episodes() {
        let mut rest = 0.0;
        let mut returns: Vec<f64> = (episode.start..episode.end)
            .rev()
            .map(|row| {
                rest = rewards[row] + discount * rest;
                rest
            })
            .collect();
        returns.reverse();
        let starts = (episode.len() - 1).min(MAX_PATH_LENGTH.saturating_sub(horizon));
        values.extend(returns.iter().take(starts));
        unpadded += starts.min(episode.len().saturating_sub(horizon));
    }
    let picked: Vec<f64> = (0..5)
        .filter_map(|i| values.get(i * values.len() / 5).copied())
        .collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let windows = values.len();
    println!(r#"{{"windows":{windows},"unpadded":{unpadded},"min":{low:?},"max":{high:?},"picked":{picked:?}}}"#);
    Ok(())
}
