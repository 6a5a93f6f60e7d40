//! [`MujocoEnv`]: one robot, after `gymnasium/envs/mujoco/mujoco_env.py` of Gymnasium 1.4.0; what the robots observe and what
//! reward they get is in `rules.rs`.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::ffi::{Data, Library, Model, take_warnings};
use super::library;
use super::options::{Options, Robot, Version};
use super::rules::{Sight, Watch, norm};
use crate::{
    BoxSpace, Dtype, Env, Error, Frame, Info, MUJOCO_WARNING, NumpyRng, Overlay, PlanarRobot, ResetOptions, Result,
    Space, SpatialRobot, Step,
};

/// Beyond this MuJoCo takes a number for a simulation that has blown up (`mjMAXVAL`).
const LARGEST: f64 = 1e10;

/// One of the robots: run forward without falling, swim, reach for a target, or balance a pole.
///
/// With x the place along the ground, dt the seconds of a step (`frame_skip` of the model's time steps), and the costs as
/// `ctrl_cost_weight · Σ action²` and `contact_cost_weight · Σ force²`:
///
/// | | reward |
/// | --- | --- |
/// | Hopper, Walker2d, HalfCheetah, Swimmer | forward_reward_weight · (x' - x) / dt + healthy_reward · \[healthy\] - cost of the action |
/// | Ant | the same, less the cost of contacts |
/// | Reacher | - reward_dist_weight · distance of fingertip and target - reward_control_weight · Σ action² |
/// | InvertedPendulum | 1 while healthy |
/// | InvertedDoublePendulum | healthy_reward · \[healthy\] - (0.01 x² + (z - 2)²) of the tip - (0.001 v₁² + 0.005 v₂²) of the poles' rates |
///
/// | | observation | action | state | dt | healthy |
/// | --- | --- | --- | --- | --- | --- |
/// | Hopper | 11: qpos without x, then qvel | 3 | 12 | 0.008 s | 0.7 < z, \|angle\| < 0.2, the rest within ±100 |
/// | Walker2d | 17: the same | 6 | 18 | 0.008 s | 0.8 < z < 2, \|angle\| < 1 |
/// | HalfCheetah | 17: the same | 6 | 18 | 0.05 s | no such term |
/// | Ant | 105: qpos without x and y, qvel, 6 forces on each of 13 bodies, clipped to ±1 | 8 | 29 | 0.05 s | 0.2 ≤ z ≤ 1 |
/// | Swimmer | 8: qpos without x and y, then qvel | 2 | 10 | 0.04 s | no such term |
/// | Reacher | 10: cosine and sine of two angles, the target, two rates, from the target to the fingertip | 2 | 8 | 0.02 s | no such term |
/// | InvertedPendulum | 4: qpos, then qvel | 1, to ±3 | 4 | 0.04 s | \|angle\| ≤ 0.2 |
/// | InvertedDoublePendulum | 9: x, sine and cosine of two angles, qvel, the rail's force on the cart, clipped to ±10 | 1 | 6 | 0.05 s | tip above 1 |
///
/// An action is torques, of the pendulums a force, -1 to 1 where nothing else is said; a state is qpos, then qvel. An episode
/// terminates where the robot is no longer healthy. Velocities are clipped to ±10 where Hopper's, Walker2d's and
/// InvertedDoublePendulum's are observed. Actions beyond their limits are clipped by MuJoCo, but cost what they are, as in
/// Gymnasium. Version 5 puts the terms of the reward into `info`, and where the robot is and how fast, under Gymnasium's names;
/// [`Version`] says what the others do. What MuJoCo warns of is there too ([`MUJOCO_WARNING`]). [`Env::reset`] has no options.
#[derive(Debug)]
pub struct MujocoEnv {
    pub(super) robot: Robot,
    pub(super) version: Version,
    pub(super) options: Options,
    pub(super) data: Data,
    watch: Watch,
    pub(super) sight: Sight,
    /// What pictures are drawn from, or why there are none: a model of the user's own may have what cannot be drawn.
    #[cfg_attr(not(feature = "render"), allow(dead_code))]
    body: Result<Picture>,
    rng: Option<NumpyRng>,
    /// Seconds a step.
    pub(super) dt: f64,
    /// Position and velocity where the model starts, and now: (nq + nv).
    pub(super) init: Vec<f64>,
    pub(super) state: Vec<f64>,
    started: bool,
    observation_space: Space,
    action_space: Space,
}

