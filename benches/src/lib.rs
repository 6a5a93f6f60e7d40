//! Criterion benches of diffplan (see the files in this folder).
