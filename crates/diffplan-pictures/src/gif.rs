//! Animated GIFs: one palette for all frames, and of every frame only what changed.

use crate::error::{Error, Result};
use diffplan_envs::Frame;
use gif::{DisposalMethod, Encoder, Repeat};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Frames that the palette is made from.
const SAMPLES: usize = 12;
/// The last place of the palette: a pixel that stays as it is.
const UNCHANGED: u8 = 255;

type Rgb = [u8; 3];

/// An animation that starts over at its end, encoded. `delays` has how long each frame is shown, in hundredths of a second;
/// `draw` draws them, all of one size, some of them twice for the palette. `file` is what it is called where it cannot be
/// encoded.
pub(crate) fn encode(
    file: &'static str,
    delays: &[u16],
    draw: &mut dyn FnMut(usize) -> Result<Frame>,
) -> Result<Vec<u8>> {
    let mut counts = BTreeMap::new();
    let samples = SAMPLES.min(delays.len());
    let mut size = (0, 0);
    for i in 0..samples {
        // The first and the last, and between.
        let frame = draw(i * (delays.len() - 1) / (samples - 1).max(1))?;
        size = (frame.width as usize, frame.height as usize);
        for (colour, count) in runs(&frame.pixels) {
            *counts.entry(colour).or_insert(0_u64) += count as u64;
        }
    }
    let side = |length: usize| u16::try_from(length).map_err(Error::encode(file));
    let mut palette = Palette::of(&counts);
    let mut bytes = Vec::new();
    let mut encoder =
        Encoder::new(&mut bytes, side(size.0)?, side(size.1)?, &palette.bytes()).map_err(Error::encode(file))?;
    encoder.set_repeat(Repeat::Infinite).map_err(Error::encode(file))?;
    let mut shown: Vec<u8> = Vec::new();
    for (i, &delay) in delays.iter().enumerate() {
        let frame = draw(i)?;
        let mut indices = Vec::with_capacity(size.0 * size.1);
        for (colour, count) in runs(&frame.pixels) {
            indices.resize(indices.len() + count, palette.nearest(colour));
        }
        if (frame.width as usize, frame.height as usize) != size {
            return Err(Error::Encode {
                what: file,
                reason: format!("frame {i} is of another size than the first"),
            });
        }
        let part = Part::changed(&shown, &indices, size.0);
        let frame = gif::Frame {
            delay,
            dispose: DisposalMethod::Keep,
            transparent: Some(UNCHANGED),
            left: side(part.left)?,
            top: side(part.top)?,
            width: side(part.width)?,
            height: side(part.height)?,
            buffer: Cow::Owned(part.pixels),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).map_err(Error::encode(file))?;
        shown = indices;
    }
    drop(encoder);
    Ok(bytes)
}

/// Colours, and how many pixels in a row have each: most of a picture is areas.
fn runs(pixels: &[u8]) -> impl Iterator<Item = (Rgb, usize)> {
    let (pixels, _) = pixels.as_chunks::<3>();
    pixels.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()))
}

/// The smallest rectangle that holds all changes, its unchanged pixels transparent: they are then all alike.
struct Part {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Part {
    /// What of `next` is not as in `shown`, which is empty before the first frame; rows of `width` pixels.
    fn changed(shown: &[u8], next: &[u8], width: usize) -> Self {
        let differs = |place: usize| shown.get(place) != Some(&next[place]);
        let (mut left, mut right, mut top, mut bottom) = (width, 0, usize::MAX, 0);
        for place in (0..next.len()).filter(|&place| differs(place)) {
            let (column, row) = (place % width, place / width);
            (left, right) = (left.min(column), right.max(column + 1));
            (top, bottom) = (top.min(row), row + 1);
        }
        if top == usize::MAX {
            // Time passes nevertheless.
            (left, right, top, bottom) = (0, 1, 0, 1);
        }
        let places = (top..bottom).flat_map(|row| row * width + left..row * width + right);
        let pixel = |place| if differs(place) { next[place] } else { UNCHANGED };
        Self {
            left,
            top,
            width: right - left,
            height: bottom - top,
            pixels: places.map(pixel).collect(),
        }
    }
}

/// The colours of an animation: those of areas as they are, and of what lies between as many as there is room for.
struct Palette {
    colours: Vec<Rgb>,
    known: HashMap<Rgb, u8>,
}

impl Palette {
    /// Of how often each colour occurs. Colours are told apart by five bits a channel; the most frequent of those that are
    /// not stands for all of them.
    fn of(counts: &BTreeMap<Rgb, u64>) -> Self {
        struct Cell {
            total: u64,
            most: u64,
            colour: Rgb,
        }
        let mut cells: BTreeMap<Rgb, Cell> = BTreeMap::new();
        for (&colour, &count) in counts {
            let cell = cells.entry(colour.map(|channel| channel >> 3)).or_insert(Cell {
                total: 0,
                most: 0,
                colour,
            });
            cell.total += count;
            if count > cell.most {
                (cell.most, cell.colour) = (count, colour);
            }
        }
        let mut cells: Vec<Cell> = cells.into_values().collect();
        // Stable, so that the order of colours decides between those that are as frequent.
        cells.sort_by_key(|cell| std::cmp::Reverse(cell.total));
        cells.truncate(usize::from(UNCHANGED));
        Self {
            colours: cells.iter().map(|cell| cell.colour).collect(),
            known: HashMap::new(),
        }
    }

