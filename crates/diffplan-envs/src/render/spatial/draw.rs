//! The picture of a robot in space: without perspective, from above and behind where it has a height, straight from above
//! where it moves in a plane. The camera goes along with a robot that can go somewhere; the ground has tiles to go by.

use super::{Joint, Limb, SpatialRobot, Vector, add, dot, scaled};
use crate::render::canvas::Point;
use crate::render::{Canvas, Color};
use crate::{Frame, Overlay, Result};

const WIDTH: u16 = 600;
const HEIGHT: u16 = 400;
/// How far the camera looks down, and how far from along y it looks aside, where there is a height to see.
const DOWN: f64 = 0.65;
const ASIDE: f64 = 0.35;
/// Tiles either way from the middle at most.
const MOST_TILES: i32 = 60;

const TILES: [Color; 2] = [Color::rgb(232, 235, 239), Color::rgb(220, 225, 231)];
const AXIS: Color = Color::rgb(160, 168, 180);
const DARK: Color = Color::rgb(38, 43, 51);
const LIGHT: Color = Color::rgb(255, 255, 255);

impl SpatialRobot {
    /// Draws a state, shape `(state_dim,)`, and what else there is in the same picture: 600 by 400 pixels.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`](crate::Error::StateLength), also of the overlay's states, and
    /// [`Error::StateNotFinite`](crate::Error::StateNotFinite).
    pub fn draw(&self, state: &[f64], overlay: &Overlay) -> Result<Frame> {
        overlay.check(self.state_dim())?;
        self.check(state)?;
        let limbs = self.placed(&self.poses(state));
        let camera = self.camera(state);
        let mut canvas = Canvas::new(WIDTH, HEIGHT);
        camera.draw_ground(&mut canvas);
        self.draw_shadows(&camera, &mut canvas, &limbs);
        for limb in &self.scenery {
            camera.draw_limb(&mut canvas, limb);
        }
        for ghost in &overlay.ghosts {
            let limbs = self.placed(&self.poses(&ghost.state.to_vec()));
            canvas.layer(ghost.opacity, |layer| {
                for limb in &limbs {
                    let ends = [camera.place(limb.from), camera.place(limb.to)];
                    layer.stroke_round(&ends, camera.diameter(limb), Color::of(ghost.color));
                }
            });
        }
        // What is nearer to the eye covers what is further.
        let mut near_last: Vec<&Limb> = limbs.iter().collect();
        near_last.sort_by(|a, b| camera.nearness(a).total_cmp(&camera.nearness(b)));
        for limb in near_last {
            camera.draw_limb(&mut canvas, limb);
        }
        let followed = self
            .bodies
            .iter()
            .position(|body| body.name.as_deref() == Some("fingertip"));
        for trail in &overlay.trails {
            let places = trail.states.outer_iter().map(|state| {
                let poses = self.poses(&state.to_vec());
                camera.place(poses.get(followed.unwrap_or(0)).map_or([f64::NAN; 3], |pose| pose.at))
            });
            canvas.trail(&places.collect::<Vec<Point>>(), trail);
        }
        Ok(canvas.into_frame())
    }

    /// The view that the robot stretched out fills well, and leaves room to move in.
    fn camera(&self, state: &[f64]) -> Camera {
        let first = self.bodies.first().and_then(|body| body.joints.first());
        let goes = matches!(first, Some(Joint::Free | Joint::Slide { .. }));
        let poses = self.poses(state);
        let torso = poses.first().map_or([0.0; 3], |pose| pose.at);
        let (center, reach) = if goes {
            let rest = self.placed(&self.poses(&self.rest()));
            let origin = self.poses(&self.rest()).first().map_or([0.0; 3], |pose| pose.at);
            ([torso[0], torso[1], self.ground], furthest(&rest, origin) * 1.35)
        } else {
            ([0.0, 0.0, self.ground], furthest(&self.scenery, [0.0; 3]) * 0.76)
        };
        let (aside, down) = if matches!(first, Some(Joint::Free)) {
            (ASIDE, DOWN)
        } else {
            (0.0, std::f64::consts::FRAC_PI_2)
        };
        let forward = [-aside.sin() * down.cos(), aside.cos() * down.cos(), -down.sin()];
        Camera {
            center,
            right: [aside.cos(), aside.sin(), 0.0],
            up: [-aside.sin() * down.sin(), aside.cos() * down.sin(), down.cos()],
            toward: scaled(forward, -1.0),
            scale: f64::from(HEIGHT) / 2.0 / reach.max(0.05),
        }
    }

    /// Coordinates where the model starts, as far as pictures need them.
    fn rest(&self) -> Vec<f64> {
        let joints = self.bodies.iter().flat_map(|body| &body.joints);
        let rest = joints.flat_map(|joint| match joint {
            Joint::Free => vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            Joint::Slide { reference, .. } | Joint::Hinge { reference, .. } => vec![*reference],
        });
        rest.collect()
    }

    /// What keeps light from above off the ground.
    fn draw_shadows(&self, camera: &Camera, canvas: &mut Canvas, limbs: &[Limb]) {
        for spread in [1.0, 1.3] {
            canvas.layer(0.06, |layer| {
                for limb in limbs.iter().chain(&self.scenery) {
                    let ends = [limb.from, limb.to].map(|[x, y, _]| camera.place([x, y, self.ground]));
                    layer.stroke_round(&ends, spread * camera.diameter(limb), DARK);
                }
            });
        }
    }
}

