//! Histograms of episodes and actions, and where the values of every dimension lie.

use super::{DatasetPicture, LINES, fitting, heading};
use crate::chart::{Area, COLOURS, DrawResult, GRID, HorizontalGrid, INK, MUTED, legend, number, px, text};
use diffplan_data::summary::{Histogram, Spread};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;

const TITLE: usize = 34;
const LEFT: usize = 22;
const BOTTOM: usize = 18;
const X_AXIS: usize = 44;
const Y_AXIS: usize = 64;
/// Room for the names of dimensions, upright and level.
const NAMES: usize = 186;
const LEVEL_NAMES: usize = 60;
/// A dimension that has so much room has its name level.
const LEVEL: f64 = 150.0;
/// Where the axis of deviations has its marks.
const MARKS: [f64; 15] = [
    -1000.0, -300.0, -100.0, -30.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0,
];

/// How many episodes have how much.
pub(super) fn histogram(area: &Area, title: &str, of_what: &str, histogram: Option<&Histogram>) -> DrawResult {
    heading(area, title)?;
    let Some(histogram) = histogram else {
        return nothing(area);
    };
    let highest = histogram.counts.iter().max().copied().unwrap_or(1).max(1) as f64;
    // A few bins would be as wide as the panel.
    let few = (10.0 - histogram.counts.len() as f64).max(0.0) / 2.0 * histogram.width();
    let margin = (0.02 * (histogram.high - histogram.low)).max(few);
    let x = histogram.low - margin..histogram.high + margin;
    let whole = histogram.low.fract().abs() == 0.5;
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TITLE))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(24))
        .x_label_area_size(px(X_AXIS))
        .y_label_area_size(px(Y_AXIS))
        .build_cartesian_2d(x.clone(), 0.0..1.06 * highest)?;
    let span = x.end - x.start;
    // No mark between whole episodes.
    let marks = (highest as usize).clamp(2, 6);
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(6)
        .y_labels(marks)
        .x_desc(of_what)
        .y_desc("episodes")
        .x_label_formatter(&|x| match whole && x.fract() != 0.0 {
            true => String::new(),
            false => number(*x, span),
        })
        .y_label_formatter(&|y| number(*y, highest))
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    let bars = histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let width = histogram.width();
    chart.draw_series(bars.map(|(bin, &count)| {
        let from = histogram.low + width * bin as f64;
        Rectangle::new(
            [(from, 0.0), (from + width, count as f64)],
            COLOURS[0].mix(0.75).filled(),
        )
    }))?;
    Ok(())
}

/// How often actions are what: outlines where they are few, a map where they are many.
pub(super) fn actions(area: &Area, of: &DatasetPicture) -> DrawResult {
    heading(area, "Actions")?;
    let Some(first) = of.action_histograms.first() else {
        return nothing(area);
    };
    if of.action_histograms.len() > LINES {
        return action_map(area, of, first);
    }
    let share = |histogram: &Histogram| {
        let all = histogram.counts.iter().sum::<u64>().max(1) as f64;
        histogram
            .counts
            .iter()
            .map(|count| 100.0 * *count as f64 / all)
            .collect::<Vec<f64>>()
    };
    let shares: Vec<Vec<f64>> = of.action_histograms.iter().map(share).collect();
    let highest = shares.iter().flatten().copied().fold(1e-6, f64::max);
    let margin = 0.02 * (first.high - first.low);
    let x = first.low - margin..first.high + margin;
    let span = x.end - x.start;
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TITLE + 24))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(30))
        .x_label_area_size(px(X_AXIS))
        .y_label_area_size(px(Y_AXIS))
        .build_cartesian_2d(x, 0.0..1.06 * highest)?;
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(6)
        .y_labels(5)
        .x_desc("action")
        .y_desc("% of steps")
        .x_label_formatter(&|x| number(*x, span))
        .y_label_formatter(&|y| number(*y, highest))
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    let mut next = (px(LEFT + Y_AXIS) as i32, px(TITLE + 8) as i32);
    let limit = area.dim_in_pixel().0 as i32 - px(60) as i32;
    for (((name, _), (histogram, shares)), colour) in of
        .actions
        .iter()
        .zip(of.action_histograms.iter().zip(&shares))
        .zip(&COLOURS)
    {
        let width = histogram.width();
        let mut outline = vec![(histogram.low, 0.0)];
        for (bin, share) in shares.iter().enumerate() {
            let from = histogram.low + width * bin as f64;
            outline.extend([(from, *share), (from + width, *share)]);
        }
        outline.push((histogram.high, 0.0));
        if of.actions.len() == 1 {
            chart.draw_series([Polygon::new(outline.clone(), colour.mix(0.3).filled())])?;
        }
        chart.draw_series([PathElement::new(outline, colour.stroke_width(px(2)))])?;
        if next.0 < limit {
            let style = text(14, FontStyle::Normal, INK, HPos::Left);
            let name = fitting(area, name, &style, 110)?;
            next.0 = legend(area, next, &name, (colour.stroke_width(px(3)), &style))?;
        }
    }
    Ok(())
}

