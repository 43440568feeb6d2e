//! The hook set: sends to the shell what is its, and says what answers depend on.
//!
//! It only chooses who answers: limits, authentication and authorization apply to the shell as to everything.

use buntime_core::{Cx, Hooks, Http, Post, Pre, Stages, Step};
use http::{HeaderValue, header};

use super::{IsShells, Shell, judge};

/// What answers of candidates depend on: what is given for a frame must not be shown as a page.
const VARY: HeaderValue = HeaderValue::from_static("Sec-Fetch-Dest, Accept, Cookie");

/// See the module.
pub(crate) struct ShellHooks(pub(crate) Shell);

/// Might the answer have been the shell's?
#[derive(Default)]
struct Varies(bool);

impl Hooks<Http> for ShellHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let head = cx.request();
        if judge::concerns(head) {
            let is_shells =
                judge::is_shells(head, cx.route().is_some_and(|route| route.is_somebodys()), &self.0.excludes);
            cx.slot::<Varies>().0 = true;
            if is_shells {
                cx.insert(IsShells);
                cx.set_handler(self.0.handler.clone());
            }
        }
        Step::ready(Pre::Continue)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        if cx.slot::<Varies>().0
            && let Some(response) = cx.response_mut()
        {
            response.headers.append(header::VARY, VARY);
        }
        Step::ready(Post::Continue)
    }
}
