//! What a network predicts, found out by asking it.

use super::{Code, Finding};
use crate::error::Result;
use crate::noise::{NoiseSource, RngNoise};
use crate::pipeline::ValueGuidedPipeline;
use diffplan_models::NetworkSession;
use diffplan_schedulers::{NoiseSchedule, PredictionType};
use ndarray::{Array3, Axis, s};
use std::sync::Arc;

/// Trajectories that it is asked about.
const BATCH: usize = 4;

/// Most signal at the last timestep with which noise can be told from a sample. A network that predicts samples of variance 1 gives back √a of its input at most: agreement 0.43 at this.
const MOST_SIGNAL: f32 = 0.05;

/// Timesteps that a sample is made over, where one is made.
const STEPS: usize = 6;

/// Signal of the timestep at which a sample is given back, or the least noisy that there is.
const LITTLE_NOISE: f32 = 0.95;

/// Above this an [`agreement`] says that the network gives back what it was asked for.
const YES: f32 = 0.9;

/// Least that samples must vary by to be given back.
const LEAST_SPREAD: f32 = 0.1;

/// Below this it says that it does not.
const NO: f32 = 0.5;

/// How a network answers. Agreement is over a batch, position by position, so that outputs which do not depend on the input count
/// for nothing: 1 of the same, 0 of what has nothing to do with each other or is of another size altogether.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Of noise at the last timestep, and the output: 1 where noise is predicted.
    pub noise: f32,
    /// Of samples that it made itself, taken for a network that predicts samples, and its output for them with little noise: 1 where samples
    /// are predicted. Not asked where noise is predicted.
    pub sample: Option<f32>,
}

/// At the last timestep of a schedule that leaves next to no signal, the input is noise. A network that predicts noise gives it back
/// (agreement with the input above 0.9: it was paid for nothing else). One that predicts samples cannot: the input tells it nothing,
/// and its output is what is likely after the observation. So pure noise tells one from the other in a single call, on inputs both were trained on.
///
/// That a network does *not* predict noise is no proof that it predicts samples: one with random weights does neither. So it is asked
/// more where the scheduler says noise and the first answer was no: samples are made in a few DDIM steps as if it predicted samples, a
/// little noise is added, and it is asked again. A network that predicts samples gives them back (above 0.9);
/// one of random weights does not, nor does one that predicts velocities, which gives the noise there.
///
/// Measured, noise and sample: the two checkpoints that were trained for samples give 0.00 and 1.00 (Pendulum), 0.07 and 0.99 (Hopper); nothing is
/// said of eight networks of random weights (a test). No trained network that predicts noise was at hand: perfect predictors stand for them in the
/// tests. The cost is one call for four samples at loading, and eight where something is
/// suspicious. Silent where the last timestep has more than 0.05 of signal (the noise is then not all), of networks that are conditioned or learn
/// variances, of velocities that are taken for samples or the other way round, and of networks that fail: the plan will say why.
pub fn prediction(pipeline: &ValueGuidedPipeline) -> Option<Finding> {
    let declared = pipeline.scheduler().schedule().prediction_type();
    let probe = Probe::of(pipeline)?;
    let place = "scheduler/scheduler_config.json, prediction_type";
    let say = |predicts: &str, told: String| {
        Finding::warning(
            Code::PredictionType,
            place,
            format!(
                "the scheduler takes the planner network to predict {declared}, but it predicts {predicts}: {told}"
            ),
            format!("set prediction_type to {predicts:?}"),
        )
    };
    match declared {
        PredictionType::Epsilon => {
            let sample = probe.sample.filter(|&sample| probe.noise < NO && sample > YES)?;
            Some(say(
                "sample",
                format!(
                    "of pure noise at the last timestep it gives back nothing (agreement {:.2}), of samples with little noise the samples \
                     ({sample:.2})",
                    probe.noise
                ),
            ))
        }
        _ if probe.noise > YES => Some(say(
            "epsilon",
            format!(
                "of pure noise at the last timestep it gives back the noise (agreement {:.2})",
                probe.noise
            ),
        )),
        _ => None,
    }
}

