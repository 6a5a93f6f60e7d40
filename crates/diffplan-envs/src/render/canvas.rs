//! A white canvas to draw on, with the origin in the lower left corner and y upward, as the classic control problems use
//! it.
#![cfg_attr(not(feature = "mujoco"), allow(dead_code, unused_imports))] // the pictures of robots take more of it

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Stroke, Transform};

use super::{Frame, Trail};

/// A position on the canvas in pixels.
pub(crate) type Point = (f64, f64);

/// Further out than this nothing is drawn: the rasteriser calculates in fixed point.
const FAR: f64 = 1e4;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Color {
    red: u8,
    green: u8,
    blue: u8,
    opacity: f32,
}

impl Color {
    pub(crate) const BLACK: Self = Self::rgb(0, 0, 0);

    pub(crate) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self {
            red,
            green,
            blue,
            opacity: 1.0,
        }
    }

    pub(crate) const fn of([red, green, blue]: [u8; 3]) -> Self {
        Self::rgb(red, green, blue)
    }

    /// From 0 to 1; what is not a number is 0.
    pub(crate) fn with_opacity(self, opacity: f64) -> Self {
        let opacity = if opacity > 0.0 { opacity.min(1.0) as f32 } else { 0.0 };
        Self { opacity, ..self }
    }

    /// A share of `other` in place of as much of this.
    #[cfg(feature = "mujoco")]
    pub(crate) fn mix(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
            opacity: self.opacity,
        }
    }

    #[cfg(all(test, feature = "mujoco"))]
    pub(crate) fn bytes(self) -> [u8; 3] {
        [self.red, self.green, self.blue]
    }

    fn color(self) -> tiny_skia::Color {
        let mut color = tiny_skia::Color::from_rgba8(self.red, self.green, self.blue, u8::MAX);
        color.set_alpha(self.opacity);
        color
    }

    fn paint(self) -> Paint<'static> {
        let mut paint = Paint::default();
        paint.set_color(self.color());
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
        let mut canvas = Self::transparent(width.into(), height.into());
        canvas.pixmap.fill(tiny_skia::Color::WHITE);
        canvas
    }

    fn transparent(width: u32, height: u32) -> Self {
        Self {
            pixmap: Pixmap::new(width, height).expect("the size of a picture is fixed and positive"),
            upright: Transform::from_row(1.0, 0.0, 0.0, -1.0, 0.0, height as f32),
        }
    }

    /// Draws on a layer of its own and lays it over what is there: what overlaps on the layer does not show through.
    pub(crate) fn layer(&mut self, opacity: f64, draw: impl FnOnce(&mut Self)) {
        let mut layer = Self::transparent(self.pixmap.width(), self.pixmap.height());
        draw(&mut layer);
        let paint = PixmapPaint {
            opacity: Color::BLACK.with_opacity(opacity).opacity,
            ..PixmapPaint::default()
        };
        self.pixmap
            .draw_pixmap(0, 0, layer.pixmap.as_ref(), &paint, Transform::identity(), None);
    }

    /// Fills the polygon of at least three corners. One without area or out of sight leaves no trace.
    pub(crate) fn fill_polygon(&mut self, corners: &[Point], color: Color) {
        if corners.iter().all(in_reach) {
            let mut path = lines(corners);
            path.close();
            self.fill(path, color);
        }
    }

    pub(crate) fn fill_circle(&mut self, center: Point, radius: f64, color: Color) {
        if in_reach(&center) {
            let mut path = PathBuilder::new();
            path.push_circle(center.0 as f32, center.1 as f32, radius as f32);
            self.fill(path, color);
        }
    }

    /// Fills an ellipse that reaches as far to the sides and up as the two numbers say.
    #[cfg(feature = "mujoco")]
    pub(crate) fn fill_ellipse(&mut self, (x, y): Point, across: f64, up: f64, color: Color) {
        let corners = [(x - across, y - up), (x + across, y + up)];
        let rect = tiny_skia::Rect::from_ltrb(
            corners[0].0 as f32,
            corners[0].1 as f32,
            corners[1].0 as f32,
            corners[1].1 as f32,
        );
        if let (true, Some(rect)) = (corners.iter().all(in_reach), rect) {
            let mut path = PathBuilder::new();
            path.push_oval(rect);
            self.fill(path, color);
        }
    }

    /// Draws the line through the points, `width` pixels wide.
    pub(crate) fn stroke_line(&mut self, points: &[Point], width: f64, color: Color) {
        self.stroke(points, width, LineCap::Butt, &color.paint());
    }

    /// Draws the line through the points with round ends.
    pub(crate) fn stroke_round(&mut self, points: &[Point], width: f64, color: Color) {
        self.stroke(points, width, LineCap::Round, &color.paint());
    }

    /// Draws a line with round ends whose colour runs from `light` at its upper left side over `color` to `dark`, as on a
    /// rod with light from there.
    #[cfg(feature = "mujoco")]
    pub(crate) fn stroke_shaded(&mut self, [from, to]: [Point; 2], width: f64, [light, color, dark]: [Color; 3]) {
        use tiny_skia::{GradientStop, LinearGradient, Shader, SpreadMode};

        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let length = x.hypot(y);
        // Across the rod, toward the light; of a ball, straight to it.
        let (x, y) = if length > 1e-6 {
            (-y / length, x / length)
        } else {
            (-0.6, 0.8)
        };
        let side = if 0.8 * y - 0.6 * x >= 0.0 {
            width / 2.0
        } else {
            -width / 2.0
        };
        let at = |side: f64| tiny_skia::Point::from_xy((from.0 + x * side) as f32, (from.1 + y * side) as f32);
        let stops = vec![
            GradientStop::new(0.0, light.color()),
            GradientStop::new(0.45, color.color()),
            GradientStop::new(1.0, dark.color()),
        ];
        let gradient = LinearGradient::new(at(side), at(-side), stops, SpreadMode::Pad, Transform::identity());
        let paint = Paint {
            shader: gradient.unwrap_or(Shader::SolidColor(color.color())),
            ..Paint::default()
        };
        // A line of no length has no extent to be stroked.
        let to = if length > 1e-6 { to } else { (to.0 + 1e-3, to.1) };
        self.stroke(&[from, to], width, LineCap::Round, &paint);
    }

    /// Draws a trail through points, one a state: lines, broken where a point is out of reach, and a dot at the end.
    pub(crate) fn trail(&mut self, points: &[Point], trail: &Trail) {
        let color = Color::of(trail.color);
        let width = if trail.width > 0.0 {
            trail.width.min(FAR)
        } else {
            return;
        };
        self.layer(trail.opacity, |layer| {
            for part in points.split(|point| !in_reach(point)).filter(|part| part.len() > 1) {
                layer.stroke_round(part, width, color);
            }
            if let Some(&end) = points.last() {
                layer.fill_circle(end, 0.8 * width + 1.5, color);
            }
        });
    }

    fn stroke(&mut self, points: &[Point], width: f64, line_cap: LineCap, paint: &Paint) {
        let stroke = Stroke {
            width: width as f32,
            line_cap,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if !points.iter().all(in_reach) {
            return;
        }
        if let Some(path) = lines(points).finish() {
            self.pixmap.stroke_path(&path, paint, &stroke, self.upright, None);
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
            // White was opaque, and stays so whatever is drawn on it: colours times opacity are the colours.
            pixels: self
                .pixmap
                .pixels()
                .iter()
                .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
                .collect(),
        }
    }
}

