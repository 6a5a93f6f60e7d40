//! Configurations and weights of older releases of diffusers, and of before 0.9, as the first repositories on the Hub have them.
//!
//! - Before 0.36 there was no `time_embedding_dim`, and a Fourier embedding had 16 numbers, whatever the channels.
//! - Before 0.19 the last block of a value function had Mish, whatever `act_fn` said, and before 0.13 a time embedding nothing where `act_fn` was
//!   neither silu nor mish. No configuration of today says either, so such a file is refused.
//! - `always_downsample` is `downsample_each_block`.
//! - Without a word on time embeddings it is Diffuser's: positional, sines first, with a network on top. Today's defaults (Fourier, none) are those of audio networks
//!   and cannot be meant: residual temporal blocks do not work with them.
//! - `mid_block_types`, two of them, of the branch that the first checkpoints were made with: `mid_blocks.I.resnet` and `.downsample`. A value
//!   function's are what is now one `ValueFunctionMidBlock1D`, a planner's the two residual blocks of one `MidResTemporalBlock1D`.

use crate::error::{Error, Result};
use diffplan_files::Release;
use serde_json::{Map, Value};

/// The numbers of a Fourier embedding before 0.36.
const FOURIER_DIM: usize = 16;

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
///
/// # Errors
/// Where no key of today says what an old one did.
pub(super) fn modernise(object: &mut Map<String, Value>) -> Result<(Names, Option<String>)> {
    let release = Release::of(object);
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
    if let Some(release) = &release {
        check_activation(object, release, is_value)?;
        let fourier = object.get("time_embedding_type").is_none_or(|kind| kind == "fourier");
        if release.is_before(36) && fourier && !object.contains_key("time_embedding_dim") {
            assumed.push(format!(
                "`time_embedding_dim` is {FOURIER_DIM}, as it was then for any number of channels"
            ));
            object.insert("time_embedding_dim".into(), FOURIER_DIM.into());
        }
    }
    let of = release.map_or("an old diffusers".to_owned(), |release| format!("diffusers {release}"));
    let note = (!assumed.is_empty()).then(|| format!("a configuration of {of}; {}", assumed.join("; ")));
    Ok((names, note))
}

/// That the activations which an old release took are those that `act_fn` names today.
fn check_activation(object: &Map<String, Value>, release: &Release, is_value: bool) -> Result<()> {
    let Some(act_fn) = object.get("act_fn").and_then(Value::as_str) else {
        return Ok(());
    };
    let is_embedded = object.get("use_timestep_embedding") == Some(&true.into());
    let what = match act_fn {
        _ if is_value && act_fn != "mish" && release.is_before(19) => {
            "the last block of a value function had Mish all the same"
        }
        "silu" | "mish" => return Ok(()),
        _ if is_embedded && release.is_before(13) => "a time embedding had no activation with that",
        _ => return Ok(()),
    };
    let reason =
        format!("{act_fn:?} in a file of diffusers {release}, where {what}: no configuration of today says that");
    Err(Error::config("act_fn", reason))
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
        assert_eq!(modernise(&mut after).unwrap(), (Names::Today, None));
        assert_eq!(after, before);
        // An audio network that says nothing has today's defaults.
        let mut audio = object(json!({"down_block_types": ["DownBlock1D"]}));
        assert_eq!(modernise(&mut audio).unwrap().1, None);
    }

    #[test]
    fn what_a_key_of_today_says_is_not_overruled() {
        let mut both = object(json!({"always_downsample": true, "downsample_each_block": false}));
        assert_eq!(modernise(&mut both).unwrap().1, None);
        assert_eq!(both["downsample_each_block"], false);
        let mut partly = object(json!({"down_block_types": ["DownResnetBlock1D"], "freq_shift": 0}));
        assert!(modernise(&mut partly).unwrap().1.is_some());
        assert_eq!(
            (&partly["freq_shift"], &partly["time_embedding_type"]),
            (&json!(0), &json!("positional"))
        );
    }

    #[test]
    fn mid_blocks_have_the_names_of_today() {
        let mut value = object(json!({"out_block_type": "ValueFunction", "mid_block_types": ["a", "b"]}));
        let (names, note) = modernise(&mut value).unwrap();
        assert_eq!(
            names.today("mid_blocks.1.downsample.conv.bias"),
            "mid_block.down2.conv.bias"
        );
        assert_eq!(names.today("time_mlp.linear_1.bias"), "time_mlp.linear_1.bias");
        assert!(note.is_some_and(|note| note.contains("ValueFunctionMidBlock1D")));
        let mut planner = object(json!({"out_block_type": "OutConv1DBlock", "mid_block_types": ["a", "b"]}));
        let (names, _) = modernise(&mut planner).unwrap();
        assert_eq!(
            names.today("mid_blocks.1.resnet.time_emb.bias"),
            "mid_block.resnets.1.time_emb.bias"
        );
    }

    #[test]
    fn fourier_embeddings_of_before_0_36_have_sixteen_numbers() {
        let of = |version: &str| {
            let mut audio = object(json!({"_diffusers_version": version, "down_block_types": ["DownBlock1D"]}));
            let note = modernise(&mut audio).unwrap().1;
            (audio.get("time_embedding_dim").cloned(), note.is_some())
        };
        assert_eq!(of("0.35.2"), (Some(json!(16)), true));
        assert_eq!(of("0.36.0.dev0"), (Some(json!(16)), true));
        assert_eq!(of("0.36.0"), (None, false));
        let mut positional = object(json!({"_diffusers_version": "0.8.0", "time_embedding_type": "positional"}));
        assert_eq!(modernise(&mut positional).unwrap().1, None);
    }

    #[test]
    fn activations_that_no_key_says_are_refused() {
        let read = |version: &str, out: &str, act_fn: &str| {
            let mut config = object(json!({
                "_diffusers_version": version, "out_block_type": out, "act_fn": act_fn, "use_timestep_embedding": true
            }));
            modernise(&mut config).map_err(|error| error.to_string())
        };
        let error = read("0.18.2", "ValueFunction", "silu").unwrap_err();
        assert!(
            error.contains("`act_fn`") && error.contains("had Mish all the same"),
            "{error}"
        );
        assert!(
            read("0.12.1", "OutConv1DBlock", "gelu")
                .unwrap_err()
                .contains("no activation")
        );
        for (version, out, act_fn) in [
            ("0.18.2", "ValueFunction", "mish"),
            ("0.19.2", "ValueFunction", "silu"),
            ("0.12.1", "OutConv1DBlock", "silu"),
            ("0.13.0", "OutConv1DBlock", "gelu"),
        ] {
            read(version, out, act_fn).unwrap();
        }
    }
}
