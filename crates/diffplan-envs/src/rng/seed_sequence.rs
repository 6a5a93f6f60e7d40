//! `numpy.random.SeedSequence`: spreads the bits of a seed over as much state as a generator wants.
//!
//! The seed's 32-bit words are hashed into a pool of four words, every pool word is then mixed into every other, and the
//! state is hashed out of the pool. Source: NumPy's `bit_generator.pyx`, after M. O'Neill's `seed_seq_fe`. Only what a
//! plain integer seed uses is here: no spawn key, and never more words than the pool has.

const POOL_SIZE: usize = 4;

const INIT_A: u32 = 0x43B0_D7E5;
const MULT_A: u32 = 0x931E_8875;
const INIT_B: u32 = 0x8B51_F9DD;
const MULT_B: u32 = 0x58F3_8DED;
const MIX_MULT_L: u32 = 0xCA01_F9DD;
const MIX_MULT_R: u32 = 0x4973_F715;
const XSHIFT: u32 = 16;

pub(super) struct SeedSequence {
    pool: [u32; POOL_SIZE],
}

impl SeedSequence {
    pub(super) fn new(seed: u64) -> Self {
        // The seed's words, low first; words that it does not reach are hashed as zeros.
        let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0];
        let mut hash = Hash {
            constant: INIT_A,
            multiplier: MULT_A,
        };
        for word in &mut pool {
            *word = hash.entropy(*word);
        }
        for source in 0..POOL_SIZE {
            for target in (0..POOL_SIZE).filter(|&target| target != source) {
                pool[target] = mix(pool[target], hash.entropy(pool[source]));
            }
        }
        Self { pool }
    }

    /// `generate_state(4, uint64)`.
    pub(super) fn generate_state(&self) -> [u64; 4] {
        let mut hash = Hash {
            constant: INIT_B,
            multiplier: MULT_B,
        };
        let mut words = self.pool.iter().cycle().map(|&word| u64::from(hash.entropy(word)));
        std::array::from_fn(|_| {
            let mut word = || {
                words
                    .next()
                    .expect("the pool is not empty, so cycling through it never ends")
            };
            let low = word();
            (word() << 32) | low
        })
    }
}

/// A multiplicative hash whose constant moves on with each word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn entropy(&mut self, word: u32) -> u32 {
        let mixed = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let mixed = mixed.wrapping_mul(self.constant);
        mixed ^ (mixed >> XSHIFT)
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(MIX_MULT_L).wrapping_sub(y.wrapping_mul(MIX_MULT_R));
    mixed ^ (mixed >> XSHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_that_of_numpy() {
        // numpy 2.4.6: numpy.random.SeedSequence(seed).generate_state(4, numpy.uint64)
        let rows: [(u64, [u64; 4]); 3] = [
            (
                0,
                [
                    0xDB2C_D7E7_B0F4_78BE,
                    0xABF4_641A_2C71_BA49,
                    0x20C6_ED6D_9D7B_8D41,
                    0x2C40_99DE_223C_39D4,
                ],
            ),
            (
                1000,
                [
                    0xF9D5_DC31_B233_0B51,
                    0xD7C0_1ED8_96C5_D8E7,
                    0xACC9_A23D_1386_1094,
                    0x0EDB_7F13_571A_8D88,
                ],
            ),
            (
                u64::MAX,
                [
                    0xAEBC_A151_928C_AD0D,
                    0x119C_3044_8638_DC7A,
                    0x1BBB_1556_59E6_42A7,
                    0xA76B_11E3_E8C4_A8F6,
                ],
            ),
        ];
        for (seed, state) in rows {
            assert_eq!(SeedSequence::new(seed).generate_state(), state, "seed {seed}");
        }
    }
}
