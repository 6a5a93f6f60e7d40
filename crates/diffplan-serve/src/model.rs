//! [`Model`]: what is served.

use crate::error::Result;
use crate::options;
use crate::problem::Problem;
use crate::settings::Settings;
use diffplan_data::RecordedEnv;
use diffplan_envs::{BoxEnv, Env, Goal, ResetOptions, Walls};
use diffplan_eval::{Aim, Names, PlannerPolicy, Policy, Registry, make_env};
use diffplan_pictures::Stage;
use diffplan_pipelines::doctor::Dims;
use diffplan_pipelines::{PlanOptions, TrainedConditions, ValueGuidedPipeline};
use ndarray::Array1;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is served: a pipeline, the options of a plan for which a request says none, and the environment that episodes are played in.
#[derive(Debug)]
pub struct Model {
    pub(crate) pipeline: ValueGuidedPipeline,
    pub(crate) options: PlanOptions,
    pub(crate) world: Option<World>,
    checkpoint: String,
    names: Names,
    schedulers: Vec<String>,
}

/// The environment, and what does not change of it.
pub(crate) struct World {
    envs: diffplan_envs::Registry,
    recorded: RecordedEnv,
    /// Dimensions that its goals are of, where it has any.
    goal_dims: Option<Vec<usize>>,
    pub(crate) walls: Option<Walls>,
    /// Seconds of a step.
    pub(crate) dt: f64,
    /// Whether it draws itself.
    draws: bool,
    /// One that is asked, and not played.
    template: Mutex<BoxEnv>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

impl World {
    fn new(registry: &Registry, recorded: RecordedEnv) -> diffplan_eval::Result<Self> {
        let mut env = make_env(&registry.envs, &recorded)?;
        env.reset(Some(0), &ResetOptions::default())?;
        let walls = env.walls();
        let draws = walls.is_none() && Stage::new(make_env(&registry.envs, &recorded)?, &recorded.id).is_ok();
        Ok(Self {
            goal_dims: env.goal().map(|goal| goal.dims),
            walls,
            dt: env.dt().filter(|dt| *dt > 0.0).unwrap_or(1.0 / 30.0),
            draws,
            envs: registry.envs.clone(),
            recorded,
            template: Mutex::new(env),
        })
    }

    /// One to be asked, not to be played.
    pub(crate) fn template(&self) -> MutexGuard<'_, BoxEnv> {
        self.template.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one like it.
    pub(crate) fn make(&self) -> diffplan_eval::Result<BoxEnv> {
        make_env(&self.envs, &self.recorded)
    }

    /// One that is only drawn.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.draws
            .then(|| Stage::new(self.make().ok()?, &self.recorded.id).ok())
            .flatten()
    }

    /// The walls for a page to draw, in the environment's units.
    pub(crate) fn plane(&self) -> Option<Value> {
        let walls = self.walls.as_ref()?;
        let [x0, y0, x1, y1] = walls.extent();
        Some(json!({"extent": [x0, x1, y0, y1], "walls": walls.boxes, "radius": walls.radius}))
    }
}

impl Model {
    /// Of a checkpoint called so, with the options in force where nothing else is asked for, and an environment to play in, if any.
    ///
    /// # Errors
    /// If no plan can be made with the options; if the environment cannot be made, or is not one that the pipeline plans for.
    pub fn new(
        checkpoint: impl Into<String>,
        pipeline: ValueGuidedPipeline,
        options: PlanOptions,
        registry: &Registry,
        env: Option<RecordedEnv>,
    ) -> Result<Self> {
        pipeline.planner(options.clone())?;
        let world = env.map(|env| World::new(registry, env)).transpose()?;
        let mut names = Names::of(None, pipeline.observation_dim(), pipeline.action_dim());
        if let Some(world) = &world {
            let env = world.template();
            let dims = |space: &diffplan_envs::Space| space.as_box().map(|space| space.dim());
            let (observations, actions) = (
                dims(env.observation_space()).map_err(diffplan_eval::Error::from)?,
                dims(env.action_space()).map_err(diffplan_eval::Error::from)?,
            );
            if let Some(finding) = Dims::of_pipeline(&pipeline)
                .with_env(observations, actions)
                .disagreement()
            {
                let finding = Box::new(finding);
                return Err(diffplan_pipelines::Error::Refused { finding, folder: None }.into());
            }
            names = Names::of(Some(&env), observations, actions);
        }
        Ok(Self {
            names,
            schedulers: registry.parts.schedulers.names().map(str::to_owned).collect(),
            checkpoint: checkpoint.into(),
            pipeline,
            options,
            world,
        })
    }

