//! Packed files beside what they were packed from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, Axis};

use super::*;
use crate::read::DatasetReader;
use crate::{
    D4rlFile, Dataset, DiscountedReturns, EpisodeSet, Error, Keys, NormalizerKind, Normalizers, RawDataset,
    ReadOptions, RewardRule, Selection, SequenceDataset, SequenceOptions, Transitions, content_hash,
};

struct Silent;

impl PackProgress for Silent {
    fn begin(&mut self, _: u64, _: u64) {}
    fn rows(&mut self, _: u64) {}
    fn again(&mut self, _: u64) {}
}

fn packed(files: &[PathBuf], out: &Path, options: &PackOptions) -> Result<Packed, Error> {
    let report = pack(files, out, options, &mut Silent)?;
    let packed = Packed::open(out)?;
    assert_eq!(report.bytes, fs::metadata(out).unwrap().len());
    assert_eq!((report.rows, report.episodes), (packed.rows(), packed.episodes().len()));
    Ok(packed)
}

fn read_with(read: ReadOptions) -> PackOptions {
    PackOptions {
        read,
        ..PackOptions::default()
    }
}

type Content = (Vec<u32>, Vec<u64>, Vec<crate::EpisodeRange>);

/// All bits.
fn content(data: &dyn Transitions) -> Content {
    let (mut rows, mut rewards) = (vec![0.0; data.rows() * data.transition_dim()], vec![0.0; data.rows()]);
    data.read_rows(0..data.rows(), &mut rows).unwrap();
    data.read_rewards(0..data.rows(), &mut rewards).unwrap();
    (
        rows.iter().map(|x| x.to_bits()).collect(),
        rewards.iter().map(|x| x.to_bits()).collect(),
        data.episodes().to_vec(),
    )
}

