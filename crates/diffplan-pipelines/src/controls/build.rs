//! From what tables say to guides and constraints.

use super::spec::{
    ConstraintKind, ConstraintSpec, Dim, GoalWhen, GuideKind, GuideSpec, LimitsSpec, Numbers, ObstaclesSpec, Of,
    ValueSpec,
};
use super::{Context, Controls};
use crate::constraint::Constraint;
use crate::costs::{
    Cost, CostGuide, Effort, GoalDistance, GoalTime, Integrator, Linear, ObstacleCost, Residual, Smoothness,
    SoftLimits, SoftSpeed,
};
use crate::error::{Error, Result};
use crate::guide::{CleanValue, Ensemble, Guide, GuideTerm, Sees, ValueNetwork, other_units, same_units};
use crate::limits::{Equal, Limits, Obstacles, Shape, SpeedLimit};
use crate::pipeline::ValueGuidedPipeline;
use crate::pretrained::read_normalizers;
use diffplan_files::{Folder, folder_of};
use diffplan_models::UNet1dModel;
use ndarray::{Array1, Array2};
use std::path::Path;
use std::sync::Arc;

pub(super) fn apply(
    controls: &Controls,
    pipeline: ValueGuidedPipeline,
    context: &Context,
) -> Result<ValueGuidedPipeline> {
    let builder = Builder {
        controls,
        pipeline: &pipeline,
        context,
    };
    let mut terms: Vec<GuideTerm> = Vec::new();
    if !controls
        .guides
        .iter()
        .any(|spec| matches!(spec.kind, GuideKind::Value(_)))
    {
        terms.extend(pipeline.guides().iter().cloned());
    }
    for spec in &controls.guides {
        let term = builder.term(spec);
        terms.extend(term.map_err(|error| builder.at(spec.line, spec.kind.name(), error))?);
    }
    let constraints = builder.constraints()?;
    let all = pipeline.constraints().iter().cloned().chain(constraints);
    let all: Vec<_> = all.collect();
    Ok(pipeline.with_terms(terms).with_constraints(all))
}

struct Builder<'a> {
    controls: &'a Controls,
    pipeline: &'a ValueGuidedPipeline,
    context: &'a Context,
}

/// An error that says what is wrong with what a table asks for.
fn wrong<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Parts(reason.into()))
}

