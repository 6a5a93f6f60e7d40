//! How a plan is made: one table of the options, under the reference's names and defaults.
//!
//! From the table come [`PlanOptions`], what a checkpoint or a caller may leave unsaid of it ([`PlanningConfig`]), the bounds, which
//! hold here as on a command line, and [`OPTIONS`], by which a command makes its arguments and a report its text. One more option is
//! one more entry.
//!
//! Options marked `acting` say what is done of plans one after another. A single plan does not depend on them: whoever acts by plans
//! (diffplan-eval's `PlannerPolicy`) heeds them, and a command that acts in no environment does not offer them.

mod acting;
mod file;
mod pairs;
mod value;

pub use acting::{Follow, Prefix, TrainedConditions};
pub use value::{Guidance, Kind, OptionSpec};

use crate::error::{Error, Result};
use diffplan_data::RecordedEnv;
use diffplan_models::{Algorithm, Compute, Precision};
use serde::{Deserialize, Serialize};
use value::OptionValue;

/// Makes the structs and the descriptions of the table.
macro_rules! planning_options {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $kind:ty = $default:expr, $flag:literal $(($short:literal))?, $value_name:literal, $spec:expr $(, $when:ident)?;
    )+) => {
        /// How a plan is made. [`Default`] is that of the reference's call.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct PlanOptions {
            $($(#[doc = $doc])+ pub $name: $kind,)+
        }

        impl Default for PlanOptions {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// `planning_config.json`: what a call uses where the caller says nothing. Every key is optional.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct PlanningConfig {
            /// The environment the checkpoint was trained for.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env: Option<String>,
            /// What that environment is made with: the arguments of its constructor.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub env_kwargs: Option<serde_json::Map<String, serde_json::Value>>,
            /// Steps after which its episodes are cut off; as it is registered by default.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub max_episode_steps: Option<usize>,
            /// What was known of trajectories in training; nothing but where they start, where this is not said.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub conditions: Option<TrainedConditions>,
            $(
                #[doc = concat!("As in [`PlanOptions::", stringify!($name), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<<$kind as OptionValue>::Given>,
            )+
        }

        /// Every planning option.
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            name: stringify!($name),
            flag: $flag,
            short: planning_options!(@short $($short)?),
            value_name: $value_name,
            kind: $spec,
            doc: concat!($($doc),+),
            acting: planning_options!(@when $($when)?),
        },)+];

        impl PlanOptions {
            /// Checks what does not depend on the networks.
            ///
            /// # Errors
            /// [`Error::Option`] for the first that is impossible.
            pub fn validate(&self) -> Result<()> {
                $(self.$name.given().map_or(Ok(()), |given| value::check(stringify!($name), &$spec, given))?;)+
                self.check_together()
            }

            /// The text of an option's value, as [`PlanningConfig::set`] takes it; `None` where it is not set, or there is none of that
            /// name.
            pub fn text(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => self.$name.given().map(ToString::to_string),)+
                    _ => None,
                }
            }
        }

        impl PlanningConfig {
            /// The keys of a file.
            pub const KEYS: &[&str] = &["env", "env_kwargs", "max_episode_steps", "conditions", $(stringify!($name),)+];

            /// The text of what this says of an option, as [`set`](Self::set) takes it; `None` where it says nothing, or there is none of
            /// that name.
            pub fn text(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => self.$name.as_ref().map(ToString::to_string),)+
                    _ => None,
                }
            }

            /// Says nothing of what is done of plans one after another.
            pub fn forget_acting(&mut self) {
                for spec in OPTIONS.iter().filter(|spec| spec.acting) {
                    match spec.name {
                        $(stringify!($name) => self.$name = None,)+
                        _ => {}
                    }
                }
            }

            /// `options` with what this says in place of theirs.
            pub fn over(&self, options: PlanOptions) -> PlanOptions {
                PlanOptions {
                    $($name: match &self.$name {
                        Some(given) => given.clone().into(),
                        None => options.$name,
                    },)+
                }
            }

            /// Sets an option from text.
            ///
            /// # Errors
            /// [`Error::Option`] if there is none of that name, or the text says no value that it takes.
            pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
                match name {
                    $(stringify!($name) => self.$name = Some(value::parse(stringify!($name), &$spec, text)?),)+
                    _ => return Err(Error::Option {
                        name: "name",
                        value: name.to_owned(),
                        expected: format!("one of {}", Self::KEYS[4..].join(", ")),
                    }),
                }
                Ok(())
            }
        }
    };
    (@short) => { None };
    (@short $short:literal) => { Some($short) };
    (@when) => { false };
    (@when acting) => { true };
}

