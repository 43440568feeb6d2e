//! Taking messages out of a queue, for a while.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use buntime_database::{Next, Outcome, Plan, Row, Statement, args};

use super::{
    Delivery,
    bury::{Burial, Step},
    check_lease, stored,
};
use crate::{
    Error, MOST_PRIORITY, Result, Value,
    engine::{
        Namespace,
        clock::Moment,
        hub::Hub,
        index::Hold,
        news::News,
        refusal::{Refusal, own},
        row::{signed, unsigned},
        trigger::Triggers,
        write::{tick, ticked},
    },
};

/// Messages of one lease.
const MOST: usize = 1000;
/// Bytes of them, or one more: as JSON they may take six times that, and whoever asks takes an answer of so many.
const BYTES: usize = 8 << 20;
/// Why a message is dead whose consumers never said how it went.
const UNFINISHED: &str = "no consumer finished it in time";

impl Namespace {
    /// Leases messages that are ready now, at most so many, and no more than about 8 MiB of them: the highest priority
    /// first, then the longest ready.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a lease that is none or too long; the database's.
    pub async fn lease(&self, queue: &str, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        // A look costs no commit.
        if self.next_ready(queue).await?.is_none_or(|at| at > self.engine.clock.now()) {
            return Ok(Vec::new());
        }
        // Held until it is done.
        let wanted = Arc::new(());
        self.lease_while(queue, most, lease, Arc::downgrade(&wanted)).await
    }

    /// Leases nothing if nobody has `wanted` any more when it is its turn.
    pub(super) async fn lease_while(
        &self,
        queue: &str,
        most: usize,
        lease: Duration,
        wanted: Weak<()>,
    ) -> Result<Vec<Delivery>> {
        let (lease, mut most) = (check_lease(lease)?, most.clamp(1, MOST));
        loop {
            let plan = Arc::new(LeasePlan {
                ns: self.id,
                queue: queue.to_owned(),
                most,
                moment: Moment::of(&self.engine.clock),
                lease,
                wanted: wanted.clone(),
                token: uuid::Uuid::new_v4().to_string(),
                index: Hold::new(self.id, &self.declared),
                hub: self.engine.hub.clone(),
                triggers: self.engine.triggers.clone(),
            });
            let done = match self.engine.database.planned(Arc::<LeasePlan>::clone(&plan)).await.map_err(own) {
                Err(Error::TooBig) if most > 1 => {
                    most /= 2;
                    continue;
                }
                done => done?,
            };
            let Some(found) = done.outcomes.first().filter(|_| done.committed) else { return Ok(Vec::new()) };
            return taken(found)?.into_iter().map(|found| plan.delivery(found)).collect();
        }
    }
}

#[derive(Debug)]
struct LeasePlan {
    ns: i64,
    queue: String,
    most: usize,
    moment: Moment,
    /// Milliseconds.
    lease: u64,
    wanted: Weak<()>,
    /// Of all that it leases.
    token: String,
    index: Hold,
    hub: Arc<Hub>,
    triggers: Arc<Triggers>,
}

/// A message as it lies in its table.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) queue: String,
    pub(super) payload: Vec<u8>,
    pub(super) encoding: i64,
    pub(super) attempts: i64,
    pub(super) backoff: String,
    pub(super) undelivered: Vec<u8>,
    pub(super) created_at: i64,
    pub(super) priority: i64,
}

pub(super) const FOUND: &str = "id, queue, payload, encoding, attempts, backoff, undelivered, created_at, priority";

impl Found {
    pub(super) fn read(row: Row<'_>) -> buntime_database::Result<Self> {
        Ok(Self {
            id: row.at(0)?,
            queue: row.at(1)?,
            payload: row.at(2)?,
            encoding: row.at(3)?,
            attempts: row.at(4)?,
            backoff: row.at(5)?,
            undelivered: row.at(6)?,
            created_at: row.at(7)?,
            priority: row.at(8)?,
        })
    }

    pub(super) fn tries(&self) -> i64 {
        tries(&self.backoff)
    }

    /// Was every try made?
    pub(super) fn spent(&self) -> bool {
        self.attempts >= self.tries()
    }
}

/// Is one of them to be put aside?
fn any_spent(found: &Outcome) -> bool {
    let spent = |row: Row<'_>| {
        let (attempts, backoff) = (row.at::<i64>(4).ok()?, row.at::<String>(5).ok()?);
        Some(attempts >= tries(&backoff))
    };
    found.rows.iter().any(|row| spent(row).unwrap_or(false))
}

/// Those that are leased: that are not spent, in their order, as many as fit into one lease.
fn taken(found: &Outcome) -> buntime_database::Result<Vec<Found>> {
    let (mut taken, mut bytes) = (Vec::with_capacity(found.rows.len()), 0);
    for row in found.rows.iter() {
        let found = Found::read(row)?;
        if found.spent() {
            continue;
        }
        if bytes >= BYTES {
            break;
        }
        bytes += found.payload.len();
        taken.push(found);
    }
    Ok(taken)
}

