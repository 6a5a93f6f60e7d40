//! Observations of a few episodes over time: lines where dimensions are few, a map where they are many.

use super::{DatasetPicture, LINES, Shown, fitting, heading};
use crate::chart::{Area, COLOURS, DrawResult, GRID, HorizontalGrid, INK, MUTED, legend, number, px, text};
use diffplan_data::summary::Spread;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

const TITLE: usize = 58;
const LEFT: usize = 22;
const BOTTOM: usize = 18;
const X_AXIS: usize = 44;
const Y_AXIS: usize = 64;
/// Deviations at which a map's colours end.
const FULL: f64 = 3.0;
/// Columns of a map; longer episodes are drawn at every so many steps.
const COLUMNS: usize = 400;

pub(super) fn draw(area: &Area, of: &DatasetPicture) -> DrawResult {
    let is_map = of.observations.len() > LINES;
    let words = match is_map {
        true => {
            "Observations of the best, the median and the worst episode: one row a dimension, in standard deviations from the mean"
        }
        false => "Observations of the best, the median and the worst episode, in standard deviations from the mean",
    };
    heading(area, words)?;
    let (left, right) = (px(LEFT + Y_AXIS) as i32, px(38) as i32);
    match is_map {
        true => key(area, (left, right))?,
        false => {
            let mut next = left;
            for ((name, _), colour) in of.observations.iter().zip(&COLOURS) {
                let style = text(14, FontStyle::Normal, INK, HPos::Left);
                let name = fitting(area, name, &style, 220)?;
                next = legend(area, (next, right), &name, (colour.stroke_width(px(3)), &style))?;
            }
        }
    }
    if of.episodes.is_empty() {
        return Ok(());
    }
    for (panel, shown) in area.split_evenly((1, of.episodes.len())).iter().zip(&of.episodes) {
        match is_map {
            true => map(panel, of, shown)?,
            false => lines(panel, of, shown)?,
        }
    }
    Ok(())
}

fn spread(of: &DatasetPicture, dim: usize) -> Option<&Spread> {
    of.observations.get(dim)?.1.as_ref()
}

/// Of a panel: its title, and an axis of steps.
fn frame(panel: &Area, shown: &Shown) -> DrawResult {
    let style = text(15, FontStyle::Normal, INK, HPos::Left);
    let width = panel.dim_in_pixel().0 as usize / px(1) as usize;
    let title = fitting(panel, &shown.title, &style, width.saturating_sub(LEFT + Y_AXIS + 20))?;
    panel.draw(&Text::new(
        title,
        (px(LEFT + Y_AXIS) as i32, px(TITLE + 4) as i32),
        style,
    ))
}

fn steps(shown: &Shown) -> Range<f64> {
    // A single step still needs a panel around it.
    0.0..(shown.observations.nrows().max(2) - 1) as f64
}

fn lines(panel: &Area, of: &DatasetPicture, shown: &Shown) -> DrawResult {
    frame(panel, shown)?;
    let standard = |dim: usize| {
        let spread = spread(of, dim);
        let values = shown.observations.column(dim);
        let at = move |(step, value): (usize, &f32)| {
            let value = f64::from(*value);
            (step as f64, spread.map_or(0.0, |spread| spread.standard(value)))
        };
        values
            .iter()
            .enumerate()
            .map(at)
            .filter(|(_, value)| value.is_finite())
            .collect::<Vec<_>>()
    };
    let all: Vec<Vec<(f64, f64)>> = (0..shown.observations.ncols()).map(standard).collect();
    let ends = all
        .iter()
        .flatten()
        .fold((-1.0, 1.0), |(low, high): (f64, f64), (_, y)| {
            (low.min(*y), high.max(*y))
        });
    let y = ends.0 - 0.06 * (ends.1 - ends.0)..ends.1 + 0.06 * (ends.1 - ends.0);
    let (x, height) = (steps(shown), y.end - y.start);
    let mut chart = ChartBuilder::on(panel)
        .margin_top(px(TITLE + 18))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(24))
        .x_label_area_size(px(X_AXIS))
        .y_label_area_size(px(Y_AXIS))
        .build_cartesian_2d(x.clone(), y)?;
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(6)
        .y_labels(6)
        .x_desc("step")
        .y_desc("standard deviations")
        .x_label_formatter(&|x| number(*x, x.abs().max(1.0)))
        .y_label_formatter(&|y| number(*y, height))
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    for (points, colour) in all.into_iter().zip(&COLOURS) {
        let dot = (points.len() == 1).then(|| points.iter().map(|at| Circle::new(*at, px(4), colour.filled())));
        if let Some(dot) = dot {
            chart.draw_series(dot)?;
        }
        chart.draw_series([PathElement::new(points, colour.stroke_width(px(2)))])?;
    }
    Ok(())
}

