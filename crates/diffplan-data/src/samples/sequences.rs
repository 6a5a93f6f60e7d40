//! Windows of trajectories, normalised, action first.

use ndarray::{Array1, Array2, ArrayViewMut2, s};

use crate::{Dataset, Error, Normalizers};

/// Which windows there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceOptions {
    /// Rows of a window.
    pub horizon: usize,
    /// No episode may be longer, and no window reaches further from its episode's beginning.
    pub max_path_length: usize,
    /// Whether windows may reach past the end of their episode.
    pub use_padding: bool,
}

impl SequenceOptions {
    /// The original's defaults: episodes of up to 1000 steps, padded.
    #[must_use]
    pub fn new(horizon: usize) -> Self {
        Self {
            horizon,
            max_path_length: 1000,
            use_padding: true,
        }
    }
}

/// A window, by rows of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its episode.
    pub episode: usize,
    /// Its first row.
    pub start: usize,
    /// The row after the last of its episode, or of the window if that comes first.
    pub end: usize,
}

/// All windows of a dataset, normalised.
#[derive(Debug, Clone)]
pub struct SequenceDataset {
    /// (rows, action + observation dimensions).
    rows: Array2<f32>,
    /// What a row of zeros is, normalised.
    padding: Array1<f32>,
    windows: Vec<Window>,
    horizon: usize,
    action_dim: usize,
}

impl SequenceDataset {
    /// Normalises the dataset and finds its windows.
    ///
    /// # Errors
    /// [`Error::EpisodeTooLong`]; [`Error::NoWindow`] where no episode is long enough for one; [`Error::RowLength`] where the
    /// normalisers are of other dimensions.
    pub fn new(dataset: &Dataset, normalizers: &Normalizers, options: &SequenceOptions) -> Result<Self, Error> {
        let (action_dim, observation_dim) = (dataset.actions().ncols(), dataset.observations().ncols());
        let mut rows = Array2::zeros((dataset.actions().nrows(), action_dim + observation_dim));
        rows.slice_mut(s![.., ..action_dim]).assign(&dataset.actions());
        rows.slice_mut(s![.., action_dim..]).assign(&dataset.observations());
        let mut padding = Array2::zeros((1, action_dim + observation_dim));
        for rows in [&mut rows, &mut padding] {
            normalizers
                .actions()
                .normalize_inplace(rows.slice_mut(s![.., ..action_dim]))?;
            normalizers
                .observations()
                .normalize_inplace(rows.slice_mut(s![.., action_dim..]))?;
        }
        Ok(Self {
            rows,
            padding: padding.row(0).to_owned(),
            windows: windows(dataset, options)?,
            horizon: options.horizon,
            action_dim,
        })
    }

    /// How many windows there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one window")]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// How many of them reach past the end of their episode.
    #[must_use]
    pub fn padded(&self) -> usize {
        let padded = |window: &&Window| window.end - window.start < self.horizon;
        self.windows.iter().filter(padded).count()
    }

    /// All windows, by episode and start.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Rows of a window.
    #[must_use]
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Columns that are actions, the first ones.
    #[must_use]
    pub fn action_dim(&self) -> usize {
        self.action_dim
    }

    /// Columns: action and observation dimensions.
    #[must_use]
    pub fn transition_dim(&self) -> usize {
        self.rows.ncols()
    }

    /// Writes window `index` to `trajectory` (horizon, action + observation dimensions).
    ///
    /// # Panics
    /// If there is no such window, or the shape is another.
    pub fn copy_into(&self, index: usize, mut trajectory: ArrayViewMut2<'_, f32>) {
        let Window { start, end, .. } = self.windows[index];
        let real = end - start;
        trajectory
            .slice_mut(s![..real, ..])
            .assign(&self.rows.slice(s![start..end, ..]));
        trajectory.slice_mut(s![real.., ..]).assign(&self.padding);
    }
}

