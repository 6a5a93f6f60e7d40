//! The one JSON object that `--json` prints.

use crate::error::{Error, Result};
use crate::output;
use serde::Serialize;

/// Prints `object` as one line.
pub(crate) fn print_line(object: &impl Serialize) -> Result<()> {
    // Straight to text: a detour over `serde_json::Value` would widen float32 and print 0.03 as 0.029999999329447746.
    output::print(serde_json::to_string(object).map_err(Error::encode("JSON"))?)
}

/// `object` as the text of a file.
pub(crate) fn file(object: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(object).map_err(Error::encode("JSON"))?;
    text.push(b'\n');
    Ok(text)
}
