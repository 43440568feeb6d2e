//! The navigation: what the runtime has, and what the plugins that run have put there.

use buntime_core::{Menu, host::report::PluginReport};

/// Where somebody may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is called.
    pub title: String,
    /// Where it leads: a path of this server.
    pub path: String,
}

impl Link {
    /// A link.
    pub fn new(title: impl Into<String>, path: impl Into<String>) -> Self {
        Self { title: title.into(), path: path.into() }
    }
}

/// What the program around the plugins has of its own: a service of the host, if there is such a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Before the plugins' entries.
    pub first: Vec<Link>,
    /// Behind them.
    pub last: Vec<Link>,
    /// Where one signs in (`GET` as a page) and out (`DELETE`), if one can.
    pub session: Option<String>,
}

/// The navigation of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nav {
    /// In order.
    pub links: Vec<Link>,
    /// See [`Runtime::session`].
    pub session: Option<String>,
}

impl Nav {
    /// What the runtime has, and the menus of these plugins by priority, then title.
    pub fn of(runtime: Option<&Runtime>, plugins: &[PluginReport]) -> Self {
        let mut menus: Vec<&Menu> = plugins.iter().flat_map(|plugin| &plugin.menus).collect();
        menus.sort_by(|a, b| (a.priority, &a.title).cmp(&(b.priority, &b.title)));
        let of_plugins = menus.into_iter().map(|menu| Link::new(&*menu.title, &*menu.path));
        let (first, last) = runtime.map(|runtime| (&*runtime.first, &*runtime.last)).unwrap_or_default();
        Self {
            links: first.iter().cloned().chain(of_plugins).chain(last.iter().cloned()).collect(),
            session: runtime.and_then(|runtime| runtime.session.clone()),
        }
    }
}
