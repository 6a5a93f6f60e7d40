//! [`Server`]: an address, and what is answered there.

use crate::connections;
use crate::desk::Desk;
use crate::episodes::{self, Episodes};
use crate::error::{Error, Result};
use crate::guard::{Rate, guard};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::stock::Stock;
use crate::{page, plan};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use rayon::ThreadPoolBuilder;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};

/// Threads that wait for the network.
const WAITING_THREADS: usize = 2;

/// What every answer is made of.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) model: Model,
    pub(crate) settings: Settings,
    pub(crate) stock: Stock,
    pub(crate) desk: Desk,
    pub(crate) episodes: Episodes,
    pub(crate) rate: Rate,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pool: Arc<rayon::ThreadPool>,
    /// Kilobytes of answers that may wait to be taken.
    pub(crate) unsent: Arc<Semaphore>,
    /// Whether the server is to stop.
    pub(crate) stop: watch::Sender<bool>,
    started: Instant,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Ends a server, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// No new connections and no more events of episodes from now on; plans that are being made may be finished within the time of grace,
    /// and [`Server::run`] returns.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// A server that is bound to its address.
///
/// ```
/// use diffplan_eval::Registry;
/// use diffplan_pipelines::ValueGuidedPipeline;
/// use diffplan_serve::{Model, Server, Settings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let checkpoint = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
/// # if !std::path::Path::new(checkpoint).exists() { return Ok(()); } // a published crate comes without checkpoints
/// let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint)?;
/// let (options, env) = (pipeline.options(), pipeline.planning_config().recorded_env());
/// let model = Model::new("pendulum-hor32", pipeline, options, &Registry::builtin(), env)?;
/// let mut settings = Settings::default();
/// settings.listen = "127.0.0.1:0".parse()?;
/// let server = Server::bind(model, settings)?;
/// println!("http://{}/", server.address());
/// let stopper = server.stopper();
/// # stopper.stop();
/// server.run()?; // until somebody stops it
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Listens, but answers nothing before it is [run](Self::run).
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Setting`], [`Error::Threads`].
    pub fn bind(model: Model, settings: Settings) -> Result<Self> {
        settings.check()?;
        let refused = |source| Error::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(settings.threads)
            .thread_name(|number| format!("plan-{number}"))
            .build()
            .map_err(|error| Error::Threads(error.to_string()))?;
        let (pool, metrics) = (Arc::new(pool), Arc::new(Metrics::default()));
        let app = App(Arc::new(Parts {
            stock: Stock::new(model.pipeline.clone(), Arc::clone(&pool), 2 * settings.plans),
            desk: Desk::new(&settings, Arc::clone(&metrics)),
            episodes: Episodes::new(settings.episodes, Arc::clone(&metrics)),
            rate: Rate::new(settings.rate, settings.burst),
            metrics,
            pool,
            unsent: Arc::new(Semaphore::new(plan::UNSENT as usize)),
            stop: watch::channel(false).0,
            started: Instant::now(),
            model,
            settings,
        }));
        Ok(Self { listener, address, app })
    }

    /// Where it listens: with the port that was free, where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.app.stop.clone())
    }

    /// Answers until it is stopped.
    ///
    /// # Errors
    /// [`Error::Threads`]; of [`Settings::deadlines`] what keeps a plan from being made.
    pub fn run(self) -> Result<()> {
        let Self { listener, address, app } = self;
        if app.settings.deadlines {
            let options = crate::options::alone(app.model.options.clone());
            let (planner, _, _) = app.stock.take_timely(&options)?;
            app.stock.put_timely(options, planner);
        }
        let threads = |error: std::io::Error| Error::Threads(error.to_string());
        let busy = app.settings.plans + app.settings.episodes;
        let runtime = Builder::new_multi_thread()
            .worker_threads(WAITING_THREADS)
            .max_blocking_threads(busy + 8)
            .thread_name("serve")
            .enable_io()
            .enable_time()
            .build()
            .map_err(threads)?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener);
            let listener = listener.map_err(|source| Error::Listen { address, source })?;
            let router = router(app.clone());
            connections::serve(listener, router, app.clone()).await;
            Ok::<(), Error>(())
        })?;
        // Connections that are left are dropped here, which calls their plans off: each ends before its next timestep.
        runtime.shutdown_timeout(Duration::from_secs(2));
        Ok(())
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/assets/{name}", get(page::asset))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/model", get(model))
        .route("/v1/plan", post(plan::plan))
        .route("/v1/plan/stream", post(plan::stream))
        .route("/v1/episodes", post(episodes::begin))
        .route(
            "/v1/episodes/{id}",
            get(episodes::about).patch(episodes::change).delete(episodes::end),
        )
        .route("/v1/episodes/{id}/events", get(episodes::events))
        .route("/v1/episodes/{id}/step", post(episodes::step))
        .route("/v1/episodes/{id}/reset", post(episodes::reset))
        .fallback(missing)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn health(State(app): State<App>) -> Json<Value> {
    let status = if *app.stop.borrow() { "stopping" } else { "ok" };
    let uptime = (app.started.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    Json(json!({"status": status, "version": env!("CARGO_PKG_VERSION"), "uptime_s": uptime}))
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
    ([kind], app.metrics.text(app.started.elapsed()))
}

async fn model(State(app): State<App>) -> Json<Value> {
    Json(app.model.describe(&app.settings))
}

async fn missing() -> Problem {
    Problem::not_found("there is nothing here; docs/serve.md lists what there is")
}

async fn other_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "the path takes other methods than this one",
    )
}
