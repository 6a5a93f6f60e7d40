//! What the three suites have in common and where they differ: layout, ball, rewards, and where episodes start.

use super::layout::{Cell, Frame};
use super::physics::{Ball, Integrator};
use super::{Kind, Layout};
use crate::{NumpyRng, Result};
use ndarray_rand::rand::RngCore;

/// Whose maze it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Suite {
    /// D4RL's `pointmaze`.
    D4rl,
    /// Gymnasium-Robotics' `PointMaze`.
    Robotics,
    /// OGBench's `pointmaze`.
    Ogbench {
        /// From which cell to which the tasks lead.
        tasks: [[Cell; 2]; 5],
        /// The cells from which one is taken elsewhere.
        from: &'static [Cell],
        /// The cells where one is put then.
        to: &'static [Cell],
    },
}

impl Suite {
    /// A map, laid out as the suite does.
    pub(super) fn layout(self, map: &str) -> Result<Layout> {
        Layout::parse(map, |rows, columns| match self {
            // The ball's body stands at 1.2, walls at whole numbers from 1: position 0 is 0.2 beyond a cell's centre.
            Self::D4rl => Frame {
                origin: [0.0, 0.0],
                row: [1.0, 0.0],
                column: [0.0, 1.0],
                to_centre: [-0.2, -0.2],
                edge: 1.0,
            },
            Self::Robotics => Frame {
                origin: [0.5 - columns as f64 / 2.0, rows as f64 / 2.0 - 0.5],
                row: [0.0, -1.0],
                column: [1.0, 0.0],
                to_centre: [0.0, 0.0],
                edge: 1.0,
            },
            Self::Ogbench { .. } => Frame {
                origin: [-4.0, -4.0],
                row: [0.0, 4.0],
                column: [4.0, 0.0],
                to_centre: [0.0, 0.0],
                edge: 4.0,
            },
        })
    }

    /// What moves.
    pub(super) fn ball(self) -> Ball {
        let sphere = |radius: f64, density: f64| density * 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
        let small = Ball {
            radius: 0.1,
            mass: sphere(0.1, 1000.0),
            damping: 1.0,
            margin: 0.002,
            friction: None,
            to_face: 0.2,
            time_step: 0.01,
            integrator: Integrator::Euler,
        };
        match self {
            // Both geoms have a margin of 2 mm. On the MuJoCo that D4RL was made with the larger one counted.
            Self::D4rl => small,
            // From 3.5.0 on they are summed. The walls stand on the height of the ball's centre.
            Self::Robotics => Ball { margin: 0.004, to_face: 0.0, ..small },
            Self::Ogbench { .. } => Ball {
                radius: 0.7,
                mass: sphere(0.7, 100.0),
                damping: 0.0,
                margin: 0.0,
                friction: Some(1.0),
                to_face: 0.7,
                time_step: 0.02,
                integrator: Integrator::RungeKutta,
            },
        }
    }

    /// The distance from the goal up to which it counts as reached.
    pub(super) fn tolerance(self) -> f64 {
        match self {
            Self::D4rl => 0.5,
            Self::Robotics => 0.45,
            Self::Ogbench { .. } => 1.0,
        }
    }

    /// The time steps in one step of the environment.
    pub(super) fn frame_skip(self) -> usize {
        match self {
            Self::D4rl | Self::Robotics => 1,
            Self::Ogbench { .. } => 5,
        }
    }

    /// Whether velocities are observed, and last from step to step.
    pub(super) fn has_velocity(self) -> bool {
        !matches!(self, Self::Ogbench { .. })
    }
}

/// The spots where goals may be, and those where episodes may start, in the order that the suite draws from.
pub(super) fn places(suite: Suite, maze: &Layout) -> [Vec<[f64; 2]>; 2] {
    let of = |kinds: &[Kind]| -> Vec<[f64; 2]> {
        let cells = maze.cells().filter(|&cell| kinds.contains(&maze.kind(cell)));
        cells.map(|cell| maze.spot(cell)).collect()
    };
    let (open, goals, starts, either) = (of(&[Kind::Open]), of(&[Kind::Goal]), of(&[Kind::Start]), of(&[Kind::Either]));
    match suite {
        Suite::D4rl | Suite::Ogbench { .. } => {
            let all: Vec<_> = [open, starts, either, goals].concat();
            [all.clone(), all]
        }
        // Where a map marks neither goals nor starts, every open cell is either; where it marks one of them, the open cells are the other.
        Suite::Robotics => match (goals.is_empty(), starts.is_empty(), either.is_empty()) {
            (true, true, true) => [open.clone(), open],
            (_, true, true) => [goals, open],
            (true, _, true) => [open, starts],
            _ => [[goals, either.clone()].concat(), [starts, either].concat()],
        },
    }
}

/// `Generator.integers(0, n)` of NumPy.
pub(super) fn below(rng: &mut NumpyRng, n: usize) -> usize {
    // Lemire's method ("Fast random integer generation in an interval", 2019) on 32 bits, as NumPy takes for such ranges; of one
    // number nothing is drawn.
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    if n <= 1 {
        return 0;
    }
    let mut product = u64::from(rng.next_u32()) * u64::from(n);
    if (product as u32) < n {
        let unfair = n.wrapping_neg() % n;
        while (product as u32) < unfair {
            product = u64::from(rng.next_u32()) * u64::from(n);
        }
    }
    (product >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_numpy() {
        // numpy 2.4.6: g = default_rng(3); [int(g.integers(0, n)) for n in (7, 1, 26, 5, 3)], with a g.random() in between.
        let mut rng = NumpyRng::new(3);
        let first = [7, 1, 26].map(|n| below(&mut rng, n));
        let between = rng.random();
        let last = [5, 3].map(|n| below(&mut rng, n));
        assert_eq!((first, between, last), ([5, 0, 2], 0.2368105065960997, [0, 2]));
    }
}
