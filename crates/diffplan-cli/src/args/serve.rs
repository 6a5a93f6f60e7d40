//! What `diffplan serve` takes.

use super::tune::budget;
use super::{ActingOptions, CheckpointArgs, EnvArgs, GuidesArgs, RunArgs, count, finite64};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// Plan over HTTP: JSON, streams, episodes, and a page to look at them
#[derive(Debug, Args)]
#[command(after_help = "\
Open http://127.0.0.1:8080/ in a browser: the checkpoint plays its environment there. docs/serve.md has all of the interface.

Requests have to bring the token that the environment variable DIFFPLAN_TOKEN holds, if it is set:
Authorization: Bearer TOKEN. Whatever is said to the server and by it goes over the network as it is: beyond this machine it
belongs behind a proxy that speaks TLS.

An interrupt (Ctrl-C) or a termination ends it: no new connections, plans that are being made are finished within --grace,
exit status 0.

Examples:
  diffplan serve                                        Pendulum-v1, the checkpoint that is built in
  diffplan serve --checkpoint DIR --listen 127.0.0.1:9000 --batch-size 8
  diffplan serve --listen 127.0.0.1:0 --json            any free port; the first line says which
  DIFFPLAN_TOKEN=$(openssl rand -hex 32) diffplan serve --listen 0.0.0.0:8080 --host robot.lan
  diffplan serve --plans 1 --threads 4 --queue 8 --rate 20 --timeout 500ms

  curl 127.0.0.1:8080/v1/plan --json '{\"observation\": [-1, 0, 0], \"seed\": 0}'
  curl -N 127.0.0.1:8080/v1/plan/stream --json '{\"observation\": [-1, 0, 0]}'")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    #[command(flatten)]
    pub(crate) guides: GuidesArgs,
    /// Address and port to listen on; port 0 takes one that is free. 127.0.0.1 is reached from this machine alone
    #[arg(
        short,
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8080",
        help_heading = "Server"
    )]
    pub(crate) listen: SocketAddr,
    /// A name by which the server may be asked for, beside localhost and addresses in numbers; may be given several times
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) host: Vec<String>,
    /// Plans made at a time; two to four by default, as there are cores
    #[arg(long, value_name = "N", value_parser = count(1, 1024), help_heading = "Server")]
    pub(crate) plans: Option<usize>,
    /// Requests for plans that may wait for their turn; more are refused (503)
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(0, 65_536), help_heading = "Server")]
    pub(crate) queue: usize,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count(1, 65_536), help_heading = "Server")]
    pub(crate) connections: usize,
    /// Requests a second from one address, twice as many at once; more are refused (429)
    #[arg(long, value_name = "N", default_value_t = 200.0, value_parser = rate, help_heading = "Server")]
    pub(crate) rate: f64,
    /// Bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = count(1, 1 << 30), help_heading = "Server")]
    pub(crate) max_body: usize,
    /// Observations × candidates × horizon of a request: what memory it takes
    #[arg(long, value_name = "N", default_value_t = 1 << 16, value_parser = count(1, 1 << 28), help_heading = "Server")]
    pub(crate) max_size: usize,
    /// Episodes at a time; 0 for none
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(0, 1024), help_heading = "Server")]
    pub(crate) episodes: usize,
    /// Measure at the start what plans cost, which takes as long as some plans do, so that the first request with a deadline has it kept
    #[arg(long, help_heading = "Server")]
    pub(crate) deadlines: bool,
    /// How long a request for a plan may take, waiting included
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = budget, help_heading = "Server")]
    pub(crate) timeout: Duration,
    /// How long plans that are being made may take to finish once it is to stop
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = budget, help_heading = "Server")]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) planning: ActingOptions,
}

fn rate(text: &str) -> Result<f64, String> {
    match finite64(text)? {
        rate if rate > 0.0 => Ok(rate),
        rate => Err(format!("{rate}, expected more than 0")),
    }
}
