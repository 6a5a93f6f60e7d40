//! The values of candidates on their way out of noise.

use super::Recording;
use crate::error::Result;
use diffplan_pipelines::{GuideTerm, Moment, Sees, ValueGuidedPipeline};
use ndarray::{Array1, Array2, ArrayView3};
use std::sync::Arc;

/// What the guides of a pipeline say of every candidate at every moment of a recording.
pub(super) struct Values {
    /// The visit that each moment is of; the plan's comes after the last of them.
    pub(super) visits: Vec<usize>,
    /// (moments + 1, candidates), the candidates in the order that they were made in, the plan last: returns where the pipeline tells
    /// them, otherwise what the guides say.
    pub(super) values: Array2<f64>,
    /// What they are.
    pub(super) label: &'static str,
}

impl Values {
    /// Asked of what each guide sees, the samples once they had been bent or the predicted clean ones, and of the plan at timestep 0. They are
    /// the same questions whether the plan was guided or not. `None` where a pipeline has no guides.
    ///
    /// # Errors
    /// What a guide or the normaliser says.
    pub(super) fn of(recording: &Recording, pipeline: &ValueGuidedPipeline) -> Result<Option<Self>> {
        let counts = |term: &&GuideTerm| term.weight != 0.0;
        let guides: Vec<&GuideTerm> = pipeline.guides().iter().filter(counts).collect();
        if guides.is_empty() {
            return Ok(None);
        }
        let (moments, plan) = (&recording.moments, &recording.plan);
        let times: Vec<f32> = moments.iter().map(|moment| moment.timestep).chain([0.0]).collect();
        let candidates = plan.order.len();
        let mut values: Array2<f32> = Array2::zeros((times.len(), candidates));
        for term in guides {
            let (guide, weight) = (&term.guide, term.weight);
            let compute = recording.options.compute(rayon::current_num_threads());
            let mut session = Arc::clone(guide).session(compute);
            session.prepare(&times);
            let mut ask = |index: usize, sample: ArrayView3<f32>| -> Result<Array1<f32>> {
                let mut out = Array1::zeros(candidates);
                let at = Moment {
                    index,
                    timestep: times[index],
                };
                session.value(sample, at, out.view_mut())?;
                Ok(out)
            };
            for (index, moment) in moments.iter().enumerate() {
                let seen = match guide.sees() {
                    Sees::Noised => &moment.sample,
                    Sees::Clean => &moment.predicted,
                };
                let asked = ask(index, seen.view())?;
                values.row_mut(index).scaled_add(weight, &asked);
            }
            // Those of a plan are sorted.
            let asked = ask(moments.len(), plan.normalized.view())?;
            for (value, &candidate) in asked.iter().zip(&plan.order) {
                values[[moments.len(), candidate]] += weight * value;
            }
        }
        let mut label = "value";
        for mut row in values.outer_iter_mut() {
            if let Some(returns) = pipeline.returns(row.view())? {
                row.assign(&returns);
                label = "discounted return, predicted";
            }
        }
        Ok(Some(Self {
            visits: moments.iter().map(|moment| moment.visit).collect(),
            values: values.mapv(f64::from),
            label,
        }))
    }

    /// Of the finished plan, by the candidates in the order that they were made in.
    pub(super) fn last(&self) -> Vec<f64> {
        self.values.row(self.values.nrows() - 1).to_vec()
    }
}
