//! [`returns_png`]: the returns of evaluations, side by side.

use crate::chart::{self, Area, COLOURS, DrawResult, GRID, INK, MUTED, number, px, text};
use crate::error::{Error, Result};
use diffplan_eval::stats;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

const FILE: &str = "a picture of returns";
const WIDTH: usize = 1000;
const HEADER: usize = 70;
const ROW: usize = 130;
const X_AXIS: usize = 60;

/// A row of dots for every evaluation, a dot an episode, and the mean with its 95 % interval by Student's t: encoded PNG.
///
/// # Errors
/// If there is no finite return.
pub fn returns_png(title: &str, evaluations: &[(&str, &[f64])]) -> Result<Vec<u8>> {
    let finite = || {
        evaluations
            .iter()
            .flat_map(|(_, returns)| returns.iter().copied())
            .filter(|x| x.is_finite())
    };
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    if low > high {
        return Err(Error::Nothing("no return is a finite number".into()));
    }
    let margin = (0.05 * (high - low)).max(1e-3 * high.abs().max(1.0));
    let range = low - margin..high + margin;
    let height = HEADER + evaluations.len() * ROW + X_AXIS;
    chart::png(FILE, WIDTH, height, &|root| {
        draw(root, title, evaluations, range.clone())
    })
}

fn draw(root: &Area, title: &str, evaluations: &[(&str, &[f64])], range: std::ops::Range<f64>) -> DrawResult {
    root.fill(&WHITE)?;
    let (header, body) = root.split_vertically(px(HEADER));
    let bold = text(24, FontStyle::Bold, INK, HPos::Left);
    header.draw(&Text::new(title.to_owned(), (px(26) as i32, px(36) as i32), bold))?;
    let rows = evaluations.len() as f64;
    let span = range.end - range.start;
    let mut chart = ChartBuilder::on(&body)
        .margin_left(px(26))
        .margin_right(px(36))
        .x_label_area_size(px(X_AXIS))
        .build_cartesian_2d(range.clone(), 0.0..rows)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(px(1)))
        .axis_style(GRID.stroke_width(px(1)))
        .x_labels(8)
        .x_desc("return")
        .x_label_formatter(&|x| number(*x, span))
        .label_style(text(16, FontStyle::Normal, MUTED, HPos::Center))
        .axis_desc_style(text(18, FontStyle::Normal, INK, HPos::Center))
        .draw()?;
    for (i, ((name, returns), colour)) in evaluations.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = rows - i as f64 - 0.62;
        // Spread by their order, so that equal returns do not hide each other.
        let spread = |place: usize| y + 0.16 * (((place * 7) % 11) as f64 / 10.0 - 0.5) * 2.0;
        let dots = returns.iter().enumerate().filter(|(_, x)| x.is_finite());
        chart.draw_series(dots.map(|(place, &x)| Circle::new((x, spread(place)), px(4), colour.mix(0.45).filled())))?;
        let finite: Vec<f64> = returns.iter().copied().filter(|x| x.is_finite()).collect();
        let mut caption = (*name).to_owned();
        if !finite.is_empty() {
            let mean = stats::mean(&finite);
            caption += &format!("   ·   mean {mean:.1} of {} episodes", finite.len());
            if let Some([from, to]) = stats::confidence_interval(&finite) {
                let line = vec![(from.max(range.start), y), (to.min(range.end), y)];
                chart.draw_series([PathElement::new(line, INK.stroke_width(px(3)))])?;
            }
            chart.draw_series([Circle::new((mean, y), px(7), INK.filled())])?;
        }
        let style = text(18, FontStyle::Normal, INK, HPos::Left);
        chart.draw_series([Text::new(caption, (range.start + 0.01 * span, y + 0.45), style)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_drawn_and_nothing_is_an_error() {
        let picture = returns_png("Two", &[("a", &[1.0, 2.0, f64::NAN]), ("b", &[-3.0])]).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        assert!(returns_png("None", &[("a", &[f64::INFINITY])]).is_err());
        assert!(returns_png("Equal", &[("a", &[5.0, 5.0])]).is_ok());
    }
}
