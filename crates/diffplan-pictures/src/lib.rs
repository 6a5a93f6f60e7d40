//! Pictures: of an episode and its plans, of a plan coming out of noise, of training, of returns. As PNG and GIF, in memory; nothing
//! here touches a file or a terminal.
//!
//! | | |
//! | --- | --- |
//! | [`Film`] | an episode in its environment's own picture: an animation in real time, and a sheet of moments |
//! | [`episode_png`] | a panel for every observation, action and the reward: what came true, and what was planned |
//! | [`Recording`] | a plan: how it comes out of noise, and in one picture, guided beside unguided |
//! | [`planes_png`] | plans in a plane from above: walls, obstacles, a goal, candidates, what came true |
//! | [`loss_png`] | how losses went |
//! | [`dataset_png`] | what a dataset holds: returns, lengths, ranges, actions, a few episodes |
//! | [`samples`] | what a network in training gives, beside the dataset |
//! | [`returns_png`] | the returns of evaluations, side by side |
//! | [`frame_png`] | one picture that is at hand |
//! | [`frontier_png`] | what settings return against the time that a plan takes |
//!
//! Everything takes names, numbers and states, so pictures of one's own environment and policy are made as ours are: where an
//! environment draws itself ([`Env::render_with`](diffplan_envs::Env::render_with)) it is drawn, and where it does not, charts are.

mod chart;
mod dataset;
mod denoising;
mod episode;
mod error;
mod film;
mod frames;
mod frontier;
mod gif;
mod loss;
mod plane;
mod returns;
pub mod samples;
mod stage;
mod style;
mod watch;

pub use dataset::{DatasetPicture, Shown, dataset_png};
pub use denoising::{PlanView, Recording};
pub use episode::{EpisodePicture, episode_png};
pub use error::{Error, Result};
pub use film::Film;
pub use frames::frame_png;
pub use frontier::{FrontierPicture, Tried, frontier, frontier_png};
pub use loss::{Curve, loss_png};
pub use plane::{Plane, PlanePanel, PlanePath, Role, planes_png};
pub use returns::returns_png;
pub use stage::{Paths, Stage};
pub use watch::Watch;
