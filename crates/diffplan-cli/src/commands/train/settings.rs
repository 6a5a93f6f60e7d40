//! From flags and TOML files to what each network needs.
//!
//! A key may stand in five places. From the weakest: its default, the top of the file, the file's table of one network,
//! the flag, the flag of one network (`--value-lr`). With `--resume` the settings that the run was started with are a file
//! below the one that is given.

use crate::args::{Keys, MAX_STEPS, NormalizerKind, Optimizer, Pooling};
use crate::error::{Error, Result};
use diffplan_data::{ReadOptions, SequenceOptions};
use diffplan_models::UNet1dConfig;
use diffplan_schedulers::{BetaSchedule, DdpmConfig, PredictionType, VarianceType};
use diffplan_train::{Adam, Conditions, Decay, Ema, LearningRate, Loss, RateSchedule, TrainOptions, TrajectoryWeights};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Planner,
    Value,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Planner, Self::Value];

    /// In names of files, and of the table in a TOML file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Value => "value",
        }
    }

    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Value => "value function",
        }
    }

    /// The folder of a checkpoint.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Planner => "unet",
            Self::Value => "value_function",
        }
    }

    /// Keys that are of this network alone, or may be different for it.
    fn keys(self) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match self {
            Self::Planner => &["action_weight", "loss_discount", "loss_weights"],
            Self::Value => &["discount", "termination_penalty", "normalize_values", "value_pooling"],
        };
        BOTH.iter().chain(own).copied()
    }
}

/// Keys that each network has.
const BOTH: [&str; 16] = [
    "channels",
    "batch_size",
    "gradient_accumulate_every",
    "steps",
    "lr",
    "warmup_steps",
    "lr_schedule",
    "cosine_from",
    "optimizer",
    "weight_decay",
    "max_grad_norm",
    "ema_decay",
    "ema_every",
    "ema_start",
    "loss",
    "seed",
];

/// Keys that may change while a run goes on. The dataset is known by its content, not by its path.
const FREE: [&str; 6] = ["dataset", "threads", "save_every", "keep", "sample_every", "log_every"];

/// The largest product of a step's batches, trajectories and their steps: beyond it buffers take tens of gigabytes.
const MAX_BATCH_STEPS: usize = 1 << 20;

/// What is known of a run before its dataset is read.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) dataset: PathBuf,
    pub(super) env: Option<String>,
    pub(super) read: ReadOptions,
    pub(super) max_episodes: Option<usize>,
    pub(super) normalizer: NormalizerKind,
    pub(super) sequences: SequenceOptions,
    pub(super) conditions: Conditions,
    pub(super) scheduler: DdpmConfig,
    pub(super) threads: Option<usize>,
    pub(super) save_every: u64,
    pub(super) keep: usize,
    pub(super) sample_every: u64,
    pub(super) log_every: u64,
    /// In the order they are trained.
    pub(super) networks: Vec<Network>,
    /// All keys with their values, as `training.toml` has them.
    table: Table,
}

/// What is known of a network.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) kind: Kind,
    pub(super) channels: Vec<usize>,
    pub(super) pooling: Pooling,
    pub(super) batch_size: usize,
    pub(super) accumulate: usize,
    pub(super) steps: u64,
    pub(super) seed: u64,
    pub(super) options: TrainOptions,
    pub(super) loss: Loss,
    pub(super) weights: TrajectoryWeights,
    pub(super) discount: f64,
    pub(super) termination_penalty: f64,
    pub(super) normalize_values: bool,
}

impl Network {
    /// The configuration for trajectories of `channels` dimensions.
    pub(super) fn config(&self, channels: usize) -> UNet1dConfig {
        match self.kind {
            Kind::Planner => UNet1dConfig::planner(channels, &self.channels),
            Kind::Value => UNet1dConfig {
                value_pooling: self.pooling.value_pooling(),
                ..UNet1dConfig::value_function(channels, &self.channels)
            },
        }
    }
}

impl Network {
    /// In words.
    pub(super) fn words(&self) -> String {
        let channels: Vec<String> = self.channels.iter().map(usize::to_string).collect();
        let rate = &self.options.rate;
        let optimizer = match self.options.adam.decay {
            Decay::Decoupled(_) => "adamw",
            _ => "adam",
        };
        let schedule = match rate.schedule {
            RateSchedule::Constant => "constant",
            RateSchedule::Cosine => "cosine",
        };
        format!(
            "channels {}, {} steps of {} × {} trajectories, {optimizer} at {} ({schedule}), seed {}",
            channels.join("-"),
            self.steps,
            self.accumulate,
            self.batch_size,
            rate.lr,
            self.seed
        )
    }
}