/// How far from a place limbs reach.
fn furthest(limbs: &[Limb], from: Vector) -> f64 {
    let ends = limbs
        .iter()
        .flat_map(|limb| [(limb.from, limb.radius), (limb.to, limb.radius)]);
    let distance = |(end, radius): (Vector, f64)| {
        let apart = add(end, scaled(from, -1.0));
        dot(apart, apart).sqrt() + radius
    };
    ends.map(distance).fold(0.0, f64::max)
}

/// Which part of the world is seen, and from where.
struct Camera {
    /// What is in the middle of the picture.
    center: Vector,
    right: Vector,
    up: Vector,
    /// To the eye.
    toward: Vector,
    /// Pixels a metre.
    scale: f64,
}

impl Camera {
    fn place(&self, at: Vector) -> Point {
        let at = add(at, scaled(self.center, -1.0));
        (
            f64::from(WIDTH) / 2.0 + dot(at, self.right) * self.scale,
            f64::from(HEIGHT) / 2.0 + dot(at, self.up) * self.scale,
        )
    }

    fn diameter(&self, limb: &Limb) -> f64 {
        2.0 * limb.radius * self.scale
    }

    fn nearness(&self, limb: &Limb) -> f64 {
        dot(add(limb.from, limb.to), self.toward)
    }

    /// Tiles of a metre each, of 10 cm where less than two metres are seen, and lines where x and y are 0.
    fn draw_ground(&self, canvas: &mut Canvas) {
        let seen = f64::from(WIDTH).hypot(f64::from(HEIGHT)) / 2.0 / self.scale;
        let side = if seen < 1.0 { 0.1 } else { 1.0 };
        let [x, y, z] = self.center;
        let first = [(x / side).floor(), (y / side).floor()];
        // Further back as the ground is seen at an angle.
        let count = ((seen / side / self.toward[2].max(0.1)).ceil() as i32 + 1).min(MOST_TILES);
        for i in -count..=count {
            for j in -count..=count {
                let [column, row] = [first[0] + f64::from(i), first[1] + f64::from(j)];
                let color = TILES[usize::from((column + row).rem_euclid(2.0) >= 1.0)];
                let corner = |dx: f64, dy: f64| self.place([(column + dx) * side, (row + dy) * side, z]);
                let corners = [corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)];
                canvas.fill_polygon(&corners, color);
            }
        }
        let far = 2.0 * seen / self.toward[2].max(0.1);
        canvas.stroke_line(
            &[self.place([x - far, 0.0, z]), self.place([x + far, 0.0, z])],
            1.5,
            AXIS,
        );
        canvas.stroke_line(
            &[self.place([0.0, y - far, z]), self.place([0.0, y + far, z])],
            1.5,
            AXIS,
        );
    }

    fn draw_limb(&self, canvas: &mut Canvas, limb: &Limb) {
        let ends = [self.place(limb.from), self.place(limb.to)];
        let width = self.diameter(limb);
        let color = Color::of(limb.color);
        canvas.stroke_round(&ends, width + 1.6, color.mix(DARK, 0.62));
        let shades = [color.mix(LIGHT, 0.42), color, color.mix(DARK, 0.3)];
        canvas.stroke_shaded(ends, width - 0.8, shades);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::{Ghost, Trail};

    const ANT: &str = include_str!("../../mujoco/assets/ant.xml");
    const REACHER: &str = include_str!("../../mujoco/assets/reacher.xml");

    fn standing(x: f64) -> Vec<f64> {
        let mut state = vec![0.0; 29];
        (state[0], state[2], state[3]) = (x, 0.75, 1.0);
        state
    }

    fn count(frame: &Frame, color: [u8; 3]) -> usize {
        frame.pixels.chunks_exact(3).filter(|pixel| *pixel == color).count()
    }

    #[test]
    fn the_camera_goes_along_and_the_ground_passes() {
        let robot = SpatialRobot::from_mjcf(ANT).unwrap();
        let picture = |x: f64| robot.draw(&standing(x), &Overlay::default()).unwrap();
        assert_ne!(picture(0.0), picture(0.3), "the ground passes");
        assert_eq!(picture(4.0), picture(6.0), "tiles come again");
        for x in [1e5, -1e300] {
            assert!(robot.draw(&standing(x), &Overlay::default()).is_ok());
        }
    }

    #[test]
    fn trails_and_ghosts_are_drawn() {
        let robot = SpatialRobot::from_mjcf(REACHER).unwrap();
        let (blue, green) = ([0, 0, 255], [0, 255, 0]);
        let mut states = Array2::zeros((9, 8));
        for (i, mut state) in states.outer_iter_mut().enumerate() {
            state[0] = 0.1 * i as f64;
        }
        let mut state = Array1::zeros(8);
        state[0] = -1.5;
        let overlay = Overlay {
            trails: vec![Trail {
                states,
                color: blue,
                opacity: 1.0,
                width: 3.0,
            }],
            ghosts: vec![Ghost {
                state,
                color: green,
                opacity: 1.0,
            }],
        };
        let frame = robot.draw(&[0.0; 8], &overlay).unwrap();
        assert!(count(&frame, blue) > 100 && count(&frame, green) > 500);
        let frame = robot.draw(&[0.0; 8], &Overlay::default()).unwrap();
        assert!(count(&frame, blue) + count(&frame, green) == 0);
    }
}
