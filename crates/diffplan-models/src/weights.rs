//! The weights of a folder, in whichever of diffusers' forms they are there: safetensors or what `torch.save` wrote, in one file or in shards
//! with an index, plain or as a variant.
//!
//! The order is that of diffusers' `ModelMixin.from_pretrained` (`models/modeling_utils.py`): shards before one file, safetensors before PyTorch.
//! A variant V is `diffusion_pytorch_model.V.safetensors`, or a folder `V/` in the network's (`ema/`).

use crate::error::Result;
use diffplan_files::{FileError, Folder, parse_json_object};
use diffplan_tensors::NamedTensors;
use std::collections::BTreeSet;

const STEM: &str = "diffusion_pytorch_model";
const FORMATS: [&str; 2] = ["safetensors", "bin"];

/// What was found.
pub(crate) struct Weights {
    pub(crate) tensors: NamedTensors,
    pub(crate) notes: Vec<String>,
}

/// Whether a network's folder has weights of this variant.
///
/// # Errors
/// If the folder cannot be read.
pub fn has_variant(folder: &Folder, variant: &str) -> Result<bool> {
    Ok(folder.has(variant)? || find(folder, Some(variant))?.is_some())
}

/// The files of a network's folder that its weights are read from, by their names in it; none where there are no weights.
///
/// # Errors
/// If the folder or an index cannot be read.
pub fn weight_files(folder: &Folder) -> Result<Vec<String>> {
    let files = |folder: &Folder, variant, before: &str| -> Result<Option<Vec<String>>> {
        Ok(match find(folder, variant)? {
            None => None,
            Some(Found::One(name)) => Some(vec![format!("{before}{name}")]),
            Some(Found::Shards(index)) => {
                let (_, files) = map(folder, &index)?;
                let files = files.into_iter().map(|file| format!("{before}{file}"));
                Some([format!("{before}{index}")].into_iter().chain(files).collect())
            }
        })
    };
    if let Some(variant) = folder.variant() {
        if let Some(found) = files(folder, Some(variant), "")? {
            return Ok(found);
        }
        if folder.has(variant)? {
            let found = files(&folder.sub(variant), None, &format!("{variant}/"))?;
            return Ok(found.unwrap_or_default());
        }
    }
    Ok(files(folder, None, "")?.unwrap_or_default())
}

/// Reads the weights of a folder, of the variant that it asks for.
pub(crate) fn read(folder: &Folder) -> Result<Weights> {
    let mut notes = Vec::new();
    if let Some(variant) = folder.variant() {
        if let Some(found) = find(folder, Some(variant))? {
            let tensors = found.read(folder)?;
            return Ok(Weights { tensors, notes });
        }
        if folder.has(variant)? {
            let within = folder.sub(variant);
            let tensors = plain(&within)?;
            return Ok(Weights { tensors, notes });
        }
        notes.push(format!(
            "{}: there are no weights of variant {variant:?}, the plain ones were read",
            folder.path().display()
        ));
    }
    let tensors = plain(folder)?;
    Ok(Weights { tensors, notes })
}

/// The weights of no variant.
fn plain(folder: &Folder) -> Result<NamedTensors> {
    match find(folder, None)? {
        Some(found) => found.read(folder),
        None => Err(none_of(folder)?.into()),
    }
}

enum Found {
    /// A file.
    One(String),
    /// The index of several.
    Shards(String),
}

fn find(folder: &Folder, variant: Option<&str>) -> Result<Option<Found>> {
    let dotted = variant.map_or(String::new(), |variant| format!(".{variant}"));
    for format in FORMATS {
        // The variant stands before `.index` in old files, and behind it in new ones.
        let indices = [
            format!("{STEM}.{format}.index{dotted}.json"),
            format!("{STEM}{dotted}.{format}.index.json"),
        ];
        for index in indices {
            if folder.has(&index)? {
                return Ok(Some(Found::Shards(index)));
            }
        }
        let one = format!("{STEM}{dotted}.{format}");
        if folder.has(&one)? {
            return Ok(Some(Found::One(one)));
        }
    }
    Ok(None)
}

