//! Draws a [`Scene`] as a PNG: panels over a common time axis, each with what happened as a dark line and, in a colour a
//! plan, what was planned.

use crate::chart::{self, Area, COLOURS, DrawResult, HorizontalGrid, INK, MUTED, number, px, text};
use crate::error::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;

/// What is drawn.
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// The length of the episode.
    pub(super) steps: usize,
    /// The steps that plans were made at, one a colour.
    pub(super) moments: Vec<usize>,
    pub(super) panels: Vec<Panel>,
}

/// One quantity over time.
pub(super) struct Panel {
    pub(super) label: String,
    pub(super) truth: Trace,
    /// One a moment, in the same order; or none, of what is not planned.
    pub(super) plans: Vec<Plan>,
}

/// What came true.
pub(super) enum Trace {
    /// The value at every step.
    At(Vec<f64>),
    /// The value from every step to the next.
    Held(Vec<f64>),
}

/// What was planned at a step: the value then, and at the steps that follow.
pub(super) struct Plan {
    pub(super) step: usize,
    pub(super) values: Vec<f64>,
}

const WIDTH: usize = 1600;
const HEADER: usize = 132;
const PANEL: usize = 190;
const X_AXIS: usize = 54;
/// More panels than this stand in two columns.
const ONE_COLUMN: usize = 6;

/// The picture, 1600 pixels wide, encoded.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>> {
    let columns = if scene.panels.len() > ONE_COLUMN { 2 } else { 1 };
    let rows = scene.panels.len().div_ceil(columns);
    let height = HEADER + rows * PANEL + X_AXIS;
    chart::png("rollout.png", WIDTH, height, &|root| draw(scene, root, columns, rows))
}

fn draw(scene: &Scene, root: &Area, columns: usize, rows: usize) -> DrawResult {
    root.fill(&WHITE)?;
    let (header, body) = root.split_vertically(px(HEADER));
    draw_header(scene, &header)?;
    let column_width = px(WIDTH) / columns as u32;
    let mut rest = body;
    for column in 0..columns {
        let area;
        (area, rest) = rest.split_horizontally(column_width);
        let panels = scene.panels.iter().skip(column * rows).take(rows);
        let count = panels.len();
        let mut below = area;
        for (row, panel) in panels.enumerate() {
            let last = row + 1 == count;
            let height = px(PANEL + if last { X_AXIS } else { 0 });
            let area;
            (area, below) = below.split_vertically(height);
            draw_panel(scene, panel, &area, last)?;
        }
    }
    Ok(())
}

fn draw_header(scene: &Scene, area: &Area) -> DrawResult {
    let left = px(30) as i32;
    let at = |y: usize| (left, px(y) as i32);
    area.draw(&Text::new(
        scene.title.clone(),
        at(32),
        text(27, FontStyle::Bold, INK, HPos::Left),
    ))?;
    area.draw(&Text::new(
        scene.subtitle.clone(),
        at(66),
        text(19, FontStyle::Normal, MUTED, HPos::Left),
    ))?;

    let label = text(19, FontStyle::Normal, INK, HPos::Left);
    let (mut x, y) = (left, px(104) as i32);
    let mut entry = |name: String, colour: RGBColor, planned: bool| -> DrawResult {
        let end = x + px(34) as i32;
        area.draw(&PathElement::new(vec![(x, y), (end, y)], colour.stroke_width(px(3))))?;
        if planned {
            area.draw(&Circle::new((x, y), px(5), colour.filled()))?;
        }
        let from = end + px(9) as i32;
        area.draw(&Text::new(name.clone(), (from, y), label.clone()))?;
        let width = area.estimate_text_size(&name, &label)?.0 as i32;
        x = from + width + px(30) as i32;
        Ok(())
    };
    entry("what happened".into(), INK, false)?;
    for (step, colour) in scene.moments.iter().zip(COLOURS.iter().cycle()) {
        entry(format!("plan at step {step}"), *colour, true)?;
    }
    Ok(())
}

