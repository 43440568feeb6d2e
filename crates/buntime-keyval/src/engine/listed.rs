//! Statements that are known beforehand, as a plan: so they take their turn among all that writes, and conflict with none.

use std::sync::Arc;

use buntime_database::{Next, Outcome, Plan, Statement};

use super::{Inner, hub::Hub, news::News};
use crate::Result;

#[derive(Debug)]
struct Listed {
    statements: Vec<Statement>,
    news: News,
    hub: Arc<Hub>,
}

impl Plan for Listed {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        Ok(if done.is_empty() && !self.statements.is_empty() {
            Next::Finish(self.statements.clone())
        } else {
            Next::Commit
        })
    }

    fn committed(&self, _: &[Outcome]) {
        self.hub.committed(&self.news);
    }
}

impl Inner {
    /// Runs them, all or none.
    pub(super) async fn run(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        self.run_and_tell(statements, News::default()).await
    }

    /// The same, and tells who waits.
    pub(super) async fn run_and_tell(&self, mut statements: Vec<Statement>, news: News) -> Result<Vec<Outcome>> {
        let asked = statements.len();
        if news != News::default() {
            statements.extend(self.hub.saying(&news));
        }
        let plan = Listed { statements, news, hub: self.hub.clone() };
        let mut done = self.database.planned(Arc::new(plan)).await?.outcomes;
        done.truncate(asked);
        Ok(done)
    }

    /// Runs one; how many rows did it touch?
    pub(super) async fn run_one(&self, sql: &str, args: Vec<buntime_database::Value>) -> Result<u64> {
        let done = self.run(vec![Statement::new(sql, args)]).await?;
        Ok(done.first().map_or(0, |outcome| outcome.affected))
    }
}
