//! Losses: weighted squared or absolute differences (jannerm/diffuser, `diffuser/models/helpers.py`, `WeightedLoss` and
//! `ValueLoss`, and `GaussianDiffusion.get_loss_weights`).

use ndarray::{Array2, ArrayView3, ArrayViewMut3, Axis, Zip};

use crate::error::{Error, Result};

/// How far a prediction is from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// The squared difference.
    #[default]
    L2,
    /// The absolute difference.
    L1,
}

impl Loss {
    /// The loss of one difference, and its derivative by it.
    pub(crate) fn of(self, difference: f32) -> (f32, f32) {
        match self {
            Loss::L2 => (difference * difference, 2.0 * difference),
            Loss::L1 => (
                difference.abs(),
                if difference == 0.0 { 0.0 } else { difference.signum() },
            ),
        }
    }
}

/// How much each number of a trajectory counts.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryWeights {
    /// Of the first action, 10 in the original.
    pub action_weight: f32,
    /// Step `h` counts `loss_discountʰ`, divided by the mean over all steps.
    pub loss_discount: f32,
    /// Factors of observation dimensions (`loss_weights` in the original), 1 each where there are none.
    pub observation_weights: Vec<f32>,
}

impl Default for TrajectoryWeights {
    fn default() -> Self {
        Self {
            action_weight: 10.0,
            loss_discount: 1.0,
            observation_weights: Vec::new(),
        }
    }
}

impl TrajectoryWeights {
    /// The weights of a trajectory, (action + observation dimensions, horizon): as the network's output lies.
    ///
    /// # Errors
    /// If a weight is negative or not finite, or there are weights for another number of observation dimensions.
    pub(crate) fn table(&self, action_dim: usize, transition_dim: usize, horizon: usize) -> Result<Array2<f32>> {
        let usable = |name, value: f32| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::option(name, value, "a finite number, 0 or more")),
        };
        usable("action_weight", self.action_weight)?;
        usable("loss_discount", self.loss_discount)?;
        self.observation_weights
            .iter()
            .try_for_each(|&w| usable("loss_weights", w))?;
        let observation_dim = transition_dim - action_dim;
        if !self.observation_weights.is_empty() && self.observation_weights.len() != observation_dim {
            let expected = format!("{observation_dim}, one an observation dimension, or none");
            return Err(Error::option(
                "loss_weights",
                format!("{} weights", self.observation_weights.len()),
                expected,
            ));
        }
        let discounts: Vec<f64> = (0..horizon)
            .map(|h| f64::from(self.loss_discount).powi(h as i32))
            .collect();
        let mean = discounts.iter().sum::<f64>() / horizon as f64;
        Ok(Array2::from_shape_fn((transition_dim, horizon), |(d, h)| {
            if h == 0 && d < action_dim {
                return self.action_weight;
            }
            let factor = d
                .checked_sub(action_dim)
                .and_then(|d| self.observation_weights.get(d))
                .copied();
            (discounts[h] / mean) as f32 * factor.unwrap_or(1.0)
        }))
    }
}

/// The mean of weighted losses, and in place of the difference of prediction and target its gradient, all times `share`.
///
/// # Shapes
/// `difference` (batch, dimensions, horizon); `weights` (dimensions, horizon).
pub(crate) fn weighted_mean(
    loss: Loss,
    weights: &Array2<f32>,
    mut difference: ArrayViewMut3<'_, f32>,
    share: f64,
) -> f64 {
    let factor = (share / difference.len() as f64) as f32;
    let mut sum = 0.0;
    for mut sample in difference.axis_iter_mut(Axis(0)) {
        Zip::from(&mut sample).and(weights).for_each(|difference, &weight| {
            let (value, derivative) = loss.of(*difference);
            sum += f64::from(value) * f64::from(weight);
            *difference = derivative * weight * factor;
        });
    }
    sum * share / difference.len() as f64
}

/// The mean loss of the first action's dimensions, unweighted (`a0_loss` in the original).
pub(crate) fn first_action(loss: Loss, difference: ArrayView3<'_, f32>, action_dim: usize) -> f64 {
    let first = difference.slice(ndarray::s![.., ..action_dim, 0]);
    first.iter().map(|&d| f64::from(loss.of(d).0)).sum::<f64>() / first.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn weights_are_those_of_get_loss_weights() {
        // torch: discounts 1, 0.5, 0.25 over their mean 0.58333; second observation counts twice; first action 10.
        let weights = TrajectoryWeights {
            loss_discount: 0.5,
            observation_weights: vec![1.0, 2.0],
            ..TrajectoryWeights::default()
        };
        let (a, b, c) = (1.0 / 0.583_333_3, 0.5 / 0.583_333_3, 0.25 / 0.583_333_3);
        let expected = array![[10.0, b, c], [a, b, c], [2.0 * a, 2.0 * b, 2.0 * c]];
        let table = weights.table(1, 3, 3).unwrap();
        assert!((table - expected).iter().all(|d: &f32| d.abs() < 1e-6));
        for (name, weights) in [
            (
                "action_weight = NaN",
                TrajectoryWeights {
                    action_weight: f32::NAN,
                    ..weights.clone()
                },
            ),
            (
                "loss_discount = -1",
                TrajectoryWeights {
                    loss_discount: -1.0,
                    ..weights.clone()
                },
            ),
            (
                "loss_weights = 1 weights",
                TrajectoryWeights {
                    observation_weights: vec![1.0],
                    ..weights.clone()
                },
            ),
        ] {
            let message = weights.table(1, 3, 3).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }

    /// The gradient against central differences of the loss in float64.
    #[test]
    fn gradients_are_those_of_the_loss() {
        let weights = TrajectoryWeights::default().table(1, 3, 4).unwrap();
        let difference = Array3::from_shape_fn((2, 3, 4), |(b, d, h)| ((b * 12 + d * 4 + h) as f32 * 0.7).sin());
        for loss in [Loss::L2, Loss::L1] {
            let slow = |difference: &Array3<f64>| {
                let each = |(i, &d): ((usize, usize, usize), &f64)| {
                    let value = if loss == Loss::L2 { d * d } else { d.abs() };
                    f64::from(weights[[i.1, i.2]]) * value
                };
                0.5 * difference.indexed_iter().map(each).sum::<f64>() / difference.len() as f64
            };
            let mut grad = difference.clone();
            let value = weighted_mean(loss, &weights, grad.view_mut(), 0.5);
            let wide = difference.mapv(f64::from);
            assert!((value - slow(&wide)).abs() < 1e-6 * value);
            for (i, &grad) in grad.indexed_iter() {
                let (mut up, mut down) = (wide.clone(), wide.clone());
                up[i] += 1e-5;
                down[i] -= 1e-5;
                let expected = (slow(&up) - slow(&down)) / 2e-5;
                assert!(
                    (f64::from(grad) - expected).abs() < 1e-6,
                    "{loss:?} {i:?}: {grad}, {expected}"
                );
            }
        }
        assert_eq!(Loss::L1.of(0.0), (0.0, 0.0));
    }
}
