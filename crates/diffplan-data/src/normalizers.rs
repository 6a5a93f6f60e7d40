//! The normalisers of one checkpoint: observations, actions and, where the value function's target was scaled, values.

use std::fs;
use std::path::Path;

use ndarray::ArrayView2;

use crate::{Error, Key, Normalizer, NormalizerConfig, NormalizerKind, Transitions, Warning, format, statistics};
use diffplan_files::write_atomically;

/// What `normalizer.json` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalizers {
    observations: Normalizer,
    actions: Normalizer,
    values: Option<Normalizer>,
}

impl Normalizers {
    /// From statistics at hand.
    ///
    /// # Errors
    /// Those of [`Normalizer::new`].
    pub fn new(
        observations: NormalizerConfig,
        actions: NormalizerConfig,
        values: Option<NormalizerConfig>,
    ) -> Result<Self, Error> {
        Ok(Self {
            observations: Normalizer::new(Key::Observations, observations)?,
            actions: Normalizer::new(Key::Actions, actions)?,
            values: values.map(|values| Normalizer::new(Key::Values, values)).transpose()?,
        })
    }

    /// Normalisers of one type, fitted to the dataset in a file: what a checkpoint without `normalizer.json` was trained with. The
    /// scalar kind is that of diffusers' `ValueGuidedRLPipeline`, over all rows of the file; the others are over the rows of finished
    /// episodes, as training fits them.
    ///
    /// # Errors
    /// If the file cannot be read; those of [`Normalizers::fit`].
    #[cfg(feature = "hdf5")]
    pub fn of_file(path: impl AsRef<Path>, kind: NormalizerKind, options: &crate::ReadOptions) -> Result<Self, Error> {
        let reader = crate::DatasetReader::open(path, options)?;
        if let Some(packed) = reader.packed() {
            return Self::of_transitions(kind, &**packed);
        }
        let raw = reader.read_all()?;
        if kind == NormalizerKind::ScalarGaussian {
            return Self::fit(kind, raw.observations.view(), raw.actions.view());
        }
        Self::of_transitions(kind, &raw.into_dataset(options.max_episode_steps)?)
    }

    /// Normalisers of one type, fitted to a dataset. `observations`: (steps, observation dimensions); `actions`: (steps,
    /// action dimensions); any memory layout. There is no normaliser for values: a dataset's rewards are not the value
    /// function's target. [`Normalizers::with_values`] adds one.
    ///
    /// # Errors
    /// [`Error::DatasetRows`]; those of [`NormalizerConfig::fit`].
    pub fn fit(
        kind: NormalizerKind,
        observations: ArrayView2<'_, f32>,
        actions: ArrayView2<'_, f32>,
    ) -> Result<Self, Error> {
        if observations.nrows() != actions.nrows() {
            return Err(Error::DatasetRows {
                key: "actions",
                expected: observations.nrows(),
                actual: actions.nrows(),
            });
        }
        Self::new(
            NormalizerConfig::fit(kind, Key::Observations, observations)?,
            NormalizerConfig::fit(kind, Key::Actions, actions)?,
            None,
        )
    }

    /// Normalisers of one type, fitted to the rows of all episodes, which are read in blocks where they are in a file.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); those of reading.
    pub fn of_transitions(kind: NormalizerKind, data: &dyn Transitions) -> Result<Self, Error> {
        Self::new(
            statistics::of_transitions(kind, Key::Observations, data)?,
            statistics::of_transitions(kind, Key::Actions, data)?,
            None,
        )
    }

    /// With a normaliser for the value function's target, in place of one that was there.
    ///
    /// # Errors
    /// Those of [`Normalizer::new`].
    pub fn with_values(self, values: NormalizerConfig) -> Result<Self, Error> {
        Ok(Self {
            values: Some(Normalizer::new(Key::Values, values)?),
            ..self
        })
    }

    /// Reads `normalizer.json`:
    ///
    /// ```json
    /// {
    ///   "observations": {"type": "gaussian", "mean": [0.0, 1.5], "std": [1.0, 0.2]},
    ///   "actions": {"type": "scalar_gaussian", "mean": 0.0, "std": 1.0},
    ///   "values": {"type": "limits", "min": -295.4, "max": 0.0}
    /// }
    /// ```
    ///
    /// Any key takes any type. Statistics of `gaussian`, `limits` and `safe_limits` are lists with one number a dimension; a
    /// number alone is one dimension. `cdf` has a list of knots a dimension, `"quantiles": [[-1.0, 0.5, 2.0]]` and
    /// `"cumulative_counts": [[10, 80, 100]]`: of 100 rows 80 are not above 0.5. `values` is optional.
    ///
    /// # Errors
    /// [`Error::Content`] if it cannot be read or is no JSON, and [`Error::File`] with what is wrong with the content.
    pub fn from_json(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(|error| Error::Io {
            path: path.into(),
            operation: "read",
            error,
        })?;
        Self::from_bytes(&text, path)
    }

