//! [`Planner`]: makes plans, on threads of its own.

mod crew;
mod desk;
mod inquiry;
mod work;

use crate::boundary::{self, Out, place, reference, slice, write_text};
use crate::log::{self, Level};
use crate::noise::Noise;
use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::status::{Fault, Result, Status};
use crew::Crew;
use desk::Desk;
use diffplan::pipelines::deadline::{self, CancelToken};
use diffplan::pipelines::{Plan, PlanOptions};
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use work::{Question, Work};

/// Makes plans with one set of options, on threads of its own: buffers are in place from the first plan on. One plan at a time.
#[derive(Debug)]
pub struct Planner {
    desk: Desk,
    cancel: CancelToken,
    observation_dim: usize,
    action_dim: usize,
}

/// What a condition is imposed on.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The observation at its time.
    Observation = 0,
    /// The action at its time.
    Action = 1,
}

/// Numbers imposed on a plan at one of its steps, in the environment's units: a goal, a waypoint, an action that is decided.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// The step of the plan, from 0 (now) to below planning_horizon.
    pub time: usize,
    /// `len` numbers.
    pub values: *const f32,
    /// The dimension of each; NULL for all in order, and `len` is then their number.
    pub dims: *const usize,
    /// How many numbers.
    pub len: usize,
    /// A diffplan_part.
    pub part: i32,
    /// 1 imposes them; less, but more than 0, pulls the predicted plan that share of the way at every step of the denoising.
    pub strength: f32,
}

/// How a plan within a deadline came to its end.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All steps of the denoising were made.
    Whole = 0,
    /// The next step would not have been in time: the plan is what the last one predicted.
    Early = 1,
    /// It was cancelled.
    Cancelled = 2,
}

/// What a plan within a deadline took.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Seconds from the call to the plan.
    pub seconds: f64,
    /// Seconds that there were.
    pub budget: f64,
    /// The settings that it was made with: 0 for what the options say, then cheaper ones.
    pub rung: usize,
    /// How many there are.
    pub rungs: usize,
    /// Candidates it was chosen of.
    pub candidates: usize,
    /// Steps of the denoising that were made.
    pub visits: usize,
    /// Of so many of these settings.
    pub of_visits: usize,
    /// A diffplan_ended.
    pub ended: i32,
    /// 1 where it ended after the deadline, else 0.
    pub late: i32,
}

/// What the last plan consists of, for buffers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanShape {
    /// Plans that the last call made: observations of a batch, else 1.
    pub queries: usize,
    /// Candidates of each: batch_size, within a deadline maybe fewer.
    pub candidates: usize,
    /// Steps of each: planning_horizon.
    pub horizon: usize,
    /// Numbers of a step: actions, then observations.
    pub channels: usize,
    /// Dimensions of an action, which come first in a step.
    pub action_dim: usize,
    /// Dimensions of an observation.
    pub observation_dim: usize,
    /// 1 where candidates were valued, 0 where nothing valued them.
    pub has_values: i32,
    /// 0.
    pub reserved: i32,
}

/// Makes a planner of a pipeline with these options, NULL for those of the checkpoint, on so many threads of its own, 0 for one a core (or RAYON_NUM_THREADS).
/// On a machine that does anything else, a thread less than there are cores is best. Plans have the same bits on any number. `*out` is freed by
/// diffplan_planner_free; the pipeline and the options may be freed or changed before that.
///
/// DIFFPLAN_STATUS_OPTION, DIFFPLAN_STATUS_THREADS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_new(
    pipeline: *const Pipeline,
    options: *const Options,
    threads: usize,
    out: *mut *mut Planner,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (pipeline, mut out) = unsafe { (&reference("pipeline", pipeline)?.pipeline, place("out", out)?) };
        let options: PlanOptions = match options.is_null() {
            true => pipeline.options(),
            // SAFETY: as above.
            false => unsafe { reference("options", options)? }.0.clone(),
        };
        let cancel = CancelToken::new();
        let crew = Crew::start(threads)?;
        let Some(pool) = crew.pool().map(Arc::clone) else {
            return Err(Fault::new(Status::Internal, "threads that are gone at once"));
        };
        let desk = {
            let (pool, cancel) = (pool, &cancel);
            Desk::open(crew, move || Work::new(pipeline, options, &pool, cancel))?
        };
        let planner = Planner {
            desk,
            cancel,
            observation_dim: pipeline.observation_dim(),
            action_dim: pipeline.action_dim(),
        };
        out.write(&[Box::into_raw(Box::new(planner))])
    })
}

