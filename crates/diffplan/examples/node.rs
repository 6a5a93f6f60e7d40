//! A robot's node: a struct that holds a planner, moved to a thread, plans 20 times a second, answers early when its time is up, and
//! is cancelled from another thread. `cargo run --release -p diffplan --example node`

#![allow(clippy::print_stdout)]

use diffplan::ndarray::{Array1, array};
use diffplan::{Condition, PlanOptions, Planner, Query, RngNoise, ValueGuidedPipeline};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(50);

/// What a tick gives: the action, and how many visits it comes from; `None` once cancelled.
type Tick = Result<Option<(Array1<f32>, usize)>, Box<dyn Error + Send + Sync>>;

struct Node {
    planner: Planner,
    noise: RngNoise,
    cancel: Arc<AtomicBool>,
}

impl Node {
    /// At `deadline` the best that there is so far.
    fn act(&mut self, observation: &[f32], deadline: Instant) -> Tick {
        let conditions = [Condition::observation(0, observation)];
        let mut queries = [Query::new(&conditions, &mut self.noise)];
        let mut denoising = self.planner.begin(&mut queries)?;
        let (mut made, mut began) = (0, Instant::now());
        while let Some(report) = denoising.step()? {
            // Another step takes about as long as this one did.
            let now = Instant::now();
            let next = now + (now - began);
            (made, began) = (report.visit + 1, now);
            if self.cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if next >= deadline && made < report.visits {
                let early = denoising.estimate()?.unwrap_or_default();
                return Ok(early.into_iter().next().map(|plan| (plan.action, made)));
            }
        }
        Ok(denoising.finish()?.into_iter().next().map(|plan| (plan.action, made)))
    }

    fn run(mut self) -> Result<usize, Box<dyn Error + Send + Sync>> {
        let mut ticks = 0;
        let mut next = Instant::now();
        loop {
            let begun = Instant::now();
            next += PERIOD;
            let angle = ticks as f32 * 0.1;
            let observation = array![angle.cos(), angle.sin(), 1.0];
            let Some((action, visits)) = self.act(&observation.to_vec(), begun + PERIOD * 8 / 10)? else {
                return Ok(ticks);
            };
            println!(
                "tick {ticks}: torque {:.3} after {visits} visits, {:.1} ms",
                action[0],
                begun.elapsed().as_secs_f64() * 1e3
            );
            ticks += 1;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let pipeline = ValueGuidedPipeline::from_pretrained("testdata/pendulum-hor32")?;
    let planner = pipeline.planner(PlanOptions {
        batch_size: 16,
        ..pipeline.options()
    })?;
    let cancel = Arc::new(AtomicBool::new(false));
    let node = Node {
        planner,
        noise: RngNoise::seed(0),
        cancel: cancel.clone(),
    };
    let thread = std::thread::spawn(move || node.run());
    std::thread::sleep(Duration::from_millis(600));
    cancel.store(true, Ordering::Relaxed);
    let ticks = thread
        .join()
        .map_err(|_| "the node panicked")?
        .map_err(|e| e.to_string())?;
    println!("cancelled after {ticks} ticks");
    Ok(())
}
