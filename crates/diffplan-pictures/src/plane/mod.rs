//! Plans in a plane, from above: walls, obstacles, a goal, and the paths through them. [`planes_png`] draws planes side by side.

mod draw;

use crate::chart::{self, Area, DrawResult, INK, MUTED, px, text};
use crate::error::{Error, Result};
use crate::style::PLANNED;
use draw::{PlaneLegend, draw_plane};
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

pub(crate) use draw::draw_plane as draw_into;

const FILE: &str = "a picture of planes";
const MARGIN: usize = 26;
const GAP: usize = 28;
const HEADER: usize = 112;
/// Above and below a plane: its title, its caption.
const TITLE: usize = 36;
const CAPTION: usize = 34;
/// Planes in a row, and how wide each is where there are so many.
const WIDTHS: [usize; 3] = [860, 620, 500];
/// Pixels that a plane is high at the most: one that is higher than wide is drawn smaller.
const HIGHEST: usize = 900;

/// A plane from above, in the environment's units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plane {
    /// What is shown: x from, y from, x to, y to.
    pub extent: [f64; 4],
    /// Boxes that nothing goes through: x from, y from, x to, y to.
    pub walls: Vec<[f64; 4]>,
    /// Obstacles: x, y of the middle, radius.
    pub discs: Vec<[f64; 3]>,
    /// Where a path is to end.
    pub goal: Option<[f64; 2]>,
    /// How close to it is close enough; 0 draws a mark alone.
    pub goal_radius: f64,
    /// What a path is to pass through on its way.
    pub waypoints: Vec<[f64; 2]>,
}

/// A path through a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanePath {
    /// Its points; where one is no number it is interrupted.
    pub points: Vec<[f64; 2]>,
    /// What it is.
    pub role: Role,
}

/// What a path in a plane is. What of any of them lies within an obstacle is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The plan that is followed.
    Chosen,
    /// A candidate that was not chosen.
    Candidate {
        /// Its place among these, 0 the best: the later the fainter.
        rank: usize,
        /// How many there are.
        of: usize,
    },
    /// The path that came true.
    True,
    /// One of many episodes.
    Episode {
        /// Whether it came to the goal.
        reached: bool,
    },
}

/// A plane with its paths, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanePanel {
    /// Above it.
    pub title: String,
    /// Below it.
    pub caption: String,
    /// What is in the way, and the goal.
    pub plane: Plane,
    /// Drawn by role: episodes and candidates below what came true, the chosen one on top.
    pub paths: Vec<PlanePath>,
}

impl Plane {
    /// A plane of this extent (x from, y from, x to, y to) with nothing in it.
    pub fn of(extent: [f64; 4]) -> Self {
        Self {
            extent,
            ..Self::default()
        }
    }

    /// Checks that it can be drawn.
    ///
    /// # Errors
    /// [`Error::Plane`] says what of it cannot.
    pub fn check(&self) -> Result<()> {
        let [left, bottom, right, top] = self.extent;
        let (width, height) = (right - left, top - bottom);
        let ordinary = |length: f64| length.is_finite() && length > 0.0;
        if !ordinary(width) || !ordinary(height) || !(1e-2..=1e2).contains(&(width / height)) {
            return Err(Error::Plane(format!(
                "its extent is {:?}, expected [x from, y from, x to, y to], no side a hundred times the other",
                self.extent
            )));
        }
        if let Some(wall) = self.walls.iter().find(|wall| !wall.iter().all(|side| side.is_finite())) {
            return Err(Error::Plane(format!("a wall is {wall:?}, expected finite numbers")));
        }
        let round = |disc: &&[f64; 3]| !disc.iter().all(|number| number.is_finite()) || disc[2] < 0.0;
        if let Some(disc) = self.discs.iter().find(round) {
            let expected = "expected finite numbers [x, y, radius], the radius not negative";
            return Err(Error::Plane(format!("an obstacle is {disc:?}, {expected}")));
        }
        let reachable = |goal: [f64; 2]| goal.iter().chain([&self.goal_radius]).all(|number| number.is_finite());
        if let Some(goal) = self.goal.filter(|&goal| !reachable(goal) || self.goal_radius < 0.0) {
            return Err(Error::Plane(format!(
                "the goal is {goal:?} with a radius of {}, expected finite numbers, the radius not negative",
                self.goal_radius
            )));
        }
        if let Some(waypoint) = self.waypoints.iter().find(|point| !point.iter().all(|x| x.is_finite())) {
            return Err(Error::Plane(format!(
                "a waypoint is {waypoint:?}, expected finite numbers"
            )));
        }
        Ok(())
    }

