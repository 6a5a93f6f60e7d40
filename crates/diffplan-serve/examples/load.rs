//! What a server does under load: many connections at once, good requests, bad, huge and slow ones, clients that go away in the middle, and
//! streams. Prints how long good ones took, what came back by kind, and the server's memory before and after.
//!
//! ```text
//! diffplan serve --listen 127.0.0.1:8080 --rate 100000 &
//! cargo run --release -p diffplan-serve --example load -- 127.0.0.1:8080 --connections 64 --seconds 30 --pid $!
//! ```
//!
//! Exits with 1 if the server did anything but answer or refuse: a connection that was cut without a word, an internal error, a health
//! check that failed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What was typed.
struct Settings {
    address: SocketAddr,
    connections: usize,
    seconds: u64,
    pid: Option<u32>,
}

impl Settings {
    fn read() -> Result<Self> {
        let mut args = std::env::args().skip(1);
        let address = args
            .next()
            .ok_or("expected the address of a server, such as 127.0.0.1:8080")?;
        let mut settings = Self {
            address: address.parse()?,
            connections: 64,
            seconds: 30,
            pid: None,
        };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag}: expected a number"))?;
            match flag.as_str() {
                "--connections" => settings.connections = value.parse()?,
                "--seconds" => settings.seconds = value.parse()?,
                "--pid" => settings.pid = Some(value.parse()?),
                _ => return Err(format!("{flag}: expected --connections, --seconds or --pid").into()),
            }
        }
        Ok(settings)
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Good,
    Batch,
    Stream,
    Deadline,
    Bad,
    Huge,
    Slow,
    Killed,
    Lost,
}

/// How often, of all.
const MIX: [(Kind, u64); 9] = [
    (Kind::Good, 50),
    (Kind::Batch, 5),
    (Kind::Stream, 8),
    (Kind::Deadline, 7),
    (Kind::Bad, 10),
    (Kind::Huge, 5),
    (Kind::Slow, 3),
    (Kind::Killed, 7),
    (Kind::Lost, 5),
];

const GOOD: &str = r#"{"observation": OBS, "seed": 1}"#;
const BAD: [&str; 6] = [
    "{",
    r#"{"observation": [1]}"#,
    r#"{"observation": OBS, "options": {"scale": "x"}}"#,
    r#"{"observation": OBS, "nothing": 1}"#,
    r#"{"observation": OBS, "options": {"batch_size": 100000000}}"#,
    "\u{0}\u{1}",
];

/// All that came of it.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<(Kind, String), usize>,
    /// Seconds of good requests that had a plan.
    good: Vec<f64>,
    /// What should not have been.
    faults: Vec<String>,
}

/// xorshift64 (Marsaglia 2003): which client does what is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn kind(&mut self) -> Kind {
        let mut left = self.below(MIX.iter().map(|(_, share)| share).sum());
        for (kind, share) in MIX {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Kind::Good
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Status and body.
fn read(stream: &mut TcpStream) -> io::Result<(u16, String)> {
    let mut all = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&part[..count]),
            // Who was refused early finds the rest of what it sent thrown away.
            Err(_) if !all.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&all).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no status"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

fn ask(address: SocketAddr, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(address)?;
    let _ = stream.write_all((head(path, body.len()) + body).as_bytes());
    read(&mut stream)
}

/// The kind of an answer, in a word.
fn word(status: u16, body: &str) -> String {
    let kind = body.split("\"kind\":\"").nth(1).and_then(|rest| rest.split('"').next());
    match kind {
        Some(kind) => format!("{status} {kind}"),
        None => status.to_string(),
    }
}

