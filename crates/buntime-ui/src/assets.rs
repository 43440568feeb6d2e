//! Style, modules and icon: part of the program, served with a name that changes with their content.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What every page needs, whoever serves it.
const SHARED: [File; 8] = [
    File::new("ui.css", include_str!("../files/ui.css")),
    File::new("parts.css", include_str!("../files/parts.css")),
    File::new("theme.js", include_str!("../files/theme.js")),
    File::new("shell.js", include_str!("../files/shell.js")),
    File::new("kit.js", include_str!("../files/kit.js")),
    File::new("table.js", include_str!("../files/table.js")),
    File::new("chart.js", include_str!("../files/chart.js")),
    File::new("icon.svg", include_str!("../files/icon.svg")),
];

/// A file of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    name: &'static str,
    text: &'static str,
}

impl File {
    /// `name` ends in `.js`, `.css` or `.svg`, and modules import each other by it: `./name`.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// The files of some pages, under one version: a change of any of them is a change of the address of all, so that
/// modules of two versions never meet.
#[derive(Clone, Debug)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    version: String,
    files: Vec<(File, String)>,
}

impl Files {
    /// What every page needs, and these. Of two with one name the later is served.
    pub fn new(own: &[File]) -> Self {
        let mut files: Vec<(File, String)> = Vec::new();
        let mut all = DefaultHasher::new();
        for file in SHARED.iter().chain(own) {
            let mut one = DefaultHasher::new();
            file.text.hash(&mut one);
            (file.name, file.text).hash(&mut all);
            files.retain(|(known, _)| known.name != file.name);
            files.push((*file, format!("\"{:016x}\"", one.finish())));
        }
        Self(Arc::new(Inner { version: format!("{:016x}", all.finish()), files }))
    }

    /// What stands between `/ui/` and a file's name.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// `/ui/{version}/{file}`, relative to the base that pages name. For everybody: there is nothing secret in it, and
    /// who signs in needs it.
    pub fn router(&self) -> Router {
        Router::new().route("/ui/{version}/{file}", get(serve)).with_state(self.clone())
    }
}

async fn serve(
    State(files): State<Files>,
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some((file, tag)) = files.0.files.iter().find(|(file, _)| file.name == name) else {
        return answer(StatusCode::NOT_FOUND, Body::empty());
    };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|line| line.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = match is_known {
        true => answer(StatusCode::NOT_MODIFIED, Body::empty()),
        false => answer(StatusCode::OK, Body::from(file.text)),
    };
    let headers = response.headers_mut();
    // A page of the program before this one, or of another node, may ask for another version.
    let caching = if version == files.version() { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