impl MujocoEnv {
    /// A robot in a simulation of its own.
    ///
    /// # Errors
    ///
    /// [`Error::MujocoMissing`], [`Error::MujocoLibrary`] and [`Error::MujocoVersion`] where there is no libmujoco to use;
    /// [`Error::MujocoModel`] where `xml_file` is missing, broken or another robot's.
    pub fn new(robot: Robot, version: Version, options: Options) -> Result<Self> {
        take_warnings();
        let library = library::find()?;
        let (model, body) = match &options.xml_file {
            Some(file) => (Model::from_file(&library, file)?, Picture::read(robot, file)),
            None => {
                let xml = embedded(robot, version, &library);
                (Model::from_xml(&library, name(robot), &xml)?, Picture::of(robot, &xml))
            }
        };
        check_sizes(robot, &options, &model)?;
        let mut data = Data::new(Arc::new(model))?;

        let mut init = vec![0.0; data.model().nq + data.model().nv];
        data.state(&mut init)?;
        // The length of a time step is what time has become after one.
        data.step(1)?;
        let timestep = data.time()?;
        data.reset()?;
        if let Some(file) = &options.xml_file {
            check_controls(robot, file, &mut data, &init)?;
        }
        let watch = Watch::new(robot, version, &options, &mut data)?.map_err(|reason| Error::MujocoModel {
            file: options.xml_file.clone().unwrap_or_else(|| name(robot).into()),
            reason,
        })?;
        let sight = watch.look(&mut data, false)?;
        // What the compiler or the first step had to say is no news of an episode.
        take_warnings();

        let full = Array1::from_elem(data.model().nu, f64::from(robot.largest_control()));
        let unbounded = |dim| {
            let bound = Array1::from_elem(dim, f64::INFINITY);
            BoxSpace::new(-bound.clone(), bound, Dtype::Float64).map(Space::from)
        };
        let mut env = Self {
            dt: timestep * options.frame_skip as f64,
            state: init.clone(),
            init,
            robot,
            version,
            options,
            watch,
            sight,
            body,
            rng: None,
            started: false,
            observation_space: unbounded(1)?,
            action_space: BoxSpace::new(-full.clone(), full, Dtype::Float32)?.into(),
            data,
        };
        env.observation_space = unbounded(env.observation().len())?;
        Ok(env)
    }

    /// Writes every number of the compiled model to `file`, as MuJoCo prints them in full precision: to compare models.
    ///
    /// # Errors
    ///
    /// [`Error::Mujoco`] where MuJoCo fails. What it cannot write it only warns of.
    pub fn print_model(&self, file: &Path) -> Result<()> {
        self.data.model().print(file)
    }

    /// Puts the simulation where `state` says, as `reset` and `set_state` do, and takes over what it makes of it.
    fn enter(&mut self, state: &[f64]) -> Result<Array1<f64>> {
        self.data.reset()?;
        self.data.set_state(state)?;
        self.data.forward()?;
        self.data.state(&mut self.state)?;
        self.sight = self.watch.look(&mut self.data, false)?;
        self.started = true;
        Ok(self.observation())
    }
}

impl Env for MujocoEnv {
    type Observation = Array1<f64>;
    type Action = Array1<f32>;

