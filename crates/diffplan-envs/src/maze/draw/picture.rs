//! A maze from above: x to the right, y upward, of the walls at its edge the inner part.

use super::Scene;
use crate::Frame;
use crate::maze::{Cell, Layout};
use crate::render::{Canvas, Color};

/// The longer side of a picture in pixels, about.
const LONG: f64 = 600.0;
/// How much of the walls at the edge is seen, in cells.
const EDGE: f64 = 0.42;
const FLOOR: Color = Color::rgb(246, 243, 236);
const GRID: Color = Color::rgb(226, 220, 208);
const WALL: Color = Color::rgb(62, 74, 97);
const TOP: Color = Color::rgb(82, 97, 124);
const GOAL: Color = Color::rgb(42, 157, 112);
const BALL: Color = Color::rgb(226, 98, 54);
const RIM: Color = Color::rgb(140, 50, 22);
const WHITE: Color = Color::rgb(255, 255, 255);

/// From positions to pixels.
struct View {
    /// The position in the lower left corner.
    corner: [f64; 2],
    /// Pixels a unit of length.
    scale: f64,
    /// In pixels.
    size: [u16; 2],
}

impl View {
    fn of(maze: &Layout) -> Self {
        let [rows, columns] = maze.dim();
        let ends = [maze.centre([0, 0]), maze.centre([rows - 1, columns - 1])];
        let seen = (EDGE - 0.5) * maze.edge();
        let span = |axis: usize| {
            let (a, b) = (ends[0][axis], ends[1][axis]);
            (a.min(b) - seen, a.max(b) + seen)
        };
        // A map of one row or column is seen whole.
        let widened = |(low, high): (f64, f64)| match high - low >= 0.5 * maze.edge() {
            true => (low, high),
            false => (low - 0.5 * maze.edge(), high + 0.5 * maze.edge()),
        };
        let [x, y] = [span(0), span(1)].map(widened);
        let (width, height) = (x.1 - x.0, y.1 - y.0);
        let scale = LONG / width.max(height);
        // Films want even sides; rounding may leave a line of floor.
        let pixels = |length: f64| (2.0 * (0.5 * length * scale).round()).clamp(2.0, LONG) as u16;
        Self {
            corner: [x.0, y.0],
            scale,
            size: [pixels(width), pixels(height)],
        }
    }

    fn at(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        ((x - self.corner[0]) * self.scale, (y - self.corner[1]) * self.scale)
    }

    /// The corners of a box that reaches `half` units from its centre, moved by some pixels.
    fn square(&self, centre: [f64; 2], half: f64, [right, up]: [f64; 2]) -> [(f64, f64); 4] {
        let (x, y) = self.at(centre);
        let half = half * self.scale;
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(a, b)| (x + a * half + right, y + b * half + up))
    }
}

pub(super) fn draw(scene: &Scene) -> Frame {
    let view = View::of(scene.maze);
    let mut canvas = Canvas::new(view.size[0], view.size[1]);
    let (width, height) = (f64::from(view.size[0]), f64::from(view.size[1]));
    canvas.fill_polygon(&[(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)], FLOOR);
    grid(&mut canvas, &view, scene.maze);
    if let Some((goal, tolerance)) = scene.goal {
        draw_goal(&mut canvas, &view, goal, tolerance);
    }
    walls(&mut canvas, &view, scene.maze);
    // Small balls would be lost in large mazes.
    let radius = (scene.radius * view.scale).max(6.5);
    for ghost in &scene.overlay.ghosts {
        let at = view.at([ghost.state[0], ghost.state[1]]);
        canvas.layer(ghost.opacity, |layer| {
            layer.fill_circle(at, radius, Color::of(ghost.color))
        });
    }
    for trail in &scene.overlay.trails {
        let points: Vec<_> = trail
            .states
            .outer_iter()
            .map(|state| view.at([state[0], state[1]]))
            .collect();
        canvas.trail(&points, trail);
    }
    ball(&mut canvas, view.at(scene.position), radius);
    canvas.into_frame()
}

/// Where cells meet, faintly: how far things are apart.
fn grid(canvas: &mut Canvas, view: &View, maze: &Layout) {
    let half = 0.5 * maze.edge();
    for cell in maze.open_cells() {
        let corners = view.square(maze.centre(cell), half, [0.0; 2]);
        let [a, b, c, d] = corners;
        canvas.stroke_line(&[a, b, c, d, a], 1.0, GRID);
    }
}

/// Walls of one piece, with light from the upper left: a shadow on the floor, and a lighter top.
fn walls(canvas: &mut Canvas, view: &View, maze: &Layout) {
    let half = 0.5 * maze.edge();
    let walls: Vec<Cell> = maze.cells().filter(|&cell| !maze.is_open(cell)).collect();
    let depth = 0.06 * maze.edge() * view.scale;
    canvas.layer(0.22, |layer| {
        for &cell in &walls {
            let [a, b, c, d] = view.square(maze.centre(cell), half, [0.0; 2]);
            let moved = |(x, y): (f64, f64)| (x + depth, y - depth);
            // What a square sweeps on its way to the lower right.
            layer.fill_polygon(&[a, moved(a), moved(b), moved(c), c, d], Color::BLACK);
        }
    });
    // A little larger than they are: no lines between neighbours.
    for &cell in &walls {
        canvas.fill_polygon(&view.square(maze.centre(cell), half + 0.3 / view.scale, [0.0; 2]), WALL);
    }
    let inset = 0.07 * maze.edge();
    for &cell in &walls {
        let centre = maze.centre(cell);
        canvas.fill_polygon(&view.square(centre, half - inset, [0.0; 2]), TOP);
        // Across the seams to the neighbours that are walls as well.
        let [row, column] = cell;
        for other in [[row + 1, column], [row, column + 1], [row + 1, column + 1]] {
            let [rows, columns] = maze.dim();
            let beside = [[row, other[1]], [other[0], column]];
            let joined = other[0] < rows && other[1] < columns && !maze.is_open(other);
            if joined && beside.into_iter().all(|cell| !maze.is_open(cell)) {
                bridge(canvas, view, [centre, maze.centre(other)], half - inset, inset);
            }
        }
    }
}

