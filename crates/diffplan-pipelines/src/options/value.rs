//! The types that an option may have: their text, and their bounds.

use super::acting::{Follow, Prefix};
use crate::error::{Error, Result};
use diffplan_models::Precision;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// How the gradient of the value is scaled at timestep t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Guidance {
    /// By `exp(0.5 · scheduler._get_variance(t))`, as diffusers' `ValueGuidedRLPipeline` does. With `fixed_small_log` that is
    /// between 1 and 1.65 at every timestep. The variance of a scheduler that has none of a timestep is the posterior's.
    #[default]
    Diffusers,
    /// By the posterior variance, as the paper's own code does: strong in the noise, weak at the end.
    Diffuser,
}

impl Guidance {
    /// The names of all.
    pub const NAMES: &[&str] = &["diffusers", "diffuser"];

    /// The name used in `planning_config.json` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Guidance::Diffusers => "diffusers",
            Guidance::Diffuser => "diffuser",
        }
    }
}

impl Display for Guidance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names of all precisions.
pub(super) const PRECISIONS: &[&str] = &["f32", "bf16"];

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number from `low` to `high`.
    Count {
        /// The least.
        low: usize,
        /// The most.
        high: usize,
    },
    /// A finite number from `low` to `high`.
    Number {
        /// The least.
        low: f32,
        /// The most.
        high: f32,
    },
    /// One of these names.
    Choice(&'static [&'static str]),
    /// True or false.
    Switch,
    /// Any text.
    Text,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::Count { low, high } => write!(f, "at least {low} and at most {high}"),
            Kind::Number { low: f32::MIN, .. } => f.write_str("a finite number"),
            Kind::Number { low, high } => write!(f, "a number from {low} to {high}"),
            Kind::Choice(names) => write!(f, "one of {}", names.join(", ")),
            Kind::Switch => f.write_str("true or false"),
            Kind::Text => f.write_str("a name"),
        }
    }
}

/// One planning option, described.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionSpec {
    /// As in [`PlanOptions`](super::PlanOptions) and `planning_config.json`.
    pub name: &'static str,
    /// As on a command line, after `--`.
    pub flag: &'static str,
    /// A letter for it.
    pub short: Option<char>,
    /// What stands for its value.
    pub value_name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is.
    pub doc: &'static str,
    /// Whether it says what is done of plans one after another, and nothing about a plan alone.
    pub acting: bool,
}

/// A type of option.
pub trait OptionValue {
    /// What is given for it; the type itself, unless it may be left out.
    type Given: Given;

    /// The value, if there is one.
    fn given(&self) -> Option<&Self::Given>;
}

/// What is given for an option.
pub trait Given: Display {
    /// Of text.
    fn read(text: &str) -> Option<Self>
    where
        Self: Sized;

    /// Whether an option of this kind takes it.
    fn within(&self, kind: &Kind) -> bool;
}

/// Types that stand for themselves.
macro_rules! given {
    ($($type:ty: |$text:ident| $read:expr, |$value:ident, $kind:ident| $within:expr;)+) => {
        $(
            impl OptionValue for $type {
                type Given = $type;

                fn given(&self) -> Option<&$type> {
                    Some(self)
                }
            }

            impl Given for $type {
                fn read($text: &str) -> Option<Self> {
                    $read
                }

                fn within(&self, $kind: &Kind) -> bool {
                    let $value = self;
                    $within
                }
            }
        )+
    };
}

given! {
    usize: |text| text.parse().ok(), |value, kind| match *kind {
        Kind::Count { low, high } => (low..=high).contains(value),
        _ => true,
    };
    f32: |text| text.parse().ok(), |value, kind| match *kind {
        // Written so that NaN fails it.
        Kind::Number { low, high } => (low..=high).contains(value),
        _ => true,
    };
    bool: |text| bool::from_str(text).ok(), |_value, _kind| true;
    String: |text| Some(text.to_owned()), |value, kind| match *kind {
        Kind::Choice(names) => names.contains(&value.as_str()),
        _ => !value.is_empty(),
    };
    Guidance: |text| [Guidance::Diffusers, Guidance::Diffuser].into_iter().find(|rule| rule.name() == text), |_value, _kind| true;
    Follow: |text| [Follow::Actions, Follow::States].into_iter().find(|what| what.name() == text), |_value, _kind| true;
    Prefix: |text| Prefix::ALL.into_iter().find(|prefix| prefix.name() == text), |_value, _kind| true;
    Precision: |text| [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == text),
        |_value, _kind| true;
}

impl<T: Given> OptionValue for Option<T> {
    type Given = T;

    fn given(&self) -> Option<&T> {
        self.as_ref()
    }
}

/// # Errors
/// If an option of this kind does not take the value.
pub(super) fn check(name: &'static str, kind: &Kind, value: &impl Given) -> Result<()> {
    if value.within(kind) {
        return Ok(());
    }
    Err(Error::Option {
        name,
        value: value.to_string(),
        expected: kind.to_string(),
    })
}

/// # Errors
/// If the text says no value that an option of this kind takes.
pub(super) fn parse<T: Given>(name: &'static str, kind: &Kind, text: &str) -> Result<T> {
    let Some(value) = T::read(text) else {
        return Err(Error::Option {
            name,
            value: text.to_owned(),
            expected: kind.to_string(),
        });
    };
    check(name, kind, &value)?;
    Ok(value)
}
