//! From what was typed to what is needed: checkpoint, networks, environment, threads. All that can be wrong with a command line beyond
//! its spelling is found here.

use crate::args::{ActingArgs, CheckpointArgs, EnvArgs, FilesArgs, PLANNER, PlanningArgs, RunArgs};
use crate::error::{Error, Result};
use crate::{guides, hub, output};
use diffplan_data::RecordedEnv;
use diffplan_envs::{BoxEnv, Space, d4rl};
use diffplan_eval::evaluation::check_plan_size;
use diffplan_eval::{Controller, PolicyOptions, Registry, env_with, make_env};
use diffplan_files::Folder;
use diffplan_pipelines::doctor::{self, Dims, Finding};
use diffplan_pipelines::{Follow, GuideTerm, PlanOptions, ValueGuidedPipeline, check_variant, snapshot};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// Played with no options: below the current folder, or else built in.
const DEFAULT_CHECKPOINT: &str = "testdata/pendulum-hor32";

/// What the checkpoint in this program is called.
const BUILT_IN: &str = "built-in:pendulum-hor32";

macro_rules! built_in {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_bytes!(concat!("../pendulum-hor32/", $file)))),+]
    };
}

/// Its files.
const FILES: &[(&str, &[u8])] = built_in![
    "model_index.json",
    "normalizer.json",
    "planning_config.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "value_function/config.json",
    "value_function/diffusion_pytorch_model.safetensors",
];

/// The folder given, or the default.
pub(crate) fn checkpoint(args: &CheckpointArgs) -> Result<Folder> {
    folder(args.path.as_deref(), &args.files)
}

/// A checkpoint's folder, its subfolder if one is asked for, of the variant that is asked for.
pub(crate) fn folder(given: Option<&Path>, files: &FilesArgs) -> Result<Folder> {
    let mut folder = snapshot(&whole(given, files)?)?;
    if let Some(subfolder) = &files.subfolder {
        folder = folder.sub(subfolder.trim_end_matches('/'));
        // Said of the folder, rather than of the first file that is looked for in it.
        folder.names()?;
    }
    let folder = folder.of_variant(files.variant.as_deref());
    check_variant(&folder)?;
    Ok(folder)
}

fn whole(given: Option<&Path>, files: &FilesArgs) -> Result<Folder> {
    match given {
        Some(path) if path != Path::new(BUILT_IN) => {
            // Said of the folder, rather than of the first file that is looked for in it.
            match fs::read_dir(path) {
                Ok(_) => Ok(Folder::at(path)),
                Err(missing) if missing.kind() == ErrorKind::NotFound => hub::checkpoint(path, files, missing),
                Err(error) => Err(Error::io("read checkpoint", path)(error)),
            }
        }
        None if Path::new(DEFAULT_CHECKPOINT).is_dir() => Ok(Folder::at(DEFAULT_CHECKPOINT)),
        _ => Ok(Folder::embedded(BUILT_IN, FILES)),
    }
}

/// The pipeline of a checkpoint. What is odd about its files is said on stderr.
pub(crate) fn pipeline(registry: &Registry, checkpoint: &Folder) -> Result<ValueGuidedPipeline> {
    let pipeline = ValueGuidedPipeline::load(checkpoint, &registry.parts, None)?;
    for note in pipeline.notes() {
        output::remark(&format!("note: {note}"));
    }
    for finding in doctor::examine(&pipeline) {
        // Of a horizon it is for whoever plans with another to be told; nobody else gets as far as a plan.
        if finding.code != doctor::Code::DefaultHorizon {
            warn(&finding);
        }
    }
    Ok(pipeline)
}

