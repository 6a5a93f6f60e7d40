//! [`Release`]: which release of diffusers wrote a configuration.

use serde_json::{Map, Value};
use std::fmt;

/// A release of diffusers, as its files name it in `_diffusers_version`.
///
/// A release writes every key that it has. So what a key means that is not there is what its release did, and the default of today only
/// where both are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    text: String,
    /// Major and minor number.
    number: (u32, u32),
    /// Whether it is on the way there.
    dev: bool,
}

impl Release {
    /// The release that wrote a configuration; `None` where the file does not say, or not as diffusers does.
    pub fn of(config: &Map<String, Value>) -> Option<Self> {
        let text = config.get("_diffusers_version")?.as_str()?;
        let mut numbers = text.split('.');
        let mut next = || numbers.next()?.parse().ok();
        Some(Self {
            number: (next()?, next()?),
            dev: text.contains("dev"),
            text: text.to_owned(),
        })
    }

    /// Whether it came before 0.`minor`. Versions on the way to that count too: of what is new there only their files tell whether they had it.
    pub fn is_before(&self, minor: u32) -> bool {
        self.number < (0, minor) || (self.dev && self.number == (0, minor))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn releases_are_in_order() {
        let of = |version: Value| Release::of(&Map::from_iter([("_diffusers_version".to_owned(), version)]));
        for (version, before_26) in [
            ("0.3.0", true),
            ("0.25.1", true),
            ("0.26.0.dev0", true),
            ("0.26.0", false),
            ("0.26.3", false),
            ("0.27.0.dev0", false),
            ("1.0.0", false),
        ] {
            let release = of(version.into()).unwrap();
            assert_eq!(
                (release.is_before(26), release.to_string().as_str()),
                (before_26, version)
            );
        }
        for odd in [json!("new"), json!("0"), json!("0.x"), json!(0.26), json!(null)] {
            assert_eq!(of(odd), None);
        }
        assert_eq!(Release::of(&Map::new()), None);
    }
}
