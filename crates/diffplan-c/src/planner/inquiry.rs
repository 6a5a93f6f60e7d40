//! [`Inquiry`]: what is asked, in memory that is used again.

use super::{Condition, Part};
use crate::noise::{Noise, Source};
use crate::status::{Fault, Result, Status};
use diffplan::pipelines::{self, Query};
use std::borrow::Cow;
use std::ops::Range;

/// A condition, copied: its numbers and dimensions lie in the inquiry's.
#[derive(Clone, Debug)]
struct Spot {
    time: usize,
    part: pipelines::Part,
    dims: Option<Range<usize>>,
    values: Range<usize>,
    strength: f32,
}

/// Queries: an observation each, or one with conditions beside it.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    /// (queries, observation dimensions), or empty.
    pub(super) observations: Vec<f32>,
    noises: Vec<Noise>,
    spots: Vec<Spot>,
    numbers: Vec<f32>,
    dims: Vec<usize>,
    /// Generators, as far as there were ever queries.
    sources: Vec<Source>,
    /// Memory of lists that borrow while a plan is made.
    conditions: Vec<pipelines::Condition<'static>>,
    queries: Vec<Query<'static>>,
}

/// An empty vector of another type of the same size in the memory of an old one: collecting in place keeps it.
fn recycle<A, B>(old: Vec<A>) -> Vec<B> {
    old.into_iter().filter_map(|_| None).collect()
}

impl Inquiry {
    /// Asks anew.
    pub(super) fn begin(&mut self, observations: &[f32], noises: &[Noise]) {
        self.observations.clear();
        self.observations.extend_from_slice(observations);
        self.noises.clear();
        self.noises.extend_from_slice(noises);
        self.spots.clear();
        self.numbers.clear();
        self.dims.clear();
    }

    /// One condition more.
    ///
    /// # Safety
    /// Pointers of `condition` are NULL, not aligned, or to `len` elements that nobody changes or frees before the call is over.
    pub(super) unsafe fn add(&mut self, condition: &Condition, index: usize, all: [usize; 2]) -> Result<()> {
        let Condition {
            time,
            values,
            dims,
            len,
            part,
            strength,
        } = *condition;
        let [observation_dim, action_dim] = all;
        let (part, whole) = match part {
            part if part == Part::Observation as i32 => (pipelines::Part::Observation, observation_dim),
            part if part == Part::Action as i32 => (pipelines::Part::Action, action_dim),
            other => {
                let message = format!("conditions[{index}].part is {other}, expected 0 (observation) or 1 (action)");
                return Err(Fault::new(Status::Value, message));
            }
        };
        // As many numbers as there are dimensions, or some of them; before a pointer is followed.
        if len == 0 || len > whole || (dims.is_null() && len != whole) {
            let expected = if dims.is_null() {
                format!("{whole}")
            } else {
                format!("1 to {whole}")
            };
            let message = format!("conditions[{index}].len is {len}, expected {expected}");
            return Err(Fault::new(Status::Size, message));
        }
        // SAFETY: as the caller promises.
        let values = unsafe { crate::boundary::slice("values of a condition", values, len, len)? };
        let first = self.numbers.len();
        self.numbers.extend_from_slice(values);
        let dims = match dims.is_null() {
            true => None,
            false => {
                // SAFETY: as the caller promises.
                let dims = unsafe { crate::boundary::slice("dims of a condition", dims, len, len)? };
                let first = self.dims.len();
                self.dims.extend_from_slice(dims);
                Some(first..self.dims.len())
            }
        };
        self.spots.push(Spot {
            time,
            part,
            dims,
            values: first..self.numbers.len(),
            strength,
        });
        Ok(())
    }

    /// Asks `with` all that is asked.
    ///
    /// # Errors
    /// If noise is of no kind.
    pub(super) fn ask<R>(&mut self, with: impl FnOnce(&mut [Query]) -> R) -> Result<R> {
        let count = self.noises.len();
        if self.sources.len() < count {
            self.sources.resize_with(count, Source::new);
        }
        for (noise, source) in self.noises.iter().zip(&mut self.sources) {
            source.begin(*noise)?;
        }
        let mut conditions: Vec<pipelines::Condition<'_>> = recycle(std::mem::take(&mut self.conditions));
        let each = self.observations.len() / count.max(1);
        if each > 0 {
            let rows = self.observations.chunks_exact(each);
            conditions.extend(rows.map(|row| pipelines::Condition::observation(0, row)));
        }
        let (numbers, dims) = (&self.numbers, &self.dims);
        conditions.extend(self.spots.iter().map(|spot| pipelines::Condition {
            time: spot.time,
            part: spot.part,
            dims: spot.dims.clone().map(|own| &dims[own]),
            values: Cow::Borrowed(&numbers[spot.values.clone()]),
            strength: spot.strength,
        }));
        let mut queries: Vec<Query<'_>> = recycle(std::mem::take(&mut self.queries));
        let mut sources = self.sources.iter_mut().take(count);
        match count {
            1 => queries.extend(sources.next().map(|source| Query::new(&conditions, source))),
            // Conditions beside observations are for one query alone.
            _ => queries.extend(
                conditions
                    .chunks(1)
                    .zip(sources)
                    .map(|(own, source)| Query::new(own, source)),
            ),
        }
        let made = with(&mut queries);
        self.queries = recycle(queries);
        self.conditions = recycle(conditions);
        Ok(made)
    }
}
