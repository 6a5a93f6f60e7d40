//! `cargo xtask`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where a developer's terminal is written to"
)]

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask::golden::{self, Outcome};

/// Developer commands of diffplan.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks reference cases of PyTorch, diffusers and Gymnasium against this workspace.
    ///
    /// A line a case: the comparison that is nearest to its tolerance, its error and what it is of. Exit status: 0 if no case
    /// fails, 1 if one does, 2 if there is nothing to check.
    #[command(
        after_help = "Examples:\n  cargo xtask golden\n  cargo xtask golden --filter pipeline\n  cargo xtask golden ../cases"
    )]
    Golden {
        /// The folder of cases; a folder that is a case itself will do. Default: testdata/golden of this repository.
        dir: Option<PathBuf>,
        /// Only cases with this text in their names.
        #[arg(long, value_name = "TEXT", default_value = "")]
        filter: String,
        /// Every comparison that fails, not only the worst; twice: every comparison.
        #[arg(long, short, action = clap::ArgAction::Count)]
        verbose: u8,
    },
}

fn main() -> ExitCode {
    let Command::Golden { dir, filter, verbose } = Args::parse().command;
    let dir = dir.unwrap_or_else(golden::default_dir);
    golden_command(&dir, &filter, verbose)
}

fn golden_command(dir: &Path, filter: &str, verbose: u8) -> ExitCode {
    let mut folders = match golden::cases(dir) {
        Ok(folders) => folders,
        Err(e) => {
            eprintln!("error: cannot read the cases in {}: {e}", dir.display());
            return ExitCode::from(2);
        }
    };
    folders.retain(|folder| golden::name(folder).contains(filter));
    if folders.is_empty() {
        let named = if filter.is_empty() {
            String::new()
        } else {
            format!(" with {filter:?} in their names")
        };
        eprintln!(
            "error: no cases{named} in {}: expected folders that hold a case.json",
            dir.display()
        );
        return ExitCode::from(2);
    }
    let width = folders
        .iter()
        .map(|folder| golden::name(folder).chars().count())
        .max()
        .unwrap_or(0);
    let [mut passed, mut failed, mut unsupported, mut skipped] = [0; 4];
    for folder in &folders {
        let name = golden::name(folder);
        let (report, outcome) = golden::check(folder);
        let line = match outcome {
            Outcome::Passed => {
                passed += 1;
                let worst = report.worst().map(ToString::to_string).unwrap_or_default();
                let mut line = format!("ok      {worst}; {} comparisons", report.comparisons.len());
                for note in &report.notes {
                    line += &format!("; {note}");
                }
                if !report.unread.is_empty() {
                    line += &format!("; not looked at: {}", report.unread.join(", "));
                }
                line
            }
            Outcome::Failed(why) => {
                failed += 1;
                format!("FAILED  {why}")
            }
            Outcome::NotSupported(what) => {
                unsupported += 1;
                format!("not supported yet: {what}")
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                format!("skipped: {why}")
            }
        };
        println!("{name:width$}  {line}");
        for comparison in report
            .comparisons
            .iter()
            .filter(|c| verbose > 1 || verbose == 1 && !c.passes())
        {
            println!("{:width$}  | {comparison}", "");
        }
    }
    println!(
        "{} cases: {passed} passed, {failed} failed, {unsupported} not supported yet, {skipped} skipped",
        folders.len()
    );
    if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
