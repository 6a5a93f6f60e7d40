//! A map becomes steps: every array is looked at first, then what reading takes is compared with the memory there is, then
//! arrays are read. One way for all layouts.

use super::ReadError;
use super::after::next_keys;
use super::array::{Planned, Source, reserved};
use super::buffers::Buffers;
use super::map::{Beyond, Ends, Episodes, Map, Rewards, Steps, fill};
use super::origin::Origin;
use super::tree::{Scope, Tree};
use super::vectors::Vectors;

/// What is shown the buffers whenever there are some rows more in them.
pub(super) type Each<'a> = &'a mut dyn FnMut(&mut Buffers) -> Result<(), ReadError>;

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

/// Where episodes end in rows one after the other: the rows in which flags are set.
#[derive(Debug, Default, Clone)]
pub(super) struct FoundEnds {
    pub(super) terminals: Option<Vec<usize>>,
    pub(super) timeouts: Option<Vec<usize>>,
    /// The row after the last of every episode, where observations have one more than actions.
    splits: Vec<usize>,
    /// Rows that are read.
    pub(super) rows: usize,
    /// Rows after the last end of a file of several.
    unfinished: usize,
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

    /// Where episodes end, as far as it is known before rows are read: whether one of groups ends in a terminal state is not.
    pub(super) fn found(&self) -> FoundEnds {
        if let Some(found) = &self.found {
            return found.clone();
        }
        let mut rows = 0;
        let ends = self.parts.iter().map(|part| {
            rows += part.steps as usize;
            rows - 1
        });
        FoundEnds {
            timeouts: Some(ends.collect()),
            rows,
            ..FoundEnds::default()
        }
    }

    /// Looks where episodes end, of rows one after the other. `several` if the file is one of several: a file without any end is then
    /// one episode, and rows after its last end belong to none, for they must not run into those of the next file.
    pub(super) fn look(&mut self, tree: &mut dyn Tree, several: bool) -> Result<(), ReadError> {
        let (Steps::Rows(_), Some(part), None) = (&self.map.steps, self.parts.first(), &self.found) else {
            return Ok(());
        };
        let mut found = self.ends(part, tree)?;
        if several {
            let last = |flags: &Option<Vec<usize>>| flags.as_ref().and_then(|set| set.last().map(|row| row + 1));
            match last(&found.terminals).max(last(&found.timeouts)) {
                Some(end) => {
                    found.unfinished = found.rows - end;
                    found.rows = end;
                }
                None => found.timeouts.get_or_insert_default().push(found.rows - 1),
            }
        }
        self.found = Some(found);
        Ok(())
    }

