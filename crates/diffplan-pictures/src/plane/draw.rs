//! One plane with its paths, drawn into a rectangle; and what the lines of several are.

use super::{Plane, PlanePanel, PlanePath, Role};
use crate::chart::{Area, COLOURS, DrawResult, INK, MUTED, legend, px, text};
use crate::style::{PLANNED, TRUE, faded_from};
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

/// What of a path lies within an obstacle.
pub(super) const VIOLATION: RGBColor = RGBColor(200, 40, 30);
const FLOOR: RGBColor = RGBColor(246, 248, 251);
const WALL: RGBColor = RGBColor(108, 117, 132);
const DISC: RGBColor = COLOURS[1];
pub(super) const GOAL: RGBColor = COLOURS[2];
/// A path that came to the goal, one that did not.
const REACHED: RGBColor = COLOURS[0];
const MISSED: RGBColor = MUTED;
/// Pieces that a line is cut into where it might enter an obstacle: a hundredth of the plane each, or less.
const PIECES: f64 = 100.0;

type Pixel = (i32, i32);

/// From the plane's units to pixels that are drawn, y upward.
struct Scale {
    extent: [f64; 4],
    from: Pixel,
    to: Pixel,
}

impl Scale {
    /// What lies outside is moved to the border.
    fn at(&self, [x, y]: [f64; 2]) -> Pixel {
        let [left, bottom, right, top] = self.extent;
        let across = ((x - left) / (right - left)).clamp(0.0, 1.0);
        let up = ((y - bottom) / (top - bottom)).clamp(0.0, 1.0);
        let between = |from: i32, to: i32, part: f64| from + (f64::from(to - from) * part).round() as i32;
        (
            between(self.from.0, self.to.0, across),
            between(self.to.1, self.from.1, up),
        )
    }

    fn length(&self, length: f64) -> f64 {
        f64::from(self.to.0 - self.from.0) * length / (self.extent[2] - self.extent[0])
    }
}

/// Draws a plane that was checked into the rectangle between two corners, in pixels that are drawn; what is planned in a colour.
pub(crate) fn draw_plane(
    root: &Area,
    (from, to): (Pixel, Pixel),
    plane: &Plane,
    (paths, planned): (&[PlanePath], RGBColor),
) -> DrawResult {
    let scale = Scale {
        extent: plane.extent,
        from,
        to,
    };
    root.draw(&Rectangle::new([from, to], FLOOR.filled()))?;
    for &[left, bottom, right, top] in &plane.walls {
        let corners = [scale.at([left, top]), scale.at([right, bottom])];
        root.draw(&Rectangle::new(corners, WALL.filled()))?;
    }
    for &disc in &plane.discs {
        draw_disc(root, &scale, disc, DISC)?;
    }
    if let Some([x, y]) = plane.goal {
        draw_disc(root, &scale, [x, y, plane.goal_radius], GOAL)?;
    }
    let layer = |role: Role| match role {
        Role::Candidate { rank, .. } => (0, usize::MAX - rank),
        Role::Episode { reached } => (1, usize::from(!reached)),
        Role::True => (2, 0),
        Role::Chosen => (3, 0),
    };
    let mut ordered: Vec<&PlanePath> = paths.iter().collect();
    ordered.sort_by_key(|path| layer(path.role));
    for path in &ordered {
        draw_path(root, &scale, plane, (path, planned))?;
    }
    if let Some(goal) = plane.goal {
        draw_star(root, scale.at(goal))?;
        draw_name(root, &scale, goal, "goal")?;
    }
    for &waypoint in &plane.waypoints {
        draw_diamond(root, scale.at(waypoint))?;
        draw_name(root, &scale, waypoint, "waypoint")?;
    }
    // The episodes of a picture begin all over it, candidates where the plan does.
    let begins = |path: &&&PlanePath| !matches!(path.role, Role::Candidate { rank: 1.., .. });
    let starts = ordered
        .iter()
        .filter(begins)
        .filter_map(|path| Some((path.role, path.points.iter().find(|point| is_number(point))?)));
    for (role, start) in starts {
        let radius = px(if matches!(role, Role::Episode { .. }) { 3 } else { 6 });
        root.draw(&Circle::new(scale.at(*start), radius, WHITE.filled()))?;
        root.draw(&Circle::new(scale.at(*start), radius, INK.stroke_width(px(2))))?;
    }
    root.draw(&Rectangle::new([from, to], WALL.stroke_width(px(1))))
}

