//! Too much, too large, too slow, too often, and gone.

use super::client::{Events, connect, read, text};
use super::*;
use std::io::Write;
use std::net::Shutdown;

#[test]
fn what_makes_no_plan_is_told_with_its_kind() {
    let server = serve(|_| ());
    for (body, status, kind, words) in [
        ("", 400, "request", "no observation"),
        ("{", 400, "request", "EOF"),
        ("[1]", 400, "request", "invalid"),
        ("null", 400, "request", "invalid"),
        (r#"{"observation": [0, 0]}"#, 400, "observation", "3"),
        (r#"{"observation": [0, 0, "x"]}"#, 400, "request", "x"),
        (r#"{"observation": [0, 0, 1e39]}"#, 400, "request", "out of range"),
        (r#"{"observation": [0, 0, 0], "sede": 1}"#, 400, "request", "sede"),
        (r#"{"observation": [0, 0, 0], "seed": -1}"#, 400, "request", "-1"),
        (
            r#"{"observation": [0, 0, 0], "seed": 1, "torch_seed": 1}"#,
            400,
            "request",
            "one of them",
        ),
        (
            r#"{"observation": [0, 0, 0], "observations": []}"#,
            400,
            "request",
            "one of them",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"scale": "x"}}"#,
            400,
            "option",
            "scale",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"scheduler": "dddim"}}"#,
            400,
            "option",
            "dddim",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"planning_horizon": 33}}"#,
            400,
            "option",
            "horizon",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"num_inference_steps": 21}}"#,
            400,
            "option",
            "20",
        ),
        (r#"{"observation": [0, 0, 0], "goal": [0]}"#, 400, "goal", "not trained"),
        (
            r#"{"observation": [0, 0, 0], "of": "sample"}"#,
            400,
            "request",
            "stream",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"batch_size": 1000000}}"#,
            413,
            "too_large",
            "65536",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"n_guide_steps": 9999}}"#,
            413,
            "too_large",
            "64",
        ),
        (
            r#"{"observation": [0, 0, 0], "options": {"extra_steps": 9999}}"#,
            413,
            "too_large",
            "1000",
        ),
        (
            r#"{"observation": [1e30, 0, 0], "options": {"batch_size": 1}}"#,
            422,
            "diverged",
            "finite",
        ),
    ] {
        let answer = server.post("/v1/plan", body);
        assert_eq!(answer.problem(), (status, kind.into()), "{body}: {}", answer.body);
        assert!(answer.body.contains(words), "{body}: {}", answer.body);
    }
    let deep = "[".repeat(100_000);
    assert_eq!(server.post("/v1/plan", &deep).problem(), (400, "request".into()));
    assert_eq!(server.get("/v1/plan").problem(), (405, "method".into()));
    assert_eq!(server.get("/nothing").problem(), (404, "not_found".into()));
    assert_eq!(server.get("/assets/../../Cargo.toml").status, 404);
    let form = ask(
        server.address,
        "POST",
        "/v1/plan",
        &[("Content-Type", "text/plain")],
        QUICK,
    );
    assert_eq!(form.problem(), (415, "request".into()));
    // And it goes on.
    server.post("/v1/plan", QUICK).ok();
}

#[test]
fn bodies_have_a_size_whether_they_say_so_or_not() {
    let server = serve(|settings| settings.body = 1000);
    let long = format!("{{\"observation\": [{}0]}}", "0, ".repeat(1000));
    assert_eq!(server.post("/v1/plan", &long).problem(), (413, "too_large".into()));
    let mut stream = connect(server.address);
    let head = "POST /v1/plan HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..20 {
        // Refused before all of it is sent.
        if stream
            .write_all(format!("64\r\n{}\r\n", " ".repeat(100)).as_bytes())
            .is_err()
        {
            break;
        }
    }
    assert_eq!(read(stream).problem(), (413, "too_large".into()));
}

#[test]
fn who_dawdles_is_left() {
    let server = serve(|settings| {
        settings.head_timeout = Duration::from_millis(300);
        settings.body_timeout = Duration::from_millis(300);
    });
    let start = Instant::now();
    // A head that never ends, a body that never comes, and a connection on which nothing is said.
    let mut head = connect(server.address);
    head.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .unwrap();
    let silent = connect(server.address);
    let mut body = connect(server.address);
    let said = text("POST", "/v1/plan", &[("Content-Type", "application/json")], QUICK);
    body.write_all(&said.as_bytes()[..said.len() - 10]).unwrap();
    assert_eq!(read(body).problem(), (408, "timeout".into()));
    for mut stream in [head, silent] {
        let mut all = Vec::new();
        // Closed, with or without a word.
        let _ = std::io::Read::read_to_end(&mut stream, &mut all);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    server.until("diffplan_connections", |open| open <= 1.0);
}

#[test]
fn heads_have_a_size() {
    let server = serve(|_| ());
    let long = "x".repeat(100_000);
    let answer = ask(server.address, "GET", "/health", &[("X-Long", &long)], "");
    assert_eq!(answer.status, 431);
    let many: Vec<(&str, &str)> = (0..200).map(|_| ("X-Many", "1")).collect();
    assert_eq!(ask(server.address, "GET", "/health", &many, "").status, 431);
    server.get("/health").ok();
}

#[test]
fn an_address_may_ask_so_often() {
    let server = serve(|settings| (settings.rate, settings.burst) = (0.5, 3));
    let answers: Vec<Answer> = (0..5).map(|_| server.get("/v1/model")).collect();
    assert!(answers[..3].iter().all(|answer| answer.status == 200));
    assert_eq!(answers[4].problem(), (429, "rate".into()));
    assert_eq!(answers[4].header("Retry-After"), Some("2"));
    // Whoever supervises it is always told.
    server.get("/health").ok();
}

#[test]
fn connections_are_counted() {
    let server = serve(|settings| settings.connections = 2);
    let held: Vec<_> = (0..2).map(|_| connect(server.address)).collect();
    let start = Instant::now();
    loop {
        // Those before it may not have been accepted yet.
        let answer = server.get("/health");
        if answer.status == 503 {
            assert_eq!(answer.problem(), (503, "busy".into()));
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no connection was refused");
    }
    drop(held);
    while server.get("/health").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(20), "places are not given back");
    }
}

