//! NumPy's archives.

use super::*;

pub(super) fn npz(fill: impl FnOnce(&mut NpzWriter<fs::File>)) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.npz");
    let mut npz = NpzWriter::new_compressed(fs::File::create(&path).unwrap());
    fill(&mut npz);
    npz.finish().unwrap();
    (folder, path)
}

pub(super) fn good_npz(npz: &mut NpzWriter<fs::File>) {
    // First axis fastest, as NumPy writes a transposed array.
    let mut fortran = Array2::<f64>::zeros((ROWS, 2).f());
    fortran.assign(&observations().mapv(f64::from));
    npz.add_array("observations", &fortran).unwrap();
    npz.add_array("actions", &Array2::from_shape_fn((ROWS, 1), |(row, _)| row as f32))
        .unwrap();
    npz.add_array("rewards", &Array1::from_iter((0..ROWS).map(|row| row as f64)))
        .unwrap();
    npz.add_array("terminals", &Array1::from_iter((0..ROWS).map(|row| row == 2)))
        .unwrap();
    npz.add_array("timeouts", &Array1::from_iter((0..ROWS).map(|row| row == 5)))
        .unwrap();
}

#[test]
fn an_npz_file_is_read() {
    let (_folder, path) = npz(good_npz);
    is_the_good_one(&Dataset::read(&path, &options()).unwrap());
    let raw = RawDataset::read(&path, &options()).unwrap();
    assert_eq!((raw.format, raw.arrays.len()), (FileFormat::Npz, 5));
    let (_folder, path) = npz(|npz| npz.add_array("observations", &observations()).unwrap());
    assert_eq!(
        complaint(Dataset::read(&path, &options())),
        r#""actions" is missing, there is observations"#
    );
}

/// An archive of one array with this header and these numbers.
fn npz_header(header: &str, bytes: &[u8]) -> String {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default();
    for key in ["observations", "actions", "rewards"] {
        zip.start_file(format!("{key}.npy"), stored).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    complaint(read_bytes("data.npz", &bytes, &options()))
}

#[test]
fn headers_of_npz_are_not_believed() {
    let header =
        |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    for (header, bytes, expected) in [
        (header("'<f4'", "(1000000000000,)"), 4, "reading takes"),
        (
            header("'<f4'", "(18446744073709551615, 18446744073709551615)"),
            4,
            "rewards: shape (18446744073709551615, 18446744073709551615), expected (rows,)",
        ),
        (
            header("'<f4'", "(3,)"),
            8,
            "observations: 8 bytes, expected 12 for float32 of shape (3,)",
        ),
        (
            header("'<f4'", "(1,)"),
            8,
            "observations: 5 bytes, expected 4 for float32 of shape (1,)",
        ),
        (header("'<f4'", "(-1,)"), 4, "observations: the header has no descr"),
        (header("'|O'", "(1,)"), 8, "observations: holds Python objects"),
        (header("'<U5'", "(1,)"), 8, "observations: holds strings"),
        (
            header("[('a', '<f4')]", "(1,)"),
            8,
            "observations: holds a compound type",
        ),
        ("{".into(), 8, "observations: the header is no Python dictionary"),
        ("[".repeat(4000), 8, "observations: the header is nested too deeply"),
        // What a fuzzer found: the time to parse it doubled with every bracket.
        (
            header("'<f4'", &("(6,".repeat(26) + &")".repeat(26))),
            8,
            "observations: the header is nested too deeply",
        ),
        (
            "x".repeat(5000),
            8,
            "observations: the header is longer than that of an array of numbers",
        ),
    ] {
        let text = npz_header(&header, &vec![0; bytes]);
        assert!(text.starts_with(expected), "{header}: {text}");
    }
}
