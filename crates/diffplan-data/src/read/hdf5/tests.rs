//! Against files of h5py (`xtask/golden/hdf5_files.py`), whose numbers are those of a formula.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::*;
use crate::read::array::Order;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/datasets")
}

fn open(name: &str) -> Arrays {
    let path = folder().join(name);
    let file = File::open(&Content::File(&path), Budget::new(Some(1 << 28))).unwrap();
    Arrays::of(file.root(), "").unwrap()
}

/// The formula.
fn values(rows: i64, columns: i64) -> Vec<f64> {
    let value = |row: i64, column: i64| ((row * 7 + column * 3) % 50 - 20) as f64;
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| value(row, column)))
        .collect()
}

/// Rows that are read a few at a time are what they are among all.
pub(in crate::read::hdf5) fn in_parts(source: &Arrays, key: &str, header: &crate::read::array::Header, bytes: &[u8]) {
    let (rows, row) = (header.shape.first().copied().unwrap_or(0), header.row_bytes() as usize);
    for most in [1, 7, 1000].into_iter().filter(|_| !header.shape.is_empty()) {
        let mut reading = source.reading(key).unwrap();
        let mut parts = Vec::new();
        for start in (0..rows).step_by(most) {
            assert!(reading.goes_on_at(start));
            let part = reading.rows(start..rows.min(start + most as u64)).unwrap();
            assert_eq!(
                part.len(),
                (rows.min(start + most as u64) - start) as usize * row,
                "{key}"
            );
            parts.extend(part);
        }
        assert!(parts == bytes, "{key} in parts of {most} rows");
    }
}

fn numbers(source: &mut Arrays, key: &str) -> Result<(Vec<u64>, String, Vec<f64>), ReadError> {
    let header = source.header(key)?.ok_or_else(|| ReadError::MissingKey {
        key: key.into(),
        present: source.keys(),
    })?;
    let bytes = source.bytes(key, &header)?;
    assert_eq!(
        bytes.len() as u64,
        header.shape.iter().product::<u64>() * header.element.size(),
        "{key}"
    );
    in_parts(source, key, &header, &bytes);
    let mut decoded = Vec::new();
    crate::read::array::decode(&bytes, &header, &mut decoded, |value| value);
    Ok((header.shape, header.element.name(), decoded))
}

#[test]
fn elements_of_every_type_become_numbers() {
    let mut source = open("types.hdf5");
    let plain = values(12, 3);
    let positive: Vec<f64> = plain.iter().map(|value| value + 20.0).collect();
    let flags: Vec<f64> = (0..12).map(|row| if row % 3 == 0 { 1.0 } else { 0.0 }).collect();
    let column = |at: usize| plain.iter().skip(at).step_by(3).copied().collect::<Vec<f64>>();
    for (key, name, shape, expected) in [
        ("le_f2", "float16", vec![12, 3], &plain),
        ("be_f2", "float16", vec![12, 3], &plain),
        ("le_f4", "float32", vec![12, 3], &plain),
        ("be_f4", "float32", vec![12, 3], &plain),
        ("le_f8", "float64", vec![12, 3], &plain),
        ("be_f8", "float64", vec![12, 3], &plain),
        ("le_i1", "int8", vec![12, 3], &plain),
        ("le_i2", "int16", vec![12, 3], &plain),
        ("be_i2", "int16", vec![12, 3], &plain),
        ("le_i4", "int32", vec![12, 3], &plain),
        ("be_i4", "int32", vec![12, 3], &plain),
        ("le_i8", "int64", vec![12, 3], &plain),
        ("be_i8", "int64", vec![12, 3], &plain),
        ("le_u1", "uint8", vec![12, 3], &positive),
        ("le_u2", "uint16", vec![12, 3], &positive),
        ("le_u4", "uint32", vec![12, 3], &positive),
        ("le_u8", "uint64", vec![12, 3], &positive),
        ("long_double", "float64", vec![12, 3], &plain),
        ("bfloat16", "float64", vec![12, 3], &plain),
        ("shifted_float", "float64", vec![12, 3], &plain),
        ("narrow_integer", "int64", vec![12, 3], &plain),
        ("narrow_unsigned", "uint64", vec![12, 3], &positive),
        ("three_bytes", "int64", vec![12, 3], &plain),
        ("array", "float32", vec![12, 3], &plain),
        ("committed", "float32", vec![12, 3], &plain),
        ("table.x", "float32", vec![12], &column(0)),
        ("table.inner.y", "float64", vec![12, 3], &plain),
        ("table.inner.n", "int16", vec![12], &column(1)),
        ("table.ok", "bool", vec![12], &flags),
        ("bool", "bool", vec![12], &flags),
        ("enum_u1", "bool", vec![12], &flags),
        ("enum_i4", "bool", vec![12], &flags),
        ("scalar", "float64", vec![], &vec![3.5]),
    ] {
        let actual = numbers(&mut source, key).unwrap();
        assert_eq!(actual, (shape, name.to_owned(), expected.clone()), "{key}");
    }
}

