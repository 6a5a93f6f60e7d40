//! Plans: those of the library, alone, in lists and as they come out of noise.

use super::client::Events;
use super::*;
use diffplan_pipelines::{NoiseSource, Plan, PlanOptions, RngNoise, TorchRng};
use ndarray::{Array1, array};
use serde_json::{Value, json};

fn quick(pipeline: &ValueGuidedPipeline) -> PlanOptions {
    PlanOptions {
        batch_size: 2,
        num_inference_steps: Some(3),
        ..pipeline.options()
    }
}

/// The library's plan.
fn plan(observation: Array1<f32>, noise: &mut dyn NoiseSource) -> Plan {
    let pipeline = ValueGuidedPipeline::from_pretrained(checkpoint()).unwrap();
    let mut planner = pipeline.planner(quick(&pipeline)).unwrap();
    planner.plan(observation.view(), noise).unwrap()
}

/// The numbers of a list as the bits that they are.
#[track_caller]
fn numbers(list: &Value) -> Vec<f32> {
    let each = list.as_array().unwrap_or_else(|| panic!("{list}")).iter();
    each.map(|number| number.as_f64().unwrap() as f32).collect()
}

#[track_caller]
fn same(answer: &Value, plan: &Plan) {
    assert_eq!(numbers(&answer["action"]), plan.action.to_vec());
    assert_eq!(numbers(&answer["values"]), plan.values.as_ref().unwrap().to_vec());
    let best = plan.observations();
    let rows = answer["best"]["observations"].as_array().unwrap();
    assert_eq!(rows.len(), 32);
    for (row, expected) in rows
        .iter()
        .zip(best.index_axis(ndarray::Axis(0), plan.chosen).outer_iter())
    {
        assert_eq!(numbers(row), expected.to_vec());
    }
}

#[test]
fn the_same_seed_gives_the_bits_of_the_library() {
    let server = serve(|_| ());
    let expected = plan(array![-1.0, 0.0, 0.0], &mut RngNoise::seed(0));
    for _ in 0..3 {
        let answer = server.post("/v1/plan", QUICK).ok();
        same(&answer, &expected);
        assert_eq!(answer["seed"], 0);
        assert!(answer["took_ms"].as_f64().unwrap() > 0.0);
    }
    let torch = QUICK.replace("\"seed\"", "\"torch_seed\"");
    same(
        &server.post("/v1/plan", &torch).ok(),
        &plan(array![-1.0, 0.0, 0.0], &mut TorchRng::manual_seed(0)),
    );
    // Without a seed there is another plan each time, and the seed that makes it again.
    let fresh = QUICK.replace("\"seed\": 0, ", "");
    let answer = server.post("/v1/plan", &fresh).ok();
    let seed = answer["seed"].as_u64().unwrap();
    assert!(seed < 1 << 53, "{seed}");
    same(&answer, &plan(array![-1.0, 0.0, 0.0], &mut RngNoise::seed(seed)));
    assert_ne!(server.post("/v1/plan", &fresh).ok()["seed"], answer["seed"]);
    assert_eq!(server.metric("diffplan_plans_total"), 6.0);
}

#[test]
fn a_list_is_planned_in_one_go_with_a_fork_each() {
    let server = serve(|_| ());
    let body = QUICK.replace(
        "\"observation\": [-1, 0, 0]",
        "\"observations\": [[-1, 0, 0], [1, 0, 0.5]]",
    );
    let answer = server.post("/v1/plan", &body).ok();
    let mut noise = RngNoise::seed(0);
    for (own, observation) in [array![-1.0, 0.0, 0.0], array![1.0, 0.0, 0.5]].into_iter().enumerate() {
        same(&answer["plans"][own], &plan(observation, &mut noise.fork()));
    }
    let none = QUICK.replace("\"observation\": [-1, 0, 0]", "\"observations\": []");
    assert_eq!(server.post("/v1/plan", &none).ok()["plans"], json!([]));
}

#[test]
fn many_at_once_are_each_their_own() {
    let server = serve(|_| ());
    let expected = plan(array![-1.0, 0.0, 0.0], &mut RngNoise::seed(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..4).for_each(|_| same(&server.post("/v1/plan", QUICK).ok(), &expected)));
        }
    });
    assert_eq!(server.metric("diffplan_plans_running"), 0.0);
    assert_eq!(server.metric("diffplan_queue"), 0.0);
}

