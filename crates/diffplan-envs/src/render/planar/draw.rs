//! The picture of a planar robot: from the side, along y. The camera goes along with the torso's x, so the ground has
//! marks in metres to go by.

use super::{Capsule, PlanarRobot, Vector};
use crate::render::canvas::Point;
use crate::render::{Canvas, Color};
use crate::{Frame, Overlay, Result};

const WIDTH: u16 = 600;
const HEIGHT: u16 = 400;
/// Pixels from the lower edge to where the feet touch the ground.
const GROUND: f64 = 62.0;
/// Where the torso is from left to right: what is planned lies ahead of it as a rule.
const TORSO: f64 = 0.42;

/// Of a metre each.
const MOST_TILES: u32 = 600;

const SKY: Color = Color::rgb(246, 248, 251);
const TILES: [Color; 2] = [Color::rgb(226, 230, 235), Color::rgb(216, 221, 228)];
const EDGE: Color = Color::rgb(143, 152, 164);
const LABEL: Color = Color::rgb(110, 118, 129);
const DARK: Color = Color::rgb(38, 43, 51);
const LIGHT: Color = Color::rgb(255, 255, 255);

impl PlanarRobot {
    /// Draws a state, shape `(state_dim,)`, and what else there is in the same picture: 600 by 400 pixels.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`](crate::Error::StateLength), also of the overlay's states, and
    /// [`Error::StateNotFinite`](crate::Error::StateNotFinite).
    pub fn draw(&self, state: &[f64], overlay: &Overlay) -> Result<Frame> {
        overlay.check(self.state_dim())?;
        let capsules = self.capsules(state)?;
        let camera = self.camera(state);
        let mut canvas = Canvas::new(WIDTH, HEIGHT);
        camera.draw_ground(&mut canvas);
        camera.draw_shadows(&mut canvas, &capsules);

        for ghost in &overlay.ghosts {
            let limbs = self.limbs(&self.poses(&ghost.state.to_vec()));
            canvas.layer(ghost.opacity, |layer| {
                for limb in &limbs {
                    let ends = [camera.place(limb.from), camera.place(limb.to)];
                    layer.stroke_round(&ends, camera.diameter(limb), Color::of(ghost.color));
                }
            });
        }
        for far in [true, false] {
            for limb in capsules.iter().filter(|limb| limb.far == far) {
                camera.draw_limb(&mut canvas, limb);
            }
        }
        for trail in &overlay.trails {
            let torso = trail.states.outer_iter().map(|state| {
                let poses = self.poses(&state.to_vec());
                camera.place(poses.first().map_or([f64::NAN; 2], |pose| pose.at))
            });
            canvas.trail(&torso.collect::<Vec<Point>>(), trail);
        }
        Ok(canvas.into_frame())
    }

    /// The view that the robot at rest fills well, and leaves room to move in.
    fn camera(&self, state: &[f64]) -> Camera {
        let references = self.bodies.iter().flat_map(|body| &body.joints);
        let rest: Vec<f64> = references.map(|joint| joint.reference).collect();
        let (mut left, mut right, mut top) = (f64::INFINITY, f64::NEG_INFINITY, self.ground);
        for limb in self.limbs(&self.poses(&rest)) {
            for [x, z] in [limb.from, limb.to] {
                (left, right) = (left.min(x - limb.radius), right.max(x + limb.radius));
                top = top.max(z + limb.radius);
            }
        }
        let by_height = (f64::from(HEIGHT) - GROUND) / (1.28 * (top - self.ground)).max(0.1);
        let by_width = f64::from(WIDTH) / (2.3 * (right - left)).max(0.1);
        let poses = self.poses(state);
        Camera {
            x: poses.first().map_or(0.0, |torso| torso.at[0]),
            ground: self.ground,
            scale: by_height.min(by_width),
        }
    }
}

/// Which part of the world is seen.
struct Camera {
    /// What is at [`TORSO`].
    x: f64,
    ground: f64,
    /// Pixels a metre.
    scale: f64,
}

impl Camera {
    fn place(&self, [x, z]: Vector) -> Point {
        (self.column(x), GROUND + (z - self.ground) * self.scale)
    }

    fn column(&self, x: f64) -> f64 {
        TORSO * f64::from(WIDTH) + (x - self.x) * self.scale
    }

    fn diameter(&self, limb: &Capsule) -> f64 {
        2.0 * limb.radius * self.scale
    }

