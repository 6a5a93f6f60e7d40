//! Kind `torch_randn`: `seedS.SHAPE.first` and `.second` are two successive draws of `torch.randn` after
//! `torch.manual_seed(S)`; SHAPE is written `3x7x11`, S may be negative.

use super::case::{Case, CaseError};
use super::compare::{Measure, Report};
use diffplan_pipelines::{NoiseSource, TorchRng};
use ndarray::ArrayD;
use std::collections::BTreeSet;

/// float32 numbers of up to 6: within two units in the last place of the largest.
const TOLERANCE: f64 = 1e-6;

pub(super) fn check(case: &Case, report: &mut Report) -> Result<(), CaseError> {
    let draws: BTreeSet<String> = case
        .names()
        .iter()
        .filter_map(|name| name.rsplit_once('.'))
        .map(|(draw, _)| draw.to_owned())
        .collect();
    for draw in draws {
        let Some((seed, shape)) = parse(&draw) else {
            let (actual, expected) = (
                "of that name".to_owned(),
                "seedS.SHAPE.first and seedS.SHAPE.second".to_owned(),
            );
            return Err(CaseError::Tensor {
                name: draw,
                actual,
                expected,
            });
        };
        let mut rng = TorchRng::manual_seed(seed);
        for call in ["first", "second"] {
            let name = format!("{draw}.{call}");
            let expected = case.tensor(&name)?;
            // The size is the tensor's, which is in memory already; a name could say any.
            if expected.shape() != shape {
                return Err(CaseError::Shape {
                    name,
                    actual: shape,
                    expected: expected.shape().to_vec(),
                });
            }
            let mut values = vec![0.0; expected.len()];
            rng.fill_standard_normal(&mut values).map_err(CaseError::refused)?;
            let values = ArrayD::from_shape_vec(expected.raw_dim(), values).map_err(CaseError::refused)?;
            report.compare(name, values.view(), &expected, Measure::Absolute, TOLERANCE)?;
        }
    }
    Ok(())
}

/// Seed and shape from `seedS.SHAPE`.
fn parse(name: &str) -> Option<(u64, Vec<usize>)> {
    let (seed, shape) = name.strip_prefix("seed")?.split_once('.')?;
    // Torch reads a negative seed as the unsigned number of the same bits.
    let seed = seed
        .parse()
        .ok()
        .or_else(|| seed.parse::<i64>().ok().map(|seed| seed as u64))?;
    Some((
        seed,
        shape.split('x').map(|size| size.parse().ok()).collect::<Option<_>>()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_are_read() {
        assert_eq!(parse("seed12.3x7x11"), Some((12, vec![3, 7, 11])));
        assert_eq!(parse("seed-1.5"), Some((u64::MAX, vec![5])));
        assert_eq!(parse("seed18446744073709551615.0"), Some((u64::MAX, vec![0])));
        for other in [
            "seed.5",
            "seed1",
            "seed1.",
            "seed1.3x",
            "seed1.-3",
            "1.3",
            "seed1.5.first",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
