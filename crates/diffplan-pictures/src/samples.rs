//! Pictures of what the averaged network gives: trajectories of a planner beside the dataset's, values of a value function
//! against returns.
//!
//! They are made of windows and noise that the seed alone chooses, and leave the training's own random numbers alone.

use crate::chart::{self, Area, COLOURS, DrawResult, GRID, HorizontalGrid, INK, MUTED, number, px, text};
use crate::error::Result;
use diffplan_data::{DiscountedReturns, Normalizer, Normalizers, SequenceDataset, Transitions, Window};
use diffplan_eval::Names;
use diffplan_models::UNet1dModel;
use diffplan_pipelines::{Condition, Guide, Moment, PlanOptions, RngNoise, ValueGuidedPipeline, ValueNetwork};
use diffplan_schedulers::Scheduler;
use ndarray::{Array1, Array2, Array3, Axis, s};
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand::rngs::StdRng;
use ndarray_rand::rand::seq::index;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;
use std::sync::Arc;

const FILE: &str = "a picture of samples";
const HEADER: usize = 108;

/// Of a planner: windows side by side, and trajectories in each.
const WINDOWS: usize = 3;
const TRAJECTORIES: usize = 8;
const WIDTH: usize = 1600;
const ROW: usize = 190;
const COLUMN_TITLE: usize = 34;
const X_AXIS: usize = 54;
const Y_AXIS: usize = 130;

/// Of a value function: windows in all, and at a time.
const VALUES: usize = 256;
const BATCH: usize = 32;
const SQUARE: usize = 900;

/// A network in training, and what it is trained on.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// The network whose output is drawn: the average, as a rule.
    pub network: &'a UNet1dModel,
    /// The dataset, in its own units.
    pub dataset: &'a dyn Transitions,
    /// Its windows, normalised.
    pub sequences: &'a SequenceDataset,
    /// What they were normalised with.
    pub normalizers: &'a Normalizers,
    /// Which windows, and which noise: the same for a seed at every step.
    pub seed: u64,
}

/// Trajectories of a planner beside the dataset's, unguided, from the same observations (and to the same goals, if `goal`): encoded
/// PNG.
///
/// # Errors
/// If the network's trajectories diverge, or the picture cannot be encoded.
pub fn trajectories_png(
    of: &Sampled,
    scheduler: Arc<dyn Scheduler>,
    goal: bool,
    names: &Names,
    title: String,
) -> Result<Vec<u8>> {
    Trajectories::sample(of, scheduler, goal, names, title)?.png()
}

/// Values of a value function against the returns that came true, normalised by `normalizer` where the network's are: encoded PNG. The
/// correlation is added to the title.
///
/// # Errors
/// If the network fails, or the picture cannot be encoded.
pub fn values_png(
    of: &Sampled,
    returns: Option<&DiscountedReturns>,
    normalizer: Option<&Normalizer>,
    title: &str,
) -> Result<Vec<u8>> {
    Values::predict(of, returns, normalizer, title)?.png()
}

/// Different windows, the same for a seed.
fn windows(of: &Sampled, count: usize) -> Vec<usize> {
    let all = of.sequences.len();
    let mut rng = StdRng::seed_from_u64(of.seed);
    index::sample(&mut rng, all, count.min(all)).into_vec()
}

/// Of a planner.
struct Trajectories {
    title: String,
    /// One a column.
    windows: Vec<String>,
    /// One a row, and all its values.
    dims: Vec<(String, Range<f64>)>,
    horizon: usize,
    /// By column and row.
    panels: Vec<Vec<Panel>>,
}

/// One dimension in one window.
struct Panel {
    /// The dataset's values, to the end of the episode.
    truth: Vec<f64>,
    /// One a trajectory.
    sampled: Vec<Vec<f64>>,
}

