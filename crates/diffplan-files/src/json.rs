//! JSON as Python's `json.dump` writes it.

use crate::error::{FileError, Result};
use crate::wrong::{WrongContent, recognise};
use serde_json::{Map, Value};
use std::path::Path;

/// The object that a JSON file holds. Numbers that JSON has no word for, and Python writes nevertheless (`NaN`, `Infinity`,
/// `-Infinity`), come as strings of that name; [`number`] takes both. `path` is for the error alone.
///
/// # Errors
/// With line and column if it is no JSON; by name if it is a Git LFS pointer, a web page or another file altogether.
pub fn parse_json_object(bytes: &[u8], path: &Path) -> Result<Map<String, Value>> {
    match parse_json(bytes, path)? {
        Value::Object(object) => Ok(object),
        other => {
            let kind = match other {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "an array",
                Value::Object(_) => "an object",
            };
            Err(FileError::malformed(
                path,
                format!("{kind}, expected a JSON object: {{\"key\": value, …}}"),
            ))
        }
    }
}

/// As [`parse_json_object`], of any value.
///
/// # Errors
/// As there, but for values that are no objects.
pub fn parse_json(bytes: &[u8], path: &Path) -> Result<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let strict = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(named) = name_non_finite(bytes)
        && let Ok(value) = serde_json::from_slice(&named)
    {
        return Ok(value);
    }
    match recognise(bytes) {
        Some(found) if found != WrongContent::Json => Err(FileError::wrong_content(path, found, "JSON")),
        _ => Err(FileError::malformed(path, format!("no JSON: {strict}"))),
    }
}

/// A number of such a file: a JSON number, or the name of one that JSON has no word for.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(name) => match name.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// The text with `NaN`, `Infinity` and `-Infinity` outside strings put in quotes; `None` if there are none. For readers of more than a
/// [`Value`], in which the order of keys is lost.
pub fn name_non_finite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut named = Vec::with_capacity(bytes.len() + 16);
    let (mut at, mut in_string, mut found) = (0, false, false);
    while let Some(&byte) = bytes.get(at) {
        let word = match byte {
            _ if in_string => None,
            b'N' | b'I' | b'-' => [&b"NaN"[..], b"Infinity", b"-Infinity"]
                .into_iter()
                .find(|word| bytes[at..].starts_with(word)),
            _ => None,
        };
        if let Some(word) = word {
            named.push(b'"');
            named.extend_from_slice(word);
            named.push(b'"');
            at += word.len();
            found = true;
            continue;
        }
        named.push(byte);
        at += 1;
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                named.extend(bytes.get(at));
                at += 1;
            }
            _ => {}
        }
    }
    found.then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn parse(text: &str) -> Result<Map<String, Value>> {
        parse_json_object(text.as_bytes(), Path::new("config.json"))
    }

    #[test]
    fn numbers_python_writes_are_read() {
        let object = parse(r#"{"a": -Infinity, "b": [NaN, Infinity, 1.5], "NaN": "say \"NaN\" \\", "c": -1}"#).unwrap();
        assert_eq!(number(&object["a"]), Some(f64::NEG_INFINITY));
        assert!(number(&object["b"][0]).unwrap().is_nan());
        assert_eq!(number(&object["b"][1]), Some(f64::INFINITY));
        assert_eq!(number(&object["b"][2]), Some(1.5));
        assert_eq!(object["NaN"], "say \"NaN\" \\");
        assert_eq!(number(&object["c"]), Some(-1.0));
        assert_eq!(number(&object["NaN"]), None);
        assert_eq!(parse("\u{feff}{}").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_object_is_told_by_what_it_is() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("[1]").contains("an array, expected a JSON object"));
        assert!(
            message("{\"a\": 1,}").contains("line 1 column 9"),
            "{}",
            message("{\"a\": 1,}")
        );
        assert!(message("{\"a\": Nan}").contains("line 1"));
        assert!(message("version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(message("<!doctype html>").contains("web page"));
        assert_eq!(parse("").unwrap_err().kind(), ErrorKind::WrongContent);
        assert_eq!(parse("{").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(parse("\"").unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(parse("{\"\\").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
