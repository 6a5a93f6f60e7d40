//! [`Watching`]: the command looks on while a run trains.

use super::progress::Progress;
use crate::error::Error;
use crate::{output, settings};
use diffplan_eval::{Names, Registry};
use diffplan_files::prepare_folder;
use diffplan_pictures::samples::{Sampled, trajectories_png, values_png};
use diffplan_schedulers::DdpmScheduler;
use diffplan_train::session::{Kind, Network, Observer, Sample};
use diffplan_train::{Conditions, StepReport};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Progress on stderr, pictures of samples, and an end at an interrupt.
pub(super) struct Watching<'a> {
    stop: Arc<AtomicBool>,
    registry: &'a Registry,
    progress: Option<Progress>,
}

impl<'a> Watching<'a> {
    pub(super) fn new(stop: Arc<AtomicBool>, registry: &'a Registry) -> Self {
        Self {
            stop,
            registry,
            progress: None,
        }
    }

    fn draw(&self, sample: &Sample) -> Result<(), Error> {
        let (settings, data) = (sample.settings, sample.data);
        let of = Sampled {
            network: sample.average,
            dataset: &*data.dataset,
            sequences: &data.sequences,
            normalizers: &data.normalizers,
            seed: sample.network.seed,
        };
        let picture = match sample.network.kind {
            Kind::Planner => {
                let env = settings::known_env(self.registry, settings.made().as_ref());
                let (observations, actions) = (data.dataset.observation_dim(), data.action_dim());
                let names = Names::of(env.as_ref(), observations, actions);
                let scheduler = Arc::new(DdpmScheduler::new(settings.scheduler.clone())?);
                let goal = settings.conditions == Conditions::Goal;
                let title = title(settings.env.as_deref(), sample.network, sample.steps);
                trajectories_png(&of, scheduler, goal, &names, title)
            }
            Kind::Value => {
                let normalizer = data.normalizers.values().filter(|_| sample.network.normalize_values);
                let title = title(None, sample.network, sample.steps);
                values_png(&of, data.returns.as_ref(), normalizer, &title)
            }
        };
        // A network whose trajectories diverge has no picture, and goes on training.
        let picture = match picture {
            Err(diffplan_pictures::Error::Pipeline(error)) => {
                let (words, steps) = (sample.network.kind.words(), sample.steps);
                output::remark(&format!("{words}: no picture after {steps} steps: {error}"));
                return Ok(());
            }
            picture => picture?,
        };
        prepare_folder(diffplan_files::folder_of(&sample.path))?;
        output::write_atomically(&sample.path, &picture)
    }
}

impl Observer for Watching<'_> {
    fn begin(&mut self, kind: Kind, from: u64, to: u64) {
        self.progress = Some(Progress::new(kind, from, to));
    }

    fn step(&mut self, _: Kind, report: &StepReport) {
        if let Some(progress) = &mut self.progress {
            progress.step(report);
        }
    }

    fn validated(&mut self, _: Kind, _: u64, loss: f64) {
        if let Some(progress) = &mut self.progress {
            progress.validated(loss);
        }
    }

    fn stopped(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn sample(&mut self, sample: &Sample) -> diffplan_train::Result<()> {
        self.draw(sample)
            .map_err(|error| diffplan_train::Error::Observer(Box::new(error)))
    }

    fn end(&mut self, _: Kind) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
    }
}

fn title(env: Option<&str>, network: &Network, steps: u64) -> String {
    let env = env.map_or(String::new(), |env| format!("{env}   ·   "));
    format!("{env}{} after {steps} steps", network.kind.words())
}
