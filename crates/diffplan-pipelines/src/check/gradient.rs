//! A guide's gradient, or a cost's, against finite differences of its value.

use super::differences::{Arithmetic, Slope, cells, double, single, slopes};
use crate::costs::Cost;
use crate::error::{Error, Result};
use crate::guide::{Guide, GuideSession, Moment};
use crate::layout::SampleLayout;
use crate::noise::NoiseSource;
use crate::pipeline::ValueGuidedPipeline;
use diffplan_models::Compute;
use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis};
use serde::Serialize;
use std::sync::Arc;

/// What is to be said of a gradient.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is the slope of the value everywhere that was looked at.
    Right,
    /// It is minus the slope of the value.
    WrongSign,
    /// It is the slope of the value times the same number everywhere.
    WrongFactor(f64),
    /// It is the slope of the value times a number for each dimension, as where a normaliser was forgotten; a channel and its number each.
    WrongFactors(Vec<(usize, f64)>),
    /// It is the slope of the value at some numbers of a plan and not at others.
    Wrong,
}

/// One number of a gradient beside what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which of the plans.
    pub plan: usize,
    /// The step.
    pub step: usize,
    /// The dimension, as a channel of a sample.
    pub channel: usize,
    /// The slope of the value there, by finite differences.
    pub expected: f64,
    /// What the gradient says.
    pub actual: f64,
}

impl Difference {
    /// How many times too large.
    pub fn ratio(&self) -> f64 {
        self.actual / self.expected
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientReport {
    /// The guide or cost.
    pub name: String,
    /// The timestep that it was asked about.
    pub timestep: f32,
    /// What is to be said of it.
    pub verdict: Verdict,
    /// How many numbers were looked at.
    pub checked: usize,
    /// Those that are wrong, the worst first.
    pub wrong: Vec<Difference>,
    /// Where the value has no slope: it has another on either side. The gradient lies between them, which is all that can be asked.
    pub kinks: Vec<Difference>,
}

impl GradientReport {
    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.verdict == Verdict::Right
    }

    /// In words, with dimensions called by `name` of a channel: a line, and one for each of the worst few.
    pub fn lines(&self, name: impl Fn(usize) -> String) -> Vec<String> {
        let of = format!("{} at timestep {}", self.name, self.timestep);
        let verdict = match &self.verdict {
            Verdict::Right => format!("right, of {} numbers looked at", self.checked),
            Verdict::WrongSign => {
                "wrong sign: it is minus the slope of the value, and would lead away from what is wanted".into()
            }
            Verdict::WrongFactor(factor) => format!("wrong by the factor {factor:.4} everywhere"),
            Verdict::WrongFactors(factors) => {
                let each = factors
                    .iter()
                    .map(|&(channel, factor)| format!("{} {factor:.4}", name(channel)));
                format!(
                    "wrong by a factor for each dimension ({}): is it in other units than the plan?",
                    each.collect::<Vec<_>>().join(", ")
                )
            }
            Verdict::Wrong => format!("wrong at {} of {} numbers", self.wrong.len(), self.checked),
        };
        let kinks = match self.kinks.len() {
            0 => String::new(),
            count => format!("; not differentiable at {count}, where it lies between the slopes on both sides"),
        };
        let worst = self.wrong.iter().take(WORST).map(|wrong| {
            format!(
                "plan {}, step {}, {}: {:.6}, expected {:.6} (ratio {:.4})",
                wrong.plan,
                wrong.step,
                name(wrong.channel),
                wrong.actual,
                wrong.expected,
                wrong.ratio()
            )
        });
        [format!("{of}: {verdict}{kinks}")].into_iter().chain(worst).collect()
    }
}

/// Numbers that are shown of a wrong gradient.
const WORST: usize = 5;

/// Numbers that are looked at, of each plan.
const MOST: usize = 400;

/// The step in the slope that is a kink, as a share of a plan's largest slope.
const KINK: f64 = 0.1;

/// The relative error that a gradient may have.
const TOLERANCE: f64 = 0.02;

/// Checks a guide's gradient at a moment, on normalised plans (count, horizon, dimensions).
///
/// # Errors
/// What the guide says; [`Error::Guide`] if a value is not finite.
pub fn check_guide(guide: &Arc<dyn Guide>, plans: ArrayView3<f32>, timestep: f32) -> Result<GradientReport> {
    let (count, horizon, dims) = plans.dim();
    guide.check(horizon, dims)?;
    let compute = Compute {
        threads: rayon::current_num_threads(),
        ..Compute::default()
    };
    let mut session = Arc::clone(guide).session(compute);
    session.prepare(&[timestep]);
    let at = Moment { index: 0, timestep };
    let mut gradients = Array3::zeros(plans.dim());
    session.value_and_grad(plans, at, Array1::zeros(count).view_mut(), gradients.view_mut())?;
    let arithmetic = Arithmetic {
        step: 1.0 / 64.0,
        // A network's values are off by a few units in the last place.
        rounding: 8.0 * f64::from(f32::EPSILON),
    };
    let mut found = Found::default();
    for (index, (plan, gradient)) in plans.outer_iter().zip(gradients.outer_iter()).enumerate() {
        let values = |plans: &Array3<f64>| values_of(&mut *session, plans, at, guide.name());
        found.look(index, double(plan).view(), double(gradient).view(), arithmetic, values)?;
    }
    Ok(found.report(guide.name(), timestep))
}

fn values_of(session: &mut dyn GuideSession, plans: &Array3<f64>, at: Moment, name: &str) -> Result<Array1<f64>> {
    let mut values = Array1::zeros(plans.dim().0);
    session.value(single(plans).view(), at, values.view_mut())?;
    finite(values.mapv(f64::from), name)
}

fn finite(values: Array1<f64>, name: &str) -> Result<Array1<f64>> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::Guide(
            format!("{name} has the value {value} of a plan, expected a finite number").into(),
        )),
        None => Ok(values),
    }
}

