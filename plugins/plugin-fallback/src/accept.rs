//! How much a client likes a media type, as its `Accept` says (RFC 9110, 12.5.1).

use http::{HeaderMap, header};

/// From 0, not at all, to 1000. Of the ranges that hold the type the most precise decides; parameters other than `q` are
/// not compared. 0 when there is no `Accept`: then nothing is liked better than anything.
pub(crate) fn quality(headers: &HeaderMap, media_type: &str) -> u16 {
    let (main, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let mut best = (0, 0);
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let wanted = parts.next().unwrap_or_default();
        let precise = if wanted.eq_ignore_ascii_case(media_type) {
            3
        } else if wanted.strip_suffix("/*").is_some_and(|wanted| wanted.eq_ignore_ascii_case(main)) {
            2
        } else if wanted == "*/*" {
            1
        } else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1000, |text| text.trim().parse::<f32>().map_or(0, thousandths));
        best = best.max((precise, weight));
    }
    best.1
}

fn thousandths(weight: f32) -> u16 {
    // Clamped before: no sign, no more than 1000; what is no number becomes 0.
    (weight.clamp(0.0, 1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_most_precise_range_decides() {
        for (accept, html, json) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1000, 800),
            ("*/*", 1000, 1000),
            ("text/*;q=0.3, text/html;q=0.7, text/html;level=1", 1000, 0),
            ("text/html;q=0, */*", 0, 1000),
            ("APPLICATION/JSON , Text/HTML;q=0.25", 250, 1000),
            ("text/html;q=x", 0, 0),
            ("text/html;q=-1, application/json;q=7", 0, 1000),
            ("text/html;q=NaN", 0, 0),
            (",;,/", 0, 0),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            let liked = (quality(&headers, "text/html"), quality(&headers, "application/json"));
            assert_eq!(liked, (html, json), "{accept}");
        }
        assert_eq!(quality(&HeaderMap::new(), "text/html"), 0);
    }
}
