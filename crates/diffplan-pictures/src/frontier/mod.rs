//! [`frontier_png`]: what settings return against the time that a plan takes.

mod labels;

use crate::chart::{self, Area, COLOURS, DrawResult, GRID, INK, MUTED, legend, number, px, text};
use crate::error::{Error, Result};
use crate::loss::{short, ticks};
use labels::{Box2, place};
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

const FILE: &str = "a picture of a frontier";
const WIDTH: usize = 1400;
const HEADER: usize = 118;
const BODY: usize = 720;
const LABEL: usize = 14;
const FRONTIER: RGBColor = COLOURS[0];
const CHOSEN: RGBColor = COLOURS[1];
const REFERENCE: RGBColor = COLOURS[2];

/// Settings that were tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// What tells them from others, short: "8 candidates, 5 steps".
    pub label: String,
    /// What a plan takes; more than 0.
    pub milliseconds: f64,
    /// The mean return.
    pub mean: f64,
    /// The confidence interval of that, from and to; none of a single episode.
    pub interval: Option<[f64; 2]>,
}

/// All that is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrontierPicture {
    /// Above all.
    pub title: String,
    /// Below that.
    pub subtitle: String,
    /// What was tried, in any order.
    pub tried: Vec<Tried>,
    /// Which of them were chosen.
    pub chosen: Option<usize>,
    /// Which of them are the settings to compare with: the checkpoint's own, as a rule.
    pub reference: Option<usize>,
}

/// The settings that no others are both as fast as and better than, from the fastest to the best; of equals the first. What has no place on
/// the axes, a time that is not more than 0 or a mean that is no number, is none of them.
pub fn frontier(tried: &[Tried]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tried.len()).filter(|&i| drawn(&tried[i])).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&tried[a], &tried[b]);
        a.milliseconds
            .total_cmp(&b.milliseconds)
            .then(b.mean.total_cmp(&a.mean))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let better = tried[i].mean > best;
        best = best.max(tried[i].mean);
        better
    });
    order
}

fn drawn(tried: &Tried) -> bool {
    tried.milliseconds.is_finite() && tried.milliseconds > 0.0 && tried.mean.is_finite()
}

/// A dot for everything that was tried, with its interval: milliseconds a plan on a logarithmic axis, return upward. The frontier is a
/// stepped line, its settings have labels that do not cover each other; the settings chosen and those to compare with are marked.
/// Encoded PNG.
///
/// # Errors
/// [`Error::Nothing`] if nothing that was tried has a place on the axes.
pub fn frontier_png(picture: &FrontierPicture) -> Result<Vec<u8>> {
    if !picture.tried.iter().any(drawn) {
        let text = "no settings with a time of more than 0 ms and a return that is a number";
        return Err(Error::Nothing(text.into()));
    }
    chart::png(FILE, WIDTH, HEADER + BODY, &|root| {
        root.fill(&WHITE)?;
        let (header, body) = root.split_vertically(px(HEADER));
        draw_header(&header, picture)?;
        draw_chart(&body, picture)
    })
}

fn draw_header(area: &Area, picture: &FrontierPicture) -> DrawResult {
    let left = px(30) as i32;
    let bold = text(25, FontStyle::Bold, INK, HPos::Left);
    area.draw(&Text::new(picture.title.clone(), (left, px(32) as i32), bold))?;
    let muted = text(17, FontStyle::Normal, MUTED, HPos::Left);
    area.draw(&Text::new(picture.subtitle.clone(), (left, px(64) as i32), muted))?;
    let label = text(16, FontStyle::Normal, MUTED, HPos::Left);
    let (mut x, y) = (left, px(96) as i32);
    let there = |mark: Option<usize>| mark.and_then(|i| picture.tried.get(i)).is_some_and(drawn);
    let same = picture.reference == picture.chosen;
    let marks = [
        ("the frontier", FRONTIER, true),
        (
            if same { "chosen, as before" } else { "chosen" },
            CHOSEN,
            there(picture.chosen),
        ),
        ("compared with", REFERENCE, there(picture.reference) && !same),
    ];
    for (name, colour, _) in marks.into_iter().filter(|mark| mark.2) {
        x = legend(area, (x, y), name, (colour.stroke_width(px(4)), &label))?;
    }
    legend(
        area,
        (x, y),
        "others that were tried",
        (MUTED.mix(0.5).stroke_width(px(2)), &label),
    )?;
    Ok(())
}

