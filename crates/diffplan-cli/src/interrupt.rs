//! Ctrl-C and termination as a wish: what is running comes to a good end first.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// There is one for the whole program: a handler can be set once.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Becomes true when the user, or the system, asks for an end. Who asks twice does not want to wait.
pub(crate) fn on_interrupt() -> Result<Arc<AtomicBool>> {
    if let Some(stop) = STOP.get() {
        return Ok(Arc::clone(stop));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let handler = move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler).map_err(|e| Error::Setting {
        name: "interrupt handler",
        value: e.to_string(),
        expected: "a system that lets one be set".into(),
    })?;
    Ok(Arc::clone(STOP.get_or_init(|| stop)))
}
