//! `torch.manual_seed` and `torch.randn` on the CPU, value for value.
//!
//! The generator is MT19937 (Matsumoto and Nishimura 1998), seeded with the low 32 bits of the seed by the recurrence
//! `s[j] = 1812433253 · (s[j-1] ^ s[j-1] >> 30) + j`. A float32 uniform is the low 24 bits of one output times 2^-24; a
//! float64 uniform is the low 53 bits of two outputs, the first one high, times 2^-53.
//!
//! `randn` has two paths (`normal_kernel` in ATen's `native/cpu/DistributionTemplates.h`):
//!
//! * **16 elements or more.** The output is filled with float32 uniforms, then every whole block of 16 becomes normal by
//!   Box-Muller: with `u = x[j]`, `v = x[j + 8]`, `r = sqrt(-2 ln(1 - u))`, `x[j] = r cos 2πv` and `x[j + 8] = r sin 2πv`. If
//!   the length is no multiple of 16, the *last* 16 elements are drawn once more, over what the blocks had left there.
//! * **Below 16.** One value at a time in float64: `r = sqrt(-2 ln(1 - u2))`, first `r cos 2πu1`, and `r sin 2πu1` is kept for
//!   the next value. It is kept across calls as well, so an odd call leaves one behind; the path of 16 neither takes
//!   nor drops it, and seeding does.
//!
//! The path of 16 runs as AVX2 in torch, also on machines with AVX-512, with the single precision logarithm, sine and
//! cosine of Cephes (Moshier), and multiplications fused into the additions that follow. `ln` and `sin_cos` below round in
//! the same places, with `mul_add` where torch's build has an FMA, so the values agree in every bit. On CPUs without AVX2
//! torch takes the C library's functions instead, and differs from this in the last bits.

use crate::noise::{NoiseError, NoiseSource};

const STATE_LEN: usize = 624;
const SHIFT_LEN: usize = 397;
/// Elements of one Box-Muller block: 8 radii, then 8 angles.
const BLOCK: usize = 16;

/// The CPU generator of PyTorch, with `torch.randn`'s stream of float32 normals.
///
/// A call of [`NoiseSource::fill_standard_normal`] is `torch.randn` of that many elements (contiguous, float32, on the CPU).
/// [`NoiseSource::pick_index`] is `torch.randint(n, (1,))`: one output modulo `n`, or two as 64 bits from `n = 2^28` on.
/// (The reference picks with NumPy's global generator, which a torch seed says nothing about.)
#[derive(Debug, Clone, PartialEq)]
pub struct TorchRng {
    state: [u32; STATE_LEN],
    next: usize,
    /// The second value of the last Box-Muller pair of the path below 16 elements, if it is still to be given out.
    kept: Option<f64>,
}

impl TorchRng {
    /// `torch.manual_seed(seed)`.
    ///
    /// Torch reads a negative seed as `seed + 2^64`, which is `seed as u64` of an `i64`. Only the low 32 bits count.
    #[must_use]
    pub fn manual_seed(seed: u64) -> Self {
        let mut state = [0; STATE_LEN];
        let mut word = (seed & 0xffff_ffff) as u32;
        state[0] = word;
        for (word_index, slot) in (0u32..).zip(&mut state).skip(1) {
            word = (word ^ (word >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(word_index);
            *slot = word;
        }
        Self {
            state,
            next: STATE_LEN,
            kept: None,
        }
    }

    fn twist(&mut self) {
        for i in 0..STATE_LEN {
            let mixed = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE_LEN] & 0x7fff_ffff);
            let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT_LEN) % STATE_LEN] ^ (mixed >> 1) ^ odd;
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == STATE_LEN {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        (high << 32) | u64::from(self.next_u32())
    }

    fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0)
    }

    fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() & ((1 << 53) - 1)) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    fn normal_f64(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let u1 = self.uniform_f64();
        let u2 = self.uniform_f64();
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = std::f64::consts::TAU * u1;
        self.kept = Some(radius * theta.sin());
        radius * theta.cos()
    }
}

impl NoiseSource for TorchRng {
    fn fill_standard_normal(&mut self, out: &mut [f32]) -> Result<(), NoiseError> {
        if out.len() < BLOCK {
            out.fill_with(|| self.normal_f64() as f32);
            return Ok(());
        }
        out.fill_with(|| self.uniform_f32());
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        blocks.iter_mut().for_each(box_muller);
        if !rest.is_empty()
            && let Some(last) = out.last_chunk_mut::<BLOCK>()
        {
            last.fill_with(|| self.uniform_f32());
            box_muller(last);
        }
        Ok(())
    }

    fn pick_index(&mut self, n: usize) -> Result<usize, NoiseError> {
        let drawn = match n {
            0 => return Err(NoiseError::NothingToPick),
            1..0x1000_0000 => u64::from(self.next_u32()),
            _ => self.next_u64(),
        };
        Ok((drawn % n as u64) as usize)
    }
}

