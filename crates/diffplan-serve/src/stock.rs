//! [`Stock`]: planners that nobody uses just now, with every buffer in place, by their options.

use diffplan_pipelines::deadline::{CancelToken, DeadlinePlanner, DeadlineSettings};
use diffplan_pipelines::{PlanOptions, Planner, Result, ValueGuidedPipeline};
use rayon::ThreadPool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Idle planners. The least recently used go first where there are more than are to be kept: memory is bounded whatever options are asked for.
pub(crate) struct Stock {
    pipeline: ValueGuidedPipeline,
    pool: Arc<ThreadPool>,
    plain: Shelf<Planner>,
    timely: Shelf<DeadlinePlanner>,
}

/// Idle ones with the options they were made for, the last used at the end.
struct Shelf<P> {
    most: usize,
    idle: Mutex<Vec<(PlanOptions, P)>>,
}

impl<P> Shelf<P> {
    fn of(most: usize) -> Self {
        Self {
            most,
            idle: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(PlanOptions, P)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, options: &PlanOptions) -> Option<P> {
        let mut idle = self.lock();
        let place = idle.iter().rposition(|(own, _)| own == options)?;
        Some(idle.remove(place).1)
    }

    fn put(&self, options: PlanOptions, planner: P) {
        let mut idle = self.lock();
        idle.push((options, planner));
        // Freed only once the lock is: it takes a moment.
        let gone = (idle.len() > self.most).then(|| idle.remove(0));
        drop(idle);
        drop(gone);
    }
}

impl Stock {
    /// That keeps so many planners of either kind.
    pub(crate) fn new(pipeline: ValueGuidedPipeline, pool: Arc<ThreadPool>, most: usize) -> Self {
        Self {
            pipeline,
            pool,
            plain: Shelf::of(most),
            timely: Shelf::of(most),
        }
    }

    /// A planner with these options.
    pub(crate) fn take(&self, options: &PlanOptions) -> Result<Planner> {
        match self.plain.take(options) {
            Some(planner) => Ok(planner),
            None => Ok(self.pipeline.planner(options.clone())?.in_pool(Arc::clone(&self.pool))),
        }
    }

    /// That there is a planner with these options, which is then idle here for whose turn it is.
    pub(crate) fn check(&self, options: &PlanOptions) -> Result<()> {
        self.take(options).map(|planner| self.put(planner))
    }

    pub(crate) fn put(&self, planner: Planner) {
        self.plain.put(planner.options().clone(), planner);
    }

    /// One that keeps deadlines, whether it is new, and the token that calls its plans off. A new one has been measured, which takes as long as
    /// some plans do.
    pub(crate) fn take_timely(&self, options: &PlanOptions) -> Result<(DeadlinePlanner, bool, CancelToken)> {
        let idle = self.timely.take(options);
        let is_new = idle.is_none();
        let planner = match idle {
            Some(planner) => planner,
            None => {
                let (pool, settings) = (Arc::clone(&self.pool), DeadlineSettings::default());
                DeadlinePlanner::new(&self.pipeline, options.clone(), pool, settings)?
            }
        };
        let token = planner.cancel_token();
        token.reset();
        Ok((planner, is_new, token))
    }

    pub(crate) fn put_timely(&self, options: PlanOptions, planner: DeadlinePlanner) {
        self.timely.put(options, planner);
    }
}
