//! What decides how the episodes go, and what only decides how fast.

use super::folder::Saved;
use crate::args::EvaluateArgs;
use crate::error::{Error, Result};
use crate::settings::{self, MAX_TRAJECTORY_STEPS};
use crate::table;
use diffplan_envs::d4rl;
use diffplan_pipelines::{PlanOptions, ValueGuidedPipeline};
use fnv::FnvHasher;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::hash::Hasher;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const EPISODES: usize = 150;
const PARALLEL: usize = 8;

/// As `config` of rollout's summary, and more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) checkpoint: PathBuf,
    /// What tells a checkpoint from another in the same place.
    pub(super) checkpoint_hash: String,
    pub(super) episodes: usize,
    pub(super) parallel: usize,
    #[serde(flatten)]
    pub(super) options: PlanOptions,
    /// What the environment's dynamics are calculated by, such as "MuJoCo 4.0.0"; none where they are diffplan's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) simulator: Option<String>,
    pub(super) threads: usize,
    pub(super) out: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) env: String,
    pub(super) seed: u64,
    pub(super) config: Config,
}

/// The folder of the networks: typed, as saved, or the repository's.
pub(super) fn checkpoint(args: &EvaluateArgs, saved: Option<&Saved>) -> Result<PathBuf> {
    let saved = saved.map(|saved| saved.config.checkpoint.clone());
    settings::checkpoint(args.checkpoint.clone().or(saved))
}

/// What it is called from any folder: an evaluation may be resumed from another.
fn absolute(checkpoint: PathBuf) -> PathBuf {
    std::path::absolute(&checkpoint).unwrap_or(checkpoint)
}

/// FNV-1a over all files of a checkpoint that plans depend on.
pub(super) fn hash(checkpoint: &Path) -> Result<String> {
    let mut hasher = FnvHasher::default();
    for name in [
        "model_index.json",
        "normalizer.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "value_function/config.json",
        "value_function/diffusion_pytorch_model.safetensors",
    ] {
        let path = checkpoint.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // A planner may be alone.
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io("read", &path)(e)),
        };
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

impl Settings {
    /// As typed, over what the checkpoint says.
    pub(super) fn new(args: &EvaluateArgs, checkpoint: &Path, pipeline: &ValueGuidedPipeline) -> Result<Self> {
        Ok(Self {
            env: settings::env_id(args.env.clone(), checkpoint, pipeline)?,
            seed: args.seed.unwrap_or(0),
            config: Config {
                checkpoint: absolute(checkpoint.to_owned()),
                checkpoint_hash: String::new(),
                episodes: args.episodes.unwrap_or(EPISODES),
                parallel: 1,
                options: args.planning.over(pipeline.options())?,
                simulator: None,
                threads: 1,
                out: args.out.clone(),
            },
        })
    }

    /// As typed, over what the evaluation was started with.
    ///
    /// # Errors
    /// If fewer episodes are asked for than there are.
    pub(super) fn again(args: &EvaluateArgs, saved: &Saved) -> Result<Self> {
        let again = Self {
            env: match &args.env {
                Some(id) => d4rl::env_id(id).map_or_else(|| id.clone(), str::to_owned),
                None => saved.env.clone(),
            },
            seed: args.seed.unwrap_or(saved.seed),
            config: Config {
                episodes: args.episodes.unwrap_or(saved.config.episodes),
                options: args.planning.over(saved.config.options.clone())?,
                ..saved.config.clone()
            },
        };
        again.check_same(saved, &saved.config.checkpoint_hash)?;
        let last = saved.rows.iter().map(|row| row.episode).max();
        match last.filter(|&last| last >= again.config.episodes) {
            Some(last) => Err(Error::Setting {
                name: "episodes",
                value: again.config.episodes.to_string(),
                expected: format!("at least {}: episode {last} is played already", last + 1),
            }),
            None => Ok(again),
        }
    }

