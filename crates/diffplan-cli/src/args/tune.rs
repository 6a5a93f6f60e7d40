//! What `diffplan tune` takes.

use super::{ActingOptions, CheckpointArgs, EnvArgs, count, seed};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Find the planning options that are worth their time: return against milliseconds, in closed loop
#[derive(Debug, Args)]
#[command(after_help = "\
Combinations of options are timed, and those that are fast enough play the same episodes, of which the best third goes on, until one is left. \
That one meets the default plan, and the plan without guidance, in fresh episodes: what is said of it was measured there, with the paired interval.

With --out FILE.toml, the recommended options are in FILE.toml, which plan, rollout and evaluate take with --planning, everything that was played is in \
FILE.csv, as a picture in FILE.png, and every measurement in FILE.rows, which --resume goes on with.

Examples:
  diffplan tune --hz 100 --threads 1                         the checkpoint in testdata/, at a hundred plans a second on one core
  diffplan tune --checkpoint DIR --env hopper-medium-v2 --hz 10 --threads 1 --budget 30min --out tuned.toml
  diffplan tune --checkpoint DIR --out tuned.toml --resume --budget 1h
  diffplan tune --vary batch_size=1,8,50 --vary num_inference_steps=2,5,20 --vary rescore=true,false
  diffplan evaluate --checkpoint DIR --planning tuned.toml")]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    /// Plans a second that are needed; any speed will do by default
    #[arg(long, value_name = "HZ", value_parser = hertz)]
    pub(crate) hz: Option<f64>,
    /// How long it may take, but for two episodes of the default plan, which are played in any case: 90s, 10min, 1h 30min
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = budget)]
    pub(crate) budget: Duration,
    /// Fresh episodes in which the best meet the default
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = count(2, 100_000))]
    pub(crate) episodes: usize,
    /// The most combinations that are timed
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = count(1, 100_000))]
    pub(crate) trials: usize,
    /// Values of an option to try, in place of all that are tried by default; may be given several times
    #[arg(long, value_name = "NAME=VALUE,VALUE,…")]
    pub(crate) vary: Vec<String>,
    /// Episodes side by side
    #[arg(short, long, value_name = "P", default_value_t = 8, value_parser = count(1, 65_536))]
    pub(crate) parallel: usize,
    /// Seed of the episodes, and of what is tried
    #[arg(short, long, value_name = "S", default_value_t = 0, value_parser = seed())]
    pub(crate) seed: u64,
    /// Write the recommended options to this file, and the rest beside it
    #[arg(short, long, value_name = "FILE.toml", value_parser = toml_file)]
    pub(crate) out: Option<PathBuf>,
    /// Go on with the measurements beside the file
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Threads that a plan is timed on; all cores by default. Episodes are played on all cores, and are the same on any number
    #[arg(short, long, value_name = "T", value_parser = count(1, 1024))]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) planning: ActingOptions,
}

fn hertz(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(hz) if f64::is_finite(hz) && hz > 0.0 => Ok(hz),
        _ => Err("expected a number of plans a second, more than 0".into()),
    }
}

/// A time with its unit: a deadline, a budget.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}; expected a time such as 20ms, 90s, 10min, 1h 30min")),
    }
}

/// More than no time.
pub(super) fn budget(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected more than no time".into()),
        time => Ok(time),
    }
}

fn toml_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
    {
        true => Ok(path),
        false => Err("expected a name that ends in .toml".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, micros) in [
            ("20ms", 20_000),
            ("500us", 500),
            ("1h 30min", 5_400_000_000),
            ("0ms", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["20", "ms", "-1s", "1e400s", "nans", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(budget("0s").is_err());
    }
}