#[test]
fn types_that_are_no_numbers_are_named() {
    let mut source = open("types.hdf5");
    for (key, expected) in [
        ("enum_wide_u1", "an enumeration (high = 7, low = 0)"),
        ("enum_wide_i4", "an enumeration (high = 7, low = 0)"),
        ("table", "a table (compound type) of the columns x, inner, ok"),
        ("table.inner", "a table (compound type) of the columns y, n"),
        ("complex", "complex numbers"),
        ("text", "strings"),
        ("words", "strings"),
        ("sequences", "sequences of variable length"),
        ("opaque", "opaque bytes"),
    ] {
        let header = source.header(key).unwrap().unwrap();
        assert_eq!(header.element.name(), expected, "{key}");
    }
    assert_eq!(source.header("table.z").unwrap(), None);
    assert_eq!(source.header("committed_type").unwrap(), None);
}

#[test]
fn links_lead_to_arrays_of_this_file_and_of_files_beside_it() {
    let data = values(20, 3);
    let here: Vec<f64> = (0..20)
        .step_by(2)
        .flat_map(|row| data[row * 3 + 1..row * 3 + 3].to_vec())
        .collect();
    let gap = [&data[..30], &[-1.0; 12], &data[30..]].concat();
    for file in ["links-old.hdf5", "links-new.hdf5"] {
        let mut source = open(file);
        for (key, shape, expected) in [
            ("data", vec![20, 3], data.clone()),
            ("external", vec![20, 3], data.clone()),
            ("raw", vec![20, 3], data.clone()),
            ("raw_path", vec![20, 3], data.clone()),
            ("virtual", vec![20, 3], data.clone()),
            ("virtual_gap", vec![24, 3], gap.clone()),
            ("virtual_here", vec![10, 2], here.clone()),
            ("virtual_stack", vec![2, 20, 3], [&data[..], &data].concat()),
            ("virtual_unlimited", vec![20, 3], data.clone()),
        ] {
            let actual = numbers(&mut source, key).unwrap_or_else(|error| panic!("{file}, {key}: {error}"));
            assert_eq!(actual, (shape, "float32".into(), expected), "{file}, {key}");
        }
        for (key, expected) in [
            (
                "external_missing",
                "it refers to the file \"missing.hdf5\", which does not lie beside it",
            ),
            (
                "raw_missing",
                "it refers to the file \"missing.bin\", which does not lie beside it",
            ),
            (
                "virtual_missing",
                "it refers to the file \"missing.hdf5\", which does not lie beside it",
            ),
            ("virtual_converted", "holds float64, and the whole float32"),
            ("virtual_loop", "virtual datasets of virtual datasets"),
        ] {
            let error = numbers(&mut source, key).unwrap_err().to_string();
            assert!(error.starts_with(key) && error.contains(expected), "{file}: {error}");
        }
        // A path that leaves the folder, to a file that lies beside: the one beside.
        assert_eq!(numbers(&mut source, "external_escape").unwrap().2, data, "{file}");

        let group = source.group.group("group").unwrap();
        let mut inner = Arrays::of(group, "group/").unwrap();
        for key in ["soft", "relative", "hard"] {
            assert_eq!(numbers(&mut inner, key).unwrap().2, data, "{file}, {key}");
        }
        for (key, expected) in [
            ("self", "it is a link that leads to itself"),
            ("dangling", "it is a link to \"/nowhere\", which is not there"),
        ] {
            let error = numbers(&mut inner, key).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("group/{key}: ")) && error.contains(expected),
                "{error}"
            );
        }
        let group = source.group.group("external_group").unwrap();
        assert_eq!(group.member_names().unwrap().1, ["data"]);
        let error = source.header("external_group").unwrap_err();
        assert!(matches!(error, ReadError::Group { .. }), "{error}");
    }
}

#[test]
fn a_file_in_memory_has_nothing_beside_it() {
    let bytes = fs::read(folder().join("links-new.hdf5")).unwrap();
    let file = File::open(&Content::Bytes(bytes.into()), Budget::new(None)).unwrap();
    let error = numbers(&mut Arrays::of(file.root(), "").unwrap(), "external")
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("cannot be found from bytes alone"), "{error}");
}

