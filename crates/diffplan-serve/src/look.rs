//! Candidates as they are looked at: paths in the plane of an environment that has one, else observations; the first few, in short numbers.

use crate::model::Model;
use crate::numbers::{Short, short};
use ndarray::{Array1, Array3, ArrayView2, ArrayView3, Axis, Slice};

/// More candidates than this nobody tells apart.
pub(crate) const MOST: usize = 32;

/// A candidate: (horizon, 2 or observation dimensions).
pub(crate) type Path = Vec<Vec<Short>>;

/// The path of one candidate's observations (horizon, observation dimensions).
pub(crate) fn path(model: &Model, observations: ArrayView2<f32>) -> Path {
    let walls = model.world.as_ref().and_then(|world| world.walls.as_ref());
    let rows = observations.outer_iter();
    match walls {
        Some(walls) => rows
            .map(|row| short(walls.dims.iter().filter_map(|&dim| row.get(dim))))
            .collect(),
        None => rows.map(short).collect(),
    }
}

/// The paths of the first of some candidates (candidates, horizon, observation dimensions).
pub(crate) fn paths(model: &Model, observations: ArrayView3<f32>) -> Vec<Path> {
    let first = observations.outer_iter().take(MOST);
    first.map(|one| path(model, one)).collect()
}

/// A sample in the making (candidates, horizon, dimensions), normalised, as the networks see it: the paths of its best, with the values of
/// all, both by value where there are any.
pub(crate) fn sample(
    model: &Model,
    sample: ArrayView3<f32>,
    values: Option<&Array1<f32>>,
) -> diffplan_pipelines::Result<(Vec<Path>, Option<Vec<Short>>)> {
    let mut order: Vec<usize> = (0..sample.len_of(Axis(0))).collect();
    if let Some(values) = values {
        // Stable, as plans are sorted: of equals the first.
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    }
    let sorted = values.map(|values| order.iter().map(|&place| Short(values[place].into())).collect());
    order.truncate(MOST);
    let mut best: Array3<f32> = sample.select(Axis(0), &order);
    model.pipeline.denormalize(best.view_mut())?;
    let own = Slice::from(model.pipeline.layout().observations());
    Ok((paths(model, best.slice_axis(Axis(2), own)), sorted))
}
