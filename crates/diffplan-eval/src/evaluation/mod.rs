//! Evaluations: many episodes side by side, a row on disk for each as soon as it is over, gone on with after a crash, and summed up.
//!
//! [`Evaluation`] is all of that in one call, for any policy in any environment. Its parts: what decides about episodes ([`Settings`]),
//! the folder ([`Output`], [`Saved`]), the episodes that are missing ([`play_missing`]), what came out ([`Report`]), and two of them
//! compared ([`Comparison`]).

mod again;
mod compare;
mod folder;
mod report;
mod row;
mod saved;
mod settings;
mod words;

pub use compare::Comparison;
pub(crate) use compare::interval;
pub use folder::Output;
pub use report::{Latency, Report, Success, known_returns, references};
pub use row::{Columns, End, HEADER, Row};
pub use saved::Saved;
pub use settings::{Asked, Config, MAX_EPISODES, MAX_SEED, MAX_TRAJECTORY_STEPS, Settings, check_plan_size, hash};
pub use words::{describe, describe_aim, with_simulator};

use crate::episodes::{EvaluationEvent, evaluate};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::start::Start;
use diffplan_envs::{AutoresetMode, BoxEnv, Env, ResetOptions, VecEnv};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Where an evaluation is, for who watches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Running episodes took a step, and for so many of them a plan was made.
    Stepped(usize),
    /// An episode is over, and its row on disk.
    Finished(&'a Row),
}

/// What became of the episodes that were missing.
#[derive(Debug)]
pub struct Played {
    /// The time of the calls.
    pub latency: Option<Latency>,
    /// Whether whoever watches ended it before all were played.
    pub ended: bool,
}

