//! Gymnasium's robots on MuJoCo: Hopper, Walker2d, HalfCheetah, Ant, Swimmer, Reacher and the inverted pendulums.
//!
//! [`make`](crate::make) knows `Hopper-v5`, `Ant-v5` and so on, which follow Gymnasium 1.4.0, and the versions 4, 3 and 2,
//! of which [`Version`] says what differs; datasets' ids stand for the environments they were made
//! with: `hopper-medium-v2` for `Hopper-v2`, `mujoco/hopper/medium-v0` for `Hopper-v5`.
//!
//! # libmujoco
//!
//! The simulation is MuJoCo's own library, 3.2.0 or newer, looked for when an environment is made: the file or folder in
//! `MUJOCO_LIB`; else the `mujoco` package of the active Python environment, the system's loader, `~/.mujoco`, and the
//! package that `python3` imports. `pip install mujoco` is enough; [`Error::MujocoMissing`](crate::Error::MujocoMissing)
//! says where was looked. Nothing needs to be installed to build this crate.
//!
//! With the same library a state and an action lead to the numbers that Gymnasium gives, and a seed starts the same
//! episode. Other versions of the library differ in the last bits, and before 3.5.0 in the margins of contacts.
//!
//! # Models
//!
//! The model files are our own, `assets/*.xml`, with the numbers of Gymnasium's: embedding them, a program needs no
//! Python and no files. The compiled models are the same to the bit in every physical quantity (a test compares them
//! with those of a Gymnasium installation). Gymnasium's argument `xml_file` takes another file, of the same joints and
//! actuators.
//!
//! # What a state is
//!
//! [`Env::state`](crate::Env::state) is position and velocity, qpos then qvel, as Gymnasium's `state_vector`. MuJoCo's
//! solver starts from its last solution, which is not part of it: going on from a state that was set differs from going
//! on without a break by what the solver's tolerance allows: 1e-12 a step at most in the cases that were recorded.
//!
//! Where bodies are, and what forces are on them, MuJoCo last calculated for the last stage of its integrator, not for the
//! position it came to. Gymnasium takes both as they are: the velocity in Ant's reward and the distance in Reacher's up to
//! version 4 go from where a body was seen last to where it is seen now. After a state was set it is seen where it is, so the
//! reward of the next step differs from that without a break; and there are no forces yet in the observation, as at a reset.
//!
//! # Warnings
//!
//! Where a simulation blows up, MuJoCo puts it back to its start and warns; the episode goes on there, as in Gymnasium.
//! The warning is in `info`, under [`MUJOCO_WARNING`](crate::MUJOCO_WARNING).
//!
//! # Errors of MuJoCo
//!
//! What MuJoCo calls an error, for which it would end the process, is an [`Error::Mujoco`](crate::Error::Mujoco) here; but in
//! a program that is built with `panic = "abort"`, or in which something else has set MuJoCo's handlers before.

mod env;
mod ffi;
mod library;
mod names;
mod options;
mod rules;

pub use env::MujocoEnv;
pub use library::look_in;
pub use options::{Body, Options, Robot, Version};

use crate::{EnvSpec, Registry, Result};

/// The version of the libmujoco that environments are made on, such as "4.0.0".
///
/// # Errors
///
/// As [`MujocoEnv::new`], of the library.
pub fn library_version() -> Result<String> {
    Ok(library::find()?.version().to_owned())
}

/// Registers all robots in all versions.
pub(crate) fn register(registry: &mut Registry) -> Result<()> {
    for (name, robot) in Robot::ALL {
        let (steps, reward_threshold) = match robot {
            Robot::Hopper => (1000, Some(3800.0)),
            Robot::Walker2d => (1000, None),
            Robot::HalfCheetah => (1000, Some(4800.0)),
            Robot::Ant => (1000, Some(6000.0)),
            Robot::Swimmer => (1000, Some(360.0)),
            Robot::Reacher => (50, Some(-3.75)),
            Robot::InvertedPendulum => (1000, Some(950.0)),
            Robot::InvertedDoublePendulum => (1000, Some(9100.0)),
        };
        for &version in robot.versions() {
            let spec = EnvSpec {
                id: format!("{name}-{}", version.suffix()),
                max_episode_steps: Some(steps),
                reward_threshold,
            };
            registry.register(spec, move |kwargs| {
                let options = Options::from_kwargs(robot, version, kwargs)?;
                Ok(Box::new(MujocoEnv::new(robot, version, options)?))
            })?;
        }
    }
    Ok(())
}
