//! The horizon that is planned where nothing is said.

use super::{Code, Finding};
use crate::pipeline::ValueGuidedPipeline;

/// Horizons looked at for one that works.
const LIMIT: usize = 1024;

/// The default horizon is that of planning_config.json, and diffusers' 32 without it. A U-Net takes multiples of 2 to the power of its
/// levels less one; a value function takes only what comes down to the few positions that its last layers were built for (at most 64
/// of four levels). Both must take it: a call that does not say another horizon fails. Told with the nearest below and above that all
/// networks take; guides of one's own that take none of them are told without.
pub fn horizon(pipeline: &ValueGuidedPipeline) -> Option<Finding> {
    let (horizon, guided) = {
        let options = pipeline.options();
        (options.planning_horizon, options.ranks())
    };
    let channels = pipeline.layout().channels();
    let works = |horizon: usize| {
        let planner = pipeline
            .network()
            .check_horizon(horizon)
            .map_err(|error| error.to_string());
        let guides = pipeline
            .guides
            .check(horizon, channels)
            .map_err(|error| error.to_string());
        planner.and(if guided { guides } else { Ok(()) })
    };
    let reason = works(horizon).err()?;
    let below = (1..horizon.min(LIMIT)).rev().find(|&horizon| works(horizon).is_ok());
    let above = (horizon + 1..=LIMIT).find(|&horizon| works(horizon).is_ok());
    // Where none is taken, the horizon is not what is wrong.
    let nearest: Vec<String> = below
        .into_iter()
        .chain(above)
        .map(|horizon| horizon.to_string())
        .collect();
    if nearest.is_empty() {
        return None;
    }
    Some(Finding::warning(
        Code::DefaultHorizon,
        "planning_config.json, planning_horizon",
        format!("a plan by default has horizon {horizon}, which the networks do not take: {reason}"),
        format!(
            "set planning_horizon to {} there, or give --horizon at every call",
            nearest.join(" or ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::PlanningConfig;
    use std::path::Path;

    fn pendulum(horizon: usize) -> ValueGuidedPipeline {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pendulum-hor32");
        let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
        let config = PlanningConfig {
            planning_horizon: Some(horizon),
            ..pipeline.planning_config().clone()
        };
        pipeline.with_planning_config(config)
    }

    #[test]
    fn a_horizon_that_no_plan_can_have_is_told_with_the_nearest() {
        let finding = horizon(&pendulum(30)).unwrap();
        assert_eq!(finding.code, Code::DefaultHorizon);
        assert!(finding.remedy.contains("to 28 or 32"), "{finding}");
        // The planner takes it, the value function does not.
        let finding = horizon(&pendulum(64)).unwrap();
        assert!(finding.remedy.contains("to 32 there"), "{finding}");
    }

    #[test]
    fn one_that_works_is_fine() {
        assert_eq!(horizon(&pendulum(32)), None);
        let unguided = PlanningConfig {
            planning_horizon: Some(64),
            n_guide_steps: Some(0),
            ..PlanningConfig::default()
        };
        assert_eq!(horizon(&pendulum(32).with_planning_config(unguided)), None);
    }
}
