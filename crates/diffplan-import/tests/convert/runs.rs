//! Run folders of the original, written without Python: a writer of the pickles and archives that its Trainer leaves.

use diffplan_import::jannerm::NetworkKind;
use diffplan_models::{UNet1dConfig, UNet1dModel, named_params, named_params_mut};
use ndarray::{Array1, Array2};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// A Python value.
#[derive(Clone)]
pub(crate) enum Py {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'static str),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(String, Py)>),
    /// Shape and numbers.
    Tensor(Vec<usize>, Vec<f32>),
    /// A Config: the class, its arguments.
    Config(&'static str, Vec<(String, Py)>),
}

/// A pickle in the making, and the storages that it names.
#[derive(Default)]
struct Pickler {
    bytes: Vec<u8>,
    storages: Vec<Vec<u8>>,
}

impl Pickler {
    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn int(&mut self, value: i64) {
        self.bytes.push(b'J');
        self.bytes.extend((value as i32).to_le_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn dict(&mut self, entries: &[(String, Py)]) {
        self.bytes.extend(b"}(");
        for (key, value) in entries {
            self.text(key);
            self.value(value);
        }
        self.bytes.push(b'u');
    }

    fn sizes(&mut self, sizes: &[usize]) {
        self.bytes.push(b'(');
        sizes.iter().for_each(|size| self.int(*size as i64));
        self.bytes.push(b't');
    }

    fn tensor(&mut self, shape: &[usize], numbers: &[f32]) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.text("storage");
        self.global("torch", "FloatStorage");
        let key = self.storages.len().to_string();
        self.text(&key);
        self.text("cuda:0");
        self.int(numbers.len() as i64);
        self.bytes.extend(b"tQ");
        self.storages
            .push(numbers.iter().flat_map(|x| x.to_le_bytes()).collect());
        self.int(0);
        self.sizes(shape);
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        self.sizes(&strides);
        self.bytes.push(0x89);
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")RtR");
    }

    fn value(&mut self, value: &Py) {
        match value {
            Py::None => self.bytes.push(b'N'),
            Py::Bool(truth) => self.bytes.push(if *truth { 0x88 } else { 0x89 }),
            Py::Int(value) => self.int(*value),
            Py::Float(value) => {
                self.bytes.push(b'G');
                self.bytes.extend(value.to_be_bytes());
            }
            Py::Str(text) => self.text(text),
            Py::List(values) => {
                self.bytes.extend(b"](");
                values.iter().for_each(|value| self.value(value));
                self.bytes.push(b'e');
            }
            Py::Tuple(values) => {
                self.bytes.push(b'(');
                values.iter().for_each(|value| self.value(value));
                self.bytes.push(b't');
            }
            Py::Dict(entries) => self.dict(entries),
            Py::Tensor(shape, numbers) => self.tensor(shape, numbers),
            Py::Config(class, entries) => {
                self.global("diffuser.utils.config", "Config");
                self.bytes.extend(b")\x81}(");
                self.text("_class");
                self.global("diffuser.models", class);
                self.text("_device");
                self.bytes.push(b'N');
                self.text("_dict");
                self.dict(entries);
                self.bytes.extend(b"ub");
            }
        }
    }

    fn of(value: &Py) -> Self {
        let mut pickler = Self::default();
        pickler.bytes.extend(b"\x80\x02");
        pickler.value(value);
        pickler.bytes.push(b'.');
        pickler
    }
}

/// As `pickle.dump`.
pub(crate) fn pickle(path: &Path, value: &Py) {
    fs::write(path, Pickler::of(value).bytes).unwrap();
}

/// As `torch.save`.
pub(crate) fn torch_save(path: &Path, value: &Py) {
    let pickler = Pickler::of(value);
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("archive/{name}"), stored).unwrap();
        archive.write_all(bytes).unwrap();
    };
    put("data.pkl", &pickler.bytes);
    put("byteorder", b"little");
    for (key, bytes) in pickler.storages.iter().enumerate() {
        put(&format!("data/{key}"), bytes);
    }
    put("version", b"3\n");
    archive.finish().unwrap();
}

/// Keys and values of a Python dictionary.
pub(crate) fn entries<const N: usize>(entries: [(&str, Py); N]) -> Vec<(String, Py)> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// A logs folder with a planner of 3 observations and 2 actions, horizon 8, 10 timesteps, levels of 8 and 16 channels, and a value function of
/// levels of 8, 16 and 32.
pub(crate) struct Logs {
    pub(crate) folder: tempfile::TempDir,
    /// What the averages hold.
    pub(crate) planner: UNet1dModel,
    pub(crate) value: UNet1dModel,
}

pub(crate) const HORIZON: usize = 8;
const TIMESTEPS: usize = 10;

fn model(config: UNet1dConfig, seed: u32) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    let mut state = seed;
    for (_, mut view) in named_params_mut(&mut model) {
        view.mapv_inplace(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        });
    }
    model
}

/// The buffers of a schedule with these betas.
fn buffers(betas: &[f64]) -> Vec<(String, Py)> {
    let mut product = 1.0;
    let bars: Vec<f64> = betas
        .iter()
        .map(|beta| {
            product *= 1.0 - beta;
            product
        })
        .collect();
    let tensor = |numbers: &[f64]| Py::Tensor(vec![numbers.len()], numbers.iter().map(|x| *x as f32).collect());
    let root: Vec<f64> = bars.iter().map(|bar| bar.sqrt()).collect();
    entries([
        ("betas", tensor(betas)),
        ("alphas_cumprod", tensor(&bars)),
        ("sqrt_alphas_cumprod", tensor(&root)),
    ])
}