/// 8 uniform radii and 8 uniform angles, in [0, 1), become 16 normals.
fn box_muller(block: &mut [f32; BLOCK]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (u, v) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * ln(1.0 - *u)).sqrt();
        let (sin, cos) = sin_cos(std::f32::consts::TAU * *v);
        // Torch multiplies by a standard deviation of 1 and adds a mean of 0, which turns -0 into 0.
        *u = radius * cos + 0.0;
        *v = radius * sin + 0.0;
    }
}

/// Cephes `logf` for a normal positive number: `x = m · 2^e` with `m` in [√½, √2), and a polynomial of degree 9 in `m - 1`.
fn ln(x: f32) -> f32 {
    const P: [f32; 9] = [
        0.070_376_836,
        -0.115_146_1,
        0.116_769_984,
        -0.124_201_41,
        0.142_493_23,
        -0.166_680_57,
        0.200_007_14,
        -0.249_999_94,
        0.333_333_3,
    ];
    /// ln 2 in two parts, so that `e` times the larger one is exact.
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const LN_2_HIGH: f32 = 355.0 / 512.0;

    let bits = x.to_bits();
    let mut exponent = (bits >> 23) as f32 - 126.0;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    if m < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        m += m - 1.0;
    } else {
        m -= 1.0;
    }
    let square = m * m;
    let mut y = P[0];
    for p in &P[1..] {
        y = y.mul_add(m, *p);
    }
    y *= m;
    y = y.mul_add(square, exponent * LN_2_LOW);
    y = square.mul_add(-0.5, y);
    exponent.mul_add(LN_2_HIGH, m + y)
}

