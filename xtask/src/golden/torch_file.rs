//! Kinds `torch_file` and `torch_file_hostile`: what `torch.save` wrote, and what somebody made to look like it.

use super::case::{Case, CaseError};
use super::compare::Report;
use diffplan_tensors::{Kind, Tensor, TorchFile, Value};
use serde_json::Value as Json;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let files: Vec<(String, &Json)> = match case.value("files") {
        Json::Array(names) => {
            let tree = case.value("tree");
            names.iter().map(|name| (text(name).to_owned(), tree)).collect()
        }
        Json::Object(trees) => trees.iter().map(|(name, tree)| (name.clone(), tree)).collect(),
        _ => return Err(case.wrong_key("files", "a list of files, or files with their trees")),
    };
    for (name, tree) in files {
        let path = case.folder().join(&name);
        let file = TorchFile::open(&path).map_err(CaseError::refused)?;
        let differs = difference(case, &file, file.root(), tree, "");
        if let Some(what) = differs {
            return Err(CaseError::Refused(format!("{name}: {what}")));
        }
        report.record(name, 0.0, 0.0);
    }
    Ok(())
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Where a value is not as the tree says; numbers bit for bit.
fn difference(case: &Case, file: &TorchFile, value: Value<'_>, tree: &Json, at: &str) -> Option<String> {
    let differs = || Some(format!("{at}: {value:?}, expected {tree}"));
    let all = |values: &[Value<'_>], trees: &Json| {
        let trees = trees.as_array()?;
        if values.len() != trees.len() {
            return Some(format!("{at}: {} values, expected {}", values.len(), trees.len()));
        }
        let mut pairs = values.iter().zip(trees).enumerate();
        pairs.find_map(|(i, (value, tree))| difference(case, file, *value, tree, &format!("{at}/{i}")))
    };
    let kind = value.kind();
    let one = |key: &str| {
        tree.as_object()
            .filter(|tree| tree.contains_key(key))
            .map(|tree| &tree[key])
    };
    if let Some(name) = one("tensor") {
        let expected = case.raw(text(name))?;
        let Some(tensor) = file.tensor(value) else {
            return differs();
        };
        let own = (name_of(tensor), tensor.shape().to_vec(), tensor.to_bytes());
        return if own == expected { None } else { differs() };
    }
    if one("object").is_some() {
        // Anything that runs no code will do.
        return None;
    }
    let same = match (&kind, tree) {
        (Kind::None, Json::Null) => true,
        (Kind::Bool(own), Json::Bool(other)) => own == other,
        (Kind::Int(own), Json::Number(other)) => other.as_i64() == Some(*own),
        (Kind::Float(own), Json::Number(other)) => other.as_f64() == Some(*own) && other.is_f64(),
        (Kind::Str(own), Json::String(other)) => own == other,
        (Kind::List(own), Json::Array(_)) => return all(own, tree),
        (Kind::Tuple(own), _) if one("tuple").is_some() => return all(own, one("tuple")?),
        (Kind::Set(own), _) if one("set").is_some() => own.len() == one("set")?.as_array()?.len(),
        (Kind::BigInt(own), _) if one("int").is_some() => *own == text(one("int")?),
        (Kind::Float(own), _) if one("float").is_some() => match text(one("float")?) {
            "nan" => own.is_nan(),
            other => other.parse() == Ok(*own),
        },
        (Kind::Bytes(own), _) if one("bytes").is_some() => one("bytes")?.as_u64() == Some(own.len() as u64),
        (Kind::Dict(own), _) if one("dict").is_some() => {
            let entries = one("dict")?.as_array()?;
            if own.len() != entries.len() {
                return Some(format!("{at}: {} keys, expected {}", own.len(), entries.len()));
            }
            return own.iter().zip(entries).find_map(|((key, value), entry)| {
                let here = format!("{at}/{}", entry[0]);
                difference(case, file, *key, &entry[0], &here)
                    .or_else(|| difference(case, file, *value, &entry[1], &here))
            });
        }
        _ => false,
    };
    if same { None } else { differs() }
}

/// A tensor's type as safetensors calls it.
fn name_of(tensor: &Tensor) -> String {
    let name = tensor.dtype().torch_name();
    match name {
        "bool" => "BOOL".into(),
        "bfloat16" => "BF16".into(),
        "float8_e4m3fn" => "F8_E4M3".into(),
        "float8_e5m2" => "F8_E5M2".into(),
        _ => name.replace("uint", "U").replace("int", "I").replace("float", "F"),
    }
}

/// The most memory that a hostile file may take beyond what a good one takes, and the longest time.
const MEMORY: u64 = 64 << 20;
const TIME: Duration = Duration::from_secs(2);

pub(super) fn check_hostile(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let folder = case.folder().join("hostile");
    let mut wrong = Vec::new();
    for name in case.value("control").as_array().into_iter().flatten() {
        if let Err(why) = good(&case.folder().join(text(name))) {
            wrong.push(format!("{} does not read: {why}", text(name)));
        }
    }
    let before = memory();
    for (name, file) in case.value("files").as_object().into_iter().flatten() {
        reset_memory();
        let start = Instant::now();
        let result = good(&folder.join(name));
        if start.elapsed() > TIME {
            wrong.push(format!("{name} takes {:?}", start.elapsed()));
        }
        let more = memory()
            .zip(before)
            .map_or(0, |(after, before)| after.saturating_sub(before));
        if more > MEMORY {
            wrong.push(format!("{name} takes {} MB", more >> 20));
        }
        let expect = text(&file["expect"]);
        match result {
            Ok(()) if expect == "error" => wrong.push(format!("{name} reads: {}", text(&file["what"]))),
            Err(why) if !why.contains(name) => wrong.push(format!("{name}: the error does not name it: {why}")),
            // The good tensors, or an error.
            _ => report.record(name, 0.0, 0.0),
        }
    }
    for trace in ["DIFFPLAN_CODE_RAN", "DIFFPLAN_ESCAPED"] {
        if Path::new(trace).exists() || folder.join(trace).exists() || Path::new("/tmp").join(trace).exists() {
            wrong.push(format!("code was run, or a file written: {trace}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(CaseError::Refused(wrong.join("; "))),
    }
}

/// Reads `w`, and every other tensor; an error if that is not 1, 2, 3, 4.
fn good(path: &Path) -> Result<(), String> {
    let file = TorchFile::open(path).map_err(|error| error.to_string())?;
    let tensors = file.state_dict(file.root()).map_err(|error| error.to_string())?;
    for (_, tensor) in tensors.iter() {
        let _ = tensor.to_f32();
    }
    let w = tensors
        .iter()
        .find(|(name, _)| name.ends_with('w'))
        .map(|(_, tensor)| tensor.to_f32());
    match w {
        Some(Some(w)) if w == [1.0, 2.0, 3.0, 4.0] => Ok(()),
        other => Err(format!("{}: w is {other:?}", path.display())),
    }
}

/// The most memory this process has had since it was reset, in bytes; none where the system does not say.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

fn reset_memory() {
    // Where it cannot be reset, the most of all files is compared with the bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
