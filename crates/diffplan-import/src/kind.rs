//! [`Source`]: what a file or a folder is, told by its content, and what converting it takes.

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::hub;
use crate::jannerm::{self, ConfigFile, NetworkKind, State, run_in, states};
use crate::options::Options;
use diffplan_files::{FileError, Folder, WrongContent, parse_json, recognise};
use diffplan_pipelines::snapshot;
use diffplan_tensors::{Kind, NamedTensors, Pickle, TorchFile};
use std::path::{Path, PathBuf};

/// Whose names the tensors of a file have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The original Diffuser's.
    Jannerm(NetworkKind),
    /// diffusers' `UNet1DModel`'s.
    Diffusers,
    /// Nobody's that is known here.
    Unknown,
}

impl Dialect {
    fn of(tensors: &NamedTensors) -> Self {
        let names = || tensors.iter().map(|(name, _)| name);
        let inner: Vec<&str> = names().filter_map(|name| name.strip_prefix("model.")).collect();
        if let Some(kind) = NetworkKind::of(inner.iter().copied()) {
            return Self::Jannerm(kind);
        }
        match names().any(|name| name.ends_with("down_blocks.0.resnets.0.conv_in.conv1d.weight")) {
            true => Self::Diffusers,
            false => Self::Unknown,
        }
    }
}

/// What a file or a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A checkpoint folder: diffplan's own, or of any release of diffusers.
    Checkpoint,
    /// The folder of one network of diffusers, of this class.
    Network(String),
    /// The folder of one scheduler.
    Scheduler,
    /// A folder with `diffusion/` and `values/`: the logs of the original for one dataset.
    JannermLogs,
    /// A run folder of the original: its states, by step.
    JannermRun(Vec<u64>),
    /// A state of the original.
    JannermState(NetworkKind),
    /// A configuration that the original left beside its states, of this class.
    JannermConfig(String),
    /// Named tensors alone.
    StateDict(Dialect),
    /// A dataset.
    Dataset,
    /// A file of statistics.
    Statistics,
    /// JSON, of this class of diffusers if it names one.
    Json(Option<String>),
    /// A pickle or a file of torch that holds something else.
    Pickle(String),
    /// Anything else, in words.
    Other(String),
}

/// A file or folder, recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    kind: SourceKind,
}