#[test]
fn the_queue_is_bounded_and_those_in_it_are_served() {
    let server = serve(|settings| (settings.plans, settings.queue) = (1, 1));
    let mut long = Events::open(server.address, "POST", "/v1/plan/stream", LONG);
    long.find("step", |_| true);
    let address = server.address;
    let waiting = std::thread::spawn(move || {
        ask(
            address,
            "POST",
            "/v1/plan",
            &[("Content-Type", "application/json")],
            QUICK,
        )
    });
    server.until("diffplan_queue", |waiting| waiting == 1.0);
    let refused = server.post("/v1/plan", QUICK);
    assert_eq!(refused.problem(), (503, "busy".into()));
    assert!(refused.header("Retry-After").is_some());
    // What is wrong is said at once, whoever waits.
    let wrong = r#"{"observation": [0, 0, 0], "options": {"planning_horizon": 33}}"#;
    assert_eq!(server.post("/v1/plan", wrong).problem(), (400, "option".into()));
    // Who had the turn goes away: the next has it.
    drop(long);
    waiting.join().unwrap().ok();
    assert_eq!(server.metric("diffplan_plans_cancelled_total"), 1.0);
}

#[test]
fn a_plan_is_called_off_when_its_client_goes_away() {
    let server = serve(|_| ());
    for path in ["/v1/plan", "/v1/plan/stream"] {
        let mut stream = connect(server.address);
        let said = text("POST", path, &[("Content-Type", "application/json")], LONG);
        stream.write_all(said.as_bytes()).unwrap();
        server.until("diffplan_plans_running", |running| running == 1.0);
        stream.shutdown(Shutdown::Both).unwrap();
        drop(stream);
        let start = Instant::now();
        server.until("diffplan_plans_running", |running| running == 0.0);
        assert!(start.elapsed() < Duration::from_secs(10), "{path}");
    }
    assert_eq!(server.metric("diffplan_plans_cancelled_total"), 2.0);
    assert_eq!(server.metric("diffplan_plans_total"), 0.0);
}

#[test]
fn a_plan_ends_with_the_time_for_it() {
    let server = serve(|settings| settings.timeout = Duration::from_millis(300));
    let answer = server.post("/v1/plan", LONG);
    assert_eq!(answer.problem(), (504, "deadline".into()), "{}", answer.body);
    let mut events = Events::open(server.address, "POST", "/v1/plan/stream", LONG);
    let error = events.find("error", |_| true);
    assert_eq!(error["error"]["kind"], "deadline");
    server.until("diffplan_plans_running", |running| running == 0.0);
}

#[test]
fn who_takes_no_answer_keeps_nobody_from_planning() {
    let server = serve(|settings| {
        (settings.plans, settings.size) = (1, 1 << 18);
        settings.write_timeout = Duration::from_secs(2);
    });
    let large = r#"{"observation": [-1, 0, 0], "options": {"batch_size": 6000, "num_inference_steps": 1, "n_guide_steps": 0}, "return": ["candidates"]}"#;
    let mut silent = Vec::new();
    for path in ["/v1/plan", "/v1/plan/stream"] {
        let mut stream = connect(server.address);
        let said = text("POST", path, &[("Content-Type", "application/json")], large);
        stream.write_all(said.as_bytes()).unwrap();
        silent.push(stream);
    }
    server.until("diffplan_plans_total", |plans| plans == 2.0);
    server.post("/v1/plan", QUICK).ok();
    // They are left in the end.
    server.until("diffplan_connections", |open| open <= 1.0);
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut silent.remove(0), &mut rest);
    assert!(
        rest.starts_with(b"HTTP/1.1 200") && !rest.ends_with(b"}"),
        "all of it was taken: {}",
        rest.len()
    );
}

#[test]
fn conditions_are_no_more_than_a_plan_has_numbers() {
    let server = serve(|_| ());
    let values = vec!["0"; 200].join(",");
    let body = format!(r#"{{"observation": [-1, 0, 0], "conditions": [{{"time": 1, "values": [{values}]}}]}}"#);
    assert_eq!(server.post("/v1/plan", &body).problem(), (413, "too_large".into()));
}
