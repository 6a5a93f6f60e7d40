//! Robots that move in the plane of x and z: MuJoCo's hopper, walker and cheetah.
//!
//! The state is `qpos` then `qvel`, one number each a joint, in the order of the file. Where the limbs are follows from
//! `qpos` alone. With c and s the cosine and sine of the angle φ of a body about y, a vector of the body is
//!
//! ```text
//! (x, z) of the body  =  (c · x + s · z, c · z - s · x) of the world
//! ```
//!
//! A body starts from its parent at `pos`; a slide joint moves it along its axis by `qpos - ref`, a hinge turns it about its
//! anchor by as much.

#[cfg(feature = "render")]
mod draw;
mod mjcf;

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use crate::{Error, Result};

/// x and z in metres.
type Vector = [f64; 2];

/// A planar robot, as an MJCF file describes it: a tree of bodies with slide joints, hinges about y, capsules and spheres.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanarRobot {
    /// Parents before their children; the first is the torso.
    bodies: Vec<Body>,
    joints: usize,
    /// The height of the floor.
    ground: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Body {
    parent: Option<usize>,
    pos: Vector,
    angle: f64,
    joints: Vec<Joint>,
    limbs: Vec<Limb>,
    /// Behind another limb that hangs in the same place, as the second leg of the walker.
    far: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Joint {
    motion: Motion,
    /// In the body.
    anchor: Vector,
    /// `ref`, which `qpos` is counted from.
    reference: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Motion {
    /// Along an axis of the body.
    Slide(Vector),
    /// About y, by the angle times this.
    Hinge(f64),
}

/// A capsule in its body, or a ball where both ends are the same.
#[derive(Debug, Clone, PartialEq)]
struct Limb {
    name: Option<String>,
    from: Vector,
    to: Vector,
    radius: f64,
    color: [u8; 3],
}

/// A limb of a robot in a state.
#[derive(Debug, Clone, PartialEq)]
pub struct Capsule {
    /// The name in the file, where it has one.
    pub name: Option<String>,
    /// x and z of the centre of one end, in metres.
    pub from: [f64; 2],
    /// x and z of the centre of the other end; the same, of a ball.
    pub to: [f64; 2],
    /// In metres.
    pub radius: f64,
    color: [u8; 3],
    far: bool,
}

/// Where a body is.
#[derive(Clone, Copy)]
struct Pose {
    at: Vector,
    angle: f64,
}

impl Pose {
    fn turn(self, vector: Vector) -> Vector {
        turned(vector, self.angle)
    }

    fn place(self, vector: Vector) -> Vector {
        add(self.at, self.turn(vector))
    }
}

fn turned([x, z]: Vector, angle: f64) -> Vector {
    let (sin, cos) = angle.sin_cos();
    [cos * x + sin * z, cos * z - sin * x]
}

fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1]]
}

impl PlanarRobot {
    /// Reads a robot from the text of an MJCF file.
    ///
    /// Known are `compiler` (`angle`), the main `default` class, and in bodies `joint` (slide, hinge), `geom` (capsule,
    /// sphere) and `body`, with places and orientations by `pos`, `quat`, `axisangle` and `fromto`. What says nothing about
    /// where limbs are is passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Mjcf`] for text that is no such file, or has what is not known.
    pub fn from_mjcf(xml: &str) -> Result<Self> {
        mjcf::parse(xml)
    }

    /// The same with the floor elsewhere.
    pub(crate) fn on_ground(self, ground: f64) -> Self {
        Self { ground, ..self }
    }

    /// Numbers of a state: `qpos`, then `qvel`.
    pub fn state_dim(&self) -> usize {
        2 * self.joints
    }

    /// Where the limbs are in a state, shape `(state_dim,)`, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`] and [`Error::StateNotFinite`].
    pub fn capsules(&self, state: &[f64]) -> Result<Vec<Capsule>> {
        self.check(state)?;
        Ok(self.limbs(&self.poses(state)))
    }

