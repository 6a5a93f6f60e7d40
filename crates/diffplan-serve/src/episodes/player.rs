//! [`Player`]: plays an episode, on a thread of its own.

use super::control::{Changes, Episode, Next};
use super::frame::{self, Artist, Frame, Planned};
use crate::model::World;
use crate::numbers::{Short, short};
use crate::options;
use crate::problem::Problem;
use crate::server::App;
use diffplan_envs::{BoxEnv, Env, Goal, ResetOptions};
use diffplan_eval::{PlannerPolicy, Playing, Policy, Start};
use ndarray::Array1;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Frames follow each other no faster, but where steps are made one by one.
const FRAME: Duration = Duration::from_millis(33);

/// An environment and who plays in it.
pub(super) struct Player {
    app: App,
    episode: Arc<Episode>,
    /// Of the threads that wait, where turns are taken.
    waits: Handle,
    env: BoxEnv,
    policy: PlannerPolicy,
    playing: Playing,
    artist: Artist,
    /// Where it leads, where that was said.
    goal: Option<Goal>,
    seed: u64,
    step: usize,
    total: f64,
    options: Value,
    framed: Option<Instant>,
}

/// The last event of an episode.
#[derive(Serialize)]
struct End {
    #[serde(rename = "return")]
    total: Short,
    steps: usize,
    why: &'static str,
}

/// Episode 0 of a seed, as `diffplan rollout` plays it, led to a goal of the environment's.
fn start(seed: u64, goal: Option<&Goal>, has_own_goals: bool) -> Result<Start, Problem> {
    let start = Start::seeded(seed).next();
    let start = start.ok_or_else(|| Problem::internal("a seed without an episode"))?;
    Ok(match goal.filter(|_| has_own_goals) {
        Some(goal) => start.with_reset(ResetOptions::from_iter([("goal", goal.values.clone())])),
        None => start,
    })
}

impl Drop for Player {
    /// However it ends, also by a panic, its place is free again.
    fn drop(&mut self) {
        self.app.episodes.remove(self.episode.id());
        self.episode.close();
    }
}

impl Player {
    /// Begins the episode; nothing is shown yet.
    ///
    /// # Errors
    /// What keeps it from beginning.
    pub(super) fn begin(
        app: App,
        world: &World,
        episode: Arc<Episode>,
        waits: Handle,
        mut policy: PlannerPolicy,
    ) -> Result<Self, Problem> {
        let mut env = world.make()?;
        let (seed, goal, options) = {
            let control = episode.lock();
            (control.seed, control.goal.clone(), options::json(&control.options))
        };
        let start = start(seed, goal.as_ref(), app.model.has_own_goals())?;
        let playing = Playing::begin(&mut env, &start, &mut policy)?;
        let mut artist = Artist::new(world);
        artist.begin(seed, &start.reset);
        let mut player = Self {
            app,
            episode,
            waits,
            env,
            policy,
            playing,
            artist,
            goal,
            seed,
            step: 0,
            total: 0.0,
            options,
            framed: None,
        };
        player.show_start()?;
        Ok(player)
    }

    /// Plays until it is ended, or nobody is interested any more.
    pub(super) fn run(mut self) {
        let dt = self.app.model.world.as_ref().map_or(1.0 / 30.0, |world| world.dt);
        let mut due = Instant::now();
        loop {
            let made = match self.episode.next(due, self.app.settings.episode_idle) {
                Next::End => break,
                Next::Reset(changes) => self.reset(changes),
                Next::Step(changes) => self.step(changes),
            };
            if let Err(problem) = made {
                self.episode.show_error(&problem);
            }
            self.episode.show_made();
            // In real time where that is kept up with; what is late is not caught up on.
            let step = Duration::from_secs_f64(dt * self.episode.pace());
            due = (due + step).max(Instant::now());
        }
    }

    /// What was said holds from here on.
    fn heed(&mut self, changes: Changes) -> Result<bool, Problem> {
        if let Some(mut policy) = changes.policy {
            policy.take_over(&mut self.policy);
            self.policy = *policy;
        }
        self.options = options::json(&changes.options);
        if let Some(goal) = changes.goal {
            if self.app.model.has_own_goals() {
                self.env.set_goal(&goal)?;
            }
            self.goal = Some(goal);
        }
        Ok(changes.alone)
    }

