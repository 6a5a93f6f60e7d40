//! A robot's node: a struct that holds a planner, moved to a thread, plans 20 times a second with what there is time for, and is
//! cancelled from another thread. `cargo run --release -p diffplan --example node`

#![allow(clippy::print_stdout)]

use diffplan::ndarray::array;
use diffplan::pipelines::deadline::{DeadlinePlanner, DeadlineSettings, Ended, PoolOptions};
use diffplan::{PlanOptions, RngNoise, ValueGuidedPipeline};
use std::error::Error;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(50);

struct Node {
    planner: DeadlinePlanner,
    noise: RngNoise,
}

impl Node {
    fn run(mut self) -> Result<usize, diffplan::pipelines::Error> {
        let mut ticks = 0;
        let mut next = Instant::now();
        loop {
            next += PERIOD;
            let angle = ticks as f32 * 0.1;
            let observation = array![angle.cos(), angle.sin(), 1.0];
            // The rest of the period is for the plan's way to the motors.
            let timely = self
                .planner
                .plan_within(observation.view(), &mut self.noise, PERIOD * 8 / 10)?;
            // What is cancelled may have a plan too, of the visits before it.
            let (false, Some(plan)) = (timely.ended == Ended::Cancelled, timely.plan()) else {
                return Ok(ticks);
            };
            println!("tick {ticks}: torque {:.3}; {}", plan.action[0], timely.text());
            ticks += 1;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let pipeline = ValueGuidedPipeline::from_pretrained("testdata/pendulum-hor32")?;
    let wanted = PlanOptions {
        batch_size: 16,
        ..pipeline.options()
    };
    let pool = PoolOptions::new(1).build()?.pool;
    let settings = DeadlineSettings {
        // A slow spell is no reason to stop the robot's node: the cheapest plan is made, and said to be late.
        cheapest_anyway: true,
        ..DeadlineSettings::default()
    };
    let planner = DeadlinePlanner::new(&pipeline, wanted, pool, settings)?;
    let cancel = planner.cancel_token();
    let node = Node {
        planner,
        noise: RngNoise::seed(0),
    };
    let thread = std::thread::spawn(move || node.run());
    std::thread::sleep(Duration::from_millis(600));
    cancel.cancel();
    let ticks = thread.join().map_err(|_| "the node panicked")??;
    println!("cancelled after {ticks} ticks");
    Ok(())
}
