//! What an environment is made with, from the JSON that datasets and checkpoints have of it.

use crate::error::{Error, Result};
use diffplan_data::RecordedEnv;
use diffplan_envs::{BoxEnv, Dict, EpisodeLimit, MakeOptions, Value, d4rl};
use ndarray::Array1;
use serde_json::Value as Json;

/// The options that an environment is made with, as data was recorded or a checkpoint says.
///
/// # Errors
/// [`Error::EnvArgument`] for a value that no environment takes: a list of anything but numbers.
pub fn make_options(env: &RecordedEnv) -> Result<MakeOptions> {
    let mut kwargs = Dict::new();
    for (name, value) in &env.kwargs {
        if let Some(value) = convert(name, value)? {
            kwargs.insert(name.as_str(), value);
        }
    }
    Ok(MakeOptions {
        max_episode_steps: env
            .max_episode_steps
            .map_or(EpisodeLimit::Registered, EpisodeLimit::Steps),
        kwargs,
    })
}

/// None for null.
fn convert(name: &str, value: &Json) -> Result<Option<Value>> {
    let refuse = || Error::EnvArgument {
        name: name.to_owned(),
        value: value.to_string(),
    };
    Ok(Some(match value {
        Json::Null => return Ok(None),
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(number)) => number.into(),
            (None, None) => return Err(refuse()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(list) => {
            // Infinities have no JSON: they are texts.
            let number = |value: &Json| match value {
                Json::String(text) => text.parse().ok(),
                value => value.as_f64(),
            };
            let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
            Array1::from(numbers.ok_or_else(refuse)?).into()
        }
        Json::Object(object) => {
            let mut dict = Dict::new();
            for (key, value) in object {
                if let Some(value) = convert(name, value)? {
                    dict.insert(key.as_str(), value);
                }
            }
            dict.into()
        }
    }))
}

/// An environment with its arguments set from texts `NAME=VALUE`: of `given`, or else of `known`, whose own arguments hold where it is the
/// same one. A dataset's id stands for its environment. None where neither is there.
///
/// # Errors
/// For a text that is no argument.
pub fn env_with(given: Option<&str>, arguments: &[String], known: Option<RecordedEnv>) -> Result<Option<RecordedEnv>> {
    let of = |id: &str| d4rl::env_id(id).unwrap_or(id).to_owned();
    let env = match (given.map(of), known) {
        (Some(id), Some(known)) if id == of(&known.id) => Some(RecordedEnv { id, ..known }),
        (Some(id), _) => Some(RecordedEnv::new(id)),
        (None, known) => known,
    };
    let Some(mut env) = env else { return Ok(None) };
    for text in arguments {
        let (name, value) = RecordedEnv::argument(text)?;
        env.set(&name, &value)?;
    }
    Ok(Some(env))
}

/// Makes an environment of a registry, with its arguments.
///
/// # Errors
/// If there is none of its id, or it does not take an argument: [`Error::EnvArguments`] names both.
pub fn make_env(registry: &diffplan_envs::Registry, env: &RecordedEnv) -> Result<BoxEnv> {
    let made = registry.make_with(&env.id, &make_options(env)?);
    made.map_err(|error| env_error(env, error))
}

/// What keeps an environment from being made, with its name where an argument does.
pub fn env_error(env: &RecordedEnv, error: diffplan_envs::Error) -> Error {
    use diffplan_envs::Error as E;
    match error {
        E::UnknownOption { .. } | E::OptionKind { .. } | E::OptionNotFinite { .. } | E::OptionValue { .. } => {
            Error::EnvArguments {
                env: env.id.clone(),
                error,
            }
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_envs::{Env, Registry};

    fn env(arguments: &[&str]) -> RecordedEnv {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        env_with(Some("Pendulum-v1"), &arguments, None).unwrap().unwrap()
    }

    #[test]
    fn arguments_reach_the_environment() {
        let registry = Registry::default();
        let first = |env: &RecordedEnv| {
            let mut env = make_env(&registry, env).unwrap();
            env.reset(Some(0), &Dict::new()).unwrap();
            let limit = env.spec().unwrap().max_episode_steps;
            (env.step(&ndarray::array![0.0]).unwrap().observation[2], limit)
        };
        assert_ne!(first(&env(&[])).0, first(&env(&["g=1.62"])).0);
        assert_eq!(first(&env(&["g=10"])), first(&env(&[])));
        assert_eq!(first(&env(&["max_episode_steps=50"])).1, Some(50));
        assert_eq!(first(&env(&["g=3", "g=null"])), first(&env(&[])));
        let error = |arguments: &[&str]| make_env(&registry, &env(arguments)).err().unwrap().to_string();
        assert_eq!(
            error(&["gravity=1.62"]),
            "Pendulum-v1: unknown option \"gravity\", expected one of [\"g\"]"
        );
        assert!(error(&["g=moon"]).contains("expected a number"));
        assert!(error(&["g=[1,{}]"]).contains("g = [1,{}]"));
    }

    #[test]
    fn a_checkpoints_arguments_are_of_its_environment() {
        let moon = RecordedEnv {
            kwargs: serde_json::Map::from_iter([("g".to_owned(), 1.62.into())]),
            max_episode_steps: Some(50),
            ..RecordedEnv::new("Pendulum-v1")
        };
        let with = |given: Option<&str>, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
            env_with(given, &arguments, Some(moon.clone()))
                .unwrap()
                .unwrap()
                .to_string()
        };
        assert_eq!(with(None, &[]), "Pendulum-v1 (g = 1.62, 50 steps)");
        assert_eq!(with(Some("Pendulum-v1"), &["g=3"]), "Pendulum-v1 (g = 3, 50 steps)");
        assert_eq!(with(Some("Hopper-v5"), &["frame_skip=2"]), "Hopper-v5 (frame_skip = 2)");
        assert_eq!(env_with(None, &["g=1".to_owned()], None).unwrap(), None);
    }

    #[test]
    fn ranges_may_be_infinite() {
        let spec =
            r#"{"id": "Hopper-v5", "kwargs": {"healthy_z_range": [0.7, Infinity], "terminate_when_unhealthy": false}}"#;
        let env = RecordedEnv::of_spec(&spec.into()).unwrap();
        let kwargs = make_options(&env).unwrap().kwargs;
        assert_eq!(
            kwargs.get("healthy_z_range"),
            Some(&ndarray::array![0.7, f64::INFINITY].into())
        );
        assert_eq!(kwargs.get("terminate_when_unhealthy"), Some(&false.into()));
    }
}
