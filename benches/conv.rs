//! The convolution core: forward, input gradient and weight gradient of the layers of the Hopper networks, on one thread.
//! Throughput is in floating-point operations: criterion's "elem/s" are FLOP/s.

#![allow(missing_docs)] // made by criterion's macros

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use diffplan_benches::{LAYERS, flops, normal};
use diffplan_nn::{Conv1d, Exec, Params, Signal, zeros_like};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};

fn convolutions(c: &mut Criterion) {
    for pass in ["forward", "input_grad", "weight_grad"] {
        let mut group = c.benchmark_group(format!("conv1d/{pass}"));
        for layer in LAYERS {
            let (name, inputs, outputs, kernel, stride, padding, len) = layer;
            let mut conv = Conv1d::zeros(inputs, outputs, kernel).stride(stride).padding(padding);
            conv.init(&mut StdRng::seed_from_u64(3));
            for batch in [1, 8, 64] {
                let x = normal(len, batch, inputs);
                let (mut y, mut exec) = (Signal::default(), Exec::default());
                conv.forward(&x, &mut y, &mut exec);
                let (dy, mut dx, mut grad) = (y.clone(), Signal::default(), zeros_like(&conv));
                group.throughput(Throughput::Elements(flops(layer, batch)));
                group.bench_function(BenchmarkId::new(name, batch), |b| match pass {
                    "forward" => b.iter(|| conv.forward(&x, &mut y, &mut exec)),
                    "input_grad" => b.iter(|| conv.input_grad(&dy, len, &mut dx, &mut exec)),
                    _ => b.iter(|| conv.weight_grad(&x, &dy, &mut grad)),
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
