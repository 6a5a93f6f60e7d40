//! The first episode in the environment's own picture: an animation in real time, and a sheet of moments. Both show at every
//! moment the path planned then, and the path that came true.

use crate::chart::{self, Area, DrawResult, INK, MUTED, legend, px, text};
use crate::error::{Error, Result};
use crate::frames::{blank, paste, shrink};
use crate::gif::encode as gif;
use crate::stage::{Paths, Stage};
use crate::style::{PLANNED, TRUE};
use crate::watch::Watch;
use diffplan_envs::Frame;
use diffplan_eval::Episode;
use diffplan_pipelines::SampleLayout;
use ndarray::{Array2, Axis, Slice, s};
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

const GIF: &str = "rollout.gif";
const SHEET: &str = "contact-sheet.png";

/// Seconds that a frame is shown for at least, but for rounding: no more than 30 a second.
const SHORTEST: f64 = 0.033;
/// Frames of the longest animation.
const MOST_FRAMES: usize = 1200;
/// Hundredths of a second that the last frame stays.
const LAST: u16 = 200;
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
    states: &'a Array2<f64>,
    layout: &'a SampleLayout,
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
            states,
            layout,
            returns: std::iter::once(0.0)
                .chain(episode.rewards.iter().scan(0.0, sum))
                .collect(),
        })
    }

    /// The animation, encoded GIF.
    ///
    /// # Errors
    /// What the stage says.
    pub fn gif(&self, stage: &mut Stage, watch: &dyn Watch) -> Result<Vec<u8>> {
        let steps = shown_steps(self.episode.length(), stage.dt());
        let delays = delays(&steps, stage.dt());
        watch.expect(delays.len());
        gif(GIF, &delays, &mut |i| {
            watch.step();
            self.frame(stage, steps[i])
        })
    }

    fn frame(&self, stage: &mut Stage, step: usize) -> Result<Frame> {
        let picture = self.picture(stage, step)?;
        let (width, height) = (picture.width as usize, picture.height as usize);
        let time = match stage.has_clock() {
            true => format!("step {step}   ·   {:.2} s", step as f64 * stage.dt()),
            false => format!("step {step}"),
        };
        let strip = chart::pixels(GIF, width, STRIP, &|root| self.draw_strip(root, &time, step))?;
        let mut frame = blank(width, height + STRIP);
        paste(&mut frame, &picture, (0, 0));
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
        let observations = plan.slice_axis(Axis(1), Slice::from(self.layout.observations()));
        let end = (step + plan.nrows()).min(self.states.nrows());
        stage.draw(Paths {
            truth: Some(self.states.slice(s![step..end, ..]).to_owned()),
            plan: stage.states_of(observations)?,
            others: Vec::new(),
        })
    }

    fn draw_strip(&self, area: &Area, time: &str, step: usize) -> DrawResult {
        area.fill(&RGBColor(252, 252, 253))?;
        let (width, _) = area.dim_in_pixel();
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

    /// Up to twelve moments, as PNG, evenly spaced, the first step and one close to the end among them.
    ///
    /// # Errors
    /// What the stage says.
    pub fn contact_sheet(&self, stage: &mut Stage, watch: &dyn Watch) -> Result<Vec<u8>> {
        let steps = self.episode.length();
        // The end is the last of them.
        let count = MOST_TILES.min(steps + 1);
        watch.expect(count);
        let mut tiles = Vec::with_capacity(count);
        for i in 0..count {
            let step = i * steps / (count - 1).max(1);
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
        let names = [("planned", PLANNED, 3), ("came true", TRUE, 6)];
        let mut width = -(px(18) as i32);
        for (name, ..) in names {
            width += area.estimate_text_size(name, &label)?.0 as i32 + px(48) as i32;
        }
        let mut x = right - width;
        for (name, colour, across) in names {
            x = legend(area, (x, y), name, (colour.stroke_width(px(across)), &label))?;
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

/// Every so many steps that frames follow each other no faster than [`SHORTEST`], and the last.
fn shown_steps(steps: usize, dt: f64) -> Vec<usize> {
    let each = ((SHORTEST / dt).ceil() as usize)
        .max(steps.div_ceil(MOST_FRAMES))
        .max(1);
    let mut shown: Vec<usize> = (0..steps).step_by(each).collect();
    shown.push(steps);
    shown
}

/// How long each of the steps is shown, in hundredths of a second. Rounding does not add up.
fn delays(steps: &[usize], dt: f64) -> Vec<u16> {
    let at = |step: usize| (100.0 * dt * step as f64).round();
    let between = steps
        .windows(2)
        .map(|pair| (at(pair[1]) - at(pair[0])).clamp(2.0, 1000.0) as u16);
    between.chain([LAST]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn animations_run_in_real_time() {
        for (dt, steps, frames, first) in [
            (0.05, 200, 201, vec![5, 5, 5]),
            (0.008, 1000, 201, vec![4, 4, 4]),
            (1.0 / 30.0, 999, 1000, vec![3, 4, 3]),
            (0.002, 7, 2, vec![2]),
        ] {
            let shown = shown_steps(steps, dt);
            let delays = delays(&shown, dt);
            assert_eq!((shown.len(), delays.len()), (frames, frames), "{dt}");
            assert_eq!(delays[..first.len()], first, "{dt}");
            assert_eq!((shown[0], shown.last()), (0, Some(&steps)));
            let hundredths: u32 = delays.iter().map(|&delay| u32::from(delay)).sum();
            let expected = 100.0 * dt * steps as f64 + f64::from(LAST);
            assert!((f64::from(hundredths) - expected).abs() < 1.0, "{dt}: {hundredths}");
        }
        assert!(shown_steps(1_000_000, 0.05).len() <= MOST_FRAMES + 1);
    }
}
