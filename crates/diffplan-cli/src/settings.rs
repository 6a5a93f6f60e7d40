//! From what was typed to what is needed: checkpoint, options, threads. All that can be wrong with a command line beyond
//! its spelling is found here.

use crate::args::{PlanningArgs, RunArgs};
use crate::error::{Error, Result};
use diffplan_envs::d4rl;
use diffplan_pipelines::{PlanOptions, Precision, ValueGuidedPipeline};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// Played with no options, from the repository's root.
const DEFAULT_CHECKPOINT: &str = "testdata/pendulum-hor32";

/// Steps of all candidates together: beyond this the networks' buffers take tens of gigabytes.
pub(crate) const MAX_TRAJECTORY_STEPS: usize = 1 << 20;

/// The folder given, or that of the repository: below the current folder, or else where this program was built.
pub(crate) fn checkpoint(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(folder) = given {
        // Said of the folder, rather than of the first file that is looked for in it.
        fs::read_dir(&folder).map_err(Error::io("read checkpoint", &folder))?;
        return Ok(folder);
    }
    let tried = PathBuf::from(DEFAULT_CHECKPOINT);
    let beside_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&tried);
    [tried.clone(), beside_workspace]
        .into_iter()
        .find(|folder| folder.is_dir())
        .map(|folder| match folder.canonicalize() {
            Ok(full) if folder != tried => full,
            _ => folder,
        })
        .ok_or(Error::NoCheckpoint { tried })
}

/// The environment given, or the one the checkpoint was trained for. A dataset's id stands for its environment.
pub(crate) fn env_id(given: Option<String>, checkpoint: &Path, pipeline: &ValueGuidedPipeline) -> Result<String> {
    let id = given
        .or_else(|| pipeline.planning_config().env.clone())
        .ok_or_else(|| Error::NoEnv {
            config: checkpoint.join("planning_config.json"),
        })?;
    Ok(d4rl::env_id(&id).map_or(id, str::to_owned))
}

impl PlanningArgs {
    /// `options` with what was typed in place of theirs.
    ///
    /// # Errors
    /// If candidates and horizon together need more memory than makes sense.
    pub(crate) fn over(&self, options: PlanOptions) -> Result<PlanOptions> {
        let options = PlanOptions {
            batch_size: self.batch_size.unwrap_or(options.batch_size),
            planning_horizon: self.horizon.unwrap_or(options.planning_horizon),
            n_guide_steps: self.n_guide_steps.unwrap_or(options.n_guide_steps),
            scale: self.scale.unwrap_or(options.scale),
            guidance: self.guidance.unwrap_or(options.guidance),
            rescore: self.rescore.unwrap_or(options.rescore),
            t_stopgrad: self.t_stopgrad.unwrap_or(options.t_stopgrad),
            num_inference_steps: self.num_inference_steps.or(options.num_inference_steps),
            precision: self.precision.unwrap_or(options.precision),
        };
        let steps = options.batch_size.checked_mul(options.planning_horizon);
        if steps.is_none_or(|steps| steps > MAX_TRAJECTORY_STEPS) {
            return Err(Error::Setting {
                name: "batch_size × planning_horizon",
                value: format!("{} × {}", options.batch_size, options.planning_horizon),
                expected: format!("at most {MAX_TRAJECTORY_STEPS} steps in all"),
            });
        }
        Ok(options)
    }
}

impl RunArgs {
    /// The threads asked for, or as many as there are cores.
    pub(crate) fn pool(&self) -> Result<Arc<ThreadPool>> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or_else(cores);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::Threads {
                threads,
                reason: e.to_string(),
            })?;
        Ok(Arc::new(pool))
    }
}

/// An environment and what its dynamics are calculated by, in words.
pub(crate) fn with_simulator(env: &str, simulator: Option<&str>) -> String {
    match simulator {
        Some(simulator) => format!("{env}, {simulator}"),
        None => env.to_owned(),
    }
}

/// `options` in words.
pub(crate) fn describe(options: &PlanOptions) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![
        count(options.batch_size, "candidate"),
        format!("horizon {}", options.planning_horizon),
    ];
    if options.n_guide_steps == 0 {
        parts.push("no guidance".into());
    } else {
        let steps = count(options.n_guide_steps, "guide step");
        parts.push(format!(
            "{steps} of scale {} ({})",
            options.scale,
            options.guidance.name()
        ));
    }
    if options.rescore {
        parts.push("rescored".into());
    }
    parts.push(match options.num_inference_steps {
        Some(steps) => count(steps, "timestep"),
        None => "all timesteps".into(),
    });
    if options.precision != Precision::F32 {
        parts.push(options.precision.name().into());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_and_sizes_have_a_limit() {
        let args = PlanningArgs {
            batch_size: Some(4),
            rescore: Some(false),
            ..PlanningArgs::default()
        };
        let options = PlanOptions {
            rescore: true,
            scale: 0.5,
            ..PlanOptions::default()
        };
        let resolved = args.over(options).unwrap();
        assert_eq!((resolved.batch_size, resolved.rescore, resolved.scale), (4, false, 0.5));
        assert_eq!(
            describe(&resolved),
            "4 candidates, horizon 32, 2 guide steps of scale 0.5 (diffusers), all timesteps"
        );

        let huge = PlanOptions {
            batch_size: usize::MAX,
            ..PlanOptions::default()
        };
        assert!(matches!(PlanningArgs::default().over(huge), Err(Error::Setting { .. })));
    }
}