impl Trajectories {
    fn sample(of: &Sampled, scheduler: Arc<dyn Scheduler>, goal: bool, names: &Names, title: String) -> Result<Self> {
        let (action_dim, horizon) = (of.sequences.action_dim(), of.sequences.horizon());
        let network = Arc::new(of.network.clone());
        let pipeline = ValueGuidedPipeline::without_guide(network, scheduler, of.normalizers.clone())?
            .with_action_dim(action_dim)?;
        let mut planner = pipeline.planner(PlanOptions {
            batch_size: TRAJECTORIES,
            planning_horizon: horizon,
            n_guide_steps: 0,
            ..PlanOptions::default()
        })?;
        // Observations first; in a trajectory actions are.
        let columns: Vec<usize> = (action_dim..of.sequences.transition_dim())
            .chain(0..action_dim)
            .collect();
        let padding = Array1::zeros(of.dataset.observation_dim());
        let mut noise = RngNoise::seed(of.seed);
        let (mut titles, mut panels) = (Vec::new(), Vec::new());
        for index in windows(of, WINDOWS) {
            let Window { episode, start, end } = of.sequences.window(index);
            let first = of.dataset.episodes()[episode].start;
            titles.push(format!("episode {episode}, from step {}", start - first));
            let mut rows = Array2::zeros((end - start, of.dataset.transition_dim()));
            if let Some(rows) = rows.as_slice_mut() {
                of.dataset.read_rows(start..end, rows)?;
            }
            let observations = rows.slice(s![.., action_dim..]);
            let mut conditions = vec![Condition::observation(0, observations.row(0))];
            if goal && horizon > 1 {
                let last = horizon - 1;
                let observation = if last < rows.nrows() {
                    observations.row(last)
                } else {
                    padding.view()
                };
                conditions.push(Condition::observation(horizon - 1, observation));
            }
            let plan = planner.plan_conditioned(&conditions, &mut noise)?;
            let panel = |&column: &usize| {
                let sampled = plan.trajectories.index_axis(Axis(2), column);
                let numbers = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
                Panel {
                    truth: numbers(rows.column(column).to_vec()),
                    sampled: sampled.rows().into_iter().map(|row| numbers(row.to_vec())).collect(),
                }
            };
            panels.push(columns.iter().map(panel).collect::<Vec<Panel>>());
        }
        let names = names.observations.iter().chain(&names.actions).cloned();
        let dims = names.enumerate().map(|(row, name)| {
            let of_row = panels.iter().map(|column| &column[row]);
            let values = of_row.flat_map(|panel| panel.truth.iter().chain(panel.sampled.iter().flatten()));
            (name, chart::range(values.copied(), 0.06))
        });
        Ok(Self {
            title,
            windows: titles,
            dims: dims.collect(),
            horizon,
            panels,
        })
    }

    fn png(&self) -> Result<Vec<u8>> {
        let height = HEADER + COLUMN_TITLE + self.dims.len() * ROW + X_AXIS;
        chart::png(FILE, WIDTH, height, &|root| self.draw(root))
    }

    fn draw(&self, root: &Area) -> DrawResult {
        root.fill(&WHITE)?;
        let (header, body) = root.split_vertically(px(HEADER));
        draw_title(&header, &self.title)?;
        self.draw_legend(&header)?;
        // The first column has the numbers and names of the rows.
        let width = (px(WIDTH - 26) - px(Y_AXIS)) / self.panels.len().max(1) as u32;
        let mut rest = body;
        for (i, (column, title)) in self.panels.iter().zip(&self.windows).enumerate() {
            let axis = if i == 0 { px(Y_AXIS) } else { 0 };
            let area;
            (area, rest) = rest.split_horizontally(width + axis);
            let (head, mut below) = area.split_vertically(px(COLUMN_TITLE));
            let middle = (axis + width / 2) as i32;
            let style = text(19, FontStyle::Normal, INK, HPos::Center);
            head.draw(&Text::new(title.clone(), (middle, px(18) as i32), style))?;
            for (row, (panel, dim)) in column.iter().zip(&self.dims).enumerate() {
                let x_axis = if row + 1 == column.len() { px(X_AXIS) } else { 0 };
                let area;
                (area, below) = below.split_vertically(px(ROW) + x_axis);
                self.draw_panel(&area, panel, dim, axis, x_axis)?;
            }
        }
        Ok(())
    }

