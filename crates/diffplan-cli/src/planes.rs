//! Environments with walls, from above: what plans and episodes are drawn in.

use crate::error::Result;
use crate::guides;
use diffplan_envs::{Goal, Walls};
use diffplan_eval::{Episode, Held};
use diffplan_pictures::{Plane, PlanePanel, PlanePath, Role};
use diffplan_pipelines::Part;

/// The plane of an environment's walls, with the obstacles of the guides that were recorded, its goal, and what is passed on the way.
pub(crate) fn plane(walls: &Walls, goal: Option<&Goal>, waypoints: &[Goal], records: &[String]) -> Result<Plane> {
    let mut plane = Plane::of(walls.extent());
    plane.walls.clone_from(&walls.boxes);
    for record in records {
        if let Some(controls) = guides::of_record(record)? {
            let (discs, boxes) = controls.obstacles();
            plane.discs.extend(discs);
            plane.walls.extend(boxes);
        }
    }
    let position = |goal: &Goal| walls.position(&goal.dims, &goal.values.to_vec());
    if let Some(goal) = goal {
        plane.goal = position(goal);
        plane.goal_radius = goal.tolerance.unwrap_or(0.0);
    }
    plane.waypoints = waypoints.iter().filter_map(position).collect();
    Ok(plane)
}

/// What is held at the last step of a plan, if that is anything, as the goal to draw.
pub(crate) fn goal_of(held: &[Held], horizon: usize) -> Option<Goal> {
    let at_end = |held: &&Held| held.part == Part::Observation && held.time + 1 == horizon;
    held.iter().find(at_end).map(place_of)
}

/// What is held at other steps of a plan, as places to draw; not the goal, that may be held from an earlier one on.
pub(crate) fn waypoints_of(held: &[Held], horizon: usize) -> Vec<Goal> {
    let goal = goal_of(held, horizon);
    let on_the_way = |held: &&Held| held.part == Part::Observation && held.time + 1 != horizon;
    let places = held.iter().filter(on_the_way).map(place_of);
    places.filter(|place| Some(place) != goal.as_ref()).collect()
}

fn place_of(held: &Held) -> Goal {
    Goal {
        dims: held.dims.clone().unwrap_or_else(|| (0..held.values.len()).collect()),
        values: held.values.iter().copied().map(f64::from).collect(),
        tolerance: None,
    }
}

/// The paths of episodes in such a plane.
pub(crate) fn episodes(plane: Plane, walls: &Walls, episodes: &[Episode]) -> PlanePanel {
    let [x, y] = walls.dims;
    let inside = |point: &[f64; 2]| {
        plane
            .discs
            .iter()
            .any(|disc| (point[0] - disc[0]).hypot(point[1] - disc[1]) < disc[2])
    };
    let path = |episode: &Episode| PlanePath {
        points: episode.observations.outer_iter().map(|row| [row[x], row[y]]).collect(),
        role: Role::Episode {
            reached: episode.success == Some(true),
        },
    };
    let paths: Vec<PlanePath> = episodes.iter().map(path).collect();
    let reached = episodes.iter().filter(|episode| episode.success == Some(true)).count();
    let crossed = paths.iter().filter(|path| path.points.iter().any(inside)).count();
    let mut caption = format!("{reached} of {} episodes reached the goal", episodes.len());
    if !plane.discs.is_empty() {
        caption += &format!(", {crossed} went through an obstacle");
    }
    PlanePanel {
        title: String::new(),
        caption,
        plane,
        paths,
    }
}
