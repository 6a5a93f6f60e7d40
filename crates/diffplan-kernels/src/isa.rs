//! Which instruction set the kernels use, decided once a process.

use std::sync::atomic::{AtomicU8, Ordering};

/// The active one's place in `Isa::ALL`; beyond its end before the first call.
static ACTIVE: AtomicU8 = AtomicU8::new(u8::MAX);

/// An instruction set the kernels have code for, in rising order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// What every machine of the target has; products are those of `matrixmultiply`.
    Portable,
    /// x86-64 with 256-bit vectors and fused multiply-add.
    Avx2Fma,
    /// x86-64 with 512-bit vectors (AVX-512 F, BW, DQ, VL).
    Avx512,
    /// The same with products of bfloat16 numbers (AVX-512 BF16).
    Avx512Bf16,
}

impl Isa {
    const ALL: [Isa; 4] = [Isa::Portable, Isa::Avx2Fma, Isa::Avx512, Isa::Avx512Bf16];

    /// The instruction set this process uses: the best the CPU has, or the one that the environment variable `DIFFPLAN_ISA`
    /// names (`portable`, `avx2`, `avx512`, `avx512bf16`). It is read once, at the first call. A name that is none, or of a set that
    /// this CPU lacks, cannot be an error here: [`Isa::requested`] says so, and whoever makes a network asks it first.
    pub fn active() -> Isa {
        match Isa::ALL.get(usize::from(ACTIVE.load(Ordering::Relaxed))) {
            Some(&isa) => isa,
            None => {
                let isa = Isa::requested().ok().flatten().unwrap_or_else(Isa::detect);
                ACTIVE.store(isa as u8, Ordering::Relaxed);
                isa
            }
        }
    }

    /// The instruction set that the environment variable `DIFFPLAN_ISA` names; `None` where it is unset or empty.
    ///
    /// # Errors
    /// [`IsaError`] if it names none, or one that this CPU does not have.
    pub fn requested() -> Result<Option<Isa>, IsaError> {
        match std::env::var_os("DIFFPLAN_ISA") {
            Some(name) if !name.is_empty() => Isa::by_name(&name.to_string_lossy()).map(Some),
            _ => Ok(None),
        }
    }

    fn by_name(name: &str) -> Result<Isa, IsaError> {
        let found = Isa::available().find(|isa| isa.name() == name);
        found.ok_or_else(|| IsaError {
            name: name.to_owned(),
            known: Isa::ALL.iter().any(|isa| isa.name() == name),
        })
    }

    /// Makes all kernels of this process use this instruction set from now on, for benches that compare them; false, and
    /// nothing changes, if the CPU does not have it. Weights that are packed in bfloat16 keep the kernel they were packed for.
    pub fn make_active(self) -> bool {
        let available = self.is_available();
        if available {
            ACTIVE.store(self as u8, Ordering::Relaxed);
        }
        available
    }

    /// The best instruction set of this CPU that the kernels have code for.
    pub fn detect() -> Isa {
        Isa::available().last().unwrap_or(Isa::Portable)
    }

    /// The instruction sets of this CPU that the kernels have code for, the best one last.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match self {
            Isa::Portable => true,
            Isa::Avx2Fma => avx2,
            Isa::Avx512 => avx512,
            Isa::Avx512Bf16 => avx512 && is_x86_feature_detected!("avx512bf16"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Isa::Portable
    }

    /// The name used in `DIFFPLAN_ISA` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2Fma => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
        }
    }
}

/// `DIFFPLAN_ISA` names no instruction set of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    name: String,
    known: bool,
}

impl std::fmt::Display for IsaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.known {
            true => "an instruction set that this CPU does not have",
            false => "no instruction set",
        };
        let here: Vec<&str> = Isa::available().map(Isa::name).collect();
        let name = &self.name;
        write!(
            f,
            "DIFFPLAN_ISA is {name:?}, {what}: expected one of {}, or unset for the best",
            here.join(", ")
        )
    }
}

impl std::error::Error for IsaError {}

/// Defines `$name`, which runs the generic body `$body::<S>` compiled for the instruction set that its first argument names.
///
/// Bodies are `#[inline(always)]` and generic over [`Simd`](crate::simd::Simd); inside a function with the target features,
/// the compiler turns them into code of that width. A body may be unsafe to call; what it asks for is then asked of the
/// caller of `$name` as well.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident$(<$G:ident: $Bound:path>)?($($arg:ident: $ty:ty),* $(,)?) => $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
        $vis unsafe fn $name$(<$G: $Bound>)?(isa: $crate::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                unsafe fn avx512$(<$G: $Bound>)?($($arg: $ty),*) {
                    // SAFETY: what the body asks for is asked of this function's caller; the features are enabled here.
                    unsafe { $body::<$crate::simd::Avx512 $(, $G)?>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                unsafe fn avx2$(<$G: $Bound>)?($($arg: $ty),*) {
                    // SAFETY: as above.
                    unsafe { $body::<$crate::simd::Avx2 $(, $G)?>($($arg),*) }
                }
                debug_assert!($crate::Isa::available().any(|other| other == isa));
                match isa {
                    // SAFETY: an `Isa` other than `Portable` comes from `Isa::available`, so the CPU has the features.
                    $crate::Isa::Avx512 | $crate::Isa::Avx512Bf16 => return unsafe { avx512$(::<$G>)?($($arg),*) },
                    // SAFETY: as above.
                    $crate::Isa::Avx2Fma => return unsafe { avx2$(::<$G>)?($($arg),*) },
                    $crate::Isa::Portable => {}
                }
            }
            let _ = isa;
            // SAFETY: what the body asks for is asked of this function's caller; the portable set needs no feature.
            unsafe { $body::<$crate::simd::Portable $(, $G)?>($($arg),*) }
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::Isa;

    /// What makes a run of all tests with `DIFFPLAN_ISA` set a test of that set, and not of another.
    #[test]
    fn the_requested_set_is_the_active_one() {
        if let Some(isa) = Isa::requested().unwrap() {
            assert_eq!(Isa::active(), isa);
        }
    }

    #[test]
    fn names_that_are_none_or_not_of_this_cpu_are_refused() {
        assert_eq!(Isa::by_name("portable"), Ok(Isa::Portable));
        let error = Isa::by_name("axv2").unwrap_err().to_string();
        assert!(
            error.starts_with("DIFFPLAN_ISA is \"axv2\", no instruction set: expected one of portable"),
            "{error}"
        );
        for isa in Isa::ALL {
            let expected = Isa::available().any(|other| other == isa);
            assert_eq!(Isa::by_name(isa.name()).is_ok(), expected);
        }
    }

    #[test]
    fn the_active_set_is_one_the_cpu_has() {
        assert!(Isa::available().any(|isa| isa == Isa::active()));
        assert_eq!(Isa::available().next(), Some(Isa::Portable));
        let names: Vec<_> = Isa::available().map(Isa::name).collect();
        // Which sets all tests of this crate ran.
        #[allow(clippy::print_stdout)]
        {
            println!("instruction sets of this machine: {names:?}");
        }
    }
}
