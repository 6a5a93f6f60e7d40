//! One picture of a plan: the candidates in the environment's own picture or in a plane from above, every dimension over time, the
//! values on the way out of noise; and, on the same scales beside it, what the same noise gives without guidance.

use super::Recording;
use super::side::{PICTURE, Side};
use crate::chart::{self, Area, COLOURS, DrawResult, HorizontalGrid, INK, MUTED, legend, number, px, text};
use crate::error::{Error, Result};
use crate::frames::paste;
use crate::plane::Plane;
use crate::stage::Stage;
use crate::style::{PLANNED, faded};
use diffplan_envs::Frame;
use diffplan_eval::Names;
use diffplan_pipelines::ValueGuidedPipeline;
use ndarray::Axis;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;

pub(super) const FILE: &str = "a picture of a plan";
const WIDTH: usize = 1500;
const MARGIN: usize = 26;
const HEADER: usize = 112;
/// The row of pictures and values.
const SCENE: usize = TITLE + PICTURE.1;
/// Values that stand alone.
const VALUES: usize = 300;
const GAP: usize = 20;
/// Above a picture or a column.
const TITLE: usize = 34;
const X_AXIS: usize = 46;
/// A row of charts; of more than so many dimensions, a lower one.
const ROW: usize = 150;
const MANY: usize = 8;
const LOW_ROW: usize = 112;
/// What no guidance gives.
const UNGUIDED: RGBColor = COLOURS[1];

/// What is drawn of a plan beside its dimensions and values.
#[derive(Default)]
pub struct PlanView<'a> {
    /// An environment in the state planned from: the paths are drawn in its picture.
    pub stage: Option<&'a Stage>,
    /// A plane from above, and which two dimensions of an observation are x and y in it: the paths are drawn there rather than in the
    /// environment's picture.
    pub plane: Option<(&'a Plane, [usize; 2])>,
    /// The same noise planned without guidance: drawn beside it on the same scales.
    pub unguided: Option<&'a Recording>,
}

impl Recording {
    /// The plan in one picture, encoded PNG, with a title to which numbers are added, and the dimensions by their names.
    ///
    /// # Errors
    /// [`Error::Unlike`] if the plan without guidance is of another shape, [`Error::Plane`] of a plane that cannot be drawn; what a
    /// guide, a normaliser or the stage says.
    pub fn png(
        &self,
        pipeline: &ValueGuidedPipeline,
        (title, names): (String, &Names),
        view: &PlanView,
    ) -> Result<Vec<u8>> {
        if let Some((plane, dims)) = view.plane {
            plane.check()?;
            if let Some(dim) = dims.iter().find(|&&dim| dim >= pipeline.observation_dim()) {
                let count = pipeline.observation_dim();
                return Err(Error::Plane(format!(
                    "dimension {dim} of observations is to be drawn, expected one of 0 to {}",
                    count.saturating_sub(1)
                )));
            }
        }
        let mut sides = vec![Side::of(self, pipeline, PLANNED)?];
        if let Some(unguided) = view.unguided {
            let (ours, theirs) = (self.plan.trajectories.dim(), unguided.plan.trajectories.dim());
            if ours != theirs || self.timesteps != unguided.timesteps {
                return Err(Error::Unlike(format!(
                    "{ours:?} in {} steps and {theirs:?} in {}, expected (candidates, horizon, dimensions) and steps to be the same",
                    self.timesteps, unguided.timesteps
                )));
            }
            sides.push(Side::of(unguided, pipeline, UNGUIDED)?);
        }
        Still {
            title: self.title(&title),
            steps: self.timesteps,
            panels: panels(&sides, names, pipeline),
            pictures: sides
                .iter()
                .map(|side| side.picture(pipeline, view))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect(),
            sides,
        }
        .png()
    }
}

/// One dimension over the horizon.
struct Panel {
    label: String,
    column: usize,
    /// Actions are held from a step to the next.
    held: bool,
    /// Of all candidates, guided or not.
    range: Range<f64>,
}

/// Observations, then actions.
fn panels(sides: &[Side], names: &Names, pipeline: &ValueGuidedPipeline) -> Vec<Panel> {
    let layout = pipeline.layout();
    let observations = layout.observations().zip(&names.observations).map(|of| (of, false));
    let actions = layout.actions().zip(&names.actions).map(|of| (of, true));
    let panel = |((column, name), held): ((usize, &String), bool)| {
        let of_side = |side: &Side| side.candidates.index_axis(Axis(2), column).to_owned();
        let values = sides.iter().flat_map(of_side).map(f64::from);
        Panel {
            label: name.clone(),
            column,
            held,
            range: chart::range(values, 0.06),
        }
    };
    observations.chain(actions).map(panel).collect()
}

