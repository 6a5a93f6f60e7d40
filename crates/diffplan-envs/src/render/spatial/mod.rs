//! Robots that move in space, or in the plane of the ground: MuJoCo's ant, swimmer and reacher.
//!
//! The state is `qpos` then `qvel`, in the order of the file. Where the limbs are follows from `qpos` alone: a body starts from its
//! parent at `pos`; a free joint puts it at three numbers, turned by a quaternion of four; a slide joint moves it along its
//! axis by `qpos - ref`, a hinge turns it about its axis through its anchor by as much.

#[cfg(feature = "render")]
mod draw;
mod mjcf;

use crate::{Error, Result};

type Vector = [f64; 3];
/// Rows of a matrix.
type Turn = [Vector; 3];

const UPRIGHT: Turn = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// A robot in space, as an MJCF file describes it: a tree of bodies with free, slide and hinge joints, capsules and spheres.
#[derive(Debug, Clone, PartialEq)]
pub struct SpatialRobot {
    /// Parents before their children; the first is the torso.
    bodies: Vec<Body>,
    /// What stands around, in the world.
    scenery: Vec<Limb>,
    /// Numbers in qpos and in qvel.
    positions: usize,
    velocities: usize,
    /// The height of the floor.
    ground: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Body {
    name: Option<String>,
    parent: Option<usize>,
    pos: Vector,
    turn: Turn,
    joints: Vec<Joint>,
    limbs: Vec<Limb>,
}

#[derive(Debug, Clone, PartialEq)]
enum Joint {
    /// Seven numbers.
    Free,
    /// Along an axis of the body.
    Slide { axis: Vector, reference: f64 },
    /// About an axis of the body.
    Hinge {
        axis: Vector,
        anchor: Vector,
        reference: f64,
    },
}

/// A capsule, or a ball where both ends are the same.
#[derive(Debug, Clone, PartialEq)]
struct Limb {
    from: Vector,
    to: Vector,
    radius: f64,
    color: [u8; 3],
}

/// Where a body is.
#[derive(Debug, Clone, Copy)]
struct Pose {
    at: Vector,
    turn: Turn,
}

impl Pose {
    const WORLD: Self = Self {
        at: [0.0; 3],
        turn: UPRIGHT,
    };

    fn place(self, vector: Vector) -> Vector {
        add(self.at, turned(&self.turn, vector))
    }
}

fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn scaled(a: Vector, by: f64) -> Vector {
    a.map(|x| x * by)
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn turned(turn: &Turn, vector: Vector) -> Vector {
    turn.map(|row| dot(row, vector))
}

/// The second turn, then the first.
fn product(first: &Turn, second: &Turn) -> Turn {
    first.map(|row| std::array::from_fn(|column| (0..3).map(|k| row[k] * second[k][column]).sum()))
}

/// Of a quaternion of any length but 0, which turns nothing.
fn turn_of([w, x, y, z]: [f64; 4]) -> Turn {
    let square = w * w + x * x + y * y + z * z;
    if square == 0.0 {
        return UPRIGHT;
    }
    let s = 2.0 / square;
    [
        [1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y)],
    ]
}

/// About an axis of length 1.
fn turn_about(axis: Vector, angle: f64) -> Turn {
    let (sin, cos) = (angle / 2.0).sin_cos();
    turn_of([cos, sin * axis[0], sin * axis[1], sin * axis[2]])
}

impl SpatialRobot {
    /// Reads a robot from the text of an MJCF file.
    ///
    /// Known are `compiler` (`angle`), the main `default` class, and in bodies `freejoint`, `joint` (free, slide, hinge), `geom`
    /// (capsule, cylinder, sphere) and `body`, with places and orientations by `pos`, `quat` and `fromto`. What says nothing
    /// about where limbs are is passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Mjcf`] for text that is no such file, or has what is not known.
    pub fn from_mjcf(xml: &str) -> Result<Self> {
        mjcf::parse(xml)
    }

    /// Numbers of a state: `qpos`, then `qvel`.
    pub fn state_dim(&self) -> usize {
        self.positions + self.velocities
    }