/// Frees a planner and waits until its threads have ended; NULL is nothing to free. No thread may be in a call with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_free(planner: *mut Planner) {
    if !planner.is_null() {
        // SAFETY: made by diffplan_planner_new from a box, and freed once, as the header asks of the caller.
        let planner = unsafe { Box::from_raw(planner) };
        // Dropping does not panic; if it did, nobody could be told.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(planner)));
    }
}

/// Conditions of one plan: more than any plan has numbers for.
const MOST_CONDITIONS: usize = 1 << 16;

/// What is asked for one plan.
struct Given<'a> {
    planner: &'a Planner,
    observation: &'a [f32],
    conditions: &'a [Condition],
    noise: Noise,
}

impl<'a> Given<'a> {
    /// # Safety
    /// Pointers are as the header asks of the caller, those of conditions too, until the call is over.
    unsafe fn new(
        planner: *const Planner,
        (observation, observation_len): (*const f32, usize),
        (conditions, condition_count): (*const Condition, usize),
        noise: Noise,
    ) -> Result<Self> {
        // SAFETY: as the caller promises.
        let planner = unsafe { reference("planner", planner)? };
        // Conditions alone may say where a plan begins.
        let expected = match observation.is_null() && observation_len == 0 && condition_count > 0 {
            true => 0,
            false => planner.observation_dim,
        };
        if condition_count > MOST_CONDITIONS {
            let message = format!("condition_count is {condition_count}, expected at most {MOST_CONDITIONS}");
            return Err(Fault::new(Status::Size, message));
        }
        // SAFETY: as the caller promises.
        let (observation, conditions) = unsafe {
            (
                slice("observation", observation, observation_len, expected)?,
                slice("conditions", conditions, condition_count, condition_count)?,
            )
        };
        Ok(Self {
            planner,
            observation,
            conditions,
            noise,
        })
    }

    fn ask(&self, work: &mut Work, question: Question) -> Result<()> {
        work.question = question;
        work.inquiry.begin(self.observation, &[self.noise]);
        let dims = [self.planner.observation_dim, self.planner.action_dim];
        for (index, condition) in self.conditions.iter().enumerate() {
            // SAFETY: as `new` was promised.
            unsafe { work.inquiry.add(condition, index, dims)? };
        }
        work.look_at_observations();
        Ok(())
    }
}

/// The numbers of an array of a plan, which all lie in order.
fn numbers(array: Option<&[f32]>) -> Result<&[f32]> {
    array.ok_or_else(|| Fault::new(Status::Internal, "an array of a plan that is not in order"))
}

/// # Errors
/// If it is no number of seconds, or more than a year.
fn seconds(what: &str, seconds: f64) -> Result<Duration> {
    let valid = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|_| seconds <= 31_536_000.0);
    valid.ok_or_else(|| {
        Fault::new(
            Status::Value,
            format!("{what} is {seconds}, expected a number of seconds from 0 to 31536000 (a year)"),
        )
    })
}

/// Plans from `observation` (`observation_len` numbers, the observation dimensions) and writes what to do now to `action` (`action_len` numbers, the
/// action dimensions): the first action of the best candidate. The plan itself stays to be asked for until the next call with the planner.
///
/// DIFFPLAN_STATUS_CONDITION, DIFFPLAN_STATUS_DIVERGED, DIFFPLAN_STATUS_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_plan(
    planner: *mut Planner,
    observation: *const f32,
    observation_len: usize,
    noise: Noise,
    action: *mut f32,
    action_len: usize,
) -> Status {
    // SAFETY: as the header asks of the caller.
    unsafe {
        diffplan_planner_plan_conditioned(
            planner,
            observation,
            observation_len,
            std::ptr::null(),
            0,
            noise,
            action,
            action_len,
        )
    }
}

/// Plans as diffplan_planner_plan, under `condition_count` conditions beside the observation, which is one at time 0: goals, waypoints, actions that
/// are decided. Without an observation (NULL and 0) conditions alone say where the plan begins. No number may be imposed twice.
///
/// DIFFPLAN_STATUS_CONDITION also where a checkpoint that was trained with goals is given none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_plan_conditioned(
    planner: *mut Planner,
    observation: *const f32,
    observation_len: usize,
    conditions: *const Condition,
    condition_count: usize,
    noise: Noise,
    action: *mut f32,
    action_len: usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (given, mut action) = unsafe {
            (
                Given::new(
                    planner,
                    (observation, observation_len),
                    (conditions, condition_count),
                    noise,
                )?,
                Out::new("action", action, action_len)?,
            )
        };
        action.expect(given.planner.action_dim)?;
        given.planner.desk.ask(
            |work| given.ask(work, Question::Plan),
            |work, planned| {
                planned?;
                action.write(numbers(work.shown(0)?.action.as_slice())?)
            },
        )
    })
}

