//! Kind `train`: losses of recorded steps, and what the parameters and their average are after them.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_models::{UNet1dModel, named_params};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, Scheduler};
use diffplan_train::{
    Adam, Batch, Conditions, Decay, DiffusionLoss, Ema, LearningRate, Loss, TrainOptions, Trainer, TrajectoryObjective,
    TrajectoryWeights, ValueRegression,
};
use ndarray::{Array2, Axis};
use serde_json::Value;

/// Relative, of every step's loss.
const LOSS_TOLERANCE: f64 = 1e-5;
/// Norm-wise relative, of every parameter.
const PARAMETER_TOLERANCE: f64 = 1e-4;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let refused = |error: diffplan_train::Error| CaseError::refused(error);
    let model = UNet1dModel::from_pretrained(case.folder().join("model")).map_err(CaseError::refused)?;
    let config = DdpmConfig::from_json(&case.value("scheduler").to_string()).map_err(CaseError::refused)?;
    let schedule = DdpmScheduler::new(config)
        .map_err(CaseError::refused)?
        .schedule()
        .clone();
    let (lr, adam) = optimizer(case)?;
    let loss = named(case, "loss", Loss::L2)?;
    let action_dim = case.count("action_dim")?;
    let dims = (
        action_dim,
        action_dim + case.count("observation_dim")?,
        case.count("horizon")?,
    );
    let conditions = named(case, "conditions", Conditions::Current)?;
    let objective: TrajectoryObjective<UNet1dModel> = match case.text("objective")? {
        "planner" => {
            let weights = TrajectoryWeights {
                action_weight: case.number("action_weight")? as f32,
                loss_discount: optional_number(case, "loss_discount")?.unwrap_or(1.0) as f32,
                observation_weights: case
                    .optional_numbers("loss_weights")?
                    .map_or_else(Vec::new, |weights| weights.iter().map(|&w| w as f32).collect()),
            };
            let objective = DiffusionLoss::new(schedule, dims, loss, &weights).map_err(refused)?;
            Box::new(objective.with_conditions(conditions))
        }
        "value" => {
            let objective = ValueRegression::new(schedule, dims, loss).map_err(refused)?;
            Box::new(objective.with_conditions(conditions))
        }
        _ => return Err(case.wrong_key("objective", "\"planner\" or \"value\"")),
    };
    let options = TrainOptions {
        rate: LearningRate::constant(lr),
        adam,
        max_grad_norm: optional_number(case, "max_grad_norm")?,
        ema: Ema {
            decay: case.number("ema_decay")?,
            every: case.count("ema_every")? as u64,
            start: 0,
        },
    };
    let mut trainer = Trainer::new(model, objective, options).map_err(refused)?;
    let losses = case.tensor("losses")?;
    for step in 0..case.count("steps")? {
        let batches: Result<Vec<Batch>, CaseError> = (0..case.count("gradient_accumulate_every")?)
            .map(|micro| batch(case, &format!("step{step}.{micro}")))
            .collect();
        let loss = trainer.step(&batches?).map_err(refused)?.loss;
        let expected = losses.get(step).copied().unwrap_or(f64::NAN);
        report.record(
            format!("losses[{step}]"),
            (loss - expected).abs() / expected.abs(),
            LOSS_TOLERANCE,
        );
    }
    for (kind, model) in [("param", trainer.model()), ("ema", trainer.average())] {
        for (name, values) in named_params(model) {
            let name = format!("{kind}.{name}");
            report.compare(&name, values, &case.tensor(&name)?, Measure::Norm, PARAMETER_TOLERANCE)?;
        }
    }
    Ok(())
}

/// The learning rate and the optimiser, as `torch.optim` would be called: `AdamW(lr=1e-3, betas=(0.9, 0.999), eps=1e-8)`.
fn optimizer(case: &Case) -> Result<(f64, Adam), CaseError> {
    let text = case.text("optimizer")?;
    let unknown = || CaseError::NotSupported(format!("optimizer {text:?}"));
    let argument = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        let number = rest.trim_start_matches('(').split([',', ')']).next()?;
        number.trim().parse::<f64>().ok()
    };
    let second_beta = || {
        text.split_once("betas=(")?
            .1
            .split([',', ')'])
            .nth(1)?
            .trim()
            .parse()
            .ok()
    };
    let (lr, weight_decay) = (argument("lr").ok_or_else(unknown)?, argument("weight_decay"));
    let decay = match (text.split('(').next(), weight_decay) {
        (Some("Adam"), None) => Decay::None,
        (Some("Adam"), Some(decay)) => Decay::L2(decay),
        (Some("AdamW"), Some(decay)) => Decay::Decoupled(decay),
        _ => return Err(unknown()),
    };
    let betas = (
        argument("betas").ok_or_else(unknown)?,
        second_beta().ok_or_else(unknown)?,
    );
    let eps = argument("eps").ok_or_else(unknown)?;
    Ok((lr, Adam { betas, eps, decay }))
}

/// A key that names one of a few, or is not there.
fn named<T: serde::de::DeserializeOwned>(case: &Case, key: &str, default: T) -> Result<T, CaseError> {
    match case.value(key) {
        Value::Null => Ok(default),
        value => T::deserialize(value).map_err(|_| CaseError::NotSupported(format!("{key} {value}"))),
    }
}

fn optional_number(case: &Case, key: &str) -> Result<Option<f64>, CaseError> {
    if case.value(key).is_null() {
        return Ok(None);
    }
    case.number(key).map(Some)
}

fn batch(case: &Case, name: &str) -> Result<Batch, CaseError> {
    let value = format!("{name}.value");
    Ok(Batch {
        trajectories: case.tensor_f32(&format!("{name}.x"))?,
        noise: case.tensor_f32(&format!("{name}.noise"))?,
        timesteps: case.counts(&format!("{name}.t"))?,
        values: if case.has(&value) {
            let column: Array2<f32> = case.tensor_f32(&value)?;
            column.index_axis_move(Axis(1), 0)
        } else {
            Default::default()
        },
    })
}
