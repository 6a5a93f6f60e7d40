use super::*;
use crate::{Dataset, EpisodeEnds, NormalizerKind, Normalizers, ReadOptions, SequenceDataset, SequenceOptions};
use ndarray::{Array1, Array2};

/// Ten episodes of ten rows, ramps in two dimensions.
struct Sample {
    observations: Array2<f32>,
    rewards: Array1<f64>,
    terminals: Vec<bool>,
    timeouts: Option<Vec<bool>>,
    limit: Option<usize>,
}

const ROWS: usize = 100;

impl Sample {
    fn new() -> Self {
        Self {
            observations: Array2::from_shape_fn((ROWS, 2), |(row, column)| (row % 10 + column) as f32 - 5.0),
            rewards: Array1::from_iter((0..ROWS).map(|row| (row % 7) as f64)),
            terminals: vec![false; ROWS],
            timeouts: Some((0..ROWS).map(|row| row % 10 == 9).collect()),
            limit: None,
        }
    }

    fn raw(&self) -> RawDataset {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut npz = ndarray_npy::NpzWriter::new(&mut bytes);
        let actions = Array2::from_shape_fn((ROWS, 1), |(row, _)| (row as f32).sin());
        npz.add_array("observations", &self.observations).unwrap();
        npz.add_array("actions", &actions).unwrap();
        npz.add_array("rewards", &self.rewards).unwrap();
        npz.add_array("terminals", &Array1::from_vec(self.terminals.clone()))
            .unwrap();
        if let Some(timeouts) = &self.timeouts {
            npz.add_array("timeouts", &Array1::from_vec(timeouts.clone())).unwrap();
        }
        npz.finish().unwrap();
        RawDataset::from_bytes(bytes.into_inner(), "a.npz", &ReadOptions::default()).unwrap()
    }

    fn of_file(&self, env: Option<&EnvFacts>) -> Vec<Finding> {
        let raw = self.raw();
        let episodes = raw.episodes(self.limit).unwrap();
        of_file(&raw, &episodes, self.limit, env)
    }

    fn of_training(&self, options: &SequenceOptions, penalty: Option<f64>) -> Vec<Finding> {
        let ends = EpisodeEnds {
            terminals: Some(&self.terminals),
            timeouts: self.timeouts.as_deref(),
            max_episode_steps: self.limit,
        };
        let actions = Array2::from_shape_fn((ROWS, 1), |(row, _)| (row as f32).sin());
        let dataset = Dataset::new(self.observations.clone(), actions, self.rewards.clone(), ends).unwrap();
        let normalizers =
            Normalizers::fit(NormalizerKind::Gaussian, dataset.observations(), dataset.actions()).unwrap();
        let sequences = SequenceDataset::new(&dataset, &normalizers, options).unwrap();
        let padding = Padding {
            normalizers: &normalizers,
            sequences: Some(&sequences),
        };
        of_training(&dataset, Some(&padding), penalty, None).unwrap()
    }
}

fn changed(change: impl FnOnce(&mut Sample)) -> Sample {
    let mut sample = Sample::new();
    change(&mut sample);
    sample
}

#[track_caller]
fn one(findings: &[Finding], words: &[&str]) {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(words.iter().all(|word| texts[0].contains(word)), "{texts:?}");
    assert!(!texts[0].contains('\n'));
}

#[test]
fn a_plain_file_has_no_finding() {
    assert_eq!(Sample::new().of_file(None), []);
    assert_eq!(Sample::new().of_training(&SequenceOptions::new(4), Some(-100.0)), []);
}

#[test]
fn a_limit_is_used_or_said_not_to_be() {
    let limit = |limit| changed(|sample| sample.limit = Some(limit));
    one(
        &limit(5).of_file(None),
        &[
            "--max-episode-steps 5 is not used",
            "10 rows",
            "10 episodes are longer, up to 10",
        ],
    );
    assert_eq!(limit(10).of_file(None), []);
    let silent = changed(|sample| (sample.timeouts, sample.limit) = (None, Some(10)));
    assert_eq!(silent.of_file(None), []);
}

#[test]
fn joined_episodes_are_said_with_the_environments_limit() {
    let joined = changed(|sample| {
        sample.timeouts = None;
        sample.terminals[59] = true;
        sample.terminals[ROWS - 1] = true;
    });
    one(
        &joined.of_file(None),
        &["no timeouts", "the longest has 60 steps", "--max-episode-steps"],
    );
    let env = EnvFacts {
        max_episode_steps: Some(60),
        ..EnvFacts::default()
    };
    one(
        &joined.of_file(Some(&env)),
        &["--max-episode-steps 60, as the environment has it"],
    );
}

#[test]
fn what_was_left_out_is_counted() {
    let sample = Sample::new();
    let mut raw = sample.raw();
    (raw.empty_episodes, raw.short_episodes) = (2, 1);
    raw.notes.push(FileNote::NotClosed);
    let episodes = raw.episodes(None).unwrap();
    let texts: Vec<String> = of_file(&raw, &episodes[..9], None, None)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(texts[0].contains("not closed"), "{texts:?}");
    assert_eq!(texts[1], "2 episodes of no step are left out");
    assert_eq!(texts[2], "1 episodes have no observation after their last action");
    assert!(
        texts[3].starts_with("10 rows after the last episode's end (from row 90 on)"),
        "{texts:?}"
    );
}

