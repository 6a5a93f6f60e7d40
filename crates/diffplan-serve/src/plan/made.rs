//! Plans that are answered once they are made.

use super::{Asked, Order, Request};
use crate::answer::Answer;
use crate::body::Json;
use crate::desk::Turn;
use crate::problem::Problem;
use crate::server::App;
use crate::work::{Call, CallOff, apart};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use diffplan_pipelines::deadline::Ended;
use diffplan_pipelines::{Error, Plan, Query};
use futures_util::stream;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kilobytes of answers that clients have not taken yet.
pub(crate) const UNSENT: u32 = 64 << 10;

/// The answer to one observation.
#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    plan: Answer,
    #[serde(flatten)]
    about: About,
}

/// The answer to a list of them.
#[derive(Serialize)]
struct Several {
    plans: Vec<Answer>,
    #[serde(flatten)]
    about: About,
}

#[derive(Serialize)]
struct About {
    /// What makes the same plan again; of torch's noise that is its own seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// Milliseconds that planning took.
    took_ms: f64,
    /// Milliseconds until its turn.
    waited_ms: f64,
    deadline: Option<Kept>,
}

/// How a deadline was kept.
#[derive(Serialize)]
struct Kept {
    /// Whether it was, waiting and measuring included.
    met: bool,
    /// What the plan was made with.
    rung: String,
    /// What that gives up of what was asked for; empty where nothing.
    dropped: String,
    /// `whole`, or `early`: with what the last timestep in time had predicted.
    ended: Ended,
    /// Milliseconds for finding out what plans cost, before the first of these options, which has no less time for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_ms: Option<f64>,
}

pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// `POST /v1/plan`.
pub(crate) async fn plan(State(app): State<App>, body: Json<Request>) -> Result<Response, Problem> {
    let arrived = body.arrived;
    let order = Order::of(body.value, &app, false)?;
    let timeout = app.settings.timeout;
    let metrics = Arc::clone(&app.metrics);
    let answered = tokio::time::timeout(timeout, async {
        let turn = app.desk.turn().await?;
        let off = CallOff::new();
        let call = off.call();
        let own = app.clone();
        let (text, turn) = apart(move || make(&own, order, &call, arrived, turn)).await?;
        drop(off);
        let response = unsent(&app, text).await?;
        drop(turn);
        Ok(response)
    });
    let response = answered.await.unwrap_or_else(|_| {
        let message = format!(
            "no plan within {} s, the server's limit for a request",
            timeout.as_secs_f64()
        );
        Err(Problem::deadline(message))
    });
    response.inspect_err(|problem| {
        if problem.kind == "deadline" {
            metrics.deadline_missed();
        }
    })
}

/// An answer that counts as unsent until its client has taken it. Where all that may be unsent is, it waits for others to be taken, and whoever
/// called keeps its turn: nobody fills the memory with answers that are not read.
async fn unsent(app: &App, text: String) -> Result<Response, Problem> {
    let kilobytes = u32::try_from(text.len() / 1024).unwrap_or(u32::MAX).min(UNSENT);
    let room = Arc::clone(&app.unsent).acquire_many_owned(kilobytes).await;
    let room = room.map_err(|_| Problem::cancelled())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, text.len().into()),
    ];
    // Asked for more once what it gave is written, and dropped with the connection.
    let parts = stream::unfold((Some(text), room), |(text, room)| async move {
        let text = text?;
        Some((Ok::<_, Infallible>(text), (None, room)))
    });
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// Makes the plans and their text, on a thread that may be kept busy. The turn goes on to whoever answers.
fn make(app: &App, order: Order, call: &Call, arrived: Instant, turn: Turn) -> Result<(String, Turn), Problem> {
    let waited = arrived.elapsed();
    let wanted = order.wanted;
    let (several, seed, count) = (order.several, order.seed, order.asked.len());
    let (plans, took, deadline) = match order.deadline {
        Some(budget) => {
            let left = budget.saturating_sub(waited);
            if left.is_zero() {
                let message = format!("the deadline of {} ms was over when its turn came", ms(budget));
                return Err(Problem::deadline(message));
            }
            let (plans, took, mut kept) = timely(app, order, call, left)?;
            // By the clock of whoever asked.
            kept.met &= arrived.elapsed() <= budget;
            if !kept.met {
                app.metrics.deadline_missed();
            }
            (plans, took, Some(kept))
        }
        None => {
            let (plans, took) = whole(app, order, call)?;
            (plans, took, None)
        }
    };
    app.metrics.planned(count, took);
    let about = About {
        seed,
        took_ms: ms(took),
        waited_ms: ms(waited),
        deadline,
    };
    let mut answers: Vec<Answer> = plans.iter().map(|plan| Answer::of(plan, wanted)).collect();
    let text = match (several, answers.pop()) {
        (false, Some(plan)) => serde_json::to_string(&One { plan, about }),
        (_, last) => {
            answers.extend(last);
            serde_json::to_string(&Several { plans: answers, about })
        }
    };
    let text = text.map_err(|error| Problem::internal(error.to_string()))?;
    Ok((text, turn))
}

fn queries<R>(asked: &mut [Asked], make: impl FnOnce(&mut [Query]) -> R) -> R {
    // Borrowed apart: what is imposed, and the noise that is drawn from.
    let mut parts: Vec<_> = asked
        .iter_mut()
        .map(|Asked { held, noise }| {
            let conditions: Vec<_> = held.iter().map(diffplan_eval::Held::condition).collect();
            (conditions, noise)
        })
        .collect();
    let mut queries: Vec<Query> = parts
        .iter_mut()
        .map(|(conditions, noise)| Query::new(conditions, noise.source()))
        .collect();
    make(&mut queries)
}

fn whole(app: &App, mut order: Order, call: &Call) -> Result<(Vec<Plan>, Duration), Problem> {
    let mut planner = app.stock.take(&order.options)?;
    let began = Instant::now();
    let plans = queries(&mut order.asked, |queries| planner.plan_unless(queries, &call.token));
    let took = began.elapsed();
    app.stock.put(planner);
    match plans {
        Err(Error::Cancelled { .. }) => {
            app.metrics.called_off();
            Err(Problem::cancelled())
        }
        plans => Ok((plans?, took)),
    }
}

fn timely(app: &App, mut order: Order, call: &Call, left: Duration) -> Result<(Vec<Plan>, Duration, Kept), Problem> {
    let began = Instant::now();
    let (mut planner, is_new, token) = app.stock.take_timely(&order.options)?;
    let measured = is_new.then(|| began.elapsed());
    call.lend(token);
    let made = queries(&mut order.asked, |queries| planner.queries_within(queries, left));
    call.give_back();
    app.stock.put_timely(order.options, planner);
    let made = made?;
    if made.ended == Ended::Cancelled {
        app.metrics.called_off();
        return Err(Problem::cancelled());
    }
    let kept = Kept {
        met: !made.late(),
        rung: made.rung.text(),
        dropped: made.rung.dropped.clone(),
        ended: made.ended,
        measured_ms: measured.map(ms),
    };
    Ok((made.plans, made.took, kept))
}
