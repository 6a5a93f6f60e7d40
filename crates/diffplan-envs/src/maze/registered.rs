//! The mazes that are registered: their ids, maps, limits and rewards.

use super::suite::Suite;
use super::{Layout, PointMaze};
use crate::{Dict, EnvSpec, Error, Registry, Result};

/// What an id of a maze stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Registered {
    suite: Suite,
    map: &'static str,
    dense: bool,
    max_episode_steps: usize,
}

// Rows of D4RL's maps, of its `pointmaze/maze_model.py`, go along x.
const U_MAZE: &str = "#####\\#GOO#\\###O#\\#OOO#\\#####";
const U_MAZE_EVAL: &str = "#####\\#OOG#\\#O###\\#OOO#\\#####";
const OPEN: &str = "#######\\#OOOOO#\\#OOGOO#\\#OOOOO#\\#######";
const MEDIUM: &str = "########\\#OO##OO#\\#OO#OOO#\\##OOO###\\#OO#OOO#\\#O#OO#O#\\#OOO#OG#\\########";
const MEDIUM_EVAL: &str = "########\\#OOOOOG#\\#O#O##O#\\#OOOO#O#\\###OO###\\#OOOOOO#\\#OO##OO#\\########";
const LARGE: &str = "############\\#OOOO#OOOOO#\\#O##O#O#O#O#\\#OOOOOO#OOO#\\#O####O###O#\\#OO#O#OOOOO#\\##O#O#O#O###\\#OO#OOO#OGO#\\############";
const LARGE_EVAL: &str = "############\\#OO#OOO#OGO#\\##O###O#O#O#\\#OO#O#OOOOO#\\#O##O#OO##O#\\#OOOOOO#OOO#\\#O##O#O#O###\\#OOOO#OOOOO#\\############";

// Those of Gymnasium-Robotics, of its `envs/maze/maps.py`, go down along y, and those of OGBench up.
const PLAIN_U: &str = "#####\\#OOO#\\###O#\\#OOO#\\#####";
const PLAIN_OPEN: &str = "#######\\#OOOOO#\\#OOOOO#\\#OOOOO#\\#######";
const OPEN_G: &str = "#######\\#RGGGG#\\#GGGGG#\\#GGGGG#\\#######";
const OPEN_GR: &str = "#######\\#CCCCC#\\#CCCCC#\\#CCCCC#\\#######";
const PLAIN_MEDIUM: &str = "########\\#OO##OO#\\#OO#OOO#\\##OOO###\\#OO#OOO#\\#O#OO#O#\\#OOO#OO#\\########";
const MEDIUM_G: &str = "########\\#RO##OO#\\#OO#OOG#\\##OOO###\\#OO#OOO#\\#G#OO#O#\\#OOO#GO#\\########";
const MEDIUM_GR: &str = "########\\#CO##OO#\\#OO#OOC#\\##OOO###\\#OO#OOO#\\#C#OO#O#\\#OOO#CO#\\########";
const PLAIN_LARGE: &str = "############\\#OOOO#OOOOO#\\#O##O#O#O#O#\\#OOOOOO#OOO#\\#O####O###O#\\#OO#O#OOOOO#\\##O#O#O#O###\\#OO#OOO#OOO#\\############";
const LARGE_G: &str = "############\\#ROOO#GOOOO#\\#O##O#O#O#O#\\#OOOOGO#OOG#\\#O####O###O#\\#OG#O#OOOOO#\\##O#O#O#O###\\#OO#GOG#OGO#\\############";
const LARGE_GR: &str = "############\\#COOO#COOOO#\\#O##O#O#O#O#\\#OOOOCO#OOC#\\#O####O###O#\\#OC#O#OOOOO#\\##O#O#O#O###\\#OO#COC#OCO#\\############";
const GIANT: &str = "################\\#O#OOOOOO##OOOO#\\#O#O##O#O#OO##O#\\#OOO#OO#OOO#OOO#\\#O###O######O#O#\\#OOO#OOO#OOOO#O#\\###O#O#OO#O#O###\\#OOO#OO#OOO#OOO#\\#O#O#O######O#O#\\#O###OOO#OOO##O#\\#OOOOO#OOO#OOOO#\\################";
const TELEPORT: &str = "############\\#OOOOO#O#OO#\\##O#OOO#OO##\\##O###OOOOO#\\#OOOO#O#O#O#\\#O##O#O#O#O#\\#O##O#O#O#O#\\#OOOO#OOO#O#\\############";

