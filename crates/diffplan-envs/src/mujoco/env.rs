//! [`MujocoEnv`]: one robot, after `gymnasium/envs/mujoco/{mujoco_env,hopper_v5,walker2d_v5,half_cheetah_v5}.py` of
//! Gymnasium 1.4.0 and the files of version 4.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::ffi::{Data, Library, Model, take_warnings};
use super::library;
use super::options::{Options, Robot, Version};
use crate::{
    BoxSpace, Dtype, Env, Error, Frame, Info, MUJOCO_WARNING, NumpyRng, Overlay, PlanarRobot, ResetOptions, Result,
    Space, Step,
};

/// Beyond this MuJoCo takes a number for a simulation that has blown up (`mjMAXVAL`).
const LARGEST: f64 = 1e10;

/// One of the planar robots: run forward without falling.
///
/// With x the torso's position along the ground and dt the seconds of a step (`frame_skip` of the model's time steps):
///
/// ```text
/// reward = forward_reward_weight · (x' - x) / dt + healthy_reward · [healthy] - ctrl_cost_weight · Σ action²
/// ```
///
/// | | Hopper | Walker2d | HalfCheetah |
/// | --- | --- | --- | --- |
/// | observation: qpos without x, then qvel | 11 | 17 | 17 |
/// | action: torques, -1 to 1 | 3 | 6 | 6 |
/// | state: qpos, then qvel | 12 | 18 | 18 |
/// | dt | 0.008 s | 0.008 s | 0.05 s |
/// | healthy | 0.7 < z, \|angle\| < 0.2, the rest within ±100 | 0.8 < z < 2, \|angle\| < 1 | no such term |
///
/// An episode terminates where the robot is no longer healthy. Velocities are clipped to ±10 where Hopper's and
/// Walker2d's are observed. Actions beyond ±1 are clipped by MuJoCo, but cost what they are, as in Gymnasium. Version 5
/// puts the terms of the reward into `info`: `reward_forward`, `reward_ctrl`, `x_position`, `x_velocity`, and but for
/// HalfCheetah `reward_survive` and `z_distance_from_origin`; [`Version`] says what the others do. What MuJoCo warns of is
/// there too ([`MUJOCO_WARNING`]). [`Env::reset`] has no options.
#[derive(Debug)]
pub struct MujocoEnv {
    robot: Robot,
    version: Version,
    options: Options,
    data: Data,
    /// What pictures are drawn from, or why there are none: a model of the user's own may have what cannot be drawn.
    body: Result<PlanarRobot>,
    rng: Option<NumpyRng>,
    /// Seconds a step.
    dt: f64,
    /// Position and velocity where the model starts, and now: (nq + nv).
    init: Vec<f64>,
    state: Vec<f64>,
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
            Some(file) => (Model::from_file(&library, file)?, read_body(file)),
            None => {
                let xml = embedded(robot, version, &library);
                (
                    Model::from_xml(&library, name(robot), &xml)?,
                    PlanarRobot::from_mjcf(&xml),
                )
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
            check_controls(file, &mut data, &init)?;
        }
        // What the compiler or the first step had to say is no news of an episode.
        take_warnings();

