//! A whole plan of the original from recorded noise: guided (branch main), or to a goal (branch maze2d).
//!
//! The original draws noise at timestep 0 too and multiplies it by 0; the last draw is therefore not asked for here.

use super::super::case::{Case, CaseError};
use super::super::compare::{Measure, Report};
use super::{compare, tolerance};
use diffplan_files::Folder;
use diffplan_models::UNet1dModel;
use diffplan_pipelines::{Condition, Guidance, Plan, PlanOptions, Query, RecordedNoise, ValueGuidedPipeline};
use ndarray::{Array1, Array2, Array3, Array4, ArrayView1, ArrayViewMut3, Axis, Slice, s};
use serde_json::Value;

/// What the case says of the call.
struct Call {
    options: PlanOptions,
    /// The times of imposed observations, and what they are.
    conditions: Vec<(usize, Array1<f32>)>,
}

impl Call {
    fn read(case: &Case, pipeline: &ValueGuidedPipeline) -> Result<Self, CaseError> {
        let plan = case.value("plan");
        let count = |key: &str, default| plan[key].as_u64().map_or(default, |n| n as usize);
        let guided = !plan["n_guide_steps"].is_null();
        if guided && plan["scale_grad_by_std"] != Value::Bool(true) {
            return Err(CaseError::NotSupported(
                "guidance that the variance does not scale".into(),
            ));
        }
        // What the conversion says of the run is the paper's; the case has its own.
        let options = PlanOptions {
            batch_size: count("batch_size", 64),
            planning_horizon: case.count("horizon")?,
            n_guide_steps: count("n_guide_steps", 0),
            scale: plan["scale"].as_f64().unwrap_or(0.0) as f32,
            t_stopgrad: count("t_stopgrad", 2),
            guidance: Guidance::Diffuser,
            ..pipeline.options()
        };
        let now: Array1<f32> = case.tensor_f32("plan.obs")?;
        let mut conditions = vec![(0, now)];
        if let Some(times) = plan["conditions"].as_array() {
            for time in times.iter().filter_map(Value::as_u64).filter(|time| *time > 0) {
                conditions.push((time as usize, case.tensor_f32("plan.target")?));
            }
        }
        Ok(Self { options, conditions })
    }
}

pub(super) fn check(
    case: &Case,
    report: &mut Report,
    pipeline: &ValueGuidedPipeline,
    value: &Folder,
) -> Result<(), CaseError> {
    let call = Call::read(case, pipeline)?;
    let noise: Array4<f32> = case.tensor_f32("plan.noise")?;
    let draws = noise.outer_iter().take(noise.len_of(Axis(0)).saturating_sub(1));
    let mut source = RecordedNoise::from_arrays(draws).with_picks(vec![0]);
    let mut planner = pipeline.planner(call.options.clone()).map_err(CaseError::refused)?;
    let conditions: Vec<Condition> = call
        .conditions
        .iter()
        .map(|(time, values)| Condition::observation(*time, values))
        .collect();
    let mut queries = [Query::new(&conditions, &mut source)];
    let mut denoising = planner.begin(&mut queries).map_err(CaseError::refused)?;
    let (mut guided, mut after, mut values) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(step) = denoising.step().map_err(CaseError::refused)? {
        guided.push(step.guided.to_owned());
        let mut sample = step.prev_sample.to_owned();
        impose(sample.view_mut(), pipeline, &call)?;
        after.push(sample);
        values.extend(step.values.map(|values| values.to_owned()));
    }
    let plan = denoising.finish().map_err(CaseError::refused)?.remove(0);
    report.record("recorded draws left", source.remaining_draws() as f64, 0.0);

    let stacked = |samples: &[Array3<f32>]| {
        let views: Vec<_> = samples.iter().map(|own| own.view()).collect();
        ndarray::stack(Axis(0), &views).map_err(CaseError::refused)
    };
    if case.has("plan.guided") {
        compare(case, report, "plan.guided", stacked(&guided)?.into_dyn())?;
    }
    compare(case, report, "plan.prev_sample", stacked(&after)?.into_dyn())?;
    if case.has("plan.y") {
        let views: Vec<_> = values.iter().map(|own| own.view()).collect();
        let last = ndarray::stack(Axis(0), &views).map_err(CaseError::refused)?;
        let expected = case.tensor("plan.y")?;
        let steps = expected.shape().get(1).copied().unwrap_or(1);
        let expected = expected.index_axis(Axis(1), steps.saturating_sub(1)).to_owned();
        report.compare(
            "plan.y of the last gradient",
            last.view(),
            &expected,
            Measure::Norm,
            tolerance(case, "plan.y"),
        )?;
        first_gradients(case, report, value, &noise, pipeline, &call)?;
    }
    whole(case, report, &plan)?;
    waypoint(case, report, &plan)
}

