//! Datasets in other formats, by name, and as a picture.

use super::*;
use diffplan_data::{Dataset, RawDataset, ReadOptions};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/datasets")
        .join(name)
}

/// The command far from anybody's home and mirrors.
fn at_home(home: &Path, args: &str, more: &[&Path]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    command.args(args.split_whitespace()).args(more).env("HOME", home);
    for name in [
        "USERPROFILE",
        "D4RL_DATASET_DIR",
        "MINARI_DATASETS_PATH",
        "MINARI_REMOTE",
        "DIFFPLAN_D4RL_MIRRORS",
        "DIFFPLAN_MINARI_MIRRORS",
        "HF_HOME",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    ended(&mut command)
}

fn read(path: &Path) -> Dataset {
    Dataset::read(path, &ReadOptions::default()).unwrap()
}

fn collect(folder: &Path, args: &str) -> PathBuf {
    let file = folder.join("pendulum.hdf5");
    diffplan(&format!("data collect --episodes 3 --seed 5 {args} --out"), &[&file]).succeeded();
    file
}

/// The same bits of all that training sees, and the same environment.
#[track_caller]
fn are_the_same(a: &Path, b: &Path) {
    let (a, b) = (read(a), read(b));
    let bits = |values: ndarray::ArrayView2<'_, f32>| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(a.observations()), bits(b.observations()));
    assert_eq!(bits(a.actions()), bits(b.actions()));
    assert_eq!(a.rewards().mapv(f64::to_bits), b.rewards().mapv(f64::to_bits));
    assert_eq!(a.episodes(), b.episodes());
    assert_eq!(a.recorded_env(), b.recorded_env());
}

#[test]
fn there_and_back_are_the_same_bits() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for args in [
        "--env-kwargs g=1.62",
        "--next-observations --policy mixed",
        "--env-kwargs max_episode_steps=20",
    ] {
        let source = collect(folder.path(), args);
        for (via, back) in [("minari/pendulum-v0", "of-minari.hdf5"), ("data.npz", "of-npz.hdf5")] {
            let (via, back) = (at(via), at(back));
            diffplan("data convert --force", &[&source, &via]).succeeded();
            diffplan("data convert --force", &[&via, &back]).succeeded();
            are_the_same(&source, &via);
            are_the_same(&source, &back);
            let again = at("again");
            diffplan("data convert --force", &[&back, &again]).succeeded();
            are_the_same(&source, &again);
            let strings = |file: &Path| {
                let mut strings = RawDataset::read(file, &ReadOptions::default()).unwrap().metadata;
                strings.sort();
                strings
            };
            assert_eq!(strings(&source), strings(&back), "{args}");
            // What is observed after the last action is made up where it is not known, and not taken for known then.
            let after = ReadOptions {
                after_last: true,
                ..ReadOptions::default()
            };
            let raw = RawDataset::read(&back, &after).unwrap();
            let last = raw.episodes(None).unwrap()[1];
            assert_eq!(
                raw.after_last(&last).is_some(),
                args.contains("next-observations"),
                "{args}"
            );
            if args.contains("next-observations") {
                let source = RawDataset::read(&source, &after).unwrap();
                assert_eq!(source.after_last(&last), raw.after_last(&last));
            }
        }
    }
}