impl Found {
    fn read(&self, folder: &Folder) -> Result<NamedTensors> {
        match self {
            Self::One(name) => Ok(NamedTensors::read(folder, name)?),
            Self::Shards(index) => shards(folder, index),
        }
    }
}

/// What an index says: all parameters, and the files that they are in.
fn map(folder: &Folder, index: &str) -> Result<(Vec<String>, BTreeSet<String>)> {
    let path = folder.path_of(index);
    let malformed = |what: String| FileError::malformed(&path, what);
    let object = parse_json_object(&folder.read(index)?, &path)?;
    let map = object.get("weight_map").and_then(serde_json::Value::as_object);
    let map = map.ok_or_else(|| malformed("no `weight_map`, which says in which file each parameter is".into()))?;
    let mut files = BTreeSet::new();
    for (name, file) in map {
        let file = file
            .as_str()
            .filter(|file| !file.is_empty() && !file.contains(['/', '\\']));
        let file = file.ok_or_else(|| malformed(format!("`weight_map`: {name} is in no file of this folder")))?;
        files.insert(file.to_owned());
    }
    if files.is_empty() {
        return Err(malformed("`weight_map` is empty".into()).into());
    }
    Ok((map.keys().cloned().collect(), files))
}

/// All tensors of the files that an index names.
fn shards(folder: &Folder, index: &str) -> Result<NamedTensors> {
    let (names, files) = map(folder, index)?;
    let mut all: Option<NamedTensors> = None;
    for file in files {
        if !folder.has(&file)? {
            let what = format!("a shard that {index} names is not there: download it");
            return Err(FileError::not_found(folder.path_of(&file), what).into());
        }
        let shard = NamedTensors::read(folder, &file)?;
        all = Some(match all {
            Some(all) => all.and(shard)?,
            None => shard,
        });
    }
    let malformed = |what: String| FileError::malformed(folder.path_of(index), what);
    let all = all.ok_or_else(|| malformed("it names no file".into()))?;
    let there: BTreeSet<&str> = all.iter().map(|(name, _)| name).collect();
    let missing = names.iter().find(|name| !there.contains(name.as_str()));
    match missing {
        Some(name) => Err(malformed(format!("{name} is not in the file that it names")).into()),
        None => Ok(all),
    }
}

/// The error of a folder without weights under the names they should have: which others are there, and what to do about it.
fn none_of(folder: &Folder) -> Result<FileError> {
    let names = folder.names()?;
    let expected = format!("{STEM}.safetensors");
    let variants: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| {
            let rest = name.strip_prefix(STEM)?.strip_prefix('.')?;
            let variant = rest
                .strip_suffix(".safetensors")
                .or_else(|| rest.strip_suffix(".bin"))?;
            // `fp16-00001-of-00002` is a shard of fp16.
            Some(variant.split_once("-0").map_or(variant, |(variant, _)| variant))
        })
        .chain(names.iter().filter_map(|name| (name == "ema").then_some("ema")))
        .collect();
    let by_end = |ends: &[&str]| names.iter().find(|name| ends.iter().any(|end| name.ends_with(end)));
    let what = if !variants.is_empty() {
        let flags: Vec<String> = variants
            .iter()
            .map(|variant| format!("`--variant {variant}`"))
            .collect();
        let files: Vec<&str> = names
            .iter()
            .filter(|name| name.starts_with(STEM))
            .map(String::as_str)
            .collect();
        format!(
            "is not there, but {} is: read it with {}",
            files.join(", "),
            flags.join(" or ")
        )
    } else if let Some(name) = by_end(&[".safetensors"]) {
        format!("is not there, but {name} is: if these are the weights, rename it")
    } else if let Some(name) = by_end(&[".bin", ".pt", ".pth", ".ckpt"]) {
        format!("is not there, but {name} is: if it holds this network's parameters, rename it to {STEM}.bin")
    } else if let Some(name) = by_end(&[".msgpack", ".h5", ".onnx"]) {
        format!("is not there, but {name} is, in a format that is not read")
    } else {
        format!("is not there: the folder holds {}", names.join(", "))
    };
    Ok(FileError::not_found(folder.path_of(&expected), what))
}
