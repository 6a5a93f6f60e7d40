//! A ball on two slides between walls, as MuJoCo moves it.
//!
//! The model of all three suites is a sphere of mass m with one slide joint along x and one along y, so that the mass matrix
//! is m times the identity, and walls that are boxes of the cells. What MuJoCo computes of that can be written down:
//!
//! - **Contacts** (sphere and box). For each wall by itself: the nearest point of the box, the distance d from there to the
//!   sphere's surface, and the normal n out of the box. There is a contact where d is less than the margin. Two boxes side by
//!   side are two contacts where the sphere passes their seam, also along a wall that looks straight.
//! - **Constraints** (MuJoCo's documentation, "Computation": solver parameters). With r = d − margin and the default
//!   `solref` (0.02 s, but at least two time steps; damping ratio 1) and `solimp` (0.9, 0.95, 0.001, 0.5, 2), the impedance i
//!   grows from 0.9 to 0.95 over a millimetre of |r|, the reference acceleration along a row J is
//!   −b Jv − k i r with b = 2 / (0.95 τ) and k = 1 / (0.95 τ)², and the regularisation is R = (1 − i) / i times the inverse
//!   mass that the row sees. A contact without friction is the one row J = n; one with friction is a pyramid of four rows,
//!   n ± μ t for the two tangents t, of which the one along z moves nothing, each with R = 2 μ² (1 + μ²) (1 − i) / i / m.
//! - **Solution**. The acceleration a is the minimum of ½ m |a − a₀|² + Σ ½ min(0, J a − aref)² / R, a₀ being that of all
//!   other forces. In two dimensions and with a few rows it is found exactly.
//! - **Time steps**. Euler's treats damping implicitly: v' = v + h f / (m + h damping) with f all forces, then
//!   q' = q + h v'. OGBench's is a Runge-Kutta step of fourth order.

use super::Layout;

/// How a step in time is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integrator {
    /// MuJoCo's semi-implicit Euler, with implicit damping.
    Euler,
    /// Runge-Kutta of fourth order; without damping here.
    RungeKutta,
}

/// What the ball is, in SI units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ball {
    pub(super) radius: f64,
    pub(super) mass: f64,
    /// Of both joints, N s/m.
    pub(super) damping: f64,
    /// The distance at which contacts begin.
    pub(super) margin: f64,
    /// The coefficient of friction; without any, contacts are rows of their own.
    pub(super) friction: Option<f64>,
    /// From the ball's centre to the nearer of a wall's upper and lower face: what is deeper inside a wall than that is pushed
    /// out that way, where it cannot go.
    pub(super) to_face: f64,
    pub(super) time_step: f64,
    pub(super) integrator: Integrator,
}

/// Position and velocity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Motion {
    pub(super) position: [f64; 2],
    pub(super) velocity: [f64; 2],
}

/// One row of the constraints: how far its acceleration J a may fall short of `reference` costs by `1 / regularisation`.
#[derive(Debug, Clone, Copy)]
struct Row {
    jacobian: [f64; 2],
    reference: f64,
    regularisation: f64,
}

impl Row {
    fn residual(&self, acceleration: [f64; 2]) -> f64 {
        dot(self.jacobian, acceleration) - self.reference
    }
}

/// `solref`: its time constant and damping ratio.
const TIME_CONSTANT: f64 = 0.02;
/// `solimp`: the impedance at the margin and from a width on; the curve between has its midpoint half way and the power 2.
const IMPEDANCE: [f64; 2] = [0.9, 0.95];
const WIDTH: f64 = 0.001;

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// a + s b.
fn plus(a: [f64; 2], s: f64, b: [f64; 2]) -> [f64; 2] {
    [a[0] + s * b[0], a[1] + s * b[1]]
}

impl Ball {
    /// One time step under a force in N.
    pub(super) fn step(&self, maze: &Layout, motion: Motion, force: [f64; 2]) -> Motion {
        let h = self.time_step;
        match self.integrator {
            Integrator::Euler => {
                let acceleration = self.acceleration(maze, motion, force);
                let velocity = plus(
                    motion.velocity,
                    h * self.mass / (self.mass + h * self.damping),
                    acceleration,
                );
                Motion {
                    position: plus(motion.position, h, velocity),
                    velocity,
                }
            }
            Integrator::RungeKutta => self.runge_kutta(maze, motion, force),
        }
    }