impl Probe {
    /// Asks the planner network of a pipeline; `None` where nothing can be told.
    pub fn of(pipeline: &ValueGuidedPipeline) -> Option<Self> {
        let schedule = pipeline.scheduler().schedule();
        let signature = pipeline.network().signature();
        let horizon = pipeline.options().planning_horizon;
        let last = schedule.num_train_timesteps().checked_sub(1)?;
        let tells = schedule.alphas_cumprod()[last] <= MOST_SIGNAL
            && signature.condition == 0
            && signature.out_channels == signature.sample_channels
            && pipeline.network().check_horizon(horizon).is_ok();
        if !tells {
            return None;
        }
        Self::ask(pipeline, schedule, horizon).ok().flatten()
    }

    fn ask(pipeline: &ValueGuidedPipeline, schedule: &NoiseSchedule, horizon: usize) -> Result<Option<Self>> {
        let alphas = schedule.alphas_cumprod();
        let last = alphas.len() - 1;
        // Descending from the last timestep, then the one at which samples are to be given back.
        let count = STEPS.min(alphas.len());
        let mut times: Vec<usize> = (0..count).map(|i| last - i * last / count).collect();
        times.dedup();
        let gentle = (0..alphas.len())
            .rev()
            .find(|&t| alphas[t] >= LITTLE_NOISE)
            .unwrap_or(0);
        times.push(gentle);
        let visited: Vec<f32> = times.iter().map(|&t| t as f32).collect();
        let compute = pipeline.options().compute(1);
        let mut session = Arc::clone(pipeline.network()).session(compute);
        session.prepare(&visited);
        let shape = (BATCH, horizon, pipeline.layout().channels());
        let mut source = RngNoise::seed(0);
        let mut draw = || -> Result<Array3<f32>> {
            let mut noise = Array3::zeros(shape);
            // In the order of memory, which is standard.
            source.fill_standard_normal(noise.as_slice_mut().unwrap_or_default())?;
            Ok(noise)
        };
        let mut x = draw()?;
        // An observation each, as ordinary as can be.
        let seen = x.slice(s![.., 0, pipeline.layout().observations()]).to_owned();
        let impose = |x: &mut Array3<f32>| {
            x.slice_mut(s![.., 0, pipeline.layout().observations()]).assign(&seen);
        };
        let mut output = forward(session.as_mut(), &x, 0)?;
        let Some(noise) = agreement(&output, &x) else {
            return Ok(Some(Self {
                noise: 0.0,
                sample: None,
            }));
        };
        let epsilon = schedule.prediction_type() == PredictionType::Epsilon;
        if !epsilon || noise >= NO {
            return Ok(Some(Self { noise, sample: None }));
        }
        // DDIM without noise, on what it takes for samples.
        for i in 0..times.len() - 2 {
            let (here, next) = (alphas[times[i]], alphas[times[i + 1]]);
            let spread = (1.0 - next).sqrt() / (1.0 - here).sqrt();
            x.zip_mut_with(&output, |x, &sample| {
                *x = next.sqrt() * sample + spread * (*x - here.sqrt() * sample)
            });
            impose(&mut x);
            output = forward(session.as_mut(), &x, i + 1)?;
        }
        let mut made = output;
        impose(&mut made);
        let alpha = alphas[gentle];
        let mut noised = draw()?;
        noised.zip_mut_with(&made, |x, &sample| {
            *x = alpha.sqrt() * sample + (1.0 - alpha).sqrt() * *x
        });
        impose(&mut noised);
        let again = forward(session.as_mut(), &noised, times.len() - 1)?;
        // What hardly varies was not made of the noise.
        let varies = spread(&made) > LEAST_SPREAD;
        let sample = if varies { agreement(&again, &made) } else { None };
        Ok(Some(Self { noise, sample }))
    }
}

fn forward(session: &mut dyn NetworkSession, x: &Array3<f32>, time: usize) -> Result<Array3<f32>> {
    let mut output = Array3::zeros(x.dim());
    session.forward(x.view(), time, output.view_mut())?;
    Ok(output)
}

