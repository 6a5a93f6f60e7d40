//! The numeric kernels of diffplan, on plain slices: products of rows with packed weights, activation functions, group
//! normalisation.
//!
//! This crate knows neither layers nor networks. Every function is safe to call: sizes are checked, and the CPU's
//! instruction set is looked up at run time ([`Isa::active`]), so a default `x86-64` build uses AVX-512 or AVX2 where the
//! machine has them. Every kernel has a portable path; `DIFFPLAN_ISA` in the environment forces one (`portable`, `avx2`,
//! `avx512`, `avx512bf16`).
//!
//! | kernel | |
//! | --- | --- |
//! | [`products`] | sums of products of rows with [`Packed`] weights: convolutions and linear layers |
//! | [`ToomCook`] | convolutions of kernel 5 with fewer multiplications |
//! | [`add_outer_products`], [`AdamStep`] | gradients of weights, and steps by them |
//! | [`group_norm`], [`activate`] | normalisation and activation, and their gradients |
//! | [`peak_flops`] | no kernel: what one thread could multiply and add at most |
//!
//! Results of a row never depend on how many rows or columns a call holds, so work may be split over threads without
//! changing a bit.
//!
//! ```
//! use diffplan_kernels::{Init, MatRef, Packed, Rows, RowsMut, Term, products};
//!
//! let mut weights = Packed::zeros(1, 3, 2); // one matrix, 3 x 2
//! weights.set(0, MatRef::row_major(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 3, 2));
//! let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3
//! let mut c = [f32::NAN; 4];
//! let term = Term { row: 0, tap: 0 };
//! products(Rows::new(&a, 3), 1, &[term], &weights, 0, Init::Zero, RowsMut::new(&mut c, 2));
//! assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
//! ```

mod activation;
mod adam;
mod buffer;
mod group_norm;
mod isa;
mod math;
mod packed;
mod product;
mod roofline;
mod rows;
mod simd;
#[cfg(test)]
mod testing;
mod toom_cook;
mod weight_grad;

pub use activation::{Activation, activate, activation_grad};
pub use adam::AdamStep;
pub use buffer::Buffer;
pub use group_norm::{After, GroupNormShape, group_norm, group_norm_grad};
pub use isa::{Isa, IsaError};
pub use packed::{MatRef, Packed};
pub use product::{Init, Term, products};
pub use roofline::{peak_bf16_flops, peak_flops};
pub use rows::{Rows, RowsMut};
pub use toom_cook::ToomCook;
pub use weight_grad::add_outer_products;
