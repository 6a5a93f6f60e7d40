//! Parameters in safetensors files, as diffusers names and lays them out.

use crate::error::{Error, ParameterReport, Result};
use crate::params::{Params, named_params, named_params_mut};
use ::safetensors::{Dtype, SafeTensors, View, tensor::TensorView};
use diffplan_files::{FileError, Folder, folder_of, recognise, write_atomically};
use half::{bf16, f16};
use ndarray::{ArrayViewD, ArrayViewMutD, Ix3};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What wrappers put before every name of the network that they wrap.
const PREFIXES: [&str; 4] = ["_orig_mod.", "module.", "model.", "ema_model."];

/// Reads every parameter of `model` from `path`, from float32, float64, float16 or bfloat16. As [`load_bytes`].
///
/// # Errors
/// If the file cannot be read, and as there.
pub fn load(model: &mut impl Params, path: &Path) -> Result<Vec<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    load_from(model, &Folder::at(folder_of(path)), &name)
}

/// Reads every parameter of `model` from a file of a folder. As [`load_bytes`].
///
/// # Errors
/// If the file cannot be read, and as there.
pub fn load_from(model: &mut impl Params, folder: &Folder, name: &str) -> Result<Vec<String>> {
    load_bytes(model, &folder.read(name)?, &folder.path_of(name))
}

/// Reads every parameter of `model` from the content of a safetensors file, from float32, float64, float16 or bfloat16; `path` is for
/// messages alone. A prefix that all names of the file have and the model's do not, as `torch.compile` ("_orig_mod.") and
/// `DataParallel` ("module.") leave it, is taken off; what was odd and harmless is returned, a sentence each.
///
/// The model is unchanged if anything is wrong.
///
/// # Errors
/// If the file is damaged or something else, or if its parameters are not exactly those of the model: all that are missing,
/// unexpected, of another shape or type, or not finite are named.
pub fn load_bytes(model: &mut impl Params, bytes: &[u8], path: &Path) -> Result<Vec<String>> {
    let file = SafeTensors::deserialize(bytes).map_err(|reason| match recognise(bytes) {
        Some(found) if found != diffplan_files::WrongContent::Safetensors => {
            Error::File(FileError::wrong_content(path, found, "tensors in safetensors' format"))
        }
        _ => Error::Format {
            path: path.to_owned(),
            reason: reason.to_string(),
        },
    })?;
    let mut in_file: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    let mut notes = Vec::new();
    let wanted = named_params(model);
    while let Some(prefix) = prefix_of_all(&in_file, &wanted) {
        notes.push(format!(
            "{}: the names begin with `{prefix}`, which was taken off",
            path.display()
        ));
        let names = in_file.into_iter();
        in_file = names
            .map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor))
            .collect();
    }

    let mut report = ParameterReport::default();
    let mut values = Vec::new();
    for (name, view) in wanted {
        let Some(tensor) = in_file.remove(&name) else {
            report.missing.push(name);
            continue;
        };
        if tensor.shape() != view.shape() {
            report
                .mismatched
                .push((name, tensor.shape().to_vec(), view.shape().to_vec()));
            continue;
        }
        let Some(numbers) = to_f32(&tensor) else {
            report.wrong_dtype.push((name, format!("{:?}", tensor.dtype())));
            continue;
        };
        if let Some(index) = numbers.iter().position(|v| !v.is_finite()) {
            report.not_finite.push((name, index));
        }
        values.push(numbers);
    }
    report.unexpected = in_file.into_keys().collect();
    if !report.is_empty() {
        return Err(Error::Parameters {
            path: path.to_owned(),
            report: Box::new(report),
        });
    }
    for ((_, view), numbers) in named_params_mut(model).into_iter().zip(values) {
        fill(view, &numbers);
    }
    Ok(notes)
}

/// The prefix that every name of a file has, if one does that is none of the model's.
fn prefix_of_all(in_file: &BTreeMap<String, TensorView>, wanted: &[(String, ArrayViewD<f32>)]) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| {
        !in_file.is_empty()
            && in_file.keys().all(|name| name.starts_with(prefix))
            && !wanted.iter().any(|(name, _)| name.starts_with(prefix))
    })
}