    /// How many pixels high it is where it is so many wide, and how wide it then is: less, where it would be too high.
    pub(crate) fn size(&self, width: usize, highest: usize) -> (usize, usize) {
        let [left, bottom, right, top] = self.extent;
        let ratio = (top - bottom) / (right - left);
        let height = width as f64 * ratio;
        if height <= highest as f64 {
            (width, height.round().max(1.0) as usize)
        } else {
            ((highest as f64 / ratio).round().max(1.0) as usize, highest)
        }
    }

    /// Whether a point lies within an obstacle.
    fn in_disc(&self, [x, y]: [f64; 2]) -> bool {
        let within = |disc: &[f64; 3]| (x - disc[0]).hypot(y - disc[1]) < disc[2];
        self.discs.iter().any(within)
    }
}

/// Planes side by side, three in a row, below a title and a subtitle: encoded PNG.
///
/// ```
/// # use diffplan_pictures::{Plane, PlanePanel, PlanePath, Role, planes_png};
/// # fn main() -> diffplan_pictures::Result<()> {
/// let mut plane = Plane::of([0.0, 0.0, 4.0, 3.0]);
/// plane.discs.push([2.0, 1.5, 0.5]);
/// plane.goal = Some([3.5, 1.5]);
/// let path = PlanePath { points: vec![[0.5, 1.5], [2.0, 2.3], [3.5, 1.5]], role: Role::Chosen };
/// let panel = PlanePanel { title: "around".into(), plane, paths: vec![path], ..PlanePanel::default() };
/// assert!(planes_png("A plan", "around a disc", &[panel])?.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Nothing`] of no plane, [`Error::Plane`] of one that cannot be drawn.
pub fn planes_png(title: &str, subtitle: &str, panels: &[PlanePanel]) -> Result<Vec<u8>> {
    if panels.is_empty() {
        return Err(Error::Nothing("no plane".into()));
    }
    panels.iter().try_for_each(|panel| panel.plane.check())?;
    let columns = panels.len().min(WIDTHS.len());
    let cell = WIDTHS[columns - 1];
    let sizes: Vec<_> = panels.iter().map(|panel| panel.plane.size(cell, HIGHEST)).collect();
    let tallest = sizes.iter().map(|size| size.1).max().unwrap_or(1);
    // Narrow planes stand closer.
    let widest = sizes.iter().map(|size| size.0).max().unwrap_or(1);
    let row = TITLE + tallest + CAPTION + GAP / 2;
    let width = (2 * MARGIN + columns * widest + (columns - 1) * GAP).max(640);
    let height = HEADER + panels.len().div_ceil(columns) * row + GAP / 2;
    chart::png(FILE, width, height, &|root| {
        root.fill(&WHITE)?;
        draw_header(root, width, (title, subtitle), panels)?;
        for (i, (panel, size)) in panels.iter().zip(&sizes).enumerate() {
            let x = MARGIN + i % columns * (widest + GAP);
            let y = HEADER + i / columns * row;
            draw_panel(root, panel, (x, y), *size)?;
        }
        Ok(())
    })
}

fn draw_header(root: &Area, width: usize, (title, subtitle): (&str, &str), panels: &[PlanePanel]) -> DrawResult {
    let left = px(MARGIN) as i32;
    let size = if width > 1000 { 25 } else { 20 };
    let bold = text(size, FontStyle::Bold, INK, HPos::Left);
    root.draw(&Text::new(title.to_owned(), (left, px(30) as i32), bold))?;
    let muted = text(16, FontStyle::Normal, MUTED, HPos::Left);
    root.draw(&Text::new(subtitle.to_owned(), (left, px(60) as i32), muted))?;
    PlaneLegend::of(panels).draw(root, (left, px(90) as i32))
}

