//! What tables of a file say, as types.

use crate::costs::GoalTime;
use crate::guide::{Aggregate, GuideSchedule, Sees};
use serde::{Deserialize, Serialize};

/// A dimension of observations or actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a dimension: its name in quotes, or its number from 0"
)]
pub enum Dim {
    /// By number, from 0, among those that the table is about.
    Index(usize),
    /// By name.
    Name(String),
}

/// One number for all dimensions, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of one for each dimension")]
pub enum Numbers {
    /// The same for all.
    All(f64),
    /// One each.
    Each(Vec<f64>),
}

/// What dimensions are numbered among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// Observations.
    Observations,
    /// Actions.
    Actions,
}

/// A `[[guide]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GuideSpec {
    /// What it is.
    pub kind: GuideKind,
    /// What it is called in reports, in place of its kind and dimensions.
    pub name: Option<String>,
    /// What its values and gradients are multiplied by; a guide of weight 0 is left out.
    pub weight: f32,
    /// How long its gradient step is at which timestep.
    pub schedule: GuideSchedule,
    /// The part of the visits at which it has one.
    pub range: [f32; 2],
    /// What it is shown: the clean plan by default, and the noised one where it is a value function.
    pub sees: Option<Sees>,
    /// Its line in a file.
    pub line: Option<usize>,
}

impl GuideSpec {
    /// With the defaults of a file.
    pub fn new(kind: GuideKind) -> Self {
        Self {
            kind,
            name: None,
            weight: 1.0,
            schedule: GuideSchedule::default(),
            range: [0.0, 1.0],
            sees: None,
            line: None,
        }
    }
}

/// A `[[constraint]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstraintSpec {
    /// What it is.
    pub kind: ConstraintKind,
    /// What it is called in reports, in place of its kind and dimensions.
    pub name: Option<String>,
    /// Its line in a file.
    pub line: Option<usize>,
}

impl ConstraintSpec {
    /// With the defaults of a file.
    pub fn new(kind: ConstraintKind) -> Self {
        Self {
            kind,
            name: None,
            line: None,
        }
    }
}

/// Makes an enum of kinds, what each is called in a file, and the keys that each has.
macro_rules! kinds {
    ($(#[$doc:meta])* $kinds:ident { $($(#[$of:meta])* $kind:ident($spec:ident) = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $kinds {
            $($(#[$of])* $kind($spec),)+
        }

        impl $kinds {
            /// What they are called in a file, `type`.
            pub const NAMES: &'static [&'static str] = &[$($name,)+];

            /// What it is called in a file.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)+
                }
            }

            /// The keys of a kind of this name, beside those of all kinds; none if there is none.
            pub(super) fn keys(name: &str) -> &'static [&'static str] {
                match name {
                    $($name => $spec::KEYS,)+
                    _ => &[],
                }
            }

            /// Of a kind of this name, from its keys.
            pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(name: &str, from: D) -> Result<Self, D::Error> {
                match name {
                    $($name => $spec::deserialize(from).map(Self::$kind),)+
                    _ => Err(serde::de::Error::unknown_variant(name, Self::NAMES)),
                }
            }
        }
    };
}

kinds! {
    /// The kinds of guides.
    GuideKind {
        /// Learned values.
        Value(ValueSpec) = "value",
        /// [`GoalDistance`](crate::costs::GoalDistance).
        Goal(GoalSpec) = "goal",
        /// [`ObstacleCost`](crate::costs::ObstacleCost).
        Obstacles(ObstaclesSpec) = "obstacles",
        /// [`Effort`](crate::costs::Effort).
        Effort(EffortSpec) = "effort",
        /// [`Smoothness`](crate::costs::Smoothness).
        Smoothness(SmoothnessSpec) = "smoothness",
        /// [`SoftLimits`](crate::costs::SoftLimits) of observations.
        StateLimits(LimitsSpec) = "state-limits",
        /// [`SoftLimits`](crate::costs::SoftLimits) of actions.
        ActionLimits(LimitsSpec) = "action-limits",
        /// [`SoftSpeed`](crate::costs::SoftSpeed).
        Speed(SpeedSpec) = "speed",
        /// [`Residual`](crate::costs::Residual) of a [`Linear`](crate::costs::Linear) model.
        Dynamics(DynamicsSpec) = "dynamics",
        /// [`Residual`](crate::costs::Residual) of an [`Integrator`](crate::costs::Integrator).
        Integrator(IntegratorSpec) = "integrator",
    }
}