/// Sets a parameter to numbers in the order of its axes, whatever its order in memory.
fn fill(mut view: ArrayViewMutD<f32>, numbers: &[f32]) {
    let standard = view.is_standard_layout();
    if let (false, Ok(mut weight)) = (standard, view.view_mut().into_dimensionality::<Ix3>()) {
        // A convolution's weight lies the other way round in memory: by squares of the first two axes, so that neither side
        // is walked through in steps of a page.
        const SIDE: usize = 16;
        let (rows, cols, depth) = weight.dim();
        let starts = (0..rows)
            .step_by(SIDE)
            .flat_map(|row| (0..cols).step_by(SIDE).map(move |col| (row, col)));
        for (row, col) in starts {
            for i in row..rows.min(row + SIDE) {
                for j in col..cols.min(col + SIDE) {
                    let from = &numbers[(i * cols + j) * depth..][..depth];
                    (0..depth).for_each(|k| weight[[i, j, k]] = from[k]);
                }
            }
        }
        return;
    }
    view.iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
}

/// The numbers of a floating-point tensor; none if it holds something else.
fn to_f32(tensor: &TensorView) -> Option<Vec<f32>> {
    fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (chunks, _) = bytes.as_chunks::<N>();
        chunks.iter().map(|&chunk| number(chunk)).collect()
    }
    let bytes = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => read(bytes, f32::from_le_bytes),
        Dtype::F64 => read(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => read(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => read(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        _ => return None,
    })
}

struct Parameter<'a>(ArrayViewD<'a, f32>);

impl View for Parameter<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        self.0.len() * size_of::<f32>()
    }
}

