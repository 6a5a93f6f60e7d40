//! The network of a state as a `UNet1DModel`: its configuration from the shapes of its tensors, its parameters by the name tables.

use super::config::ConfigFile;
use super::names::NetworkKind;
use super::state::State;
use crate::error::{Error, Result};
use diffplan_models::{UNet1dConfig, UNet1dModel, named_params, named_params_mut};
use diffplan_tensors::Tensor;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The network of a state.
///
/// # Errors
/// If a tensor is missing, unexpected, of another shape or type or not finite (all of them are named, as the file calls them), or the
/// network is one that cannot be evaluated.
pub(super) fn network(state: &State, model_config: Option<&ConfigFile>) -> Result<UNet1dModel> {
    let tensors: BTreeMap<&str, &Tensor> = state
        .network
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let object = Shapes { state, tensors }.config(model_config)?;
    let none = |error| {
        let what = format!("there is no form for this {} here: {error}", state.kind.class());
        Error::source(&state.path, what)
    };
    let (config, _) = UNet1dConfig::from_map(object).map_err(none)?;
    let mut model = UNet1dModel::new(config).map_err(none)?;
    fill(&mut model, state)?;
    Ok(model)
}

/// What the shapes of a state's tensors say of its network.
struct Shapes<'a> {
    state: &'a State,
    tensors: BTreeMap<&'a str, &'a Tensor>,
}

impl Shapes<'_> {
    fn wrong(&self, what: String) -> Error {
        Error::source(&self.state.path, what)
    }

    /// A size of a tensor that there must be.
    fn size(&self, name: &str, axis: usize) -> Result<usize> {
        let shape = self.tensors.get(name).map(|tensor| tensor.shape());
        let size = shape.and_then(|shape| shape.get(axis)).copied();
        size.filter(|size| *size > 0).ok_or_else(|| {
            let found = shape.map_or("is not there".to_owned(), |shape| format!("has shape {shape:?}"));
            self.wrong(format!(
                "model.{name} {found}, expected it with {} sizes or more",
                axis + 1
            ))
        })
    }

    fn config(&self, model_config: Option<&ConfigFile>) -> Result<Map<String, Value>> {
        let kind = self.state.kind;
        let blocks = if kind.is_value() { "blocks" } else { "downs" };
        let first = |level: usize| format!("{blocks}.{level}.0.blocks.0.block.0.weight");
        let transition = self.size(&first(0), 1)?;
        let mut channels = Vec::new();
        while self.tensors.contains_key(first(channels.len()).as_str()) {
            channels.push(self.size(&first(channels.len()), 0)?);
        }
        let dim = self.size("time_mlp.3.weight", 0)?;
        if channels[0] != dim {
            return Err(self.wrong(format!(
                "the first level has {} channels and the time embedding {dim}, which no UNet1DModel has: only networks whose \
                 `dim_mults` begin with 1 can be converted",
                channels[0]
            )));
        }
        let attention = self.tensors.keys().any(|name| name.contains(".fn."));
        if let Some(file) = model_config {
            let who = format!("the tensors of {} say", self.state.path.display());
            file.agrees("transition_dim", file.count("transition_dim")?, &transition, &who)?;
            file.agrees("dim", file.count("dim")?, &dim, &who)?;
            let mults: Vec<usize> = channels.iter().map(|channels| channels / dim).collect();
            file.agrees("dim_mults", file.counts("dim_mults")?, &mults, &who)?;
            file.agrees("attention", file.truth("attention")?, &attention, &who)?;
        }
        let mut config = match kind {
            NetworkKind::MainPlanner | NetworkKind::MazePlanner => UNet1dConfig::planner(transition, &channels),
            _ => UNet1dConfig::value_function(transition, &channels),
        };
        if kind == NetworkKind::MazeValue {
            config.mid_block_type = None;
        }
        let Value::Object(mut object) = serde_json::to_value(config).unwrap_or_default() else {
            return Err(self.wrong("its configuration cannot be written".into()));
        };
        if attention {
            object.insert("temporal_attention".into(), "linear".into());
        }
        if kind.is_value() {
            let features = self.value_features(kind, dim, channels[channels.len() - 1])?;
            if kind == NetworkKind::MazeValue {
                // Of as many positions as its horizon came down to.
                object.insert("value_features".into(), features.into());
            }
        }
        Ok(object)
    }

    /// How many numbers of a sample the layers at the end of a value function read: all positions that its constructor thought would be left. Where it thought
    /// wrong, the network cannot be evaluated by the original either.
    fn value_features(&self, kind: NetworkKind, dim: usize, last: usize) -> Result<usize> {
        let name = "final_block.0.weight";
        let reads = self.size(name, 1)?;
        let own = if kind == NetworkKind::MainValue { last / 4 } else { last };
        let features = reads.saturating_sub(dim);
        if own == 0 || features == 0 || !features.is_multiple_of(own) {
            return Err(self.wrong(format!(
                "model.{name} reads {reads} numbers, expected {dim} of the time embedding and a multiple of {own} channels"
            )));
        }
        if kind == NetworkKind::MainValue && features != own {
            return Err(self.wrong(format!(
                "model.{name} was built for {} positions of {own} channels at the end, but the network's {} halvings leave fewer of \
                 any horizon that would have given it this shape: the original cannot evaluate it either (its constructor does not \
                 count the last level's halving). A value function has to be trained with a horizon that comes down to one \
                 position, 32 with four levels",
                features / own,
                self.tensors.keys().filter(|name| name.ends_with(".2.conv.weight")).count() + 2
            )));
        }
        Ok(features)
    }
}

