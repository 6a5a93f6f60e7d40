//! [`Constraint`]: what must hold of a returned plan, by projection.

use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use diffplan_data::Normalizers;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, ArrayViewMut3, Axis, Slice};
use std::sync::Arc;

/// What must hold of a trajectory, in the environment's units. It is imposed on the predicted clean sample at every visit, so that the
/// network plans around it, and once more on what is returned, where it holds exactly.
pub trait Constraint: std::fmt::Debug + Send + Sync {
    /// What it is called in reports: its kind, and of what.
    fn name(&self) -> &str;

    /// Checks that it can be imposed on trajectories of this horizon and layout.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()>;

    /// How far `trajectory` (horizon, dimensions) is from satisfying it at its worst step from `from` on (a speed belongs to the step that
    /// it leads to), in the units of what it limits; exactly 0 where it holds.
    fn violation(&self, trajectory: ArrayView2<f32>, from: usize) -> f32;

    /// Moves `trajectory` (horizon, dimensions) to where it holds, as little as it can, but for the numbers that `fixed` (the same shape) says are
    /// imposed. Afterwards [`violation`](Self::violation) is exactly 0 wherever that is possible, rounding included. Allocates nothing.
    fn project(&self, trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>);
}

/// How often all constraints are imposed in turn, until all hold.
const ROUNDS: usize = 20;

/// How far candidates were, and are, from satisfying constraints.
#[derive(Clone, Debug, PartialEq)]
pub struct Violations {
    /// The constraints' names.
    pub names: Vec<String>,
    /// (constraints, batch): of what network and guides predicted at the last visit, before it was projected. Candidates in the
    /// order of [`Plan::trajectories`](crate::Plan::trajectories).
    pub before: Array2<f32>,
    /// (constraints, batch): of what is returned; 0 for the one that is acted on.
    pub after: Array2<f32>,
}

/// The constraints of a pipeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints(pub(crate) Vec<Arc<dyn Constraint>>);

/// Where a candidate is projected, in the environment's units.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    raw: Array2<f32>,
    projected: Array2<f32>,
}

impl Constraints {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()> {
        self.0
            .iter()
            .try_for_each(|constraint| constraint.check(horizon, layout))
    }

    /// Imposes all on a trajectory in the environment's units, in turn until all hold or it seems that they never will.
    pub(crate) fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>, from: usize) {
        for _ in 0..ROUNDS {
            for constraint in &self.0 {
                constraint.project(trajectory.view_mut(), fixed);
            }
            if self
                .0
                .iter()
                .all(|constraint| constraint.violation(trajectory.view(), from) == 0.0)
            {
                return;
            }
        }
    }

    /// Of one trajectory in the environment's units, each constraint's.
    pub(crate) fn violations<'a>(
        &'a self,
        trajectory: ArrayView2<'a, f32>,
        from: usize,
    ) -> impl Iterator<Item = f32> + 'a {
        self.0
            .iter()
            .map(move |constraint| constraint.violation(trajectory, from))
    }

    /// Imposes all on normalised candidates (batch, horizon, dimensions) of one query. `before` (constraints, batch) is what they
    /// violated. Numbers that need not move keep their bits.
    pub(crate) fn project_normalized(
        &self,
        mut candidates: ArrayViewMut3<f32>,
        fixed: ArrayView2<bool>,
        (layout, normalizers): (&SampleLayout, &Normalizers),
        scratch: &mut Scratch,
        mut before: ArrayViewMut2<f32>,
    ) -> Result<()> {
        let from = first_free(fixed, layout);
        for (index, mut candidate) in candidates.outer_iter_mut().enumerate() {
            scratch.fit(candidate.dim());
            scratch.raw.assign(&candidate);
            denormalize(layout, normalizers, scratch.raw.view_mut())?;
            scratch.projected.assign(&scratch.raw);
            let violations = self.violations(scratch.raw.view(), from);
            before
                .column_mut(index)
                .iter_mut()
                .zip(violations)
                .for_each(|(to, v)| *to = v);
            if before.column(index).iter().all(|&violation| violation == 0.0) {
                continue;
            }
            self.project(scratch.projected.view_mut(), fixed, from);
            replace_moved(layout, normalizers, scratch, &mut candidate)?;
        }
        Ok(())
    }
}

impl Scratch {
    fn fit(&mut self, shape: (usize, usize)) {
        if self.raw.dim() != shape {
            (self.raw, self.projected) = (Array2::zeros(shape), Array2::zeros(shape));
        }
    }
}