#[test]
fn what_is_asked_for_is_returned_and_no_more() {
    let server = serve(|_| ());
    let with = |parts: Value| {
        let mut body: Value = serde_json::from_str(QUICK).unwrap();
        body["return"] = parts;
        server.post("/v1/plan", &body.to_string())
    };
    let answer = with(json!(["candidates"])).ok();
    assert_eq!(answer["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(answer["candidates"][1]["actions"].as_array().unwrap().len(), 32);
    assert!(
        answer.get("values").is_none() && answer.get("best").is_none(),
        "{answer}"
    );
    assert!(with(json!([])).ok().get("best").is_none());
    assert_eq!(with(json!(["everything"])).problem(), (400, "request".into()));
}

#[test]
fn conditions_are_imposed() {
    let server = serve(|_| ());
    let mut body: Value = serde_json::from_str(QUICK).unwrap();
    body["conditions"] = json!([
        {"time": 31, "dims": [2], "values": [0.5]},
        {"time": 1, "values": [1.25], "part": "action"}
    ]);
    let answer = server.post("/v1/plan", &body.to_string()).ok();
    let number = |place: &Value| place.as_f64().unwrap() as f32;
    assert!((number(&answer["best"]["observations"][31][2]) - 0.5).abs() < 1e-5);
    assert!((number(&answer["best"]["actions"][1][0]) - 1.25).abs() < 1e-5);
    body["conditions"] = json!([{"time": 32, "values": [0, 0, 0]}]);
    assert_eq!(
        server.post("/v1/plan", &body.to_string()).problem(),
        (400, "condition".into())
    );
}

#[test]
fn a_stream_shows_every_step_and_ends_with_the_plan() {
    let server = serve(|_| ());
    for of in ["sample", "estimate"] {
        let body = QUICK.replacen('{', &format!("{{\"of\": \"{of}\", "), 1);
        let mut events = Events::open(server.address, "POST", "/v1/plan/stream", &body);
        let mut done = Vec::new();
        let last = loop {
            let (name, value) = events.next().unwrap();
            if name != "step" {
                break (name, value);
            }
            assert_eq!(value["of"], 3);
            assert_eq!(value["candidates"].as_array().unwrap().len(), 2);
            assert_eq!(value["candidates"][0].as_array().unwrap().len(), 32);
            let values: Vec<f64> = numbers(&value["values"]).into_iter().map(f64::from).collect();
            assert!(values[0] >= values[1], "{values:?}");
            done.push(value["done"].as_u64().unwrap());
        };
        let expected: &[u64] = if of == "sample" { &[0, 1, 2, 3] } else { &[1, 2, 3] };
        assert_eq!(done, expected);
        assert_eq!(last.0, "plan");
        same(&last.1, &plan(array![-1.0, 0.0, 0.0], &mut RngNoise::seed(0)));
        assert!(events.next().is_none());
    }
    // What is wrong from the start is an answer and no stream.
    let bad = server.post("/v1/plan/stream", r#"{"observation": [0, 0]}"#);
    assert_eq!(bad.problem(), (400, "observation".into()));
    let several = server.post("/v1/plan/stream", r#"{"observations": [[0, 0, 0]]}"#);
    assert_eq!(several.problem(), (400, "request".into()));
}

#[test]
fn deadlines_are_kept_or_it_is_said_that_they_were_not() {
    let server = serve(|_| ());
    let with = |ms: f64| {
        let mut body: Value = serde_json::from_str(QUICK).unwrap();
        body["deadline_ms"] = json!(ms);
        server.post("/v1/plan", &body.to_string())
    };
    let answer = with(10_000.0).ok();
    assert_eq!(answer["deadline"]["met"], true, "{answer}");
    assert!(answer["deadline"]["measured_ms"].is_number());
    assert_eq!(answer["deadline"]["dropped"], "");
    same(&answer, &plan(array![-1.0, 0.0, 0.0], &mut RngNoise::seed(0)));
    assert!(with(10_000.0).ok()["deadline"].get("measured_ms").is_none());
    // Not even the cheapest plan takes no longer than this.
    assert_eq!(with(0.001).problem(), (504, "deadline".into()));
    assert_eq!(server.metric("diffplan_deadlines_missed_total"), 1.0);
    for never in [0.0, -1.0] {
        assert_eq!(with(never).problem(), (400, "request".into()));
    }
}

#[test]
fn the_model_says_what_there_is() {
    let server = serve(|_| ());
    let model = server.get("/v1/model").ok();
    assert_eq!(
        (&model["observation_dim"], &model["action_dim"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(model["environment"], "Pendulum-v1");
    assert_eq!(model["dimensions"]["observation"][2], "dθ/dt");
    let options = model["options"].as_array().unwrap();
    assert_eq!(options.len(), diffplan_pipelines::OPTIONS.len());
    let scale = options.iter().find(|option| option["name"] == "scale").unwrap();
    assert_eq!(scale["default"], json!(0.03));
    assert!(model["schedulers"].as_array().unwrap().contains(&json!("ddim")));
    assert_eq!(server.get("/health").ok()["status"], "ok");
}
