//! [`Constraint`]: what must hold of a returned plan, by projection.

use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::units::{denormalize, normalize};
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

    /// How far `trajectory` (horizon, dimensions) is from satisfying it at its worst step, in the units of what it limits; exactly 0 where
    /// it holds. `fixed` (the same shape) says which numbers are imposed: what of step 0 is imposed is the present, which is what it is and
    /// violates nothing (a speed belongs to the step that it leads to). Numbers that are imposed later count, but for the 1e-5 or so of
    /// them by which their way through a normaliser and back may have moved them. NaN violates nothing.
    fn violation(&self, trajectory: ArrayView2<f32>, fixed: ArrayView2<bool>) -> f32;

    /// Moves `trajectory` (horizon, dimensions) to where it holds, as little as it can, but for the numbers that `fixed` (the same shape) says are
    /// imposed. Afterwards [`violation`](Self::violation) is exactly 0 wherever that is possible, rounding included. Allocates nothing.
    fn project(&self, trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>);

    /// What it allows of a channel at every step, low and high, for contradictions to be found before anything is planned: no
    /// limits where it does not say.
    fn bounds(&self, _channel: usize) -> [f32; 2] {
        [f32::NEG_INFINITY, f32::INFINITY]
    }
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

/// Violations of many plans, added up: of those that were acted on.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ViolationsSummary {
    /// How many plans.
    pub plans: usize,
    /// Each constraint's, in order.
    pub constraints: Vec<ViolationTotals>,
}

/// What plans violated of one constraint, in the units of what it limits.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ViolationTotals {
    /// The constraint's name.
    pub name: String,
    /// The most that network and guides predicted, before projection.
    pub before: f32,
    /// In how many plans that was more than 0.
    pub plans_before: usize,
    /// The most that was left.
    pub after: f32,
    /// In how many plans that was more than 0.
    pub plans_after: usize,
}

impl ViolationsSummary {
    /// Adds a plan's: of its candidate in place `chosen`, as [`Plan::chosen`](crate::Plan::chosen) names it.
    pub fn add(&mut self, violations: &Violations, chosen: usize) {
        let totals = violations.names.iter().enumerate().map(|(row, name)| {
            let of = |all: &Array2<f32>| all.get((row, chosen)).copied().unwrap_or(0.0);
            let (before, after) = (of(&violations.before), of(&violations.after));
            ViolationTotals {
                name: name.clone(),
                before,
                plans_before: usize::from(before > 0.0),
                after,
                plans_after: usize::from(after > 0.0),
            }
        });
        self.merge(&Self {
            plans: 1,
            constraints: totals.collect(),
        });
    }

    /// Adds those of other plans under the same constraints.
    pub fn merge(&mut self, other: &Self) {
        self.plans += other.plans;
        for (place, totals) in other.constraints.iter().enumerate() {
            let Some(own) = self.constraints.get_mut(place) else {
                self.constraints.push(totals.clone());
                continue;
            };
            own.before = own.before.max(totals.before);
            own.after = own.after.max(totals.after);
            own.plans_before += totals.plans_before;
            own.plans_after += totals.plans_after;
        }
    }
}

impl Violations {
    /// The candidates that satisfy all.
    pub fn feasible(&self) -> Vec<usize> {
        let holds = |&candidate: &usize| self.after.column(candidate).iter().all(|&violation| violation == 0.0);
        (0..self.after.ncols()).filter(holds).collect()
    }

