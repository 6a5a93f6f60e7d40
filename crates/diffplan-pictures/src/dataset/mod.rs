//! [`dataset_png`]: what a dataset holds, on one page.

mod distributions;
mod episodes;

use crate::chart::{self, Area, DrawResult, INK, MUTED, px, text};
use crate::error::{Error, Result};
use diffplan_data::summary::{Histogram, Spread};
use ndarray::Array2;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

const FILE: &str = "a picture of a dataset";
const WIDTH: usize = 1600;
const HEIGHT: usize = 1200;
const HEADER: usize = 96;
const HISTOGRAMS: usize = 312;
const RANGES: usize = 404;
/// Dimensions that are lines of their own colours; more are rows of a map.
const LINES: usize = 6;

/// What a dataset holds, in numbers.
#[derive(Clone, Debug)]
pub struct DatasetPicture {
    /// The file and its layout.
    pub title: String,
    /// The environment, how many episodes and steps.
    pub subtitle: String,
    /// Of episodes.
    pub returns: Option<Histogram>,
    /// Of episodes.
    pub lengths: Option<Histogram>,
    /// Every dimension of observations by its name; none where no value is finite.
    pub observations: Vec<(String, Option<Spread>)>,
    /// Every dimension of actions by its name.
    pub actions: Vec<(String, Option<Spread>)>,
    /// All in the same bins, one for each of `actions`.
    pub action_histograms: Vec<Histogram>,
    /// Side by side.
    pub episodes: Vec<Shown>,
}

/// An episode that is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which, and why: "best: episode 7, return -120".
    pub title: String,
    /// (steps, observation dimensions), in the dataset's units.
    pub observations: Array2<f32>,
}

/// Returns, lengths and actions, ranges of every dimension, and episodes: encoded PNG of 1600 by 1200.
///
/// # Errors
/// If there is no dimension, or the picture cannot be encoded.
pub fn dataset_png(of: &DatasetPicture) -> Result<Vec<u8>> {
    if of.observations.is_empty() {
        return Err(Error::Nothing("the dataset has no observations".into()));
    }
    chart::png(FILE, WIDTH, HEIGHT, &|root| draw(root, of))
}

fn draw(root: &Area, of: &DatasetPicture) -> DrawResult {
    root.fill(&WHITE)?;
    let (header, body) = root.split_vertically(px(HEADER));
    let at = |y: usize| (px(30) as i32, px(y) as i32);
    let title = text(26, FontStyle::Bold, INK, HPos::Left);
    header.draw(&Text::new(
        fitting(&header, &of.title, &title, WIDTH - 60)?,
        at(36),
        title,
    ))?;
    let subtitle = text(18, FontStyle::Normal, MUTED, HPos::Left);
    header.draw(&Text::new(
        fitting(&header, &of.subtitle, &subtitle, WIDTH - 60)?,
        at(70),
        subtitle,
    ))?;
    let (histograms, rest) = body.split_vertically(px(HISTOGRAMS));
    let (ranges, shown) = rest.split_vertically(px(RANGES));
    let panels = histograms.split_evenly((1, 3));
    distributions::histogram(&panels[0], "Returns", "return of an episode", of.returns.as_ref())?;
    distributions::histogram(&panels[1], "Lengths", "steps of an episode", of.lengths.as_ref())?;
    distributions::actions(&panels[2], of)?;
    distributions::ranges(&ranges, of)?;
    episodes::draw(&shown, of)
}

/// A heading in the upper left corner of a panel.
fn heading(area: &Area, words: &str) -> DrawResult {
    let style = text(18, FontStyle::Bold, INK, HPos::Left);
    let width = area.dim_in_pixel().0 as usize / px(1) as usize;
    let words = fitting(area, words, &style, width.saturating_sub(50))?;
    area.draw(&Text::new(words, (px(30) as i32, px(16) as i32), style))
}

/// A text that is not wider than so many pixels of the finished picture; what is too long ends in three dots.
fn fitting(
    area: &Area,
    words: &str,
    style: &TextStyle<'static>,
    width: usize,
) -> std::result::Result<String, chart::DrawError> {
    let fits = |words: &str| Ok(area.estimate_text_size(words, style)?.0 <= px(width));
    if fits(words)? {
        return Ok(words.to_owned());
    }
    let mut letters: Vec<char> = words.chars().collect();
    while letters.pop().is_some() {
        let short: String = letters.iter().chain(&['…']).collect();
        if fits(&short)? {
            return Ok(short);
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(observations: usize, actions: usize, steps: usize) -> DatasetPicture {
        let values = |dim: usize| (0..200).map(move |i| f64::from(i).sin() * (dim + 1) as f64);
        let dims = |name: &str, count: usize| {
            let dim = |dim: usize| (format!("{name} {dim}"), Spread::of(values(dim)));
            (0..count).map(dim).collect::<Vec<_>>()
        };
        let sample: Vec<f64> = values(0).collect();
        let bins = Histogram::of(&sample, 20).unwrap();
        DatasetPicture {
            title: "data.hdf5 · D4RL HDF5".into(),
            subtitle: "Hopper-v5".into(),
            returns: Histogram::of(&sample, 30),
            lengths: Histogram::of(&[200.0; 5], 30),
            observations: dims("observation", observations),
            actions: dims("action", actions),
            action_histograms: vec![bins; actions],
            episodes: (0..3)
                .map(|i| Shown {
                    title: format!("episode {i}"),
                    observations: Array2::from_shape_fn((steps, observations), |(t, dim)| (t * (dim + 1)) as f32),
                })
                .collect(),
        }
    }

    #[test]
    fn few_and_many_dimensions_are_drawn() {
        for (observations, actions, steps) in [(3, 1, 200), (11, 3, 1), (60, 30, 1000), (400, 8, 3)] {
            let png = dataset_png(&picture(observations, actions, steps)).unwrap();
            let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
            assert_eq!((size(16), size(20)), (1600, 1200));
        }
    }

    #[test]
    fn what_is_missing_leaves_its_panel_empty() {
        let mut none = picture(2, 1, 10);
        (none.returns, none.lengths) = (None, None);
        none.episodes.clear();
        none.observations[1].1 = None;
        none.action_histograms.clear();
        none.title = "x".repeat(1000);
        dataset_png(&none).unwrap();
        none.observations.clear();
        assert!(dataset_png(&none).is_err());
    }
}
