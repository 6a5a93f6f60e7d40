//! One of the plans in a picture: its candidates by rank, and how they are drawn.

use super::Recording;
use super::still::{FILE, PlanView};
use super::values::Values;
use crate::chart::{self, px};
use crate::error::Result;
use crate::frames::shrink;
use crate::plane::{Plane, PlanePath, Role, draw_into};
use crate::stage::Paths;
use crate::style::{faded_from, rgb};
use diffplan_envs::Frame;
use diffplan_pipelines::ValueGuidedPipeline;
use ndarray::{Array3, ArrayView2, Axis, Slice};
use plotters::style::{Color, RGBColor, ShapeStyle};

/// How wide and how high its picture is at the most, in pixels.
pub(super) const PICTURE: (usize, usize) = (440, 386);

/// A plan, guided or not.
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) colour: RGBColor,
    /// (candidates, horizon, dimensions) in the environment's units: the chosen one, then the others, the best first.
    pub(super) candidates: Array3<f32>,
    /// Which they were before sorting.
    pub(super) order: Vec<usize>,
    pub(super) values: Option<Values>,
}

impl Side {
    pub(super) fn of(recording: &Recording, pipeline: &ValueGuidedPipeline, colour: RGBColor) -> Result<Self> {
        let plan = &recording.plan;
        let values = Values::of(recording, pipeline)?;
        let mut others: Vec<usize> = (0..plan.order.len()).filter(|&place| place != plan.chosen).collect();
        if let Some(last) = values.as_ref().map(Values::last) {
            // Stable: candidates of one value stay in the plan's order.
            others.sort_by(|&a, &b| last[plan.order[b]].total_cmp(&last[plan.order[a]]));
        }
        let places: Vec<usize> = [plan.chosen].into_iter().chain(others).collect();
        Ok(Self {
            name: if recording.options.n_guide_steps > 0 {
                "guided"
            } else {
                "without guidance"
            },
            colour,
            candidates: plan.trajectories.select(Axis(0), &places),
            order: places.into_iter().map(|place| plan.order[place]).collect(),
            values,
        })
    }

    /// The value of the finished plan's chosen candidate, and the mean of all.
    pub(super) fn caption(&self) -> String {
        let Some(values) = &self.values else {
            return self.name.to_owned();
        };
        let last = values.last();
        let mean = last.iter().sum::<f64>() / last.len().max(1) as f64;
        let what = if values.label == "value" {
            "value"
        } else {
            "predicted return"
        };
        format!(
            "{}   ·   {what} of the finished plan {:.2}, mean of all {mean:.2}",
            self.name, last[self.order[0]]
        )
    }

    /// The environment's picture, or the plane, with all candidates.
    pub(super) fn picture(&self, pipeline: &ValueGuidedPipeline, view: &PlanView) -> Result<Option<Frame>> {
        let observations = Slice::from(pipeline.layout().observations());
        let observed = self.candidates.slice_axis(Axis(2), observations);
        if let Some((plane, dims)) = view.plane {
            return self.plane(plane, observed.outer_iter(), dims).map(Some);
        }
        let Some(stage) = view.stage else {
            return Ok(None);
        };
        let mut states = Vec::new();
        for candidate in observed.outer_iter() {
            states.push(stage.states_of(candidate)?);
        }
        let mut states = states.into_iter();
        let plan = states.next().flatten();
        let paths = Paths {
            truth: None,
            plan,
            others: states.flatten().collect(),
            colour: Some(rgb(self.colour)),
        };
        let frame = stage.draw(paths)?;
        let fitting = (PICTURE.1) * frame.width as usize / (frame.height as usize).max(1);
        Ok(Some(shrink(&frame, fitting.min(PICTURE.0))))
    }

    fn plane<'a>(
        &self,
        plane: &Plane,
        candidates: impl Iterator<Item = ArrayView2<'a, f32>>,
        [x, y]: [usize; 2],
    ) -> Result<Frame> {
        let of = self.order.len().saturating_sub(1);
        let path = |(place, candidate): (usize, ArrayView2<f32>)| PlanePath {
            points: candidate
                .outer_iter()
                .map(|row| [f64::from(row[x]), f64::from(row[y])])
                .collect(),
            role: match place {
                0 => Role::Chosen,
                place => Role::Candidate { rank: place - 1, of },
            },
        };
        let paths: Vec<PlanePath> = candidates.enumerate().map(path).collect();
        let (width, height) = plane.size(PICTURE.0, PICTURE.1);
        chart::pixels(FILE, width, height, &|root| {
            let corner = (px(width) as i32 - 1, px(height) as i32 - 1);
            draw_into(root, ((0, 0), corner), plane, (&paths, self.colour))
        })
    }

    /// Of the chosen candidate, which is at place 0, and of the others.
    pub(super) fn style(&self, place: usize, others: usize) -> ShapeStyle {
        if place == 0 {
            return self.colour.stroke_width(px(3));
        }
        let (colour, opacity) = faded_from(self.colour, place - 1, others);
        colour.mix(opacity).stroke_width(px(1))
    }
}
