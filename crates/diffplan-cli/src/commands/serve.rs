//! `diffplan serve`: plans over HTTP, until somebody ends it.

use crate::args::ServeArgs;
use crate::error::{Error, Result};
use crate::interrupt::on_interrupt;
use crate::{guides, json, output, settings};
use diffplan_data::RecordedEnv;
use diffplan_eval::evaluation::describe;
use diffplan_eval::{Registry, table};
use diffplan_serve::{Model, Server, Settings, Token};
use serde::Serialize;
use std::env;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Holds the token: what is typed is seen by everybody who lists processes.
const TOKEN: &str = "DIFFPLAN_TOKEN";

/// The line of `--json`.
#[derive(Serialize)]
struct Listening<'a> {
    address: SocketAddr,
    url: String,
    checkpoint: String,
    environment: Option<&'a str>,
    token: bool,
    threads: usize,
    plans: usize,
}

pub(crate) fn run(args: ServeArgs, registry: &Registry) -> Result<()> {
    let token = token()?;
    let folder = settings::checkpoint(&args.checkpoint)?;
    let records = guides::recorded(&args.guides)?;
    let pipeline = settings::controlled(registry, &folder, &records, &args.env)?;
    let options = args.planning.over(pipeline.options())?;
    settings::warn_of_horizon(&pipeline, &options);
    let played = played(&args, registry, &folder, &pipeline)?;
    let checkpoint = folder.path().display().to_string();
    let mut settings = Settings::default();
    settings.listen = args.listen;
    settings.token = token;
    settings.hosts.clone_from(&args.host);
    settings.threads = args.run.threads.unwrap_or(settings.threads);
    settings.plans = args.plans.unwrap_or(settings.plans);
    (settings.queue, settings.connections) = (args.queue, args.connections);
    (settings.rate, settings.burst) = (args.rate, (2.0 * args.rate).ceil().max(1.0) as usize);
    (settings.body, settings.size, settings.episodes) = (args.max_body, args.max_size, args.episodes);
    (settings.timeout, settings.grace) = (args.timeout, args.grace);
    settings.deadlines = args.deadlines;
    let has_token = settings.token.is_some();
    let (threads, plans, is_local) = (settings.threads, settings.plans, settings.is_local());
    let plan = describe(&options);
    let model = Model::new(checkpoint.clone(), pipeline, options, registry, played.clone())?;
    let server = Server::bind(model, settings)?;
    let address = server.address();
    if !is_local {
        warn_of_network(address, has_token);
    }
    let (stop, stopper) = (on_interrupt()?, server.stopper());
    let listening = Listening {
        address,
        url: format!("http://{address}/"),
        checkpoint,
        environment: played.as_ref().map(|env| env.id.as_str()),
        token: has_token,
        threads,
        plans,
    };
    if args.run.json {
        json::print_line(&listening)?;
    } else {
        output::print(&listening.url)?;
        let mut fields = vec![("checkpoint", listening.checkpoint), ("plan", plan)];
        fields.extend(played.as_ref().map(|env| ("env", env.to_string())));
        fields.extend([
            ("threads", format!("{threads}, {plans} plans at a time")),
            (
                "token",
                if has_token {
                    format!("of {TOKEN}")
                } else {
                    "none".into()
                },
            ),
        ]);
        output::print(table::fields(&fields))?;
    }
    // A handler may do next to nothing: it sets a flag.
    let watch = thread::Builder::new().name("interrupt".into()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        stopper.stop();
    });
    watch.map_err(|error| Error::Threads {
        threads: 1,
        reason: error.to_string(),
    })?;
    Ok(server.run()?)
}

/// What requests have to bring, if anything.
fn token() -> Result<Option<Token>> {
    let refuse = |reason: String| Error::Setting {
        name: TOKEN,
        value: "…".into(),
        expected: reason,
    };
    match env::var(TOKEN) {
        Ok(text) => match Token::new(&text) {
            Ok(token) => Ok(Some(token)),
            Err(diffplan_serve::Error::Setting { expected, .. }) => Err(refuse(expected)),
            Err(error) => Err(refuse(error.to_string())),
        },
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(refuse("visible ASCII characters".into())),
    }
}

/// The environment to play in. One that was asked for has to be there; without the checkpoint's own, plans are made all the same.
fn played(
    args: &ServeArgs,
    registry: &Registry,
    folder: &diffplan_files::Folder,
    pipeline: &diffplan_pipelines::ValueGuidedPipeline,
) -> Result<Option<RecordedEnv>> {
    if args.episodes == 0 {
        return Ok(None);
    }
    let asked = args.env.env.is_some() || !args.env.env_kwargs.is_empty();
    let found = match settings::played_env(&args.env, folder, pipeline) {
        Err(Error::NoEnv { .. }) if !asked => {
            output::remark(
                "note: no episodes are played: the checkpoint names no environment, and none was given with --env",
            );
            return Ok(None);
        }
        found => found?,
    };
    match settings::env(registry, &found) {
        Ok(_) => Ok(Some(found)),
        Err(error) if !asked => {
            output::remark(&format!("warning: no episodes are played: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn warn_of_network(address: SocketAddr, has_token: bool) {
    output::remark(&match has_token {
        true => format!(
            "warning: {address} is reached from other machines, and the token and all plans go over the network as they are: put a proxy \
             that speaks TLS before it (docs/serve.md)"
        ),
        false => format!(
            "warning: {address} is reached from other machines, and there is no token: ANYBODY on the network can make plans and play \
             episodes. Set {TOKEN}, or listen on 127.0.0.1"
        ),
    });
}
