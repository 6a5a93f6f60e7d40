//! How plans are made: an argument for each entry of the library's table of planning options.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use diffplan_pipelines::{Kind, OPTIONS, OptionSpec, PlanningConfig};
use std::path::Path;

/// What was given of the planning options. What was not comes from the checkpoint's planning_config.json, then from diffusers'
/// defaults. Options that say what is done of plans one after another are among them only where there is an episode, `ACTS`.
///
/// The second part are the names of those that were typed, and are not of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlanningArgs<const ACTS: bool = false>(pub(crate) PlanningConfig, pub(crate) Vec<&'static str>);

/// Options of plans, and of what is done of them.
pub(crate) type ActingOptions = PlanningArgs<true>;

/// The argument of a file of options.
const FILE: &str = "planning";

fn file_argument() -> Arg {
    let read = |text: &str| match PlanningConfig::from_file(Path::new(text)) {
        // Where plans are made is said by --env.
        Ok(config) => Ok(PlanningConfig {
            env: None,
            env_kwargs: None,
            max_episode_steps: None,
            ..config
        }),
        Err(error) => Err(error.to_string()),
    };
    Arg::new(FILE)
        .long(FILE)
        .value_name("FILE")
        .help("Planning options of a file, TOML or JSON with the keys of planning_config.json, such as `diffplan tune` writes; options that are typed win over it. Its environment is not taken, nor, where there are no episodes, what is done of plans one after another")
        .help_heading("Planning")
        .value_parser(ValueParser::new(read))
}

fn argument(spec: &'static OptionSpec) -> Arg {
    let name = spec.name;
    let check = move |text: &str| match PlanningConfig::default().set(name, text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let mut arg = Arg::new(name)
        .long(spec.flag)
        .value_name(spec.value_name)
        .help(spec.doc.trim())
        .help_heading(if spec.acting { "Acting by plans" } else { "Planning" })
        .value_parser(ValueParser::new(check));
    if let Some(short) = spec.short {
        arg = arg.short(short);
    }
    match spec.kind {
        Kind::Choice(names) => arg.value_parser(PossibleValuesParser::new(names)),
        Kind::Number { .. } => arg.allow_hyphen_values(true),
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

/// The options that are offered.
fn offered(acts: bool) -> impl Iterator<Item = &'static OptionSpec> {
    OPTIONS.iter().filter(move |spec| acts || !spec.acting)
}

impl<const ACTS: bool> Args for PlanningArgs<ACTS> {
    fn augment_args(command: Command) -> Command {
        let command = command.arg(file_argument());
        offered(ACTS).fold(command, |command, spec| command.arg(argument(spec)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const ACTS: bool> FromArgMatches for PlanningArgs<ACTS> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if let Some(config) = matches.get_one::<PlanningConfig>(FILE) {
            self.0 = config.clone();
            if !ACTS {
                // What is done of plans one after another means nothing where there is one, in a checkpoint's own file as little as here.
                self.0.forget_acting();
            }
        }
        for spec in offered(ACTS) {
            if let Some(text) = matches.get_one::<String>(spec.name) {
                self.1.push(spec.name);
                let set = self.0.set(spec.name, text);
                set.map_err(|error| clap::Error::raw(clap::error::ErrorKind::ValueValidation, error))?;
            }
        }
        Ok(())
    }
}

impl<const ACTS: bool> PlanningArgs<ACTS> {
    /// The flag of an option that was given, if any was.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = serde_json::to_value(&self.0).ok()?;
        OPTIONS
            .iter()
            .find(|spec| given.get(spec.name).is_some_and(|value| !value.is_null()))
            .map(|spec| spec.flag)
    }
}
