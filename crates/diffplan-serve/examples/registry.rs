//! A server of one's own, with one's own environments beside ours: `cargo run --release -p diffplan-serve --example registry -- CHECKPOINT PORT`.

use diffplan_eval::Registry;
use diffplan_pipelines::ValueGuidedPipeline;
use diffplan_serve::{Model, Server, Settings};
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let checkpoint = args.next().unwrap_or_else(|| "testdata/pendulum-hor32".into());
    let port: u16 = args.next().map_or(Ok(8080), |port| port.parse())?;
    // `registry.envs.register(…)` adds an environment, `registry.register_guide(…)` a guide.
    let registry = Registry::builtin();
    let pipeline = ValueGuidedPipeline::from_pretrained(&checkpoint)?;
    let (options, env) = (pipeline.options(), pipeline.planning_config().recorded_env());
    let model = Model::new(checkpoint, pipeline, options, &registry, env)?;
    let mut settings = Settings::default();
    settings.listen.set_port(port);
    let server = Server::bind(model, settings)?;
    writeln!(std::io::stdout(), "http://{}/", server.address())?;
    server.run()?;
    Ok(())
}
