//! Datasets against servers of our own, which break in every way that is known.

#![allow(clippy::unwrap_used)]

mod server;

use diffplan_hub::datasets::{Datasets, Downloaded, Known, Mirror, Options, Places};
use diffplan_hub::{Error, Result, Settings};
use server::{Fault, Server, sha256};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NAME: &str = "hopper-medium-v2";
const FILE: &str = "hopper_medium-v2.hdf5";
const PATH: &str = "/gym_mujoco_v2/hopper_medium-v2.hdf5";

fn steps() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

fn other() -> Vec<u8> {
    steps().iter().rev().copied().collect()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(FILE)
    }

    fn part(&self) -> PathBuf {
        self.0.path().join(format!("{FILE}.part"))
    }

    /// Names of all that is there.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn datasets(&self, mirrors: &[&str], tries: u32) -> Datasets {
        let mut settings = Settings::new(self.0.path());
        (settings.tries, settings.tries_to_reach, settings.pause) = (tries, 1, Duration::from_millis(1));
        let mirrors = mirrors.iter().map(|mirror| mirror.parse::<Mirror>().unwrap()).collect();
        Datasets::new(settings, Places::in_folder(self.0.path())).with_mirrors(mirrors)
    }

    fn get(&self, mirrors: &[&str], tries: u32) -> Result<Downloaded> {
        self.get_with(mirrors, tries, &Options::default())
    }

    fn get_with(&self, mirrors: &[&str], tries: u32, options: &Options) -> Result<Downloaded> {
        self.datasets(mirrors, tries)
            .download(&Known::of(NAME)?, options, &no_page, &|_| ())
    }
}

/// As a reader would.
fn no_page(file: &Path) -> std::result::Result<(), String> {
    match fs::read(file).unwrap().starts_with(b"<html") {
        true => Err("it is an HTML page".into()),
        false => Ok(()),
    }
}

#[test]
fn a_file_arrives_whole_with_its_checksum_and_is_then_there() {
    let (server, folder) = (Server::of(&[(PATH, steps())], Fault::None), Folder::new());
    let heard = Cell::new((0, 0));
    let known = Known::of(NAME).unwrap();
    let datasets = folder.datasets(&[&server.url], 1);
    let downloaded = datasets
        .download(&known, &Options::default(), &no_page, &|event| {
            heard.set((event.done, event.total))
        })
        .unwrap();
    assert_eq!(fs::read(&downloaded.path).unwrap(), steps());
    assert_eq!((heard.get(), downloaded.data.bytes), ((300_000, 300_000), 300_000));
    assert_eq!(downloaded.data.sha256, sha256(&steps()));
    assert_eq!(downloaded.from, Some(format!("{}{PATH}", server.url)));
    assert_eq!(folder.names(), [FILE.to_owned(), format!("{FILE}.sha256")]);
    let recorded = fs::read_to_string(folder.0.path().join(format!("{FILE}.sha256"))).unwrap();
    assert_eq!(recorded, format!("{}  {FILE}\n", sha256(&steps())));
    // Again: nothing is asked for, and the checksum is compared.
    let before = server.requests().len();
    let again = folder.get(&[&server.url], 1).unwrap();
    assert_eq!(
        (again.from, again.recorded, server.requests().len()),
        (None, false, before)
    );
    fs::write(folder.file(), b"damaged").unwrap();
    let error = folder.get(&[&server.url], 1).unwrap_err();
    assert!(
        matches!(error, Error::Damaged { .. }) && error.to_string().contains("--force"),
        "{error}"
    );
    let forced = Options {
        again: true,
        ..Options::default()
    };
    folder.get_with(&[&server.url], 1, &forced).unwrap();
    assert_eq!(fs::read(folder.file()).unwrap(), steps());
}

#[test]
fn a_download_that_was_cut_goes_on() {
    for fault in [Fault::Cut, Fault::CutWithoutEtag] {
        let (server, folder) = (Server::of(&[(PATH, steps())], fault), Folder::new());
        // One try: as if the program had been ended then.
        folder.get(&[&server.url], 1).unwrap_err();
        let had = fs::metadata(folder.part()).unwrap().len();
        assert!(had > 0 && had < 300_000, "{had}");
        assert!(!folder.file().exists());
        folder.get(&[&server.url], 1).unwrap();
        assert_eq!(fs::read(folder.file()).unwrap(), steps(), "{fault:?}");
        let last = server.requests().pop().unwrap().to_lowercase();
        assert!(
            last.contains(&format!("range: bytes={had}-")) && last.contains("if-range: "),
            "{last}"
        );
        assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
    }
}

