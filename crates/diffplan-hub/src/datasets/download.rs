//! [`Datasets`]: a dataset by its name, whole and where its project looks for it.

use super::checksum::{Stored, record, recorded, stored, write_checksum};
use super::mirror::Mirror;
use super::names::{Family, Known};
use super::places::Places;
use super::transfer::{Expected, Transfer};
use crate::cache::make_folder_of;
use crate::client::Client;
use crate::download::sha256;
use crate::error::{Error, Result};
use crate::name::RepoName;
use crate::repository::Remote;
use crate::settings::Settings;
use crate::{Event, is_gone};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Metadata are not longer, in bytes.
const METADATA: u64 = 1 << 24;
/// Of a Minari dataset, in its folder.
const DATA: &str = "data/main_data.hdf5";
const ABOUT: &str = "data/metadata.json";
const NAMESPACE: &str = "namespace_metadata.json";

/// What is asked for beside the name.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// SHA-256 that the file of steps is to have.
    pub sha256: Option<String>,
    /// Whether one that is there is downloaded again.
    pub again: bool,
}

/// A dataset that is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// What a reader takes: a file, or a folder of Minari.
    pub path: PathBuf,
    /// The file of its steps.
    pub data: Stored,
    /// Where it was downloaded from; none if it was there already.
    pub from: Option<String>,
    /// Mirrors that were tried before, and why they are not it.
    pub failed: Vec<(String, String)>,
    /// Whether there was no checksum to compare it with, and one was recorded now.
    pub recorded: bool,
}

/// Datasets by name, where they are and where they come from.
pub struct Datasets {
    client: Client,
    places: Places,
    mirrors: Option<Vec<Mirror>>,
}

/// Looks at a file under its temporary name: why it is no dataset, if it is none.
type Look<'a> = &'a dyn Fn(&Path) -> std::result::Result<(), String>;

