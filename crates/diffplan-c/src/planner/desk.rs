//! [`Desk`]: where a caller leaves a question, and a thread of the planner's pool its answer.

use super::crew::Crew;
use super::work::Work;
use crate::boundary::told;
use crate::status::{Fault, Result, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody asks.
    Idle,
    /// There is a question.
    Asked,
    /// There is an answer.
    Answered,
    /// The thread is to end.
    Leave,
    /// It has.
    Left,
}

#[derive(Debug)]
struct Shared {
    turn: Mutex<Turn>,
    /// The thread waits by this, and the caller by the other.
    asked: Condvar,
    answered: Condvar,
    work: Mutex<Option<Work>>,
    /// A panic left the work in a state that nobody knows.
    broken: AtomicBool,
}

/// A planner with its threads, for one caller at a time.
#[derive(Debug)]
pub(super) struct Desk {
    shared: Arc<Shared>,
    crew: Option<Crew>,
    busy: AtomicBool,
    process: u32,
}

/// What a panic leaves behind is looked at by nobody but through `broken`.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The thread of the pool: answers until it is to leave.
    fn serve(&self) {
        loop {
            let mut turn = lock(&self.turn);
            while !matches!(*turn, Turn::Asked | Turn::Leave) {
                turn = self.asked.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if *turn == Turn::Leave {
                *turn = Turn::Left;
                drop(turn);
                self.answered.notify_one();
                return;
            }
            drop(turn);
            let answered = catch_unwind(AssertUnwindSafe(|| {
                if let Some(work) = lock(&self.work).as_mut() {
                    work.answer();
                }
            }));
            if let Err(panic) = answered {
                self.broken.store(true, Ordering::Release);
                if let Some(work) = lock(&self.work).as_mut() {
                    work.fail(Fault::new(Status::Internal, told(&*panic)));
                }
                // What a panic carries may panic when it is dropped.
                std::mem::forget(panic);
            }
            *lock(&self.turn) = Turn::Answered;
            self.answered.notify_one();
        }
    }
}

/// A caller's turn.
struct Entered<'a>(&'a AtomicBool);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Desk {
    /// `make` is called on a thread of the crew.
    pub(super) fn open(crew: Crew, make: impl FnOnce() -> Result<Work> + Send) -> Result<Self> {
        let Some(pool) = crew.pool() else {
            return Err(Fault::new(Status::Internal, "threads that are gone at once"));
        };
        let work = pool.install(make)?;
        let shared = Arc::new(Shared {
            turn: Mutex::new(Turn::Idle),
            asked: Condvar::new(),
            answered: Condvar::new(),
            work: Mutex::new(Some(work)),
            broken: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        pool.spawn(move || served.serve());
        Ok(Self {
            shared,
            crew: Some(crew),
            busy: AtomicBool::new(false),
            process: std::process::id(),
        })
    }

    /// # Errors
    /// If another thread is here, or the planner is another process's, or broken.
    fn enter(&self) -> Result<Entered<'_>> {
        if self.process != std::process::id() {
            return Err(Fault::new(
                Status::Forked,
                format!(
                    "the planner was made by process {}, and its threads are there: after fork() make another, here process {}",
                    self.process,
                    std::process::id()
                ),
            ));
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(Fault::new(
                Status::Busy,
                "another thread is in a call with the planner: wait for it, or make a planner for each thread",
            ));
        }
        let entered = Entered(&self.busy);
        if self.shared.broken.load(Ordering::Acquire) {
            return Err(Fault::new(
                Status::Internal,
                "the planner had a fault before, which its error told: free it and make another",
            ));
        }
        Ok(entered)
    }

    /// Looks at the work, on the caller's thread.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        let _entered = self.enter()?;
        self.with(look)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        match lock(&self.shared.work).as_mut() {
            Some(work) => look(work),
            None => Err(Fault::new(Status::Internal, "a planner without its work")),
        }
    }

    /// Writes a question, has it answered on the planner's thread, and reads the answer.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&mut Work) -> Result<()>,
        answer: impl FnOnce(&mut Work, Result<()>) -> Result<T>,
    ) -> Result<T> {
        let _entered = self.enter()?;
        self.with(question)?;
        *lock(&self.shared.turn) = Turn::Asked;
        self.shared.asked.notify_one();
        self.wait_for(Turn::Answered, Turn::Idle);
        self.with(|work| {
            let answered = work.answered();
            answer(work, answered)
        })
    }

    fn wait_for(&self, awaited: Turn, then: Turn) {
        let mut turn = lock(&self.shared.turn);
        while *turn != awaited {
            turn = self.shared.answered.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        *turn = then;
    }
}

impl Drop for Desk {
    /// Waits until the threads have ended; in a process that was forked they are not there, and what they may have held is left alone.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.crew.take());
            std::mem::forget(Arc::clone(&self.shared));
            return;
        }
        *lock(&self.shared.turn) = Turn::Leave;
        self.shared.asked.notify_one();
        self.wait_for(Turn::Left, Turn::Left);
        // The planners hold the pool too.
        let work = lock(&self.shared.work).take();
        drop(work);
        drop(self.crew.take());
    }
}
