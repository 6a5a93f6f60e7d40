//! Episodes that are played, looked at and steered.

use super::client::Events;
use super::*;
use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_envs::{EpisodeLimit, MakeOptions, Registry as Envs};
use diffplan_eval::{PlannerPolicy, Start, rollout};
use diffplan_models::{Params, UNet1dConfig, UNet1dModel};
use diffplan_pipelines::PlanOptions;
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, Scheduler};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

const BEGIN: &str = r#"{"seed": 3, "speed": 100, "options": {"batch_size": 2, "num_inference_steps": 2}}"#;

#[track_caller]
fn begin(server: &Running, body: &str) -> String {
    let begun = server.post("/v1/episodes", body);
    assert_eq!(begun.status, 201, "{}", begun.body);
    begun.json()["id"].as_str().unwrap().to_owned()
}

fn paused(body: &str) -> String {
    body.replacen('{', "{\"paused\": true, ", 1)
}

fn events(server: &Running, id: &str) -> Events {
    Events::open(server.address, "GET", &format!("/v1/episodes/{id}/events"), "")
}

fn change(server: &Running, id: &str, body: Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    ask(
        server.address,
        "PATCH",
        &format!("/v1/episodes/{id}"),
        &json,
        &body.to_string(),
    )
}

#[track_caller]
fn step(server: &Running, id: &str) -> Value {
    server.post(&format!("/v1/episodes/{id}/step"), "").ok()
}

#[track_caller]
fn close(actual: &Value, expected: f64) {
    let actual = actual
        .as_f64()
        .unwrap_or_else(|| panic!("{actual}, expected {expected}"));
    // Shown numbers have five digits.
    assert!(
        (actual - expected).abs() <= 1e-4 * expected.abs().max(1e-3),
        "{actual}, expected {expected}"
    );
}

#[test]
fn an_episode_is_the_one_of_rollout() {
    let server = serve(|_| ());
    let id = begin(&server, &paused(BEGIN));
    let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint()).unwrap();
    let options = PlanOptions {
        batch_size: 2,
        num_inference_steps: Some(2),
        ..pipeline.options()
    };
    let mut policy = PlannerPolicy::new(pipeline.planner(options).unwrap());
    let short = MakeOptions {
        max_episode_steps: EpisodeLimit::Steps(5),
        ..MakeOptions::default()
    };
    let mut env = Envs::default().make_with("Pendulum-v1", &short).unwrap();
    let episode = rollout(&mut env, &Start::seeded(3).next().unwrap(), &mut policy, &mut |_| ()).unwrap();
    for played in 0..5 {
        let frame = step(&server, &id);
        assert_eq!(frame["step"], json!(played + 1));
        close(&frame["action"][0], episode.actions[[played, 0]].into());
        close(&frame["reward"], episode.rewards[played]);
        for dim in 0..3 {
            close(&frame["observation"][dim], episode.observations[[played, dim]]);
        }
    }
}

