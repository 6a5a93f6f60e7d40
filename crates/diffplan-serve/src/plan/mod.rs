//! `POST /v1/plan` and `POST /v1/plan/stream`.

mod made;
mod stream;

pub(crate) use made::{UNSENT, plan};
pub(crate) use stream::stream;

use crate::model::Model;
use crate::options::{self, Given};
use crate::problem::Problem;
use crate::server::App;
use diffplan_eval::Held;
use diffplan_pipelines::{NoiseSource, Part, PlanOptions, RngNoise, TorchRng};
use ndarray_rand::rand;
use serde::Deserialize;
use serde_json::Number;
use std::time::Duration;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    observation: Option<Vec<f32>>,
    observations: Option<Vec<Vec<f32>>>,
    #[serde(default)]
    options: Given,
    seed: Option<u64>,
    torch_seed: Option<Number>,
    deadline_ms: Option<f64>,
    #[serde(default)]
    conditions: Vec<Imposed>,
    goal: Option<Vec<f64>>,
    #[serde(rename = "return")]
    wanted: Option<Vec<Want>>,
    /// What a stream shows.
    of: Option<Shown>,
}

/// Numbers that are imposed on a plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Imposed {
    time: usize,
    values: Vec<f32>,
    dims: Option<Vec<usize>>,
    #[serde(default)]
    part: Of,
    strength: Option<f32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    #[default]
    Observation,
    Action,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Want {
    Values,
    Best,
    Candidates,
}

/// What a stream shows of a plan in the making.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Shown {
    /// The sample as it is, with the noise that is left in it.
    #[default]
    Sample,
    /// What would become of it without noise, as the networks see it by now.
    Estimate,
}

/// What is answered of a plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) values: bool,
    pub(crate) best: bool,
    pub(crate) candidates: bool,
}

/// Where a plan's randomness comes from.
enum Noise {
    Seeded(Box<RngNoise>),
    Torch(Box<TorchRng>),
}

impl Noise {
    fn source(&mut self) -> &mut dyn NoiseSource {
        match self {
            Self::Seeded(noise) => &mut **noise,
            Self::Torch(noise) => &mut **noise,
        }
    }
}

/// One of the plans that are asked for.
struct Asked {
    held: Vec<Held>,
    noise: Noise,
}

/// All that is asked for, checked.
struct Order {
    asked: Vec<Asked>,
    options: PlanOptions,
    wanted: Wanted,
    deadline: Option<Duration>,
    /// Whether it was a list of observations, which a list is the answer to.
    several: bool,
    /// What was drawn where none was given; none beside torch's.
    seed: Option<u64>,
    shown: Shown,
}

impl Order {
    fn of(request: Request, app: &App, streams: bool) -> Result<Self, Problem> {
        let model = &app.model;
        let several = request.observations.is_some();
        let observations = match (request.observation, request.observations) {
            (Some(one), None) => vec![one],
            (None, Some(all)) if !streams => all,
            (None, Some(_)) => {
                return Err(Problem::bad(
                    "request",
                    "observations: expected one observation in a stream",
                ));
            }
            (None, None) => {
                return Err(Problem::bad(
                    "request",
                    "no observation: expected `observation`, a list of numbers",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Problem::bad(
                    "request",
                    "observation and observations: expected one of them",
                ));
            }
        };
        if observations.len() > app.settings.observations {
            return Err(Problem::too_large(format!(
                "{} observations, expected at most {}",
                observations.len(),
                app.settings.observations
            )));
        }
        let options = options::of_plan(&request.options, &model.options)?;
        options::check(&options, observations.len().max(1), &model.pipeline, &app.settings)?;
        // What is wrong is said at once, and not after waiting for a turn.
        app.stock.check(&options)?;
        check_observations(&observations, model.pipeline.observation_dim())?;
        let deadline = request.deadline_ms.map(deadline).transpose()?;
        if streams && deadline.is_some() {
            return Err(Problem::bad(
                "request",
                "deadline_ms: expected none in a stream, which may be left at any time",
            ));
        }
        if !streams && request.of.is_some() {
            return Err(Problem::bad(
                "request",
                "of: expected in a stream alone, /v1/plan/stream",
            ));
        }
        let imposed = imposed(request.conditions, request.goal.as_deref(), model, &options)?;
        let (noises, seed) = noises(request.seed, request.torch_seed, several.then_some(observations.len()))?;
        let asked = observations.into_iter().zip(noises).map(|(observation, noise)| {
            let now = held(0, Part::Observation, None, observation, 1.0);
            Asked {
                held: [now].into_iter().chain(imposed.iter().cloned()).collect(),
                noise,
            }
        });
        let wanted = request.wanted.unwrap_or_else(|| vec![Want::Values, Want::Best]);
        Ok(Self {
            asked: asked.collect(),
            options,
            wanted: Wanted {
                values: wanted.contains(&Want::Values),
                best: wanted.contains(&Want::Best),
                candidates: wanted.contains(&Want::Candidates),
            },
            deadline,
            several,
            seed,
            shown: request.of.unwrap_or_default(),
        })
    }
}

fn held(time: usize, part: Part, dims: Option<Vec<usize>>, values: Vec<f32>, strength: f32) -> Held {
    Held {
        time,
        part,
        dims,
        values,
        strength,
    }
}

/// That each observation is one.
fn check_observations(observations: &[Vec<f32>], dims: usize) -> Result<(), Problem> {
    for (index, own) in observations.iter().enumerate() {
        let wrong = match own.iter().position(|number| !number.is_finite()) {
            _ if own.len() != dims => format!("has {} numbers, expected {dims}", own.len()),
            Some(place) => format!("holds {} in place {place}, expected finite numbers", own[place]),
            None => continue,
        };
        return Err(Problem::bad("observation", format!("observation {index} {wrong}")));
    }
    Ok(())
}

fn deadline(ms: f64) -> Result<Duration, Problem> {
    Duration::try_from_secs_f64(ms / 1e3)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| {
            Problem::bad(
                "request",
                format!("deadline_ms = {ms}: expected milliseconds, more than 0"),
            )
        })
}