fn action_map(area: &Area, of: &DatasetPicture, first: &Histogram) -> DrawResult {
    let rows = of.action_histograms.len();
    let span = first.high - first.low;
    let style = |size: usize| text(size, FontStyle::Normal, MUTED, HPos::Right);
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TITLE))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(30))
        .x_label_area_size(px(X_AXIS))
        .y_label_area_size(px(Y_AXIS + 50))
        .build_cartesian_2d(first.low..first.high, 0.0..rows as f64)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_y_axis()
        .axis_style(GRID.stroke_width(px(1)))
        .x_labels(6)
        .x_desc("action; darker: more of the steps")
        .x_label_formatter(&|x| number(*x, span))
        .label_style(text(14, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    for (row, histogram) in of.action_histograms.iter().enumerate() {
        let highest = histogram.counts.iter().max().copied().unwrap_or(1).max(1) as f64;
        let (top, width) = ((rows - row) as f64, histogram.width());
        let cells = histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        chart.draw_series(cells.map(|(bin, &count)| {
            let from = histogram.low + width * bin as f64;
            // The root, so that what is rare is seen too.
            let shade = 0.06 + 0.94 * (count as f64 / highest).sqrt();
            Rectangle::new(
                [(from, top - 0.94), (from + width, top - 0.06)],
                COLOURS[0].mix(shade).filled(),
            )
        }))?;
    }
    let plot = chart.plotting_area().get_pixel_range();
    let height = (plot.1.end - plot.1.start) as f64 / rows as f64;
    let every = (13.0 / (height / f64::from(px(1)))).ceil().max(1.0) as usize;
    let corner = area.get_pixel_range();
    for (row, (name, _)) in of.actions.iter().enumerate().step_by(every) {
        let y = plot.1.start - corner.1.start + (height * (row as f64 + 0.5)) as i32;
        let name = fitting(area, name, &style(13), Y_AXIS + 36)?;
        area.draw(&Text::new(
            name,
            (plot.0.start - corner.0.start - px(8) as i32, y),
            style(13),
        ))?;
    }
    Ok(())
}

/// A box for every dimension: half of the values in it, 98 % between its ends, the extremes as dots; in standard deviations, on an axis that
/// is nearly straight about 0 and grows like a logarithm further out.
pub(super) fn ranges(area: &Area, of: &DatasetPicture) -> DrawResult {
    heading(
        area,
        "Ranges: minimum, 1 %, 25 %, median, 75 %, 99 %, maximum of every dimension, in its standard deviations from its mean",
    )?;
    let dims: Vec<(&(String, Option<Spread>), RGBColor)> = of
        .observations
        .iter()
        .map(|dim| (dim, COLOURS[0]))
        .chain(of.actions.iter().map(|dim| (dim, COLOURS[1])))
        .collect();
    let range = deviations(dims.iter().filter_map(|((_, spread), _)| spread.as_ref()));
    let count = dims.len();
    let room = area.dim_in_pixel().0 as f64 / f64::from(px(1)) - (LEFT + Y_AXIS + 30) as f64;
    let level = room / count as f64 > LEVEL;
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TITLE))
        .margin_left(px(LEFT))
        .margin_bottom(px(BOTTOM))
        .margin_right(px(30))
        .x_label_area_size(px(if level { LEVEL_NAMES } else { NAMES }))
        .y_label_area_size(px(Y_AXIS))
        .build_cartesian_2d(-0.5..count as f64 - 0.5, range.clone())?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_axes()
        .y_desc("standard deviations")
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    let plot = chart.plotting_area().get_pixel_range();
    let corner = area.get_pixel_range();
    let (left, right) = (-0.5, count as f64 - 0.5);
    let mark_style = text(14, FontStyle::Normal, MUTED, HPos::Right);
    for mark in MARKS {
        let y = squeezed(mark);
        if range.contains(&y) {
            let colour = if mark == 0.0 { MUTED } else { GRID };
            chart.draw_series([PathElement::new(
                vec![(left, y), (right, y)],
                colour.stroke_width(px(1)),
            )])?;
            let share = (range.end - y) / (range.end - range.start);
            let pixel = plot.1.start - corner.1.start + (share * f64::from(plot.1.end - plot.1.start)) as i32;
            let place = (plot.0.start - corner.0.start - px(8) as i32, pixel);
            area.draw(&Text::new(number(mark, 10.0), place, mark_style.clone()))?;
        }
    }
    let slot = f64::from(plot.0.end - plot.0.start) / f64::from(px(1)) / count as f64;
    for (place, ((_, spread), colour)) in dims.iter().enumerate() {
        let Some(spread) = spread else { continue };
        let x = place as f64;
        let half = (0.34_f64).min(13.0 / slot);
        let [min, q01, q25, median, q75, q99, max] = spread.quantiles.map(|value| squeezed(spread.standard(value)));
        let whisker = colour.stroke_width(px(2));
        chart.draw_series([
            PathElement::new(vec![(x, q01), (x, q25)], whisker),
            PathElement::new(vec![(x, q75), (x, q99)], whisker),
            PathElement::new(vec![(x - half * 0.6, q01), (x + half * 0.6, q01)], whisker),
            PathElement::new(vec![(x - half * 0.6, q99), (x + half * 0.6, q99)], whisker),
        ])?;
        chart.draw_series([Rectangle::new(
            [(x - half, q25), (x + half, q75)],
            colour.mix(0.35).filled(),
        )])?;
        chart.draw_series([PathElement::new(
            vec![(x - half, median), (x + half, median)],
            INK.stroke_width(px(2)),
        )])?;
        let dot = px(if slot > 12.0 { 3 } else { 2 });
        chart.draw_series([min, max].map(|y| Circle::new((x, y), dot, colour.filled())))?;
    }
    let place = (plot.0.start - corner.0.start, plot.1.end - corner.1.start);
    match level {
        true => level_names(area, &dims, place, slot),
        false => names(area, &dims, place, slot),
    }
}

