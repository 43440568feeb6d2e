//! One rule, ready: what it looks for, and what it does then.

use std::sync::Arc;

use buntime_core::{Scope, SettingsProblem};

use crate::{
    config::{Action, On, RuleSettings},
    desk::RuleFigures,
    detector::Detector,
    keywords::Keywords,
    patterns::{self, Patterns},
    ready::{self, Check, Ready},
};

const MASK: &str = "[MASKED]";
const LONGEST_MASK: usize = 200;
const MOST_KEYWORDS: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) on: On,
    pub(crate) action: Action,
    pub(crate) detector: Detector,
    pub(crate) figures: Arc<RuleFigures>,
    /// By pattern.
    masks: Vec<Box<str>>,
    keep_last: usize,
}

/// Says what is wrong with its settings.
pub(crate) fn check(settings: &RuleSettings, pointer: &str, window: usize, problems: &mut Vec<SettingsProblem>) {
    let mut say = |at: &str, message: String, help: &str| {
        problems.push(SettingsProblem::new(format!("{pointer}{at}"), message).with_help(help));
    };
    let ways = [!settings.detect.is_empty(), !settings.keywords.is_empty(), !settings.patterns.is_empty()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        say("", "a rule looks for one kind of thing".to_owned(), "write one of `detect`, `keywords` and `patterns`");
    }
    for (index, pattern) in settings.patterns.iter().enumerate() {
        if let Some(why) = patterns::unfit(pattern, window) {
            say(&format!("/patterns/{index}"), why, "patterns run in linear time, and match at least one byte");
        }
    }
    if settings.keywords.len() > MOST_KEYWORDS {
        say("/keywords", "these are too many".to_owned(), "write at most 100000");
    }
    for (index, word) in settings.keywords.iter().enumerate() {
        if word.is_empty() || word.len() > window {
            say(
                &format!("/keywords/{index}"),
                format!("it has {} bytes", word.len()),
                "write 1 byte to as many as `window`",
            );
        }
    }
    if settings.ignore_case.is_some() && settings.keywords.is_empty() {
        say("/ignoreCase", "it is for keywords".to_owned(), "begin a pattern with (?i)");
    }
    if settings
        .mask_with
        .as_ref()
        .is_some_and(|mask| mask.len() > LONGEST_MASK || mask.contains(['"', '\\']) || mask.contains(char::is_control))
    {
        let help = "write at most 200 bytes without quotation marks, backslashes and control characters: it may stand within JSON";
        say("/maskWith", "this cannot stand in the place of a match".to_owned(), help);
    }
    if settings.keep_last.is_some_and(|count| count > 8) {
        say("/keepLast", "this is too much to be a mask".to_owned(), "write at most 8");
    }
    let redacts = settings.action.unwrap_or_default() == Action::Redact;
    for (at, said) in [("/maskWith", settings.mask_with.is_some()), ("/keepLast", settings.keep_last.is_some())] {
        if said && !redacts {
            say(at, "nothing is masked by this rule".to_owned(), "leave it out, or write `action`: \"redact\"");
        }
    }
    if problems.is_empty()
        && let Err(why) = Detector::new(settings)
    {
        problems.push(SettingsProblem::new(pointer, why).with_help("make them fewer or simpler"));
    }
}

impl Detector {
    fn new(settings: &RuleSettings) -> Result<Self, String> {
        if !settings.keywords.is_empty() {
            return Keywords::new(&settings.keywords, settings.ignore_case.unwrap_or(true)).map(Self::Keywords);
        }
        let ready = ready_of(settings);
        let ready = ready.iter().map(|ready| (ready.pattern, ready.check));
        let written = settings.patterns.iter().map(|pattern| (pattern.as_str(), Check::Nothing));
        Patterns::new(&ready.chain(written).collect::<Vec<_>>()).map(|patterns| Self::Patterns(Box::new(patterns)))
    }
}

fn ready_of(settings: &RuleSettings) -> Vec<Ready> {
    settings.detect.iter().flat_map(|detect| ready::patterns(*detect)).collect()
}

impl Rule {
    /// Reads settings that have been checked. `figures` finds those of its name.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn new(
        settings: &RuleSettings,
        index: usize,
        figures: impl FnOnce(&str) -> Arc<RuleFigures>,
    ) -> Result<Self, String> {
        let name = settings.name.clone().unwrap_or_else(|| index.to_string());
        let masks: Vec<Box<str>> = match &settings.mask_with {
            Some(mask) => vec![mask.as_str().into()],
            None => ready_of(settings).iter().map(|ready| ready.mask.into()).collect(),
        };
        Ok(Self {
            on: settings.on.unwrap_or_default(),
            action: settings.action.unwrap_or_default(),
            detector: Detector::new(settings)?,
            figures: figures(&name),
            masks,
            keep_last: usize::from(settings.keep_last.unwrap_or(0)),
            name: name.into(),
        })
    }

    /// Writes what stands in the place of a match.
    pub(crate) fn mask(&self, matched: &[u8], pattern: usize, out: &mut Vec<u8>) {
        // One mask is for all patterns.
        let mask = self.masks.get(pattern).or_else(|| self.masks.first()).map_or(MASK, |mask| mask);
        out.extend_from_slice(mask.as_bytes());
        if self.keep_last > 0 && matched.len() >= self.keep_last * 2 {
            let tail = &matched[matched.len() - self.keep_last..];
            // Part of a character would be no text.
            if std::str::from_utf8(tail).is_ok() {
                out.extend_from_slice(tail);
            }
        }
    }
}

/// What is written in the log of a match: never the match.
pub(crate) fn note(rule: &Rule, scope: &Scope, direction: &'static str, request_id: &str) {
    match rule.action {
        Action::Redact => tracing::debug!(request_id, %scope, rule = &*rule.name, direction, "masked"),
        Action::Observe => tracing::info!(request_id, %scope, rule = &*rule.name, direction, "seen"),
        Action::Block => tracing::info!(request_id, %scope, rule = &*rule.name, direction, "blocked"),
    }
}