/// A file of episodes of these lengths and three rows of none; every third ends in a terminal state.
fn file(folder: &Path, name: &str, lengths: &[usize], seed: u32) -> PathBuf {
    let rows = lengths.iter().sum::<usize>() + 3;
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let observations = Array2::from_shape_simple_fn((rows, 3), &mut next);
    let actions = Array2::from_shape_simple_fn((rows, 2), &mut next);
    let rewards = Array1::from_shape_simple_fn(rows, &mut next);
    let (mut terminals, mut timeouts) = (vec![false; rows], vec![false; rows]);
    let mut end = 0;
    for (i, length) in lengths.iter().enumerate() {
        end += length;
        (if i % 3 == 2 { &mut terminals } else { &mut timeouts })[end - 1] = true;
    }
    let path = folder.join(name);
    D4rlFile {
        observations: observations.view(),
        actions: actions.view(),
        rewards: rewards.view(),
        terminals: &terminals,
        timeouts: &timeouts,
        next_observations: None,
        metadata: &[("env_id", "Here-v0"), ("env_kwargs", r#"{"g": 1.5}"#), ("note", "made")],
    }
    .write(&path)
    .unwrap();
    path
}

const LENGTHS: [usize; 9] = [7, 1, 12, 5, 30, 2, 9, 4, 6];

#[derive(serde::Deserialize)]
struct Layout {
    #[serde(default)]
    keys: String,
    rewards: Option<RewardRule>,
}

/// Every layout of `testdata/datasets`, in many blocks, is what it is in memory.
#[test]
fn every_layout_is_packed_as_it_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/datasets");
    let text = fs::read_to_string(folder.join("expected.json")).unwrap();
    let mut all: Map<String, Value> = serde_json::from_str(&text).unwrap();
    all.retain(|name, _| !name.starts_with("versions"));
    let out = tempfile::tempdir().unwrap();
    let all: BTreeMap<String, Layout> = all
        .into_iter()
        .map(|(name, layout)| (name, serde_json::from_value(layout).unwrap()))
        .collect();
    let (mut done, mut many) = (0, 0);
    for (name, layout) in all {
        let options = ReadOptions {
            keys: match layout.keys.is_empty() {
                true => Keys::default(),
                false => layout.keys.parse().unwrap(),
            },
            rewards: layout.rewards,
            ..ReadOptions::default()
        };
        let path = folder.join(&name);
        if ["lerobot", "imitation-own"].iter().any(|start| name.starts_with(start)) && cfg!(not(feature = "parquet")) {
            continue;
        }
        let raw = RawDataset::read(&path, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (facts, episodes) = (raw.facts(), raw.episodes(None).unwrap());
        let (observations, actions) = (raw.observations.clone(), raw.actions.clone());
        let (rewards, env) = (raw.rewards.clone(), raw.recorded_env.clone());
        let dataset = EpisodeSet::new(Arc::new(raw.into_dataset(None).unwrap()));

        let file = out.path().join(format!("{}.pack", name.replace('/', "-")));
        let own = packed(std::slice::from_ref(&path), &file, &read_with(options.clone())).unwrap();
        assert_eq!(content(&own), content(&dataset), "{name}");
        assert_eq!(own.recorded_env(), env.as_ref(), "{name}");
        assert_eq!(own.known().unwrap().hash, content_hash(&dataset).unwrap(), "{name}");
        let back = RawDataset::read(&file, &ReadOptions::default()).unwrap();
        let back = EpisodeSet::new(Arc::new(back.into_dataset(None).unwrap()));
        assert_eq!(content(&back), content(&dataset), "{name}, read whole");

        // In blocks it says what it says in memory, rows of no episode too.
        let mut reader = DatasetReader::open(&path, &options).unwrap();
        let lengths = |episodes: &[crate::EpisodeRange]| -> Vec<usize> { episodes.iter().map(|e| e.end).collect() };
        assert_eq!(lengths(&reader.look(None).unwrap()), lengths(&episodes), "{name}");
        let (mut rows, mut blocks) = (0, 0);
        let found = reader
            .each(None, &mut |block| {
                assert_eq!(block.first_row, rows);
                let part = rows..rows + block.rewards.len();
                assert_eq!(block.observations, observations.slice(ndarray::s![part.clone(), ..]));
                assert_eq!(block.actions, actions.slice(ndarray::s![part.clone(), ..]));
                assert_eq!(block.rewards, rewards.slice(ndarray::s![part.clone()]));
                (rows, blocks) = (part.end, blocks + 1);
                Ok(())
            })
            .unwrap();
        assert_eq!(rows, observations.nrows(), "{name}");
        many += usize::from(blocks > 1);
        assert_eq!(found.episodes.unwrap(), episodes, "{name}");
        assert_eq!(format!("{:?}", found.facts), format!("{facts:?}"), "{name}");
        done += 1;
    }
    assert!(done > 10 && many > 8, "{done}, {many}");
}

#[test]
fn several_are_joined_and_some_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        file(folder.path(), "a.hdf5", &LENGTHS, 1),
        file(folder.path(), "b.hdf5", &[3, 8, 5, 2], 2),
    ];
    for (number, selection) in [
        Selection::default(),
        Selection {
            first: Some(3),
            ..Selection::default()
        },
        Selection {
            share: Some(0.6),
            ..Selection::default()
        },
    ]
    .into_iter()
    .enumerate()
    {
        let options = PackOptions {
            selection,
            ..PackOptions::default()
        };
        let out = folder.path().join(format!("{number}.pack"));
        let own = packed(&files, &out, &options).unwrap();
        let parts = files.clone().map(|file| {
            let dataset = Dataset::read(&file, &ReadOptions::default()).unwrap();
            (file, EpisodeSet::new(Arc::new(dataset)).selected(selection).unwrap())
        });
        let joined = EpisodeSet::join(parts).unwrap();
        assert_eq!(content(&own), content(&joined));
        assert_eq!(own.packed_from().len(), 2);
        // Packed files can be packed again.
        let again = packed(
            &[out.clone(), out],
            &folder.path().join("again.pack"),
            &PackOptions::default(),
        )
        .unwrap();
        assert_eq!(again.rows(), 2 * own.rows());
    }
    let out = folder.path().join("all.pack");
    let own = packed(&files[..1], &out, &PackOptions::default()).unwrap();
    let env = own.recorded_env().unwrap();
    assert_eq!((env.id.as_str(), env.kwargs["g"].as_f64()), ("Here-v0", Some(1.5)));
    let from = &own.packed_from()[0];
    assert_eq!((from.rows, from.episodes, from.left_out), (76, 9, 3));
    let raw = RawDataset::read(&out, &ReadOptions::default()).unwrap();
    assert!(raw.metadata.contains(&("note".into(), "made".into())));
    assert_eq!(
        raw.packed_notes,
        ["3 rows after the last episode's end (from row 76 on) belong to no finished episode, and are left out"]
    );
    // What rows are is said when they are packed.
    let told = ReadOptions {
        rewards: Some(RewardRule::Zeros),
        ..ReadOptions::default()
    };
    assert!(RawDataset::read(&out, &told).is_err());
    let zeros = packed(&files[..1], &folder.path().join("zeros.pack"), &read_with(told)).unwrap();
    assert!(content(&zeros).1.iter().all(|bits| *bits == 0));
}

