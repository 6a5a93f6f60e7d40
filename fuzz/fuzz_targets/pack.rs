//! Packed datasets. Checksums are made right, or nothing behind them would ever be reached.
#![no_main]

use std::hash::Hasher;

use diffplan_data::{EpisodeSet, Packed, SequenceDataset, SequenceOptions, Transitions};
use diffplan_data::{DiscountedReturns, NormalizerKind, Normalizers};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

/// With the checksums of what is there.
fn summed(data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = data.to_vec();
    let number = |at: usize| Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?));
    let small = |at: usize| Some(u64::from(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?)));
    let width = small(12)? + small(16)?;
    let tail = number(32)?
        .checked_mul(8)?
        .checked_add((width + 1) * 40 + 8)?
        .checked_add(number(40)?)?;
    let from = data.len().checked_sub(usize::try_from(tail).ok()?)?;
    bytes[48..56].copy_from_slice(&checksum(&data[from..]));
    let head = checksum(&bytes[..56]);
    bytes[56..64].copy_from_slice(&head);
    Some(bytes)
}

fuzz_target!(|data: &[u8]| {
    diffplan_fuzz::dataset(data, "x.pack");
    let Some(bytes) = (data.len() >= 64).then(|| summed(data)).flatten() else { return };
    diffplan_fuzz::dataset(&bytes, "x.pack");
    let Ok(packed) = Packed::from_bytes(bytes, "x.pack") else { return };
    let set: Arc<dyn Transitions> = Arc::new(EpisodeSet::new(Arc::new(packed)));
    let Ok(normalizers) = Normalizers::of_transitions(NormalizerKind::Limits, &*set) else { return };
    let Ok(sequences) = SequenceDataset::on_demand(&set, &normalizers, &SequenceOptions::new(4)) else { return };
    let mut window = ndarray::Array2::zeros((4, set.transition_dim()));
    for index in [0, sequences.len() / 2, sequences.len() - 1] {
        let _ = sequences.copy_into(index, window.view_mut());
    }
    let _ = DiscountedReturns::on_demand(&set, 0.9, -1.0).and_then(|returns| returns.limits(&sequences));
});
