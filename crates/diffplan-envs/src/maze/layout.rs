//! What a maze is made of: square cells, walls or open, and where they lie.

use std::collections::VecDeque;

use crate::{Error, Result, Walls};

/// A cell of a maze: its row and its column in the map, from 0.
pub type Cell = [usize; 2];

/// What may be in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A wall, as large as the cell.
    Wall,
    /// Nothing.
    Open,
    /// A place where goals may be; of D4RL's mazes the one goal.
    Goal,
    /// A place where episodes may start.
    Start,
    /// A place for either.
    Either,
}

/// Where the cells of a map lie in the plane of observations. The numbers of a map are the suites' own: each lays its mazes
/// out in its own way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    /// The spot of the cell in row 0 and column 0.
    pub(super) origin: [f64; 2],
    /// From the spot of one row to that of the next: along one axis.
    pub(super) row: [f64; 2],
    /// From the spot of one column to that of the next: along the other.
    pub(super) column: [f64; 2],
    /// From the spot of a cell to its centre.
    pub(super) to_centre: [f64; 2],
    /// The length of a cell's edge.
    pub(super) edge: f64,
}

/// The map of a maze and where it lies.
///
/// ```
/// use diffplan_envs::maze::Layout;
///
/// let maze = Layout::of("maze2d-umaze-v1").unwrap();
/// assert!(maze.is_open([1, 1]) && !maze.is_open([2, 1]));
/// let way = maze.shortest_path([3, 1], [1, 1]).unwrap();
/// assert_eq!(way.len(), 7); // round the wall in the middle
/// assert_eq!(maze.spot([3, 1]), [3.0, 1.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Row by row.
    cells: Vec<Kind>,
    columns: usize,
    frame: Frame,
}

impl Layout {
    /// The maze of a built-in environment; `None` for an id that is none of a maze's.
    pub fn of(env_id: &str) -> Option<Self> {
        super::registered::layout(env_id)
    }

    /// A map of one character a cell, rows apart by line breaks or backslashes: `#` a wall, `O`, `0` or a space nothing, `G` a
    /// goal, `R` a start, `C` either.
    pub(super) fn parse(map: &str, frame: impl FnOnce(usize, usize) -> Frame) -> Result<Self> {
        let wrong = |expected| Error::OptionValue {
            name: "maze_spec",
            actual: format!("{map:?}"),
            expected,
        };
        let rows: Vec<&str> = map.trim_matches(['\n', '\\']).split(['\n', '\\']).collect();
        let columns = rows[0].chars().count();
        if columns == 0 || rows.iter().any(|row| row.chars().count() != columns) {
            return Err(wrong("rows of one length, apart by backslashes"));
        }
        let kind = |tile| match tile {
            '#' => Some(Kind::Wall),
            'O' | '0' | ' ' => Some(Kind::Open),
            'G' => Some(Kind::Goal),
            'R' => Some(Kind::Start),
            'C' => Some(Kind::Either),
            _ => None,
        };
        let cells: Option<Vec<Kind>> = rows.iter().flat_map(|row| row.chars()).map(kind).collect();
        let cells = cells.ok_or_else(|| wrong("the characters #, O, G, R and C"))?;
        if cells.iter().all(|&cell| cell == Kind::Wall) {
            return Err(wrong("a map that is not all walls"));
        }
        let frame = frame(cells.len() / columns, columns);
        Ok(Self { cells, columns, frame })
    }

    /// The number of rows and of columns.
    pub fn dim(&self) -> [usize; 2] {
        [self.cells.len() / self.columns, self.columns]
    }

    /// The length of a cell's edge.
    pub fn edge(&self) -> f64 {
        self.frame.edge
    }

    /// What is in a cell; outside the map are walls.
    pub fn kind(&self, [row, column]: Cell) -> Kind {
        let [rows, columns] = self.dim();
        match row < rows && column < columns {
            true => self.cells[row * columns + column],
            false => Kind::Wall,
        }
    }

    /// Whether there is no wall in a cell.
    pub fn is_open(&self, cell: Cell) -> bool {
        self.kind(cell) != Kind::Wall
    }