#[test]
fn a_folder_of_minari_is_as_minari_has_it() {
    let folder = TempDir::new().unwrap();
    let source = collect(folder.path(), "--env-kwargs g=1.62");
    let out = folder.path().join(".minari/datasets/pendulum/moon-v3");
    let report = json(&at_home(folder.path(), "data convert --json", &[&source, &out]).succeeded());
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("not known of 3 of 3 episodes: the last observation stands in its place"),
        "{notes}"
    );
    let metadata = fs::read(out.join("data/metadata.json")).unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    for (key, expected) in [
        ("dataset_id", Value::from("pendulum/moon-v3")),
        ("total_episodes", 3.into()),
        ("total_steps", 600.into()),
        ("data_format", "hdf5".into()),
        ("minari_version", "0.5.4".into()),
    ] {
        assert_eq!(metadata[key], expected, "{key}");
    }
    let inner = |key: &str| serde_json::from_str::<Value>(metadata[key].as_str().unwrap()).unwrap();
    assert_eq!(inner("env_spec")["kwargs"]["g"], 1.62);
    assert_eq!(inner("env_spec")["max_episode_steps"], 200);
    assert_eq!(inner("action_space")["high"], serde_json::json!([2.0]));
    assert_eq!(inner("observation_space")["high"], serde_json::json!([1.0, 1.0, 8.0]));
    // Its own specification survives, whatever the format in between.
    let (via, again) = (folder.path().join("via.npz"), folder.path().join("again"));
    let box_of_minari = testdata("minari-box");
    let text = diffplan("data convert", &[&box_of_minari, &via]).succeeded();
    assert!(!text.contains("stands in its place"), "{text}");
    diffplan("data convert", &[&via, &again]).succeeded();
    let of = |folder: &Path| {
        let text = fs::read(folder.join("data/metadata.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    let (before, after) = (of(&box_of_minari), of(&again));
    for key in [
        "env_spec",
        "author",
        "algorithm_name",
        "code_permalink",
        "observation_space",
        "action_space",
    ] {
        assert_eq!(before[key], after[key], "{key}");
    }
    are_the_same(&box_of_minari, &again);
}

#[test]
fn other_layouts_are_written_with_what_is_lost_of_them() {
    let folder = TempDir::new().unwrap();
    for (name, options, words) in [
        ("minari-dict", "", "become one vector of"),
        ("ogbench.npz", "", "all are 0"),
        ("robomimic.hdf5", "", ""),
        ("imitation.npz", "", ""),
        ("stable-baselines.npz", "", ""),
        ("d3rlpy-v2.h5", "", ""),
    ] {
        for ending in ["hdf5", "npz", ""] {
            let out = folder.path().join("out").with_extension(ending);
            let args = format!("data convert --force {options}");
            let text = diffplan(&args, &[&testdata(name), &out]).succeeded();
            assert!(text.contains(words), "{name}: {text}");
            are_the_same(&testdata(name), &out);
        }
    }
}

#[test]
fn rows_of_no_episode_are_left_out_and_said() {
    let folder = TempDir::new().unwrap();
    let (source, out) = (folder.path().join("cut.npz"), folder.path().join("out.hdf5"));
    let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(&source).unwrap());
    let rows = ndarray::Array2::from_shape_fn((7, 2), |(row, column)| (row + column) as f32);
    npz.add_array("observations", &rows).unwrap();
    npz.add_array("actions", &rows).unwrap();
    // Float32 would round them.
    npz.add_array(
        "rewards",
        &ndarray::Array1::from_iter((0..7).map(|row| f64::from(row) / 3.0)),
    )
    .unwrap();
    npz.add_array("terminals", &ndarray::array![0u8, 0, 1, 0, 0, 0, 0])
        .unwrap();
    npz.add_array("timeouts", &ndarray::array![0u8, 0, 0, 0, 1, 0, 0])
        .unwrap();
    npz.finish().unwrap();
    let text = diffplan("data convert", &[&source, &out]).succeeded();
    assert!(
        text.contains("2 rows after the last episode's end are left out"),
        "{text}"
    );
    let (before, after) = (read(&source), read(&out));
    assert_eq!((after.rewards().len(), after.left_out()), (5, 0));
    assert_eq!(after.rewards(), before.rewards().slice(ndarray::s![..5]));
    assert_eq!(after.episodes(), before.episodes());
}

#[test]
fn destinations_are_not_lost() {
    let folder = TempDir::new().unwrap();
    let source = collect(folder.path(), "");
    let at = |name: &str| folder.path().join(name);
    diffplan("data convert", &[&source, &at("a.npz")]).succeeded();
    diffplan("data convert", &[&source, &at("a.npz")]).failed_with(&["--force"]);
    diffplan("data convert --force", &[&source, &at("a.npz")]).succeeded();
    diffplan("data convert --force", &[&source, &source]).failed_with(&["which is read"]);
    diffplan("data convert", &[&source, &at("a.txt")]).failed_with(&["--to d4rl"]);
    diffplan("data convert --to d4rl", &[&source, &at("a.txt")]).succeeded();
    fs::create_dir(at("thesis")).unwrap();
    fs::write(at("thesis/thesis.tex"), b"").unwrap();
    diffplan("data convert --force", &[&source, &at("thesis")]).failed_with(&["thesis.tex would be lost"]);
    diffplan("data convert --force --to npz", &[&source, &at("thesis")]).failed_with(&["a folder is there"]);
    diffplan("data convert", &[&at("none.hdf5"), &at("b.npz")]).failed_with(&["none.hdf5"]);
    assert!(!at("b.npz").exists());
}

/// A server of one file by every path, as long as the process lives.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&bytes));
        }
    });
    url
}

