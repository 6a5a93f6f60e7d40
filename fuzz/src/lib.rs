//! What the targets share: a small checkpoint to put their bytes into, a folder in memory for files that are read from disk.

use diffplan_data::{RawDataset, ReadOptions};
use diffplan_files::Folder;
use diffplan_models::{UNet1dConfig, UNet1dModel};
use std::fs;
use std::path::Path;
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
            ("scheduler/scheduler_config.json", include_bytes!("../corpus/configs/ddpm")),
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
    Folder::in_memory(
        "fuzz",
        others.cloned().chain([(name.to_owned(), bytes.to_vec())]),
    )
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

/// Reads a dataset, and cuts it into episodes.
pub fn dataset(bytes: &[u8], name: &str) {
    let options = ReadOptions {
        max_memory: Some(64 << 20),
        ..ReadOptions::default()
    };
    if let Ok(raw) = RawDataset::from_bytes(bytes, name, &options) {
        let _ = raw.episodes(None);
        let _ = raw.episodes(Some(3));
        let _ = raw.into_dataset(Some(5));
    }
}
