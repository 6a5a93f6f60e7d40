//! One network's training.

use super::board::Board;
use super::data::{Data, Fingerprint};
use super::folder::{Checkpoint, Folder};
use super::progress::Progress;
use super::record::{self, Mark, Record};
use super::samples;
use super::settings::{Kind, Network, Settings};
use crate::error::{Error, Result};
use diffplan_models::{UNet1dModel, count_params};
use diffplan_schedulers::DdpmScheduler;
use diffplan_train::{Batches, Checkpoints, Objective, Saved, Trainer};
use serde::{Deserialize, Serialize};

/// What a state says beside the network's own: of which dataset it is, and where the record stood.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    dataset: Fingerprint,
    record: Mark,
}

/// What a training came to.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) network: Kind,
    pub(super) steps: u64,
    /// The mean over the last row of the record.
    pub(super) loss: Option<f64>,
    /// Over all parts of the run.
    pub(super) seconds: f64,
    pub(super) steps_per_second: f64,
    pub(super) parameters: usize,
}

/// A network in training.
pub(super) struct Run {
    network: Network,
    trainer: Trainer,
    batches: Batches,
    fingerprint: Fingerprint,
    mark: Mark,
    saved: Option<Saved>,
}

impl Run {
    pub(super) fn new(settings: &Settings, network: &Network, data: &Data) -> Result<Self> {
        let untrainable = |error| Error::Untrainable {
            network: network.kind.words(),
            error,
        };
        let scheduler = DdpmScheduler::new(settings.scheduler.clone())?;
        let timesteps = settings.scheduler.num_train_timesteps;
        let mut batches = Batches::new(data.sequences.clone(), network.batch_size, timesteps, network.seed)
            .accumulating(network.accumulate);
        let dims = (data.action_dim(), data.transition_dim(), settings.sequences.horizon);
        let objective = match network.kind {
            Kind::Planner => Objective::planner(scheduler, dims, network.loss, &network.weights),
            Kind::Value => Objective::value(scheduler, dims, network.loss),
        };
        let objective = objective.map_err(untrainable)?.with_conditions(settings.conditions);
        if let (Kind::Value, Some(returns)) = (network.kind, &data.returns) {
            let normalizer = data.normalizers.values().filter(|_| network.normalize_values);
            batches = batches.with_values(returns, normalizer)?;
        }
        let config = network.config(data.transition_dim());
        let mut model = UNet1dModel::new(config).map_err(|error| untrainable(error.into()))?;
        model.init(&mut batches.init_rng());
        Ok(Self {
            network: network.clone(),
            trainer: Trainer::new(model, objective, network.options.clone()).map_err(untrainable)?,
            batches,
            fingerprint: data.fingerprint.clone(),
            mark: Mark::default(),
            saved: None,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.network.kind
    }

    pub(super) fn steps(&self) -> u64 {
        self.trainer.steps()
    }

    pub(super) fn parameters(&self) -> usize {
        count_params(self.trainer.model())
    }

    /// Goes on from a state.
    pub(super) fn restore(&mut self, saved: Saved) -> Result<()> {
        let about = self.trainer.restore(&saved)?;
        let path = saved.folder.join("state.json");
        let about: About = serde_json::from_value(about).map_err(|e| Error::Folder {
            path: path.clone(),
            reason: format!("about: {e}"),
        })?;
        if about.dataset != self.fingerprint {
            let (was, is) = (about.dataset, &self.fingerprint);
            let reason = format!("the run was started on another dataset: {was}, but this one has {is}");
            return Err(Error::Folder { path, reason });
        }
        self.mark = about.record;
        self.saved = Some(saved);
        Ok(())
    }

    /// Trains to the end, or until `asked` says to stop.
    pub(super) fn advance(
        &mut self,
        settings: &Settings,
        data: &Data,
        folder: &Folder,
        checkpoint: &Checkpoint,
        asked: &dyn Fn() -> bool,
    ) -> Result<Summary> {
        let kind = self.kind();
        let states = folder.states(kind, settings.keep)?;
        let begun = self.steps();
        let mut record = Record::new(&folder.record(kind), settings.log_every, begun, &self.mark)?;
        if self.saved.is_some() {
            // A crash may have come between the state and the checkpoint.
            checkpoint.refresh(folder, kind, &self.trainer)?;
        }
        let rows = record::read(&folder.record(kind))?;
        let mut board = Board::new(&folder.board(kind), record.seconds(), &rows)?;
        let mut progress = Progress::new(kind, begun, self.network.steps);
        while self.trainer.steps() < self.network.steps {
            if asked() {
                progress.end();
                let at = self.steps();
                let saved = self.save(&states, &record, folder, checkpoint)?;
                let place = saved.folder.display();
                return Err(Error::Interrupted {
                    at: format!("at step {at} of the {}, saved {place}", kind.words()),
                });
            }
            let batches = self.batches.of_step(self.trainer.steps());
            let report = match self.trainer.step(batches) {
                Ok(report) => report,
                Err(error) => return Err(self.stopped(error)),
            };
            if let Some(row) = record.add(&report)? {
                board.add(&row)?;
            }
            progress.step(&report);
            if self.trainer.steps().is_multiple_of(settings.save_every) {
                self.save(&states, &record, folder, checkpoint)?;
            }
            let over = self.trainer.steps() == self.network.steps;
            if !over && settings.sample_every > 0 && self.trainer.steps().is_multiple_of(settings.sample_every) {
                self.draw_samples(settings, data, folder)?;
            }
        }
        progress.end();
        if self.saved.as_ref().map(|saved| saved.steps) != Some(self.steps()) {
            self.save(&states, &record, folder, checkpoint)?;
        }
        // Of the whole run: what is left of the last interval is a row of its own.
        let (before, last) = (record.last_step(), record.finish(self.steps())?);
        if let Some(row) = last.filter(|row| Some(row.step) != before) {
            board.add(&row)?;
        }
        let seconds = record.seconds();
        if settings.sample_every > 0 {
            self.draw_samples(settings, data, folder)?;
        }
        Ok(Summary {
            network: kind,
            steps: self.steps(),
            loss: last.map(|row| row.loss),
            seconds,
            steps_per_second: self.steps() as f64 / seconds.max(1e-9),
            parameters: self.parameters(),
        })
    }

    fn draw_samples(&self, settings: &Settings, data: &Data, folder: &Folder) -> Result<()> {
        let average = self.trainer.average();
        samples::draw(folder, settings, &self.network, data, average, self.steps())
    }

    fn save(
        &mut self,
        states: &Checkpoints,
        record: &Record,
        folder: &Folder,
        checkpoint: &Checkpoint,
    ) -> Result<Saved> {
        let about = About {
            dataset: self.fingerprint.clone(),
            record: record.mark()?,
        };
        let about = serde_json::to_value(about).map_err(Error::encode("state.json"))?;
        let saved = match states.save(&self.trainer, &about) {
            Ok(saved) => saved,
            Err(error) => return Err(self.stopped(error)),
        };
        self.saved = Some(saved.clone());
        checkpoint.refresh(folder, self.kind(), &self.trainer)?;
        Ok(saved)
    }

    fn stopped(&self, error: diffplan_train::Error) -> Error {
        let kept = match &self.saved {
            Some(saved) => format!("the last good state is {}", saved.folder.display()),
            None => "no state was saved before".into(),
        };
        match error {
            error @ diffplan_train::Error::NotFinite { .. } => Error::Stopped { error, kept },
            other => other.into(),
        }
    }
}