    fn runge_kutta(&self, maze: &Layout, start: Motion, force: [f64; 2]) -> Motion {
        let h = self.time_step;
        let (mut slopes, mut stage) = (Motion { position: [0.0; 2], velocity: [0.0; 2] }, start);
        for (weight, next) in [(1.0 / 6.0, 0.5), (1.0 / 3.0, 0.5), (1.0 / 3.0, 1.0), (1.0 / 6.0, 0.0)] {
            let (velocity, acceleration) = (stage.velocity, self.acceleration(maze, stage, force));
            slopes.position = plus(slopes.position, weight, velocity);
            slopes.velocity = plus(slopes.velocity, weight, acceleration);
            stage = Motion {
                position: plus(start.position, h * next, velocity),
                velocity: plus(start.velocity, h * next, acceleration),
            };
        }
        Motion {
            position: plus(start.position, h, slopes.position),
            velocity: plus(start.velocity, h, slopes.velocity),
        }
    }

    fn acceleration(&self, maze: &Layout, motion: Motion, force: [f64; 2]) -> [f64; 2] {
        let free = plus(force, -self.damping, motion.velocity).map(|force| force / self.mass);
        let mut rows = Vec::new();
        for wall in maze.walls_near(motion.position) {
            let half = 0.5 * maze.edge();
            if let Some((normal, distance)) = self.touch(plus(motion.position, -1.0, wall), half) {
                self.constrain(normal, distance, motion.velocity, &mut rows);
            }
        }
        match rows.is_empty() {
            true => free,
            false => solve(self.mass, free, &rows),
        }
    }

    /// The normal and the distance of the contact with a box of this half edge, from whose centre the ball's is `offset` away.
    fn touch(&self, offset: [f64; 2], half: f64) -> Option<([f64; 2], f64)> {
        let nearest = offset.map(|x| x.clamp(-half, half));
        let out = plus(offset, -1.0, nearest);
        let apart = dot(out, out).sqrt();
        if apart > 1e-15 {
            let distance = apart - self.radius;
            return (distance < self.margin).then(|| (out.map(|x| x / apart), distance));
        }
        // The centre is inside: out by the closest face.
        let faces = [[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]];
        let mut closest = ([0.0, 0.0], self.to_face);
        for face in faces.into_iter().rev() {
            let depth = half - dot(face, offset);
            if depth <= closest.1 {
                closest = (face, depth);
            }
        }
        let (normal, depth) = closest;
        (normal != [0.0, 0.0]).then(|| (normal, -depth - self.radius))
    }

    /// Adds the rows of a contact.
    fn constrain(&self, normal: [f64; 2], distance: f64, velocity: [f64; 2], rows: &mut Vec<Row>) {
        let depth = distance - self.margin;
        let impedance = impedance(depth);
        let time_constant = TIME_CONSTANT.max(2.0 * self.time_step);
        let (b, k) = (
            2.0 / (IMPEDANCE[1] * time_constant),
            1.0 / (IMPEDANCE[1] * IMPEDANCE[1] * time_constant * time_constant),
        );
        let softness = (1.0 - impedance) / impedance / self.mass;
        let mut row = |jacobian: [f64; 2], regularisation: f64| {
            rows.push(Row {
                jacobian,
                reference: -b * dot(jacobian, velocity) - k * impedance * depth,
                regularisation,
            });
        };
        match self.friction {
            None => row(normal, softness),
            Some(friction) => {
                let regularisation = 2.0 * friction * friction * (1.0 + friction * friction) * softness;
                let tangent = [-normal[1], normal[0]];
                for along in [friction, -friction, 0.0, 0.0] {
                    row(plus(normal, along, tangent), regularisation);
                }
            }
        }
    }
}

/// How stiff a contact is, from 0 to 1, by how far it is within its margin.
fn impedance(depth: f64) -> f64 {
    let x = (depth / WIDTH).abs().min(1.0);
    let share = if x <= 0.5 { 2.0 * x * x } else { 1.0 - 2.0 * (1.0 - x) * (1.0 - x) };
    IMPEDANCE[0] + share * (IMPEDANCE[1] - IMPEDANCE[0])
}

/// The minimum over a of ½ m |a − free|² + Σ ½ min(0, J a − reference)² / regularisation.
///
/// The function is convex and, wherever the same rows count, quadratic. A Newton step ends in the minimum if the same rows count
/// there; else it is followed to the least value along it, which takes the next step from other rows.
fn solve(mass: f64, free: [f64; 2], rows: &[Row]) -> [f64; 2] {
    let mut a = free;
    // Each step leaves a set of rows for good, as values only fall; a handful is the most there were.
    for _ in 0..100 {
        let counts = |a: [f64; 2]| rows.iter().map(move |row| row.residual(a) < 0.0);
        let step = newton(mass, free, rows, a);
        let end = plus(a, 1.0, step);
        if counts(a).eq(counts(end)) {
            return end;
        }
        let next = plus(a, least(mass, free, rows, a, step), step);
        if next == a {
            break;
        }
        a = next;
    }
    a
}