/// What was typed, on the command line or in files, as tables.
#[derive(Debug, Default, Clone)]
pub(super) struct Typed {
    /// Of the command line.
    flags: Table,
    /// Of the command line, for the value function.
    value_flags: Table,
    /// From the one that wins to the one that loses.
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct File {
    shared: Table,
    /// Of planner and value function.
    tables: [Table; 2],
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let refuse = |reason: String| Error::Toml {
            path: path.to_owned(),
            reason,
        };
        let parsed: Table = text
            .parse()
            .map_err(|e: toml::de::Error| refuse(one_line(&e.to_string())))?;
        let mut shared = with_underscores(parsed).map_err(refuse)?;
        let mut table = |kind: Kind| match shared.remove(kind.name()) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => with_underscores(table),
            Some(other) => Err(format!(
                "`{}` is {}, expected a table of keys",
                kind.name(),
                other.type_str()
            )),
        };
        let tables = [
            table(Kind::Planner).map_err(refuse)?,
            table(Kind::Value).map_err(refuse)?,
        ];
        // Each on its own, so that what is wrong is said of where it stands.
        keys(&shared).map_err(|reason| refuse(format!("{reason}, or tables `planner`, `value`")))?;
        for (kind, table) in Kind::ALL.into_iter().zip(&tables) {
            let known: Vec<&str> = kind.keys().collect();
            if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
                let known = known.join(", ");
                return Err(refuse(format!(
                    "table [{}]: unknown key `{key}`, expected one of {known}",
                    kind.name()
                )));
            }
            keys(table).map_err(|reason| refuse(format!("table [{}]: {reason}", kind.name())))?;
        }
        Ok(Self { shared, tables })
    }
}

/// Names with hyphens, as they are typed, are the same keys.
fn with_underscores(table: Table) -> std::result::Result<Table, String> {
    let mut renamed = Table::new();
    for (key, value) in table {
        let name = key.replace('-', "_");
        if renamed.insert(name.clone(), value).is_some() {
            return Err(format!(
                "`{name}` stands there twice, with underscores and with hyphens"
            ));
        }
    }
    Ok(renamed)
}