    fn reset(&mut self, seed: Option<u64>, options: &ResetOptions) -> Result<(Array1<f64>, Info)> {
        if let Some((name, _)) = options.iter().next() {
            return Err(Error::UnknownOption {
                name: name.to_owned(),
                known: &[],
            });
        }
        if let Some(seed) = seed {
            self.rng = Some(NumpyRng::new(seed));
        }
        let rng = self.rng.as_mut().ok_or(Error::SeedNeeded)?;
        let (nq, scale) = (self.data.model().nq, self.options.reset_noise_scale);
        let normal = matches!(
            self.robot,
            Robot::HalfCheetah | Robot::Ant | Robot::InvertedDoublePendulum
        );
        let mut state = self.init.clone();
        if self.robot == Robot::Reacher {
            state[..nq].iter_mut().for_each(|q| *q += rng.uniform(-0.1, 0.1));
            let target = loop {
                let target = [rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2)];
                if norm(&target) < 0.2 {
                    break target;
                }
            };
            state[nq..].iter_mut().for_each(|v| *v += rng.uniform(-0.005, 0.005));
            state[nq - 2..nq].copy_from_slice(&target);
            state[2 * nq - 2..].fill(0.0);
        } else {
            for (index, value) in state.iter_mut().enumerate() {
                *value += if normal && index >= nq {
                    scale * rng.standard_normal()
                } else {
                    rng.uniform(-scale, scale)
                };
            }
        }
        take_warnings();
        let observation = self.enter(&state)?;
        let mut info = match self.version {
            Version::V5 => self.position_info(),
            Version::V2 | Version::V3 | Version::V4 => Info::new(),
        };
        tell_warnings(&mut info);
        Ok((observation, info))
    }

    fn step(&mut self, action: &Array1<f32>) -> Result<Step<Array1<f64>>> {
        if !self.started {
            return Err(Error::ResetNeeded { method: "step" });
        }
        let expected = self.data.model().nu;
        if action.len() != expected {
            return Err(Error::ActionLength {
                expected,
                actual: action.len(),
            });
        }
        if let Some((index, &value)) = action.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::ActionNotFinite { index, value });
        }
        take_warnings();
        let action = action.to_vec();
        let ctrl: Vec<f64> = action.iter().copied().map(f64::from).collect();
        let before = self.before();
        self.data.set_ctrl(&ctrl)?;
        self.data.step(self.options.frame_skip)?;
        self.data.state(&mut self.state)?;
        self.sight = self.watch.look(&mut self.data, true)?;

        let healthy = self.is_healthy();
        let (reward, mut info) = self.reward(before, &action, healthy);
        tell_warnings(&mut info);
        Ok(Step {
            observation: self.observation(),
            reward,
            terminated: !healthy && self.options.terminate_when_unhealthy,
            truncated: false,
            info,
        })
    }

    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn observation_names(&self) -> Option<Vec<String>> {
        let (names, _) = super::names::names(self.robot, self.version);
        let dim = self.observation_space.as_box().ok()?.dim();
        (names.len() == dim).then_some(names)
    }

    fn action_names(&self) -> Option<Vec<String>> {
        let (_, names) = super::names::names(self.robot, self.version);
        Some(names)
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn render_with(&self, overlay: &Overlay) -> Result<Frame> {
        if !self.started {
            return Err(Error::ResetNeeded { method: "render" });
        }
        #[cfg(feature = "render")]
        return self.body.as_ref().map_err(Error::clone)?.draw(&self.state, overlay);
        #[cfg(not(feature = "render"))]
        {
            let _ = overlay;
            Err(Error::RenderFeature)
        }
    }

    fn dt(&self) -> Option<f64> {
        Some(self.dt)
    }

    fn simulator(&self) -> Option<String> {
        Some(format!("MuJoCo {}", self.data.model().library().version()))
    }

    fn states_of(&self, observations: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        if !self.started {
            return Err(Error::ResetNeeded { method: "states_of" });
        }
        self.states_of_observations(observations)
    }

    fn state(&self) -> Result<Array1<f64>> {
        if !self.started {
            return Err(Error::ResetNeeded { method: "state" });
        }
        Ok(self.state.clone().into())
    }

    fn set_state(&mut self, state: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        if state.len() != self.init.len() {
            return Err(Error::StateLength {
                expected: self.init.len(),
                actual: state.len(),
            });
        }
        for (index, &value) in state.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::StateNotFinite { index, value });
            }
            if value.abs() > LARGEST {
                return Err(Error::StateTooLarge { index, value });
            }
        }
        self.enter(&state.to_vec())
    }
}

/// Puts what MuJoCo has warned of into `info`.
fn tell_warnings(info: &mut Info) {
    let warnings = take_warnings();
    if !warnings.is_empty() {
        info.insert(MUJOCO_WARNING, warnings.join("; ").as_str());
    }
}

/// What pictures are drawn from.
#[derive(Debug)]
#[cfg_attr(not(feature = "render"), allow(dead_code))]
enum Picture {
    Planar(PlanarRobot),
    Spatial(SpatialRobot),
}

impl Picture {
    fn of(robot: Robot, xml: &str) -> Result<Self> {
        match robot {
            Robot::Hopper | Robot::Walker2d | Robot::HalfCheetah => PlanarRobot::from_mjcf(xml).map(Self::Planar),
            // Their carts are 20 cm high, in the middle of the rail.
            Robot::InvertedPendulum | Robot::InvertedDoublePendulum => {
                PlanarRobot::from_mjcf(xml).map(|robot| Self::Planar(robot.on_ground(-0.1)))
            }
            Robot::Ant | Robot::Swimmer | Robot::Reacher => SpatialRobot::from_mjcf(xml).map(Self::Spatial),
        }
    }

