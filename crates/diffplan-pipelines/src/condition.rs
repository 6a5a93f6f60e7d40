//! [`Condition`]: numbers imposed on a plan, and how they are put into every candidate.

use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use diffplan_data::Normalizers;
use ndarray::{Array2, ArrayView1, ArrayViewMut1, ArrayViewMut3, Axis, Slice};
use std::borrow::Cow;

/// What a condition is imposed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// The observation at its time.
    #[default]
    Observation,
    /// The action at its time.
    Action,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Observation => "observation",
            Part::Action => "action",
        }
    }
}

/// Numbers imposed on every candidate at a time step, in the environment's units: the current observation at time 0, a goal at a
/// later one, an action that is already decided, some dimensions of any of these.
#[derive(Clone, Debug)]
pub struct Condition<'a> {
    /// The step of the trajectory, below the horizon.
    pub time: usize,
    /// What they are of.
    pub part: Part,
    /// Their dimensions; `None` for all, in order.
    pub dims: Option<&'a [usize]>,
    /// The numbers, one a dimension.
    pub values: Cow<'a, [f32]>,
    /// 1 imposes them; less pulls the predicted clean sample that share of the way at every visit: a soft condition. More than 0.
    pub strength: f32,
}

impl<'a> Condition<'a> {
    /// An observation at a time, whole (observation dimensions): a view, an array or a slice.
    pub fn observation(time: usize, values: impl Into<ArrayView1<'a, f32>>) -> Self {
        let values: ArrayView1<'a, f32> = values.into();
        Self {
            time,
            part: Part::Observation,
            dims: None,
            values: match values.to_slice() {
                Some(slice) => Cow::Borrowed(slice),
                None => Cow::Owned(values.to_vec()),
            },
            strength: 1.0,
        }
    }

    /// An action at a time, whole (action dimensions).
    pub fn action(time: usize, values: impl Into<ArrayView1<'a, f32>>) -> Self {
        Self {
            part: Part::Action,
            ..Self::observation(time, values)
        }
    }

    /// Of these dimensions alone; `values` has one number for each.
    #[must_use]
    pub fn dims(mut self, dims: &'a [usize]) -> Self {
        self.dims = Some(dims);
        self
    }

    /// Pulled to by this share, more than 0 and at most 1, rather than imposed: the overlap of two plans (real-time chunking, Black et al.
    /// 2025, arXiv:2506.07339), a goal that may be missed.
    #[must_use]
    pub fn soft(mut self, strength: f32) -> Self {
        self.strength = strength;
        self
    }
}

/// The conditions of all queries, normalised.
#[derive(Debug, Default)]
pub(crate) struct Imposed {
    cells: Vec<Cell>,
    /// All dimensions of an observation or an action, while some of them are normalised.
    row: Vec<f32>,
}

/// A number that stays where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    query: usize,
    time: usize,
    channel: usize,
    value: f32,
    strength: f32,
}

