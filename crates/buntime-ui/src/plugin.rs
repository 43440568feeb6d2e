//! The page of a plugin: at the root of its base, its files below `/ui`, and an entry in the navigation.

use std::{fmt, sync::Arc};

use axum::{Router, routing::get};
use buntime_core::{Access, Menu, Startup};
use maud::Markup;

use crate::{
    assets::File,
    nav::{Nav, Runtime},
    page::{Page, Shell},
};

/// What a plugin gives.
pub struct PluginPage {
    title: &'static str,
    module: File,
    files: Vec<File>,
    content: Box<dyn Fn() -> Markup + Send + Sync>,
    priority: i32,
}

impl PluginPage {
    /// `module` keeps up to date what `content` renders.
    pub fn new(title: &'static str, module: File, content: impl Fn() -> Markup + Send + Sync + 'static) -> Self {
        Self { title, module, files: Vec::new(), content: Box::new(content), priority: 100 }
    }

    /// Its place in the navigation: lower stands higher. 100 unless this is said.
    #[must_use]
    pub fn at(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Another file that the module imports.
    #[must_use]
    pub fn with_file(mut self, file: File) -> Self {
        self.files.push(file);
        self
    }
}

impl fmt::Debug for PluginPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginPage").field("title", &self.title).finish_non_exhaustive()
    }
}

/// Offers a page. `access` says who may see it; the requests that its module makes are judged by the API they go to.
/// Needs `routes`.
pub fn register(startup: &mut Startup, access: Access, page: PluginPage) {
    let context = startup.context();
    let path = format!("{}/", context.base());
    let files: Vec<File> = page.files.iter().copied().chain([page.module]).collect();
    let shell = Shell::new(context.base(), &files);
    startup.menu(Menu { title: page.title.to_owned(), path: path.clone(), icon: None, priority: page.priority });
    startup.routes(Access::Public, shell.assets());
    let page = Arc::new(page);
    let show = move || {
        let runtime = context.service::<Runtime>();
        let nav = Nav::of(runtime.as_deref(), &context.host().plugins());
        let content = Page::new(page.title, &*path, (page.content)()).with_module(page.module.name());
        let response = shell.page(&nav, &content);
        async move { response }
    };
    startup.ui(access, Router::new().route("/", get(show)));
}
