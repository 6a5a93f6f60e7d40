//! The first episode in the environment's own picture: an animation in real time, and a sheet of moments. Both show at every
//! moment the path planned then, what else could have been, and the path that came true.

mod charts;
mod moments;

use crate::chart::{self, Area, DrawResult, GRID, INK, MUTED, legend, px, text};
use crate::error::{Error, Result};
use crate::frames::{blank, paste, shrink};
use crate::gif::encode as gif;
use crate::stage::{Paths, Stage};
use crate::style::{PLANNED, TRUE, faded};
use crate::watch::Watch;
use charts::{Charts, Planned};
use diffplan_envs::Frame;
use diffplan_eval::{Episode, Names};
use diffplan_pipelines::SampleLayout;
use moments::{delays, moments, shown_steps};
use ndarray::{Array2, Array3, ArrayView2, Axis, Slice, s};
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

const GIF: &str = "rollout.gif";
const SHEET: &str = "contact-sheet.png";

/// Pixels below the picture.
const STRIP: usize = 62;

/// Of the sheet.
const MOST_TILES: usize = 12;
const COLUMNS: usize = 4;
const TILE: usize = 390;
const GAP: usize = 10;
const TILE_STRIP: usize = 34;
const HEADER: usize = 96;

/// An episode, filmed: everything that is drawn.
pub struct Film<'a> {
    env: &'a str,
    titles: (String, String),
    episode: &'a Episode,
    plans: &'a [Array2<f32>],
    others: &'a [Array3<f32>],
    states: &'a Array2<f64>,
    layout: &'a SampleLayout,
    names: Option<&'a Names>,
    returns: Vec<f64>,
}

impl<'a> Film<'a> {
    /// Of an episode of the environment that is called `env`, with the plan of every step (horizon, dimensions), in the environment's
    /// units, where actions and observations lie as `layout` says; no plans where nothing plans. Title and subtitle are for the sheet.
    ///
    /// # Errors
    /// [`Error::NoPicture`] if the environment did not tell its states.
    pub fn of(
        env: &'a str,
        titles: (String, String),
        episode: &'a Episode,
        plans: &'a [Array2<f32>],
        layout: &'a SampleLayout,
    ) -> Result<Self> {
        let states = episode.states.as_ref().ok_or_else(|| Error::NoPicture {
            env: env.to_owned(),
            error: diffplan_envs::Error::Unsupported { method: "state" },
        })?;
        let sum = |sum: &mut f64, reward: &f64| {
            *sum += reward;
            Some(*sum)
        };
        Ok(Self {
            env,
            titles,
            episode,
            plans,
            others: &[],
            states,
            layout,
            names: None,
            returns: std::iter::once(0.0)
                .chain(episode.rewards.iter().scan(0.0, sum))
                .collect(),
        })
    }

    /// With what the dimensions are called: the animation has charts of the first observation, the first action and the return beside
    /// the picture.
    pub fn with_names(mut self, names: &'a Names) -> Self {
        self.names = Some(names);
        self
    }

    /// With the candidates of every step that were not chosen, (candidates, horizon, dimensions), the best first.
    pub fn with_others(mut self, others: &'a [Array3<f32>]) -> Self {
        self.others = others;
        self
    }

    /// The animation, encoded GIF.
    ///
    /// # Errors
    /// What the stage says.
    pub fn gif(&self, stage: &mut Stage, watch: &dyn Watch) -> Result<Vec<u8>> {
        let steps = shown_steps(self.episode.length(), stage.dt());
        let delays = delays(&steps, stage.dt());
        let charts = self.names.map(|names| {
            let (of, plans) = ((names, self.layout), (self.plans, self.others));
            Charts::of(self.episode, &self.returns, of, plans)
        });
        watch.expect(delays.len());
        gif(GIF, &delays, &mut |i| {
            watch.step();
            self.frame(stage, charts.as_ref(), steps[i])
        })
    }

    fn frame(&self, stage: &mut Stage, charts: Option<&Charts>, step: usize) -> Result<Frame> {
        let picture = self.picture(stage, step)?;
        let (left, height) = (picture.width as usize, picture.height as usize);
        let width = left + charts.map_or(0, |_| charts::WIDTH);
        let time = match stage.has_clock() {
            true => format!("step {step}   ·   {:.2} s", step as f64 * stage.dt()),
            false => format!("step {step}"),
        };
        let strip = chart::pixels(GIF, width, STRIP, &|root| self.draw_strip(root, &time, step))?;
        let mut frame = blank(width, height + STRIP);
        paste(&mut frame, &picture, (0, 0));
        if let Some(charts) = charts {
            let planned = self.plans.get(step).map(|chosen| Planned {
                chosen,
                others: self.others.get(step),
            });
            let charts = charts.frame(GIF, height, step, planned.as_ref())?;
            paste(&mut frame, &charts, (left, 0));
        }
        paste(&mut frame, &strip, (0, height));
        Ok(frame)
    }

    /// The environment's picture after so many steps.
    fn picture(&self, stage: &mut Stage, step: usize) -> Result<Frame> {
        stage.set_state(self.states.row(step))?;
        let Some(plan) = self.plans.get(step) else {
            // Nothing is planned at the end.
            return stage.draw(Paths::default());
        };
        let states = |plan: ArrayView2<f32>| {
            let observations = plan.slice_axis(Axis(1), Slice::from(self.layout.observations()));
            stage.states_of(observations)
        };
        let mut others = Vec::new();
        for other in self.others.get(step).iter().flat_map(|others| others.outer_iter()) {
            others.extend(states(other)?);
        }
        let end = (step + plan.nrows()).min(self.states.nrows());
        stage.draw(Paths {
            truth: Some(self.states.slice(s![step..end, ..]).to_owned()),
            plan: states(plan.view())?,
            others,
            colour: None,
        })
    }

