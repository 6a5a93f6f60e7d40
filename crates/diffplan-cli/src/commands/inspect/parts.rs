//! What each part of a checkpoint is, for people and as JSON.

use super::horizons::Horizons;
use crate::error::{Error, Result};
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_eval::table;
use diffplan_files::Folder;
use diffplan_models::{TemporalAttention, UNet1dModel, ValuePooling, count_params};
use diffplan_pipelines::{PlanningConfig, ValueNetwork};
use diffplan_schedulers::Scheduler;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Debug;

/// A network.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    down_blocks: Vec<String>,
    mid_block: Option<String>,
    up_blocks: Vec<String>,
    out_block: Option<String>,
    channels: Vec<usize>,
    sample_channels: usize,
    layers_per_block: usize,
    activation: Option<String>,
    value_pooling: Option<ValuePooling>,
    temporal_attention: Option<TemporalAttention>,
    parameters: usize,
    horizons: String,
}

impl Network {
    pub(super) fn of(model: &UNet1dModel, horizons: &Horizons) -> Self {
        fn names<T: Debug>(types: &[T]) -> Vec<String> {
            types.iter().map(|t| format!("{t:?}")).collect()
        }
        let config = model.config();
        Self {
            down_blocks: names(&config.down_block_types),
            mid_block: config.mid_block_type.map(|t| format!("{t:?}")),
            up_blocks: names(&config.up_block_types),
            out_block: config.out_block_type.map(|t| format!("{t:?}")),
            channels: config.block_out_channels.clone(),
            sample_channels: config.sample_channels(),
            layers_per_block: config.layers_per_block,
            activation: config.act_fn.clone(),
            value_pooling: config.value_pooling,
            temporal_attention: config.temporal_attention,
            parameters: count_params(model),
            horizons: horizons.to_string(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let channels: Vec<String> = self.channels.iter().map(usize::to_string).collect();
        let blocks = [
            repeated(&self.down_blocks),
            self.mid_block.clone(),
            repeated(&self.up_blocks),
            self.out_block.clone(),
            self.temporal_attention
                .map(|_| "linear attention in every level".into()),
            self.value_pooling.map(|pooling| match pooling {
                ValuePooling::Mean => "of the mean over the positions that are left".into(),
                other => format!("of the positions that are left by {other:?}"),
            }),
        ];
        vec![
            format!(
                "{} parameters, channels {}, samples of {}",
                table::thousands(self.parameters),
                channels.join("-"),
                self.sample_channels
            ),
            blocks.into_iter().flatten().collect::<Vec<_>>().join(", "),
            format!("horizons: {}", self.horizons),
        ]
    }
}

/// The planner network in `folder`, and the horizons whose length it keeps.
pub(super) fn unet(folder: &Folder) -> Result<(UNet1dModel, Horizons)> {
    let model = UNet1dModel::from_folder(folder)?;
    if model.is_value_function() {
        return Err(Error::NotAPlanner);
    }
    let channels = model.config().out_channels;
    let keeps = |horizon| matches!(model.output_shape(1, horizon), Ok(shape) if shape == [1, channels, horizon]);
    let horizons = Horizons::that(keeps);
    Ok((model, horizons))
}

/// The value function in `folder`, and the horizons it can take.
pub(super) fn value_function(folder: &Folder) -> Result<(ValueNetwork, Horizons)> {
    let guide = ValueNetwork::new(UNet1dModel::from_folder(folder)?)?;
    let horizons = Horizons::that(|horizon| guide.model().check_horizon(horizon).is_ok());
    Ok((guide, horizons))
}

/// The settings that are of any class, then what is done to samples.
pub(super) fn scheduler_lines(scheduler: &dyn Scheduler) -> Vec<String> {
    let map = scheduler.to_map();
    let text = |key: &str| match map.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "not said".into(),
    };
    let is = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let class = scheduler.class_name();
    let mut first = format!(
        "{}, {} timesteps, {}",
        class.strip_suffix("Scheduler").unwrap_or(class),
        text("num_train_timesteps"),
        text("beta_schedule")
    );
    if map.contains_key("variance_type") {
        first += &format!(", {}", text("variance_type"));
    }
    first += &format!(", predicts {}", text("prediction_type"));
    let mut second = format!("timestep spacing {}", text("timestep_spacing"));
    if is("clip_sample") {
        second += &format!(", samples clipped to ±{}", text("clip_sample_range"));
    }
    if is("thresholding") {
        second += ", dynamic thresholding";
    }
    vec![first, second]
}

/// The statistics of one key.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Statistics {
    Gaussian {
        mean: Vec<f32>,
        std: Vec<f32>,
    },
    Limits {
        min: Vec<f32>,
        max: Vec<f32>,
    },
    ScalarGaussian {
        mean: f32,
        std: f32,
    },
    SafeLimits {
        min: Vec<f32>,
        max: Vec<f32>,
    },
    /// Of the distributions their ends, and how many knots they have.
    Cdf {
        min: Vec<f32>,
        max: Vec<f32>,
        knots: Vec<usize>,
    },
    Other {
        description: String,
    },
}

