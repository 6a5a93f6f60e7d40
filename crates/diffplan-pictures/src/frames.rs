//! Pictures put together from others.

use crate::chart;
use crate::error::{Error, Result};
use diffplan_envs::Frame;

/// A picture encoded as PNG, made smaller where it is more than `width` pixels wide: quickly, for pictures that are looked at for a moment.
///
/// # Errors
/// [`Error::Encode`] if it has other pixels than its size says.
pub fn frame_png(frame: &Frame, width: usize) -> Result<Vec<u8>> {
    if frame.pixels.len() != 3 * frame.width as usize * frame.height as usize {
        return Err(Error::Encode {
            what: "a frame",
            reason: format!(
                "{} bytes for {} by {} pixels",
                frame.pixels.len(),
                frame.width,
                frame.height
            ),
        });
    }
    let frame = shrink(frame, width);
    chart::encode_with(&frame, png::Compression::Fast).map_err(Error::encode("a frame"))
}

/// A white picture.
pub(crate) fn blank(width: usize, height: usize) -> Frame {
    Frame {
        width: width as u32,
        height: height as u32,
        pixels: vec![255; width * height * 3],
    }
}

/// Copies `part` into `onto`, its upper left corner at `(x, y)`. What would lie outside is left out.
pub(crate) fn paste(onto: &mut Frame, part: &Frame, (x, y): (usize, usize)) {
    let (width, part_width) = (onto.width as usize, part.width as usize);
    let columns = part_width.min(width.saturating_sub(x));
    let rows = part.pixels.chunks_exact(3 * part_width.max(1));
    let places = onto.pixels.chunks_exact_mut(3 * width.max(1)).skip(y);
    for (row, place) in rows.zip(places) {
        if columns > 0 {
            place[3 * x..3 * (x + columns)].copy_from_slice(&row[..3 * columns]);
        }
    }
}

/// A picture made smaller, `width` pixels wide and as high in proportion: every pixel is the mean of the area it stands for.
/// One that is not wider stays as it is.
pub(crate) fn shrink(frame: &Frame, width: usize) -> Frame {
    let (old_width, old_height) = (frame.width as usize, frame.height as usize);
    if width >= old_width || width == 0 {
        return frame.clone();
    }
    let height = (old_height * width).div_ceil(old_width);
    let (columns, rows) = (shares(old_width, width), shares(old_height, height));
    let mut pixels = Vec::with_capacity(width * height * 3);
    for rows in &rows {
        for columns in &columns {
            let (mut sum, mut area) = ([0.0; 3], 0.0);
            for &(row, share) in rows {
                for &(column, of_column) in columns {
                    let (weight, place) = (share * of_column, 3 * (row * old_width + column));
                    area += weight;
                    (0..3).for_each(|i| sum[i] += weight * f64::from(frame.pixels[place + i]));
                }
            }
            pixels.extend(sum.map(|sum| (sum / area).round() as u8));
        }
    }
    Frame {
        width: width as u32,
        height: height as u32,
        pixels,
    }
}

/// Of each of `new` pixels in a row, which of the `old` ones it covers, and how much of each.
fn shares(old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
    let edge = |i: usize| i as f64 * old as f64 / new as f64;
    let covered = |i: usize| {
        let (start, end) = (edge(i), edge(i + 1).min(old as f64));
        let pixels = start as usize..(end.ceil() as usize).min(old);
        let share = move |pixel: usize| (end.min((pixel + 1) as f64) - start.max(pixel as f64)).max(0.0);
        pixels.map(|pixel| (pixel, share(pixel))).collect()
    };
    (0..new).map(covered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, values: &[u8]) -> Frame {
        Frame {
            width,
            height,
            pixels: values.iter().flat_map(|&v| [v; 3]).collect(),
        }
    }

    #[test]
    fn parts_are_pasted_and_cut_at_the_border() {
        let mut picture = blank(3, 2);
        paste(&mut picture, &grey(2, 2, &[1, 2, 3, 4]), (2, 1));
        assert_eq!(picture, grey(3, 2, &[255, 255, 255, 255, 255, 1]));
        paste(&mut picture, &grey(1, 1, &[9]), (0, 0));
        paste(&mut picture, &grey(1, 1, &[8]), (7, 7));
        assert_eq!(picture, grey(3, 2, &[9, 255, 255, 255, 255, 1]));
    }

    #[test]
    fn frames_are_encoded_no_wider_than_asked() {
        let frame = grey(4, 2, &[0, 100, 40, 60, 100, 200, 60, 40]);
        let (width, height, pixels) = chart::tests::decode(&frame_png(&frame, 2).unwrap());
        assert_eq!((width, height, pixels[0], pixels[3]), (2, 1, 100, 50));
        assert_eq!(chart::tests::decode(&frame_png(&frame, 9).unwrap()).2, frame.pixels);
        let broken = Frame { width: 3, ..frame };
        assert!(
            frame_png(&broken, 9)
                .unwrap_err()
                .to_string()
                .contains("24 bytes for 3 by 2")
        );
    }

    #[test]
    fn smaller_pictures_are_means_of_areas() {
        let four = grey(4, 2, &[0, 100, 40, 60, 100, 200, 60, 40]);
        assert_eq!(shrink(&four, 2), grey(2, 1, &[100, 50]));
        assert_eq!(shrink(&four, 4), four);
        // Three pixels become two: one and a half each.
        assert_eq!(
            shrink(&grey(3, 3, &[0, 30, 60, 0, 30, 60, 0, 30, 60]), 2),
            grey(2, 2, &[10, 50, 10, 50])
        );
    }
}
