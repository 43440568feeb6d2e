//! Components. What a module fills has an id; what a person reads without the module is there, too.

use maud::{Markup, html};

/// A part of a page with a heading, which names it.
pub fn section(id: &str, title: &str, content: &Markup) -> Markup {
    let heading = format!("{id}-title");
    html! { section.card id=(id) aria-labelledby=(heading) { h2 id=(heading) { (title) } (content) } }
}

/// A table that a module fills; until then it says that it is loading. `caption` is for those who cannot see where it
/// stands.
pub fn table(id: &str, caption: &str, columns: &[&str]) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table id=(id) {
                caption.hidden { (caption) }
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { tr.empty { td colspan=(columns.len()) { "Loading…" } } }
            }
        }
    }
}

/// Figures side by side: each an id, what it is, and what it is now.
pub fn stats(figures: &[(&str, &str, &str)]) -> Markup {
    html! {
        dl.stats { @for (id, what, value) in figures {
            div.stat { dt { (what) } dd id=(id) { (value) } }
        } }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    /// Its class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// A word that says how something is; never by its colour alone.
pub fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// A moment, in UTC as RFC 3339; shown in the reader's zone.
pub fn time(rfc3339: &str) -> Markup {
    html! { time datetime=(rfc3339) { (rfc3339) } }
}

/// A field of a form, with the place where the module says what is wrong with it.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Of the input.
    pub name: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// What may be put in.
    pub hint: &'a str,
    /// What it begins with.
    pub value: &'a str,
    /// Must something be put in?
    pub required: bool,
}

/// One line of text.
pub fn field(form: &str, field: Field<'_>) -> Markup {
    let Field { name, label, hint, value, required } = field;
    let (id, told) = (format!("{form}-{name}"), format!("{form}-{name}-told"));
    html! {
        div.field {
            label for=(id) { (label) }
            input id=(id) name=(name) value=(value) placeholder=(hint) required[required] aria-describedby=(told)
                autocomplete="off" spellcheck="false";
            p.told id=(told) hidden {}
        }
    }
}

/// One of several words, each with what it is called.
pub fn choice(form: &str, name: &str, label: &str, options: &[(&str, &str)]) -> Markup {
    let id = format!("{form}-{name}");
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) { @for (value, shown) in options { option value=(value) { (shown) } } }
        }
    }
}

/// A place for a chart that a module draws.
pub fn chart(id: &str, title: &str) -> Markup {
    html! { figure.chart { figcaption { (title) } div id=(id) {} } }
}