/// Writes every parameter of `model` to `path` as float32, under a temporary name in the same folder that is then renamed.
///
/// # Errors
/// If the file cannot be written; a file of that name from before is then still there, whole.
pub fn save(model: &impl Params, path: &Path) -> Result<()> {
    let tensors = named_params(model)
        .into_iter()
        .map(|(name, view)| (name, Parameter(view)));
    // diffusers refuses a file that does not say it came from PyTorch.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = ::safetensors::serialize(tensors, Some(metadata)).map_err(|reason| Error::Format {
        path: path.to_owned(),
        reason: reason.to_string(),
    })?;
    write_atomically(path, &bytes).map_err(|source| FileError::io(path, source).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conv1d;
    use crate::testing::fill;
    use std::fs;

    fn saved() -> (tempfile::TempDir, std::path::PathBuf, Conv1d) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conv.safetensors");
        let mut conv = Conv1d::zeros(2, 3, 5);
        fill(&mut conv, 1);
        save(&conv, &path).unwrap();
        (folder, path, conv)
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let (_folder, path, conv) = saved();
        let mut other = Conv1d::zeros(2, 3, 5);
        load(&mut other, &path).unwrap();
        assert_eq!((other.weight(), other.bias()), (conv.weight(), conv.bias()));
    }

    #[test]
    fn every_difference_is_named() {
        let (_folder, path, _) = saved();
        let mut other = Conv1d::zeros(2, 4, 5).no_bias();
        let error = load(&mut other, &path).unwrap_err().to_string();
        assert!(error.contains("1 parameter unexpected: bias"), "{error}");
        assert!(
            error.contains("weight has shape [3, 2, 5], expected [4, 2, 5]"),
            "{error}"
        );
        let mut linear = crate::TimestepEmbedding::zeros(1, 1, 1, crate::Activation::Mish);
        let error = load(&mut linear, &path).unwrap_err().to_string();
        assert!(
            error.contains("4 parameters missing: linear_1.weight, linear_1.bias, linear_2.weight"),
            "{error}"
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_and_change_nothing() {
        let (_folder, path, mut conv) = saved();
        let before = conv.weight().to_owned();
        conv.bias_mut().unwrap()[1] = f32::NAN;
        conv.weight_mut().fill(7.0);
        save(&conv, &path).unwrap();
        let mut other = Conv1d::zeros(2, 3, 5);
        other.weight_mut().assign(&before);
        let error = load(&mut other, &path).unwrap_err().to_string();
        assert!(
            error.contains("bias has a NaN or infinity, first at element 1"),
            "{error}"
        );
        assert_eq!(other.weight(), before);
    }

    #[test]
    fn half_precision_and_double_are_read_and_integers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("types.safetensors");
        let numbers = [1.5f32, -0.25, 3.0];
        let bytes = |dtype| -> Vec<u8> {
            match dtype {
                Dtype::F64 => numbers.iter().flat_map(|v| (*v as f64).to_le_bytes()).collect(),
                Dtype::F16 => numbers.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
                Dtype::BF16 => numbers.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
                _ => vec![0; 12],
            }
        };
        for dtype in [Dtype::F64, Dtype::F16, Dtype::BF16, Dtype::I32] {
            let data = bytes(dtype);
            let view = TensorView::new(dtype, vec![3, 1, 1], &data).unwrap();
            fs::write(&path, ::safetensors::serialize([("weight", view)], None).unwrap()).unwrap();
            let mut conv = Conv1d::zeros(1, 3, 1).no_bias();
            let result = load(&mut conv, &path);
            if dtype == Dtype::I32 {
                assert!(result.unwrap_err().to_string().contains("weight has type I32"));
            } else {
                result.unwrap();
                assert!(conv.weight().iter().eq(&numbers), "{dtype:?}");
            }
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let (_folder, path, mut conv) = saved();
        let whole = fs::read(&path).unwrap();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(
                matches!(load(&mut conv, &path), Err(Error::Format { .. } | Error::File(_))),
                "cut to {len} bytes"
            );
        }
        // A flipped bit may leave a valid file of other numbers, but never a panic.
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let _ = load(&mut conv, &path);
        }
        assert!(matches!(
            load(&mut conv, Path::new("/no/such/file")),
            Err(Error::File(_))
        ));
    }

    #[test]
    fn a_prefix_of_all_names_is_taken_off_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prefixed.safetensors");
        let (weight, bias) = (vec![0u8; 24], vec![0u8; 12]);
        let write = |names: [&str; 2]| {
            let weight = TensorView::new(Dtype::F32, vec![3, 2, 1], &weight).unwrap();
            let bias = TensorView::new(Dtype::F32, vec![3], &bias).unwrap();
            let tensors = [(names[0], weight), (names[1], bias)];
            fs::write(&path, ::safetensors::serialize(tensors, None).unwrap()).unwrap();
        };
        let mut conv = Conv1d::zeros(2, 3, 1);
        write(["module._orig_mod.weight", "module._orig_mod.bias"]);
        let notes = load(&mut conv, &path).unwrap();
        assert_eq!(notes.len(), 2);
        assert!(notes[1].contains("begin with `_orig_mod.`"), "{notes:?}");
        write(["weight", "bias"]);
        assert!(load(&mut conv, &path).unwrap().is_empty());
        // Not of all: nothing is guessed.
        write(["_orig_mod.weight", "bias"]);
        let error = load(&mut conv, &path).unwrap_err().to_string();
        assert!(
            error.contains("missing: weight") && error.contains("unexpected: _orig_mod.weight"),
            "{error}"
        );
    }

    #[test]
    fn other_files_are_told_by_name() {
        let mut conv = Conv1d::zeros(2, 3, 1);
        for (content, named) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..],
                "git lfs pull",
            ),
            (b"<!DOCTYPE html><html></html>", "web page"),
            (b"\x80\x02}q\x00.", "pickle"),
            (b"PK\x03\x04....", "zip"),
            (b"", "empty"),
        ] {
            let error = load_bytes(&mut conv, content, Path::new("w.safetensors")).unwrap_err();
            assert!(
                matches!(error, Error::File(_)) && error.to_string().contains(named),
                "{error}"
            );
        }
    }
}
