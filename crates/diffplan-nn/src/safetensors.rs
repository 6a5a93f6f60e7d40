//! Parameters in safetensors files, as diffusers names and lays them out. What `torch.save` wrote is read just as well.

use crate::error::{Error, Result};
use crate::fill::fill_params;
use crate::params::{Params, named_params};
use ::safetensors::{Dtype, View};
use diffplan_files::{FileError, Folder, folder_of, write_atomically};
use diffplan_tensors::NamedTensors;
use ndarray::ArrayViewD;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

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
    fill_params(model, NamedTensors::read(folder, name)?)
}

/// Reads every parameter of `model` from the content of a file; `path` is for messages alone. As [`fill_params`].
///
/// # Errors
/// If the file is damaged or something else, and as there.
pub fn load_bytes(model: &mut impl Params, bytes: &[u8], path: &Path) -> Result<Vec<String>> {
    fill_params(model, NamedTensors::from_bytes(bytes.to_vec(), path)?)
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
    use ::safetensors::tensor::TensorView;
    use half::{bf16, f16};
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
                assert!(result.unwrap_err().to_string().contains("weight has type int32"));
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
            (b"PK\x03\x04....", "zip archive"),
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