planning_options! {
    /// Candidate trajectories for an observation
    batch_size: usize = 64, "batch-size" ('b'), "B", Kind::Count { low: 1, high: 1 << 20 };
    /// Steps of a trajectory
    planning_horizon: usize = 32, "horizon", "H", Kind::Count { low: 1, high: 1 << 20 };
    /// Gradient steps at every timestep; 0 plans without guidance
    n_guide_steps: usize = 2, "n-guide-steps" ('g'), "G", Kind::Count { low: 0, high: 10_000 };
    /// Length of a gradient step
    scale: f32 = 0.1, "scale", "X", Kind::Number { low: f32::MIN, high: f32::MAX };
    /// Weight of the gradient at a timestep: as in diffusers, or as in the paper's code
    guidance: Guidance = Guidance::Diffusers, "guidance", "RULE", Kind::Choice(Guidance::NAMES);
    /// Rank candidates by the value of what they became, not of what they were before the last denoising
    rescore: bool = false, "rescore", "BOOL", Kind::Switch;
    /// No gradient step below this timestep
    t_stopgrad: usize = 2, "t-stopgrad", "T", Kind::Count { low: 0, high: 1_000_000 };
    /// Timesteps visited, all by default
    num_inference_steps: Option<usize> = None, "num-inference-steps", "K", Kind::Count { low: 1, high: 1_000_000 };
    /// Scheduler in place of the checkpoint's, with what they have in common: ddpm, ddim, dpm++, euler, euler-a, heun, unipc
    scheduler: Option<String> = None, "scheduler", "NAME", Kind::Text;
    /// Which timesteps those are, in place of the checkpoint's: trailing begins with the noisiest, which few visits must
    timestep_spacing: Option<String> = None, "timestep-spacing", "SPACING", Kind::Choice(&["leading", "trailing", "linspace"]);
    /// Noise of ddim's steps: 0 none, 1 as much as ddpm's
    eta: f32 = 0.0, "eta", "0..1", Kind::Number { low: 0.0, high: 1.0 };
    /// What all noise is multiplied by: 1 as in diffusers, 0 the likeliest plan and no chance
    temperature: f32 = 1.0, "temperature", "X", Kind::Number { low: 0.0, high: 10.0 };
    /// Gradient steps at every so many timesteps, counted from the last
    guide_every: usize = 1, "guide-every", "N", Kind::Count { low: 1, high: 1_000_000 };
    /// The share of timesteps, from the noisiest, after which gradient steps begin
    guidance_start: f32 = 0.0, "guidance-start", "0..1", Kind::Number { low: 0.0, high: 1.0 };
    /// The share of timesteps, from the noisiest, after which gradient steps end
    guidance_end: f32 = 1.0, "guidance-end", "0..1", Kind::Number { low: 0.0, high: 1.0 };
    /// More steps without noise at the end, with guidance on
    extra_steps: usize = 0, "extra-steps", "N", Kind::Count { low: 0, high: 10_000 };
    /// In which precision convolutions multiply; bf16 is faster on CPUs with AVX-512 BF16, and less exact
    precision: Precision = Precision::F32, "precision", "P", Kind::Choice(value::PRECISIONS);
    /// Actions done of a plan before planning again; from the horizon on, all of it
    n_action_steps: usize = 1, "n-action-steps", "K", Kind::Count { low: 1, high: 1 << 20 }, acting;
    /// The share of timesteps made of every plan after an episode's first, which then starts from the plan before it, shifted and
    /// noised to there; 0 starts from noise
    warm_start: f32 = 0.0, "warm-start", "0..1", Kind::Number { low: 0.0, high: 1.0 }, acting;
    /// How the plan before holds the one that is made in what they overlap: not at all, whole, or with weights that fall
    prefix: Prefix = Prefix::None, "prefix", "WEIGHTS", Kind::Choice(Prefix::NAMES), acting;
    /// Steps of a plan that the one before may hold, from its first; all of the overlap by default
    prefix_steps: Option<usize> = None, "prefix-steps", "N", Kind::Count { low: 1, high: 1 << 20 }, acting;
    /// Steps from an observation until the first action that is planned from it is done; those between are what was planned before
    observation_delay: usize = 0, "observation-delay", "N", Kind::Count { low: 0, high: 1 << 20 }, acting;
    /// What is followed of a plan: its actions, or its states by a controller that steers from one to the next
    follow: Follow = Follow::Actions, "follow", "WHAT", Kind::Choice(Follow::NAMES), acting;
    /// Which dimensions that controller steers, and by which velocities, names or numbers: x,y:vx,vy; told by the environment's names by
    /// default
    follow_dims: Option<String> = None, "follow-dims", "P,…:V,…", Kind::Text, acting;
}

