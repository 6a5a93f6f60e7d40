//! Which instruction set the kernels use, decided once a process.

use std::sync::OnceLock;

/// An instruction set the kernels have code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// What every machine of the target has.
    Portable,
    /// x86-64 with 256-bit vectors and fused multiply-add.
    Avx2Fma,
}

impl Isa {
    /// The instruction set this process uses: the best the CPU has, or [`Isa::Portable`] where the environment variable
    /// `DIFFPLAN_ISA` is `portable`. It is read once, at the first call.
    pub fn active() -> Isa {
        static ACTIVE: OnceLock<Isa> = OnceLock::new();
        *ACTIVE.get_or_init(|| match std::env::var("DIFFPLAN_ISA") {
            Ok(name) if name == Isa::Portable.name() => Isa::Portable,
            _ => Isa::detect(),
        })
    }

    /// The best instruction set of this CPU that the kernels have code for.
    pub fn detect() -> Isa {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Isa::Avx2Fma;
        }
        Isa::Portable
    }

    /// The name used in `DIFFPLAN_ISA` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2Fma => "avx2",
        }
    }
}

/// Defines `$name`, which runs the generic body `$body::<A>` compiled for the active instruction set.
///
/// The bodies are plain loops over slices, generic over [`Arith`](crate::arith::Arith) and `#[inline(always)]`; compiled
/// inside a function with the AVX2 features, the compiler turns them into 256-bit code.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident$(<$G:ident: $Bound:path>)?($($arg:ident: $ty:ty),* $(,)?) => $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)] // a kernel's operands are what they are
        $vis fn $name$(<$G: $Bound>)?($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide$(<$G: $Bound>)?($($arg: $ty),*) {
                    $body::<crate::arith::Fused $(, $G)?>($($arg),*)
                }
                if crate::Isa::active() == crate::Isa::Avx2Fma {
                    // SAFETY: `Isa::active` is `Avx2Fma` only where the CPU was found to have both features.
                    return unsafe { wide$(::<$G>)?($($arg),*) };
                }
            }
            $body::<crate::arith::Portable $(, $G)?>($($arg),*)
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::Isa;

    #[test]
    fn the_active_set_is_one_the_cpu_has() {
        let active = Isa::active();
        assert!(active == Isa::Portable || active == Isa::detect());
        assert!(!active.name().is_empty());
    }
}
