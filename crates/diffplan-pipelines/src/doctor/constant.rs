//! Dimensions that do not vary.

use super::spreads::spreads;
use super::{Code, Finding};
use diffplan_data::{Normalizer, Normalizers};

/// How much larger than its spread a dimension's place may be. A `f32` of it is rounded by 2⁻²⁴ of the place: at 10⁴ that is 6·10⁻⁴ of a
/// standard deviation, and what is padded with zeros is at -10⁴, where a loss looks at nothing else. Demonstrations of a robot at a table
/// have 140.
const NEARLY: f32 = 1e4;

/// A constant dimension (standard deviation, or max - min, of 0) cannot be divided by: it is centred and not scaled, 0 when normalised,
/// and harmless as long as it stays constant; an observation that differs by 1 is then 1, not many, standard deviations off. One that
/// varies by rounding alone is divided by that rounding: it reaches the network as noise, or as numbers of any size.
///
/// One finding for each key and kind, with the dimensions.
pub fn constant(normalizers: &Normalizers) -> Vec<Finding> {
    let keys = [normalizers.observations(), normalizers.actions()];
    keys.into_iter().flat_map(of_key).collect()
}

fn of_key(normalizer: &Normalizer) -> Vec<Finding> {
    let spreads = spreads(normalizer.config());
    let dims = |is: &dyn Fn(f32, f32) -> bool| -> Vec<String> {
        let chosen = spreads
            .iter()
            .enumerate()
            .filter(|(_, (place, spread))| is(*place, *spread));
        chosen.map(|(i, _)| i.to_string()).collect()
    };
    // As the normaliser decides it.
    let exactly = dims(&|_, spread| spread < f32::MIN_POSITIVE);
    let nearly = dims(&|place, spread| spread >= f32::MIN_POSITIVE && place.abs() / spread > NEARLY);
    let key = normalizer.key().name();
    let plural = |dims: &[String]| if dims.len() == 1 { "dimension" } else { "dimensions" };
    let place = format!("normalizer.json, {key}");
    let mut findings = Vec::new();
    if !exactly.is_empty() {
        let (which, list) = (plural(&exactly), exactly.join(", "));
        findings.push(Finding::warning(
            Code::Constant,
            &place,
            format!("{which} {list} did not vary in the dataset: centred and not scaled, so the network sees 0 of it"),
            "leave it out of the data and train anew, or see that it is the same constant where plans are made".into(),
        ));
    }
    if !nearly.is_empty() {
        let (which, list) = (plural(&nearly), nearly.join(", "));
        findings.push(Finding::warning(
            Code::Constant,
            &place,
            format!(
                "{which} {list} varied by less than 1/{NEARLY} of its own size: what is divided by that is rounding, and the network sees noise"
            ),
            "leave it out of the data, or set its std to 0 (or max to min), with which it is centred and not scaled, and train anew".into(),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gaussian, normalizers};
    use super::*;
    use diffplan_data::NormalizerConfig;

    #[test]
    fn constants_and_what_is_nearly_one_are_told_once_a_key() {
        let observations = NormalizerConfig::Gaussian {
            mean: vec![0.0, 7.0, 3.0, 100.0],
            std: vec![1.0, 0.0, 0.0, 1e-5],
        };
        let actions = NormalizerConfig::Limits {
            min: vec![-1.0, 2.0],
            max: vec![1.0, 2.0],
        };
        let findings = constant(&normalizers(observations, actions));
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(
            texts[0].starts_with("normalizer.json, observations: dimensions 1, 2 did not vary"),
            "{texts:?}"
        );
        assert!(
            texts[1].contains("dimension 3 varied by less than 1/10000"),
            "{texts:?}"
        );
        assert!(
            texts[2].starts_with("normalizer.json, actions: dimension 1 did not vary"),
            "{texts:?}"
        );
    }

    #[test]
    fn what_varies_is_fine() {
        assert_eq!(constant(&gaussian(4, 2)), []);
        let table = NormalizerConfig::Gaussian {
            mean: vec![0.42],
            std: vec![0.003],
        };
        assert_eq!(constant(&normalizers(table.clone(), table)), []);
    }
}
