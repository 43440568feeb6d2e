//! The hook set: counts an exchange in when it begins and out when it has ended. Changes nothing, waits for nothing.

use std::sync::Arc;

use axum::extract::MatchedPath;
use buntime_core::{Completion, Cx, Hooks, Http, Pre, Stages, Step};

use crate::{Requests, analytics::Analytics, requests::UNMATCHED};

/// Counts exchanges.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) requests: Arc<Requests>,
    /// If they are on.
    pub(crate) analytics: Option<Arc<Analytics>>,
}

impl Hooks<Http> for Observer {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::COMPLETE
    }

    fn pre<'a>(&'a self, _: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        self.requests.begin();
        Step::ready(Pre::Continue)
    }

    fn complete(&self, cx: &mut Cx<Http>, end: &Completion) -> Step<'static, ()> {
        let head = cx.request();
        // The path itself is never a label: anybody could make up any number of them.
        let route = match cx.route() {
            Some(matched) => Some(&*matched.label),
            None => head.extensions.get::<MatchedPath>().map(MatchedPath::as_str),
        };
        self.requests.end(route, &head.method, end);
        if let Some(analytics) = &self.analytics {
            analytics.tally.count(route.unwrap_or(UNMATCHED), cx.consumer(), end);
        }
        Step::ready(())
    }
}
