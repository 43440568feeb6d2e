//! The handler: the path rewritten, the request forwarded, HTML edited on its way back.

use buntime_core::{Cx, Error, ErrorKind, Handler, Http, HttpResponse, Step};

use crate::rule::Rule;

impl Handler<Http> for Rule {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        Step::later(self.answer(cx))
    }

    fn keeps_time(&self) -> bool {
        true
    }
}

impl Rule {
    async fn answer(&self, cx: &mut Cx<Http>) -> Result<HttpResponse, Error> {
        let path = self.upstream_path(&cx.request().uri).ok_or_else(|| {
            Error::new(ErrorKind::Malformed)
                .with_detail("The path cannot be rewritten to one the upstream may be asked for")
        })?;
        let mut response = self.forward.send(&self.leads, cx, path).await?;
        if let Some(edits) = &self.draft.html {
            response.body = edits.apply(&cx.request().method, &mut response.head, response.body);
        }
        Ok(response)
    }
}
