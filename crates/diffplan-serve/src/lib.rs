//! Plans over HTTP: what whoever has a robot, a simulator or a browser asks, in JSON, and a page to look at.
//!
//! ```text
//! Model     a pipeline, the options in force, an environment       what is served
//! Settings  where, for whom, how much                               limits, token, threads
//! Server    bound to its address; run() until a Stopper says so     connections, routes
//! ```
//!
//! docs/serve.md has the interface with examples. In short: `POST /v1/plan` makes plans, `/v1/plan/stream` shows one coming out of noise,
//! `/v1/episodes` plays the environment with the planner in the loop, `/v1/model` says what all of them take, `/health` and `/metrics`
//! how it is; `/` is a page that uses nothing but these.
//!
//! Planning never runs on the threads that wait for the network: a plan takes a turn at a [`Settings::plans`] of them at a time, on a pool
//! of its own, and is called off between two visits when its client goes away or its time is up. Everything that a client can ask for has
//! a bound: size of a body, candidates by steps, plans that wait, requests a second, connections, episodes, the time of a head, of a body,
//! of an answer. The same seed gives the bits of [`diffplan_pipelines::Planner`].
//!
//! It prints nothing and installs no handler of signals: the command `diffplan serve` does.

mod answer;
mod body;
mod connections;
mod desk;
mod episodes;
mod error;
mod guard;
mod look;
mod metrics;
mod model;
mod numbers;
mod options;
mod page;
mod plan;
mod problem;
mod server;
mod settings;
mod stock;
mod work;

pub use error::{Error, Result};
pub use model::Model;
pub use server::{Server, Stopper};
pub use settings::{Settings, Token};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
