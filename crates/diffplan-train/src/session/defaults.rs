//! What is not set: the defaults of a network, and what is refused.

use super::keys::{Keys, Kind, MAX_STEPS, Optimizer, Pooling};
use super::settings::Network;
use crate::error::{Error, Result};
use crate::objective::TrajectoryWeights;
use crate::optim::{Adam, Decay, Ema, LearningRate};
use crate::trainer::TrainOptions;

/// The largest product of a step's batches, trajectories and their steps: beyond it buffers take tens of gigabytes.
pub(super) const MAX_BATCH_STEPS: usize = 1 << 20;

/// Added to the reward that ends an episode in a terminal state, where nothing else is said: the original's, for locomotion.
pub const TERMINATION_PENALTY: f64 = -100.0;

pub(super) fn network(kind: Kind, keys: &mut Keys) -> Result<Network> {
    let steps = match kind {
        Kind::Planner => 1_000_000,
        Kind::Value => 200_000,
    };
    let steps = at_least(1, "steps", *keys.steps.get_or_insert(steps))?;
    if steps > MAX_STEPS {
        return Err(Error::Option {
            name: "steps",
            value: steps.to_string(),
            expected: format!("at most {MAX_STEPS}"),
        });
    }
    let weight_decay = *keys.weight_decay.get_or_insert(0.0);
    let defaults = TrajectoryWeights::default();
    let network = Network {
        kind,
        channels: keys.channels.get_or_insert_with(|| vec![32, 64, 128, 256]).clone(),
        attention: kind == Kind::Planner && *keys.attention.get_or_insert(false),
        pooling: *keys.value_pooling.get_or_insert(Pooling::Flatten),
        batch_size: at_least(1, "batch_size", *keys.batch_size.get_or_insert(32))?,
        accumulate: at_least(
            1,
            "gradient_accumulate_every",
            *keys.gradient_accumulate_every.get_or_insert(2),
        )?,
        steps,
        seed: *keys.seed.get_or_insert(0),
        options: TrainOptions {
            rate: LearningRate {
                lr: *keys.lr.get_or_insert(2e-4),
                warmup_steps: *keys.warmup_steps.get_or_insert(0),
                schedule: *keys.lr_schedule.get_or_insert_default(),
                cosine_from: *keys.cosine_from.get_or_insert(0),
                total_steps: steps,
            },
            adam: Adam {
                decay: match *keys.optimizer.get_or_insert(Optimizer::Adam) {
                    Optimizer::Adam => Decay::L2(weight_decay),
                    Optimizer::AdamW => Decay::Decoupled(weight_decay),
                },
                ..Adam::default()
            },
            ema: Ema {
                decay: *keys.ema_decay.get_or_insert(0.995),
                every: *keys.ema_every.get_or_insert(10),
                start: *keys.ema_start.get_or_insert(2000),
            },
            max_grad_norm: keys.max_grad_norm,
        },
        loss: *keys.loss.get_or_insert_default(),
        weights: TrajectoryWeights {
            action_weight: *keys.action_weight.get_or_insert(defaults.action_weight.into()) as f32,
            loss_discount: *keys.loss_discount.get_or_insert(defaults.loss_discount.into()) as f32,
            observation_weights: keys
                .loss_weights
                .iter()
                .flatten()
                .map(|&weight| weight as f32)
                .collect(),
        },
        discount: *keys.discount.get_or_insert(0.99),
        termination_penalty: *keys.termination_penalty.get_or_insert(TERMINATION_PENALTY),
        normalize_values: *keys.normalize_values.get_or_insert(true),
    };
    if !(0.0..=1.0).contains(&network.discount) {
        return Err(Error::Option {
            name: "discount",
            value: network.discount.to_string(),
            expected: "a number from 0 to 1".into(),
        });
    }
    if !network.termination_penalty.is_finite() {
        return Err(Error::Option {
            name: "termination_penalty",
            value: network.termination_penalty.to_string(),
            expected: "a finite number".into(),
        });
    }
    Ok(network)
}

pub(super) fn missing(name: &'static str, expected: &str) -> Error {
    Error::Option {
        name,
        value: "nothing".into(),
        expected: format!("{expected}, with --{name} or in the file of --config"),
    }
}

pub(super) fn at_least<T: PartialOrd + std::fmt::Display>(low: T, name: &'static str, value: T) -> Result<T> {
    if value < low {
        return Err(Error::Option {
            name,
            value: value.to_string(),
            expected: format!("at least {low}"),
        });
    }
    Ok(value)
}
