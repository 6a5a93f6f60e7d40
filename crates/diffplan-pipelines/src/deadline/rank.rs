//! [`Rank`]: early answers of candidates that nothing has valued yet.

use crate::action::Chosen;
use crate::constraint::Violations;
use crate::error::{Error, Result};
use crate::guide::{Moment, WeightedSession};
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::Plan;
use crate::select::{Candidates, First, Selection, choose};
use ndarray::{Array1, Axis};

/// Values the candidates of an early answer and puts the best first, where the planner would have valued them at its end alone: without a
/// gradient, with `rescore`.
pub(super) struct Rank {
    pipeline: ValueGuidedPipeline,
    guide: WeightedSession,
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
        })
    }

    /// Values the candidates as finished plans, sorts them, and takes the action of the one that the pipeline selects.
    pub(super) fn rank(&mut self, plan: &mut Plan) -> Result<()> {
        let at = Moment {
            index: 0,
            timestep: 0.0,
        };
        let mut values = Array1::zeros(plan.normalized.dim().0);
        self.guide.value(None, plan.normalized.view(), at, values.view_mut())?;
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
        let Selection { order, chosen } = choose(&*self.pipeline.select, candidates, feasible, &mut First)?;
        plan.violations = plan.violations.take().map(|all| all.sorted(&order));
        plan.normalized = plan.normalized.select(Axis(0), &order);
        plan.trajectories = plan.trajectories.select(Axis(0), &order);
        plan.values = Some(values.select(Axis(0), &order));
        plan.chunk = self.pipeline.head.actions(Chosen {
            trajectory: plan.trajectories.index_axis(Axis(0), chosen),
            normalized: plan.normalized.index_axis(Axis(0), chosen),
            layout: &plan.layout,
        })?;
        if plan.chunk.nrows() > 0 {
            plan.action = plan.chunk.row(0).to_owned();
        }
        // In the order of the draws, as any plan's.
        plan.order = order.iter().map(|&place| plan.order[place]).collect();
        plan.chosen = chosen;
        Ok(())
    }
}