impl Source {
    /// Tells what a file or folder is by its content.
    ///
    /// # Errors
    /// If it is not there or cannot be read, or is damaged.
    pub fn of(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|error| FileError::io(path, error))?;
        let kind = match metadata.is_dir() {
            true => of_folder(&Folder::at(path))?,
            false => of_file(path)?,
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn kind(&self) -> &SourceKind {
        &self.kind
    }

    /// The word for what it is, for programs.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            SourceKind::Checkpoint => "checkpoint",
            SourceKind::Network(_) => "network",
            SourceKind::Scheduler => "scheduler",
            SourceKind::JannermLogs => "jannerm_logs",
            SourceKind::JannermRun(_) => "jannerm_run",
            SourceKind::JannermState(_) => "jannerm_state",
            SourceKind::JannermConfig(_) => "jannerm_config",
            SourceKind::StateDict(_) => "state_dict",
            SourceKind::Dataset => "dataset",
            SourceKind::Statistics => "statistics",
            SourceKind::Json(_) => "json",
            SourceKind::Pickle(_) => "pickle",
            SourceKind::Other(_) => "other",
        }
    }

    /// What it is, in a sentence without a full stop.
    pub fn describe(&self) -> String {
        match &self.kind {
            SourceKind::Checkpoint => "a checkpoint folder of diffusers' layout".into(),
            SourceKind::Network(class) => format!("the folder of one network of diffusers, a {class}"),
            SourceKind::Scheduler => "the folder of a scheduler of diffusers".into(),
            SourceKind::JannermLogs => "a logs folder of jannerm/diffuser, with runs in diffusion/ or values/".into(),
            SourceKind::JannermRun(steps) => {
                let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
                format!(
                    "a run folder of jannerm/diffuser, with states of step {}",
                    steps.join(", ")
                )
            }
            SourceKind::JannermState(kind) => format!("a state of jannerm/diffuser, with a {}", kind.class()),
            SourceKind::JannermConfig(class) => format!("how a run of jannerm/diffuser configured its {class}"),
            SourceKind::StateDict(Dialect::Jannerm(kind)) => {
                format!("a state dict with a {} of jannerm/diffuser", kind.class())
            }
            SourceKind::StateDict(Dialect::Diffusers) => {
                "the weights of a UNet1DModel of diffusers, without its config.json".into()
            }
            SourceKind::StateDict(Dialect::Unknown) => "tensors under names of no network that is known here".into(),
            SourceKind::Dataset => "a dataset".into(),
            SourceKind::Statistics => "statistics of observations and actions".into(),
            SourceKind::Json(None) => "JSON".into(),
            SourceKind::Json(Some(class)) => format!("the configuration of a {class} of diffusers"),
            SourceKind::Pickle(what) => format!("a Python pickle that holds {what}"),
            SourceKind::Other(what) => what.clone(),
        }
    }

    /// More about it, a line each: of runs of the original what their files say, and what is wrong with them.
    pub fn details(&self) -> Vec<String> {
        let of = |path: &Path| {
            jannerm::details(path).unwrap_or_else(|error| vec![format!("it cannot be converted: {error}")])
        };
        match &self.kind {
            SourceKind::JannermLogs => {
                let folder = Folder::at(&self.path);
                let parts = [("diffusion", "--planner"), ("values", "--value")];
                let there = parts.into_iter().filter(|(name, _)| folder.path_of(name).is_dir());
                let runs = there.flat_map(|(name, flag)| match run_in(&folder.sub(name), flag) {
                    Ok(run) => of(&run),
                    Err(error) => vec![error.to_string()],
                });
                runs.collect()
            }
            SourceKind::JannermRun(_) | SourceKind::JannermState(_) | SourceKind::StateDict(Dialect::Jannerm(_)) => {
                of(&self.path)
            }
            SourceKind::StateDict(_) => names_of(&self.path),
            _ => Vec::new(),
        }
    }

    /// What converting it takes, or what it is good for instead, as a sentence.
    pub fn takes(&self) -> String {
        let path = self.path.display();
        let statistics = "--dataset FILE (what it was trained on) or --stats FILE";
        match &self.kind {
            SourceKind::Checkpoint => {
                format!("diffplan convert {path} DST writes it in today's form; {statistics} where it has no normalizer.json")
            }
            SourceKind::Network(_) => format!("diffplan convert {path} DST writes it in today's form"),
            SourceKind::Scheduler => "it belongs in scheduler/ of a checkpoint folder".into(),
            SourceKind::JannermLogs => format!("diffplan convert {path} DST with {statistics}"),
            SourceKind::JannermRun(_) => {
                format!("diffplan convert --planner RUN --value RUN DST with {statistics}; this folder is one of the two")
            }
            SourceKind::JannermState(kind) | SourceKind::StateDict(Dialect::Jannerm(kind)) => {
                let (flag, more) = match kind.is_value() {
                    true => ("--value", ""),
                    false => (
                        "--planner",
                        "; without the run's *_config.pkl beside it also --action-dim, --predict-epsilon, --clip-denoised, --normalizer",
                    ),
                };
                format!("diffplan convert {flag} {path} DST with {statistics}{more}")
            }
            SourceKind::JannermConfig(_) => "it belongs beside the run's states: name their folder".into(),
            SourceKind::StateDict(Dialect::Diffusers) => {
                "it belongs in a folder as diffusion_pytorch_model.bin or .safetensors, with the network's config.json beside it".into()
            }
            SourceKind::Dataset => "`diffplan data inspect` shows it; statistics come from it by `--dataset`".into(),
            SourceKind::Statistics => "it goes with `--stats`, and as normalizer.json into a checkpoint folder".into(),
            SourceKind::Json(Some(_)) => "it belongs to what lies beside it: name its folder".into(),
            _ => "there is nothing here to convert".into(),
        }
    }

    /// Converts it.
    ///
    /// # Errors
    /// If it is nothing that can be converted, and what its kind's conversion says.
    pub fn convert(&self, options: &Options) -> Result<Checkpoint> {
        match &self.kind {
            SourceKind::Checkpoint | SourceKind::Network(_) => hub::convert(&self.path, options),
            SourceKind::JannermLogs => {
                let folder = Folder::at(&self.path);
                let run = |name: &str, flag: &str| -> Result<Option<PathBuf>> {
                    folder.has(name)?.then(|| run_in(&folder.sub(name), flag)).transpose()
                };
                let (planner, value) = (run("diffusion", "--planner")?, run("values", "--value")?);
                jannerm::convert(planner.as_deref(), value.as_deref(), options)
            }
            SourceKind::JannermRun(_) => {
                let kind = {
                    let folder = Folder::at(&self.path);
                    let steps = states(&folder)?;
                    let last = steps.last().map(|(_, name)| name.as_str()).unwrap_or_default();
                    State::read(&folder, last, options.plain_weights)?.kind
                };
                self.convert_one(kind, options)
            }
            SourceKind::JannermState(kind) | SourceKind::StateDict(Dialect::Jannerm(kind)) => {
                self.convert_one(*kind, options)
            }
            _ => Err(Error::source(
                &self.path,
                format!("{}: {}", self.describe(), self.takes()),
            )),
        }
    }

    fn convert_one(&self, kind: NetworkKind, options: &Options) -> Result<Checkpoint> {
        match kind.is_value() {
            true => jannerm::convert(None, Some(&self.path), options),
            false => jannerm::convert(Some(&self.path), None, options),
        }
    }
}