    /// With the candidates in another order.
    pub(crate) fn sorted(self, order: &[usize]) -> Self {
        Self {
            before: self.before.select(Axis(1), order),
            after: self.after.select(Axis(1), order),
            names: self.names,
        }
    }
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
            .try_for_each(|constraint| constraint.check(horizon, layout))?;
        (0..layout.channels()).try_for_each(|channel| self.check_bounds(channel, layout))
    }

    /// That the limits of a channel leave something.
    fn check_bounds(&self, channel: usize, layout: &SampleLayout) -> Result<()> {
        let bounds = |constraint: &Arc<dyn Constraint>| constraint.bounds(channel);
        let highest_low = self.0.iter().max_by(|a, b| bounds(a)[0].total_cmp(&bounds(b)[0]));
        let lowest_high = self.0.iter().min_by(|a, b| bounds(a)[1].total_cmp(&bounds(b)[1]));
        let (Some(above), Some(below)) = (highest_low, lowest_high) else {
            return Ok(());
        };
        let (low, high) = (bounds(above)[0], bounds(below)[1]);
        if low <= high {
            return Ok(());
        }
        Err(Error::Parts(format!(
            "the constraints {} and {} contradict each other: {} would have to be at least {low} and at most {high}; expected limits that leave \
             something",
            above.name(),
            below.name(),
            layout.describe(channel)
        )))
    }

    /// Imposes all on a trajectory in the environment's units, in turn until all hold or it seems that they never will.
    pub(crate) fn project(&self, mut trajectory: ArrayViewMut2<f32>, fixed: ArrayView2<bool>) {
        for _ in 0..ROUNDS {
            for constraint in &self.0 {
                constraint.project(trajectory.view_mut(), fixed);
            }
            if self
                .0
                .iter()
                .all(|constraint| constraint.violation(trajectory.view(), fixed) == 0.0)
            {
                return;
            }
        }
    }

    /// Of one trajectory in the environment's units, each constraint's.
    pub(crate) fn violations<'a>(
        &'a self,
        trajectory: ArrayView2<'a, f32>,
        fixed: ArrayView2<'a, bool>,
    ) -> impl Iterator<Item = f32> + 'a {
        self.0
            .iter()
            .map(move |constraint| constraint.violation(trajectory, fixed))
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
        for (index, mut candidate) in candidates.outer_iter_mut().enumerate() {
            scratch.fit(candidate.dim());
            scratch.raw.assign(&candidate);
            denormalize(layout, normalizers, scratch.raw.view_mut())?;
            scratch.projected.assign(&scratch.raw);
            let violations = self.violations(scratch.raw.view(), fixed);
            before
                .column_mut(index)
                .iter_mut()
                .zip(violations)
                .for_each(|(to, v)| *to = v);
            if before.column(index).iter().all(|&violation| violation == 0.0) {
                continue;
            }
            self.project(scratch.projected.view_mut(), fixed);
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
    let mut after = Array2::zeros((constraints.0.len(), trajectories.dim().0));
    let mut scratch = Scratch::default();
    let rows = trajectories.outer_iter_mut().zip(normalized.outer_iter_mut());
    for (index, (mut trajectory, mut normalized)) in rows.enumerate() {
        scratch.fit(trajectory.dim());
        scratch.raw.assign(&trajectory);
        constraints.project(trajectory.view_mut(), fixed);
        scratch.projected.assign(&trajectory);
        replace_moved(layout, normalizers, &mut scratch, &mut normalized)?;
        let violations = constraints.violations(trajectory.view(), fixed);
        after
            .column_mut(index)
            .iter_mut()
            .zip(violations)
            .for_each(|(to, v)| *to = v);
    }
    Ok(after)
}

/// That what is imposed on a plan (horizon, dimensions; normalised, NaN elsewhere) leaves room: nothing that is done to a plan moves that.
///
/// # Errors
/// [`Error::Infeasible`] for the constraint that it violates most.
pub(crate) fn check_imposed(
    constraints: &Constraints,
    mut imposed: Array2<f32>,
    index: usize,
    (layout, normalizers): (&SampleLayout, &Normalizers),
) -> Result<()> {
    let fixed = imposed.mapv(|x| !x.is_nan());
    denormalize(layout, normalizers, imposed.view_mut())?;
    let violations = constraints.violations(imposed.view(), fixed.view()).enumerate();
    let worst = violations
        .filter(|(_, violation)| *violation > 0.0)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    match worst {
        None => Ok(()),
        Some((place, least)) => Err(Error::Infeasible {
            index,
            constraint: constraints.0[place].name().to_owned(),
            least,
            candidates: 0,
        }),
    }
}

/// That one candidate at least satisfies all: which do.
///
/// # Errors
/// [`Error::Infeasible`] if none does.
pub(crate) fn feasible(violations: &Violations, index: usize) -> Result<Vec<usize>> {
    let (names, after) = (&violations.names, &violations.after);
    let feasible = violations.feasible();
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