/// Of the times, and room on both sides.
fn times(picture: &FrontierPicture) -> Range<f64> {
    let times = picture
        .tried
        .iter()
        .filter(|tried| drawn(tried))
        .map(|tried| tried.milliseconds.log10());
    let (low, high) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    let margin = (0.07 * (high - low)).max(0.1);
    10_f64.powf(low - margin)..10_f64.powf(high + margin)
}

fn draw_chart(area: &Area, picture: &FrontierPicture) -> DrawResult {
    let times = times(picture);
    let shown: Vec<(usize, &Tried)> = picture
        .tried
        .iter()
        .enumerate()
        .filter(|(_, tried)| drawn(tried))
        .collect();
    let of_all = shown
        .iter()
        .flat_map(|(_, tried)| {
            [
                Some(tried.mean),
                tried.interval.map(|i| i[0]),
                tried.interval.map(|i| i[1]),
            ]
        })
        .flatten();
    let returns = chart::range(of_all, 0.08);
    let span = returns.end - returns.start;
    let axis = times.clone().log_scale().with_key_points(ticks(times.start, times.end));
    let mut chart = ChartBuilder::on(area)
        .margin_left(px(26))
        .margin_right(px(40))
        .margin_top(px(6))
        .margin_bottom(px(12))
        .y_label_area_size(px(104))
        .x_label_area_size(px(60))
        .build_cartesian_2d(axis, returns.clone())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(px(1)))
        .axis_style(GRID.stroke_width(px(1)))
        .y_labels(8)
        .label_style(text(16, FontStyle::Normal, MUTED, HPos::Center))
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| number(*y, span))
        .x_desc("milliseconds a plan")
        .y_desc("return")
        .axis_desc_style(text(18, FontStyle::Normal, INK, HPos::Center))
        .draw()?;

    let frontier = frontier(&picture.tried);
    let mut steps = Vec::new();
    for &i in &frontier {
        let tried = &picture.tried[i];
        steps.extend(steps.last().map(|&(_, y): &(f64, f64)| (tried.milliseconds, y)));
        steps.push((tried.milliseconds, tried.mean));
    }
    // What takes longer is no better than the best.
    steps.extend(steps.last().map(|&(_, y)| (times.end, y)));
    chart.draw_series(LineSeries::new(steps.clone(), FRONTIER.mix(0.75).stroke_width(px(2))))?;

    let mark = |i: usize| match i {
        i if picture.chosen == Some(i) => (CHOSEN, 9, 1.0),
        i if picture.reference == Some(i) => (REFERENCE, 8, 1.0),
        i if frontier.contains(&i) => (FRONTIER, 6, 1.0),
        _ => (MUTED, 4, 0.45),
    };
    // What is marked is drawn over the rest.
    let mut order = shown.clone();
    order.sort_by_key(|&(i, _)| mark(i).1);
    for &(i, tried) in &order {
        let (colour, radius, opacity) = mark(i);
        let at = (tried.milliseconds, tried.mean);
        if let Some([from, to]) = tried.interval.filter(|ends| ends.iter().all(|end| end.is_finite())) {
            let width = if radius > 4 { 2 } else { 1 };
            let bar = PathElement::new(
                vec![(at.0, from), (at.0, to)],
                colour.mix(0.6 * opacity).stroke_width(px(width)),
            );
            chart.draw_series([bar])?;
        }
        chart.draw_series([Circle::new(at, px(radius), colour.mix(opacity).filled())])?;
        if radius > 6 {
            chart.draw_series([Circle::new(at, px(radius), WHITE.stroke_width(px(2)))])?;
        }
    }

    let labelled: Vec<usize> = order.iter().rev().map(|&(i, _)| i).filter(|&i| mark(i).1 > 4).collect();
    let pixel = |x: f64, y: f64| chart.backend_coord(&(x, y));
    let dots: Vec<(i32, i32)> = shown
        .iter()
        .map(|(_, tried)| pixel(tried.milliseconds, tried.mean))
        .collect();
    let line: Vec<(i32, i32)> = steps.iter().map(|&(x, y)| pixel(x, y)).collect();
    let steps = line.windows(2).map(|pair| [pair[0], pair[1]]);
    let bars = shown.iter().filter_map(|(_, tried)| {
        let ends = tried.interval.filter(|ends| ends.iter().all(|end| end.is_finite()))?;
        Some(ends.map(|end| pixel(tried.milliseconds, end)))
    });
    let lines: Vec<_> = steps.chain(bars).collect();
    // Of settings that are marked labels are in their colours.
    let style = |i: usize| match mark(i) {
        (colour, 7.., _) => text(LABEL, FontStyle::Bold, colour, HPos::Left),
        _ => text(LABEL, FontStyle::Normal, INK, HPos::Left),
    };
    let mut anchors = Vec::new();
    for &i in &labelled {
        let tried = &picture.tried[i];
        let size = area.estimate_text_size(&tried.label, &style(i))?;
        anchors.push((pixel(tried.milliseconds, tried.mean), (size.0 as i32, size.1 as i32)));
    }
    let (left, bottom) = pixel(times.start, returns.start);
    let (right, top) = pixel(times.end, returns.end);
    let within = Box2::new((left, top), (right, bottom));
    let places = place(&anchors, &dots, &lines, within);
    // Pixels of the whole picture; this area begins below its header.
    let offset = area.get_base_pixel();
    let own = |(x, y): (i32, i32)| (x - offset.0, y - offset.1);
    for ((&i, (anchor, _)), at) in labelled.iter().zip(&anchors).zip(places) {
        let Some(at) = at else { continue };
        if at.far(*anchor) {
            let from = own(at.nearest(*anchor));
            let leader = PathElement::new(vec![own(*anchor), from], MUTED.mix(0.5).stroke_width(px(1)));
            area.draw(&leader)?;
        }
        // Bars below it do not cross it out.
        let corners = [own(at.from), own(at.to)];
        area.draw(&Rectangle::new(corners, WHITE.mix(0.75).filled()))?;
        let (x, y) = own((at.from.0, (at.from.1 + at.to.1) / 2));
        area.draw(&Text::new(picture.tried[i].label.clone(), (x, y), style(i)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(milliseconds: f64, mean: f64) -> Tried {
        Tried {
            label: format!("{milliseconds} ms"),
            milliseconds,
            mean,
            interval: Some([mean - 1.0, mean + 1.0]),
        }
    }

    #[test]
    fn the_frontier_is_what_nothing_beats() {
        let all = [
            tried(10.0, 5.0),
            tried(1.0, 2.0),
            tried(5.0, 1.0),
            tried(20.0, 4.0),
            tried(1.0, 3.0),
            tried(1.0, 3.0),
            tried(40.0, 5.0),
            tried(0.0, 99.0),
            tried(7.0, f64::NAN),
        ];
        assert_eq!(frontier(&all), [4, 0]);
        assert_eq!(frontier(&[]), [0; 0]);
    }

    #[test]
    fn settings_are_drawn_and_nothing_is_an_error() {
        let picture = |tried: Vec<Tried>| FrontierPicture {
            title: "Hopper".into(),
            tried,
            chosen: Some(0),
            ..FrontierPicture::default()
        };
        let many = picture((1..40).map(|i| tried(f64::from(i * i), f64::from(i % 7))).collect());
        let drawn = frontier_png(&many).unwrap();
        assert!(drawn == frontier_png(&many).unwrap(), "the same every time");
        let (width, height, pixels) = chart::tests::decode(&drawn);
        assert_eq!((width as usize, height as usize), (WIDTH, HEADER + BODY));
        for colour in [FRONTIER, CHOSEN] {
            let wanted = [colour.0, colour.1, colour.2];
            let count = pixels.chunks_exact(3).filter(|pixel| **pixel == wanted).count();
            assert!(count > 60, "{count} pixels of {colour:?}");
        }
        assert!(frontier_png(&picture(vec![tried(3.0, 1e-30)])).is_ok(), "one alone");
        let error = frontier_png(&picture(vec![tried(-1.0, 2.0)])).unwrap_err().to_string();
        assert!(error.contains("more than 0 ms"), "{error}");
    }
}