fn map(panel: &Area, of: &DatasetPicture, shown: &Shown) -> DrawResult {
    frame(panel, shown)?;
    let (length, rows) = shown.observations.dim();
    let mut chart = ChartBuilder::on(panel)
        .margin_top(px(TITLE + 18))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(24))
        .x_label_area_size(px(X_AXIS))
        .y_label_area_size(px(Y_AXIS))
        .build_cartesian_2d(0.0..length.max(1) as f64, 0.0..rows as f64)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRID.stroke_width(px(1)))
        .x_labels(6)
        .disable_y_axis()
        .x_desc("step")
        .y_desc("dimension, from 0")
        .x_label_formatter(&|x| number(*x, x.abs().max(1.0)))
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    // The first dimension is at the top, as its name is the first.
    let plot = chart.plotting_area().get_pixel_range();
    let corner = panel.get_pixel_range();
    let height = f64::from(plot.1.end - plot.1.start) / rows as f64;
    let every = [1, 2, 5, 10, 20, 50, 100, 200, 500]
        .into_iter()
        .find(|every| rows <= 8 * every)
        .unwrap_or(1000);
    for dim in (0..rows).step_by(every) {
        let style = text(14, FontStyle::Normal, MUTED, HPos::Right);
        let y = plot.1.start - corner.1.start + (height * (dim as f64 + 0.5)) as i32;
        panel.draw(&Text::new(
            dim.to_string(),
            (plot.0.start - corner.0.start - px(8) as i32, y),
            style,
        ))?;
    }
    let stride = length.div_ceil(COLUMNS).max(1);
    for dim in 0..rows {
        let top = (rows - dim) as f64;
        let column = shown.observations.column(dim);
        let spread = spread(of, dim);
        let cells = (0..length).step_by(stride).filter_map(|step| {
            let value = f64::from(column[step]);
            let standard = spread.map_or(0.0, |spread| spread.standard(value));
            let end = (step + stride).min(length) as f64;
            let colour = shade(standard);
            standard
                .is_finite()
                .then(|| Rectangle::new([(step as f64, top - 1.0), (end, top)], colour.filled()))
        });
        chart.draw_series(cells)?;
    }
    Ok(())
}

/// Blue below the mean, white at it, vermilion above.
fn shade(deviations: f64) -> RGBColor {
    let share = (deviations.abs() / FULL).min(1.0);
    let full = if deviations < 0.0 { COLOURS[0] } else { COLOURS[1] };
    let mix = |channel: u8| (255.0 + (f64::from(channel) - 255.0) * share).round() as u8;
    RGBColor(mix(full.0), mix(full.1), mix(full.2))
}

/// What a map's colours are.
fn key(area: &Area, (left, y): (i32, i32)) -> DrawResult {
    let style = text(14, FontStyle::Normal, INK, HPos::Left);
    let (width, half) = (px(6) as i32, px(6) as i32);
    area.draw(&Text::new("-3 or less", (left, y), style.clone()))?;
    let mut at = left + area.estimate_text_size("-3 or less", &style)?.0 as i32 + px(10) as i32;
    for cell in -15..=15 {
        let colour = shade(f64::from(cell) / 15.0 * FULL);
        area.draw(&Rectangle::new(
            [(at, y - half), (at + width, y + half)],
            colour.filled(),
        ))?;
        at += width;
    }
    area.draw(&Text::new("3 or more", (at + px(10) as i32, y), style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_say_which_side_of_the_mean() {
        assert_eq!(shade(0.0), RGBColor(255, 255, 255));
        assert_eq!((shade(-9.0), shade(3.0)), (COLOURS[0], COLOURS[1]));
        assert_eq!(shade(-1.5).2, (255.0_f64 + (178.0 - 255.0) / 2.0).round() as u8);
    }
}
