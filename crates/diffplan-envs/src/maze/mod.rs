//! Point mazes: a ball that is pushed through corridors to a goal, as D4RL, Gymnasium-Robotics and OGBench have them.
//!
//! | ids | whose | observation | action | reward | done |
//! | --- | --- | --- | --- | --- | --- |
//! | `maze2d-umaze-v1`, … | D4RL (Fu et al. 2020, [arXiv:2004.07219](https://arxiv.org/abs/2004.07219)) | x, y (m), their velocities (m/s) | force on either joint, 100 N at 1 | 1 within 0.5 m of the goal, else 0; `dense`: exp(−distance) | never |
//! | `PointMaze_UMaze-v3`, … | Gymnasium-Robotics 1.4 | the same | the same | 1 within 0.45 m; `Dense` as above | at the goal, if `continuing_task` is false |
//! | `pointmaze-medium-v0`, … | OGBench 1.2 (Park et al. 2024, [arXiv:2410.20092](https://arxiv.org/abs/2410.20092)) | x, y (m) | a step of 0.2 m at 1 | 1 within 1 m | at the goal |
//!
//! No MuJoCo is needed: `physics` computes what MuJoCo would of this one model. Goals are told by
//! [`Env::goal`](crate::Env::goal) and, with whether they are reached, in `info` (`goal`, `success`); walls by
//! [`Env::walls`](crate::Env::walls); the map by [`PointMaze::layout`] and, by an id alone, [`Layout::of`].

mod draw;
mod layout;
mod options;
mod physics;
mod point_maze;
mod registered;
mod suite;

pub use layout::{Cell, Kind, Layout};
pub use point_maze::PointMaze;
pub(crate) use registered::register;
