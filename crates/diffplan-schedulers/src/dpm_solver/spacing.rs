//! Which timesteps a run visits, and at which noise levels, with the reference's roundings.

use super::DpmSolverMultistepConfig;
use crate::sigmas::Sigmas;
use crate::timesteps::check_custom_timesteps;
use crate::{BetaSchedule, Error, Result, TimestepSpacing, Timesteps};

/// Timesteps and the noise levels σ at them.
pub(super) fn timesteps_and_levels(
    config: &DpmSolverMultistepConfig,
    sigmas: &Sigmas,
    asked: &Timesteps,
) -> Result<(Vec<usize>, Vec<f32>)> {
    let train = config.num_train_timesteps;
    let count = match asked {
        // As the reference has them until it is told their number: all.
        Timesteps::All => {
            let timesteps: Vec<usize> = (0..train).rev().collect();
            let levels = timesteps.iter().map(|&t| sigmas.at(t as f64) as f32).collect();
            return Ok((timesteps, levels));
        }
        Timesteps::Count(count) => *count,
        Timesteps::Custom(timesteps) => {
            check_custom_timesteps(timesteps, train)?;
            let spread = config.use_karras_sigmas || config.use_lu_lambdas || config.use_exponential_sigmas;
            if spread {
                return Err(Error::NoSuchOption {
                    class: DpmSolverMultistepConfig::CLASS_NAME,
                    option: "timesteps of one's own",
                    expected: "none of use_karras_sigmas, use_exponential_sigmas and use_lu_lambdas",
                });
            }
            let levels = timesteps.iter().map(|&t| sigmas.at(t as f64) as f32).collect();
            return Ok((timesteps.clone(), levels));
        }
    };
    if !(1..=train).contains(&count) {
        return Err(Error::NumInferenceSteps {
            actual: count,
            num_train_timesteps: train,
        });
    }
    let whole = config.beta_schedule != BetaSchedule::SquaredcosCapV2;
    let spread = match config {
        _ if config.use_karras_sigmas => Some((sigmas.karras(count), whole)),
        _ if config.use_lu_lambdas => Some((sigmas.exponential(count), whole)),
        _ if config.use_exponential_sigmas => Some((sigmas.exponential(count), false)),
        _ => None,
    };
    if let Some((spread, round)) = spread {
        // What is not rounded is cut off when it becomes an integer.
        let timestep = |sigma: &f64| match round {
            true => sigmas.timestep(*sigma).round_ties_even() as usize,
            false => sigmas.timestep(*sigma) as usize,
        };
        let timesteps = spread.iter().map(timestep).collect();
        return Ok((timesteps, spread.iter().map(|&sigma| sigma as f32).collect()));
    }
    let last = sigmas.count_from_lambda(config.lambda_min_clipped);
    if last == 0 {
        return Err(Error::UnsupportedValue {
            key: "lambda_min_clipped".into(),
            value: config.lambda_min_clipped.to_string(),
            allowed: "less than the largest λ of the schedule: it leaves no timestep to visit".into(),
        });
    }
    let timesteps: Vec<f64> = match config.timestep_spacing {
        TimestepSpacing::Linspace => {
            let step = (last - 1) as f64 / count as f64;
            let at = |i: usize| if i == count { (last - 1) as f64 } else { i as f64 * step };
            (1..=count).rev().map(|i| at(i).round_ties_even()).collect()
        }
        TimestepSpacing::Leading => {
            let ratio = last / (count + 1);
            (1..=count)
                .rev()
                .map(|i| (i * ratio + config.steps_offset) as f64)
                .collect()
        }
        TimestepSpacing::Trailing => {
            let start = last as f64;
            let ratio = train as f64 / count as f64;
            // `numpy.arange` takes its number from the span, and its step from the difference of its first two values.
            let number = (start / ratio).ceil() as usize;
            let step = (start - ratio) - start;
            (0..number)
                .map(|i| (start + i as f64 * step).round_ties_even() - 1.0)
                .collect()
        }
    };
    let mut visited = Vec::with_capacity(timesteps.len());
    for timestep in timesteps {
        // Rounding may leave one below the first, as `trailing` does now and then.
        if timestep < 0.0 {
            continue;
        }
        if timestep >= train as f64 {
            return Err(Error::TimestepOutOfRange {
                timestep: timestep as usize,
                num_train_timesteps: train,
            });
        }
        visited.push(timestep as usize);
    }
    let levels = visited.iter().map(|&t| sigmas.at(t as f64) as f32).collect();
    Ok((visited, levels))
}
