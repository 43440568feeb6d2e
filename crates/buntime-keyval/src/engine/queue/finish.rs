//! How a delivery ends: finished, failed, or with a longer lease.

use std::{sync::Arc, time::Duration};

use buntime_database::{Next, Outcome, Plan, Statement, args};

use super::{
    Delivery, Failure,
    bury::{Burial, Step},
    check_lease,
    lease::{FOUND, Found},
    stored,
};
use crate::{
    Result,
    engine::{
        Clock, Namespace,
        clock::Moment,
        hub::Hub,
        index::Hold,
        news::News,
        refusal::{Refusal, own},
        row::signed,
        trigger::Triggers,
        write::{tick, ticked},
    },
};

/// The lease that a message must have: the one given, or any.
const LEASED: &str = "ns = ?1 AND id = ?2 AND lease IS NOT NULL AND (CAST(?3 AS TEXT) IS NULL OR lease = ?3)";
/// Messages of one look.
const LOOKED_AT: usize = 500;

impl Namespace {
    /// Finishes messages: they are gone. Says of each whether it was still the consumer's; if not, another has it, or had,
    /// or it was never there.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(&self, deliveries: &[(&str, Option<&str>)]) -> Result<Vec<bool>> {
        let sql = format!("DELETE FROM kv_messages WHERE {LEASED}");
        let delete = |(id, lease): &(&str, Option<&str>)| Statement::new(sql.as_str(), args![self.id, *id, *lease]);
        let done = self.engine.run(deliveries.iter().map(delete).collect()).await?;
        Ok(done.iter().map(|outcome| outcome.affected > 0).collect())
    }

    /// Gives a message back: it is tried again later, or is dead if that was its last try. `false`: it was not the
    /// consumer's any more, and nothing was done.
    ///
    /// # Errors
    /// The database's.
    pub async fn fail(&self, id: &str, lease: Option<&str>, failure: Failure) -> Result<bool> {
        let plan = FailPlan {
            ns: self.id,
            id: id.to_owned(),
            lease: lease.map(ToOwned::to_owned),
            failure,
            moment: Moment::of(&self.engine.clock),
            index: Hold::new(self.id, &self.declared),
            hub: self.engine.hub.clone(),
            triggers: self.engine.triggers.clone(),
        };
        Ok(self.engine.database.planned(Arc::new(plan)).await.map_err(own)?.committed)
    }

    /// Those of these messages that a consumer still has.
    ///
    /// # Errors
    /// The database's.
    pub async fn leased(&self, ids: &[String]) -> Result<Vec<String>> {
        let mut still = Vec::new();
        for some in ids.chunks(LOOKED_AT) {
            let mut args = args![self.id, signed(self.engine.clock.now())];
            args.extend(some.iter().map(|id| id.as_str().into()));
            let places: Vec<String> = (3..3 + some.len()).map(|place| format!("?{place}")).collect();
            let sql = format!(
                "SELECT id FROM kv_messages WHERE ns = ?1 AND lease IS NOT NULL AND ready_at > ?2 AND id IN ({})",
                places.join(", ")
            );
            for row in self.engine.database.query(&sql, args).await?.iter() {
                still.push(row.at(0)?);
            }
        }
        Ok(still)
    }

    /// Gives messages back as if they had not been delivered: at once, and the try does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self, deliveries: &[Delivery]) -> Result<()> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let now = self.engine.clock.now();
        let sql = format!("UPDATE kv_messages SET lease = NULL, ready_at = ?4, attempts = attempts - 1 WHERE {LEASED}");
        let back = |delivery: &Delivery| {
            Statement::new(sql.as_str(), args![self.id, delivery.id.as_str(), delivery.lease.as_str(), signed(now)])
        };
        let queues = deliveries.iter().map(|delivery| (self.id, delivery.queue.clone())).collect();
        let news = News { queues, ..News::default() };
        self.engine.run_and_tell(deliveries.iter().map(back).collect(), news).await.map(drop)
    }

    /// Keeps a message for that long from now. `false`: it was not the consumer's any more.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a lease that is none or too long; the database's.
    pub async fn extend(&self, id: &str, lease: &str, by: Duration) -> Result<bool> {
        let (id, lease, clock) = (id.to_owned(), lease.to_owned(), self.engine.clock.clone());
        let plan = ExtendPlan { ns: self.id, id, lease, by: check_lease(by)?, clock };
        let done = self.engine.database.planned(Arc::new(plan)).await?.outcomes;
        Ok(done.first().is_some_and(|extended| extended.affected > 0))
    }
}

