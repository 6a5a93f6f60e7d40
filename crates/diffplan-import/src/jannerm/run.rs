//! [`Run`]: a run folder of the original, or a state file with what lies beside it.

use super::config::ConfigFile;
use super::network::network;
use super::schedule::{Prediction, scheduler};
use super::state::{State, choose, states};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::report::Report;
use diffplan_files::{Folder, folder_of};
use diffplan_models::UNet1dModel;
use diffplan_schedulers::{DdpmScheduler, Scheduler};
use std::path::{Path, PathBuf};

/// A run, read.
#[derive(Debug)]
pub struct Run {
    /// Its state.
    pub state: State,
    /// Its network.
    pub model: UNet1dModel,
    /// What the diffusion around the network was configured with.
    pub diffusion: Option<ConfigFile>,
    /// What it was trained on.
    pub dataset: Option<ConfigFile>,
}

impl Run {
    /// Reads a run folder, or a state file.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(path: &Path, options: &Options, report: &mut Report) -> Result<Self> {
        let (folder, name) = match path.is_dir() {
            true => {
                let folder = Folder::at(path);
                let name = choose(&folder, options.step)?;
                (folder, name)
            }
            false => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (Folder::at(folder_of(path)), name)
            }
        };
        let state = State::read(&folder, &name, options.plain_weights)?;
        report.read(format!("{}: {}", state.path.display(), state.describe()));
        let mut config = |name: &str| -> Result<Option<ConfigFile>> {
            let file = ConfigFile::of_folder(&folder, name)?;
            if let Some(file) = &file {
                let class = file.class().unwrap_or("an unnamed class");
                report.read(format!("{}: how {class} was configured", file.path().display()));
            }
            Ok(file)
        };
        let model_config = config("model_config.pkl")?;
        let diffusion = config("diffusion_config.pkl")?;
        let dataset = config("dataset_config.pkl")?;
        for other in ["trainer_config.pkl", "render_config.pkl"] {
            if folder.has(other)? {
                report.left_out(format!(
                    "{}: how it was trained and drawn, which planning does not need",
                    folder.path_of(other).display()
                ));
            }
        }
        let model = network(&state, model_config.as_ref())?;
        if let Some(shape) = &state.loss_weights {
            report.left_out(format!(
                "loss_fn.weights {shape:?} of {}: the weights of the training loss, which planning does not need",
                state.path.display()
            ));
        }
        let run = Self {
            state,
            model,
            diffusion,
            dataset,
        };
        run.check_dimensions()?;
        Ok(run)
    }

    /// Channels of a transition.
    pub fn transition_dim(&self) -> usize {
        self.model.config().in_channels
    }

    /// What the files say of dimensions must be what the tensors are.
    fn check_dimensions(&self) -> Result<()> {
        let transition = self.transition_dim();
        let Some(file) = &self.diffusion else { return Ok(()) };
        if let (Some(observations), Some(actions)) = (file.count("observation_dim")?, file.count("action_dim")?) {
            let who = format!("the tensors of {} say", self.state.path.display());
            file.agrees(
                "observation_dim + action_dim",
                Some(observations + actions),
                &transition,
                &who,
            )?;
        }
        if let Some(&[horizon, width]) = self.state.loss_weights.as_deref() {
            let who = format!("loss_fn.weights of {} say", self.state.path.display());
            file.agrees("horizon", file.count("horizon")?, &horizon, &who)?;
            if width != transition {
                let what = format!("loss_fn.weights are for {width} channels, the network has {transition}");
                return Err(Error::source(&self.state.path, what));
            }
        }
        Ok(())
    }

    /// How many dimensions of a transition are actions.
    ///
    /// # Errors
    /// If nothing says so, or an option contradicts the file.
    pub(super) fn action_dim(&self, options: &Options) -> Result<usize> {
        let own = self
            .diffusion
            .as_ref()
            .map_or(Ok(None), |file| file.count("action_dim"))?;
        let dim = self.said("action_dim", own, options.action_dim, "--action-dim N")?;
        let transition = self.transition_dim();
        if dim == 0 || dim >= transition {
            let what =
                format!("{dim} action dimensions of {transition}: expected at least one action and one observation");
            return Err(Error::source(&self.state.path, what));
        }
        Ok(dim)
    }

    /// What the network predicts.
    ///
    /// # Errors
    /// As [`Run::action_dim`].
    pub(super) fn prediction(&self, options: &Options) -> Result<Prediction> {
        let truth = |key: &str, default: bool| -> Result<Option<bool>> {
            match &self.diffusion {
                // What the class itself does where nothing is said.
                Some(file) => Ok(Some(file.truth(key)?.unwrap_or(default))),
                None => Ok(None),
            }
        };
        Ok(Prediction {
            epsilon: self.said(
                "predict_epsilon",
                truth("predict_epsilon", true)?,
                options.predict_epsilon,
                "--predict-epsilon BOOL",
            )?,
            clip: self.said(
                "clip_denoised",
                truth("clip_denoised", false)?,
                options.clip_denoised,
                "--clip-denoised BOOL",
            )?,
        })
    }

    /// What a file says, or an option where no file does.
    fn said<T: PartialEq + std::fmt::Debug + Copy>(
        &self,
        key: &str,
        file: Option<T>,
        option: Option<T>,
        flag: &str,
    ) -> Result<T> {
        match (file, option) {
            (Some(file), Some(option)) if file != option => {
                let path = self
                    .diffusion
                    .as_ref()
                    .map_or(self.state.path.as_path(), ConfigFile::path);
                Err(Error::source(
                    path,
                    format!("`{key}` is {file:?}, but {flag} was given as {option:?}: leave it out"),
                ))
            }
            (Some(value), _) | (None, Some(value)) => Ok(value),
            (None, None) => Err(Error::source(
                &self.state.path,
                format!(
                    "`{key}` stands in no tensor: put the run's diffusion_config.pkl beside it, or say it with `{flag}`"
                ),
            )),
        }
    }

    /// The horizon that it was trained with, where something says it.
    ///
    /// # Errors
    /// If the file has something else under that name.
    pub fn horizon(&self) -> Result<Option<usize>> {
        let own = self.diffusion.as_ref().map_or(Ok(None), |file| file.count("horizon"))?;
        Ok(own.or_else(|| self.state.loss_weights.as_ref()?.first().copied()))
    }

    /// Its scheduler.
    ///
    /// # Errors
    /// If the schedule's buffers are missing or wrong, or not as many as the file says.
    pub(super) fn scheduler(&self, prediction: Prediction, report: &mut Report) -> Result<DdpmScheduler> {
        let (scheduler, cosine) = scheduler(&self.state, prediction)?;
        let steps = scheduler.schedule().num_train_timesteps();
        if let Some(file) = &self.diffusion {
            let who = format!("the buffers of {} have", self.state.path.display());
            file.agrees("n_timesteps", file.count("n_timesteps")?, &steps, &who)?;
        }
        let how = match cosine {
            true => "they agree with the cosine schedule that is written",
            false => "the betas are no cosine schedule and are written as `trained_betas`, with which the rest agrees",
        };
        report.left_out(format!(
            "{} buffers of the schedule of {}: {how}",
            self.state.buffers.len(),
            self.state.path.display()
        ));
        Ok(scheduler)
    }
}

