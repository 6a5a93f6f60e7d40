//! What lies between the convolutions of the two Hopper networks, on one thread, with every instruction set of the machine:
//! normalisation with Mish, activation functions, linear layers.
//!
//! | id | | elem/s |
//! | --- | --- | --- |
//! | `norm/forward/INSTRUCTION SET/CHANNELSxLENGTH/BATCH` | group normalisation and Mish alone | numbers |
//! | `norm/backward/…` | its gradient, without those of its parameters | numbers |
//! | `norm/after_conv/INSTRUCTION SET/LAYER/BATCH` | a convolution of kernel 5 by Toom-Cook and its normalisation, as networks run them | FLOP of the convolution |
//! | `activation/value/INSTRUCTION SET/FUNCTION/BATCH` | an activation function of the numbers of a level | numbers |
//! | `activation/derivative/…` | its gradient | numbers |
//! | `linear/PASS/INSTRUCTION SET/LAYER/BATCH` | a linear layer, a row a sample | FLOP |
//!
//! The best instruction set is timed with all batch sizes, others with the largest alone.
//!
//! ```sh
//! cargo bench -p diffplan-benches --bench layers -- '^norm/.*/avx512/.*/64$'
//! cargo bench -p diffplan-benches --bench layers -- 'activation/value/.*/mish'        # all instruction sets
//! ```

#![allow(missing_docs)] // made by criterion's macros

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use diffplan_benches::{
    GROUPS, HORIZON, Kind, LAYERS, LEVELS, LINEARS, MEASUREMENT, Method, Pass, WARM_UP, cases, normal, normalised,
    numbers,
};
use diffplan_kernels::{
    Activation, After, GroupNormShape, Rows, RowsMut, activate, activation_grad, group_norm, group_norm_grad,
};
use diffplan_nn::{Exec, GroupNorm, GroupNormSaved, Params, Precision, Signal, zeros_like};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};

/// PyTorch's default, as in the layer.
const EPS: f32 = 1e-5;

fn norms(c: &mut Criterion) {
    for (isa, batch) in cases(Precision::F32) {
        assert!(isa.make_active());
        for (channels, len) in normalised() {
            let (mut x, mut y) = (normal(len, batch, channels), Signal::zeros(len, batch, channels));
            let (gamma, beta, mut inv_std) = (numbers(channels), vec![0.0; channels], vec![0.0; batch * channels]);
            let shape = GroupNormShape {
                batch,
                group: channels / GROUPS,
            };
            let mut forward = |inv_std: Option<&mut [f32]>| {
                let (x, y) = (
                    RowsMut::new(x.data_mut(), channels),
                    RowsMut::new(y.data_mut(), channels),
                );
                let inv_std = inv_std.map(|inv_std| RowsMut::new(inv_std, channels));
                let (mish, after) = (Activation::Mish, After::Overwrite);
                group_norm(shape, EPS, &gamma, &beta, mish, x, inv_std, y, after);
            };
            let id = BenchmarkId::new(format!("{channels}x{len}"), batch);
            let throughput = Throughput::Elements((len * batch * channels) as u64);
            let mut group = c.benchmark_group(format!("norm/forward/{}", isa.name()));
            group.throughput(throughput.clone());
            group.bench_function(id.clone(), |b| b.iter(|| forward(None)));
            group.finish();

            forward(Some(&mut inv_std));
            let (dy, mut dx) = (normal(len, batch, channels), Signal::zeros(len, batch, channels));
            let mut group = c.benchmark_group(format!("norm/backward/{}", isa.name()));
            group.throughput(throughput);
            group.bench_function(id, |b| {
                b.iter(|| {
                    let (x, inv_std) = (Rows::new(x.data(), channels), Rows::new(&inv_std, channels));
                    let (dy, dx) = (Rows::new(dy.data(), channels), RowsMut::new(dx.data_mut(), channels));
                    group_norm_grad(shape, &gamma, &beta, Activation::Mish, x, inv_std, dy, dx, None);
                });
            });
            group.finish();
        }
    }
}

fn norms_after_convolutions(c: &mut Criterion) {
    for (isa, batch) in cases(Precision::F32) {
        assert!(isa.make_active());
        let mut group = c.benchmark_group(format!("norm/after_conv/{}", isa.name()));
        for layer in LAYERS.iter().filter(|layer| layer.kind == Kind::Kernel5) {
            group.throughput(Throughput::Elements(layer.flops(batch)));
            let mut ready = None;
            group.bench_function(BenchmarkId::new(layer.name, batch), |b| {
                let (conv, norm, x, saved, y, exec) = ready.get_or_insert_with(|| {
                    let mut norm = GroupNorm::zeros(GROUPS, layer.outputs);
                    norm.init(&mut StdRng::seed_from_u64(3));
                    let mut exec = Exec::default();
                    exec.compute = Method::ToomCook.compute();
                    let (x, saved) = (normal(layer.len, batch, layer.inputs), GroupNormSaved::default());
                    (layer.conv(), norm, x, saved, Signal::default(), exec)
                });
                let (mish, after) = (Activation::Mish, After::Overwrite);
                b.iter(|| norm.forward_after(conv, mish, x, saved, false, y, after, exec));
            });
        }
        group.finish();
    }
}

fn activations(c: &mut Criterion) {
    for (isa, batch) in cases(Precision::F32) {
        assert!(isa.make_active());
        // Every level has as many: channels double where lengths halve.
        let count = batch * HORIZON * LEVELS[0];
        let (x, dy, mut y) = (numbers(count), vec![1.0; count], vec![0.0; count]);
        for (name, f) in [
            ("mish", Activation::Mish),
            ("silu", Activation::Silu),
            ("gelu", Activation::Gelu),
            ("relu", Activation::Relu),
        ] {
            let id = BenchmarkId::new(name, batch);
            let mut group = c.benchmark_group(format!("activation/value/{}", isa.name()));
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(id.clone(), |b| b.iter(|| activate(f, &x, &mut y)));
            group.finish();
            let mut group = c.benchmark_group(format!("activation/derivative/{}", isa.name()));
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(id, |b| b.iter(|| activation_grad(f, &x, &dy, &mut y)));
            group.finish();
        }
    }
}

fn linears(c: &mut Criterion) {
    for pass in Pass::ALL {
        for (isa, rows) in cases(Precision::F32) {
            assert!(isa.make_active());
            let mut group = c.benchmark_group(format!("linear/{}/{}", pass.name(), isa.name()));
            for shape in LINEARS {
                let layer = shape.layer();
                let (x, dy) = (numbers(rows * shape.inputs), numbers(rows * shape.outputs));
                let (mut y, mut dx, mut grad) = (dy.clone(), x.clone(), zeros_like(&layer));
                group.throughput(Throughput::Elements(shape.flops(rows)));
                group.bench_function(BenchmarkId::new(shape.name, rows), |b| match pass {
                    Pass::Forward => b.iter(|| layer.forward(&x, &mut y)),
                    Pass::InputGrad => b.iter(|| layer.input_grad(&dy, &mut dx)),
                    Pass::WeightGrad => b.iter(|| layer.weight_grad(&x, &dy, &mut grad)),
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    targets = norms, norms_after_convolutions, activations, linears
}
criterion_main!(benches);
