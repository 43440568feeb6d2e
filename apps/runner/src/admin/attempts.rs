//! Who has guessed wrong too often must wait: after some free tries each further one doubles the pause.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Wrong tokens without a pause.
const FREE: u32 = 10;
const LONGEST: Duration = Duration::from_secs(60);
/// After so long without a wrong token all is forgotten.
const MEMORY: Duration = Duration::from_secs(600);
/// Addresses remembered; past it the one that has been quiet longest is forgotten.
const MOST: usize = 4096;

struct Wrong {
    count: u32,
    last: Instant,
}

impl Wrong {
    fn pause(&self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(6)).min(LONGEST),
        }
    }
}

/// Wrong tokens by address.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<IpAddr, Wrong>>);

impl Attempts {
    /// May this address try a token now? If not: how long it must wait.
    pub(crate) fn admit(&self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        let wrong = self.lock();
        let Some(wrong) = wrong.get(&network(ip)) else { return Ok(()) };
        let left = (wrong.last + wrong.pause()).saturating_duration_since(now);
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// It was wrong.
    pub(crate) fn failed(&self, ip: IpAddr, now: Instant) {
        let mut all = self.lock();
        let ip = network(ip);
        if !all.contains_key(&ip) && all.len() >= MOST {
            all.retain(|_, wrong| now.duration_since(wrong.last) < MEMORY);
            if all.len() >= MOST
                && let Some(oldest) = all.iter().min_by_key(|(_, wrong)| wrong.last).map(|(ip, _)| *ip)
            {
                all.remove(&oldest);
            }
        }
        let wrong = all.entry(ip).or_insert(Wrong { count: 0, last: now });
        if now.duration_since(wrong.last) >= MEMORY {
            wrong.count = 0;
        }
        wrong.count = wrong.count.saturating_add(1);
        wrong.last = now;
    }

    /// It was right.
    pub(crate) fn succeeded(&self, ip: IpAddr) {
        let mut all = self.lock();
        if !all.is_empty() {
            all.remove(&network(ip));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Wrong>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One household has a whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_forgotten() {
        let (attempts, begin, ip) = (Attempts::default(), Instant::now(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..FREE - 1 {
            attempts.failed(ip, begin);
        }
        assert_eq!(attempts.admit(ip, begin), Ok(()));
        attempts.failed(ip, begin);
        assert_eq!(attempts.admit(ip, begin), Err(Duration::from_secs(1)));
        attempts.failed(ip, begin);
        assert_eq!(attempts.admit(ip, begin), Err(Duration::from_secs(2)));
        assert_eq!(attempts.admit(ip, begin + Duration::from_secs(2)), Ok(()));
        assert_eq!(attempts.admit(IpAddr::from([192, 0, 2, 2]), begin), Ok(()));
        attempts.failed(ip, begin + MEMORY);
        assert_eq!(attempts.admit(ip, begin + MEMORY), Ok(()), "forgotten");
        for _ in 0..100 {
            attempts.failed(ip, begin);
        }
        assert_eq!(attempts.admit(ip, begin), Err(LONGEST));
        attempts.succeeded(ip);
        assert_eq!(attempts.admit(ip, begin), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_v6_counts_by_network() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..(MOST as u32 + 10) {
            attempts.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(attempts.lock().len(), MOST);
        let (a, b): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        for _ in 0..FREE {
            attempts.failed(a, now);
        }
        assert!(attempts.admit(b, now).is_err());
    }
}
