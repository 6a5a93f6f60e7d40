//! Kind `pipeline`: one call of `ValueGuidedRLPipeline`. Checked are the whole plan with the recorded noise, on one, two and
//! three threads; the whole plan from the torch seed alone; and every step on its own, from the recorded state.

mod call;

use self::call::{Call, Trace};
use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use super::sensitivity::{self, Arrays, changed};
use diffplan_pipelines::{RecordedNoise, TorchRng};
use ndarray::{Array3, ArrayD, ArrayView1, Axis, Ix4};
use std::collections::BTreeMap;

/// Of normalised trajectories, which are of order 1; beyond 1, and in the environment's units, it is relative.
const TOLERANCE: f64 = 1e-3;

/// The reference's arrays under the names of a [`Trace`].
type Reference = BTreeMap<String, ArrayD<f64>>;
type Draw = Array3<f32>;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let call = Call::read(case)?;
    let noise: Vec<Draw> = case
        .tensor_f32::<Ix4>("noise")?
        .outer_iter()
        .map(|draw| draw.to_owned())
        .collect();
    let reference = read_reference(case, report, call.timesteps().len())?;

    let recorded =
        |draws: &[Draw]| RecordedNoise::from_arrays(draws.iter().map(|draw| draw.view())).with_picks(vec![0]);
    let again = |k| {
        let draws: Vec<_> = noise.iter().map(|draw| changed(draw, k)).collect();
        Ok(call.plan(&mut recorded(&draws), 1)?.arrays)
    };
    let mut plans = Vec::new();
    for threads in 1..=3 {
        let mut source = recorded(&noise);
        plans.push(call.plan(&mut source, threads)?);
        report.record(
            format!("recorded draws left on {threads} threads"),
            source.remaining_draws() as f64,
            0.0,
        );
    }
    compare(report, "", &plans[0], &reference, &again)?;
    for (many, threads) in plans[1..].iter().zip(2..) {
        for ((name, many), (_, one)) in many.arrays.iter().zip(&plans[0].arrays) {
            let [many, one] = [many, one].map(|array| array.iter().copied().collect::<Vec<f32>>());
            report.same_bits(format!("{name} on {threads} threads"), &many, &one);
        }
    }
    if let Some(seed) = torch_seed(case)? {
        let plan = call.plan(&mut TorchRng::manual_seed(seed), 1)?;
        compare(report, " from the torch seed", &plan, &reference, &again)?;
    }
    steps(case, report, &call, &noise, &reference)
}

/// Every step from the recorded state before it.
fn steps(
    case: &Case,
    report: &mut Report,
    call: &Call,
    noise: &[Draw],
    reference: &Reference,
) -> Result<(), CaseError> {
    let states: Vec<Draw> = case
        .tensor_f32::<Ix4>("prev_sample")?
        .outer_iter()
        .map(|state| state.to_owned())
        .collect();
    for step in 0..call.timesteps().len() {
        let single = call.single_step(step)?;
        let before = step.checked_sub(1).map_or(noise.first(), |before| states.get(before));
        let before = before.ok_or_else(|| CaseError::NoTensor(format!("the state before step {step}")))?;
        // The last step draws nothing.
        let draw = noise.get(step + 1);
        let again = |k| Ok(single.trace(&changed(before, k), draw)?.arrays);
        compare(
            report,
            " from the recorded state",
            &single.trace(before, draw)?,
            reference,
            &again,
        )?;
    }
    Ok(())
}

/// Compares everything of a trace with the reference. `again` computes it with the k-th change of the noise.
fn compare(
    report: &mut Report,
    how: &str,
    trace: &Trace,
    reference: &Reference,
    again: &dyn Fn(u32) -> Result<Arrays, CaseError>,
) -> Result<(), CaseError> {
    let expected = |name: &str| {
        reference
            .get(name)
            .cloned()
            .ok_or_else(|| CaseError::NoTensor(name.to_owned()))
    };
    sensitivity::compare(
        report,
        how,
        &trace.arrays,
        &expected,
        (Measure::Mixed, TOLERANCE),
        again,
    )?;
    if let Some(order) = &trace.order {
        let order = ArrayView1::from(order);
        report.compare(
            format!("order{how}"),
            order,
            &expected("order")?,
            Measure::Absolute,
            0.0,
        )?;
    }
    Ok(())
}

fn read_reference(case: &Case, report: &mut Report, steps: usize) -> Result<Reference, CaseError> {
    let mut reference = Reference::new();
    for name in ["guided", "prev_sample"] {
        let all = case.tensor(name)?;
        let recorded = all.shape().first().copied().unwrap_or_default();
        report.record(
            format!("number of steps of {name}"),
            recorded.abs_diff(steps) as f64,
            0.0,
        );
        for step in 0..recorded {
            reference.insert(format!("{name}[{step}]"), all.index_axis(Axis(0), step).to_owned());
        }
    }
    for name in ["x", "y", "order", "actions", "action"] {
        if case.has(name) {
            reference.insert(name.to_owned(), case.tensor(name)?);
        }
    }
    Ok(reference)
}

fn torch_seed(case: &Case) -> Result<Option<u64>, CaseError> {
    let key = "torch_seed";
    let seed = case.value(key);
    if seed.is_null() {
        return Ok(None);
    }
    // Torch reads a negative seed as the unsigned number of the same bits.
    let seed = seed.as_u64().or_else(|| seed.as_i64().map(|seed| seed as u64));
    seed.map(Some).ok_or_else(|| case.wrong_key(key, "a whole number"))
}