/// Windows, returns, statistics: the bits of those in memory, of all episodes and of some, on one thread or on several.
#[test]
fn what_training_takes_has_the_bits_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.hdf5", &LENGTHS, 3);
    let own = Arc::new(
        packed(
            std::slice::from_ref(&path),
            &folder.path().join("a.pack"),
            &PackOptions::default(),
        )
        .unwrap(),
    );
    let memory = Arc::new(Dataset::read(&path, &ReadOptions::default()).unwrap());
    let none = Selection::default();
    for selection in [
        none,
        Selection {
            first: Some(6),
            share: Some(0.7),
            best: None,
        },
        Selection {
            best: Some(0.5),
            ..none
        },
    ] {
        let of = |data: Arc<dyn Transitions>| -> Arc<dyn Transitions> {
            Arc::new(EpisodeSet::new(data).selected(selection).unwrap())
        };
        let (there, here) = (of(own.clone()), of(memory.clone()));
        assert!(!there.in_memory() && here.in_memory());
        assert_eq!(there.known().is_some(), selection == none);
        assert_eq!(content(&*there), content(&*here));
        assert_eq!(content_hash(&*there).unwrap(), content_hash(&*here).unwrap());
        for kind in NormalizerKind::ALL {
            let normalizers = Normalizers::of_transitions(kind, &*here).unwrap();
            assert_eq!(
                Normalizers::of_transitions(kind, &*there).unwrap(),
                normalizers,
                "{kind}"
            );
            // As of arrays.
            let rows = content(&*here).0;
            let rows =
                Array2::from_shape_vec((here.rows(), 5), rows.into_iter().map(f32::from_bits).collect()).unwrap();
            let (actions, observations) = rows.view().split_at(Axis(1), 2);
            assert_eq!(
                Normalizers::fit(kind, observations, actions).unwrap(),
                normalizers,
                "{kind}"
            );

            for options in [
                SequenceOptions::new(4),
                SequenceOptions {
                    horizon: 6,
                    max_path_length: 40,
                    use_padding: false,
                },
            ] {
                let (packed, memory) = (
                    SequenceDataset::on_demand(&there, &normalizers, &options).unwrap(),
                    SequenceDataset::on_demand(&here, &normalizers, &options).unwrap(),
                );
                assert_eq!(packed.len(), memory.len());
                let windows = |sequences: &SequenceDataset, from: usize, step: usize| {
                    let mut all = Array3::zeros((sequences.len(), options.horizon, 5));
                    for (index, place) in all.axis_iter_mut(Axis(0)).enumerate().skip(from).step_by(step) {
                        sequences.copy_into(index, place).unwrap();
                    }
                    all
                };
                let expected = windows(&memory, 0, 1);
                assert_eq!(windows(&packed, 0, 1), expected);
                let parts: Vec<Array3<f32>> = std::thread::scope(|scope| {
                    let started: Vec<_> = (0..3)
                        .map(|at| {
                            scope.spawn({
                                let windows = &windows;
                                let packed = &packed;
                                move || windows(packed, at, 3)
                            })
                        })
                        .collect();
                    started.into_iter().map(|thread| thread.join().unwrap()).collect()
                });
                assert_eq!(&parts[0] + &parts[1] + &parts[2], &expected + 0.0);

                let returns = |data: &Arc<dyn Transitions>| DiscountedReturns::on_demand(data, 0.97, -100.0).unwrap();
                let (returns_there, returns_here) = (returns(&there), returns(&here));
                for row in 0..=here.rows() {
                    let (a, b) = (
                        returns_there.from_row(row).unwrap(),
                        returns_here.from_row(row).unwrap(),
                    );
                    assert_eq!(a.to_bits(), b.to_bits(), "row {row}");
                }
                assert_eq!(
                    returns_there.limits(&packed).unwrap(),
                    returns_here.limits(&memory).unwrap()
                );
            }
        }
    }
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.hdf5", &[4, 3, 5], 4);
    let out = folder.path().join("a.pack");
    packed(&[path], &out, &PackOptions::default()).unwrap();
    let whole = fs::read(&out).unwrap();
    let open = |bytes: &[u8]| Packed::from_bytes(bytes, "x.pack");
    open(&whole).unwrap();
    for length in 0..whole.len() {
        let error = open(&whole[..length]).unwrap_err().to_string();
        assert!(error.starts_with("x.pack: packed dataset: "), "{length}: {error}");
        let read = RawDataset::from_bytes(&whole[..length], "x.pack", &ReadOptions::default());
        assert!(read.is_err(), "{length}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    let error = open(&longer).unwrap_err().to_string();
    assert!(error.ends_with("it is cut off, or was changed"), "{error}");
    // Steps and rewards have no checksum: what is changed there is another number, or none.
    let steps = HEAD as usize..HEAD as usize + 12 * 5 * 4 + 12 * 8;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            match open(&flipped) {
                Ok(_) => assert!(steps.contains(&at), "byte {at}, bit {bit}"),
                Err(_) => assert!(!steps.contains(&at), "byte {at}, bit {bit}"),
            }
            if steps.contains(&at) {
                let raw = RawDataset::from_bytes(flipped, "x.pack", &ReadOptions::default()).unwrap();
                let _ = raw.into_dataset(None);
            }
        }
    }
    let mut newer = whole.clone();
    newer[8] = 2;
    let error = open(&newer).unwrap_err().to_string();
    assert!(
        error.contains("of version 2, and this program reads version 1"),
        "{error}"
    );
    // Sums that are right about what is not.
    let head = Head::of(whole[..HEAD as usize].as_array().unwrap()).unwrap();
    for (rows, episodes) in [
        (u64::MAX, 3),
        (12, u64::MAX),
        (u64::MAX / 40, 3),
        (0, 3),
        (12, 0),
        (13, 3),
    ] {
        let mut bytes = whole.clone();
        bytes[..HEAD as usize].copy_from_slice(&Head { rows, episodes, ..head }.to_bytes());
        assert!(open(&bytes).is_err(), "{rows} {episodes}");
    }
    // An infinity among the steps is found by who looks for statistics.
    let mut infinite = whole.clone();
    infinite[HEAD as usize + 20..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let set = EpisodeSet::new(Arc::new(open(&infinite).unwrap())).selected(Selection {
        first: Some(2),
        ..Selection::default()
    });
    let error = Normalizers::of_transitions(NormalizerKind::Limits, &set.unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "actions: row 1, column 0 of the dataset is inf, expected a finite number"
    );
    // A file that gets shorter while it is open.
    let open = Packed::open(&out).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&out)
        .unwrap()
        .set_len(100)
        .unwrap();
    let error = open.read_rows(5..6, &mut [0.0; 5]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read "), "{error}");
}

