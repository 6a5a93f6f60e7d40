//! The built binary on a real checkpoint: what it prints, what it saves, and how it ends.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod bad_input;
mod bench;
mod coming_from;
mod comparisons;
mod convert;
mod data;
mod datasets;
mod doctor;
mod environments;
mod evaluate;
mod findings;
mod goals;
mod guides;
mod inspect;
mod learn;
mod mujoco;
mod pack;
mod pictures;
mod plan;
mod rollout;
#[cfg(unix)]
mod running;
mod seams;
#[cfg(all(unix, feature = "serve"))]
mod serve;
mod several;
mod train;
mod tune;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How a run ended.
struct Outcome {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pendulum-hor32")
}

/// Runs `diffplan` with arguments separated by blanks, then those of `more`.
fn diffplan(args: &str, more: &[&Path]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    ended(command.args(args.split_whitespace()).args(more))
}

/// Runs a command to its end.
fn ended(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        status: output.status.code(),
        stdout: text(output.stdout),
        stderr: without_progress(&text(output.stderr)),
    }
}

/// Without the lines that say how far a command is, which only a slow machine sees.
fn without_progress(stderr: &str) -> String {
    let progress = [" of the budget, ", " plans/s, ", " steps/s, "];
    let lines = stderr.split_inclusive('\n');
    lines
        .filter(|line| !progress.iter().any(|words| line.contains(words)))
        .collect()
}

impl Outcome {
    #[track_caller]
    fn succeeded(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        assert_eq!(self.stderr, "");
        self.stdout
    }

    /// Success, with warnings that have all of `words`, and nothing else on stderr.
    #[track_caller]
    fn warned(self, words: &[&str]) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        assert!(
            self.stderr.lines().all(|line| line.starts_with("warning: ")),
            "{}",
            self.stderr
        );
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {}", self.stderr);
        }
        self.stdout
    }

    /// Exit status 2, one line of complaint that has all of `words`, and no panic.
    #[track_caller]
    fn failed_with(self, words: &[&str]) {
        assert_eq!(self.status, Some(2), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {}", self.stderr);
        }
    }
}

impl Outcome {
    /// As [`failed_with`](Self::failed_with), after any warnings.
    #[track_caller]
    fn refused_after_warnings(mut self, words: &[&str]) {
        let said = self.stderr.lines().filter(|line| !line.starts_with("warning: "));
        self.stderr = said.collect::<Vec<_>>().join("\n");
        self.failed_with(words);
    }
}

/// The last line of stdout as JSON.
#[track_caller]
fn json(stdout: &str) -> Value {
    let line = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// The numbers of a JSON array. Null, which NaN would be, is none.
#[track_caller]
fn numbers(value: &Value) -> Vec<f64> {
    let array = value.as_array().unwrap_or_else(|| panic!("{value} is no array"));
    array.iter().map(|v| v.as_f64().unwrap()).collect()
}

/// A copy of the checkpoint that may be broken.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(TempDir::new().unwrap());
        for file in [
            "model_index.json",
            "normalizer.json",
            "planning_config.json",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "value_function/config.json",
            "value_function/diffusion_pytorch_model.safetensors",
        ] {
            let to = copy.path().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(checkpoint().join(file), to).unwrap();
        }
        copy
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces `from`, which must be there, by `to` in a text file.
    #[track_caller]
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn bytes(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// One plan with it, as fast as can be.
    fn plan(&self) -> Outcome {
        diffplan(
            "plan --obs 1,0,0 --batch-size 1 --num-inference-steps 1 --json --checkpoint",
            &[self.path()],
        )
    }
}