/// D4RL's: what they are called, their version, map and limit. Each is there with dense rewards too.
const D4RL: [(&str, &str, &str, usize); 10] = [
    ("open", "v0", OPEN, 150),
    ("umaze", "v0", U_MAZE, 150),
    ("medium", "v0", MEDIUM, 250),
    ("large", "v0", LARGE, 600),
    ("umaze", "v1", U_MAZE, 300),
    ("medium", "v1", MEDIUM, 600),
    ("large", "v1", LARGE, 800),
    ("eval-umaze", "v1", U_MAZE_EVAL, 300),
    ("eval-medium", "v1", MEDIUM_EVAL, 600),
    ("eval-large", "v1", LARGE_EVAL, 800),
];

/// Gymnasium-Robotics': what they are called, their map and limit. Each is there with dense rewards too.
const ROBOTICS: [(&str, &str, usize); 10] = [
    ("UMaze", PLAIN_U, 300),
    ("Open", PLAIN_OPEN, 300),
    ("Open_Diverse_G", OPEN_G, 300),
    ("Open_Diverse_GR", OPEN_GR, 300),
    ("Medium", PLAIN_MEDIUM, 600),
    ("Medium_Diverse_G", MEDIUM_G, 600),
    ("Medium_Diverse_GR", MEDIUM_GR, 600),
    ("Large", PLAIN_LARGE, 800),
    ("Large_Diverse_G", LARGE_G, 800),
    ("Large_Diverse_GR", LARGE_GR, 800),
];

