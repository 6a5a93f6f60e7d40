//! [`Pace`]: how fast things go now beside what was measured at the start, and how far
//! beyond that a single part goes; running quantiles of fixed size.

/// The last `N` numbers.
#[derive(Clone, Debug)]
pub(super) struct Window<const N: usize> {
    values: [f32; N],
    len: usize,
    /// Where the next one goes.
    next: usize,
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self {
            values: [0.0; N],
            len: 0,
            next: 0,
        }
    }
}

impl<const N: usize> Window<N> {
    pub(super) fn push(&mut self, value: f64) {
        self.values[self.next] = value as f32;
        self.next = (self.next + 1) % N;
        self.len = (self.len + 1).min(N);
    }

    /// Forgets the oldest.
    pub(super) fn forget(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// The smallest number that a share `q` of all is not above; `None` of none.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let mut sorted = [0.0; N];
        for (age, place) in sorted.iter_mut().take(self.len).enumerate() {
            *place = self.values[(self.next + N - 1 - age) % N];
        }
        let sorted = &mut sorted[..self.len];
        sorted.sort_unstable_by(f32::total_cmp);
        let place = (q * self.len as f64).ceil() as usize;
        sorted.get(place.saturating_sub(1)).map(|&value| f64::from(value))
    }
}

/// Taken for the pace until anything was seen.
const AT_FIRST: f64 = 1.25;

/// What was measured lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Seconds of a visit by those measured at the start.
    visits: Window<128>,
    /// Seconds of a plan by those that were to be expected of it.
    plans: Window<24>,
    /// Seconds from the last visit to the end by those measured at the start.
    ends: Window<32>,
    /// Seconds that a part, a visit or what comes after the last, took beyond what was expected when it was begun.
    overshoots: Window<512>,
}

impl Pace {
    /// Nine of ten visits were no slower. So a process that takes a core away is seen after a dozen slow visits.
    pub(super) fn visit(&self) -> f64 {
        self.visits.quantile(0.9).unwrap_or(AT_FIRST)
    }

    /// Nine of ten plans were no slower: three slow ones of the last two dozen are seen.
    pub(super) fn plan(&self) -> f64 {
        self.plans.quantile(0.9).unwrap_or(AT_FIRST)
    }

    /// Nine of ten ends were no slower.
    pub(super) fn end(&self) -> f64 {
        self.ends.quantile(0.9).unwrap_or(AT_FIRST)
    }

    /// Seconds to keep free before a deadline, at most half of the budget: all but one part in two hundred go no further beyond what is
    /// expected of them. It is the last part before a deadline that makes a plan late; after every other one there is another look at the
    /// clock.
    pub(super) fn reserve(&self, budget: f64) -> f64 {
        self.overshoots.quantile(0.995).unwrap_or(0.0).min(budget / 2.0)
    }

    pub(super) fn saw_visit(&mut self, ratio: f64) {
        self.visits.push(ratio);
    }

    pub(super) fn saw_plan(&mut self, ratio: f64) {
        self.plans.push(ratio);
    }

    pub(super) fn saw_end(&mut self, ratio: f64) {
        self.ends.push(ratio);
    }

    pub(super) fn saw_overshoot(&mut self, seconds: f64) {
        self.overshoots.push(seconds.max(0.0));
    }

    /// After a refusal, which measures nothing: the oldest of what was seen goes, so that a slow spell does not refuse for ever.
    pub(super) fn forget(&mut self) {
        self.visits.forget();
        self.plans.forget();
        self.ends.forget();
        self.overshoots.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_last_numbers() {
        let mut window = Window::<10>::default();
        assert_eq!(window.quantile(0.5), None);
        for value in 0..25 {
            window.push(f64::from(value));
        }
        // 15 to 24.
        assert_eq!(window.quantile(0.0), Some(15.0));
        assert_eq!(window.quantile(0.5), Some(19.0));
        assert_eq!(window.quantile(0.9), Some(23.0));
        assert_eq!(window.quantile(1.0), Some(24.0));
        window.forget();
        assert_eq!(window.quantile(0.0), Some(16.0));
        for _ in 0..20 {
            window.forget();
        }
        assert_eq!(window.quantile(0.0), None);
    }
}
