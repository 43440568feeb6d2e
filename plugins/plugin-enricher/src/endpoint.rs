//! Where a call goes, and whether the operator wrote that.

use buntime_content::form;
use buntime_core::SettingsProblem;
use buntime_ssrf::TrustedOrigin;
use buntime_template::{Known, Template, View};

/// The longest URL that is made, in bytes.
const LONGEST: usize = 8 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: Template,
    /// The origin, where the operator wrote it.
    pub(crate) origin: Option<TrustedOrigin>,
    /// It begins with a value: that is a URL, and no part of one.
    whole: bool,
    query: Vec<(String, Template)>,
}

impl Endpoint {
    /// Reads it; `at` is where its call stands.
    pub(crate) fn new(
        text: &str,
        query: impl Iterator<Item = (String, Template)>,
        known: &Known,
        at: &str,
        problems: &mut Vec<SettingsProblem>,
    ) -> Option<Self> {
        let mut say = |why: String, help: &str| {
            problems.push(SettingsProblem::new(format!("{at}/endpoint"), why).with_help(help));
        };
        let url = match Template::new(text, known) {
            Ok(url) => url,
            Err(bad) => {
                say(bad.to_string(), "a URL is a template");
                return None;
            }
        };
        let begin = text.find("{{").into_iter().chain(text.find("${")).min().unwrap_or(text.len());
        let written = &text[..begin];
        let help =
            "write https://api.example.com/lookup; values go behind the host: https://api.example.com/users/{{path.2}}";
        let origin = match origin(written, begin == text.len()) {
            Some(origin) => match TrustedOrigin::new(origin) {
                Ok(origin) => Some(origin),
                Err(refused) => {
                    say(format!("this is no URL that can be called: {refused}"), help);
                    return None;
                }
            },
            None if written.is_empty() || written == "http://" || written == "https://" || written.contains("://") => {
                None
            }
            None => {
                say("this is no URL".to_owned(), help);
                return None;
            }
        };
        Some(Self { url, origin, whole: written.is_empty(), query: query.collect() })
    }

    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.url).chain(self.query.iter().map(|(_, template)| template))
    }

    /// The URL for a request; `None` when a value of it is not there, or would lead elsewhere.
    pub(crate) fn url(&self, view: &View<'_>) -> Option<String> {
        let mut url = if self.whole { self.url.text(view)?.into_owned() } else { self.url.encoded(view)? };
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let climbs =
            path.split('/').any(|step| matches!(step.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
        // What the operator wrote stands; a value must not change where it leads.
        if climbs && self.url.constant().is_none() {
            return None;
        }
        let mut added = String::new();
        for (name, template) in &self.query {
            if let Some(value) = template.text(view) {
                form::push(&mut added, name, &value);
            }
        }
        if !added.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&added);
        }
        (url.len() <= LONGEST).then_some(url)
    }
}

/// What is written of a URL, if its origin is a part of that.
fn origin(written: &str, whole: bool) -> Option<&str> {
    let (_, rest) = written.split_once("://")?;
    (whole || rest.contains(['/', '?', '#'])).then_some(written)
}
