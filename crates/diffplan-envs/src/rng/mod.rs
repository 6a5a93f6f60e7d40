//! NumPy's default random generator, bit for bit, so that a seed starts the same episode here and in Gymnasium.

mod pcg64;
mod seed_sequence;
mod ziggurat;

use ndarray_rand::rand::RngCore;

use pcg64::Pcg64;
use seed_sequence::SeedSequence;

/// `numpy.random.Generator(PCG64(SeedSequence(seed)))`, which is what `numpy.random.default_rng(seed)` and Gymnasium's
/// `np_random` are.
///
/// It is a [`RngCore`] too: `next_u64` and `next_u32` give the words of NumPy's bit generator (two 32-bit words are the
/// low and the high half of one 64-bit word, as there).
///
/// ```
/// use diffplan_envs::NumpyRng;
///
/// let mut rng = NumpyRng::new(42);
/// assert_eq!(rng.random(), 0.7739560485559633); // numpy.random.default_rng(42).random()
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumpyRng {
    bits: Pcg64,
    /// The high half of a word whose low half went to `next_u32`.
    half: Option<u32>,
}

impl NumpyRng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        let state = SeedSequence::new(seed).generate_state();
        Self {
            bits: Pcg64::new(wide(state[0], state[1]), wide(state[2], state[3])),
            half: None,
        }
    }

    /// `Generator.random()`: a number from `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn random(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// `Generator.uniform(low, high)`: a number from `[low, high)`, where rounding may reach `high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random()
    }

    /// `Generator.standard_normal()`: a normal number of mean 0 and standard deviation 1. In the tails, three numbers in ten
    /// thousand, the C library's `log1p` decides the last bit.
    pub fn standard_normal(&mut self) -> f64 {
        ziggurat::standard_normal(self)
    }
}

fn wide(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

impl RngCore for NumpyRng {
    fn next_u32(&mut self) -> u32 {
        self.half.take().unwrap_or_else(|| {
            let word = self.bits.next_u64();
            self.half = Some((word >> 32) as u32);
            word as u32
        })
    }

    fn next_u64(&mut self) -> u64 {
        self.bits.next_u64()
    }

    fn fill_bytes(&mut self, dst: &mut [u8]) {
        for chunk in dst.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_numpy() {
        // numpy 2.4.6: numpy.random.PCG64(seed).random_raw(3)
        let rows: [(u64, [u64; 3]); 4] = [
            (0, [0xA30F_EBCF_D9C2_825F, 0x4510_BDF8_82D9_D721, 0x0A7D_3DA9_4ECD_E8B8]),
            (
                1000,
                [0x8579_8925_3426_FDAF, 0x9A95_6118_D932_230D, 0x788F_A441_D18B_EED0],
            ),
            (
                4294967296,
                [0xE3C5_EBE2_85AC_1625, 0x8EA0_9968_FE31_DBCC, 0xCD08_4FF8_4D8D_E9BE],
            ),
            (
                u64::MAX,
                [0xAE16_3A7A_8C47_568F, 0xD866_59F5_F338_2359, 0x01E5_2B19_5BC2_D24A],
            ),
        ];
        for (seed, words) in rows {
            let mut rng = NumpyRng::new(seed);
            assert_eq!([rng.next_u64(), rng.next_u64(), rng.next_u64()], words, "seed {seed}");
        }
    }

    #[test]
    fn numbers_are_those_of_numpy() {
        // numpy 2.4.6: g = numpy.random.default_rng(1000); g.random(); g.uniform(-3.5, 2.25); g.random()
        let mut rng = NumpyRng::new(1000);
        let numbers = [rng.random(), rng.uniform(-3.5, 2.25), rng.random()];
        assert_eq!(
            numbers,
            [0.5213857379750627, -0.027909379713604743, 0.47094179732225394]
        );
    }

    #[test]
    fn half_words_are_those_of_numpy() {
        // numpy 2.4.6: g = default_rng(7); [g.integers(2**32, dtype=numpy.uint32) for _ in range(3)], then
        // g.bit_generator.random_raw(), then one more integer: the kept half is not disturbed.
        let mut rng = NumpyRng::new(7);
        assert_eq!(
            [rng.next_u32(), rng.next_u32(), rng.next_u32()],
            [0xF1E5_4A8B, 0xA006_41A9, 0xAF26_6A95]
        );
        assert_eq!(rng.next_u64(), 0xC693_565F_940A_F962);
        assert_eq!(rng.next_u32(), 0xE5AF_CDBC);
    }

    #[test]
    fn bytes_are_the_words_in_little_endian_order() {
        let (mut rng, mut bytes) = (NumpyRng::new(3), [0_u8; 11]);
        let mut words = rng.clone();
        rng.fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], words.next_u64().to_le_bytes());
        assert_eq!(bytes[8..], words.next_u64().to_le_bytes()[..3]);
    }
}
