//! One fetch for all who ask for the same: the first leads, others wait until what it brings is stored, or until they may
//! or must go on their own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// How a fetch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pending,
    /// It is stored: look again.
    Stored,
    /// It cannot be stored, or failed: everybody on their own.
    Apart,
    /// Its client has gone: somebody else may lead.
    Gone,
}

/// Fetches under way, by a number of what they fetch. As many at most as there are requests.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<u64, Arc<watch::Sender<Outcome>>>>);

/// What somebody who wants to fetch is to do.
#[derive(Debug)]
pub(crate) enum Place {
    Lead(Lead),
    Follow(watch::Receiver<Outcome>),
    /// Too many wait already.
    Full,
}

/// Who fetches for all.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Arc<Flights>,
    number: u64,
    sender: Arc<watch::Sender<Outcome>>,
    outcome: Outcome,
}

impl Flights {
    /// Leads if nobody does.
    pub(crate) fn join(self: &Arc<Self>, number: u64, most: usize) -> Place {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = flights.get(&number) {
            return if sender.receiver_count() < most { Place::Follow(sender.subscribe()) } else { Place::Full };
        }
        let sender = Arc::new(watch::Sender::new(Outcome::Pending));
        flights.insert(number, sender.clone());
        Place::Lead(Lead { flights: self.clone(), number, sender, outcome: Outcome::Gone })
    }

    /// Leads if nobody does, and does not wait otherwise.
    pub(crate) fn lead(self: &Arc<Self>, number: u64) -> Option<Lead> {
        match self.join(number, 0) {
            Place::Lead(lead) => Some(lead),
            Place::Follow(_) | Place::Full => None,
        }
    }
}

impl Lead {
    /// It is over.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        self.sender.send_replace(self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_leads_some_follow_and_all_are_told() {
        let flights = Arc::new(Flights::default());
        let Place::Lead(lead) = flights.join(1, 2) else { panic!("nobody led") };
        let Place::Follow(mut first) = flights.join(1, 2) else { panic!("somebody led") };
        let Place::Follow(mut second) = flights.join(1, 2) else { panic!("somebody led") };
        assert!(matches!(flights.join(1, 2), Place::Full));
        assert!(flights.lead(1).is_none() && flights.lead(2).is_some());
        lead.end(Outcome::Stored);
        for follower in [&mut first, &mut second] {
            assert_eq!(*follower.wait_for(|outcome| *outcome != Outcome::Pending).await.unwrap(), Outcome::Stored);
        }
        let next = flights.lead(1).expect("it is over");
        let Place::Follow(mut third) = flights.join(1, 2) else { panic!("somebody led") };
        drop(next);
        assert_eq!(*third.wait_for(|outcome| *outcome != Outcome::Pending).await.unwrap(), Outcome::Gone);
        assert!(flights.0.lock().unwrap().is_empty());
    }
}
