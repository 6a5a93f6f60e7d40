//! Which steps of an episode are shown: those of the animation, and the moments of the sheet.

use ndarray::{ArrayView2, Axis};

/// Seconds that a frame is shown for at least, but for rounding: no more than 30 a second.
const SHORTEST: f64 = 0.033;
/// Frames of the longest animation.
pub(super) const MOST_FRAMES: usize = 1200;
/// Hundredths of a second that the last frame stays.
pub(super) const LAST: u16 = 200;
/// How much of the way from one moment of the sheet to the next is time; the rest is what happens.
const TIME: f64 = 0.3;

/// Every so many steps that frames follow each other no faster than [`SHORTEST`], and the last.
pub(super) fn shown_steps(steps: usize, dt: f64) -> Vec<usize> {
    let each = ((SHORTEST / dt).ceil() as usize)
        .max(steps.div_ceil(MOST_FRAMES))
        .max(1);
    let mut shown: Vec<usize> = (0..steps).step_by(each).collect();
    shown.push(steps);
    shown
}

/// How long each of the steps is shown, in hundredths of a second. Rounding does not add up.
pub(super) fn delays(steps: &[usize], dt: f64) -> Vec<u16> {
    let at = |step: usize| (100.0 * dt * step as f64).round();
    let between = steps
        .windows(2)
        .map(|pair| (at(pair[1]) - at(pair[0])).clamp(2.0, 1000.0) as u16);
    between.chain([LAST]).collect()
}

/// `count` steps of an episode, the first and the last among them, closer together where more happens: where observations
/// (steps + 1, dimensions) change more, each dimension by its own spread. Each is later than the one before.
pub(super) fn moments(observations: ArrayView2<f64>, count: usize) -> Vec<usize> {
    let last = observations.nrows().saturating_sub(1);
    let count = count.min(last + 1);
    let spread = observations.std_axis(Axis(0), 0.0);
    let change = |step: usize| -> f64 {
        let (now, next) = (observations.row(step), observations.row(step + 1));
        let parts = now.iter().zip(next).zip(&spread);
        let squares = parts.map(|((a, b), spread)| {
            if *spread > 1e-9 {
                ((b - a) / spread).powi(2)
            } else {
                0.0
            }
        });
        let change = squares.sum::<f64>().sqrt();
        if change.is_finite() { change } else { 0.0 }
    };
    let changes: Vec<f64> = (0..last).map(change).collect();
    let whole: f64 = changes.iter().sum();
    // From 0 to 1, rising with every step.
    let mut way = vec![0.0];
    for (step, change) in changes.iter().enumerate() {
        let happened = if whole > 0.0 {
            (1.0 - TIME) * change / whole
        } else {
            0.0
        };
        way.push(way[step] + happened + TIME / last as f64);
    }
    let end = way[last];
    let mut shown: Vec<usize> = Vec::with_capacity(count);
    for i in 0..count {
        let sought = end * i as f64 / (count - 1).max(1) as f64;
        let nearest = way.partition_point(|&at| at < sought).min(last);
        // One after the other, and as many left as there are moments to come.
        let least = shown.last().map_or(0, |&before| before + 1);
        shown.push(nearest.clamp(least, last + 1 + i - count));
    }
    if let (Some(end), true) = (shown.last_mut(), count > 1) {
        *end = last;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn animations_run_in_real_time() {
        for (dt, steps, frames, first) in [
            (0.05, 200, 201, vec![5, 5, 5]),
            (0.008, 1000, 201, vec![4, 4, 4]),
            (1.0 / 30.0, 999, 1000, vec![3, 4, 3]),
            (0.002, 7, 2, vec![2]),
        ] {
            let shown = shown_steps(steps, dt);
            let delays = delays(&shown, dt);
            assert_eq!((shown.len(), delays.len()), (frames, frames), "{dt}");
            assert_eq!(delays[..first.len()], first, "{dt}");
            assert_eq!((shown[0], shown.last()), (0, Some(&steps)));
            let hundredths: u32 = delays.iter().map(|&delay| u32::from(delay)).sum();
            let expected = 100.0 * dt * steps as f64 + f64::from(LAST);
            assert!((f64::from(hundredths) - expected).abs() < 1.0, "{dt}: {hundredths}");
        }
        assert!(shown_steps(1_000_000, 0.05).len() <= MOST_FRAMES + 1);
    }

    #[test]
    fn moments_are_where_most_happens() {
        // All that happens, happens in the first quarter.
        let observations = Array2::from_shape_fn((201, 2), |(step, dim)| match dim {
            0 => (step.min(50) as f64 / 10.0).sin(),
            _ => 3.0,
        });
        let shown = moments(observations.view(), 12);
        assert_eq!((shown.len(), shown[0], shown[11]), (12, 0, 200));
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
        assert!(shown.iter().filter(|&&step| step <= 50).count() >= 8, "{shown:?}");
        // Where nothing happens, or what is no number, evenly; and no more moments than steps.
        for still in [0.0, f64::NAN] {
            assert_eq!(moments(Array2::from_elem((9, 1), still).view(), 3), [0, 4, 8]);
        }
        assert_eq!(moments(Array2::zeros((3, 1)).view(), 12), [0, 1, 2]);
        assert_eq!(moments(Array2::zeros((1, 1)).view(), 12), [0]);
    }
}
