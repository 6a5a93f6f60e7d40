//! What the targets share: a small checkpoint to put their bytes into, a folder in memory for files that are read from disk.

use diffplan_data::{Error, RawDataset, ReadOptions, RewardRule, findings};
use diffplan_files::Folder;
use diffplan_models::{UNet1dConfig, UNet1dModel};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

type Files = Vec<(String, Vec<u8>)>;

/// The files of a whole checkpoint: networks of a few thousand parameters, all zero.
pub fn checkpoint_files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files: Files = [
            ("model_index.json", &include_bytes!("../corpus/model_index/whole")[..]),
            ("normalizer.json", include_bytes!("../corpus/configs/normalizer")),
            ("planning_config.json", include_bytes!("../corpus/configs/planning")),
            (
                "scheduler/scheduler_config.json",
                include_bytes!("../corpus/configs/ddpm"),
            ),
        ]
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .to_vec();
        let networks = [
            ("unet", UNet1dConfig::planner(4, &[8])),
            ("value_function", UNet1dConfig::value_function(4, &[32])),
        ];
        for (part, config) in networks {
            let folder = tempfile::tempdir().expect("a folder");
            let model = UNet1dModel::new(config).expect("a configuration that works");
            model.save_pretrained(folder.path()).expect("a folder to write to");
            for name in ["config.json", "diffusion_pytorch_model.safetensors"] {
                let bytes = fs::read(folder.path().join(name)).expect("what was just written");
                files.push((format!("{part}/{name}"), bytes));
            }
        }
        files
    })
}

/// The checkpoint with this file in place of its own.
pub fn checkpoint_with(name: &str, bytes: &[u8]) -> Folder {
    let others = checkpoint_files().iter().filter(|(other, _)| other != name);
    Folder::in_memory("fuzz", others.cloned().chain([(name.to_owned(), bytes.to_vec())]))
}

/// A folder for what is read from disk alone: in memory where the system has such a place.
pub fn scratch() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .expect("a folder")
    });
    folder.path()
}

/// What reading a dataset may take here.
pub const MEMORY: u64 = 64 << 20;

fn options() -> ReadOptions {
    ReadOptions {
        max_memory: Some(MEMORY),
        ..ReadOptions::default()
    }
}

/// Reads a dataset, cuts it into episodes, and asks what is odd about it. Whether it is one.
pub fn dataset(bytes: &[u8], name: &str) -> bool {
    used(RawDataset::from_bytes(bytes, name, &options()))
}

/// Arrays of testdata/datasets/filters.hdf5, types.hdf5, links-new.hdf5, links-old.hdf5 and part.hdf5, which hold no dataset.
const ARRAYS: [&str; 52] = [
    "bitshuffle_lz4",
    "bitshuffle_none",
    "bitshuffle_zstd",
    "blosc2_blosclz_0",
    "blosc2_blosclz_1",
    "blosc2_blosclz_2",
    "blosc2_blosclz_delta",
    "blosc2_lz4_1",
    "blosc2_lz4hc_2",
    "blosc2_row",
    "blosc2_zero",
    "blosc2_zlib_1",
    "blosc2_zstd_1",
    "blosc2_zstd_delta",
    "blosc_blosclz_0",
    "blosc_blosclz_1",
    "blosc_blosclz_2",
    "blosc_f8",
    "blosc_level0",
    "blosc_lz4_1",
    "blosc_lz4hc_2",
    "blosc_zlib_1",
    "blosc_zstd_1",
    "bzip2",
    "gzip",
    "lz4",
    "lzf",
    "lzf_shuffle_fletcher",
    "noise",
    "noise_bitshuffle",
    "noise_blosc",
    "array",
    "be_f2",
    "be_f8",
    "le_i2",
    "long_double",
    "narrow_integer",
    "shifted_float",
    "three_bytes",
    "table.x",
    "table.inner.y",
    "bfloat16",
    "data",
    "external",
    "raw",
    "raw_path",
    "virtual",
    "virtual_gap",
    "virtual_here",
    "virtual_stack",
    "wide",
    "inner/wide",
];

/// Reads one array of an HDF5 file by its name, which hangs on the file's length. Whether there is one, of numbers.
pub fn array(bytes: &[u8]) -> bool {
    let key = ARRAYS[bytes.len() % ARRAYS.len()];
    let options = ReadOptions {
        keys: format!("observations={key},actions={key}").parse().expect("keys"),
        rewards: Some(RewardRule::Zeros),
        ..options()
    };
    used(RawDataset::from_bytes(bytes, "x.hdf5", &options))
}

/// The same of a file or folder on disk.
pub fn dataset_at(path: &Path) -> bool {
    used(RawDataset::read(path, &options()))
}

fn used(read: Result<RawDataset, Error>) -> bool {
    let Ok(raw) = read else { return false };
    for limit in [None, Some(3)] {
        if let Ok(episodes) = raw.episodes(limit) {
            let _ = findings::of_file(&raw, &episodes, limit, None);
        }
    }
    raw.into_dataset(Some(5)).is_ok()
}

/// A folder of LeRobot, in [`scratch`], with these bytes as its only file of steps.
pub fn lerobot(bytes: &[u8]) -> bool {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let info = include_bytes!("../../testdata/datasets/lerobot-v3/meta/info.json");
    let folder = FOLDER.get_or_init(|| folder("lerobot", "meta/info.json", info));
    written(folder, "data/chunk-000/file-000.parquet", bytes)
}

/// A folder of imitation in the same way.
pub fn imitation(bytes: &[u8]) -> bool {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let state = include_bytes!("../../testdata/datasets/imitation-own/state.json");
    let folder = FOLDER.get_or_init(|| folder("imitation", "state.json", state));
    written(folder, "data-00000-of-00001.arrow", bytes)
}

fn folder(name: &str, about: &str, says: &[u8]) -> PathBuf {
    let folder = scratch().join(name);
    for part in ["meta", "data/chunk-000"] {
        fs::create_dir_all(folder.join(part)).expect("a folder to write to");
    }
    fs::write(folder.join(about), says).expect("a folder to write to");
    folder
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    fs::write(folder.join(name), bytes).expect("a folder to write to");
    dataset_at(folder)
}