/// The cosine schedule.
pub(crate) fn cosine() -> Vec<f64> {
    let bar = |i: usize| {
        (((i as f64 / TIMESTEPS as f64) + 0.008) / 1.008 * std::f64::consts::PI / 2.0)
            .cos()
            .powi(2)
    };
    (0..TIMESTEPS).map(|i| (1.0 - bar(i + 1) / bar(i)).min(0.999)).collect()
}

/// The state dict of a diffusion around a network.
pub(crate) fn state_dict(model: &UNet1dModel, kind: NetworkKind, betas: &[f64]) -> Vec<(String, Py)> {
    let mut dict = buffers(betas);
    for (name, values) in named_params(model) {
        let name = format!("model.{}", kind.theirs(&name).unwrap());
        dict.push((
            name,
            Py::Tensor(values.shape().to_vec(), values.iter().copied().collect()),
        ));
    }
    if !kind.is_value() {
        let weights = vec![1.0; HORIZON * 5];
        dict.push(("loss_fn.weights".into(), Py::Tensor(vec![HORIZON, 5], weights)));
    }
    dict
}

/// A state whose plain weights are all zero.
pub(crate) fn state(step: i64, ema: Vec<(String, Py)>) -> Py {
    let plain = ema.iter().map(|(name, value)| {
        let zero = match value {
            Py::Tensor(shape, numbers) if name.starts_with("model.") => {
                Py::Tensor(shape.clone(), vec![0.0; numbers.len()])
            }
            other => other.clone(),
        };
        (name.clone(), zero)
    });
    let plain = Py::Dict(plain.collect());
    Py::Dict(entries([
        ("step", Py::Int(step)),
        ("model", plain),
        ("ema", Py::Dict(ema)),
    ]))
}

pub(crate) fn diffusion_config() -> Vec<(String, Py)> {
    entries([
        ("horizon", Py::Int(HORIZON as i64)),
        ("observation_dim", Py::Int(3)),
        ("action_dim", Py::Int(2)),
        ("n_timesteps", Py::Int(TIMESTEPS as i64)),
        ("clip_denoised", Py::Bool(true)),
        ("predict_epsilon", Py::Bool(false)),
        ("loss_weights", Py::None),
    ])
}

pub(crate) fn dataset_config(normalizer: &'static str, normed: bool) -> Vec<(String, Py)> {
    entries([
        ("env", Py::Str("halfcheetah-medium-v2")),
        ("horizon", Py::Int(HORIZON as i64)),
        ("normalizer", Py::Str(normalizer)),
        ("preprocess_fns", Py::List(vec![])),
        ("use_padding", Py::Bool(true)),
        ("max_path_length", Py::Int(1000)),
        ("discount", Py::Float(0.9)),
        ("termination_penalty", Py::Int(-5)),
        ("normed", Py::Bool(normed)),
    ])
}

impl Logs {
    pub(crate) fn new() -> Self {
        let logs = Self {
            folder: tempfile::tempdir().unwrap(),
            planner: model(UNet1dConfig::planner(5, &[8, 16]), 1),
            value: model(UNet1dConfig::value_function(5, &[8, 16, 32]), 2),
        };
        for (run, model, kind, mults) in [
            (logs.planner_run(), &logs.planner, NetworkKind::MainPlanner, vec![1, 2]),
            (logs.value_run(), &logs.value, NetworkKind::MainValue, vec![1, 2, 4]),
        ] {
            fs::create_dir_all(&run).unwrap();
            torch_save(
                &run.join("state_1000.pt"),
                &state(1000, state_dict(model, kind, &cosine())),
            );
            let config = |name: &str, class, entries| pickle(&run.join(name), &Py::Config(class, entries));
            config("diffusion_config.pkl", "GaussianDiffusion", diffusion_config());
            config(
                "dataset_config.pkl",
                "SequenceDataset",
                dataset_config("GaussianNormalizer", false),
            );
            let mults = Py::Tuple(mults.into_iter().map(Py::Int).collect());
            let model = [
                ("transition_dim", Py::Int(5)),
                ("dim", Py::Int(8)),
                ("dim_mults", mults),
            ];
            config("model_config.pkl", kind.class(), entries(model));
            config("trainer_config.pkl", "Trainer", Vec::new());
        }
        logs
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn planner_run(&self) -> PathBuf {
        self.path().join("diffusion/defaults_H8_T10")
    }

    pub(crate) fn value_run(&self) -> PathBuf {
        self.path().join("values/defaults_H8_T10_d0.9")
    }

    /// A dataset of three episodes of 20 rows, the second of which ends in a terminal state, and 7 rows of none.
    pub(crate) fn dataset(&self) -> PathBuf {
        let path = self.path().join("dataset.npz");
        let rows = 67;
        let wave = |k: f32| move |(i, j): (usize, usize)| ((i as f32) * 0.37 + (j as f32) * k).sin() * (1.0 + j as f32);
        let mut writer = ndarray_npy::NpzWriter::new(fs::File::create(&path).unwrap());
        writer
            .add_array("observations", &Array2::from_shape_fn((rows, 3), wave(1.3)))
            .unwrap();
        writer
            .add_array("actions", &Array2::from_shape_fn((rows, 2), wave(0.7)))
            .unwrap();
        writer
            .add_array("rewards", &Array1::from_shape_fn(rows, |i| (i % 5) as f32))
            .unwrap();
        let set = |at: &'static [usize]| Array1::from_shape_fn(rows, move |i| at.contains(&i));
        writer.add_array("terminals", &set(&[39])).unwrap();
        writer.add_array("timeouts", &set(&[19, 59])).unwrap();
        writer.finish().unwrap();
        path
    }
}