/// What of (batch, horizon, channels) varies over the batch, beyond the first position, which is imposed.
fn varying(x: &Array3<f32>) -> Array3<f32> {
    let later = x.slice(s![.., 1.min(x.dim().1 - 1).., ..]).to_owned();
    let mean = later.mean_axis(Axis(0)).unwrap_or_default();
    later - &mean.insert_axis(Axis(0))
}

/// Root of the mean square of what varies.
fn spread(x: &Array3<f32>) -> f32 {
    let varying = varying(x);
    (varying.mapv(|v| v * v).mean().unwrap_or(0.0)).sqrt()
}

/// How much two arrays agree in what varies, in direction and size: 2 ⟨a, b⟩ / (⟨a, a⟩ + ⟨b, b⟩). `None` where nothing varies, or it is not
/// finite.
fn agreement(a: &Array3<f32>, b: &Array3<f32>) -> Option<f32> {
    let (a, b) = (varying(a), varying(b));
    let square = |x: &Array3<f32>| x.mapv(|v| v * v).sum();
    let agreement = 2.0 * (&a * &b).sum() / (square(&a) + square(&b));
    agreement.is_finite().then_some(agreement)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Answers, ddpm, gaussian, limits};
    use super::*;
    use diffplan_models::{UNet1dConfig, UNet1dModel};
    use diffplan_schedulers::{BetaSchedule, DdpmConfig};
    use ndarray_rand::rand::SeedableRng;
    use ndarray_rand::rand::rngs::StdRng;
    use std::path::Path;

    fn scheduler(prediction_type: PredictionType) -> Arc<dyn diffplan_schedulers::Scheduler> {
        Arc::new(ddpm(DdpmConfig {
            num_train_timesteps: 20,
            beta_schedule: BetaSchedule::SquaredcosCapV2,
            prediction_type,
            clip_sample: false,
            ..DdpmConfig::default()
        }))
    }

    const ALL: [PredictionType; 3] = [
        PredictionType::Epsilon,
        PredictionType::Sample,
        PredictionType::VPrediction,
    ];

    /// The checkpoint was trained to predict samples.
    #[test]
    fn a_trained_network_is_known_by_what_it_gives_back() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pendulum-hor32");
        let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
        assert_eq!(prediction(&pipeline), None);
        let wrong = pipeline.clone().with_scheduler(scheduler(PredictionType::Epsilon));
        let probe = Probe::of(&wrong).unwrap();
        assert!(probe.noise.abs() < 0.2 && probe.sample.unwrap() > 0.95, "{probe:?}");
        let finding = prediction(&wrong).unwrap();
        assert_eq!(finding.code, Code::PredictionType);
        assert!(finding.remedy.contains("\"sample\""), "{finding}");
    }

    /// A perfect predictor of what white data of standard deviation 1 is made of.
    #[test]
    fn perfect_predictors_are_told_from_each_other() {
        for truth in ALL {
            for declared in ALL {
                let scheduler = scheduler(declared);
                let answers = Answers::new(4, truth, scheduler.schedule());
                let pipeline =
                    ValueGuidedPipeline::without_guide(Arc::new(answers), scheduler, gaussian(3, 1)).unwrap();
                let found = prediction(&pipeline);
                let velocity = PredictionType::VPrediction;
                // Samples and velocities are not told from each other.
                let told =
                    truth != declared && truth != velocity && (truth, declared) != (PredictionType::Sample, velocity);
                assert_eq!(found.is_some(), told, "{truth} as {declared}: {found:?}");
            }
        }
    }

    #[test]
    fn random_weights_predict_nothing() {
        for seed in 0..8 {
            let mut model = UNet1dModel::new(UNet1dConfig::planner(4, &[16, 32])).unwrap();
            model.init(&mut StdRng::seed_from_u64(seed));
            let model = Arc::new(model);
            for declared in ALL {
                let pipeline =
                    ValueGuidedPipeline::without_guide(model.clone(), scheduler(declared), limits(3, 1)).unwrap();
                assert_eq!(
                    prediction(&pipeline),
                    None,
                    "{seed}, {declared}: {:?}",
                    Probe::of(&pipeline)
                );
            }
        }
    }
}
