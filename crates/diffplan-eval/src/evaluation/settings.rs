//! What decides how the episodes of an evaluation go, and what only decides how fast.

use super::words::{describe, describe_aim, with_simulator};
use crate::error::{Error, Result};
use crate::policy::AimText;
use crate::table;
use diffplan_data::RecordedEnv;
use diffplan_files::Folder;
use diffplan_pipelines::{PlanOptions, PlanningConfig};
use fnv::FnvHasher;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// Episodes of an evaluation of which nothing else is said.
pub(super) const EPISODES: usize = 150;
/// Episodes side by side, unless their plans are very large.
const PARALLEL: usize = 8;
/// More are a mistyped number.
pub const MAX_EPISODES: usize = 1_000_000;
/// Of all episodes' seeds the first; so there is room for those that follow.
pub const MAX_SEED: u64 = i64::MAX as u64;
/// Steps of all candidates together: beyond this the networks' buffers take tens of gigabytes.
pub const MAX_TRAJECTORY_STEPS: usize = 1 << 20;

/// What was asked for; the rest comes from an evaluation that is gone on with, the checkpoint, or the defaults.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A policy by name; "planner" is the checkpoint's.
    pub policy: Option<String>,
    /// The checkpoint's folder.
    pub checkpoint: Option<PathBuf>,
    /// The environment, or a dataset of it.
    pub env: Option<String>,
    /// Arguments of the environment, `NAME=VALUE` each.
    pub env_kwargs: Vec<String>,
    /// How many episodes.
    pub episodes: Option<usize>,
    /// How many side by side.
    pub parallel: Option<usize>,
    /// The seed of the first episode.
    pub seed: Option<u64>,
    /// The folder of results.
    pub out: Option<PathBuf>,
    /// Planning options.
    pub planning: PlanningConfig,
    /// Guides beside the checkpoint's own, as they were named.
    pub guides: Vec<String>,
    /// Where plans are to lead.
    pub aim: AimText,
}

/// As `config` of rollout's summary, and more. Keys of a planner are absent where another policy acts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "ConfigJson")]
pub struct Config {
    /// The policy, where it is no checkpoint's planner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The planner's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
    /// The variant of its weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What tells a checkpoint from another in the same place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_hash: Option<String>,
    /// How many episodes.
    pub episodes: usize,
    /// How many side by side.
    pub parallel: usize,
    /// How the planner plans.
    #[serde(flatten)]
    pub options: Option<PlanOptions>,
    /// Guides beside the checkpoint's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guides: Vec<String>,
    /// Where plans are led, where that was said.
    #[serde(skip_serializing_if = "AimText::is_empty")]
    pub aim: AimText,
    /// What the environment's dynamics are calculated by, such as "MuJoCo 4.0.0"; none where they are diffplan's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulator: Option<String>,
    /// What the environment is made with, where that is not its defaults.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub env_kwargs: Map<String, Value>,
    /// Steps after which its episodes are cut off, where that is not as it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_episode_steps: Option<usize>,
    /// Threads.
    pub threads: usize,
    /// The folder of results.
    pub out: Option<PathBuf>,
}

impl Config {
    fn set_checkpoint(&mut self, checkpoint: &Folder) {
        self.checkpoint = Some(absolute(checkpoint.path()));
        self.variant = checkpoint.variant().map(str::to_owned);
    }
}

/// A configuration as it is read: options that were not there yet when it was written have their defaults.
#[derive(Deserialize)]
struct ConfigJson {
    policy: Option<String>,
    checkpoint: Option<PathBuf>,
    variant: Option<String>,
    checkpoint_hash: Option<String>,
    episodes: usize,
    parallel: usize,
    #[serde(flatten)]
    options: PlanOptions,
    #[serde(default)]
    guides: Vec<String>,
    #[serde(default)]
    aim: AimText,
    simulator: Option<String>,
    #[serde(default)]
    env_kwargs: Map<String, Value>,
    max_episode_steps: Option<usize>,
    threads: usize,
    out: Option<PathBuf>,
}

impl From<ConfigJson> for Config {
    fn from(json: ConfigJson) -> Self {
        Self {
            options: json.policy.is_none().then_some(json.options),
            policy: json.policy,
            checkpoint: json.checkpoint,
            variant: json.variant,
            checkpoint_hash: json.checkpoint_hash,
            guides: json.guides,
            aim: json.aim,
            episodes: json.episodes,
            parallel: json.parallel,
            simulator: json.simulator,
            env_kwargs: json.env_kwargs,
            max_episode_steps: json.max_episode_steps,
            threads: json.threads,
            out: json.out,
        }
    }
}