/// What is imposed beside the observation.
fn imposed(
    conditions: Vec<Imposed>,
    goal: Option<&[f64]>,
    model: &Model,
    options: &PlanOptions,
) -> Result<Vec<Held>, Problem> {
    let horizon = options.planning_horizon;
    let dims = model.pipeline.observation_dim() + model.pipeline.action_dim();
    let (numbers, most) = (
        conditions.iter().map(|one| one.values.len()).sum::<usize>(),
        horizon.saturating_mul(dims),
    );
    if numbers > most {
        let message = format!("conditions of {numbers} numbers, expected no more than a plan has, {most}");
        return Err(Problem::too_large(message));
    }
    let mut all: Vec<Held> = conditions
        .into_iter()
        .map(|one| {
            let part = match one.part {
                Of::Observation => Part::Observation,
                Of::Action => Part::Action,
            };
            held(one.time, part, one.dims, one.values, one.strength.unwrap_or(1.0))
        })
        .collect();
    if let Some(goal) = goal {
        if !model.is_led() {
            let message = "the checkpoint was not trained with goals, so its plans cannot be led to one; conditions can be imposed";
            return Err(Problem::bad("goal", message));
        }
        let end = model.end(&model.goal(goal)?);
        let last = horizon.saturating_sub(1);
        all.extend(end.map(|end| held(last, Part::Observation, None, end.to_vec(), 1.0)));
    }
    Ok(all)
}

/// A source for each plan: `count` forks of a seed for a list, as Python's `plan_batch` and evaluations make them, and the seed itself for one
/// observation.
fn noises(
    seed: Option<u64>,
    torch_seed: Option<Number>,
    count: Option<usize>,
) -> Result<(Vec<Noise>, Option<u64>), Problem> {
    match (seed, torch_seed) {
        (Some(_), Some(_)) => Err(Problem::bad("request", "seed and torch_seed: expected one of them")),
        (None, Some(number)) => {
            // A negative one is counted from 2^64 down, as torch.manual_seed does.
            let read = number.as_u64().or_else(|| number.as_i64().map(|seed| seed as u64));
            let Some(seed) = read else {
                let message = format!("torch_seed = {number}: expected an integer from -2^63 to 2^64 - 1");
                return Err(Problem::bad("request", message));
            };
            match count {
                None => Ok((vec![Noise::Torch(Box::new(TorchRng::manual_seed(seed)))], None)),
                Some(_) => Err(Problem::bad(
                    "request",
                    "torch_seed: expected with one observation, of whose plan it is the noise; several take a seed",
                )),
            }
        }
        (seed, None) => {
            // Of 53 bits, which whoever reads numbers as JavaScript does has whole.
            let seed = seed.unwrap_or_else(|| rand::random::<u64>() >> 11);
            let mut noise = RngNoise::seed(seed);
            let noises = match count {
                None => vec![Noise::Seeded(Box::new(noise))],
                Some(count) => (0..count).map(|_| Noise::Seeded(Box::new(noise.fork()))).collect(),
            };
            Ok((noises, Some(seed)))
        }
    }
}