/// Candidates from which on Toom-Cook's fewer multiplications are worth its larger weights.
const TOOM_COOK_FROM: usize = 3;

/// Steps of all candidates together; of more no machine has the memory.
const MAX_STEPS: usize = 1 << 28;

impl PlanOptions {
    /// How the networks are computed on so many threads. The rest depends on these options alone, not on how many observations
    /// are planned for at a time: a plan has the same bits alone and among others.
    pub fn compute(&self, threads: usize) -> Compute {
        Compute {
            threads,
            algorithm: if self.batch_size < TOOM_COOK_FROM {
                Algorithm::Direct
            } else {
                Algorithm::Auto
            },
            precision: self.precision,
        }
    }

    fn check_together(&self) -> Result<()> {
        if self.guidance_start >= self.guidance_end {
            return Err(Error::Option {
                name: "guidance_start",
                value: self.guidance_start.to_string(),
                expected: format!(
                    "less than guidance_end, {}; n_guide_steps = 0 plans without guidance",
                    self.guidance_end
                ),
            });
        }
        match self.batch_size.checked_mul(self.planning_horizon) {
            Some(steps) if steps <= MAX_STEPS => Ok(()),
            _ => Err(Error::Option {
                name: "batch_size",
                value: self.batch_size.to_string(),
                expected: format!(
                    "at most {} candidates of a planning_horizon of {}",
                    MAX_STEPS / self.planning_horizon,
                    self.planning_horizon
                ),
            }),
        }
    }

    /// Whether candidates come out with values.
    pub(crate) fn ranks(&self) -> bool {
        self.n_guide_steps > 0 || self.rescore
    }
}