/// Puts what was moved back, normalised; everything else keeps its bits.
fn replace_moved(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    scratch: &mut Scratch,
    candidate: &mut ArrayViewMut2<f32>,
) -> Result<()> {
    let Scratch { raw, projected } = scratch;
    // What moved is marked by NaN in `raw`, before `projected` is normalised in place.
    raw.zip_mut_with(projected, |raw, &projected| {
        if *raw != projected {
            *raw = f32::NAN;
        }
    });
    normalize(layout, normalizers, projected.view_mut())?;
    ndarray::Zip::from(candidate)
        .and(&*raw)
        .and(&*projected)
        .for_each(|to, &raw, &projected| {
            if raw.is_nan() {
                *to = projected;
            }
        });
    Ok(())
}

/// Puts constraints on finished candidates in the environment's units, `trajectories`, keeping `normalized` in step.
///
/// # Errors
/// What a normaliser says.
pub(crate) fn finish(
    constraints: &Constraints,
    mut trajectories: ArrayViewMut3<f32>,
    mut normalized: ArrayViewMut3<f32>,
    fixed: ArrayView2<bool>,
    (layout, normalizers): (&SampleLayout, &Normalizers),
) -> Result<Array2<f32>> {
    let from = first_free(fixed, layout);
    let mut after = Array2::zeros((constraints.0.len(), trajectories.dim().0));
    let mut scratch = Scratch::default();
    let rows = trajectories.outer_iter_mut().zip(normalized.outer_iter_mut());
    for (index, (mut trajectory, mut normalized)) in rows.enumerate() {
        scratch.fit(trajectory.dim());
        scratch.raw.assign(&trajectory);
        constraints.project(trajectory.view_mut(), fixed, from);
        scratch.projected.assign(&trajectory);
        replace_moved(layout, normalizers, &mut scratch, &mut normalized)?;
        let violations = constraints.violations(trajectory.view(), from);
        after
            .column_mut(index)
            .iter_mut()
            .zip(violations)
            .for_each(|(to, v)| *to = v);
    }
    Ok(after)
}

/// The first step that can be anything: the present is what it is, whatever it violates.
fn first_free(fixed: ArrayView2<bool>, layout: &SampleLayout) -> usize {
    let present = fixed.row(0);
    let own = layout.observations();
    usize::from(!own.is_empty() && present.slice_axis(Axis(0), Slice::from(own)).iter().all(|&fixed| fixed))
}

/// From the networks' units to the environment's, (horizon, dimensions), in place.
pub(crate) fn denormalize(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    mut rows: ArrayViewMut2<f32>,
) -> Result<()> {
    for (channels, normalizer) in parts(layout, normalizers) {
        normalizer.denormalize_inplace(rows.slice_axis_mut(Axis(1), Slice::from(channels)))?;
    }
    Ok(())
}

fn normalize(layout: &SampleLayout, normalizers: &Normalizers, mut rows: ArrayViewMut2<f32>) -> Result<()> {
    for (channels, normalizer) in parts(layout, normalizers) {
        normalizer.normalize_inplace(rows.slice_axis_mut(Axis(1), Slice::from(channels)))?;
    }
    Ok(())
}

fn parts<'a>(
    layout: &SampleLayout,
    normalizers: &'a Normalizers,
) -> impl Iterator<Item = (std::ops::Range<usize>, &'a diffplan_data::Normalizer)> {
    let parts = [
        (layout.actions(), normalizers.actions()),
        (layout.observations(), normalizers.observations()),
    ];
    parts.into_iter().filter(|(channels, _)| !channels.is_empty())
}

/// That one candidate at least satisfies all: which do.
///
/// # Errors
/// [`Error::Infeasible`] if none does.
pub(crate) fn feasible(names: &[String], after: &Array2<f32>, index: usize) -> Result<Vec<usize>> {
    let holds = |&candidate: &usize| after.column(candidate).iter().all(|&violation| violation == 0.0);
    let feasible: Vec<usize> = (0..after.ncols()).filter(holds).collect();
    if !feasible.is_empty() {
        return Ok(feasible);
    }
    // The constraint whose least violation is the largest says most about why.
    let least = |row: usize| after.row(row).iter().copied().fold(f32::INFINITY, f32::min);
    let worst = (0..after.nrows())
        .max_by(|&a, &b| least(a).total_cmp(&least(b)))
        .unwrap_or(0);
    Err(Error::Infeasible {
        index,
        constraint: names.get(worst).cloned().unwrap_or_default(),
        least: least(worst),
        candidates: after.ncols(),
    })
}

/// The part of candidates that belongs to a query.
pub(crate) fn of_query<'a>(x: &'a mut ArrayViewMut3<f32>, query: usize, batch: usize) -> ArrayViewMut3<'a, f32> {
    x.slice_axis_mut(Axis(0), Slice::from(query * batch..(query + 1) * batch))
}
