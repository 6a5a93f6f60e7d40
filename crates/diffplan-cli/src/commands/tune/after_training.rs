//! The tuning that a training ends with: what it recommends becomes the checkpoint's own defaults.

use super::{Job, save_table};
use crate::error::{Error, Result};
use crate::{json, output, settings};
use diffplan_data::RecordedEnv;
use diffplan_envs::{Env, ResetOptions};
use diffplan_eval::Registry;
use diffplan_eval::tune::{TuneRows, Tuned, Tuning};
use diffplan_files::{Folder, parse_json_object};
use diffplan_pipelines::ValueGuidedPipeline;
use rayon::ThreadPool;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const CONFIG: &str = "planning_config.json";

/// What a training hands on.
pub(crate) struct AfterTraining<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) env: &'a RecordedEnv,
    pub(crate) budget: Duration,
    pub(crate) pool: Arc<ThreadPool>,
    pub(crate) stop: &'a AtomicBool,
}

/// That there will be something to tune, before hours of training: the environment can be played in here, it has a goal where plans are to `goals`, and
/// there will be a `planner`.
///
/// # Errors
/// If not.
pub(crate) fn check(
    registry: &Registry,
    env: Option<&RecordedEnv>,
    (goals, planner): (bool, bool),
) -> Result<RecordedEnv> {
    let env = env.ok_or_else(|| Error::Setting {
        name: "tune",
        value: "a data set that names no environment".into(),
        expected: "the environment to play in, with --env".into(),
    })?;
    let refuse = |value: &str, expected: &str| Error::Setting {
        name: "tune",
        value: value.into(),
        expected: expected.into(),
    };
    if !planner {
        return Err(refuse(
            "a value function alone",
            "a planner to plan with: train both, or the value function of a folder that has one",
        ));
    }
    let mut made = settings::env(registry, env)?;
    if goals {
        made.reset(Some(0), &ResetOptions::default())?;
        if made.goal().is_none() {
            return Err(refuse(
                &format!("plans to goals in {}", env.id),
                "an environment that has goals, or no --tune",
            ));
        }
    }
    Ok(env.clone())
}

impl AfterTraining<'_> {
    /// Tunes the checkpoint in the folder, and puts what is recommended in its planning_config.json; tuned.csv and tuned.png lie beside it.
    pub(crate) fn run(self, registry: &Registry) -> Result<Tuned> {
        let checkpoint = Folder::at(self.folder);
        let pipeline = ValueGuidedPipeline::load(&checkpoint, &registry.parts, None)?;
        let mut tuning = Tuning::new(&self.env.id);
        tuning.budget = self.budget;
        let options = pipeline.options();
        let job = Job {
            tuning: &tuning,
            pipeline: &pipeline,
            options: &options,
            made: self.env,
            timed: self.pool,
        };
        let folder = self.folder.display();
        let tuned = job.search(registry, &mut TuneRows::in_memory(), self.stop, || {
            format!("the networks are trained; tune them with: diffplan tune --checkpoint {folder}")
        })?;
        let path = self.folder.join(CONFIG);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let mut config = parse_json_object(&bytes, &path)?;
        let recommended = parse_json_object(&json::file(&tuned.planning_config())?, &path)?;
        for (key, value) in recommended {
            // The environment is there, with what it is made with.
            if key != "env" {
                config.insert(key, value);
            }
        }
        output::write_atomically(&path, &json::file(&config)?)?;
        save_table(&self.folder.join("tuned.toml"), &tuned)?;
        Ok(tuned)
    }
}
