//! Between the networks' units and the environment's: every channel of a sample by the normaliser of what it is of, in place and without
//! allocation. Channels lie along the last axis.

use crate::error::Result;
use crate::layout::SampleLayout;
use diffplan_data::{Normalizer, Normalizers};
use ndarray::{ArrayViewMut, Axis, Dimension, RemoveAxis, Slice};

/// What a normaliser does to some of the channels.
type Change<'a, D> = &'a dyn Fn(&Normalizer, ArrayViewMut<'_, f32, D>) -> std::result::Result<(), diffplan_data::Error>;

fn change<D: Dimension + RemoveAxis>(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    mut sample: ArrayViewMut<'_, f32, D>,
    change: Change<'_, D>,
) -> Result<()> {
    let parts = [
        (layout.actions(), normalizers.actions()),
        (layout.observations(), normalizers.observations()),
    ];
    let last = Axis(sample.ndim() - 1);
    for (channels, normalizer) in parts.into_iter().filter(|(channels, _)| !channels.is_empty()) {
        change(normalizer, sample.slice_axis_mut(last, Slice::from(channels)))?;
    }
    Ok(())
}

/// To the environment's.
pub(crate) fn denormalize<D: Dimension + RemoveAxis>(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    sample: ArrayViewMut<'_, f32, D>,
) -> Result<()> {
    change(layout, normalizers, sample, &|normalizer, part| {
        normalizer.denormalize_inplace(part)
    })
}

/// And back.
pub(crate) fn normalize<D: Dimension + RemoveAxis>(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    sample: ArrayViewMut<'_, f32, D>,
) -> Result<()> {
    change(layout, normalizers, sample, &|normalizer, part| {
        normalizer.normalize_inplace(part)
    })
}

/// What one of the environment's is worth in each normalised number, `dx/dy`, at the numbers that were there.
pub(crate) fn slopes<D: Dimension + RemoveAxis>(
    layout: &SampleLayout,
    normalizers: &Normalizers,
    sample: ArrayViewMut<'_, f32, D>,
) -> Result<()> {
    change(layout, normalizers, sample, &|normalizer, part| {
        normalizer.slope_inplace(part)
    })
}
