//! Folders of diffusers in any form they have been saved in, in today's: weights of any name, type and number of files, configurations
//! of before 0.9, caches of the Hub.
//!
//! What is read is read by the loaders that planning uses; what they assume of old files is in the report.

use crate::checkpoint::{Checkpoint, Parts};
use crate::error::{Error, Result};
use crate::options::{Options, Statistics, Target};
use crate::report::Report;
use crate::{stats, weights};
use diffplan_data::{NormalizerKind, Normalizers};
use diffplan_files::Folder;
use diffplan_models::{UNet1dModel, has_variant, weight_files};
use diffplan_pipelines::{ModelIndex, PlanningConfig, Registries, check_variant, read_normalizers, snapshot};
use diffplan_schedulers::{PredictionType, Scheduler};
use std::path::Path;
use std::sync::Arc;

/// Converts a checkpoint folder, or the folder of one network.
///
/// # Errors
/// What is wrong with which part.
pub fn convert(path: &Path, options: &Options) -> Result<Checkpoint> {
    let folder = Folder::at(path).of_variant(options.variant.as_deref());
    folder.names()?;
    let folder = snapshot(&folder)?;
    match folder.has("unet")? || folder.has("value_function")? {
        true => checkpoint(&folder, options),
        false => network(&folder, options),
    }
}

fn checkpoint(folder: &Folder, options: &Options) -> Result<Checkpoint> {
    let mut report = Report::default();
    let index = ModelIndex::read(folder)?;
    if index.is_some() {
        report.read(format!(
            "{}: which class each part is of",
            folder.path_of(ModelIndex::NAME).display()
        ));
    }
    let index = index.unwrap_or_default();
    let mut model = |part: &'static str, there: bool| -> Result<Option<UNet1dModel>> {
        match there {
            true => read(&folder.sub(part), part, part, &mut report).map(Some),
            false => Ok(None),
        }
    };
    let unet = model("unet", folder.has("unet")?)?;
    let value_function = model("value_function", index.has_value_function(folder)?)?;
    check_variant(folder)?;
    let scheduler = match folder.has("scheduler")? {
        true => Some(scheduler(folder, &index, &mut report)?),
        false => {
            report.note("there is no scheduler/: no plan can be made without one");
            None
        }
    };
    let normalizers = normalizers(folder, options, &mut report)?;
    let planning = PlanningConfig::of_folder(folder)?;
    if planning.is_some() {
        report.read(format!(
            "{}: how plans are made",
            folder.path_of("planning_config.json").display()
        ));
    }
    if options.target == Target::Diffusers {
        for (name, there) in [
            ("normalizer.json", normalizers.is_some()),
            ("planning_config.json", planning.is_some()),
        ] {
            if there {
                report.left_out(format!("{name}, which diffusers does not know"));
            }
        }
    }
    others(folder, &mut report)?;
    let mut checkpoint = Checkpoint {
        observation_dim: normalizers.as_ref().and_then(|own| own.observations().dimensions()),
        report,
        ..Checkpoint::default()
    };
    let parts = Parts {
        unet: unet.as_ref(),
        value_function: value_function.as_ref(),
        scheduler: scheduler.as_deref(),
        normalizers: normalizers.as_ref(),
        planning: planning.as_ref(),
    };
    checkpoint.add(&parts, options)?;
    Ok(checkpoint)
}

/// The folder of one network.
fn network(folder: &Folder, options: &Options) -> Result<Checkpoint> {
    if !folder.has("config.json")? {
        let names = folder.names()?.join(", ");
        let what = format!(
            "no checkpoint of diffusers: expected unet/ and scheduler/, or a network's config.json; it holds {names}"
        );
        return Err(Error::source(folder.path(), what));
    }
    let mut report = Report::default();
    let model = read(folder, "", "this folder", &mut report)?;
    if let Some(variant) = folder.variant()
        && !has_variant(folder, variant)?
    {
        let what = format!("there are no weights of variant {variant:?} in it");
        return Err(Error::source(folder.path(), what));
    }
    if options.statistics != Statistics::None {
        let what =
            "statistics belong to a checkpoint, and this is one network: leave out --dataset and --stats".to_owned();
        return Err(Error::source(folder.path(), what));
    }
    report.note("this is one network: put it in unet/ or value_function/ of a checkpoint, with a scheduler/ beside it");
    let mut checkpoint = Checkpoint {
        report,
        ..Checkpoint::default()
    };
    weights::add(&mut checkpoint.files, "", &model, options, &mut checkpoint.report)?;
    Ok(checkpoint)
}

