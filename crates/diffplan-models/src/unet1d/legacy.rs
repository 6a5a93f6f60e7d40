//! Configurations and weights of before diffusers 0.9, as the first repositories on the Hub have them.
//!
//! - `always_downsample` is `downsample_each_block`.
//! - Without a word on time embeddings it is Diffuser's: positional, sines first, with a network on top. Today's defaults (Fourier, none) are those of audio networks
//!   and cannot be meant: residual temporal blocks do not work with them.
//! - `mid_block_types`, two of them, of the branch that the first checkpoints were made with: `mid_blocks.I.resnet` and `.downsample`. A value
//!   function's are what is now one `ValueFunctionMidBlock1D`, a planner's the two residual blocks of one `MidResTemporalBlock1D`.

use serde_json::{Map, Value};

/// What the weights of a file are called, where it is not what they are called today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Today,
    /// `mid_blocks.I` of a planner.
    PlannerMidBlocks,
    /// `mid_blocks.I` of a value function.
    ValueMidBlocks,
}

impl Names {
    /// Today's name of a parameter.
    pub(super) fn today(self, name: &str) -> String {
        let parts = match self {
            Self::Today => [].as_slice(),
            Self::PlannerMidBlocks => &[
                ("mid_blocks.0.resnet.", "mid_block.resnets.0."),
                ("mid_blocks.1.resnet.", "mid_block.resnets.1."),
            ],
            Self::ValueMidBlocks => &[
                ("mid_blocks.0.resnet.", "mid_block.res1."),
                ("mid_blocks.0.downsample.", "mid_block.down1."),
                ("mid_blocks.1.resnet.", "mid_block.res2."),
                ("mid_blocks.1.downsample.", "mid_block.down2."),
            ],
        };
        let mut renamed = parts.iter();
        let renamed = renamed.find_map(|(old, new)| name.strip_prefix(old).map(|rest| format!("{new}{rest}")));
        renamed.unwrap_or_else(|| name.to_owned())
    }
}

/// Puts today's keys in place of old ones, and says what was assumed.
pub(super) fn modernise(object: &mut Map<String, Value>) -> (Names, Option<String>) {
    let mut assumed = Vec::new();
    if let Some(always) = object.remove("always_downsample") {
        // A file of a release in between has both.
        if !object.contains_key("downsample_each_block") {
            assumed.push(format!("`always_downsample` is `downsample_each_block` ({always})"));
            object.insert("downsample_each_block".into(), always);
        }
    }
    let is_value = object.get("out_block_type").and_then(Value::as_str) == Some("ValueFunction");
    let mut names = Names::Today;
    let two = |types: &Value| types.as_array().is_some_and(|types| types.len() == 2);
    if !object.contains_key("mid_block_type") && object.get("mid_block_types").is_some_and(two) {
        object.remove("mid_block_types");
        let (of, kind) = match is_value {
            true => (Names::ValueMidBlocks, "ValueFunctionMidBlock1D"),
            false => (Names::PlannerMidBlocks, "MidResTemporalBlock1D"),
        };
        names = of;
        assumed.push(format!("two `mid_block_types` are `mid_block_type` {kind}"));
        object.insert("mid_block_type".into(), kind.into());
    }
    let temporal = |types: &Value| {
        let types = types.as_array().filter(|types| !types.is_empty());
        types.is_some_and(|types| types.iter().all(|kind| kind == "DownResnetBlock1D"))
    };
    let unsaid = ["time_embedding_type", "use_timestep_embedding"]
        .iter()
        .all(|key| !object.contains_key(*key));
    if unsaid && object.get("down_block_types").is_some_and(temporal) {
        for (key, value) in [
            ("time_embedding_type", Value::from("positional")),
            ("use_timestep_embedding", true.into()),
            ("flip_sin_to_cos", false.into()),
            ("freq_shift", 1.into()),
        ] {
            object.entry(key).or_insert(value);
        }
        assumed.push(
            "the time embedding, of which it says nothing, is Diffuser's: positional, with a network on top".into(),
        );
    }
    let note = (!assumed.is_empty()).then(|| format!("a configuration of an old diffusers; {}", assumed.join("; ")));
    (names, note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn todays_files_are_left_alone() {
        let before = object(json!({"down_block_types": ["DownResnetBlock1D"], "use_timestep_embedding": true}));
        let mut after = before.clone();
        assert_eq!(modernise(&mut after), (Names::Today, None));
        assert_eq!(after, before);
        // An audio network that says nothing has today's defaults.
        let mut audio = object(json!({"down_block_types": ["DownBlock1D"]}));
        assert_eq!(modernise(&mut audio).1, None);
    }

    #[test]
    fn what_a_key_of_today_says_is_not_overruled() {
        let mut both = object(json!({"always_downsample": true, "downsample_each_block": false}));
        assert_eq!(modernise(&mut both).1, None);
        assert_eq!(both["downsample_each_block"], false);
        let mut partly = object(json!({"down_block_types": ["DownResnetBlock1D"], "freq_shift": 0}));
        assert!(modernise(&mut partly).1.is_some());
        assert_eq!(
            (&partly["freq_shift"], &partly["time_embedding_type"]),
            (&json!(0), &json!("positional"))
        );
    }

    #[test]
    fn mid_blocks_have_the_names_of_today() {
        let mut value = object(json!({"out_block_type": "ValueFunction", "mid_block_types": ["a", "b"]}));
        let (names, note) = modernise(&mut value);
        assert_eq!(
            names.today("mid_blocks.1.downsample.conv.bias"),
            "mid_block.down2.conv.bias"
        );
        assert_eq!(names.today("time_mlp.linear_1.bias"), "time_mlp.linear_1.bias");
        assert!(note.is_some_and(|note| note.contains("ValueFunctionMidBlock1D")));
        let mut planner = object(json!({"out_block_type": "OutConv1DBlock", "mid_block_types": ["a", "b"]}));
        let (names, _) = modernise(&mut planner);
        assert_eq!(
            names.today("mid_blocks.1.resnet.time_emb.bias"),
            "mid_block.resnets.1.time_emb.bias"
        );
    }
}
