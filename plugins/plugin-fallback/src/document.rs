//! Custom error documents: which one a client gets, and what stays of the error. A document is only another body: the
//! status, the request id and every header the error has (`Retry-After`, `WWW-Authenticate`, `Allow`) stay.

use std::path::Path;

use buntime_core::{BoxError, Cx, Error, Http, HttpResponse, SettingsProblem, problem};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    accept::quality,
    config::DocumentSettings,
    content::{content_type_of, read, set_body},
    matcher::{Failure, Matcher},
    template::{Escape, Field, Template},
};

/// The types that clients of the default format ask for.
const DEFAULT: [&str; 2] = ["application/problem+json", "application/json"];

/// What describes the body that is replaced.
const OF_THE_BODY: [HeaderName; 10] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// All documents, in order.
#[derive(Debug, Default)]
pub(crate) struct Documents(Vec<Document>);

#[derive(Debug)]
struct Document {
    matcher: Matcher,
    accept: Option<String>,
    content_type: HeaderValue,
    template: Template,
}

/// What is wrong with it, files excepted.
pub(crate) fn check(settings: &DocumentSettings, pointer: &str, problems: &mut Vec<SettingsProblem>) {
    let mut wrong = |key: &str, message: String, help: &str| {
        problems.push(SettingsProblem::new(format!("{pointer}{key}"), message).with_help(help));
    };
    match (&settings.body, &settings.file) {
        (None, None) => wrong("", "it has no text".to_owned(), "write `body` or `file`"),
        (Some(_), Some(_)) => wrong("/file", "it has a `body` already".to_owned(), "leave out one of the two"),
        (Some(text), None) => {
            if let Err(bad) = Template::new(text, Escape::None) {
                wrong("/body", bad, "change the text");
            }
        }
        (None, Some(_)) => {}
    }
    let is_type = |text: &str| {
        let token = |part: &str| HeaderName::from_bytes(part.as_bytes()).is_ok();
        text.split_once('/').is_some_and(|(main, sub)| token(main) && token(sub) && !text.contains('*'))
    };
    if let Some(text) = settings.accept.as_deref().filter(|text| !is_type(text)) {
        wrong("/accept", format!("`{text}` is no media type"), "write one such as \"text/html\", without parameters");
    }
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let bad_type = |text: &&String| !is_type(&essence(text)) || HeaderValue::from_str(text).is_err();
    if let Some(text) = settings.content_type.as_ref().filter(bad_type) {
        wrong("/contentType", format!("`{text}` is no media type"), "write one such as \"text/html; charset=utf-8\"");
    }
}

impl Documents {
    /// Makes them, from settings that were checked; relative files begin at `base`.
    ///
    /// # Errors
    /// For a file that cannot be read, or that is no text of that kind.
    pub(crate) fn new(settings: &[DocumentSettings], base: &Path) -> Result<Self, BoxError> {
        let read = |(index, settings): (usize, &DocumentSettings)| {
            let pointer = format!("/documents/{index}");
            let made = Document::new(settings, base, &format!("{pointer}/when"));
            made.map_err(|error| BoxError::from(format!("at {pointer}: {error}")))
        };
        settings.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The answer to an error, if there is a document for it and the client likes its type best.
    pub(crate) fn of_error(&self, cx: &Cx<Http>, error: &Error) -> Option<HttpResponse> {
        let (document, negotiated) = self.choose(cx, Failure::Error(error))?;
        let mut response = problem::response(error, Some(&cx.meta().request_id)).into();
        let words = Words { title: error.kind().title(), detail: error.detail(), code: error.code() };
        document.dress(cx, &mut response, negotiated, &words);
        Some(response)
    }

    /// Puts a document in the place of an answer's body, if there is one for it and the client likes its type best.
    pub(crate) fn dress_answer(&self, cx: &Cx<Http>, response: &mut HttpResponse) {
        let status = response.head.status;
        let Some((document, negotiated)) = self.choose(cx, Failure::Answer(status)) else { return };
        let title = status.canonical_reason().unwrap_or("Error");
        let code = title.to_ascii_lowercase().replace([' ', '-'], "_").replace('\'', "");
        document.dress(cx, response, negotiated, &Words { title, detail: title, code: &code });
    }

    /// Could it be for an answer of that status?
    pub(crate) fn may_dress(&self, status: StatusCode) -> bool {
        self.0.iter().any(|document| document.matcher.takes(Failure::Answer(status)))
    }

    /// The one the client likes best, and whether its `Accept` decided. Of those it likes equally: JSON before the
    /// default, the default before others, the first before later ones.
    fn choose(&self, cx: &Cx<Http>, failure: Failure<'_>) -> Option<(&Document, bool)> {
        let headers = &cx.request().headers;
        let default = DEFAULT.map(|media_type| quality(headers, media_type)).into_iter().max().unwrap_or_default();
        let (mut best, mut negotiated) = (None, false);
        let mut at_least = (default, 1);
        for document in self.0.iter().filter(|document| document.matcher.takes(failure) && document.matcher.is_for(cx))
        {
            let Some(accept) = &document.accept else {
                // For everybody, unless one before it is liked.
                return best.or(Some(document)).map(|document| (document, negotiated));
            };
            negotiated = true;
            let liked = quality(headers, accept);
            let key = (liked, if accept.ends_with("json") { 2 } else { 0 });
            if liked > 0 && key > at_least {
                (best, at_least) = (Some(document), key);
            }
        }
        best.map(|document| (document, negotiated))
    }
}

/// What is told in words.
struct Words<'a> {
    title: &'a str,
    detail: &'a str,
    code: &'a str,
}

impl Document {
    fn new(settings: &DocumentSettings, base: &Path, pointer: &str) -> Result<Self, BoxError> {
        let matcher = Matcher::new(&settings.when, pointer)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let content_type = match (&settings.content_type, &settings.accept, &settings.file) {
            (Some(said), ..) => said.clone(),
            (None, Some(accept), _) if accept.starts_with("text/") => format!("{accept}; charset=utf-8"),
            (None, Some(accept), _) => accept.clone(),
            (None, None, Some(file)) => content_type_of(file).to_owned(),
            (None, None, None) => "text/plain; charset=utf-8".to_owned(),
        };
        let text = match &settings.file {
            Some(file) => String::from_utf8(read(base, file)?.into())
                .map_err(|_| format!("`{}` is no UTF-8 text; save it as UTF-8", file.display()))?,
            None => settings.body.clone().unwrap_or_default(),
        };
        let template = Template::new(&text, Escape::of(&content_type))?;
        let accept = settings.accept.as_ref().map(|accept| accept.to_ascii_lowercase());
        Ok(Self { matcher, accept, content_type: HeaderValue::from_str(&content_type)?, template })
    }

    fn dress(&self, cx: &Cx<Http>, response: &mut HttpResponse, negotiated: bool, words: &Words<'_>) {
        let text = self.template.fill(|field| match field {
            Field::Status => response.head.status.as_str(),
            Field::Title => words.title,
            Field::Detail => words.detail,
            Field::Code => words.code,
            Field::RequestId => cx.meta().request_id_str(),
        });
        let method: &Method = &cx.request().method;
        set_body(response, Bytes::from(text), method);
        let headers = &mut response.head.headers;
        for name in OF_THE_BODY {
            headers.remove(name);
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if negotiated {
            headers.append(header::VARY, HeaderValue::from_static("accept"));
        }
    }
}
