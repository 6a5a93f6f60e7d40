//! Windows of trajectories, normalised, action first.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayViewMut2, s};

use crate::{EpisodeRange, Error, Normalizers, Transitions};

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

/// All windows of a dataset, normalised. Which they are follows from the episodes, so that nothing is kept a window.
#[derive(Debug, Clone)]
pub struct SequenceDataset {
    rows: Rows,
    /// What a row of zeros is, normalised.
    padding: Array1<f32>,
    episodes: Vec<EpisodeRange>,
    /// Windows up to the end of each episode.
    ends: Vec<usize>,
    horizon: usize,
    action_dim: usize,
}

#[derive(Debug, Clone)]
enum Rows {
    /// (rows, action + observation dimensions), normalised.
    Kept(Array2<f32>),
    /// Read and normalised when a window is asked for.
    OnDemand {
        data: Arc<dyn Transitions>,
        normalizers: Box<Normalizers>,
    },
}

/// Normalises rows, action first.
fn normalize(normalizers: &Normalizers, rows: &mut ArrayViewMut2<'_, f32>, action_dim: usize) -> Result<(), Error> {
    normalizers
        .actions()
        .normalize_inplace(rows.slice_mut(s![.., ..action_dim]))?;
    normalizers
        .observations()
        .normalize_inplace(rows.slice_mut(s![.., action_dim..]))
}

impl SequenceDataset {
    /// Normalises all rows of the dataset and finds its windows.
    ///
    /// # Errors
    /// [`Error::EpisodeTooLong`]; [`Error::NoWindow`] where no episode is long enough for one; [`Error::TooManyWindows`];
    /// [`Error::RowLength`] where the normalisers are of other dimensions; those of reading.
    pub fn new(dataset: &dyn Transitions, normalizers: &Normalizers, options: &SequenceOptions) -> Result<Self, Error> {
        let (count, width) = (dataset.rows(), dataset.transition_dim());
        let mut rows = Array2::zeros((count, width));
        if let Some(rows) = rows.as_slice_mut() {
            dataset.read_rows(0..count, rows)?;
        }
        normalize(normalizers, &mut rows.view_mut(), dataset.action_dim())?;
        Self::of(dataset, Rows::Kept(rows), normalizers, options)
    }