/// Puts the conditions, normalised, into a sample.
fn impose(mut sample: ArrayViewMut3<f32>, pipeline: &ValueGuidedPipeline, call: &Call) -> Result<(), CaseError> {
    let columns = pipeline.layout().observations();
    for (time, values) in &call.conditions {
        let normalised = pipeline
            .normalizers()
            .observations()
            .normalize(values.view())
            .map_err(CaseError::refused)?;
        let mut rows = sample.index_axis_mut(Axis(1), *time);
        rows.slice_axis_mut(Axis(1), Slice::from(columns.clone()))
            .rows_mut()
            .into_iter()
            .for_each(|mut row| row.assign(&normalised));
    }
    Ok(())
}

/// The values before the first gradient of every step, from the recorded state before it, and the very first gradient.
fn first_gradients(
    case: &Case,
    report: &mut Report,
    value: &Folder,
    noise: &Array4<f32>,
    pipeline: &ValueGuidedPipeline,
    call: &Call,
) -> Result<(), CaseError> {
    let model = UNet1dModel::from_folder(value).map_err(CaseError::refused)?;
    let states: Array4<f32> = case.tensor_f32("plan.prev_sample")?;
    let steps = states.len_of(Axis(0));
    let mut first = noise.index_axis(Axis(0), 0).to_owned();
    impose(first.view_mut(), pipeline, call)?;
    let mut values = Array2::zeros((steps, call.options.batch_size));
    for step in 0..steps {
        let state = if step == 0 {
            first.view()
        } else {
            states.index_axis(Axis(0), step - 1)
        };
        let turned = state.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        let timestep = [(steps - 1 - step) as f32];
        let (own, grad) = model
            .value_and_grad(turned.view(), &timestep)
            .map_err(CaseError::refused)?;
        values.row_mut(step).assign(&own);
        if step == 0 && case.has("plan.grad_first") {
            compare(
                case,
                report,
                "plan.grad_first",
                grad.permuted_axes([0, 2, 1]).into_dyn(),
            )?;
        }
    }
    let expected = case.tensor("plan.y")?.index_axis(Axis(1), 0).to_owned();
    report.compare(
        "plan.y of the first gradient",
        values.view(),
        &expected,
        Measure::Norm,
        tolerance(case, "plan.y"),
    )
}

fn whole(case: &Case, report: &mut Report, plan: &Plan) -> Result<(), CaseError> {
    // The reference's `x` is sorted already.
    compare(case, report, "plan.x", plan.normalized.clone().into_dyn())?;
    if case.has("plan.order") {
        let order: Array1<f64> = plan.order.iter().map(|&i| i as f64).collect();
        report.compare(
            "plan.order",
            order.view(),
            &case.tensor("plan.order")?,
            Measure::Absolute,
            0.0,
        )?;
    }
    if let (Some(values), true) = (&plan.values, case.has("plan.values")) {
        compare(case, report, "plan.values", values.clone().into_dyn())?;
    }
    compare(case, report, "plan.actions", plan.actions().to_owned().into_dyn())?;
    compare(
        case,
        report,
        "plan.observations",
        plan.observations().to_owned().into_dyn(),
    )?;
    compare(case, report, "plan.action", plan.action.clone().into_dyn())
}

/// What the original's controller of mazes makes of a plan at its first step: to the next position and speed of it.
fn waypoint(case: &Case, report: &mut Report, plan: &Plan) -> Result<(), CaseError> {
    let name = "plan.waypoint_action";
    if !case.has(name) {
        return Ok(());
    }
    let now: Array1<f32> = case.tensor_f32("plan.obs")?;
    let observations = plan.observations();
    let next: ArrayView1<f32> = observations.slice(s![plan.chosen, 1, ..]);
    let half = now.len() / 2;
    let action: Array1<f32> = (0..half)
        .map(|i| next[i] - now[i] + (next[half + i] - now[half + i]))
        .collect();
    let expected = case.tensor(name)?;
    // It has no error of its own: it is a difference of the plan's observations.
    report.compare(
        name,
        action.view(),
        &expected,
        Measure::Mixed,
        tolerance(case, "plan.observations"),
    )
}
