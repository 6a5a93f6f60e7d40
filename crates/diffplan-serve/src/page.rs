//! The page and its files, which are in the program.

use crate::problem::Problem;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;

macro_rules! files {
    ($($name:literal: $type:literal),+ $(,)?) => {
        /// Names, types, contents.
        const FILES: &[(&str, &str, &[u8])] = &[$(($name, $type, include_bytes!(concat!("../page/", $name)))),+];
    };
}

files! {
    "index.html": "text/html; charset=utf-8",
}

fn file(name: &str) -> Option<([(HeaderName, HeaderValue); 2], &'static [u8])> {
    let &(_, kind, content) = FILES.iter().find(|(own, _, _)| *own == name)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // A newer program has newer files.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Some((headers, content))
}

/// `GET /`.
pub(crate) async fn page() -> Result<impl IntoResponse, Problem> {
    file("index.html").ok_or_else(|| Problem::not_found("no page"))
}

/// `GET /assets/NAME`.
pub(crate) async fn asset(Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    file(&name).ok_or_else(|| Problem::not_found("there is no such file"))
}
