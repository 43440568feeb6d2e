//! The hook set that looks at how requests end.

use std::{sync::Arc, time::Instant};

use buntime_core::{Completion, Cx, Hooks, Http, Stages, Step};

use super::{ring::Line, tally::micros};
use crate::{
    config::Logged,
    desk::{Desk, Refusal},
    limits::time::Anchor,
};

/// See the module.
pub(crate) struct LogHooks {
    pub(crate) desk: Arc<Desk>,
    pub(crate) which: Logged,
    pub(crate) anchor: Anchor,
}

impl LogHooks {
    fn wants(&self, status: u16) -> bool {
        match self.which {
            Logged::All => true,
            Logged::Errors => status >= 400,
            Logged::Limited | Logged::None => false,
        }
    }

    fn remember(&self, cx: &Cx<Http>, end: &Completion) {
        let (meta, head) = (cx.meta(), cx.request());
        let ended = meta.started.checked_add(end.total).unwrap_or_else(Instant::now);
        self.desk.seen.push(&Line {
            ended: self.anchor.at(ended),
            micros: micros(end.to_head),
            status: end.status,
            ip: meta.client_ip,
            method: head.method.as_str(),
            path: head.uri.path(),
            request_id: meta.request_id_str(),
            route: cx.route().map_or("", |route| &route.label),
            consumer: cx.consumer().map_or("", |name| name),
        });
    }
}

impl Hooks<Http> for LogHooks {
    fn stages(&self) -> Stages {
        Stages::COMPLETE
    }

    fn complete(&self, cx: &mut Cx<Http>, end: &Completion) -> Step<'static, ()> {
        self.desk.tally.count(end.status, end.to_head);
        match cx.get::<Arc<Refusal>>() {
            // It is remembered already.
            Some(refusal) => refusal.ended(end.status, end.to_head),
            None if self.wants(end.status) => self.remember(cx, end),
            None => {}
        }
        Step::ready(())
    }
}