fn windows(dataset: &Dataset, options: &SequenceOptions) -> Result<Vec<Window>, Error> {
    let &SequenceOptions {
        horizon,
        max_path_length,
        use_padding,
    } = options;
    let mut windows = Vec::new();
    for (i, episode) in dataset.episodes().iter().enumerate() {
        if episode.len() > max_path_length {
            return Err(Error::EpisodeTooLong {
                episode: i,
                len: episode.len(),
                max_path_length,
            });
        }
        let mut starts = (episode.len() - 1).min(max_path_length.saturating_sub(horizon));
        if !use_padding {
            starts = starts.min(episode.len().saturating_sub(horizon));
        }
        windows.extend((episode.start..episode.start + starts).map(|start| Window {
            episode: i,
            start,
            end: episode.end.min(start + horizon),
        }));
    }
    if windows.is_empty() || horizon == 0 {
        return Err(Error::NoWindow {
            horizon,
            longest: dataset.episodes().iter().map(|e| e.len()).max().unwrap_or(0),
            max_path_length,
        });
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EpisodeEnds, NormalizerConfig};
    use ndarray::{Array, Array1, Array3, Axis};

    /// Episodes of these lengths; observations (row, -row), actions 1000 + row.
    fn dataset(lengths: &[usize]) -> Dataset {
        let rows = lengths.iter().sum();
        let mut timeouts = vec![false; rows];
        let mut end = 0;
        for len in lengths {
            end += len;
            timeouts[end - 1] = true;
        }
        let ends = EpisodeEnds {
            timeouts: Some(&timeouts),
            ..EpisodeEnds::default()
        };
        let observations = Array::from_shape_fn((rows, 2), |(i, j)| if j == 0 { i as f32 } else { -(i as f32) });
        let actions = Array::from_shape_fn((rows, 1), |(i, _)| 1000.0 + i as f32);
        Dataset::new(observations, actions, Array1::zeros(rows), ends).unwrap()
    }

    fn normalizers() -> Normalizers {
        let gaussian = |mean: &[f32], std: &[f32]| NormalizerConfig::Gaussian {
            mean: mean.to_vec(),
            std: std.to_vec(),
        };
        Normalizers::new(gaussian(&[1.0, 0.0], &[2.0, 4.0]), gaussian(&[1000.0], &[1.0]), None).unwrap()
    }

    fn starts(
        lengths: &[usize],
        horizon: usize,
        max_path_length: usize,
        use_padding: bool,
    ) -> Vec<(usize, usize, usize)> {
        let options = SequenceOptions {
            horizon,
            max_path_length,
            use_padding,
        };
        let windows = windows(&dataset(lengths), &options).unwrap();
        windows.iter().map(|w| (w.episode, w.start, w.end)).collect()
    }

    /// `make_indices` of the original, written out: `max_start = min(path_length - 1, max_path_length - horizon)`, and without
    /// padding `min(max_start, path_length - horizon)`; starts are `range(max_start)`.
    #[test]
    fn windows_are_those_of_make_indices() {
        assert_eq!(
            starts(&[3, 5], 4, 100, true),
            [(0, 0, 3), (0, 1, 3), (1, 3, 7), (1, 4, 8), (1, 5, 8), (1, 6, 8)]
        );
        // No window reaches beyond max_path_length.
        assert_eq!(
            starts(&[3, 5], 4, 6, true),
            [(0, 0, 3), (0, 1, 3), (1, 3, 7), (1, 4, 8)]
        );
        assert_eq!(starts(&[3, 5, 6], 4, 100, false), [(1, 3, 7), (2, 8, 12), (2, 9, 13)]);
        assert_eq!(starts(&[1, 2], 4, 100, true), [(1, 1, 3)]);
    }

    #[test]
    fn windows_are_normalised_and_end_in_normalised_zeros() {
        let sequences = SequenceDataset::new(&dataset(&[3, 5]), &normalizers(), &SequenceOptions::new(4)).unwrap();
        assert_eq!(
            (sequences.len(), sequences.transition_dim(), sequences.action_dim()),
            (6, 3, 1)
        );
        let mut batch = Array3::zeros((2, 4, 3));
        for (k, trajectory) in [1, 2].into_iter().zip(batch.axis_iter_mut(Axis(0))) {
            sequences.copy_into(k, trajectory);
        }
        let zeros = [-1000.0, -0.5, 0.0];
        let expected = [
            [1.0, 0.0, -0.25],
            [2.0, 0.5, -0.5],
            zeros,
            zeros,
            [3.0, 1.0, -0.75],
            [4.0, 1.5, -1.0],
            [5.0, 2.0, -1.25],
            [6.0, 2.5, -1.5],
        ];
        assert_eq!(batch.into_shape_with_order((8, 3)).unwrap(), ndarray::arr2(&expected));
    }

    #[test]
    fn episodes_too_long_or_too_short_are_refused() {
        let refuse = |lengths: &[usize], options: &SequenceOptions, message: &str| {
            assert_eq!(windows(&dataset(lengths), options).unwrap_err().to_string(), message);
        };
        let short = SequenceOptions {
            max_path_length: 4,
            ..SequenceOptions::new(2)
        };
        refuse(
            &[3, 5],
            &short,
            "episode 1 has 5 steps, expected at most max_path_length = 4: give --max-path-length 5; if episodes are joined, \
             --max-episode-steps is what cuts them",
        );
        let unpadded = SequenceOptions {
            use_padding: false,
            ..SequenceOptions::new(8)
        };
        refuse(
            &[3, 5],
            &unpadded,
            "no episode is long enough for a window of 8 steps: the longest has 5 (max_path_length 1000)",
        );
    }
}
