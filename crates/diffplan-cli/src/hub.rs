//! A checkpoint that is no folder here: by its name on the Hub, with a bar for who has waited for two seconds.

use crate::args::FilesArgs;
use crate::error::{Error, Result};
use diffplan_files::Folder;
use std::io;
use std::path::Path;

/// What `path` names on the Hub; also what lay in a cache and is gone, which its path still names. `missing` is what the system said of
/// it as a folder.
///
/// # Errors
/// Both readings, and why neither is one.
pub(crate) fn checkpoint(path: &Path, files: &FilesArgs, missing: io::Error) -> Result<Folder> {
    by_name(path, files).map_err(|reason| Error::NoSuchCheckpoint {
        path: path.to_owned(),
        missing,
        reason,
    })
}

#[cfg(feature = "hub")]
fn by_name(path: &Path, files: &FilesArgs) -> std::result::Result<Folder, String> {
    use crate::output;
    use diffplan_hub::{Event, Hub, Part, RepoName, Settings};

    let (name, within) = match RepoName::of_cached(path) {
        Some(found) => found,
        None => {
            let text = path.to_str().ok_or("it is no text")?;
            let name = text.parse::<RepoName>().map_err(|error| error.to_string())?;
            (name, String::new())
        }
    };
    let nested = files.subfolder.iter().map(|sub| sub.trim_matches('/').to_owned());
    let subfolder = [within.clone()]
        .into_iter()
        .chain(nested)
        .filter(|part| !part.is_empty());
    let part = Part {
        subfolder: Some(subfolder.collect::<Vec<_>>().join("/")),
        variant: files.variant.clone(),
    };
    let bar = Bar::new();
    let mut settings = Settings::from_env().map_err(|error| error.to_string())?;
    settings.offline |= files.offline;
    let hub = Hub::new(settings);
    let fetched = hub.fetch(&name, &part, &|Event { file, done, total, .. }| {
        bar.at(file, done, total)
    });
    let fetched = fetched.map_err(|error| error.to_string())?;
    for note in &fetched.notes {
        output::remark(&format!("note: {note}"));
    }
    Ok(Folder::at(fetched.folder.join(within)))
}

#[cfg(not(feature = "hub"))]
fn by_name(_: &Path, _: &FilesArgs) -> std::result::Result<Folder, String> {
    Err("this program was built without the feature `hub`".into())
}

/// How far a download is.
#[cfg(feature = "hub")]
pub(crate) struct Bar {
    bar: indicatif::ProgressBar,
    started: std::time::Instant,
}

#[cfg(feature = "hub")]
impl Bar {
    const WAIT: std::time::Duration = std::time::Duration::from_secs(2);

    pub(crate) fn new() -> Self {
        use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
        let template = "downloading {msg} [{bar:32.cyan/blue}] {bytes}/{total_bytes}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template above is well formed");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        Self {
            bar: bar.with_style(style.progress_chars("━╸─")),
            started: std::time::Instant::now(),
        }
    }

    pub(crate) fn at(&self, file: &str, done: u64, total: u64) {
        if self.bar.message() != file || self.bar.length() != Some(total) {
            self.bar.set_message(file.to_owned());
            self.bar.set_length(total);
        }
        if self.bar.is_hidden() && self.started.elapsed() > Self::WAIT {
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }
}

#[cfg(feature = "hub")]
impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
