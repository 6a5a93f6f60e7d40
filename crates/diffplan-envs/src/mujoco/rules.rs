//! What the robots observe, when they are healthy, and what reward they get: `gymnasium/envs/mujoco/*.py` of Gymnasium 1.4.0,
//! versions 4 and 5, and for versions 2 and 3 `gym/envs/mujoco/*.py`.

use std::hint::black_box;

use ndarray::{Array1, Array2, ArrayView2};

use super::env::MujocoEnv;
use super::ffi::Data;
use super::ffi::arrays::Array;
use super::options::{Body, Options, Robot, Version};
use crate::{Error, Info, Result};

/// Bodies and forces as MuJoCo last calculated them: for the last stage of its integrator, which is not where position and
/// velocity have come to.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Of the bodies that are looked at, in metres: Ant's main body; Reacher's fingertip and target.
    bodies: Vec<[f64; 3]>,
    /// Torque and force on every body, as they were before they are clipped (Ant).
    forces: Vec<f64>,
    /// The forces of constraints at each joint, and the first site's place (InvertedDoublePendulum).
    constraint: Vec<f64>,
    site: Vec<f64>,
}

/// What a robot's rules look at.
#[derive(Debug)]
pub(super) struct Watch {
    bodies: Vec<usize>,
    forces: Option<Array>,
    constraint: Option<Array>,
    site: Option<Array>,
    /// Numbers of the forces, also where they are all 0.
    force_count: usize,
}

impl Watch {
    /// # Errors
    ///
    /// A reason in words, where the model has not what there is to look at; and what MuJoCo says.
    pub(super) fn new(
        robot: Robot,
        version: Version,
        options: &Options,
        data: &mut Data,
    ) -> Result<std::result::Result<Self, String>> {
        let names: Vec<Body> = match robot {
            Robot::Ant if version == Version::V5 => vec![options.main_body.clone()],
            Robot::Ant => vec![Body::Name("torso".into())],
            Robot::Reacher => vec![Body::Name("fingertip".into()), Body::Name("target".into())],
            _ => Vec::new(),
        };
        let mut bodies = Vec::new();
        for name in names {
            let index = match &name {
                Body::Index(index) => Some(*index).filter(|&index| index < data.model().bodies),
                Body::Name(name) => data.model().body(name)?,
            };
            match index {
                Some(index) => bodies.push(index),
                None => return Ok(Err(format!("it has no body {}", named(&name)))),
            }
        }
        let counts = match version {
            Version::V2 | Version::V3 => false,
            Version::V4 => options.use_contact_forces,
            Version::V5 => options.include_cfrc_ext_in_observation || options.contact_cost_weight != 0.0,
        };
        let forces = match robot {
            Robot::Ant if counts => Some(data.array("CFRC_EXT")?),
            _ => None,
        };
        let (mut constraint, mut site) = (None, None);
        if robot == Robot::InvertedDoublePendulum {
            constraint = Some(data.array("QFRC_CONSTRAINT")?);
            let Ok(place) = data.array("SITE_XPOS") else {
                return Ok(Err("it has no site, expected one at the tip".into()));
            };
            site = Some(place);
        }
        Ok(Ok(Self {
            bodies,
            forces,
            constraint,
            site,
            force_count: if robot == Robot::Ant {
                6 * data.model().bodies
            } else {
                0
            },
        }))
    }

    /// What there is to see now; `stepped` tells whether it came there by a step, after which there are forces on bodies.
    pub(super) fn look(&self, data: &mut Data, stepped: bool) -> Result<Sight> {
        let mut sight = Sight::default();
        for &body in &self.bodies {
            sight.bodies.push(data.place(body)?);
        }
        sight.forces = match &self.forces {
            Some(forces) if stepped => {
                data.rne_post_constraint()?;
                data.read(forces)?
            }
            _ => vec![0.0; self.force_count],
        };
        if let Some(constraint) = &self.constraint {
            sight.constraint = data.read(constraint)?;
        }
        if let Some(site) = &self.site {
            sight.site = data.read(site)?;
        }
        Ok(sight)
    }
}