    /// What there is to draw in a model file.
    fn read(robot: Robot, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::MujocoModel {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        Self::of(robot, &text)
    }

    #[cfg(feature = "render")]
    fn draw(&self, state: &[f64], overlay: &Overlay) -> Result<Frame> {
        match self {
            Self::Planar(robot) => robot.draw(state, overlay),
            Self::Spatial(robot) => robot.draw(state, overlay),
        }
    }
}

/// What the embedded model is called in messages.
fn name(robot: Robot) -> &'static str {
    match robot {
        Robot::Hopper => "hopper.xml",
        Robot::Walker2d => "walker2d.xml",
        Robot::HalfCheetah => "half_cheetah.xml",
        Robot::Ant => "ant.xml",
        Robot::Swimmer => "swimmer.xml",
        Robot::Reacher => "reacher.xml",
        Robot::InvertedPendulum => "inverted_pendulum.xml",
        Robot::InvertedDoublePendulum => "inverted_double_pendulum.xml",
    }
}

/// The model that comes with this crate, with what the version has otherwise ([`Version`]).
fn embedded(robot: Robot, version: Version, library: &Library) -> Cow<'static, str> {
    let edit = |xml: &'static str, from: &str, to: &str| {
        debug_assert_eq!(xml.matches(from).count(), 1, "{from}");
        Cow::Owned(xml.replacen(from, to, 1))
    };
    let halves_margins = version.is_of_mujoco_py() && library.sums_margins();
    match robot {
        Robot::Hopper => {
            let xml = include_str!("assets/hopper.xml");
            match halves_margins {
                true => edit(xml, r#"margin="0.001""#, r#"margin="0.0005""#),
                false => xml.into(),
            }
        }
        Robot::Ant => {
            let xml = include_str!("assets/ant.xml");
            match halves_margins {
                true => edit(xml, r#"margin="0.01""#, r#"margin="0.005""#),
                false => xml.into(),
            }
        }
        Robot::Walker2d => {
            let xml = include_str!("assets/walker2d.xml");
            match version {
                Version::V5 => xml.into(),
                Version::V2 | Version::V3 | Version::V4 => edit(
                    xml,
                    r#"name="foot_geom" friction="1.9""#,
                    r#"name="foot_geom" friction="0.9""#,
                ),
            }
        }
        Robot::HalfCheetah => include_str!("assets/half_cheetah.xml").into(),
        Robot::Swimmer => include_str!("assets/swimmer.xml").into(),
        Robot::Reacher => include_str!("assets/reacher.xml").into(),
        Robot::InvertedPendulum => include_str!("assets/inverted_pendulum.xml").into(),
        Robot::InvertedDoublePendulum => include_str!("assets/inverted_double_pendulum.xml").into(),
    }
}

/// Refuses a model whose controls are not limited as the robot's are: it has another action space. Told by what comes of a step, since what the limits are cannot be asked without knowing MuJoCo's structs.
fn check_controls(robot: Robot, file: &Path, data: &mut Data, init: &[f64]) -> Result<()> {
    let controls = data.model().nu;
    let mut after = |control: usize, value: f64| -> Result<Vec<f64>> {
        let mut ctrl = vec![0.0; controls];
        ctrl[control] = value;
        data.reset()?;
        data.set_ctrl(&ctrl)?;
        data.step(1)?;
        let mut state = init.to_vec();
        data.state(&mut state)?;
        Ok(state)
    };
    for control in 0..controls {
        let limit = f64::from(robot.largest_control());
        for end in [limit, -limit] {
            let at_end = after(control, end)?;
            if at_end != after(control, 1.5 * end)? || at_end == after(control, 0.99 * end)? {
                return Err(Error::MujocoModel {
                    file: file.to_owned(),
                    reason: format!(
                        "control {control} is not limited to -{limit} to {limit}, expected the robot's action space"
                    ),
                });
            }
        }
    }
    data.reset()
}

/// Refuses a model that is not of the robot's build, and a library whose state is laid out in a way not known here.
fn check_sizes(robot: Robot, options: &Options, model: &Model) -> Result<()> {
    let [positions, velocities, controls] = robot.sizes();
    let (actual, expected) = (
        [model.nq, model.nv, model.na, model.nu],
        [positions, velocities, 0, controls],
    );
    if actual == expected {
        return Ok(());
    }
    let sizes = |[nq, nv, na, nu]: [usize; 4]| format!("nq {nq}, nv {nv}, na {na}, nu {nu}");
    let (actual, expected) = (sizes(actual), sizes(expected));
    Err(match &options.xml_file {
        Some(file) => Error::MujocoModel {
            file: file.clone(),
            reason: format!("it has {actual}, expected those of the robot: {expected}"),
        },
        None => Error::MujocoLibrary {
            path: model.library().path().to_owned(),
            reason: format!(
                "libmujoco {} makes {actual} of {}, expected {expected}: its state is laid out in a way not known here",
                model.library().version(),
                name(robot)
            ),
        },
    })
}