/// Plans from `count` observations at once, which is faster than one after the other: each has the bits that it would have alone. `observations` are `count` rows
/// (`observations_len` numbers in all), `noises` one each, `actions` `count` rows (`actions_len` numbers in all).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_plan_batch(
    planner: *mut Planner,
    count: usize,
    observations: *const f32,
    observations_len: usize,
    noises: *const Noise,
    noises_len: usize,
    actions: *mut f32,
    actions_len: usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner.cast_const())? };
        if !(1..=MOST_QUERIES).contains(&count) {
            let message = format!("count is {count}, expected 1 to {MOST_QUERIES}");
            return Err(Fault::new(Status::Value, message));
        }
        let (all_observations, all_actions) = (count * planner.observation_dim, count * planner.action_dim);
        // SAFETY: as the header asks of the caller.
        let (observations, noises, mut actions) = unsafe {
            (
                slice("observations", observations, observations_len, all_observations)?,
                slice("noises", noises, noises_len, count)?,
                Out::new("actions", actions, actions_len)?,
            )
        };
        actions.expect(all_actions)?;
        planner.desk.ask(
            |work| {
                work.question = Question::Plan;
                work.inquiry.begin(observations, noises);
                work.look_at_observations();
                Ok(())
            },
            |work, planned| {
                planned?;
                let rows = work
                    .plans()
                    .iter()
                    .map(|plan| plan.action.as_slice().unwrap_or_default());
                actions.write_rows(rows, all_actions)
            },
        )
    })
}

/// Observations of a batch: more than any machine plans for at a time.
const MOST_QUERIES: usize = 1 << 16;

/// Measures what plans cost, for diffplan_planner_plan_within, which otherwise does it at its first call: a ladder of settings, from what the options say down to one
/// candidate in one step, some plans of each. Takes a few times as long as one plan as wanted. `margin` is the share of a budget that is to be left over,
/// from 0 to below 1 (0.05 by default); `cheapest_anyway` other than 0 answers a budget in which nothing fits with the cheapest plan, late, in place of
/// DIFFPLAN_STATUS_DEADLINE. The ladder goes to the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_measure(planner: *mut Planner, margin: f64, cheapest_anyway: i32) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner.cast_const())? };
        planner.desk.ask(
            |work| {
                work.question = Question::Measure {
                    margin,
                    cheapest_anyway: cheapest_anyway != 0,
                };
                Ok(())
            },
            |work, measured| {
                measured?;
                for rung in work.ladder() {
                    log::say(Level::Info, || format!("within deadlines: {rung}"));
                }
                Ok(())
            },
        )
    })
}

/// The best plan that is made within `budget` seconds from the call: candidates, steps and guidance are chosen by what they cost here and now, the clock is looked
/// at before every step of the denoising, and a plan that will not be done in time is answered as it is foreseen by then. Otherwise as
/// diffplan_planner_plan_conditioned (without conditions: NULL and 0). `timing`, which may be NULL, says how it went, also of a plan that was cancelled. With a
/// deadline the same noise does not promise the same plan.
///
/// The first call measures first, unless diffplan_planner_measure did, and its budget counts from then on.
///
/// DIFFPLAN_STATUS_DEADLINE, before anything is begun, where not even the cheapest plan is to be expected in time: the text says what is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_plan_within(
    planner: *mut Planner,
    observation: *const f32,
    observation_len: usize,
    conditions: *const Condition,
    condition_count: usize,
    noise: Noise,
    budget: f64,
    action: *mut f32,
    action_len: usize,
    timing: *mut Timing,
) -> Status {
    let since = Instant::now();
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (given, mut action, mut timing) = unsafe {
            (
                Given::new(
                    planner,
                    (observation, observation_len),
                    (conditions, condition_count),
                    noise,
                )?,
                Out::new("action", action, action_len)?,
                (!timing.is_null()).then(|| place("timing", timing)).transpose()?,
            )
        };
        action.expect(given.planner.action_dim)?;
        let budget = seconds("budget", budget)?;
        given.planner.desk.ask(
            |work| given.ask(work, Question::PlanWithin { budget, since }),
            |work, planned| {
                let cancelled = planned.as_ref().is_err_and(|fault| fault.status == Status::Cancelled);
                if (planned.is_ok() || cancelled)
                    && let (Some(to), Some(told)) = (&mut timing, told_of(work))
                {
                    to.write(&[told])?;
                }
                planned?;
                if let Some(timely) = &work.report {
                    let level = if timely.late() { Level::Warning } else { Level::Debug };
                    log::say(level, || format!("within a deadline: {}", timely.text()));
                }
                action.write(numbers(work.shown(0)?.action.as_slice())?)
            },
        )
    })
}