/// Plays the episodes that have no row yet, each reset with its seed and these options, and adds theirs in the order in which they end; at
/// the end they are in order.
///
/// # Errors
/// As [`evaluate`], and what the folder says; rows that were added stay.
pub fn play_missing<E>(
    (settings, reset): (&Settings, &ResetOptions),
    policy: &mut dyn Policy,
    envs: &mut VecEnv<E>,
    rows: &mut Vec<Row>,
    mut output: Option<&mut Output>,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Played>
where
    E: Env<Observation = ndarray::Array1<f64>, Action = ndarray::Array1<f32>>,
{
    let mut there = vec![false; settings.config.episodes];
    for row in rows.iter() {
        if let Some(there) = there.get_mut(row.episode) {
            *there = true;
        }
    }
    let missing = Start::seeded(settings.seed)
        .take(settings.config.episodes)
        .filter(|start| !there[start.index])
        .map(|start| start.with_reset(reset.clone()));
    let (begun, seconds_before) = (
        Instant::now(),
        rows.iter().map(|row| row.elapsed_seconds).fold(0.0, f64::max),
    );
    let references = report::references(&settings.env, settings.config.max_episode_steps);
    let (mut calls, mut failed) = (Vec::new(), None);
    let mut heed = |event: EvaluationEvent| match event {
        EvaluationEvent::Stepped { planned, plan_time, .. } => {
            calls.extend((planned > 0).then_some(plan_time.as_secs_f64() * 1e3));
            watch(Progress::Stepped(planned))
        }
        EvaluationEvent::Finished(result) => {
            let elapsed = seconds_before + begun.elapsed().as_secs_f64();
            let row = Row::new(result, references, elapsed);
            let added = output.as_mut().map_or(Ok(()), |output| output.add(&row));
            rows.push(row);
            if let Err(error) = added {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            rows.last()
                .map_or(ControlFlow::Continue(()), |row| watch(Progress::Finished(row)))
        }
    };
    let played = evaluate(policy, envs, missing, &mut heed);
    rows.sort_by_key(|row| row.episode);
    if let Some(error) = failed {
        return Err(error);
    }
    played?;
    Ok(Played {
        latency: Latency::of(&calls, settings.config.parallel),
        ended: rows.len() < settings.config.episodes,
    })
}

/// An evaluation of any policy in any environment, in one call.
///
/// ```
/// use diffplan_eval::{ControllerPolicy, Evaluation};
///
/// let folder = tempfile::tempdir()?;
/// let evaluation = Evaluation::new("Pendulum-v1").episodes(4).seed(1000).out(folder.path()).resume();
/// let mut policy = ControllerPolicy::random();
/// let report = evaluation.run(&mut policy, || diffplan_envs::make("Pendulum-v1"))?;
/// assert_eq!(report.rows().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    asked: Asked,
    env: String,
    resume: bool,
}

impl Evaluation {
    /// Of the environment that `env` stands for in reports and files.
    pub fn new(env: impl Into<String>) -> Self {
        Self {
            asked: Asked::default(),
            env: env.into(),
            resume: false,
        }
    }

    /// So many episodes; 150 otherwise.
    #[must_use]
    pub fn episodes(mut self, count: usize) -> Self {
        self.asked.episodes = Some(count);
        self
    }

    /// So many side by side; 8 otherwise. Results are the same for any number.
    #[must_use]
    pub fn parallel(mut self, count: usize) -> Self {
        self.asked.parallel = Some(count);
        self
    }

    /// Episode i is reset with `seed` + i; 0 otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.asked.seed = Some(seed);
        self
    }

    /// Keeps `episodes.csv` and `evaluation.json` in this folder.
    #[must_use]
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.asked.out = Some(folder.into());
        self
    }

    /// Goes on with the evaluation in the folder, if there is one.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Plays what is missing.
    ///
    /// # Errors
    /// If the policy does not fit the environment, the folder holds another evaluation, or an episode fails; rows that were written
    /// stay, and can be gone on from.
    pub fn run(&self, policy: &mut dyn Policy, make: impl Fn() -> diffplan_envs::Result<BoxEnv>) -> Result<Report> {
        let go_on = &mut |_: Progress| ControlFlow::Continue(());
        self.run_watched(policy, make, go_on)
    }

    /// As [`run`](Self::run), shown to `watch`, which may end it.
    ///
    /// # Errors
    /// As there; [`Error::Stopped`] if it was ended before all episodes were played.
    pub fn run_watched(
        &self,
        policy: &mut dyn Policy,
        make: impl Fn() -> diffplan_envs::Result<BoxEnv>,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Report> {
        let mut output = self.asked.out.clone().map(Output::open).transpose()?;
        let before = match &output {
            Some(output) => output.before(self.resume)?,
            None => None,
        };
        let mut asked = self.asked.clone();
        asked.policy = Some(policy.name());
        asked.env = Some(self.env.clone());
        let mut settings = match &before {
            Some(saved) => Settings::again(&asked, saved)?,
            None => Settings::of_policy(&asked, self.env.as_str().into(), policy.name()),
        };
        let played = before.as_ref().map_or(0, |saved| saved.rows.len());
        settings.set_run(&asked, None, 1, played)?;
        let envs = (0..settings.config.parallel)
            .map(|_| make())
            .collect::<diffplan_envs::Result<Vec<_>>>()?;
        let mut envs = VecEnv::new(envs)?.with_autoreset(AutoresetMode::Disabled);
        settings.set_simulator(envs.envs().first().and_then(BoxEnv::simulator), before.as_ref())?;
        policy.check_spaces(envs.single_observation_space(), envs.single_action_space())?;
        let mut rows = before.map_or_else(Vec::new, |saved| saved.rows);
        if let Some(output) = &mut output {
            output.begin(&settings, &rows)?;
        }
        let kept = |rows: usize| match &self.asked.out {
            Some(folder) => format!(
                "{rows} of {} episodes are in {}",
                settings.config.episodes,
                folder.display()
            ),
            None => "nothing is kept without a folder".into(),
        };
        let played = play_missing(
            (&settings, &ResetOptions::default()),
            policy,
            &mut envs,
            &mut rows,
            output.as_mut(),
            watch,
        );
        let played = played.map_err(|error| Error::Stopped {
            error: Box::new(error),
            kept: kept(rows.len()),
        })?;
        if played.ended {
            return Err(Error::Stopped {
                error: Box::new(Error::Parts("ended before all episodes were played".into())),
                kept: kept(rows.len()),
            });
        }
        let report = Report::of(settings, rows, played.latency).with_violations(policy.violations());
        if let Some(output) = &output {
            output.finish(&report)?;
        }
        Ok(report)
    }
}
