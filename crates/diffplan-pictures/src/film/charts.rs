//! What is beside the picture in a film: an observation, an action and the return over time, up to the moment that is shown, and what
//! is planned from there on.

use crate::chart::{self, Area, DrawResult, HorizontalGrid, INK, MUTED, number, px, text};
use crate::error::Result;
use crate::style::{PLANNED, TRUE, faded};
use diffplan_envs::Frame;
use diffplan_eval::{Episode, Names};
use diffplan_pipelines::SampleLayout;
use ndarray::{Array2, Array3, ArrayView1, Axis};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;

pub(super) const WIDTH: usize = 430;
const X_AXIS: usize = 40;
/// Of an episode so long that a plan would hardly be seen, so many horizons are shown at a time.
const HORIZONS: usize = 5;

/// What there was to choose from at a step.
pub(super) struct Planned<'a> {
    /// (horizon, dimensions).
    pub(super) chosen: &'a Array2<f32>,
    /// (candidates, horizon, dimensions), the best first.
    pub(super) others: Option<&'a Array3<f32>>,
}

/// All charts of an episode.
pub(super) struct Charts {
    panels: Vec<Panel>,
    steps: usize,
    /// Of the longest plan.
    horizon: usize,
}

/// A quantity over time.
struct Panel {
    label: String,
    /// At every step; of what is held from a step to the next, at every step but the last.
    truth: Vec<f64>,
    held: bool,
    /// In plans, if it is planned.
    column: Option<usize>,
    range: Range<f64>,
}

impl Charts {
    /// The first observation, the first action, the return. Names are those of the dimensions.
    pub(super) fn of(
        episode: &Episode,
        returns: &[f64],
        (names, layout): (&Names, &SampleLayout),
        (plans, others): (&[Array2<f32>], &[Array3<f32>]),
    ) -> Self {
        let name = |names: &[String]| names.first().cloned().unwrap_or_default();
        let planned = |channels: Range<usize>| (!channels.is_empty()).then_some(channels.start);
        let mut panels = Vec::new();
        if episode.observations.ncols() > 0 {
            panels.push(Panel {
                label: name(&names.observations),
                truth: episode.observations.column(0).to_vec(),
                held: false,
                column: planned(layout.observations()),
                range: 0.0..1.0,
            });
        }
        if episode.actions.ncols() > 0 {
            panels.push(Panel {
                label: name(&names.actions),
                truth: numbers(episode.actions.column(0)),
                held: true,
                column: planned(layout.actions()),
                range: 0.0..1.0,
            });
        }
        panels.push(Panel {
            label: "return".into(),
            truth: returns.to_vec(),
            held: false,
            column: None,
            range: 0.0..1.0,
        });
        for panel in &mut panels {
            let column = panel.column;
            let of_plans = plans
                .iter()
                .flat_map(|plan| column.and_then(|column| plan.columns().into_iter().nth(column)))
                .flatten();
            let of_others = others
                .iter()
                .flat_map(|others| column.map(|column| others.index_axis(Axis(2), column)))
                .flatten();
            let planned = of_plans.chain(of_others).copied().map(f64::from);
            panel.range = chart::range(panel.truth.iter().copied().chain(planned), 0.06);
        }
        Self {
            panels,
            steps: episode.length(),
            horizon: plans.iter().map(Array2::nrows).max().unwrap_or(0),
        }
    }

    /// The steps that are shown when `step` is: all, or as many horizons as a plan can be seen in.
    fn page(&self, step: usize) -> Range<f64> {
        let length = HORIZONS * self.horizon.max(16);
        // Where nothing is planned there is no plan that would be too small.
        if self.horizon == 0 || self.steps <= length {
            return 0.0..self.steps.max(1) as f64;
        }
        // A plan is seen whole: the next page begins before it would not be.
        let each = length - self.horizon;
        let start = (step / each * each).min(self.steps - length);
        start as f64..(start + length) as f64
    }

