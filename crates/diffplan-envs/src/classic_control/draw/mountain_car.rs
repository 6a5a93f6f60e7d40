//! The picture of the mountain car: valley, car and flag as in Gymnasium's.

use crate::classic_control::track::{GOAL_POSITION, MAX_POSITION, MIN_POSITION};
use crate::render::{Canvas, Color};
use crate::{Frame, Overlay};

const WIDTH: u16 = 600;
const HEIGHT: u16 = 400;
const CAR_WIDTH: f64 = 40.0;
const CAR_HEIGHT: f64 = 20.0;
/// Pixels between the ground and the car's floor.
const CLEARANCE: f64 = 10.0;
const WHEEL: Color = Color::rgb(128, 128, 128);
const FLAG: Color = Color::rgb(204, 204, 0);

fn height(position: f64) -> f64 {
    (3.0 * position).sin() * 0.45 + 0.55
}

/// How many pixels higher than the car a trail ends.
const UPWARD: f64 = 60.0;

fn ground(position: f64) -> (f64, f64) {
    let scale = f64::from(WIDTH) / (MAX_POSITION - MIN_POSITION);
    ((position - MIN_POSITION) * scale, height(position) * scale)
}

/// Draws the car at a position.
///
/// The car stays on its track: a trail leaves it, upward by time.
pub(super) fn draw(position: f64, overlay: &Overlay) -> Frame {
    const TRACK_POINTS: u32 = 100;
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let spacing = (MAX_POSITION - MIN_POSITION) / f64::from(TRACK_POINTS - 1);
    let track: Vec<_> = (0..TRACK_POINTS)
        .map(|i| ground(MIN_POSITION + spacing * f64::from(i)))
        .collect();
    canvas.stroke_line(&track, 1.0, Color::BLACK);

    for ghost in &overlay.ghosts {
        canvas.layer(ghost.opacity, |layer| {
            draw_car(layer, ghost.state[0], Color::of(ghost.color), Color::of(ghost.color));
        });
    }
    draw_car(&mut canvas, position, Color::BLACK, WHEEL);

    let (x, foot) = ground(GOAL_POSITION);
    let top = foot + 50.0;
    canvas.stroke_line(&[(x, foot), (x, top)], 1.0, Color::BLACK);
    canvas.fill_polygon(&[(x, top), (x, top - 10.0), (x + 25.0, top - 5.0)], FLAG);

    for trail in &overlay.trails {
        let points = trail.states.column(0).into_iter().enumerate().map(|(step, &position)| {
            let (x, y) = ground(position);
            let middle = CLEARANCE + CAR_HEIGHT / 2.0;
            (x, y + middle + UPWARD * overlay.time_step() * step as f64)
        });
        canvas.trail(&points.collect::<Vec<_>>(), trail);
    }
    canvas.into_frame()
}

fn draw_car(canvas: &mut Canvas, position: f64, body: Color, wheel: Color) {
    // The car is tilted by cos 3x radians, about the slope of the ground there.
    let (sin, cos) = (3.0 * position).cos().sin_cos();
    let (x, y) = ground(position);
    let at = |along: f64, up: f64| (x + along * cos - up * sin, y + CLEARANCE + along * sin + up * cos);
    let side = CAR_WIDTH / 2.0;
    canvas.fill_polygon(
        &[
            at(-side, 0.0),
            at(-side, CAR_HEIGHT),
            at(side, CAR_HEIGHT),
            at(side, 0.0),
        ],
        body,
    );
    for axle in [at(CAR_WIDTH / 4.0, 0.0), at(-CAR_WIDTH / 4.0, 0.0)] {
        canvas.fill_circle(axle, CAR_HEIGHT / 2.5, wheel);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{Ghost, Trail};

    /// The mean column of the pixels that have a colour along with both neighbours: of areas, not of edges.
    fn mean_column(frame: &Frame, color: [u8; 3]) -> f64 {
        let pixels: Vec<&[u8]> = frame.pixels.chunks_exact(3).collect();
        let columns: Vec<usize> = pixels
            .windows(3)
            .enumerate()
            .filter(|(_, window)| window.iter().all(|&pixel| pixel == color))
            .map(|(left, _)| (left + 1) % usize::from(WIDTH))
            .collect();
        columns.iter().sum::<usize>() as f64 / columns.len() as f64
    }

    #[test]
    fn the_car_stands_at_its_position_and_the_flag_at_the_goal() {
        for position in [-1.0, -0.5, 0.3] {
            let frame = draw(position, &Overlay::default());
            assert_eq!((frame.width, frame.height, frame.pixels.len()), (600, 400, 720_000));
            // The wheels are CLEARANCE above the ground at the car's position, whatever its tilt.
            let expected = (position + 1.2) / 1.8 * 600.0;
            assert!((mean_column(&frame, [128; 3]) - expected).abs() < 1.0, "{position}");
            // The flag is a triangle from the pole, 550, to 575: its centre is a third of the way.
            assert!((mean_column(&frame, [204, 204, 0]) - 558.3).abs() < 1.0, "{position}");
        }
    }

    #[test]
    fn trails_leave_the_car_upward_and_ghosts_stand_on_the_track() {
        let overlay = Overlay {
            trails: vec![Trail {
                states: array![[-0.5, 0.0], [-0.5, 0.0]],
                color: [0, 0, 255],
                opacity: 1.0,
                width: 4.0,
            }],
            ghosts: vec![Ghost {
                state: array![0.3, 0.0],
                color: [0, 255, 0],
                opacity: 1.0,
            }],
        };
        let frame = draw(-1.0, &overlay);
        // The trail stands straight from the middle of a car at -0.5 upward.
        let (x, y) = ground(-0.5);
        for up in [20.0, 50.0, 80.0] {
            let start = 3 * ((f64::from(HEIGHT) - y - up) as usize * usize::from(WIDTH) + x as usize);
            assert_eq!(frame.pixels[start..start + 3], [0, 0, 255], "{up}");
        }
        assert!((mean_column(&frame, [0, 255, 0]) - 500.0).abs() < 6.0);
        assert!((mean_column(&frame, [128; 3]) - 66.7).abs() < 1.0, "the car itself");
    }
}