/// The time it adds counts from its turn.
#[derive(Debug)]
struct ExtendPlan {
    ns: i64,
    id: String,
    lease: String,
    by: u64,
    clock: Clock,
}

impl Plan for ExtendPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        if !done.is_empty() {
            return Ok(Next::Commit);
        }
        let sql = format!("UPDATE kv_messages SET ready_at = ?4 WHERE {LEASED}");
        let until = signed(self.clock.now().saturating_add(self.by));
        Ok(Next::Finish(vec![Statement::new(sql, args![self.ns, self.id.as_str(), self.lease.as_str(), until])]))
    }
}

#[derive(Debug)]
struct FailPlan {
    ns: i64,
    id: String,
    lease: Option<String>,
    failure: Failure,
    moment: Moment,
    index: Hold,
    hub: Arc<Hub>,
    triggers: Arc<Triggers>,
}

impl FailPlan {
    fn dies(&self, found: &Found) -> bool {
        self.failure.last || found.spent()
    }

    fn ready_at(&self, found: &Found) -> u64 {
        let steps = stored::read_backoff(&found.backoff);
        let step = usize::try_from(found.attempts).unwrap_or(usize::MAX).saturating_sub(1);
        let scheduled = steps.get(step).or(steps.last()).copied().map_or(0, u64::from);
        self.moment.now().saturating_add(self.failure.delay.unwrap_or(scheduled))
    }

    fn burial<'a>(&'a self, all: &'a [&'a Found]) -> Burial<'a> {
        let reason = self.failure.reason.as_deref().filter(|reason| !reason.is_empty());
        let reason = reason.unwrap_or("every try failed");
        Burial { ns: self.ns, now: self.moment.now(), index: &self.index, reason, all }
    }
}

impl FailPlan {
    /// Of what it did.
    fn news(&self, done: &[Outcome]) -> Option<News> {
        let found = done.first()?.rows.first().and_then(|row| Found::read(row).ok())?;
        if self.dies(&found) {
            let keys = stored::read_keys(&found.undelivered).into_iter().map(|key| (self.ns, key));
            return Some(News { keys: keys.collect(), ..News::of(ticked(done.get(1)?)) });
        }
        Some(News { queues: [(self.ns, found.queue)].into(), ..News::default() })
    }

    /// What follows a message that is found. A dead letter may change entries.
    fn dead(&self, found: &Found, done: &[Outcome]) -> Result<Next> {
        let [_, clock, since @ ..] = done else { return Ok(Next::Run(vec![tick()])) };
        Ok(match self.burial(&[found]).next(clock, since)? {
            Step::Look(statements) => Next::Run(statements),
            Step::Write(mut statements) => {
                statements.extend(self.news(done).and_then(|news| self.hub.saying(&news)));
                Next::Run(statements)
            }
            Step::Done => Next::Commit,
        })
    }

    fn again(&self, found: &Found, done: &[Outcome]) -> Next {
        if done.len() > 1 {
            return Next::Commit;
        }
        let again = "UPDATE kv_messages SET lease = NULL, ready_at = ?2 WHERE id = ?1";
        let again = Statement::new(again, args![self.id.as_str(), signed(self.ready_at(found))]);
        let said = self.news(done).and_then(|news| self.hub.saying(&news));
        Next::Finish(std::iter::once(again).chain(said).collect())
    }
}

impl Plan for FailPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        self.moment.of_try(done);
        let Some(found) = done.first() else {
            let sql = format!("SELECT {FOUND} FROM kv_messages WHERE {LEASED}");
            let find = Statement::new(sql, args![self.ns, self.id.as_str(), self.lease.as_deref()]);
            return Ok(Next::Run(vec![find]));
        };
        let Some(found) = found.rows.first().map(Found::read).transpose()? else { return Ok(Next::Abandon) };
        match self.dies(&found) {
            true => self.dead(&found, done).map_err(Refusal::write),
            false => Ok(self.again(&found, done)),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        let Some(news) = self.news(done) else { return };
        self.hub.committed(&news);
        let found = done.first().and_then(|found| Found::read(found.rows.first()?).ok());
        if let (Some(found), Some(_), [_, clock, since @ ..]) = (found, news.version, done) {
            self.burial(&[&found]).tell(clock, since, &self.triggers);
        }
    }
}
