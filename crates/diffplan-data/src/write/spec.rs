//! What Gymnasium's `EnvSpec.to_json` says of an environment, and how Minari writes its spaces.

use serde_json::{Value, json};

use crate::RecordedEnv;
use crate::findings::Bounds;

/// Where Gymnasium has the environments that are known here, of those ids of theirs that are on MuJoCo without version and `Env`.
const ON_MUJOCO: [(&str, &str, &str); 11] = [
    ("Ant", "ant", "AntEnv"),
    ("HalfCheetah", "half_cheetah", "HalfCheetahEnv"),
    ("Hopper", "hopper", "HopperEnv"),
    ("Humanoid", "humanoid", "HumanoidEnv"),
    ("HumanoidStandup", "humanoidstandup", "HumanoidStandupEnv"),
    (
        "InvertedDoublePendulum",
        "inverted_double_pendulum",
        "InvertedDoublePendulumEnv",
    ),
    ("InvertedPendulum", "inverted_pendulum", "InvertedPendulumEnv"),
    ("Pusher", "pusher", "PusherEnv"),
    ("Reacher", "reacher", "ReacherEnv"),
    ("Swimmer", "swimmer", "SwimmerEnv"),
    ("Walker2d", "walker2d", "Walker2dEnv"),
];

/// The Python class of an environment; without it, Gymnasium cannot make the environment again.
fn entry_point(id: &str) -> Option<String> {
    match id {
        "Pendulum-v1" => return Some("gymnasium.envs.classic_control.pendulum:PendulumEnv".into()),
        "MountainCarContinuous-v0" => {
            let module = "gymnasium.envs.classic_control.continuous_mountain_car";
            return Some(format!("{module}:Continuous_MountainCarEnv"));
        }
        _ => {}
    }
    let (name, version) = id
        .rsplit_once("-v")
        .filter(|(_, version)| ["4", "5"].contains(version))?;
    let (_, module, class) = ON_MUJOCO.iter().find(|(known, ..)| *known == name)?;
    Some(format!("gymnasium.envs.mujoco.{module}_v{version}:{class}"))
}

/// An environment in Gymnasium's words.
pub(super) fn env_spec(env: &RecordedEnv, max_episode_steps: Option<usize>) -> String {
    let spec = json!({
        "id": env.id,
        "entry_point": entry_point(&env.id),
        "reward_threshold": null,
        "nondeterministic": false,
        "max_episode_steps": max_episode_steps,
        "order_enforce": true,
        "disable_env_checker": false,
        "kwargs": Value::from(env.kwargs.clone()),
        "additional_wrappers": [],
        "vector_entry_point": null,
    });
    // Names that the reader gave to what JSON has no word for and Python writes nevertheless.
    ["Infinity", "-Infinity", "NaN"]
        .iter()
        .fold(spec.to_string(), |text, word| {
            text.replace(&format!("\"{word}\""), word)
        })
}

/// A box of float32 in Minari's words; without bounds where they are not those of as many dimensions.
pub(super) fn space(dimensions: usize, bounds: Option<&Bounds>) -> String {
    let fits = |bounds: &&Bounds| bounds.low.len() == dimensions && bounds.high.len() == dimensions;
    let list = |numbers: Option<&Vec<f64>>, otherwise: f64| {
        let none = vec![otherwise; dimensions];
        let numbers: Vec<String> = numbers.unwrap_or(&none).iter().map(|x| number(*x)).collect();
        numbers.join(", ")
    };
    let bounds = bounds.filter(fits);
    format!(
        "{{\"type\": \"Box\", \"dtype\": \"float32\", \"shape\": [{dimensions}], \"low\": [{}], \"high\": [{}]}}",
        list(bounds.map(|bounds| &bounds.low), f64::NEG_INFINITY),
        list(bounds.map(|bounds| &bounds.high), f64::INFINITY)
    )
}

/// As Python writes a float32.
fn number(value: f64) -> String {
    let value = f64::from(value as f32);
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        (if value > 0.0 { "Infinity" } else { "-Infinity" }).into()
    } else {
        Value::from(value).to_string()
    }
}

/// The bounds of a box of one axis, as Minari wrote it.
pub(super) fn bounds_of(space: &Value) -> Option<Bounds> {
    let parsed;
    let object = match space {
        Value::String(text) => {
            parsed = Value::from(diffplan_files::parse_json_object(text.as_bytes(), "space".as_ref()).ok()?);
            &parsed
        }
        other => other,
    };
    if object.get("type")?.as_str()? != "Box" || object.get("shape")?.as_array()?.len() != 1 {
        return None;
    }
    let numbers = |name: &str| -> Option<Vec<f64>> {
        object
            .get(name)?
            .as_array()?
            .iter()
            .map(diffplan_files::number)
            .collect()
    };
    Some(Bounds {
        low: numbers("low")?,
        high: numbers("high")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_as_minari_writes_and_reads_them() {
        let bounds = Bounds {
            low: vec![-1.0, f64::NEG_INFINITY],
            high: vec![0.1, 8.0],
        };
        let text = space(2, Some(&bounds));
        let expected = r#"{"type": "Box", "dtype": "float32", "shape": [2], "low": [-1.0, -Infinity], "high": [0.10000000149011612, 8.0]}"#;
        assert_eq!(text, expected);
        let read = bounds_of(&Value::String(text)).unwrap();
        assert_eq!(read.low, bounds.low);
        assert_eq!(read.high[0], f64::from(0.1_f32));
        assert!(space(3, Some(&bounds)).contains("[-Infinity, -Infinity, -Infinity]"));
    }

    #[test]
    fn a_spec_says_what_the_environment_was_made_with() {
        let mut env = RecordedEnv::new("Hopper-v5");
        env.set("healthy_z_range", &json!([0.7, "Infinity"])).unwrap();
        let text = env_spec(&env, Some(1000));
        assert!(text.contains(r#""healthy_z_range":[0.7,Infinity]"#), "{text}");
        assert!(text.contains("gymnasium.envs.mujoco.hopper_v5:HopperEnv"), "{text}");
        env.max_episode_steps = Some(1000);
        assert_eq!(RecordedEnv::of_spec(&Value::String(text)), Some(env));
        let own = env_spec(&RecordedEnv::new("Mine-v0"), None);
        assert!(
            own.contains(r#""entry_point":null"#) && own.contains(r#""max_episode_steps":null"#),
            "{own}"
        );
    }
}
