//! [`ValueGuidedPipeline`]: a checkpoint in memory, from a folder or from parts.

use crate::error::{Error, Result};
use crate::guide::{Guide, ValueNetwork};
use crate::noise::NoiseSource;
use crate::options::{PlanOptions, PlanningConfig};
use crate::plan::Plan;
use crate::planner::Planner;
use diffplan_data::Normalizers;
use diffplan_models::UNet1dModel;
use diffplan_schedulers::{DdpmScheduler, Scheduler};
use ndarray::ArrayView1;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A planner network, a guide, a scheduler and normalisers that fit together, and the options to use them with.
#[derive(Debug)]
pub struct ValueGuidedPipeline {
    pub(crate) unet: UNet1dModel,
    pub(crate) guide: Option<Box<dyn Guide>>,
    pub(crate) scheduler: Box<dyn Scheduler>,
    pub(crate) normalizers: Normalizers,
    pub(crate) action_dim: usize,
    planning_config: PlanningConfig,
}

const CLASS_NAME: &str = "ValueGuidedRLPipeline";

impl ValueGuidedPipeline {
    /// The checkpoint in `folder`: `unet/`, `value_function/` and `scheduler/` as diffusers saves them, `normalizer.json`, and
    /// `planning_config.json` where there is one. A folder without a value function, of which `model_index.json` names none
    /// either, is of a planner alone, and has no guide.
    ///
    /// # Errors
    /// If a part is missing, damaged or not supported, or the parts do not fit each other.
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        require(
            folder,
            "normalizer.json",
            "the statistics that observations and actions are normalised with",
        )?;
        let normalizers = Normalizers::from_json(folder.join("normalizer.json"))?;
        Self::from_pretrained_with(folder, normalizers)
    }

    /// [`from_pretrained`](Self::from_pretrained) with normalisers from elsewhere: a folder as diffusers leaves it has none.
    ///
    /// # Errors
    /// As there.
    pub fn from_pretrained_with(folder: impl AsRef<Path>, normalizers: Normalizers) -> Result<Self> {
        let folder = folder.as_ref();
        let metadata = fs::metadata(folder).map_err(|source| Error::Io {
            path: folder.to_owned(),
            source,
        })?;
        if !metadata.is_dir() {
            return Err(Error::Missing {
                folder: folder.to_owned(),
                what: "the folder",
                expected: "not a file",
            });
        }
        let needs_guide = names_value_function(folder)?;
        let network = |part: &'static str, what: &'static str| {
            require(folder, part, what)?;
            UNet1dModel::from_pretrained(folder.join(part)).map_err(|error| Error::Network { part, error })
        };
        let unet = network("unet", "a folder with the planner network")?;
        let guide: Option<Box<dyn Guide>> = if needs_guide || folder.join("value_function").exists() {
            let value_function = network("value_function", "a folder with the value function")?;
            Some(Box::new(ValueNetwork::new(value_function)?))
        } else {
            None
        };
        require(folder, "scheduler", "a folder with scheduler_config.json")?;
        let scheduler = DdpmScheduler::from_pretrained(folder.join("scheduler"))?;
        let pipeline = Self::assemble(unet, guide, Box::new(scheduler), normalizers)?;
        let config = folder.join("planning_config.json");
        let config = if config.exists() {
            PlanningConfig::from_json(&config)?
        } else {
            PlanningConfig::default()
        };
        Ok(pipeline.with_planning_config(config))
    }

    /// A pipeline from its parts. The number of action dimensions is that of the actions' normaliser, or else what the
    /// observations' leaves of the network's channels; where both are scalar, use
    /// [`with_action_dim`](Self::with_action_dim).
    ///
    /// # Errors
    /// If the parts do not fit each other.
    pub fn new(
        unet: UNet1dModel,
        guide: Box<dyn Guide>,
        scheduler: Box<dyn Scheduler>,
        normalizers: Normalizers,
    ) -> Result<Self> {
        Self::assemble(unet, Some(guide), scheduler, normalizers)
    }

    /// [`new`](Self::new) without a guide: plans are samples of what the planner network has learned, unguided and unranked.
    ///
    /// # Errors
    /// As there.
    pub fn without_guide(unet: UNet1dModel, scheduler: Box<dyn Scheduler>, normalizers: Normalizers) -> Result<Self> {
        Self::assemble(unet, None, scheduler, normalizers)
    }

    fn assemble(
        unet: UNet1dModel,
        guide: Option<Box<dyn Guide>>,
        scheduler: Box<dyn Scheduler>,
        normalizers: Normalizers,
    ) -> Result<Self> {
        let channels = unet.config().sample_channels();
        let (actions, observations) = (
            normalizers.actions().dimensions(),
            normalizers.observations().dimensions(),
        );
        let action_dim = match (actions, observations) {
            (Some(actions), _) => actions,
            (None, Some(observations)) => channels.saturating_sub(observations),
            // To be told by with_action_dim; until then any number that leaves something of both.
            (None, None) => 1,
        };
        let pipeline = Self {
            unet,
            guide,
            scheduler,
            normalizers,
            action_dim,
            planning_config: PlanningConfig::default(),
        };
        pipeline.check()?;
        Ok(pipeline)
    }

    /// The same pipeline with this number of action dimensions: needed where statistics are scalars, which fit any.
    ///
    /// # Errors
    /// If it contradicts the normalisers, or leaves no observation.
    pub fn with_action_dim(mut self, action_dim: usize) -> Result<Self> {
        self.action_dim = action_dim;
        self.check()?;
        Ok(self)
    }

    /// The same pipeline with other defaults.
    #[must_use]
    pub fn with_planning_config(mut self, config: PlanningConfig) -> Self {
        self.planning_config = config;
        self
    }

    /// The same pipeline with another guide.
    #[must_use]
    pub fn with_guide(mut self, guide: Box<dyn Guide>) -> Self {
        self.guide = Some(guide);
        self
    }

    fn check(&self) -> Result<()> {
        let channels = self.unet.config().sample_channels();
        let fits = |actual: Option<usize>, expected: usize, key: &str| match actual {
            Some(actual) if actual != expected => Err(Error::Parts(format!(
                "the normaliser of {key} has {actual} dimensions, expected {expected}: the planner network takes {channels} \
                 channels, action first"
            ))),
            _ => Ok(()),
        };
        if self.unet.is_value_function() {
            return Err(Error::Parts("the planner network is a value function".into()));
        }
        if self.unet.config().out_channels != channels {
            return Err(Error::Parts(format!(
                "the planner network takes {channels} channels and gives {}: expected as many",
                self.unet.config().out_channels
            )));
        }
        if self.action_dim == 0 || self.action_dim >= channels {
            return Err(Error::Parts(format!(
                "{} action dimensions in a network of {channels} channels: expected at least one action and one observation",
                self.action_dim
            )));
        }
        fits(self.normalizers.actions().dimensions(), self.action_dim, "actions")?;
        fits(
            self.normalizers.observations().dimensions(),
            self.observation_dim(),
            "observations",
        )
    }

    /// The options of a call that says nothing: the checkpoint's own, then those of the reference; without a guide, no guide
    /// steps unless the checkpoint asks for them.
    pub fn options(&self) -> PlanOptions {
        let mut defaults = PlanOptions::default();
        if self.guide.is_none() {
            defaults.n_guide_steps = 0;
        }
        self.planning_config.over(defaults)
    }

    /// What the checkpoint says of itself.
    pub fn planning_config(&self) -> &PlanningConfig {
        &self.planning_config
    }

    /// The number of action dimensions.
    pub fn action_dim(&self) -> usize {
        self.action_dim
    }

    /// The number of observation dimensions.
    pub fn observation_dim(&self) -> usize {
        self.unet.config().sample_channels() - self.action_dim
    }

    /// The planner network.
    pub fn unet(&self) -> &UNet1dModel {
        &self.unet
    }

    /// What bends the trajectories, if anything does.
    pub fn guide(&self) -> Option<&dyn Guide> {
        self.guide.as_deref()
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &dyn Scheduler {
        self.scheduler.as_ref()
    }

    /// The normalisers.
    pub fn normalizers(&self) -> &Normalizers {
        &self.normalizers
    }

    /// Options fixed and buffers in place, for plan after plan.
    ///
    /// # Errors
    /// If the options do not fit the networks or the scheduler.
    pub fn planner(&self, options: PlanOptions) -> Result<Planner<'_>> {
        Planner::new(self, options)
    }

    /// One plan. For more than one, keep a [`planner`](Self::planner).
    ///
    /// # Errors
    /// As [`planner`](Self::planner) and [`Planner::plan`].
    pub fn plan(
        &self,
        observation: ArrayView1<f32>,
        options: PlanOptions,
        noise: &mut dyn NoiseSource,
    ) -> Result<Plan> {
        self.planner(options)?.plan(observation, noise)
    }
}

