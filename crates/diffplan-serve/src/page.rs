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

// Every file of the folder, one a line.
files! {
    "app.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "colours.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "episode.js": "text/javascript; charset=utf-8",
    "film.js": "text/javascript; charset=utf-8",
    "goal.js": "text/javascript; charset=utf-8",
    "history.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "index.html": "text/html; charset=utf-8",
    "options.js": "text/javascript; charset=utf-8",
    "panels.js": "text/javascript; charset=utf-8",
    "plane.js": "text/javascript; charset=utf-8",
    "server.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "token.js": "text/javascript; charset=utf-8",
    "views.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
}

/// Headers, and what is in it.
type File = ([(HeaderName, HeaderValue); 2], &'static [u8]);

fn file(name: &str) -> Option<File> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_here() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(FILES.iter().map(|(name, _, _)| *name).collect::<Vec<_>>(), there);
    }

    #[test]
    fn the_page_asks_for_nothing_that_is_not_here() {
        let page = String::from_utf8_lossy(file("index.html").unwrap().1).into_owned();
        let asked: Vec<&str> = page
            .split("assets/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(!asked.is_empty());
        for name in asked {
            assert!(file(name).is_some(), "{name}");
        }
        for elsewhere in ["src=\"http", "href=\"http", "//cdn"] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }
}
