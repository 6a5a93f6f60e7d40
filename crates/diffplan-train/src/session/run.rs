//! [`Run`]: one network's training.

use super::board::Board;
use super::data::{Data, Fingerprint, Validation};
use super::folder::RunFolder;
use super::keys::Kind;
use super::observer::{Observer, Sample};
use super::output::{Output, Start};
use super::record::{Mark, Record, read_record};
use super::settings::{Network, Settings};
use crate::batches::{Batch, Batches};
use crate::checkpoints::{Checkpoints, Saved};
use crate::error::{Error, Result};
use crate::objective::{DiffusionLoss, TrajectoryObjective, ValueRegression};
use crate::trainer::Trainer;
use diffplan_data::Normalizer;
use diffplan_models::{UNet1dModel, count_params};
use diffplan_schedulers::{DdpmScheduler, Scheduler};
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
pub struct Summary {
    /// Which network.
    pub network: Kind,
    /// Steps taken, by all parts of the run.
    pub steps: u64,
    /// The mean over the last row of the record.
    pub loss: Option<f64>,
    /// The loss of the averaged network on held-out episodes at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Over all parts of the run.
    pub seconds: f64,
    /// Over all parts of the run.
    pub steps_per_second: f64,
    /// Numbers in the network.
    pub parameters: usize,
}

/// A network in training.
pub struct Run {
    network: Network,
    trainer: Trainer<UNet1dModel, TrajectoryObjective<UNet1dModel>>,
    batches: Batches,
    /// Of held-out episodes, always the same; none where none are held out.
    validation: Vec<Batch>,
    fingerprint: Fingerprint,
    mark: Mark,
    saved: Option<Saved>,
}

/// Batches of held-out windows at most: enough for a loss, few beside the steps between two lines of the record.
const HELD_OUT_BATCHES: usize = 4;

/// The batches on which a network is validated: with the same windows, timesteps and noise every time.
fn held_out(
    validation: &Validation,
    network: &Network,
    timesteps: usize,
    values: Option<&Normalizer>,
) -> Result<Vec<Batch>> {
    let count = validation
        .sequences
        .len()
        .div_ceil(network.batch_size)
        .min(HELD_OUT_BATCHES);
    let mut batches = Batches::new(
        validation.sequences.clone(),
        network.batch_size,
        timesteps,
        network.seed,
    )
    .accumulating(count);
    if let (Kind::Value, Some(returns)) = (network.kind, &validation.returns) {
        batches = batches.with_values(returns, values.filter(|_| network.normalize_values))?;
    }
    Ok(batches.of_step(0)?.to_vec())
}