/// The normalisers.
#[derive(Debug, Serialize)]
pub(super) struct NormalizerReport {
    observations: Statistics,
    actions: Statistics,
    values: Option<Statistics>,
    warnings: Vec<String>,
}

impl NormalizerReport {
    pub(super) fn of(normalizers: &Normalizers) -> Self {
        Self {
            observations: Statistics::of(normalizers.observations().config()),
            actions: Statistics::of(normalizers.actions().config()),
            values: normalizers.values().map(|values| Statistics::of(values.config())),
            warnings: normalizers.warnings().map(ToString::to_string).collect(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("observations: {}", self.observations.words()),
            format!("actions: {}", self.actions.words()),
        ];
        lines.extend(self.values.iter().map(|values| format!("values: {}", values.words())));
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines
    }
}

impl Statistics {
    fn of(config: &NormalizerConfig) -> Self {
        match config.clone() {
            NormalizerConfig::Gaussian { mean, std } => Self::Gaussian { mean, std },
            NormalizerConfig::Limits { min, max } => Self::Limits { min, max },
            NormalizerConfig::ScalarGaussian { mean, std } => Self::ScalarGaussian { mean, std },
            NormalizerConfig::SafeLimits { min, max } => Self::SafeLimits { min, max },
            NormalizerConfig::Cdf { quantiles, .. } => Self::Cdf {
                min: quantiles.iter().filter_map(|knots| knots.first().copied()).collect(),
                max: quantiles.iter().filter_map(|knots| knots.last().copied()).collect(),
                knots: quantiles.iter().map(Vec::len).collect(),
            },
            other => Self::Other {
                description: format!("{other:?}"),
            },
        }
    }

    fn words(&self) -> String {
        let limits = |name: &str, min: &[f32], max: &[f32]| {
            format!(
                "{name}, {}, min {}, max {}",
                dimensions(min),
                numbers(min),
                numbers(max)
            )
        };
        match self {
            Self::Gaussian { mean, std } => {
                format!(
                    "gaussian, {}, mean {}, std {}",
                    dimensions(mean),
                    numbers(mean),
                    numbers(std)
                )
            }
            Self::Limits { min, max } => limits("limits", min, max),
            Self::SafeLimits { min, max } => limits("safe limits", min, max),
            Self::Cdf { min, max, knots } => {
                let knots = knots.iter().max().copied().unwrap_or(0);
                format!(
                    "{}, at most {knots} knots a dimension",
                    limits("cumulative distribution", min, max)
                )
            }
            Self::ScalarGaussian { mean, std } => format!("one gaussian for all, mean {mean:.4}, std {std:.4}"),
            Self::Other { description } => description.clone(),
        }
    }
}

/// The file's own settings, one a word.
pub(super) fn planning_lines(config: &PlanningConfig) -> Vec<String> {
    let options = config.over(diffplan_pipelines::PlanOptions::default());
    let given = serde_json::to_value(config).unwrap_or_default();
    let words = PlanningConfig::KEYS.iter().filter_map(|key| {
        let value = given.get(key).filter(|value| !value.is_null())?;
        let text = options.text(key);
        Some(format!(
            "{key} {}",
            text.unwrap_or_else(|| value.as_str().unwrap_or_default().to_owned())
        ))
    });
    vec![words.collect::<Vec<_>>().join(", ")]
}

/// "3 × DownResnetBlock1D"; none of none.
fn repeated(names: &[String]) -> Option<String> {
    let runs = names.chunk_by(|a, b| a == b);
    let words: Vec<String> = runs.map(|run| format!("{} × {}", run.len(), run[0])).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn dimensions(statistic: &[f32]) -> String {
    match statistic.len() {
        1 => "1 dimension".into(),
        n => format!("{n} dimensions"),
    }
}

/// Up to four numbers, or the range of more.
fn numbers(values: &[f32]) -> String {
    if values.len() <= 4 {
        return values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
    }
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    format!("{low:.4} to {high:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_numbers() {
        assert_eq!(numbers(&[1.0, -2.5]), "1.0000 -2.5000");
        assert_eq!(numbers(&[1.0, -2.5, 3.0, 0.0, 0.5]), "-2.5000 to 3.0000");
        let names = ["A", "A", "B"].map(String::from);
        assert_eq!(repeated(&names).as_deref(), Some("2 × A, 1 × B"));
        assert_eq!(repeated(&[]), None);
    }
}