    /// Reads the content of a `normalizer.json`, as [`from_json`](Self::from_json) a file; `path` is for errors alone.
    ///
    /// # Errors
    /// As there.
    pub fn from_bytes(text: &[u8], path: &Path) -> Result<Self, Error> {
        let value = diffplan_files::parse_json(text, path)?;
        format::parse(&value)
            .and_then(|[observations, actions, values]| {
                let required = |config: Option<_>, name| {
                    config.ok_or(Error::MissingEntry {
                        place: format::TOP_LEVEL.to_owned(),
                        name,
                    })
                };
                Self::new(
                    required(observations, Key::Observations.name())?,
                    required(actions, Key::Actions.name())?,
                    values,
                )
            })
            .map_err(|error| Error::File {
                path: path.into(),
                error: Box::new(error),
            })
    }

    /// Writes `normalizer.json`. The file is written under another name in the same folder and then renamed, so that a
    /// reader, and a crash, find the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::Io`]; an old file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write_atomically(path, self.to_json().as_bytes()).map_err(|error| Error::Io {
            path: path.into(),
            operation: "write",
            error,
        })
    }

    /// The text of `normalizer.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let values = self.values.as_ref().map(Normalizer::config);
        format::to_json(self.observations.config(), self.actions.config(), values)
    }

    /// The normaliser of observations.
    #[must_use]
    pub fn observations(&self) -> &Normalizer {
        &self.observations
    }

    /// The normaliser of actions.
    #[must_use]
    pub fn actions(&self) -> &Normalizer {
        &self.actions
    }

    /// The normaliser of the value function's target, if it was scaled.
    #[must_use]
    pub fn values(&self) -> Option<&Normalizer> {
        self.values.as_ref()
    }

    /// What is odd about the statistics of any key.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        [Some(&self.observations), Some(&self.actions), self.values.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(Normalizer::warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array, s};

    const PENDULUM: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testdata/pendulum-hor32/normalizer.json"
    );

    fn example() -> Normalizers {
        Normalizers::new(
            NormalizerConfig::Gaussian {
                mean: vec![0.1, -2.0],
                std: vec![0.3, 1e-7],
            },
            NormalizerConfig::ScalarGaussian { mean: 0.7, std: 1.1 },
            Some(NormalizerConfig::Limits {
                min: vec![-295.4],
                max: vec![0.0],
            }),
        )
        .unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_checkpoint_reads_and_writes_back_the_same_json() {
        let normalizers = Normalizers::from_json(PENDULUM).unwrap();
        let dimensions = [
            normalizers.observations(),
            normalizers.actions(),
            normalizers.values().unwrap(),
        ];
        assert_eq!(dimensions.map(Normalizer::dimensions), [Some(3), Some(1), Some(1)]);
        assert_eq!(
            dimensions.map(Normalizer::key),
            [Key::Observations, Key::Actions, Key::Values]
        );
        assert_eq!(normalizers.warnings().count(), 0);
        let mean = array![0.479_343_38, -0.000_974_356_3, 0.012_144_849];
        assert_eq!(
            normalizers.observations().normalize(mean.view()).unwrap(),
            array![0.0, 0.0, 0.0]
        );

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("normalizer.json");
        normalizers.save(&path).unwrap();
        let json = |path: &Path| serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap()).unwrap();
        assert_eq!(json(&path), json(Path::new(PENDULUM)));
    }

    #[test]
    fn every_type_survives_saving_in_the_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("normalizer.json");
        fs::write(&path, "an older file").unwrap();
        let mut normalizers = example();
        normalizers.save(&path).unwrap();
        assert_eq!(Normalizers::from_json(&path).unwrap(), normalizers);
        normalizers.values = None;
        normalizers.save(&path).unwrap();
        assert_eq!(Normalizers::from_json(&path).unwrap(), normalizers);
        let column = |scale: f32, constant: f32| {
            let numbers = (0..3000).map(|i| (i as f32 * 0.37).sin() * scale);
            Array2::from_shape_vec((3000, 2), numbers.flat_map(|x| [x, constant]).collect()).unwrap()
        };
        let (observations, actions, values) = (column(3.0, 0.1), column(1e-3, -7.0), column(300.0, 0.0));
        for kind in NormalizerKind::ALL {
            let values = NormalizerConfig::fit(kind, Key::Values, values.slice(s![.., ..1])).unwrap();
            let normalizers = Normalizers::fit(kind, observations.view(), actions.view()).unwrap();
            let normalizers = normalizers.with_values(values).unwrap();
            assert_eq!(normalizers.values().unwrap().config().kind(), kind);
            normalizers.save(&path).unwrap();
            assert_eq!(Normalizers::from_json(&path).unwrap(), normalizers, "{kind}");
        }
        assert_eq!(names(folder.path()), ["normalizer.json"], "no temporary file may stay");
    }

    #[test]
    fn a_save_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        // A folder of that name: the temporary file can be written, the rename cannot be done.
        let path = folder.path().join("normalizer.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("occupied"), "").unwrap();
        let message = example().save(&path).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot write {}: ", path.display())),
            "{message}"
        );
        assert_eq!(names(folder.path()), ["normalizer.json"]);
        for path in [
            folder.path().join("missing/normalizer.json"),
            std::path::PathBuf::from(".."),
        ] {
            assert!(matches!(
                example().save(&path),
                Err(Error::Io { operation: "write", .. })
            ));
        }
    }

    #[test]
    fn a_missing_file_and_one_that_is_no_json_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("normalizer.json");
        let message = Normalizers::from_json(&path).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot read {}: ", path.display())),
            "{message}"
        );
        fs::write(&path, "").unwrap();
        let message = Normalizers::from_json(&path).unwrap_err().to_string();
        let expected = "an empty file, expected JSON: copy or download it again";
        assert_eq!(message, format!("{}: {expected}", path.display()));
        // As Python writes it, so no fault of the JSON.
        fs::write(&path, "{\"observations\": NaN}").unwrap();
        let message = Normalizers::from_json(&path).unwrap_err().to_string();
        assert!(message.contains("observations: expected an object"), "{message}");
        for text in ["{\"observations\": {", "\u{0}\u{1}"] {
            fs::write(&path, text).unwrap();
            let message = Normalizers::from_json(&path).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("{}: no JSON: ", path.display())),
                "{message}"
            );
            assert!(message.contains("line 1 column"), "{message}");
        }
    }

    #[test]
    fn a_dataset_gives_its_statistics() {
        let observations = array![[1.0, 7.0], [3.0, 7.0], [5.0, 7.0], [7.0, 7.0]];
        let actions = array![[-1.0], [1.0], [-1.0], [1.0]];
        let normalizers = Normalizers::fit(NormalizerKind::Gaussian, observations.view(), actions.view()).unwrap();
        let expected = NormalizerConfig::Gaussian {
            mean: vec![4.0, 7.0],
            std: vec![5.0_f32.sqrt(), 0.0],
        };
        assert_eq!(normalizers.observations().config(), &expected);
        let expected = NormalizerConfig::Gaussian {
            mean: vec![0.0],
            std: vec![1.0],
        };
        assert_eq!(normalizers.actions().config(), &expected);
        assert_eq!(normalizers.values(), None);
        let warning = Warning::Constant {
            key: Key::Observations,
            name: "std",
            dimension: Some(1),
        };
        assert_eq!(normalizers.warnings().collect::<Vec<_>>(), [&warning]);

        let normalizers =
            Normalizers::fit(NormalizerKind::ScalarGaussian, observations.view(), actions.view()).unwrap();
        let expected = NormalizerConfig::ScalarGaussian {
            mean: 5.5,
            std: 4.75_f32.sqrt(),
        };
        assert_eq!(normalizers.observations().config(), &expected);
    }

    #[test]
    fn a_dataset_of_uneven_or_overflowing_arrays_is_refused() {
        let check = |observations: ArrayView2<'_, f32>, actions: ArrayView2<'_, f32>, message: &str| {
            let result = Normalizers::fit(NormalizerKind::ScalarGaussian, observations, actions);
            assert_eq!(result.unwrap_err().to_string(), message);
        };
        let (two, three) = (array![[1.0], [2.0]], array![[1.0], [2.0], [3.0]]);
        check(two.view(), three.view(), "actions has 3 rows, but observations has 2");
        let huge = array![[3e38], [-3e38]];
        check(two.view(), huge.view(), "actions: std is inf, expected a finite number");
    }
}
