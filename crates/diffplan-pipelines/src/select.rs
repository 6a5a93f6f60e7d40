//! [`Select`]: which candidate is acted on.

use crate::error::Result;
use crate::noise::NoiseSource;
use ndarray::{ArrayView1, ArrayView3};

/// The candidates of one query, finished.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// (batch, horizon, dimensions), normalised.
    pub normalized: ArrayView3<'a, f32>,
    /// (batch), as the guides valued them; none where nothing did.
    pub values: Option<ArrayView1<'a, f32>>,
}

/// The order of candidates, and the one that is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Every candidate once, in the order in which a plan shows them.
    pub order: Vec<usize>,
    /// The place in `order` of the one that is acted on.
    pub chosen: usize,
}

/// How a candidate is chosen.
pub trait Select: std::fmt::Debug + Send + Sync {
    /// Orders the candidates and chooses one. Randomness comes from `noise` alone.
    ///
    /// # Errors
    /// If there is no telling.
    fn select(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource) -> Result<Selection>;
}

/// The best by value, as diffusers; where nothing valued them one is picked by the noise source. Equal values stay in the order
/// of the candidates, where `torch.argsort` leaves the order open.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByValue;

impl Select for ByValue {
    fn select(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource) -> Result<Selection> {
        let count = candidates.normalized.dim().0;
        let mut order: Vec<usize> = (0..count).collect();
        let chosen = match candidates.values {
            Some(values) => {
                order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
                0
            }
            None => noise.pick_index(count)?,
        };
        Ok(Selection { order, chosen })
    }
}

/// Any, whatever its value: what guidance alone is worth, without the choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtRandom;

impl Select for AtRandom {
    fn select(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource) -> Result<Selection> {
        let ranked = ByValue.select(
            Candidates {
                values: candidates.values,
                ..candidates
            },
            noise,
        )?;
        let chosen = match candidates.values {
            Some(values) => noise.pick_index(values.len())?,
            None => ranked.chosen,
        };
        Ok(Selection { chosen, ..ranked })
    }
}
