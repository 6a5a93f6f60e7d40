//! A map becomes steps: every array is looked at first, then what reading takes is compared with the memory there is, then
//! arrays are read (`play`). One way for all layouts.

mod ends;
mod play;

use super::ReadError;
use super::after::next_keys;
use super::array::{Planned, Source};
use super::map::{Beyond, Ends, Episodes, Map, Rewards, Steps, fill};
use super::tree::{Scope, Tree};
use super::vectors::Vectors;
pub(super) use ends::FoundEnds;

/// Rows of a file that belong together: all, or an episode's.
struct Part {
    /// Which of the map's episodes.
    episode: usize,
    steps: u64,
    observations: Vectors,
    /// Of the same rows as actions.
    next: Option<Vectors>,
    actions: Vectors,
    rewards: Option<Planned>,
    ends: PlannedEnds,
}

enum PlannedEnds {
    Flags {
        terminals: Option<Planned>,
        timeouts: Option<Planned>,
    },
    Last {
        ends: Planned,
        terminals: Option<Planned>,
    },
    Starts(Planned),
    Splits {
        starts: Planned,
        terminal: Option<Planned>,
    },
    Numbers(Planned),
}

impl PlannedEnds {
    fn all(&self) -> impl Iterator<Item = &Planned> {
        let (first, second) = match self {
            Self::Flags { terminals, timeouts } => (terminals.as_ref(), timeouts.as_ref()),
            Self::Last { ends, terminals } => (Some(ends), terminals.as_ref()),
            Self::Starts(one) | Self::Numbers(one) => (Some(one), None),
            Self::Splits { starts, terminal } => (Some(starts), terminal.as_ref()),
        };
        first.into_iter().chain(second)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Planned> {
        let (first, second) = match self {
            Self::Flags { terminals, timeouts } => (terminals.as_mut(), timeouts.as_mut()),
            Self::Last { ends, terminals } => (Some(ends), terminals.as_mut()),
            Self::Starts(one) | Self::Numbers(one) => (Some(one), None),
            Self::Splits { starts, terminal } => (Some(starts), terminal.as_mut()),
        };
        first.into_iter().chain(second)
    }
}

impl Part {
    fn singles(&self) -> impl Iterator<Item = &Planned> {
        self.rewards.iter().chain(self.ends.all())
    }

    /// Takes no memory for what is the same of another part: there may be one an episode.
    fn share(&mut self, other: &Self) {
        let own = self.observations.0.iter_mut().chain(&mut self.actions.0);
        let others = other.observations.0.iter().chain(&other.actions.0);
        own.zip(others).for_each(|(own, other)| own.share(other));
        let own = self.rewards.iter_mut().chain(self.ends.all_mut());
        own.zip(other.singles()).for_each(|(own, other)| own.share(other));
        self.observations.0.shrink_to_fit();
        self.actions.0.shrink_to_fit();
    }

    fn transient(&self) -> u64 {
        let singles = self.singles().map(Planned::transient).max().unwrap_or(0);
        singles.max(self.observations.transient()).max(self.actions.transient())
    }
}

fn rewards(scope: &mut Scope<'_>, rewards: &Rewards) -> Result<Option<Planned>, ReadError> {
    let Rewards::Of(key) = rewards else { return Ok(None) };
    match Planned::numbers(scope, key) {
        Err(ReadError::MissingKey { key: place, .. }) => Err(ReadError::NoRewards {
            key: place,
            present: scope.near(key),
        }),
        other => other.map(Some),
    }
}

fn flags(scope: &mut Scope<'_>, key: Option<&String>) -> Result<Option<Planned>, ReadError> {
    key.map_or(Ok(None), |key| Planned::flags(scope, key))
}

fn required_flags(scope: &mut Scope<'_>, key: &str) -> Result<Planned, ReadError> {
    Planned::flags(scope, key)?.ok_or_else(|| ReadError::MissingKey {
        key: scope.place(key),
        present: scope.near(key),
    })
}

/// The next observations, where they are asked for and are such.
fn next(
    scope: &mut Scope<'_>,
    keys: &[String],
    observations: &Vectors,
    steps: u64,
) -> Result<Option<Vectors>, ReadError> {
    let Some(keys) = next_keys(keys) else { return Ok(None) };
    for key in &keys {
        if scope.header(key)?.is_none() {
            return Ok(None);
        }
    }
    let next = Vectors::of(scope, &keys, false)?;
    let same = next.columns() == observations.columns() && next.rows() == steps;
    Ok(same.then_some(next))
}

/// Bytes of an episode that is a group: its part, its place in the file, its names and links. Measured: 1.5 KB.
const EPISODE: u64 = 3 << 9;

const AS_OBSERVATIONS: &str = "as many as observations has";
const AS_ACTIONS: &str = "as many as actions has";

/// What is to be read, known to be there and to fit.
pub(super) struct Plan {
    map: Map,
    parts: Vec<Part>,
    empty: usize,
    short: usize,
    /// Of rows one after the other, once they were looked at.
    found: Option<FoundEnds>,
}

impl Plan {
    pub(super) fn of(map: Map, tree: &mut dyn Tree) -> Result<Self, ReadError> {
        map.check()?;
        let mut plan = Self {
            parts: Vec::new(),
            empty: 0,
            short: 0,
            found: None,
            map,
        };
        match &plan.map.steps {
            Steps::Rows(ends) => {
                let part = plan.rows(ends, tree)?;
                plan.parts.push(part);
            }
            Steps::Episodes(episodes) => {
                let mut parts: Vec<Part> = Vec::with_capacity(episodes.names.len());
                for (at, name) in episodes.names.iter().enumerate() {
                    match plan.map.episode(at, name, episodes, tree)? {
                        None => plan.empty += 1,
                        Some(mut part) => {
                            if let Some(before) = parts.last() {
                                part.share(before);
                            }
                            let short = part.observations.rows() == part.steps;
                            plan.short += usize::from(short && episodes.beyond == Beyond::One);
                            parts.push(part);
                        }
                    }
                }
                let Some(first) = parts.first() else {
                    return Err(ReadError::NoEpisodes {
                        pattern: episodes.prefix.clone(),
                    });
                };
                for part in &parts {
                    plan.map.check_dimensions(part, first, episodes, tree)?;
                }
                plan.parts = parts;
            }
        }
        Ok(plan)
    }

