//! 1D convolution layers with hand-written forward, input-gradient and weight-gradient passes, on ndarray
