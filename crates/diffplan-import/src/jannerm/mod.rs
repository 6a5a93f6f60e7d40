//! Checkpoints of the original Diffuser, jannerm/diffuser, branches main and maze2d.
//!
//! A run folder holds `state_N.pt` and `*_config.pkl`, one for the planner and one for the value function. No file holds the statistics
//! that it normalised with; they are computed from the dataset again, by the same rules.
//!
//! ```text
//! state_N.pt ──▶ State ──▶ network (name tables, shapes)      ──▶ unet/, value_function/
//!                      └─▶ schedule (buffers checked)         ──▶ scheduler/
//! *_config.pkl, dataset ──▶ episodes ──▶ statistics           ──▶ normalizer.json
//! the paper's settings for the dataset                        ──▶ planning_config.json
//! ```

mod config;
mod dataset;
mod names;
mod network;
mod paper;
mod run;
mod schedule;
mod state;
mod statistics;

pub use config::ConfigFile;
pub use dataset::Preparation;
pub use names::NetworkKind;
pub use run::{Run, details, run_in};
pub use state::{State, states};
pub use statistics::NormalizerClass;
pub(crate) use statistics::widened;

use crate::checkpoint::{Checkpoint, Parts};
use crate::error::{Error, Result};
use crate::options::{Options, Statistics, Target};
use crate::report::Report;
use crate::stats;
use diffplan_data::{Dataset, DiscountedReturns, Normalizer, Normalizers, SequenceDataset, SequenceOptions};
use diffplan_schedulers::Scheduler;
use schedule::Prediction;
use std::path::Path;

/// The rows of an episode that the original allows where nothing is said.
const MAX_PATH_LENGTH: usize = 1000;

/// Converts a planner's run, a value function's, or both; a path is a run folder or a state file.
///
/// # Errors
/// What is wrong with which file, what it lacks, or that the two are not of one kind.
pub fn convert(planner: Option<&Path>, value: Option<&Path>, options: &Options) -> Result<Checkpoint> {
    let mut report = Report::default();
    let open = |path: Option<&Path>, is_value: bool, report: &mut Report| -> Result<Option<Run>> {
        let Some(path) = path else { return Ok(None) };
        let run = Run::open(path, options, report)?;
        if run.state.kind.is_value() != is_value {
            let (found, flag) = if is_value {
                ("planner", "--planner")
            } else {
                ("value function", "--value")
            };
            let what = format!("is a {found} ({}): name it by {flag}", run.state.kind.class());
            return Err(Error::source(&run.state.path, what));
        }
        Ok(Some(run))
    };
    let planner = open(planner, false, &mut report)?;
    let value = open(value, true, &mut report)?;
    let Some(run) = planner.as_ref().or(value.as_ref()) else {
        let what = "nothing to convert: name a run folder of a planner, of a value function, or of both".into();
        return Err(Error::Unsupported { what });
    };
    let prediction = match &planner {
        Some(planner) => planner.prediction(options)?,
        // A value function predicts no trajectory; the scheduler only says how it was noised.
        None => Prediction {
            epsilon: false,
            clip: false,
        },
    };
    let scheduler = run.scheduler(prediction, &mut report)?;
    if let (Some(planner), Some(value)) = (&planner, &value) {
        fit(planner, value, prediction, &scheduler, &mut report)?;
    }
    for (run, part) in [(&planner, "unet"), (&value, "value_function")] {
        if let Some(run) = run {
            report.mapped(format!(
                "{} tensors of {} to {part}/",
                run.state.network.len(),
                run.state.path.display()
            ));
        }
    }
    describe(prediction, &scheduler, &mut report);
    let normalizers = match planner.as_ref().filter(|_| options.target == Target::Diffplan) {
        Some(planner) => Some(normalizers(planner, value.as_ref(), options, &mut report)?),
        None => None,
    };
    let dataset = run.dataset.as_ref().map_or(Ok(None), |file| file.text("env"))?;
    let horizon = run.horizon()?;
    let maze = planner
        .as_ref()
        .is_some_and(|planner| planner.state.kind == NetworkKind::MazePlanner);
    let planning = horizon.map(|horizon| paper::planning(dataset, horizon, value.is_some(), maze));
    if maze {
        report.note("branch maze2d plans once, with the goal as a condition at the last step and unguided, and steers along the states of the plan: planning_config.json says so");
    }
    let mut checkpoint = Checkpoint {
        observation_dim: normalizers.as_ref().and_then(|own| own.observations().dimensions()),
        report,
        ..Checkpoint::default()
    };
    let parts = Parts {
        unet: planner.as_ref().map(|run| &run.model),
        value_function: value.as_ref().map(|run| &run.model),
        scheduler: Some(&scheduler),
        normalizers: normalizers.as_ref(),
        planning: planning.as_ref().filter(|_| planner.is_some()),
    };
    checkpoint.add(&parts, options)?;
    Ok(checkpoint)
}

