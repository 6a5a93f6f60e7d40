//! Options by name and text: how other languages say them.

use super::{OPTIONS, PlanningConfig};
use crate::error::{Error, Result};
use diffplan_files::nearest;

impl PlanningConfig {
    /// What `pairs` say: the name of an option, and the text of its value as [`text`](Self::text) writes it. What bindings to other
    /// languages make of keywords, so that an option that is new here is new there without a line; what they do not say stays unsaid, and
    /// [`over`](Self::over) puts it over the options that hold otherwise.
    ///
    /// # Errors
    /// [`Error::Option`] for a name that there is none of, with the nearest that there is, and for a text that says no value of its option.
    pub fn of_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut config = Self::default();
        for (name, text) in pairs {
            let names = || OPTIONS.iter().map(|spec| spec.name);
            if !names().any(|known| known == name) {
                let meant = nearest(name, names()).map_or(String::new(), |meant| format!("{meant}, or "));
                return Err(Error::Option {
                    name: "option",
                    value: name.to_owned(),
                    expected: format!("{meant}one of {}", names().collect::<Vec<_>>().join(", ")),
                });
            }
            config.set(name, text)?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::PlanOptions;

    #[test]
    fn pairs_say_what_they_say_and_no_more() {
        let config = PlanningConfig::of_pairs([("batch_size", "5"), ("rescore", "true")]).unwrap();
        let options = config.over(PlanOptions {
            scale: 0.5,
            ..PlanOptions::default()
        });
        assert_eq!((options.batch_size, options.rescore, options.scale), (5, true, 0.5));
        assert_eq!(PlanningConfig::of_pairs([]).unwrap(), PlanningConfig::default());
    }

    #[test]
    fn a_name_that_is_none_is_told_with_the_nearest() {
        let error = |pair| PlanningConfig::of_pairs([pair]).unwrap_err().to_string();
        let unknown = error(("scales", "1"));
        assert!(
            unknown.starts_with("option = scales: expected scale, or one of batch_size, "),
            "{unknown}"
        );
        // Keys of the file that are no options.
        assert!(error(("env", "Pendulum-v1")).contains("option = env"));
        assert!(error(("batch_size", "8.5")).starts_with("batch_size = 8.5: expected at least 1"));
    }
}