/// What a run is, for people: its network, and what its configurations say.
///
/// # Errors
/// As [`Run::open`].
pub fn details(path: &Path) -> Result<Vec<String>> {
    let mut report = Report::default();
    let open = |plain_weights, report: &mut Report| {
        let options = Options {
            plain_weights,
            ..Options::default()
        };
        Run::open(path, &options, report)
    };
    // A state may have one half alone.
    let run = open(false, &mut report).or_else(|error| open(true, &mut Report::default()).map_err(|_| error))?;
    let config = run.model.config();
    let attention = run.state.network.iter().any(|(name, _)| name.contains(".fn."));
    let mut lines = vec![format!(
        "{}: channels {:?}, transitions of {}{}",
        run.state.describe(),
        config.block_out_channels,
        run.transition_dim(),
        if attention { ", linear attention" } else { "" }
    )];
    let timesteps = run.state.buffers.get("betas").map_or(0, diffplan_tensors::Tensor::len);
    let mut facts = vec![format!("{timesteps} timesteps")];
    if let Some(horizon) = run.horizon()? {
        facts.push(format!("horizon {horizon}"));
    }
    if let Some(file) = &run.diffusion {
        for (key, what) in [("observation_dim", "observation"), ("action_dim", "action")] {
            if let Some(dims) = file.count(key)? {
                facts.push(format!("{dims} {what} dimensions"));
            }
        }
        if !run.state.kind.is_value() {
            let prediction = run.prediction(&Options::default())?;
            facts.push(format!(
                "predict_epsilon {}, clip_denoised {}",
                prediction.epsilon, prediction.clip
            ));
        }
    } else {
        facts.push("no diffusion_config.pkl beside it".into());
    }
    lines.push(facts.join(", "));
    if let Some(file) = &run.dataset {
        let env = file.text("env")?.unwrap_or("a dataset without a name");
        let normalizer = file.name("normalizer")?.unwrap_or("an unnamed normaliser");
        lines.push(format!("trained on {env}, normalised by {normalizer}"));
    }
    Ok(lines)
}

/// The run folder in `folder`: itself, or the one in it.
///
/// # Errors
/// If there is none, or several; the error names them.
pub fn run_in(folder: &Folder, flag: &str) -> Result<PathBuf> {
    if !states(folder)?.is_empty() {
        return Ok(folder.path().to_owned());
    }
    let mut runs = Vec::new();
    for name in folder.names()? {
        let path = folder.path_of(&name);
        if path.is_dir() && !states(&Folder::at(&path))?.is_empty() {
            runs.push(path);
        }
    }
    match &runs[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::source(
            folder.path(),
            "no folder with `state_N.pt` in it, expected a run of jannerm/diffuser",
        )),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            let what = format!(
                "there are {} runs in it: name one, {flag} {}",
                names.len(),
                names.join(&format!(" or {flag} "))
            );
            Err(Error::source(folder.path(), what))
        }
    }
}
