//! A whole page: the shell around its content, and the headers it is sent with.

use axum::{Router, body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use crate::{
    assets::{File, Files},
    nav::{Link, Nav},
};

/// What a browser may do for a page: run and show what this server serves as files, and talk to this server. No inline
/// script, no inline style, no frames.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The content of a page.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    path: String,
    module: Option<&'static str>,
    main: Markup,
    status: StatusCode,
}

impl Page {
    /// `path` is where it is: the entry of the navigation that leads there is marked.
    pub fn new(title: impl Into<String>, path: impl Into<String>, main: Markup) -> Self {
        Self { title: title.into(), path: path.into(), module: None, main, status: StatusCode::OK }
    }

    /// The module that keeps it up to date: the name of one of the shell's files.
    #[must_use]
    pub fn with_module(mut self, name: &'static str) -> Self {
        self.module = Some(name);
        self
    }

    /// Another status than 200.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

/// What is around the pages of one base.
#[derive(Clone, Debug)]
pub struct Shell {
    base: String,
    files: Files,
}

impl Shell {
    /// For the pages of `base`, such as `/p/orders`, with these files of their own.
    pub fn new(base: impl Into<String>, own: &[File]) -> Self {
        Self { base: base.into(), files: Files::new(own) }
    }

    /// Serves style and modules; relative to the base.
    pub fn assets(&self) -> Router {
        self.files.router()
    }

    /// A page as an answer.
    pub fn page(&self, nav: &Nav, page: &Page) -> Response {
        let mut response = Response::new(Body::from(self.render(nav, page).into_string()));
        *response.status_mut() = page.status;
        let headers = response.headers_mut();
        let mut set = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
        set(header::CONTENT_TYPE, "text/html; charset=utf-8");
        set(header::CACHE_CONTROL, "no-store");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        // Not `no-referrer`: browsers would then hide the origin of our own forms, too.
        set(header::REFERRER_POLICY, "same-origin");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }

    fn render(&self, nav: &Nav, page: &Page) -> Markup {
        let file = |name: &str| format!("{}/ui/{}/{name}", self.base, self.files.version());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (page.title) " · Buntime" }
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href=(file("icon.svg"));
                    link rel="stylesheet" href=(file("ui.css"));
                    link rel="stylesheet" href=(file("parts.css"));
                    // Not a module: it must know the theme before anything is painted.
                    script src=(file("theme.js")) {}
                    script type="module" src=(file("shell.js")) {}
                    @if let Some(module) = page.module { script type="module" src=(file(module)) {} }
                }
                body data-base=(self.base) data-session=[nav.session.as_deref()] {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { "Buntime" }
                        button #theme type="button" hidden { "Theme: automatic" }
                        @if let Some(session) = &nav.session {
                            a #sign-in href=(session) hidden { "Sign in" }
                            button #sign-out type="button" hidden { "Sign out" }
                        }
                    }
                    nav.side aria-label="Pages" {
                        ul { @for link in &nav.links { (entry(link, &page.path)) } }
                    }
                    main #main tabindex="-1" {
                        h1 { (page.title) }
                        @if page.module.is_some() {
                            noscript { p.note.warn { "This page needs JavaScript to show what changes." } }
                            p #connection .note.warn role="status" hidden {}
                        }
                        (page.main)
                    }
                    div #toasts role="status" aria-live="polite" {}
                }
            }
        }
    }
}

fn entry(link: &Link, path: &str) -> Markup {
    let current = (link.path == path).then_some("page");
    html! { li { a href=(link.path) aria-current=[current] { (link.title) } } }
}
