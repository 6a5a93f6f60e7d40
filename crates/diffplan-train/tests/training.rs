//! Training as a whole: a network of one's own, halves of a step, ranks, frozen parameters, states that go on.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use diffplan_models::{Params, Role, TimeEmbeddingType, UNet1dConfig, UNet1dModel, named_params};
use diffplan_schedulers::{DdpmConfig, DdpmScheduler, NoiseSchedule, PredictionType, Scheduler};
use diffplan_train::{
    Adam, Batch, Checkpoints, Conditions, Decay, DiffusionLoss, Ema, Error, LearningRate, Loss, Objective, Reduce,
    Result, TrainOptions, Trainable, Trainer, TrajectoryWeights, ValueRegression,
};
use ndarray::{Array1, Array3, ArrayD, ArrayView3, ArrayViewD, ArrayViewMutD, Axis, Ix3};
use ndarray_rand::rand::{RngCore, SeedableRng, rngs::StdRng};
use std::sync::{Arc, Barrier, Mutex};

fn schedule(prediction_type: PredictionType) -> NoiseSchedule {
    let config = DdpmConfig {
        num_train_timesteps: 10,
        prediction_type,
        ..DdpmConfig::default()
    };
    DdpmScheduler::new(config).unwrap().schedule().clone()
}

fn batch(number: usize, horizon: usize) -> Batch {
    let wave = |phase: f32| {
        Array3::from_shape_fn((3, horizon, 3), |(i, j, k)| {
            (phase + (5 * number + 7 * i + 3 * j + k) as f32).sin()
        })
    };
    Batch {
        trajectories: wave(0.0),
        noise: wave(0.7),
        timesteps: (0..3).map(|i| (3 * i + number) % 10).collect(),
        values: Array1::from_shape_fn(3, |i| (i as f32 - 1.0) * 0.3),
    }
}

/// A network of a factor and a shift a channel: all that training asks of one.
#[derive(Clone, Debug)]
struct Affine {
    factor: Array1<f32>,
    shift: Array1<f32>,
}

impl Params for Affine {
    fn visit<'a>(&'a self, path: &mut diffplan_nn::Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        path.within("factor", |path| f(path.as_str(), self.factor.view().into_dyn()));
        path.within("shift", |path| f(path.as_str(), self.shift.view().into_dyn()));
    }

    fn visit_mut<'a>(&'a mut self, path: &mut diffplan_nn::Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        path.within("factor", |path| f(path.as_str(), self.factor.view_mut().into_dyn()));
        path.within("shift", |path| f(path.as_str(), self.shift.view_mut().into_dyn()));
    }

    fn init(&mut self, _: &mut dyn RngCore) {
        self.factor.fill(1.0);
    }
}

impl Trainable for Affine {
    type Backprop = Array3<f32>;

    fn sample_channels(&self) -> usize {
        self.factor.len()
    }

    fn gives_values(&self) -> bool {
        false
    }

    fn check_horizon(&self, _: usize) -> diffplan_models::Result<()> {
        Ok(())
    }

    fn forward(
        &self,
        sample: ArrayView3<f32>,
        _: &[f32],
        output: &mut ArrayD<f32>,
        kept: &mut Array3<f32>,
    ) -> diffplan_models::Result<()> {
        let column = |numbers: &Array1<f32>| numbers.clone().insert_axis(Axis(1));
        *output = (&sample * &column(&self.factor) + &column(&self.shift)).into_dyn();
        *kept = sample.to_owned();
        Ok(())
    }

    fn backward(
        &self,
        cotangent: ArrayViewD<f32>,
        grad: &mut Self,
        kept: &mut Array3<f32>,
    ) -> diffplan_models::Result<()> {
        let cotangent = cotangent.into_dimensionality::<Ix3>().unwrap();
        let over = |of: Array3<f32>| of.sum_axis(Axis(2)).sum_axis(Axis(0));
        grad.factor += &over(&cotangent * &*kept);
        grad.shift += &over(cotangent.to_owned());
        Ok(())
    }
}

fn affine() -> Affine {
    Affine {
        factor: Array1::from_vec(vec![0.5, -0.25, 1.5]),
        shift: Array1::from_vec(vec![0.1, 0.2, -0.3]),
    }
}