    fn draw_legend(&self, header: &Area) -> DrawResult {
        let style = text(19, FontStyle::Normal, MUTED, HPos::Left);
        let y = px(72) as i32;
        let mut x = px(30) as i32;
        let sampled =
            format!("{TRAJECTORIES} trajectories of the averaged network from the same observation, not guided");
        for (name, colours) in [("the dataset", &[INK][..]), (sampled.as_str(), &COLOURS)] {
            let length = px(34) as i32;
            let part = length / colours.len() as i32;
            let width = if colours.len() == 1 { 3 } else { 2 };
            for (i, colour) in (0..).zip(colours) {
                let line = vec![(x + i * part, y), (x + (i + 1) * part, y)];
                header.draw(&PathElement::new(line, colour.stroke_width(px(width))))?;
            }
            x += length + px(9) as i32;
            header.draw(&Text::new(name.to_owned(), (x, y), style.clone()))?;
            x += header.estimate_text_size(name, &style)?.0 as i32 + px(30) as i32;
        }
        Ok(())
    }

    fn draw_panel(
        &self,
        area: &Area,
        panel: &Panel,
        (name, range): &(String, Range<f64>),
        y_axis: u32,
        x_axis: u32,
    ) -> DrawResult {
        let end = (self.horizon as f64 - 1.0).max(1.0);
        let span = range.end - range.start;
        let mut chart = ChartBuilder::on(area)
            .margin_left(px(12))
            .margin_right(px(12))
            .margin_top(px(8))
            .margin_bottom(px(6))
            .y_label_area_size(y_axis)
            .x_label_area_size(x_axis)
            .build_cartesian_2d(-0.015 * end..1.015 * end, range.clone())?;
        chart
            .configure_mesh()
            .horizontal_grid()
            .x_labels(6)
            .y_labels(5)
            .label_style(text(16, FontStyle::Normal, MUTED, HPos::Center))
            .y_label_formatter(&|y| number(*y, span))
            .x_label_formatter(&|x| number(*x, end))
            .x_desc(if x_axis > 0 { "step" } else { "" })
            .y_desc(if y_axis > 0 { name.as_str() } else { "" })
            .axis_desc_style(text(19, FontStyle::Normal, INK, HPos::Center).transform(FontTransform::None))
            .draw()?;
        let points = |values: &[f64]| -> Vec<(f64, f64)> {
            let steps = (0..values.len()).map(|step| step as f64);
            steps.zip(values.iter().copied()).collect()
        };
        for (values, colour) in panel.sampled.iter().zip(COLOURS.iter().cycle()) {
            chart.draw_series(LineSeries::new(points(values), colour.mix(0.8).stroke_width(px(1))))?;
        }
        chart.draw_series(LineSeries::new(points(&panel.truth), INK.stroke_width(px(3))))?;
        Ok(())
    }
}

/// Of a value function.
struct Values {
    title: String,
    subtitle: String,
    /// Whether they are scaled as the network sees them.
    normalized: bool,
    /// What came true, and what the network says.
    points: Vec<(f64, f64)>,
}

