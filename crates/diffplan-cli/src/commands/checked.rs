//! `diffplan plan --check-guides`: whether gradients are right, and how large the scale should be.

use crate::error::{Error, Result};
use crate::{json, output};
use diffplan_eval::table;
use diffplan_pipelines::check::{GradientReport, ScaleReport, Spread, check_guides, propose_scale};
use diffplan_pipelines::controls::Context;
use diffplan_pipelines::{Condition, NoiseSource, PlanOptions, SampleLayout, ValueGuidedPipeline};
use serde::Serialize;

/// The share of the sampler's own step that a guide's should be.
const SHARE: f64 = 0.2;

/// What was found.
#[derive(Serialize)]
pub(crate) struct Checked {
    gradients: Vec<GradientReport>,
    scale: ScaleReport,
}

impl Checked {
    /// Of a pipeline's guides, with plans under these conditions.
    pub(crate) fn of(
        pipeline: &ValueGuidedPipeline,
        options: &PlanOptions,
        conditions: &[Condition],
        noise: &mut dyn NoiseSource,
    ) -> Result<Self> {
        Ok(Self {
            gradients: check_guides(pipeline, options.planning_horizon, noise)?,
            scale: propose_scale(pipeline, options, conditions, SHARE, noise)?,
        })
    }

    /// Prints it; dimensions are called as in `context`.
    pub(crate) fn show(&self, context: &Context, layout: &SampleLayout, as_json: bool) -> Result<()> {
        if as_json {
            json::print_line(self)?;
            return self.verdict();
        }
        let mut text = String::from("gradients\n");
        for report in &self.gradients {
            for (index, line) in report
                .lines(|channel| context.describe(channel, layout))
                .iter()
                .enumerate()
            {
                text += &format!("  {}{line}\n", if index == 0 { "" } else { "  " });
            }
        }
        if self.gradients.is_empty() {
            text += "  there are no guides\n";
        }
        output::print(text)?;
        output::print(self.scales())?;
        self.verdict()
    }

    /// That no gradient is wrong.
    fn verdict(&self) -> Result<()> {
        let wrong = self.gradients.iter().filter(|report| !report.is_right());
        let mut names: Vec<&str> = wrong.map(|report| report.name.as_str()).collect();
        names.dedup();
        match names.is_empty() {
            true => Ok(()),
            false => Err(Error::WrongGradients {
                guides: names.join(", "),
            }),
        }
    }

    fn scales(&self) -> String {
        let spread = |spread: &Spread| [spread.min, spread.median, spread.max].map(|number| format!("{number:.3e}"));
        let none = || ["-"; 3].map(str::to_owned);
        let rows: Vec<Vec<String>> = self
            .scale
            .guides
            .iter()
            .map(|guide| {
                let scale = guide.scale.as_ref().map_or_else(none, spread);
                [
                    vec![guide.name.clone()],
                    spread(&guide.gradient).to_vec(),
                    scale.to_vec(),
                ]
                .concat()
            })
            .collect();
        let header = ["guide", "|gradient| min", "median", "max", "scale min", "median", "max"];
        let proposed = match self.scale.proposed {
            Some(scale) => format!(
                "--scale {scale:.2e} moves plans by {SHARE} of the sampler's own step at most, at half of the steps"
            ),
            None => "nothing bends plans: there is no scale to propose".into(),
        };
        format!(
            "scale, at which a guide moves a plan by {SHARE} of the sampler's own step\n{}\n  now {}; {proposed}",
            table::table(&header, &rows),
            self.scale.now
        )
    }
}
