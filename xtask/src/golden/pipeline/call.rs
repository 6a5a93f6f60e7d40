//! The call that a case recorded, made by diffplan: as a whole, or one step of it.

use super::super::case::{Case, CaseError};
use super::super::sensitivity::Arrays;
use super::Draw;
use diffplan_data::{NormalizerKind, Normalizers};
use diffplan_pipelines::{Condition, NoiseSource, PlanOptions, Query, RecordedNoise, ValueGuidedPipeline};
use diffplan_schedulers::{NoiseSchedule, Sampler, Scheduler, Steps, Timesteps};
use ndarray::{Array1, Array2, ArrayD, Axis};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What diffplan computes on the way to a plan, and the plan, under the names of the reference's tensors; of a tensor with
/// all steps, `guided[3]` is one.
pub(super) struct Trace {
    pub(super) arrays: Arrays,
    /// Of the candidates, if they were ranked.
    pub(super) order: Option<Vec<f64>>,
}

pub(super) struct Call {
    pipeline: ValueGuidedPipeline,
    timesteps: Vec<usize>,
    options: PlanOptions,
    observation: Array1<f32>,
}

/// A scheduler that visits some of its timesteps alone.
#[derive(Debug)]
struct Visiting(Arc<dyn Scheduler>, Vec<usize>);

impl Scheduler for Visiting {
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    fn schedule(&self) -> &NoiseSchedule {
        self.0.schedule()
    }

    fn sampler(&self, _: &Steps) -> diffplan_schedulers::Result<Box<dyn Sampler>> {
        self.0.sampler(&Steps::new(Timesteps::Custom(self.1.clone())))
    }

    fn to_map(&self) -> Map<String, Value> {
        self.0.to_map()
    }
}

impl Call {
    pub(super) fn read(case: &Case) -> Result<Self, CaseError> {
        let observations: Array2<f32> = case.tensor_f32("dataset.observations")?;
        let actions: Array2<f32> = case.tensor_f32("dataset.actions")?;
        // Nothing in a plan is normalised with rewards.
        case.ignore("dataset.rewards");
        let kind = match case.text("normalization")? {
            "scalar" => NormalizerKind::ScalarGaussian,
            "per_dimension" => NormalizerKind::Gaussian,
            _ => return Err(case.wrong_key("normalization", "\"scalar\" or \"per_dimension\"")),
        };
        let normalizers = Normalizers::fit(kind, observations.view(), actions.view()).map_err(CaseError::refused)?;
        let pipeline = ValueGuidedPipeline::from_pretrained_with(case.folder(), normalizers)
            .and_then(|pipeline| pipeline.with_action_dim(actions.ncols()))
            .map_err(CaseError::refused)?;
        let options = PlanOptions {
            batch_size: case.count("batch_size")?,
            planning_horizon: case.count("planning_horizon")?,
            n_guide_steps: case.count("n_guide_steps")?,
            scale: case.number("scale")? as f32,
            num_inference_steps: case.optional_count("num_inference_steps")?,
            ..PlanOptions::default()
        };
        let steps = Steps::new(options.num_inference_steps);
        let sampler = pipeline.scheduler().sampler(&steps).map_err(CaseError::refused)?;
        Ok(Self {
            timesteps: sampler.timesteps().into_iter().map(|t| t as usize).collect(),
            pipeline,
            options,
            observation: case.tensor_f32("obs")?,
        })
    }

    pub(super) fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// The whole plan.
    pub(super) fn plan(&self, noise: &mut dyn NoiseSource, threads: usize) -> Result<Trace, CaseError> {
        trace(&self.pipeline, &self.options, &self.observation, noise, threads, 0)
    }

    /// A step by itself: a plan over its timestep and the one it leads to, of which the first half is looked at.
    pub(super) fn single_step(&self, step: usize) -> Result<SingleStep<'_>, CaseError> {
        let timesteps = self.timesteps();
        let two = &timesteps[step..timesteps.len().min(step + 2)];
        let scheduler = Visiting(self.pipeline.scheduler().clone(), two.to_vec());
        let pipeline = self.pipeline.clone().with_scheduler(Arc::new(scheduler));
        let options = PlanOptions {
            num_inference_steps: None,
            ..self.options.clone()
        };
        Ok(SingleStep {
            call: self,
            step,
            pipeline,
            options,
        })
    }
}

pub(super) struct SingleStep<'a> {
    call: &'a Call,
    step: usize,
    pipeline: ValueGuidedPipeline,
    options: PlanOptions,
}

impl SingleStep<'_> {
    /// The step from the state before it, with the noise that the scheduler adds.
    pub(super) fn trace(&self, before: &Draw, noise: Option<&Draw>) -> Result<Trace, CaseError> {
        // The state takes the place of the initial draw; what the second timestep draws does not matter.
        let unused = Draw::zeros(before.raw_dim());
        let draws = [before, noise.unwrap_or(&unused), &unused];
        let mut noise = RecordedNoise::from_arrays(draws.map(|draw| draw.view())).with_picks(vec![0]);
        let mut trace = trace(
            &self.pipeline,
            &self.options,
            &self.call.observation,
            &mut noise,
            1,
            self.step,
        )?;
        let own = [format!("guided[{}]", self.step), format!("prev_sample[{}]", self.step)];
        trace.arrays.retain(|(name, _)| own.contains(name));
        trace.order = None;
        Ok(trace)
    }
}

/// A plan, with its steps counted from `first`.
fn trace(
    pipeline: &ValueGuidedPipeline,
    options: &PlanOptions,
    observation: &Array1<f32>,
    noise: &mut dyn NoiseSource,
    threads: usize,
    first: usize,
) -> Result<Trace, CaseError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(CaseError::refused)?;
    let planner = pipeline.planner(options.clone()).map_err(CaseError::refused)?;
    let mut planner = planner.in_pool(Arc::new(pool));
    let mut arrays = Arrays::new();
    let now = [Condition::observation(0, observation)];
    let mut queries = [Query::new(&now, noise)];
    let mut denoising = planner.begin(&mut queries).map_err(CaseError::refused)?;
    while let Some(step) = denoising.step().map_err(CaseError::refused)? {
        let mut keep = |name: &str, sample: ndarray::ArrayView3<f32>| {
            let name = format!("{name}[{}]", first + step.visit);
            arrays.push((name, sample.to_owned().into_dyn()));
        };
        keep("guided", step.guided);
        keep("prev_sample", step.prev_sample);
    }
    let plan = denoising.finish().map_err(CaseError::refused)?.remove(0);

    // The reference's are those before sorting.
    let unsorted = |sorted: ArrayD<f32>| {
        let mut unsorted = sorted.clone();
        for (row, &candidate) in sorted.outer_iter().zip(&plan.order) {
            unsorted.index_axis_mut(Axis(0), candidate).assign(&row);
        }
        unsorted
    };
    arrays.push(("x".to_owned(), unsorted(plan.normalized.clone().into_dyn())));
    if let Some(values) = &plan.values {
        arrays.push(("y".to_owned(), unsorted(values.clone().insert_axis(Axis(1)).into_dyn())));
        arrays.push(("actions".to_owned(), plan.actions().to_owned().into_dyn()));
        arrays.push(("action".to_owned(), plan.action.clone().into_dyn()));
    }
    let order = plan
        .values
        .is_some()
        .then(|| plan.order.iter().map(|&i| i as f64).collect());
    Ok(Trace { arrays, order })
}