#[test]
fn within_one_run_it_goes_on_by_itself() {
    let (server, folder) = (Server::of(&[(PATH, steps())], Fault::CutEveryTime), Folder::new());
    folder.get(&[&server.url], 3).unwrap();
    assert_eq!(fs::read(folder.file()).unwrap(), steps());
    assert_eq!(server.sent(), 300_000, "no byte is sent twice");
}

#[test]
fn what_cannot_go_on_begins_again() {
    for (fault, expected) in [
        // Parts are not known there.
        (Fault::CutThenNoRange, steps()),
        // Nothing says that it is still the same file.
        (Fault::CutWithoutAnything, steps()),
        // It is another file by now, which the server says...
        (Fault::CutThenOther, other()),
        // ... or does not know better than to send the rest of.
        (Fault::CutThenShorter, other()[..1000].to_vec()),
    ] {
        let (server, folder) = (Server::of(&[(PATH, steps())], fault), Folder::new());
        folder.get(&[&server.url], 1).unwrap_err();
        folder.get(&[&server.url], 2).unwrap();
        assert_eq!(fs::read(folder.file()).unwrap(), expected, "{fault:?}");
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_nothing_stays() {
    let (server, folder) = (Server::of(&[(PATH, steps())], Fault::None), Folder::new());
    let asked = |sha256: String| Options {
        sha256: Some(sha256),
        again: false,
    };
    let error = folder
        .get_with(&[&server.url], 1, &asked("0".repeat(64)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("arrived damaged") && error.contains(&sha256(&steps())),
        "{error}"
    );
    assert_eq!(folder.names(), [""; 0]);
    folder.get_with(&[&server.url], 1, &asked(sha256(&steps()))).unwrap();
    let error = folder.get_with(&[&server.url], 1, &asked("0".repeat(64))).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_wrong_size_is_refused() {
    let (server, folder) = (Server::of(&[(PATH, steps())], Fault::AnnouncesMore), Folder::new());
    let error = folder.get(&[&server.url], 1).unwrap_err().to_string();
    assert!(error.contains("stopped after 300000 bytes"), "{error}");
    assert!(!folder.file().exists());
}

#[test]
fn mirrors_are_asked_in_their_order_and_by_either_name() {
    let none = Server::of(&[], Fault::None);
    let page = Server::of(&[(PATH, b"<html>log in</html>".to_vec())], Fault::None);
    let flat = Server::of(&[("/files/hopper_medium-v2.hdf5", steps())], Fault::None);
    let gone = "http://127.0.0.1:1/x";
    let folder = Folder::new();
    let base = format!("{}/files", flat.url);
    let downloaded = folder.get(&[gone, &none.url, &page.url, &base], 1).unwrap();
    assert_eq!(downloaded.from, Some(format!("{base}/{FILE}")));
    let reasons: Vec<&str> = downloaded.failed.iter().map(|(_, reason)| reason.as_str()).collect();
    for (reason, words) in reasons
        .iter()
        .zip(["cannot be fetched", "answered 404", "is an HTML page"])
    {
        assert!(reason.contains(words), "{reasons:?}");
    }
    assert_eq!(fs::read(folder.file()).unwrap(), steps());
    assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
}

#[test]
fn without_a_network_it_is_said_at_once_what_to_do() {
    let (folder, started) = (Folder::new(), Instant::now());
    let error = folder
        .get(&["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"], 5)
        .unwrap_err();
    let text = error.to_string();
    for words in [
        "http://127.0.0.1:1/a: ",
        "http://127.0.0.1:1/b: ",
        "By hand: ",
        &format!("http://127.0.0.1:1/b{PATH}"),
        folder.file().to_str().unwrap(),
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let mut settings = Settings::new(folder.0.path());
    settings.offline = true;
    let offline = Datasets::new(settings, Places::in_folder(folder.0.path()));
    let known = Known::of("D4RL/door/human-v2").unwrap();
    let error = offline
        .download(&known, &Options::default(), &no_page, &|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("HF_HUB_OFFLINE") && error.contains("datasets/farama-minari/D4RL"),
        "{error}"
    );
}

#[test]
fn a_dataset_of_minari_comes_from_the_hub_or_from_files() {
    let about = br#"{"data_format": "hdf5", "total_episodes": 1}"#.to_vec();
    let known = Known::of("D4RL/door/human-v2").unwrap();
    let server = Server::hub(
        "farama-minari/D4RL",
        &[
            ("README.md", b"no".to_vec()),
            ("namespace_metadata.json", b"{}".to_vec()),
            ("door/human-v2/data/metadata.json", about.clone()),
            ("door/human-v2/data/main_data.hdf5", steps()),
            ("door/expert-v2/data/main_data.hdf5", other()),
        ],
    );
    let folder = Folder::new();
    let mut settings = Settings::new(folder.0.path());
    settings.endpoint = server.url.clone();
    (settings.tries, settings.pause) = (1, Duration::from_millis(1));
    let datasets = Datasets::new(settings, Places::in_folder(folder.0.path()))
        .with_mirrors(vec!["hf://farama-minari".parse().unwrap()]);
    let get = || datasets.download(&known, &Options::default(), &no_page, &|_| ());
    let downloaded = get().unwrap();
    assert_eq!(downloaded.path, folder.0.path().join("D4RL/door/human-v2"));
    assert_eq!(fs::read(downloaded.path.join("data/main_data.hdf5")).unwrap(), steps());
    assert_eq!(fs::read(downloaded.path.join("data/metadata.json")).unwrap(), about);
    assert!(folder.0.path().join("D4RL/namespace_metadata.json").is_file());
    assert!(!folder.0.path().join("D4RL/door/expert-v2").exists());
    assert_eq!(get().unwrap().from, None);

    let files = |about: &[u8]| {
        Server::of(
            &[
                ("/m/D4RL/door/human-v2/data/metadata.json", about.to_vec()),
                ("/m/D4RL/door/human-v2/data/main_data.hdf5", steps()),
            ],
            Fault::None,
        )
    };
    let (server, folder) = (files(&about), Folder::new());
    let base = format!("{}/m", server.url);
    let get = |folder: &Folder, base: &str| {
        folder
            .datasets(&[base], 1)
            .download(&known, &Options::default(), &no_page, &|_| ())
    };
    let downloaded = get(&folder, &base).unwrap();
    assert_eq!(fs::read(downloaded.data.path).unwrap(), steps());
    // What cannot be read is not downloaded.
    let (server, folder) = (files(br#"{"data_format": "arrow"}"#), Folder::new());
    let error = get(&folder, &format!("{}/m", server.url)).unwrap_err().to_string();
    assert!(error.contains("data format is \"arrow\""), "{error}");
    assert!(!server.requests().iter().any(|request| request.contains("main_data")));
}

#[test]
fn a_damaged_file_of_the_hub_is_refused_and_an_unknown_name_has_neighbours() {
    let about = br#"{"data_format": "hdf5"}"#.to_vec();
    let server = Server::hub(
        "me/D4RL",
        &[
            ("door/human-v2/data/metadata.json", about),
            ("door/human-v2/data/main_data.hdf5", steps()),
        ],
    )
    .damaging("main_data.hdf5");
    let folder = Folder::new();
    let mut settings = Settings::new(folder.0.path());
    settings.endpoint = server.url.clone();
    (settings.tries, settings.pause) = (1, Duration::from_millis(1));
    let datasets =
        Datasets::new(settings, Places::in_folder(folder.0.path())).with_mirrors(vec!["hf://me".parse().unwrap()]);
    let get = |name: &str| {
        let known = Known::of(name).unwrap();
        datasets
            .download(&known, &Options::default(), &no_page, &|_| ())
            .unwrap_err()
            .to_string()
    };
    let error = get("D4RL/door/human-v2");
    assert!(error.contains("arrived damaged"), "{error}");
    let error = get("D4RL/door/humam-v2");
    assert!(error.contains("near it are D4RL/door/human-v2"), "{error}");
    assert!(!folder.0.path().join("D4RL/door/human-v2/data/main_data.hdf5").exists());
}