fn draw_panel(scene: &Scene, panel: &Panel, area: &Area, with_x_axis: bool) -> DrawResult {
    let end = scene.steps as f64;
    // Room at both ends, so that no plan begins on the axis and no line ends at the border.
    let time = -0.012 * end..1.005 * end;
    let range = panel.range();
    let span = range.end - range.start;
    let mut chart = ChartBuilder::on(area)
        .margin_left(px(26))
        .margin_right(px(30))
        .margin_top(px(12))
        .margin_bottom(px(6))
        .y_label_area_size(px(92))
        .x_label_area_size(if with_x_axis { px(X_AXIS) } else { 0 })
        .build_cartesian_2d(time, range.clone())?;
    let small = text(16, FontStyle::Normal, MUTED, HPos::Center);
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(11)
        .y_labels(5)
        .label_style(small.clone())
        .y_label_formatter(&|y| number(*y, span))
        .x_label_formatter(&|x| number(*x, end))
        .x_desc(if with_x_axis { "step" } else { "" })
        .y_desc(panel.label.as_str())
        .axis_desc_style(text(19, FontStyle::Normal, INK, HPos::Center).transform(FontTransform::None))
        .draw()?;

    for (&step, colour) in scene.moments.iter().zip(COLOURS.iter().cycle()) {
        let x = step as f64;
        let line = PathElement::new(
            vec![(x, range.start), (x, range.end)],
            colour.mix(0.35).stroke_width(px(1)),
        );
        chart.draw_series([line])?;
    }
    chart.draw_series(LineSeries::new(panel.truth.points(), INK.stroke_width(px(2))))?;
    for (plan, colour) in panel.plans.iter().zip(COLOURS.iter().cycle()) {
        let points = panel.truth.kind(plan).into_iter().filter(|(x, _)| *x <= end);
        chart.draw_series(LineSeries::new(points, colour.stroke_width(px(3))))?;
        let start = plan.values.first().map(|&y| (plan.step as f64, y));
        chart.draw_series(start.map(|at| Circle::new(at, px(5), colour.filled())))?;
    }
    Ok(())
}

impl Panel {
    /// Of all values, truth and plans, and a little more.
    fn range(&self) -> Range<f64> {
        let plans = self.plans.iter().flat_map(|plan| &plan.values);
        chart::range(self.truth.values().iter().chain(plans).copied(), 0.08)
    }
}

impl Trace {
    fn values(&self) -> &[f64] {
        match self {
            Trace::At(values) | Trace::Held(values) => values,
        }
    }

    fn points(&self) -> Vec<(f64, f64)> {
        self.path(0, self.values())
    }

    /// A plan as the same kind of line.
    fn kind(&self, plan: &Plan) -> Vec<(f64, f64)> {
        self.path(plan.step, &plan.values)
    }

    fn path(&self, first: usize, values: &[f64]) -> Vec<(f64, f64)> {
        let places = (first..).map(|step| step as f64).zip(values.iter().copied());
        match self {
            Trace::At(_) => places.collect(),
            Trace::Held(_) => places.flat_map(|(x, y)| [(x, y), (x + 1.0, y)]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::tests::decode;

    fn panel(label: &str, truth: Trace, plans: Vec<Plan>) -> Panel {
        Panel {
            label: label.into(),
            truth,
            plans,
        }
    }

    fn scene(panels: Vec<Panel>, steps: usize, moments: Vec<usize>) -> Scene {
        let (title, subtitle) = ("Pendulum-v1".into(), "8 candidates".into());
        Scene {
            title,
            subtitle,
            steps,
            moments,
            panels,
        }
    }

    fn count(pixels: &[u8], colour: RGBColor) -> usize {
        let wanted = [colour.0, colour.1, colour.2];
        pixels.chunks_exact(3).filter(|pixel| **pixel == wanted).count()
    }

    #[test]
    fn truth_and_plans_are_drawn_in_their_colours() {
        let wave: Vec<f64> = (0..=40).map(|i| f64::from(i).sin()).collect();
        let plan = |step, level| Plan {
            step,
            values: vec![level; 16],
        };
        let panels = vec![
            panel("cos θ", Trace::At(wave.clone()), vec![plan(0, 0.5), plan(20, -2.0)]),
            panel("reward", Trace::Held(wave[..40].to_vec()), Vec::new()),
        ];
        let (width, height, pixels) = decode(&png(&scene(panels, 40, vec![0, 20])).unwrap());
        assert_eq!((width, height), (1600, (HEADER + 2 * PANEL + X_AXIS) as u32));
        // A line of 3 pixels over 15 of 40 steps is some 1,500 pixels; those at its edges are mixed with white.
        for (colour, least) in [(INK, 3000), (COLOURS[0], 800), (COLOURS[1], 800)] {
            let found = count(&pixels, colour);
            assert!(
                found > least,
                "{found} pixels of {colour:?}, expected more than {least}"
            );
        }
        assert_eq!(count(&pixels, COLOURS[2]), 0, "there is no third plan");
    }

    #[test]
    fn many_panels_stand_in_two_columns() {
        let panels = (0..9).map(|i| panel(&format!("observation {i}"), Trace::At(vec![0.0; 11]), Vec::new()));
        let (width, height, _) = decode(&png(&scene(panels.collect(), 10, Vec::new())).unwrap());
        assert_eq!((width, height), (1600, (HEADER + 5 * PANEL + X_AXIS) as u32));
    }

    #[test]
    fn one_step_and_constants_have_a_picture() {
        for level in [0.0, 1e-30, -3.0, 1e30] {
            let panels = vec![panel("x", Trace::At(vec![level; 2]), Vec::new())];
            assert!(png(&scene(panels, 1, vec![0])).is_ok(), "constant {level}");
        }
    }
}