fn moments(spread: Option<&Spread>) -> String {
    spread.map_or_else(String::new, |spread| {
        let scale = spread.std.max(spread.mean.abs());
        format!("{} ± {}", short(spread.mean, scale), short(spread.std, scale))
    })
}

/// Below their dimensions, and below them mean and deviation in the data's own units.
fn level_names(
    area: &Area,
    dims: &[(&(String, Option<Spread>), RGBColor)],
    (left, top): (i32, i32),
    slot: f64,
) -> DrawResult {
    for (place, ((name, spread), colour)) in dims.iter().enumerate() {
        let style = text(15, FontStyle::Normal, *colour, HPos::Center);
        let x = left + ((place as f64 + 0.5) * slot * f64::from(px(1))) as i32;
        let name = fitting(area, name, &style, slot as usize - 8)?;
        area.draw(&Text::new(name, (x, top + px(16) as i32), style.clone()))?;
        area.draw(&Text::new(moments(spread.as_ref()), (x, top + px(38) as i32), style))?;
    }
    Ok(())
}

/// Upright below their dimensions, with mean and deviation in the data's own units; every so many where there is no room for all.
fn names(
    area: &Area,
    dims: &[(&(String, Option<Spread>), RGBColor)],
    (left, top): (i32, i32),
    slot: f64,
) -> DrawResult {
    let size = (slot * 0.8).clamp(9.0, 14.0) as usize;
    let every = ((size as f64 * 1.1 / slot).ceil() as usize).max(1);
    for (place, ((name, spread), colour)) in dims.iter().enumerate().step_by(every) {
        let flat = text(size, FontStyle::Normal, *colour, HPos::Right);
        let moments = format!("  {}", moments(spread.as_ref()));
        let room = NAMES - 14 - area.estimate_text_size(&moments, &flat)?.0 as usize / px(1) as usize;
        let name = fitting(area, name, &flat, room)?;
        let x = left + ((place as f64 + 0.5) * slot * f64::from(px(1))) as i32;
        area.draw(&Text::new(
            format!("{name}{moments}"),
            (x, top + px(8) as i32),
            flat.transform(FontTransform::Rotate270),
        ))?;
    }
    Ok(())
}

/// Three digits of the larger of the two.
fn short(value: f64, scale: f64) -> String {
    match scale {
        0.0 => "0".into(),
        scale if !(1e-3..1e5).contains(&scale) => format!("{value:.1e}"),
        scale => format!("{value:.*}", (2.0 - scale.log10().floor()).clamp(0.0, 4.0) as usize),
    }
}

/// Deviations on the axis.
fn squeezed(deviations: f64) -> f64 {
    deviations.asinh()
}

fn deviations<'a>(spreads: impl Iterator<Item = &'a Spread>) -> Range<f64> {
    let ends =
        spreads.flat_map(|spread| [spread.quantiles[0], spread.quantiles[6]].map(|x| squeezed(spread.standard(x))));
    let (low, high) = ends.fold((squeezed(-2.0), squeezed(2.0)), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    low - 0.25..high + 0.25
}

fn nothing(area: &Area) -> DrawResult {
    let style = text(16, FontStyle::Normal, MUTED, HPos::Left);
    area.draw(&Text::new("nothing to show", (px(30) as i32, px(60) as i32), style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_short() {
        for (value, scale, text) in [
            (0.0, 0.0, "0"),
            (1.2345, 1.2345, "1.23"),
            (-0.012345, 0.5, "-0.012"),
            (123.45, 123.45, "123"),
            (1.0, 1e6, "1.0e0"),
        ] {
            assert_eq!(short(value, scale), text);
        }
    }
}
