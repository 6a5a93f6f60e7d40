//! [`Select`]: which candidate is acted on.

use crate::error::{Error, Result};
use crate::noise::{NoiseError, NoiseSource};
use ndarray::{ArrayView1, ArrayView3, Axis};

/// The candidates of one query, finished.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// (batch, horizon, dimensions), normalised.
    pub normalized: ArrayView3<'a, f32>,
    /// (batch), as the guides valued them; none where nothing did.
    pub values: Option<ArrayView1<'a, f32>>,
}

/// The order of candidates, and the one that is acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The same into a selection that nobody needs any more, whose memory it may use. What plans call.
    ///
    /// # Errors
    /// As [`select`](Self::select); `into` may then be anything.
    fn select_into(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource, into: &mut Selection) -> Result<()> {
        *into = self.select(candidates, noise)?;
        Ok(())
    }
}

/// The best by value, as diffusers; where nothing valued them one is picked by the noise source. Equal values stay in the order
/// of the candidates, where `torch.argsort` leaves the order open.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByValue;

impl Select for ByValue {
    fn select(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource) -> Result<Selection> {
        let mut selection = Selection::default();
        self.select_into(candidates, noise, &mut selection)?;
        Ok(selection)
    }

    fn select_into(&self, candidates: Candidates<'_>, noise: &mut dyn NoiseSource, into: &mut Selection) -> Result<()> {
        let count = candidates.normalized.dim().0;
        into.order.clear();
        into.order.extend(0..count);
        into.chosen = match candidates.values {
            Some(values) => {
                // By value and then by place, which a stable sort would do with memory of its own.
                into.order
                    .sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
                0
            }
            None => noise.pick_index(count)?,
        };
        Ok(())
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

/// The order of candidates and the one to act on, which is one of `feasible`, if not all are; the others come last. Into `into`.
///
/// # Errors
/// What the selection says; [`Error::Parts`] if it chose none of them.
pub(crate) fn choose(
    select: &dyn Select,
    candidates: Candidates<'_>,
    feasible: Option<Vec<usize>>,
    noise: &mut dyn NoiseSource,
    into: &mut Selection,
) -> Result<()> {
    let batch = candidates.normalized.dim().0;
    match feasible {
        Some(feasible) if feasible.len() < batch => {
            let normalized = candidates.normalized.select(Axis(0), &feasible);
            let values = candidates.values.map(|values| values.select(Axis(0), &feasible));
            let own = Candidates {
                normalized: normalized.view(),
                values: values.as_ref().map(|values| values.view()),
            };
            let among = select.select(own, noise)?;
            let order = among.order.iter().filter_map(|&place| feasible.get(place).copied());
            let others = (0..batch).filter(|candidate| !feasible.contains(candidate));
            *into = Selection {
                order: order.chain(others).collect(),
                ..among
            };
        }
        _ => select.select_into(candidates, noise, into)?,
    }
    if into.chosen >= into.order.len() || into.order.iter().any(|&candidate| candidate >= batch) {
        return Err(Error::Parts(format!(
            "the selection chose place {} of the order {:?}, of {batch} candidates",
            into.chosen, into.order
        )));
    }
    Ok(())
}

/// Picks the first: an early answer takes nothing from anybody's randomness.
pub(crate) struct First;

impl NoiseSource for First {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> std::result::Result<(), NoiseError> {
        out.fill(0.0);
        Ok(())
    }

    fn pick_index(&mut self, n: usize) -> std::result::Result<usize, NoiseError> {
        match n {
            0 => Err(NoiseError::NothingToPick),
            _ => Ok(0),
        }
    }
}
