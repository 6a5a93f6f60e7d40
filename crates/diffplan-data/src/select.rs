//! Which episodes of a dataset are used, by their numbers and returns.

use crate::Error;

/// Which episodes of a dataset are used: the first, of those a share, of those the best.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Selection {
    /// So many, the first ones.
    pub first: Option<usize>,
    /// A share of them, spread evenly over the file.
    pub share: Option<f64>,
    /// A share of them, those of the highest return; among equals, the earlier.
    pub best: Option<f64>,
}

impl Selection {
    /// Whether episode `i` of `count` belongs to `share` of them, spread evenly: the i at which i · share passes a whole number.
    fn spread(i: usize, share: f64) -> bool {
        let up_to = |i: usize| (i as f64 * share).floor();
        up_to(i + 1) > up_to(i)
    }

    /// Which of `count` episodes: of the first, a share; at least one.
    pub(crate) fn by_number(self, count: usize) -> Vec<bool> {
        let first = count.min(self.first.unwrap_or(usize::MAX).max(1));
        let mut keep = vec![true; first];
        if let Some(share) = self.share {
            keep = (0..first).map(|i| Self::spread(i, share)).collect();
            if !keep.contains(&true) {
                keep[0] = true;
            }
        }
        keep.resize(count, false);
        keep
    }

    /// The share `best` of the episodes, those of the highest return; at least one.
    pub(crate) fn the_best(returns: &[f64], best: f64) -> Vec<bool> {
        let mut order: Vec<usize> = (0..returns.len()).collect();
        order.sort_by(|&a, &b| returns[b].total_cmp(&returns[a]));
        let count = ((returns.len() as f64 * best).ceil() as usize).clamp(1, returns.len());
        let mut keep = vec![false; returns.len()];
        order[..count].iter().for_each(|&i| keep[i] = true);
        keep
    }

    /// Which of `count` episodes are held out; none of less than two.
    pub(crate) fn held_out(count: usize, share: f64) -> Result<Option<Vec<bool>>, Error> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::Share {
                name: "validation",
                value: share,
            });
        }
        if count < 2 {
            return Ok(None);
        }
        let mut held: Vec<bool> = (0..count).map(|i| Self::spread(i, share)).collect();
        if !held.contains(&true) {
            held[count - 1] = true;
        }
        if !held.contains(&false) {
            held[0] = false;
        }
        Ok(Some(held))
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        for (name, value) in [("episodes", self.share), ("best", self.best)] {
            if let Some(value) = value.filter(|value| !(*value > 0.0 && *value <= 1.0)) {
                return Err(Error::Share { name, value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, EpisodeEnds, EpisodeSet, Transitions, transitions};
    use ndarray::{Array1, Array2};
    use std::sync::Arc;

    /// Episodes of two rows with these returns, and a row of none.
    fn dataset(returns: &[f64], columns: usize) -> EpisodeSet {
        let rows = 2 * returns.len() + 1;
        let timeouts: Vec<bool> = (0..rows).map(|row| row % 2 == 1).collect();
        let rewards = (0..rows).map(|row| returns.get(row / 2).map_or(0.0, |total| total / 2.0));
        let ends = EpisodeEnds {
            timeouts: Some(&timeouts),
            ..EpisodeEnds::default()
        };
        let numbers = Array2::from_shape_fn((rows, columns), |(row, _)| row as f32);
        let dataset = Dataset::new(numbers.clone(), numbers, Array1::from_iter(rewards), ends).unwrap();
        EpisodeSet::new(Arc::new(dataset))
    }

    fn returns(set: &EpisodeSet) -> Vec<f64> {
        assert_eq!(set.rows(), 2 * set.episodes().len());
        transitions::returns(set).unwrap()
    }

    /// One column of all rows.
    fn column(set: &EpisodeSet, column: usize) -> Vec<f32> {
        let mut rows = vec![0.0; set.rows() * set.transition_dim()];
        set.read_rows(0..set.rows(), &mut rows).unwrap();
        rows.iter()
            .skip(column)
            .step_by(set.transition_dim())
            .copied()
            .collect()
    }

    #[test]
    fn episodes_are_selected_by_number_share_and_return() {
        let all = [5.0, 1.0, 9.0, 3.0, 9.0, 2.0, 7.0, 0.0, 4.0, 6.0];
        let of = |selection| returns(&dataset(&all, 1).selected(selection).unwrap());
        let none = Selection::default();
        assert_eq!(of(none), all);
        assert_eq!(
            of(Selection {
                best: Some(0.2),
                ..none
            }),
            [9.0, 9.0]
        );
        assert_eq!(
            of(Selection {
                best: Some(0.01),
                ..none
            }),
            [9.0]
        );
        assert_eq!(
            of(Selection {
                best: Some(1.0),
                ..none
            }),
            all
        );
        assert_eq!(
            of(Selection {
                share: Some(0.5),
                ..none
            }),
            [1.0, 3.0, 2.0, 0.0, 6.0]
        );
        assert_eq!(
            of(Selection {
                share: Some(0.01),
                ..none
            }),
            [5.0]
        );
        let some = Selection {
            first: Some(6),
            share: Some(0.5),
            best: Some(0.5),
        };
        assert_eq!(of(some), [3.0, 2.0]);
        for share in [0.0, -1.0, 1.5, f64::NAN] {
            let error = dataset(&all, 1)
                .selected(Selection {
                    best: Some(share),
                    ..none
                })
                .unwrap_err();
            assert!(error.to_string().starts_with("best = "), "{error}");
        }
        // What is selected has the rows of its episodes.
        let best = dataset(&all, 1)
            .selected(Selection {
                best: Some(0.2),
                ..none
            })
            .unwrap();
        assert_eq!(column(&best, 1), [4.0, 5.0, 8.0, 9.0]);
    }

    #[test]
    fn some_are_held_out() {
        let all: Vec<f64> = (0..20).map(f64::from).collect();
        let (kept, held) = dataset(&all, 1).split_off(0.1).unwrap();
        assert_eq!(returns(&held.unwrap()), [9.0, 19.0]);
        assert_eq!(returns(&kept).len(), 18);
        let (kept, held) = dataset(&[1.0, 2.0], 1).split_off(0.01).unwrap();
        assert_eq!((returns(&kept), returns(&held.unwrap())), (vec![1.0], vec![2.0]));
        assert!(dataset(&[1.0], 1).split_off(0.5).unwrap().1.is_none());
        assert!(dataset(&[1.0], 1).split_off(1.0).is_err());
    }

    #[test]
    fn datasets_are_joined_where_dimensions_are_the_same() {
        let (a, b) = (dataset(&[1.0, 2.0], 2), dataset(&[3.0], 2));
        let all = EpisodeSet::join([("a", a.clone()), ("b", b)]).unwrap();
        assert_eq!(returns(&all), [1.0, 2.0, 3.0]);
        assert_eq!(column(&all, 3), [0.0, 1.0, 2.0, 3.0, 0.0, 1.0]);
        assert_eq!((all.episodes()[2].start, all.episodes()[2].end), (4, 6));
        let error = EpisodeSet::join([("a", a), ("c", dataset(&[3.0], 3))])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "c: observations have 3 dimensions, but 2 in a; only datasets of the same can be joined"
        );
        assert!(EpisodeSet::join::<&str>([]).is_err());
    }
}
