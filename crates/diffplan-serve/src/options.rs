//! Planning options in JSON, by the library's table: one that is new there is new here.

use crate::problem::Problem;
use crate::settings::Settings;
use diffplan_pipelines::{Kind, OPTIONS, PlanOptions, PlanningConfig, ValueGuidedPipeline};
use serde_json::{Map, Value, json};

/// Options as a request has them.
pub(crate) type Given = Map<String, Value>;

/// What `given` says. Of nothing but a plan, where `acting` is false: what is done of plans one after another means nothing there, and is
/// refused.
fn read(given: &Given, acting: bool) -> Result<PlanningConfig, Problem> {
    let mut pairs = Vec::with_capacity(given.len());
    for (name, value) in given {
        let text = match value {
            // As if it were not there: the default.
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let message = format!("{name} is a list or an object, expected a number, a text, true or false");
                return Err(Problem::of_option(name, message));
            }
        };
        if !acting && OPTIONS.iter().any(|spec| spec.acting && spec.name == name) {
            let message = format!("{name} says what is done of plans one after another: expected in episodes alone");
            return Err(Problem::of_option(name, message));
        }
        pairs.push((name.as_str(), text));
    }
    let pairs = pairs.iter().map(|(name, text)| (*name, text.as_str()));
    Ok(PlanningConfig::of_pairs(pairs)?)
}

/// The options of one plan: `given` over `defaults`.
pub(crate) fn of_plan(given: &Given, defaults: &PlanOptions) -> Result<PlanOptions, Problem> {
    Ok(alone(read(given, false)?.over(defaults.clone())))
}

/// Of a plan by itself: with the defaults of what is done of plans one after another, so that plans that differ in nothing else are made by the
/// same planners.
pub(crate) fn alone(options: PlanOptions) -> PlanOptions {
    let mut said = PlanningConfig::default();
    for spec in OPTIONS.iter().filter(|spec| !spec.acting) {
        // What was read from this text before is read again.
        if let Some(text) = options.text(spec.name) {
            let _ = said.set(spec.name, &text);
        }
    }
    said.over(PlanOptions::default())
}

/// The options of an episode.
pub(crate) fn of_episode(given: &Given, defaults: &PlanOptions) -> Result<PlanOptions, Problem> {
    Ok(read(given, true)?.over(defaults.clone()))
}

/// That so many queries with these options are not more than the server takes on. What could only be found out while it is planned, by
/// memory that is gone, is found here.
pub(crate) fn check(
    options: &PlanOptions,
    queries: usize,
    pipeline: &ValueGuidedPipeline,
    settings: &Settings,
) -> Result<(), Problem> {
    options.validate()?;
    let too_large = |name: &str, message: String| Err(Problem::too_large(message).option(name));
    let (batch, horizon) = (options.batch_size, options.planning_horizon);
    let size = batch.checked_mul(horizon).and_then(|size| size.checked_mul(queries));
    if size.is_none_or(|size| size > settings.size) {
        let of = match queries {
            1 => String::new(),
            queries => format!("{queries} observations × "),
        };
        let message = format!(
            "{of}{batch} candidates × {horizon} steps, expected a product of at most {}",
            settings.size
        );
        let blamed = if horizon > settings.size {
            "planning_horizon"
        } else {
            "batch_size"
        };
        return too_large(blamed, message);
    }
    if options.n_guide_steps > settings.guide_steps {
        let message = format!(
            "n_guide_steps = {}: expected at most {}",
            options.n_guide_steps, settings.guide_steps
        );
        return too_large("n_guide_steps", message);
    }
    let all = pipeline.scheduler().schedule().num_train_timesteps();
    let visits = options.num_inference_steps.unwrap_or(all);
    if visits.saturating_add(options.extra_steps) > settings.steps {
        let name = if visits > settings.steps {
            "num_inference_steps"
        } else {
            "extra_steps"
        };
        let message = format!(
            "{visits} timesteps and {} extra steps, expected at most {} in all",
            options.extra_steps, settings.steps
        );
        return too_large(name, message);
    }
    Ok(())
}