fn diffusion<M: Trainable>(prediction_type: PredictionType, horizon: usize) -> DiffusionLoss<M> {
    let weights = TrajectoryWeights::default();
    DiffusionLoss::new(schedule(prediction_type), (1, 3, horizon), Loss::L2, &weights).unwrap()
}

/// The gradient against differences of the loss, of which a network of few numbers leaves all digits that float32 has.
#[test]
fn gradients_of_the_diffusion_loss_are_those_of_differences() {
    for prediction_type in [
        PredictionType::Epsilon,
        PredictionType::Sample,
        PredictionType::VPrediction,
    ] {
        for conditions in [Conditions::Current, Conditions::Goal] {
            let mut objective = diffusion::<Affine>(prediction_type, 4).with_conditions(conditions);
            let mut loss =
                |model: &Affine, grad: &mut Affine| objective.accumulate(model, &batch(0, 4), 0.5, grad).unwrap().loss;
            let zeros = || Affine {
                factor: Array1::zeros(3),
                shift: Array1::zeros(3),
            };
            let mut grad = zeros();
            loss(&affine(), &mut grad);
            for i in 0..3 {
                for which in 0..2 {
                    let mut at = |step: f32| {
                        let mut model = affine();
                        let numbers = if which == 0 {
                            &mut model.factor
                        } else {
                            &mut model.shift
                        };
                        numbers[i] += step;
                        loss(&model, &mut zeros())
                    };
                    let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                    let actual = f64::from(if which == 0 { grad.factor[i] } else { grad.shift[i] });
                    assert!(
                        (actual - slope).abs() < 1e-4 * slope.abs().max(1.0),
                        "{prediction_type}: {actual} {slope}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_network_of_ones_own_is_trained() {
    let options = TrainOptions {
        rate: LearningRate::constant(0.02),
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(affine(), diffusion(PredictionType::Sample, 4), options).unwrap();
    let first = trainer.step(&[batch(0, 4)]).unwrap().loss;
    let last = (0..300)
        .map(|_| trainer.step(&[batch(0, 4)]).unwrap().loss)
        .last()
        .unwrap();
    assert!(last < 0.5 * first, "{first} to {last}");
}

#[test]
fn a_step_is_its_halves() {
    let new = || Trainer::new(affine(), diffusion(PredictionType::Epsilon, 4), TrainOptions::default()).unwrap();
    let (mut whole, mut halves) = (new(), new());
    let batches = [batch(0, 4), batch(1, 4), batch(2, 4)];
    assert!(matches!(halves.apply(), Err(Error::NoGradient)));
    for _ in 0..3 {
        let report = whole.step(&batches).unwrap();
        let before = halves.model().clone();
        let gradient = halves.gradient(&batches).unwrap();
        assert_eq!(
            named_params(&before),
            named_params(halves.model()),
            "a gradient moves nothing"
        );
        assert_eq!((gradient.loss, gradient.grad_norm), (report.loss, report.grad_norm));
        assert_eq!(halves.apply().unwrap(), report);
        assert!(matches!(halves.apply(), Err(Error::NoGradient)), "once alone");
        assert_eq!(named_params(whole.model()), named_params(halves.model()));
    }
}

/// What ranks have to add: gradients, scalars, and where they wait for each other.
type Shared = (Mutex<Vec<Vec<Vec<f32>>>>, Mutex<Vec<Vec<f64>>>, Barrier);

/// Ranks that are threads, which add in a tree by rank.
#[derive(Debug, Clone)]
struct Threads {
    rank: usize,
    shared: Arc<Shared>,
    ranks: usize,
}

fn tree<T: Clone>(mut all: Vec<T>, add: impl Fn(&mut T, &T)) -> T {
    while all.len() > 1 {
        let pairs = all.chunks(2).map(|pair| {
            let mut sum = pair[0].clone();
            pair.iter().skip(1).for_each(|other| add(&mut sum, other));
            sum
        });
        all = pairs.collect();
    }
    all.remove(0)
}

impl Reduce for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn sum(&mut self, grad: &mut [&mut [f32]], scalars: &mut [f64]) -> Result<()> {
        let (grads, all_scalars, barrier) = &*self.shared;
        grads.lock().unwrap()[self.rank] = grad.iter().map(|slice| slice.to_vec()).collect();
        all_scalars.lock().unwrap()[self.rank] = scalars.to_vec();
        barrier.wait();
        let sum = tree(grads.lock().unwrap().clone(), |sum, other| {
            for (sum, other) in sum.iter_mut().flatten().zip(other.iter().flatten()) {
                *sum += other;
            }
        });
        grad.iter_mut()
            .zip(&sum)
            .for_each(|(slice, sum)| slice.copy_from_slice(sum));
        let sum = tree(all_scalars.lock().unwrap().clone(), |sum, other| {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        });
        scalars.copy_from_slice(&sum);
        barrier.wait();
        Ok(())
    }
}

fn unet(config: UNet1dConfig) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    model.init(&mut StdRng::seed_from_u64(1));
    model
}

fn planner() -> UNet1dModel {
    unet(UNet1dConfig::planner(3, &[8, 16]))
}

#[test]
fn a_power_of_two_of_ranks_trains_to_the_bits_of_one() {
    let batches: Vec<Batch> = (0..8).map(|number| batch(number, 8)).collect();
    let new = || Trainer::new(planner(), diffusion(PredictionType::Sample, 8), TrainOptions::default()).unwrap();
    let mut alone = new();
    let norms: Vec<f64> = (0..2).map(|_| alone.step(&batches).unwrap().grad_norm).collect();
    for ranks in [2, 4] {
        let shared = (
            Mutex::new(vec![Vec::new(); ranks]),
            Mutex::new(vec![Vec::new(); ranks]),
            Barrier::new(ranks),
        );
        let shared = Arc::new(shared);
        let each = 8 / ranks;
        std::thread::scope(|scope| {
            for rank in 0..ranks {
                let own = &batches[rank * each..(rank + 1) * each];
                let reduce = Threads {
                    rank,
                    ranks,
                    shared: shared.clone(),
                };
                let (alone, norms) = (alone.model(), &norms);
                let mut trainer = new().with_reduce(Box::new(reduce));
                scope.spawn(move || {
                    for norm in norms {
                        assert_eq!(trainer.step(own).unwrap().grad_norm, *norm, "rank {rank} of {ranks}");
                    }
                    assert_eq!(named_params(trainer.model()), named_params(alone));
                });
            }
        });
    }
}

#[test]
fn any_number_of_threads_trains_to_the_same_bits() {
    let batches: Vec<Batch> = (0..3).map(|number| batch(number, 8)).collect();
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut trainer =
            Trainer::new(planner(), diffusion(PredictionType::Sample, 8), TrainOptions::default()).unwrap();
        pool.install(|| {
            for _ in 0..3 {
                trainer.step(&batches).unwrap();
            }
        });
        trainer.model().clone()
    };
    let one = train(1);
    for threads in [2, 3, 8] {
        assert_eq!(named_params(&train(threads)), named_params(&one), "{threads} threads");
    }
}

#[test]
fn decay_and_average_leave_frozen_frequencies_as_they_are() {
    for decay in [Decay::L2(0.1), Decay::Decoupled(0.1)] {
        let model = unet(UNet1dConfig {
            time_embedding_type: TimeEmbeddingType::Fourier,
            ..UNet1dConfig::planner(3, &[8])
        });
        let options = TrainOptions {
            adam: Adam {
                decay,
                ..Adam::default()
            },
            ema: Ema {
                decay: 0.9,
                every: 1,
                start: 0,
            },
            ..TrainOptions::default()
        };
        let mut trainer = Trainer::new(model.clone(), diffusion(PredictionType::Sample, 8), options).unwrap();
        for number in 0..5 {
            trainer.step(&[batch(number, 8)]).unwrap();
        }
        let roles = diffplan_models::roles(&model);
        assert_eq!(roles.iter().filter(|role| **role == Role::Frozen).count(), 1);
        for trained in [trainer.model(), trainer.average()] {
            let pairs = named_params(&model).into_iter().zip(named_params(trained));
            for (((name, before), (_, after)), role) in pairs.zip(&roles) {
                assert_eq!(before == after, *role == Role::Frozen, "{decay:?} {name}");
            }
        }
    }
}

/// One parameter after three steps of `torch.optim.Adam` and `AdamW`, computed here in float64 by the paper's algorithm.
#[test]
fn adam_is_that_of_its_slow_twin() {
    for decay in [Decay::None, Decay::L2(0.1), Decay::Decoupled(0.1)] {
        let adam = Adam {
            decay,
            ..Adam::default()
        };
        let options = TrainOptions {
            rate: LearningRate::constant(0.01),
            adam,
            ..TrainOptions::default()
        };
        let mut trainer = Trainer::new(affine(), diffusion(PredictionType::Sample, 4), options).unwrap();
        let mut twin: Vec<[f64; 3]> = [affine().factor.to_vec(), affine().shift.to_vec()]
            .concat()
            .into_iter()
            .map(|p| [f64::from(p), 0.0, 0.0])
            .collect();
        let mut objective = diffusion::<Affine>(PredictionType::Sample, 4);
        for t in 1..=3 {
            let mut grad = Affine {
                factor: Array1::zeros(3),
                shift: Array1::zeros(3),
            };
            objective
                .accumulate(trainer.model(), &batch(t, 4), 1.0, &mut grad)
                .unwrap();
            let gradients = [grad.factor.to_vec(), grad.shift.to_vec()].concat();
            for ([p, m, v], g) in twin.iter_mut().zip(gradients) {
                let mut g = f64::from(g);
                match decay {
                    Decay::L2(decay) => g += decay * *p,
                    Decay::Decoupled(decay) => *p -= 0.01 * decay * *p,
                    Decay::None => {}
                }
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                let (m, v) = (*m / (1.0 - 0.9f64.powi(t as i32)), *v / (1.0 - 0.999f64.powi(t as i32)));
                *p -= 0.01 * m / (v.sqrt() + 1e-8);
            }
            trainer.step(&[batch(t, 4)]).unwrap();
        }
        let trained = [trainer.model().factor.to_vec(), trainer.model().shift.to_vec()].concat();
        for (actual, [expected, ..]) in trained.into_iter().zip(twin) {
            assert!(
                (f64::from(actual) - expected).abs() < 1e-6,
                "{decay:?}: {actual}, expected {expected}"
            );
        }
    }
}

#[test]
fn a_state_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let states = Checkpoints::new(folder.path(), 2).unwrap();
    let model = || unet(UNet1dConfig::value_function(3, &[8, 32]));
    let objective = || ValueRegression::new(schedule(PredictionType::Epsilon), (1, 3, 8), Loss::L2).unwrap();
    let new = || Trainer::new(model(), objective(), TrainOptions::default()).unwrap();
    let steps = |trainer: &mut Trainer<UNet1dModel, ValueRegression<UNet1dModel>>, range: std::ops::Range<usize>| {
        for step in range {
            trainer.step(&[batch(step, 8), batch(step + 1, 8)]).unwrap();
        }
    };
    let mut straight = new();
    steps(&mut straight, 0..6);
    let mut first = new();
    steps(&mut first, 0..3);
    let saved = states.save(&first, &serde_json::json!({"note": 1})).unwrap();
    let mut second = new();
    assert_eq!(second.restore(&saved).unwrap()["note"], 1);
    steps(&mut second, 3..6);
    assert_eq!(named_params(second.model()), named_params(straight.model()));
    assert_eq!(named_params(second.average()), named_params(straight.average()));
    // Only the newest stay.
    for _ in 0..3 {
        steps(&mut second, 6..7);
        states.save(&second, &serde_json::Value::Null).unwrap();
    }
    assert_eq!(
        states
            .list()
            .unwrap()
            .iter()
            .map(|state| state.steps)
            .collect::<Vec<_>>(),
        [8, 9]
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |result: Result<()>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let objective = || diffusion(PredictionType::Sample, 8);
    let trainer = |model| Trainer::new(model, objective(), TrainOptions::default()).map(|_| ());
    refused(
        trainer(unet(UNet1dConfig::value_function(3, &[8, 32]))),
        "the network is a value function, expected a planner",
    );
    refused(
        trainer(unet(UNet1dConfig::planner(4, &[8]))),
        "takes 4 channels, trajectories have 3",
    );
    let mut trainer = Trainer::new(planner(), objective(), TrainOptions::default()).unwrap();
    refused(trainer.step(&[]).map(|_| ()), "batches = 0");
    refused(
        trainer.step(&[batch(0, 4)]).map(|_| ()),
        "a batch of trajectories (3, 4, 3)",
    );
    let mut large = batch(0, 8);
    large.trajectories[[0, 3, 1]] = 1e30;
    let before = trainer.model().clone();
    assert!(matches!(trainer.step(&[large]), Err(Error::NotFinite { step: 0, .. })));
    assert_eq!(named_params(&before), named_params(trainer.model()));
}