    /// Tiles of a metre each, with a number at the beginning of each and marks between.
    fn draw_ground(&self, canvas: &mut Canvas) {
        let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
        canvas.fill_polygon(&[(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)], SKY);
        let first = (self.x - TORSO * width / self.scale).floor();
        // Of a robot of kilometres not every metre can be told from the next.
        let tiles = ((width / self.scale).ceil() as u32).min(MOST_TILES) + 1;
        for i in 0..tiles {
            let metre = first + f64::from(i);
            let (left, right) = (self.column(metre), self.column(metre + 1.0));
            let color = TILES[usize::from(metre.rem_euclid(2.0) >= 1.0)];
            canvas.fill_polygon(&[(left, 0.0), (right, 0.0), (right, GROUND), (left, GROUND)], color);
        }
        canvas.stroke_line(&[(0.0, GROUND), (width, GROUND)], 1.5, EDGE);
        for i in 0..=tiles {
            let metre = first + f64::from(i);
            for quarter in 0..4 {
                let x = self.column(metre + f64::from(quarter) / 4.0);
                let length = if quarter == 0 { 10.0 } else { 5.0 };
                canvas.stroke_line(&[(x, GROUND), (x, GROUND - length)], 1.5, EDGE);
            }
            // Further away no one counts metres, and half a number is another.
            let x = self.column(metre);
            if metre.abs() < 1e6 && (12.0..width - 12.0).contains(&x) {
                draw_number(canvas, metre as i64, (x, GROUND - 32.0));
            }
        }
    }

    /// What keeps light from above off the ground, the weaker and wider the higher it is.
    fn draw_shadows(&self, canvas: &mut Canvas, capsules: &[Capsule]) {
        for spread in [1.0, 1.35, 1.7] {
            canvas.layer(0.045, |layer| {
                for limb in capsules {
                    let ([a, low_a], [b, low_b]) = (self.place_wide(limb.from), self.place_wide(limb.to));
                    let height = ((low_a + low_b) / 2.0 - GROUND).max(0.0) / self.scale;
                    let half = (a - b).abs() / 2.0 + self.diameter(limb) / 2.0 * (spread + 0.3 * height);
                    layer.fill_ellipse(((a + b) / 2.0, GROUND - 5.0), half, 3.2 * spread, DARK);
                }
            });
        }
    }

    fn place_wide(&self, at: Vector) -> [f64; 2] {
        self.place(at).into()
    }

    fn draw_limb(&self, canvas: &mut Canvas, limb: &Capsule) {
        let ends = [self.place(limb.from), self.place(limb.to)];
        let width = self.diameter(limb);
        let color = Color::of(limb.color);
        let color = if limb.far { color.mix(DARK, 0.42) } else { color };
        canvas.stroke_round(&ends, width + 1.6, color.mix(DARK, 0.62));
        let shades = [color.mix(LIGHT, 0.42), color, color.mix(DARK, 0.3)];
        canvas.stroke_shaded(ends, width - 0.8, shades);
    }
}

/// A number in strokes, its middle at a place.
fn draw_number(canvas: &mut Canvas, number: i64, (x, y): Point) {
    const ADVANCE: f64 = 9.5;
    let text = number.to_string();
    let left = x - ADVANCE * text.len() as f64 / 2.0 + (ADVANCE - 6.0) / 2.0;
    for (i, character) in text.chars().enumerate() {
        let at = |&(column, row): &(u8, u8)| {
            let left = left + ADVANCE * i as f64;
            (left + 1.5 * f64::from(column), y - 5.6 + 1.4 * f64::from(row))
        };
        let line: Vec<Point> = strokes(character).iter().map(at).collect();
        canvas.stroke_round(&line, 1.5, LABEL);
    }
}

