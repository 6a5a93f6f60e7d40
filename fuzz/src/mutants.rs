//! Damaged datasets by the million: `cargo run --release --manifest-path fuzz/Cargo.toml --bin mutants -- [COUNT] [SEED]`, from the repository.
//!
//! Every small file of testdata/datasets is read as it is and then with random damage: bits and bytes changed, numbers set to those that
//! overflow, pieces cut, doubled, moved, taken from another file of the kind. Ends at the first panic, or where one reading takes longer than
//! [`SLOWEST`]; else says how many were still datasets, the slowest, and what the process took at most.

use diffplan_fuzz::{MEMORY, array, dataset, imitation, lerobot};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, process};

const SLOWEST: Duration = Duration::from_secs(5);
/// Larger files are left out.
const LARGEST: u64 = 128 << 10;

struct Seed {
    path: PathBuf,
    kind: &'static str,
    bytes: Vec<u8>,
}

fn main() {
    let mut numbers = env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (count, seed): (u64, u64) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(0));
    let mut seeds = Vec::new();
    collect(Path::new("testdata/datasets"), &mut seeds);
    collect(Path::new("fuzz/corpus/hdf5"), &mut seeds);
    seeds.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!seeds.is_empty(), "run it from the repository");
    for seed in &seeds {
        println!(
            "{} {} bytes: {}",
            seed.path.display(),
            seed.bytes.len(),
            read(seed.kind, &seed.bytes)
        );
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut datasets, mut slowest) = (0_u64, (Duration::ZERO, 0));
    let start = Instant::now();
    for number in 0..count {
        let of = &seeds[rng.random_range(0..seeds.len())];
        let bytes = damaged(&of.bytes, &seeds, of.kind, &mut rng);
        let started = Instant::now();
        let result = std::panic::catch_unwind(|| read(of.kind, &bytes));
        let took = started.elapsed();
        if result.is_err() || took > SLOWEST {
            let kept = Path::new("mutant.bin");
            fs::write(kept, &bytes).expect("a folder to write to");
            eprintln!(
                "mutant {number} of {}: {took:?}; kept as {}",
                of.path.display(),
                kept.display()
            );
            process::exit(1);
        }
        datasets += u64::from(result.unwrap_or_default());
        slowest = slowest.max((took, number));
        if number % 100_000 == 99_999 {
            println!("{} mutants, {:.0} s", number + 1, start.elapsed().as_secs_f64());
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or("VmHWM: not known");
    println!(
        "{count} mutants of {} files: {datasets} still datasets, the slowest {:?}, {peak} (readers may take {} MiB)",
        seeds.len(),
        slowest.0,
        MEMORY >> 20
    );
}

fn collect(folder: &Path, seeds: &mut Vec<Seed>) {
    for entry in fs::read_dir(folder).expect("a folder of files") {
        let path = entry.expect("a folder of files").path();
        if path.is_dir() {
            collect(&path, seeds);
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        let no_dataset = ["filters", "types", "links", "part"];
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = match ending {
            Some("hdf5") if no_dataset.iter().any(|start| name.starts_with(start)) => "arrays",
            Some("hdf5" | "h5") | None => "hdf5",
            Some("npz") => "npz",
            Some("parquet") => "parquet",
            Some("arrow") => "arrow",
            _ => continue,
        };
        let bytes = fs::read(&path).expect("a file to read");
        if bytes.len() as u64 <= LARGEST {
            seeds.push(Seed { path, kind, bytes });
        }
    }
}

fn read(kind: &str, bytes: &[u8]) -> bool {
    match kind {
        "parquet" => lerobot(bytes),
        "arrow" => imitation(bytes),
        "arrays" => array(bytes),
        _ => dataset(bytes, &format!("x.{kind}")),
    }
}

fn damaged(of: &[u8], seeds: &[Seed], kind: &str, rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = of.to_vec();
    for _ in 0..1 << rng.random_range(0..4) {
        let len = bytes.len();
        if len < 16 {
            return bytes;
        }
        // Half of the damage where headers are: numbers rarely matter.
        let at = if rng.random() {
            rng.random_range(0..len - 8)
        } else {
            rng.random_range(0..(len / 8).max(8).min(len - 8))
        };
        let piece = rng.random_range(1..=64.min(len - at));
        match rng.random_range(0..8) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes[at..at + 8].copy_from_slice(
                &[u64::MAX, 1 << 63, 1 << 32, 1 << 31, 0, u64::MAX - 7][rng.random_range(0..6)].to_le_bytes(),
            ),
            3 => bytes[at..at + 4]
                .copy_from_slice(&[u32::MAX, 1 << 31, 1 << 16, 0, 0x7fff_ffff][rng.random_range(0..5)].to_le_bytes()),
            4 => bytes.truncate(at + 8),
            5 => drop(bytes.drain(at..at + piece)),
            6 => {
                let to = rng.random_range(0..=len - piece);
                bytes.copy_within(at..at + piece, to);
            }
            _ => {
                let same: Vec<&Seed> = seeds.iter().filter(|seed| seed.kind == kind).collect();
                let other = &same[rng.random_range(0..same.len())].bytes;
                let piece = piece.min(other.len());
                let from = rng.random_range(0..=other.len() - piece);
                bytes[at..at + piece].copy_from_slice(&other[from..from + piece]);
            }
        }
    }
    bytes
}
