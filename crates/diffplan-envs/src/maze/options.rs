//! What can be chosen of a maze, under the names of the suites' arguments, and what its `reset` can be told.

use super::Layout;
use super::layout::Cell;
use super::suite::Suite;
use crate::{Dict, Error, Goal, Result, Value};

/// What decides rewards, ends and starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rules {
    /// exp(−distance) instead of 1 at the goal.
    pub(super) dense: bool,
    /// Whether the goal's being reached ends an episode.
    pub(super) ends_at_goal: bool,
    /// D4RL: a new goal each episode. Gymnasium-Robotics: a new one whenever it is reached.
    pub(super) reset_target: bool,
    /// How far from its spot a start or a goal may be, either way, in cells.
    pub(super) noise: f64,
    /// The same of goals.
    pub(super) goal_noise: f64,
    /// Whether success and reward are those of where a step begins.
    pub(super) success_before: bool,
    /// OGBench: the one task, from 1; its rewards are one less.
    pub(super) task: Option<usize>,
}

const REWARDS: [&str; 2] = ["sparse", "dense"];
const TIMINGS: [&str; 2] = ["post", "pre"];

impl Rules {
    /// The suite's own, but for `kwargs`; the map comes along where the kwargs have one.
    pub(super) fn new(suite: Suite, dense: bool, kwargs: &Dict) -> Result<(Self, Option<String>)> {
        let known: &'static [&'static str] = match suite {
            Suite::D4rl => &["maze_spec", "reset_target", "reward_type"],
            Suite::Robotics => &["continuing_task", "position_noise_range", "reset_target", "reward_type"],
            Suite::Ogbench { .. } => &[
                "add_noise_to_goal",
                "reward_task_id",
                "success_timing",
                "terminate_at_goal",
            ],
        };
        known_only(kwargs, known)?;
        let noise = match suite {
            Suite::D4rl => 0.1,
            Suite::Robotics | Suite::Ogbench { .. } => 0.25,
        };
        let noise = number(kwargs, "position_noise_range")?.unwrap_or(noise);
        if !(0.0..=0.5).contains(&noise) {
            return Err(wrong(
                "position_noise_range",
                noise,
                "a number from 0 to 0.5, where the cell ends",
            ));
        }
        let ends_at_goal = match suite {
            Suite::D4rl => false,
            Suite::Robotics => !flag(kwargs, "continuing_task")?.unwrap_or(true),
            Suite::Ogbench { .. } => flag(kwargs, "terminate_at_goal")?.unwrap_or(true),
        };
        let goal_noise = match flag(kwargs, "add_noise_to_goal")? {
            Some(false) => 0.0,
            Some(true) | None => noise,
        };
        let rules = Self {
            dense: one_of(kwargs, "reward_type", REWARDS, "\"sparse\" or \"dense\"")?.unwrap_or(dense),
            ends_at_goal,
            reset_target: flag(kwargs, "reset_target")?.unwrap_or(false),
            noise,
            goal_noise,
            success_before: one_of(kwargs, "success_timing", TIMINGS, "\"pre\" or \"post\"")?.unwrap_or(false),
            // 0 is the default task, which is the first.
            task: task(kwargs, "reward_task_id", 0)?.map(|task| task.max(1)),
        };
        let map = match kwargs.get("maze_spec") {
            None => None,
            Some(Value::String(map)) => Some(map.clone()),
            Some(other) => {
                return Err(wrong(
                    "maze_spec",
                    other,
                    "a map of #, O, G, R and C, rows apart by backslashes",
                ));
            }
        };
        Ok((rules, map))
    }
}

/// Where a goal or a start is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// Right here.
    At([f64; 2]),
    /// Near the spot of a cell.
    Near(Cell),
}

/// What `reset` was told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Told {
    pub(super) goal: Option<Place>,
    pub(super) start: Option<Place>,
    /// OGBench's task, from 1.
    pub(super) task: Option<usize>,
}

