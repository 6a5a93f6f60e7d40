//! How long gradient steps are beside the sampler's own, and the option `scale` that would make them a share of that.
//!
//! At a visit the sampler goes from the sample `x` to one whose mean is known and whose numbers have the standard deviation `σ` of the posterior (Ho et
//! al. 2020, arXiv:2006.11239, equation 7): over a plan of `n` numbers its own step has the length `σ √n` by chance alone. The gradient steps of a
//! guide have the length `scale · k |weight · w ∇value|`, with `k` steps and the schedule's `w` at that visit. The first is `share` times the second at
//!
//! ```text
//! scale = share · σ √n / (k |weight · w ∇value|)
//! ```
//!
//! for every visit and candidate, measured along plans that nothing guides. Their median over visits and candidates is a guide's proposal; where there
//! are several the least of them is that of all, so that none goes further than its share.

use crate::condition::Condition;
use crate::error::Result;
use crate::guide::{GuideTerm, Moment, Sees};
use crate::noise::NoiseSource;
use crate::options::PlanOptions;
use crate::pipeline::ValueGuidedPipeline;
use crate::plan::Query;
use diffplan_models::Compute;
use ndarray::{Array1, Array3, ArrayView3};
use serde::Serialize;
use std::sync::Arc;

/// Numbers in order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        Some(Self {
            min: *numbers.first()?,
            median: numbers[numbers.len() / 2],
            max: *numbers.last()?,
        })
    }
}

/// What one guide asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuideScale {
    /// The guide.
    pub name: String,
    /// The length of its gradient times its weight, over visits and candidates.
    pub gradient: Spread,
    /// The scales at which it goes its share, over visits and candidates; none if it bends nothing anywhere.
    pub scale: Option<Spread>,
}

/// Scales, proposed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaleReport {
    /// The share of the sampler's own step.
    pub share: f64,
    /// The option `scale` as it is.
    pub now: f32,
    /// What it could be; none if nothing bends.
    pub proposed: Option<f64>,
    /// Each guide's.
    pub guides: Vec<GuideScale>,
}

/// Posterior variances below this are those of a step that does not draw noise.
const LEAST_VARIANCE: f32 = 1e-12;

/// Proposes a scale for a pipeline's guides with these options, at which each moves a plan by `share` of the sampler's own step (a fifth, say), from
/// plans under these conditions.
///
/// # Errors
/// As making a plan.
pub fn propose_scale(
    pipeline: &ValueGuidedPipeline,
    options: &PlanOptions,
    conditions: &[Condition],
    share: f64,
    noise: &mut dyn NoiseSource,
) -> Result<ScaleReport> {
    let guided = pipeline.planner(options.clone())?;
    let times: Vec<f32> = guided.sampler().visits().iter().map(|visit| visit.timestep).collect();
    let mut guides: Vec<Measured> = pipeline
        .guides()
        .iter()
        .map(|term| Measured::of(term, &times))
        .collect();
    let mut planner = pipeline.planner(PlanOptions {
        n_guide_steps: 0,
        rescore: false,
        extra_steps: 0,
        ..options.clone()
    })?;
    let mut queries = [Query::new(conditions, noise)];
    let mut denoising = planner.begin(&mut queries)?;
    while let Some(step) = denoising.step()? {
        let visit = guided.sampler().visits()[step.visit];
        let own = f64::from(visit.posterior_variance.sqrt() * visit.scale);
        for measured in &mut guides {
            let strength = measured.term.step(step.visit, times.len(), guided.guided()[step.visit]);
            if strength == 0.0 || visit.posterior_variance <= LEAST_VARIANCE {
                continue;
            }
            let (seen, of_scale) = match measured.term.guide.sees() {
                Sees::Noised => (step.guided, visit.scale),
                Sees::Clean => (step.original, 1.0),
            };
            let at = Moment {
                index: step.visit,
                timestep: step.timestep,
            };
            let length = own * (seen.len() as f64 / seen.dim().0 as f64).sqrt() * share;
            let steps = options.n_guide_steps as f64 * f64::from(strength.abs());
            measured.look(seen, of_scale, at, |gradient| {
                length / (steps * f64::from(of_scale) * gradient)
            })?;
        }
    }
    drop(denoising);
    let guides: Vec<GuideScale> = guides.into_iter().map(Measured::report).collect();
    let scales = guides.iter().filter_map(|guide| Some(guide.scale?.median));
    Ok(ScaleReport {
        share,
        now: options.scale,
        proposed: scales.reduce(f64::min),
        guides,
    })
}

/// A guide and what was seen of it.
struct Measured {
    term: GuideTerm,
    session: Box<dyn crate::GuideSession>,
    gradients: Vec<f64>,
    scales: Vec<f64>,
}

impl Measured {
    fn of(term: &GuideTerm, times: &[f32]) -> Self {
        let compute = Compute {
            threads: rayon::current_num_threads(),
            ..Compute::default()
        };
        let mut session = Arc::clone(&term.guide).session(compute);
        session.prepare(times);
        Self {
            term: term.clone(),
            session,
            gradients: Vec::new(),
            scales: Vec::new(),
        }
    }

    /// Of candidates, which a guide sees divided by `of_scale`.
    fn look(&mut self, seen: ArrayView3<f32>, of_scale: f32, at: Moment, scale: impl Fn(f64) -> f64) -> Result<()> {
        let seen = seen.mapv(|x| x / of_scale);
        let (mut values, mut gradient) = (Array1::zeros(seen.dim().0), Array3::zeros(seen.dim()));
        self.session
            .value_and_grad(seen.view(), at, values.view_mut(), gradient.view_mut())?;
        for gradient in gradient.outer_iter() {
            let length = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            self.gradients.push(length * f64::from(self.term.weight.abs()));
            if length > 0.0 {
                self.scales.push(scale(length));
            }
        }
        Ok(())
    }

    fn report(self) -> GuideScale {
        let none = Spread {
            min: 0.0,
            median: 0.0,
            max: 0.0,
        };
        GuideScale {
            name: self.term.name().to_owned(),
            gradient: Spread::of(self.gradients).unwrap_or(none),
            scale: Spread::of(self.scales),
        }
    }
}