/// What the last plan within a deadline took.
fn told_of(work: &Work) -> Option<Timing> {
    let timely = work.report.as_ref()?;
    let ended = match timely.ended {
        deadline::Ended::Whole => Ended::Whole,
        deadline::Ended::Early => Ended::Early,
        deadline::Ended::Cancelled => Ended::Cancelled,
    };
    Some(Timing {
        seconds: timely.took.as_secs_f64(),
        budget: timely.budget.as_secs_f64(),
        rung: timely.place,
        rungs: work.rungs(),
        candidates: timely.rung.options.batch_size,
        visits: timely.visits,
        of_visits: timely.rung.visits,
        ended: ended as i32,
        late: i32::from(timely.late()),
    })
}

/// Writes a sentence on the last plan within a deadline: what it was made with, what that gave up, how long it took. `length` as for diffplan_options_get.
///
/// DIFFPLAN_STATUS_NO_PLAN where there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_report(
    planner: *const Planner,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner)? };
        let text = planner.desk.look(|work| match &work.report {
            Some(timely) => Ok(timely.text()),
            None => Err(Fault::new(Status::NoPlan, "no plan was made within a deadline yet")),
        })?;
        // SAFETY: as above.
        unsafe { write_text("buffer", &text, buffer, capacity, length) }
    })
}

/// Calls off the plan that another thread is making, which ends with DIFFPLAN_STATUS_CANCELLED before its next step of the denoising, and every plan that is asked for
/// from then on, until diffplan_planner_reset_cancel. From any thread, or a signal handler: it sets a flag and waits for nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_cancel(planner: *mut Planner) -> Status {
    // SAFETY: as the header asks of the caller.
    boundary::run(|| unsafe {
        reference("planner", planner.cast_const())?.cancel.cancel();
        Ok(())
    })
}

/// Lets plans be made again after diffplan_planner_cancel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_reset_cancel(planner: *mut Planner) -> Status {
    // SAFETY: as the header asks of the caller.
    boundary::run(|| unsafe {
        reference("planner", planner.cast_const())?.cancel.reset();
        Ok(())
    })
}

/// Begins an episode: what the last one planned is forgotten (warm starts, actions still to be done, its goal), and the randomness of its plans comes from `seed`, of
/// diffplan's generator. For diffplan_planner_act; diffplan_planner_plan remembers nothing anyway.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_reset(planner: *mut Planner, seed: u64) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner.cast_const())? };
        planner.desk.look(|work| work.begin(seed))
    })
}

/// Tells the episode its goal, of a checkpoint that was trained with goals: `len` dimensions of the observation and what they are to become; the others are to
/// become 0. A `len` of 0 takes the goal away. The next action comes from a plan to it.
///
/// DIFFPLAN_STATUS_NO_EPISODE; DIFFPLAN_STATUS_OPTION where the checkpoint was not trained with goals; DIFFPLAN_STATUS_CONDITION for a goal that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_set_goal(
    planner: *mut Planner,
    dims: *const usize,
    values: *const f32,
    len: usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner.cast_const())? };
        if len > planner.observation_dim {
            let message = format!("len is {len}, expected at most {}", planner.observation_dim);
            return Err(Fault::new(Status::Size, message));
        }
        // SAFETY: as the header asks of the caller.
        let (dims, values) = unsafe { (slice("dims", dims, len, len)?, slice("values", values, len, len)?) };
        planner.desk.look(|work| work.set_goal(dims, values))
    })
}

