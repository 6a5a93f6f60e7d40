//! An objective of one's own on the usual network and trainer: a denoiser that is taught by another, smaller steps first
//! (distillation). `cargo run --release -p diffplan-train --example own_objective`

#![allow(clippy::print_stdout)] // printing is what it is for

use diffplan_models::{Backprop, UNet1dConfig, UNet1dModel};
use diffplan_train::{BatchLoss, Objective, Result, TrainOptions, Trainable, Trainer};
use ndarray::{Array3, ArrayD};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

/// The pupil is to give what the teacher gives, from the same noised sample.
struct Distillation {
    teacher: UNet1dModel,
    output: ArrayD<f32>,
    backprop: Backprop,
}

/// Noised samples (batch, channels, horizon), and the timestep of each.
type Batch = (Array3<f32>, Vec<f32>);

impl Objective<UNet1dModel> for Distillation {
    type Batch = Batch;

    fn check(&self, pupil: &UNet1dModel) -> Result<()> {
        assert_eq!(pupil.sample_channels(), self.teacher.sample_channels());
        Ok(())
    }

    fn check_batch(&self, _: &Batch) -> Result<()> {
        Ok(()) // the networks say what is wrong with it
    }

    fn accumulate(
        &mut self,
        pupil: &UNet1dModel,
        (sample, timesteps): &Batch,
        share: f64,
        grad: &mut UNet1dModel,
    ) -> Result<BatchLoss> {
        let target = self.teacher.forward(sample.view(), timesteps)?;
        Trainable::forward(pupil, sample.view(), timesteps, &mut self.output, &mut self.backprop)?;
        self.output -= &target;
        let count = self.output.len() as f64;
        let loss = self.output.iter().map(|d| f64::from(d * d)).sum::<f64>() * share / count;
        self.output *= (2.0 * share / count) as f32; // the gradient of the loss
        Trainable::backward(pupil, self.output.view(), grad, &mut self.backprop)?;
        Ok(BatchLoss {
            loss,
            first_action: None,
        })
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let rng = &mut StdRng::seed_from_u64(0);
    let mut network = |channels: &[usize]| {
        let mut model = UNet1dModel::new(UNet1dConfig::planner(4, channels))?;
        model.init(rng);
        Ok::<_, diffplan_models::Error>(model)
    };
    let (teacher, pupil) = (network(&[32, 64])?, network(&[16, 32])?);
    let objective = Distillation {
        teacher,
        output: ArrayD::zeros(vec![0]),
        backprop: Backprop::default(),
    };
    let mut trainer = Trainer::new(pupil, objective, TrainOptions::default())?;
    for step in 0..200 {
        let sample = Array3::random_using((8, 4, 16), StandardNormal, rng);
        let timesteps = (0..8).map(|i| ((step + i) % 20) as f32).collect();
        let report = trainer.step(&[(sample, timesteps)])?;
        if step % 50 == 0 || step == 199 {
            println!("step {step}: loss {:.4}", report.loss);
        }
    }
    Ok(())
}