fn draw_panel(root: &Area, panel: &PlanePanel, (x, y): (usize, usize), (width, height): (usize, usize)) -> DrawResult {
    let at = |x: usize, y: usize| (px(x) as i32, px(y) as i32);
    let bold = text(18, FontStyle::Bold, INK, HPos::Left);
    root.draw(&Text::new(panel.title.clone(), at(x, y + TITLE / 2), bold))?;
    let top = y + TITLE;
    let (from, to) = (at(x, top), at(x + width, top + height));
    draw_plane(root, (from, to), &panel.plane, (&panel.paths, PLANNED))?;
    let muted = text(16, FontStyle::Normal, MUTED, HPos::Left);
    let below = at(x, top + height + CAPTION / 2 + 2);
    root.draw(&Text::new(panel.caption.clone(), below, muted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::tests::decode;

    fn disc_in_the_way(points: Vec<[f64; 2]>, role: Role) -> PlanePanel {
        PlanePanel {
            title: "soft cost".into(),
            caption: "3 of 4 reached the goal".into(),
            plane: Plane {
                walls: vec![[0.0, 0.0, 4.0, 0.5]],
                discs: vec![[2.0, 2.0, 0.5]],
                goal: Some([3.5, 2.0]),
                goal_radius: 0.3,
                ..Plane::of([0.0, 0.0, 4.0, 4.0])
            },
            paths: vec![PlanePath { points, role }],
        }
    }

    fn count(file: &[u8], colour: RGBColor) -> usize {
        let (.., pixels) = decode(file);
        let wanted = [colour.0, colour.1, colour.2];
        pixels.chunks_exact(3).filter(|pixel| **pixel == wanted).count()
    }

    #[test]
    fn what_lies_in_an_obstacle_is_marked_and_nothing_else() {
        let around = disc_in_the_way(vec![[0.5, 2.0], [2.0, 3.0], [3.5, 2.0]], Role::Chosen);
        let through = disc_in_the_way(vec![[0.5, 2.0], [3.5, 2.0]], Role::Chosen);
        let picture = |panel: &PlanePanel| planes_png("A disc", "in the way", std::slice::from_ref(panel)).unwrap();
        let marked = |panel: &PlanePanel| count(&picture(panel), draw::VIOLATION);
        // The way through is 1 of 4 m: a fourth of 860 pixels, 4 across; around there is the legend's line at most.
        assert!(
            marked(&through) > marked(&around) + 500,
            "{} {}",
            marked(&through),
            marked(&around)
        );
        assert_eq!(picture(&through), picture(&through), "the same every time");
    }

    #[test]
    fn goals_and_waypoints_are_marked() {
        let none = PlanePanel {
            plane: Plane::of([0.0, 0.0, 4.0, 4.0]),
            ..PlanePanel::default()
        };
        let green = |change: &dyn Fn(&mut Plane)| {
            let mut panel = none.clone();
            change(&mut panel.plane);
            count(&planes_png("", "", &[panel]).unwrap(), draw::GOAL)
        };
        let goal = green(&|plane| plane.goal = Some([1.0, 1.0]));
        let waypoints = green(&|plane| plane.waypoints = vec![[1.0, 1.0], [3.0, 3.0]]);
        assert_eq!(green(&|_| ()), 0);
        assert!(goal > 50 && waypoints > 2 * 50, "{goal} {waypoints}");
    }

    #[test]
    fn planes_stand_side_by_side_and_keep_their_shape() {
        let panel = disc_in_the_way(
            vec![[0.5, 2.0], [f64::NAN, 0.0], [1e9, -1e9]],
            Role::Episode { reached: false },
        );
        let size = |count: usize| {
            let (width, height, _) = decode(&planes_png("n", "", &vec![panel.clone(); count]).unwrap());
            (width as usize, height as usize)
        };
        let high = |side: usize, rows: usize| HEADER + rows * (TITLE + side + CAPTION + GAP / 2) + GAP / 2;
        assert_eq!(size(1), (2 * MARGIN + 860, high(860, 1)));
        assert_eq!(size(3), (2 * MARGIN + 3 * 500 + 2 * GAP, high(500, 1)));
        assert_eq!(size(4), (2 * MARGIN + 3 * 500 + 2 * GAP, high(500, 2)));
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let error = |change: &dyn Fn(&mut Plane)| {
            let mut panel = disc_in_the_way(Vec::new(), Role::True);
            change(&mut panel.plane);
            planes_png("", "", &[panel]).unwrap_err().to_string()
        };
        for extent in [
            [0.0; 4],
            [1.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, f64::INFINITY, 1.0],
            [0.0, 0.0, 1e6, 1.0],
        ] {
            let text = error(&|plane| plane.extent = extent);
            assert!(text.contains("extent") && text.contains("x from"), "{text}");
        }
        assert!(error(&|plane| plane.walls[0][2] = f64::NAN).contains("a wall"));
        assert!(error(&|plane| plane.discs[0][2] = -1.0).contains("an obstacle"));
        assert!(error(&|plane| plane.waypoints.push([f64::NAN, 0.0])).contains("a waypoint"));
        assert!(planes_png("", "", &[]).is_err());
    }
}
