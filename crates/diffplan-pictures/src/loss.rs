//! [`loss_png`]: how losses went.

use crate::chart::{self, Area, COLOURS, DrawResult, HorizontalGrid, INK, MUTED, number, px, text};
use crate::error::Result;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

const FILE: &str = "loss.png";
const WIDTH: usize = 1600;
const TITLE: usize = 88;
const PANEL: usize = 520;
/// Of the rows, what a point of the smooth line is the mean of.
const SMOOTHED: f64 = 0.02;

/// One network's loss.
#[derive(Debug)]
struct Panel {
    title: String,
    subtitle: String,
    colour: RGBColor,
    /// Steps and losses.
    raw: Vec<(f64, f64)>,
    smooth: Vec<(f64, f64)>,
}

/// A network's loss, as it was recorded.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Whose: "planner".
    pub of: String,
    /// Steps taken, and the mean loss since the point before.
    pub points: Vec<(u64, f64)>,
}

/// A panel a curve, on logarithmic axes: encoded PNG. `None` if no curve has a point that has a place on such an axis.
///
/// # Errors
/// If it cannot be encoded.
pub fn loss_png(curves: &[Curve]) -> Result<Option<Vec<u8>>> {
    let panels = curves.iter().zip(COLOURS.iter().cycle());
    let panels: Vec<Panel> = panels
        .filter_map(|(curve, colour)| Panel::new(curve, *colour))
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let height = panels.len() * (TITLE + PANEL);
    let picture = chart::png(FILE, WIDTH, height, &|root| {
        root.fill(&WHITE)?;
        let areas = root.split_evenly((panels.len(), 1));
        panels.iter().zip(&areas).try_for_each(|(panel, area)| panel.draw(area))
    })?;
    Ok(Some(picture))
}

impl Panel {
    /// None where there is no row that has a place on a logarithmic axis.
    fn new(curve: &Curve, colour: RGBColor) -> Option<Self> {
        let rows: Vec<(u64, f64)> = curve
            .points
            .iter()
            .filter(|(_, loss)| *loss > 0.0 && loss.is_finite())
            .copied()
            .collect();
        let (first, last) = (rows.first()?, rows.last()?);
        let losses: Vec<f64> = rows.iter().map(|(_, loss)| *loss).collect();
        let window = ((rows.len() as f64 * SMOOTHED).round() as usize).max(1);
        let steps = rows.iter().map(|(step, _)| *step as f64);
        let smooth = moving_average(&losses, window);
        let final_loss = *smooth.last()?;
        let subtitle = match window {
            1 => format!("means over {} steps", first.0),
            _ => format!(
                "thin: means over {} steps   ·   bold: their moving average over {window}",
                first.0
            ),
        };
        Some(Self {
            title: format!(
                "Loss of the {}   ·   {} after {} steps",
                curve.of,
                short(final_loss),
                last.0
            ),
            subtitle,
            colour,
            raw: steps.clone().zip(losses).collect(),
            smooth: steps.zip(smooth).collect(),
        })
    }

