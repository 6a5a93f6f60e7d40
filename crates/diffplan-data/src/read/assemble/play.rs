//! What was planned is read: a block of rows after the other.

use super::ends::FoundEnds;
use super::{Part, Plan, PlannedEnds};
use crate::read::ReadError;
use crate::read::buffers::Buffers;
use crate::read::map::{Episodes, Rewards, Steps, fill};
use crate::read::origin::Origin;
use crate::read::tree::{Scope, Tree};

/// What is shown the buffers whenever there are some rows more in them.
pub(in crate::read) type Each<'a> = &'a mut dyn FnMut(&mut Buffers) -> Result<(), ReadError>;

impl Plan {
    /// Reads everything, and shows the buffers to `each` whenever there are some rows more in them. `file` is its name where it is one of
    /// several.
    pub(in crate::read) fn read(
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