impl Datasets {
    /// As the environment says.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn from_env() -> Result<Self> {
        let mut settings = Settings::from_env()?;
        // Nobody waits long for the second mirror where there is no network.
        (settings.tries_to_reach, settings.connect) = (1, Duration::from_secs(5));
        Ok(Self::new(settings, Places::from_env()?))
    }

    /// With settings and places of one's own.
    pub fn new(settings: Settings, places: Places) -> Self {
        Self {
            client: Client::new(settings),
            places,
            mirrors: None,
        }
    }

    /// Asks these mirrors, and no others.
    #[must_use]
    pub fn with_mirrors(mut self, mirrors: Vec<Mirror>) -> Self {
        self.mirrors = Some(mirrors);
        self
    }

    /// Puts datasets elsewhere.
    #[must_use]
    pub fn with_places(mut self, places: Places) -> Self {
        self.places = places;
        self
    }

    /// Downloads a dataset, unless it is there whole. `look` sees every file of steps before it gets its name; `said` hears how far it is.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`], [`Error::NoMirror`] with all that was tried, [`Error::OfflineDataset`], [`Error::Damaged`] where the file that
    /// is there is another than was downloaded; [`Error::Io`].
    pub fn download(
        &self,
        known: &Known,
        options: &Options,
        look: Look<'_>,
        said: &dyn Fn(Event),
    ) -> Result<Downloaded> {
        let path = self.places.of(known);
        let data = match known.family() {
            Family::D4rl => path.clone(),
            Family::Minari => path.join(DATA),
        };
        make_folder_of(&data)?;
        let _lock = Lock::new(&data)?;
        if self.places.find(known).is_some() && !options.again {
            return there(path, &data, options, look);
        }
        let mirrors = match &self.mirrors {
            Some(mirrors) => mirrors.clone(),
            None => Mirror::from_env(known.family())?,
        };
        if self.client.settings.offline {
            return Err(Error::OfflineDataset {
                name: known.name().to_owned(),
                by_hand: self.by_hand(known, &mirrors, &data),
            });
        }
        let mut failed = Vec::new();
        for mirror in &mirrors {
            let tried = match mirror {
                Mirror::Web(_) => self.of_web(known, mirror, &path, options, look, said),
                Mirror::Hub { owner } => self.of_hub(known, owner, &path, options, look, said),
            };
            match tried {
                Ok(from) => {
                    let data = record(&data)?;
                    return Ok(Downloaded {
                        path,
                        data,
                        from: Some(from),
                        failed,
                        recorded: true,
                    });
                }
                // Another mirror does not help where the disk is full.
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(Error::Network { reason, .. }) => {
                    failed.push((mirror.to_string(), format!("it cannot be fetched: {reason}")));
                }
                Err(error) => failed.push((mirror.to_string(), error.to_string())),
            }
        }
        let tried: Vec<String> = failed
            .iter()
            .map(|(mirror, reason)| format!("{mirror}: {reason}"))
            .collect();
        let near = match Known::listed(known.name()) {
            Some(_) => Vec::new(),
            None => Known::near(known.name()),
        };
        Err(Error::NoMirror {
            name: known.name().to_owned(),
            tried: tried.join("; "),
            near,
            by_hand: self.by_hand(known, &mirrors, &data),
        })
    }

    /// What somebody with another network would do.
    fn by_hand(&self, known: &Known, mirrors: &[Mirror], data: &Path) -> String {
        let address = |mirror: &Mirror| match mirror {
            Mirror::Hub { owner } => {
                let (repo, within) = known.path().split_once('/').unwrap_or((known.path(), ""));
                let endpoint = &self.client.settings.endpoint;
                format!("{endpoint}/datasets/{owner}/{repo}/tree/main/{within}")
            }
            other => other.addresses(known).into_iter().next().unwrap_or_default(),
        };
        let addresses: Vec<String> = mirrors.iter().map(address).collect();
        let what = match known.family() {
            Family::D4rl => data.display().to_string(),
            Family::Minari => format!("{} with metadata.json beside it", data.display()),
        };
        format!("fetch it from {} and put it at {what}", addresses.join(" or "))
    }

    fn of_web(
        &self,
        known: &Known,
        mirror: &Mirror,
        path: &Path,
        options: &Options,
        look: Look<'_>,
        said: &dyn Fn(Event),
    ) -> Result<String> {
        let expected = || Expected {
            info: None,
            sha256: options.sha256.clone(),
        };
        if known.family() == Family::Minari {
            let base = mirror.addresses(known).swap_remove(0);
            let about = format!("{base}/{ABOUT}");
            self.small(&about, &path.join(ABOUT), &Expected::default(), said)?;
            self.one(&format!("{base}/{DATA}"), &path.join(DATA), &expected(), look, said)?;
            return Ok(base);
        }
        let mut first = None;
        for url in mirror.addresses(known) {
            match self.one(&url, path, &expected(), look, said) {
                Ok(()) => return Ok(url),
                Err(error) if is_gone(&error) => first = first.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or_else(|| Error::Status {
            host: mirror.to_string(),
            status: 404,
            what: known.file().to_owned(),
        }))
    }

    fn of_hub(
        &self,
        known: &Known,
        owner: &str,
        path: &Path,
        options: &Options,
        look: Look<'_>,
        said: &dyn Fn(Event),
    ) -> Result<String> {
        let (repo, within) = known.path().split_once('/').unwrap_or((known.path(), ""));
        let name: RepoName = format!("{owner}/{repo}").parse()?;
        let remote = Remote::datasets(&self.client, &name);
        let listing = remote.listing()?;
        let prefix = if within.is_empty() {
            String::new()
        } else {
            format!("{within}/")
        };
        let has = |file: &str| listing.files.iter().any(|own| own == file);
        let missing = |file: &str| Error::NoFile {
            repo: format!("datasets/{owner}/{repo}"),
            file: format!("{prefix}{file}"),
            commit: listing.commit.clone(),
        };
        let about = format!("{prefix}{ABOUT}");
        if !has(&about) {
            return Err(missing(ABOUT));
        }
        let looked = |file: &str| -> Result<(String, Expected)> {
            let (url, info) = remote.look(file, &listing.commit)?;
            let expected = Expected {
                info: Some(info),
                sha256: None,
            };
            Ok((url, expected))
        };
        let (url, expected) = looked(&about)?;
        // Before gigabytes are: it says whether they can be read.
        self.small(&url, &path.join(ABOUT), &expected, said)?;
        let data = format!("{prefix}{DATA}");
        if !has(&data) {
            return Err(missing(DATA));
        }
        let (url, mut expected) = looked(&data)?;
        expected.sha256 = options.sha256.clone();
        self.one(&url, &path.join(DATA), &expected, look, said)?;
        // What Minari knows of the folders above, as it would have them too.
        for (depth, _) in known.path().match_indices('/') {
            let (_, above) = known.path()[..depth].split_once('/').unwrap_or(("", ""));
            let file = if above.is_empty() {
                NAMESPACE.to_owned()
            } else {
                format!("{above}/{NAMESPACE}")
            };
            let to = self
                .places
                .folder(Family::Minari)
                .join(&known.path()[..depth])
                .join(NAMESPACE);
            if has(&file) && !to.exists() {
                let (url, expected) = looked(&file)?;
                self.one(&url, &to, &expected, &|_| Ok(()), said)?;
            }
        }
        Ok(format!(
            "{}/datasets/{owner}/{repo} at {}",
            self.client.settings.endpoint,
            &listing.commit[..8]
        ))
    }

    /// Metadata of a dataset that can be read.
    fn small(&self, url: &str, to: &Path, expected: &Expected, said: &dyn Fn(Event)) -> Result<()> {
        let look = |file: &Path| {
            let small = fs::metadata(file).is_ok_and(|found| found.len() <= METADATA);
            let bytes = if small {
                fs::read(file).unwrap_or_default()
            } else {
                Vec::new()
            };
            let Ok(Value::Object(about)) = diffplan_files::parse_json(&bytes, file) else {
                return Err("metadata.json is no JSON object".to_owned());
            };
            match about.get("data_format").and_then(Value::as_str) {
                None | Some("hdf5") => Ok(()),
                Some(other) => Err(format!("its data format is {other:?}, and only \"hdf5\" is read")),
            }
        };
        self.one(url, to, expected, &look, said)
    }

    /// One file, to its place.
    fn one(&self, url: &str, to: &Path, expected: &Expected, look: Look<'_>, said: &dyn Fn(Event)) -> Result<()> {
        let transfer = Transfer::new(&self.client, to);
        let file = to.file_name().unwrap_or_default().to_string_lossy();
        let part = transfer.get(url, expected, &|done, total| {
            said(Event {
                file: &file,
                done,
                total: total.unwrap_or(0),
            })
        })?;
        if let Err(reason) = look(part) {
            transfer.forget()?;
            return Err(Error::NotADataset {
                what: url.to_owned(),
                reason,
            });
        }
        transfer.finish(to)
    }
}

/// One that is there, compared with what was recorded of it.
fn there(path: PathBuf, data: &Path, options: &Options, look: Look<'_>) -> Result<Downloaded> {
    let recorded = recorded(data);
    let actual = sha256(data)?;
    for expected in options.sha256.iter().chain(&recorded) {
        if *expected != actual {
            return Err(Error::Damaged {
                path: data.to_owned(),
                expected: expected.clone(),
                actual,
            });
        }
    }
    let missing = recorded.is_none();
    if missing {
        look(data).map_err(|reason| Error::NotADataset {
            what: data.display().to_string(),
            reason,
        })?;
        write_checksum(data, &actual)?;
    }
    Ok(Downloaded {
        path,
        data: stored(data, actual)?,
        from: None,
        failed: Vec::new(),
        recorded: missing,
    })
}

/// Keeps a second process from the same file; it goes with what holds it.
struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    fn new(data: &Path) -> Result<Self> {
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let path = data.with_file_name(format!("{name}.lock"));
        let open = File::options().create(true).write(true).truncate(false).open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(Self { _file: file, path })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever waits for it holds a file of its own then, and finds the dataset.
        let _ = fs::remove_file(&self.path);
    }
}