/// The next action of the episode at `observation`, as the options say what is done of plans one after another (docs/receding-horizon.md): a new plan at every step, or at every
/// `n_action_steps`, from noise or from the last plan (`warm_start`), held by it (`prefix`), a few steps late (`observation_delay`), its actions or its states
/// followed (`follow`). Actions are not clipped. Allocates; otherwise as diffplan_planner_plan.
///
/// DIFFPLAN_STATUS_NO_EPISODE where none has begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_act(
    planner: *mut Planner,
    observation: *const f32,
    observation_len: usize,
    action: *mut f32,
    action_len: usize,
) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let planner = unsafe { reference("planner", planner.cast_const())? };
        // SAFETY: as above.
        let (observation, mut action) = unsafe {
            (
                slice("observation", observation, observation_len, planner.observation_dim)?,
                Out::new("action", action, action_len)?,
            )
        };
        action.expect(planner.action_dim)?;
        planner.desk.ask(
            |work| {
                work.question = Question::Act;
                work.inquiry.begin(observation, &[]);
                work.look_at_observations();
                Ok(())
            },
            |work, acted| {
                acted?;
                action.write(work.done())
            },
        )
    })
}

/// Writes what the last plan consists of.
///
/// DIFFPLAN_STATUS_NO_PLAN where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_plan_shape(planner: *const Planner, out: *mut PlanShape) -> Status {
    boundary::run(|| {
        // SAFETY: as the header asks of the caller.
        let (planner, mut out) = unsafe { (reference("planner", planner)?, place("out", out)?) };
        let shape = planner.desk.look(|work| {
            let (candidates, horizon, channels) = work.shown(0)?.trajectories.dim();
            Ok(PlanShape {
                queries: work.count(),
                candidates,
                horizon,
                channels,
                action_dim: planner.action_dim,
                observation_dim: planner.observation_dim,
                has_values: i32::from(work.shown(0)?.values.is_some()),
                reserved: 0,
            })
        })?;
        out.write(&[shape])
    })
}

/// Looks at plan `query` of those made last.
///
/// # Safety
/// As the header asks of the caller.
unsafe fn look(planner: *const Planner, query: usize, look: impl FnOnce(&Plan) -> Result<()>) -> Status {
    boundary::run(|| {
        // SAFETY: as the caller promises.
        let planner = unsafe { reference("planner", planner)? };
        planner.desk.look(|work| look(work.shown(query)?))
    })
}

/// Writes all candidates of plan `query` (0 but in batches), best first, in the environment's units: candidates x horizon x channels numbers, `out_len` in
/// all, each step an action and then an observation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_trajectories(
    planner: *const Planner,
    query: usize,
    out: *mut f32,
    out_len: usize,
) -> Status {
    // SAFETY: as the header asks of the caller.
    unsafe {
        look(planner, query, |plan| {
            Out::new("out", out, out_len)?.write(numbers(plan.trajectories.as_slice())?)
        })
    }
}

/// Writes the values of all candidates of plan `query`, highest first: `out_len` numbers, the candidates. They are those of the value function, normalised
/// as it was trained.
///
/// DIFFPLAN_STATUS_NO_PLAN where nothing valued them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_values(
    planner: *const Planner,
    query: usize,
    out: *mut f32,
    out_len: usize,
) -> Status {
    // SAFETY: as the header asks of the caller.
    unsafe {
        look(planner, query, |plan| match &plan.values {
            Some(values) => Out::new("out", out, out_len)?.write(numbers(values.as_slice())?),
            None => Err(Fault::new(
                Status::NoPlan,
                "nothing valued the candidates: there is no value function, or neither n_guide_steps nor rescore asks it",
            )),
        })
    }
}

/// Writes which candidate of plan `query` is acted on: its place in diffplan_planner_trajectories, 0 where they were valued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_chosen(planner: *const Planner, query: usize, out: *mut usize) -> Status {
    // SAFETY: as the header asks of the caller.
    unsafe { look(planner, query, |plan| place("out", out)?.write(&[plan.chosen])) }
}

/// Writes the actions of the candidate of plan `query` that is acted on, one a step: horizon x action dimensions numbers, `out_len` in all. The
/// first is what to do now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn diffplan_planner_actions(
    planner: *const Planner,
    query: usize,
    out: *mut f32,
    out_len: usize,
) -> Status {
    // SAFETY: as the header asks of the caller.
    unsafe {
        look(planner, query, |plan| {
            let own = plan.layout().actions();
            let (_, horizon, channels) = plan.trajectories.dim();
            let all = numbers(plan.trajectories.as_slice())?;
            let chosen = all
                .chunks_exact((horizon * channels).max(1))
                .nth(plan.chosen)
                .unwrap_or_default();
            let rows = chosen.chunks_exact(channels.max(1)).map(|step| &step[own.clone()]);
            Out::new("out", out, out_len)?.write_rows(rows, horizon * own.len())
        })
    }
}
