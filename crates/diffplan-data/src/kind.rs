//! The types of normaliser by name.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A type of normaliser: what is fitted to data, and the word for it in `normalizer.json` and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NormalizerKind {
    /// [`NormalizerConfig::Gaussian`](crate::NormalizerConfig::Gaussian); the original's `GaussianNormalizer`.
    #[default]
    Gaussian,
    /// [`NormalizerConfig::ScalarGaussian`](crate::NormalizerConfig::ScalarGaussian); that of diffusers'
    /// `ValueGuidedRLPipeline`.
    ScalarGaussian,
    /// [`NormalizerConfig::Limits`](crate::NormalizerConfig::Limits); the original's `LimitsNormalizer`.
    Limits,
    /// [`NormalizerConfig::SafeLimits`](crate::NormalizerConfig::SafeLimits); the original's `SafeLimitsNormalizer`.
    SafeLimits,
    /// [`NormalizerConfig::Cdf`](crate::NormalizerConfig::Cdf); the original's `CDFNormalizer`.
    Cdf,
}

impl NormalizerKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Gaussian,
        Self::ScalarGaussian,
        Self::Limits,
        Self::SafeLimits,
        Self::Cdf,
    ];

    /// The names of [`Self::ALL`].
    pub(crate) const NAMES: [&'static str; 5] = {
        let mut names = [""; 5];
        let mut i = 0;
        while i < names.len() {
            names[i] = Self::ALL[i].name();
            i += 1;
        }
        names
    };

    /// `gaussian`, `scalar_gaussian`, `limits`, `safe_limits` or `cdf`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::ScalarGaussian => "scalar_gaussian",
            Self::Limits => "limits",
            Self::SafeLimits => "safe_limits",
            Self::Cdf => "cdf",
        }
    }

    /// The class in the original's `diffuser/datasets/normalization.py`.
    fn class_name(self) -> Option<&'static str> {
        match self {
            Self::Gaussian => Some("GaussianNormalizer"),
            Self::ScalarGaussian => None,
            Self::Limits => Some("LimitsNormalizer"),
            Self::SafeLimits => Some("SafeLimitsNormalizer"),
            Self::Cdf => Some("CDFNormalizer"),
        }
    }
}

impl fmt::Display for NormalizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for NormalizerKind {
    type Err = Error;

    /// From its name, or from that of the original's class (jannerm/diffuser), as its configuration files have it.
    fn from_str(name: &str) -> Result<Self, Error> {
        let named = |kind: &Self| kind.name() == name || kind.class_name() == Some(name);
        Self::ALL.into_iter().find(named).ok_or_else(|| Error::UnknownKind {
            actual: name.to_owned(),
            expected: &Self::NAMES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_ways() {
        for kind in NormalizerKind::ALL {
            assert_eq!(kind.to_string().parse::<NormalizerKind>().unwrap(), kind);
        }
        for (class, kind) in [
            ("GaussianNormalizer", NormalizerKind::Gaussian),
            ("LimitsNormalizer", NormalizerKind::Limits),
            ("SafeLimitsNormalizer", NormalizerKind::SafeLimits),
            ("CDFNormalizer", NormalizerKind::Cdf),
        ] {
            assert_eq!(class.parse::<NormalizerKind>().unwrap(), kind);
        }
        for name in ["", "Gaussian", "gaussian ", "DebugNormalizer"] {
            assert_eq!(
                name.parse::<NormalizerKind>().unwrap_err().to_string(),
                format!(
                    "unknown normaliser {name:?}, expected one of gaussian, scalar_gaussian, limits, safe_limits, cdf"
                )
            );
        }
    }
}