fn named(body: &Body) -> String {
    match body {
        Body::Index(index) => index.to_string(),
        Body::Name(name) => format!("{name:?}"),
    }
}

/// Where a robot was before a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    place: [f64; 2],
    /// From the target to the fingertip.
    reach: [f64; 3],
}

impl Sight {
    /// From the target to the fingertip.
    fn reach(&self) -> [f64; 3] {
        match self.bodies[..] {
            [tip, target] => [tip[0] - target[0], tip[1] - target[1], tip[2] - target[2]],
            _ => [0.0; 3],
        }
    }

    fn forces_within(&self, [low, high]: [f64; 2]) -> impl Iterator<Item = f64> {
        self.forces.iter().map(move |force| force.clamp(low, high))
    }

    /// How high the tip is; of no site nothing is known.
    fn height(&self) -> f64 {
        self.site.get(2).copied().unwrap_or(f64::NAN)
    }
}

impl MujocoEnv {
    fn qpos(&self) -> &[f64] {
        &self.state[..self.data.model().nq]
    }

    fn qvel(&self) -> &[f64] {
        &self.state[self.data.model().nq..]
    }

    /// How many coordinates, the first ones, an observation leaves out.
    pub(super) fn left_out(&self) -> usize {
        if self.options.exclude_current_positions_from_observation {
            self.robot.places()
        } else {
            0
        }
    }

    /// Whether forces on bodies are observed, and from which of them on.
    fn observed_forces(&self) -> Option<usize> {
        match (self.robot, self.version) {
            (Robot::Ant, Version::V2 | Version::V3) => Some(0),
            (Robot::Ant, Version::V4) => self.options.use_contact_forces.then_some(0),
            // Without those on the world.
            (Robot::Ant, Version::V5) => self.options.include_cfrc_ext_in_observation.then_some(6),
            _ => None,
        }
    }

    pub(super) fn observation(&self) -> Array1<f64> {
        let (qpos, qvel) = (self.qpos(), self.qvel());
        let slow = |v: &f64| v.clamp(-10.0, 10.0);
        let mut observed: Vec<f64> = Vec::new();
        match self.robot {
            Robot::Hopper | Robot::Walker2d => {
                observed.extend(&qpos[self.left_out()..]);
                observed.extend(qvel.iter().map(slow));
            }
            Robot::HalfCheetah | Robot::Ant | Robot::Swimmer | Robot::InvertedPendulum => {
                observed.extend(&qpos[self.left_out()..]);
                observed.extend(qvel);
                if let Some(first) = self.observed_forces() {
                    observed.extend(self.sight.forces_within(self.options.contact_force_range).skip(first));
                }
            }
            Robot::Reacher => {
                let (angles, target) = qpos.split_at(2);
                observed.extend(angles.iter().map(|angle| angle.cos()));
                observed.extend(angles.iter().map(|angle| angle.sin()));
                observed.extend(target);
                observed.extend(&qvel[..2]);
                let shown = if self.version == Version::V5 { 2 } else { 3 };
                observed.extend(&self.sight.reach()[..shown]);
            }
            Robot::InvertedDoublePendulum => {
                let (cart, angles) = qpos.split_at(1);
                observed.extend(cart);
                observed.extend(angles.iter().map(|angle| angle.sin()));
                observed.extend(angles.iter().map(|angle| angle.cos()));
                observed.extend(qvel.iter().map(slow));
                let shown = if self.version == Version::V5 { 1 } else { 3 };
                observed.extend(self.sight.constraint.iter().take(shown).map(slow));
            }
        }
        observed.into()
    }

