//! [`Residual`]: how far a plan is from what a model of the environment says would happen.

use super::Cost;
use crate::error::{Error, Result};
use crate::layout::SampleLayout;
use crate::limits::{check_channels, check_positive};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, Slice};

/// A model of an environment: what a state and an action lead to, and how far something else is from that.
pub trait Dynamics: std::fmt::Debug + Send + Sync {
    /// Checks that it is of states and actions of so many dimensions.
    ///
    /// # Errors
    /// Why it is not.
    fn check(&self, states: usize, actions: usize) -> Result<()>;

    /// The squared residual of one step, `|next - f(state, action)|²`. Its gradients by state, action and next state are added to
    /// `gradients`, if they are asked for.
    fn residual(
        &self,
        state: ArrayView1<f64>,
        action: ArrayView1<f64>,
        next: ArrayView1<f64>,
        gradients: Option<[ArrayViewMut1<f64>; 3]>,
    ) -> f64;
}

/// The squared residuals of a model, summed over steps: what the environment would not do.
#[derive(Clone, Debug)]
pub struct Residual<D> {
    name: String,
    layout: SampleLayout,
    model: D,
}

impl<D: Dynamics> Residual<D> {
    /// Of plans of this layout.
    ///
    /// # Errors
    /// What the model says of its dimensions.
    pub fn new(name: impl Into<String>, layout: SampleLayout, model: D) -> Result<Self> {
        let name = name.into();
        let checked = model.check(layout.observations().len(), layout.actions().len());
        checked.map_err(|error| Error::Parts(format!("{name}: {error}")))?;
        Ok(Self { name, layout, model })
    }
}

