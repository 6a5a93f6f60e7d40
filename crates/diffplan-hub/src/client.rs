//! [`Client`]: requests to the Hub, with redirects followed by hand, so that the token stays with the endpoint's host.

use crate::error::{Error, Result};
use crate::settings::Settings;
use std::thread::sleep;
use std::time::Duration;
use ureq::http::{Response, header::HeaderMap};
use ureq::{Agent, Body};

/// Redirects in a row.
const REDIRECTS: usize = 6;
/// After this a body is asked for again, from where it stopped: so a connection that stalls does not stall for ever.
const BODY: Duration = Duration::from_secs(300);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    agent: Agent,
    pub(crate) settings: Settings,
}

/// An answer that is no redirect within the host.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) host: String,
    pub(crate) response: Response<Body>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.response.headers(), name)
    }

    pub(crate) fn is_well(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// To wherever it leads.
    All,
    /// Within the endpoint's host: the answer that leads elsewhere is what is wanted.
    Within,
}

/// Which part of a file is asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Part<'a> {
    /// From this byte on.
    pub(crate) from: u64,
    /// Only if it is still the file of this ETag or date; else whole.
    pub(crate) if_range: Option<&'a str>,
}

/// A failure that may pass, or one that will not.
pub(crate) enum Failure {
    Passing {
        host: String,
        reason: String,
        after: Option<Duration>,
        /// Whether the host answered at all.
        reached: bool,
    },
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(settings.connect))
            .timeout_connect(Some(settings.connect))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(BODY))
            .user_agent(concat!("diffplan/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            settings,
        }
    }

    /// One try. Statuses that pass (408, 429, 5xx) are failures; others are for the caller.
    pub(crate) fn try_once(
        &self,
        head: bool,
        url: &str,
        part: Part<'_>,
        follow: Follow,
    ) -> std::result::Result<Answer, Failure> {
        let own = origin(&self.settings.endpoint).unwrap_or_default().to_owned();
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let host = origin(&url).unwrap_or_default().to_owned();
            let mut request = match head {
                true => self.agent.head(&url),
                false => self.agent.get(&url),
            };
            if let (Some(token), true) = (&self.settings.token, host == own) {
                request = request.header("Authorization", format!("Bearer {}", token.secret()));
            }
            if part.from > 0 {
                request = request.header("Range", format!("bytes={}-", part.from));
                if let Some(state) = part.if_range {
                    request = request.header("If-Range", state);
                }
            }
            // Whole bytes: a compressed answer has another length.
            let response = request
                .header("Accept-Encoding", "identity")
                .call()
                .map_err(|error| Failure::Passing {
                    host: host.clone(),
                    reason: reason(&error),
                    after: None,
                    reached: false,
                })?;
            let status = response.status().as_u16();
            if status == 408 || status == 429 || status >= 500 {
                let after = header(response.headers(), "retry-after").and_then(|text| text.trim().parse().ok());
                return Err(Failure::Passing {
                    host,
                    reason: format!("it answered {status}"),
                    after: after.map(Duration::from_secs),
                    reached: true,
                });
            }
            let location = header(response.headers(), "location").map(str::to_owned);
            let (true, Some(location)) = ((300..400).contains(&status), location) else {
                return Ok(Answer { status, host, response });
            };
            let next = match location.starts_with('/') && !location.starts_with("//") {
                true => format!("{host}{location}"),
                false => location,
            };
            let target = origin(&next).filter(|target| target.starts_with("https:") || host.starts_with("http:"));
            let Some(target) = target else {
                return Err(Failure::Final(protocol(
                    &host,
                    "a redirect",
                    "it leads to no address of https",
                )));
            };
            if follow == Follow::Within && target != own {
                return Ok(Answer { status, host, response });
            }
            url = next;
        }
        let host = origin(&url).unwrap_or_default();
        Err(Failure::Final(protocol(
            host,
            "a redirect",
            "it leads to another, again and again",
        )))
    }

    /// Tries until it works, or has failed too often in a row; `work` says by `true` in its flag that it got further.
    pub(crate) fn insist<T>(&self, mut work: impl FnMut(&mut bool) -> std::result::Result<T, Failure>) -> Result<T> {
        let mut failed = 0;
        loop {
            let mut further = false;
            match work(&mut further) {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing {
                    host,
                    reason,
                    after,
                    reached,
                }) => {
                    failed = if further { 1 } else { failed + 1 };
                    let enough = if reached {
                        self.settings.tries
                    } else {
                        self.settings.tries_to_reach
                    };
                    if failed >= enough {
                        return Err(Error::Network { host, reason });
                    }
                    let pause = self.settings.pause.saturating_mul(1 << (failed - 1).min(10));
                    sleep(after.unwrap_or(pause).min(LONGEST));
                }
            }
        }
    }
}

pub(crate) fn protocol(host: &str, what: &str, reason: impl Into<String>) -> Error {
    Error::Protocol {
        host: host.to_owned(),
        what: what.to_owned(),
        reason: reason.into(),
    }
}

/// Without what an address may hold: signatures stand in queries.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "its address is malformed".into(),
        other => other.to_string(),
    }
}

/// Scheme, host and port of an address.
pub(crate) fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    (!authority.is_empty() && !authority.contains('@')).then(|| &url[..scheme.len() + 3 + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        assert_eq!(origin("https://h:1/a?b"), Some("https://h:1"));
        assert_eq!(origin("http://h"), Some("http://h"));
        for none in ["file:///x", "//h/x", "https:///x", "https://user@h/x", "x"] {
            assert_eq!(origin(none), None, "{none}");
        }
    }
}