    fn draw_strip(&self, area: &Area, time: &str, step: usize) -> DrawResult {
        area.fill(&RGBColor(250, 251, 252))?;
        let (width, _) = area.dim_in_pixel();
        let edge = vec![(0, 0), (width as i32, 0)];
        area.draw(&PathElement::new(edge, GRID.stroke_width(px(1))))?;
        let (left, right) = (px(14) as i32, width as i32 - px(14) as i32);
        let (upper, lower) = (px(19) as i32, px(44) as i32);
        let bold = |anchor| text(16, FontStyle::Bold, INK, anchor);
        let muted = text(14, FontStyle::Normal, MUTED, HPos::Left);
        area.draw(&Text::new(self.env.to_owned(), (left, upper), bold(HPos::Left)))?;
        area.draw(&Text::new(self.return_so_far(step), (right, upper), bold(HPos::Right)))?;
        area.draw(&Text::new(time.to_owned(), (left, lower), muted))?;
        self.draw_legend(area, right, lower, 14)
    }

    fn return_so_far(&self, step: usize) -> String {
        format!("return {:.1}", self.returns[step])
    }

    /// Up to twelve moments, as PNG, the first step and the last among them, closer together where more happens.
    ///
    /// # Errors
    /// What the stage says.
    pub fn contact_sheet(&self, stage: &mut Stage, watch: &dyn Watch) -> Result<Vec<u8>> {
        let steps = moments(self.episode.observations.view(), MOST_TILES);
        let count = steps.len();
        watch.expect(count);
        let mut tiles = Vec::with_capacity(count);
        for step in steps {
            watch.step();
            tiles.push((step, shrink(&self.picture(stage, step)?, TILE)));
        }
        let tile = |size: fn(&Frame) -> u32| tiles.iter().map(|(_, tile)| size(tile) as usize).max().unwrap_or(0);
        let (tile_width, tile_height) = (tile(|tile| tile.width), tile(|tile| tile.height));
        let columns = COLUMNS.min(count);
        let across = GAP + columns * (tile_width + GAP);
        let down = HEADER + count.div_ceil(columns) * (tile_height + TILE_STRIP + GAP);
        let place = |i: usize| {
            let (column, row) = (i % columns, i / columns);
            let x = GAP + column * (tile_width + GAP);
            (x, HEADER + row * (tile_height + TILE_STRIP + GAP))
        };
        let mut sheet = chart::pixels(SHEET, across, down, &|root| {
            root.fill(&WHITE)?;
            self.draw_sheet_header(root, across)?;
            for (i, (step, _)) in tiles.iter().enumerate() {
                let (x, y) = place(i);
                let y = px(y + tile_height + TILE_STRIP / 2) as i32;
                let bold = text(16, FontStyle::Bold, INK, HPos::Left);
                let muted = text(16, FontStyle::Normal, MUTED, HPos::Right);
                root.draw(&Text::new(format!("step {step}"), (px(x + 6) as i32, y), bold))?;
                let right = px(x + tile_width - 6) as i32;
                root.draw(&Text::new(self.return_so_far(*step), (right, y), muted))?;
            }
            Ok(())
        })?;
        for (i, (_, tile)) in tiles.iter().enumerate() {
            paste(&mut sheet, tile, place(i));
            frame_off(&mut sheet, place(i), (tile_width, tile_height));
        }
        chart::encode(&sheet).map_err(Error::encode(SHEET))
    }

    fn draw_sheet_header(&self, area: &Area, across: usize) -> DrawResult {
        let left = px(GAP + 6) as i32;
        let (title, subtitle) = self.titles.clone();
        // A sheet of one column has room for less.
        let size = if across > 1000 { 24 } else { 15 };
        let bold = text(size, FontStyle::Bold, INK, HPos::Left);
        area.draw(&Text::new(title, (left, px(30) as i32), bold))?;
        let y = px(68) as i32;
        if across > 1000 {
            let muted = text(17, FontStyle::Normal, MUTED, HPos::Left);
            area.draw(&Text::new(subtitle, (left, y), muted))?;
        }
        self.draw_legend(area, px(across - GAP - 6) as i32, y, 17)
    }

    /// What the two lines are, to the left of `right`; nothing, where nothing is planned and there are none.
    fn draw_legend(&self, area: &Area, right: i32, y: i32, size: usize) -> DrawResult {
        if self.plans.is_empty() {
            return Ok(());
        }
        let label = text(size, FontStyle::Normal, MUTED, HPos::Left);
        let (colour, opacity) = faded(0, 2);
        let mut names = vec![
            ("planned", PLANNED.stroke_width(px(3))),
            ("other candidates", colour.mix(opacity).stroke_width(px(1))),
            ("came true", TRUE.stroke_width(px(6))),
        ];
        if self.others.is_empty() {
            names.remove(1);
        }
        let mut width = -(px(18) as i32);
        for (name, _) in &names {
            width += area.estimate_text_size(name, &label)?.0 as i32 + px(48) as i32;
        }
        let mut x = right - width;
        for (name, style) in names {
            x = legend(area, (x, y), name, (style, &label))?;
        }
        Ok(())
    }
}

/// A thin line around a tile: pictures may be as white as the sheet.
fn frame_off(sheet: &mut Frame, (left, top): (usize, usize), (width, height): (usize, usize)) {
    let line = |width, height| Frame {
        pixels: [216, 220, 226].repeat(width * height),
        ..blank(width, height)
    };
    for y in [top, top + height - 1] {
        paste(sheet, &line(width, 1), (left, y));
    }
    for x in [left, left + width - 1] {
        paste(sheet, &line(1, height), (x, top));
    }
}