#[test]
fn a_dataset_is_downloaded_and_then_known_by_its_name() {
    let home = TempDir::new().unwrap();
    let source = collect(home.path(), "");
    let bytes = fs::read(&source).unwrap();
    let url = serve(bytes.clone());
    at_home(home.path(), "data inspect hopper-medium-v2", &[]).failed_with(&[
        "hopper-medium-v2 is no file here",
        "diffplan data download hopper-medium-v2",
    ]);
    let get = format!("data download hopper-medium-v2 --json --mirror {url}");
    let report = json(&at_home(home.path(), &get, &[]).succeeded());
    let file = home.path().join(".d4rl/datasets/hopper_medium-v2.hdf5");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let sum: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        (&report["layout"], &report["sha256"]),
        (&"D4RL HDF5".into(), &sum.clone().into())
    );
    assert_eq!(report["next"], "diffplan data inspect hopper-medium-v2");
    let again = at_home(home.path(), "data download hopper-medium-v2", &[]).succeeded();
    assert!(
        again.contains("it is there already") && again.contains("that which was recorded"),
        "{again}"
    );
    let inspected = json(&at_home(home.path(), "data inspect --json hopper-medium-v2", &[]).succeeded());
    assert_eq!(inspected["rows"], 600);
    let out = home.path().join("run");
    let train = "train planner --dataset hopper-medium-v2 --horizon 8 --channels 8,16 --steps 1 --json --out";
    let trained = at_home(home.path(), train, &[&out]);
    assert_eq!(trained.status, Some(0), "{}", trained.stderr);
    assert!(
        fs::read_to_string(out.join("training.toml"))
            .unwrap()
            .contains("hopper-medium-v2")
    );
    let list = at_home(home.path(), "data download --list hopper-medium", &[]).succeeded();
    assert!(
        list.contains("hopper_medium-v2.hdf5") && list.contains("hopper-medium-expert-v0"),
        "{list}"
    );
    let wrong = format!("data download hopper-medium-v2 --sha256 {}", "0".repeat(64));
    at_home(home.path(), &wrong, &[]).failed_with(&["another file than expected", &sum]);
}

#[test]
fn what_cannot_be_downloaded_is_said_with_what_to_do() {
    let home = TempDir::new().unwrap();
    let page = serve(b"<!DOCTYPE html><html>log in</html>".to_vec());
    let get = format!("data download walker2d-medium-v2 --mirror http://127.0.0.1:1/a --mirror {page}");
    at_home(home.path(), &get, &[]).failed_with(&[
        "http://127.0.0.1:1/a: it cannot be fetched",
        "HTML page",
        "By hand: fetch it from http://127.0.0.1:1/a/gym_mujoco_v2/walker2d_medium-v2.hdf5",
        ".d4rl/datasets/walker2d_medium-v2.hdf5",
    ]);
    assert_eq!(fs::read_dir(home.path().join(".d4rl/datasets")).unwrap().count(), 0);
    at_home(home.path(), "data download walker2d-medum-v2", &[]).failed_with(&["near it are walker2d-medium-v2"]);
    at_home(home.path(), "data download a-v0 --mirror ftp://h", &[]).failed_with(&["a-v0"]);
    at_home(home.path(), "data download pen-human-v1 --mirror ftp://h", &[]).failed_with(&["is no mirror"]);
    let list = at_home(home.path(), "data download --list nothing-like-it", &[]);
    assert_eq!(list.status, Some(2));
}

#[test]
fn a_dataset_is_drawn() {
    let folder = TempDir::new().unwrap();
    let source = collect(folder.path(), "--policy mixed");
    for (file, name) in [(&source, "a.png"), (&testdata("minari-box"), "deep/b.png")] {
        let out = folder.path().join(name);
        let args = format!("data inspect {} --plot", file.display());
        diffplan(&args, &[&out]).succeeded();
        let decoder = png::Decoder::new(BufReader::new(fs::File::open(&out).unwrap()));
        let info = decoder.read_info().unwrap();
        assert_eq!((info.info().width, info.info().height), (1600, 1200));
    }
}
