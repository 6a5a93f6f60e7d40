//! The frames of the animation of a plan in the making.

use super::{FILE, Scene};
use crate::chart::{self, Area, DrawResult, HorizontalGrid, INK, MUTED, legend, number, px, text};
use crate::error::Result;
use crate::frames::{blank, paste};
use crate::stage::{Paths, Stage};
use crate::style::{PLANNED, faded};
use diffplan_envs::Frame;
use diffplan_eval::Names;
use diffplan_pipelines::SampleLayout;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayView3, Axis, Slice};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::{FontStyle, FontTransform};
use std::ops::Range;

const HEADER: usize = 78;
const CHARTS: usize = 460;
/// Charts that stand alone.
const ALONE: (usize, usize) = (860, 540);
const X_AXIS: usize = 40;

/// A quantity over the horizon.
pub(super) struct Panel {
    label: String,
    /// In a trajectory.
    column: usize,
    /// Of all values at all moments.
    range: Range<f64>,
}

/// The first observation, a velocity or else the last of them, and the first action.
pub(super) fn panels(scenes: &[Scene], names: &Names, layout: &SampleLayout) -> Vec<Panel> {
    let count = names.observations.len();
    let velocity = names.observations.iter().position(|name| name == "x velocity");
    let mut columns = vec![(0, &names.observations)];
    if count > 1 {
        // Of many unknown ones the second is as good as any.
        let other = velocity.unwrap_or(if count <= 4 { count - 1 } else { 1 });
        columns.push((other, &names.observations));
    }
    let mut columns: Vec<_> = columns
        .into_iter()
        .map(|(dim, of)| (dim, of, layout.observations().start + dim))
        .collect();
    if !layout.actions().is_empty() {
        columns.push((0, &names.actions, layout.actions().start));
    }
    let panels = columns.into_iter().map(|(dim, of, column)| {
        let values = scenes
            .iter()
            .flat_map(|scene| scene.candidates.index_axis(Axis(2), column).to_owned());
        Panel {
            label: of.get(dim).cloned().unwrap_or_default(),
            column,
            range: chart::range(values.map(f64::from), 0.05),
        }
    });
    panels.collect()
}

/// What the frames are drawn from.
pub(super) struct Animation<'a> {
    pub(super) title: String,
    pub(super) scenes: Vec<Scene>,
    pub(super) panels: Vec<Panel>,
    pub(super) stage: Option<&'a Stage>,
    pub(super) layout: &'a SampleLayout,
}

impl Animation<'_> {
    pub(super) fn frame(&self, index: usize) -> Result<Frame> {
        let scene = &self.scenes[index];
        let picture = match self.stage {
            Some(stage) => Some(stage.draw(self.paths(stage, scene)?)?),
            None => None,
        };
        let (left, charts, height) = match &picture {
            Some(picture) => (picture.width as usize, CHARTS, picture.height as usize),
            None => (0, ALONE.0, ALONE.1),
        };
        let mut frame = blank(left + charts, HEADER + height);
        let header = chart::pixels(FILE, left + charts, HEADER, &|root| self.draw_header(root, scene))?;
        paste(&mut frame, &header, (0, 0));
        if let Some(picture) = &picture {
            paste(&mut frame, picture, (0, HEADER));
        }
        let charts = chart::pixels(FILE, charts, height, &|root| self.draw_charts(root, scene, height))?;
        paste(&mut frame, &charts, (left, HEADER));
        Ok(frame)
    }

    fn paths(&self, stage: &Stage, scene: &Scene) -> Result<Paths> {
        let states = |trajectory: ArrayView2<f32>| {
            stage.states_of(trajectory.slice_axis(Axis(1), Slice::from(self.layout.observations())))
        };
        let mut all = Vec::with_capacity(scene.candidates.len_of(Axis(0)));
        for trajectory in scene.candidates.outer_iter() {
            all.push(states(trajectory)?);
        }
        let mut all = all.into_iter();
        let plan: Option<Array2<f64>> = all.next().flatten();
        Ok(Paths {
            truth: None,
            plan,
            others: all.flatten().collect(),
            colour: None,
        })
    }

    fn draw_header(&self, area: &Area, scene: &Scene) -> DrawResult {
        area.fill(&WHITE)?;
        let left = px(20) as i32;
        let title = text(19, FontStyle::Bold, INK, HPos::Left);
        area.draw(&Text::new(self.title.clone(), (left, px(24) as i32), title))?;
        let caption = text(16, FontStyle::Normal, INK, HPos::Left);
        area.draw(&Text::new(scene.caption.clone(), (left, px(54) as i32), caption))?;
        // The legend ends where the picture does.
        let label = text(15, FontStyle::Normal, MUTED, HPos::Left);
        let names = ["the candidate that is chosen", "the others"];
        let shown = if scene.candidates.len_of(Axis(0)) > 1 { 2 } else { 1 };
        let mut width = 0;
        for name in &names[..shown] {
            width += area.estimate_text_size(name, &label)?.0 as i32 + px(48) as i32;
        }
        let mut x = area.dim_in_pixel().0 as i32 - width;
        let (other, _) = faded(0, 2);
        let styles = [PLANNED.stroke_width(px(3)), other.mix(0.6).stroke_width(px(1))];
        for (name, style) in names.into_iter().zip(styles).take(shown) {
            x = legend(area, (x, px(54) as i32), name, (style, &label))?;
        }
        Ok(())
    }

    fn draw_charts(&self, area: &Area, scene: &Scene, height: usize) -> DrawResult {
        area.fill(&WHITE)?;
        let each = (height - X_AXIS) / self.panels.len().max(1);
        let mut below = area.clone();
        for (i, panel) in self.panels.iter().enumerate() {
            let last = i + 1 == self.panels.len();
            let part;
            (part, below) = below.split_vertically(px(if last { each + X_AXIS } else { each }));
            draw_panel(&part, panel, scene.candidates.view(), last)?;
        }
        Ok(())
    }
}

