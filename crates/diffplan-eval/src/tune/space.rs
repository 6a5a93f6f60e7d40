//! [`Space`]: which values of which options are tried.

use crate::error::{Error, Result};
use crate::evaluation::check_plan_size;
use diffplan_pipelines::{NoiseSource, OPTIONS, PlanOptions, Planner, PlanningConfig, RngNoise, ValueGuidedPipeline};

/// For some options the values that they may take; every other one stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    dimensions: Vec<Dimension>,
}

#[derive(Clone, Debug, PartialEq)]
struct Dimension {
    option: String,
    values: Vec<String>,
    /// How often it is drawn from the values; else it stays as it is.
    chance: f64,
}

impl Space {
    /// What is worth trying with a pipeline, around the options it plans with: candidates, timesteps, the gradient and its scale or the choice of
    /// the best finished plan instead, samplers, temperature, warm starts, actions a plan, shorter horizons.
    pub fn around(pipeline: &ValueGuidedPipeline, options: &PlanOptions) -> Self {
        let train = pipeline.scheduler().schedule().num_train_timesteps();
        let all = options.num_inference_steps.unwrap_or(train);
        let mut space = Self { dimensions: Vec::new() };
        let steps = [1, 2, 3, 5, 8, 10, 20, 50].into_iter().filter(|&steps| steps < all);
        space.add("num_inference_steps", 0.85, steps.chain([all]));
        let guided = !pipeline.guides().is_empty();
        // Without anything to choose by, one candidate is as good as many.
        let candidates: &[usize] = if guided { &[1, 2, 4, 8, 16, 32, 50, 64] } else { &[1] };
        space.add("batch_size", 1.0, candidates);
        if guided {
            space.add("n_guide_steps", 0.8, [0, 0, 1, 2]);
            space.add("rescore", 0.8, [true, true, false]);
            let scale = options.scale;
            space.add("scale", 0.5, [0.1, 0.3, 1.0, 3.0].map(|times| times * scale));
            space.add("guide_every", 0.2, [1, 2, 4]);
        }
        space.add("scheduler", 0.4, ["ddim", "dpm++"]);
        space.add("temperature", 0.4, [0.0, 0.5, 1.0]);
        space.add("warm_start", 0.3, [0.2, 0.4]);
        space.add("n_action_steps", 0.3, [2, 4]);
        let shorter = [2, 4].map(|part| options.planning_horizon / part);
        let network = pipeline.network();
        let fits = |&horizon: &usize| {
            let guides = pipeline.guides().iter();
            let takes = |horizon| {
                guides
                    .clone()
                    .all(|term| term.guide.check(horizon, pipeline.layout().channels()).is_ok())
            };
            horizon >= 4 && network.check_horizon(horizon).is_ok() && takes(horizon)
        };
        space.add("planning_horizon", 0.2, shorter.into_iter().filter(fits));
        space
    }

    /// Only what is added: `NAME=VALUE,VALUE,…` each.
    ///
    /// # Errors
    /// [`Error::Setting`] for a text that is none, an option that there is none of, a value that it does not take.
    pub fn of_texts(texts: &[String]) -> Result<Self> {
        let mut space = Self { dimensions: Vec::new() };
        for text in texts {
            let refuse = |expected: String| Error::Setting {
                name: "vary",
                value: text.clone(),
                expected,
            };
            let Some((option, values)) = text.split_once('=') else {
                return Err(refuse("NAME=VALUE,VALUE,…, such as batch_size=1,8,50".into()));
            };
            let option = option.trim().replace('-', "_");
            for value in values.split(',') {
                let set = PlanningConfig::default().set(&option, value.trim());
                set.map_err(|error| refuse(error.to_string()))?;
            }
            space.dimensions.push(Dimension {
                option,
                values: values.split(',').map(|value| value.trim().to_owned()).collect(),
                chance: 1.0,
            });
        }
        Ok(space)
    }

    fn add(&mut self, option: &str, chance: f64, values: impl IntoIterator<Item = impl ToString>) {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        // One that this build does not have is nothing to try.
        if OPTIONS.iter().any(|spec| spec.name == option) && !values.is_empty() {
            self.dimensions.push(Dimension {
                option: option.to_owned(),
                values,
                chance,
            });
        }
    }

