//! One file from one address, on from where it stopped.

use crate::cache::make_folder_of;
use crate::client::{Answer, Client, Failure, Follow, Part, protocol};
use crate::download::{Info, checksum, pour};
use crate::error::{Error, Result};
use diffplan_files::write_atomically;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What is known of a file before it is asked for.
#[derive(Default)]
pub(crate) struct Expected {
    /// Of a file of the Hub, size and checksum.
    pub(crate) info: Option<Info>,
    /// SHA-256 that the caller expects.
    pub(crate) sha256: Option<String>,
}

/// Of what a part is a part.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct State {
    url: String,
    /// The ETag, or the date of the last change.
    unchanged: Option<String>,
    size: Option<u64>,
}

/// A file under its temporary name.
pub(crate) struct Transfer<'a> {
    client: &'a Client,
    name: String,
    part: PathBuf,
    state: PathBuf,
}

/// How far it is, and to where.
pub(crate) type Said<'a> = dyn Fn(u64, Option<u64>) + 'a;

impl<'a> Transfer<'a> {
    pub(crate) fn new(client: &'a Client, to: &Path) -> Self {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            client,
            part: to.with_file_name(format!("{name}.part")),
            state: to.with_file_name(format!("{name}.part.json")),
            name,
        }
    }

    /// The file, whole and compared with what is expected, still under its temporary name.
    pub(crate) fn get(&self, url: &str, expected: &Expected, said: &Said<'_>) -> Result<&Path> {
        make_folder_of(&self.part)?;
        let mut again = false;
        loop {
            let mut resumed = false;
            self.client
                .insist(|further| self.proceed(url, expected, &mut resumed, further, said))?;
            let Err(wrong) = self.check(expected)? else {
                return Ok(&self.part);
            };
            self.forget()?;
            // What was there from before may have been what was wrong.
            if !resumed || again {
                return Err(wrong);
            }
            again = true;
        }
    }

    /// Removes the part and what is known of it.
    pub(crate) fn forget(&self) -> Result<()> {
        for path in [&self.part, &self.state] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the part its name.
    pub(crate) fn finish(&self, to: &Path) -> Result<()> {
        File::open(&self.part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.part, to))
            .map_err(Error::io("write", to))?;
        self.forget()
    }

    fn known(&self, url: &str) -> State {
        let read = fs::read(&self.state).ok();
        let state: Option<State> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        state.filter(|state| state.url == url).unwrap_or_default()
    }

    /// Goes on with the part until it is whole.
    fn proceed(
        &self,
        url: &str,
        expected: &Expected,
        resumed: &mut bool,
        further: &mut bool,
        said: &Said<'_>,
    ) -> std::result::Result<(), Failure> {
        let io = |error| Error::io("write", &self.part)(error);
        let mut state = self.known(url);
        // Of the Hub's files a checksum tells whether parts fit, and the address has the commit.
        let can_go_on = !state.url.is_empty() && (expected.info.is_some() || state.unchanged.is_some());
        let mut file = File::options().create(true).append(true).open(&self.part).map_err(io)?;
        let mut have = file.metadata().map_err(io)?.len();
        let size = expected.info.as_ref().map(|info| info.size).or(state.size);
        if have > 0 && (!can_go_on || size.is_some_and(|size| have > size)) {
            file.set_len(0).map_err(io)?;
            have = 0;
        }
        *resumed |= have > 0 && !*further;
        if have > 0 && Some(have) == size {
            said(have, size);
            return Ok(());
        }
        let asked = Part {
            from: have,
            if_range: state.unchanged.as_deref().filter(|_| expected.info.is_none()),
        };
        let answer = self.client.try_once(false, url, asked, Follow::All)?;
        match answer.status {
            206 if have > 0 => {
                let range = answer.header("content-range").unwrap_or_default().to_owned();
                let total = range.rsplit_once('/').and_then(|(_, total)| total.parse::<u64>().ok());
                let fits = range.starts_with(&format!("bytes {have}-"));
                let same = total.is_none_or(|total| size.is_none_or(|size| size == total));
                if !fits || !same {
                    file.set_len(0).map_err(io)?;
                    self.forget()?;
                    return Err(Failure::Passing {
                        host: answer.host,
                        reason: format!("asked for {} from byte {have} on, it sent {range:?}", self.name),
                        after: None,
                        reached: true,
                    });
                }
            }
            // Whole: it knows no parts, or it has another file by now.
            200 => {
                file.set_len(0).map_err(io)?;
                have = 0;
                state = self.begin(url, &answer, expected)?;
            }
            // There is no such part: the file is another than the part is of.
            416 if have > 0 => {
                self.forget()?;
                return Err(Failure::Passing {
                    host: answer.host,
                    reason: format!("it has no {} from byte {have} on", self.name),
                    after: None,
                    reached: true,
                });
            }
            status => {
                // A part of another mirror's file stays.
                if have == 0 && file.metadata().map_err(io)?.len() == 0 {
                    self.forget()?;
                }
                return Err(Failure::Final(Error::Status {
                    host: answer.host,
                    status,
                    what: self.name.clone(),
                }));
            }
        }
        let size = expected.info.as_ref().map(|info| info.size).or(state.size);
        said(have, size);
        let heard = |done| said(done, size);
        pour(answer, &self.name, &mut file, have, (&self.part, size), further, &heard)
    }

    /// Remembers of what the part is going to be one.
    fn begin(&self, url: &str, answer: &Answer, expected: &Expected) -> std::result::Result<State, Failure> {
        let etag = answer.header("etag").filter(|etag| !etag.starts_with("W/"));
        let size = answer
            .header("content-length")
            .and_then(|text| text.trim().parse().ok());
        if let (Some(info), Some(size)) = (&expected.info, size)
            && info.size != size
        {
            let reason = format!("{size} bytes are announced, expected {}", info.size);
            return Err(Failure::Final(protocol(&answer.host, &self.name, reason)));
        }
        let state = State {
            url: url.to_owned(),
            unchanged: etag.or_else(|| answer.header("last-modified")).map(str::to_owned),
            size,
        };
        let text = serde_json::to_vec(&state).unwrap_or_default();
        write_atomically(&self.state, &text).map_err(Error::io("write", &self.state))?;
        Ok(state)
    }

    /// Compared with the checksums there are: what is wrong, if anything is.
    fn check(&self, expected: &Expected) -> Result<std::result::Result<(), Error>> {
        let wrong = |expected: &str, actual: String| {
            Ok(Err(Error::Checksum {
                file: self.name.clone(),
                expected: expected.to_owned(),
                actual,
            }))
        };
        if let Some(info) = &expected.info
            && let Some(actual) = checksum(&self.part, info)?
            && actual != info.etag
        {
            return wrong(&info.etag, actual);
        }
        if let Some(sha256) = &expected.sha256 {
            let actual = crate::download::sha256(&self.part)?;
            if actual != *sha256 {
                return wrong(sha256, actual);
            }
        }
        Ok(Ok(()))
    }
}
