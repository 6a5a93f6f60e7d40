//! Kind `train`: losses of recorded steps, and what the parameters and their average are after them.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_models::{UNet1dModel, named_params};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler};
use diffplan_train::{Batch, Ema, Loss, Objective, TrainOptions, Trainer, TrajectoryWeights};
use ndarray::{Array2, Axis};

/// Relative, of every step's loss.
const LOSS_TOLERANCE: f64 = 1e-5;
/// Norm-wise relative, of every parameter.
const PARAMETER_TOLERANCE: f64 = 1e-4;
/// The only optimiser of the reference's cases.
const OPTIMIZER: &str = "Adam(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)";

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let refused = |error: diffplan_train::Error| CaseError::refused(error);
    let model = UNet1dModel::from_pretrained(case.folder().join("model")).map_err(CaseError::refused)?;
    let config = DdpmConfig::from_json(&case.value("scheduler").to_string()).map_err(CaseError::refused)?;
    let scheduler = DdpmScheduler::new(config).map_err(CaseError::refused)?;
    if case.text("optimizer")? != OPTIMIZER {
        return Err(CaseError::NotSupported(format!(
            "optimizer {}",
            case.value("optimizer")
        )));
    }
    let action_dim = case.count("action_dim")?;
    let dims = (
        action_dim,
        action_dim + case.count("observation_dim")?,
        case.count("horizon")?,
    );
    let objective = match case.text("objective")? {
        "planner" => {
            let weights = TrajectoryWeights {
                action_weight: case.number("action_weight")? as f32,
                ..TrajectoryWeights::default()
            };
            Objective::planner(scheduler, dims, Loss::L2, &weights)
        }
        "value" => Objective::value(scheduler, dims, Loss::L2),
        _ => return Err(case.wrong_key("objective", "\"planner\" or \"value\"")),
    };
    let options = TrainOptions {
        ema: Ema {
            decay: case.number("ema_decay")?,
            every: case.count("ema_every")? as u64,
            start: 0,
        },
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(model, objective.map_err(refused)?, options).map_err(refused)?;
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