#[test]
fn groups_of_many_links_are_read_to_the_last() {
    for name in ["dense.hdf5.gz", "dense-order.hdf5.gz"] {
        let mut bytes = Vec::new();
        let packed = fs::File::open(folder().join(name)).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        let file = File::open(&Content::Bytes(bytes.into()), Budget::new(None)).unwrap();
        let mut top = Arrays::of(file.root(), "").unwrap();
        assert_eq!(top.datasets.len(), 701, "{name}");
        for at in [0, 350, 699] {
            let key = format!("{at:04}{}", "x".repeat(996));
            assert_eq!(numbers(&mut top, &key).unwrap().2, values(4, 2), "{name}, {at}");
        }
        if name.contains("order") {
            assert_eq!(top.datasets[0], "data");
            assert!(top.datasets[700].starts_with("0699x"));
        }
    }
}

#[test]
fn every_array_of_a_file_is_listed_but_what_leads_nowhere() {
    let path = folder().join("links-new.hdf5");
    let file = File::open(&Content::File(&path), Budget::new(None)).unwrap();
    let names: Vec<String> = list(&file.root(), "").into_iter().map(|array| array.name).collect();
    for name in [
        "data",
        "external",
        "external_group/data",
        "group/soft",
        "virtual",
        "virtual_missing",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    for name in ["external_missing", "group/dangling", "group/self"] {
        assert!(!names.iter().any(|found| found == name), "{name} in {names:?}");
    }
}

#[test]
fn a_file_that_was_not_closed_or_is_cut_off_is_noted() {
    let mut bytes = fs::read(folder().join("part.hdf5")).unwrap();
    let notes = |bytes: &[u8]| {
        File::open(&Content::Bytes(bytes.into()), Budget::new(None))
            .unwrap()
            .notes()
    };
    assert_eq!(notes(&bytes), []);
    let full = bytes.len() as u64;
    bytes.truncate(bytes.len() - 100);
    assert_eq!(
        notes(&bytes),
        [FileNote::CutOff {
            has: full - 100,
            says: full
        }]
    );
    let mut newest = fs::read(folder().join("links-new.hdf5")).unwrap();
    assert_eq!((newest[8], notes(&newest)), (3, Vec::new()));
    newest[11] |= 1;
    let sum = hdf5_reader::checksum::jenkins_lookup3(&newest[..44]);
    newest[44..48].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(notes(&newest), [FileNote::NotClosed]);
}

/// Every array of a file, for what damaged files do.
fn all(bytes: Vec<u8>) {
    let Ok(file) = File::open(&Content::Bytes(bytes.into()), Budget::new(Some(1 << 22))) else {
        return;
    };
    list(&file.root(), "");
    file.metadata();
    let Ok(mut top) = Arrays::of(file.root(), "") else {
        return;
    };
    for key in top.keys() {
        if let Ok(Some(header)) = top.header(&key) {
            let _ = top.bytes(&key, &header);
        }
    }
}

/// Numbers without an order, the same every time.
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below.max(1)
    }
}

#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    for name in ["types.hdf5", "links-old.hdf5", "links-new.hdf5", "part.hdf5"] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let mut random = random(7);
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = match random(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => damaged[at] ^ 1 << random(8),
                    _ => random(256) as u8,
                };
            }
            if random(8) == 0 {
                damaged.truncate(random(bytes.len()));
            }
            all(damaged);
        }
    }
}

#[test]
fn floats_of_all_magnitudes_keep_their_values() {
    // The x87's 80 bits: 1 before the point; a half of the smallest; infinity; none; a negative zero.
    let float = |exponent: u16, mantissa: u64| {
        let mut bytes = mantissa.to_le_bytes().to_vec();
        bytes.extend(exponent.to_le_bytes());
        bytes.resize(16, 0);
        bytes
    };
    let message = [
        0x11, 0x20, /* the sign's flags below */
        79, 0, 16, 0, 0, 0, 0, 0, 80, 0, 64, 15, 0, 64, 0xff, 0x3f, 0, 0,
    ];
    let mut message = message.to_vec();
    message[1] = 0;
    let long = Type::parse(&message).unwrap();
    for (bytes, expected) in [
        (float(0x3fff, 1 << 63), 1.0),
        (float(0xbffe, 1 << 63), -0.5),
        (float(0x4000, 0b11 << 62), 3.0),
        (float(0x7fff, 1 << 63), f64::INFINITY),
        (float(0x7fff, 0b11 << 62), f64::NAN),
        (float(0, 0), 0.0),
        (float(0x3fff - 1074, 1 << 63), 5e-324),
        (float(0x3fff + 1023, u64::MAX), f64::INFINITY),
        (float(0x3fff + 1023, 0xffff_ffff_ffff_f800), f64::MAX),
    ] {
        let numbers = long.numbers();
        assert_eq!((&numbers.element, numbers.order), (&Element::Float64, Order::Little));
        let converted = numbers.convert(bytes, 16).unwrap();
        let value = f64::from_le_bytes(converted.try_into().unwrap());
        assert!(
            value == expected || value.is_nan() && expected.is_nan(),
            "{value} of {expected}"
        );
    }
}
