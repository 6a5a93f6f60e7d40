//! Gymnasium's spaces as Minari writes them in JSON, as far as the order of a dictionary's keys and the kinds of its parts go.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A space.
#[derive(Debug, Deserialize)]
pub(super) struct Space {
    /// `Box`, `Dict`, `Tuple`, `Discrete` and others.
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subspaces: Subspaces,
    /// Of a box.
    #[serde(default)]
    pub(super) shape: Vec<u64>,
    /// Of a box.
    #[serde(default)]
    pub(super) dtype: String,
}

/// The spaces within a space by their names in a file, in their order.
#[derive(Debug, Default)]
pub(super) struct Subspaces(pub(super) Vec<(String, Space)>);

impl Space {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let named = diffplan_files::name_non_finite(text.as_bytes());
        serde_json::from_slice(named.as_deref().unwrap_or(text.as_bytes())).ok()
    }

    /// As Minari has it: its own pictures may be stored compressed.
    pub(super) fn is_image(&self) -> bool {
        self.kind == "Box" && self.dtype == "uint8" && self.shape.len() == 3
    }
}

impl<'de> Deserialize<'de> for Subspaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Subspaces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("spaces by name, or a list of spaces")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Subspaces, A::Error> {
                let mut spaces = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    spaces.push(entry);
                }
                Ok(Subspaces(spaces))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Subspaces, A::Error> {
                let mut spaces = Vec::new();
                while let Some(space) = list.next_element()? {
                    spaces.push((format!("_index_{}", spaces.len()), space));
                }
                Ok(Subspaces(spaces))
            }
        }
        deserializer.deserialize_any(Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_that_of_the_text() {
        let text = r#"{"type": "Dict", "subspaces": {"b": {"type": "Box", "dtype": "float64", "shape": [2], "low": [-Infinity, 0.0]},
            "a": {"type": "Tuple", "subspaces": [{"type": "Discrete", "n": 3, "start": 0}]}}}"#;
        let space = Space::parse(text).unwrap();
        let names: Vec<&str> = space.subspaces.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        let (name, inner) = &space.subspaces.0[1].1.subspaces.0[0];
        assert_eq!((name.as_str(), inner.kind.as_str()), ("_index_0", "Discrete"));
        assert!(Space::parse("{}").is_none());
        assert!(Space::parse(&"[".repeat(10_000)).is_none());
    }
}