    /// All cells, row by row.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        (0..self.cells.len()).map(|at| [at / self.columns, at % self.columns])
    }

    /// The cells without walls, row by row.
    pub fn open_cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.cells().filter(|&cell| self.is_open(cell))
    }

    /// Where the suite puts what is in a cell, x and y. In D4RL's mazes that is not the centre.
    pub fn spot(&self, [row, column]: Cell) -> [f64; 2] {
        let Frame {
            origin,
            row: down,
            column: across,
            ..
        } = self.frame;
        let at = |axis: usize| origin[axis] + row as f64 * down[axis] + column as f64 * across[axis];
        [at(0), at(1)]
    }

    /// The centre of a cell, x and y.
    pub fn centre(&self, cell: Cell) -> [f64; 2] {
        let [x, y] = self.spot(cell);
        [x + self.frame.to_centre[0], y + self.frame.to_centre[1]]
    }

    /// The cell that a position lies in; `None` outside the map, and of numbers that are not finite.
    pub fn cell_at(&self, position: [f64; 2]) -> Option<Cell> {
        let [row, column] = self.place(position);
        let index = |place: f64, end: usize| {
            let place = (place + 0.5).floor();
            (place >= 0.0 && place < end as f64).then_some(place as usize)
        };
        let [rows, columns] = self.dim();
        Some([index(row, rows)?, index(column, columns)?])
    }

    /// Whether a position lies in a cell without a wall.
    pub fn is_open_at(&self, position: [f64; 2]) -> bool {
        self.cell_at(position).is_some_and(|cell| self.is_open(cell))
    }

    /// A position in rows and columns, whole numbers at the centres of cells.
    fn place(&self, position: [f64; 2]) -> [f64; 2] {
        let zero = self.centre([0, 0]);
        let offset = [position[0] - zero[0], position[1] - zero[1]];
        let along = |[x, y]: [f64; 2]| (offset[0] * x + offset[1] * y) / (x * x + y * y);
        [along(self.frame.row), along(self.frame.column)]
    }

    /// The centres of the walls in the cell of a position and in the eight around it: all that something smaller than half a
    /// cell can touch.
    pub(super) fn walls_near(&self, position: [f64; 2]) -> impl Iterator<Item = [f64; 2]> + '_ {
        let [row, column] = self.place(position).map(|place| (place + 0.5).floor());
        let [rows, columns] = self.dim();
        let range = |place: f64, end: usize| {
            // Saturating: far away, and of what is no number, there is nothing or little to look at.
            let first = (place - 1.0).max(0.0) as usize;
            first.min(end)..((place + 2.0).max(0.0) as usize).min(end)
        };
        let columns = range(column, columns);
        range(row, rows)
            .flat_map(move |row| columns.clone().map(move |column| [row, column]))
            .filter(|&cell| !self.is_open(cell))
            .map(|cell| self.centre(cell))
    }

    /// The walls as boxes, one a cell, for a thing of this radius.
    pub fn walls(&self, radius: f64) -> Walls {
        let half = 0.5 * self.frame.edge;
        let walls = self.cells().filter(|&cell| !self.is_open(cell));
        Walls {
            dims: [0, 1],
            boxes: walls
                .map(|cell| self.centre(cell))
                .map(|[x, y]| [x - half, y - half, x + half, y + half])
                .collect(),
            radius,
        }
    }

    /// Whether walls are those of this map: of an environment that was not given another.
    pub fn has(&self, walls: &Walls) -> bool {
        self.walls(walls.radius) == *walls
    }

    /// A shortest way between two cells from side to side, both ends included; `None` where there is none. Of several it is
    /// always the same one.
    pub fn shortest_path(&self, from: Cell, to: Cell) -> Option<Vec<Cell>> {
        if !self.is_open(from) || !self.is_open(to) {
            return None;
        }
        // From the end, so that following what was found leads forward.
        let at = |[row, column]: Cell| row * self.columns + column;
        let mut next: Vec<Option<Cell>> = vec![None; self.cells.len()];
        next[at(to)] = Some(to);
        let mut queue = VecDeque::from([to]);
        while let Some(cell) = queue.pop_front().filter(|_| next[at(from)].is_none()) {
            for neighbour in self.neighbours(cell) {
                if next[at(neighbour)].is_none() {
                    next[at(neighbour)] = Some(cell);
                    queue.push_back(neighbour);
                }
            }
        }
        let mut way = vec![from];
        let mut cell = from;
        while cell != to {
            cell = next[at(cell)]?;
            way.push(cell);
        }
        Some(way)
    }

    /// The open cells that share a side with one.
    fn neighbours(&self, [row, column]: Cell) -> impl Iterator<Item = Cell> + '_ {
        let (up, left) = (row.checked_sub(1), column.checked_sub(1));
        [
            up.map(|up| [up, column]),
            left.map(|left| [row, left]),
            Some([row + 1, column]),
            Some([row, column + 1]),
        ]
        .into_iter()
        .flatten()
        .filter(|&cell| self.is_open(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(map: &str) -> Result<Layout> {
        Layout::parse(map, |_, _| Frame {
            origin: [10.0, -3.0],
            row: [0.0, -2.0],
            column: [2.0, 0.0],
            to_centre: [0.5, 0.25],
            edge: 2.0,
        })
    }

    #[test]
    fn cells_and_positions_belong_together() {
        for id in ["maze2d-large-v1", "PointMaze_Medium-v3", "pointmaze-giant-v0"] {
            let maze = Layout::of(id).unwrap();
            let half = 0.49 * maze.edge();
            for cell in maze.cells() {
                let [x, y] = maze.centre(cell);
                for at in [[x, y], [x + half, y - half], [x - half, y + half], maze.spot(cell)] {
                    assert_eq!(maze.cell_at(at), Some(cell), "{id} {at:?}");
                }
            }
            let outside = [f64::NAN, f64::INFINITY, 1e300, -1e300, 99.0];
            assert!(
                outside
                    .iter()
                    .all(|&x| maze.cell_at([x, 1.0]).is_none() && !maze.is_open_at([x, 1.0]))
            );
            assert!(outside.iter().all(|&x| maze.walls_near([x, x]).count() == 0), "{id}");
        }
    }

    #[test]
    fn the_shortest_way_is_as_short_as_breadth_first_distances_say() {
        let maze = Layout::of("pointmaze-giant-v0").unwrap();
        let open: Vec<Cell> = maze.open_cells().collect();
        // Bellman-Ford from one corner.
        let start = open[0];
        let mut distance: Vec<usize> = open.iter().map(|&cell| if cell == start { 0 } else { 9999 }).collect();
        for _ in 0..open.len() {
            for (i, a) in open.iter().enumerate() {
                for (j, b) in open.iter().enumerate() {
                    if a[0].abs_diff(b[0]) + a[1].abs_diff(b[1]) == 1 {
                        distance[i] = distance[i].min(distance[j] + 1);
                    }
                }
            }
        }
        for (&cell, &distance) in open.iter().zip(&distance) {
            let way = maze.shortest_path(start, cell).unwrap();
            assert_eq!((way.len(), way[0], *way.last().unwrap()), (distance + 1, start, cell));
            for pair in way.windows(2) {
                assert_eq!(pair[0][0].abs_diff(pair[1][0]) + pair[0][1].abs_diff(pair[1][1]), 1);
                assert!(maze.is_open(pair[1]));
            }
        }
        let apart = plain("O#O").unwrap();
        assert_eq!(apart.shortest_path([0, 0], [0, 2]), None);
        assert_eq!(apart.shortest_path([0, 1], [0, 0]), None);
        assert_eq!(apart.shortest_path([0, 0], [7, 7]), None);
        assert_eq!(apart.shortest_path([0, 2], [0, 2]), Some(vec![[0, 2]]));
    }

    #[test]
    fn maps_are_checked() {
        let maze = plain("#O\\G ").unwrap();
        assert_eq!(
            (maze.dim(), maze.kind([1, 0]), maze.kind([0, 1])),
            ([2, 2], Kind::Goal, Kind::Open)
        );
        assert_eq!((maze.spot([1, 1]), maze.centre([1, 1])), ([12.0, -5.0], [12.5, -4.75]));
        assert_eq!(maze.walls(0.3).boxes, [[9.5, -3.75, 11.5, -1.75]]);
        for map in ["", "##\\#", "#x", "##"] {
            assert!(matches!(plain(map), Err(Error::OptionValue { .. })), "{map}");
        }
    }
}