/// The line that writes a digit or a minus, on a grid of five columns and nine rows from the lower left.
fn strokes(character: char) -> &'static [(u8, u8)] {
    match character {
        '0' => &[(1, 0), (0, 1), (0, 7), (1, 8), (3, 8), (4, 7), (4, 1), (3, 0), (1, 0)],
        '1' => &[(1, 6), (3, 8), (3, 0)],
        '2' => &[(0, 7), (1, 8), (3, 8), (4, 7), (4, 5), (0, 0), (4, 0)],
        '3' => &[(0, 8), (4, 8), (2, 5), (3, 5), (4, 4), (4, 1), (3, 0), (1, 0), (0, 1)],
        '4' => &[(3, 0), (3, 8), (0, 2), (4, 2)],
        '5' => &[(4, 8), (0, 8), (0, 5), (3, 5), (4, 4), (4, 1), (3, 0), (1, 0), (0, 1)],
        '6' => &[
            (4, 7),
            (3, 8),
            (1, 8),
            (0, 7),
            (0, 1),
            (1, 0),
            (3, 0),
            (4, 1),
            (4, 3),
            (3, 4),
            (0, 4),
        ],
        '7' => &[(0, 8), (4, 8), (1, 0)],
        '8' => &[
            (1, 4),
            (0, 5),
            (0, 7),
            (1, 8),
            (3, 8),
            (4, 7),
            (4, 5),
            (3, 4),
            (1, 4),
            (0, 3),
            (0, 1),
            (1, 0),
            (3, 0),
            (4, 1),
            (4, 3),
            (3, 4),
        ],
        '9' => &[
            (0, 1),
            (1, 0),
            (3, 0),
            (4, 1),
            (4, 7),
            (3, 8),
            (1, 8),
            (0, 7),
            (0, 5),
            (1, 4),
            (4, 4),
        ],
        _ => &[(0, 4), (4, 4)],
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::{Error, Ghost, Trail};

    const HOPPER: &str = include_str!("../../mujoco/assets/hopper.xml");
    const WALKER: &str = include_str!("../../mujoco/assets/walker2d.xml");
    const BLUE: [u8; 3] = [0, 0, 255];
    const GREEN: [u8; 3] = [0, 255, 0];

    fn standing(x: f64) -> Array1<f64> {
        let mut state = Array1::zeros(12);
        (state[0], state[1]) = (x, 1.25);
        state
    }

    /// Column and row of the middle of the pixels of a colour, and how many there are.
    fn find(frame: &Frame, color: [u8; 3]) -> (f64, f64, usize) {
        let pixels = frame.pixels.chunks_exact(3).enumerate();
        let places: Vec<usize> = pixels.filter(|(_, pixel)| *pixel == color).map(|(i, _)| i).collect();
        let mean = |part: fn(usize, usize) -> usize| {
            let sum: usize = places.iter().map(|&place| part(place, frame.width as usize)).sum();
            sum as f64 / places.len() as f64
        };
        (
            mean(|place, width| place % width),
            mean(|place, width| place / width),
            places.len(),
        )
    }

    #[test]
    fn the_camera_goes_along_and_the_ground_passes() {
        let robot = PlanarRobot::from_mjcf(HOPPER).unwrap();
        let picture = |x: f64| robot.draw(&standing(x).to_vec(), &Overlay::default()).unwrap();
        let (here, there, further) = (picture(0.0), picture(0.3), picture(2.0));
        let above = |frame: &Frame| frame.pixels[..3 * 600 * 300].to_vec();
        assert_eq!(above(&here), above(&there), "the hopper stays where it is");
        assert_ne!(here, there, "the ground does not");
        assert_ne!(here, further, "tiles have numbers");
        for x in [1e5, -1e300] {
            assert!(robot.draw(&standing(x).to_vec(), &Overlay::default()).is_ok());
        }
    }

    #[test]
    fn trails_follow_the_torso_and_ghosts_are_where_they_are() {
        let robot = PlanarRobot::from_mjcf(HOPPER).unwrap();
        let mut states = Array2::zeros((2, 12));
        states.row_mut(0).assign(&standing(5.0));
        states.row_mut(1).assign(&standing(6.0));
        let overlay = Overlay {
            trails: vec![Trail {
                states,
                color: BLUE,
                opacity: 1.0,
                width: 3.0,
            }],
            ghosts: vec![Ghost {
                state: standing(6.0),
                color: GREEN,
                opacity: 1.0,
            }],
        };
        let frame = robot.draw(&standing(5.0).to_vec(), &overlay).unwrap();
        let camera = robot.camera(&standing(5.0).to_vec());
        // Half a metre ahead, as high as the torso's origin. The dot at the end draws the mean to the right.
        let (column, row, count) = find(&frame, BLUE);
        let expected = camera.place([5.5, 1.25]);
        assert!((row + 0.5 - (400.0 - expected.1)).abs() < 1.0, "{row}");
        assert!(column > expected.0 && column < expected.0 + 12.0, "{column}");
        assert!(count as f64 > 2.0 * camera.scale, "{count}");
        let (column, ..) = find(&frame, GREEN);
        assert!((column - camera.column(6.02)).abs() < 8.0, "{column}");

        let length = Overlay {
            ghosts: vec![Ghost {
                state: Array1::zeros(11),
                color: GREEN,
                opacity: 1.0,
            }],
            ..Overlay::default()
        };
        let (expected, actual) = (12, 11);
        let error = robot.draw(&standing(0.0).to_vec(), &length).unwrap_err();
        assert_eq!(error, Error::StateLength { expected, actual });
    }

    /// In the same pose the second leg is behind the first, and darker where it looks out.
    #[test]
    fn the_far_leg_is_behind() {
        let robot = PlanarRobot::from_mjcf(WALKER).unwrap();
        let near = robot.limbs(&robot.poses(&[0.0; 9]))[1].color;
        let mut state = vec![0.0; 18];
        state[1] = 1.25;
        let together = robot.draw(&state, &Overlay::default()).unwrap();
        state[6] = -0.8;
        let apart = robot.draw(&state, &Overlay::default()).unwrap();
        let far = Color::rgb(179, 77, 153).mix(DARK, 0.42);
        let of = |frame: &Frame, [red, green, blue]: [u8; 3]| {
            let close = |a: u8, b: u8| a.abs_diff(b) < 6;
            let pixels = frame.pixels.chunks_exact(3);
            pixels
                .filter(|p| close(p[0], red) && close(p[1], green) && close(p[2], blue))
                .count()
        };
        let far = far.bytes();
        assert!(of(&apart, far) > of(&together, far) + 100);
        assert!(of(&together, near) > 100);
    }
}