impl Imposed {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.cells.clear();
    }

    /// Adds those of a query.
    ///
    /// # Errors
    /// [`Error::Condition`], which says what of which.
    pub(crate) fn add(
        &mut self,
        query: usize,
        conditions: &[Condition],
        (layout, horizon): (&SampleLayout, usize),
        normalizers: &Normalizers,
    ) -> Result<()> {
        let first = self.cells.len();
        for condition in conditions {
            let &Condition {
                time,
                part,
                dims,
                ref values,
                strength,
            } = condition;
            let refuse = |reason| {
                Err(Error::Condition {
                    index: query,
                    time,
                    part: part.name(),
                    reason,
                })
            };
            let (channels, normalizer) = match part {
                Part::Observation => (layout.observations(), normalizers.observations()),
                Part::Action => (layout.actions(), normalizers.actions()),
            };
            if !(strength > 0.0 && strength <= 1.0) {
                return refuse(format!("a strength of {strength}, expected more than 0 and at most 1"));
            }
            if time >= horizon {
                return refuse(format!("the time is beyond the horizon, expected below {horizon}"));
            }
            let expected = dims.map_or(channels.len(), <[usize]>::len);
            if values.len() != expected {
                return refuse(format!("{} numbers, expected {expected}", values.len()));
            }
            let dim_of = |i: usize| dims.map_or(i, |dims| dims[i]);
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return refuse(format!(
                    "dimension {} is {}, expected a finite number",
                    dim_of(i),
                    values[i]
                ));
            }
            // Normalisers work dimension by dimension: those without a number are filled in and not looked at.
            let row = &mut self.row;
            row.clear();
            row.resize(channels.len(), 0.0);
            for (i, &value) in values.iter().enumerate() {
                match row.get_mut(dim_of(i)) {
                    Some(place) => *place = value,
                    None => return refuse(format!("dimension {}, expected below {}", dim_of(i), channels.len())),
                }
            }
            normalizer.normalize_inplace(ArrayViewMut1::from(row.as_mut_slice()))?;
            for (i, &original) in values.iter().enumerate() {
                let (dim, value) = (dim_of(i), row[dim_of(i)]);
                if !value.is_finite() {
                    return refuse(format!(
                        "dimension {dim} is {original}, which is {value} once normalised: too far from what was trained on"
                    ));
                }
                let cell = Cell {
                    query,
                    time,
                    channel: channels.start + dim,
                    value,
                    strength,
                };
                let taken = |other: &Cell| (other.time, other.channel) == (cell.time, cell.channel);
                if self.cells[first..].iter().any(taken) {
                    return refuse("two conditions for the same time and dimension, expected one".into());
                }
                self.cells.push(cell);
            }
        }
        Ok(())
    }

    /// Puts those that are imposed into `x` (queries · batch, horizon, channels), which is `scale` times what they are imposed on.
    pub(crate) fn apply(&self, mut x: ArrayViewMut3<f32>, batch: usize, scale: f32) {
        for cell in self.cells.iter().filter(|cell| cell.strength == 1.0) {
            let of_query = Slice::from(cell.query * batch..(cell.query + 1) * batch);
            let mut candidates = x.slice_axis_mut(Axis(0), of_query);
            candidates
                .index_axis_mut(Axis(1), cell.time)
                .column_mut(cell.channel)
                .fill(scale * cell.value);
        }
    }

    /// Whether a number of a query is imposed.
    pub(crate) fn holds(&self, query: usize, time: usize, channel: usize) -> bool {
        let is = |cell: &Cell| (cell.query, cell.time, cell.channel) == (query, time, channel) && cell.strength == 1.0;
        self.cells.iter().any(is)
    }

    /// Whether any only pulls.
    pub(crate) fn any_soft(&self) -> bool {
        self.cells.iter().any(|cell| cell.strength < 1.0)
    }

    /// Pulls the predicted clean samples `x` (queries · batch, horizon, channels).
    pub(crate) fn pull(&self, mut x: ArrayViewMut3<f32>, batch: usize) {
        for cell in self.cells.iter().filter(|cell| cell.strength < 1.0) {
            let of_query = Slice::from(cell.query * batch..(cell.query + 1) * batch);
            let mut candidates = x.slice_axis_mut(Axis(0), of_query);
            let mut at_time = candidates.index_axis_mut(Axis(1), cell.time);
            at_time
                .column_mut(cell.channel)
                .mapv_inplace(|v| v + cell.strength * (cell.value - v));
        }
    }

    /// What is imposed on a query's trajectories (horizon, channels), normalised; NaN elsewhere.
    pub(crate) fn values(&self, query: usize, shape: (usize, usize)) -> Array2<f32> {
        let mut values = Array2::from_elem(shape, f32::NAN);
        let imposed = self
            .cells
            .iter()
            .filter(|cell| cell.query == query && cell.strength == 1.0);
        for cell in imposed {
            if let Some(place) = values.get_mut((cell.time, cell.channel)) {
                *place = cell.value;
            }
        }
        values
    }

    /// Marks what is imposed on a query's trajectories in `fixed` (horizon, channels).
    pub(crate) fn mark(&self, query: usize, fixed: &mut Array2<bool>) {
        fixed.fill(false);
        let imposed = self
            .cells
            .iter()
            .filter(|cell| cell.query == query && cell.strength == 1.0);
        for cell in imposed {
            if let Some(place) = fixed.get_mut((cell.time, cell.channel)) {
                *place = true;
            }
        }
    }
}
