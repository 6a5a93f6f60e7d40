//! Files as torch writes them, made here byte by byte, and what becomes of them when they are broken; and files that are written here.

use diffplan_tensors::{Dtype, Kind, NamedTensors, Pickle, Tensor, TorchFile, torch_bytes};
use std::path::Path;

/// A pickle under construction.
#[derive(Default)]
struct Pickled(Vec<u8>);

impl Pickled {
    fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor of four numbers of a storage, (2, 2), with these strides.
    fn tensor(self, key: &str, strides: [u8; 2]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cuda:0")
            .op(b"K\x04tQK\x00K\x02K\x02\x86")
            .op(&[b'K', strides[0], b'K', strides[1], 0x86])
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }
}

/// `{"epoch": 3, "w": …, "net": Net(...), "t": w transposed}`
fn value() -> Vec<u8> {
    Pickled::default()
        .op(b"\x80\x02}(")
        .text("epoch")
        .op(b"K\x03")
        .text("w")
        .tensor("0", [2, 1])
        .text("net")
        .global("some.project", "Net")
        .op(b")\x81}")
        .text("width")
        .op(b"K\x20sb")
        .text("t")
        .tensor("0", [1, 2])
        .op(b"u.")
        .0
}

fn numbers() -> Vec<u8> {
    [1f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A zip archive of stored entries, with sizes in the directory alone, as torch writes it.
fn zip(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = file.len() as u32;
        let len = content.len() as u32;
        let name_len = (name.len() as u16).to_le_bytes();
        let crc = crc32fast::hash(content).to_le_bytes();
        file.extend_from_slice(b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0");
        file.extend_from_slice(&[0; 12]);
        file.extend_from_slice(&name_len);
        file.extend_from_slice(&[0; 2]);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\0\0\0\0\x08\x08\0\0\0\0\0\0");
        directory.extend_from_slice(&crc);
        directory.extend_from_slice(&len.to_le_bytes());
        directory.extend_from_slice(&len.to_le_bytes());
        directory.extend_from_slice(&name_len);
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (start, len, count) = (file.len() as u32, directory.len() as u32, entries.len() as u16);
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count.to_le_bytes());
    file.extend_from_slice(&count.to_le_bytes());
    file.extend_from_slice(&len.to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0; 2]);
    file
}

fn new() -> Vec<u8> {
    zip(&[("archive/data.pkl", value()), ("archive/data/0", numbers())])
}

fn old() -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend(
        Pickled::default()
            .op(b"\x80\x02}")
            .text("little_endian")
            .op(b"\x88s.")
            .0,
    );
    file.extend(value());
    file.extend(Pickled::default().op(b"\x80\x02]").text("0").op(b"a.").0);
    file.extend_from_slice(&4u64.to_le_bytes());
    file.extend(numbers());
    file
}

fn read(bytes: &[u8]) -> diffplan_files::Result<TorchFile> {
    TorchFile::from_bytes(bytes.to_vec(), Path::new("net.pt"))
}

#[test]
fn both_formats_read() {
    for bytes in [new(), old()] {
        let file = read(&bytes).unwrap();
        let tensors = file.state_dict(file.root()).unwrap();
        let names: Vec<&str> = tensors.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["w", "t"]);
        assert_eq!(tensors.get("w").unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(tensors.get("t").unwrap().to_f32().unwrap(), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(file.root().get("epoch").unwrap().as_int(), Some(3));
        // What is no tensor is told, and an object of a class that nobody has can be asked.
        assert_eq!(
            tensors.others()[1],
            ("net".into(), "an object of some.project.Net".into())
        );
        let net = file.root().get("net").unwrap();
        assert_eq!(net.get("width").unwrap().as_int(), Some(32));
        let tensors = NamedTensors::from_bytes(bytes, Path::new("net.bin")).unwrap();
        assert_eq!(tensors.len(), 2);
    }
}

#[test]
fn calls_are_not_made() {
    let trace = std::env::temp_dir().join(format!("diffplan-tensors-{}", std::process::id()));
    let code = Pickled::default()
        .op(b"\x80\x02")
        .global("os", "system")
        .text(&format!("touch {}", trace.display()))
        .op(b"\x85R.")
        .0;
    let pickle = Pickle::from_bytes(&code, Path::new("config.pkl")).unwrap();
    let Kind::Object(object) = pickle.root().kind() else {
        panic!("{:?}", pickle.root());
    };
    assert_eq!(object.class(), "os.system");
    assert!(!trace.exists());
    // As a file of weights it is an error.
    assert!(read(&code).is_err());
}

/// Damage of any kind is an error or other values, and never a panic: every length, every bit, and bytes that are opcodes.
#[test]
fn broken_files_do_not_panic() {
    for whole in [new(), old()] {
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "cut to {len} bytes");
        }
        let mut broken = whole.clone();
        for at in 0..whole.len() {
            let replacements = (0..8).map(|bit| whole[at] ^ (1 << bit)).chain(*b"(.0R}]tu\x81b");
            for byte in replacements {
                broken[at] = byte;
                if let Ok(file) = read(&broken) {
                    let _ = file.state_dict(file.root()).map(|tensors| {
                        tensors.iter().for_each(|(_, tensor)| drop(tensor.to_f32()));
                    });
                }
            }
            broken[at] = whole[at];
        }
    }
}

