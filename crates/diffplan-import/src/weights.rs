//! The files of a network: `config.json`, and weights in the precision that was asked for.

use crate::error::{Error, Result};
use crate::options::{Options, Precision, Target, WeightFormat};
use crate::report::Report;
use diffplan_files::DIFFUSERS_VERSION;
use diffplan_models::{UNet1dConfig, UNet1dModel, named_params};
use diffplan_tensors::{Dtype, Tensor, torch_bytes};
use half::{bf16, f16};
use safetensors::View;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor as safetensors writes it.
struct Written<'a>(&'a Tensor);

impl View for Written<'_> {
    fn dtype(&self) -> safetensors::Dtype {
        match self.0.dtype() {
            Dtype::F16 => safetensors::Dtype::F16,
            Dtype::BF16 => safetensors::Dtype::BF16,
            _ => safetensors::Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.to_bytes().into()
    }

    fn data_len(&self) -> usize {
        self.0.len() * self.0.dtype().size()
    }
}

/// Adds the files of a network to those of a checkpoint, in `part` of it ("" for the folder itself).
///
/// # Errors
/// If the target cannot hold the network, or the precision one of its numbers; the error names it.
pub(crate) fn add(
    files: &mut BTreeMap<String, Vec<u8>>,
    part: &str,
    model: &UNet1dModel,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let at = |name: &str| match part {
        "" => name.to_owned(),
        part => format!("{part}/{name}"),
    };
    files.insert(at("config.json"), config(part, model, options.target, report)?);
    let name = at(options.weights.file_name());
    let tensors = tensors(part, model, options.precision)?;
    let bytes = match options.weights {
        WeightFormat::Safetensors => safetensors_bytes(&tensors)?,
        WeightFormat::Bin => {
            let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
            torch_bytes(tensors, Path::new(&name))?
        }
    };
    files.insert(name, bytes);
    Ok(())
}

fn config(part: &str, model: &UNet1dModel, target: Target, report: &mut Report) -> Result<Vec<u8>> {
    let unsupported = |what: String| Error::Unsupported { what };
    let object = serde_json::to_value(model.config()).map_err(|error| unsupported(error.to_string()))?;
    let Value::Object(mut object) = object else {
        return Err(unsupported("a configuration that is no object".into()));
    };
    let name = if part.is_empty() { "the network" } else { part };
    if target == Target::Diffusers {
        if object["mid_block_type"].is_null() {
            return Err(unsupported(format!(
                "{name}: diffusers' UNet1DModel has no form without a middle (`mid_block_type` null): convert it to diffplan's \
                 own form, without `--to diffusers`"
            )));
        }
        let own: Vec<String> = object
            .keys()
            .filter(|key| UNet1dConfig::OWN_KEYS.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in own {
            let value = object.remove(&key).unwrap_or_default();
            match key.as_str() {
                _ if value.is_null() => {}
                "value_pooling" => report.left_out(format!(
                    "{name}: `value_pooling` ({value}), which diffusers does not know: horizons work there that come down to one \
                     position"
                )),
                _ => {
                    return Err(unsupported(format!(
                        "{name}: diffusers' UNet1DModel has no `{key}` ({value}): convert it to diffplan's own form, without \
                         `--to diffusers`"
                    )));
                }
            }
        }
    }
    object.insert("_class_name".into(), UNet1dModel::CLASS_NAME.into());
    object.insert("_diffusers_version".into(), DIFFUSERS_VERSION.into());
    Ok(json(&Value::Object(object)))
}

/// JSON as it is written to a file.
pub(crate) fn json(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// The parameters in the precision that was asked for.
fn tensors(part: &str, model: &UNet1dModel, precision: Precision) -> Result<Vec<(String, Tensor)>> {
    let mut tensors = Vec::new();
    for (name, values) in named_params(model) {
        let large = |round: fn(f32) -> f32| values.iter().copied().find(|x| round(*x).is_infinite());
        let (large, dtype, bytes): (_, _, Vec<u8>) = match precision {
            Precision::F32 => (None, Dtype::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Precision::F16 => {
                let halves = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes());
                (large(|x| f16::from_f32(x).to_f32()), Dtype::F16, halves.collect())
            }
            Precision::Bf16 => {
                let halves = values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes());
                (large(|x| bf16::from_f32(x).to_f32()), Dtype::BF16, halves.collect())
            }
        };
        if let Some(large) = large {
            let at = if part.is_empty() {
                String::new()
            } else {
                format!("{part}: ")
            };
            let (own, other) = match precision {
                Precision::F16 => ("float16 cannot (65504 at most)", "`--dtype bf16` or `--dtype f32`"),
                _ => ("bfloat16 cannot", "`--dtype f32`"),
            };
            let what = format!("{at}{name} holds {large}, which {own}: take {other}");
            return Err(Error::Unsupported { what });
        }
        let tensor = Tensor::from_bytes(dtype, values.shape(), bytes);
        let tensor = tensor.ok_or_else(|| Error::Unsupported {
            what: format!("{name}: no tensor of shape {:?}", values.shape()),
        })?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

fn safetensors_bytes(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let written = tensors.iter().map(|(name, tensor)| (name, Written(tensor)));
    // diffusers refuses a file that does not say it came from PyTorch.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(written, Some(metadata)).map_err(|error| Error::Unsupported {
        what: error.to_string(),
    })
}
