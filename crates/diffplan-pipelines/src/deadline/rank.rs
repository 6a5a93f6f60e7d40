//! [`Rank`]: early answers of candidates that nothing has valued yet.

use crate::action::Chosen;
use crate::constraint::Violations;
use crate::error::{Error, Result};
use crate::guide::{Moment, WeightedSession};
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::Plan;
use crate::planner::{gather, reshape};
use crate::select::{Candidates, First, Selection, choose};
use ndarray::{Array1, Array3, Axis};

/// Values the candidates of an early answer and puts the best first, where the planner would have valued them at its end alone: without a
/// gradient, with `rescore`.
pub(super) struct Rank {
    pipeline: ValueGuidedPipeline,
    guide: WeightedSession,
    values: Array1<f32>,
    selection: Selection,
    /// Candidates before they are sorted.
    sorted: Array3<f32>,
    order: Vec<usize>,
}

impl Rank {
    /// What ranks early answers with these options; `None` where the planner's own gradient steps have.
    pub(super) fn new(pipeline: &ValueGuidedPipeline, options: &PlanOptions, threads: usize) -> Option<Self> {
        if options.n_guide_steps > 0 || !options.rescore {
            return None;
        }
        let mut guide = pipeline.guides.session(options.compute(threads), &[]);
        guide.prepare(&[0.0]);
        Some(Self {
            pipeline: pipeline.clone(),
            guide,
            values: Array1::zeros(0),
            selection: Selection::default(),
            sorted: Array3::zeros((0, 0, 0)),
            order: Vec::new(),
        })
    }

    /// Values the candidates as finished plans, sorts them, and takes the action of the one that the pipeline selects.
    pub(super) fn rank(&mut self, plan: &mut Plan) -> Result<()> {
        let at = Moment {
            index: 0,
            timestep: 0.0,
        };
        let Self {
            pipeline,
            guide,
            values,
            selection,
            sorted,
            order: before,
        } = self;
        reshape(values, plan.normalized.dim().0);
        guide.value(None, plan.normalized.view(), at, values.view_mut())?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::Parts(
                "the guide's values of an early answer are no longer finite; a smaller weight may help".into(),
            ));
        }
        let candidates = Candidates {
            normalized: plan.normalized.view(),
            values: Some(values.view()),
        };
        let feasible = plan.violations.as_ref().map(Violations::feasible);
        choose(&*pipeline.select, candidates, feasible, &mut First, selection)?;
        let order = &selection.order;
        plan.violations = plan.violations.take().map(|all| all.sorted(order));
        for array in [&mut plan.normalized, &mut plan.trajectories] {
            gather(sorted, array.view(), order);
            std::mem::swap(sorted, array);
        }
        let own = plan.values.get_or_insert_with(|| Array1::zeros(0));
        reshape(own, order.len());
        own.iter_mut().zip(order).for_each(|(to, &place)| *to = values[place]);
        let chosen = Chosen {
            trajectory: plan.trajectories.index_axis(Axis(0), selection.chosen),
            normalized: plan.normalized.index_axis(Axis(0), selection.chosen),
            layout: &plan.layout,
        };
        pipeline.head.actions_into(chosen, &mut plan.chunk)?;
        if plan.chunk.nrows() > 0 {
            reshape(&mut plan.action, plan.chunk.ncols());
            plan.action.assign(&plan.chunk.row(0));
        }
        // In the order of the draws, as any plan's.
        before.clone_from(&plan.order);
        plan.order.clear();
        plan.order.extend(order.iter().map(|&place| before[place]));
        plan.chosen = selection.chosen;
        Ok(())
    }
}
