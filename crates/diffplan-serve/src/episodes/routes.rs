//! `/v1/episodes`: what can be asked of episodes.

use super::control::{Control, Episode};
use super::player::Player;
use crate::body::Json;
use crate::model::World;
use crate::options::{self, Given};
use crate::problem::Problem;
use crate::server::App;
use crate::work::apart;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use diffplan_envs::Goal;
use diffplan_eval::evaluation::MAX_SEED;
use diffplan_pipelines::PlanOptions;
use ndarray_rand::rand;
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::runtime::Handle;

/// World seconds a second.
const SPEEDS: RangeInclusive<f64> = 0.01..=100.0;

/// What an episode is begun with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    seed: Option<u64>,
    #[serde(default)]
    options: Given,
    goal: Option<Vec<f64>>,
    #[serde(default)]
    paused: bool,
    speed: Option<f64>,
}

/// What is to be another from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    options: Option<Given>,
    goal: Option<Vec<f64>>,
    paused: Option<bool>,
    speed: Option<f64>,
}

/// From the start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Again {
    seed: Option<u64>,
}

fn world(app: &App) -> Result<&World, Problem> {
    app.model.world.as_ref().ok_or_else(|| {
        Problem::not_found(
            "this server has no environment to play in: start it with --env, of one that can be made here",
        )
    })
}

fn speed(speed: f64) -> Result<f64, Problem> {
    match SPEEDS.contains(&speed) {
        true => Ok(speed),
        false => Err(Problem::bad(
            "request",
            format!("speed = {speed}: expected {} to {}", SPEEDS.start(), SPEEDS.end()),
        )),
    }
}

fn seed(seed: u64) -> Result<u64, Problem> {
    match seed <= MAX_SEED {
        true => Ok(seed),
        false => Err(Problem::bad(
            "request",
            format!("seed = {seed}: expected at most {MAX_SEED}"),
        )),
    }
}

/// Who plays by these options, and the goal of these numbers.
fn led(
    app: &App,
    options: &PlanOptions,
    goal: Option<Goal>,
) -> Result<(diffplan_eval::PlannerPolicy, Option<Goal>), Problem> {
    options::check(options, 1, &app.model.pipeline, &app.settings)?;
    if app.model.is_led() && !app.model.has_own_goals() && goal.is_none() {
        let message = "none is given, and the environment has none of its own: the checkpoint was trained with goals";
        return Err(Problem::bad("goal", message));
    }
    let env = world(app)?.template();
    let policy = app.model.policy(options.clone(), goal.as_ref(), &app.pool, &env)?;
    Ok((policy, goal))
}

/// `POST /v1/episodes`.
pub(crate) async fn begin(State(app): State<App>, body: Json<Begin>) -> Result<Response, Problem> {
    world(&app)?;
    let asked = body.value;
    let seed = asked.seed.map_or_else(|| Ok(rand::random::<u32>().into()), seed)?;
    let speed = asked.speed.map_or(Ok(1.0), speed)?;
    let waits = Handle::current();
    let begun = apart(move || {
        let options = options::of_episode(&asked.options, &app.model.options)?;
        let goal = asked.goal.map(|goal| app.model.goal(&goal)).transpose()?;
        let (policy, goal) = led(&app, &options, goal)?;
        let id = format!("{:016x}", rand::random::<u64>());
        let control = Control::new(seed, asked.paused, speed, asked.options, options, goal);
        let episode = Arc::new(Episode::new(id, control));
        app.episodes.add(&episode)?;
        let began = Player::begin(app.clone(), world(&app)?, Arc::clone(&episode), waits, policy);
        let began = began.and_then(|player| {
            let thread = std::thread::Builder::new()
                .name("episode".into())
                .spawn(move || player.run());
            thread.map_err(|error| Problem::busy(format!("no thread for an episode: {error}"), 5))
        });
        if let Err(problem) = began {
            app.episodes.remove(episode.id());
            return Err(problem);
        }
        let mut described = episode.describe();
        if let (Value::Object(described), Some(plane)) = (&mut described, world(&app)?.plane()) {
            described.insert("plane".into(), plane);
        }
        Ok(described)
    });
    let described = begun.await?;
    Ok((StatusCode::CREATED, axum::Json(described)).into_response())
}

/// `GET /v1/episodes/{id}`.
pub(crate) async fn about(State(app): State<App>, Path(id): Path<String>) -> Result<axum::Json<Value>, Problem> {
    Ok(axum::Json(app.episodes.find(&id)?.describe()))
}

/// `GET /v1/episodes/{id}/events`.
pub(crate) async fn events(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let episode = app.episodes.find(&id)?;
    Ok(super::looking::stream(&app, episode))
}

/// `PATCH /v1/episodes/{id}`.
pub(crate) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Json<Change>,
) -> Result<axum::Json<Value>, Problem> {
    let episode = app.episodes.find(&id)?;
    let Change {
        options,
        goal,
        paused,
        speed: fast,
    } = body.value;
    let fast = fast.map(speed).transpose()?;
    let _one_after_the_other = episode.changing.lock().await;
    if options.is_some() || goal.is_some() {
        let (own, told) = (Arc::clone(&episode), app.clone());
        apart(move || {
            let (mut given, before) = {
                let control = own.lock();
                (control.given.clone(), control.goal.clone())
            };
            given.extend(options.unwrap_or_default());
            let options = options::of_episode(&given, &told.model.options)?;
            let new = goal.map(|goal| told.model.goal(&goal)).transpose()?;
            let is_new = new.is_some();
            let (policy, goal) = led(&told, &options, new.or(before))?;
            own.change(given, options, goal.filter(|_| is_new), policy);
            Ok(())
        })
        .await?;
    }
    episode.tell(|control| {
        control.paused = paused.unwrap_or(control.paused);
        control.speed = fast.unwrap_or(control.speed);
    });
    Ok(axum::Json(episode.describe()))
}

/// `POST /v1/episodes/{id}/step`: answered with the frame of that step.
pub(crate) async fn step(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let episode = app.episodes.find(&id)?;
    let _one_after_the_other = episode.changing.lock().await;
    let mut shown = episode.shown();
    let before = shown
        .borrow_and_update()
        .error
        .as_ref()
        .map_or(0, |(number, _)| *number);
    let ticket = episode.step()?;
    let made = shown.wait_for(|shown| shown.made >= ticket);
    let made = tokio::time::timeout(app.settings.timeout, made).await;
    let late = || Problem::deadline("the step took longer than the server's limit for a request");
    let made = made
        .map_err(|_| late())?
        .map_err(|_| Problem::not_found("the episode was ended"))?
        .clone();
    let json = [(header::CONTENT_TYPE, "application/json")];
    match (made.error, made.frame) {
        (Some((number, error)), _) if number > before => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, json, error.to_string()).into_response())
        }
        (_, Some((_, frame))) => Ok((json, frame.to_string()).into_response()),
        _ => Err(Problem::internal("a step without a frame")),
    }
}

/// `POST /v1/episodes/{id}/reset`.
pub(crate) async fn reset(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Json<Again>,
) -> Result<axum::Json<Value>, Problem> {
    let episode = app.episodes.find(&id)?;
    let seed = body.value.seed.map(seed).transpose()?;
    episode.reset(seed);
    Ok(axum::Json(episode.describe()))
}

/// `DELETE /v1/episodes/{id}`.
pub(crate) async fn end(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let episode = app.episodes.find(&id)?;
    episode.close();
    app.episodes.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}
