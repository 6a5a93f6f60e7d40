//! The numeric kernels of diffplan, on plain slices: matrix products, activation functions and group normalisation.
//!
//! This crate knows neither layers nor networks. Every function is safe to call: sizes are checked, and the CPU's
//! instruction set is looked up at run time ([`Isa::active`]), so a default `x86-64` build uses AVX2 and FMA where the
//! machine has them. Every kernel has a portable path; `DIFFPLAN_ISA=portable` in the environment forces it.
//!
//! Results of a row never depend on how many rows a call holds, so work may be split over threads without changing a bit.
//!
//! ```
//! use diffplan_kernels::{MatMut, MatRef, Write, matmul};
//!
//! let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3, row-major
//! let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]; // 3 x 2
//! let mut c = [f32::NAN; 4];
//! matmul(MatRef::row_major(&a, 2, 3), MatRef::row_major(&b, 3, 2), Write::Overwrite, MatMut::row_major(&mut c, 2, 2));
//! assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
//! ```

mod activation;
mod arith;
mod group_norm;
mod isa;
mod matmul;

pub use activation::{Activation, activate, activation_grad};
pub use group_norm::{GroupNormShape, group_norm, group_norm_grad};
pub use isa::Isa;
pub use matmul::{MatMut, MatRef, Write, matmul};
