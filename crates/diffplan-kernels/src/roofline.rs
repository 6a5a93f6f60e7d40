//! How much one thread can multiply and add at most: what the speed of products is held against.
//!
//! Chains of multiply-adds in registers, two vectors a row and as many rows as the product kernels' tiles have. They do not
//! wait for each other, so they keep the CPU's arithmetic units busy; nothing is read or written on the way.

use crate::isa::{Isa, dispatch};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Pairs};
use crate::simd::{Lanes, Portable};
use std::hint::black_box;
use std::time::Instant;

/// Links of every chain between two looks at the clock: a millisecond or a few.
const LINKS: usize = 100_000;

/// Chains as many as an instruction set's registers hold.
///
/// # Safety
/// Of its functions: the CPU has the instruction set.
trait Chains: Lanes {
    /// Rows of two vectors.
    const ROWS: usize;
    unsafe fn chains(links: usize);
    /// One link of a chain that has come to `x`; `half` and `one` are vectors of ½ and 1.
    unsafe fn link(x: Self::V, half: Self::V, one: Self::V) -> Self::V;
}

/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
unsafe fn rows<S: Chains, const ROWS: usize>(links: usize) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (half, one) = (S::splat(black_box(0.5)), S::splat(black_box(1.0)));
        // The compiler knows neither how the chains begin, so that it cannot make two of them one, nor what becomes of them.
        let mut x = black_box([[one; 2]; ROWS]);
        for _ in 0..links {
            for x in &mut x {
                x[0] = S::link(x[0], half, one);
                x[1] = S::link(x[1], half, one);
            }
        }
        black_box(x);
    }
}

/// Implements [`Chains`] with so many rows.
macro_rules! of_rows {
    ($isa:ident, $rows:expr, |$x:ident, $half:ident, $one:ident| $link:expr) => {
        impl Chains for $isa {
            const ROWS: usize = $rows;
            #[inline(always)]
            unsafe fn chains(links: usize) {
                // SAFETY: as the caller vouches.
                unsafe { rows::<Self, { $rows }>(links) }
            }
            #[inline(always)]
            unsafe fn link($x: Self::V, $half: Self::V, $one: Self::V) -> Self::V {
                // SAFETY: as the caller vouches.
                unsafe { $link }
            }
        }
    };
}
// Sums of products, as the kernels have them. Without fused multiply-adds the same product would be computed once for all
// chains, so there every link multiplies what the chain has come to. A vector of the portable set takes two registers, of which
// x86-64 has sixteen and most others have more.
of_rows!(
    Portable,
    if cfg!(target_arch = "x86_64") { 3 } else { 6 },
    |x, half, one| Self::mul_add(x, half, one)
);
#[cfg(target_arch = "x86_64")]
of_rows!(Avx2, 6, |x, half, one| Self::mul_add(half, one, x));
#[cfg(target_arch = "x86_64")]
of_rows!(Avx512, 12, |x, half, one| Self::mul_add(half, one, x));
#[cfg(target_arch = "x86_64")]
of_rows!(Avx512Pairs, 12, |x, half, one| Self::mul_add(half, one, x));

/// Runs the chains, and says how many multiply-adds of float32 lanes they were.
///
/// # Safety
/// The CPU must have the instruction set.
#[inline(always)]
unsafe fn chains_body<S: Chains>(lanes: &mut usize) {
    // SAFETY: as the caller vouches.
    unsafe { S::chains(LINKS) };
    *lanes = LINKS * S::ROWS * 2 * S::LANES;
}

dispatch!(unsafe fn chains_with(lanes: &mut usize) => chains_body);

/// [`chains_body`] on pairs of bfloat16 numbers.
///
/// # Safety
/// The CPU must have AVX-512 BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn pair_chains(lanes: &mut usize) {
    // SAFETY: as the caller vouches.
    unsafe { chains_body::<Avx512Pairs>(lanes) };
}

/// The most that `run`, again and again for so many seconds, did in a second.
fn fastest(seconds: f64, run: impl Fn() -> usize) -> f64 {
    let (start, mut most) = (Instant::now(), 0f64);
    loop {
        let begin = Instant::now();
        let done = run() as f64;
        most = most.max(done / begin.elapsed().as_secs_f64());
        if start.elapsed().as_secs_f64() >= seconds {
            return most;
        }
    }
}

/// The float32 operations a second that one thread reaches with the active instruction set: multiply-adds in registers, each
/// counted as two, in the best millisecond or so of a measurement of so many seconds. Half a second is enough on a quiet
/// machine.
///
/// [`Isa::Portable`] is measured as the compiler's base set for the target. Its products are those of `matrixmultiply`, which
/// looks for more in the CPU by itself, and may do better than this.
pub fn peak_flops(seconds: f64) -> f64 {
    peak_flops_on(Isa::active(), seconds)
}

fn peak_flops_on(isa: Isa, seconds: f64) -> f64 {
    2.0 * fastest(seconds, || {
        let mut lanes = 0;
        // SAFETY: `isa` is an available one.
        unsafe { chains_with(isa, &mut lanes) };
        lanes
    })
}

/// The same for products of bfloat16 numbers summed in float32; none where the active instruction set has no such products.
pub fn peak_bf16_flops(seconds: f64) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if Isa::active() == Isa::Avx512Bf16 {
        let lanes = || {
            let mut lanes = 0;
            // SAFETY: the active instruction set is one the CPU has.
            unsafe { pair_chains(&mut lanes) };
            lanes
        };
        // Two multiply-adds a lane.
        return Some(4.0 * fastest(seconds, lanes));
    }
    let _ = seconds;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_has_a_peak() {
        let giga = |flops: f64| {
            assert!(flops.is_finite() && flops > 0.0);
            flops / 1e9
        };
        for isa in Isa::available() {
            println!("{}: {:.1} GFLOP/s", isa.name(), giga(peak_flops_on(isa, 0.05)));
        }
        match peak_bf16_flops(0.05) {
            Some(flops) => println!("{} in bfloat16: {:.1} GFLOP/s", Isa::active().name(), giga(flops)),
            None => assert!(Isa::active() != Isa::Avx512Bf16),
        }
    }
}
