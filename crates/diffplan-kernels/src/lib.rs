//! The numeric kernels of diffplan: matrix products and vector maths, chosen for the CPU at run time, with a portable path
