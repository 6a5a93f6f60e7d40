//! How the time of a whole plan grows with the candidates, the horizon and the denoising steps.
//!
//! Plans of Hopper's size with random weights, in float32, each on several numbers of threads: the median of some plans, as a
//! table and as a picture of three panels.
//!
//! ```sh
//! cargo run --release -p diffplan-benches --bin scaling
//! DIFFPLAN_ISA=avx2 cargo run --release -p diffplan-benches --bin scaling -- --out scaling.svg
//! ```

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use diffplan_benches::{HORIZON, TIMESTEPS, hopper, plan_options, pool};
use diffplan_files::write_atomically;
use diffplan_kernels::Isa;
use diffplan_pipelines::{PlanOptions, Precision, RngNoise, ValueGuidedPipeline};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use ndarray::Array1;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::error::Error;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How the time of a whole plan grows with the candidates, the horizon and the denoising steps.
#[derive(Parser)]
#[command(name = "scaling")]
struct Args {
    /// The picture that is written
    #[arg(long, value_name = "FILE", default_value = "docs/scaling.svg")]
    out: PathBuf,
    /// Plans whose median is taken, after one that is not counted
    #[arg(long, default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    repeats: usize,
}

/// Candidates where something else is what grows.
const BATCH: usize = 16;
/// More curves than this would crowd a panel.
const MOST_CURVES: usize = 4;

/// What is made larger and larger.
struct Axis {
    /// As it stands at the axis and above the table.
    name: &'static str,
    /// What stays as it is.
    fixed: String,
    values: &'static [usize],
    scale: Scale,
    options: fn(usize) -> PlanOptions,
}

/// How both axes of a panel are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Linear,
    Log,
}

fn axes() -> [Axis; 3] {
    let steps = PlanOptions::default().n_guide_steps;
    let guided = format!("{steps} guide steps");
    [
        Axis {
            name: "candidates",
            fixed: format!("horizon {HORIZON}, {TIMESTEPS} denoising steps, {guided}"),
            values: &[1, 2, 4, 8, 16, 32, 64, 128],
            scale: Scale::Log,
            options: options_of,
        },
        // The head of the value function takes one length only.
        Axis {
            name: "horizon",
            fixed: format!("{BATCH} candidates, {TIMESTEPS} denoising steps, no guidance"),
            values: &[8, 16, 32, 64, 128],
            scale: Scale::Log,
            options: |planning_horizon| PlanOptions {
                planning_horizon,
                n_guide_steps: 0,
                ..options_of(BATCH)
            },
        },
        Axis {
            name: "denoising steps",
            fixed: format!("{BATCH} candidates, horizon {HORIZON}, {guided}"),
            values: &[1, 2, 5, 10, 20],
            scale: Scale::Linear,
            options: |steps| PlanOptions {
                num_inference_steps: Some(steps),
                ..options_of(BATCH)
            },
        },
    ]
}

fn options_of(batch: usize) -> PlanOptions {
    PlanOptions {
        planning_horizon: HORIZON,
        ..plan_options(batch, Precision::F32)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let folder = folder_of(&args.out);
    if !folder.is_dir() {
        return Err(format!("{} is not a folder to write a picture to", folder.display()).into());
    }
    let threads = thread_counts(rayon::current_num_threads());
    let axes = axes();
    let panels = measure(&axes, &threads, args.repeats)?;
    let title = format!("Time of a plan: Hopper's size, float32, {}", Isa::active().name());
    print(&title, &panels, &threads, args.repeats)?;
    write_atomically(&args.out, svg(&title, &panels, &threads)?.as_bytes())?;
    writeln!(io::stdout(), "\n{}", args.out.display())?;
    Ok(())
}

/// All numbers of threads, or if these are many, all of them, a half, a quarter, and one.
fn thread_counts(cores: usize) -> Vec<usize> {
    if cores <= MOST_CURVES {
        return (1..=cores).collect();
    }
    let mut counts = vec![1, cores / 4, cores / 2, cores];
    counts.dedup();
    counts
}

/// The medians along an axis.
struct Measured<'a> {
    axis: &'a Axis,
    /// A row a number of threads, a column a value of the axis.
    milliseconds: Vec<Vec<f64>>,
}