/// OGBench's: its id, its map, from where to where its five tasks lead, and where one is taken from and put to.
struct Ogbench {
    id: &'static str,
    map: &'static str,
    tasks: [[[usize; 2]; 2]; 5],
    teleport: [&'static [[usize; 2]]; 2],
}

const OGBENCH: [Ogbench; 4] = [
    Ogbench {
        id: "pointmaze-medium-v0",
        map: PLAIN_MEDIUM,
        tasks: [
            [[1, 1], [6, 6]],
            [[6, 1], [1, 6]],
            [[5, 3], [4, 2]],
            [[6, 5], [6, 1]],
            [[2, 6], [1, 1]],
        ],
        teleport: [&[], &[]],
    },
    Ogbench {
        id: "pointmaze-large-v0",
        map: PLAIN_LARGE,
        tasks: [
            [[1, 1], [7, 10]],
            [[5, 4], [7, 1]],
            [[7, 4], [1, 10]],
            [[3, 8], [5, 4]],
            [[1, 1], [5, 4]],
        ],
        teleport: [&[], &[]],
    },
    Ogbench {
        id: "pointmaze-giant-v0",
        map: GIANT,
        tasks: [
            [[1, 1], [10, 14]],
            [[1, 14], [10, 1]],
            [[8, 14], [1, 1]],
            [[8, 3], [5, 12]],
            [[5, 9], [3, 8]],
        ],
        teleport: [&[], &[]],
    },
    Ogbench {
        id: "pointmaze-teleport-v0",
        map: TELEPORT,
        tasks: [
            [[1, 10], [7, 1]],
            [[1, 1], [7, 10]],
            [[5, 6], [7, 10]],
            [[7, 1], [7, 10]],
            [[5, 6], [7, 1]],
        ],
        teleport: [&[[4, 6], [5, 1]], &[[1, 7], [6, 1], [6, 10]]],
    },
];

/// All ids and what they stand for.
fn all() -> impl Iterator<Item = (String, Registered)> {
    let d4rl = D4RL.into_iter().flat_map(|(name, version, map, max_episode_steps)| {
        [("", false), ("-dense", true)].map(|(reward, dense)| {
            let suite = Suite::D4rl;
            let id = format!("maze2d-{name}{reward}-{version}");
            (id, Registered { suite, map, dense, max_episode_steps })
        })
    });
    let robotics = ROBOTICS.into_iter().flat_map(|(name, map, max_episode_steps)| {
        [("", false), ("Dense", true)].map(|(reward, dense)| {
            let suite = Suite::Robotics;
            let id = format!("PointMaze_{name}{reward}-v3");
            (id, Registered { suite, map, dense, max_episode_steps })
        })
    });
    let ogbench = OGBENCH.into_iter().map(|maze| {
        let [from, to] = maze.teleport;
        let suite = Suite::Ogbench { tasks: maze.tasks, from, to };
        let registered = Registered { suite, map: maze.map, dense: false, max_episode_steps: 1000 };
        (maze.id.to_owned(), registered)
    });
    d4rl.chain(robotics).chain(ogbench)
}

/// The maze of an id.
pub(super) fn layout(env_id: &str) -> Option<Layout> {
    let (_, registered) = all().find(|(id, _)| id == env_id)?;
    registered.suite.layout(registered.map).ok()
}

/// The environment of an id, without a time limit.
pub(super) fn make(id: &str, kwargs: &Dict) -> Result<PointMaze> {
    match all().find(|(known, _)| known == id) {
        Some((_, maze)) => PointMaze::from_kwargs(maze.suite, maze.map, maze.dense, kwargs),
        None => Err(Error::UnknownEnv {
            id: id.to_owned(),
            nearest: None,
            known: all().map(|(id, _)| id).collect(),
        }),
    }
}

/// Registers all mazes.
pub(crate) fn register(registry: &mut Registry) -> Result<()> {
    for (id, registered) in all() {
        let spec = EnvSpec {
            id,
            max_episode_steps: Some(registered.max_episode_steps),
            reward_threshold: None,
        };
        registry.register(spec, move |kwargs: &Dict| {
            let Registered { suite, map, dense, .. } = registered;
            Ok(Box::new(PointMaze::from_kwargs(suite, map, dense, kwargs)?))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maze::Kind;

    #[test]
    fn maps_have_the_places_of_their_suites() {
        let mut count = 0;
        for (id, registered) in all() {
            let maze = layout(&id).unwrap();
            let of = |kind| maze.cells().filter(|&cell| maze.kind(cell) == kind).count();
            let (goals, starts) = (of(Kind::Goal), of(Kind::Start));
            match registered.suite {
                Suite::D4rl => assert_eq!((goals, starts), (1, 0), "{id}"),
                Suite::Robotics => assert_eq!(starts, usize::from(id.contains("_G") && !id.contains("_GR")), "{id}"),
                Suite::Ogbench { tasks, from, to } => {
                    assert!(tasks.iter().flatten().chain(from).chain(to).all(|&cell| maze.is_open(cell)), "{id}");
                }
            }
            // The edge is all walls, and every open cell can be reached from every other, but in OGBench's teleport, where one is
            // put behind walls.
            let [rows, columns] = maze.dim();
            let edge = |[row, column]: [usize; 2]| row == 0 || column == 0 || row == rows - 1 || column == columns - 1;
            assert!(maze.open_cells().all(|cell| !edge(cell)), "{id}");
            let first = maze.open_cells().next().unwrap();
            let apart = maze.open_cells().filter(|&cell| maze.shortest_path(first, cell).is_none()).count();
            assert_eq!(apart > 0, id == "pointmaze-teleport-v0", "{id}: {apart}");
            count += 1;
        }
        assert_eq!(count, 44);
    }
}