    fn draw(&self, area: &Area) -> DrawResult {
        let (head, body) = area.split_vertically(px(TITLE));
        let at = |y: usize| (px(30) as i32, px(y) as i32);
        let bold = text(27, FontStyle::Bold, INK, HPos::Left);
        head.draw(&Text::new(self.title.clone(), at(32), bold))?;
        let muted = text(19, FontStyle::Normal, MUTED, HPos::Left);
        head.draw(&Text::new(self.subtitle.clone(), at(66), muted))?;

        let end = self.raw.last().map_or(1.0, |(step, _)| *step);
        let logarithms = || self.raw.iter().map(|(_, loss)| loss.log10());
        let (low, high) = (
            logarithms().fold(f64::INFINITY, f64::min),
            logarithms().fold(f64::NEG_INFINITY, f64::max),
        );
        let margin = (0.06 * (high - low)).max(0.01);
        let (low, high) = (low - margin, high + margin);
        let tens = |logarithm: f64| 10_f64.powf(logarithm);
        let (low, high) = (tens(low), tens(high));
        let losses = (low..high).log_scale().with_key_points(ticks(low, high));
        let mut chart = ChartBuilder::on(&body)
            .margin_left(px(26))
            .margin_right(px(36))
            .margin_top(px(6))
            .margin_bottom(px(10))
            .y_label_area_size(px(96))
            .x_label_area_size(px(58))
            .build_cartesian_2d(0.0..1.005 * end, losses)?;
        chart
            .configure_mesh()
            .horizontal_grid()
            .x_labels(11)
            .label_style(text(16, FontStyle::Normal, MUTED, HPos::Center))
            .x_label_formatter(&|x| number(*x, end))
            .y_label_formatter(&|y| short(*y))
            .x_desc("step")
            .y_desc("loss")
            .axis_desc_style(text(19, FontStyle::Normal, INK, HPos::Center))
            .draw()?;
        let faint = self.colour.mix(0.35).stroke_width(px(1));
        chart.draw_series(LineSeries::new(self.raw.iter().copied(), faint))?;
        let bold = self.colour.stroke_width(px(3));
        chart.draw_series(LineSeries::new(self.smooth.iter().copied(), bold))?;
        if let [only] = self.smooth[..] {
            chart.draw_series([Circle::new(only, px(5), self.colour.filled())])?;
        }
        Ok(())
    }
}

/// Each value with what is around it, `window` values in all; fewer at both ends.
fn moving_average(values: &[f64], window: usize) -> Vec<f64> {
    let (before, after) = ((window - 1) / 2, window / 2);
    let mut sums = vec![0.0];
    sums.extend(values.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    }));
    (0..values.len())
        .map(|i| {
            let (from, to) = (i.saturating_sub(before), (i + after + 1).min(values.len()));
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

/// Some round numbers between two, as many as a logarithmic axis has room for.
pub(crate) fn ticks(low: f64, high: f64) -> Vec<f64> {
    let exponents = |value: f64| value.log10().floor() as i32;
    for mantissas in [&[1.0][..], &[1.0, 2.0, 5.0]] {
        let decades = exponents(low)..=exponents(high);
        let numbers = decades.flat_map(|decade| mantissas.iter().map(move |mantissa| mantissa * 10_f64.powi(decade)));
        let found: Vec<f64> = numbers.filter(|number| (low..high).contains(number)).collect();
        if found.len() >= 4 {
            let every = found.len().div_ceil(8);
            return found.into_iter().step_by(every).collect();
        }
    }
    // About a decade, or less: multiples of the longest round step that gives four.
    let mut ticks = Vec::new();
    let decade = exponents(high - low);
    for step in [1.0, 0.5, 0.2, 0.1].map(|step| step * 10_f64.powi(decade)) {
        let multiples = (low / step).ceil() as i64..=(high / step).floor() as i64;
        ticks = multiples.map(|multiple| multiple as f64 * step).collect();
        if ticks.len() >= 4 {
            break;
        }
    }
    ticks
}

/// A loss in as few digits as it needs.
pub(crate) fn short(value: f64) -> String {
    number(value, if value < 1e-4 { 0.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_move() {
        assert_eq!(moving_average(&[1.0, 2.0, 6.0], 1), [1.0, 2.0, 6.0]);
        assert_eq!(moving_average(&[1.0, 2.0, 6.0, 1.0], 3), [1.5, 3.0, 3.0, 3.5]);
    }

    #[test]
    fn axes_have_some_round_numbers() {
        let labels = |low, high| ticks(low, high).into_iter().map(short).collect::<Vec<String>>();
        assert_eq!(labels(0.0005, 2.0), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(0.04, 0.6), ["0.05", "0.1", "0.2", "0.5"]);
        assert_eq!(labels(0.77, 1.25), ["0.8", "0.9", "1", "1.1", "1.2"]);
        for (low, high) in [(0.51, 0.53), (1e-9, 2e-9), (1e-20, 1e20), (3.0, 9.0)] {
            let count = labels(low, high).len();
            assert!((4..=10).contains(&count), "{count} between {low} and {high}");
        }
    }
}
