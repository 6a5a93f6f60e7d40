//! Who is let in, before anything is read: the host that is asked for, where a page comes from, how often, with which token.
//!
//! A program that listens on the machine itself is reached by every page that its browser shows. Such a page is kept out by three things:
//! the name that it asked for (a name of its own that it lets point here, DNS rebinding, is none of ours), its origin, which browsers tell
//! with whatever changes something, and the type of a body, JSON, which another site cannot send without asking, and nobody answers that.

mod rate;

pub(crate) use rate::Rate;

use crate::problem::{Kind, Problem};
use crate::server::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What the page may do: use its own server, and pictures that it was sent.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Paths that anybody may see: what a browser asks for before it knows a token, and what a supervisor asks.
fn is_open(path: &str) -> bool {
    path == "/" || path == "/health" || path.starts_with("/assets/")
}

/// Lets a request in or not, counts it, and says with every answer what a browser may do with it.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let mut response = match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let kind = response.extensions().get::<Kind>().map(|kind| kind.0);
    app.metrics
        .answered(route.as_deref().unwrap_or("other"), response.status(), kind);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(app: &App, request: &Request) -> Result<(), Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    let host = host_of(headers, request.uri())?;
    check_host(&host, &app.settings.hosts)?;
    check_origin(headers, &host)?;
    // Whoever supervises is always told.
    if path != "/health" {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        app.rate
            .take(peer.unwrap_or(IpAddr::from([0, 0, 0, 0])))
            .map_err(Problem::rate)?;
    }
    match &app.settings.token {
        Some(token) if !is_open(path) => {
            let given = headers
                .get(header::AUTHORIZATION)
                .map(HeaderValue::as_bytes)
                .unwrap_or_default();
            let given = strip_bearer(given);
            match given.is_some_and(|given| token.is(given)) {
                true => Ok(()),
                false => Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "auth",
                    "this server wants its token: Authorization: Bearer …",
                )),
            }
        }
        _ => Ok(()),
    }
}

fn strip_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest.trim_ascii())
}

/// The name and port that are asked for.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
    let missing = || Problem::bad("host", "no Host header: expected one, as HTTP/1.1 has it");
    let mut all = headers.get_all(header::HOST).iter();
    let host = match (all.next(), all.next(), uri.authority()) {
        (Some(_), Some(_), _) => return Err(Problem::bad("host", "several Host headers, expected one")),
        (Some(host), None, None) => host.to_str().map_err(|_| missing())?.to_owned(),
        (_, None, Some(authority)) => authority.to_string(),
        _ => return Err(missing()),
    };
    Ok(host.to_ascii_lowercase())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Of an address in brackets the last colon may be its own.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    }
}

/// That it is this machine, an address in numbers, which no other site can make point here, or a name of ours.
fn check_host(host: &str, known: &[String]) -> Result<(), Problem> {
    let name = name_of(host);
    let literal = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let ours = name == "localhost"
        || literal.parse::<IpAddr>().is_ok()
        || known.iter().any(|known| known.eq_ignore_ascii_case(name));
    match ours {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "host",
            format!(
                "Host is {host:?}: expected localhost, an address, or a name that the server was started with (--host)"
            ),
        )),
    }
}

/// That a page which asks is our own.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let elsewhere = || {
        let message = "the request comes from a page of another site, which this server does not answer";
        Problem::new(StatusCode::FORBIDDEN, "origin", message)
    };
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let own = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if own != Some(host) {
            return Err(elsewhere());
        }
    }
    // Where a link of another site leads here, the browser shows our page: that is no request of that site's.
    let of = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (of("sec-fetch-site"), of("sec-fetch-mode")) {
        (Some(b"cross-site" | b"same-site"), mode) if mode != Some(b"navigate") => Err(elsewhere()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_sites_are_refused() {
        let own = ["robot.lan".to_owned()];
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:80",
            "[::1]:8080",
            "[::1]",
            "192.168.1.7",
            "robot.lan:8080",
            "10.0.0.1:1",
        ] {
            assert!(check_host(host, &own).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "robot.lan.evil.example",
            "",
            ":80",
            "[::1",
        ] {
            assert_eq!(check_host(host, &own).unwrap_err().kind, "host", "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let pairs = pairs
                .iter()
                .map(|&(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
            pairs.collect()
        };
        for own in [
            &[][..],
            &[("origin", "http://localhost:8080")],
            &[("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        ] {
            assert!(check_origin(&headers(own), "localhost:8080").is_ok(), "{own:?}");
        }
        for other in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "http://localhost:9090")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
        ] {
            assert!(check_origin(&headers(other), "localhost:8080").is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_token_follows_its_scheme() {
        assert_eq!(strip_bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(strip_bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b"Basic abc"[..], b"", b"Bearer", b"abc"] {
            assert_eq!(strip_bearer(other), None);
        }
    }
}
