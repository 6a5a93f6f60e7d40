//! NumPy's archive with the keys of D4RL, as `numpy.savez_compressed` writes it.

use std::io::{self, Cursor, Write};

use ndarray::ArrayView2;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Conversion;
use super::conversion::narrow;
use ndarray::s;

/// The header and what follows begin at multiples of this.
const ALIGNMENT: usize = 64;

struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn add(&mut self, name: &str, descr: &str, shape: &[usize], bytes: impl Iterator<Item = u8>) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true);
        self.0.start_file(format!("{name}.npy"), options)?;
        let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
        let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
        // Magic, version and length are ten bytes, a line end is the last.
        let length = (10 + dictionary.len() + 1).next_multiple_of(ALIGNMENT) - 10;
        self.0.write_all(b"\x93NUMPY\x01\x00")?;
        self.0.write_all(&(length as u16).to_le_bytes())?;
        self.0
            .write_all(format!("{dictionary:<width$}\n", width = length - 1).as_bytes())?;
        let mut buffer = Vec::with_capacity(1 << 16);
        for byte in bytes {
            buffer.push(byte);
            if buffer.len() == 1 << 16 {
                self.0.write_all(&buffer)?;
                buffer.clear();
            }
        }
        self.0.write_all(&buffer)
    }

    fn vectors(&mut self, name: &str, rows: ArrayView2<'_, f32>) -> io::Result<()> {
        let bytes = rows.iter().flat_map(|x| x.to_le_bytes());
        self.add(name, "<f4", &[rows.nrows(), rows.ncols()], bytes)
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        let characters = text.chars().count().max(1);
        // NumPy has four bytes a character, and no string of none.
        let bytes = text.chars().map(u32::from).chain(text.is_empty().then_some(0));
        self.add(name, &format!("<U{characters}"), &[], bytes.flat_map(u32::to_le_bytes))
    }
}

pub(super) fn encode(of: &Conversion) -> io::Result<Vec<u8>> {
    let mut archive = Archive(ZipWriter::new(Cursor::new(Vec::new())));
    let rows = of.rows();
    archive.vectors("observations", of.dataset.observations().slice(s![..rows, ..]))?;
    archive.vectors("actions", of.dataset.actions().slice(s![..rows, ..]))?;
    let rewards = of.dataset.rewards().slice(s![..rows]).to_vec();
    match narrow(&rewards) {
        Some(narrow) => archive.add("rewards", "<f4", &[rows], narrow.iter().flat_map(|x| x.to_le_bytes()))?,
        None => archive.add("rewards", "<f8", &[rows], rewards.iter().flat_map(|x| x.to_le_bytes()))?,
    }
    for (name, flags) in ["terminals", "timeouts"].into_iter().zip(of.flags()) {
        archive.add(name, "|b1", &[rows], flags.iter().map(|flag| u8::from(*flag)))?;
    }
    if let Some(next) = of.next_observations() {
        archive.vectors("next_observations", next.view())?;
    }
    for (name, text) in of.strings() {
        archive.text(&format!("metadata/{name}"), &text)?;
    }
    Ok(archive.0.finish()?.into_inner())
}
