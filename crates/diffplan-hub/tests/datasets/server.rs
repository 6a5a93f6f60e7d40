//! A server of files, and of a repository of datasets as the Hub has it, by std alone.

#![allow(clippy::unwrap_used, reason = "a server of the tests")]

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Bytes of a body that is cut.
const CUT: usize = 120_000;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// The first body ends early.
    Cut,
    /// As before; there is a date and no ETag.
    CutWithoutEtag,
    /// As before; there is neither.
    CutWithoutAnything,
    /// Every body ends early.
    CutEveryTime,
    /// The first ends early, and what is asked for in part then comes whole.
    CutThenNoRange,
    /// The first ends early, and then it is another file.
    CutThenOther,
    /// The first ends early, and then it is a file that ends before that.
    CutThenShorter,
    /// More bytes are announced than there are.
    AnnouncesMore,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    bodies: usize,
    sent: usize,
}

struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    fault: Fault,
    /// Of a repository: its name.
    repo: Option<String>,
    damaged: Mutex<Option<String>>,
    seen: Mutex<Seen>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Server {
    pub(crate) fn of(files: &[(&str, Vec<u8>)], fault: Fault) -> Self {
        Self::start(files, fault, None)
    }

    pub(crate) fn hub(repo: &str, files: &[(&str, Vec<u8>)]) -> Self {
        Self::start(files, Fault::None, Some(repo.to_owned()))
    }

    fn start(files: &[(&str, Vec<u8>)], fault: Fault, repo: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            files: files
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
                .collect(),
            fault,
            repo,
            damaged: Mutex::new(None),
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&shared);
                thread::spawn(move || inner.answer(stream));
            }
        });
        Self { url, inner }
    }

    /// Sends a wrong byte in files of this ending.
    pub(crate) fn damaging(self, ending: &str) -> Self {
        *self.inner.damaged.lock().unwrap() = Some(ending.to_owned());
        self
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.inner.seen.lock().unwrap().requests.clone()
    }

    /// Bytes of all bodies.
    pub(crate) fn sent(&self) -> usize {
        self.inner.seen.lock().unwrap().sent
    }
}

impl Inner {
    fn answer(&self, mut stream: TcpStream) {
        let mut request = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
        if request.is_empty() {
            return;
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        self.seen.lock().unwrap().requests.push(request.clone());
        match &self.repo {
            Some(repo) if path.starts_with("/api/") => {
                let names: Vec<String> = self
                    .files
                    .keys()
                    .map(|name| format!("{{\"rfilename\": \"{name}\"}}"))
                    .collect();
                let body = format!("{{\"sha\": \"{COMMIT}\", \"siblings\": [{}]}}", names.join(","));
                let there = path == format!("/api/datasets/{repo}/revision/main");
                send(
                    &mut stream,
                    if there { 200 } else { 404 },
                    "",
                    body.as_bytes(),
                    body.len(),
                );
            }
            Some(repo) => {
                let file = path.strip_prefix(&format!("/datasets/{repo}/resolve/{COMMIT}/"));
                let Some(bytes) = file.and_then(|file| self.files.get(file)) else {
                    return send(&mut stream, 404, "X-Error-Code: EntryNotFound\r\n", b"", 0);
                };
                let mut bytes = bytes.clone();
                let headers = format!("X-Linked-Etag: \"{}\"\r\nETag: \"x\"\r\n", sha256(&bytes));
                let damaged = self.damaged.lock().unwrap();
                if damaged.as_ref().is_some_and(|ending| path.ends_with(ending)) {
                    bytes[0] ^= 1;
                }
                let body = if request.starts_with("HEAD") { &[][..] } else { &bytes };
                send(&mut stream, 200, &headers, body, bytes.len());
            }
            None => self.file(&mut stream, &request, &path),
        }
    }

    fn file(&self, stream: &mut TcpStream, request: &str, path: &str) {
        let Some(bytes) = self.files.get(path) else {
            return send(stream, 404, "", b"nothing", 7);
        };
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.bodies += 1;
            seen.bodies
        };
        let mut bytes = bytes.clone();
        if number > 1 && matches!(self.fault, Fault::CutThenOther | Fault::CutThenShorter) {
            bytes.reverse();
            if self.fault == Fault::CutThenShorter {
                bytes.truncate(1000);
            }
        }
        // A server that says nothing of the state of its file.
        let etag = format!("\"{}\"", &sha256(&bytes)[..16]);
        let state = match self.fault {
            Fault::CutWithoutEtag => "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n".to_owned(),
            Fault::CutWithoutAnything => String::new(),
            _ => format!("ETag: {etag}\r\n"),
        };
        let lower = request.to_lowercase();
        let field = |name: &str| {
            lower
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
        };
        let asked: Option<usize> = field("range: bytes=").and_then(|range| range.trim_end_matches('-').parse().ok());
        let same = field("if-range:").is_none_or(|state| state == etag || state.contains("2015"));
        // One that does not look at If-Range.
        let careless = self.fault == Fault::CutThenShorter;
        let from = asked.filter(|_| (same || careless) && self.fault != Fault::CutThenNoRange);
        if from.is_some_and(|from| from >= bytes.len()) {
            return send(stream, 416, "", b"", 0);
        }
        let body = &bytes[from.unwrap_or(0)..];
        let cut = match self.fault {
            Fault::CutEveryTime => true,
            Fault::None | Fault::AnnouncesMore => false,
            _ => number == 1,
        };
        let sent = if cut { body.len().min(CUT) } else { body.len() };
        let announced = body.len() + usize::from(self.fault == Fault::AnnouncesMore);
        let (status, range) = match from {
            Some(from) => (
                206,
                format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
            ),
            None => (200, String::new()),
        };
        self.seen.lock().unwrap().sent += sent;
        send(stream, status, &format!("{state}{range}"), &body[..sent], announced);
    }
}

fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8], announced: usize) {
    let start = format!("HTTP/1.1 {status} X\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n");
    let _ = stream.write_all(start.as_bytes());
    let _ = stream.write_all(body);
}
