//! [`Context`]: what controls refer to: names of dimensions, walls, a goal.

use super::spec::{Dim, Of};
use crate::layout::SampleLayout;
use diffplan_files::nearest;

/// What is known of an environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// What the dimensions of observations are called; may be empty, then they have numbers alone.
    pub observations: Vec<String>,
    /// What the dimensions of actions are called; may be empty.
    pub actions: Vec<String>,
    /// The least and most of each action dimension, where the environment takes no others.
    pub action_space: Option<[Vec<f64>; 2]>,
    /// Its walls.
    pub walls: Option<Walls>,
}

/// Walls of an environment, for `walls = true`.
#[derive(Clone, Debug, PartialEq)]
pub struct Walls {
    /// The dimensions of observations that are the position.
    pub dims: [usize; 2],
    /// Boxes: lower corner, upper corner.
    pub boxes: Vec<[f64; 4]>,
    /// The mover's radius.
    pub radius: f64,
}

impl Context {
    /// Names of dimensions alone.
    pub fn named(observations: Vec<String>, actions: Vec<String>) -> Self {
        Self {
            observations,
            actions,
            ..Self::default()
        }
    }

    fn names(&self, of: Of) -> &[String] {
        match of {
            Of::Observations => &self.observations,
            Of::Actions => &self.actions,
        }
    }

    /// Channels of a sample by dimension; all where none are given.
    ///
    /// # Errors
    /// Which there is not, and which was probably meant.
    pub(super) fn channels(
        &self,
        of: Of,
        dims: Option<&[Dim]>,
        layout: &SampleLayout,
    ) -> std::result::Result<Vec<usize>, String> {
        let own = match of {
            Of::Observations => layout.observations(),
            Of::Actions => layout.actions(),
        };
        let Some(dims) = dims else {
            return Ok(own.collect());
        };
        let what = match of {
            Of::Observations => "observations",
            Of::Actions => "actions",
        };
        let one = |dim: &Dim| match dim {
            Dim::Index(index) if *index < own.len() => Ok(own.start + index),
            Dim::Index(index) => Err(format!("dimension {index} of {what}, expected below {}", own.len())),
            Dim::Name(name) => self
                .by_name(of, name)
                .map(|index| own.start + index)
                .filter(|channel| own.contains(channel))
                .ok_or_else(|| {
                    let names = self.names(of);
                    let meant = nearest(name, names.iter().map(String::as_str));
                    let meant = meant.map_or(String::new(), |meant| format!(", did you mean {meant:?}?"));
                    let there = match names.is_empty() {
                        true => format!("their names are not known here: expected numbers below {}", own.len()),
                        false => format!("there are {}", names.join(", ")),
                    };
                    format!("no dimension {name:?} of {what}{meant}; {there}")
                }),
        };
        dims.iter().map(one).collect()
    }

    fn by_name(&self, of: Of, name: &str) -> Option<usize> {
        self.names(of).iter().position(|own| own == name)
    }

    /// What a channel is called.
    pub fn describe(&self, channel: usize, layout: &SampleLayout) -> String {
        let (actions, observations) = (layout.actions(), layout.observations());
        let known = match actions.contains(&channel) {
            true => self.actions.get(channel - actions.start),
            false if observations.contains(&channel) => self.observations.get(channel - observations.start),
            false => None,
        };
        known.cloned().unwrap_or_else(|| layout.describe(channel))
    }
}
