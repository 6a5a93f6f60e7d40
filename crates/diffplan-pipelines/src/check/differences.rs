//! Slopes of a function of plans by finite differences, and what they are worth.

use crate::error::Result;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};

/// The slope along one number of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// By central differences, extrapolated from two steps.
    pub(super) central: f64,
    /// On either side: of the smaller step.
    pub(super) sides: [f64; 2],
    /// Whether the sides do not come together as the step shrinks.
    pub(super) kink: bool,
    /// What `central` may be off by.
    pub(super) error: f64,
}

/// How values come out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arithmetic {
    /// The larger step.
    pub(super) step: f64,
    /// The relative error of a value.
    pub(super) rounding: f64,
}

/// Most plans of one call of the function.
const AT_ONCE: usize = 512;

/// Slopes at `plan` (horizon, dimensions) along each of `cells` (step, dimension), of a function that values plans (count, horizon,
/// dimensions).
pub(super) fn slopes(
    plan: ArrayView2<f64>,
    cells: &[(usize, usize)],
    arithmetic: Arithmetic,
    mut values: impl FnMut(&Array3<f64>) -> Result<Array1<f64>>,
) -> Result<Vec<Slope>> {
    let step = arithmetic.step;
    let moves = [0.0, -step, -step / 2.0, step / 2.0, step];
    let mut slopes = Vec::with_capacity(cells.len());
    for part in cells.chunks(AT_ONCE / moves.len()) {
        let count = part.len() * moves.len();
        let mut plans = Array3::zeros((count, plan.nrows(), plan.ncols()));
        for (index, mut moved) in plans.outer_iter_mut().enumerate() {
            moved.assign(&plan);
            moved[part[index / moves.len()]] += moves[index % moves.len()];
        }
        let values = values(&plans)?;
        // What was moved by, as it was rounded.
        let at = |cell: usize, index: usize| plans[[cell * moves.len() + index, part[cell].0, part[cell].1]];
        for (cell, values) in values.axis_chunks_iter(Axis(0), moves.len()).enumerate() {
            let way = |a: usize, b: usize| (values[b] - values[a]) / (at(cell, b) - at(cell, a));
            let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let noise = 4.0 * arithmetic.rounding * largest / step;
            slopes.push(slope(
                [way(1, 4), way(2, 3)],
                [way(1, 0), way(2, 0), way(0, 3), way(0, 4)],
                noise,
            ));
        }
    }
    Ok(slopes)
}

/// Of central differences, large and small, and those on the sides, from far below to far above.
fn slope([wide, narrow]: [f64; 2], [far_below, below, above, far_above]: [f64; 4], noise: f64) -> Slope {
    // Of a smooth function the sides come together as fast as the step shrinks: by half.
    let (far, near) = ((far_above - far_below).abs(), (above - below).abs());
    let largest = [far_below, below, above, far_above]
        .iter()
        .fold(0.0_f64, |most, side| most.max(side.abs()));
    let kink = near > 0.75 * far && near > 8.0 * noise && near > 1e-4 * largest;
    Slope {
        central: (4.0 * narrow - wide) / 3.0,
        sides: [below, above],
        kink,
        error: (wide - narrow).abs() + noise,
    }
}

/// All numbers of a plan, or as many as `most`, spread evenly.
pub(super) fn cells(shape: (usize, usize), most: usize) -> Vec<(usize, usize)> {
    let all = shape.0 * shape.1;
    let count = all.min(most);
    (0..count)
        .map(|i| i * all / count)
        .map(|i| (i / shape.1, i % shape.1))
        .collect()
}

/// As single precision has it.
pub(super) fn single(plans: &Array3<f64>) -> Array3<f32> {
    plans.mapv(|x| x as f32)
}

/// A row of numbers as double precision.
pub(super) fn double(plan: ArrayView2<f32>) -> Array2<f64> {
    plan.mapv(f64::from)
}
