//! [`Source`]: a dataset that is trained on, alone or among others; [`Datasets`], their files as they are typed.

use crate::error::{Error, Result};
use diffplan_data::Selection;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// Files of datasets: a text where it is one, a list otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Datasets(pub Vec<PathBuf>);

impl Serialize for Datasets {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Datasets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Files;

        impl<'de> Visitor<'de> for Files {
            type Value = Datasets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes or a list of it")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Datasets, E> {
                Ok(Datasets(vec![text.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Datasets, A::Error> {
                let mut files = Vec::new();
                while let Some(file) = list.next_element::<PathBuf>()? {
                    files.push(file);
                }
                match files.is_empty() {
                    true => Err(A::Error::invalid_length(0, &self)),
                    false => Ok(Datasets(files)),
                }
            }
        }

        deserializer.deserialize_any(Files)
    }
}

/// A dataset that is trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its share of the windows that are drawn, relative to the others'; by the number of its windows otherwise.
    pub weight: Option<f64>,
    /// Which of its episodes.
    pub selection: Selection,
}

impl Source {
    /// All of them, from numbers of which there is one for each, or one for all.
    pub(super) fn all(
        paths: &[PathBuf],
        first: Option<usize>,
        weights: Option<&[f64]>,
        episodes: Option<&[f64]>,
        best: Option<&[f64]>,
    ) -> Result<Vec<Self>> {
        let of = |name: &'static str, numbers: Option<&[f64]>, i: usize| match numbers {
            None => Ok(None),
            Some([one]) if name != "dataset_weights" => Ok(Some(*one)),
            Some(numbers) if numbers.len() == paths.len() => Ok(Some(numbers[i])),
            Some(numbers) => Err(Error::option(
                name,
                format!("{numbers:?}"),
                format!("as many numbers as datasets, {}", paths.len()),
            )),
        };
        let share = |name, numbers, i| match of(name, numbers, i)? {
            Some(share) if !(share > 0.0 && share <= 1.0) => {
                Err(Error::option(name, share, "a number above 0 and at most 1"))
            }
            share => Ok(share),
        };
        let source = |(i, path): (usize, &PathBuf)| {
            let weight = of("dataset_weights", weights, i)?;
            if let Some(weight) = weight.filter(|weight| !(weight.is_finite() && *weight > 0.0)) {
                return Err(Error::option("dataset_weights", weight, "a finite number above 0"));
            }
            Ok(Self {
                path: path.clone(),
                weight,
                selection: Selection {
                    first,
                    share: share("episodes", episodes, i)?,
                    best: share("best", best, i)?,
                },
            })
        };
        paths.iter().enumerate().map(source).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_each_dataset_or_of_all() {
        let paths = ["a".into(), "b".into()];
        let all = Source::all(&paths, Some(3), Some(&[1.0, 3.0]), Some(&[0.5]), Some(&[1.0, 0.1])).unwrap();
        assert_eq!(
            (all[1].weight, all[1].selection.share, all[1].selection.best),
            (Some(3.0), Some(0.5), Some(0.1))
        );
        assert_eq!((all[0].selection.first, all[0].selection.best), (Some(3), Some(1.0)));
        for (weights, best, words) in [
            (
                Some(&[1.0][..]),
                None,
                "dataset_weights = [1.0]: expected as many numbers as datasets, 2",
            ),
            (
                Some(&[1.0, 0.0]),
                None,
                "dataset_weights = 0: expected a finite number above 0",
            ),
            (None, Some(&[1.0, 1.0, 1.0][..]), "best = [1.0, 1.0, 1.0]"),
            (
                None,
                Some(&[f64::NAN]),
                "best = NaN: expected a number above 0 and at most 1",
            ),
        ] {
            let error = Source::all(&paths, None, weights, None, best).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn files_are_a_text_or_a_list() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Keys {
            dataset: Datasets,
        }
        let read = |text: &str| toml::from_str::<Keys>(text);
        for (text, files) in [("dataset = \"a\"\n", 1), ("dataset = [\"a\", \"b\"]\n", 2)] {
            let keys = read(text).unwrap();
            assert_eq!(keys.dataset.0.len(), files);
            assert_eq!(toml::to_string(&keys).unwrap(), text);
        }
        assert_eq!(
            toml::to_string(&read("dataset = [\"a\"]").unwrap()).unwrap(),
            "dataset = \"a\"\n"
        );
        for text in ["dataset = 3", "dataset = []", "dataset = [3]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