    fn reset(&mut self, changes: Changes) -> Result<(), Problem> {
        let seed = changes.seed;
        let goal = changes.goal.clone().or_else(|| self.goal.clone());
        let start = start(seed, goal.as_ref(), self.app.model.has_own_goals())?;
        self.heed(changes)?;
        self.playing = Playing::begin(&mut self.env, &start, &mut self.policy)?;
        self.artist.begin(seed, &start.reset);
        (self.seed, self.step, self.total, self.framed) = (seed, 0, 0.0, None);
        self.show_start()
    }

    /// The state that is planned from first, before there is a plan.
    fn show_start(&mut self) -> Result<(), Problem> {
        if let Ok(state) = self.env.state() {
            self.artist.saw(&state);
        }
        let observation = self.playing.observation().to_owned();
        let text = self.frame(&observation, 0.0, None, (false, false), true)?;
        if let Some(text) = text {
            self.episode.show_anew(text);
        }
        Ok(())
    }

    fn step(&mut self, changes: Changes) -> Result<(), Problem> {
        let alone = self.heed(changes)?;
        let observation = self.playing.observation().to_owned();
        let played = {
            let turn = self.waits.block_on(self.app.desk.turn_of_episode())?;
            let played = self.playing.step(&mut self.env, &mut self.policy)?;
            drop(turn);
            played
        };
        let planned = self.policy.plan_age(0) == 0;
        if planned {
            self.app.metrics.planned(1, played.took);
        }
        self.step += 1;
        self.total += played.step.reward;
        let ends = (played.step.terminated, played.step.truncated);
        let over = played.step.done();
        let took = planned.then_some(played.took.as_secs_f64());
        if let Some(text) = self.frame(&observation, played.step.reward, took, (false, false), alone)? {
            self.episode.show_frame(text);
        }
        if let Ok(state) = self.env.state() {
            self.artist.saw(&state);
        }
        if over {
            let last = self.playing.observation().to_owned();
            if let Some(text) = self.frame(&last, played.step.reward, None, ends, true)? {
                self.episode.show_frame(text);
            }
            let end = End {
                total: Short(self.total),
                steps: self.step,
                why: if ends.0 { "terminated" } else { "truncated" },
            };
            self.episode.show_end(text(&end)?.into());
        }
        Ok(())
    }

    /// What there is to see where `observation` is the last state that the artist saw; nothing so soon after the last frame, unless it is to
    /// be shown in any case. `took`: the seconds of the plan that was made there, if one was.
    fn frame(
        &mut self,
        observation: &Array1<f64>,
        reward: f64,
        took: Option<f64>,
        (terminated, truncated): (bool, bool),
        always: bool,
    ) -> Result<Option<Arc<str>>, Problem> {
        if !always && self.framed.is_some_and(|at| at.elapsed() < FRAME) {
            return Ok(None);
        }
        self.framed = Some(Instant::now());
        self.app.metrics.frames.fetch_add(1, Ordering::Relaxed);
        let (over, age) = (terminated || truncated, self.policy.plan_age(0));
        let begun = self.step > 0 && !over;
        let plan = self.policy.plan(0).filter(|_| begun);
        let image = self.artist.picture(plan.map(|plan| (plan, age)));
        let model = &self.app.model;
        let planned = plan.zip(took).map(|(plan, took)| Planned::of(model, plan, took));
        let frame = Frame {
            step: self.step,
            reward: Short(reward),
            total: Short(self.total),
            seed: self.seed,
            observation: short(observation),
            action: begun.then(|| short(self.playing.action())),
            position: model
                .world
                .as_ref()
                .and_then(|world| frame::position(world, observation.view())),
            goal: frame::goal(self.env.goal().as_ref().or(self.goal.as_ref())),
            planned,
            image,
            options: &self.options,
            terminated,
            truncated,
        };
        Ok(Some(text(&frame)?.into()))
    }
}

fn text(of: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(of).map_err(|error| Problem::internal(error.to_string()))
}
