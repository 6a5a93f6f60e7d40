//! [`Settings`]: where a server listens, for whom, and how much it does.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// A secret that requests have to bring. Its digest is kept, not itself.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The fewest characters of one.
    pub const SHORTEST: usize = 16;

    /// Of its text.
    ///
    /// # Errors
    /// [`Error::Setting`] for one that is short enough to be guessed, or that no header can hold.
    pub fn new(text: &str) -> Result<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < Self::SHORTEST || !visible {
            return Err(Error::Setting {
                name: "token",
                value: format!("{} characters", text.chars().count()),
                expected: format!(
                    "at least {} visible ASCII characters, such as `openssl rand -hex 32` prints",
                    Self::SHORTEST
                ),
            });
        }
        Ok(Self(digest(text.as_bytes())))
    }

    /// Whether that is it. How long it takes to say so tells nothing of where they differ, nor of their lengths.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.0.ct_eq(&digest(given)).into()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Where a server listens, for whom, and how much it does. [`Default`] is for one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What requests have to bring, if anything; the page, its files and `/health` need nothing.
    pub token: Option<Token>,
    /// Names by which the server may be asked for, beside `localhost` and addresses in numbers.
    pub hosts: Vec<String>,
    /// Threads that plans are made on.
    pub threads: usize,
    /// Plans made at a time.
    pub plans: usize,
    /// Requests for plans that may wait for their turn.
    pub queue: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Requests a second from one address, on average.
    pub rate: f64,
    /// How many requests an address may make at once after a pause.
    pub burst: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// Observations of a request.
    pub observations: usize,
    /// Observations × candidates × horizon of a request.
    pub size: usize,
    /// Gradient steps at a timestep.
    pub guide_steps: usize,
    /// Timesteps of a plan.
    pub steps: usize,
    /// Episodes at a time.
    pub episodes: usize,
    /// Whether what plans of the options in force cost is measured at the start, so that the first with a deadline is in time.
    pub deadlines: bool,
    /// How long a request for a plan may take, waiting included.
    pub timeout: Duration,
    /// How long the head of a request may take, and a connection be idle.
    pub head_timeout: Duration,
    /// How long its body may take.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long an episode is kept that nobody looks at.
    pub episode_idle: Duration,
    /// How long plans that are being made may take to finish once the server is to stop.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            token: None,
            hosts: Vec::new(),
            threads: cores,
            plans: cores.clamp(2, 4),
            queue: 64,
            connections: 256,
            rate: 200.0,
            burst: 400,
            body: 1 << 20,
            observations: 256,
            size: 1 << 16,
            guide_steps: 64,
            steps: 1000,
            episodes: 8,
            deadlines: false,
            timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            episode_idle: Duration::from_secs(120),
            grace: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// That there is some of everything.
    pub(crate) fn check(&self) -> Result<()> {
        let counts = [
            ("threads", self.threads),
            ("plans", self.plans),
            ("connections", self.connections),
            ("burst", self.burst),
            ("body", self.body),
            ("observations", self.observations),
            ("size", self.size),
            ("steps", self.steps),
        ];
        let refuse = |name, value: String, expected: &str| Error::Setting {
            name,
            value,
            expected: expected.to_owned(),
        };
        if let Some((name, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return Err(refuse(name, "0".into(), "at least 1"));
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(refuse(
                "rate",
                self.rate.to_string(),
                "a number of requests a second above 0",
            ));
        }
        for (name, time) in [
            ("timeout", self.timeout),
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
            ("episode_idle", self.episode_idle),
        ] {
            if time.is_zero() {
                return Err(refuse(name, "0 s".into(), "some time"));
            }
        }
        Ok(())
    }

    /// How often a stream says that it is there, where nothing else happens.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(10).min(self.write_timeout)
    }

    /// Whether only programs of this machine reach it.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_are_themselves() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [&b"0123456789abcdeg"[..], b"", b"0123456789abcdef0"] {
            assert!(!token.is(other));
        }
        for bad in ["", "short", "0123456789 abcdef", "0123456789abcdéf"] {
            assert!(Token::new(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_makes_no_server_is_told() {
        assert!(Settings::default().check().is_ok());
        let none = Settings {
            plans: 0,
            ..Settings::default()
        };
        assert!(none.check().unwrap_err().to_string().contains("plans = 0"));
        let never = Settings {
            rate: f64::NAN,
            ..Settings::default()
        };
        assert!(never.check().unwrap_err().to_string().contains("rate = NaN"));
    }
}
