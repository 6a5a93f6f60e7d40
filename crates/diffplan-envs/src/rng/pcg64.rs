//! PCG64, the variant XSL-RR 128/64: a 128-bit linear congruential generator
//!
//! ```text
//! state ← state · MULTIPLIER + increment   (mod 2¹²⁸)
//! output = rotate_right(high 64 bits ⊕ low 64 bits, top 6 bits of the state)
//! ```
//!
//! that advances before it outputs. Source: M. O'Neill, "PCG: A family of simple fast space-efficient statistically good
//! algorithms for random number generation" (HMC-CS-2014-0905), and its use as `numpy.random.PCG64`.

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    /// Seeds state and stream: the increment must be odd, so the stream is shifted by one bit.
    pub(super) fn new(seed: u128, stream: u128) -> Self {
        let mut pcg = Self {
            state: 0,
            increment: (stream << 1) | 1,
        };
        pcg.advance();
        pcg.state = pcg.state.wrapping_add(seed);
        pcg.advance();
        pcg
    }

    fn advance(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.advance();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }
}
