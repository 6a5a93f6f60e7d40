//! [`History`]: the converted answers of the last visits.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};

/// The converted answers of the last visits, in memory that is taken once a shape.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The latest is at `latest`, the one before it at the place after, and so round.
    slots: Vec<ArrayD<f32>>,
    latest: usize,
    /// How many visits were made.
    made: usize,
    /// The visit that goes on from them; none before the first, and after a step that failed.
    next: Option<usize>,
}

impl History {
    /// Room for so many.
    pub(crate) fn new(order: usize) -> Self {
        Self {
            slots: vec![ArrayD::zeros(IxDyn(&[0])); order.max(1)],
            ..Self::default()
        }
    }

    /// Forgets everything; the next visit is `visit`, of samples of this shape.
    pub(crate) fn restart(&mut self, shape: &[usize], visit: usize) {
        for slot in self.slots.iter_mut().filter(|slot| slot.shape() != shape) {
            *slot = ArrayD::zeros(shape);
        }
        (self.latest, self.made, self.next) = (0, 0, Some(visit));
    }

    /// Goes on to `visit`: from a new start unless it is the next one, of samples of the same shape. Says how many visits there were
    /// before, with the answers that there is room for; an error must be followed by no call of [`History::done`].
    pub(crate) fn enter(&mut self, shape: &[usize], visit: usize) -> usize {
        let fits = self.slots.iter().all(|slot| slot.shape() == shape);
        if self.next != Some(visit) || !fits {
            self.restart(shape, visit);
        }
        self.next = None;
        self.made
    }

    /// Makes room for an answer: the oldest goes.
    pub(crate) fn push(&mut self) -> ArrayViewMutD<'_, f32> {
        let slots = self.slots.len();
        self.latest = (self.latest + slots - 1) % slots;
        self.slots[self.latest].view_mut()
    }

    /// The answers, the latest first.
    pub(crate) fn answers(&self) -> impl Iterator<Item = ArrayViewD<'_, f32>> {
        let (after, before) = self.slots.split_at(self.latest);
        before.iter().chain(after).map(|slot| slot.view())
    }

    /// The visit is made.
    pub(crate) fn done(&mut self, visit: usize) {
        self.made += 1;
        self.next = Some(visit + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firsts(history: &History) -> Vec<f32> {
        history.answers().map(|answer| answer[[0, 0]]).collect()
    }

    #[test]
    fn answers_come_latest_first_and_only_of_the_run() {
        let mut history = History::new(3);
        for visit in 0..5 {
            assert_eq!(history.enter(&[2, 2], visit), visit);
            history.push().fill(visit as f32);
            history.done(visit);
        }
        assert_eq!(firsts(&history), [4.0, 3.0, 2.0]);
        // A visit out of turn, another shape and a failed step begin anew.
        assert_eq!(history.enter(&[2, 2], 2), 0);
        history.done(2);
        assert_eq!(history.enter(&[2, 2], 3), 1);
        assert_eq!(history.enter(&[2, 2], 4), 0, "visit 3 failed");
        history.done(4);
        assert_eq!(history.enter(&[3, 2], 5), 0);
    }
}