/// An evaluation's environment, seed and configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The environment's id.
    pub env: String,
    /// Episode i is reset with `seed` + i.
    pub seed: u64,
    /// Everything else.
    pub config: Config,
}

/// What a path is called from any folder: an evaluation may be resumed from another. What lies in the program has no place.
fn absolute(path: &Path) -> PathBuf {
    if !path.try_exists().unwrap_or(true) {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// FNV-1a over all files of a checkpoint that plans depend on.
///
/// # Errors
/// If one cannot be read.
pub fn hash(checkpoint: &Folder) -> Result<String> {
    let mut hasher = FnvHasher::default();
    let mut names = ["model_index.json", "normalizer.json", "scheduler/scheduler_config.json"]
        .map(str::to_owned)
        .to_vec();
    for part in ["unet", "value_function"] {
        names.push(format!("{part}/config.json"));
        let mut files = match checkpoint.has(part)? {
            true => diffplan_models::weight_files(&checkpoint.sub(part))
                .map_err(|error| diffplan_pipelines::Error::Network { part, error })?,
            false => Vec::new(),
        };
        if files.is_empty() {
            files.push("diffusion_pytorch_model.safetensors".to_owned());
        }
        names.extend(files.iter().map(|file| format!("{part}/{file}")));
    }
    for name in names {
        // A planner may be alone.
        let bytes = match checkpoint.has(&name)? {
            true => checkpoint.read(&name)?,
            false => Vec::new().into(),
        };
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

impl Settings {
    /// Of a planner: as asked, over what the checkpoint says.
    pub fn of_planner(
        asked: &Asked,
        env: RecordedEnv,
        checkpoint: &Folder,
        hash: String,
        defaults: PlanOptions,
    ) -> Self {
        let mut settings = Self::of_policy(asked, env, String::new());
        let config = &mut settings.config;
        config.policy = None;
        config.set_checkpoint(checkpoint);
        config.checkpoint_hash = Some(hash);
        config.options = Some(asked.planning.over(defaults));
        config.guides.clone_from(&asked.guides);
        settings
    }

    /// Of any other policy.
    pub fn of_policy(asked: &Asked, env: RecordedEnv, policy: String) -> Self {
        Self {
            env: env.id,
            seed: asked.seed.unwrap_or(0),
            config: Config {
                policy: Some(policy),
                checkpoint: None,
                variant: None,
                checkpoint_hash: None,
                episodes: asked.episodes.unwrap_or(EPISODES),
                parallel: 1,
                options: None,
                guides: Vec::new(),
                aim: asked.aim.clone(),
                simulator: None,
                env_kwargs: env.kwargs,
                max_episode_steps: env.max_episode_steps,
                threads: 1,
                out: asked.out.clone(),
            },
        }
    }

    /// The environment, and what it is made with.
    pub fn made(&self) -> RecordedEnv {
        RecordedEnv {
            id: self.env.clone(),
            kwargs: self.config.env_kwargs.clone(),
            max_episode_steps: self.config.max_episode_steps,
        }
    }

    /// What belongs to this run alone: whose networks, how many threads, and how many episodes side by side, of which `played` are
    /// there.
    ///
    /// # Errors
    /// If candidates, horizon and episodes together need more memory than makes sense.
    pub fn set_run(&mut self, asked: &Asked, checkpoint: Option<&Folder>, threads: usize, played: usize) -> Result<()> {
        let config = &mut self.config;
        if let Some(checkpoint) = checkpoint {
            config.set_checkpoint(checkpoint);
        }
        (config.threads, config.out) = (threads, asked.out.clone());
        let missing = config.episodes.saturating_sub(played);
        let most = match &config.options {
            // At least one: a plan for one episode has been checked to be small enough.
            Some(options) => (MAX_TRAJECTORY_STEPS / (options.batch_size * options.planning_horizon)).max(1),
            None => MAX_EPISODES,
        };
        if let (Some(parallel), Some(options)) = (asked.parallel, &config.options)
            && parallel.min(missing) > most
        {
            return Err(Error::Setting {
                name: "parallel × batch_size × planning_horizon",
                value: format!("{parallel} × {} × {}", options.batch_size, options.planning_horizon),
                expected: format!("at most {MAX_TRAJECTORY_STEPS} steps in all"),
            });
        }
        config.parallel = asked.parallel.unwrap_or(PARALLEL.min(most)).min(missing).max(1);
        Ok(())
    }

    /// In words, of an evaluation of which `played` episodes are there.
    pub fn text(&self, played: usize) -> String {
        let config = &self.config;
        let last = self.seed + (config.episodes as u64).saturating_sub(1);
        let mut episodes = match config.episodes {
            1 => format!("1, seed {}", self.seed),
            n => format!("{n}, seeds {} to {last}", self.seed),
        };
        match config.episodes.saturating_sub(played) {
            0 => episodes += "; all played before",
            missing if played > 0 => episodes += &format!("; {played} played before, {missing} to go"),
            _ => {}
        }
        let mut fields = Vec::new();
        if let Some(checkpoint) = &config.checkpoint {
            fields.push(("checkpoint", checkpoint.display().to_string()));
        }
        if let Some(policy) = &config.policy {
            fields.push(("policy", policy.clone()));
        }
        fields.push((
            "env",
            with_simulator(&self.made().to_string(), config.simulator.as_deref()),
        ));
        fields.push(("episodes", episodes));
        fields.push(("side by side", config.parallel.to_string()));
        if let Some(options) = &config.options {
            fields.push(("plan", describe(options)));
        }
        fields.extend(describe_aim(&config.aim).map(|aim| ("goal", aim)));
        fields.push(("threads", config.threads.to_string()));
        table::fields(&fields)
    }
}

/// # Errors
/// If candidates and horizon together need more memory than makes sense for one plan.
pub fn check_plan_size(options: &PlanOptions) -> Result<()> {
    let steps = options.batch_size.checked_mul(options.planning_horizon);
    match steps.is_some_and(|steps| steps <= MAX_TRAJECTORY_STEPS) {
        true => Ok(()),
        false => Err(Error::Setting {
            name: "batch_size × planning_horizon",
            value: format!("{} × {}", options.batch_size, options.planning_horizon),
            expected: format!("at most {MAX_TRAJECTORY_STEPS} steps in all"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_written_and_read() {
        let asked = Asked {
            episodes: Some(3),
            ..Asked::default()
        };
        let options = PlanOptions {
            scale: 0.03,
            ..PlanOptions::default()
        };
        let planner = Settings::of_planner(&asked, "P".into(), &Folder::at("/c"), "h".into(), options);
        let text = serde_json::to_string(&planner.config).unwrap();
        assert!(text.contains("\"scale\":0.03") && !text.contains("policy"), "{text}");
        let again: Config = serde_json::from_str(&text).unwrap();
        assert_eq!(again.options, planner.config.options);
        let other = Settings::of_policy(&asked, "P".into(), "random".into());
        let text = serde_json::to_string(&other.config).unwrap();
        assert!(
            text.contains("\"policy\":\"random\"") && !text.contains("batch_size"),
            "{text}"
        );
        let again: Config = serde_json::from_str(&text).unwrap();
        assert_eq!((again.policy.as_deref(), again.options), (Some("random"), None));
    }

    /// As an evaluation of version 0.1.0 wrote it, before there were other policies and schedulers.
    #[test]
    fn configurations_of_earlier_versions_are_read() {
        let text = r#"{"checkpoint":"/c","checkpoint_hash":"00ff","episodes":150,"parallel":8,"batch_size":8,"planning_horizon":32,
            "n_guide_steps":2,"scale":0.03,"guidance":"diffusers","rescore":false,"t_stopgrad":2,"num_inference_steps":null,
            "precision":"f32","threads":2,"out":"runs/eval"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let options = config.options.unwrap();
        assert_eq!((options.batch_size, options.scale, options.scheduler), (8, 0.03, None));
        assert_eq!(config.checkpoint_hash.as_deref(), Some("00ff"));
    }

    #[test]
    fn a_plan_that_no_machine_has_the_memory_for_is_refused() {
        let huge = PlanOptions {
            batch_size: usize::MAX,
            ..PlanOptions::default()
        };
        assert!(matches!(check_plan_size(&huge), Err(Error::Setting { .. })));
    }
}
