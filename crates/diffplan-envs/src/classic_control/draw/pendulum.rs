//! The picture of the pendulum: rod and axle as in Gymnasium's, and an arrow around the axle for the torque.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::Frame;
use crate::render::{Canvas, Color};

const SIZE: u16 = 500;
/// Metres from the axle to the edge of the picture.
const BOUND: f64 = 2.2;
const ROD: Color = Color::rgb(204, 77, 77);

/// Draws the pendulum at an angle from upright (rad, counter-clockwise), and the torque (N m) of the last step.
pub(super) fn draw(theta: f64, torque: Option<f32>) -> Frame {
    let mut canvas = Canvas::new(SIZE, SIZE);
    let (center, metre) = (f64::from(SIZE) / 2.0, f64::from(SIZE) / (2.0 * BOUND));

    // The rod's own axes: along it, and across it.
    let (sin, cos) = (theta + FRAC_PI_2).sin_cos();
    let at = |along: f64, across: f64| {
        (
            center + metre * (along * cos - across * sin),
            center + metre * (along * sin + across * cos),
        )
    };
    canvas.fill_polygon(&[at(0.0, -0.1), at(0.0, 0.1), at(1.0, 0.1), at(1.0, -0.1)], ROD);
    for end in [at(0.0, 0.0), at(1.0, 0.0)] {
        canvas.fill_circle(end, 0.1 * metre, ROD);
    }
    if let Some(torque) = torque.map(f64::from) {
        draw_torque(&mut canvas, (center, center), metre * torque.abs() / 2.0, torque > 0.0);
    }
    canvas.fill_circle((center, center), 0.05 * metre, Color::BLACK);
    canvas.into_frame()
}

/// A three-quarter circle that starts at the top and ends in an arrowhead, `size` pixels wide.
fn draw_torque(canvas: &mut Canvas, center: (f64, f64), size: f64, counter_clockwise: bool) {
    const SEGMENTS: u32 = 60;
    const TURN: f64 = 1.5 * PI;
    // All lengths in terms of the size; the head is what is widest.
    let (radius, width, head_length, head_width) = (0.46 * size, 0.03 * size, 0.18 * size, 0.14 * size);
    let direction = if counter_clockwise { 1.0 } else { -1.0 };
    let at = |turned: f64, radius: f64| {
        let (sin, cos) = (FRAC_PI_2 + direction * turned).sin_cos();
        (center.0 + radius * cos, center.1 + radius * sin)
    };
    let arc: Vec<_> = (0..=SEGMENTS)
        .map(|i| at(TURN * f64::from(i) / f64::from(SEGMENTS), radius))
        .collect();
    canvas.stroke_line(&arc, width, Color::BLACK);

    let back = TURN - 0.3 * head_length / size;
    let (left, right) = (at(back, radius + head_width / 2.0), at(back, radius - head_width / 2.0));
    let end = at(TURN, radius);
    let along = direction * head_length;
    // The tangent where the arc ends.
    let (sin, cos) = (FRAC_PI_2 + direction * TURN).sin_cos();
    canvas.fill_polygon(
        &[left, (end.0 - along * sin, end.1 + along * cos), right, end],
        Color::BLACK,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color_at(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
        let start = 3 * (y * usize::from(SIZE) + x);
        [frame.pixels[start], frame.pixels[start + 1], frame.pixels[start + 2]]
    }

    #[test]
    fn the_rod_points_where_the_angle_says() {
        // 80 pixels from the axle: above, to the left, below, to the right; y downward.
        let places = [(250, 170), (170, 250), (250, 330), (330, 250)];
        for (quarter, place) in places.into_iter().enumerate() {
            let frame = draw(FRAC_PI_2 * quarter as f64, None);
            for (x, y) in places {
                let expected = if (x, y) == place { [204, 77, 77] } else { [255; 3] };
                assert_eq!(color_at(&frame, x, y), expected, "{quarter} quarters, at {x}, {y}");
            }
            assert_eq!(color_at(&frame, 250, 250), [0; 3]);
        }
    }

    #[test]
    fn the_arrow_grows_with_the_torque_and_turns_with_its_sign() {
        let without = draw(PI, None);
        let ink = |torque: f32| {
            let frame = draw(PI, Some(torque));
            frame.pixels.iter().zip(&without.pixels).filter(|(a, b)| a != b).count()
        };
        assert_eq!(ink(0.0), 0);
        assert!(0 < ink(0.5) && ink(0.5) < ink(2.0));
        // The gap of the circle is the quarter between the head and the top: upper left, or upper right.
        let (x, y) = (37, 37); // 0.46 · 113.6 px · cos 45°
        for (torque, gap, arc) in [(-2.0, 250 - x, 250 + x), (2.0, 250 + x, 250 - x)] {
            let frame = draw(PI, Some(torque));
            assert_eq!(color_at(&frame, gap, 250 - y), [255; 3], "{torque}");
            assert_eq!(color_at(&frame, arc, 250 - y), [0; 3], "{torque}");
        }
    }
}