/// Cephes `sinf` and `cosf` for an angle in [0, 2π]: the octant, its multiple of π/4 taken off in three parts, then one
/// polynomial for the sine and one for the cosine of what is left in [-π/4, π/4].
fn sin_cos(theta: f32) -> (f32, f32) {
    const PI_4: [f32; 3] = [0.785_156_25, 2.418_756_5e-4, 3.774_895e-8];
    const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
    const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];

    let octant = ((theta * (4.0 / std::f32::consts::PI)) as u32).next_multiple_of(2);
    let mut x = theta;
    for part in PI_4 {
        x = (octant as f32).mul_add(-part, x);
    }
    let z = x * x;
    let cos = COS[0].mul_add(z, COS[1]).mul_add(z, COS[2]) * z;
    let cos = cos.mul_add(z, z * -0.5) + 1.0;
    let sin = SIN[0].mul_add(z, SIN[1]).mul_add(z, SIN[2]) * z;
    let sin = sin.mul_add(x, x);
    match octant % 8 {
        0 => (sin, cos),
        2 => (cos, -sin),
        4 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn randn(rng: &mut TorchRng, len: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; len];
        rng.fill_standard_normal(&mut out).unwrap();
        out
    }

    /// The path of 16 is float32 arithmetic that IEEE 754 fixes, and must agree in every bit. The path below 16 takes its
    /// sine, cosine and logarithm from the platform, in float64: one float32 unit in the last place may differ.
    fn check(what: &str, actual: &[f32], expected: &[f32], whole_call: usize) {
        assert_eq!(actual.len(), expected.len(), "{what}");
        let ulps = if whole_call < BLOCK { 1 } else { 0 };
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let apart = a.to_bits().abs_diff(e.to_bits());
            assert!(a.is_finite() && apart <= ulps, "{what}, value {i}: {a} instead of {e}");
        }
    }

    /// torch 2.15.0: manual_seed(0), then randn of 3, 17, 3 and 16, randint of 64, 7, 2^28 - 1, 2^33 + 7 and 2^28, randn of 2.
    /// The first call leaves a value behind, the second one draws its last 16 again and does not take it, the third does.
    #[test]
    fn successive_calls_share_one_stream() {
        let mut rng = TorchRng::manual_seed(0);
        let rows: [&[f32]; 4] = [
            &[1.540_996_1, -0.293_428_9, -2.178_789_4],
            &[
                -0.356_128_36,
                -0.157_712_44,
                1.443_660_1,
                0.266_049_4,
                0.166_455_34,
                0.874_381_84,
                -0.143_473_85,
                -0.111_609_33,
                -0.613_583_1,
                1.259_009_2,
                2.004_980_6,
                0.053_736_903,
                0.618_056_65,
                -0.412_802_22,
                -0.841_064_8,
                -2.316_042,
                -0.102_309_65,
            ],
            &[0.568_431_26, 0.745_542_1, -0.246_046_62],
            &[
                -0.678_746_2,
                0.938_260_73,
                0.488_869_82,
                -0.673_089_9,
                0.872_831_2,
                1.055_357_5,
                0.177_843_72,
                -0.230_335_47,
                -0.306_704_2,
                -1.580_993_9,
                1.706_643_3,
                -0.446_217_18,
                0.744_020_7,
                1.520_979_5,
                3.410_502_7,
                -1.531_184_3,
            ],
        ];
        for (call, expected) in rows.iter().enumerate() {
            check(
                &format!("call {call}"),
                &randn(&mut rng, expected.len()),
                expected,
                expected.len(),
            );
        }
        for (n, expected) in [(64, 62), (7, 6), ((1 << 28) - 1, 212_249_469)] {
            assert_eq!(rng.pick_index(n), Ok(expected), "randint of {n}");
        }
        if let Ok(n) = usize::try_from((1u64 << 33) + 7) {
            assert_eq!(rng.pick_index(n).map(|picked| picked as u64), Ok(6_957_950_886));
        } else {
            rng.next_u64();
        }
        assert_eq!(rng.pick_index(1 << 28), Ok(43_886_720));
        check("after randint", &randn(&mut rng, 2), &[-2.218_779_3, 0.258_984_54], 2);
        assert_eq!(rng.pick_index(0), Err(NoiseError::NothingToPick));
    }

    /// torch 2.15.0: manual_seed(seed), then values 0, 7, 8, 15, 12345 and 28671 of randn(64, 32, 14), and values 0, 3, 4, 15,
    /// 16 and 19 of the following randn(20).
    #[test]
    fn seeds_give_the_stream_of_torch() {
        let rows: [(u64, [f32; 12]); 5] = [
            (
                1,
                [
                    -1.525_595_9,
                    -1.609_096_3,
                    -0.712_144_6,
                    0.467_635_5,
                    0.926_899_73,
                    1.249_328,
                    -1.468_033_1,
                    1.959_641,
                    1.271_961,
                    -0.580_618_2,
                    0.245_255_11,
                    -0.567_938_8,
                ],
            ),
            (
                77,
                [
                    -0.504_308_8,
                    -0.099_595_05,
                    0.660_341_26,
                    1.983_717_3,
                    -1.286_381_4,
                    -0.529_487_67,
                    -1.242_533_7,
                    -0.896_190_4,
                    0.512_005_9,
                    2.406_386,
                    -1.722_528_7,
                    1.933_373,
                ],
            ),
            (
                -1_i64 as u64,
                [
                    -2.664_297_6,
                    0.793_644_25,
                    -1.751_494_6,
                    0.140_909_61,
                    -1.626_475_1,
                    -1.426_907_8,
                    0.351_380_2,
                    -0.303_989_32,
                    -2.207_402_7,
                    -0.423_830_87,
                    -0.040_868_96,
                    0.425_372_03,
                ],
            ),
            (
                (1 << 31) + 7,
                [
                    0.415_320_8,
                    0.187_808_45,
                    1.413_332_1,
                    0.895_791_65,
                    0.927_826_5,
                    0.213_615_31,
                    1.050_417,
                    -0.760_848_76,
                    -0.718_661_3,
                    -1.244_586_1,
                    0.408_651,
                    0.142_247_26,
                ],
            ),
            (
                (1 << 32) + 5,
                [
                    1.842_329_9,
                    -1.437_413_8,
                    0.390_768_23,
                    -0.782_335_1,
                    -0.320_362_66,
                    -0.572_441,
                    0.748_425_4,
                    0.237_731_81,
                    0.856_199_2,
                    -1.093_086_2,
                    0.084_462_89,
                    -0.157_766_46,
                ],
            ),
        ];
        for (seed, expected) in rows {
            let mut rng = TorchRng::manual_seed(seed);
            let (first, second) = (randn(&mut rng, 64 * 32 * 14), randn(&mut rng, 20));
            let actual: Vec<_> = [0, 7, 8, 15, 12_345, 28_671]
                .map(|i| first[i])
                .into_iter()
                .chain([0, 3, 4, 15, 16, 19].map(|i| second[i]))
                .collect();
            check(&format!("seed {seed}"), &actual, &expected, 20);
        }
        // Only the low 32 bits of a seed count.
        assert_eq!(TorchRng::manual_seed((1 << 32) + 5), TorchRng::manual_seed(5));
        assert_ne!(TorchRng::manual_seed(6), TorchRng::manual_seed(5));
    }

    #[test]
    fn an_empty_draw_takes_nothing() {
        let mut rng = TorchRng::manual_seed(9);
        randn(&mut rng, 0);
        assert_eq!(rng, TorchRng::manual_seed(9));
    }

    /// Against float64 over every uniform that float32 has in steps of 2^-24, one in 7 of them; relative above 1, absolute below.
    #[test]
    fn elementary_functions_are_accurate() {
        let mut worst = [0.0_f64; 3];
        for k in (0..1_u32 << 24).step_by(7) {
            let uniform = k as f32 / 16_777_216.0;
            let (u, theta) = (1.0 - uniform, std::f32::consts::TAU * uniform);
            let (sin, cos) = sin_cos(theta);
            let pairs = [
                (ln(u), f64::from(u).ln()),
                (sin, f64::from(theta).sin()),
                (cos, f64::from(theta).cos()),
            ];
            for (worst, (actual, exact)) in worst.iter_mut().zip(pairs) {
                let error = (f64::from(actual) - exact).abs() / exact.abs().max(1.0);
                assert!(error.is_finite(), "not a number at uniform {uniform}");
                *worst = worst.max(error);
            }
        }
        // Measured: 7.93e-8, 6.90e-8 and 7.79e-8, the same everywhere, since the arithmetic is fixed.
        assert!(worst.iter().all(|error| *error < 8e-8), "{worst:?}");
    }
}