/// One client, from its coming to its going. `None`: it did not wait for an answer.
fn visit(address: SocketAddr, kind: Kind, observation: &str, dice: &mut Dice) -> io::Result<Option<(u16, String)>> {
    let good = GOOD.replace("OBS", observation);
    Ok(match kind {
        Kind::Good => Some(ask(address, "/v1/plan", &good)?),
        Kind::Batch => {
            let all = [observation; 8].join(", ");
            let body = format!(r#"{{"observations": [{all}], "seed": 1, "return": ["candidates"]}}"#);
            Some(ask(address, "/v1/plan", &body)?)
        }
        Kind::Stream => Some(ask(address, "/v1/plan/stream", &good)?),
        Kind::Deadline => {
            let body = good.replacen('{', "{\"deadline_ms\": 200, ", 1);
            Some(ask(address, "/v1/plan", &body)?)
        }
        Kind::Bad => {
            let body = BAD[dice.below(BAD.len() as u64) as usize].replace("OBS", observation);
            Some(ask(address, "/v1/plan", &body)?)
        }
        Kind::Huge => {
            // Half of them say so before, half do not.
            let mut stream = connect(address)?;
            let said = match dice.below(2) {
                0 => head("/v1/plan", 1 << 30),
                _ => head("/v1/plan", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked"),
            };
            stream.write_all(said.as_bytes())?;
            let part = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
            for _ in 0..64 {
                if stream.write_all(part.as_bytes()).is_err() {
                    break;
                }
            }
            Some(read(&mut stream)?)
        }
        Kind::Slow => {
            // A byte at a time, until it is done with or left.
            let mut stream = connect(address)?;
            let said = head("/v1/plan", good.len()) + &good;
            for byte in said.bytes().take(40) {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            None
        }
        Kind::Killed => {
            // Gone while it is planned for.
            let mut stream = connect(address)?;
            let body = good.replacen('{', "{\"options\": {\"batch_size\": 256}, ", 1);
            stream.write_all((head("/v1/plan/stream", body.len()) + &body).as_bytes())?;
            std::thread::sleep(Duration::from_millis(5 + dice.below(200)));
            None
        }
        Kind::Lost => {
            // Gone in the middle of what it says.
            let mut stream = connect(address)?;
            let said = head("/v1/plan", good.len()) + &good;
            let cut = dice.below(said.len() as u64) as usize;
            stream.write_all(&said.as_bytes()[..cut])?;
            None
        }
    })
}

fn client(settings: &Settings, number: usize, observation: &str, until: Instant, tally: &Mutex<Tally>) {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1));
    while Instant::now() < until {
        let kind = dice.kind();
        let start = Instant::now();
        let came = visit(settings.address, kind, observation, &mut dice);
        let took = start.elapsed().as_secs_f64();
        let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let word = match came {
            Ok(Some((status, body))) => {
                if status == 200 && kind == Kind::Good {
                    tally.good.push(took);
                }
                if status == 500 {
                    tally.faults.push(format!("{kind:?}: {body}"));
                }
                word(status, &body)
            }
            Ok(None) => "left".into(),
            Err(error) => {
                // Of who sends more than it may, the system may throw the answer away.
                if kind != Kind::Huge {
                    tally.faults.push(format!("{kind:?}: {error}"));
                }
                format!("cut: {}", error.kind())
            }
        };
        *tally.counts.entry((kind, word)).or_default() += 1;
    }
}

/// Resident bytes of a process, where the system tells them (Linux).
fn memory(pid: Option<u32>) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kilobytes << 10)
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown (--pid)".into(), |bytes| {
        format!("{:.1} MB", bytes as f64 / 1e6)
    })
}

/// As many zeros as an observation has numbers.
fn observation(address: SocketAddr) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let (_, body) = read(&mut stream)?;
    let dim = body.split("\"observation_dim\":").nth(1).ok_or("no model")?;
    let dim: usize = dim.split([',', '}']).next().unwrap_or_default().parse()?;
    Ok(format!("[{}]", vec!["0.1"; dim].join(", ")))
}

fn healthy(address: SocketAddr) -> io::Result<u16> {
    let mut stream = connect(address)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    Ok(read(&mut stream)?.0)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn run() -> Result<bool> {
    let settings = Settings::read()?;
    let observation = observation(settings.address)?;
    // Buffers and threads that a first plan makes are no leak.
    for _ in 0..3 {
        ask(settings.address, "/v1/plan", &GOOD.replace("OBS", &observation))?;
    }
    let before = memory(settings.pid);
    let tally = Mutex::new(Tally::default());
    let start = Instant::now();
    let until = start + Duration::from_secs(settings.seconds);
    let mut most = before;
    std::thread::scope(|scope| {
        for number in 0..settings.connections {
            let (settings, observation, tally) = (&settings, &observation, &tally);
            scope.spawn(move || client(settings, number, observation, until, tally));
        }
        while Instant::now() < until {
            most = most.max(memory(settings.pid));
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(1));
    let after = memory(settings.pid);
    let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.good.sort_by(f64::total_cmp);
    let all: usize = tally.counts.values().sum();
    let mut text = format!("{} clients, {seconds:.1} s, {all} visits\n", settings.connections);
    for ((kind, word), count) in &tally.counts {
        writeln!(text, "  {:<10} {word:<24} {count}", format!("{kind:?}").to_lowercase())?;
    }
    let ms = |share: f64| 1e3 * quantile(&tally.good, share);
    writeln!(
        text,
        "good requests with a plan: {}, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        tally.good.len(),
        ms(0.5),
        ms(0.99),
        ms(1.0)
    )?;
    let [before, most, after] = [before, most, after].map(megabytes);
    writeln!(
        text,
        "memory of the server: {before} before, {most} at most, {after} after"
    )?;
    let health = healthy(settings.address)?;
    writeln!(text, "health after it: {health}")?;
    for fault in tally.faults.iter().take(10) {
        writeln!(text, "FAULT {fault}")?;
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(health == 200 && tally.faults.is_empty())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