    pub(super) fn is_healthy(&self) -> bool {
        let within = |[low, high]: [f64; 2], value: f64| low < value && value < high;
        let options = &self.options;
        let (qpos, state) = (self.qpos(), &self.state);
        match self.robot {
            Robot::HalfCheetah | Robot::Swimmer | Robot::Reacher => true,
            Robot::Walker2d => within(options.healthy_z_range, qpos[1]) && within(options.healthy_angle_range, qpos[2]),
            Robot::Hopper => {
                state[2..]
                    .iter()
                    .all(|&value| within(options.healthy_state_range, value))
                    && within(options.healthy_z_range, qpos[1])
                    && within(options.healthy_angle_range, qpos[2])
            }
            Robot::Ant => {
                let [low, high] = options.healthy_z_range;
                state.iter().all(|value| value.is_finite()) && low <= qpos[2] && qpos[2] <= high
            }
            Robot::InvertedPendulum => state.iter().all(|value| value.is_finite()) && qpos[1].abs() <= 0.2,
            Robot::InvertedDoublePendulum => self.sight.height() > 1.0,
        }
    }

    /// What `info` says of a position after a reset, and in version 5 after a step.
    pub(super) fn position_info(&self) -> Info {
        let mut info = Info::new();
        let qpos = self.qpos();
        match self.robot.places() {
            0 => {}
            1 => {
                info.insert("x_position", qpos[0]);
                if self.version == Version::V5 && self.robot != Robot::HalfCheetah {
                    info.insert("z_distance_from_origin", qpos[1] - self.init[1]);
                }
            }
            _ => tell_place(&mut info, [qpos[0], qpos[1]]),
        }
        info
    }

    /// Where the robot is, as its velocity has it.
    fn place(&self) -> [f64; 2] {
        match (self.robot, &self.sight.bodies[..]) {
            (Robot::Ant, [torso]) => [torso[0], torso[1]],
            _ => [self.state[0], self.state[1]],
        }
    }

    pub(super) fn before(&self) -> Before {
        Before {
            place: self.place(),
            reach: self.sight.reach(),
        }
    }

    /// Reward and info after a step.
    pub(super) fn reward(&self, before: Before, action: &[f32], healthy: bool) -> (f64, Info) {
        let healthy_counts = match self.version {
            Version::V5 => healthy,
            Version::V2 | Version::V3 | Version::V4 => healthy || self.options.terminate_when_unhealthy,
        };
        let survive = if healthy_counts {
            self.options.healthy_reward
        } else {
            0.0
        };
        match self.robot {
            Robot::Hopper | Robot::Walker2d | Robot::HalfCheetah => self.run(before, action, survive),
            Robot::Ant => self.walk(before, action, survive),
            Robot::Swimmer => self.swim(before, action),
            Robot::Reacher => self.reach(before, action),
            Robot::InvertedPendulum => {
                let mut info = Info::new();
                if self.version == Version::V5 {
                    info.insert("reward_survive", survive);
                }
                (survive, info)
            }
            Robot::InvertedDoublePendulum => self.balance(survive),
        }
    }

    fn ctrl_cost(&self, action: &[f32]) -> f64 {
        f64::from(self.options.ctrl_cost_weight as f32 * sum_of_squares(action))
    }

    /// Velocity along x and y.
    fn velocity(&self, before: Before) -> [f64; 2] {
        let (from, to) = (before.place, self.place());
        [(to[0] - from[0]) / self.dt, (to[1] - from[1]) / self.dt]
    }

    /// Hopper, Walker2d, HalfCheetah.
    fn run(&self, before: Before, action: &[f32], survive: f64) -> (f64, Info) {
        let [x_velocity, _] = self.velocity(before);
        let forward = self.options.forward_reward_weight * x_velocity;
        let ctrl_cost = self.ctrl_cost(action);
        let cheetah = self.robot == Robot::HalfCheetah;
        let reward = if cheetah {
            forward - ctrl_cost
        } else {
            forward + survive - ctrl_cost
        };
        let mut info = Info::new();
        if self.version != Version::V2 {
            info = self.position_info();
            info.insert("x_velocity", x_velocity);
        }
        if self.version == Version::V5 {
            info.insert("reward_forward", forward);
            info.insert("reward_ctrl", -ctrl_cost);
            if !cheetah {
                info.insert("reward_survive", survive);
            }
        } else if cheetah {
            info.insert("reward_run", forward);
            info.insert("reward_ctrl", -ctrl_cost);
        }
        (reward, info)
    }