    /// The same, whose rows are read and normalised when a window is asked for, where the dataset is not in memory.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on_demand(
        data: &Arc<dyn Transitions>,
        normalizers: &Normalizers,
        options: &SequenceOptions,
    ) -> Result<Self, Error> {
        if data.in_memory() {
            return Self::new(&**data, normalizers, options);
        }
        let rows = Rows::OnDemand {
            data: Arc::clone(data),
            normalizers: Box::new(normalizers.clone()),
        };
        Self::of(&**data, rows, normalizers, options)
    }

    fn of(
        data: &dyn Transitions,
        rows: Rows,
        normalizers: &Normalizers,
        options: &SequenceOptions,
    ) -> Result<Self, Error> {
        let mut padding = Array2::zeros((1, data.transition_dim()));
        normalize(normalizers, &mut padding.view_mut(), data.action_dim())?;
        Ok(Self {
            rows,
            padding: padding.row(0).to_owned(),
            ends: ends(data.episodes(), options)?,
            episodes: data.episodes().to_vec(),
            horizon: options.horizon,
            action_dim: data.action_dim(),
        })
    }

    /// How many windows there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one window")]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// How many of them reach past the end of their episode.
    #[must_use]
    pub fn padded(&self) -> usize {
        let of = |(i, episode): (usize, &EpisodeRange)| {
            // Those that begin less than a window before the end.
            let whole = (episode.len() + 1).saturating_sub(self.horizon);
            self.ends[i] - self.windows_before(i) - whole.min(self.ends[i] - self.windows_before(i))
        };
        self.episodes.iter().enumerate().map(of).sum()
    }

    /// How many windows lie in the episodes before `episode`.
    ///
    /// # Panics
    /// If there are not as many episodes.
    #[must_use]
    pub fn windows_before(&self, episode: usize) -> usize {
        episode.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    /// Whether a window begins in a row of an episode.
    pub(crate) fn begins(&self, episode: usize, row: usize) -> bool {
        let count = self.ends[episode] - self.windows_before(episode);
        (self.episodes[episode].start..self.episodes[episode].start + count).contains(&row)
    }

    /// Window `index`.
    ///
    /// # Panics
    /// If there is no such window.
    #[must_use]
    pub fn window(&self, index: usize) -> Window {
        self.within(self.ends.partition_point(|end| *end <= index), index)
    }

    fn within(&self, episode: usize, index: usize) -> Window {
        let range = self.episodes[episode];
        let start = range.start + index - self.windows_before(episode);
        Window {
            episode,
            start,
            end: range.end.min(start + self.horizon),
        }
    }

    /// All windows, by episode and start.
    pub fn windows(&self) -> impl Iterator<Item = Window> + Clone {
        let of =
            move |episode| (self.windows_before(episode)..self.ends[episode]).map(move |i| self.within(episode, i));
        (0..self.episodes.len()).flat_map(of)
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
        self.padding.len()
    }

    /// Writes window `index` to `trajectory` (horizon, action + observation dimensions).
    ///
    /// # Errors
    /// Those of reading; none where rows are in memory.
    ///
    /// # Panics
    /// If there is no such window, or the shape is another.
    pub fn copy_into(&self, index: usize, mut trajectory: ArrayViewMut2<'_, f32>) -> Result<(), Error> {
        let Window { start, end, .. } = self.window(index);
        let real = end - start;
        let mut own = trajectory.slice_mut(s![..real, ..]);
        match &self.rows {
            Rows::Kept(rows) => own.assign(&rows.slice(s![start..end, ..])),
            Rows::OnDemand { data, normalizers } => {
                match own.as_slice_mut() {
                    Some(rows) => data.read_rows(start..end, rows)?,
                    None => {
                        let mut rows = Array2::zeros(own.dim());
                        if let Some(rows) = rows.as_slice_mut() {
                            data.read_rows(start..end, rows)?;
                        }
                        own.assign(&rows);
                    }
                }
                normalize(normalizers, &mut own, self.action_dim)?;
            }
        }
        trajectory.slice_mut(s![real.., ..]).assign(&self.padding);
        Ok(())
    }
}

/// How many windows there are up to the end of each episode.
fn ends(episodes: &[EpisodeRange], options: &SequenceOptions) -> Result<Vec<usize>, Error> {
    let &SequenceOptions {
        horizon,
        max_path_length,
        use_padding,
    } = options;
    let (mut ends, mut windows) = (Vec::with_capacity(episodes.len()), 0);
    for (i, episode) in episodes.iter().enumerate() {
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
        windows += starts;
        ends.push(windows);
    }
    if windows == 0 || horizon == 0 {
        return Err(Error::NoWindow {
            horizon,
            longest: episodes.iter().map(EpisodeRange::len).max().unwrap_or(0),
            max_path_length,
        });
    }
    match u32::try_from(windows) {
        Ok(_) => Ok(ends),
        Err(_) => Err(Error::TooManyWindows { windows }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, EpisodeEnds, NormalizerConfig};
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
        let (dataset, normalizers) = (dataset(lengths), normalizers());
        let sequences = SequenceDataset::new(&dataset, &normalizers, &options).unwrap();
        let windows: Vec<Window> = sequences.windows().collect();
        assert_eq!(windows.len(), sequences.len());
        for (i, window) in windows.iter().enumerate() {
            assert_eq!(sequences.window(i), *window);
        }
        let padded = windows
            .iter()
            .filter(|window| window.end - window.start < horizon)
            .count();
        assert_eq!(sequences.padded(), padded);
        for (episode, range) in dataset.episodes().iter().enumerate() {
            for row in range.start..range.end {
                let begins = windows.iter().any(|window| window.start == row);
                assert_eq!(sequences.begins(episode, row), begins);
            }
        }
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
            sequences.copy_into(k, trajectory).unwrap();
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
            let refused = SequenceDataset::new(&dataset(lengths), &normalizers(), options);
            assert_eq!(refused.unwrap_err().to_string(), message);
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
