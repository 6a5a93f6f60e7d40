//! A white canvas to draw on, with the origin in the lower left corner and y upward, as the classic control problems use
//! it.

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::Frame;

/// A position on the canvas in pixels.
type Point = (f64, f64);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    pub(crate) const BLACK: Self = Self::rgb(0, 0, 0);

    pub(crate) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    fn paint(self) -> Paint<'static> {
        let mut paint = Paint::default();
        paint.set_color_rgba8(self.red, self.green, self.blue, u8::MAX);
        paint
    }
}

pub(crate) struct Canvas {
    pixmap: Pixmap,
    /// From y upward to y downward.
    upright: Transform,
}

impl Canvas {
    /// A canvas of a fixed size in pixels, neither side 0.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        let mut pixmap = Pixmap::new(width.into(), height.into()).expect("the size of a picture is fixed and positive");
        pixmap.fill(tiny_skia::Color::WHITE);
        Self {
            pixmap,
            upright: Transform::from_row(1.0, 0.0, 0.0, -1.0, 0.0, height.into()),
        }
    }

    /// Fills the polygon of at least three corners. One without area or out of sight leaves no trace.
    pub(crate) fn fill_polygon(&mut self, corners: &[Point], color: Color) {
        let mut path = lines(corners);
        path.close();
        self.fill(path, color);
    }

    pub(crate) fn fill_circle(&mut self, center: Point, radius: f64, color: Color) {
        let mut path = PathBuilder::new();
        path.push_circle(center.0 as f32, center.1 as f32, radius as f32);
        self.fill(path, color);
    }

    /// Draws the line through the points, `width` pixels wide.
    pub(crate) fn stroke_line(&mut self, points: &[Point], width: f64, color: Color) {
        let stroke = Stroke {
            width: width as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(path) = lines(points).finish() {
            self.pixmap
                .stroke_path(&path, &color.paint(), &stroke, self.upright, None);
        }
    }

    fn fill(&mut self, path: PathBuilder, color: Color) {
        // `None` is a path that has no extent: nothing to fill.
        let path: Option<Path> = path.finish();
        if let Some(path) = path {
            self.pixmap
                .fill_path(&path, &color.paint(), FillRule::Winding, self.upright, None);
        }
    }

    pub(crate) fn into_frame(self) -> Frame {
        Frame {
            width: self.pixmap.width(),
            height: self.pixmap.height(),
            // Everything was drawn opaque on white, so that colours times opacity are the colours.
            pixels: self
                .pixmap
                .pixels()
                .iter()
                .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
                .collect(),
        }
    }
}

fn lines(points: &[Point]) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        if index == 0 {
            path.move_to(x as f32, y as f32);
        } else {
            path.line_to(x as f32, y as f32);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(frame: &Frame, column: u32, row: u32) -> &[u8] {
        let start = 3 * (row * frame.width + column) as usize;
        &frame.pixels[start..start + 3]
    }

    #[test]
    fn the_origin_is_the_lower_left_corner() {
        let mut canvas = Canvas::new(8, 4);
        canvas.fill_polygon(
            &[(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)],
            Color::rgb(10, 20, 30),
        );
        let frame = canvas.into_frame();
        assert_eq!((frame.width, frame.height, frame.pixels.len()), (8, 4, 96));
        for row in 0..4 {
            for column in 0..8 {
                let expected = if row == 3 && column < 2 { [10, 20, 30] } else { [255; 3] };
                assert_eq!(pixel(&frame, column, row), expected, "{column} {row}");
            }
        }
    }

    #[test]
    fn circles_and_lines_cover_what_they_should() {
        let mut canvas = Canvas::new(20, 20);
        canvas.fill_circle((5.0, 5.0), 3.0, Color::BLACK);
        canvas.stroke_line(&[(12.0, 0.0), (12.0, 20.0)], 2.0, Color::BLACK);
        let frame = canvas.into_frame();
        assert_eq!(pixel(&frame, 5, 14), [0; 3]);
        assert_eq!(pixel(&frame, 1, 14), [255; 3]);
        assert_eq!(pixel(&frame, 11, 3), [0; 3]);
        assert_eq!(pixel(&frame, 9, 3), [255; 3]);
    }

    #[test]
    fn what_has_no_extent_leaves_no_trace() {
        let mut canvas = Canvas::new(4, 4);
        canvas.fill_polygon(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)], Color::BLACK);
        canvas.fill_circle((2.0, 2.0), 0.0, Color::BLACK);
        canvas.stroke_line(&[], 1.0, Color::BLACK);
        assert!(canvas.into_frame().pixels.iter().all(|&byte| byte == 255));
    }
}
