//! One file of a repository: asked what it is, fetched from where it stopped, compared with its checksum, put in its place.

use crate::cache::{Repo, make_folder_of};
use crate::client::{Answer, Client, Failure, Follow, Part, protocol};
use crate::error::{Error, Result};
use crate::name::is_safe;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// No file of a checkpoint is larger.
const LARGEST: u64 = 1 << 37;

/// What the server says of a file.
pub(crate) struct Info {
    pub(crate) etag: String,
    pub(crate) size: u64,
}

impl Info {
    /// Of the answer to a HEAD; a file in large storage is described where the endpoint leads to it.
    pub(crate) fn of(answer: &Answer, name: &str) -> Result<Self> {
        let wrong = |reason: &str| protocol(&answer.host, name, reason);
        let either = |linked, plain| answer.header(linked).or_else(|| answer.header(plain));
        let etag = either("x-linked-etag", "etag").ok_or_else(|| wrong("no ETag, by which the file is known"))?;
        let etag = etag.trim().trim_start_matches("W/").trim_matches('"');
        // The name of a blob: nothing but letters, digits and -.
        if !is_safe(etag) || etag.len() > 128 || !etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(wrong("an ETag that is no checksum"));
        }
        let size = either("x-linked-size", "content-length").and_then(|text| text.trim().parse().ok());
        let size = size.ok_or_else(|| wrong("no size"))?;
        if size > LARGEST {
            return Err(wrong(&format!("{size} bytes, expected at most {LARGEST}")));
        }
        Ok(Self {
            etag: etag.to_ascii_lowercase(),
            size,
        })
    }
}

/// Fetches a file to its place among the blobs, unless it is there. `said` hears how many bytes of it are there.
pub(crate) fn fetch(
    client: &Client,
    repo: &Repo,
    (url, name): (&str, &str),
    info: &Info,
    said: &dyn Fn(u64),
) -> Result<()> {
    let blob = repo.blob(&info.etag);
    let there = || fs::metadata(&blob).is_ok_and(|found| found.len() == info.size);
    if there() {
        said(info.size);
        return Ok(());
    }
    let _lock = repo.lock(&info.etag)?;
    // Another process may have been at it meanwhile.
    if there() {
        said(info.size);
        return Ok(());
    }
    let part = blob.with_file_name(format!("{}.incomplete", info.etag));
    make_folder_of(&part)?;
    let mut before = None;
    loop {
        client.insist(|further| proceed(client, url, name, &part, info, further, said))?;
        let actual = checksum(&part, info)?;
        if actual.as_ref().is_none_or(|actual| *actual == info.etag) {
            File::open(&part)
                .and_then(|file| file.sync_all())
                .map_err(Error::io("write", &part))?;
            return fs::rename(&part, &blob).map_err(Error::io("write", &blob));
        }
        fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        // A part that was there from before may have been what was wrong.
        let actual = actual.unwrap_or_default();
        if before.replace(()).is_some() {
            return Err(Error::Checksum {
                file: name.to_owned(),
                expected: info.etag.clone(),
                actual,
            });
        }
    }
}

/// Goes on with a part until it is whole.
fn proceed(
    client: &Client,
    url: &str,
    name: &str,
    part: &Path,
    info: &Info,
    further: &mut bool,
    said: &dyn Fn(u64),
) -> std::result::Result<(), Failure> {
    let io = |error| Error::io("write", part)(error);
    let mut file = File::options().create(true).append(true).open(part).map_err(io)?;
    let mut have = file.metadata().map_err(io)?.len();
    if have > info.size {
        file.set_len(0).map_err(io)?;
        have = 0;
    }
    said(have);
    if have == info.size {
        return Ok(());
    }
    let asked = Part {
        from: have,
        if_range: None,
    };
    let answer = client.try_once(false, url, asked, Follow::All)?;
    let wrong = |reason: String| Failure::Final(protocol(&answer.host, name, reason));
    match answer.status {
        206 => {
            let range = answer.header("content-range").unwrap_or_default();
            if !range.starts_with(&format!("bytes {have}-")) {
                return Err(wrong(format!("asked for bytes from {have}, it sends {range:?}")));
            }
        }
        // It knows no parts: from the start.
        200 => {
            file.set_len(0).map_err(io)?;
            have = 0;
        }
        status => {
            return Err(Failure::Final(Error::Status {
                host: answer.host,
                status,
                what: name.to_owned(),
            }));
        }
    }
    pour(answer, name, &mut file, have, (part, Some(info.size)), further, said)
}

/// The body of an answer to the end of a file that has so many bytes, and that is to have `size` of them where that is known.
pub(crate) fn pour(
    answer: Answer,
    name: &str,
    file: &mut File,
    mut have: u64,
    (path, size): (&Path, Option<u64>),
    further: &mut bool,
    said: &dyn Fn(u64),
) -> std::result::Result<(), Failure> {
    let io = |error| Error::io("write", path)(error);
    let host = answer.host.clone();
    let mut body = answer.response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let passing = |reason: String| Failure::Passing {
            host: host.clone(),
            reason,
            after: None,
            reached: true,
        };
        let read = match (body.read(&mut buffer), size) {
            (Ok(0), Some(size)) if have < size => {
                return Err(passing(format!("{name} ends after {have} of {size} bytes")));
            }
            (Ok(0), _) => return Ok(()),
            (Ok(read), _) => read,
            (Err(error), _) => return Err(passing(format!("{name} stopped after {have} bytes: {error}"))),
        };
        if let Some(size) = size.filter(|size| have + read as u64 > *size) {
            let reason = format!("more than the {size} bytes that were announced");
            return Err(Failure::Final(protocol(&host, name, reason)));
        }
        file.write_all(&buffer[..read]).map_err(io)?;
        have += read as u64;
        *further = true;
        said(have);
    }
}

/// The checksum of the kind that the ETag is: SHA-256 of large files, Git's SHA-1 of others; none where it is neither.
pub(crate) fn checksum(path: &Path, info: &Info) -> Result<Option<String>> {
    let is_hex = info.etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    match info.etag.len() {
        64 if is_hex => digest(path, Sha256::new()).map(Some),
        40 if is_hex => digest(path, Sha1::new().chain_update(format!("blob {}\0", info.size))).map(Some),
        _ => Ok(None),
    }
}

/// SHA-256 of a file.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    digest(path, Sha256::new())
}

fn digest(path: &Path, mut hasher: impl Digest) -> Result<String> {
    let io = |error| Error::io("read", path)(error);
    let mut file = File::open(path).map_err(io)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
