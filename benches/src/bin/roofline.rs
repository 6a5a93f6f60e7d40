//! Every layer of the two Hopper networks on one thread, held against what the CPU could multiply and add at most.
//!
//! A row a layer and pass: how often the planner and the value function have the layer, the multiplications and additions that
//! its algorithm leaves, how fast those are, which share of the peak that is, and how fast the direct sum without padding would
//! have to be to take the same time. Then the networks and a whole plan, as a plan of that batch size computes them: the time
//! that what is left would take at the peak, that of their convolutions one by one, and the one that was measured. Times are
//! medians. Layers are run over and over with their weights in the cache; in a network they come from further away. With the
//! portable instruction set a share can be above 1: see [`peak_flops`].
//!
//! ```sh
//! cargo run --release -p diffplan-benches --bin roofline
//! cargo run --release -p diffplan-benches --bin roofline -- --batch 8 --json | jq '.networks'
//! DIFFPLAN_ISA=avx2 cargo run --release -p diffplan-benches --bin roofline
//! ```

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use diffplan_benches::{
    CHANNELS, HORIZON, LAYERS, LINEARS, Layer, Method, Pass, TIMESTEPS, hopper, normal, plan_options, planner, pool,
    value_function,
};
use diffplan_kernels::{Isa, peak_bf16_flops, peak_flops};
use diffplan_models::{Algorithm, Precision, Workspace};
use diffplan_pipelines::RngNoise;
use ndarray::{Array1, Array3};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::time::Instant;

/// Every layer of the two Hopper networks on one thread, held against the CPU's peak.
#[derive(Parser)]
#[command(name = "roofline")]
struct Args {
    /// Samples in a batch
    #[arg(long, default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    batch: usize,
    /// One JSON object rather than a table
    #[arg(long)]
    json: bool,
}

/// Seconds to measure the peak for, a pass of a layer, and a network.
const PEAK_FOR: f64 = 0.5;
const PASS_FOR: f64 = 0.15;
const NETWORK_FOR: f64 = 1.5;
/// Calls are timed together until they take as long as this.
const SAMPLE: f64 = 5e-4;

/// The timestep that networks are called at.
const TIMESTEP: f32 = 5.0;

#[derive(Serialize)]
struct Report {
    instruction_set: &'static str,
    batch: usize,
    peak_flops: f64,
    peak_bf16_flops: Option<f64>,
    passes: Vec<LayerPass>,
    networks: Vec<Network>,
}

/// A pass of a layer.
#[derive(Serialize)]
struct LayerPass {
    layer: &'static str,
    shape: String,
    /// How many the planner and the value function have.
    in_planner: usize,
    in_value: usize,
    pass: &'static str,
    method: &'static str,
    /// Multiplications and additions of the direct sum, and what the method leaves of them.
    flops: u64,
    flops_left: u64,
    seconds: f64,
    /// Of the peak, reached by what is left.
    share: f64,
}

/// A pass of a whole network, or many.
#[derive(Serialize)]
struct Network {
    name: String,
    flops_left: u64,
    /// At the peak.
    ideal_seconds: f64,
    /// The sum of its convolutions, each timed alone.
    layers_seconds: f64,
    seconds: f64,
    share: f64,
}

impl LayerPass {
    const HEADER: &str = "layer                     shape                    planner value  pass         method     MFLOP left         \
                          µs  GFLOP/s   peak  direct GFLOP/s";
}

impl fmt::Display for LayerPass {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{:<24}  {:<24} {:>7} {:>5}  {:<11}  {:<9}  {:>10.3}  {:>9.2}  {:>7.1} {:>5.1}%  {:>14.1}",
            self.layer,
            self.shape,
            self.in_planner,
            self.in_value,
            self.pass,
            self.method,
            self.flops_left as f64 / 1e6,
            self.seconds * 1e6,
            self.flops_left as f64 / self.seconds / 1e9,
            self.share * 100.0,
            self.flops as f64 / self.seconds / 1e9,
        )
    }
}

impl Network {
    const HEADER: &str =
        "network                                  GFLOP left  ideal ms  convolutions ms  measured ms   peak";
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{:<40} {:>10.3}  {:>8.3}  {:>16.3}  {:>11.3} {:>5.1}%",
            self.name,
            self.flops_left as f64 / 1e9,
            self.ideal_seconds * 1e3,
            self.layers_seconds * 1e3,
            self.seconds * 1e3,
            self.share * 100.0,
        )
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut out: Box<dyn Write> = if args.json {
        Box::new(io::sink())
    } else {
        Box::new(io::stdout())
    };
    let report = measure(args.batch, &mut out)?;
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(())
}

/// Measures everything, and writes lines as they come.
fn measure(batch: usize, out: &mut dyn Write) -> Result<Report, Box<dyn Error>> {
    let mut report = Report {
        instruction_set: Isa::active().name(),
        batch,
        peak_flops: peak_flops(PEAK_FOR),
        peak_bf16_flops: peak_bf16_flops(PEAK_FOR),
        passes: Vec::new(),
        networks: Vec::new(),
    };
    let bf16 = report.peak_bf16_flops;
    let bf16 = bf16.map_or_else(String::new, |flops| format!(", {:.1} in bfloat16", flops / 1e9));
    writeln!(
        out,
        "instruction set {}, peak {:.1} GFLOP/s{bf16}; batch {batch}, one thread, float32\n\n{}",
        report.instruction_set,
        report.peak_flops / 1e9,
        LayerPass::HEADER
    )?;
    let asked = match plan_options(batch, Precision::F32).compute(1).algorithm {
        Algorithm::Direct => Method::Direct,
        // What networks of this size take of themselves.
        _ => Method::ToomCook,
    };
    for layer in &LAYERS {
        for row in passes(layer, batch, asked, report.peak_flops) {
            writeln!(out, "{row}")?;
            report.passes.push(row);
        }
    }
    writeln!(out, "\n{}", Network::HEADER)?;
    report.networks = networks(batch, &report.passes, report.peak_flops)?;
    for row in &report.networks {
        writeln!(out, "{row}")?;
    }
    Ok(report)
}