    /// Up to `count` different combinations that make a plan, in an order drawn from `seed`; `options` themselves are none of them.
    ///
    /// # Errors
    /// Why one makes no plan, where none does.
    pub fn trials(
        &self,
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        count: usize,
        seed: u64,
    ) -> Result<Vec<PlanOptions>> {
        let mut draws = self.draws(pipeline, options, count, seed);
        let mut trials = Vec::new();
        while trials.len() < count
            && let Some(planner) = draws.next()?
        {
            trials.push(planner.options().clone());
        }
        draws.check()?;
        Ok(trials)
    }

    /// The same one by one, for a number of trials.
    pub(super) fn draws<'a>(
        &'a self,
        pipeline: &'a ValueGuidedPipeline,
        options: &'a PlanOptions,
        count: usize,
        seed: u64,
    ) -> Draws<'a> {
        Draws {
            space: self,
            pipeline,
            options,
            noise: RngNoise::seed(seed),
            left: 50 * count,
            drawn: Vec::new(),
            refused: None,
        }
    }
}

/// Different combinations, one after another.
pub(super) struct Draws<'a> {
    space: &'a Space,
    pipeline: &'a ValueGuidedPipeline,
    options: &'a PlanOptions,
    noise: RngNoise,
    /// Draws that were there already are drawn in vain; a small space is soon exhausted.
    left: usize,
    drawn: Vec<PlanOptions>,
    refused: Option<Error>,
}

impl Draws<'_> {
    /// What plans by the next.
    pub(super) fn next(&mut self) -> Result<Option<Planner>> {
        while self.left > 0 {
            self.left -= 1;
            let trial = self.draw()?;
            if trial == *self.options || self.drawn.contains(&trial) {
                continue;
            }
            match check_plan_size(&trial).and_then(|()| Ok(self.pipeline.planner(trial.clone())?)) {
                Ok(planner) => {
                    self.drawn.push(trial);
                    return Ok(Some(planner));
                }
                Err(error) => self.refused = Some(error),
            }
        }
        Ok(None)
    }

    fn draw(&mut self) -> Result<PlanOptions> {
        const PARTS: usize = 1 << 20;
        let mut drawn = PlanningConfig::default();
        for dimension in &self.space.dimensions {
            let part = self.noise.pick_index(PARTS).map_err(pipeline_error)?;
            let value = self.noise.pick_index(dimension.values.len()).map_err(pipeline_error)?;
            if (part as f64) < dimension.chance * PARTS as f64 {
                drawn.set(&dimension.option, &dimension.values[value])?;
            }
        }
        Ok(sensible(self.pipeline, self.options, drawn.over(self.options.clone())))
    }

    /// # Errors
    /// Why one makes no plan, where none did.
    pub(super) fn check(self) -> Result<()> {
        match self.refused {
            Some(error) if self.drawn.is_empty() => Err(error),
            _ => Ok(()),
        }
    }
}

fn pipeline_error(error: diffplan_pipelines::NoiseError) -> Error {
    diffplan_pipelines::Error::from(error).into()
}

/// One of many combinations that come to the same plan.
fn sensible(pipeline: &ValueGuidedPipeline, default: &PlanOptions, mut options: PlanOptions) -> PlanOptions {
    let train = pipeline.scheduler().schedule().num_train_timesteps();
    let steps = options.num_inference_steps.unwrap_or(train);
    if options.n_guide_steps == 0 {
        // There is no gradient to scale, and candidates are ranked by what they became or not at all.
        (options.scale, options.guide_every) = (default.scale, default.guide_every);
        options.rescore = !pipeline.guides().is_empty() && options.batch_size > 1;
        if !options.rescore {
            options.batch_size = 1;
        }
    }
    if steps >= train && options.scheduler.is_none() {
        options.num_inference_steps = default.num_inference_steps.filter(|&own| own == steps);
    }
    // Few visits must begin with the noisiest timestep.
    if steps < train && options.timestep_spacing.is_none() {
        let trailing = PlanOptions {
            timestep_spacing: Some("trailing".into()),
            ..options.clone()
        };
        if pipeline.planner(trailing.clone()).is_ok() {
            options = trailing;
        }
    }
    options
}