fn measure<'a>(
    axes: &'a [Axis],
    threads: &[usize],
    repeats: usize,
) -> Result<Vec<Measured<'a>>, diffplan_pipelines::Error> {
    let pipeline = hopper()?;
    let pools: Vec<_> = threads.iter().map(|&count| pool(count)).collect();
    let points: usize = axes.iter().map(|axis| axis.values.len()).sum();
    let style = ProgressStyle::with_template("{msg} [{bar:32.cyan/blue}] {pos}/{len}, {eta} left")
        .expect("the template above is well formed")
        .progress_chars("━╸─");
    // Hidden where stderr is no terminal.
    let bar = ProgressBar::new((points * pools.len()) as u64)
        .with_style(style)
        .with_finish(ProgressFinish::AndClear);
    let mut panels = Vec::new();
    for axis in axes {
        bar.set_message(axis.name);
        let mut milliseconds = vec![Vec::new(); pools.len()];
        for &value in axis.values {
            // Threads within values, so that what else the machine does falls on all curves alike.
            for (pool, row) in pools.iter().zip(&mut milliseconds) {
                row.push(median_ms(&pipeline, (axis.options)(value), pool, repeats)?);
                bar.inc(1);
            }
        }
        panels.push(Measured { axis, milliseconds });
    }
    Ok(panels)
}

/// The median time of so many plans. One plan before them is not counted: it packs weights.
fn median_ms(
    pipeline: &ValueGuidedPipeline,
    options: PlanOptions,
    pool: &Arc<rayon::ThreadPool>,
    repeats: usize,
) -> Result<f64, diffplan_pipelines::Error> {
    let mut planner = pipeline.planner(options)?.in_pool(Arc::clone(pool));
    let (observation, mut noise) = (Array1::zeros(pipeline.observation_dim()), RngNoise::seed(0));
    planner.plan(observation.view(), &mut noise)?;
    let mut samples = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let begin = Instant::now();
        planner.plan(observation.view(), &mut noise)?;
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    samples.sort_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}

fn print(title: &str, panels: &[Measured], threads: &[usize], repeats: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{title}\nms a plan, median of {repeats}")?;
    for panel in panels {
        write!(out, "\n{}\n{:<16}", panel.axis.fixed, panel.axis.name)?;
        for &count in threads {
            write!(out, "{:>12}", curve_name(count))?;
        }
        writeln!(out)?;
        for (i, value) in panel.axis.values.iter().enumerate() {
            write!(out, "{value:<16}")?;
            for row in &panel.milliseconds {
                write!(out, "{:>12.2}", row[i])?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn curve_name(threads: usize) -> String {
    match threads {
        1 => "1 thread".into(),
        _ => format!("{threads} threads"),
    }
}

const WIDTH: u32 = 1440;
const HEADER: u32 = 96;
const PANEL: u32 = 430;

const INK: RGBColor = RGBColor(38, 43, 51);
const MUTED: RGBColor = RGBColor(90, 98, 109);
const GRID: RGBColor = RGBColor(222, 226, 231);
/// Colours that people with any kind of colour vision tell apart (Okabe and Ito 2008).
const COLOURS: [RGBColor; MOST_CURVES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawResult = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

fn svg(title: &str, panels: &[Measured], threads: &[usize]) -> Result<String, Box<dyn Error>> {
    // The picture only names a font; this one tells how wide text is.
    for (style, font) in [
        (FontStyle::Normal, dejavu::sans::regular()),
        (FontStyle::Bold, dejavu::sans::bold()),
    ] {
        register_font("sans-serif", style, font).map_err(|_| "the embedded font is damaged")?;
    }
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, HEADER + PANEL)).into_drawing_area();
        draw(title, panels, threads, &root)?;
        root.present()?;
    }
    Ok(text)
}

/// Text of so many pixels. The backend divides sizes by 1.24.
fn text(pixels: f64, style: FontStyle, colour: RGBColor, anchor: HPos) -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, pixels * 1.24, style);
    font.color(&colour).pos(Pos::new(anchor, VPos::Center))
}

fn draw(title: &str, panels: &[Measured], threads: &[usize], root: &Area) -> DrawResult {
    root.fill(&WHITE)?;
    let (header, body) = root.split_vertically(HEADER);
    header.draw(&Text::new(
        title.to_owned(),
        (24, 30),
        text(24.0, FontStyle::Bold, INK, HPos::Left),
    ))?;
    let label = text(17.0, FontStyle::Normal, INK, HPos::Left);
    let (mut x, y) = (24, 70);
    for (&count, colour) in threads.iter().zip(COLOURS) {
        let name = curve_name(count);
        let line = vec![(x, y), (x + 40, y)];
        header.draw(&PathElement::new(line, colour.stroke_width(3)))?;
        header.draw(&Circle::new((x + 20, y), 5, colour.filled()))?;
        let width = header.estimate_text_size(&name, &label)?.0 as i32;
        header.draw(&Text::new(name, (x + 50, y), label.clone()))?;
        x += 50 + width + 34;
    }
    for (panel, area) in panels.iter().zip(body.split_evenly((1, panels.len()))) {
        draw_panel(panel, &area)?;
    }
    Ok(())
}