    /// Red, green and blue of 256 colours.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.colours.concat();
        bytes.resize(3 * 256, 0);
        bytes
    }

    fn nearest(&mut self, colour: Rgb) -> u8 {
        let colours = &self.colours;
        *self.known.entry(colour).or_insert_with(|| {
            let distance = |other: &Rgb| -> u32 {
                let channels = other.iter().zip(&colour);
                channels.map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum()
            };
            // There are fewer colours than a byte counts.
            (0..)
                .zip(colours)
                .min_by_key(|(_, other)| distance(other))
                .map_or(0, |(index, _)| index)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Delays and full pictures of an animation, as a viewer shows them.
    pub(crate) fn decode(file: &[u8]) -> (Vec<u16>, Vec<Frame>) {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(file).unwrap();
        let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
        let mut screen = crate::frames::blank(width, height);
        let (mut delays, mut frames) = (Vec::new(), Vec::new());
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            let (left, top) = (usize::from(frame.left), usize::from(frame.top));
            for (i, pixel) in frame
                .buffer
                .chunks_exact(4)
                .enumerate()
                .filter(|(_, pixel)| pixel[3] > 0)
            {
                let (row, column) = (i / usize::from(frame.width), i % usize::from(frame.width));
                let place = 3 * ((top + row) * width + left + column);
                screen.pixels[place..place + 3].copy_from_slice(&pixel[..3]);
            }
            delays.push(frame.delay);
            frames.push(screen.clone());
        }
        (delays, frames)
    }

    /// A square of red wandering over white, and a blue dot that stays.
    fn draw(i: usize) -> Result<Frame> {
        let mut frame = crate::frames::blank(20, 10);
        for (row, column) in [(2, 2 * i), (2, 2 * i + 1), (3, 2 * i)] {
            frame.pixels[3 * (20 * row + column)..][..3].copy_from_slice(&[200, 10, 10]);
        }
        frame.pixels[3 * (20 * 9 + 19)..].copy_from_slice(&[0, 0, 250]);
        Ok(frame)
    }

    #[test]
    fn what_is_encoded_is_what_is_shown() {
        let delays = [5, 4, 4, 150];
        let file = encode("test", &delays, &mut draw).unwrap();
        let (shown, frames) = decode(&file);
        assert_eq!(shown, delays);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(*frame, draw(i).unwrap(), "frame {i}");
        }
        assert_eq!(file, encode("test", &delays, &mut draw).unwrap());
        // A frame that is as the one before takes its time.
        let still = encode("test", &[3, 7], &mut |_| draw(1)).unwrap();
        assert_eq!(decode(&still), (vec![3, 7], vec![draw(1).unwrap(), draw(1).unwrap()]));
    }

    #[test]
    fn only_what_changed_is_written() {
        let (shown, next) = ([0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]);
        let part = Part::changed(&shown, &next, 3);
        assert_eq!((part.left, part.top, part.width, part.height), (1, 0, 2, 2));
        assert_eq!(part.pixels, [1, UNCHANGED, UNCHANGED, 1]);
        let all = Part::changed(&[], &next, 3);
        assert_eq!((all.width, all.height, &all.pixels[..]), (3, 2, &next[..]));
    }

    #[test]
    fn frequent_colours_are_exact_and_rare_ones_close() {
        // More colours than there is room for: the grey of areas, and a cube of rare ones.
        let mut counts = BTreeMap::from([([246, 248, 251], 100_000)]);
        for i in 0..1000_u32 {
            let colour = [i % 10, i / 10 % 10, i / 100].map(|c| (c * 28) as u8);
            counts.insert(colour, u64::from(1 + i));
        }
        let mut palette = Palette::of(&counts);
        assert_eq!(palette.colours.len(), 255);
        let place = usize::from(palette.nearest([246, 248, 251]));
        assert_eq!(palette.colours[place], [246, 248, 251]);
        let place = usize::from(palette.nearest([250, 240, 250]));
        let near = palette.colours[place];
        assert!(
            near.iter().zip([250, 240, 250]).all(|(&a, b)| a.abs_diff(b) < 32),
            "{near:?}"
        );
    }

    #[test]
    fn frames_of_another_size_are_refused() {
        let mut sizes = |i: usize| Ok(crate::frames::blank(4 + i / 2, 4));
        let error = encode("test", &[1, 1, 1], &mut sizes).unwrap_err();
        assert!(error.to_string().contains("another size"), "{error}");
    }
}
