//! Controls from the text of a TOML file.

use super::Controls;
use super::spec::{ConstraintKind, ConstraintSpec, GuideKind, GuideSpec};
use crate::error::{Error, Result};
use crate::guide::GuideSchedule;
use diffplan_files::{FileError, nearest};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Keys of every guide, beside those of its type.
const OF_GUIDES: &[&str] = &["type", "name", "weight", "schedule", "range", "sees"];

/// Keys of every constraint, beside those of its type.
const OF_CONSTRAINTS: &[&str] = &["type", "name"];

const TABLES: [&str; 2] = ["guide", "constraint"];

/// A text and where it is from.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Source<'_> {
    fn line(self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        1 + before.matches('\n').count()
    }

    fn refuse(self, at: Option<usize>, reason: String) -> Error {
        let line = at.map_or(String::new(), |at| format!("line {}: ", self.line(at)));
        FileError::malformed(self.path, format!("{line}{reason}")).into()
    }
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Controls> {
    let source = Source { text, path };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        source.refuse(at, one_line(error.message()))
    })?;
    let mut controls = Controls {
        path: Some(path.to_owned()),
        ..Controls::default()
    };
    for (key, value) in document.into_inner() {
        let at = key.span().start;
        let name = key.get_ref().as_ref();
        if !TABLES.contains(&name) {
            return Err(source.refuse(Some(at), unknown("table", name, TABLES)));
        }
        let DeValue::Array(tables) = value.into_inner() else {
            let reason = format!("`{name}` is not a list of tables, expected [[{name}]] before each");
            return Err(source.refuse(Some(at), reason));
        };
        for table in tables {
            let span = table.span();
            let DeValue::Table(keys) = table.into_inner() else {
                let reason = format!("`{name}` has something that is not a table, expected [[{name}]] before each");
                return Err(source.refuse(Some(span.start), reason));
            };
            let table = Table {
                source,
                name: if name == "guide" { "guide" } else { "constraint" },
                span,
                keys,
            };
            match table.name {
                "guide" => controls.guides.push(table.guide()?),
                _ => controls.constraints.push(table.constraint()?),
            }
        }
    }
    Ok(controls)
}

/// One table of a file.
struct Table<'a> {
    source: Source<'a>,
    name: &'static str,
    span: Range<usize>,
    keys: DeTable<'a>,
}

impl<'a> Table<'a> {
    fn guide(mut self) -> Result<GuideSpec> {
        let kind = self.kind(GuideKind::NAMES)?;
        self.check_keys(&kind, OF_GUIDES, GuideKind::keys(&kind))?;
        let line = Some(self.source.line(self.span.start));
        let name = self.take("name")?;
        let weight = self.take("weight")?.unwrap_or(1.0);
        let schedule = self.take::<GuideSchedule>("schedule")?.unwrap_or_default();
        let range = self.take("range")?.unwrap_or([0.0, 1.0]);
        let sees = self.take("sees")?;
        Ok(GuideSpec {
            kind: self.rest(&kind, |from| GuideKind::deserialize(&kind, from))?,
            name,
            weight,
            schedule,
            range,
            sees,
            line,
        })
    }

    fn constraint(mut self) -> Result<ConstraintSpec> {
        let kind = self.kind(ConstraintKind::NAMES)?;
        self.check_keys(&kind, OF_CONSTRAINTS, ConstraintKind::keys(&kind))?;
        let line = Some(self.source.line(self.span.start));
        Ok(ConstraintSpec {
            name: self.take("name")?,
            kind: self.rest(&kind, |from| ConstraintKind::deserialize(&kind, from))?,
            line,
        })
    }

    /// The type, which is one of these.
    fn kind(&mut self, known: &'static [&'static str]) -> Result<String> {
        let at = self
            .keys
            .get("type")
            .map_or(self.span.start, |value| value.span().start);
        let Some(kind) = self.take::<String>("type")? else {
            let reason = format!(
                "[[{}]]: `type` is missing, expected one of {}",
                self.name,
                known.join(", ")
            );
            return Err(self.source.refuse(Some(at), reason));
        };
        // As people may write it.
        let kind = kind.replace('_', "-");
        match known.contains(&kind.as_str()) {
            true => Ok(kind),
            false => {
                let reason = format!("[[{}]]: {}", self.name, unknown("type", &kind, known.iter().copied()));
                Err(self.source.refuse(Some(at), reason))
            }
        }
    }

    fn check_keys(&self, kind: &str, common: &[&'static str], own: &[&'static str]) -> Result<()> {
        let known = || own.iter().chain(common).copied();
        for key in self.keys.keys() {
            let name = key.get_ref().as_ref();
            if !known().any(|known| known == name) {
                let reason = format!("[[{}]] {kind}: {}", self.name, unknown("key", name, known()));
                return Err(self.source.refuse(Some(key.span().start), reason));
            }
        }
        Ok(())
    }

    /// A key's value, taken out.
    fn take<T: Deserialize<'a>>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.keys.remove(key) else {
            return Ok(None);
        };
        let at = value.span().start;
        let value = T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
            let reason = format!("[[{}]]: `{key}`: {}", self.name, one_line(error.message()));
            self.source.refuse(Some(at), reason)
        })?;
        Ok(Some(value))
    }

    /// What is left of the keys.
    fn rest<T>(
        self,
        kind: &str,
        deserialize: impl FnOnce(ValueDeserializer<'a>) -> std::result::Result<T, toml::de::Error>,
    ) -> Result<T> {
        let places: Vec<(String, Range<usize>)> = self
            .keys
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), value.span()))
            .collect();
        let table = Spanned::new(self.span.clone(), DeValue::Table(self.keys));
        deserialize(ValueDeserializer::from(table)).map_err(|error| {
            // A key that is missing is missing in the whole table.
            let at = error.span().map_or(self.span.start, |span| span.start);
            let of = places.iter().find(|(_, place)| place.contains(&at));
            let of = of.map_or(String::new(), |(key, _)| format!("`{key}`: "));
            let reason = format!("[[{}]] {kind}: {of}{}", self.name, one_line(error.message()));
            self.source.refuse(Some(at), reason)
        })
    }
}

/// That something is not known, and what was probably meant.
fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let meant = nearest(name, known.clone()).map_or(String::new(), |meant| format!(", did you mean `{meant}`?"));
    let all: Vec<&str> = known.into_iter().collect();
    format!("unknown {what} `{name}`{meant}; there are {}", all.join(", "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
