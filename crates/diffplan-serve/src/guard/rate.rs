//! [`Rate`]: how many requests an address may make.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered; of more, those that have been silent longest are forgotten.
const ADDRESSES: usize = 4096;

/// A bucket of tokens each: one is taken by a request, and so many come back a second, up to as many as it holds.
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: f64, burst: usize) -> Self {
        Self {
            per_second,
            burst: burst as f64,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token of an address.
    ///
    /// # Errors
    /// The seconds until there is one.
    pub(crate) fn take(&self, of: IpAddr) -> Result<(), u64> {
        self.take_at(network(of), Instant::now())
    }

    fn take_at(&self, of: IpAddr, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&of) {
            let silent = buckets
                .iter()
                .min_by_key(|(_, bucket)| bucket.at)
                .map(|(address, _)| *address);
            silent.map(|address| buckets.remove(&address));
        }
        let bucket = buckets.entry(of).or_insert(Bucket {
            tokens: self.burst,
            at: now,
        });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.per_second).min(self.burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - bucket.tokens) / self.per_second;
        Err(seconds.ceil().clamp(1.0, 3600.0) as u64)
    }
}

/// One who has IPv6 has 2^64 addresses as a rule: the network is who asks.
fn network(of: IpAddr) -> IpAddr {
    match of.to_canonical() {
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            IpAddr::from(segments)
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_at_once_and_so_many_a_second() {
        let rate = Rate::new(2.0, 3);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(rate.take_at(one, start), Ok(()));
        }
        assert_eq!(rate.take_at(one, start), Err(1));
        assert_eq!(rate.take_at(other, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(rate.take_at(one, later), Ok(()));
        assert_eq!(rate.take_at(one, later), Err(1));
        let slow = Rate::new(0.1, 1);
        assert_eq!(slow.take_at(one, start), Ok(()));
        assert_eq!(slow.take_at(one, start), Err(10));
    }

    #[test]
    fn memory_is_bounded_and_networks_count() {
        let rate = Rate::new(1.0, 1);
        let start = Instant::now();
        for number in 0..2 * ADDRESSES as u32 {
            let _ = rate.take_at(IpAddr::from(number.to_be_bytes()), start);
        }
        assert_eq!(rate.buckets.lock().unwrap().len(), ADDRESSES);
        let v6 = |text: &str| network(text.parse().unwrap());
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:1"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(v6("::ffff:10.0.0.1"), IpAddr::from([10, 0, 0, 1]));
    }
}
