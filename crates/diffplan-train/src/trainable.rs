//! [`Trainable`]: what an objective needs of a network.

use diffplan_models::{Backprop, Params, Result, UNet1dModel};
use ndarray::{ArrayD, ArrayView3, ArrayViewD};

/// A network that is trained on samples, (batch, channels, horizon), at times. Its gradient is another value of its type.
pub trait Trainable: Params + Clone + Send + Sync {
    /// What a forward pass keeps for the backward pass.
    type Backprop: Default + Send;

    /// Channels that a sample must have.
    fn sample_channels(&self) -> usize;

    /// Whether it gives one number a sample, rather than a sample.
    fn gives_values(&self) -> bool;

    /// That it takes samples of this length.
    ///
    /// # Errors
    /// Why it does not.
    fn check_horizon(&self, horizon: usize) -> Result<()>;

    /// The output, kept in `output` whose shape is set, and in `backprop` what [`backward`](Self::backward) reads.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn forward(
        &self,
        sample: ArrayView3<f32>,
        timesteps: &[f32],
        output: &mut ArrayD<f32>,
        backprop: &mut Self::Backprop,
    ) -> Result<()>;

    /// Adds the gradients of ⟨output, cotangent⟩ with respect to all parameters to `grad`.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn backward(&self, cotangent: ArrayViewD<f32>, grad: &mut Self, backprop: &mut Self::Backprop) -> Result<()>;
}

impl Trainable for UNet1dModel {
    type Backprop = Backprop;

    fn sample_channels(&self) -> usize {
        self.config().sample_channels()
    }

    fn gives_values(&self) -> bool {
        self.is_value_function()
    }

    fn check_horizon(&self, horizon: usize) -> Result<()> {
        UNet1dModel::check_horizon(self, horizon)
    }

    fn forward(
        &self,
        sample: ArrayView3<f32>,
        timesteps: &[f32],
        output: &mut ArrayD<f32>,
        backprop: &mut Backprop,
    ) -> Result<()> {
        let shape = self.output_shape(sample.dim().0, sample.dim().2)?;
        if output.shape() != shape {
            *output = ArrayD::zeros(shape);
        }
        self.forward_saving(sample, timesteps, output.view_mut(), backprop)
    }

    fn backward(&self, cotangent: ArrayViewD<f32>, grad: &mut Self, backprop: &mut Backprop) -> Result<()> {
        UNet1dModel::backward(self, cotangent, None, grad, backprop)
    }
}
