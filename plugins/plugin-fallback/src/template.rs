//! Texts with placeholders, read once and filled in for each error; what is filled in is escaped for the text's type.

use std::fmt::Write;

/// A placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Status,
    Title,
    Detail,
    Code,
    RequestId,
}

const FIELDS: [(&str, Field); 5] = [
    ("status", Field::Status),
    ("title", Field::Title),
    ("detail", Field::Detail),
    ("code", Field::Code),
    ("request_id", Field::RequestId),
];

/// How what is filled in is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As it is.
    None,
    /// As the text of an element or a quoted attribute.
    Markup,
    /// As a part of a string, without the quotes.
    Json,
}

impl Escape {
    /// The way of a media type.
    pub(crate) fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence.ends_with("html") || essence.ends_with("xml") {
            Self::Markup
        } else if essence.ends_with("json") || essence.ends_with("javascript") {
            Self::Json
        } else {
            Self::None
        }
    }

    fn write(self, out: &mut String, text: &str) {
        for c in text.chars() {
            let _ = match (self, c) {
                (Self::None, c) => out.write_char(c),
                (_, '<') => out.write_str(if self == Self::Json { "\\u003c" } else { "&lt;" }),
                (Self::Markup, '>') => out.write_str("&gt;"),
                (Self::Markup, '&') => out.write_str("&amp;"),
                (Self::Markup, '"') => out.write_str("&quot;"),
                (Self::Markup, '\'') => out.write_str("&#39;"),
                (Self::Json, '"' | '\\') => write!(out, "\\{c}"),
                (Self::Json, c) if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(out, "\\u{:04x}", u32::from(c))
                }
                (_, c) => out.write_char(c),
            };
        }
    }
}

/// A text that has been read.
#[derive(Debug)]
pub(crate) struct Template {
    /// Each text, and the placeholder behind it.
    parts: Vec<(String, Field)>,
    rest: String,
    escape: Escape,
}

impl Template {
    /// Reads a text. `{{` always begins a placeholder.
    ///
    /// # Errors
    /// What is no placeholder.
    pub(crate) fn new(text: &str, escape: Escape) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("{{") {
            let known = "the placeholders are {{status}}, {{title}}, {{detail}}, {{code}} and {{request_id}}";
            let (name, behind) = behind.split_once("}}").ok_or_else(|| format!("a `{{{{` is never closed; {known}"))?;
            let name = name.trim();
            let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
            let field = field.ok_or_else(|| format!("`{{{{{name}}}}}` is no placeholder; {known}"))?;
            parts.push((before.to_owned(), field));
            rest = behind;
        }
        Ok(Self { parts, rest: rest.to_owned(), escape })
    }

    /// The text with every placeholder filled in.
    pub(crate) fn fill<'v>(&self, value: impl Fn(Field) -> &'v str) -> String {
        let mut out = String::with_capacity(self.rest.len() + 64);
        for (text, field) in &self.parts {
            out.push_str(text);
            self.escape.write(&mut out, value(*field));
        }
        out.push_str(&self.rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, content_type: &str, value: &str) -> String {
        Template::new(text, Escape::of(content_type)).unwrap().fill(|_| value)
    }

    #[test]
    fn what_is_filled_in_is_escaped_for_its_type() {
        let value = "<a b='c'>\"d\" & \\e\n\u{2028}";
        let html = "x &lt;a b=&#39;c&#39;&gt;&quot;d&quot; &amp; \\e\n\u{2028}!";
        assert_eq!(filled("x {{detail}}!", "text/html; charset=utf-8", value), html);
        assert_eq!(filled("x {{ title }}!", "application/xhtml+xml", value), html);
        let json = filled(r#"{"d":"{{detail}}"}"#, "application/vnd.x+json", value);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["d"], value);
        assert!(!json.contains('<'));
        assert_eq!(filled("{{code}}{{code}}", "text/plain", value), value.repeat(2));
    }

    #[test]
    fn what_is_no_placeholder_is_told() {
        for text in ["{{stats}}", "{{status", "{{}}", "a {{ b"] {
            let told = Template::new(text, Escape::None).unwrap_err();
            assert!(told.contains("the placeholders are"), "{told}");
        }
        assert_eq!(filled("{a} }} {", "text/css", ""), "{a} }} {");
    }
}