/// Cut off at the border of the plane.
fn draw_disc(root: &Area, scale: &Scale, [x, y, radius]: [f64; 3], colour: RGBColor) -> DrawResult {
    const CORNERS: u32 = 72;
    if scale.length(radius) < 1.0 {
        return Ok(());
    }
    let [left, bottom, right, top] = scale.extent;
    if left + radius <= x && x + radius <= right && bottom + radius <= y && y + radius <= top {
        let (middle, radius) = (scale.at([x, y]), scale.length(radius).round() as u32);
        root.draw(&Circle::new(middle, radius, colour.mix(0.22).filled()))?;
        return root.draw(&Circle::new(middle, radius, colour.stroke_width(px(2))));
    }
    let corner = |i: u32| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / f64::from(CORNERS)).sin_cos();
        scale.at([x + radius * cos, y + radius * sin])
    };
    let corners: Vec<Pixel> = (0..=CORNERS).map(corner).collect();
    root.draw(&Polygon::new(corners.clone(), colour.mix(0.22)))?;
    root.draw(&PathElement::new(corners, colour.stroke_width(px(2))))
}

fn style(role: Role, planned: RGBColor) -> ShapeStyle {
    match role {
        Role::Chosen => planned.stroke_width(px(4)),
        Role::True => TRUE.stroke_width(px(8)),
        Role::Candidate { rank, of } => {
            let (colour, opacity) = faded_from(planned, rank, of);
            colour.mix(opacity).stroke_width(px(2))
        }
        Role::Episode { reached: true } => REACHED.mix(0.5).stroke_width(px(2)),
        Role::Episode { reached: false } => MISSED.mix(0.5).stroke_width(px(2)),
    }
}

fn draw_path(root: &Area, scale: &Scale, plane: &Plane, (path, planned): (&PlanePath, RGBColor)) -> DrawResult {
    for part in path
        .points
        .split(|point| !is_number(point))
        .filter(|part| part.len() > 1)
    {
        for line in smooth(&thinned(part.iter().map(|&point| scale.at(point)))) {
            root.draw(&PathElement::new(line.to_vec(), style(path.role, planned)))?;
        }
        for inside in within(plane, part) {
            let line = thinned(inside.into_iter().map(|point| scale.at(point)));
            let width = if matches!(path.role, Role::Chosen | Role::True) {
                4
            } else {
                2
            };
            root.draw(&PathElement::new(line, VIOLATION.stroke_width(px(width))))?;
        }
    }
    let end = path.points.iter().rev().find(|point| is_number(point));
    if let (Role::Chosen | Role::True, Some(&end)) = (path.role, end) {
        let colour = if path.role == Role::Chosen { planned } else { TRUE };
        root.draw(&Circle::new(scale.at(end), px(6), colour.filled()))?;
    }
    Ok(())
}

/// Where a path is not interrupted.
fn is_number(point: &[f64; 2]) -> bool {
    point.iter().all(|number| number.is_finite())
}

/// A line without points that are so close together that it would be all corners, whose mitres stick out; both its ends stay.
fn thinned(line: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let near = f64::from(px(5));
    let apart = |a: Pixel, b: Pixel| f64::from(a.0 - b.0).hypot(f64::from(a.1 - b.1)) >= near;
    let mut kept: Vec<Pixel> = Vec::new();
    let mut last = None;
    for point in line {
        if kept.last().is_none_or(|&other| apart(other, point)) {
            kept.push(point);
        }
        last = Some(point);
    }
    if let Some(end) = last.filter(|end| kept.last() != Some(end)) {
        // In place of the one before it, where that is near, but for the first.
        if kept.len() > 1 && kept.last().is_some_and(|&other| !apart(other, end)) {
            kept.pop();
        }
        kept.push(end);
    }
    kept
}

/// The parts of a line between its sharp corners, whose mitres would stick out like thorns; each begins where the one before ends.
fn smooth(line: &[Pixel]) -> Vec<&[Pixel]> {
    let sharp = |corner: &[Pixel]| {
        let [a, b, c] = [0, 1, 2].map(|i| (f64::from(corner[i].0), f64::from(corner[i].1)));
        let (to, on) = ((b.0 - a.0, b.1 - a.1), (c.0 - b.0, c.1 - b.1));
        // More than a right angle off the way.
        to.0 * on.0 + to.1 * on.1 < 0.0
    };
    let (mut parts, mut begun) = (Vec::new(), 0);
    for (at, corner) in line.windows(3).enumerate() {
        if sharp(corner) {
            parts.push(&line[begun..at + 2]);
            begun = at + 1;
        }
    }
    parts.push(&line[begun..]);
    parts
}

