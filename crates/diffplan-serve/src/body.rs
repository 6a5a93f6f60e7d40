//! [`Json`]: the body of a request, in time and no larger than it may be.

use crate::problem::Problem;
use crate::server::App;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use std::time::Instant;

/// A body in JSON, and when the request came.
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) arrived: Instant,
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let arrived = Instant::now();
        let (parts, body) = request.into_parts();
        if !is_empty(&parts.headers) {
            check_type(&parts.headers)?;
        }
        let settings = &app.settings;
        let most = settings.body;
        let told = parts.headers.get(header::CONTENT_LENGTH);
        let told = told.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if told.is_some_and(|length| length > most as u64) {
            return Err(too_large(most));
        }
        let bytes = tokio::time::timeout(settings.body_timeout, read(body, most)).await;
        let bytes = bytes.map_err(|_| {
            let message = format!("the body took longer than {} s", settings.body_timeout.as_secs_f64());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
        })??;
        // Nothing at all is an object in which nothing is said.
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value = serde_json::from_slice(bytes).map_err(|error| Problem::bad("request", error.to_string()))?;
        Ok(Self { value, arrived })
    }
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("the body is larger than {most} bytes"))
}

/// Whether nothing follows the head.
fn is_empty(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::TRANSFER_ENCODING) && length.is_none_or(|length| length.as_bytes() == b"0")
}

/// A page of another site can send a form or a text without asking, JSON it cannot.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "request",
            format!(
                "Content-Type is {}, expected application/json",
                given.filter(|given| !given.is_empty()).unwrap_or("missing")
            ),
        )),
    }
}

async fn read(body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let mut whole = Vec::new();
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| Problem::bad("request", format!("the body ended too early: {error}")))?;
        if whole.len() + part.len() > most {
            return Err(too_large(most));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}
