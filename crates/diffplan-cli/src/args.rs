//! What can be typed. Nothing here touches a file; [`settings`](crate::settings) turns this into what is needed.

mod acting;
mod bench;
mod convert;
mod data;
mod evaluate;
mod guides;
mod normalizer;
mod planning;
mod read;
#[cfg(feature = "serve")]
mod serve;
mod train;
mod tune;

pub(crate) use acting::*;
pub(crate) use bench::*;
pub(crate) use convert::*;
pub(crate) use data::*;
pub(crate) use evaluate::*;
pub(crate) use guides::*;
pub(crate) use normalizer::*;
pub(crate) use planning::*;
pub(crate) use read::*;
#[cfg(feature = "serve")]
pub(crate) use serve::*;
pub(crate) use train::*;
pub(crate) use tune::*;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand};
use diffplan_eval::evaluation::{MAX_EPISODES, MAX_SEED};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Plan by diffusion: candidate futures are denoised, bent toward high return by a value function, and the first action
/// of the best is what to do next.
#[derive(Debug, Parser)]
#[command(
    name = "diffplan",
    version,
    arg_required_else_help = true,
    args_override_self = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Rollout(RolloutArgs),
    Evaluate(EvaluateArgs),
    Train(TrainArgs),
    Tune(TuneArgs),
    Plan(PlanArgs),
    #[cfg(feature = "serve")]
    Serve(Box<ServeArgs>),
    Inspect(InspectArgs),
    Convert(ConvertArgs),
    Bench(BenchArgs),
    Normalizer(NormalizerArgs),
    Data(DataArgs),
}

/// What every command that computes takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    /// Threads; all cores by default. Results are the same for any number
    #[arg(short = 't', long, value_name = "T", value_parser = count(1, 1024))]
    pub(crate) threads: Option<usize>,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Play episodes with the planner in the loop
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  diffplan rollout                                    Pendulum-v1, the checkpoint in testdata/
  diffplan rollout --episodes 20 --seed 1000 --json   the last line is one JSON object
  diffplan rollout --out runs/guided                  saves trajectories, a summary, a picture
  diffplan rollout --out runs/guided --render         and animations of the first episode
  diffplan rollout --seed 1000 --first 13 --out runs/13 --render   episode 13 of an evaluation, to look at
  diffplan rollout --n-guide-steps 0 --episodes 20    without guidance, to compare
  diffplan rollout --scheduler ddim --num-inference-steps 5
  diffplan rollout --policy swing-up --episodes 20    another policy in the same episodes
  diffplan rollout --env-kwargs g=1.62                on the moon
  diffplan rollout --n-action-steps 4 --warm-start 0.5   plan again after four steps, from the last plan
  diffplan rollout --checkpoint MAZE --goal x=1,y=2   to a goal of one's own
  diffplan rollout --checkpoint DIR --guidance diffuser --scale 1 --rescore")]
pub(crate) struct RolloutArgs {
    #[command(flatten)]
    pub(crate) acting: ActingArgs,
    /// Episodes to play
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = count(1, 1_000_000))]
    pub(crate) episodes: usize,
    /// Episode i is reset with seed S + i; its noise depends on S and i alone
    #[arg(short, long, value_name = "S", default_value_t = 0, value_parser = seed())]
    pub(crate) seed: u64,
    /// The first episode to play: F is episode F of this seed, as `diffplan evaluate` numbers them too
    #[arg(long, value_name = "F", default_value_t = 0, value_parser = count(0, 1_000_000))]
    pub(crate) first: usize,
    /// Save trajectories.npz, summary.json and rollout.png in this folder
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Save there too what the first episode looked like: rollout.gif in real time, with every plan, its candidates, and what came true;
    /// contact-sheet.png of some moments, denoising.gif of the plan of its liveliest
    #[arg(long, requires = "out")]
    pub(crate) render: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) aim: AimArgs,
    #[command(flatten)]
    pub(crate) planning: ActingOptions,
}