/// A network and what was odd about its files.
fn read(folder: &Folder, part: &'static str, name: &str, report: &mut Report) -> Result<UNet1dModel> {
    let model = UNet1dModel::from_folder(folder).map_err(|error| match part {
        "" => Error::Model(error),
        part => diffplan_pipelines::Error::Network { part, error }.into(),
    })?;
    let files = weight_files(folder)?;
    report.read(format!("{}: {}", folder.path().display(), files.join(", ")));
    model.notes().iter().for_each(|note| report.note(note));
    let numbers: usize = diffplan_models::count_params(&model);
    report.mapped(format!(
        "{name}: {numbers} numbers, channels {:?}",
        model.config().block_out_channels
    ));
    for own in folder.names()? {
        if own != "config.json"
            && !files
                .iter()
                .any(|file| *file == own || file.starts_with(&format!("{own}/")))
        {
            report.left_out(format!(
                "{}: none of the files that this network was read from",
                folder.path_of(&own).display()
            ));
        }
    }
    Ok(model)
}

fn scheduler(folder: &Folder, index: &ModelIndex, report: &mut Report) -> Result<Arc<dyn Scheduler>> {
    let scheduler = index.load_scheduler(folder, &Registries::default())?;
    report.read(format!(
        "{}: {}",
        folder.path_of("scheduler").display(),
        scheduler.class_name()
    ));
    scheduler.notes().iter().for_each(|note| report.note(note));
    let prediction = scheduler.schedule().prediction_type();
    if prediction != PredictionType::Sample {
        report.note(format!(
            "the scheduler says that the planner predicts {prediction}: the published networks of Diffuser predict the trajectory \
             itself (`\"prediction_type\": \"sample\"`); is the file of this network?"
        ));
    }
    Ok(scheduler)
}

/// The statistics that were asked for, or the folder's own; a note where there are none.
fn normalizers(folder: &Folder, options: &Options, report: &mut Report) -> Result<Option<Normalizers>> {
    let name = "normalizer.json";
    match &options.statistics {
        Statistics::File(path) => {
            report.read(format!("{}: statistics", path.display()));
            Ok(Some(stats::read(path, None)?))
        }
        Statistics::Dataset(path) => {
            let kind = options.normalizer.unwrap_or(NormalizerKind::Gaussian);
            report.read(format!(
                "{}: a dataset, whose {kind} statistics were computed",
                path.display()
            ));
            Ok(Some(Normalizers::of_file(path, kind, &options.read())?))
        }
        Statistics::None if folder.has(name)? => {
            report.read(format!("{}: statistics", folder.path_of(name).display()));
            read_normalizers(folder).map(Some).map_err(Error::from)
        }
        Statistics::None => {
            if options.target == Target::Diffplan {
                report.note(
                    "there are no statistics, which diffusers does not save, and no plan can be made without them: name the dataset with \
                     `--dataset FILE`, or make them later with `diffplan normalizer`",
                );
            }
            Ok(None)
        }
    }
}

/// What else lies in the folder.
fn others(folder: &Folder, report: &mut Report) -> Result<()> {
    const READ: [&str; 6] = [
        ModelIndex::NAME,
        "normalizer.json",
        "planning_config.json",
        "scheduler",
        "unet",
        "value_function",
    ];
    for name in folder.names()? {
        if !READ.contains(&name.as_str()) {
            report.left_out(format!("{}: no part of a checkpoint", folder.path_of(&name).display()));
        }
    }
    Ok(())
}
