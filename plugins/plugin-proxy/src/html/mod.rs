//! Edits of HTML on its way from an upstream that believes it lives at the root: a `<base>`, and relative paths.
//!
//! Works on bytes, in one pass, with no more than one byte held back; so any encoding that has ASCII as its own is
//! fine, and a page streams as it did. What is compressed is not touched: for such rules the upstream is asked for
//! plain text.

mod base;
mod body;
mod relative;

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response};

use base::BaseTag;
use body::EditedBody;
use relative::RelativePaths;

const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// What is to be edited.
#[derive(Clone, Debug)]
pub(crate) struct Edits {
    /// The tag to put behind the first `<head>`.
    base: Option<Arc<[u8]>>,
    relative: bool,
}

impl Edits {
    /// A `<base>` for that path, without a `/` at its end; and relative paths.
    pub(crate) fn new(base: Option<&str>, relative: bool) -> Self {
        let tag = base.map(|base| format!("<base href=\"{}/\">", escape(base)).into_bytes().into());
        Self { base: tag, relative }
    }

    /// Edits an answer, if it is a page.
    pub(crate) fn apply(&self, method: &Method, head: &mut response::Parts, body: Body) -> Body {
        if !is_page(head) {
            return body;
        }
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ACCEPT_RANGES);
        for digest in DIGESTS {
            head.headers.remove(digest);
        }
        weaken(&mut head.headers);
        if *method == Method::HEAD {
            return body;
        }
        Body::new(EditedBody::new(body, self.editor()))
    }

    fn editor(&self) -> Editor {
        Editor {
            base: self.base.clone().map(BaseTag::new),
            relative: self.relative.then(RelativePaths::default),
            between: Vec::new(),
        }
    }
}

/// The state of one page's edits.
pub(crate) struct Editor {
    base: Option<BaseTag>,
    relative: Option<RelativePaths>,
    between: Vec<u8>,
}

impl Editor {
    /// Takes a piece and appends what becomes of it.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match (&mut self.relative, &mut self.base) {
            (None, None) => out.extend_from_slice(piece),
            (Some(relative), None) => relative.push(piece, out),
            (None, Some(base)) => base.push(piece, out),
            // Paths first: the tag that is put in stays as it is.
            (Some(relative), Some(base)) => {
                self.between.clear();
                relative.push(piece, &mut self.between);
                base.push(&self.between, out);
            }
        }
    }

    /// Appends what was held back. To be called once, at the end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(relative) = &mut self.relative {
            // Held back within an attribute's value, where no tag is put.
            relative.finish(out);
        }
    }
}

/// Whole HTML, in plain text.
fn is_page(head: &response::Parts) -> bool {
    let bodiless = [
        StatusCode::SWITCHING_PROTOCOLS,
        StatusCode::NO_CONTENT,
        StatusCode::NOT_MODIFIED,
        StatusCode::PARTIAL_CONTENT,
    ];
    let is_html = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"text/html")
    });
    let is_plain =
        head.headers.get_all(header::CONTENT_ENCODING).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_html && is_plain && !bodiless.contains(&head.status)
}

/// An edited page is not byte for byte what the upstream's strong tag stands for.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    let weak = [b"W/", tag.as_bytes()].concat();
    if let Ok(weak) = HeaderValue::from_bytes(&weak) {
        headers.insert(header::ETAG, weak);
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(base: Option<&str>, relative: bool, pieces: &[&[u8]]) -> Vec<u8> {
        let mut editor = Edits::new(base, relative).editor();
        let mut out = Vec::new();
        for piece in pieces {
            editor.push(piece, &mut out);
        }
        editor.finish(&mut out);
        out
    }

    fn check(base: Option<&str>, relative: bool, page: &str, expect: &str) {
        let edited = edit(base, relative, &[page.as_bytes()]);
        assert_eq!(std::str::from_utf8(&edited).unwrap(), expect, "{page}");
    }

    #[test]
    fn a_base_is_put_behind_the_first_head() {
        let base = Some("/legacy");
        let tag = "<base href=\"/legacy/\">";
        for (before, after) in [
            ("<!doctype html><html><head>", "<title>x</title></head>"),
            ("<HTML><HEAD class=\"a>b\" x='>'>", "</HEAD><head>"),
            ("<html data-x=\"<head>\"><head\n>", ""),
            ("<!-- <head> --><head>", "x"),
            ("<!--><head>", "x"),
            ("<header></header><head>", "x"),
            ("a < b <head/>", "x"),
        ] {
            check(base, false, &format!("{before}{after}"), &format!("{before}{tag}{after}"));
        }
        for without in ["<body><head></body>", "plain text", "<!-- <head>", "<html><script>'<head>'</script>", ""] {
            check(base, false, without, without);
        }
        check(Some("/a&\"b"), false, "<head>", "<head><base href=\"/a&amp;&quot;b/\">");
        check(Some(""), false, "<head>", "<head><base href=\"/\">");
    }

    #[test]
    fn paths_become_relative() {
        for (page, expect) in [
            (r#"<img src="/x.png">"#, r#"<img src="./x.png">"#),
            (r"<a HREF='/'>", r"<a HREF='./'>"),
            (r#"<a href="//cdn/x">"#, r#"<a href="//cdn/x">"#),
            (r#"<a href="/a" src='/b'>"#, r#"<a href="./a" src='./b'>"#),
            (r#"<a href="x/y" src=/z>"#, r#"<a href="x/y" src=/z>"#),
            (r#"ssrc="/x" hhref="/y" hsrc="/z"#, r#"ssrc="./x" hhref="./y" hsrc="./z"#),
            (r#"<a href="/"#, r#"<a href="./"#),
        ] {
            check(None, true, page, expect);
        }
    }

    #[test]
    fn the_tag_itself_stays_as_it_is() {
        let page = r#"<head><link href="/x.css"></head>"#;
        check(Some("/b"), true, page, r#"<head><base href="/b/"><link href="./x.css"></head>"#);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "<head", ">", "<head>", "<!--", "-->", "<", "src=\"/", "href='/", "/", "x", "\"", "'", " ", "<html ",
                "<body>", "sr", "c=", "hre", "f=", "<h", "ead", "<!", "-", "é",
            ]), 0..24),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
            base in any::<bool>(),
            relative in any::<bool>(),
        ) {
            let page = words.concat().into_bytes();
            let base = base.then_some("/b");
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(page.len() + 1)).collect();
            cuts.extend([0, page.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &page[pair[0]..pair[1]]).collect();
            prop_assert_eq!(edit(base, relative, &pieces), edit(base, relative, &[&page]));
        }
    }
}