/// The pipeline of a checkpoint with guides and constraints, as [`guides::recorded`] names them: those of a file first, registered ones beside them.
/// The file's dimensions are called as in the environment that was given, or else the checkpoint's.
pub(crate) fn controlled(
    registry: &Registry,
    checkpoint: &Folder,
    records: &[String],
    given: &EnvArgs,
) -> Result<ValueGuidedPipeline> {
    let mut pipeline = pipeline(registry, checkpoint)?;
    let mut registered = Vec::new();
    for record in records {
        let Some(controls) = guides::of_record(record)? else {
            registered.push(record);
            continue;
        };
        let known = pipeline.planning_config().recorded_env();
        let env = env_with(given.env.as_deref(), &given.env_kwargs, known)?.map(of_dataset);
        let context = guides::context(known_env(registry, env.as_ref()).as_ref(), &pipeline);
        pipeline = controls.apply(pipeline, &context)?;
    }
    if registered.is_empty() {
        return Ok(pipeline);
    }
    let mut all = pipeline.guides().to_vec();
    for text in registered {
        let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
        let weight: f32 = match weight.parse() {
            Ok(weight) if f32::is_finite(weight) => weight,
            _ => {
                return Err(Error::Setting {
                    name: "guide",
                    value: text.clone(),
                    expected: "a name, or a name, = and a finite weight".into(),
                });
            }
        };
        all.push(GuideTerm::new(weight, registry.guide(name)?));
    }
    Ok(pipeline.with_terms(all))
}

/// Says what the doctor found.
pub(crate) fn warn(finding: &Finding) {
    output::remark(&format!("warning: {finding}"));
}

/// Says that the checkpoint's own horizon would not work, where another is planned with.
pub(crate) fn warn_of_horizon(pipeline: &ValueGuidedPipeline, options: &PlanOptions) {
    if options.planning_horizon != pipeline.options().planning_horizon {
        doctor::horizon(pipeline).iter().for_each(warn);
    }
}

/// That a pipeline is of an environment's dimensions: all that differ in one error.
///
/// # Errors
/// If they are not.
pub(crate) fn check_dimensions(pipeline: &ValueGuidedPipeline, observations: &Space, actions: &Space) -> Result<()> {
    let (observations, actions) = (observations.as_box()?.dim(), actions.as_box()?.dim());
    let dims = Dims::of_pipeline(pipeline).with_env(observations, actions);
    match dims.disagreement() {
        Some(finding) => Err(Error::Pipeline(diffplan_pipelines::Error::Refused {
            finding: Box::new(finding),
            folder: None,
        })),
        None => Ok(()),
    }
}

/// The environment given, or the one the checkpoint was trained for, made as that one was where it is the same, and as was typed. A
/// dataset's id stands for its environment.
pub(crate) fn played_env(given: &EnvArgs, checkpoint: &Folder, pipeline: &ValueGuidedPipeline) -> Result<RecordedEnv> {
    let known = pipeline.planning_config().recorded_env();
    let env = env_with(given.env.as_deref(), &given.env_kwargs, known)?.ok_or_else(|| Error::NoEnv {
        config: checkpoint.path_of("planning_config.json"),
    })?;
    Ok(of_dataset(env))
}

/// A dataset's id stands for its environment.
fn of_dataset(env: RecordedEnv) -> RecordedEnv {
    match d4rl::env_id(&env.id) {
        Some(id) => RecordedEnv {
            id: id.to_owned(),
            ..env
        },
        None => env,
    }
}

/// The environment that another policy than a planner acts in: the one given, or the one that its controller is made for.
pub(crate) fn env_of_policy(registry: &Registry, policy: &str, given: &EnvArgs) -> Result<RecordedEnv> {
    let made_for = || {
        let controller = Controller::ALL.into_iter().find(|c| c.name() == policy);
        controller.map_or("Pendulum-v1", Controller::env).to_owned()
    };
    let id = given.env.clone().unwrap_or_else(made_for);
    // A policy that there is none of is said before an environment that there is none of.
    if !registry.policies().any(|name| name == policy) {
        registry.policy(policy, &PolicyOptions::new(&id))?;
    }
    Ok(of_dataset(
        env_with(Some(&id), &given.env_kwargs, None)?.unwrap_or_default(),
    ))
}