/// Checks a cost's gradient on plans (count, horizon, dimensions) in the environment's units.
///
/// # Errors
/// What the cost says of plans of this size; [`Error::Guide`] if it is not finite.
pub fn check_cost(cost: &dyn Cost, plans: ArrayView3<f64>, layout: &SampleLayout) -> Result<GradientReport> {
    cost.check(plans.dim().1, layout)?;
    let arithmetic = Arithmetic {
        step: 1e-4,
        rounding: f64::EPSILON,
    };
    let mut found = Found::default();
    for (index, plan) in plans.outer_iter().enumerate() {
        let mut gradient = Array2::zeros(plan.dim());
        cost.cost(plan, Some(gradient.view_mut()));
        let values = |plans: &Array3<f64>| {
            let each = plans.outer_iter().map(|plan| cost.cost(plan, None));
            finite(each.collect(), cost.name())
        };
        found.look(index, plan, gradient.view(), arithmetic, values)?;
    }
    Ok(found.report(cost.name(), 0.0))
}

/// Checks all guides of a pipeline, each at three of the times of a plan (the noisiest, one in the middle, finished) on random plans.
///
/// # Errors
/// As [`check_guide`]; what the noise source says.
pub fn check_guides(
    pipeline: &ValueGuidedPipeline,
    horizon: usize,
    noise: &mut dyn NoiseSource,
) -> Result<Vec<GradientReport>> {
    let mut plans = Array3::<f32>::zeros((2, horizon, pipeline.layout().channels()));
    if let Some(numbers) = plans.as_slice_mut() {
        noise.fill_standard_normal(numbers)?;
    }
    // As wide as what most normalisers give.
    plans *= 0.5;
    let last = pipeline.scheduler().schedule().num_train_timesteps().saturating_sub(1);
    let mut reports = Vec::new();
    for term in pipeline.guides() {
        let times = [last as f32, (last / 2) as f32, 0.0];
        // One that does not look at the time is the same at all of them.
        let own: &[f32] = match term.guide.sees() {
            crate::Sees::Noised => &times,
            crate::Sees::Clean => &times[2..],
        };
        for &time in own {
            let report = check_guide(&term.guide, plans.view(), time)?;
            reports.push(GradientReport {
                name: term.name().to_owned(),
                ..report
            });
        }
    }
    Ok(reports)
}

/// What was seen so far.
#[derive(Default)]
struct Found {
    /// With what the error of the expectation is.
    all: Vec<(Difference, f64)>,
    kinks: Vec<Difference>,
}