fn passes(layer: &Layer, batch: usize, asked: Method, peak: f64) -> Vec<LayerPass> {
    let mut run = layer.ready(batch, asked);
    let row = |pass: Pass| {
        let method = if layer.takes(asked, pass) {
            asked
        } else {
            Method::Direct
        };
        let (flops, flops_left) = (layer.flops(batch), layer.flops_left(batch, method, pass));
        let seconds = median_seconds(PASS_FOR, || run(pass));
        LayerPass {
            layer: layer.name,
            shape: layer.shape(),
            in_planner: layer.planner,
            in_value: layer.value,
            pass: pass.name(),
            method: method.name(),
            flops,
            flops_left,
            seconds,
            share: flops_left as f64 / seconds / peak,
        }
    };
    Pass::ALL.into_iter().map(row).collect()
}

/// What is left to multiply and add, and the seconds that layers took for it one by one.
#[derive(Clone, Copy)]
struct Work {
    flops: u64,
    seconds: f64,
}

impl Work {
    /// Of all layers, each as often as `count` says.
    fn of(passes: &[LayerPass], pass: Pass, count: fn(&LayerPass) -> usize) -> Self {
        let rows = || passes.iter().filter(|row| row.pass == pass.name());
        Self {
            flops: rows().map(|row| count(row) as u64 * row.flops_left).sum(),
            seconds: rows().map(|row| count(row) as f64 * row.seconds).sum(),
        }
    }

    /// So many times this, and so many times another.
    fn times(self, n: usize, m: usize, other: Self) -> Self {
        Self {
            flops: n as u64 * self.flops + m as u64 * other.flops,
            seconds: n as f64 * self.seconds + m as f64 * other.seconds,
        }
    }
}

fn networks(batch: usize, passes: &[LayerPass], peak: f64) -> Result<Vec<Network>, Box<dyn Error>> {
    let network = |name: String, work: Work, seconds: f64| {
        let ideal_seconds = work.flops as f64 / peak;
        Network {
            name,
            flops_left: work.flops,
            ideal_seconds,
            layers_seconds: work.seconds,
            seconds,
            share: ideal_seconds / seconds,
        }
    };
    let options = plan_options(batch, Precision::F32);
    let sample = normal(HORIZON, batch, CHANNELS).to_bcl();
    let mut output = Array3::<f32>::zeros(sample.dim());
    let mut rows = Vec::new();

    let (model, mut workspace) = (planner(), Workspace::with(options.compute(1)));
    let time = model.time_features(&[TIMESTEP]);
    let mut forward = || model.forward_into(sample.view(), &time, output.view_mut().into_dyn(), &mut workspace);
    forward()?;
    let planner = Work::of(passes, Pass::Forward, |row| row.in_planner);
    let seconds = median_seconds(NETWORK_FOR, || drop(forward()));
    rows.push(network("planner forward".into(), planner, seconds));

    let (model, mut workspace) = (value_function(), Workspace::with(options.compute(1)));
    let (time, mut values) = (model.time_features(&[TIMESTEP]), Array1::<f32>::zeros(batch));
    let mut forward_and_back = || {
        let (values, grad) = (values.view_mut(), output.view_mut());
        model.value_and_grad_into(sample.view(), &time, values, grad, &mut workspace)
    };
    forward_and_back()?;
    let head = LINEARS.iter().filter(|layer| layer.name.starts_with("value."));
    let head = head.map(|layer| layer.flops(batch)).sum();
    let of_head = Work {
        flops: head,
        seconds: 0.0,
    };
    let value = Work::of(passes, Pass::Forward, |row| row.in_value).times(1, 1, of_head);
    let gradient = Work::of(passes, Pass::InputGrad, |row| row.in_value).times(1, 1, of_head);
    let guide = value.times(1, 1, gradient);
    let seconds = median_seconds(NETWORK_FOR, || drop(forward_and_back()));
    rows.push(network("value and gradient".into(), guide, seconds));

    let pipeline = hopper()?;
    let mut plans = pipeline.planner(options.clone())?.in_pool(pool(1));
    let (observation, mut noise) = (Array1::zeros(pipeline.observation_dim()), RngNoise::seed(0));
    let mut plan = || plans.plan(observation.view(), &mut noise);
    plan()?;
    // Below the stop-gradient step there is one look at the values a timestep.
    let (stopped, steps) = (options.t_stopgrad, options.n_guide_steps);
    let guides = (TIMESTEPS - stopped) * steps;
    let plan_work = planner.times(TIMESTEPS, 1, guide.times(guides, stopped, value));
    let seconds = median_seconds(NETWORK_FOR, || drop(plan()));
    let name = format!("plan: {TIMESTEPS} timesteps, {steps} guide steps each");
    rows.push(network(name, plan_work, seconds));
    Ok(rows)
}

/// The median of the seconds that a call takes, over so many seconds and at least three times. One call before that is not
/// counted: it packs weights.
fn median_seconds(during: f64, mut call: impl FnMut()) -> f64 {
    call();
    let mut time = |calls: usize| {
        let begin = Instant::now();
        (0..calls).for_each(|_| call());
        begin.elapsed().as_secs_f64() / calls as f64
    };
    let calls = (SAMPLE / time(1)).clamp(1.0, 1e6).ceil() as usize;
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < 3 || start.elapsed().as_secs_f64() < during {
        samples.push(time(calls));
    }
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
