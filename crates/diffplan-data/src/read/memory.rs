//! How much memory reading may take. It is asked before anything is read, so that a file that is too large, or that claims
//! to be, ends in an error rather than in the operating system's hands.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::ReadError;

/// Bytes that may be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// None where the machine does not say.
    available: Option<u64>,
    given: bool,
}

impl Budget {
    /// What is given; without that, what is free: the machine's memory or what a control group leaves of it.
    pub(super) fn new(given: Option<u64>) -> Self {
        Self {
            available: given.or_else(free),
            given: given.is_some(),
        }
    }

    /// # Errors
    /// [`ReadError::Memory`].
    pub(super) fn check(self, needed: u64) -> Result<(), ReadError> {
        match self.available {
            Some(available) if needed > available => Err(ReadError::Memory {
                needed,
                available,
                given: self.given,
            }),
            _ => Ok(()),
        }
    }

    /// The most that one array may take.
    pub(super) fn limit(self) -> usize {
        self.available
            .map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

/// Whether there is memory for so many bytes more.
///
/// # Errors
/// [`ReadError::Memory`].
pub fn check_memory(needed: u64) -> Result<(), ReadError> {
    Budget::new(None).check(needed)
}

fn free() -> Option<u64> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    // Also keeps off `cgroup_limits`, which panics where the machine's memory is not known.
    if system.total_memory() == 0 {
        return None;
    }
    // Of a control group's use, its anonymous memory counts: the rest is cache, which gives way.
    let group = system
        .cgroup_limits()
        .map(|group| group.total_memory.saturating_sub(group.rss));
    Some(system.available_memory().min(group.unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_some_memory_and_not_all_of_it() {
        let budget = Budget::new(None);
        assert!(budget.check(1).is_ok());
        if budget.available.is_some() {
            let message = budget.check(u64::MAX).unwrap_err().to_string();
            assert!(message.ends_with("are available"), "{message}");
        }
        assert_eq!(
            Budget::new(Some(10)).check(11).unwrap_err().to_string(),
            "reading takes 11 bytes, but 10 bytes are allowed"
        );
    }
}