impl Run {
    /// A network that has not been trained yet.
    ///
    /// # Errors
    /// If it cannot be trained so.
    pub fn new(settings: &Settings, network: &Network, data: &Data) -> Result<Self> {
        let untrainable = |error| Error::Untrainable {
            network: network.kind.words(),
            error: Box::new(error),
        };
        let schedule = DdpmScheduler::new(settings.scheduler.clone())?.schedule().clone();
        let timesteps = settings.scheduler.num_train_timesteps;
        let mut batches = Batches::new(data.sequences.clone(), network.batch_size, timesteps, network.seed)
            .accumulating(network.accumulate)
            .weighted(
                &data
                    .groups
                    .iter()
                    .map(|group| (group.windows.clone(), group.weight))
                    .collect::<Vec<_>>(),
            );
        let validation = match &data.validation {
            Some(validation) => held_out(validation, network, timesteps, data.normalizers.values())?,
            None => Vec::new(),
        };
        let dims = (data.action_dim(), data.transition_dim(), settings.sequences.horizon);
        let objective: Result<TrajectoryObjective<UNet1dModel>> = match network.kind {
            Kind::Planner => DiffusionLoss::new(schedule, dims, network.loss, &network.weights)
                .map(|objective| Box::new(objective.with_conditions(settings.conditions)) as _),
            Kind::Value => ValueRegression::new(schedule, dims, network.loss)
                .map(|objective| Box::new(objective.with_conditions(settings.conditions)) as _),
        };
        let objective = objective.map_err(untrainable)?;
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
            validation,
            fingerprint: data.fingerprint.clone(),
            mark: Mark::default(),
            saved: None,
        })
    }

    /// Puts `runs` where the folder says they are, and the settings in the folder. Nothing is changed before all is known to fit.
    /// The caller holds the folder's lock.
    ///
    /// # Errors
    /// If the folder holds what would be lost, or what does not fit.
    pub fn begin(
        runs: &mut [Self],
        folder: RunFolder,
        start: Start,
        settings: &Settings,
        data: &Data,
    ) -> Result<Output> {
        Output::begin(folder, start, settings, data, &mut |kind, saved| {
            let run = runs.iter_mut().find(|run| run.kind() == kind);
            run.map_or(Ok(()), |run| run.restore(saved))
        })
    }

    /// Which network.
    pub fn kind(&self) -> Kind {
        self.network.kind
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.trainer.steps()
    }

    /// Numbers in the network.
    pub fn parameters(&self) -> usize {
        count_params(self.trainer.model())
    }

    /// Goes on from a state.
    pub(super) fn restore(&mut self, saved: Saved) -> Result<()> {
        let about = self.trainer.restore(&saved)?;
        let path = saved.folder.join("state.json");
        let about: About = serde_json::from_value(about).map_err(|e| Error::folder(&path, format!("about: {e}")))?;
        if about.dataset != self.fingerprint {
            let (was, is) = (about.dataset, &self.fingerprint);
            let reason = format!("the run was started on another dataset: {was}, but this one has {is}");
            return Err(Error::folder(path, reason));
        }
        self.mark = about.record;
        self.saved = Some(saved);
        Ok(())
    }

    /// Trains to the end, or until the observer says to stop.
    ///
    /// # Errors
    /// [`Error::Stopped`] if training failed, and what there is to go on from; [`Error::Interrupted`] if it was to stop.
    pub fn advance(
        &mut self,
        settings: &Settings,
        data: &Data,
        output: &Output,
        observer: &mut dyn Observer,
    ) -> Result<Summary> {
        let kind = self.kind();
        let states = output.folder.states(kind, settings.keep)?;
        let begun = self.steps();
        let mut record = Record::new(
            &output.folder.record(kind),
            settings.log_every,
            begun,
            &self.mark,
            !self.validation.is_empty(),
        )?;
        if self.saved.is_some() {
            // A crash may have come between the state and the checkpoint.
            output.refresh(kind, self.trainer.average())?;
        }
        let rows = read_record(&output.folder.record(kind))?;
        let mut board = Board::new(&output.folder.board(kind), record.seconds(), &rows)?;
        observer.begin(kind, begun, self.network.steps);
        while self.trainer.steps() < self.network.steps {
            if observer.stopped() {
                observer.end(kind);
                let at = self.steps();
                let saved = self.save(&states, &record, output)?;
                let place = saved.folder.display();
                return Err(Error::Interrupted {
                    at: format!("at step {at} of the {}, saved {place}", kind.words()),
                });
            }
            let batches = self.batches.of_step(self.trainer.steps())?;
            let report = match self.trainer.step(batches) {
                Ok(report) => report,
                Err(error) => return Err(self.stopped(error)),
            };
            let due = record.is_due(self.trainer.steps());
            let validation = self.validate(due, observer)?;
            if let Some(row) = record.add(&report, validation)? {
                board.add(&row)?;
            }
            observer.step(kind, &report);
            if self.trainer.steps().is_multiple_of(settings.save_every) {
                self.save(&states, &record, output)?;
            }
            let over = self.trainer.steps() == self.network.steps;
            if !over && settings.sample_every > 0 && self.trainer.steps().is_multiple_of(settings.sample_every) {
                self.sample(settings, data, output, observer)?;
            }
        }
        let validation = self.validate(record.is_open(), observer)?;
        observer.end(kind);
        if self.saved.as_ref().map(|saved| saved.steps) != Some(self.steps()) {
            self.save(&states, &record, output)?;
        }
        // Of the whole run: what is left of the last interval is a row of its own.
        let (before, last) = (record.last_step(), record.finish(self.steps(), validation)?);
        if let Some(row) = last.filter(|row| Some(row.step) != before) {
            board.add(&row)?;
        }
        let seconds = record.seconds();
        if settings.sample_every > 0 {
            self.sample(settings, data, output, observer)?;
        }
        Ok(Summary {
            network: kind,
            steps: self.steps(),
            loss: last.map(|row| row.loss),
            validation_loss: last.and_then(|row| row.validation_loss),
            seconds,
            steps_per_second: self.steps() as f64 / seconds.max(1e-9),
            parameters: self.parameters(),
        })
    }

    /// The loss on what is held out, if it is asked for and anything is.
    fn validate(&mut self, due: bool, observer: &mut dyn Observer) -> Result<Option<f64>> {
        if !due || self.validation.is_empty() {
            return Ok(None);
        }
        let loss = self.trainer.validate(&self.validation)?;
        observer.validated(self.kind(), self.steps(), loss);
        Ok(Some(loss))
    }

    fn sample(&self, settings: &Settings, data: &Data, output: &Output, observer: &mut dyn Observer) -> Result<()> {
        let name = format!("{}-{:08}.png", self.kind().name(), self.steps());
        observer.sample(&Sample {
            network: &self.network,
            settings,
            data,
            average: self.trainer.average(),
            steps: self.steps(),
            path: output.folder.samples().join(name),
        })
    }

    fn save(&mut self, states: &Checkpoints, record: &Record, output: &Output) -> Result<Saved> {
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
        output.refresh(self.kind(), self.trainer.average())?;
        Ok(saved)
    }

    fn stopped(&self, error: Error) -> Error {
        let kept = match &self.saved {
            Some(saved) => format!("the last good state is {}", saved.folder.display()),
            None => "no state was saved before".into(),
        };
        match error {
            error @ Error::NotFinite { .. } => Error::Stopped {
                error: Box::new(error),
                kept,
            },
            other => other,
        }
    }
}