fn draw_panel(panel: &Measured, area: &Area) -> DrawResult {
    let (axis, scale) = (panel.axis, panel.axis.scale);
    let values = || axis.values.iter().map(|&value| value as f64);
    let times = || panel.milliseconds.iter().flatten().copied();
    let (x_range, y_range) = (scale.range(values()), scale.range(times()));
    let x_axis = Divided {
        scale,
        range: x_range,
        ticks: values().collect(),
    };
    let y_axis = Divided {
        scale,
        ticks: scale.ticks(y_range.clone()),
        range: y_range,
    };
    let width = area.dim_in_pixel().0 as i32;
    area.draw(&Text::new(
        axis.fixed.clone(),
        (width / 2 + 20, 14),
        text(14.0, FontStyle::Normal, MUTED, HPos::Center),
    ))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(34)
        .margin_right(22)
        .margin_left(10)
        .margin_bottom(10)
        .y_label_area_size(76)
        .x_label_area_size(58)
        .build_cartesian_2d(x_axis, y_axis)?;
    let number = |value: &f64| {
        let rounded = format!("{value:.3}");
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(1))
        .axis_style(MUTED.stroke_width(1))
        .label_style(text(15.0, FontStyle::Normal, INK, HPos::Center))
        .axis_desc_style(text(17.0, FontStyle::Normal, INK, HPos::Center))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .x_desc(axis.name)
        .y_desc("ms a plan")
        .draw()?;
    for (row, colour) in panel.milliseconds.iter().zip(COLOURS) {
        let points = values().zip(row).map(|(x, &y)| (x, y));
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(3)))?;
        chart.draw_series(points.map(|point| Circle::new(point, 5, colour.filled())))?;
    }
    Ok(())
}

/// An axis that is divided at given numbers.
struct Divided {
    scale: Scale,
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Divided {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let [at, start, end] = [*value, self.range.start, self.range.end].map(|value| self.scale.place(value));
        let share = (at - start) / (end - start);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light lines would lie between those at ticks.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl Scale {
    /// Where a number stands on an axis.
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
        }
    }

    /// What an axis with these numbers shows: a little more, and 0 if it can.
    fn range(self, values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
        match self {
            Scale::Linear => 0.0..1.06 * high,
            Scale::Log => {
                let margin = (high / low).powf(0.06).max(1.05);
                low / margin..high * margin
            }
        }
    }

    /// The round numbers in a range: 1, 2 and 5 times powers of ten, or as many as fit of equal distance.
    fn ticks(self, range: Range<f64>) -> Vec<f64> {
        let round = || (-6..9).flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(exponent)));
        match self {
            Scale::Linear => {
                let span = range.end - range.start;
                let step = round().find(|step| span / step <= 8.0).unwrap_or(span);
                let first = (range.start / step).ceil();
                let places = (0..=8).map(|i| (first + f64::from(i)) * step);
                places.filter(|tick| *tick <= range.end).collect()
            }
            Scale::Log => round().filter(|tick| range.contains(tick)).collect(),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_at_most_four_and_the_last_has_every_core() {
        for (cores, counts) in [
            (1, &[1][..]),
            (2, &[1, 2]),
            (4, &[1, 2, 3, 4]),
            (5, &[1, 2, 5]),
            (16, &[1, 4, 8, 16]),
        ] {
            assert_eq!(thread_counts(cores), counts);
        }
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(Scale::Log.ticks(4.0..130.0), [5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(
            Scale::Linear.ticks(0.0..70.0),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
        );
        for scale in [Scale::Linear, Scale::Log] {
            for high in [0.3, 7.0, 1234.0] {
                let range = scale.range([high / 50.0, high].into_iter());
                assert!(range.contains(&high), "{scale:?} {range:?}");
                let ticks = scale.ticks(range.clone());
                assert!((3..=9).contains(&ticks.len()), "{scale:?} {range:?}: {ticks:?}");
            }
        }
    }

    #[test]
    fn the_picture_names_every_curve_and_axis() {
        let axes = axes();
        let measured = |axis| Measured {
            axis,
            milliseconds: vec![axis.values.iter().map(|&value| value as f64).collect(); 2],
        };
        let panels: Vec<_> = axes.iter().map(measured).collect();
        let picture = svg("a title", &panels, &[1, 2]).unwrap();
        for text in [
            "a title",
            "1 thread",
            "2 threads",
            "candidates",
            "horizon",
            "denoising steps",
            "ms a plan",
        ] {
            assert!(picture.contains(text), "no {text:?} in {picture}");
        }
    }
}
