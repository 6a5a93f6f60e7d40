//! [`File`]: a TOML file of settings.

use super::keys::{Keys, Kind};
use crate::error::{Error, Result};
use diffplan_files::{FileError, folder_of, nearest};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// What is of both networks.
    pub(super) shared: Table,
    /// Of planner and value function.
    pub(super) tables: [Table; 2],
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| FileError::io(path, e))?;
        Self::parse(&text, path)
    }

    /// A dataset that is named relative to a place lies relative to the file.
    fn parse(text: &str, path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::folder(path, reason);
        let parsed: Table = text
            .parse()
            .map_err(|e: toml::de::Error| refuse(one_line(&e.to_string())))?;
        let mut shared = with_underscores(parsed).map_err(refuse)?;
        let mut table = |kind: Kind| match shared.remove(kind.name()) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => with_underscores(table),
            Some(other) => Err(format!(
                "`{}` is {}, expected a table of keys",
                kind.name(),
                other.type_str()
            )),
        };
        let tables = [
            table(Kind::Planner).map_err(refuse)?,
            table(Kind::Value).map_err(refuse)?,
        ];
        // Each on its own, so that what is wrong is said of where it stands.
        let known = Keys::NAMES.iter().copied().chain(Kind::ALL.map(Kind::name));
        check(&shared, known, "", text).map_err(refuse)?;
        for (kind, table) in Kind::ALL.into_iter().zip(&tables) {
            check(table, kind.keys(), kind.name(), text).map_err(refuse)?;
        }
        let datasets = match shared.get_mut("dataset") {
            Some(Value::Array(list)) => &mut list[..],
            Some(one) => std::slice::from_mut(one),
            None => &mut [],
        };
        for dataset in datasets {
            if let Value::String(file) = dataset {
                *file = folder_of(path).join(&file).display().to_string();
            }
        }
        Ok(Self {
            path: path.to_owned(),
            shared,
            tables,
        })
    }

    /// What is of one network alone.
    pub(super) fn of(&self, kind: Kind) -> &Table {
        &self.tables[usize::from(kind == Kind::Value)]
    }
}

/// Checks names and types of a table; `section` is its name.
fn check<'a>(
    table: &Table,
    known: impl Iterator<Item = &'a str> + Clone,
    section: &str,
    text: &str,
) -> std::result::Result<(), String> {
    for (key, value) in table {
        let at = || {
            let line = line_of(key, section, text).map_or(String::new(), |line| format!("line {line}: "));
            match section {
                "" => line,
                section => format!("{line}table [{section}]: "),
            }
        };
        if !known.clone().any(|name| name == key) {
            let meant = match nearest(key, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if Keys::NAMES.contains(&key.as_str()) => {
                    "it is of both networks, expected at the top of the file".to_owned()
                }
                None => "`diffplan train both --help` lists all: a key is a flag without its hyphens".to_owned(),
            };
            return Err(format!("{}unknown key `{key}`: {meant}", at()));
        }
        type_of(key, value).map_err(|reason| format!("{}{reason}", at()))?;
    }
    Ok(())
}

/// The line of a key, from 1, by a look at the text.
fn line_of(key: &str, section: &str, text: &str) -> Option<usize> {
    let mut now = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            now = name.split(']').next().unwrap_or("").trim().to_owned();
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim().trim_matches(['"', '\'']).replace('-', "_");
            let (table, name) = name
                .rsplit_once('.')
                .map_or((now.as_str(), name.as_str()), |(a, b)| (a, b));
            if name == key && table == section {
                return Some(number);
            }
        }
    }
    None
}

/// Names with hyphens, as they are typed, are the same keys.
fn with_underscores(table: Table) -> std::result::Result<Table, String> {
    let mut renamed = Table::new();
    for (key, value) in table {
        let name = key.replace('-', "_");
        if renamed.insert(name.clone(), value).is_some() {
            return Err(format!(
                "`{name}` stands there twice, with underscores and with hyphens"
            ));
        }
    }
    Ok(renamed)
}

