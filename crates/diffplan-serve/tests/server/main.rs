//! A server on a real socket, asked by clients that are good, bad, slow, too many, or gone.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod client;
mod episodes;
mod limits;
mod plans;
mod security;
mod stopping;

use client::{Answer, ask};
use diffplan_eval::Registry;
use diffplan_pipelines::ValueGuidedPipeline;
use diffplan_serve::{Model, Server, Settings, Stopper};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server that ends with its test.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<diffplan_serve::Result<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

fn checkpoint() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32").to_owned()
}

/// Serves a checkpoint with other settings than those for one machine.
fn serve_at(checkpoint: &Path, change: impl FnOnce(&mut Settings)) -> Running {
    let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint).unwrap();
    let (options, env) = (pipeline.options(), pipeline.planning_config().recorded_env());
    let model = Model::new("a checkpoint", pipeline, options, &Registry::builtin(), env).unwrap();
    let mut settings = Settings::default();
    settings.listen = "127.0.0.1:0".parse().unwrap();
    (settings.threads, settings.plans) = (2, 2);
    (settings.rate, settings.burst) = (1e6, 1_000_000);
    settings.grace = Duration::from_secs(5);
    change(&mut settings);
    let server = Server::bind(model, settings).unwrap();
    Running {
        address: server.address(),
        stopper: server.stopper(),
        thread: Some(std::thread::spawn(move || server.run())),
    }
}

fn serve(change: impl FnOnce(&mut Settings)) -> Running {
    serve_at(Path::new(&checkpoint()), change)
}

/// A plan that takes no longer than it must.
const QUICK: &str = r#"{"observation": [-1, 0, 0], "seed": 0, "options": {"batch_size": 2, "num_inference_steps": 3}}"#;

/// One that takes a while, minutes, of timesteps that take no time each.
const LONG: &str =
    r#"{"observation": [-1, 0, 0], "seed": 0, "options": {"batch_size": 64, "n_guide_steps": 4, "extra_steps": 900}}"#;

impl Running {
    fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        ask(
            self.address,
            "POST",
            path,
            &[("Content-Type", "application/json")],
            body,
        )
    }

    /// A number of `/metrics`.
    fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |number| number.parse().unwrap())
    }

    /// Waits until a number is what it should become.
    #[track_caller]
    fn until(&self, name: &str, is: impl Fn(f64) -> bool) {
        let start = Instant::now();
        while !is(self.metric(name)) {
            assert!(
                start.elapsed() < Duration::from_secs(90),
                "{name} is {}",
                self.metric(name)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
