//! [`EpisodeSet`]: some of the episodes of one dataset or of several, as one.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::transitions::{self, Known, check_range};
use crate::{EpisodeRange, Error, Key, RecordedEnv, Selection, Transitions};

/// Some of the episodes of datasets. Rows are not copied: an episode is known by where it lies, so that of a packed file nothing is in
/// memory but 40 bytes an episode.
#[derive(Debug, Clone)]
pub struct EpisodeSet {
    parts: Vec<Arc<dyn Transitions>>,
    /// By rows of this set.
    episodes: Vec<EpisodeRange>,
    /// The part that each lies in, and its first row there.
    places: Vec<(u32, usize)>,
    /// All episodes of the one part.
    whole: bool,
}

impl EpisodeSet {
    /// All episodes of a dataset. Rows of no episode are left out.
    #[must_use]
    pub fn new(dataset: Arc<dyn Transitions>) -> Self {
        let episodes: Vec<EpisodeRange> = dataset.episodes().to_vec();
        Self {
            places: episodes.iter().map(|episode| (0, episode.start)).collect(),
            episodes,
            parts: vec![dataset],
            whole: true,
        }
    }

    /// Those of a mask.
    fn picked(&self, keep: &[bool]) -> Self {
        let mut picked = Self {
            parts: self.parts.clone(),
            episodes: Vec::new(),
            places: Vec::new(),
            whole: self.whole && keep.iter().all(|keep| *keep),
        };
        let kept = self
            .episodes
            .iter()
            .zip(&self.places)
            .zip(keep)
            .filter(|(_, keep)| **keep);
        kept.for_each(|((episode, place), _)| picked.push(*episode, *place));
        picked
    }

    fn push(&mut self, episode: EpisodeRange, place: (u32, usize)) {
        let start = self.episodes.last().map_or(0, |last| last.end);
        self.episodes.push(EpisodeRange {
            start,
            end: start + episode.len(),
            ..episode
        });
        self.places.push(place);
    }

    /// The selected episodes alone, in their order; at least one.
    ///
    /// # Errors
    /// [`Error::Share`]; those of reading rewards, where the best are selected.
    pub fn selected(&self, selection: Selection) -> Result<Self, Error> {
        selection.check()?;
        let mut set = self.picked(&selection.by_number(self.episodes.len()));
        if let Some(best) = selection.best {
            set = set.picked(&Selection::the_best(&transitions::returns(&set)?, best));
        }
        Ok(set)
    }

    /// Splits `share` of the episodes off, spread evenly: what is left, and those. Each has at least one, of two episodes or more;
    /// none are split off of one.
    ///
    /// # Errors
    /// [`Error::Share`].
    pub fn split_off(self, share: f64) -> Result<(Self, Option<Self>), Error> {
        let Some(held) = Selection::held_out(self.episodes.len(), share)? else {
            return Ok((self, None));
        };
        let kept: Vec<bool> = held.iter().map(|held| !held).collect();
        Ok((self.picked(&kept), Some(self.picked(&held))))
    }

    /// The episodes of several sets, one after the other. The environment is that of the first.
    ///
    /// # Errors
    /// [`Error::JoinedDimensions`] names the files; [`Error::EmptyDataset`] of none.
    pub fn join<P: AsRef<Path>>(sets: impl IntoIterator<Item = (P, Self)>) -> Result<Self, Error> {
        let mut sets = sets.into_iter();
        let Some((first, mut all)) = sets.next() else {
            return Err(Error::EmptyDataset {
                key: Key::Observations,
                rows: 0,
                columns: 0,
            });
        };
        for (path, set) in sets {
            let dimensions = |set: &Self| [set.observation_dim(), set.action_dim()];
            check_dimensions((first.as_ref(), dimensions(&all)), (path.as_ref(), dimensions(&set)))?;
            let before = all.parts.len() as u32;
            all.whole = false;
            all.parts.extend(set.parts.iter().cloned());
            for (episode, (part, start)) in set.episodes.iter().zip(&set.places) {
                all.push(*episode, (before + part, *start));
            }
        }
        Ok(all)
    }

    /// Calls `read` for every piece of rows that lies in one part: the part, the rows there, and where they go in the result.
    fn pieces(
        &self,
        rows: Range<usize>,
        mut read: impl FnMut(&dyn Transitions, Range<usize>, Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut at = self.episodes.partition_point(|episode| episode.end <= rows.start);
        let mut start = rows.start;
        while start < rows.end {
            let (part, mut place) = self.places[at];
            place += start - self.episodes[at].start;
            let from = start;
            start = self.episodes[at].end.min(rows.end);
            at += 1;
            // Episodes that lie one after the other there too are read at once.
            while start < rows.end && self.places[at] == (part, place + (start - from)) {
                start = self.episodes[at].end.min(rows.end);
                at += 1;
            }
            let there = place..place + (start - from);
            read(
                &*self.parts[part as usize],
                there,
                from - rows.start..start - rows.start,
            )?;
        }
        Ok(())
    }
}

/// That files have the same dimensions of observations and of actions.
///
/// # Errors
/// [`Error::JoinedDimensions`].
pub(crate) fn check_dimensions(first: (&Path, [usize; 2]), other: (&Path, [usize; 2])) -> Result<(), Error> {
    let keys = [Key::Observations, Key::Actions];
    let mut each = keys.into_iter().zip(other.1).zip(first.1);
    match each.find(|((_, actual), expected)| actual != expected) {
        None => Ok(()),
        Some(((key, actual), expected)) => Err(Error::JoinedDimensions {
            key,
            path: other.0.to_owned(),
            actual,
            first: first.0.to_owned(),
            expected,
        }),
    }
}

impl Transitions for EpisodeSet {
    fn observation_dim(&self) -> usize {
        self.parts[0].observation_dim()
    }