/// That a planner and a value function can be used together: the same transitions, the same schedule, the same statistics.
fn fit(planner: &Run, value: &Run, prediction: Prediction, own: &dyn Scheduler, report: &mut Report) -> Result<()> {
    let differ = |what: &str, own: String, other: String| {
        Err(Error::source(
            &value.state.path,
            format!(
                "{what} is {other}, but {own} in the planner's {}: they are not of one kind",
                planner.state.path.display()
            ),
        ))
    };
    let (a, b) = (planner.transition_dim(), value.transition_dim());
    if a != b {
        return differ("the number of channels", a.to_string(), b.to_string());
    }
    let other = value.scheduler(prediction, report)?;
    let (a, b) = (own.schedule().betas(), other.schedule().betas());
    if a.len() != b.len() || a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-6) {
        return differ(
            "the schedule",
            format!("one of {} timesteps", a.len()),
            format!("one of {} timesteps", b.len()),
        );
    }
    let files = planner.diffusion.as_ref().zip(value.diffusion.as_ref());
    for key in ["observation_dim", "action_dim"] {
        if let Some((a, b)) = files
            && let (Some(a), Some(b)) = (a.count(key)?, b.count(key)?)
            && a != b
        {
            return differ(key, a.to_string(), b.to_string());
        }
    }
    if let Some((a, b)) = planner.dataset.as_ref().zip(value.dataset.as_ref()) {
        if let (Some(a), Some(b)) = (a.name("normalizer")?, b.name("normalizer")?)
            && a != b
        {
            return differ("the normaliser", a.to_owned(), b.to_owned());
        }
        if let (Some(a), Some(b)) = (a.text("env")?, b.text("env")?)
            && a != b
        {
            report.note(format!("the planner was trained on {a}, the value function on {b}"));
        }
    }
    if let Some(file) = &value.dataset {
        let discount = file
            .number("discount")?
            .map_or(String::new(), |x| format!("discount {x}"));
        let penalty = file
            .number("termination_penalty")?
            .map_or(String::new(), |x| format!(", termination penalty {x}"));
        let normed = file.truth("normed")?.unwrap_or(false);
        let normed = if normed {
            "scaled to [-1, 1]"
        } else {
            "in the units of rewards"
        };
        report.note(format!("values are {normed}, {discount}{penalty}"));
    }
    Ok(())
}

fn describe(prediction: Prediction, scheduler: &dyn Scheduler, report: &mut Report) {
    report.mapped(format!(
        "predict_epsilon {} to prediction_type {}, clip_denoised {} to clip_sample, n_timesteps {}",
        prediction.epsilon,
        if prediction.epsilon { "epsilon" } else { "sample" },
        prediction.clip,
        scheduler.schedule().num_train_timesteps()
    ));
}

/// What a run says of its dataset.
///
/// # Errors
/// If its configuration has something else where that stands.
pub fn preparation(file: Option<&ConfigFile>, options: &Options) -> Result<Preparation> {
    let text = |key| file.map_or(Ok(None), |file| file.text(key));
    let preprocess = file.map_or(Ok(None), |file| file.texts("preprocess_fns"))?;
    Ok(Preparation {
        env: text("env")?.map(str::to_owned),
        preprocess: preprocess.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        maze_goal: options.maze_goal,
        max_episode_steps: options.max_episode_steps,
        keys: options.keys.clone(),
        rewards: options.rewards.clone(),
    })
}