fn draw_panel(area: &Area, panel: &Panel, candidates: ArrayView3<f32>, with_x_axis: bool) -> DrawResult {
    let end = (candidates.len_of(Axis(1)) as f64 - 1.0).max(1.0);
    let span = panel.range.end - panel.range.start;
    let mut chart = ChartBuilder::on(area)
        .margin_left(px(8))
        .margin_right(px(18))
        .margin_top(px(10))
        .margin_bottom(px(8))
        .y_label_area_size(px(84))
        .x_label_area_size(if with_x_axis { px(X_AXIS) } else { 0 })
        .build_cartesian_2d(-0.02 * end..1.02 * end, panel.range.clone())?;
    chart
        .configure_mesh()
        .horizontal_grid()
        .x_labels(7)
        .y_labels(4)
        .label_style(text(13, FontStyle::Normal, MUTED, HPos::Center))
        .y_label_formatter(&|y| number(*y, span))
        .x_label_formatter(&|x| number(*x, end))
        .x_desc(if with_x_axis { "step of the plan" } else { "" })
        .y_desc(panel.label.as_str())
        .axis_desc_style(text(15, FontStyle::Normal, INK, HPos::Center).transform(FontTransform::None))
        .draw()?;
    let values = candidates.index_axis_move(Axis(2), panel.column);
    let points = |candidate: ArrayView1<f32>| -> Vec<(f64, f64)> {
        let values = candidate.into_iter().enumerate();
        values
            .map(|(step, &value)| (step as f64, f64::from(value)))
            .filter(|(_, y)| y.is_finite())
            .collect()
    };
    let count = values.nrows().saturating_sub(1);
    // The best of them on top.
    for (rank, candidate) in values
        .outer_iter()
        .skip(1)
        .enumerate()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let (colour, opacity) = faded(rank, count);
        let style = colour.mix(opacity).stroke_width(px(1));
        chart.draw_series(LineSeries::new(points(candidate), style))?;
    }
    if let Some(chosen) = values.outer_iter().next() {
        chart.draw_series(LineSeries::new(points(chosen), PLANNED.stroke_width(px(3))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn scene(rows: Array2<f32>) -> Scene {
        Scene {
            caption: String::new(),
            candidates: rows.insert_axis(Axis(0)),
        }
    }

    #[test]
    fn panels_show_place_velocity_and_action() {
        let shown = |env: Option<&[&str]>, observations: usize, actions: usize| {
            let mut names = Names::of(None, observations, actions);
            if let Some(known) = env {
                names.observations = known[..observations].iter().map(|&name| name.to_owned()).collect();
                names.actions[0] = known[observations].to_owned();
            }
            let scenes = [scene(Array2::zeros((4, observations + actions)))];
            let panels = panels(&scenes, &names, &SampleLayout::action_first(actions, observations));
            panels
                .into_iter()
                .map(|panel| (panel.label, panel.column))
                .collect::<Vec<_>>()
        };
        let expected = |panels: &[(&str, usize)]| -> Vec<(String, usize)> {
            panels
                .iter()
                .map(|&(label, column)| (label.to_owned(), column))
                .collect()
        };
        assert_eq!(
            shown(Some(&["cos θ", "sin θ", "dθ/dt", "torque"]), 3, 1),
            expected(&[("cos θ", 1), ("dθ/dt", 3), ("torque", 0)])
        );
        assert_eq!(
            shown(
                Some(&["height", "a", "b", "c", "d", "x velocity", "thigh torque"]),
                6,
                3
            ),
            expected(&[("height", 3), ("x velocity", 8), ("thigh torque", 0)])
        );
        assert_eq!(shown(None, 1, 1), expected(&[("observation", 1), ("action", 0)]));
    }

    #[test]
    fn axes_hold_all_moments_and_leave_out_what_is_no_number() {
        let scenes = [
            scene(array![[0.0, 5.0], [1.0, f32::NAN]]),
            scene(array![[-1.0, 5.0], [0.5, 5.0]]),
        ];
        let panels = panels(&scenes, &Names::of(None, 1, 1), &SampleLayout::action_first(1, 1));
        let [observation, action] = &panels[..] else {
            panic!("two panels")
        };
        assert!(action.range.start < -1.0 && action.range.end > 1.0 && action.range.end < 1.2);
        assert!(observation.range.contains(&5.0) && observation.range.end < 5.1);
    }
}