/// Whether a point is a number, and one that can be drawn.
fn in_reach(point: &Point) -> bool {
    point.0.abs() < FAR && point.1.abs() < FAR
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

    fn trail(states: usize) -> Trail {
        Trail {
            states: ndarray::Array2::zeros((states, 1)),
            color: [0, 0, 200],
            opacity: 0.5,
            width: 2.0,
        }
    }

    /// Where it crosses itself it is no darker, and a point out of reach interrupts it.
    #[test]
    fn a_trail_has_one_opacity_and_gaps() {
        let mut canvas = Canvas::new(40, 40);
        let points = [(5.0, 10.0), (30.0, 10.0), (f64::NAN, 0.0), (10.0, 30.0), (10.0, 5.0)];
        canvas.trail(&points, &trail(5));
        let frame = canvas.into_frame();
        let blue = pixel(&frame, 20, 30).to_vec();
        assert!(
            (126..=129).contains(&blue[0]) && (226..=229).contains(&blue[2]),
            "{blue:?}"
        );
        for (column, row) in [(10, 30), (10, 20), (10, 35)] {
            assert_eq!(pixel(&frame, column, row), blue, "{column} {row}");
        }
        assert_eq!(pixel(&frame, 20, 20), [255; 3], "between the parts");
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
        for out in [f64::NAN, f64::INFINITY, -1e300, 1e5] {
            canvas.fill_polygon(&[(0.0, 0.0), (out, 0.0), (0.0, 4.0)], Color::BLACK);
            canvas.fill_circle((2.0, out), 3.0, Color::BLACK);
            canvas.stroke_line(&[(2.0, 2.0), (out, 2.0)], 1.0, Color::BLACK);
            canvas.trail(&[(2.0, 2.0), (out, 2.0)], &trail(2));
        }
        canvas.layer(f64::NAN, |layer| layer.fill_circle((2.0, 2.0), 2.0, Color::BLACK));
        assert!(canvas.into_frame().pixels.iter().all(|&byte| byte == 255));
    }
}
