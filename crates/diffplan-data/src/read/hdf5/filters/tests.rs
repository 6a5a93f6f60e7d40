//! Against what the filters' own libraries wrote (`xtask/golden/hdf5_files.py`).

use std::fs;
use std::path::Path;

use crate::read::Content;
use crate::read::array::{Source, decode};
use crate::read::hdf5::{Arrays, File};
use crate::read::memory::Budget;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/datasets/filters.hdf5");

fn open(bytes: Vec<u8>) -> Option<Arrays> {
    let file = File::open(&Content::Bytes(bytes.into()), Budget::new(Some(1 << 24))).ok()?;
    Arrays::of(file.root(), "").ok()
}

fn value(row: usize, column: usize) -> f64 {
    (row * 7 + column * 3) as f64 % 50.0 - 20.0
}

#[test]
fn every_filter_gives_the_numbers_back() {
    let mut source = open(fs::read(Path::new(FILE)).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for key in source.keys() {
        let header = source.header(&key).unwrap().unwrap();
        let bytes = source.bytes(&key, &header);
        if key == "zfp" {
            let error = bytes.unwrap_err().to_string();
            let expected =
                "ZFP (filter 32013) is not read; write the file with gzip: h5repack -f GZIP=4 IN.hdf5 OUT.hdf5";
            assert!(error.ends_with(expected), "{error}");
            continue;
        }
        count += 1;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        crate::read::hdf5::tests::in_parts(&source, &key, &header, &bytes);
        let mut numbers: Vec<f64> = Vec::new();
        decode(&bytes, &header, &mut numbers, |value| value);
        let columns = header.shape.get(1).map_or(1, |columns| *columns as usize);
        let expected: Vec<f64> = match key.as_str() {
            name if name.starts_with("noise") => {
                let header = source.header("noise").unwrap().unwrap();
                let mut noise = Vec::new();
                decode(&source.bytes("noise", &header).unwrap(), &header, &mut noise, |value| {
                    value
                });
                noise
            }
            "blosc2_zero" => vec![0.0; 1500],
            _ => (0..300)
                .flat_map(|row| (0..columns).map(move |column| value(row, column)))
                .collect(),
        };
        if numbers != expected {
            let at = numbers.iter().zip(&expected).position(|(a, b)| a != b);
            wrong.push(format!("{key}: {} numbers, wrong from {at:?} on", numbers.len()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 50, "{count}");
}

#[test]
fn damaged_chunks_are_errors_and_nothing_worse() {
    let bytes = fs::read(Path::new(FILE)).unwrap();
    let mut state = 3u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..120 {
        let mut damaged = bytes.clone();
        // Many at once, for they are in some fifty arrays.
        for _ in 0..200 {
            let at = random(damaged.len() - 600) + 600;
            damaged[at] = if random(2) == 0 { 0xff } else { random(256) as u8 };
        }
        let Some(mut source) = open(damaged) else { continue };
        for key in source.keys() {
            if let Ok(Some(header)) = source.header(&key) {
                let _ = source.bytes(&key, &header);
            }
        }
    }
}

#[test]
fn decoders_stop_where_there_is_no_more_room() {
    use super::DECODERS;
    let mut state = 11u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    // Starts that are right, so that what follows is looked at.
    let starts: [&[u8]; 8] = [
        b"",
        &[2, 1, 0x01, 4, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0],
        &[2, 1, 0x21, 4, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0],
        &[2, 1, 0x44, 4, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0],
        &[5, 1, 0x05, 4, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0],
        b"\x28\xb5\x2f\xfd",
        b"BZh91AY&SY",
        b"\0\0\0\0\0\0\x04\0\0\0\x02\0",
    ];
    for (_, name, decode) in DECODERS {
        for round in 0..3000 {
            let mut data = starts[round % starts.len()].to_vec();
            data.extend((0..random(300)).map(|_| if random(3) == 0 { 0xff } else { random(256) as u8 }));
            let most = [0, 1, 100, 1024, 5000][random(5)];
            if let Ok(output) = decode(&data, &[0, 4, 4, 0, random(4) as u32], most) {
                assert!(output.len() <= most, "{name}: {} of {most}", output.len());
            }
        }
    }
}