/// The top between two walls: as wide as the walls' tops between neighbours, and what is left open where four meet.
fn bridge(canvas: &mut Canvas, view: &View, [a, b]: [[f64; 2]; 2], half: f64, inset: f64) {
    let middle = [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])];
    let reach = |axis: usize| {
        let across = (a[axis] - b[axis]).abs() < 1e-9;
        if across { half } else { inset + 0.3 / view.scale }
    };
    let (x, y) = (reach(0), reach(1));
    let corners = [(-x, -y), (x, -y), (x, y), (-x, y)].map(|(dx, dy)| view.at([middle[0] + dx, middle[1] + dy]));
    canvas.fill_polygon(&corners, TOP);
}

/// The region that counts, and a target in it.
fn draw_goal(canvas: &mut Canvas, view: &View, goal: [f64; 2], tolerance: f64) {
    let at = view.at(goal);
    let reach = tolerance * view.scale;
    canvas.fill_circle(at, reach, GOAL.with_opacity(0.16));
    let circle: Vec<_> = (0..=96)
        .map(|i| (f64::from(i) / 96.0 * std::f64::consts::TAU).sin_cos())
        .map(|(sin, cos)| (at.0 + reach * cos, at.1 + reach * sin))
        .collect();
    canvas.stroke_line(&circle, 1.5, GOAL.with_opacity(0.55));
    let radius = (0.34 * reach).clamp(7.0, 16.0);
    for (share, color) in [(1.0, GOAL), (0.68, WHITE), (0.36, GOAL)] {
        canvas.fill_circle(at, share * radius, color);
    }
}

/// A ball with light from the upper left.
fn ball(canvas: &mut Canvas, at: (f64, f64), radius: f64) {
    canvas.fill_circle(
        (at.0 + 0.25 * radius, at.1 - 0.25 * radius),
        1.1 * radius,
        Color::BLACK.with_opacity(0.2),
    );
    canvas.fill_circle(at, radius + 1.0, RIM);
    canvas.fill_circle(at, radius, BALL);
    let light = (at.0 - 0.38 * radius, at.1 + 0.38 * radius);
    canvas.fill_circle(light, 0.3 * radius, WHITE.with_opacity(0.65));
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{Ghost, Overlay, Trail};

    fn pixel(frame: &Frame, (x, y): (f64, f64)) -> [u8; 3] {
        let row = f64::from(frame.height) - y;
        let start = 3 * (row as usize * frame.width as usize + x as usize);
        [0, 1, 2].map(|channel| frame.pixels[start + channel])
    }

    #[test]
    fn things_are_where_they_belong() {
        for id in ["maze2d-umaze-v1", "PointMaze_Large-v3", "pointmaze-teleport-v0"] {
            let maze = Layout::of(id).unwrap();
            let cells: Vec<Cell> = maze.open_cells().collect();
            let [position, goal, ghost] = [0, cells.len() / 2, cells.len() - 1].map(|i| maze.centre(cells[i]));
            let overlay = Overlay {
                trails: vec![Trail {
                    states: array![[ghost[0], ghost[1]], [ghost[0] + 0.3 * maze.edge(), ghost[1]]],
                    color: [0, 0, 255],
                    opacity: 1.0,
                    width: 3.0,
                }],
                ghosts: vec![Ghost {
                    state: array![ghost[0], ghost[1] + 0.3 * maze.edge()],
                    color: [0, 255, 255],
                    opacity: 1.0,
                }],
            };
            let (radius, tolerance) = (0.1 * maze.edge(), 0.4 * maze.edge());
            let frame = draw(&Scene {
                maze: &maze,
                radius,
                position,
                goal: Some((goal, tolerance)),
                overlay: &overlay,
            });
            let view = View::of(&maze);
            assert_eq!([frame.width, frame.height], view.size.map(u32::from), "{id}");
            assert!(
                frame.width.is_multiple_of(2) && frame.height.is_multiple_of(2) && frame.width.max(frame.height) == 600,
                "{id}"
            );
            assert_eq!(pixel(&frame, view.at(position)), [226, 98, 54], "{id}");
            assert_eq!(pixel(&frame, view.at(goal)), [42, 157, 112], "{id}");
            assert_eq!(
                pixel(&frame, view.at([ghost[0] + 0.15 * maze.edge(), ghost[1]])),
                [0, 0, 255],
                "{id}"
            );
            assert_eq!(
                pixel(&frame, view.at([ghost[0], ghost[1] + 0.3 * maze.edge()])),
                [0, 255, 255],
                "{id}"
            );
            // Walls are dark all over, also where they meet, and nothing else is.
            let walls = maze.walls(0.0);
            for cell in maze.cells() {
                let [x, y] = view.at(maze.centre(cell)).into();
                let [width, height] = view.size.map(f64::from);
                let inside = x > 2.0 && y > 2.0 && x < width - 2.0 && y < height - 2.0;
                let plain = [position, goal, ghost]
                    .iter()
                    .all(|&other| maze.cell_at(other) != Some(cell));
                if inside && plain {
                    assert_eq!(pixel(&frame, (x, y))[0] < 90, !maze.is_open(cell), "{id} {cell:?}");
                }
            }
            assert_eq!(walls.boxes.len() + cells.len(), maze.cells().count());
        }
    }
}