/// Those that are to be put aside.
fn spent(found: &Outcome) -> buntime_database::Result<Vec<Found>> {
    let mut all = found.rows.iter().map(Found::read).collect::<buntime_database::Result<Vec<_>>>()?;
    all.retain(Found::spent);
    Ok(all)
}

fn tries(backoff: &str) -> i64 {
    signed(stored::read_backoff(backoff).len() as u64 + 1)
}

impl LeasePlan {
    fn until(&self) -> u64 {
        self.moment.now().saturating_add(self.lease)
    }

    /// Of what it did.
    fn news(&self, done: &[Outcome]) -> News {
        let (Some(found), Some(clock)) = (done.first().filter(|found| any_spent(found)), done.get(1)) else {
            return News::default();
        };
        let keys = spent(found).unwrap_or_default().into_iter().flat_map(|found| stored::read_keys(&found.undelivered));
        News { keys: keys.map(|key| (self.ns, key)).collect(), ..News::of(ticked(clock)) }
    }

    fn find(&self) -> Statement {
        let of = |priority| {
            format!(
                "SELECT * FROM (SELECT {FOUND}, ready_at, seq FROM kv_messages WHERE ns = ?1 AND queue = ?2 \
                 AND priority = {priority} AND ready_at <= ?3 ORDER BY ready_at, seq LIMIT ?4) AS p{priority}"
            )
        };
        let all: Vec<String> = (0..=MOST_PRIORITY).map(of).collect();
        let sql = format!(
            "SELECT {FOUND} FROM ({}) AS ready ORDER BY priority DESC, ready_at, seq, id LIMIT ?4",
            all.join(" UNION ALL ")
        );
        Statement::new(sql, args![self.ns, self.queue.as_str(), signed(self.moment.now()), signed(self.most as u64)])
    }

    /// What [`taken`] says is the consumer's.
    fn take(&self, found: &Outcome) -> buntime_database::Result<Vec<Statement>> {
        let take = "UPDATE kv_messages SET lease = ?2, ready_at = ?3, attempts = attempts + 1 WHERE id = ?1";
        let until = signed(self.until());
        let take = |found: Found| Statement::new(take, args![found.id, self.token.as_str(), until]);
        Ok(taken(found)?.into_iter().map(take).collect())
    }

    fn burial<'a>(&'a self, spent: &'a [&'a Found]) -> Burial<'a> {
        Burial { ns: self.ns, now: self.moment.now(), index: &self.index, reason: UNFINISHED, all: spent }
    }

    /// The same where some are spent.
    fn bury(&self, found: &Outcome, clock: &Outcome, since: &[Outcome], news: &News) -> Result<Next> {
        let spent = spent(found)?;
        Ok(match self.burial(&spent.iter().collect::<Vec<_>>()).next(clock, since)? {
            Step::Look(statements) => Next::Run(statements),
            Step::Write(buries) => {
                let mut statements = self.take(found)?;
                statements.extend(buries);
                statements.extend(self.hub.saying(news));
                Next::Run(statements)
            }
            Step::Done => Next::Commit,
        })
    }

    fn delivery(&self, found: Found) -> Result<Delivery> {
        let tries = found.tries();
        Ok(Delivery {
            payload: Value::from_parts(found.encoding, found.payload)?,
            id: found.id,
            queue: found.queue,
            attempts: u32::try_from(found.attempts + 1).unwrap_or(u32::MAX),
            tries: u32::try_from(tries).unwrap_or(u32::MAX),
            lease: self.token.clone(),
            leased_until: self.until(),
            created_at: unsigned(found.created_at),
            priority: u8::try_from(found.priority).unwrap_or(MOST_PRIORITY),
        })
    }
}

impl Plan for LeasePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        self.moment.of_try(done);
        match done {
            [] if self.wanted.strong_count() == 0 => Ok(Next::Abandon),
            [] => Ok(Next::Run(vec![self.find()])),
            [found] if found.rows.is_empty() => Ok(Next::Abandon),
            // A dead letter may change entries.
            [found] if any_spent(found) => Ok(Next::Run(vec![tick()])),
            [found, clock, since @ ..] if any_spent(found) => {
                self.bury(found, clock, since, &self.news(done)).map_err(Refusal::write)
            }
            [found] => Ok(Next::Finish(self.take(found)?)),
            _ => Ok(Next::Commit),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        let news = self.news(done);
        self.hub.committed(&news);
        if let (Some(_), [found, clock, since @ ..]) = (news.version, done) {
            let spent = spent(found).unwrap_or_default();
            self.burial(&spent.iter().collect::<Vec<_>>()).tell(clock, since, &self.triggers);
        }
    }
}