kinds! {
    /// The kinds of constraints.
    ConstraintKind {
        /// [`Limits`](crate::limits::Limits) of observations.
        StateLimits(LimitsSpec) = "state-limits",
        /// [`Limits`](crate::limits::Limits) of actions.
        ActionLimits(LimitsSpec) = "action-limits",
        /// [`SpeedLimit`](crate::limits::SpeedLimit).
        Speed(SpeedSpec) = "speed",
        /// [`Obstacles`](crate::limits::Obstacles).
        Obstacles(ObstaclesSpec) = "obstacles",
        /// [`Equal`](crate::limits::Equal).
        Fixed(FixedSpec) = "fixed",
    }
}

/// Makes the struct of a kind's keys.
macro_rules! keys {
    ($(#[$doc:meta])* $spec:ident { $($(#[$of:meta])* $key:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $spec {
            $($(#[$of])* pub $key: $kind,)+
        }

        impl $spec {
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key),)+];
        }
    };
}

keys! {
    /// Learned values.
    ValueSpec {
        /// Folders of checkpoints, or of value functions; `own` is the planner's own.
        #[serde(default = "own")]
        checkpoints: Vec<String>,
        /// How they become one value.
        #[serde(default)]
        aggregate: Aggregate,
    }
}

fn own() -> Vec<String> {
    vec!["own".into()]
}

impl Default for ValueSpec {
    fn default() -> Self {
        Self {
            checkpoints: own(),
            aggregate: Aggregate::default(),
        }
    }
}

/// When a goal is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"end\", \"nearest\", or a step from 0")]
pub enum GoalWhen {
    /// At this step.
    Step(usize),
    /// At the end, or where the plan is nearest.
    Time(GoalTime),
}

impl Default for GoalWhen {
    fn default() -> Self {
        Self::Time(GoalTime::End)
    }
}

keys! {
    /// A goal.
    GoalSpec {
        /// Dimensions of observations; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dims: Option<Vec<Dim>>,
        /// Where it is: a number for each.
        goal: Vec<f64>,
        /// When.
        #[serde(default)]
        at: GoalWhen,
    }
}

keys! {
    /// What is in the way.
    ObstaclesSpec {
        /// The two dimensions of observations that are the position; those of the walls where there are any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dims: Option<[Dim; 2]>,
        /// Discs: center in both dimensions, radius.
        #[serde(default)]
        discs: Vec<[f64; 3]>,
        /// Boxes: lower corner, upper corner.
        #[serde(default)]
        boxes: Vec<[f64; 4]>,
        /// The environment's own walls too.
        #[serde(default)]
        walls: bool,
        /// The mover's radius; the environment's own with walls, or else 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        radius: Option<f64>,
        /// How far beyond that it should stay away.
        #[serde(default)]
        margin: f64,
    }
}

keys! {
    /// Squares of actions.
    EffortSpec {
        /// Dimensions of actions; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dims: Option<Vec<Dim>>,
    }
}

keys! {
    /// Squares of differences.
    SmoothnessSpec {
        /// What the dimensions are of.
        #[serde(default = "actions")]
        of: Of,
        /// Dimensions; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dims: Option<Vec<Dim>>,
        /// 1 for differences of steps, 2 for differences of those.
        #[serde(default = "one")]
        order: usize,
    }
}

fn actions() -> Of {
    Of::Actions
}

fn one() -> usize {
    1
}

keys! {
    /// Limits of observations or actions.
    LimitsSpec {
        /// Dimensions; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dims: Option<Vec<Dim>>,
        /// The least; for actions the environment's own where neither is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low: Option<Numbers>,
        /// The most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high: Option<Numbers>,
    }
}

keys! {
    /// A limit of speed.
    SpeedSpec {
        /// Dimensions of observations that are the position.
        dims: Vec<Dim>,
        /// In the environment's units a second.
        speed: f64,
        /// Seconds of a step.
        dt: f64,
    }
}

keys! {
    /// A linear model of all observations and actions: `s' = a s + b u + c`.
    DynamicsSpec {
        /// Rows of the matrix of states.
        a: Vec<Vec<f64>>,
        /// Rows of the matrix of actions.
        b: Vec<Vec<f64>>,
        /// What is added; 0 by default.
        #[serde(default)]
        c: Vec<f64>,
    }
}

keys! {
    /// Positions that move by their velocities.
    IntegratorSpec {
        /// Dimensions of observations.
        positions: Vec<Dim>,
        /// Dimensions of observations, as many.
        velocities: Vec<Dim>,
        /// Seconds of a step.
        dt: f64,
    }
}

keys! {
    /// Dimensions that have a number.
    FixedSpec {
        /// What the dimensions are of.
        #[serde(default = "observations")]
        of: Of,
        /// Dimensions.
        dims: Vec<Dim>,
        /// Their numbers.
        values: Numbers,
        /// The first step at which they have them, and the one after the last; all by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<[usize; 2]>,
    }
}

fn observations() -> Of {
    Of::Observations
}
