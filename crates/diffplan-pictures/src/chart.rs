//! What all pictures share: fonts, colours, numbers on axes, legends, PNG.
//!
//! Everything is drawn [`OVERSAMPLING`] times as large and averaged down, since the backend smooths no thick lines.

use crate::error::{Error, Result};
use diffplan_envs::Frame;
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::ops::Range;

const OVERSAMPLING: usize = 2;

pub(crate) const INK: RGBColor = RGBColor(38, 43, 51);
pub(crate) const MUTED: RGBColor = RGBColor(110, 118, 129);
pub(crate) const GRID: RGBColor = RGBColor(229, 232, 236);
/// Colours that people with any kind of colour vision tell apart (Okabe and Ito 2008), without black and yellow.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The grid of nearly all charts here: thin lines across, none upright.
pub(crate) trait HorizontalGrid {
    fn horizontal_grid(&mut self) -> &mut Self;
}

impl<X, Y, XT, YT, DB> HorizontalGrid for MeshStyle<'_, '_, X, Y, DB>
where
    X: Ranged<ValueType = XT> + ValueFormatter<XT>,
    Y: Ranged<ValueType = YT> + ValueFormatter<YT>,
    DB: DrawingBackend,
{
    fn horizontal_grid(&mut self) -> &mut Self {
        let thin = GRID.stroke_width(px(1));
        self.disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(thin)
            .axis_style(thin)
    }
}

pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// A length in pixels of the finished picture, in those that are drawn.
pub(crate) fn px(length: usize) -> u32 {
    (length * OVERSAMPLING) as u32
}

/// A picture, encoded; `file` is what it is called where it cannot be.
pub(crate) fn png(
    file: &'static str,
    width: usize,
    height: usize,
    draw: &dyn Fn(&Area) -> DrawResult,
) -> Result<Vec<u8>> {
    encode(&pixels(file, width, height, draw)?).map_err(Error::encode(file))
}

/// A picture of `width` by `height` pixels; `file` is what it is called where it cannot be drawn.
pub(crate) fn pixels(
    file: &'static str,
    width: usize,
    height: usize,
    draw: &dyn Fn(&Area) -> DrawResult,
) -> Result<Frame> {
    register_fonts(file)?;
    let size = (px(width), px(height));
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        draw(&root).map_err(Error::encode(file))?;
        root.present().map_err(Error::encode(file))?;
    }
    Ok(Frame {
        width: width as u32,
        height: height as u32,
        pixels: average(&pixels, width, height),
    })
}

/// A short line of a colour and what it stands for, from `x` rightward in the middle of `y`, both in pixels that are
/// drawn; returns where the next may begin.
pub(crate) fn legend(
    area: &Area,
    (x, y): (i32, i32),
    name: &str,
    (line, text): (ShapeStyle, &TextStyle<'static>),
) -> std::result::Result<i32, DrawError> {
    let end = x + px(24) as i32;
    area.draw(&PathElement::new(vec![(x, y), (end, y)], line))?;
    let from = end + px(6) as i32;
    area.draw(&Text::new(name.to_owned(), (from, y), text.clone()))?;
    let width = area.estimate_text_size(name, text)?.0 as i32;
    Ok(from + width + px(18) as i32)
}

/// The fonts come with this program: none need be installed. Plotters keeps them for the whole process.
fn register_fonts(file: &'static str) -> Result<()> {
    for (style, font) in [
        (FontStyle::Normal, dejavu::sans::regular()),
        (FontStyle::Bold, dejavu::sans::bold()),
    ] {
        register_font("sans-serif", style, font).map_err(|_| Error::Encode {
            what: file,
            reason: "the embedded font is damaged".into(),
        })?;
    }
    Ok(())
}

pub(crate) type DrawError = DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>;
pub(crate) type DrawResult = std::result::Result<(), DrawError>;

pub(crate) fn text(size: usize, style: FontStyle, colour: RGBColor, anchor: HPos) -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, f64::from(px(size)), style);
    font.color(&colour).pos(Pos::new(anchor, VPos::Center))
}

/// A number in as few digits as tell it from its neighbours on an axis that spans `span`.
pub(crate) fn number(value: f64, span: f64) -> String {
    if value.abs() < 1e-6 * span {
        // What rounding leaves of zero.
        return "0".into();
    }
    let fixed = (1e-3..1e5).contains(&span) && value.abs() < 1e6;
    let text = if fixed {
        format!("{value:.5}")
    } else {
        format!("{value:.3e}")
    };
    let (mantissa, exponent) = text.find('e').map_or((&text[..], ""), |e| text.split_at(e));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{mantissa}{exponent}")
}

/// Of all values that are numbers, and a part of the whole more on both sides; around nothing, from -1 to 1.
pub(crate) fn range(values: impl Iterator<Item = f64>, part: f64) -> Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return -1.0..1.0;
    }
    // A constant still needs a panel around it.
    let margin = (part * (high - low)).max(1e-3 * low.abs().max(high.abs())).max(1e-6);
    low - margin..high + margin
}

/// The mean of every square of pixels.
fn average(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let stride = width * OVERSAMPLING * 3;
    let mut small = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for dy in 0..OVERSAMPLING {
                    for dx in 0..OVERSAMPLING {
                        let place = (y * OVERSAMPLING + dy) * stride + (x * OVERSAMPLING + dx) * 3 + channel;
                        sum += usize::from(pixels[place]);
                    }
                }
                small.push((sum / (OVERSAMPLING * OVERSAMPLING)) as u8);
            }
        }
    }
    small
}

/// A picture as PNG.
pub(crate) fn encode(frame: &Frame) -> std::result::Result<Vec<u8>, png::EncodingError> {
    encode_with(frame, png::Compression::High)
}

/// As small as there is time for.
pub(crate) fn encode_with(
    frame: &Frame,
    compression: png::Compression,
) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&frame.pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Width, height and pixels of an encoded picture.
    pub(crate) fn decode(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn numbers_on_axes_are_short() {
        for (value, span, text) in [
            (0.5, 2.0, "0.5"),
            (-1.25, 2.0, "-1.25"),
            (-1e-17, 2.0, "0"),
            (200.0, 200.0, "200"),
            (0.00025, 0.001, "0.00025"),
            (-2.5e-5, 1e-4, "-2.5e-5"),
            (1e7, 2e7, "1e7"),
            (0.0, 1e-9, "0"),
        ] {
            assert_eq!(number(value, span), text);
        }
    }

    #[test]
    fn ranges_hold_constants_and_nothing() {
        assert_eq!(range([f64::NAN].into_iter(), 0.1), -1.0..1.0);
        let constant = range([2.0].into_iter(), 0.1);
        assert!(constant.contains(&2.0) && constant.start < constant.end);
    }
}