    /// Ant.
    fn walk(&self, before: Before, action: &[f32], survive: f64) -> (f64, Info) {
        let [x_velocity, y_velocity] = self.velocity(before);
        let forward = x_velocity * self.options.forward_reward_weight;
        let ctrl_cost = self.ctrl_cost(action);
        let forces: Vec<f64> = self.sight.forces_within(self.options.contact_force_range).collect();
        let contact_cost = self.options.contact_cost_weight * sum_of_squares(&forces);
        let counts = self.version != Version::V4 || self.options.use_contact_forces;
        let costs = if counts { ctrl_cost + contact_cost } else { ctrl_cost };
        let reward = match self.version {
            Version::V2 => forward - ctrl_cost - contact_cost + survive,
            Version::V3 | Version::V4 | Version::V5 => forward + survive - costs,
        };

        let mut info = match self.version {
            Version::V2 => Info::new(),
            Version::V5 => self.position_info(),
            Version::V3 | Version::V4 => {
                let mut info = Info::new();
                tell_place(&mut info, self.place());
                info.insert("forward_reward", forward);
                info
            }
        };
        if self.version != Version::V2 {
            info.insert("x_velocity", x_velocity);
            info.insert("y_velocity", y_velocity);
        }
        info.insert("reward_forward", forward);
        info.insert("reward_survive", survive);
        if self.version == Version::V4 {
            // Its cost of contacts goes by the name of the other.
            let told = if self.options.use_contact_forces {
                contact_cost
            } else {
                ctrl_cost
            };
            info.insert("reward_ctrl", -told);
        } else {
            info.insert("reward_ctrl", -ctrl_cost);
            info.insert("reward_contact", -contact_cost);
        }
        (reward, info)
    }

    fn swim(&self, before: Before, action: &[f32]) -> (f64, Info) {
        let [x_velocity, y_velocity] = self.velocity(before);
        let forward = self.options.forward_reward_weight * x_velocity;
        let ctrl_cost = self.ctrl_cost(action);
        let mut info = match self.version {
            Version::V2 => Info::new(),
            Version::V3 | Version::V4 | Version::V5 => self.position_info(),
        };
        if self.version != Version::V2 {
            info.insert("x_velocity", x_velocity);
            info.insert("y_velocity", y_velocity);
        }
        match self.version {
            Version::V5 => {
                info.insert("reward_forward", forward);
            }
            Version::V2 => {
                info.insert("reward_fwd", forward);
            }
            Version::V3 | Version::V4 => {
                info.insert("reward_fwd", forward);
                info.insert("forward_reward", forward);
            }
        }
        info.insert("reward_ctrl", -ctrl_cost);
        (forward - ctrl_cost, info)
    }

    fn reach(&self, before: Before, action: &[f32]) -> (f64, Info) {
        let vector = match self.version {
            Version::V5 => self.sight.reach(),
            Version::V2 | Version::V3 | Version::V4 => before.reach,
        };
        let distance = -norm(&vector) * self.options.reward_dist_weight;
        let ctrl = f64::from(-sum_of_squares(action) * self.options.reward_control_weight as f32);
        let mut info = Info::new();
        info.insert("reward_dist", distance);
        info.insert("reward_ctrl", ctrl);
        (distance + ctrl, info)
    }