/// What of a line lies within obstacles.
fn within(plane: &Plane, line: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
    if plane.discs.is_empty() {
        return Vec::new();
    }
    let [left, bottom, right, top] = plane.extent;
    let piece = (right - left).hypot(top - bottom) / PIECES / 2.0;
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    for pair in line.windows(2) {
        let [[x, y], [to_x, to_y]] = [pair[0], pair[1]];
        let pieces = ((to_x - x).hypot(to_y - y) / piece).ceil().clamp(1.0, 10.0 * PIECES);
        for i in 0..=pieces as u32 {
            let share = f64::from(i) / pieces;
            let point = [x + share * (to_x - x), y + share * (to_y - y)];
            if plane.in_disc(point) {
                part.push(point);
            } else if !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
        }
    }
    parts.push(part);
    parts.retain(|part| part.len() > 1);
    parts
}

fn draw_star(root: &Area, (x, y): Pixel) -> DrawResult {
    let corner = |i: u32| {
        let radius = f64::from(px(if i.is_multiple_of(2) { 12 } else { 5 }));
        let (sin, cos) = (std::f64::consts::PI * f64::from(i) / 5.0).sin_cos();
        (x + (radius * sin).round() as i32, y - (radius * cos).round() as i32)
    };
    let corners: Vec<Pixel> = (0..10).map(corner).collect();
    root.draw(&Polygon::new(corners.clone(), GOAL.filled()))?;
    let outline = corners.iter().chain(&corners[..1]).copied().collect::<Vec<Pixel>>();
    root.draw(&PathElement::new(outline, WHITE.stroke_width(px(1))))
}

fn draw_diamond(root: &Area, (x, y): Pixel) -> DrawResult {
    let r = px(9) as i32;
    let corners = vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
    root.draw(&Polygon::new(corners.clone(), GOAL.filled()))?;
    let outline = corners.iter().chain(&corners[..1]).copied().collect::<Vec<Pixel>>();
    root.draw(&PathElement::new(outline, WHITE.stroke_width(px(1))))
}

/// Beside a mark, on the side that has more room.
fn draw_name(root: &Area, scale: &Scale, point: [f64; 2], name: &str) -> DrawResult {
    let (x, y) = scale.at(point);
    let left = x - scale.from.0 > scale.to.0 - x;
    let beside = px(16) as i32;
    let (x, anchor) = match left {
        true => (x - beside, HPos::Right),
        false => (x + beside, HPos::Left),
    };
    let label = text(15, FontStyle::Bold, INK, anchor);
    root.draw(&Text::new(name.to_owned(), (x, y), label))
}

/// What the lines of planes are, as far as there are any.
pub(super) struct PlaneLegend(Vec<(&'static str, ShapeStyle)>);

impl PlaneLegend {
    pub(super) fn of(panels: &[PlanePanel]) -> Self {
        let has = |wanted: &dyn Fn(&PlanePath) -> bool| panels.iter().any(|panel| panel.paths.iter().any(wanted));
        let violated = panels.iter().any(|panel| {
            let parts = panel
                .paths
                .iter()
                .flat_map(|path| path.points.split(|point| !is_number(point)));
            parts.into_iter().any(|part| !within(&panel.plane, part).is_empty())
        });
        let best = Role::Candidate { rank: 0, of: 8 };
        let (reached, missed) = (Role::Episode { reached: true }, Role::Episode { reached: false });
        let mut entries = Vec::new();
        for (name, role, there) in [
            ("the plan", Role::Chosen, has(&|path| path.role == Role::Chosen)),
            (
                "other candidates",
                best,
                has(&|path| matches!(path.role, Role::Candidate { .. })),
            ),
            ("came true", Role::True, has(&|path| path.role == Role::True)),
            ("reached the goal", reached, has(&|path| path.role == reached)),
            ("did not", missed, has(&|path| path.role == missed)),
        ] {
            if there {
                entries.push((name, style(role, PLANNED)));
            }
        }
        if violated {
            entries.push(("within an obstacle", VIOLATION.stroke_width(px(3))));
        }
        Self(entries)
    }

    pub(super) fn draw(&self, root: &Area, (mut x, y): Pixel) -> DrawResult {
        let label = text(15, FontStyle::Normal, MUTED, HPos::Left);
        for &(name, style) in &self.0 {
            x = legend(root, (x, y), name, (style, &label))?;
        }
        Ok(())
    }
}
