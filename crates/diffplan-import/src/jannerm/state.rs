//! [`State`]: what a state file holds, sorted into what it is for.
//!
//! `{'step', 'model', 'ema'}`; each of the two is a state dict of the diffusion around the network: the schedule's buffers, the weights
//! of the loss, and the network under `model.`.

use super::names::NetworkKind;
use crate::error::{Error, Result};
use diffplan_files::Folder;
use diffplan_tensors::{Tensor, TorchFile};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The schedule's buffers, all of them functions of the first.
pub(super) const BUFFERS: [&str; 12] = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
];

/// The weights of the loss, (horizon, transition).
const LOSS_WEIGHTS: &str = "loss_fn.weights";

/// A state, or a state dict alone.
#[derive(Debug)]
pub struct State {
    /// The file.
    pub path: PathBuf,
    /// After how many steps it was saved, if it says so.
    pub step: Option<u64>,
    /// Which of its two networks was read; `None` of a state dict alone.
    pub which: Option<&'static str>,
    /// What kind of network it is.
    pub kind: NetworkKind,
    /// The network's parameters, without `model.`, in order.
    pub network: Vec<(String, Tensor)>,
    /// The schedule's buffers.
    pub buffers: BTreeMap<String, Tensor>,
    /// The shape of the weights of the loss, if there are such.
    pub loss_weights: Option<Vec<usize>>,
}

impl State {
    /// Reads a state of a folder.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no network of the original.
    pub fn read(folder: &Folder, name: &str, plain_weights: bool) -> Result<Self> {
        let file = TorchFile::read(folder, name)?;
        Self::of(&file, plain_weights)
    }

    /// The state that a file of torch is.
    ///
    /// # Errors
    /// As [`State::read`].
    pub fn of(file: &TorchFile, plain_weights: bool) -> Result<Self> {
        let root = file.root();
        let which = if plain_weights { "model" } else { "ema" };
        let is_state = root.get("ema").is_some() || (root.get("model").is_some() && root.get("step").is_some());
        let (dict, which) = match (is_state, root.get(which)) {
            (true, Some(dict)) => (dict, Some(which)),
            (true, None) => {
                let other = if plain_weights {
                    "without `--which model`"
                } else {
                    "with `--which model`"
                };
                let what = format!("there is no `{which}` in it: read the other half {other}");
                return Err(Error::source(file.path(), what));
            }
            (false, _) => (root, None),
        };
        let tensors = file.state_dict(dict)?;
        if let Some((name, what)) = tensors.others().first() {
            let what = format!("`{name}` is {what}, expected tensors alone");
            return Err(Error::source(file.path(), what));
        }
        let mut state = Self {
            path: file.path().to_owned(),
            step: root.get("step").and_then(|step| step.as_int()?.try_into().ok()),
            which,
            kind: NetworkKind::MainPlanner,
            network: Vec::new(),
            buffers: BTreeMap::new(),
            loss_weights: None,
        };
        let mut unknown = Vec::new();
        for (name, tensor) in tensors.into_tensors() {
            if let Some(own) = name.strip_prefix("model.") {
                state.network.push((own.to_owned(), tensor));
            } else if BUFFERS.contains(&name.as_str()) {
                state.buffers.insert(name, tensor);
            } else if name == LOSS_WEIGHTS {
                state.loss_weights = Some(tensor.shape().to_vec());
            } else {
                unknown.push(name);
            }
        }
        let Some(kind) = NetworkKind::of(state.network.iter().map(|(name, _)| name.as_str())) else {
            return Err(Error::source(
                &state.path,
                "no network of jannerm/diffuser: expected parameters `model.downs.0.0.blocks.…` (a planner) or \
                 `model.blocks.0.0.blocks.…` (a value function)",
            ));
        };
        if !unknown.is_empty() {
            return Err(Error::Tensors {
                path: state.path,
                problems: vec![format!(
                    "{} of its tensors belong neither to the network nor to the schedule, `{}` the first",
                    unknown.len(),
                    unknown[0]
                )],
            });
        }
        state.kind = kind;
        Ok(state)
    }

    /// What was read of it, in a few words.
    pub(super) fn describe(&self) -> String {
        let half = match self.which {
            Some("ema") => ", the average (`ema`)",
            Some(_) => ", the plain weights (`model`)",
            None => ", a state dict alone",
        };
        let step = self.step.map_or(String::new(), |step| format!(" of step {step}"));
        let numbers: usize = self.network.iter().map(|(_, tensor)| tensor.len()).sum();
        format!(
            "a {} of jannerm/diffuser{step}{half}: {} tensors, {numbers} numbers",
            self.kind.class(),
            self.network.len()
        )
    }
}

/// The states of a folder, by step, rising.
///
/// # Errors
/// If the folder cannot be read.
pub fn states(folder: &Folder) -> Result<Vec<(u64, String)>> {
    let mut states: Vec<(u64, String)> = folder
        .names()?
        .into_iter()
        .filter_map(|name| {
            let step = name.strip_prefix("state_")?.strip_suffix(".pt")?.parse().ok()?;
            Some((step, name))
        })
        .collect();
    states.sort();
    Ok(states)
}

/// The state of a folder that is asked for: of this step, or the last.
///
/// # Errors
/// If there is none, or none of that step; the error names those that are there.
pub(super) fn choose(folder: &Folder, step: Option<u64>) -> Result<String> {
    let states = states(folder)?;
    let found = match step {
        None => states.last(),
        Some(step) => states.iter().find(|(own, _)| *own == step),
    };
    match (found, step) {
        (Some((_, name)), _) => Ok(name.clone()),
        (None, Some(step)) if !states.is_empty() => {
            let there: Vec<String> = states.iter().map(|(step, _)| step.to_string()).collect();
            let what = format!("no state of step {step}: there are {}", there.join(", "));
            Err(Error::source(folder.path(), what))
        }
        (None, _) => Err(Error::source(
            folder.path(),
            "no `state_N.pt` in it, expected a run folder of jannerm/diffuser",
        )),
    }
}