    fn check(&self, state: &[f64]) -> Result<()> {
        let expected = self.state_dim();
        if state.len() != expected {
            let actual = state.len();
            return Err(Error::StateLength { expected, actual });
        }
        match state.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((index, &value)) => Err(Error::StateNotFinite { index, value }),
            None => Ok(()),
        }
    }

    /// The states of a sequence of observations of Gymnasium's Hopper, Walker2d or HalfCheetah, shapes
    /// `(n, observation_dim)` to `(n, state_dim)`: an observation is `qpos` and `qvel`, the former without x where
    /// `exclude_current_positions` says so. Then x starts from the present state's, and goes on by the mean of the
    /// velocities at both ends of a step of `dt` seconds.
    ///
    /// Velocities that an observation has clipped are taken as they are.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`] and [`Error::ObservationLength`].
    pub fn states_of(
        &self,
        present: ArrayView1<'_, f64>,
        observations: ArrayView2<'_, f64>,
        exclude_current_positions: bool,
        dt: f64,
    ) -> Result<Array2<f64>> {
        let dim = self.state_dim();
        if present.len() != dim || dim == 0 {
            let actual = present.len();
            return Err(Error::StateLength { expected: dim, actual });
        }
        let left_out = usize::from(exclude_current_positions);
        if observations.ncols() != dim - left_out {
            return Err(Error::ObservationLength {
                expected: dim - left_out,
                actual: observations.ncols(),
            });
        }
        let mut states = Array2::zeros((observations.nrows(), dim));
        states.slice_mut(s![.., left_out..]).assign(&observations);
        if exclude_current_positions {
            let (mut x, mut last) = (present[0], None);
            for mut state in states.outer_iter_mut() {
                let velocity = state[self.joints];
                x += last.map_or(0.0, |last: f64| dt * (last + velocity) / 2.0);
                last = Some(velocity);
                state[0] = x;
            }
        }
        Ok(states)
    }

    /// Where the bodies are; numbers that are not finite lead to such.
    fn poses(&self, qpos: &[f64]) -> Vec<Pose> {
        let mut qpos = qpos.iter();
        let mut poses: Vec<Pose> = Vec::with_capacity(self.bodies.len());
        for body in &self.bodies {
            let parent = body.parent.map_or(
                Pose {
                    at: [0.0; 2],
                    angle: 0.0,
                },
                |parent| poses[parent],
            );
            let mut pose = Pose {
                at: parent.place(body.pos),
                angle: parent.angle + body.angle,
            };
            for joint in &body.joints {
                let moved = qpos.next().map_or(0.0, |q| q - joint.reference);
                match joint.motion {
                    Motion::Slide(axis) => pose.at = pose.place(axis.map(|a| a * moved)),
                    Motion::Hinge(sign) => {
                        let anchor = pose.place(joint.anchor);
                        pose.angle += sign * moved;
                        pose.at = add(anchor, pose.turn(joint.anchor.map(|a| -a)));
                    }
                }
            }
            poses.push(pose);
        }
        poses
    }

    fn limbs(&self, poses: &[Pose]) -> Vec<Capsule> {
        let bodies = self.bodies.iter().zip(poses);
        let limbs = bodies.flat_map(|(body, &pose)| {
            body.limbs.iter().map(move |limb| Capsule {
                name: limb.name.clone(),
                from: pose.place(limb.from),
                to: pose.place(limb.to),
                radius: limb.radius,
                color: limb.color,
                far: body.far,
            })
        });
        limbs.collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// The measures of Gymnasium's models.
    const HOPPER: &str = include_str!("../../mujoco/assets/hopper.xml");
    const WALKER: &str = include_str!("../../mujoco/assets/walker2d.xml");
    const CHEETAH: &str = include_str!("../../mujoco/assets/half_cheetah.xml");

    /// Numbers of MuJoCo 3 (`mj_kinematics`) for Gymnasium 1.4.0's models: `geom_xpos` ± half the length along the third
    /// column of `geom_xmat`, x and z, then the radius.
    #[track_caller]
    fn check(xml: &str, qpos: &[f64], expected: &[(&str, [f64; 5])]) {
        let robot = PlanarRobot::from_mjcf(xml).unwrap();
        let state = [qpos, &vec![0.0; qpos.len()]].concat();
        let capsules = robot.capsules(&state).unwrap();
        assert_eq!(capsules.len(), expected.len());
        for (capsule, (name, numbers)) in capsules.iter().zip(expected) {
            assert_eq!(capsule.name.as_deref(), Some(*name));
            let numbers = *numbers;
            let ends = |[a, b]: [Vector; 2]| {
                let actual = [a[0], a[1], b[0], b[1], capsule.radius];
                actual
                    .iter()
                    .zip(&numbers)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f64::max)
            };
            // A capsule has no first end.
            let error = ends([capsule.from, capsule.to]).min(ends([capsule.to, capsule.from]));
            assert!(
                error < 2e-6,
                "{name} is off by {error}: {capsule:?}, expected {numbers:?}"
            );
        }
    }

    #[test]
    fn the_hopper_is_where_mujoco_has_it() {
        check(
            HOPPER,
            &[-3.976, 0.932, 0.723, 0.197, -0.974, -0.16],
            &[
                ("torso_geom", [-4.108327, 0.782035, -3.843673, 1.081965, 0.05]),
                ("thigh_geom", [-4.334263, 0.392865, -4.108327, 0.782035, 0.05]),
                ("leg_geom", [-4.83301, 0.357497, -4.334263, 0.392865, 0.04]),
                ("foot_geom", [-4.856172, 0.09853, -4.821429, 0.48698, 0.06]),
            ],
        );
        check(
            HOPPER,
            &[-0.2, 1.117, 0.563, -0.927, -0.261, 0.04],
            &[
                ("torso_geom", [-0.306745, 0.947868, -0.093255, 1.286132, 0.05]),
                ("thigh_geom", [-0.755277, 0.91155, -0.306745, 0.947868, 0.05]),
                ("leg_geom", [-1.247181, 1.001165, -0.755277, 0.91155, 0.04]),
                ("foot_geom", [-1.283514, 0.743716, -1.229014, 1.129889, 0.06]),
            ],
        );
    }

    #[test]
    fn the_walker_is_where_mujoco_has_it() {
        check(
            WALKER,
            &[-3.976, 0.932, 0.723, 0.197, -0.974, -0.16, -0.05, -0.817, 0.563],
            &[
                ("torso_geom", [-4.108327, 0.782035, -3.843673, 1.081965, 0.05]),
                ("thigh_geom", [-4.334263, 0.392865, -4.108327, 0.782035, 0.05]),
                ("leg_geom", [-4.83301, 0.357497, -4.334263, 0.392865, 0.04]),
                ("foot_geom", [-4.850827, 0.158292, -4.83301, 0.357497, 0.06]),
                ("thigh_left_geom", [-4.422556, 0.459917, -4.108327, 0.782035, 0.05]),
                ("leg_left_geom", [-4.922464, 0.469518, -4.422556, 0.459917, 0.04]),
                ("foot_left_geom", [-4.818986, 0.298368, -4.922464, 0.469518, 0.06]),
            ],
        );
    }

    #[test]
    fn the_cheetah_is_where_mujoco_has_it() {
        check(
            CHEETAH,
            &[-3.708, 0.561, 0.04, -0.166, 0.208, 0.571, 1.095, -0.518, 0.357],
            &[
                ("torso", [-3.2084, 1.241005, -4.2076, 1.280995, 0.046]),
                ("head", [-3.222907, 1.244865, -2.986055, 1.428988, 0.046]),
                ("bthigh", [-4.194485, 1.267224, -3.989627, 1.06196, 0.046]),
                ("bshin", [-4.02326, 1.050034, -4.30217, 0.939537, 0.046]),
                ("bfoot", [-4.378213, 0.754028, -4.307956, 0.928407, 0.046]),
                ("fthigh", [-3.479262, 1.264993, -3.214205, 1.242621, 0.046]),
                ("fshin", [-3.485927, 1.04961, -3.482323, 1.261579, 0.046]),
                ("ffoot", [-3.541367, 0.902858, -3.490219, 1.03318, 0.046]),
            ],
        );
    }

    #[test]
    fn only_the_second_leg_of_the_walker_is_far() {
        for (xml, far) in [(HOPPER, 0), (WALKER, 3), (CHEETAH, 0)] {
            let robot = PlanarRobot::from_mjcf(xml).unwrap();
            assert_eq!(robot.bodies.iter().filter(|body| body.far).count(), far);
        }
    }

    #[test]
    fn states_of_observations_move_along_the_ground() {
        let robot = PlanarRobot::from_mjcf(HOPPER).unwrap();
        let present = ndarray::Array1::from_elem(12, 7.0);
        let mut observations = Array2::from_shape_fn((3, 11), |(row, column)| (10 * row + column) as f64);
        observations.column_mut(5).assign(&array![1.0, 3.0, -10.0]);
        let states = robot.states_of(present.view(), observations.view(), true, 0.5).unwrap();
        assert_eq!(states.slice(s![.., 1..]), observations);
        // Means of 1 and 3, and of 3 and -10, for half a second each.
        assert_eq!(states.column(0), array![7.0, 8.0, 6.25]);

        let full = Array2::from_elem((2, 12), 0.5);
        assert_eq!(robot.states_of(present.view(), full.view(), false, 0.5).unwrap(), full);
        for (columns, exclude, expected) in [(12, true, 11), (11, false, 12)] {
            let other = Array2::zeros((1, columns));
            let actual = columns;
            assert_eq!(
                robot.states_of(present.view(), other.view(), exclude, 0.5),
                Err(Error::ObservationLength { expected, actual })
            );
        }
    }

    #[test]
    fn states_that_are_none_are_refused() {
        let robot = PlanarRobot::from_mjcf(HOPPER).unwrap();
        assert_eq!(
            robot.capsules(&[0.0; 6]),
            Err(Error::StateLength {
                expected: 12,
                actual: 6
            })
        );
        let mut state = [0.0; 12];
        state[3] = f64::INFINITY;
        assert_eq!(
            robot.capsules(&state),
            Err(Error::StateNotFinite {
                index: 3,
                value: f64::INFINITY
            })
        );
    }
}