/// Checks the type of one value: the parser does not say which one of a table was wrong.
fn type_of(key: &str, value: &Value) -> std::result::Result<(), String> {
    let alone = Table::from_iter([(key.to_owned(), value.clone())]);
    match alone.try_into::<Keys>() {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("`{key}` = {value}: {}", plain(e.message()))),
    }
}

/// What the parser says of a value, in the words of people who write files.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let expected = first.rsplit_once("expected ").map_or(first, |(_, expected)| expected);
    let expected = expected.split(" in `").next().unwrap_or(expected).trim();
    let words = match expected {
        "u64" | "usize" | "u32" | "i64" => "a whole number, not negative",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list: [1, 2]",
        "path string" | "a string" => "text in quotes",
        other => other,
    };
    format!("expected {words}")
}

/// All keys of a table whose parts have been checked.
pub(super) fn keys(table: &Table) -> std::result::Result<Keys, String> {
    for (key, value) in table {
        type_of(key, value)?;
    }
    table.clone().try_into().map_err(|e| one_line(e.message()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn table(of: &impl Serialize) -> Result<Table> {
    Table::try_from(of).map_err(Error::encode("the settings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        File::parse(text, Path::new("configs/run.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn where_a_datasets_steps_are_is_a_table() {
        let text = "rewards = \"goal=1,2\"\n[keys]\nobservations = \"obs/a+obs/b\"\nactions = \"acts\"\n";
        let file = File::parse(text, Path::new("run.toml")).unwrap();
        let keys = keys(&file.shared).unwrap();
        let of_dataset = keys.keys.clone().unwrap();
        assert_eq!(of_dataset.to_string(), "actions=acts,observations=obs/a+obs/b");
        assert!(keys.rewards.is_some());
        // There and back.
        assert_eq!(table(&keys).unwrap(), {
            let mut all = file.shared;
            all.insert("rewards".into(), "goal=1,2;tolerance=0.5".into());
            all
        });
        let unknown = message("[keys]\nobs = \"x\"\n");
        assert!(
            unknown.contains("expected one of observations, actions, rewards"),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_of_its_line_in_plain_words() {
        let unknown = message("horizon = 32\n\nbach-size = 4\n");
        assert!(
            unknown.contains("line 3: unknown key `bach_size`: did you mean `batch_size`?"),
            "{unknown}"
        );
        assert!(unknown.starts_with("configs/run.toml: "), "{unknown}");
        let own = message("steps = 3\n[value]\nstesp = 5\n");
        assert!(
            own.contains("line 3: table [value]: unknown key `stesp`: did you mean `steps`?"),
            "{own}"
        );
        let top = message("[value]\ndataset = \"x\"\n");
        assert!(top.contains("expected at the top of the file"), "{top}");
        let number = message("steps = \"many\"\n");
        assert!(
            number.ends_with("line 1: `steps` = \"many\": expected a whole number, not negative"),
            "{number}"
        );
        let truth = message("clip_sample = 1\n");
        assert!(truth.ends_with("expected true or false"), "{truth}");
        let variant = message("lr_schedule = \"linear\"\n");
        assert!(
            variant.contains("`constant`") && variant.contains("`cosine`"),
            "{variant}"
        );
        assert!(message("value = 3").contains("expected a table of keys"));
        assert!(message("steps = ").contains("line 1"));
        assert!(message("batch-size = 1\nbatch_size = 1").contains("twice"));
    }

    #[test]
    fn a_dataset_lies_relative_to_the_file() {
        let file = File::parse("dataset = \"d/a.hdf5\"", Path::new("configs/run.toml")).unwrap();
        assert_eq!(file.shared["dataset"].as_str(), Some("configs/d/a.hdf5"));
        let file = File::parse("dataset = [\"a.hdf5\", \"/b.hdf5\"]", Path::new("configs/run.toml")).unwrap();
        assert_eq!(file.shared["dataset"].to_string(), "[\"configs/a.hdf5\", \"/b.hdf5\"]");
        let number = message("dataset = 3");
        assert!(number.ends_with("expected text in quotes or a list of it"), "{number}");
        let file = File::parse("dataset = \"/d/a.hdf5\"", Path::new("configs/run.toml")).unwrap();
        assert_eq!(file.shared["dataset"].as_str(), Some("/d/a.hdf5"));
    }
}
