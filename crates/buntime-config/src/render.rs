//! Prints diagnostics for a person: `file:line:column`, the line, a caret, what to do.
//!
//! The line is shown as a terminal can take it: tabs are widened, control characters replaced, secrets masked, and a
//! long line is cut around the caret.

use std::{collections::HashMap, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    diagnostics::{Diagnostic, Diagnostics, Severity},
    hide::{self, Secrets},
    mask::MASK,
    source::{SourceFile, TextRange},
    tree::Place,
};

/// A tab is shown as so many spaces.
const TAB: usize = 4;
/// So many bytes of a line are looked at before and from the caret; enough for the columns below.
const NEAR: usize = 1024;
/// What is shown of a long line before and from the caret, in columns.
const BEFORE: usize = 60;
const FROM: usize = 60;

struct Palette {
    error: Style,
    warning: Style,
    frame: Style,
    strong: Style,
}

impl Palette {
    fn new(colour: bool) -> Self {
        if !colour {
            return Self { error: Style::new(), warning: Style::new(), frame: Style::new(), strong: Style::new() };
        }
        Self {
            error: AnsiColor::BrightRed.on_default().bold(),
            warning: AnsiColor::BrightYellow.on_default().bold(),
            frame: AnsiColor::BrightBlue.on_default().bold(),
            strong: Style::new().bold(),
        }
    }

    fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
        }
    }
}

pub(crate) fn render(diagnostics: &Diagnostics, source: &SourceFile, secrets: &Secrets, colour: bool) -> String {
    let palette = Palette::new(colour);
    let mut out = String::new();
    let mut lines = Lines { source, secrets, hidden: HashMap::new() };
    for item in diagnostics.iter() {
        one(&mut out, item, &mut lines, &palette);
        out.push('\n');
    }
    if diagnostics.left_out() > 0 {
        let _ = writeln!(out, "and {} more\n", diagnostics.left_out());
    }
    out.push_str(&summary(diagnostics));
    out.push('\n');
    out
}

/// The lines of a file, and what of each is not shown: found once, for a line may be the whole file.
struct Lines<'s> {
    source: &'s SourceFile,
    secrets: &'s Secrets,
    hidden: HashMap<usize, Vec<TextRange>>,
}