    /// Whether episodes can be played.
    pub fn plays(&self) -> bool {
        self.world.is_some()
    }

    /// Whether its plans lead to a goal that they are told.
    pub(crate) fn is_led(&self) -> bool {
        self.pipeline.planning_config().conditions == Some(TrainedConditions::Goal)
    }

    fn goal_dims(&self) -> Option<&[usize]> {
        self.world.as_ref()?.goal_dims.as_deref()
    }

    /// Whether the environment has goals of its own.
    pub(crate) fn has_own_goals(&self) -> bool {
        self.goal_dims().is_some()
    }

    /// The goal of these numbers: of the dimensions that the environment's goals are of, or the first ones of the observation.
    pub(crate) fn goal(&self, numbers: &[f64]) -> std::result::Result<Goal, Problem> {
        let bad = |message: String| Problem::bad("goal", message);
        if !self.has_own_goals() && !self.is_led() {
            return Err(bad("neither the environment nor the checkpoint has goals".into()));
        }
        let most = self.pipeline.observation_dim();
        let dims = match self.goal_dims() {
            Some(dims) if dims.len() == numbers.len() => dims.to_vec(),
            Some(dims) => return Err(bad(format!("{} numbers, expected {}", numbers.len(), dims.len()))),
            None if (1..=most).contains(&numbers.len()) => (0..numbers.len()).collect(),
            None => return Err(bad(format!("{} numbers, expected 1 to {most}", numbers.len()))),
        };
        if let Some(number) = numbers.iter().find(|number| !(**number as f32).is_finite()) {
            return Err(bad(format!("{number}, expected finite numbers")));
        }
        let walls = self.world.as_ref().and_then(|world| world.walls.as_ref());
        if let Some(walls) = walls
            && let Some([x, y]) = walls.position(&dims, numbers).filter(|&place| walls.blocks(place))
        {
            return Err(bad(format!(
                "{x}, {y} is in a wall or outside the maze, expected a place between the walls"
            )));
        }
        Ok(Goal {
            dims,
            values: Array1::from(numbers.to_vec()),
            tolerance: None,
        })
    }

    /// The whole observation at a goal.
    pub(crate) fn end(&self, goal: &Goal) -> Option<Array1<f32>> {
        Aim::default().end(Some(goal), self.pipeline.observation_dim())
    }

    /// Who plays by plans of these options, checked to be able to in this environment.
    pub(crate) fn policy(
        &self,
        options: PlanOptions,
        goal: Option<&Goal>,
        pool: &Arc<rayon::ThreadPool>,
        env: &BoxEnv,
    ) -> std::result::Result<PlannerPolicy, Problem> {
        let planner = self.pipeline.planner(options)?.in_pool(pool.clone());
        // The environment tells its own; one of the checkpoint's alone is the policy's.
        let aim = Aim {
            goal: goal.filter(|_| !self.has_own_goals()).cloned(),
            ..Aim::default()
        };
        let mut policy = PlannerPolicy::led(planner, aim, env)?;
        policy.check_spaces(env.observation_space(), env.action_space())?;
        Ok(policy)
    }

    /// What `/v1/model` says.
    pub(crate) fn describe(&self, settings: &Settings) -> Value {
        let horizon = self.options.planning_horizon;
        let timesteps = self.pipeline.scheduler().schedule().num_train_timesteps();
        let plane = self.world.as_ref().and_then(World::plane);
        json!({
            "checkpoint": self.checkpoint,
            "environment": self.world.as_ref().map(|world| world.recorded.id.clone()),
            "observation_dim": self.pipeline.observation_dim(),
            "action_dim": self.pipeline.action_dim(),
            "horizon": horizon,
            "num_train_timesteps": timesteps,
            "has_values": !self.pipeline.guides().is_empty(),
            "dimensions": {"observation": self.names.observations, "action": self.names.actions},
            "options": options::describe(&self.options, settings, timesteps),
            "schedulers": self.schedulers,
            "goal": self.has_own_goals() || self.is_led(),
            "plane": plane,
            "dt": self.world.as_ref().map(|world| world.dt),
            "limits": {
                "batch_size": settings.size / horizon.max(1),
                "size": settings.size,
                "observations": settings.observations,
                "n_guide_steps": settings.guide_steps,
                "steps": settings.steps,
                "body_bytes": settings.body,
                "episodes": settings.episodes,
                "queue": settings.queue,
                "requests_per_second": settings.rate,
                "timeout_ms": settings.timeout.as_millis() as u64,
            },
        })
    }
}
