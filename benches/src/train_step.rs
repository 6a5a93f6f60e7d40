//! [`TrainStep`]: what `train_step` times, in both places that do.

use diffplan_kernels::AdamStep;
use diffplan_models::{Backprop, UNet1dModel};
use diffplan_nn::{fill_zero, named_params, named_params_mut, zeros_like};
use ndarray::{ArrayD, ArrayView3};
use rayon::prelude::*;

/// A network and what a step of training it takes: forward, the gradient of a squared error, backward, Adam.
#[derive(Debug)]
pub struct TrainStep {
    model: UNet1dModel,
    grad: UNet1dModel,
    moments: (UNet1dModel, UNet1dModel),
    backprop: Backprop,
    output: ArrayD<f32>,
    steps: u64,
}

impl TrainStep {
    /// With zero moments.
    pub fn new(model: UNet1dModel) -> Self {
        Self {
            grad: zeros_like(&model),
            moments: (zeros_like(&model), zeros_like(&model)),
            backprop: Backprop::default(),
            output: ArrayD::zeros(vec![0]),
            steps: 0,
            model,
        }
    }

    /// One step toward the output 0 for `sample` (batch, channels, horizon), on the threads of the current rayon pool.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn run(&mut self, sample: ArrayView3<f32>) -> Result<(), diffplan_models::Error> {
        let shape = self.model.output_shape(sample.dim().0, sample.dim().2)?;
        if self.output.shape() != shape {
            self.output = ArrayD::zeros(shape);
        }
        self.steps += 1;
        let output = self.output.view_mut();
        self.model.forward_saving(sample, &[5.0], output, &mut self.backprop)?;
        let scale = 2.0 / self.output.len() as f32;
        self.output.mapv_inplace(|y| y * scale);
        fill_zero(&mut self.grad);
        self.model
            .backward(self.output.view(), None, &mut self.grad, &mut self.backprop)?;
        let step = AdamStep::new(2e-4, self.steps);
        let params = named_params_mut(&mut self.model)
            .into_iter()
            .zip(named_params(&self.grad));
        let moments = named_params_mut(&mut self.moments.0)
            .into_iter()
            .zip(named_params_mut(&mut self.moments.1));
        let work: Vec<_> = params.zip(moments).collect();
        work.into_par_iter()
            .for_each(|(((_, mut p), (_, g)), ((_, mut m), (_, mut v)))| {
                let slices = (
                    p.as_slice_memory_order_mut(),
                    g.as_slice_memory_order(),
                    m.as_slice_memory_order_mut(),
                    v.as_slice_memory_order_mut(),
                );
                if let (Some(p), Some(g), Some(m), Some(v)) = slices {
                    step.apply(p, g, m, v);
                }
            });
        Ok(())
    }
}
