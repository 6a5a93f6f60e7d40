//! What the classes share that reckon with the model's answers of several visits: the memory of them, and steps as sums of multiples.

mod history;

pub(crate) use history::History;

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

/// Of what a step makes its sample, in multiples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixture {
    /// Of the sample that it begins at.
    pub(crate) sample: f32,
    /// Of the converted answers, the latest first.
    pub(crate) answers: Vec<f32>,
    /// Of a draw.
    pub(crate) noise: f32,
}

impl Mixture {
    /// From float64, rounded once.
    pub(crate) fn new(sample: f64, answers: &[f64], noise: f64) -> Self {
        Self {
            sample: sample as f32,
            answers: answers.iter().map(|&of| of as f32).collect(),
            noise: noise as f32,
        }
    }

    /// Whether a step of it is defined.
    pub(crate) fn is_finite(&self) -> bool {
        let mut all = self.answers.iter().chain([&self.sample, &self.noise]);
        all.all(|of| of.is_finite())
    }

    /// Writes it to `out`. All arrays have the same shape; `answers` are as many as the multiples, or more.
    pub(crate) fn write<'a>(
        &self,
        sample: &ArrayViewD<'_, f32>,
        answers: impl Iterator<Item = ArrayViewD<'a, f32>>,
        noise: Option<&ArrayViewD<'_, f32>>,
        out: &mut ArrayViewMutD<'_, f32>,
    ) {
        let own = self.sample;
        Zip::from(&mut *out)
            .and(sample)
            .for_each(|out, &sample| *out = own * sample);
        for (&of, answer) in self.answers.iter().zip(answers) {
            add(of, &answer, out);
        }
        if let Some(noise) = noise {
            add(self.noise, noise, out);
        }
    }
}

/// Adds so much of `array` to `out`, of the same shape.
pub(crate) fn add(of: f32, array: &ArrayViewD<'_, f32>, out: &mut ArrayViewMutD<'_, f32>) {
    Zip::from(out).and(array).for_each(|out, &value| *out += of * value);
}

/// A level as the solvers count: signal, noise, and the logarithm of their ratio, infinite where there is no noise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) alpha: f64,
    pub(crate) sigma: f64,
    pub(crate) lambda: f64,
}

impl Level {
    /// Of noise over signal.
    pub(crate) fn new(sigma: f32) -> Self {
        let ratio = f64::from(sigma);
        let alpha = 1.0 / (ratio * ratio + 1.0).sqrt();
        Self {
            alpha,
            sigma: ratio * alpha,
            lambda: -ratio.ln(),
        }
    }
}