impl Told {
    /// That no other task is asked for than the one that the environment was made for.
    pub(super) fn check_task(&self, made_for: Option<usize>) -> Result<()> {
        match (self.task, made_for) {
            (Some(task), Some(own)) if task != own => Err(wrong(
                "task_id",
                task,
                "none, or the environment's reward_task_id, which it was made for",
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn new(suite: Suite, maze: &Layout, options: &Dict) -> Result<Self> {
        let known: &'static [&'static str] = match suite {
            Suite::D4rl => &["goal", "start"],
            Suite::Robotics => &["goal", "goal_cell", "reset_cell", "start"],
            Suite::Ogbench { .. } => &["goal", "start", "task_id"],
        };
        known_only(options, known)?;
        let place = |at: &'static str, near: &'static str| match (options.get(at), options.get(near)) {
            (Some(_), Some(_)) => Err(wrong(near, format_args!("there beside {at:?}"), "one of them alone")),
            (Some(value), None) => position(maze, at, value).map(|at| Some(Place::At(at))),
            (None, Some(value)) => cell(maze, near, value).map(|cell| Some(Place::Near(cell))),
            (None, None) => Ok(None),
        };
        Ok(Self {
            goal: place("goal", "goal_cell")?,
            start: place("start", "reset_cell")?,
            task: task(options, "task_id", 1)?,
        })
    }
}

fn wrong(name: &'static str, actual: impl ToString, expected: &'static str) -> Error {
    Error::OptionValue {
        name,
        actual: actual.to_string(),
        expected,
    }
}

fn known_only(dict: &Dict, known: &'static [&'static str]) -> Result<()> {
    match dict.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(Error::UnknownOption {
            name: name.to_owned(),
            known,
        }),
        None => Ok(()),
    }
}

fn flag(dict: &Dict, name: &'static str) -> Result<Option<bool>> {
    match dict.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong(name, other, "true or false")),
    }
}

fn number(dict: &Dict, name: &'static str) -> Result<Option<f64>> {
    let number = |value: &Value| {
        value.as_f64().ok_or(Error::OptionKind {
            name,
            actual: value.kind(),
        })
    };
    dict.get(name).map(number).transpose()
}

/// Whether an option is the second of two texts.
fn one_of(dict: &Dict, name: &'static str, [first, second]: [&str; 2], expected: &'static str) -> Result<Option<bool>> {
    match dict.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text == first => Ok(Some(false)),
        Some(Value::String(text)) if text == second => Ok(Some(true)),
        Some(other) => Err(wrong(name, other, expected)),
    }
}

fn task(dict: &Dict, name: &'static str, least: i64) -> Result<Option<usize>> {
    let Some(value) = dict.get(name) else { return Ok(None) };
    let expected = match least {
        0 => "the number of a task, from 1 to 5, or 0 for any",
        _ => "the number of a task, from 1 to 5",
    };
    let task = value.as_i64().filter(|task| (least..=5).contains(task));
    let task = task.and_then(|task| usize::try_from(task).ok());
    task.map(Some).ok_or_else(|| wrong(name, value, expected))
}

/// x and y of an option, in a cell without a wall.
fn position(maze: &Layout, name: &'static str, value: &Value) -> Result<[f64; 2]> {
    let position = match value {
        Value::Array(array) if array.len() == 2 => [array[0], array[1]],
        other => return Err(wrong(name, other, "x and y, an array of two numbers")),
    };
    match maze.is_open_at(position) {
        true => Ok(position),
        false => Err(wrong(name, value, "a position in the maze that is not in a wall")),
    }
}

/// The position of a goal that is set while an episode runs.
pub(super) fn goal_of(maze: &Layout, goal: &Goal) -> Result<[f64; 2]> {
    let number = |dim: usize| {
        let place = goal.dims.iter().position(|&other| other == dim)?;
        goal.values.get(place).copied()
    };
    let numbers = match (number(0), number(1), goal.dims.len()) {
        (Some(x), Some(y), 2) => vec![x, y],
        _ => goal.values.to_vec(),
    };
    position(maze, "goal", &Value::Array(numbers.into()))
}

/// Row and column of an option, without a wall.
fn cell(maze: &Layout, name: &'static str, value: &Value) -> Result<Cell> {
    let index = |x: f64| (x >= 0.0 && x.fract() == 0.0).then_some(x as usize);
    let cell = match value {
        Value::Array(array) if array.len() == 2 => index(array[0]).zip(index(array[1])),
        _ => None,
    };
    match cell.map(|(row, column)| [row, column]) {
        Some(cell) if maze.is_open(cell) => Ok(cell),
        _ => Err(wrong(name, value, "the row and the column of a cell without a wall")),
    }
}