/// All that is drawn.
struct Still {
    title: String,
    steps: usize,
    sides: Vec<Side>,
    panels: Vec<Panel>,
    /// One a side, or none.
    pictures: Vec<Frame>,
}

impl Still {
    /// How high the row of pictures and values is.
    fn scene(&self) -> usize {
        match (self.pictures.is_empty(), self.sides[0].values.is_some()) {
            (false, _) => SCENE + GAP,
            (true, true) => VALUES + GAP,
            (true, false) => 0,
        }
    }

    /// Of a plan alone two columns share its dimensions, of two plans each has one.
    fn rows(&self) -> usize {
        match self.sides.len() {
            1 => self.panels.len().div_ceil(2),
            _ => self.panels.len(),
        }
    }

    fn row(&self) -> usize {
        if self.rows() > MANY { LOW_ROW } else { ROW }
    }

    fn png(&self) -> Result<Vec<u8>> {
        let titles = if self.sides.len() > 1 { TITLE } else { 0 };
        let height = HEADER + self.scene() + titles + self.rows() * self.row() + X_AXIS + GAP / 2;
        let mut picture = chart::pixels(FILE, WIDTH, height, &|root| self.draw(root, titles))?;
        for (i, frame) in self.pictures.iter().enumerate() {
            paste(&mut picture, frame, (self.picture_left(i), HEADER + TITLE));
        }
        chart::encode(&picture).map_err(Error::encode(FILE))
    }

    fn picture_left(&self, i: usize) -> usize {
        let before = self.pictures[..i].iter().map(|frame| frame.width as usize + GAP);
        MARGIN + before.sum::<usize>()
    }

    fn draw(&self, root: &Area, titles: usize) -> DrawResult {
        root.fill(&WHITE)?;
        self.draw_header(root)?;
        self.draw_scene(root)?;
        let top = HEADER + self.scene();
        let width = (WIDTH - 2 * MARGIN) / 2;
        for column in 0..2 {
            let left = MARGIN + column * width;
            if let (true, Some(side)) = (titles > 0, self.sides.get(column)) {
                let bold = text(17, FontStyle::Bold, side.colour, HPos::Left);
                let at = (px(left + 96) as i32, px(top + titles / 2) as i32);
                root.draw(&Text::new(side.caption(), at, bold))?;
            }
            let (side, skipped) = match self.sides.len() {
                1 => (&self.sides[0], column * self.rows()),
                _ => (&self.sides[column], 0),
            };
            let shown: Vec<&Panel> = self.panels.iter().skip(skipped).take(self.rows()).collect();
            for (i, panel) in shown.iter().enumerate() {
                let last = i + 1 == shown.len();
                let (x, y) = (px(left), px(top + titles + i * self.row()));
                let high = self.row() + if last { X_AXIS } else { 0 };
                let part = root.clone().shrink((x, y), (px(width), px(high)));
                draw_panel(&part, panel, side, last)?;
            }
        }
        Ok(())
    }

    fn draw_header(&self, root: &Area) -> DrawResult {
        let left = px(MARGIN) as i32;
        let bold = text(25, FontStyle::Bold, INK, HPos::Left);
        root.draw(&Text::new(self.title.clone(), (left, px(32) as i32), bold))?;
        let label = text(16, FontStyle::Normal, MUTED, HPos::Left);
        let (mut x, y) = (left, px(76) as i32);
        let count = self.sides[0].order.len();
        let (other, opacity) = faded(0, 2);
        let others = match count.saturating_sub(1) {
            1 => "1 other candidate".to_owned(),
            others if self.sides[0].values.is_none() => format!("{others} other candidates"),
            others => format!("{others} other candidates, the fainter the lower their value"),
        };
        x = legend(
            root,
            (x, y),
            "the candidate that is chosen",
            (PLANNED.stroke_width(px(4)), &label),
        )?;
        if count > 1 {
            x = legend(root, (x, y), &others, (other.mix(opacity).stroke_width(px(2)), &label))?;
        }
        if let Some(side) = self.sides.get(1) {
            let name = "the same noise without guidance";
            legend(root, (x, y), name, (side.colour.stroke_width(px(4)), &label))?;
        }
        Ok(())
    }