#[test]
fn nesting_and_repetition_cost_nothing() {
    let mut deep = b"\x80\x02".to_vec();
    deep.extend(std::iter::repeat_n(b']', 200_000));
    deep.extend(std::iter::repeat_n(b'a', 199_999));
    deep.push(b'.');
    assert!(Pickle::from_bytes(&deep, Path::new("deep")).is_ok());
    // A list in itself, and a dictionary of itself twice, forty times over.
    Pickle::from_bytes(b"\x80\x02]q\x00h\x00a.", Path::new("itself")).unwrap();
    let mut grown = b"\x80\x02}q\x00".to_vec();
    for i in 0..40u8 {
        grown.extend_from_slice(&[b'}', b'q', i + 1, b'(', b'K', 0, b'h', i, b'K', 1, b'h', i, b'u', b'0']);
    }
    grown.extend_from_slice(&[b'h', 40, b'.']);
    let grown = zip(&[("a/data.pkl", grown)]);
    let file = read(&grown).unwrap();
    let error = file.state_dict(file.root()).unwrap_err().to_string();
    assert!(error.contains("deep") || error.contains("names"), "{error}");
    // More values than there can be.
    let mut many = b"\x80\x02(".to_vec();
    many.extend(std::iter::repeat_n(b']', diffplan_tensors::pickle::MAX_VALUES));
    many.extend_from_slice(b"t.");
    let error = Pickle::from_bytes(&many, Path::new("many")).unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn other_files_are_told_by_name() {
    for (bytes, named) in [
        (&b""[..], "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"noise", "nothing that torch.save writes"),
        (b"\x80\x02}.", "torch.save did not write"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains("net.pt") && error.contains(named), "{error}");
    }
    let npz = zip(&[("a.npy", Vec::new())]);
    assert!(read(&npz).unwrap_err().to_string().contains("NumPy"));
}

/// What is written reads back to the bit, whatever its type and shape, and from a multiple of 64 bytes on.
#[test]
fn written_files_read_to_the_bit() {
    let noise = |count: usize| (0..count).map(|i| (i * 167 % 251) as u8).collect::<Vec<u8>>();
    let tensor = |dtype: Dtype, shape: &[usize]| {
        let count: usize = shape.iter().product();
        Tensor::from_bytes(dtype, shape, noise(count * dtype.size())).unwrap()
    };
    let tensors = [
        ("conv.weight", tensor(Dtype::F32, &[3, 1, 300])),
        ("conv.bias", tensor(Dtype::F16, &[3])),
        ("norm.weight", tensor(Dtype::BF16, &[2, 5])),
        ("a name of äöü and more", tensor(Dtype::F64, &[])),
        ("steps", tensor(Dtype::I64, &[2])),
        ("none", tensor(Dtype::F32, &[0, 4])),
        ("mask", Tensor::from_bytes(Dtype::Bool, &[2], vec![0, 1]).unwrap()),
    ];
    let bytes = torch_bytes(
        tensors.iter().map(|(name, tensor)| (*name, tensor)),
        Path::new("net.bin"),
    )
    .unwrap();
    let back = NamedTensors::from_bytes(bytes.clone(), Path::new("net.bin")).unwrap();
    assert_eq!((back.len(), back.others()), (tensors.len(), &[][..]));
    for ((name, tensor), (read, back)) in tensors.iter().zip(back.iter()) {
        assert_eq!(
            (*name, tensor.dtype(), tensor.shape()),
            (read, back.dtype(), back.shape())
        );
        assert_eq!(tensor.to_bytes(), back.to_bytes(), "{name}");
        // Also where a view was written: from the file that was read.
        let again = torch_bytes([(read, back)], Path::new("net.bin")).unwrap();
        let again = NamedTensors::from_bytes(again, Path::new("net.bin")).unwrap();
        assert_eq!(again.get(name).unwrap().to_bytes(), tensor.to_bytes(), "{name}");
    }
    let content = noise(900 * 4);
    let at = bytes.windows(content.len()).position(|window| window == content);
    assert_eq!(at.map(|at| at % 64), Some(0));
    assert_eq!(&bytes[..4], b"PK\x03\x04");
    // And nothing of it can be cut off or changed without an error or other values.
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let tensor = |dtype: Dtype| Tensor::from_bytes(dtype, &[1], vec![0; dtype.size()]).unwrap();
    let (float, small) = (tensor(Dtype::F32), tensor(Dtype::F8E4M3));
    let error = |tensors: &[(&str, &Tensor)]| {
        let written = torch_bytes(tensors.iter().copied(), Path::new("net.bin"));
        written.unwrap_err().to_string()
    };
    assert!(error(&[("w", &float), ("w", &float)]).contains("two tensors of the name w"));
    assert!(error(&[("w", &small)]).contains("w is a tensor of float8_e4m3fn"));
    assert!(Tensor::from_bytes(Dtype::F32, &[2], vec![0; 4]).is_none());
    assert!(Tensor::from_bytes(Dtype::F32, &[usize::MAX, 2], vec![0; 4]).is_none());
}
