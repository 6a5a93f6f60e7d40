//! A step of Adam (Kingma & Ba 2015, arXiv:1412.6980) over slices, as `torch.optim.Adam` and `AdamW` compute it.
//!
//! With bias corrections c₁ = 1 − β₁ᵗ and c₂ = 1 − β₂ᵗ at step t:
//!
//! > m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  p ← p − (lr / c₁) · m / (√v / √c₂ + eps)
//!
//! Weight decay λ is added to the gradient as λ p (Adam), or shrinks the parameter to (1 − lr λ) p first (AdamW, Loshchilov &
//! Hutter 2019, arXiv:1711.05101). All numbers of a parameter go by once, read and written as they lie.

use crate::isa::{Isa, dispatch};
use crate::simd::Simd;

/// What a step of Adam does to every number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// β₁ and β₂.
    pub betas: (f32, f32),
    /// 1 − β₁ and 1 − β₂, rounded once.
    pub rests: (f32, f32),
    /// Added to the root of the second moment.
    pub eps: f32,
    /// lr / c₁.
    pub step_size: f32,
    /// √c₂.
    pub root_correction: f32,
    /// λ of Adam; 0 for none.
    pub l2: f32,
    /// 1 − lr λ of AdamW; 1 for none.
    pub shrink: f32,
}

impl AdamStep {
    /// The step of number `t`, from 1, at a learning rate, with PyTorch's default betas 0.9 and 0.999 and eps 1e-8, and no decay.
    ///
    /// # Panics
    /// If `t` is 0.
    pub fn new(lr: f64, t: u64) -> Self {
        Self::with_betas(lr, (0.9, 0.999), t)
    }

    /// The same with other betas.
    ///
    /// # Panics
    /// If `t` is 0.
    pub fn with_betas(lr: f64, betas: (f64, f64), t: u64) -> Self {
        assert!(t > 0, "steps are counted from 1");
        let correction = |beta: f64| 1.0 - beta.powf(t as f64);
        Self {
            betas: (betas.0 as f32, betas.1 as f32),
            rests: ((1.0 - betas.0) as f32, (1.0 - betas.1) as f32),
            eps: 1e-8,
            step_size: (lr / correction(betas.0)) as f32,
            root_correction: correction(betas.1).sqrt() as f32,
            l2: 0.0,
            shrink: 1.0,
        }
    }

    /// Takes the step: `param`, and the moments `m` and `v`, from the gradient `grad`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply(self, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) {
        self.apply_on(Isa::active(), param, grad, m, v);
    }

    fn apply_on(self, isa: Isa, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) {
        let len = param.len();
        assert!(grad.len() == len && m.len() == len && v.len() == len, "lengths differ");
        // SAFETY: the lengths are equal; `isa` is an available one.
        unsafe { step_with(isa, self, param, grad, m, v) };
    }
}

/// # Safety
/// The CPU must have the instruction set; the lengths are equal.
#[inline(always)]
unsafe fn step_body<S: Simd>(step: AdamStep, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) {
    let whole = param.len() - param.len() % S::LANES;
    let mut tail = [[0f32; 16]; 4];
    let rest = param.len() - whole;
    // SAFETY: every vector lies within the slices or, for the last few numbers, within the arrays; the caller vouches for the
    // rest.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            let (p, m, v) = (param.as_mut_ptr().add(i), m.as_mut_ptr().add(i), v.as_mut_ptr().add(i));
            one::<S>(step, p, grad.as_ptr().add(i), m, v);
        }
        let [p, g, m_tail, v_tail] = &mut tail;
        p[..rest].copy_from_slice(&param[whole..]);
        g[..rest].copy_from_slice(&grad[whole..]);
        m_tail[..rest].copy_from_slice(&m[whole..]);
        v_tail[..rest].copy_from_slice(&v[whole..]);
        one::<S>(
            step,
            p.as_mut_ptr(),
            g.as_ptr(),
            m_tail.as_mut_ptr(),
            v_tail.as_mut_ptr(),
        );
        param[whole..].copy_from_slice(&p[..rest]);
        m[whole..].copy_from_slice(&m_tail[..rest]);
        v[whole..].copy_from_slice(&v_tail[..rest]);
    }
}

/// A vector's worth.
///
/// # Safety
/// The CPU must have the instruction set, and the pointers a vector to read and, but for the gradient's, to write.
#[inline(always)]
unsafe fn one<S: Simd>(step: AdamStep, p: *mut f32, g: *const f32, m: *mut f32, v: *mut f32) {
    // SAFETY: the caller vouches for the instruction set and the pointers.
    unsafe {
        let (beta1, beta2) = (S::splat(step.betas.0), S::splat(step.betas.1));
        let (rest1, rest2) = (S::splat(step.rests.0), S::splat(step.rests.1));
        let param = S::load(p);
        let grad = S::mul_add(S::splat(step.l2), param, S::load(g));
        let param = S::mul(param, S::splat(step.shrink));
        let first = S::mul_add(rest1, grad, S::mul(beta1, S::load(m)));
        let second = S::mul_add(S::mul(rest2, grad), grad, S::mul(beta2, S::load(v)));
        S::store(m, first);
        S::store(v, second);
        let root = S::div(S::sqrt(second), S::splat(step.root_correction));
        let change = S::div(first, S::add(root, S::splat(step.eps)));
        S::store(p, S::neg_mul_add(S::splat(step.step_size), change, param));
    }
}

dispatch!(unsafe fn step_with(step: AdamStep, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) => step_body);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, numbers};

    /// The slow twin, in float64, from the paper.
    fn twin(t: u64, decay: f64, decoupled: bool, p: &mut f64, g: f64, m: &mut f64, v: &mut f64) {
        let lr = 1e-2;
        let g = if decoupled { g } else { g + decay * *p };
        if decoupled {
            *p *= 1.0 - lr * decay;
        }
        *m = 0.9 * *m + 0.1 * g;
        *v = 0.999 * *v + 0.001 * g * g;
        let (m_hat, v_hat) = (*m / (1.0 - 0.9f64.powi(t as i32)), *v / (1.0 - 0.999f64.powi(t as i32)));
        *p -= lr * m_hat / (v_hat.sqrt() + 1e-8);
    }

    #[test]
    fn steps_agree_with_the_slow_twin_on_every_instruction_set() {
        for isa in Isa::available() {
            for (len, decay, decoupled) in [(1, 0.0, false), (16, 0.1, false), (37, 0.1, true), (70, 0.0, true)] {
                let mut p = numbers(len, 1);
                let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
                let mut exact: Vec<[f64; 3]> = p.iter().map(|&p| [f64::from(p), 0.0, 0.0]).collect();
                for t in 1..=5 {
                    let g = numbers(len, 10 + t as u32);
                    let mut step = AdamStep::new(1e-2, t);
                    match decoupled {
                        true => step.shrink = 1.0 - 1e-2 * decay as f32,
                        false => step.l2 = decay as f32,
                    }
                    step.apply_on(isa, &mut p, &g, &mut m, &mut v);
                    for ([p, m, v], g) in exact.iter_mut().zip(&g) {
                        twin(t, decay, decoupled, p, f64::from(*g), m, v);
                    }
                }
                for (i, got) in [&p, &m, &v].into_iter().enumerate() {
                    let expected: Vec<f64> = exact.iter().map(|e| e[i]).collect();
                    // Five roundings of numbers below 1; measured: 2.4e-7.
                    assert_close(&format!("{} {len} {i}", isa.name()), got, &expected, 4e-7);
                }
            }
        }
    }
}