fn keys(table: &Table) -> std::result::Result<Keys, String> {
    // Key by key first: the parser does not say which one had the wrong type.
    for (key, value) in table {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        alone.try_into::<Keys>().map_err(|e| {
            let reason = one_line(e.message());
            match reason.contains(&format!("`{key}`")) {
                true => reason.replace("unknown field", "unknown key"),
                false => format!("`{key}`: {reason}"),
            }
        })?;
    }
    table.clone().try_into().map_err(|e| one_line(e.message()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn table(of: &impl Serialize) -> Result<Table> {
    Table::try_from(of).map_err(Error::encode("the settings"))
}

impl Typed {
    /// What stands on the command line, and in the file that it names.
    pub(super) fn new(flags: &Keys, value_flags: &impl Serialize, config: Option<&Path>) -> Result<Self> {
        Ok(Self {
            flags: table(flags)?,
            value_flags: table(value_flags)?,
            files: config.map(File::read).transpose()?.into_iter().collect(),
        })
    }

    /// Over what a file says.
    pub(super) fn over(mut self, path: &Path) -> Result<Self> {
        self.files.push(File::read(path)?);
        Ok(self)
    }

    /// The output folder.
    pub(super) fn out(&self) -> Result<PathBuf> {
        let keys = self.keys(Kind::Planner)?;
        keys.out.ok_or_else(|| missing("out", "a folder"))
    }

    /// All keys of a network.
    fn keys(&self, kind: Kind) -> Result<Keys> {
        let mut all = Table::new();
        let index = usize::from(kind == Kind::Value);
        let files = self.files.iter().rev();
        let from_files = files.flat_map(|file| [&file.shared, &file.tables[index]]);
        let own = (kind == Kind::Value).then_some(&self.value_flags);
        for table in from_files.chain([&self.flags]).chain(own) {
            all.extend(table.clone());
        }
        keys(&all).map_err(|reason| Error::Setting {
            name: "settings",
            value: reason,
            expected: "those that --help lists".into(),
        })
    }

    /// Everything that is needed, with defaults in place of what was not typed.
    pub(super) fn resolve(&self, kinds: &[Kind]) -> Result<Settings> {
        let mut shared = self.keys(Kind::Planner)?;
        let mut networks = Vec::new();
        let mut tables = Vec::new();
        for &kind in kinds {
            let mut keys = self.keys(kind)?;
            networks.push(network(kind, &mut keys)?);
            let known: Vec<&str> = kind.keys().collect();
            let of_network = table(&keys)?
                .into_iter()
                .filter(|(key, _)| known.contains(&key.as_str()));
            tables.push((kind.name(), of_network.collect::<Table>()));
        }
        let dataset = shared.dataset.clone().ok_or_else(|| missing("dataset", "a file"))?;
        let full = dataset.canonicalize().unwrap_or_else(|_| dataset.clone());
        shared.dataset = Some(full);
        let horizon = at_least(1, "horizon", *shared.horizon.get_or_insert(32))?;
        let settings = Settings {
            dataset,
            env: shared.env.clone(),
            read: ReadOptions {
                max_episode_steps: shared.max_episode_steps,
                ..ReadOptions::default()
            },
            max_episodes: match shared.max_episodes {
                Some(count) => Some(at_least(1, "max_episodes", count)?),
                None => None,
            },
            normalizer: *shared.normalizer.get_or_insert(NormalizerKind::Gaussian),
            sequences: SequenceOptions {
                horizon,
                max_path_length: at_least(1, "max_path_length", *shared.max_path_length.get_or_insert(1000))?,
                use_padding: *shared.use_padding.get_or_insert(true),
            },
            conditions: *shared.conditions.get_or_insert_default(),
            scheduler: DdpmConfig {
                num_train_timesteps: *shared.num_train_timesteps.get_or_insert(20),
                beta_schedule: *shared.beta_schedule.get_or_insert(BetaSchedule::SquaredcosCapV2),
                prediction_type: *shared.prediction_type.get_or_insert(PredictionType::Sample),
                clip_sample: *shared.clip_sample.get_or_insert(false),
                variance_type: VarianceType::FixedSmallLog,
                ..DdpmConfig::default()
            },
            threads: shared.threads.map(|n| at_least(1, "threads", n)).transpose()?,
            save_every: at_least(1, "save_every", *shared.save_every.get_or_insert(20_000))?,
            keep: at_least(1, "keep", *shared.keep.get_or_insert(5))?,
            sample_every: *shared.sample_every.get_or_insert(20_000),
            log_every: at_least(1, "log_every", *shared.log_every.get_or_insert(100))?,
            networks,
            table: Table::new(),
        };
        settings.scheduler.validate()?;
        for network in &settings.networks {
            let steps = network.batch_size.checked_mul(horizon);
            if steps.is_none_or(|steps| steps > MAX_BATCH_STEPS) {
                return Err(Error::Setting {
                    name: "batch_size × horizon",
                    value: format!("{} × {horizon}", network.batch_size),
                    expected: format!("at most {MAX_BATCH_STEPS} steps in all"),
                });
            }
        }
        shared.out = None;
        let of_networks: Vec<&str> = Kind::ALL.into_iter().flat_map(Kind::keys).collect();
        let mut all: Table = table(&shared)?
            .into_iter()
            .filter(|(key, _)| !of_networks.contains(&key.as_str()))
            .collect();
        for (name, keys) in tables {
            all.insert(name.into(), Value::Table(keys));
        }
        Ok(Settings { table: all, ..settings })
    }
}

impl Settings {
    /// Trajectories in words.
    pub(super) fn words(&self) -> String {
        let conditions = match self.conditions {
            Conditions::Current => "from the current observation",
            Conditions::Goal => "between two observations",
        };
        format!(
            "{} steps, {conditions}, normaliser {}",
            self.sequences.horizon,
            self.normalizer.kind()
        )
    }

    /// Sets the environment that the dataset names, where none was typed.
    pub(super) fn set_env(&mut self, env: Option<&str>) {
        if let (None, Some(env)) = (&self.env, env) {
            self.env = Some(env.to_owned());
            self.table.insert("env".into(), env.into());
        }
    }

    /// The text of `training.toml`. What `before`, the one that is there, says of the other network stays.
    pub(super) fn to_toml(&self, before: Option<&Path>) -> Result<String> {
        let mut table = self.table.clone();
        if let Some(path) = before {
            let file = File::read(path)?;
            for (kind, of_network) in Kind::ALL.into_iter().zip(file.tables) {
                if !of_network.is_empty() && !table.contains_key(kind.name()) {
                    table.insert(kind.name().into(), Value::Table(of_network));
                }
            }
        }
        let text = toml::to_string(&table).map_err(Error::encode("training.toml"))?;
        Ok(format!(
            "# Settings of `diffplan train`, which reads them with --config.\n\n{text}"
        ))
    }

    /// Checks that nothing that the result depends on differs from what `path` says, but for a longer run at a constant rate.
    /// `resumed` are the networks that go on; where there are none, only what both networks share must be the same.
    pub(super) fn check_same(&self, path: &Path, resumed: &[Kind]) -> Result<()> {
        let file = File::read(path)?;
        let differs = |key: String, typed: Option<&Value>, saved: Option<&Value>| {
            let text = |value: Option<&Value>| value.map_or("none".into(), ToString::to_string);
            Err(Error::Changed {
                key,
                saved: text(saved),
                typed: text(typed),
                path: path.to_owned(),
            })
        };
        let compare = |new: &Table, old: &Table, prefix: &str, free: &dyn Fn(&str) -> bool| {
            for key in new.keys().chain(old.keys()).filter(|key| !free(key)) {
                let (typed, saved) = (new.get(key), old.get(key));
                if typed != saved && !matches!(typed, Some(Value::Table(_))) {
                    return differs(format!("{prefix}{key}"), typed, saved);
                }
            }
            Ok(())
        };
        compare(&self.table, &file.shared, "", &|key| FREE.contains(&key))?;
        let nothing = Table::new();
        for network in self.networks.iter().filter(|network| resumed.contains(&network.kind)) {
            let name = network.kind.name();
            let new = self.table.get(name).and_then(Value::as_table).unwrap_or(&nothing);
            let old = &file.tables[usize::from(network.kind == Kind::Value)];
            let steps = |table: &Table| table.get("steps").and_then(Value::as_integer);
            let longer = network.options.rate.schedule == RateSchedule::Constant && steps(new) >= steps(old);
            compare(new, old, &format!("{name}."), &|key| key == "steps" && longer)?;
        }
        Ok(())
    }
}

fn network(kind: Kind, keys: &mut Keys) -> Result<Network> {
    let steps = match kind {
        Kind::Planner => 1_000_000,
        Kind::Value => 200_000,
    };
    let steps = at_least(1, "steps", *keys.steps.get_or_insert(steps))?;
    if steps > MAX_STEPS {
        return Err(Error::Setting {
            name: "steps",
            value: steps.to_string(),
            expected: format!("at most {MAX_STEPS}"),
        });
    }
    let weight_decay = *keys.weight_decay.get_or_insert(0.0);
    let defaults = TrajectoryWeights::default();
    let network = Network {
        kind,
        channels: keys.channels.get_or_insert_with(|| vec![32, 64, 128, 256]).clone(),
        pooling: *keys.value_pooling.get_or_insert(Pooling::Flatten),
        batch_size: at_least(1, "batch_size", *keys.batch_size.get_or_insert(32))?,
        accumulate: at_least(
            1,
            "gradient_accumulate_every",
            *keys.gradient_accumulate_every.get_or_insert(2),
        )?,
        steps,
        seed: *keys.seed.get_or_insert(0),
        options: TrainOptions {
            rate: LearningRate {
                lr: *keys.lr.get_or_insert(2e-4),
                warmup_steps: *keys.warmup_steps.get_or_insert(0),
                schedule: *keys.lr_schedule.get_or_insert_default(),
                cosine_from: *keys.cosine_from.get_or_insert(0),
                total_steps: steps,
            },
            adam: Adam {
                decay: match *keys.optimizer.get_or_insert(Optimizer::Adam) {
                    Optimizer::Adam => Decay::L2(weight_decay),
                    Optimizer::AdamW => Decay::Decoupled(weight_decay),
                },
                ..Adam::default()
            },
            ema: Ema {
                decay: *keys.ema_decay.get_or_insert(0.995),
                every: *keys.ema_every.get_or_insert(10),
                start: *keys.ema_start.get_or_insert(2000),
            },
            max_grad_norm: keys.max_grad_norm,
        },
        loss: *keys.loss.get_or_insert_default(),
        weights: TrajectoryWeights {
            action_weight: *keys.action_weight.get_or_insert(defaults.action_weight.into()) as f32,
            loss_discount: *keys.loss_discount.get_or_insert(defaults.loss_discount.into()) as f32,
            observation_weights: keys
                .loss_weights
                .iter()
                .flatten()
                .map(|&weight| weight as f32)
                .collect(),
        },
        discount: *keys.discount.get_or_insert(0.99),
        termination_penalty: *keys.termination_penalty.get_or_insert(-100.0),
        normalize_values: *keys.normalize_values.get_or_insert(true),
    };
    if !(0.0..=1.0).contains(&network.discount) {
        return Err(Error::Setting {
            name: "discount",
            value: network.discount.to_string(),
            expected: "a number from 0 to 1".into(),
        });
    }
    if !network.termination_penalty.is_finite() {
        return Err(Error::Setting {
            name: "termination_penalty",
            value: network.termination_penalty.to_string(),
            expected: "a finite number".into(),
        });
    }
    Ok(network)
}

fn missing(name: &'static str, expected: &str) -> Error {
    Error::Setting {
        name,
        value: "nothing".into(),
        expected: format!("{expected}, with --{name} or in the file of --config"),
    }
}

fn at_least<T: PartialOrd + std::fmt::Display>(low: T, name: &'static str, value: T) -> Result<T> {
    if value < low {
        return Err(Error::Setting {
            name,
            value: value.to_string(),
            expected: format!("at least {low}"),
        });
    }
    Ok(value)
}