    fn rows(&self, ends: &Ends, tree: &mut dyn Tree) -> Result<Part, ReadError> {
        let map = &self.map;
        let mut scope = Scope {
            tree,
            prefix: "",
            flatten: map.flatten,
        };
        let scope = &mut scope;
        let observations = Vectors::of(scope, &map.observations, true)?;
        let actions = Vectors::of(scope, &map.actions, true)?;
        let rewards = rewards(scope, &map.rewards)?;
        let ends = match ends {
            Ends::Flags { terminals, timeouts } => PlannedEnds::Flags {
                terminals: flags(scope, terminals.as_ref())?,
                timeouts: flags(scope, timeouts.as_ref())?,
            },
            Ends::Last { ends, terminals } => PlannedEnds::Last {
                ends: required_flags(scope, ends)?,
                terminals: flags(scope, terminals.as_ref())?,
            },
            Ends::Starts(key) => PlannedEnds::Starts(required_flags(scope, key)?),
            Ends::Splits { starts, terminal } => PlannedEnds::Splits {
                starts: Planned::numbers(scope, starts)?,
                terminal: flags(scope, terminal.as_ref())?,
            },
            Ends::Numbers(key) => PlannedEnds::Numbers(Planned::numbers(scope, key)?),
        };
        let (steps, reason) = match &ends {
            PlannedEnds::Splits { starts, terminal } => {
                let episodes = starts.rows().saturating_add(1);
                let expected = actions.rows().saturating_add(episodes);
                observations.check_rows(scope, expected, "those of actions and one more an episode")?;
                if let Some(terminal) = terminal {
                    terminal.check_rows(scope, episodes, "one an episode")?;
                }
                (actions.rows(), AS_ACTIONS)
            }
            _ => (observations.rows(), AS_OBSERVATIONS),
        };
        actions.check_rows(scope, steps, reason)?;
        let next = match map.after {
            true => next(scope, &map.observations, &observations, steps)?,
            false => None,
        };
        let of_rows = |planned: &Planned| planned.check_rows(scope, steps, reason);
        rewards.iter().try_for_each(of_rows)?;
        if !matches!(ends, PlannedEnds::Splits { .. }) {
            ends.all().try_for_each(of_rows)?;
        }
        Ok(Part {
            episode: 0,
            steps,
            observations,
            next,
            actions,
            rewards,
            ends,
        })
    }

    pub(super) fn steps(&self) -> u64 {
        self.parts.iter().map(|part| part.steps).fold(0, u64::saturating_add)
    }

    /// Rows of observations that are read, in part only to be dropped.
    pub(super) fn observed(&self) -> u64 {
        match (&self.map.steps, self.parts.first()) {
            (Steps::Rows(_), Some(part)) => part.observations.rows(),
            _ => self.steps(),
        }
    }

    /// Dimensions of observations and of actions.
    pub(super) fn dimensions(&self) -> (u64, u64) {
        let first = self.parts.first();
        first.map_or((0, 0), |part| (part.observations.columns(), part.actions.columns()))
    }

    /// Bytes of what is read.
    pub(super) fn kept(&self) -> u64 {
        let steps = self.steps();
        let flags = match (&self.map.steps, self.parts.first().map(|part| &part.ends)) {
            (Steps::Rows(_), Some(PlannedEnds::Flags { terminals, timeouts })) => {
                u64::from(terminals.is_some()) + u64::from(timeouts.is_some())
            }
            _ => 2,
        };
        let observations = match (&self.map.steps, self.parts.first()) {
            (Steps::Rows(_), Some(part)) => part.observations.kept(),
            _ => steps.saturating_mul(self.dimensions().0).saturating_mul(4),
        };
        steps
            .saturating_mul(self.dimensions().1)
            .saturating_mul(4)
            .saturating_add(observations)
            .saturating_add(if self.map.after { observations } else { 0 })
            .saturating_add(steps.saturating_mul(8 + flags))
            .saturating_add(self.an_episode_each())
    }

