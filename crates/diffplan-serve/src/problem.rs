//! [`Problem`]: why a request has no answer, as whoever asked is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use diffplan_pipelines::OPTIONS;
use serde::Serialize;

/// Why there is no answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The planning option that is to blame, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) option: Option<String>,
    /// Seconds after which it may be asked again.
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            option: None,
            retry_after: None,
        }
    }

    /// A request that says something wrong.
    pub(crate) fn bad(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message)
    }

    /// An option that is to blame.
    pub(crate) fn of_option(name: &str, message: impl Into<String>) -> Self {
        Self::bad("option", message).option(name)
    }

    pub(crate) fn option(mut self, name: &str) -> Self {
        self.option = Some(name.to_owned());
        self
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// More than there is room for just now.
    pub(crate) fn busy(message: impl Into<String>, seconds: u64) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        problem.retry_after = Some(seconds);
        problem
    }

    /// More requests than one address may make.
    pub(crate) fn rate(seconds: u64) -> Self {
        let message = "more requests than this server takes from one address; slow down";
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate", message);
        problem.retry_after = Some(seconds);
        problem
    }

    pub(crate) fn deadline(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Nobody reads this, as a rule: whoever asked went away, or the server is about to.
    pub(crate) fn cancelled() -> Self {
        Self::busy("the plan was called off", 1)
    }

    /// A fault of ours.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The object that is sent.
    pub(crate) fn text(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            error: &'a Problem,
        }
        let whole = Whole { error: self };
        serde_json::to_string(&whole).unwrap_or_else(|_| r#"{"error":{"kind":"internal","message":""}}"#.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut response = (self.status, [json], self.text()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For the counters.
        response.extensions_mut().insert(Kind(self.kind));
        response
    }
}

/// The kind of a response's problem, for the counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind(pub(crate) &'static str);

impl From<diffplan_pipelines::Error> for Problem {
    fn from(error: diffplan_pipelines::Error) -> Self {
        use diffplan_pipelines::Error as E;
        let message = error.to_string();
        match &error {
            // Of a name that there is none of, the name is the value.
            E::Option {
                name: "option", value, ..
            } => Self::of_option(value, message),
            E::Option { name, .. } => Self::of_option(name, message),
            E::NoGuide { asked } => Self::of_option(asked.split(' ').next().unwrap_or_default(), message),
            E::Network { .. } | E::Model(_) => Self::of_option("planning_horizon", message),
            E::Scheduler(_) => Self::of_option(scheduler_option(&message), message),
            E::Parts(_) => Self::bad("option", message),
            E::Condition {
                part: "observation",
                time: 0,
                ..
            } => Self::bad("observation", message),
            E::Condition { .. } | E::Start { .. } => Self::bad("condition", message),
            E::NoGoal { .. } => Self::bad("goal", message),
            E::Diverged { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "diverged", message),
            E::Infeasible { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "infeasible", message),
            E::Deadline { .. } => Self::deadline(message),
            _ => Self::internal(message),
        }
    }
}

/// Which option a scheduler's message is about: its own name, unless it names another.
fn scheduler_option(message: &str) -> &'static str {
    let named = OPTIONS
        .iter()
        .map(|spec| spec.name)
        .find(|name| message.starts_with(name));
    named.unwrap_or("scheduler")
}

impl From<diffplan_eval::Error> for Problem {
    fn from(error: diffplan_eval::Error) -> Self {
        use diffplan_eval::Error as E;
        let message = error.to_string();
        match error {
            E::Pipeline(error) => error.into(),
            E::InSlot { error, .. } => (*error).into(),
            E::Env(error) => error.into(),
            E::Setting { name: "goal", .. } => Self::bad("goal", message),
            E::Setting { name, .. } => Self::of_option(name, message),
            // How plans are followed in this environment.
            E::Parts(_) | E::Unknown { .. } => Self::of_option("follow", message),
            _ => Self::internal(message),
        }
    }
}

impl From<diffplan_envs::Error> for Problem {
    fn from(error: diffplan_envs::Error) -> Self {
        use diffplan_envs::Error as E;
        let message = error.to_string();
        match error {
            E::OptionValue { .. } | E::OptionKind { .. } | E::OptionNotFinite { .. } | E::UnknownOption { .. } => {
                Self::bad("goal", message)
            }
            E::Unsupported { method: "set_goal" } => Self::bad("goal", "the environment has no goals that can be set"),
            _ => Self::internal(message),
        }
    }
}
