//! A last timestep without signal, and a network that predicts noise.

use super::{Code, Finding};
use diffplan_schedulers::{PredictionType, Scheduler};

/// `rescale_betas_zero_snr` leaves nothing of the sample at the last timestep (Lin et al. 2023, arXiv:2305.08891): the noise is then the
/// input itself, predicting it says nothing, and the sample that it stands for is (x - noise) / 0. DDPM and DDIM divide by zero there;
/// the classes that go by noise levels put 2⁻²⁴ in its place, as diffusers does, and multiply the network's error by 4,096 instead. That
/// paper therefore trains with `v_prediction`; `sample` is as good.
///
/// Any schedule whose last beta is 1 is one, by whichever key it comes about.
pub fn signal(scheduler: &dyn Scheduler) -> Option<Finding> {
    let schedule = scheduler.schedule();
    let lost = schedule.betas().last().is_some_and(|&beta| beta >= 1.0);
    if !lost || schedule.prediction_type() != PredictionType::Epsilon {
        return None;
    }
    let last = schedule.num_train_timesteps() - 1;
    Some(Finding::error(
        Code::ZeroTerminalSnr,
        "scheduler/scheduler_config.json, rescale_betas_zero_snr",
        format!(
            "rescale_betas_zero_snr leaves no signal at timestep {last}, and prediction_type epsilon divides by it there"
        ),
        "expected prediction_type v_prediction or sample, whichever the network was trained for, or rescale_betas_zero_snr false"
            .into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::ddpm;
    use super::*;
    use diffplan_schedulers::{DdpmConfig, Registry};
    use serde_json::json;

    #[test]
    fn noise_without_signal_is_refused_in_every_class() {
        for class in [
            "DDPMScheduler",
            "DDIMScheduler",
            "DPMSolverMultistepScheduler",
            "EulerDiscreteScheduler",
            "EulerAncestralDiscreteScheduler",
            "UniPCMultistepScheduler",
        ] {
            let of = |prediction: &str| {
                let map = json!({"_class_name": class, "rescale_betas_zero_snr": true, "prediction_type": prediction});
                Registry::builtin().from_map(map.as_object().unwrap()).unwrap()
            };
            let text = signal(&*of("epsilon")).map(|finding| finding.to_string());
            assert!(
                text.is_some_and(|text| text.contains("timestep 999") && text.contains("v_prediction or sample")),
                "{class}"
            );
            for prediction in ["sample", "v_prediction"] {
                assert_eq!(signal(&*of(prediction)), None, "{class} {prediction}");
            }
        }
        // Heun has no such key; betas say it all the same.
        let map =
            json!({"_class_name": "HeunDiscreteScheduler", "num_train_timesteps": 3, "trained_betas": [0.1, 0.5, 1.0]});
        let heun = Registry::builtin().from_map(map.as_object().unwrap()).unwrap();
        assert!(signal(&*heun).is_some());
    }

    #[test]
    fn ordinary_schedules_are_fine() {
        assert_eq!(signal(&ddpm(DdpmConfig::default())), None);
    }
}
