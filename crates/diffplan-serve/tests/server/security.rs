//! Who is let in.

use super::*;
use diffplan_serve::Token;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_token_is_wanted_of_all_that_does_something() {
    let server = serve(|settings| settings.token = Some(Token::new(SECRET).unwrap()));
    let with = |path: &str, value: &str| ask(server.address, "GET", path, &[("Authorization", value)], "");
    for path in ["/v1/model", "/metrics", "/v1/episodes/x"] {
        let answer = server.get(path);
        assert_eq!(answer.problem(), (401, "auth".into()), "{path}");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
    }
    assert_eq!(server.post("/v1/plan", QUICK).problem(), (401, "auth".into()));
    for wrong in [
        "Bearer ",
        "Bearer 0",
        &SECRET[1..],
        &format!("Basic {SECRET}"),
        &format!("Bearer {SECRET}0"),
    ] {
        assert_eq!(with("/v1/model", wrong).status, 401, "{wrong}");
    }
    with("/v1/model", &format!("Bearer {SECRET}")).ok();
    // What a browser needs before it knows a token, and what a supervisor asks.
    assert_eq!(server.get("/").status, 200);
    server.get("/health").ok();
}

#[test]
fn other_sites_are_not_answered() {
    let server = serve(|settings| settings.hosts = vec!["robot.lan".into()]);
    let with = |name: &str, value: &str| ask(server.address, "GET", "/v1/model", &[(name, value)], "");
    assert_eq!(with("Host", "evil.example").problem(), (403, "host".into()));
    with("Host", "robot.lan:8080").ok();
    assert_eq!(with("Origin", "http://evil.example").problem(), (403, "origin".into()));
    assert_eq!(with("Sec-Fetch-Site", "cross-site").problem(), (403, "origin".into()));
    with("Origin", "http://localhost").ok();
    // A question whether another site may ask is refused as well, and nothing says that any may.
    let asked = ask(
        server.address,
        "OPTIONS",
        "/v1/plan",
        &[("Origin", "http://evil.example")],
        "",
    );
    assert_eq!(asked.status, 403);
    assert_eq!(asked.header("Access-Control-Allow-Origin"), None);
    let old = "GET /health HTTP/1.0\r\n\r\n";
    let mut stream = client::connect(server.address);
    std::io::Write::write_all(&mut stream, old.as_bytes()).unwrap();
    assert_eq!(client::read(stream).problem(), (400, "host".into()));
}

#[test]
fn every_answer_says_what_a_browser_may_do() {
    let server = serve(|_| ());
    for answer in [server.get("/"), server.get("/v1/model"), server.get("/nothing")] {
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    }
    assert_eq!(server.get("/").header("Content-Type"), Some("text/html; charset=utf-8"));
}