/// A mean of 1e7 standard deviations: the planner's loss is 1e14 where a row is padded.
#[test]
fn padding_far_from_all_data_is_said() {
    let far = changed(|sample| {
        let column = Array1::from_iter((0..ROWS).map(|row| 10.0 + 0.01 * (row as f32 * 1.3).sin()));
        sample.observations.column_mut(1).assign(&column);
    });
    one(
        &far.of_training(&SequenceOptions::new(4), None),
        &["observation 1 at -14", "--use-padding=false", "--normalizer cdf"],
    );
    let unpadded = SequenceOptions {
        use_padding: false,
        ..SequenceOptions::new(4)
    };
    assert_eq!(far.of_training(&unpadded, None), []);
}

#[test]
fn a_large_share_of_padded_windows_is_said() {
    one(
        &Sample::new().of_training(&SequenceOptions::new(8), None),
        &["60 of 90 windows", "--horizon below 8", "--use-padding=false"],
    );
}

#[test]
fn a_penalty_on_goals_is_said() {
    let options = SequenceOptions::new(2);
    let goals = |reward: f64, other: f64| {
        changed(|sample| {
            sample.rewards.fill(other);
            for end in (9..ROWS).step_by(10) {
                sample.terminals[end] = true;
                sample.rewards[end] = reward;
            }
        })
    };
    for (reward, other) in [(1.0, 0.0), (0.0, -1.0), (100.0, -0.1)] {
        one(
            &goals(reward, other).of_training(&options, Some(-100.0)),
            &["10 of the 10 episodes", "-100", "--termination-penalty 0"],
        );
        assert_eq!(goals(reward, other).of_training(&options, Some(0.0)), []);
        assert_eq!(goals(reward, other).of_training(&options, None), []);
    }
    // Falls: no reward, a lower one, or one that is the highest by little.
    let fall = changed(|sample| {
        for end in (9..ROWS).step_by(10) {
            sample.terminals[end] = true;
            sample.rewards[end] = 7.0;
        }
    });
    for sample in [goals(1.0, 1.0), goals(-100.0, 1.0), fall] {
        assert_eq!(sample.of_training(&options, Some(-100.0)), []);
    }
}

#[test]
fn what_float32_rounds_is_said() {
    let sample = Sample::new();
    let mut raw = sample.raw();
    raw.notes.push(FileNote::Rounded {
        key: "observations".into(),
        column: 0,
        in_file: 288.67,
        kept: 293.06,
    });
    let episodes = raw.episodes(None).unwrap();
    let found = of_file(&raw, &episodes, None, None);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].contains("as float32 its standard deviation is 293.06"),
        "{texts:?}"
    );
}

#[test]
fn constants_are_named() {
    let env = EnvFacts {
        observation_names: Some(vec!["x".into(), "v".into()]),
        ..EnvFacts::default()
    };
    let still = changed(|sample| sample.observations.column_mut(1).fill(0.1));
    one(&still.of_file(Some(&env)), &["observations that never change: v = 0.1"]);
    one(
        &changed(|sample| sample.rewards.fill(-1.0)).of_file(None),
        &["every reward is -1"],
    );
}

#[test]
fn an_environment_is_compared() {
    let bounds = |low: f64, high: f64, dimensions| {
        Some(Bounds {
            low: vec![low; dimensions],
            high: vec![high; dimensions],
        })
    };
    let env = |observations, actions| EnvFacts {
        id: "E-v0".into(),
        observations,
        actions,
        ..EnvFacts::default()
    };
    let found = |observations, actions| Sample::new().of_file(Some(&env(observations, actions)));
    assert_eq!(found(bounds(-5.0, 5.0, 2), bounds(-1.0, 1.0, 1)), []);
    // A hundredth of the range is noise.
    assert_eq!(found(bounds(-4.95, 4.95, 2), None), []);
    one(
        &found(bounds(-5.0, 4.0, 2), None),
        &["10 observations lie outside the observation space of E-v0, by up to 1"],
    );
    one(
        &found(None, bounds(-0.5, 0.5, 1)),
        &["actions lie outside the action space of E-v0, by up to 0.4999"],
    );
    one(
        &found(bounds(0.0, 1.0, 3), None),
        &["observations have 2 dimensions, those of E-v0 have 3"],
    );
    assert_eq!(found(bounds(f64::NEG_INFINITY, f64::INFINITY, 2), None), []);
    let refused = EnvFacts {
        refused: Some("unknown option \"gravity\"".into()),
        ..env(None, None)
    };
    one(
        &Sample::new().of_file(Some(&refused)),
        &["E-v0", "gravity", "--env-kwargs"],
    );
}

#[test]
fn numbers_have_five_digits() {
    for (value, text) in [
        (0.0, "0"),
        (2.5, "2.5"),
        (1.0 / 3.0, "0.33333"),
        (-123_456.0, "-123460"),
        (1e-7, "1e-7"),
        (-1.23456e9, "-1.2346e9"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(number(value), text);
    }
}
