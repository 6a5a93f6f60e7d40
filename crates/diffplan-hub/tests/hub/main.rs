//! Against a server of our own that speaks the Hub's protocol, and breaks it in every way that is known.

#![allow(clippy::unwrap_used)]

mod server;

use diffplan_hub::{Error, Fetched, Hub, Part, RepoName, Result, Settings, Token};
use server::{COMMIT, Fault, Server, WEIGHTS, weights};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// With this cache, as somebody with a token.
fn settings(server: &Server, cache: &Path) -> Settings {
    let mut settings = Settings::new(cache);
    settings.endpoint = server.endpoint.clone();
    settings.token = Token::new("hf_secret").unwrap();
    (settings.tries, settings.pause) = (3, Duration::from_millis(1));
    settings
}

fn fetch(settings: Settings, name: &str) -> Result<Fetched> {
    Hub::new(settings).fetch(&name.parse::<RepoName>()?, &Part::default(), &|_| ())
}

/// What a download comes to where the server has this fault.
fn with(fault: Fault) -> (Server, tempfile::TempDir, Result<Fetched>) {
    let (server, cache) = (Server::start(fault), tempfile::tempdir().unwrap());
    let fetched = fetch(settings(&server, cache.path()), "me/pendulum");
    (server, cache, fetched)
}

#[test]
fn the_cache_is_as_huggingface_hub_has_it() {
    let (server, temporary) = (Server::start(Fault::None), tempfile::tempdir().unwrap());
    // Kept where `.ci/hub` asks for it, to be looked at by huggingface_hub itself.
    let kept = std::env::var_os("HUB_KEEP").map(std::path::PathBuf::from);
    let cache = kept.as_deref().unwrap_or(temporary.path());
    let fetched = fetch(settings(&server, cache), "me/pendulum").unwrap();
    let root = cache.join("models--me--pendulum");
    assert_eq!(fetched.folder, root.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(root.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(fs::read(fetched.folder.join(WEIGHTS)).unwrap(), weights());
    assert!(!fetched.folder.join("README.md").exists());
    #[cfg(unix)]
    {
        let link = fs::read_link(fetched.folder.join(WEIGHTS)).unwrap();
        assert_eq!(link.parent().unwrap(), Path::new("../../../blobs"));
    }
    // Again: from the cache, but for the list.
    let before = server.requests().len();
    fetch(settings(&server, cache), "me/pendulum").unwrap();
    assert_eq!(server.requests().len(), before + 1);
    // And offline.
    let mut offline = settings(&server, cache);
    offline.offline = true;
    assert_eq!(fetch(offline, "me/pendulum").unwrap().commit, COMMIT);
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn the_token_stays_with_the_endpoint() {
    let (server, _cache, fetched) = with(Fault::None);
    fetched.unwrap();
    let requests = server.requests();
    let (own, others): (Vec<_>, Vec<_>) = requests.iter().partition(|request| !request.starts_with("GET /lfs/"));
    assert!(own.iter().all(|request| request.contains("Bearer hf_secret")));
    assert!(
        !others.is_empty() && others.iter().all(|request| !request.contains("secret")),
        "{others:?}"
    );
}

#[test]
fn what_breaks_off_goes_on_and_what_fails_is_tried_again() {
    for fault in [Fault::Drops, Fault::NoRange, Fault::Fails(2), Fault::WrongOnce] {
        let (server, _cache, fetched) = with(fault);
        let folder = fetched.unwrap_or_else(|error| panic!("{fault:?}: {error}")).folder;
        assert_eq!(fs::read(folder.join(WEIGHTS)).unwrap(), weights(), "{fault:?}");
        let resumed = server
            .requests()
            .iter()
            .any(|request| request.to_lowercase().contains("range: bytes="));
        assert_eq!(resumed, matches!(fault, Fault::Drops | Fault::NoRange), "{fault:?}");
    }
}

#[test]
fn each_refusal_says_what_to_do() {
    for (fault, words) in [
        (Fault::Status(401, "GatedRepo"), "has to be granted"),
        (Fault::Status(403, ""), "has to be granted"),
        (Fault::Status(401, "RepoNotFound"), "there is no repository me/pendulum"),
        (Fault::Status(401, ""), "refused the token"),
        (Fault::Status(404, "RepoNotFound"), "or it is private"),
        (Fault::Status(404, "RevisionNotFound"), "has no revision \"main\""),
        (Fault::Status(418, ""), "answered 418"),
        (Fault::Fails(1000), "it answered 503"),
        (Fault::Wrong, "arrived damaged"),
        (Fault::Outside, "outside of its folder"),
    ] {
        let (_server, cache, fetched) = with(fault);
        let error = fetched.expect_err(words);
        let text = format!("{error} {error:?}");
        assert!(text.contains(words) && !text.contains("secret"), "{fault:?}: {text}");
        assert!(!cache.path().join("models--me--pendulum/refs").exists(), "{fault:?}");
    }
}

#[test]
fn without_a_network_the_cache_is_taken_with_a_note() {
    let (server, cache, fetched) = with(Fault::None);
    fetched.unwrap();
    let mut gone = settings(&server, cache.path());
    gone.endpoint = "http://127.0.0.1:1".into();
    let fetched = fetch(gone.clone(), "me/pendulum").unwrap();
    assert!(fetched.notes[0].contains("cannot be reached"), "{:?}", fetched.notes);
    assert!(matches!(fetch(gone.clone(), "me/other"), Err(Error::Network { .. })));
    gone.offline = true;
    let error = fetch(gone, "me/other").unwrap_err().to_string();
    assert!(error.contains("not in the cache"), "{error}");
}

#[test]
fn two_at_a_time_do_not_disturb_each_other() {
    let (server, cache) = (Server::start(Fault::Drops), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(settings(&server, cache.path()), "me/pendulum").unwrap());
        }
    });
    let path = cache
        .path()
        .join("models--me--pendulum/snapshots")
        .join(COMMIT)
        .join(WEIGHTS);
    assert_eq!(fs::read(path).unwrap(), weights());
}