fn summary(diagnostics: &Diagnostics) -> String {
    let warnings = diagnostics.iter().filter(|item| item.severity == Severity::Warning).count();
    let errors = diagnostics.len() - warnings;
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (0, _) => count(warnings, "warning"),
        (_, 0) => count(errors, "error"),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

fn one(out: &mut String, item: &Diagnostic, lines: &mut Lines<'_>, palette: &Palette) {
    let (tint, strong) = (palette.severity(item.severity), palette.strong);
    let word = item.severity.as_str();
    let _ = writeln!(out, "{tint}{word}{tint:#}{strong}: {}{strong:#}", printable(&item.message));
    let frame = palette.frame;
    let gutter = match &item.place {
        Some(Place::File(range)) => excerpt(out, *range, lines, (tint, frame)),
        Some(Place::Outside(label)) => {
            let _ = writeln!(out, "  {frame}-->{frame:#} {}", printable(label));
            2
        }
        None => {
            let _ = writeln!(out, "  {frame}-->{frame:#} {}", printable(lines.source.name()));
            2
        }
    };
    if let Some(help) = &item.help {
        let _ = writeln!(out, "{:gutter$} {frame}={frame:#} {strong}help{strong:#}: {}", "", printable(help));
    }
}

/// The place, the line and the caret. Returns how wide the gutter is.
fn excerpt(out: &mut String, range: TextRange, lines: &mut Lines<'_>, (tint, frame): (Style, Style)) -> usize {
    let source = lines.source;
    let position = source.position(range.start);
    let number = position.line.to_string();
    let gutter = number.len() + 1;
    let _ = writeln!(
        out,
        "{:width$}{frame}-->{frame:#} {}:{}:{}",
        "",
        printable(source.name()),
        position.line,
        position.column,
        width = number.len(),
    );
    let (start, line) = source.line(position.line);
    let hidden = lines.hidden.entry(position.line).or_insert_with(|| lines.secrets.hidden_in(start, line));
    let from = range.start - start;
    // A secret may stand elsewhere too, in a comment for instance.
    let near = line.floor_char_boundary(from.saturating_sub(2 * NEAR))..line.floor_char_boundary(from + 2 * NEAR);
    let again = lines.secrets.find(&line[near.clone()]).into_iter();
    let again = again.map(|part| TextRange::new(part.start + near.start, part.end + near.start));
    let hidden = hide::merge(hidden.iter().copied().chain(again).collect());
    let (text, caret, length) = shown(line, &hidden, from, range.end.saturating_sub(start));
    let _ = writeln!(out, "{:gutter$}{frame} |{frame:#}", "", gutter = gutter - 1);
    let _ = writeln!(out, "{frame}{number} |{frame:#} {text}");
    let _ = writeln!(
        out,
        "{:before$}{frame} |{frame:#} {:caret$}{tint}{}{tint:#}",
        "",
        "",
        "^".repeat(length),
        before = gutter - 1,
    );
    gutter - 1
}

/// A line as it is printed, the column of the caret in it, and how long the caret is.
fn shown(line: &str, hidden: &[TextRange], start: usize, end: usize) -> (String, usize, usize) {
    let cells = cells(line, hidden, start);
    let width = |cells: &[(usize, String)]| cells.iter().map(|(_, text)| text.width()).sum::<usize>();
    // A caret inside a masked part stands under the mask.
    let first = cells.partition_point(|(at, _)| *at <= start).saturating_sub(1);
    let first = if start >= line.len() { cells.len() } else { first };
    let last = cells.partition_point(|(at, _)| *at < end).max(first);
    let (mut caret, length) = (width(&cells[..first]), width(&cells[first..last]).max(1));

    let from = cut_start(&cells, first);
    let mut text: String = String::new();
    if from > 0 || cells.first().is_some_and(|(at, _)| *at > 0) {
        caret = (caret - width(&cells[..from])) + 1;
        text.push('…');
    }
    let mut room = BEFORE + FROM;
    for (_, part) in &cells[from..] {
        if part.width() > room {
            text.push('…');
            break;
        }
        room -= part.width();
        text.push_str(part);
    }
    (text, caret, length.min((BEFORE + FROM).saturating_sub(caret).max(1)))
}

/// The characters of a line near the caret, each with where it stands; a hidden part is one of them.
fn cells(line: &str, hidden: &[TextRange], start: usize) -> Vec<(usize, String)> {
    let from = line.floor_char_boundary(start.saturating_sub(NEAR));
    let mut cells = Vec::new();
    let mut hidden = hidden[hidden.partition_point(|part| part.end <= from)..].iter().peekable();
    let mut skip_to = 0;
    for (at, c) in line[from..].char_indices().map(|(at, c)| (from + at, c)).take_while(|(at, _)| *at < start + NEAR) {
        if at < skip_to {
            continue;
        }
        match hidden.peek() {
            Some(part) if part.start <= at => {
                cells.push((at, MASK.to_owned()));
                skip_to = part.end;
                hidden.next();
            }
            _ => cells.push((at, cell(c))),
        }
    }
    cells
}

/// From which cell a line is shown, so that the one with the caret is.
fn cut_start(cells: &[(usize, String)], first: usize) -> usize {
    let mut room = BEFORE;
    let mut from = first;
    while from > 0 {
        let wide = cells[from - 1].1.width();
        if wide > room {
            break;
        }
        room -= wide;
        from -= 1;
    }
    from
}

fn cell(c: char) -> String {
    match c {
        '\t' => " ".repeat(TAB),
        c if c.is_control() || is_bidi(c) || c.width() == Some(0) => "\u{fffd}".to_owned(),
        c => c.to_string(),
    }
}

/// A message without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' || is_bidi(c) { '\u{fffd}' } else { c }).collect()
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