/// Sets every parameter of the model from the state's tensors.
fn fill(model: &mut UNet1dModel, state: &State) -> Result<()> {
    let kind = state.kind;
    let mut problems = Vec::new();
    let mut mapped: BTreeMap<String, (&str, &Tensor)> = BTreeMap::new();
    for (name, tensor) in &state.network {
        match kind.ours(name) {
            Some(ours) => drop(mapped.insert(ours, (name, tensor))),
            None => problems.push(format!("model.{name} is no parameter of a {}", kind.class())),
        }
    }
    let mut values = Vec::new();
    for (ours, view) in named_params(&*model) {
        let theirs = kind.theirs(&ours).unwrap_or_else(|| ours.clone());
        let Some((_, tensor)) = mapped.remove(&ours) else {
            problems.push(format!(
                "model.{theirs} is missing ({ours}, of shape {:?})",
                view.shape()
            ));
            continue;
        };
        // A normalisation's numbers are (1, channels, 1) there and (channels) here.
        let shape = match (tensor.shape(), theirs.rsplit('.').next()) {
            (&[1, channels, 1], Some("g" | "b")) => vec![channels],
            (shape, _) => shape.to_vec(),
        };
        if shape != view.shape() {
            problems.push(format!(
                "model.{theirs} has shape {:?}, expected {:?}",
                tensor.shape(),
                view.shape()
            ));
            continue;
        }
        let Some(numbers) = tensor.to_f32() else {
            problems.push(format!(
                "model.{theirs} is of {}, expected floating-point numbers",
                tensor.dtype()
            ));
            continue;
        };
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(at) => problems.push(format!(
                "model.{theirs} is {} at element {at}, expected a finite number",
                numbers[at]
            )),
            None => values.push(numbers),
        }
    }
    let unexpected = mapped.values().map(|(name, _)| format!("model.{name} is one too many"));
    problems.extend(unexpected);
    if !problems.is_empty() {
        return Err(Error::Tensors {
            path: state.path.clone(),
            problems,
        });
    }
    for ((_, mut view), numbers) in named_params_mut(model).into_iter().zip(values) {
        view.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
    }
    Ok(())
}
