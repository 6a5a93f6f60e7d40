//! Every convolution of the two Hopper networks on one thread: forward, input gradient and weight gradient, with every
//! instruction set of the machine, by Toom-Cook where that is another method, and forward in bfloat16.
//!
//! Ids are `conv/PASS/INSTRUCTION SET/METHOD/LAYER/BATCH`, for example
//! `conv/forward/avx512/toom_cook/planner.mid.conv/64`; layers of one shape are timed once, under the name that
//! [`LAYERS`](diffplan_benches::LAYERS) gives them. The best instruction set is timed with all batch sizes, others with the
//! largest alone.
//!
//! Throughput is that of the direct sum without padding: criterion's "elem/s" are FLOP/s of the layer, whatever is left of them
//! to compute, so that methods compare. Layers are run over and over with their weights in the cache, as in a network only the
//! small ones are.
//!
//! ```sh
//! cargo bench -p diffplan-benches --bench conv -- 'forward/.*planner.mid.conv/64$'     # one layer, all methods
//! cargo bench -p diffplan-benches --bench conv -- '/(toom_cook|direct)/planner'        # no bfloat16, no value function
//! cargo bench -p diffplan-benches --bench conv -- --save-baseline before '/avx512/'    # then --baseline before
//! ```

#![allow(missing_docs)] // made by criterion's macros

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use diffplan_benches::{LAYERS, MEASUREMENT, Method, Pass, WARM_UP, cases};

fn convolutions(c: &mut Criterion) {
    for pass in Pass::ALL {
        for method in Method::ALL {
            // Gradients in bfloat16 are the same kernel.
            if method == Method::Bf16 && pass != Pass::Forward {
                continue;
            }
            for (isa, batch) in cases(method.precision()) {
                assert!(isa.make_active());
                let mut group = c.benchmark_group(format!("conv/{}/{}/{}", pass.name(), isa.name(), method.name()));
                for layer in LAYERS.iter().filter(|layer| layer.takes(method, pass)) {
                    group.throughput(Throughput::Elements(layer.flops(batch)));
                    let mut ready = None;
                    group.bench_function(BenchmarkId::new(layer.name, batch), |b| {
                        let run = ready.get_or_insert_with(|| layer.ready(batch, method));
                        b.iter(|| run(pass));
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    targets = convolutions
}
criterion_main!(benches);