    fn ends(&self, part: &Part, tree: &mut dyn Tree) -> Result<FoundEnds, ReadError> {
        let mut scope = Scope {
            tree,
            prefix: "",
            flatten: self.map.flatten,
        };
        let scope = &mut scope;
        let steps = part.steps as usize;
        let read = |planned: &Option<Planned>, scope: &mut Scope<'_>| {
            planned.as_ref().map(|planned| planned.set_rows(scope)).transpose()
        };
        let mut found = FoundEnds {
            rows: steps,
            ..FoundEnds::default()
        };
        (found.terminals, found.timeouts) = match &part.ends {
            PlannedEnds::Flags { terminals, timeouts } => (read(terminals, scope)?, read(timeouts, scope)?),
            PlannedEnds::Last { ends, terminals } => {
                let mut ends = ends.set_rows(scope)?;
                let terminals = read(terminals, scope)?;
                if let Some(terminals) = &terminals {
                    ends.retain(|row| terminals.binary_search(row).is_err());
                }
                (terminals, Some(ends))
            }
            PlannedEnds::Starts(starts) => {
                // The row before each first row, and the last.
                let starts = starts.set_rows(scope)?;
                let before = starts.into_iter().filter_map(|row| row.checked_sub(1));
                let mut ends: Vec<usize> = before.filter(|row| row + 1 < steps).collect();
                ends.push(steps - 1);
                (None, Some(ends))
            }
            PlannedEnds::Numbers(numbers) => {
                let (mut ends, mut last) = (Vec::new(), None);
                numbers.each_f64(scope, &mut |start, values| {
                    for (row, &value) in (start as usize..).zip(values) {
                        if last.is_some_and(|last: f64| last != value) {
                            ends.push(row - 1);
                        }
                        last = Some(value);
                    }
                    Ok(())
                })?;
                ends.push(steps - 1);
                (None, Some(ends))
            }
            PlannedEnds::Splits { starts, terminal } => {
                let mut values = reserved(starts.rows(), "indices")?;
                starts.append_f64(scope, 0..starts.rows(), &mut values)?;
                found.splits = splits(scope, self.starts(), &values, steps)?;
                let terminal = read(terminal, scope)?.unwrap_or_default();
                let (mut terminals, mut timeouts) = (Vec::new(), Vec::new());
                for (episode, end) in found.splits.iter().enumerate() {
                    let terminated = terminal.binary_search(&episode).is_ok();
                    let flags = if terminated { &mut terminals } else { &mut timeouts };
                    flags.push(end - 1);
                }
                (Some(terminals), Some(timeouts))
            }
        };
        Ok(found)
    }

    /// Reads everything, and shows the buffers to `each` whenever there are some rows more in them. `file` is its name where it is one of
    /// several.
    pub(super) fn read(
        &mut self,
        tree: &mut dyn Tree,
        file: Option<&str>,
        to: &mut Buffers,
        each: Each<'_>,
    ) -> Result<(), ReadError> {
        self.look(tree, file.is_some())?;
        let first_row = to.rows;
        let Some(first) = self.parts.first() else { return Ok(()) };
        to.origins.push(Origin {
            file: file.map(str::to_owned),
            first_row,
            first_group: to.groups.len(),
            prefix: match &self.map.steps {
                Steps::Rows(_) => None,
                Steps::Episodes(episodes) => Some(episodes.prefix.clone()),
            },
            names: Vec::new(),
            observations: first.observations.begins(&self.map.observations),
            actions: first.actions.begins(&self.map.actions),
            rewards: match &self.map.rewards {
                Rewards::Of(key) => key.clone(),
                Rewards::Zeros => String::new(),
            },
        });
        match &self.map.steps {
            Steps::Rows(_) => {
                let found = self.found.take().unwrap_or_default();
                self.read_rows(first, &found, tree, to, each)?;
                to.unfinished += found.unfinished;
            }
            Steps::Episodes(episodes) => {
                for (at, part) in self.parts.iter().enumerate() {
                    let name = episodes.names.get(part.episode).map_or("", String::as_str);
                    let number = match (file, name.parse()) {
                        (None, Ok(number)) => number,
                        _ => to.groups.len() as u64,
                    };
                    to.groups.push((number, to.rows));
                    if let Some(origin) = to.origins.last_mut() {
                        origin.names.push(name.to_owned());
                    }
                    self.read_episode(at, name, episodes, tree, to, each)?;
                }
                each(to)?;
            }
        }
        for note in tree.notes() {
            if !to.file_notes.contains(&note) {
                to.file_notes.push(note);
            }
        }
        to.empty += self.empty;
        to.short += self.short;
        for note in &self.map.notes {
            if !to.notes.contains(note) {
                to.notes.push(note.clone());
            }
        }
        Ok(())
    }

    fn read_rows(
        &self,
        part: &Part,
        found: &FoundEnds,
        tree: &mut dyn Tree,
        to: &mut Buffers,
        each: Each<'_>,
    ) -> Result<(), ReadError> {
        let mut scope = Scope {
            tree,
            prefix: "",
            flatten: self.map.flatten,
        };
        let scope = &mut scope;
        let before = to.rows;
        for (flags, set) in [
            (&mut to.terminals, &found.terminals),
            (&mut to.timeouts, &found.timeouts),
        ] {
            if let Some(set) = set {
                flags.get_or_insert_default().extend(set.iter().map(|row| before + row));
            }
        }
        let most = self.block();
        for start in (0..found.rows).step_by(most) {
            let end = found.rows.min(start + most);
            // Observations after the last action of the episodes before.
            let beyond = |row: usize| found.splits.partition_point(|end| *end <= row);
            let observed = start + beyond(start)..end + beyond(end);
            let at = to.observations.len();
            let [of_observations, of_actions] = &mut to.rounding;
            let rows = observed.start as u64..observed.end as u64;
            part.observations
                .append(scope, rows, &mut to.observations, of_observations)?;
            if !found.splits.is_empty() {
                let width = part.observations.columns() as usize;
                let ends = found.splits[beyond(start)..]
                    .iter()
                    .map(|split| (*split).min(end) - start);
                let ends: Vec<usize> = ends.take(beyond(end - 1) - beyond(start) + 1).collect();
                if self.map.after {
                    // As many of them as end in this block.
                    for (episode, end) in ends.iter().enumerate().take(beyond(end) - beyond(start)) {
                        let own = at + (end + episode) * width;
                        to.after.put_last(at + end * width, &to.observations[own..own + width]);
                    }
                }
                drop_last_observations(&mut to.observations, at, width, &ends);
            }
            let rows = start as u64..end as u64;
            if let Some(next) = &part.next {
                to.after.skip_to(at);
                next.append(scope, rows.clone(), &mut to.after.next, &mut Vec::new())?;
            }
            part.actions.append(scope, rows.clone(), &mut to.actions, of_actions)?;
            to.append_rewards(part.rewards.as_ref(), rows, scope)?;
            to.rows += end - start;
            each(to)?;
        }
        Ok(())
    }

    /// Rows that are read at a time.
    fn block(&self) -> usize {
        let (observations, actions) = self.dimensions();
        crate::transitions::block_rows(observations.saturating_add(actions) as usize)
    }

    fn starts(&self) -> &str {
        match &self.map.steps {
            Steps::Rows(Ends::Splits { starts, .. }) => starts,
            _ => "",
        }
    }

    fn read_episode(
        &self,
        at: usize,
        name: &str,
        episodes: &Episodes,
        tree: &mut dyn Tree,
        to: &mut Buffers,
        each: Each<'_>,
    ) -> Result<(), ReadError> {
        let part = &self.parts[at];
        let prefix = fill(&episodes.prefix, name);
        let mut scope = Scope {
            tree,
            prefix: &prefix,
            flatten: self.map.flatten,
        };
        let scope = &mut scope;
        let most = self.block() as u64;
        let observed = to.observations.len();
        for start in (0..part.steps).step_by(most as usize) {
            let rows = start..part.steps.min(start + most);
            let [of_observations, of_actions] = &mut to.rounding;
            part.observations
                .append(scope, rows.clone(), &mut to.observations, of_observations)?;
            part.actions.append(scope, rows.clone(), &mut to.actions, of_actions)?;
            to.append_rewards(part.rewards.as_ref(), rows.clone(), scope)?;
            to.rows += (rows.end - rows.start) as usize;
            if to.observations.len() + to.actions.len() >= self.block() * to.width() {
                each(to)?;
            }
        }
        if self.map.after {
            let all = part.observations.rows();
            if all > part.steps && !self.map.repeated {
                let mut last = Vec::new();
                part.observations
                    .append(scope, part.steps..part.steps + 1, &mut last, &mut Vec::new())?;
                to.after.put_last(to.observations.len(), &last);
            } else if let Some(next) = &part.next {
                to.after.skip_to(observed);
                next.append(scope, 0..part.steps, &mut to.after.next, &mut Vec::new())?;
            }
            let seed = scope
                .tree
                .number(&prefix, "seed")
                .filter(|seed| *seed >= 0.0 && seed.fract() == 0.0);
            to.after.seeds.push(seed.map(|seed| seed as u64));
        }
        let mut terminated = false;
        if let PlannedEnds::Flags { terminals, timeouts } = &part.ends {
            for (flags, is_termination) in [(terminals, true), (timeouts, false)] {
                let Some(flags) = flags else { continue };
                let mut set = flags.set_rows(scope)?;
                let last = set.pop_if(|row| *row as u64 + 1 == flags.rows());
                terminated |= last.is_some() && is_termination;
                to.flags_within += set.len();
            }
        }
        // The group ends here, whatever the flags say.
        let end = to.rows - 1;
        let (terminals, timeouts) = (
            to.terminals.get_or_insert_default(),
            to.timeouts.get_or_insert_default(),
        );
        let flags = if terminated { terminals } else { timeouts };
        flags.push(end);
        Ok(())
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

/// The row after the last of every episode, from the first rows of all but the first episode.
fn splits(scope: &Scope<'_>, key: &str, starts: &[f64], steps: usize) -> Result<Vec<usize>, ReadError> {
    let mut ends = Vec::with_capacity(starts.len() + 1);
    let mut last = 0;
    for (row, &value) in starts.iter().enumerate() {
        // As NaN fails it too.
        if !(value > last as f64 && value < steps as f64 && value.fract() == 0.0) {
            return Err(ReadError::Value {
                key: scope.place(key),
                row,
                column: 0,
                value,
                expected: "the number of an episode's first row, above the one before it",
            });
        }
        last = value as usize;
        ends.push(last);
    }
    ends.push(steps);
    Ok(ends)
}

/// Drops the observation after the last action of every episode.
fn drop_last_observations(values: &mut Vec<f32>, start: usize, width: usize, ends: &[usize]) {
    let (mut from, mut to, mut row) = (start, start, 0);
    for &end in ends {
        let length = (end - row) * width;
        values.copy_within(from..from + length, to);
        (from, to, row) = (from + length + width, to + length, end);
    }
    values.truncate(to);
}
