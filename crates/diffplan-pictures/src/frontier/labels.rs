//! Where labels of dots stand, so that none covers another, a dot or more of a line than need be.

/// Between a dot and its label.
const APART: i32 = 22;
/// Places around a dot: sixteen directions, so many times as far.
const DIRECTIONS: u32 = 16;
const RINGS: [f64; 4] = [1.0, 2.2, 4.0, 6.5];
/// Around a label.
const PADDING: i32 = 6;

/// Pixels across and down: a point, or how wide and high something is.
type Pixels = (i32, i32);

/// A rectangle in pixels, y downward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box2 {
    pub(super) from: (i32, i32),
    pub(super) to: (i32, i32),
}

impl Box2 {
    pub(super) fn new(from: (i32, i32), to: (i32, i32)) -> Self {
        Self { from, to }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: (i32, i32), b: (i32, i32)| a.1 <= b.0 || b.1 <= a.0;
        let (across, other_across) = ((self.from.0, self.to.0), (other.from.0, other.to.0));
        let (down, other_down) = ((self.from.1, self.to.1), (other.from.1, other.to.1));
        !apart(across, other_across) && !apart(down, other_down)
    }

    fn holds(&self, other: &Self) -> bool {
        self.from.0 <= other.from.0 && self.from.1 <= other.from.1 && other.to.0 <= self.to.0 && other.to.1 <= self.to.1
    }

    fn grown(&self, by: i32) -> Self {
        Self::new((self.from.0 - by, self.from.1 - by), (self.to.0 + by, self.to.1 + by))
    }

    /// The point of it that is nearest to another.
    pub(super) fn nearest(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x.clamp(self.from.0, self.to.0), y.clamp(self.from.1, self.to.1))
    }

    /// Whether it is so far from a point that a line should lead there.
    pub(super) fn far(&self, point: (i32, i32)) -> bool {
        let near = self.nearest(point);
        f64::from(near.0 - point.0).hypot(f64::from(near.1 - point.1)) > 1.7 * f64::from(APART)
    }
}

/// A place for the label of each anchor, which has a width and a height; those that come first choose first. `None` where every place
/// would cover another label or leave `within`. Dots are covered only where there is no other place; lines, which are horizontal or
/// upright, likewise, but that is not as bad.
pub(super) fn place(
    anchors: &[(Pixels, Pixels)],
    dots: &[(i32, i32)],
    lines: &[[(i32, i32); 2]],
    within: Box2,
) -> Vec<Option<Box2>> {
    let dots: Vec<Box2> = dots.iter().map(|&dot| Box2::new(dot, dot).grown(12)).collect();
    let pieces: Vec<Box2> = lines
        .iter()
        .map(|&[a, b]| Box2::new((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))).grown(2))
        .collect();
    let mut placed: Vec<Box2> = Vec::new();
    let mut places = Vec::with_capacity(anchors.len());
    for &(anchor, size) in anchors {
        let free = around(anchor, size)
            .into_iter()
            .filter(|label| within.holds(label))
            .filter(|label| !placed.iter().any(|other| label.grown(PADDING).overlaps(other)));
        let cost = |label: &Box2| {
            let covered = |boxes: &[Box2]| boxes.iter().filter(|other| label.overlaps(other)).count();
            6 * covered(&dots) + 2 * covered(&pieces)
        };
        // The first of equals: places are in order of liking. Each ring further costs as much as covering a line.
        let rings = DIRECTIONS as usize;
        let best = free
            .enumerate()
            .map(|(i, label)| (cost(&label) + 2 * (i / rings), label));
        let best = best.min_by_key(|(cost, _)| *cost).map(|(_, label)| label);
        placed.extend(best);
        places.push(best);
    }
    places
}

/// Labels around an anchor, the nearest first, and of those of a ring first what is to the upper left: above a frontier that rises to the
/// right there is most room.
fn around((x, y): (i32, i32), (width, height): (i32, i32)) -> Vec<Box2> {
    let mut labels = Vec::new();
    for ring in RINGS {
        let mut of_ring = Vec::new();
        for direction in 0..DIRECTIONS {
            // From the upper left on, to both sides in turn.
            let turn = f64::from(direction.div_ceil(2)) / f64::from(DIRECTIONS) * std::f64::consts::TAU;
            let angle = 0.625 * std::f64::consts::PI + if direction % 2 == 0 { turn } else { -turn };
            let (sin, cos) = angle.sin_cos();
            let far = f64::from(APART) * ring;
            // The label's near side, or corner, is at that distance.
            let middle_x = f64::from(x) + cos * (far + f64::from(width) / 2.0);
            let middle_y = f64::from(y) - sin * (far + f64::from(height) / 2.0);
            let from = (
                middle_x.round() as i32 - width / 2,
                middle_y.round() as i32 - height / 2,
            );
            of_ring.push(Box2::new(from, (from.0 + width, from.1 + height)));
        }
        labels.extend(of_ring);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cover_no_label_and_no_dot_where_there_is_room() {
        let within = Box2::new((0, 0), (2000, 1000));
        let dots: Vec<(i32, i32)> = (0..12).map(|i| (300 + 110 * i, 600 - 25 * i)).collect();
        let anchors: Vec<_> = dots.iter().map(|&dot| (dot, (180, 26))).collect();
        let places = place(&anchors, &dots, &[], within);
        let labels: Vec<Box2> = places.into_iter().map(Option::unwrap).collect();
        for (i, label) in labels.iter().enumerate() {
            assert!(within.holds(label), "{label:?}");
            assert!(labels[..i].iter().all(|other| !label.overlaps(other)), "label {i}");
            assert!(
                dots.iter().all(|&dot| !label.overlaps(&Box2::new(dot, dot).grown(6))),
                "label {i}"
            );
        }
    }

    #[test]
    fn where_there_is_no_room_there_is_no_label() {
        let within = Box2::new((0, 0), (200, 40));
        let anchors = [((100, 20), (150, 20)), ((101, 20), (150, 20)), ((100, 20), (900, 20))];
        let places = place(&anchors, &[], &[], within);
        assert!(places[1].is_none() && places[2].is_none(), "{places:?}");
    }
}
