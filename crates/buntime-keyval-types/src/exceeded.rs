//! What is too large or too many, and how that is said.

use std::fmt;

/// What is too large or too many. In Deno's words where Deno has the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which limit.
    pub what: What,
    /// The most that is allowed.
    pub most: usize,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Bytes of a key that is written.
    WrittenKey,
    /// Bytes of a bound that is read.
    ReadKey,
    /// Bytes of a value.
    Value,
    /// Bytes of a message.
    Payload,
    /// Ranges of a read.
    Ranges,
    /// Entries of a read.
    Entries,
    /// Checks of an atomic write.
    Checks,
    /// Mutations and messages of an atomic write.
    Mutations,
    /// Bytes of all in an atomic write.
    Total,
    /// Bytes of all keys in an atomic write.
    TotalKeys,
    /// Keys of a watch.
    WatchedKeys,
    /// Milliseconds of a message's delay.
    Delay,
    /// Steps of a message's backoff.
    BackoffSteps,
    /// Milliseconds of such a step.
    Backoff,
    /// Keys a message is written to if it is not delivered.
    UndeliveredKeys,
    /// Characters of a queue's name or a deduplication key.
    Name,
    /// Watches at once.
    Watches,
    /// Bytes of a search.
    Query,
    /// Fields of an index.
    Fields,
    /// Indexes of a namespace.
    Indexes,
    /// Bytes of a request.
    Body,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::WrittenKey,
        Self::ReadKey,
        Self::Value,
        Self::Payload,
        Self::Ranges,
        Self::Entries,
        Self::Checks,
        Self::Mutations,
        Self::Total,
        Self::TotalKeys,
        Self::WatchedKeys,
        Self::Delay,
        Self::BackoffSteps,
        Self::Backoff,
        Self::UndeliveredKeys,
        Self::Name,
        Self::Watches,
        Self::Query,
        Self::Fields,
        Self::Indexes,
        Self::Body,
    ];
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most;
        match self.what {
            What::WrittenKey => write!(f, "Key too large for write (max {most} bytes)"),
            What::ReadKey => write!(f, "Key too large for read (max {most} bytes)"),
            What::Value => write!(f, "Value too large (max {most} bytes)"),
            What::Payload => write!(f, "enqueue payload too large (max {most} bytes)"),
            What::Ranges => write!(f, "Too many ranges (max {most})"),
            What::Entries => write!(f, "Too many entries (max {most})"),
            What::Checks => write!(f, "Too many checks (max {most})"),
            What::Mutations => write!(f, "Too many mutations (max {most})"),
            What::Total => write!(f, "Total mutation size too large (max {most} bytes)"),
            What::TotalKeys => write!(f, "Total key size too large (max {most} bytes)"),
            What::WatchedKeys => write!(f, "Too many keys (max {most})"),
            What::Delay => write!(f, "delay cannot be greater than {most} milliseconds"),
            What::BackoffSteps => write!(f, "invalid backoffSchedule, max {most} intervals"),
            What::Backoff => write!(f, "invalid backoffSchedule, interval at most {most} milliseconds"),
            What::UndeliveredKeys => write!(f, "Too many keysIfUndelivered (max {most})"),
            What::Name => write!(f, "Name too long (max {most} characters)"),
            What::Watches => write!(f, "Too many watches (max {most})"),
            What::Query => write!(f, "Query too large (max {most} bytes)"),
            What::Fields => write!(f, "Too many fields (max {most})"),
            What::Indexes => write!(f, "Too many indexes (max {most})"),
            What::Body => write!(f, "The body is too large (max {most} bytes)"),
        }
    }
}

impl Exceeded {
    /// The limit that these words are of, whatever is said before them. `None`: they are of none.
    pub fn read(words: &str) -> Option<Self> {
        let most = words.split(|c: char| !c.is_ascii_digit()).rfind(|digits| !digits.is_empty())?.parse().ok()?;
        let mut all = What::ALL.into_iter().map(|what| Self { what, most });
        all.find(|exceeded| words.ends_with(&exceeded.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_said() {
        for what in What::ALL {
            let exceeded = Exceeded { what, most: 2048 };
            assert_eq!(Exceeded::read(&exceeded.to_string()), Some(exceeded));
            assert_eq!(Exceeded::read(&format!("Invalid mutation at index 7: {exceeded}")), Some(exceeded));
        }
        for other in ["", "Too many", "Too many ghosts (max 10)", "Too many keys (max 99999999999999999999)"] {
            assert_eq!(Exceeded::read(other), None, "{other}");
        }
    }
}