impl<D: Dynamics> Cost for Residual<D> {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, horizon: usize, layout: &SampleLayout) -> Result<()> {
        if *layout != self.layout {
            return Err(Error::Parts(format!("{}: made for plans of another layout", self.name)));
        }
        match horizon {
            0 | 1 => Err(Error::Parts(format!(
                "{}: a horizon of {horizon}, expected at least 2 for a step",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    fn cost(&self, plan: ArrayView2<f64>, mut gradient: Option<ArrayViewMut2<f64>>) -> f64 {
        let (states, actions) = (
            Slice::from(self.layout.observations()),
            Slice::from(self.layout.actions()),
        );
        let mut cost = 0.0;
        for step in 1..plan.nrows() {
            let (now, then) = (plan.row(step - 1), plan.row(step));
            let gradients = gradient.as_mut().map(|gradient| {
                let (before, after) = gradient.view_mut().split_at(Axis(0), step);
                let now = before.index_axis_move(Axis(0), step - 1);
                let then = after.index_axis_move(Axis(0), 0);
                let (of_state, of_action) = split(now, &self.layout);
                [of_state, of_action, then.slice_axis_move(Axis(0), states)]
            });
            cost += self.model.residual(
                now.slice_axis(Axis(0), states),
                now.slice_axis(Axis(0), actions),
                then.slice_axis(Axis(0), states),
                gradients,
            );
        }
        cost
    }
}

/// A row's part that is observations, and the one that is actions.
fn split<'a>(row: ArrayViewMut1<'a, f64>, layout: &SampleLayout) -> (ArrayViewMut1<'a, f64>, ArrayViewMut1<'a, f64>) {
    let (actions, observations) = (layout.actions().len(), layout.observations().len());
    match layout.actions().start {
        0 => {
            let (of_action, of_state) = row.split_at(Axis(0), actions);
            (of_state, of_action)
        }
        _ => row.split_at(Axis(0), observations),
    }
}

/// `next = A state + B action + c`.
#[derive(Clone, Debug)]
pub struct Linear {
    a: Array2<f64>,
    b: Array2<f64>,
    c: Array1<f64>,
}

impl Linear {
    /// `a` (states, states), `b` (states, actions), `c` (states).
    ///
    /// # Errors
    /// [`Error::Parts`] if their shapes do not fit each other, or a number is not finite.
    pub fn new(a: Array2<f64>, b: Array2<f64>, c: Array1<f64>) -> Result<Self> {
        let states = c.len();
        if a.dim() != (states, states) || b.nrows() != states {
            return Err(Error::Parts(format!(
                "A is {:?}, B {:?}, c {states}: expected A of (states, states), B of (states, actions), c of states",
                a.dim(),
                b.dim()
            )));
        }
        let finite = a.iter().chain(&b).chain(&c).all(|number| number.is_finite());
        match finite {
            true => Ok(Self { a, b, c }),
            false => Err(Error::Parts(
                "A, B or c has a number that is not finite, expected finite ones".into(),
            )),
        }
    }
}

impl Dynamics for Linear {
    fn check(&self, states: usize, actions: usize) -> Result<()> {
        match (self.c.len(), self.b.ncols()) == (states, actions) {
            true => Ok(()),
            false => Err(Error::Parts(format!(
                "a model of {} states and {} actions, expected {states} and {actions}",
                self.c.len(),
                self.b.ncols()
            ))),
        }
    }

    fn residual(
        &self,
        state: ArrayView1<f64>,
        action: ArrayView1<f64>,
        next: ArrayView1<f64>,
        mut gradients: Option<[ArrayViewMut1<f64>; 3]>,
    ) -> f64 {
        let mut squared = 0.0;
        for (i, (a, b)) in self.a.outer_iter().zip(self.b.outer_iter()).enumerate() {
            let off = next[i] - a.dot(&state) - b.dot(&action) - self.c[i];
            squared += off * off;
            if let Some([of_state, of_action, of_next]) = &mut gradients {
                of_state.scaled_add(-2.0 * off, &a);
                of_action.scaled_add(-2.0 * off, &b);
                of_next[i] += 2.0 * off;
            }
        }
        squared
    }
}

/// Positions move by `dt` times the velocities that are among the observations too: `p' = p + dt v`.
#[derive(Clone, Debug)]
pub struct Integrator {
    positions: Vec<usize>,
    velocities: Vec<usize>,
    dt: f64,
}

impl Integrator {
    /// `positions` and their `velocities` as dimensions of observations, as many of each; `dt` above 0.
    ///
    /// # Errors
    /// [`Error::Parts`] if they are not as many, or `dt` is not above 0.
    pub fn new(positions: Vec<usize>, velocities: Vec<usize>, dt: f64) -> Result<Self> {
        check_positive("integrator", "dt", dt)?;
        if positions.len() != velocities.len() {
            return Err(Error::Parts(format!(
                "{} positions and {} velocities, expected as many",
                positions.len(),
                velocities.len()
            )));
        }
        Ok(Self {
            positions,
            velocities,
            dt,
        })
    }
}

impl Dynamics for Integrator {
    fn check(&self, states: usize, _: usize) -> Result<()> {
        let alone = SampleLayout::states_only(states);
        check_channels("positions", &self.positions, &alone)?;
        check_channels("velocities", &self.velocities, &alone)
    }

    fn residual(
        &self,
        state: ArrayView1<f64>,
        _: ArrayView1<f64>,
        next: ArrayView1<f64>,
        mut gradients: Option<[ArrayViewMut1<f64>; 3]>,
    ) -> f64 {
        let mut squared = 0.0;
        for (&position, &velocity) in self.positions.iter().zip(&self.velocities) {
            let off = next[position] - state[position] - self.dt * state[velocity];
            squared += off * off;
            if let Some([of_state, _, of_next]) = &mut gradients {
                of_state[position] -= 2.0 * off;
                of_state[velocity] -= 2.0 * off * self.dt;
                of_next[position] += 2.0 * off;
            }
        }
        squared
    }
}

/// Dimensions of states and actions that [`FnDynamics`] has room for.
const MOST: usize = 512;

/// Functions of yours as a model.
///
/// `step(state, action, next)` writes `f(state, action)` to `next`; `pull(state, action, by, of_state, of_action)` adds the products of the vector
/// `by` with the derivatives of `f` by state and action to the last two.
#[derive(Clone)]
pub struct FnDynamics<S, P> {
    states: usize,
    actions: usize,
    step: S,
    pull: P,
}

impl<S, P> FnDynamics<S, P>
where
    S: Fn(ArrayView1<f64>, ArrayView1<f64>, &mut [f64]) + Send + Sync,
    P: Fn(ArrayView1<f64>, ArrayView1<f64>, &[f64], &mut [f64], &mut [f64]) + Send + Sync,
{
    /// Of so many dimensions.
    ///
    /// # Errors
    /// [`Error::Parts`] if there are more than 512.
    pub fn new(states: usize, actions: usize, step: S, pull: P) -> Result<Self> {
        if states.max(actions) > MOST {
            return Err(Error::Parts(format!(
                "a model of {states} states and {actions} actions, expected at most {MOST} of each"
            )));
        }
        Ok(Self {
            states,
            actions,
            step,
            pull,
        })
    }
}

impl<S, P> std::fmt::Debug for FnDynamics<S, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FnDynamics")
            .field("states", &self.states)
            .field("actions", &self.actions)
            .finish_non_exhaustive()
    }
}

impl<S, P> Dynamics for FnDynamics<S, P>
where
    S: Fn(ArrayView1<f64>, ArrayView1<f64>, &mut [f64]) + Send + Sync,
    P: Fn(ArrayView1<f64>, ArrayView1<f64>, &[f64], &mut [f64], &mut [f64]) + Send + Sync,
{
    fn check(&self, states: usize, actions: usize) -> Result<()> {
        match (self.states, self.actions) == (states, actions) {
            true => Ok(()),
            false => Err(Error::Parts(format!(
                "a model of {} states and {} actions, expected {states} and {actions}",
                self.states, self.actions
            ))),
        }
    }

    fn residual(
        &self,
        state: ArrayView1<f64>,
        action: ArrayView1<f64>,
        next: ArrayView1<f64>,
        gradients: Option<[ArrayViewMut1<f64>; 3]>,
    ) -> f64 {
        let mut room = [0.0; MOST];
        let off = &mut room[..self.states];
        (self.step)(state, action, off);
        off.iter_mut().zip(next).for_each(|(off, next)| *off = next - *off);
        let squared = off.iter().map(|off| off * off).sum();
        let Some([mut of_state, mut of_action, mut of_next]) = gradients else {
            return squared;
        };
        off.iter_mut().for_each(|off| *off *= -2.0);
        let mut rooms = [[0.0; MOST]; 2];
        let [by_state, by_action] = &mut rooms;
        let (by_state, by_action) = (&mut by_state[..self.states], &mut by_action[..self.actions]);
        (self.pull)(state, action, off, by_state, by_action);
        of_state.iter_mut().zip(by_state).for_each(|(to, by)| *to += *by);
        of_action.iter_mut().zip(by_action).for_each(|(to, by)| *to += *by);
        of_next.iter_mut().zip(off).for_each(|(to, by)| *to -= *by);
        squared
    }
}