/// From a to the minimum of the quadratic function that holds there.
fn newton(mass: f64, free: [f64; 2], rows: &[Row], a: [f64; 2]) -> [f64; 2] {
    let mut gradient = plus(a, -1.0, free).map(|x| mass * x);
    let (mut xx, mut xy, mut yy) = (mass, 0.0, mass);
    for row in rows.iter().filter(|row| row.residual(a) < 0.0) {
        let ([x, y], weight) = (row.jacobian, 1.0 / row.regularisation);
        gradient = plus(gradient, weight * row.residual(a), row.jacobian);
        (xx, xy, yy) = (xx + weight * x * x, xy + weight * x * y, yy + weight * y * y);
    }
    let determinant = xx * yy - xy * xy;
    let [x, y] = gradient;
    [(xy * y - yy * x) / determinant, (xy * x - xx * y) / determinant]
}

/// How far along `step` from a the function is least: where its slope, which grows piece by piece linearly, is 0.
fn least(mass: f64, free: [f64; 2], rows: &[Row], a: [f64; 2], step: [f64; 2]) -> f64 {
    let slope = |t: f64| {
        let at = plus(a, t, step);
        let pull = |row: &Row| row.residual(at).min(0.0) / row.regularisation * dot(row.jacobian, step);
        mass * dot(plus(at, -1.0, free), step) + rows.iter().map(pull).sum::<f64>()
    };
    // Where rows begin or cease to count.
    let bend = |row: &Row| -row.residual(a) / dot(row.jacobian, step);
    let mut bends: Vec<f64> = rows.iter().map(bend).filter(|&t| t > 0.0 && t.is_finite()).collect();
    bends.sort_by(f64::total_cmp);
    let mut low = (0.0, slope(0.0));
    for t in bends {
        let high = (t, slope(t));
        if high.1 >= 0.0 {
            return low.0 + (high.0 - low.0) * low.1 / (low.1 - high.1);
        }
        low = high;
    }
    let beyond = low.0 + 1.0;
    low.0 + low.1 / (low.1 - slope(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(mass: f64, free: [f64; 2], rows: &[Row], a: [f64; 2]) -> f64 {
        let away = plus(a, -1.0, free);
        let rows = rows.iter().map(|row| row.residual(a).min(0.0).powi(2) / row.regularisation);
        0.5 * mass * dot(away, away) + 0.5 * rows.sum::<f64>()
    }

    /// Against a search that knows nothing of derivatives, with rows that come and go on the way.
    #[test]
    fn the_solution_is_the_minimum() {
        let mut rng = crate::NumpyRng::new(5);
        for case in 0..300 {
            let mut row = || {
                let angle = rng.uniform(-3.2, 3.2);
                Row {
                    jacobian: [angle.cos(), angle.sin()],
                    reference: rng.uniform(-40.0, 80.0),
                    regularisation: rng.uniform(0.005, 0.05),
                }
            };
            let rows: Vec<Row> = (0..1 + case % 5).map(|_| row()).collect();
            let free = [rng.uniform(-30.0, 30.0), rng.uniform(-30.0, 30.0)];
            let a = solve(4.2, free, &rows);
            let best = cost(4.2, free, &rows, a);
            for step in [1e-1, 1e-3, 1e-5] {
                for direction in 0..16 {
                    let (sin, cos) = (0.4 * f64::from(direction)).sin_cos();
                    let beside = cost(4.2, free, &rows, plus(a, step, [cos, sin]));
                    assert!(beside >= best, "case {case}: {best} at {a:?}, {beside} beside it");
                }
            }
        }
    }

    #[test]
    fn the_impedance_grows_smoothly_over_a_millimetre() {
        for (depth, expected) in [(0.0, 0.9), (-0.0005, 0.925), (-0.001, 0.95), (-0.3, 0.95)] {
            assert!((impedance(depth) - expected).abs() < 1e-15, "{depth}");
        }
        assert!((impedance(-0.0005 - 1e-9) - impedance(-0.0005 + 1e-9)).abs() < 1e-6);
    }
}
