//! A planner as a program holds it: in a struct, moved to a thread, cancelled from another, with what the door re-exports alone.

#![allow(clippy::unwrap_used)]
use diffplan::ndarray::{Array1, array};
use diffplan::rand::RngCore;
use diffplan::{Condition, PlanOptions, Planner, Query, RngNoise, ValueGuidedPipeline};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");

struct Node {
    planner: Planner,
    cancel: Arc<AtomicBool>,
    visits: Sender<usize>,
}

impl Node {
    /// The action, unless it is cancelled before the plan is whole.
    fn act(&mut self, observation: &[f32]) -> diffplan::pipelines::Result<Option<Array1<f32>>> {
        let conditions = [Condition::observation(0, observation)];
        let mut noise = RngNoise::seed(0);
        let mut queries = [Query::new(&conditions, &mut noise)];
        let mut denoising = self.planner.begin(&mut queries)?;
        while let Some(report) = denoising.step()? {
            let _ = self.visits.send(report.visit);
            if self.cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        Ok(denoising.finish()?.into_iter().next().map(|plan| plan.action))
    }
}

#[test]
fn a_node_is_moved_to_a_thread_and_cancelled_from_another() {
    let pipeline = ValueGuidedPipeline::from_pretrained(FOLDER).unwrap();
    let options = PlanOptions {
        batch_size: 2,
        ..pipeline.options()
    };
    let observation = [1.0, 0.0, 0.5];
    let whole = pipeline
        .planner(options.clone())
        .unwrap()
        .plan(Array1::from(observation.to_vec()).view(), &mut RngNoise::seed(0))
        .unwrap();
    let (visits, seen) = channel();
    let cancel = Arc::new(AtomicBool::new(false));
    let mut node = Node {
        planner: pipeline.planner(options).unwrap(),
        cancel: cancel.clone(),
        visits,
    };
    let thread = std::thread::spawn(move || {
        let mut actions = Vec::new();
        while let Some(action) = node.act(&observation).unwrap() {
            actions.push(action);
        }
        // What was cancelled leaves nothing behind: the next plan is as any other.
        node.cancel.store(false, Ordering::Relaxed);
        actions.push(node.act(&observation).unwrap().unwrap());
        actions
    });
    // Once a whole plan was made, and the next has begun.
    let begins = seen.iter().filter(|&visit| visit == 0).take(2).count();
    assert_eq!(begins, 2);
    cancel.store(true, Ordering::Relaxed);
    let actions = thread.join().unwrap();
    assert!(actions.len() >= 2, "{actions:?}");
    assert!(actions.iter().all(|action| action == whole.action), "{actions:?}");
}

/// Numbers from a counter: a generator that implements the re-exported trait.
struct Counter(u64);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next_u32() as u8);
    }
}

#[test]
fn noise_comes_from_a_generator_of_ones_own() {
    let pipeline = ValueGuidedPipeline::from_pretrained(FOLDER).unwrap();
    let mut options = pipeline.options();
    options.batch_size = 2;
    let mut planner = pipeline.planner(options).unwrap();
    let observation = array![1.0, 0.0, 0.5];
    let mut plan = |seed| {
        let plan = planner.plan(observation.view(), &mut RngNoise::new(Counter(seed)));
        plan.unwrap().trajectories
    };
    let first = plan(1);
    assert_eq!(first, plan(1));
    assert_ne!(first, plan(2));
}