        let observed = init.len() - usize::from(options.exclude_current_positions_from_observation);
        let unbounded = Array1::from_elem(observed, f64::INFINITY);
        let full = Array1::ones(data.model().nu);
        let space = |low, high, dtype| BoxSpace::new(low, high, dtype).map(Space::from);
        Ok(Self {
            dt: timestep * options.frame_skip as f64,
            state: init.clone(),
            init,
            robot,
            version,
            options,
            body,
            rng: None,
            started: false,
            observation_space: space(-unbounded.clone(), unbounded, Dtype::Float64)?,
            action_space: space(-full.clone(), full, Dtype::Float32)?,
            data,
        })
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
        self.started = true;
        Ok(self.observation())
    }

    fn observation(&self) -> Array1<f64> {
        let nq = self.data.model().nq;
        let (qpos, qvel) = self.state.split_at(nq);
        let skipped = usize::from(self.options.exclude_current_positions_from_observation);
        let clips = self.robot.clips_velocities();
        let velocity = |&v: &f64| if clips { v.clamp(-10.0, 10.0) } else { v };
        qpos[skipped..]
            .iter()
            .copied()
            .chain(qvel.iter().map(velocity))
            .collect()
    }

    fn is_healthy(&self) -> bool {
        let within = |[low, high]: [f64; 2], value: f64| low < value && value < high;
        let (z, angle) = (self.state[1], self.state[2]);
        let options = &self.options;
        match self.robot {
            Robot::HalfCheetah => true,
            Robot::Walker2d => within(options.healthy_z_range, z) && within(options.healthy_angle_range, angle),
            Robot::Hopper => {
                let rest = &self.state[2..];
                rest.iter().all(|&value| within(options.healthy_state_range, value))
                    && within(options.healthy_z_range, z)
                    && within(options.healthy_angle_range, angle)
            }
        }
    }

    /// What `info` says of a position, at a reset and after a step.
    fn position_info(&self) -> Info {
        let mut info = Info::new();
        info.insert("x_position", self.state[0]);
        if self.version == Version::V5 && self.robot != Robot::HalfCheetah {
            info.insert("z_distance_from_origin", self.state[1] - self.init[1]);
        }
        info
    }

    /// Reward and info after a step that began at `x_before`.
    fn reward(&self, x_before: f64, action: &[f32], healthy: bool) -> (f64, Info) {
        let options = &self.options;
        let x_velocity = (self.state[0] - x_before) / self.dt;
        let forward = options.forward_reward_weight * x_velocity;
        // As NumPy has it: the action is float32, so are the sum of its squares and its product with a Python number.
        let squares = action.iter().fold(0.0_f32, |sum, &a| sum + a * a);
        let ctrl_cost = f64::from(options.ctrl_cost_weight as f32 * squares);
        let healthy_counts = match self.version {
            Version::V5 => healthy,
            Version::V2 | Version::V4 => healthy || options.terminate_when_unhealthy,
        };
        let survive = if healthy_counts { options.healthy_reward } else { 0.0 };

        let cheetah = self.robot == Robot::HalfCheetah;
        let reward = if cheetah {
            forward - ctrl_cost
        } else {
            forward + survive - ctrl_cost
        };
        let mut info = match self.version {
            Version::V2 => Info::new(),
            Version::V4 | Version::V5 => self.position_info(),
        };
        if self.version != Version::V2 {
            info.insert("x_velocity", x_velocity);
        }
        match (self.version, cheetah) {
            (Version::V5, _) => {
                info.insert("reward_forward", forward);
                info.insert("reward_ctrl", -ctrl_cost);
                if !cheetah {
                    info.insert("reward_survive", survive);
                }
            }
            (_, true) => {
                info.insert("reward_run", forward);
                info.insert("reward_ctrl", -ctrl_cost);
            }
            (_, false) => {}
        }
        (reward, info)
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
        let robot = self.robot;
        let noisy = self.init.iter().enumerate().map(|(index, &start)| {
            let noise = match robot {
                Robot::HalfCheetah if index >= nq => scale * rng.standard_normal(),
                _ => rng.uniform(-scale, scale),
            };
            start + noise
        });
        let state: Vec<f64> = noisy.collect();
        take_warnings();
        let observation = self.enter(&state)?;
        let mut info = match self.version {
            Version::V5 => self.position_info(),
            Version::V2 | Version::V4 => Info::new(),
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
        let x_before = self.state[0];
        self.data.set_ctrl(&ctrl)?;
        self.data.step(self.options.frame_skip)?;
        self.data.state(&mut self.state)?;

        let healthy = self.is_healthy();
        let (reward, mut info) = self.reward(x_before, &action, healthy);
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
        let (names, _) = super::names::names(self.robot);
        let dim = self.observation_space.as_box().ok()?.dim();
        (names.len() == dim).then(|| names.iter().map(|&name| name.to_owned()).collect())
    }

    fn action_names(&self) -> Option<Vec<String>> {
        let (_, names) = super::names::names(self.robot);
        Some(names.iter().map(|&name| name.to_owned()).collect())
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
        let body = self.body.as_ref().map_err(Error::clone)?;
        let excluded = self.options.exclude_current_positions_from_observation;
        body.states_of(ArrayView1::from(&self.state), observations, excluded, self.dt)
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

/// What there is to draw in a model file.
fn read_body(file: &Path) -> Result<PlanarRobot> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::MujocoModel {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    PlanarRobot::from_mjcf(&text)
}

/// What the embedded model is called in messages.
fn name(robot: Robot) -> &'static str {
    match robot {
        Robot::Hopper => "hopper.xml",
        Robot::Walker2d => "walker2d.xml",
        Robot::HalfCheetah => "half_cheetah.xml",
    }
}

/// The model that comes with this crate, with what the version has otherwise ([`Version`]).
fn embedded(robot: Robot, version: Version, library: &Library) -> Cow<'static, str> {
    let edit = |xml: &'static str, from: &str, to: &str| {
        debug_assert_eq!(xml.matches(from).count(), 1, "{from}");
        Cow::Owned(xml.replacen(from, to, 1))
    };
    match robot {
        Robot::Hopper => {
            let xml = include_str!("assets/hopper.xml");
            match version {
                Version::V2 if library.sums_margins() => edit(xml, r#"margin="0.001""#, r#"margin="0.0005""#),
                _ => xml.into(),
            }
        }
        Robot::Walker2d => {
            let xml = include_str!("assets/walker2d.xml");
            match version {
                Version::V5 => xml.into(),
                Version::V2 | Version::V4 => edit(
                    xml,
                    r#"name="foot_geom" friction="1.9""#,
                    r#"name="foot_geom" friction="0.9""#,
                ),
            }
        }
        Robot::HalfCheetah => include_str!("assets/half_cheetah.xml").into(),
    }
}

/// Refuses a model whose controls are not limited to ±1, as they are in all of Gymnasium's robots: it has another action
/// space. Told by what comes of a step, since what the limits are cannot be asked without knowing MuJoCo's structs.
fn check_controls(file: &Path, data: &mut Data, init: &[f64]) -> Result<()> {
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
        for end in [1.0, -1.0] {
            let at_end = after(control, end)?;
            if at_end != after(control, 1.5 * end)? || at_end == after(control, 0.99 * end)? {
                return Err(Error::MujocoModel {
                    file: file.to_owned(),
                    reason: format!("control {control} is not limited to -1 to 1, expected the robot's action space"),
                });
            }
        }
    }
    data.reset()
}

/// Refuses a model that is not of the robot's build, and a library whose state is laid out in a way not known here.
fn check_sizes(robot: Robot, options: &Options, model: &Model) -> Result<()> {
    let (positions, controls) = robot.sizes();
    let (actual, expected) = (
        [model.nq, model.nv, model.na, model.nu],
        [positions, positions, 0, controls],
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
