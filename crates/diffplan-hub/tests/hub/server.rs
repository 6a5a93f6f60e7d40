//! A server of one repository, by std alone: the endpoint, and under another port the host of large files.

#![allow(clippy::unwrap_used, reason = "a server of the tests")]

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Every large body ends early.
    Drops,
    /// As before, and what is asked for in part comes whole: whole for once.
    NoRange,
    /// So many requests are answered 503.
    Fails(usize),
    /// The first large body has a wrong byte.
    WrongOnce,
    /// All have.
    Wrong,
    /// A file's name leads out of the folder.
    Outside,
    /// Everything is answered with this status and code.
    Status(u16, &'static str),
}

pub(crate) struct Server {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn weights() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Server {
    pub(crate) fn start(fault: Fault) -> Self {
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let large = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", own.local_addr().unwrap());
        let elsewhere = format!("http://{}", large.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        for listener in [own, large] {
            let (requests, count, elsewhere) = (Arc::clone(&requests), Arc::clone(&count), elsewhere.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (requests, count, elsewhere) = (Arc::clone(&requests), Arc::clone(&count), elsewhere.clone());
                    thread::spawn(move || answer(stream, fault, &requests, &count, &elsewhere));
                }
            });
        }
        Self { endpoint, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    fault: Fault,
    requests: &Mutex<Vec<String>>,
    count: &[AtomicUsize; 2],
    elsewhere: &str,
) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
    if request.is_empty() {
        return;
    }
    requests.lock().unwrap().push(request.clone());
    let head = request.starts_with("HEAD");
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut send = |status: u16, headers: &str, body: &[u8], announced: usize| {
        let start = format!("HTTP/1.1 {status} X\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n");
        let _ = stream.write_all(start.as_bytes());
        if !head {
            let _ = stream.write_all(body);
        }
    };
    match fault {
        Fault::Status(status, code) => {
            let code = if code.is_empty() {
                String::new()
            } else {
                format!("X-Error-Code: {code}\r\n")
            };
            return send(status, &code, b"", 0);
        }
        Fault::Fails(times) if count[0].fetch_add(1, Ordering::SeqCst) < times => return send(503, "", b"", 0),
        _ => {}
    }
    if path.starts_with("/api/models/me/pendulum/revision/") {
        let evil = if fault == Fault::Outside {
            "../../evil"
        } else {
            "README.md"
        };
        let names = [evil, "model_index.json", "unet/config.json", WEIGHTS];
        let siblings = names.map(|name| format!("{{\"rfilename\": \"{name}\"}}")).join(",");
        let body = format!("{{\"sha\": \"{COMMIT}\", \"siblings\": [{siblings}]}}");
        return send(200, "", body.as_bytes(), body.len());
    }
    if path.starts_with("/lfs/") {
        let mut all = weights();
        let times = count[1].fetch_add(1, Ordering::SeqCst);
        if fault == Fault::Wrong || (fault == Fault::WrongOnce && times == 0) {
            all[1000] ^= 1;
        }
        let lower = request.to_lowercase();
        let asked = lower
            .split("range: bytes=")
            .nth(1)
            .and_then(|rest| rest.split('-').next()?.parse().ok());
        let (from, whole) = match (fault, asked) {
            (Fault::NoRange, asked) => (0, asked.is_some()),
            (fault, asked) => (asked.unwrap_or(0), fault != Fault::Drops),
        };
        let body = &all[from..];
        let range = format!("Content-Range: bytes {from}-{}/{}\r\n", all.len() - 1, all.len());
        let (status, headers) = if from > 0 { (206, range.as_str()) } else { (200, "") };
        let sent = if whole { body.len() } else { body.len().min(70_000) };
        return send(status, headers, &body[..sent], body.len());
    }
    let Some(file) = path.strip_prefix(&format!("/me/pendulum/resolve/{COMMIT}/")) else {
        return send(404, "X-Error-Code: RepoNotFound\r\n", b"", 0);
    };
    if file == WEIGHTS {
        let all = weights();
        let headers = format!(
            "Location: {elsewhere}/lfs/x?signature=1\r\nX-Linked-Etag: \"{}\"\r\nX-Linked-Size: {}\r\nX-Repo-Commit: {COMMIT}\r\n",
            hex(Sha256::digest(&all)),
            all.len()
        );
        return send(302, &headers, b"", 0);
    }
    let body = format!("{{\"file\": \"{file}\"}}");
    let sum = hex(Sha1::digest(format!("blob {}\0{body}", body.len())));
    send(200, &format!("ETag: \"{sum}\"\r\n"), body.as_bytes(), body.len());
}