    fn draw_scene(&self, root: &Area) -> DrawResult {
        for (i, side) in self.sides.iter().enumerate().take(self.pictures.len()) {
            let bold = text(17, FontStyle::Bold, side.colour, HPos::Left);
            let at = (px(self.picture_left(i)) as i32, px(HEADER + TITLE / 2 - 4) as i32);
            let name = match (self.sides.len(), side.order.len()) {
                (1, 1) => "the plan",
                (1, _) => "the plan, and the other candidates",
                _ => side.name,
            };
            root.draw(&Text::new(name, at, bold))?;
        }
        if self.sides[0].values.is_none() {
            return Ok(());
        }
        let left = self
            .pictures
            .iter()
            .map(|frame| frame.width as usize + GAP)
            .sum::<usize>()
            + MARGIN;
        let part = root.clone().shrink(
            (px(left), px(HEADER)),
            (px(WIDTH - MARGIN - left), px(self.scene() - GAP)),
        );
        self.draw_values(&part)
    }

    /// Those of every candidate from noise to plan.
    fn draw_values(&self, area: &Area) -> DrawResult {
        let (head, body) = area.split_vertically(px(TITLE));
        let bold = text(17, FontStyle::Bold, INK, HPos::Left);
        let name = "values of all candidates, from noise to plan";
        head.draw(&Text::new(name, (px(96) as i32, px(TITLE / 2 - 4) as i32), bold))?;
        let all = self.sides.iter().filter_map(|side| side.values.as_ref());
        let range = chart::range(all.clone().flat_map(|values| values.values.iter().copied()), 0.06);
        let (span, end) = (range.end - range.start, self.steps.max(1) as f64);
        let label = all.map(|values| values.label).next().unwrap_or_default();
        let mut chart = ChartBuilder::on(&body)
            .margin_right(px(14))
            .margin_bottom(px(4))
            .y_label_area_size(px(96))
            .x_label_area_size(px(X_AXIS))
            .build_cartesian_2d(-0.01 * end..1.02 * end, range)?;
        chart
            .configure_mesh()
            .horizontal_grid()
            .x_labels(8)
            .y_labels(6)
            .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
            .y_label_formatter(&|y| number(*y, span))
            .x_label_formatter(&|x| number(*x, end))
            .x_desc("denoising steps made")
            .y_desc(label)
            .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
            .draw()?;
        for side in self.sides.iter().rev() {
            let Some(values) = &side.values else { continue };
            let visits = values.visits.iter().copied().chain([self.steps]);
            let at: Vec<f64> = visits.map(|visit| visit as f64).collect();
            let count = side.order.len().saturating_sub(1);
            for (place, &candidate) in side.order.iter().enumerate().rev() {
                let column = values.values.column(candidate);
                let points = at.iter().copied().zip(column.iter().copied());
                let points = points.filter(|(_, value)| value.is_finite());
                let style = side.style(place, count);
                chart.draw_series(LineSeries::new(points.clone(), style))?;
                let dot = (place == 0).then(|| points.clone().next_back()).flatten();
                chart.draw_series(dot.map(|at| Circle::new(at, px(5), side.colour.filled())))?;
            }
        }
        Ok(())
    }
}

fn draw_panel(area: &Area, panel: &Panel, side: &Side, with_x_axis: bool) -> DrawResult {
    let values = side.candidates.index_axis(Axis(2), panel.column);
    let end = (values.ncols() as f64 - 1.0).max(1.0);
    let span = panel.range.end - panel.range.start;
    let mut chart = ChartBuilder::on(area)
        .margin_right(px(20))
        .margin_top(px(10))
        .margin_bottom(px(6))
        .y_label_area_size(px(96))
        .x_label_area_size(if with_x_axis { px(X_AXIS) } else { 0 })
        .build_cartesian_2d(-0.01 * end..1.02 * end, panel.range.clone())?;
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(8)
        .y_labels(4)
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .y_label_formatter(&|y| number(*y, span))
        .x_label_formatter(&|x| number(*x, end))
        .x_desc(if with_x_axis { "step of the plan" } else { "" })
        .y_desc(panel.label.as_str())
        .axis_desc_style(text(16, FontStyle::Normal, INK, HPos::Center).transform(FontTransform::None))
        .draw()?;
    let count = values.nrows().saturating_sub(1);
    for (place, candidate) in values.outer_iter().enumerate().collect::<Vec<_>>().into_iter().rev() {
        let points = candidate.iter().enumerate().filter(|(_, value)| value.is_finite());
        let points = points.flat_map(|(step, &value)| {
            let (x, y) = (step as f64, f64::from(value));
            let held = panel.held.then_some(((x + 1.0).min(1.02 * end), y));
            [Some((x, y)), held].into_iter().flatten()
        });
        chart.draw_series(LineSeries::new(points, side.style(place, count)))?;
    }
    Ok(())
}
