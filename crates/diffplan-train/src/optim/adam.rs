//! Adam and AdamW (`torch.optim`), with the gradient's norm and clipping.

use diffplan_kernels::AdamStep;
use diffplan_nn::{Params, Role, named_params, named_params_mut, roles};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// How weights decay.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Decay {
    /// Not at all.
    #[default]
    None,
    /// `λ p` is added to the gradient: `torch.optim.Adam(weight_decay=λ)`.
    L2(f64),
    /// The parameter shrinks by `lr λ` on its own: `torch.optim.AdamW(weight_decay=λ)`.
    Decoupled(f64),
}

/// The optimiser's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Of weights.
    pub decay: Decay,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            betas: (0.9, 0.999),
            eps: 1e-8,
            decay: Decay::None,
        }
    }
}

impl Adam {
    pub(crate) fn check(&self) -> Result<()> {
        let (first, second) = self.betas;
        if ![first, second].iter().all(|beta| (0.0..1.0).contains(beta)) {
            return Err(Error::option(
                "betas",
                format!("{first}, {second}"),
                "two numbers from 0 to below 1",
            ));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Error::option("eps", self.eps, "a finite number above 0"));
        }
        match self.decay {
            Decay::L2(decay) | Decay::Decoupled(decay) if !(decay.is_finite() && decay >= 0.0) => {
                Err(Error::option("weight_decay", decay, "a finite number, 0 or more"))
            }
            _ => Ok(()),
        }
    }

    /// Step `t`, from 1.
    ///
    /// Parameters that are frozen stay as they are: no gradient moves them, and no decay.
    pub(crate) fn step<M: Params>(&self, lr: f64, t: u64, model: &mut M, grad: &M, moments: &mut (M, M)) {
        let mut step = AdamStep::with_betas(lr, self.betas, t);
        step.eps = self.eps as f32;
        match self.decay {
            Decay::None => {}
            Decay::L2(decay) => step.l2 = decay as f32,
            Decay::Decoupled(decay) => step.shrink = (1.0 - lr * decay) as f32,
        }
        let roles = roles(model);
        let params = named_params_mut(model).into_iter().zip(named_params(grad));
        let moments = named_params_mut(&mut moments.0)
            .into_iter()
            .zip(named_params_mut(&mut moments.1));
        let work = params.zip(moments).zip(roles);
        let work: Vec<_> = work
            .filter(|(_, role)| *role == Role::Trained)
            .map(|(work, _)| work)
            .collect();
        work.into_par_iter()
            .for_each(|(((_, mut p), (_, g)), ((_, mut m), (_, mut v)))| {
                let slices = (
                    p.as_slice_memory_order_mut(),
                    g.as_slice_memory_order(),
                    m.as_slice_memory_order_mut(),
                    v.as_slice_memory_order_mut(),
                );
                let (Some(p), Some(g), Some(m), Some(v)) = slices else {
                    unreachable!("parameters own their memory, and four models of one configuration lay it out alike");
                };
                step.apply(p, g, m, v);
            });
    }
}

/// The Euclidean norm of all gradients together. Summed parameter by parameter: the same bits on any number of threads.
pub(crate) fn norm<M: Params>(grad: &M) -> f64 {
    let squares: Vec<f64> = named_params(grad)
        .into_par_iter()
        .map(|(_, g)| match g.as_slice_memory_order() {
            // Float32 sums of a few numbers, float64 sums of those: exact enough, and vectorised.
            Some(g) => g
                .chunks(64)
                .map(|part| f64::from(part.iter().map(|x| x * x).sum::<f32>()))
                .sum(),
            None => g.iter().map(|&x| f64::from(x) * f64::from(x)).sum(),
        })
        .collect();
    squares.iter().sum::<f64>().sqrt()
}

/// Multiplies all gradients so that their norm is at most `max`, as `torch.nn.utils.clip_grad_norm_`.
pub(crate) fn clip<M: Params>(grad: &mut M, norm: f64, max: f64) {
    let factor = max / (norm + 1e-6);
    if factor < 1.0 {
        for (_, mut g) in named_params_mut(grad) {
            g.mapv_inplace(|x| x * factor as f32);
        }
    }
}
