//! What a file is that is no dataset, by its first bytes, and what to do with it.

/// What a file is by its first bytes, if it is known and not HDF5 or `.npz`.
pub(super) fn named(start: &[u8]) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(begin, _)| start.starts_with(begin));
    if let Some((_, what)) = known {
        return Some(what);
    }
    if start.starts_with(b"PK\x03\x04") && is_torch(start) {
        return Some(TORCH);
    }
    if matches!(start, [0x80, 2..=5, ..]) {
        let torch = start.get(2..).is_some_and(|rest| rest.starts_with(OLD_TORCH));
        return Some(if torch { TORCH } else { PICKLE });
    }
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    let html = ["<!doctype html", "<html", "<head", "<?xml", "<!--", "<body", "<script"];
    if html.iter().any(|begin| text.starts_with(begin)) {
        return Some(
            "it is an HTML page, most likely what a server answered in place of the file (a login, a notice): download \
             it again, by the address of the file itself",
        );
    }
    // Length of the header, and the header, which is JSON.
    if matches!(start, [_, _, _, _, _, 0, 0, 0, b'{', ..]) {
        return Some("it is a safetensors file, of weights and not of steps");
    }
    if is_toml(&text) {
        return Some("it is TOML text, of settings or guides and not of steps");
    }
    if text.starts_with('{') || text.starts_with('[') {
        return Some("it is JSON text: write its arrays with numpy.savez");
    }
    None
}

const TORCH: &str = "it is a PyTorch file (a checkpoint, or tensors), not a dataset: load it with torch.load and write its \
                     arrays with numpy.savez; weights are read by `diffplan convert`";
const PICKLE: &str = "it is a Python pickle, which is not read, for to read it may run anything: load it in Python, if you \
                      trust it, and write its arrays with numpy.savez";
/// Of files that PyTorch wrote before 1.6: a number by which it knows them.
const OLD_TORCH: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

const KNOWN: [(&[u8], &str); 11] = [
    (
        b"\x93NUMPY",
        "it is one NumPy array (.npy), and a dataset has several: write them into one file with \
         numpy.savez(\"dataset.npz\", observations=..., actions=..., rewards=..., terminals=...)",
    ),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first (gunzip)"),
    (b"BZh", "it is compressed with bzip2: unpack it first (bunzip2)"),
    (b"\xfd7zXZ\0", "it is compressed with xz: unpack it first (unxz)"),
    (
        b"\x28\xb5\x2f\xfd",
        "it is compressed with Zstandard: unpack it first (unzstd)",
    ),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive: unpack it first"),
    (
        b"PAR1",
        "it is one Parquet file: of a LeRobot dataset give the folder, with meta/info.json; others are not read, convert them to HDF5 or .npz",
    ),
    (
        b"ARROW1",
        "it is one Arrow file: of imitation's trajectories give the folder, with state.json; others are not read, convert them to HDF5 or .npz",
    ),
    (
        b"version https://git-lfs",
        "it is a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`",
    ),
    (b"SQLite format 3\0", "it is an SQLite database, which is not read"),
    (b"\x89PNG", "it is a picture (PNG)"),
];

/// Whether lower-case text begins with a table's name in brackets, one or two. A list of JSON has numbers, quotes or words of its own there.
fn is_toml(text: &str) -> bool {
    let Some(name) = text.strip_prefix("[[").or_else(|| text.strip_prefix('[')) else {
        return false;
    };
    let name = name.split(']').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(plain)
        && !["true", "false", "null", "nan"].contains(&name)
}

/// Whether the first file of a zip archive is one of those that PyTorch writes.
fn is_torch(start: &[u8]) -> bool {
    // The name's length stands at 26, the name at 30.
    let length = start
        .get(26..28)
        .map(|length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let name = length.and_then(|length| start.get(30..)?.get(..length.min(start.len() - 30)));
    let Some(name) = name else { return false };
    let name = String::from_utf8_lossy(name);
    let file = name.rsplit('/').next().unwrap_or_default();
    name.contains('/') && ["data.pkl", ".format_version", "byteorder", "version", "constants.pkl"].contains(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_pass_instead_of_a_dataset_is_named() {
        let zip = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.resize(26, 0);
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name.bytes());
            bytes
        };
        for (start, expected) in [
            (b"\x93NUMPY\x01\0".to_vec(), "one NumPy array"),
            (b"\x1f\x8b\x08".to_vec(), "gzip"),
            (b"\n <!DOCTYPE html><html>".to_vec(), "HTML page"),
            (b"<html><head>".to_vec(), "HTML page"),
            (b"PAR1".to_vec(), "Parquet"),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "Git LFS"),
            (b"\x80\x04\x95".to_vec(), "Python pickle"),
            (
                b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
                "PyTorch",
            ),
            (b"[[guide]]\nkind".to_vec(), "TOML"),
            (b"[tuned]\n".to_vec(), "TOML"),
            (b"[[1.0, 2.0]]".to_vec(), "JSON"),
            (b"[true]".to_vec(), "JSON"),
            (zip("archive/data.pkl"), "PyTorch"),
            (zip("model/.format_version"), "PyTorch"),
            (b"\x40\0\0\0\0\0\0\0{\"a\"".to_vec(), "safetensors"),
        ] {
            let found = named(&start).unwrap_or_default();
            assert!(found.contains(expected), "{found:?} of {expected:?}");
        }
        for start in [
            zip("observations.npy"),
            b"\x89HDF\r\n\x1a\n".to_vec(),
            Vec::new(),
            b"numbers".to_vec(),
        ] {
            assert_eq!(named(&start), None, "{start:?}");
        }
    }
}