fn require(folder: &Path, what: &'static str, expected: &'static str) -> Result<()> {
    match fs::metadata(folder.join(what)) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => Err(Error::Missing {
            folder: folder.to_owned(),
            what,
            expected,
        }),
        Err(source) => Err(Error::Io {
            path: folder.join(what),
            source,
        }),
    }
}

/// Checks that the `model_index.json` of a checkpoint folder, where there is one, is of this kind of pipeline; whether
/// there is one.
///
/// # Errors
/// If it cannot be read, is no JSON, or names another class.
pub fn check_model_index(folder: &Path) -> Result<bool> {
    Ok(model_index(folder)?.is_some())
}

/// Whether the `model_index.json` of a checkpoint folder, where there is one, says that there is a value function.
///
/// # Errors
/// As [`check_model_index`].
pub fn names_value_function(folder: &Path) -> Result<bool> {
    let index = model_index(folder)?.unwrap_or_default();
    // diffusers writes `[null, null]` for what the caller is to bring.
    let component = &index["value_function"];
    Ok(!component.is_null()
        && component
            .as_array()
            .is_none_or(|names| names.iter().any(|name| !name.is_null())))
}

fn model_index(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join("model_index.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })?;
    let refuse = |reason: String| {
        Err(Error::Config {
            path: path.clone(),
            reason,
        })
    };
    match serde_json::from_str::<Value>(&text) {
        Err(e) => refuse(e.to_string()),
        Ok(index) => match &index["_class_name"] {
            Value::String(name) if name == CLASS_NAME => Ok(Some(index)),
            other => refuse(format!("`_class_name` is {other}, expected {CLASS_NAME:?}")),
        },
    }
}
