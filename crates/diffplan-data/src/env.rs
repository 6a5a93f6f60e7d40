//! [`RecordedEnv`]: the environment that a dataset was recorded in, as the file says how to make it.

use serde_json::{Map, Value};

use crate::Error;

/// Arguments of an environment that are about its pictures alone. They are left out: nothing that is learned or played depends on them.
const OF_PICTURES: [&str; 10] = [
    "render_mode",
    "screen_width",
    "screen_height",
    "width",
    "height",
    "camera_id",
    "camera_name",
    "default_camera_config",
    "max_geom",
    "visual_options",
];

/// The argument of Gymnasium's `make` that is the wrapper's and not the environment's.
const LIMIT: &str = "max_episode_steps";

/// An environment by its id, and what it was made with: Gymnasium's `EnvSpec`, as Minari stores it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordedEnv {
    /// The id: "Pendulum-v1".
    pub id: String,
    /// The arguments of its constructor that are not its defaults: `{"g": 1.62}`.
    pub kwargs: Map<String, Value>,
    /// Steps after which its episodes were cut off.
    pub max_episode_steps: Option<usize>,
}

impl RecordedEnv {
    /// One of which only the id is known.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// A name and a value of `NAME=VALUE`, where the value is JSON; what is no JSON is a text.
    ///
    /// # Errors
    /// [`Error::EnvArgument`].
    pub fn argument(text: &str) -> Result<(String, Value), Error> {
        let parts = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
        let Some((name, value)) = parts else {
            return Err(Error::EnvArgument { text: text.to_owned() });
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok((name.trim().to_owned(), value))
    }

    /// Sets an argument; null takes it away. As for Gymnasium's `make`, `max_episode_steps` is the limit of episodes.
    ///
    /// # Errors
    /// [`Error::EnvArgument`] for a limit that is none.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if name == LIMIT {
            let steps = value
                .as_u64()
                .and_then(|steps| usize::try_from(steps).ok())
                .filter(|steps| *steps > 0);
            if steps.is_none() && !value.is_null() {
                return Err(Error::EnvArgument {
                    text: format!("{name}={value}"),
                });
            }
            self.max_episode_steps = steps;
        } else if value.is_null() {
            self.kwargs.remove(name);
        } else {
            self.kwargs.insert(name.to_owned(), value.clone());
        }
        Ok(())
    }

    /// All that it was made with, by name, the limit of episodes among them.
    #[must_use]
    pub fn arguments(&self) -> Map<String, Value> {
        let mut all = self.kwargs.clone();
        all.extend(self.max_episode_steps.map(|steps| (LIMIT.to_owned(), steps.into())));
        all
    }

    /// That of an `env_spec` in JSON, which may be a string of JSON itself; none without an id.
    #[must_use]
    pub fn of_spec(spec: &Value) -> Option<Self> {
        if let Value::String(text) = spec {
            // Infinities become texts, which are told apart where they are used.
            let object = diffplan_files::parse_json_object(text.as_bytes(), "env_spec".as_ref()).ok()?;
            return Self::of_spec(&object.into());
        }
        let mut kwargs = match spec.get("kwargs") {
            Some(Value::Object(kwargs)) => kwargs.clone(),
            _ => Map::new(),
        };
        kwargs.retain(|name, _| !OF_PICTURES.contains(&name.as_str()));
        let steps = spec.get("max_episode_steps").and_then(Value::as_u64);
        Some(Self {
            id: spec.get("id")?.as_str()?.to_owned(),
            kwargs,
            // Gymnasium has -1 for no limit, and refuses 0.
            max_episode_steps: steps
                .and_then(|steps| usize::try_from(steps).ok())
                .filter(|steps| *steps > 0),
        })
    }
}

impl From<String> for RecordedEnv {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

impl From<&str> for RecordedEnv {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// "Pendulum-v1 (g = 1.62, 50 steps)".
impl std::fmt::Display for RecordedEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut made_with: Vec<String> = self
            .kwargs
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        made_with.extend(self.max_episode_steps.map(|steps| format!("{steps} steps")));
        match made_with.is_empty() {
            true => f.write_str(&self.id),
            false => write!(f, "{} ({})", self.id, made_with.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_set_from_text() {
        let mut env = RecordedEnv::new("E-v0");
        for text in ["g=1.62", "name=a=b", "flag=true", "range=[0,1]", "max_episode_steps=50"] {
            let (name, value) = RecordedEnv::argument(text).unwrap();
            env.set(&name, &value).unwrap();
        }
        let expected = json!({"g": 1.62, "name": "a=b", "flag": true, "range": [0, 1]});
        assert_eq!(
            (Value::Object(env.kwargs.clone()), env.max_episode_steps),
            (expected, Some(50))
        );
        assert_eq!(env.arguments().len(), 5);
        for name in ["g", "name", "flag", "range", "max_episode_steps", "never"] {
            env.set(name, &Value::Null).unwrap();
        }
        assert_eq!(env, RecordedEnv::new("E-v0"));
        for text in ["g", "=3", " =3"] {
            assert!(RecordedEnv::argument(text).is_err(), "{text}");
        }
        for value in [json!(0), json!(-5), json!("many"), json!(1.5)] {
            assert!(env.set("max_episode_steps", &value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_spec_gives_what_matters() {
        let spec =
            json!({"id": "Pendulum-v1", "max_episode_steps": 50, "kwargs": {"g": 1.62, "render_mode": "rgb_array"}});
        for spec in [spec.clone(), Value::String(spec.to_string())] {
            let env = RecordedEnv::of_spec(&spec).unwrap();
            assert_eq!(env.to_string(), "Pendulum-v1 (g = 1.62, 50 steps)");
        }
        let bare = RecordedEnv::of_spec(&json!({"id": "A-v0", "max_episode_steps": -1, "kwargs": null})).unwrap();
        assert_eq!((&bare, bare.to_string().as_str()), (&RecordedEnv::new("A-v0"), "A-v0"));
        let infinite = r#"{"id": "Hopper-v5", "kwargs": {"healthy_z_range": [0.7, Infinity]}}"#;
        let infinite = RecordedEnv::of_spec(&infinite.into()).unwrap();
        assert_eq!(infinite.kwargs["healthy_z_range"], json!([0.7, "Infinity"]));
        // What is not a spec, at any depth.
        for none in [
            json!(null),
            json!("no JSON"),
            json!("\"[]\""),
            json!({"kwargs": {}}),
            json!({"id": 3}),
        ] {
            assert_eq!(RecordedEnv::of_spec(&none), None);
        }
    }
}