impl Values {
    fn predict(
        of: &Sampled,
        returns: Option<&DiscountedReturns>,
        normalizer: Option<&Normalizer>,
        title: &str,
    ) -> Result<Self> {
        let value_function = Arc::new(ValueNetwork::new(of.network.clone())?);
        let options = PlanOptions {
            batch_size: BATCH,
            ..PlanOptions::default()
        };
        let mut session = value_function.session(options.compute(rayon::current_num_threads()));
        session.prepare(&[0.0]);
        let at = Moment {
            index: 0,
            timestep: 0.0,
        };
        let windows = windows(of, VALUES);
        let mut points = Vec::new();
        for windows in windows.chunks(BATCH) {
            let shape = (windows.len(), of.sequences.horizon(), of.sequences.transition_dim());
            let mut trajectories = Array3::zeros(shape);
            let places = trajectories.axis_iter_mut(Axis(0));
            for (place, &window) in places.zip(windows) {
                of.sequences.copy_into(window, place)?;
            }
            let mut predicted = Array1::zeros(windows.len());
            session.value(trajectories.view(), at, predicted.view_mut())?;
            let mut actual = Vec::new();
            if let Some(returns) = returns {
                for &window in windows {
                    actual.push(returns.from_row(of.sequences.window(window).start)? as f32);
                }
            }
            if let Some(normalizer) = normalizer {
                normalizer.normalize_slice(&mut actual)?;
            }
            let pairs = actual.into_iter().zip(predicted);
            points.extend(pairs.map(|(actual, predicted)| (f64::from(actual), f64::from(predicted))));
        }
        let correlation = correlation(&points).map_or("not defined".into(), |r| format!("{r:.3}"));
        Ok(Self {
            title: format!("{title}   ·   correlation {correlation}"),
            subtitle: format!("{} windows without noise, at timestep 0", points.len()),
            normalized: normalizer.is_some(),
            points,
        })
    }

    fn png(&self) -> Result<Vec<u8>> {
        chart::png(FILE, SQUARE, HEADER + SQUARE, &|root| self.draw(root))
    }

    fn draw(&self, root: &Area) -> DrawResult {
        root.fill(&WHITE)?;
        let (header, body) = root.split_vertically(px(HEADER));
        draw_title(&header, &self.title)?;
        let muted = text(19, FontStyle::Normal, MUTED, HPos::Left);
        header.draw(&Text::new(self.subtitle.clone(), (px(30) as i32, px(72) as i32), muted))?;
        let finite = self.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        // The same on both axes.
        let range = chart::range(finite.clone().flat_map(|&(x, y)| [x, y]), 0.06);
        let span = range.end - range.start;
        let mut chart = ChartBuilder::on(&body)
            .margin_left(px(26))
            .margin_right(px(36))
            .margin_top(px(6))
            .margin_bottom(px(14))
            .y_label_area_size(px(90))
            .x_label_area_size(px(62))
            .build_cartesian_2d(range.clone(), range.clone())?;
        let units = if self.normalized {
            "normalised"
        } else {
            "in the rewards' units"
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(px(1)))
            .axis_style(GRID.stroke_width(px(1)))
            .x_labels(8)
            .y_labels(8)
            .label_style(text(16, FontStyle::Normal, MUTED, HPos::Center))
            .x_label_formatter(&|x| number(*x, span))
            .y_label_formatter(&|y| number(*y, span))
            .x_desc(format!("actual return, {units}"))
            .y_desc(format!("predicted return, {units}"))
            .axis_desc_style(text(19, FontStyle::Normal, INK, HPos::Center))
            .draw()?;
        let identity = [(range.start, range.start), (range.end, range.end)];
        chart.draw_series(LineSeries::new(identity, MUTED.stroke_width(px(1))))?;
        let dot = COLOURS[0].mix(0.55).filled();
        chart.draw_series(finite.map(|&point| Circle::new(point, px(4), dot)))?;
        Ok(())
    }
}

fn draw_title(header: &Area, title: &str) -> DrawResult {
    let style = text(27, FontStyle::Bold, INK, HPos::Left);
    header.draw(&Text::new(title.to_owned(), (px(30) as i32, px(34) as i32), style))
}

/// Pearson's; none where one side is constant.
fn correlation(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |side: fn(&(f64, f64)) -> f64| points.iter().map(side).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (px, py) in points {
        xx += (px - x).powi(2);
        yy += (py - y).powi(2);
        xy += (px - x) * (py - y);
    }
    let correlation = xy / (xx * yy).sqrt();
    correlation.is_finite().then_some(correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_pearsons() {
        assert_eq!(correlation(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(1.0));
        let other = correlation(&[(0.0, 0.0), (1.0, -1.0), (2.0, 1.0)]).unwrap();
        assert!((other - 0.5).abs() < 1e-12);
        assert_eq!(correlation(&[(0.0, 1.0), (1.0, 1.0)]), None);
        assert_eq!(correlation(&[]), None);
    }
}