fn of_folder(folder: &Folder) -> Result<SourceKind> {
    let folder = &snapshot(folder)?;
    if folder.has("unet")? || folder.has("value_function")? {
        return Ok(SourceKind::Checkpoint);
    }
    let steps = states(folder)?;
    if !steps.is_empty() {
        return Ok(SourceKind::JannermRun(
            steps.into_iter().map(|(step, _)| step).collect(),
        ));
    }
    let class_of = |name: &str| -> Result<Option<String>> {
        if !folder.has(name)? {
            return Ok(None);
        }
        let object = parse_json(&folder.read(name)?, &folder.path_of(name))?;
        Ok(Some(object["_class_name"].as_str().unwrap_or("UNet1DModel").to_owned()))
    };
    if let Some(class) = class_of("config.json")? {
        return Ok(SourceKind::Network(class));
    }
    if class_of("scheduler_config.json")?.is_some() {
        return Ok(SourceKind::Scheduler);
    }
    let is_dir = |name: &str| folder.path_of(name).is_dir();
    if is_dir("diffusion") || is_dir("values") {
        return Ok(SourceKind::JannermLogs);
    }
    if folder.has("data/main_data.hdf5")? || folder.has("main_data.hdf5")? {
        return Ok(SourceKind::Dataset);
    }
    let names = folder.names()?;
    let within = names
        .iter()
        .find(|name| is_dir(name) && matches!(of_shallow(&folder.sub(name)), Ok(true)));
    let what = match (within, names.len()) {
        (_, 0) => "an empty folder".to_owned(),
        (Some(name), _) => format!(
            "a folder with others in it; did you mean {}?",
            folder.path_of(name).display()
        ),
        (None, _) => format!("a folder of nothing that is known here: {}", names.join(", ")),
    };
    Ok(SourceKind::Other(what))
}

/// Whether a folder looks like a source, from the names in it alone.
fn of_shallow(folder: &Folder) -> Result<bool> {
    let names = folder.names()?;
    let has = |name: &str| names.iter().any(|own| own == name);
    Ok(has("unet") || has("diffusion") || has("values") || !states(folder)?.is_empty())
}

fn of_file(path: &Path) -> Result<SourceKind> {
    let bytes = std::fs::read(path).map_err(|error| FileError::io(path, error))?;
    Ok(match recognise(&bytes) {
        Some(WrongContent::Hdf5) => SourceKind::Dataset,
        Some(WrongContent::Json) => {
            let object = parse_json(&bytes, path)?;
            match object["observations"].is_object() && object["actions"].is_object() {
                true => SourceKind::Statistics,
                false => SourceKind::Json(object["_class_name"].as_str().map(str::to_owned)),
            }
        }
        Some(WrongContent::Safetensors) => SourceKind::StateDict(Dialect::of(&NamedTensors::from_bytes(bytes, path)?)),
        Some(WrongContent::Zip) if is_npz(&bytes) => SourceKind::Dataset,
        Some(WrongContent::Pickle) => match ConfigFile::from_bytes(&bytes, path) {
            Ok(config) => SourceKind::JannermConfig(config.class().unwrap_or("unnamed class").to_owned()),
            Err(_) => match TorchFile::from_bytes(bytes.clone(), path) {
                Ok(file) => of_torch(&file),
                Err(error) => match Pickle::from_bytes(&bytes, path) {
                    // PyTorch's format of old begins with a number that is larger than any other.
                    Ok(pickle) if matches!(pickle.root().kind(), Kind::BigInt(_)) => return Err(error.into()),
                    Ok(pickle) => SourceKind::Pickle(pickle.root().describe()),
                    Err(_) => return Err(error.into()),
                },
            },
        },
        Some(WrongContent::Zip) => of_torch(&TorchFile::from_bytes(bytes, path)?),
        Some(other) => SourceKind::Other(format!("{other}: {}", other.remedy())),
        None => match TorchFile::from_bytes(bytes, path) {
            Ok(file) => of_torch(&file),
            Err(_) => SourceKind::Other("a file of nothing that is known here".into()),
        },
    })
}

/// How many tensors a file has, and what the first are called.
fn names_of(path: &Path) -> Vec<String> {
    let read = std::fs::read(path)
        .ok()
        .and_then(|bytes| NamedTensors::from_bytes(bytes, path).ok());
    let Some(tensors) = read else { return Vec::new() };
    let first: Vec<String> = tensors
        .iter()
        .take(3)
        .map(|(name, tensor)| format!("{name} {:?}", tensor.shape()))
        .collect();
    vec![format!("{} tensors, the first are {}", tensors.len(), first.join(", "))]
}

/// NumPy's archives name their arrays so; torch's entries have no such ending.
fn is_npz(bytes: &[u8]) -> bool {
    let name = bytes
        .get(26..28)
        .map_or(0, |len| usize::from(u16::from_le_bytes([len[0], len[1]])));
    bytes.get(30..30 + name).is_some_and(|name| name.ends_with(b".npy"))
}

fn of_torch(file: &TorchFile) -> SourceKind {
    if let Ok(state) = State::of(file, false).or_else(|_| State::of(file, true)) {
        return match state.which {
            Some(_) => SourceKind::JannermState(state.kind),
            None => SourceKind::StateDict(Dialect::Jannerm(state.kind)),
        };
    }
    match file.state_dict(file.root()) {
        Ok(tensors) => SourceKind::StateDict(Dialect::of(&tensors)),
        Err(_) => SourceKind::Pickle(file.root().describe()),
    }
}
