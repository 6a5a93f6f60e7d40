//! `diffplan serve`: how it starts, what it says, how it ends. What it answers is tested in diffplan-serve.

use super::running::Running;
use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn command(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    command
        .arg("serve")
        .args(args.split_whitespace())
        .arg("--checkpoint")
        .arg(checkpoint());
    command.env_remove("DIFFPLAN_TOKEN");
    command
}

/// Where it says that it listens.
fn address(line: &str) -> String {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    object["address"].as_str().unwrap().to_owned()
}

fn get(address: &str, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let said = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(said.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_listens_answers_and_ends_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let (running, line) = Running::until_it_says(&mut command("--listen 127.0.0.1:0 --json --batch-size 2"));
        let address = address(&line);
        assert!(get(&address, "/health", "").contains("\"status\":\"ok\""));
        let model = get(&address, "/v1/model", "");
        assert!(model.contains("\"environment\":\"Pendulum-v1\""), "{model}");
        assert!(model.contains("\"default\":2,\"help\":\"Candidate"), "{model}");
        assert!(get(&address, "/", "").contains("<title>"));
        assert_eq!(running.signal(signal), (Some(0), String::new()), "{signal}");
        assert!(TcpStream::connect(&address).is_err());
    }
}

#[test]
fn the_first_line_is_where_to_look() {
    let (running, line) = Running::until_it_says(&mut command("--listen 127.0.0.1:0"));
    let address = line.strip_prefix("http://").unwrap().strip_suffix('/').unwrap();
    assert!(get(address, "/health", "").starts_with("HTTP/1.1 200"));
    assert_eq!(running.signal("TERM").0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = ended(&mut command(&format!("--listen {address}")));
    assert_eq!(outcome.status, Some(2));
    assert_eq!(
        outcome.stderr,
        format!("error: cannot listen on {address}: the port is in use; name another one, or 0 for any that is free\n")
    );
}

#[test]
fn who_else_can_reach_it_is_said() {
    let listen = "--listen 0.0.0.0:0 --json";
    let (running, line) = Running::until_it_says(&mut command(listen));
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["token"], false);
    let (status, said) = running.signal("TERM");
    assert_eq!(status, Some(0));
    assert!(
        said.starts_with("warning: 0.0.0.0:") && said.contains("no token: ANYBODY"),
        "{said}"
    );
    let secret = "0123456789abcdef";
    let (running, line) = Running::until_it_says(command(listen).env("DIFFPLAN_TOKEN", secret));
    let local = address(&line).replace("0.0.0.0", "127.0.0.1");
    assert!(get(&local, "/v1/model", "").starts_with("HTTP/1.1 401"));
    let header = format!("Authorization: Bearer {secret}\r\n");
    assert!(get(&local, "/v1/model", &header).starts_with("HTTP/1.1 200"));
    let (_, said) = running.signal("TERM");
    assert!(
        said.contains("TLS") && !said.contains("ANYBODY") && !said.contains(secret),
        "{said}"
    );
}

#[test]
fn what_makes_no_server_is_said() {
    for (args, token, words) in [
        ("--listen 127.0.0.1", None, "invalid value '127.0.0.1'"),
        ("--listen 127.0.0.1:0 --rate 0", None, "more than 0"),
        ("--listen 127.0.0.1:0 --plans 0", None, "1..=1024"),
        ("--listen 127.0.0.1:0 --timeout 0s", None, "more than no time"),
        ("--listen 127.0.0.1:0 --env Nothing-v0", None, "Nothing-v0"),
        (
            "--listen 127.0.0.1:0 --env MountainCarContinuous-v0",
            None,
            "dimensions",
        ),
        ("--listen 127.0.0.1:0 --scheduler nothing", None, "nothing"),
        ("--listen 127.0.0.1:0", Some("short"), "DIFFPLAN_TOKEN"),
        ("--listen 127.0.0.1:0", Some(""), "at least 16"),
    ] {
        let mut command = command(args);
        token.map(|token| command.env("DIFFPLAN_TOKEN", token));
        let outcome = ended(&mut command);
        assert_eq!(outcome.status, Some(2), "{args}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{args}: {}", outcome.stderr);
    }
}
