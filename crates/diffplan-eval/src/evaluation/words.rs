//! Settings in words, for tables and pictures.

use crate::policy::AimText;
use diffplan_pipelines::{OPTIONS, PlanOptions};

/// An environment and what its dynamics are calculated by, in words.
pub fn with_simulator(env: &str, simulator: Option<&str>) -> String {
    match simulator {
        Some(simulator) => format!("{env}, {simulator}"),
        None => env.to_owned(),
    }
}

/// Where plans are to lead, in words; none where nothing is said of it.
pub fn describe_aim(aim: &AimText) -> Option<String> {
    let mut parts: Vec<String> = aim.goal.iter().cloned().collect();
    parts.extend(aim.goal_time.map(|time| format!("at step {time}")));
    if !aim.waypoints.is_empty() {
        parts.push(format!("by way of {}", aim.waypoints.join("; ")));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `options` in words: all that are not as in the reference's call, and those that say how large a plan is.
pub fn describe(options: &PlanOptions) -> String {
    let defaults = PlanOptions::default();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![
        count(options.batch_size, "candidate"),
        format!("horizon {}", options.planning_horizon),
    ];
    if options.n_guide_steps == 0 {
        parts.push("no guidance".into());
    } else {
        let steps = count(options.n_guide_steps, "guide step");
        parts.push(format!(
            "{steps} of scale {} ({})",
            options.scale,
            options.guidance.name()
        ));
    }
    if options.rescore {
        parts.push("rescored".into());
    }
    if let Some(scheduler) = &options.scheduler {
        let eta = if options.eta > 0.0 {
            format!(" of eta {}", options.eta)
        } else {
            String::new()
        };
        parts.push(format!("{scheduler}{eta}"));
    }
    parts.push(match options.num_inference_steps {
        Some(steps) => count(steps, "timestep"),
        None => "all timesteps".into(),
    });
    let told = [
        "batch_size",
        "planning_horizon",
        "n_guide_steps",
        "scale",
        "guidance",
        "rescore",
        "num_inference_steps",
        "scheduler",
        "precision",
    ];
    if options.precision != defaults.precision {
        parts.push(options.precision.name().into());
    }
    for spec in OPTIONS.iter().filter(|spec| !told.contains(&spec.name)) {
        // Said with the scheduler that it is of.
        let is_told = spec.name == "eta" && options.scheduler.is_some();
        let text = options.text(spec.name);
        if let Some(text) = text.filter(|text| !is_told && Some(text) != defaults.text(spec.name).as_ref()) {
            parts.push(format!("{} {text}", spec.name));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_in_words() {
        let options = PlanOptions {
            batch_size: 4,
            scale: 0.5,
            ..PlanOptions::default()
        };
        assert_eq!(
            describe(&options),
            "4 candidates, horizon 32, 2 guide steps of scale 0.5 (diffusers), all timesteps"
        );
        let ddim = PlanOptions {
            scheduler: Some("ddim".into()),
            num_inference_steps: Some(5),
            eta: 0.5,
            n_guide_steps: 0,
            ..options
        };
        assert_eq!(
            describe(&ddim),
            "4 candidates, horizon 32, no guidance, ddim of eta 0.5, 5 timesteps"
        );
        let acting = PlanOptions {
            temperature: 0.5,
            guide_every: 3,
            t_stopgrad: 0,
            n_action_steps: 4,
            warm_start: 0.25,
            follow: diffplan_pipelines::Follow::States,
            ..PlanOptions::default()
        };
        assert_eq!(
            describe(&acting),
            "64 candidates, horizon 32, 2 guide steps of scale 0.1 (diffusers), all timesteps, t_stopgrad 0, temperature 0.5, \
             guide_every 3, n_action_steps 4, warm_start 0.25, follow states"
        );
    }
}