/// All options by name.
pub(crate) fn json(options: &PlanOptions) -> Value {
    OPTIONS
        .iter()
        .map(|spec| (spec.name.to_owned(), value(options, spec.name, spec.kind)))
        .collect()
}

/// The value of an option: its text as JSON has it, for a number widened to f64 would have digits that nobody typed.
fn value(options: &PlanOptions, name: &str, kind: Kind) -> Value {
    let Some(text) = options.text(name) else {
        return Value::Null;
    };
    match kind {
        Kind::Count { .. } | Kind::Number { .. } | Kind::Switch => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(text),
    }
}

/// What there is to choose, with what is in force where nothing is chosen.
pub(crate) fn describe(options: &PlanOptions, settings: &Settings, timesteps: usize) -> Vec<Value> {
    let most = |name: &str, high: usize| match name {
        "batch_size" => high.min((settings.size / options.planning_horizon.max(1)).max(1)),
        "planning_horizon" => high.min(settings.size),
        "n_guide_steps" => high.min(settings.guide_steps),
        "num_inference_steps" => high.min(settings.steps).min(timesteps),
        "extra_steps" => high.min(settings.steps),
        _ => high,
    };
    let each = OPTIONS.iter().map(|spec| {
        let (kind, choices, min, max) = match spec.kind {
            Kind::Count { low, high } => ("integer", Value::Null, json!(low), json!(most(spec.name, high))),
            Kind::Number { low, high } => {
                let bound = |bound: f32| match bound.abs() < f32::MAX {
                    true => serde_json::from_str(&bound.to_string()).unwrap_or(Value::Null),
                    false => Value::Null,
                };
                ("number", Value::Null, bound(low), bound(high))
            }
            Kind::Choice(names) => ("choice", json!(names), Value::Null, Value::Null),
            Kind::Switch => ("flag", Value::Null, Value::Null, Value::Null),
            _ => ("text", Value::Null, Value::Null, Value::Null),
        };
        json!({
            "name": spec.name,
            "kind": kind,
            "default": value(options, spec.name, spec.kind),
            "help": spec.doc.trim(),
            "choices": choices,
            "min": min,
            "max": max,
            "acting": spec.acting,
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: Value) -> Given {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn options_are_read_as_json_says_them() {
        let options = given(json!({"batch_size": 5, "scale": 0.5, "rescore": true, "scheduler": "ddim", "eta": null}));
        let read = of_plan(&options, &PlanOptions::default()).unwrap();
        let expected = PlanOptions {
            batch_size: 5,
            scale: 0.5,
            rescore: true,
            scheduler: Some("ddim".into()),
            ..PlanOptions::default()
        };
        assert_eq!(read, expected);
        assert_eq!(json(&read)["scale"], json!(0.5));
        assert_eq!(json(&PlanOptions::default())["scale"].to_string(), "0.1");
    }

    #[test]
    fn what_is_no_option_is_told_by_its_name() {
        for (text, name, words) in [
            (json!({"batch_size": "many"}), "batch_size", "many"),
            (json!({"batch_size": 8.5}), "batch_size", "at least 1"),
            (json!({"batch_size": [8]}), "batch_size", "a list"),
            (json!({"batchsize": 8}), "batchsize", "batch_size"),
            (json!({"n_action_steps": 2}), "n_action_steps", "episodes alone"),
            (json!({"eta": 2}), "eta", "from 0 to 1"),
        ] {
            let problem = of_plan(&given(text), &PlanOptions::default()).unwrap_err();
            assert_eq!(
                (problem.kind, problem.option.as_deref()),
                ("option", Some(name)),
                "{}",
                problem.message
            );
            assert!(problem.message.contains(words), "{}", problem.message);
        }
        assert!(of_episode(&given(json!({"n_action_steps": 2})), &PlanOptions::default()).is_ok());
    }

    #[test]
    fn every_option_of_the_table_is_described_and_goes_back() {
        let described = describe(&PlanOptions::default(), &Settings::default(), 20);
        assert_eq!(described.len(), OPTIONS.len());
        let all: Given = described
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["default"].clone()))
            .collect();
        assert_eq!(
            of_episode(&all, &PlanOptions::default()).unwrap(),
            PlanOptions::default()
        );
    }
}