impl Builder<'_> {
    fn at(&self, line: Option<usize>, kind: &str, error: Error) -> Error {
        match error {
            // Names itself what it is about.
            error @ Error::Config { .. } => error,
            error => self.controls.refuse(line, kind, &error.to_string()),
        }
    }

    fn channels(&self, of: Of, dims: Option<&[Dim]>) -> Result<Vec<usize>> {
        let channels = self.context.channels(of, dims, self.pipeline.layout());
        let channels = channels.map_err(Error::Parts)?;
        match channels.is_empty() {
            true => wrong("no dimensions, expected at least one"),
            false => Ok(channels),
        }
    }

    /// What it is called in reports.
    fn name(&self, given: Option<&String>, kind: &str, channels: &[usize]) -> String {
        let names = channels
            .iter()
            .map(|&channel| self.context.describe(channel, self.pipeline.layout()));
        match given {
            Some(name) => name.clone(),
            None if channels.len() <= 4 => format!("{kind} ({})", names.collect::<Vec<_>>().join(", ")),
            None => kind.to_owned(),
        }
    }

    /// A guide with its weight; none where that is 0.
    fn term(&self, spec: &GuideSpec) -> Result<Option<GuideTerm>> {
        let [from, to] = spec.range;
        if !(spec.weight.is_finite() && (0.0..1.0).contains(&from) && from < to && to <= 1.0) {
            return wrong(format!(
                "`weight` {} and `range` [{from}, {to}], expected a finite weight and a range between 0 and 1 that rises",
                spec.weight
            ));
        }
        if spec.weight == 0.0 {
            return Ok(None);
        }
        let guide: Arc<dyn Guide> = match &spec.kind {
            GuideKind::Value(value) => self.value(value, spec.sees.unwrap_or(Sees::Noised))?,
            _ => {
                let guide = CostGuide::of(self.pipeline, self.cost(spec)?);
                Arc::new(guide.seeing(spec.sees.unwrap_or(Sees::Clean)))
            }
        };
        let mut term = GuideTerm::new(spec.weight, guide);
        term.name.clone_from(&spec.name);
        Ok(Some(term.schedule(spec.schedule).range(spec.range)))
    }

    fn cost(&self, spec: &GuideSpec) -> Result<Arc<dyn Cost>> {
        let kind = spec.kind.name();
        let name = |channels: &[usize]| self.name(spec.name.as_ref(), kind, channels);
        let layout = self.pipeline.layout();
        Ok(match &spec.kind {
            GuideKind::Goal(goal) => {
                let channels = self.channels(Of::Observations, goal.dims.as_deref())?;
                let time = match goal.at {
                    GoalWhen::Step(step) => GoalTime::At(step),
                    GoalWhen::Time(time) => time,
                };
                Arc::new(GoalDistance::new(name(&channels), channels, &goal.goal)?.at(time))
            }
            GuideKind::Obstacles(obstacles) => {
                let Way {
                    channels,
                    shapes,
                    radius,
                } = self.way(obstacles)?;
                Arc::new(ObstacleCost::new(
                    name(&channels),
                    channels,
                    shapes,
                    radius + obstacles.margin,
                )?)
            }
            GuideKind::Effort(effort) => {
                let channels = self.channels(Of::Actions, effort.dims.as_deref())?;
                Arc::new(Effort::new(name(&channels), channels))
            }
            GuideKind::Smoothness(smoothness) => {
                let channels = self.channels(smoothness.of, smoothness.dims.as_deref())?;
                Arc::new(Smoothness::new(name(&channels), channels, smoothness.order)?)
            }
            GuideKind::StateLimits(limits) => {
                let (channels, [low, high]) = self.limits(Of::Observations, limits)?;
                Arc::new(SoftLimits::new(name(&channels), channels, &low, &high)?)
            }
            GuideKind::ActionLimits(limits) => {
                let (channels, [low, high]) = self.limits(Of::Actions, limits)?;
                Arc::new(SoftLimits::new(name(&channels), channels, &low, &high)?)
            }
            GuideKind::Speed(speed) => {
                let channels = self.channels(Of::Observations, Some(&speed.dims))?;
                Arc::new(SoftSpeed::new(name(&channels), channels, speed.speed, speed.dt)?)
            }
            GuideKind::Dynamics(model) => {
                let c = match model.c.is_empty() {
                    true => vec![0.0; model.a.len()],
                    false => model.c.clone(),
                };
                let model = Linear::new(matrix("a", &model.a)?, matrix("b", &model.b)?, Array1::from(c))?;
                let name = spec.name.clone().unwrap_or_else(|| kind.to_owned());
                Arc::new(Residual::new(name, layout.clone(), model)?)
            }
            GuideKind::Integrator(integrator) => {
                let start = layout.observations().start;
                let dims = |dims: &[Dim]| -> Result<Vec<usize>> {
                    let channels = self.channels(Of::Observations, Some(dims))?;
                    Ok(channels.into_iter().map(|channel| channel - start).collect())
                };
                let positions = self.channels(Of::Observations, Some(&integrator.positions))?;
                let name = name(&positions);
                let model = Integrator::new(
                    dims(&integrator.positions)?,
                    dims(&integrator.velocities)?,
                    integrator.dt,
                )?;
                Arc::new(Residual::new(name, layout.clone(), model)?)
            }
            GuideKind::Value(_) => return wrong("a learned value is no cost"),
        })
    }

    fn limits(&self, of: Of, spec: &LimitsSpec) -> Result<(Vec<usize>, [Vec<f64>; 2])> {
        let channels = self.channels(of, spec.dims.as_deref())?;
        if let (None, None) = (&spec.low, &spec.high) {
            let Some(space) = self.context.action_space.as_ref().filter(|_| of == Of::Actions) else {
                return wrong(
                    "neither `low` nor `high`: expected one at least (of actions, those of the environment where it is known)",
                );
            };
            let start = self.pipeline.layout().actions().start;
            let own = |numbers: &Vec<f64>| -> Vec<f64> {
                let number = |&channel: &usize| numbers.get(channel - start).copied();
                channels.iter().filter_map(number).collect()
            };
            let both = [own(&space[0]), own(&space[1])];
            return Ok((channels, both));
        }
        let numbers = |given: Option<&Numbers>, none: f64| match given {
            None => vec![none; channels.len()],
            Some(Numbers::All(number)) => vec![*number; channels.len()],
            Some(Numbers::Each(numbers)) => numbers.clone(),
        };
        let both = [
            numbers(spec.low.as_ref(), f64::NEG_INFINITY),
            numbers(spec.high.as_ref(), f64::INFINITY),
        ];
        Ok((channels, both))
    }

    /// What is in the way of what.
    fn way(&self, spec: &ObstaclesSpec) -> Result<Way> {
        let walls = self.context.walls.as_ref().filter(|_| spec.walls);
        if spec.walls && walls.is_none() {
            return wrong(
                "`walls` is true, and the environment has none that are known here; expected `boxes` or `discs`",
            );
        }
        let own_dims = walls.map(|walls| walls.dims.map(Dim::Index));
        let Some(dims) = spec.dims.as_ref().or(own_dims.as_ref()) else {
            return wrong("`dims` is missing, expected the two that are the position");
        };
        let channels = self.channels(Of::Observations, Some(dims))?;
        let square = |&[x0, y0, x1, y1]: &[f64; 4]| Shape::Box {
            low: [x0, y0],
            high: [x1, y1],
        };
        let disc = |&[x, y, radius]: &[f64; 3]| Shape::Disc { center: [x, y], radius };
        let of_walls = walls.map_or(&[][..], |walls| &walls.boxes);
        let boxes = spec.boxes.iter().chain(of_walls).map(square);
        let shapes: Vec<Shape> = spec.discs.iter().map(disc).chain(boxes).collect();
        if shapes.is_empty() {
            return wrong("nothing is in the way, expected `discs`, `boxes` or `walls`");
        }
        Ok(Way {
            channels: [channels[0], channels[1]],
            shapes,
            radius: spec.radius.or(walls.map(|walls| walls.radius)).unwrap_or(0.0),
        })
    }

    /// All constraints, in order. Those that limit the position are what a way out of an obstacle stays within.
    fn constraints(&self) -> Result<Vec<Arc<dyn Constraint>>> {
        let specs = &self.controls.constraints;
        let refuse = |spec: &ConstraintSpec, error| self.at(spec.line, spec.kind.name(), error);
        let mut made: Vec<Option<Arc<dyn Constraint>>> = Vec::new();
        for spec in specs {
            made.push(self.constraint(spec).map_err(|error| refuse(spec, error))?);
        }
        let limits: Vec<_> = self
            .pipeline
            .constraints()
            .iter()
            .chain(made.iter().flatten())
            .cloned()
            .collect();
        let mut all = Vec::with_capacity(specs.len());
        for (spec, made) in specs.iter().zip(made) {
            all.push(match (made, &spec.kind) {
                (Some(constraint), _) => constraint,
                (None, ConstraintKind::Obstacles(obstacles)) => {
                    let made = self.obstacles(spec, obstacles, &limits);
                    made.map_err(|error| refuse(spec, error))?
                }
                (None, _) => continue,
            });
        }
        Ok(all)
    }

    fn obstacles(
        &self,
        spec: &ConstraintSpec,
        obstacles: &ObstaclesSpec,
        limits: &[Arc<dyn Constraint>],
    ) -> Result<Arc<dyn Constraint>> {
        let Way {
            channels,
            shapes,
            radius,
        } = self.way(obstacles)?;
        let name = self.name(spec.name.as_ref(), spec.kind.name(), &channels);
        let (mut low, mut high) = ([f64::NEG_INFINITY; 2], [f64::INFINITY; 2]);
        for (dim, &channel) in channels.iter().enumerate() {
            for limit in limits {
                let [own_low, own_high] = limit.bounds(channel).map(f64::from);
                (low[dim], high[dim]) = (low[dim].max(own_low), high[dim].min(own_high));
            }
            // Nobody leaves a maze through its outer wall.
            if let Some(walls) = self.context.walls.as_ref().filter(|_| obstacles.walls) {
                let of_wall = |corner: usize| walls.boxes.iter().map(move |wall| wall[corner]);
                low[dim] = low[dim].max(of_wall(dim).fold(f64::INFINITY, f64::min));
                high[dim] = high[dim].min(of_wall(dim + 2).fold(f64::NEG_INFINITY, f64::max));
            }
        }
        let made = Obstacles::new(name, channels, shapes, radius + obstacles.margin)?;
        Ok(Arc::new(made.within(low, high)?))
    }

    /// A constraint; none yet of obstacles.
    fn constraint(&self, spec: &ConstraintSpec) -> Result<Option<Arc<dyn Constraint>>> {
        let name = |channels: &[usize]| self.name(spec.name.as_ref(), spec.kind.name(), channels);
        Ok(Some(match &spec.kind {
            ConstraintKind::StateLimits(limits) => {
                let (channels, [low, high]) = self.limits(Of::Observations, limits)?;
                Arc::new(Limits::new(name(&channels), channels, &low, &high)?)
            }
            ConstraintKind::ActionLimits(limits) => {
                let (channels, [low, high]) = self.limits(Of::Actions, limits)?;
                Arc::new(Limits::new(name(&channels), channels, &low, &high)?)
            }
            ConstraintKind::Speed(speed) => {
                let channels = self.channels(Of::Observations, Some(&speed.dims))?;
                Arc::new(SpeedLimit::new(name(&channels), channels, speed.speed, speed.dt)?)
            }
            ConstraintKind::Fixed(fixed) => {
                let channels = self.channels(fixed.of, Some(&fixed.dims))?;
                let values = match &fixed.values {
                    Numbers::All(number) => vec![*number; channels.len()],
                    Numbers::Each(numbers) => numbers.clone(),
                };
                let equal = Equal::new(name(&channels), channels, &values)?;
                match fixed.steps {
                    Some([from, to]) => Arc::new(equal.steps(from..to)),
                    None => Arc::new(equal),
                }
            }
            ConstraintKind::Obstacles(_) => return Ok(None),
        }))
    }

    /// Learned values.
    fn value(&self, spec: &ValueSpec, sees: Sees) -> Result<Arc<dyn Guide>> {
        let each = spec.checkpoints.iter().map(|from| match from.as_str() {
            "own" => self.own_value(sees),
            folder => self.value_of(folder, sees),
        });
        let mut guides: Vec<Arc<dyn Guide>> = each.collect::<Result<_>>()?;
        match guides.len() {
            1 => Ok(guides.remove(0)),
            _ => Ok(Arc::new(Ensemble::new(guides, spec.aggregate)?)),
        }
    }

    fn own_value(&self, sees: Sees) -> Result<Arc<dyn Guide>> {
        let Some(own) = self.pipeline.guides().first() else {
            return wrong(
                "the checkpoint has no value function of its own; expected `checkpoints` with folders of others, and no \"own\"",
            );
        };
        Ok(match sees {
            Sees::Noised => Arc::clone(&own.guide),
            Sees::Clean => Arc::new(CleanValue::new(Arc::clone(&own.guide))),
        })
    }

    /// The value function of another folder: a checkpoint, or the part of one.
    fn value_of(&self, from: &str, sees: Sees) -> Result<Arc<dyn Guide>> {
        let path = self
            .controls
            .path
            .as_deref()
            .map_or_else(|| Path::new(from).to_owned(), |file| folder_of(file).join(from));
        let folder = Folder::at(&path);
        folder.names()?;
        let part = match folder.has("value_function")? {
            true => folder.sub("value_function"),
            false => folder.clone(),
        };
        let model = UNet1dModel::from_folder(&part).map_err(|error| Error::Network {
            part: "value_function",
            error,
        })?;
        let guide: Arc<dyn Guide> = Arc::new(ValueNetwork::new(model)?);
        // A value function alone is in the planner's units.
        let own = match folder.has("normalizer.json")? {
            true => Some(read_normalizers(&folder)?),
            false => None,
        };
        let other = own.filter(|own| !same_units(own, self.pipeline.normalizers()));
        match (sees, other) {
            (Sees::Noised, None) => Ok(guide),
            (Sees::Noised, Some(_)) => Err(other_units(from)),
            (Sees::Clean, None) => Ok(Arc::new(CleanValue::new(guide))),
            (Sees::Clean, Some(own)) => {
                let (layout, planner) = (self.pipeline.layout().clone(), Arc::clone(&self.pipeline.normalizers));
                Ok(Arc::new(CleanValue::new(guide).between(layout, planner, Arc::new(own))))
            }
        }
    }
}

/// Shapes in the way of a position.
struct Way {
    channels: [usize; 2],
    shapes: Vec<Shape>,
    radius: f64,
}

/// Rows as a matrix.
fn matrix(name: &str, rows: &[Vec<f64>]) -> Result<Array2<f64>> {
    let columns = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != columns) {
        return wrong(format!(
            "the rows of `{name}` differ in length, expected as many numbers in each"
        ));
    }
    let numbers = rows.iter().flatten().copied().collect();
    Array2::from_shape_vec((rows.len(), columns), numbers).map_err(|error| Error::Parts(format!("`{name}`: {error}")))
}
