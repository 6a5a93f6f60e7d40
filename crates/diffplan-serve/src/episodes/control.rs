//! [`Episode`]: what is said to a running episode, and what it shows.

use crate::options::{self, Given};
use crate::problem::Problem;
use diffplan_envs::Goal;
use diffplan_eval::PlannerPolicy;
use diffplan_pipelines::PlanOptions;
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a player that has nothing to do looks whether anybody is still interested.
const LOOK: Duration = Duration::from_secs(1);

/// A running episode, as those who ask see it.
pub(crate) struct Episode {
    id: String,
    control: Mutex<Control>,
    wake: Condvar,
    shown: watch::Sender<Shown>,
    /// One change after the other.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// What holds, and what is to be done.
pub(crate) struct Control {
    pub(crate) seed: u64,
    pub(crate) paused: bool,
    /// World seconds a second.
    pub(crate) speed: f64,
    /// Options that were said, over those of the server.
    pub(crate) given: Given,
    /// All of them, from the next plan on.
    pub(crate) options: PlanOptions,
    /// Where it is to lead, where that was said.
    pub(crate) goal: Option<Goal>,
    /// Whether it came to its end, and waits for a reset.
    over: bool,
    /// Single steps to be made.
    steps: usize,
    /// Single steps that were asked for since it began.
    tickets: u64,
    reset: bool,
    policy: Option<Box<PlannerPolicy>>,
    new_goal: bool,
    closed: bool,
    listeners: usize,
    /// When anybody was last interested.
    asked: Instant,
}

/// The newest of what there is to see. Numbers grow with everything that is shown.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    number: u64,
    /// Single steps that came to their end, one way or another.
    pub(crate) made: u64,
    pub(crate) frame: Option<(u64, Arc<str>)>,
    /// Of the episode, until it is reset.
    pub(crate) end: Option<(u64, Arc<str>)>,
    /// The last thing that went wrong.
    pub(crate) error: Option<(u64, Arc<str>)>,
}

/// What a player does next.
pub(crate) enum Next {
    /// A step, after these changes.
    Step(Changes),
    /// From the start.
    Reset(Changes),
    /// No more.
    End,
}

/// What is another from here on.
pub(crate) struct Changes {
    pub(crate) policy: Option<Box<PlannerPolicy>>,
    pub(crate) goal: Option<Goal>,
    pub(crate) seed: u64,
    pub(crate) options: PlanOptions,
    /// Whether it is one step by itself, which is shown in any case.
    pub(crate) alone: bool,
}

/// Somebody who looks, until dropped.
pub(crate) struct Listener(Arc<Episode>);

impl Drop for Listener {
    fn drop(&mut self) {
        let mut control = self.0.lock();
        control.listeners = control.listeners.saturating_sub(1);
        control.asked = Instant::now();
    }
}

impl Control {
    pub(crate) fn new(
        seed: u64,
        paused: bool,
        speed: f64,
        given: Given,
        options: PlanOptions,
        goal: Option<Goal>,
    ) -> Self {
        Self {
            seed,
            paused,
            speed,
            given,
            options,
            goal,
            over: false,
            steps: 0,
            tickets: 0,
            reset: false,
            policy: None,
            new_goal: false,
            closed: false,
            listeners: 0,
            asked: Instant::now(),
        }
    }

    fn changes(&mut self, alone: bool) -> Changes {
        Changes {
            policy: self.policy.take(),
            goal: std::mem::take(&mut self.new_goal).then(|| self.goal.clone()).flatten(),
            seed: self.seed,
            options: self.options.clone(),
            alone,
        }
    }
}

