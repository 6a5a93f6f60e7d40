//! [`recognise`]: what a file is that is not what it should be.

use std::fmt;

/// What people have where another file should be, known by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrongContent {
    /// Nothing: zero bytes.
    Empty,
    /// The pointer that Git leaves in place of a large file that was not fetched.
    GitLfsPointer,
    /// A web page: what a browser's address was answered with rather than the file.
    Html,
    /// An XML document; storage services answer with one where they refuse a download.
    Xml,
    /// A pickle, which is how `torch.save` of old, and Python programs, write.
    Pickle,
    /// A zip archive: what `torch.save` and `numpy.savez` write.
    Zip,
    /// Data compressed by gzip.
    Gzip,
    /// An HDF5 file.
    Hdf5,
    /// A NumPy array.
    Npy,
    /// A file of safetensors.
    Safetensors,
    /// JSON.
    Json,
}

impl WrongContent {
    /// What to do about it, as an imperative without a full stop.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "copy or download it again",
            Self::GitLfsPointer => {
                "run `git lfs install` and `git lfs pull` in its repository, or download the file itself"
            }
            Self::Html => "download the file itself (on the Hub its address has `/resolve/`, not `/blob/`)",
            Self::Xml => "the server refused the download; look into the file for its reason and download it again",
            Self::Pickle | Self::Zip => "weights that torch.save wrote belong in `diffusion_pytorch_model.bin`",
            Self::Gzip => "unpack it first, with `gunzip` or `tar -xzf`",
            Self::Hdf5 => "a dataset goes with `--dataset`",
            Self::Npy => "name the file that was meant",
            Self::Safetensors => "weights belong in `diffusion_pytorch_model.safetensors`",
            Self::Json => "name the file that was meant",
        }
    }
}

impl fmt::Display for WrongContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::GitLfsPointer => "a Git LFS pointer, not the file itself",
            Self::Html => "a web page (HTML)",
            Self::Xml => "an XML document",
            Self::Pickle => "a Python pickle",
            Self::Zip => "a zip archive (as `torch.save` and `numpy.savez` write)",
            Self::Gzip => "gzip-compressed data",
            Self::Hdf5 => "an HDF5 file",
            Self::Npy => "a NumPy array (.npy)",
            Self::Safetensors => "a file of safetensors",
            Self::Json => "JSON",
        })
    }
}

/// What a file is by its first bytes (some hundred are enough), if that is something people are known to have in the wrong place.
/// `None` for anything else. A reader calls this once reading has failed, and leaves out what it expects itself.
pub fn recognise(bytes: &[u8]) -> Option<WrongContent> {
    if bytes.is_empty() {
        return Some(WrongContent::Empty);
    }
    let magic: [(&[u8], WrongContent); 6] = [
        (b"version https://git-lfs.github.com/spec/", WrongContent::GitLfsPointer),
        (b"PK\x03\x04", WrongContent::Zip),
        (b"\x1f\x8b", WrongContent::Gzip),
        (b"\x89HDF\r\n\x1a\n", WrongContent::Hdf5),
        (b"\x93NUMPY", WrongContent::Npy),
        (b"\xef\xbb\xbfversion https://git-lfs", WrongContent::GitLfsPointer),
    ];
    if let Some(&(_, found)) = magic.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(found);
    }
    if let [0x80, 2..=5, ..] = bytes {
        return Some(WrongContent::Pickle);
    }
    if bytes.len() > 8 && bytes[8] == b'{' && bytes[5..8] == [0; 3] {
        return Some(WrongContent::Safetensors);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |with: &str| text.len() >= with.len() && text[..with.len()].eq_ignore_ascii_case(with.as_bytes());
    if begins("<!doctype html") || begins("<html") || begins("<head") {
        return Some(WrongContent::Html);
    }
    if begins("<?xml") {
        let page = text.windows(5).any(|five| five.eq_ignore_ascii_case(b"<html"));
        return Some(if page { WrongContent::Html } else { WrongContent::Xml });
    }
    match text.first() {
        Some(b'{') => Some(WrongContent::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_wrong_files_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Option<WrongContent>); 14] = [
            (b"", Some(WrongContent::Empty)),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
                Some(WrongContent::GitLfsPointer),
            ),
            (b"\n <!DOCTYPE html><html>", Some(WrongContent::Html)),
            (b"<?xml version='1.0'?><html xmlns='x'>", Some(WrongContent::Html)),
            (
                b"<?xml version='1.0'?><Error>AccessDenied</Error>",
                Some(WrongContent::Xml),
            ),
            (b"\x80\x02}q\x00.", Some(WrongContent::Pickle)),
            (b"PK\x03\x04rest", Some(WrongContent::Zip)),
            (b"\x1f\x8b\x08", Some(WrongContent::Gzip)),
            (b"\x89HDF\r\n\x1a\n", Some(WrongContent::Hdf5)),
            (b"\x93NUMPY\x01", Some(WrongContent::Npy)),
            (b"\x40\0\0\0\0\0\0\0{\"a\"", Some(WrongContent::Safetensors)),
            (b" {\"a\": 1}", Some(WrongContent::Json)),
            (b"plain words", None),
            (b"<", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recognise(bytes), expected, "{bytes:?}");
        }
    }
}
