//! Kind `jannerm_dataset`: episodes, every window, windows as they enter training, the value function's targets, and normalisers there
//! and back.

use super::super::case::{Case, CaseError};
use super::super::compare::{Measure, Report};
use super::maze_goal;
use diffplan_data::{DiscountedReturns, Normalizer, Normalizers, SequenceDataset, SequenceOptions};
use diffplan_import::jannerm::{NormalizerClass, Preparation};
use ndarray::{Array1, Array2, Array3, ArrayD, Axis, s};

/// Statistics and normalised numbers are float32 in the reference.
const TOLERANCE: f64 = 1e-5;

pub(in super::super) fn check_dataset(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let goal = maze_goal(case)?;
    let maze = case.text("branch")? == "maze2d" || goal.is_some();
    let preparation = Preparation {
        env: maze.then(|| "maze2d".to_owned()),
        preprocess: goal.iter().map(|_| "maze2d_set_terminals".to_owned()).collect(),
        maze_goal: goal,
        ..Preparation::default()
    };
    let dataset = preparation
        .read(&case.folder().join(case.text("dataset")?))
        .map_err(CaseError::refused)?;
    let lengths: Array1<f64> = dataset.episodes().iter().map(|episode| episode.len() as f64).collect();
    report.compare(
        "path_lengths",
        lengths.view(),
        &case.tensor("path_lengths")?,
        Measure::Absolute,
        0.0,
    )?;

    let name = case.text("normalizer")?;
    let class = NormalizerClass::of(name).ok_or_else(|| CaseError::NotSupported(format!("normalizer {name}")))?;
    let [observations, actions] = class.of_dataset(&dataset).map_err(CaseError::refused)?;
    let normalizers = Normalizers::new(observations, actions, None).map_err(CaseError::refused)?;
    for normalizer in [normalizers.observations(), normalizers.actions()] {
        there_and_back(case, report, normalizer)?;
    }

    let horizon = case.count("horizon")?;
    let options = SequenceOptions {
        horizon,
        max_path_length: case.count("max_path_length")?,
        use_padding: case.value("use_padding").as_bool().unwrap_or(true),
    };
    let sequences = SequenceDataset::new(&dataset, &normalizers, &options).map_err(CaseError::refused)?;
    let mut indices = Array2::<f64>::zeros((sequences.len(), 3));
    for (mut row, window) in indices.outer_iter_mut().zip(sequences.windows()) {
        // The original counts from the beginning of the episode, and to the end of the padding.
        let start = window.start - dataset.episodes()[window.episode].start;
        row.assign(&ndarray::arr1(
            &[window.episode, start, start + horizon].map(|i| i as f64),
        ));
    }
    report.compare(
        "indices",
        indices.view(),
        &case.tensor("indices")?,
        Measure::Absolute,
        0.0,
    )?;

    let picked = case.counts("pick")?;
    let mut trajectories = Array3::<f32>::zeros((picked.len(), horizon, sequences.transition_dim()));
    for (&index, trajectory) in picked.iter().zip(trajectories.outer_iter_mut()) {
        if index >= sequences.len() {
            return Err(CaseError::NoTensor(format!("window {index}")));
        }
        sequences.copy_into(index, trajectory).map_err(CaseError::refused)?;
    }
    let expected = case.tensor("trajectories")?;
    report.compare("trajectories", trajectories.view(), &expected, Measure::Norm, TOLERANCE)?;
    for name in case.names() {
        let Some(time) = name
            .strip_prefix("condition.")
            .and_then(|time| time.parse::<usize>().ok())
        else {
            continue;
        };
        if time >= horizon {
            return Err(CaseError::NoTensor(name));
        }
        let own = trajectories.slice(s![.., time, sequences.action_dim()..]);
        report.compare(&name, own, &case.tensor(&name)?, Measure::Norm, TOLERANCE)?;
    }
    if case.has("values") {
        let returns = DiscountedReturns::new(&dataset, case.number("discount")?, case.number("termination_penalty")?);
        let returns = returns.map_err(CaseError::refused)?;
        let values: Result<Vec<f64>, _> = sequences
            .windows()
            .map(|window| returns.from_row(window.start))
            .collect();
        let values = values.map_err(CaseError::refused)?;
        let mut values: Array1<f32> = values.into_iter().map(|value| value as f32).collect();
        if case.value("normed").as_bool() == Some(true) {
            let limits = returns.limits(&sequences).map_err(CaseError::refused)?;
            let normalizers = normalizers.with_values(limits).map_err(CaseError::refused)?;
            let own = normalizers
                .values()
                .map(|own| own.normalize(values.view().insert_axis(Axis(1))));
            if let Some(own) = own {
                values = own.map_err(CaseError::refused)?.remove_axis(Axis(1));
            }
        }
        report.compare(
            "values",
            values.view(),
            &case.tensor("values")?,
            Measure::Norm,
            TOLERANCE,
        )?;
    }
    Ok(())
}

/// `KEY.x` to `KEY.normalized`, `KEY.u` to `KEY.unnormalized`, `KEY.v` (all in range) to `KEY.v_unnormalized`.
fn there_and_back(case: &Case, report: &mut Report, normalizer: &Normalizer) -> Result<(), CaseError> {
    let key = normalizer.key();
    type Way = fn(&Normalizer, ndarray::ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, diffplan_data::Error>;
    let rows: [(&str, &str, Way); 3] = [
        ("x", "normalized", |own, x| own.normalize(x)),
        ("u", "unnormalized", |own, x| own.denormalize(x)),
        ("v", "v_unnormalized", |own, x| own.denormalize(x)),
    ];
    for (from, to, way) in rows {
        let input: ArrayD<f32> = case.tensor_f32(&format!("{key}.{from}"))?;
        let name = format!("{key}.{to}");
        let own = way(normalizer, input.view()).map_err(CaseError::refused)?;
        report.compare(&name, own.view(), &case.tensor(&name)?, Measure::Norm, TOLERANCE)?;
    }
    Ok(())
}