impl Episode {
    pub(crate) fn new(id: String, control: Control) -> Self {
        Self {
            id,
            control: Mutex::new(control),
            wake: Condvar::new(),
            shown: watch::channel(Shown::default()).0,
            changing: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something to it, which it hears at once.
    pub(crate) fn tell<T>(&self, say: impl FnOnce(&mut Control) -> T) -> T {
        let mut control = self.lock();
        control.asked = Instant::now();
        let said = say(&mut control);
        drop(control);
        self.wake.notify_all();
        said
    }

    /// Other options, or another goal, from the next plan on, with who plans by them.
    pub(crate) fn change(&self, given: Given, options: PlanOptions, goal: Option<Goal>, policy: PlannerPolicy) {
        self.tell(|control| {
            (control.given, control.options, control.policy) = (given, options, Some(Box::new(policy)));
            if let Some(goal) = goal {
                (control.goal, control.new_goal) = (Some(goal), true);
            }
        });
    }

    /// One step by itself; how many of them were asked for then.
    ///
    /// # Errors
    /// If it is not paused, or over.
    pub(crate) fn step(&self) -> Result<u64, Problem> {
        let conflict = |message| Err(Problem::new(axum::http::StatusCode::CONFLICT, "state", message));
        self.tell(|control| {
            if control.over {
                return conflict("the episode is over: reset it");
            }
            if !control.paused {
                return conflict("the episode runs: pause it to make single steps");
            }
            control.steps += 1;
            control.tickets += 1;
            Ok(control.tickets)
        })
    }

    pub(crate) fn reset(&self, seed: Option<u64>) {
        self.tell(|control| {
            control.seed = seed.unwrap_or(control.seed);
            (control.reset, control.steps) = (true, 0);
        });
    }

    pub(crate) fn close(&self) {
        self.tell(|control| control.closed = true);
        // Whoever looks is told that there is no more to see.
        self.shown.send_modify(|_| ());
    }

    /// How long nobody has looked at it or asked anything of it; `None` while somebody looks.
    pub(crate) fn alone_for(&self) -> Option<Duration> {
        let control = self.lock();
        (control.listeners == 0).then(|| control.asked.elapsed())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Looks at it from now on, and so keeps it running.
    pub(crate) fn listen(self: &Arc<Self>) -> (Listener, watch::Receiver<Shown>) {
        let receiver = self.shown.subscribe();
        self.tell(|control| control.listeners += 1);
        (Listener(Arc::clone(self)), receiver)
    }

    pub(crate) fn shown(&self) -> watch::Receiver<Shown> {
        self.shown.subscribe()
    }

    /// What the player does next, once it is time: not before `due`, if it runs by itself.
    pub(crate) fn next(&self, due: Instant, idle: Duration) -> Next {
        let mut control = self.lock();
        loop {
            if control.closed || (control.listeners == 0 && control.asked.elapsed() > idle) {
                control.closed = true;
                return Next::End;
            }
            if std::mem::take(&mut control.reset) {
                control.over = false;
                return Next::Reset(control.changes(true));
            }
            if control.steps > 0 && !control.over {
                control.steps -= 1;
                return Next::Step(control.changes(true));
            }
            let runs = !control.paused && !control.over && control.listeners > 0;
            let wait = match runs {
                true => due.saturating_duration_since(Instant::now()),
                false => LOOK,
            };
            if wait.is_zero() {
                return Next::Step(control.changes(false));
            }
            control = self
                .wake
                .wait_timeout(control, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Seconds a world second.
    pub(crate) fn pace(&self) -> f64 {
        1.0 / self.lock().speed
    }

    /// All single steps that were asked for came to their end, but for those that are still to be made.
    pub(crate) fn show_made(&self) {
        let control = self.lock();
        let made = control.tickets.saturating_sub(control.steps as u64);
        drop(control);
        self.shown.send_modify(|shown| shown.made = made);
    }

    fn show(&self, put: impl FnOnce(&mut Shown, u64)) {
        self.shown.send_modify(|shown| {
            shown.number += 1;
            let number = shown.number;
            put(shown, number);
        });
    }

    pub(crate) fn show_frame(&self, text: Arc<str>) {
        self.show(|shown, number| shown.frame = Some((number, text)));
    }

    /// Nothing of the episode before is seen any more.
    pub(crate) fn show_anew(&self, text: Arc<str>) {
        self.show(|shown, number| {
            (shown.frame, shown.end, shown.error) = (Some((number, text)), None, None);
        });
    }

    /// It came to its end.
    pub(crate) fn show_end(&self, text: Arc<str>) {
        self.lock().over = true;
        self.show(|shown, number| shown.end = Some((number, text)));
    }

    /// It cannot go on like this, and waits for something else to be said.
    pub(crate) fn show_error(&self, problem: &Problem) {
        {
            let mut control = self.lock();
            (control.paused, control.steps) = (true, 0);
        }
        let text = problem.text().into();
        self.show(|shown, number| shown.error = Some((number, text)));
    }

    /// What holds.
    pub(crate) fn describe(&self) -> Value {
        let control = self.lock();
        json!({
            "id": self.id,
            "seed": control.seed,
            "paused": control.paused,
            "speed": control.speed,
            "over": control.over,
            "options": options::json(&control.options),
            "goal": control.goal.as_ref().map(|goal| goal.values.to_vec()),
        })
    }
}