    /// The charts at a step, `height` pixels high.
    pub(super) fn frame(
        &self,
        file: &'static str,
        height: usize,
        step: usize,
        planned: Option<&Planned>,
    ) -> Result<Frame> {
        chart::pixels(file, WIDTH, height, &|root| {
            root.fill(&WHITE)?;
            let each = height.saturating_sub(X_AXIS) / self.panels.len().max(1);
            let mut below = root.clone();
            for (i, panel) in self.panels.iter().enumerate() {
                let last = i + 1 == self.panels.len();
                let part;
                (part, below) = below.split_vertically(px(if last { each + X_AXIS } else { each }));
                panel.draw(&part, self.page(step), step, planned, last)?;
            }
            Ok(())
        })
    }
}

impl Panel {
    fn draw(
        &self,
        area: &Area,
        page: Range<f64>,
        step: usize,
        planned: Option<&Planned>,
        with_x_axis: bool,
    ) -> DrawResult {
        let (span, length) = (self.range.end - self.range.start, page.end - page.start);
        let time = page.start - 0.01 * length..page.end + 0.01 * length;
        let mut chart = ChartBuilder::on(area)
            .margin_left(px(10))
            .margin_right(px(18))
            .margin_top(px(14))
            .margin_bottom(px(6))
            .y_label_area_size(px(78))
            .x_label_area_size(if with_x_axis { px(X_AXIS) } else { 0 })
            .build_cartesian_2d(time, self.range.clone())?;
        chart
            .configure_mesh()
            .horizontal_grid()
            .x_labels(6)
            .y_labels(4)
            .label_style(text(13, FontStyle::Normal, MUTED, HPos::Center))
            .y_label_formatter(&|y| number(*y, span))
            .x_label_formatter(&|x| number(*x, length))
            .x_desc(if with_x_axis { "step" } else { "" })
            .y_desc(self.label.as_str())
            .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center).transform(FontTransform::None))
            .draw()?;
        let (past, future) = self.truth.split_at(step.min(self.truth.len()));
        let mut line = |points: Vec<(f64, f64)>, style: ShapeStyle| -> DrawResult {
            // The end of a page is on it.
            let on_page = |x: &f64| (page.start..=page.end).contains(x);
            let shown = points.into_iter().filter(|(x, y)| on_page(x) && y.is_finite());
            chart.draw_series(LineSeries::new(shown, style))?;
            Ok(())
        };
        let now = future.first().or(past.last()).copied();
        if let (Some(planned), Some(column)) = (planned, self.column) {
            // What came true of it, below all.
            let future = &future[..future.len().min(planned.chosen.nrows())];
            line(self.path(step, future), TRUE.stroke_width(px(5)))?;
            let others = planned.others.iter().flat_map(|others| others.outer_iter());
            let count = planned.others.map_or(0, |others| others.len_of(Axis(0)));
            let others: Vec<_> = others.enumerate().collect();
            for (rank, other) in others.into_iter().rev() {
                let (colour, opacity) = faded(rank, count);
                line(
                    self.path(step, &numbers(other.column(column))),
                    colour.mix(opacity).stroke_width(px(1)),
                )?;
            }
            let chosen = numbers(planned.chosen.column(column));
            line(self.path(step, &chosen), PLANNED.stroke_width(px(3)))?;
        }
        // A line at a place in time has come as far as it; what is held, to where it ends.
        let end = if self.held { past.len() } else { past.len() + 1 };
        let true_so_far = &self.truth[..end.min(self.truth.len())];
        line(self.path(0, true_so_far), INK.stroke_width(px(2)))?;
        if let Some(y) = now.filter(|y| y.is_finite()) {
            let dot = Circle::new((step as f64, y), px(4), INK.filled());
            chart.draw_series([dot])?;
        }
        Ok(())
    }

    fn path(&self, first: usize, values: &[f64]) -> Vec<(f64, f64)> {
        let places = (first..).map(|step| step as f64).zip(values.iter().copied());
        match self.held {
            false => places.collect(),
            true => places.flat_map(|(x, y)| [(x, y), (x + 1.0, y)]).collect(),
        }
    }
}

fn numbers(values: ArrayView1<f32>) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
