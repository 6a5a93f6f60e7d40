//! How it ends.

use super::client::Events;
use super::*;

/// Stops it, and says how long that took.
fn stop(server: &mut Running) -> Duration {
    let start = Instant::now();
    server.stopper.stop();
    server.thread.take().unwrap().join().unwrap().unwrap();
    start.elapsed()
}

#[test]
fn streams_end_and_plans_are_finished() {
    let server = serve(|settings| settings.grace = Duration::from_secs(60));
    let id = server.post("/v1/episodes", r#"{"seed": 0}"#).ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut episode = Events::open(server.address, "GET", &format!("/v1/episodes/{id}/events"), "");
    episode.find("frame", |_| true);
    let slow = QUICK.replace("\"batch_size\": 2", "\"batch_size\": 256, \"extra_steps\": 8");
    let mut plan = Events::open(server.address, "POST", "/v1/plan/stream", &slow);
    plan.find("step", |_| true);
    let (address, mut own) = (server.address, server);
    let stopped = std::thread::spawn(move || stop(&mut own));
    // What is being made comes to its end, in time.
    plan.find("plan", |_| true);
    assert!(plan.next().is_none());
    while episode.next().is_some() {}
    assert!(stopped.join().unwrap() < Duration::from_secs(60));
    assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn what_takes_longer_than_the_grace_is_called_off() {
    let mut server = serve(|settings| settings.grace = Duration::from_millis(200));
    let mut plan = Events::open(server.address, "POST", "/v1/plan/stream", LONG);
    plan.find("step", |_| true);
    assert!(stop(&mut server) < Duration::from_secs(10));
    while let Some((name, _)) = plan.next() {
        assert_ne!(name, "plan");
    }
}

#[test]
fn a_port_is_taken_once() {
    let server = serve(|_| ());
    let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint()).unwrap();
    let options = pipeline.options();
    let model = Model::new("again", pipeline, options, &Registry::builtin(), None).unwrap();
    let mut settings = Settings::default();
    settings.listen = server.address;
    let error = Server::bind(model, settings).unwrap_err().to_string();
    assert!(
        error.contains("in use") && error.contains(&server.address.to_string()),
        "{error}"
    );
}