    /// InvertedDoublePendulum.
    fn balance(&self, survive: f64) -> (f64, Info) {
        let (x, height) = (
            self.sight.site.first().copied().unwrap_or(f64::NAN),
            self.sight.height(),
        );
        let (first, second) = (self.qvel()[1], self.qvel()[2]);
        let distance = 0.01 * square(x) + square(height - 2.0);
        let velocity = 1e-3 * square(first) + 5e-3 * square(second);
        let mut info = Info::new();
        if self.version == Version::V5 {
            info.insert("reward_survive", survive);
            info.insert("distance_penalty", -distance);
            info.insert("velocity_penalty", -velocity);
        }
        (survive - distance - velocity, info)
    }

    /// The states of a sequence of observations ([`Env::states_of`](crate::Env::states_of)): where x and y are left out, they
    /// start from the present state's and go on by the mean of the velocities at both ends of a step; angles of which sine and
    /// cosine are observed are the nearest to those before.
    pub(super) fn states_of_observations(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let expected = self.observation().len();
        if observations.ncols() != expected {
            return Err(Error::ObservationLength {
                expected,
                actual: observations.ncols(),
            });
        }
        let (nq, left_out) = (self.data.model().nq, self.left_out());
        let mut states = Array2::zeros((observations.nrows(), self.state.len()));
        let mut last = self.state.clone();
        for (row, (observed, mut state)) in observations.outer_iter().zip(states.outer_iter_mut()).enumerate() {
            let (sin, cos, angles) = match self.robot {
                Robot::Reacher => {
                    // The target stays where it is.
                    for (to, from) in [(2, 4), (3, 5), (4, 6), (5, 7)] {
                        state[to] = observed[from];
                    }
                    (2, 0, 0)
                }
                Robot::InvertedDoublePendulum => {
                    state[0] = observed[0];
                    for i in 0..3 {
                        state[3 + i] = observed[5 + i];
                    }
                    (1, 3, 1)
                }
                _ => {
                    for i in left_out..self.state.len() {
                        state[i] = observed[i - left_out];
                    }
                    for i in 0..left_out {
                        let moved = if row == 0 {
                            0.0
                        } else {
                            self.dt * (last[nq + i] + state[nq + i]) / 2.0
                        };
                        state[i] = last[i] + moved;
                    }
                    last = state.to_vec();
                    continue;
                }
            };
            for i in 0..2 {
                let angle = observed[sin + i].atan2(observed[cos + i]);
                let turns = ((last[angles + i] - angle) / std::f64::consts::TAU).round();
                state[angles + i] = angle + std::f64::consts::TAU * turns;
            }
            last = state.to_vec();
        }
        Ok(states)
    }
}

fn tell_place(info: &mut Info, place: [f64; 2]) {
    info.insert("x_position", place[0]);
    info.insert("y_position", place[1]);
    info.insert("distance_from_origin", norm(&place));
}

/// As `x ** 2` of a NumPy scalar: by the C library's `pow`, which is not always x · x (the compiler would have it so).
fn square(x: f64) -> f64 {
    x.powf(black_box(2.0))
}

/// As `np.linalg.norm`, whose products are added without being rounded first where the processor can do so.
pub(super) fn norm(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |sum: f64, x| x.mul_add(*x, sum)).sqrt()
}

/// As `np.sum(np.square(x))` of up to 128 numbers in their own precision: eight sums side by side where there are as many.
fn sum_of_squares<T>(x: &[T]) -> T
where
    T: Copy + Default + std::ops::Add<Output = T> + std::ops::Mul<Output = T>,
{
    let mut eights = x.chunks_exact(8);
    let mut sums: Option<[T; 8]> = None;
    for eight in eights.by_ref() {
        let squares: [T; 8] = std::array::from_fn(|i| eight[i] * eight[i]);
        sums = Some(match sums {
            Some(sums) => std::array::from_fn(|i| sums[i] + squares[i]),
            None => squares,
        });
    }
    let sum = sums.map_or(T::default(), |[a, b, c, d, e, f, g, h]| {
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    });
    eights.remainder().iter().fold(sum, |sum, &x| sum + x * x)
}