#[test]
fn what_cannot_be_trained_on_is_not_packed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.pack");
    let refused = |files: &[PathBuf], options: &PackOptions| {
        let error = pack(files, &out, options, &mut Silent).unwrap_err().to_string();
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter().all(|name| !name.to_string_lossy().starts_with('.')),
            "{left:?}"
        );
        assert!(!out.exists());
        error
    };
    let good = file(folder.path(), "a.hdf5", &[4, 3, 5], 5);
    let numbers = |value: f32| {
        let mut observations = Array2::<f32>::zeros((8, 3));
        observations[(6, 1)] = value;
        let path = folder.path().join("nan.hdf5");
        let (actions, rewards) = (Array2::zeros((8, 2)), Array1::zeros(8));
        let mut terminals = vec![false; 8];
        terminals[7] = true;
        let file = D4rlFile {
            observations: observations.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            terminals: &terminals,
            timeouts: &[false; 8],
            next_observations: None,
            metadata: &[],
        };
        file.write(&path).unwrap();
        path
    };
    let error = refused(&[good.clone(), numbers(f32::NAN)], &PackOptions::default());
    assert!(
        error.ends_with("nan.hdf5: observations: row 6, column 1 of the dataset is NaN, expected a finite number"),
        "{error}"
    );
    let other = folder.path().join("other.hdf5");
    fs::copy(numbers(0.0), &other).unwrap();
    let limit = read_with(ReadOptions {
        keys: "observations=actions".parse().unwrap(),
        ..ReadOptions::default()
    });
    let narrow = folder.path().join("narrow.pack");
    pack(&[other], &narrow, &limit, &mut Silent).unwrap();
    let error = refused(&[good.clone(), narrow], &PackOptions::default());
    assert!(error.contains("observations have 2 dimensions, but 3 in"), "{error}");
    let share = PackOptions {
        selection: Selection {
            share: Some(2.0),
            ..Selection::default()
        },
        ..PackOptions::default()
    };
    assert!(refused(&[good], &share).starts_with("episodes = 2"));
    assert!(refused(&[], &PackOptions::default()).contains("empty"));
}
