//! The picture of the pendulum: rod and axle as in Gymnasium's on a dial, and an arrow around the axle for the torque.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use crate::render::{Canvas, Color};
use crate::{Frame, Overlay, Trail};

const SIZE: u16 = 440;
/// Metres from the axle to the edge of the picture.
const BOUND: f64 = 1.74;
/// Pixels of a metre: of the rod.
const METRE: f64 = SIZE as f64 / (2.0 * BOUND);
/// Where the axle is, in pixels from the left and from below.
const AXLE: (f64, f64) = (SIZE as f64 / 2.0, SIZE as f64 / 2.0);

const ROD: Color = Color::rgb(204, 77, 77);
/// The side of the rod that light falls on.
const SHINE: Color = Color::rgb(226, 128, 122);
const INK: Color = Color::rgb(38, 43, 51);
const DIAL: Color = Color::rgb(242, 245, 249);
const MARKS: Color = Color::rgb(196, 204, 214);
/// Where the pendulum is to stand.
const UPRIGHT: Color = Color::rgb(0, 158, 115);

/// How many metres further out than the tip of the rod a trail ends.
const OUTWARD: f64 = 0.55;
/// The radius of the dial in metres.
const RIM: f64 = 1.66;

/// Draws the pendulum at an angle from upright (rad, counter-clockwise), and the torque (N m) of the last step.
///
/// The tip of the rod stays on its circle: a trail leaves it, outward by time.
pub(super) fn draw(theta: f64, torque: Option<f32>, overlay: &Overlay) -> Frame {
    let mut canvas = Canvas::new(SIZE, SIZE);
    draw_dial(&mut canvas);
    for ghost in &overlay.ghosts {
        canvas.layer(ghost.opacity, |layer| {
            draw_rod(layer, ghost.state[0], Color::of(ghost.color));
        });
    }
    draw_rod(&mut canvas, theta, ROD);
    draw_shine(&mut canvas, theta);
    if let Some(torque) = torque.map(f64::from) {
        draw_torque(&mut canvas, AXLE, METRE * torque.abs() / 2.0, torque > 0.0);
    }
    canvas.fill_circle(AXLE, 0.055 * METRE, INK);
    for trail in &overlay.trails {
        canvas.trail(&tips(trail, overlay.time_step()), trail);
    }
    canvas.into_frame()
}

/// A point by its angle from upright (rad, counter-clockwise) and its distance from the axle (metres), in pixels.
fn at(theta: f64, radius: f64) -> (f64, f64) {
    let (sin, cos) = (theta + FRAC_PI_2).sin_cos();
    (AXLE.0 + METRE * radius * cos, AXLE.1 + METRE * radius * sin)
}

/// A disc with a mark every thirty degrees, the circle of the rod's tip, and a wedge where the pendulum is to stand.
fn draw_dial(canvas: &mut Canvas) {
    canvas.fill_circle(AXLE, RIM * METRE, DIAL);
    for mark in 0..12_u32 {
        let theta = TAU * f64::from(mark) / 12.0;
        let (length, width) = if mark % 3 == 0 { (0.09, 2.4) } else { (0.05, 1.4) };
        canvas.stroke_line(&[at(theta, RIM - length), at(theta, RIM)], width, MARKS);
    }
    let circle: Vec<_> = (0..=120_u32).map(|i| at(TAU * f64::from(i) / 120.0, 1.0)).collect();
    canvas.stroke_line(&circle, 1.0, MARKS.with_opacity(0.7));
    let wedge = [at(0.0, RIM - 0.13), at(0.045, RIM + 0.01), at(-0.045, RIM + 0.01)];
    canvas.fill_polygon(&wedge, UPRIGHT);
}

/// The way of the tip in pixels: along the circle from one state to the next, and outward all the time.
fn tips(trail: &Trail, time_step: f64) -> Vec<(f64, f64)> {
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
            let radius = 1.0 + OUTWARD * time_step * (step as f64 + part);
            points.push(at(theta + part * turn, radius));
        }
    }
    points
}

fn draw_rod(canvas: &mut Canvas, theta: f64, color: Color) {
    canvas.stroke_round(&[at(theta, 0.0), at(theta, 1.0)], 0.2 * METRE, color);
}

