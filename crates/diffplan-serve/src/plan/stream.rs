//! A plan that is shown while it comes out of noise.

use super::made::ms;
use super::{Order, Request, Shown};
use crate::answer::Answer;
use crate::body::Json;
use crate::look::{self, Path};
use crate::numbers::{Short, short};
use crate::problem::Problem;
use crate::server::App;
use crate::work::{Call, CallOff};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use diffplan_pipelines::{Denoising, Query};
use futures_util::stream;
use serde::Serialize;
use std::convert::Infallible;
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that wait for a client. Of steps that find no room it hears nothing, and one place is kept for how it ends: a client that is slow
/// keeps nobody from planning.
const ROOM: usize = 8;
const OF_THE_END: usize = 1;

/// How far a plan is.
#[derive(Serialize)]
struct Step {
    /// The timestep that was visited; null before the first.
    timestep: Option<f32>,
    /// Visits made.
    done: usize,
    /// Of so many.
    of: usize,
    /// Of all candidates, best first, before the last gradient step; null where nothing valued them.
    values: Option<Vec<Short>>,
    /// The first of them, best first.
    candidates: Vec<Path>,
    /// What would be done if it ended here; null before the first visit.
    action: Option<Vec<Short>>,
}

/// The last event.
#[derive(Serialize)]
struct Last {
    #[serde(flatten)]
    plan: Answer,
    /// As in the steps.
    paths: Vec<Path>,
    seed: Option<u64>,
    took_ms: f64,
    waited_ms: f64,
}

/// `POST /v1/plan/stream`.
pub(crate) async fn stream(State(app): State<App>, body: Json<Request>) -> Result<Response, Problem> {
    let arrived = body.arrived;
    let order = Order::of(body.value, &app, true)?;
    let timeout = app.settings.timeout;
    let turn = tokio::time::timeout(timeout, app.desk.turn()).await;
    let turn = turn.unwrap_or_else(|_| Err(Problem::deadline("no turn within the server's limit for a request")))?;
    let (send, receive) = channel(ROOM + OF_THE_END);
    let off = CallOff::new();
    let call = off.call();
    let alive = KeepAlive::new().interval(app.settings.heartbeat());
    tokio::task::spawn_blocking(move || {
        let made = make(&app, order, &call, arrived, &send);
        drop(turn);
        if let Err(problem) = made {
            // Whoever went away hears nothing.
            let _ = send.try_send(event("error", problem.text()));
        }
    });
    // Dropped with the connection, which calls the plan off.
    let events = stream::unfold((receive, off), next);
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

type Waiting = (Receiver<Event>, CallOff);

async fn next((mut receive, off): Waiting) -> Option<(Result<Event, Infallible>, Waiting)> {
    let event = receive.recv().await?;
    Some((Ok(event), (receive, off)))
}

pub(crate) fn event(name: &str, text: String) -> Event {
    Event::default().event(name).data(text)
}

fn text(of: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(of).map_err(|error| Problem::internal(error.to_string()))
}

fn make(app: &App, mut order: Order, call: &Call, arrived: Instant, send: &Sender<Event>) -> Result<(), Problem> {
    let waited = arrived.elapsed();
    let Some(asked) = order.asked.first_mut() else {
        return Err(Problem::internal("a stream without an observation"));
    };
    let mut planner = app.stock.take(&order.options)?;
    let began = Instant::now();
    let conditions: Vec<_> = asked.held.iter().map(diffplan_eval::Held::condition).collect();
    let mut queries = [Query::new(&conditions, asked.noise.source())];
    let made = {
        let mut denoising = planner.begin(&mut queries)?;
        steps(app, &mut denoising, order.shown, call, began, send)?;
        denoising.finish()?
    };
    let took = began.elapsed();
    app.stock.put(planner);
    app.metrics.planned(1, took);
    let Some(plan) = made.first() else {
        return Err(Problem::internal("no plan for an observation"));
    };
    let last = Last {
        paths: look::paths(&app.model, plan.observations()),
        plan: Answer::of(plan, order.wanted),
        seed: order.seed,
        took_ms: ms(took),
        waited_ms: ms(waited),
    };
    let _ = send.try_send(event("plan", text(&last)?));
    Ok(())
}

/// All visits, each told to whoever has room to hear of it.
fn steps(
    app: &App,
    denoising: &mut Denoising,
    shown: Shown,
    call: &Call,
    began: Instant,
    send: &Sender<Event>,
) -> Result<(), Problem> {
    loop {
        if call.token.is_cancelled() || send.is_closed() {
            app.metrics.called_off();
            return Err(Problem::cancelled());
        }
        if began.elapsed() > app.settings.timeout {
            return Err(Problem::deadline(
                "the plan took longer than the server's limit for a request",
            ));
        }
        let Some(report) = denoising.step()? else {
            return Ok(());
        };
        let (visit, of, timestep) = (report.visit, report.visits, report.timestep);
        let values = report.values.map(|values| values.to_owned());
        if send.capacity() <= OF_THE_END {
            continue;
        }
        if visit == 0 && shown == Shown::Sample {
            // Noise, but for what is imposed and the first gradient step.
            let (candidates, values) = look::sample(&app.model, report.guided, values.as_ref())?;
            let step = Step {
                timestep: None,
                done: 0,
                of,
                values,
                candidates,
                action: None,
            };
            let _ = send.try_send(event("step", text(&step)?));
        }
        let sample = match shown {
            Shown::Sample => Some(look::sample(&app.model, report.prev_sample, values.as_ref())?),
            Shown::Estimate => None,
        };
        let estimate = denoising.estimate()?.and_then(|mut plans| plans.pop());
        let Some(estimate) = estimate else { continue };
        let (candidates, values) = sample.unwrap_or_else(|| {
            let values = estimate.values.as_ref().map(short);
            (look::paths(&app.model, estimate.observations()), values)
        });
        let step = Step {
            timestep: Some(timestep),
            done: visit + 1,
            of,
            values,
            candidates,
            action: Some(short(&estimate.action)),
        };
        let _ = send.try_send(event("step", text(&step)?));
    }
}