/// Make one plan from one observation
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("of_env").args(["render", "guides", "goal", "waypoint"]).multiple(true)))]
#[command(after_help = "\
Examples:
  diffplan plan --obs -1,0,0                          Pendulum-v1, hanging down, at rest
  diffplan plan --obs -1,0,0 --batch-size 64 --json
  diffplan plan --obs -1,0,0 --torch-seed 0           the noise of torch.manual_seed(0)
  diffplan plan --obs -1,0,0 --render plan.gif        how it comes out of noise
  diffplan plan --obs -1,0,0 --render plan.png --compare-unguided   in one picture, guided beside unguided
  diffplan plan --obs -1,0,0 --guides limits.toml     under constraints, with costs
  diffplan plan --obs -1,0,0 --guides limits.toml --check-guides   whether their gradients are right, and how large --scale should be
  diffplan plan --checkpoint DIR --obs 0.1,0.2,0.3
  diffplan plan --checkpoint MAZE --obs 1,1,0,0 --goal x=3,y=2 --waypoint 40:x=1,y=3")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    /// The observation to plan from, in the environment's units
    #[arg(
        long,
        value_name = "X,X,…",
        required = true,
        num_args = 1,
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) obs: Vec<f32>,
    /// Seed of the noise
    #[arg(short, long, value_name = "S", default_value_t = 0, value_parser = seed(), conflicts_with = "torch_seed")]
    pub(crate) seed: u64,
    /// Noise as torch.randn draws it on the CPU after torch.manual_seed(S)
    #[arg(long, value_name = "S", value_parser = torch_seed, allow_hyphen_values = true)]
    pub(crate) torch_seed: Option<u64>,
    #[command(flatten)]
    pub(crate) guides: GuidesArgs,
    /// Make no plan: compare the gradients of all guides with finite differences, and propose a scale
    #[arg(long, conflicts_with_all = ["render", "compare_unguided"])]
    pub(crate) check_guides: bool,
    /// Save an animation of how the plan comes out of noise (FILE.gif), or one picture of it: every dimension over time, all candidates,
    /// their values on the way (FILE.png)
    #[arg(long, value_name = "FILE.gif|FILE.png")]
    pub(crate) render: Option<PathBuf>,
    /// Plan from the same noise without guidance as well, and draw that beside it in FILE.png, on the same scales; of those candidates the
    /// best by value is the one that is chosen
    #[arg(long, requires = "render")]
    pub(crate) compare_unguided: bool,
    /// Environment to draw the plan in, and whose dimensions --guides names; by default the one named in the checkpoint's
    /// planning_config.json, and charts alone where it cannot be drawn
    #[arg(short, long, value_name = "ID", requires = "of_env")]
    pub(crate) env: Option<String>,
    /// An argument of the environment, with a value in JSON: g=1.62. May be given several times
    #[arg(long, value_name = "NAME=VALUE", requires = "of_env", value_parser = env_argument)]
    pub(crate) env_kwargs: Vec<String>,
    #[command(flatten)]
    pub(crate) aim: AimArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
}

/// Show what a checkpoint holds, and what is wrong with a broken one; of any other file or folder, what it is and what converting it takes
#[derive(Debug, Args)]
#[command(after_help = "\
Every part of a checkpoint is checked on its own, so one that is broken does not hide another. Exit status 2 if any is. What is legal but
almost surely wrong is a warning with the remedy: exit status 1 with --strict.

Examples:
  diffplan inspect testdata/pendulum-hor32
  diffplan inspect testdata/pendulum-hor32 --json
  diffplan inspect logs/hopper-medium-v2/diffusion/defaults_H32_T20/state_190000.pt
  diffplan inspect CHECKPOINT --dataset hopper.hdf5 --strict   whether its statistics are those of a dataset")]
pub(crate) struct InspectArgs {
    /// Checkpoint folder, a repository of the Hub (OWNER/NAME[@REVISION]), or any other file or folder
    #[arg(value_name = "PATH")]
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// The dataset that its statistics are said to be of, to compare: HDF5 in the layout of D4RL, Minari, .npz
    #[arg(short, long, value_name = "FILE")]
    pub(crate) dataset: Option<PathBuf>,
    /// Exit status 1 if there is a warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print one JSON object, and nothing else on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

const MAX_BATCH: u64 = 1 << 20;
const MAX_HORIZON: u64 = 1 << 20;

fn count(low: u64, high: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(low..=high)
}

fn seed() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(0..=MAX_SEED)
}

/// Torch takes a negative seed as well, and reads it as 2^64 more.
fn torch_seed(text: &str) -> Result<u64, String> {
    let signed = text.parse::<i64>().map(|seed| seed as u64);
    signed
        .or_else(|_| text.parse::<u64>())
        .map_err(|_| "expected an integer from -2^63 to 2^64 - 1, as torch.manual_seed takes it".into())
}

fn finite64(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(value) => Err(format!("{value}, expected a finite number")),
        Err(e) => Err(e.to_string()),
    }
}

