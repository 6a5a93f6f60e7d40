//! A clock that is driven by hand, and a pipeline whose network and guide take time by it.

use diffplan_data::{NormalizerConfig, Normalizers};
use diffplan_models::{Compute, Network, NetworkSession, Signature};
use diffplan_pipelines::deadline::Clock;
use diffplan_pipelines::{FnGuide, Moment, ValueGuidedPipeline};
use diffplan_schedulers::{BetaSchedule, DdpmConfig, DdpmScheduler, PredictionType};
use ndarray::{ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    now: Duration,
    slow: Option<f64>,
    /// Of the network.
    calls: usize,
    hook: Option<Box<dyn FnMut(usize) -> f64 + Send>>,
}

/// Time passes when the network or the guide computes, and else not at all.
#[derive(Default)]
pub(crate) struct FakeClock(Mutex<State>);

impl std::fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeClock")
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }
}

impl FakeClock {
    /// Everything takes so many times as long from now on.
    pub(crate) fn slow_down(&self, factor: f64) {
        self.0.lock().unwrap().slow = Some(factor);
    }

    /// Calls of the network so far.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Asked at every call of the network, by its number from 1, how many milliseconds it takes beside its own.
    pub(crate) fn on_call(&self, hook: impl FnMut(usize) -> f64 + Send + 'static) {
        self.0.lock().unwrap().hook = Some(Box::new(hook));
    }

    fn pass(&self, candidates: usize, us_each: f64) {
        let mut state = self.0.lock().unwrap();
        let us = state.slow.unwrap_or(1.0) * us_each * candidates as f64;
        state.now += Duration::from_secs_f64(us * 1e-6);
    }

    fn call(&self) {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let (calls, hook) = (state.calls, state.hook.take());
        drop(state);
        if let Some(mut hook) = hook {
            let ms = hook(calls);
            let mut state = self.0.lock().unwrap();
            state.now += Duration::from_secs_f64(ms * 1e-3);
            state.hook = Some(hook);
        }
    }
}

/// Predicts that the sample without noise is half of the noised one: 100 µs a candidate.
#[derive(Debug)]
struct Halving(Arc<FakeClock>);

impl Network for Halving {
    fn class_name(&self) -> &str {
        "Halving"
    }
    fn signature(&self) -> Signature {
        Signature::new(3)
    }
    fn session(self: Arc<Self>, _: Compute) -> Box<dyn NetworkSession> {
        Box::new(Session(self.0.clone()))
    }
}

struct Session(Arc<FakeClock>);

impl NetworkSession for Session {
    fn prepare(&mut self, _: &[f32]) {}
    fn forward(&mut self, x: ArrayView3<f32>, _: usize, mut out: ArrayViewMut3<f32>) -> diffplan_models::Result<()> {
        self.0.pass(x.dim().0, 100.0);
        self.0.call();
        out.zip_mut_with(&x, |out, x| *out = 0.5 * x);
        Ok(())
    }
}

/// 20 timesteps; one action, two observation dimensions. A value takes 50 µs a candidate, a gradient 200.
pub(crate) fn pipeline(clock: &Arc<FakeClock>) -> ValueGuidedPipeline {
    let scheduler = DdpmScheduler::new(DdpmConfig {
        num_train_timesteps: 20,
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        prediction_type: PredictionType::Sample,
        clip_sample: false,
        ..DdpmConfig::default()
    })
    .unwrap();
    let unit = |dims| NormalizerConfig::Gaussian {
        mean: vec![0.0; dims],
        std: vec![1.0; dims],
    };
    let own = clock.clone();
    let guide =
        move |x: ArrayView3<f32>, _: Moment, mut values: ArrayViewMut1<f32>, grad: Option<ArrayViewMut3<f32>>| {
            own.pass(x.dim().0, if grad.is_some() { 200.0 } else { 50.0 });
            values.assign(&x.map_axis(Axis(2), |row| -row.dot(&row)).sum_axis(Axis(1)));
            if let Some(mut grad) = grad {
                grad.zip_mut_with(&x, |grad, x| *grad = -2.0 * x);
            }
            Ok(())
        };
    let network = Arc::new(Halving(clock.clone()));
    let normalizers = Normalizers::new(unit(2), unit(1), None).unwrap();
    ValueGuidedPipeline::new(network, Arc::new(FnGuide(guide)), Arc::new(scheduler), normalizers).unwrap()
}