/// Flags that would change nothing are refused: whoever gives them expects otherwise.
pub(crate) fn check_no_planning<const ACTS: bool>(
    policy: &str,
    acting: &ActingArgs,
    planning: &PlanningArgs<ACTS>,
) -> Result<()> {
    let checkpoint = acting.checkpoint.given();
    match checkpoint.or(acting.guides.given()).or_else(|| planning.given()) {
        Some(flag) => Err(Error::FlagOfAnother {
            flag,
            policy: policy.to_owned(),
            expected: PLANNER,
        }),
        None => Ok(()),
    }
}

/// An environment, made with its arguments.
pub(crate) fn env(registry: &Registry, env: &RecordedEnv) -> Result<BoxEnv> {
    make_env(&registry.envs, env).map_err(|error| match error {
        diffplan_eval::Error::Env(error) => unknown_env(error),
        other => other.into(),
    })
}

/// An unknown environment may be somebody's own: then it is said how they bring it.
pub(crate) fn unknown_env(error: diffplan_envs::Error) -> Error {
    match error {
        error @ diffplan_envs::Error::UnknownEnv { .. } => Error::UnknownEnv { error: Box::new(error) },
        other => other.into(),
    }
}

/// An environment, where it is known and can be made: for the names of its dimensions.
pub(crate) fn known_env(registry: &Registry, env: Option<&RecordedEnv>) -> Option<BoxEnv> {
    make_env(&registry.envs, env?).ok()
}

impl<const ACTS: bool> PlanningArgs<ACTS> {
    /// `options` with what was typed in place of theirs; what of that changes nothing is said.
    ///
    /// # Errors
    /// If candidates and horizon together need more memory than makes sense.
    pub(crate) fn over(&self, options: PlanOptions) -> Result<PlanOptions> {
        let options = self.0.over(options);
        check_plan_size(&options)?;
        self.warn_of_idle(&options);
        Ok(options)
    }

    /// Says what was typed and, among all these options, changes nothing. A file of options has some that do not, by right.
    pub(crate) fn warn_of_idle(&self, options: &PlanOptions) {
        let typed = |name: &str| self.1.contains(&name);
        let unguided = options.n_guide_steps == 0;
        if typed("scale") && self.0.scale.is_some() && unguided {
            output::remark("warning: --scale changes nothing without guide steps");
        }
        let by_actions = options.follow == Follow::Actions;
        if typed("follow_dims") && self.0.follow_dims.is_some() && by_actions {
            output::remark("warning: --follow-dims changes nothing where plans are followed by their actions");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_pipelines::PlanningConfig;

    #[test]
    fn flags_win_and_sizes_have_a_limit() {
        let config = PlanningConfig {
            batch_size: Some(4),
            rescore: Some(false),
            ..PlanningConfig::default()
        };
        let args: PlanningArgs = PlanningArgs(config, vec!["batch_size", "rescore"]);
        let options = PlanOptions {
            rescore: true,
            scale: 0.5,
            ..PlanOptions::default()
        };
        let resolved = args.over(options).unwrap();
        assert_eq!((resolved.batch_size, resolved.rescore, resolved.scale), (4, false, 0.5));
        let huge = PlanOptions {
            batch_size: usize::MAX,
            ..PlanOptions::default()
        };
        assert!(<PlanningArgs>::default().over(huge).is_err());
    }

    #[test]
    fn the_checkpoint_in_the_program_plans() {
        let folder = super::folder(Some(Path::new(BUILT_IN)), &FilesArgs::default()).unwrap();
        let pipeline = pipeline(&Registry::builtin(), &folder).unwrap();
        let env = played_env(&EnvArgs::default(), &folder, &pipeline).unwrap();
        assert_eq!(env, RecordedEnv::new("Pendulum-v1"));
    }
}