/// One of the names that serde knows the values of a type by.
fn serde_name<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    #[test]
    fn negative_numbers_are_values() {
        for line in ["diffplan plan --obs -1,0,.5", "diffplan plan --obs=-1,0,.5"] {
            let Command::Plan(args) = parse(line).unwrap() else {
                panic!("{line}")
            };
            assert_eq!(args.obs, [-1.0, 0.0, 0.5], "{line}");
        }
        let Command::Plan(args) = parse("diffplan plan --obs 1 --scale -0.5 --torch-seed -1").unwrap() else {
            panic!("a plan")
        };
        assert_eq!((args.planning.0.scale, args.torch_seed), (Some(-0.5), Some(u64::MAX)));
    }

    #[test]
    fn a_switch_can_be_turned_off() {
        for (line, expected) in [
            ("diffplan rollout", None),
            ("diffplan rollout --rescore", Some(true)),
            ("diffplan rollout --rescore=false --json", Some(false)),
        ] {
            let Command::Rollout(args) = parse(line).unwrap() else {
                panic!("{line}")
            };
            assert_eq!(args.planning.0.rescore, expected, "{line}");
        }
    }

    #[test]
    fn of_a_flag_given_twice_the_last_wins() {
        let line = "diffplan bench --threads 1 --task unet --json --threads 2 --task plan --json";
        let Command::Bench(args) = parse(line).unwrap() else {
            panic!("{line}")
        };
        assert_eq!(
            (args.run.threads, args.task, args.run.json),
            (Some(2), Task::Plan, true)
        );
    }

    #[test]
    fn impossible_values_are_refused() {
        for line in [
            "diffplan rollout --episodes 0",
            "diffplan rollout --batch-size 0",
            "diffplan rollout --horizon 0",
            "diffplan rollout --scale inf",
            "diffplan rollout --guidance paper",
            "diffplan rollout --eta 2",
            "diffplan plan --obs 1 --precision f16",
            "diffplan rollout --seed -1",
            "diffplan rollout --threads 0",
            "diffplan rollout --render",
            "diffplan plan",
            "diffplan plan --obs 1 --n-action-steps 2",
            "diffplan bench --warm-start 0.5",
            "diffplan rollout --follow both",
            "diffplan rollout --n-action-steps 0",
            "diffplan plan --obs 1 --env Pendulum-v1",
            "diffplan plan --obs 1 --env-kwargs g=1",
            "diffplan plan --obs 1 --compare-unguided",
            "diffplan rollout --env-kwargs g",
            "diffplan rollout --env-kwargs =1",
            "diffplan train both --env-kwargs g",
            "diffplan train both --best 0",
            "diffplan train both --best 1.5",
            "diffplan train both --episodes 2",
            "diffplan train both --validation 1",
            "diffplan train both --dataset-weights 0,1",
            "diffplan plan --obs 1,x",
            "diffplan plan --obs 1 --seed 1 --torch-seed 1",
            "diffplan bench --repeat 0",
            "diffplan bench --task forward",
            "diffplan bench --task deadline",
            "diffplan bench --task deadline --deadline 20",
            "diffplan bench --task deadline --deadline -1ms",
            "diffplan bench --task deadline --deadline 1e400s",
            "diffplan bench --task deadline --deadline 5ms --plans 0",
            "diffplan bench --hopper-size --checkpoint DIR",
            "diffplan inspect",
            "diffplan data",
            "diffplan data inspect",
            "diffplan data inspect x.hdf5 --max-episode-steps 0",
            "diffplan data collect --env Pendulum-v1",
            "diffplan data collect --out x.hdf5 --skill 1.5",
            "diffplan data collect --out x.hdf5 --skill nan",
            "diffplan data collect --out x.hdf5 --noise -1",
            "diffplan data collect --out x.hdf5 --episodes 0",
            "diffplan convert",
            "diffplan convert --planner RUN",
            "diffplan convert A B C",
            "diffplan convert A B --dtype f64",
            "diffplan convert A B --to torch",
            "diffplan convert A B --which best",
            "diffplan convert A B --dataset D --stats S",
            "diffplan convert A B --maze-goal 1",
            "diffplan evaluate --episodes 0",
            "diffplan evaluate --parallel 0",
            "diffplan evaluate --resume",
            "diffplan evaluate --compare a.json",
            "diffplan evaluate --compare a.json b.json c.json",
            "diffplan evaluate --compare a.json b.json --checkpoint DIR",
            "diffplan evaluate --compare a.json b.json --scale 1",
            "diffplan evaluate --compare a.json b.json --threads 1",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