/// Light from the upper left, along the rod on the side that faces it.
fn draw_shine(canvas: &mut Canvas, theta: f64) {
    let (sin, cos) = (theta + FRAC_PI_2).sin_cos();
    // Across the rod, to its left as seen from the axle; light comes from up and left.
    let facing = 0.6 * sin + 0.8 * cos;
    let side = 0.048 * METRE * facing;
    let shifted = |radius: f64| {
        let (x, y) = at(theta, radius);
        (x - side * sin, y + side * cos)
    };
    canvas.stroke_round(&[shifted(0.1), shifted(0.98)], 0.04 * METRE, SHINE);
}

/// A three-quarter circle that starts at the top and ends in an arrowhead, `size` pixels wide.
fn draw_torque(canvas: &mut Canvas, center: (f64, f64), size: f64, counter_clockwise: bool) {
    const SEGMENTS: u32 = 60;
    const TURN: f64 = 1.5 * PI;
    // All lengths in terms of the size; the head is what is widest.
    let (radius, width, head_length, head_width) = (0.46 * size, 0.03 * size, 0.18 * size, 0.14 * size);
    let direction = if counter_clockwise { 1.0 } else { -1.0 };
    let on_arc = |turned: f64, radius: f64| {
        let (sin, cos) = (FRAC_PI_2 + direction * turned).sin_cos();
        (center.0 + radius * cos, center.1 + radius * sin)
    };
    let arc: Vec<_> = (0..=SEGMENTS)
        .map(|i| on_arc(TURN * f64::from(i) / f64::from(SEGMENTS), radius))
        .collect();
    canvas.stroke_line(&arc, width, INK);

    let back = TURN - 0.3 * head_length / size;
    let (left, right) = (
        on_arc(back, radius + head_width / 2.0),
        on_arc(back, radius - head_width / 2.0),
    );
    let end = on_arc(TURN, radius);
    let along = direction * head_length;
    // The tangent where the arc ends.
    let (sin, cos) = (FRAC_PI_2 + direction * TURN).sin_cos();
    canvas.fill_polygon(&[left, (end.0 - along * sin, end.1 + along * cos), right, end], INK);
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
        let places = [(220, 140), (140, 220), (220, 300), (300, 220)];
        for (quarter, place) in places.into_iter().enumerate() {
            let frame = draw(FRAC_PI_2 * quarter as f64, None, &Overlay::default());
            for (x, y) in places {
                let expected = if (x, y) == place {
                    [204, 77, 77]
                } else {
                    [242, 245, 249]
                };
                assert_eq!(color_at(&frame, x, y), expected, "{quarter} quarters, at {x}, {y}");
            }
            assert_eq!(color_at(&frame, 220, 220), [38, 43, 51]);
            assert_eq!(color_at(&frame, 2, 2), [255; 3], "beside the dial");
            assert_eq!(color_at(&frame, 220, 15), [0, 158, 115], "the mark of upright");
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
        let (x, y) = (41, 41); // 0.46 · 126.4 px · cos 45°
        for (torque, gap, arc) in [(-2.0, 220 - x, 220 + x), (2.0, 220 + x, 220 - x)] {
            let frame = draw(PI, Some(torque), &Overlay::default());
            assert_eq!(color_at(&frame, gap, 220 - y), [242, 245, 249], "{torque}");
            assert_eq!(color_at(&frame, arc, 220 - y), [38, 43, 51], "{torque}");
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
        // From the tip, 1 m up, to 1.55 m at the left; and half way of the arc between.
        let between = 1.275 * METRE * FRAC_PI_4.cos();
        for (x, y) in [(0.0, METRE), (1.55 * METRE, 0.0), (between, between)] {
            let (x, y) = (220.0 - x, 220.0 - y);
            assert_eq!(color_at(&frame, x as usize, y as usize), [0, 0, 255], "{x} {y}");
        }
        let ghost = color_at(&frame, 290, 220);
        assert!(ghost[1] >= 249 && (120..=122).contains(&ghost[0]), "{ghost:?}");
        assert_eq!(color_at(&frame, 220, 170), [204, 77, 77], "the rod itself");
    }
}