impl PlanningConfig {
    /// The environment, and what it is made with.
    pub fn recorded_env(&self) -> Option<RecordedEnv> {
        Some(RecordedEnv {
            id: self.env.clone()?,
            kwargs: self.env_kwargs.clone().unwrap_or_default(),
            max_episode_steps: self.max_episode_steps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_option_goes_through_text_and_back() {
        let unusual = [
            ("batch_size", "5"),
            ("planning_horizon", "16"),
            ("n_guide_steps", "0"),
            ("scale", "-0.5"),
            ("guidance", "diffuser"),
            ("rescore", "true"),
            ("t_stopgrad", "0"),
            ("num_inference_steps", "3"),
            ("scheduler", "ddim"),
            ("timestep_spacing", "trailing"),
            ("eta", "0.25"),
            ("temperature", "0.5"),
            ("guide_every", "2"),
            ("guidance_start", "0.25"),
            ("guidance_end", "0.75"),
            ("extra_steps", "5"),
            ("precision", "bf16"),
            ("n_action_steps", "4"),
            ("warm_start", "0.5"),
            ("prefix", "exp"),
            ("prefix_steps", "6"),
            ("observation_delay", "2"),
            ("follow", "states"),
            ("follow_dims", "0,1:2,3"),
        ];
        assert_eq!(
            unusual.map(|(name, _)| name),
            *OPTIONS.iter().map(|spec| spec.name).collect::<Vec<_>>()
        );
        for (name, text) in unusual {
            let mut config = PlanningConfig::default();
            config.set(name, text).unwrap();
            let options = config.over(PlanOptions::default());
            options.validate().unwrap();
            assert_eq!(options.text(name).as_deref(), Some(text));
            assert_ne!(options, PlanOptions::default(), "{name}");
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(
                PlanningConfig::from_bytes(json.as_bytes(), Path::new("p")).unwrap(),
                config
            );
        }
    }

    #[test]
    fn bounds_hold_whoever_sets_them() {
        for (name, text) in [
            ("batch_size", "0"),
            ("batch_size", "18446744073709551615"),
            ("planning_horizon", "0"),
            ("scale", "inf"),
            ("scale", "NaN"),
            ("eta", "1.5"),
            ("temperature", "-1"),
            ("guide_every", "0"),
            ("guidance_end", "2"),
            ("n_action_steps", "0"),
            ("warm_start", "1.5"),
            ("prefix", "zeros"),
            ("follow", "both"),
            ("num_inference_steps", "0"),
            ("guidance", "strong"),
            ("rescore", "perhaps"),
            ("precision", "f16"),
        ] {
            let error = PlanningConfig::default().set(name, text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name} = ")) && error.contains("expected"),
                "{error}"
            );
        }
        let absurd = PlanOptions {
            batch_size: 1 << 20,
            planning_horizon: 1 << 20,
            ..PlanOptions::default()
        };
        assert!(
            absurd
                .validate()
                .unwrap_err()
                .to_string()
                .contains("at most 256 candidates")
        );
        let text = b"{\n  \"batch_size\": 1048576,\n  \"planning_horizon\": 1048576\n}";
        let error = PlanningConfig::from_bytes(text, Path::new("planning_config.json")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("planning_config.json: line 2: batch_size"),
            "{error}"
        );
    }

    #[test]
    fn toml_says_the_same_as_json() {
        let read = |text: &str| PlanningConfig::from_toml(text, Path::new("tuned.toml"));
        let config = read("batch_size = 4\nscale = 0.5\nrescore = true\n").unwrap();
        let json = br#"{"batch_size": 4, "scale": 0.5, "rescore": true}"#;
        assert_eq!(config, PlanningConfig::from_bytes(json, Path::new("c.json")).unwrap());
        let error = read("# tuned\nbatch_size = 4\nscales = 1\n").unwrap_err().to_string();
        assert!(
            error.starts_with("tuned.toml: line 3: unknown key `scales`, did you mean `scale`?"),
            "{error}"
        );
        assert!(
            read("batch_size = ")
                .unwrap_err()
                .to_string()
                .starts_with("tuned.toml: ")
        );
    }

    #[test]
    fn a_wrong_key_is_told_with_its_line_and_the_nearest() {
        let read = |text: &str| {
            let error = PlanningConfig::from_bytes(text.as_bytes(), Path::new("c.json")).unwrap_err();
            error.to_string()
        };
        let error = read("{\n  \"env\": \"x\",\n  \"scales\": 1\n}");
        assert!(
            error.starts_with("c.json: line 3: unknown key `scales`, did you mean `scale`?"),
            "{error}"
        );
        let error = read("{\"guidance\": \"strong\"}");
        assert!(error.contains("`guidance`") && error.contains("strong"), "{error}");
    }

    #[test]
    fn the_environment_is_made_as_the_file_says() {
        let read = |text: &str| PlanningConfig::from_bytes(text.as_bytes(), Path::new("c.json"));
        let config = read(r#"{"env": "P", "env_kwargs": {"g": 1.62}, "max_episode_steps": 50, "scale": 1}"#).unwrap();
        assert_eq!(config.recorded_env().unwrap().to_string(), "P (g = 1.62, 50 steps)");
        assert_eq!(read("{}").unwrap().recorded_env(), None);
        for text in [
            r#"{"env_kwargs": 3}"#,
            r#"{"max_episode_steps": 0}"#,
            r#"{"max_episode_steps": "x"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    /// What an evaluation of an earlier version stored.
    #[test]
    fn options_stored_before_there_were_more_are_read() {
        let stored = r#"{"batch_size":8,"planning_horizon":32,"n_guide_steps":2,"scale":0.03,"guidance":"diffusers","rescore":false,
            "t_stopgrad":2,"num_inference_steps":null,"precision":"f32"}"#;
        let options: PlanOptions = serde_json::from_str(stored).unwrap();
        let expected = PlanOptions {
            batch_size: 8,
            scale: 0.03,
            ..PlanOptions::default()
        };
        assert_eq!(options, expected);
    }
}