#[test]
fn frames_show_the_state_the_plan_and_a_picture() {
    let server = serve(|_| ());
    let id = begin(&server, BEGIN);
    let mut events = events(&server, &id);
    let first = events.find("frame", |_| true);
    assert!(first["image"].as_str().unwrap().starts_with("data:image/png;base64,"));
    let frame = events.find("frame", |frame| frame["step"].as_u64() > Some(0));
    assert_eq!(frame["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(frame["plan"].as_array().unwrap().len(), 32);
    assert_eq!(frame["plan_actions"][0].as_array().unwrap().len(), 1);
    assert_eq!(frame["values"].as_array().unwrap().len(), 2);
    assert!(frame["latency_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(frame["options"]["batch_size"], 2);
    assert_eq!(frame["terminated"], false);
    assert_eq!(server.metric("diffplan_episodes"), 1.0);
}

#[test]
fn options_are_others_from_the_next_plan_on() {
    let server = serve(|_| ());
    let id = begin(&server, &paused(BEGIN));
    assert_eq!(step(&server, &id)["values"].as_array().unwrap().len(), 2);
    let changed = change(
        &server,
        &id,
        json!({"options": {"batch_size": 5, "planning_horizon": 16}}),
    )
    .ok();
    assert_eq!(
        (&changed["options"]["batch_size"], &changed["paused"]),
        (&json!(5), &json!(true))
    );
    // What was said before holds.
    assert_eq!(changed["options"]["num_inference_steps"], 2);
    let frame = step(&server, &id);
    assert_eq!(frame["step"], 2);
    assert_eq!(frame["values"].as_array().unwrap().len(), 5);
    assert_eq!(frame["plan"].as_array().unwrap().len(), 16);
    assert_eq!(frame["options"]["batch_size"], 5);
    // Back to what the checkpoint says.
    change(&server, &id, json!({"options": {"batch_size": null}})).ok();
    assert_eq!(step(&server, &id)["values"].as_array().unwrap().len(), 8);
    // Actions that are done without a new plan come without one.
    change(
        &server,
        &id,
        json!({"options": {"n_action_steps": 2, "warm_start": 0.5}}),
    )
    .ok();
    assert!(step(&server, &id)["values"].is_array());
    assert!(step(&server, &id).get("values").is_none());
    assert!(step(&server, &id)["values"].is_array());
    // Shapes change while plans go on from each other.
    change(&server, &id, json!({"options": {"batch_size": 3, "prefix": "exp"}})).ok();
    assert_eq!(step(&server, &id)["values"].as_array().unwrap().len(), 3);
    for (body, kind) in [
        (json!({"options": {"scale": "x"}}), "option"),
        (json!({"options": {"batch_size": 1_000_000}}), "too_large"),
        (json!({"options": {"follow": "states"}}), "option"),
        (json!({"speed": 0}), "request"),
        (json!({"goal": [1]}), "goal"),
        (json!({"pause": true}), "request"),
    ] {
        let answer = change(&server, &id, body.clone());
        assert_eq!(answer.json()["error"]["kind"], kind, "{body}: {}", answer.body);
    }
    assert_eq!(step(&server, &id)["options"]["batch_size"], 3);
}

#[test]
fn it_is_paused_stepped_reset_and_ended() {
    let server = serve(|_| ());
    let id = begin(&server, &paused(BEGIN));
    let path = |what: &str| format!("/v1/episodes/{id}{what}");
    let first = step(&server, &id);
    step(&server, &id);
    server.post(&path("/reset"), "").ok();
    assert_eq!(step(&server, &id)["action"], first["action"]);
    server.post(&path("/reset"), r#"{"seed": 4}"#).ok();
    let other = step(&server, &id);
    assert_eq!((&other["step"], &other["seed"]), (&json!(1), &json!(4)));
    assert_ne!(other["observation"], first["observation"]);
    change(&server, &id, json!({"paused": false})).ok();
    assert_eq!(server.post(&path("/step"), "").problem(), (409, "state".into()));
    // To its end, which is after 200 steps, and no further.
    let mut events = events(&server, &id);
    let end = events.find("end", |_| true);
    assert_eq!((&end["steps"], &end["why"]), (&json!(200), &json!("truncated")));
    assert!(end["return"].as_f64().unwrap() < 0.0);
    assert_eq!(server.post(&path("/step"), "").problem(), (409, "state".into()));
    server.post(&path("/reset"), "").ok();
    events.find("frame", |frame| frame["step"] == json!(0));
    let ended = ask(server.address, "DELETE", &path(""), &[], "");
    assert_eq!(ended.status, 204);
    while events.next().is_some() {}
    assert_eq!(server.get(&path("")).problem(), (404, "not_found".into()));
    server.until("diffplan_episodes", |episodes| episodes == 0.0);
}

#[test]
fn nobody_looks_and_nothing_is_played() {
    let server = serve(|settings| settings.episode_idle = Duration::from_secs(1));
    let id = begin(&server, BEGIN);
    let mut events = events(&server, &id);
    events.find("frame", |frame| frame["step"].as_u64() > Some(1));
    drop(events);
    // Dropped once nobody has looked at it for a while.
    server.until("diffplan_episodes", |episodes| episodes == 0.0);
    let plans = server.metric("diffplan_plans_total");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.metric("diffplan_plans_total"), plans);
}

#[test]
fn there_are_so_many_at_a_time() {
    let server = serve(|settings| settings.episodes = 2);
    let ids = [begin(&server, BEGIN), begin(&server, BEGIN)];
    assert_eq!(server.post("/v1/episodes", BEGIN).problem(), (503, "busy".into()));
    ask(server.address, "DELETE", &format!("/v1/episodes/{}", ids[0]), &[], "");
    let third = begin(&server, BEGIN);
    // Of two, the one that somebody looks at stays, and the one that has been alone for a while makes room.
    let mut looked_at = events(&server, &ids[1]);
    looked_at.find("frame", |_| true);
    std::thread::sleep(Duration::from_millis(2100));
    let _fourth = events(&server, &begin(&server, BEGIN));
    assert_eq!(server.get(&format!("/v1/episodes/{third}")).status, 404);
    looked_at.find("frame", |_| true);
    assert_eq!(server.post("/v1/episodes", BEGIN).problem(), (503, "busy".into()));
    for bad in [
        r#"{"speed": 1e9}"#,
        r#"{"seed": 18446744073709551615}"#,
        r#"{"goal": [1, 1]}"#,
        r#"{"sede": 1}"#,
    ] {
        assert_eq!(server.post("/v1/episodes", bad).status, 400, "{bad}");
    }
}

/// A checkpoint for a maze, trained with goals as far as it says, of a network that has learned nothing.
fn maze() -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let mut network = UNet1dModel::new(UNet1dConfig::planner(6, &[8, 8])).unwrap();
    Params::init(&mut network, &mut StdRng::seed_from_u64(0));
    network.save_pretrained(path.join("unet")).unwrap();
    let config = DdpmConfig {
        num_train_timesteps: 3,
        ..DdpmConfig::default()
    };
    let scheduler = DdpmScheduler::new(config).unwrap();
    (&scheduler as &dyn Scheduler)
        .save_pretrained(path.join("scheduler"))
        .unwrap();
    let limits = |size: usize| NormalizerConfig::Limits {
        min: vec![-4.0; size],
        max: vec![4.0; size],
    };
    let normalizers = Normalizers::new(limits(4), limits(2), None).unwrap();
    normalizers.save(path.join("normalizer.json")).unwrap();
    let config = r#"{"env": "maze2d-umaze-v1", "conditions": "goal", "planning_horizon": 8, "batch_size": 2, "n_guide_steps": 0}"#;
    std::fs::write(path.join("planning_config.json"), config).unwrap();
    folder
}

#[test]
fn a_goal_is_moved_while_it_plays() {
    let folder = maze();
    let server = serve_at(folder.path(), |_| ());
    let model = server.get("/v1/model").ok();
    assert_eq!(model["goal"], true);
    assert_eq!(model["plane"]["extent"].as_array().unwrap().len(), 4);
    let begun = server.post("/v1/episodes", r#"{"seed": 0, "paused": true, "goal": [1, 3]}"#);
    let begun = begun.ok();
    assert_eq!(begun["goal"], json!([1.0, 3.0]));
    assert!(!begun["plane"]["walls"].as_array().unwrap().is_empty());
    let id = begun["id"].as_str().unwrap();
    let ends = |frame: &Value, x: f64, y: f64| {
        close(&frame["plan"][7][0], x);
        close(&frame["plan"][7][1], y);
    };
    let frame = step(&server, id);
    assert_eq!(frame["goal"], json!([1, 3]));
    assert_eq!(frame["plan"][0], frame["position"]);
    assert!(frame.get("image").is_none());
    ends(&frame, 1.0, 3.0);
    change(&server, id, json!({"goal": [3, 1]})).ok();
    let frame = step(&server, id);
    assert_eq!((&frame["goal"], &frame["step"]), (&json!([3, 1]), &json!(2)));
    ends(&frame, 3.0, 1.0);
    for bad in [json!([2, 2]), json!([30, 2]), json!([1]), json!([1, 1, 1])] {
        assert_eq!(
            change(&server, id, json!({"goal": bad})).problem(),
            (400, "goal".into()),
            "{bad}"
        );
    }
    // It stays where it was put, also from the start.
    server.post(&format!("/v1/episodes/{id}/reset"), "").ok();
    ends(&step(&server, id), 3.0, 1.0);
    // Plans by themselves are led likewise, and want a goal.
    let led = server
        .post(
            "/v1/plan",
            r#"{"observation": [1, 1, 0, 0], "goal": [1, 3], "seed": 0}"#,
        )
        .ok();
    close(&led["best"]["observations"][7][1], 3.0);
    assert_eq!(led["value"], Value::Null);
    let lost = server.post("/v1/plan", r#"{"observation": [1, 1, 0, 0]}"#);
    assert_eq!(lost.problem(), (400, "goal".into()));
    let mut shown = Events::open(
        server.address,
        "POST",
        "/v1/plan/stream",
        r#"{"observation": [1, 1, 0, 0], "goal": [1, 3], "seed": 0}"#,
    );
    let step = shown.find("step", |_| true);
    assert_eq!(step["candidates"][0][0].as_array().unwrap().len(), 2);
}