    fn action_dim(&self) -> usize {
        self.parts[0].action_dim()
    }

    fn episodes(&self) -> &[EpisodeRange] {
        &self.episodes
    }

    fn recorded_env(&self) -> Option<&RecordedEnv> {
        self.parts[0].recorded_env()
    }

    fn read_rows(&self, rows: Range<usize>, to: &mut [f32]) -> Result<(), Error> {
        let width = self.transition_dim();
        check_range(&rows, self.rows(), width, to.len())?;
        self.pieces(rows, |part, there, here| {
            part.read_rows(there, &mut to[here.start * width..here.end * width])
        })
    }

    fn read_rewards(&self, rows: Range<usize>, to: &mut [f64]) -> Result<(), Error> {
        check_range(&rows, self.rows(), 1, to.len())?;
        self.pieces(rows, |part, there, here| part.read_rewards(there, &mut to[here]))
    }

    fn in_memory(&self) -> bool {
        self.parts.iter().all(|part| part.in_memory())
    }

    fn known(&self) -> Option<&Known> {
        self.parts[0].known().filter(|_| self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, EpisodeEnds};
    use ndarray::{Array1, Array2};

    /// Episodes of these lengths and a row of none; all numbers of a row are its own, from `first` on.
    fn dataset(first: usize, lengths: &[usize]) -> Dataset {
        let rows = lengths.iter().sum::<usize>() + 1;
        let mut timeouts = vec![false; rows];
        let mut end = 0;
        for length in lengths {
            end += length;
            timeouts[end - 1] = true;
        }
        let ends = EpisodeEnds {
            timeouts: Some(&timeouts),
            ..EpisodeEnds::default()
        };
        let number = |row| (first + row) as f32;
        let rewards = Array1::from_iter((0..rows).map(|row| f64::from(number(row))));
        Dataset::new(
            Array2::from_shape_fn((rows, 2), |(row, _)| number(row)),
            Array2::from_shape_fn((rows, 1), |(row, _)| -number(row)),
            rewards,
            ends,
        )
        .unwrap()
    }

    fn content(set: &dyn Transitions) -> (Vec<f32>, Vec<f64>, Vec<usize>) {
        let (mut rows, mut rewards) = (vec![0.0; set.rows() * 3], vec![0.0; set.rows()]);
        set.read_rows(0..set.rows(), &mut rows).unwrap();
        set.read_rewards(0..set.rows(), &mut rewards).unwrap();
        (
            rows,
            rewards,
            set.episodes().iter().map(|episode| episode.end).collect(),
        )
    }

    /// Episodes of datasets, one after the other, copied.
    fn copied(parts: &[(&Dataset, &[usize])]) -> (Vec<f32>, Vec<f64>, Vec<usize>) {
        let (mut rows, mut rewards, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (dataset, numbers) in parts {
            for &number in *numbers {
                let EpisodeRange { start, end, .. } = dataset.episodes()[number];
                for row in start..end {
                    rows.extend(dataset.actions().row(row));
                    rows.extend(dataset.observations().row(row));
                    rewards.push(dataset.rewards()[row]);
                }
                ends.push(rewards.len());
            }
        }
        (rows, rewards, ends)
    }

    #[test]
    fn sets_are_what_copies_are() {
        let (a, b) = (dataset(0, &[3, 1, 4, 2, 5, 2, 6, 1]), dataset(100, &[2, 3]));
        let set = |dataset: &Dataset| EpisodeSet::new(Arc::new(dataset.clone()));
        for chosen in [&[0, 1, 2, 3, 4, 5, 6, 7][..], &[0, 1, 2, 5], &[7], &[1, 3, 4, 6]] {
            let mask: Vec<bool> = (0..8).map(|number| chosen.contains(&number)).collect();
            let own = set(&a).picked(&mask);
            assert_eq!(content(&own), copied(&[(&a, chosen)]), "{chosen:?}");
            let own = EpisodeSet::join([("a", own), ("b", set(&b))]).unwrap();
            assert_eq!(content(&own), copied(&[(&a, chosen), (&b, &[0, 1])]), "{chosen:?}");
            // Any rows alone are what they are among all.
            let all = content(&own).0;
            for start in 0..own.rows() {
                for end in start..=own.rows() {
                    let mut rows = vec![0.0; 3 * (end - start)];
                    own.read_rows(start..end, &mut rows).unwrap();
                    assert_eq!(rows, all[3 * start..3 * end]);
                }
            }
            let rows = own.rows();
            assert!(own.read_rows(rows..rows + 1, &mut [0.0; 3]).is_err());
            assert!(own.read_rewards(0..2, &mut [0.0; 3]).is_err());
        }
    }
}