    /// Checks that all which decides about an episode is what it was.
    pub(super) fn check_same(&self, saved: &Saved, checkpoint_hash: &str) -> Result<()> {
        let changed = |key: &str, typed: String, saved_as: String| match typed == saved_as {
            true => Ok(()),
            false => Err(Error::Changed {
                key: key.to_owned(),
                typed,
                saved: saved_as,
                path: saved.path.clone(),
            }),
        };
        changed("env", self.env.clone(), saved.env.clone())?;
        changed("seed", self.seed.to_string(), saved.seed.to_string())?;
        let options = |options: &PlanOptions| serde_json::to_value(options).map_err(Error::encode("planning options"));
        let (typed, before) = (options(&self.config.options)?, options(&saved.config.options)?);
        for (key, value) in typed.as_object().into_iter().flatten() {
            let text = |value: &Value| match value.as_str() {
                Some(text) => text.to_owned(),
                None if value.is_null() => "all".into(),
                None => value.to_string(),
            };
            match key.as_str() {
                // A `Value` has it in double precision, where 0.03 is 0.029999999329447746.
                "scale" => changed(
                    key,
                    self.config.options.scale.to_string(),
                    saved.config.options.scale.to_string(),
                )?,
                _ => changed(key, text(value), text(&before[key]))?,
            }
        }
        let hash = |hash: &str| format!("networks with hash {hash}");
        changed("checkpoint", hash(checkpoint_hash), hash(&saved.config.checkpoint_hash))
    }

    /// Says what the environment's dynamics are calculated by.
    ///
    /// # Errors
    /// If it is not what the episodes that are there were played with.
    pub(super) fn set_simulator(&mut self, simulator: Option<String>, saved: Option<&Saved>) -> Result<()> {
        self.config.simulator = simulator;
        let name = |simulator: &Option<String>| simulator.clone().unwrap_or_else(|| "diffplan's own".into());
        match saved {
            Some(saved) if saved.config.simulator != self.config.simulator => Err(Error::Changed {
                key: "simulator".into(),
                typed: name(&self.config.simulator),
                saved: name(&saved.config.simulator),
                path: saved.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// What belongs to this run alone: whose networks, how many threads, and how many episodes side by side.
    ///
    /// # Errors
    /// If candidates, horizon and episodes together need more memory than makes sense.
    pub(super) fn set_run(
        &mut self,
        args: &EvaluateArgs,
        checkpoint: PathBuf,
        hash: String,
        threads: usize,
        played: usize,
    ) -> Result<()> {
        let config = &mut self.config;
        (config.checkpoint, config.checkpoint_hash) = (absolute(checkpoint), hash);
        (config.threads, config.out) = (threads, args.out.clone());
        let missing = config.episodes - played;
        // At least one: a plan for one episode has been checked to be small enough.
        let most = MAX_TRAJECTORY_STEPS / (config.options.batch_size * config.options.planning_horizon);
        if let Some(parallel) = args.parallel.filter(|&parallel| parallel.min(missing) > most) {
            let options = &config.options;
            return Err(Error::Setting {
                name: "parallel × batch_size × planning_horizon",
                value: format!("{parallel} × {} × {}", options.batch_size, options.planning_horizon),
                expected: format!("at most {MAX_TRAJECTORY_STEPS} steps in all"),
            });
        }
        config.parallel = args.parallel.unwrap_or(PARALLEL.min(most)).min(missing).max(1);
        Ok(())
    }

    /// In words, of an evaluation of which `played` episodes are there.
    pub(super) fn text(&self, played: usize) -> String {
        let config = &self.config;
        let last = self.seed + (config.episodes as u64 - 1);
        let mut episodes = match config.episodes {
            1 => format!("1, seed {}", self.seed),
            n => format!("{n}, seeds {} to {last}", self.seed),
        };
        match config.episodes - played {
            0 => episodes += "; all played before",
            missing if played > 0 => episodes += &format!("; {played} played before, {missing} to go"),
            _ => {}
        }
        table::fields(&[
            ("checkpoint", config.checkpoint.display().to_string()),
            ("env", settings::with_simulator(&self.env, config.simulator.as_deref())),
            ("episodes", episodes),
            ("side by side", config.parallel.to_string()),
            ("plan", settings::describe(&config.options)),
            ("threads", config.threads.to_string()),
        ])
    }
}
