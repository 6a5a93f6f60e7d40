//! The picture of the pendulum: rod and axle as in Gymnasium's, and an arrow around the axle for the torque.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::render::{Canvas, Color};
use crate::{Frame, Overlay, Trail};

const SIZE: u16 = 500;
/// Metres from the axle to the edge of the picture.
const BOUND: f64 = 2.2;
const ROD: Color = Color::rgb(204, 77, 77);

/// How many metres further out than the tip of the rod a trail ends.
const OUTWARD: f64 = 0.85;

/// Draws the pendulum at an angle from upright (rad, counter-clockwise), and the torque (N m) of the last step.
///
/// The tip of the rod stays on its circle: a trail leaves it, outward by time.
pub(super) fn draw(theta: f64, torque: Option<f32>, overlay: &Overlay) -> Frame {
    let mut canvas = Canvas::new(SIZE, SIZE);
    let (center, metre) = (f64::from(SIZE) / 2.0, f64::from(SIZE) / (2.0 * BOUND));
    for ghost in &overlay.ghosts {
        canvas.layer(ghost.opacity, |layer| {
            draw_rod(layer, (center, center), metre, ghost.state[0], Color::of(ghost.color));
        });
    }
    draw_rod(&mut canvas, (center, center), metre, theta, ROD);
    if let Some(torque) = torque.map(f64::from) {
        draw_torque(&mut canvas, (center, center), metre * torque.abs() / 2.0, torque > 0.0);
    }
    canvas.fill_circle((center, center), 0.05 * metre, Color::BLACK);
    for trail in &overlay.trails {
        canvas.trail(&tips(trail, (center, center), metre, overlay.time_step()), trail);
    }
    canvas.into_frame()
}

/// The way of the tip in pixels: along the circle from one state to the next, and outward all the time.
fn tips(trail: &Trail, axle: (f64, f64), metre: f64, time_step: f64) -> Vec<(f64, f64)> {
    /// Radians between points, so that no corners are seen, and the most points from a state to the next.
    const FINE: f64 = 0.08;
    const MOST: f64 = 64.0;
    let thetas = trail.states.column(0);
    let mut points = Vec::new();
    for (step, &theta) in thetas.iter().enumerate() {
        let next = thetas.get(step + 1);
        let turn = next.map_or(0.0, |next| next - theta);
        // At least one, also where the angle is no number: that leaves a gap.
        let pieces = (turn.abs() / FINE).clamp(1.0, MOST).ceil().max(1.0);
        for piece in 0..pieces as u32 {
            let part = f64::from(piece) / pieces;
            let radius = metre * (1.0 + OUTWARD * time_step * (step as f64 + part));
            let (sin, cos) = (theta + part * turn + FRAC_PI_2).sin_cos();
            points.push((axle.0 + radius * cos, axle.1 + radius * sin));
        }
    }
    points
}

fn draw_rod(canvas: &mut Canvas, axle: (f64, f64), metre: f64, theta: f64, color: Color) {
    // The rod's own axes: along it, and across it.
    let (sin, cos) = (theta + FRAC_PI_2).sin_cos();
    let at = |along: f64, across: f64| {
        (
            axle.0 + metre * (along * cos - across * sin),
            axle.1 + metre * (along * sin + across * cos),
        )
    };
    canvas.fill_polygon(&[at(0.0, -0.1), at(0.0, 0.1), at(1.0, 0.1), at(1.0, -0.1)], color);
    for end in [at(0.0, 0.0), at(1.0, 0.0)] {
        canvas.fill_circle(end, 0.1 * metre, color);
    }
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
    use std::f64::consts::FRAC_PI_4;

    use ndarray::array;

    use super::*;
    use crate::Ghost;

    fn color_at(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
        let start = 3 * (y * usize::from(SIZE) + x);
        [frame.pixels[start], frame.pixels[start + 1], frame.pixels[start + 2]]
    }

    #[test]
    fn the_rod_points_where_the_angle_says() {
        // 80 pixels from the axle: above, to the left, below, to the right; y downward.
        let places = [(250, 170), (170, 250), (250, 330), (330, 250)];
        for (quarter, place) in places.into_iter().enumerate() {
            let frame = draw(FRAC_PI_2 * quarter as f64, None, &Overlay::default());
            for (x, y) in places {
                let expected = if (x, y) == place { [204, 77, 77] } else { [255; 3] };
                assert_eq!(color_at(&frame, x, y), expected, "{quarter} quarters, at {x}, {y}");
            }
            assert_eq!(color_at(&frame, 250, 250), [0; 3]);
        }
    }

    #[test]
    fn the_arrow_grows_with_the_torque_and_turns_with_its_sign() {
        let without = draw(PI, None, &Overlay::default());
        let ink = |torque: f32| {
            let frame = draw(PI, Some(torque), &Overlay::default());
            frame.pixels.iter().zip(&without.pixels).filter(|(a, b)| a != b).count()
        };
        assert_eq!(ink(0.0), 0);
        assert!(0 < ink(0.5) && ink(0.5) < ink(2.0));
        // The gap of the circle is the quarter between the head and the top: upper left, or upper right.
        let (x, y) = (37, 37); // 0.46 · 113.6 px · cos 45°
        for (torque, gap, arc) in [(-2.0, 250 - x, 250 + x), (2.0, 250 + x, 250 - x)] {
            let frame = draw(PI, Some(torque), &Overlay::default());
            assert_eq!(color_at(&frame, gap, 250 - y), [255; 3], "{torque}");
            assert_eq!(color_at(&frame, arc, 250 - y), [0; 3], "{torque}");
        }
    }

    #[test]
    fn trails_leave_the_tip_outward_and_ghosts_are_behind() {
        let quarter_left = array![[0.0, 0.0], [FRAC_PI_2, 0.0]];
        let overlay = Overlay {
            trails: vec![Trail {
                states: quarter_left,
                color: [0, 0, 255],
                opacity: 1.0,
                width: 4.0,
            }],
            ghosts: vec![
                Ghost {
                    state: array![-FRAC_PI_2, 0.0],
                    color: [0, 255, 0],
                    opacity: 0.5,
                },
                Ghost {
                    state: array![f64::NAN, 0.0],
                    color: [0, 255, 0],
                    opacity: 1.0,
                },
            ],
        };
        let frame = draw(0.0, None, &overlay);
        // From the tip, 1 m up, to 1.85 m at the left; and half way of the arc between.
        let metre = 500.0 / 4.4;
        let between = 1.425 * metre * FRAC_PI_4.cos();
        for (x, y) in [(0.0, metre), (1.85 * metre, 0.0), (between, between)] {
            let (x, y) = (250.0 - x, 250.0 - y);
            assert_eq!(color_at(&frame, x as usize, y as usize), [0, 0, 255], "{x} {y}");
        }
        let ghost = color_at(&frame, 320, 250);
        assert!(ghost[1] == 255 && (126..=129).contains(&ghost[0]), "{ghost:?}");
        assert_eq!(color_at(&frame, 250, 200), [204, 77, 77], "the rod itself");
    }
}