    /// Where the limbs are in a state, shape `(state_dim,)`, in the order of the file: the places of both ends, in metres.
    ///
    /// # Errors
    ///
    /// [`Error::StateLength`] and [`Error::StateNotFinite`].
    pub fn limbs(&self, state: &[f64]) -> Result<Vec<[[f64; 3]; 2]>> {
        self.check(state)?;
        let limbs = self.placed(&self.poses(state));
        Ok(limbs.iter().map(|limb| [limb.from, limb.to]).collect())
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

    /// Where the bodies are; numbers that are not finite lead to such.
    fn poses(&self, qpos: &[f64]) -> Vec<Pose> {
        let mut qpos = qpos.iter().copied();
        let mut poses: Vec<Pose> = Vec::with_capacity(self.bodies.len());
        for body in &self.bodies {
            let parent = body.parent.map_or(Pose::WORLD, |parent| poses[parent]);
            let mut pose = Pose {
                at: parent.place(body.pos),
                turn: product(&parent.turn, &body.turn),
            };
            for joint in &body.joints {
                let mut next = || qpos.next().unwrap_or(0.0);
                match *joint {
                    Joint::Free => {
                        let at = [next(), next(), next()];
                        let turn = turn_of([next(), next(), next(), next()]);
                        pose = Pose { at, turn };
                    }
                    Joint::Slide { axis, reference } => pose.at = pose.place(scaled(axis, next() - reference)),
                    Joint::Hinge {
                        axis,
                        anchor,
                        reference,
                    } => {
                        let at = pose.place(anchor);
                        pose.turn = product(&pose.turn, &turn_about(axis, next() - reference));
                        pose.at = add(at, turned(&pose.turn, scaled(anchor, -1.0)));
                    }
                }
            }
            poses.push(pose);
        }
        poses
    }

    fn placed(&self, poses: &[Pose]) -> Vec<Limb> {
        let bodies = self.bodies.iter().zip(poses);
        let limbs = bodies.flat_map(|(body, &pose)| {
            body.limbs.iter().map(move |limb| Limb {
                from: pose.place(limb.from),
                to: pose.place(limb.to),
                ..limb.clone()
            })
        });
        limbs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANT: &str = include_str!("../../mujoco/assets/ant.xml");
    const SWIMMER: &str = include_str!("../../mujoco/assets/swimmer.xml");
    const REACHER: &str = include_str!("../../mujoco/assets/reacher.xml");

    /// Numbers of MuJoCo 4.0.0 (`mj_kinematics`): `geom_xpos` ± half the length along the third column of `geom_xmat`.
    #[track_caller]
    fn check(xml: &str, qpos: &[f64], velocities: usize, expected: &[[f64; 6]]) {
        let robot = SpatialRobot::from_mjcf(xml).unwrap();
        let state = [qpos, &vec![0.0; velocities]].concat();
        assert_eq!(robot.state_dim(), state.len());
        let limbs = robot.limbs(&state).unwrap();
        assert_eq!(limbs.len(), expected.len());
        for (i, (limb, expected)) in limbs.iter().zip(expected).enumerate() {
            let off = |[from, to]: [Vector; 2]| {
                let numbers = from.into_iter().chain(to).zip(expected);
                numbers.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            // A capsule has no first end.
            let error = off(*limb).min(off([limb[1], limb[0]]));
            assert!(
                error < 2e-6,
                "limb {i} is off by {error}: {limb:?}, expected {expected:?}"
            );
        }
    }

    #[test]
    fn the_ant_is_where_mujoco_has_it() {
        check(
            ANT,
            &[
                0.173, 0.411, 0.915, 0.348, 0.453, 0.223, -0.268, 0.291, 0.182, 0.147, 0.014, 0.273, -0.368, -0.081,
                -0.241,
            ],
            14,
            &[
                [0.173000, 0.411000, 0.915000, 0.173000, 0.411000, 0.915000],
                [0.437957, 0.370501, 0.824680, 0.173000, 0.411000, 0.915000],
                [0.715324, 0.316111, 0.814234, 0.437957, 0.370501, 0.824680],
                [1.280923, 0.308532, 0.807863, 0.715324, 0.316111, 0.814234],
                [0.255081, 0.356649, 1.180158, 0.173000, 0.411000, 0.915000],
                [0.297468, 0.308816, 1.455685, 0.255081, 0.356649, 1.180158],
                [0.380685, 0.205471, 2.005590, 0.297468, 0.308816, 1.455685],
                [-0.091957, 0.451499, 1.005320, 0.173000, 0.411000, 0.915000],
                [-0.369232, 0.505152, 1.020803, -0.091957, 0.451499, 1.005320],
                [-0.846851, 0.802849, 1.077872, -0.369232, 0.505152, 1.020803],
                [0.090919, 0.465351, 0.649842, 0.173000, 0.411000, 0.915000],
                [-0.012331, 0.522801, 0.392862, 0.090919, 0.465351, 0.649842],
                [-0.239270, 0.503299, -0.124940, -0.012331, 0.522801, 0.392862],
            ],
        );
    }

    #[test]
    fn the_swimmer_is_where_mujoco_has_it() {
        check(
            SWIMMER,
            &[0.299, 0.02, -0.146, -0.391, -0.129],
            5,
            &[
                [0.793680, -0.052741, -0.000000, 1.783041, -0.198223, 0.000000],
                [-0.065567, 0.458820, -0.000000, 0.793680, -0.052741, 0.000000],
                [-0.851866, 1.076665, -0.000000, -0.065567, 0.458820, 0.000000],
            ],
        );
    }

    #[test]
    fn the_reacher_is_where_mujoco_has_it() {
        check(
            REACHER,
            &[0.004, -0.138, 0.747, 0.403],
            4,
            &[
                [0.099999, 0.000400, 0.010000, 0.000000, -0.000000, 0.010000],
                [0.199103, -0.012960, 0.010000, 0.099999, 0.000400, 0.010000],
                [0.209013, -0.014296, 0.010000, 0.209013, -0.014296, 0.010000],
                [0.747000, 0.403000, 0.010000, 0.747000, 0.403000, 0.010000],
            ],
        );
    }

    #[test]
    fn states_that_are_none_are_refused() {
        let robot = SpatialRobot::from_mjcf(ANT).unwrap();
        let (expected, actual) = (29, 15);
        assert_eq!(robot.limbs(&[0.0; 15]), Err(Error::StateLength { expected, actual }));
        let mut state = [0.0; 29];
        state[4] = f64::INFINITY;
        let value = f64::INFINITY;
        assert_eq!(robot.limbs(&state), Err(Error::StateNotFinite { index: 4, value }));
    }
}