/// The statistics that the run normalised with.
fn normalizers(planner: &Run, value: Option<&Run>, options: &Options, report: &mut Report) -> Result<Normalizers> {
    let action_dim = planner.action_dim(options)?;
    let class = class_of(planner, options)?;
    let normalizers = match &options.statistics {
        Statistics::None => {
            return Err(Error::source(
                &planner.state.path,
                "no file of a run holds the statistics that it normalised with: name the dataset that it was trained on with \
                 `--dataset FILE`, or a file of them with `--stats FILE`",
            ));
        }
        Statistics::File(path) => {
            report.read(format!("{}: statistics", path.display()));
            let normalizers = stats::read(path, class)?;
            let file = value.and_then(|value| value.dataset.as_ref());
            let normed = file.map_or(Ok(None), |file| file.truth("normed"))?.unwrap_or(false);
            if normed && normalizers.values().is_none() {
                report.note(
                    "the value function was trained on returns scaled to [-1, 1], whose limits stand in no file: values of plans stay \
                     scaled; with `--dataset` they are known",
                );
            }
            normalizers
        }
        Statistics::Dataset(path) => {
            let Some(class) = class else {
                return Err(Error::source(
                    &planner.state.path,
                    "nothing says which normaliser it was trained with: put the run's dataset_config.pkl beside it, or say it with \
                     `--normalizer KIND`",
                ));
            };
            let dataset = preparation(planner.dataset.as_ref(), options)?.read(path)?;
            report.read(format!(
                "{}: a dataset of {} finished episodes, {} rows",
                path.display(),
                dataset.episodes().len(),
                dataset.episodes().iter().map(|episode| episode.len()).sum::<usize>()
            ));
            report.mapped(format!("its statistics by {}'s rule to normalizer.json", class.name()));
            let [observations, actions] = class.of_dataset(&dataset)?;
            let normalizers = Normalizers::new(observations, actions, None)?;
            match value {
                Some(value) => with_values(normalizers, value, &dataset, options)?,
                None => normalizers,
            }
        }
    };
    let observation_dim = planner.transition_dim() - action_dim;
    let own = |of: &Normalizer| of.dimensions();
    for (key, actual, expected) in [
        ("observations", own(normalizers.observations()), observation_dim),
        ("actions", own(normalizers.actions()), action_dim),
    ] {
        if actual.is_some_and(|actual| actual != expected) {
            let path = match &options.statistics {
                Statistics::Dataset(path) | Statistics::File(path) => path.clone(),
                Statistics::None => planner.state.path.clone(),
            };
            let what = format!(
                "its {key} have {} dimensions, those of the planner {expected}: is it the dataset that it was trained on?",
                actual.unwrap_or_default()
            );
            return Err(Error::source(path, what));
        }
    }
    normalizers
        .warnings()
        .for_each(|warning| report.note(warning.to_string()));
    Ok(normalizers)
}

/// The normaliser that a run was trained with, where something says it.
fn class_of(run: &Run, options: &Options) -> Result<Option<NormalizerClass>> {
    let named = run.dataset.as_ref().map_or(Ok(None), |file| file.name("normalizer"))?;
    let Some(name) = named else {
        return Ok(options.normalizer.and_then(NormalizerClass::of_kind));
    };
    match NormalizerClass::of(name) {
        Some(class) => Ok(Some(class)),
        None => {
            let path = run.dataset.as_ref().map_or(run.state.path.as_path(), ConfigFile::path);
            let what = format!(
                "`normalizer` is {name}, expected one of {}",
                NormalizerClass::NAMES.join(", ")
            );
            Err(Error::source(path, what))
        }
    }
}

/// With the limits of the value function's target, where it was trained on scaled values.
fn with_values(normalizers: Normalizers, value: &Run, dataset: &Dataset, options: &Options) -> Result<Normalizers> {
    let Some(file) = &value.dataset else {
        return Ok(normalizers);
    };
    if !file.truth("normed")?.unwrap_or(false) {
        return Ok(normalizers);
    }
    let Some(horizon) = value.horizon()? else {
        return Ok(normalizers);
    };
    let sequences = SequenceOptions {
        horizon,
        max_path_length: file.count("max_path_length")?.unwrap_or(MAX_PATH_LENGTH),
        use_padding: file.truth("use_padding")?.unwrap_or(true),
    };
    // Its own configuration may cut the data in another way.
    let own = match &options.statistics {
        Statistics::Dataset(path) => preparation(value.dataset.as_ref(), options)?.read(path)?,
        _ => dataset.clone(),
    };
    let sequences = SequenceDataset::new(&own, &normalizers, &sequences)?;
    let discount = file.number("discount")?.unwrap_or(0.99);
    let penalty = file.number("termination_penalty")?.unwrap_or(0.0);
    let returns = DiscountedReturns::new(&own, discount, penalty)?;
    Ok(normalizers.with_values(returns.limits(&sequences)?)?)
}