    /// Bytes of what is kept of episodes that are groups.
    fn an_episode_each(&self) -> u64 {
        match &self.map.steps {
            Steps::Rows(_) => 0,
            Steps::Episodes(_) => (self.parts.len() as u64).saturating_mul(EPISODE),
        }
    }

    /// Bytes that reading takes beside them.
    pub(super) fn transient(&self) -> u64 {
        self.parts.iter().map(Part::transient).max().unwrap_or(0)
    }

    pub(super) fn map(&self) -> &Map {
        &self.map
    }

    /// Bytes of the file's arrays as it says itself, uncompressed.
    pub(super) fn claimed(&self) -> u64 {
        let of = |part: &Part| {
            let singles = part.singles().map(Planned::transient).fold(0, u64::saturating_add);
            let vectors = part.observations.0.iter().chain(&part.actions.0);
            vectors.map(Planned::transient).fold(singles, u64::saturating_add)
        };
        self.parts.iter().map(of).fold(0, u64::saturating_add)
    }
}

impl Map {
    /// The arrays of an episode, or none if it has no step.
    fn episode(
        &self,
        at: usize,
        name: &str,
        episodes: &Episodes,
        tree: &mut dyn Tree,
    ) -> Result<Option<Part>, ReadError> {
        let prefix = fill(&episodes.prefix, name);
        let filled = |keys: &[String]| -> Vec<String> { keys.iter().map(|key| fill(key, name)).collect() };
        let mut scope = Scope {
            tree,
            prefix: &prefix,
            flatten: self.flatten,
        };
        let scope = &mut scope;
        let own_actions = filled(&self.actions);
        if let Some(key) = own_actions.first()
            && let Some(header) = scope.header(key)?
            && header.shape.first() == Some(&0)
        {
            return Ok(None);
        }
        let actions = Vectors::of(scope, &own_actions, at == 0)?;
        let observations = Vectors::of(scope, &filled(&self.observations), at == 0)?;
        let reward = match &self.rewards {
            Rewards::Of(key) => rewards(scope, &Rewards::Of(fill(key, name)))?,
            Rewards::Zeros => None,
        };
        let flag = |key: &Option<String>, scope: &mut Scope<'_>| {
            flags(scope, key.as_ref().map(|key| fill(key, name)).as_ref())
        };
        let terminals = flag(&episodes.terminals, scope)?;
        let timeouts = flag(&episodes.timeouts, scope)?;
        let steps = actions.rows();
        if let Some(total) = episodes
            .total
            .and_then(|attribute| scope.tree.number(&prefix, attribute))
            && total != steps as f64
        {
            return Err(ReadError::RowCount {
                key: scope.place(own_actions.first().map_or("actions", String::as_str)),
                expected: total as u64,
                actual: steps,
                reason: format!("as the episode's attribute {} says", episodes.total.unwrap_or_default()),
            });
        }
        let beyond = match episodes.beyond {
            Beyond::One => (steps.saturating_add(1), "one more than actions has"),
            Beyond::Either => (steps, "as many as actions has, or one more"),
        };
        if observations.rows() != steps && observations.rows() != steps.saturating_add(1) {
            observations.check_rows(scope, beyond.0, beyond.1)?;
        }
        let next = match self.after && observations.rows() == steps {
            true => next(scope, &filled(&self.observations), &observations, steps)?,
            false => None,
        };
        let part = Part {
            episode: at,
            steps,
            observations,
            next,
            actions,
            rewards: reward,
            ends: PlannedEnds::Flags { terminals, timeouts },
        };
        part.rewards
            .iter()
            .try_for_each(|planned| planned.check_rows(scope, steps, AS_ACTIONS))?;
        let (flags, reason) = if episodes.one_flag {
            (1, "one an episode")
        } else {
            (steps, AS_ACTIONS)
        };
        part.ends
            .all()
            .try_for_each(|planned| planned.check_rows(scope, flags, reason))?;
        Ok(Some(part))
    }

    /// # Errors
    /// If an episode has other dimensions than the first.
    fn check_dimensions(
        &self,
        part: &Part,
        first: &Part,
        episodes: &Episodes,
        tree: &dyn Tree,
    ) -> Result<(), ReadError> {
        let place = |part: &Part, key: &String| {
            let name = episodes.names.get(part.episode).map_or("", String::as_str);
            tree.place(&fill(&format!("{}{key}", episodes.prefix), name))
        };
        for (keys, own, other) in [
            (&self.observations, &part.observations, &first.observations),
            (&self.actions, &part.actions, &first.actions),
        ] {
            for ((key, own), other) in keys.iter().zip(&own.0).zip(&other.0) {
                if own.columns() != other.columns() {
                    return Err(ReadError::Shape {
                        key: place(part, key),
                        expected: format!("{} columns, as in {}", other.columns(), place(first, key)),
                        actual: vec![own.rows(), own.columns()],
                    });
                }
            }
        }
        Ok(())
    }
}