impl Found {
    /// Looks at one plan and its gradient (horizon, dimensions).
    fn look(
        &mut self,
        index: usize,
        plan: ArrayView2<f64>,
        gradient: ArrayView2<f64>,
        arithmetic: Arithmetic,
        values: impl FnMut(&Array3<f64>) -> Result<Array1<f64>>,
    ) -> Result<()> {
        let cells = cells(plan.dim(), MOST);
        let slopes = slopes(plan, &cells, arithmetic, values)?;
        let largest = slopes.iter().map(|slope| slope.central.abs()).fold(0.0, f64::max);
        for (&(step, channel), slope) in cells.iter().zip(&slopes) {
            let difference = Difference {
                plan: index,
                step,
                channel,
                expected: slope.central,
                actual: gradient[[step, channel]],
            };
            let allowed = slope.error + TOLERANCE * 0.05 * largest;
            // Smaller steps of the slope are rounding, of a network's values above all.
            let kink = slope.kink && (slope.sides[1] - slope.sides[0]).abs() > KINK * largest;
            match kink && between(slope, difference.actual, allowed) {
                true => self.kinks.push(difference),
                false => self.all.push((difference, allowed)),
            }
        }
        Ok(())
    }

    fn report(self, name: &str, timestep: f32) -> GradientReport {
        let checked = self.all.len() + self.kinks.len();
        let is_wrong = |(difference, allowed): &&(Difference, f64)| {
            let size = difference.expected.abs().max(difference.actual.abs());
            let off = (difference.actual - difference.expected).abs();
            !off.is_finite() || off > allowed + TOLERANCE * size
        };
        let mut wrong: Vec<Difference> = self
            .all
            .iter()
            .filter(is_wrong)
            .map(|(difference, _)| *difference)
            .collect();
        let off = |difference: &Difference| (difference.actual - difference.expected).abs();
        wrong.sort_by(|a, b| off(b).total_cmp(&off(a)));
        let verdict = match wrong.is_empty() {
            true => Verdict::Right,
            false => verdict(&self.all),
        };
        GradientReport {
            name: name.to_owned(),
            timestep,
            verdict,
            checked,
            wrong,
            kinks: self.kinks,
        }
    }
}

/// Whether a number lies between the slopes on both sides.
fn between(slope: &Slope, actual: f64, allowed: f64) -> bool {
    let [below, above] = slope.sides;
    (below.min(above) - allowed..=below.max(above) + allowed).contains(&actual)
}

/// What a wrong gradient has in common, of all numbers whose slope is known well.
fn verdict(all: &[(Difference, f64)]) -> Verdict {
    let clear = |(difference, allowed): &&(Difference, f64)| difference.expected.abs() > 20.0 * allowed;
    let clear: Vec<&Difference> = all.iter().filter(clear).map(|(difference, _)| difference).collect();
    // A gradient where there is no slope is no factor.
    let stray = all
        .iter()
        .any(|(difference, allowed)| difference.expected.abs() <= *allowed && difference.actual.abs() > 20.0 * allowed);
    if clear.is_empty() || stray {
        return Verdict::Wrong;
    }
    if let Some(factor) = common(clear.iter().copied()) {
        return match (factor + 1.0).abs() < TOLERANCE {
            true => Verdict::WrongSign,
            // About 1 is no factor: some of them are right.
            false if (factor - 1.0).abs() < 2.5 * TOLERANCE => Verdict::Wrong,
            false => Verdict::WrongFactor(factor),
        };
    }
    let mut channels: Vec<usize> = clear.iter().map(|difference| difference.channel).collect();
    channels.sort_unstable();
    channels.dedup();
    let own = |channel: usize| {
        common(
            clear
                .iter()
                .copied()
                .filter(move |difference| difference.channel == channel),
        )
    };
    let factors: Option<Vec<(usize, f64)>> = channels.iter().map(|&c| own(c).map(|factor| (c, factor))).collect();
    // One number of each dimension says nothing.
    match factors {
        Some(factors) if clear.len() >= 3 * channels.len() => Verdict::WrongFactors(factors),
        _ => Verdict::Wrong,
    }
}

/// The factor by which all are wrong, if it is the same, and not 0.
fn common<'a>(all: impl Iterator<Item = &'a Difference>) -> Option<f64> {
    let ratios: Array1<f64> = all.map(Difference::ratio).collect();
    let mean = ratios.mean_axis(Axis(0))?.into_scalar();
    let same = ratios.iter().all(|ratio| (ratio - mean).abs() <= 0.05 * mean.abs());
    (same && mean != 0.0).then_some(mean)
}
