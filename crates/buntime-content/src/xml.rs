//! XML as a document, and a document as XML.
//!
//! **The mapping.** A document is an object of one entry, the root element. An element that has only text is a text; one
//! with nothing in it is the empty text. Any other is an object: attributes are `@name`, child elements are entries by
//! their names, those of one name a list, in their order; text beside them is `#text`, and text of blanks alone between
//! child elements is nothing. Prefixes of names stay as they are. Writing is the reverse: numbers and booleans become
//! text, `null` an element with nothing in it, an empty list no element at all. What comes back is text again.
//!
//! **What is refused**: document types, and with them every entity but the five of XML itself; encodings other than
//! UTF-8; elements nested deeper than allowed; attributes given twice; whatever is not well-formed. Comments and processing
//! instructions are passed over.

use std::fmt::Write;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesDecl, BytesRef, BytesStart, Event},
};
use serde_json::{Map, Value};

/// An element that is open.
struct Open {
    name: String,
    entries: Map<String, Value>,
    children: bool,
    text: String,
}

/// Reads a whole text; `depth` is how many elements may be in one another, 100 at the most.
///
/// # Errors
/// What is wrong and where, in words that repeat nothing of the text.
pub fn read(body: &[u8], depth: u8) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = str::from_utf8(body).map_err(|_| "this XML is not UTF-8".to_owned())?;
    let mut source = Reader::from_str(text);
    read_from(&mut source, depth.min(100)).map_err(|why| {
        let at = usize::try_from(source.error_position().max(source.buffer_position())).unwrap_or(usize::MAX);
        let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        format!("this is no valid XML: {why}, in line {line}")
    })
}

fn read_from(source: &mut Reader<&[u8]>, depth: u8) -> Result<Value, &'static str> {
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<(String, Value)> = None;
    loop {
        let begun = match source.read_event().map_err(|_| "it is not well-formed")? {
            Event::Eof => break,
            Event::DocType(_) => return Err("a document type is not taken here"),
            Event::Decl(decl) => declared(&decl)?,
            Event::Comment(_) | Event::PI(_) => false,
            Event::Start(start) | Event::Empty(start) if root.is_some() && open.is_empty() => {
                drop(start);
                return Err("it has a second root element");
            }
            Event::Start(start) => begin(&mut open, &start, depth)?,
            Event::Empty(start) => {
                begin(&mut open, &start, depth)?;
                true
            }
            Event::End(_) => true,
            Event::Text(text) => say(&mut open, &text.xml10_content())?,
            Event::CData(text) => say(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                say(&mut open, resolved(&reference)?.encode_utf8(&mut buffer))?
            }
        };
        if begun && let Some((name, value)) = close(&mut open) {
            match open.last_mut() {
                Some(parent) => adopt(parent, name, value),
                None => root = Some((name, value)),
            }
        }
    }
    match root {
        _ if !open.is_empty() => Err("it ends within an element"),
        None => Err("it has no root element"),
        Some((name, value)) => Ok(Value::Object(Map::from_iter([(name, value)]))),
    }
}

/// Checks a declaration. Answers that no element ended.
fn declared(decl: &BytesDecl<'_>) -> Result<bool, &'static str> {
    let version = decl.version().map_err(|_| "its declaration says no version")?;
    if version != "1.0" {
        return Err("it is of another version than 1.0");
    }
    match decl.encoding() {
        None => Ok(false),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(false),
        Some(_) => Err("only UTF-8 is taken here"),
    }
}

/// Opens an element. Answers that none ended.
fn begin(open: &mut Vec<Open>, start: &BytesStart<'_>, depth: u8) -> Result<bool, &'static str> {
    if open.len() >= usize::from(depth) {
        return Err("it is nested too deep");
    }
    let name = start.name();
    let name = named(name.as_ref())?;
    let mut entries = Map::new();
    // The library's check for two of one name compares each with every other.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| "an attribute is malformed")?;
        let key = format!("@{}", named(attribute.key.as_ref())?);
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_| "an attribute refers to an entity that XML itself does not have")?;
        if !value.chars().all(is_char) {
            return Err("it has a character that XML does not have");
        }
        if entries.insert(key, Value::String(value.into_owned())).is_some() {
            return Err("an element has the same attribute twice");
        }
    }
    open.push(Open { name: name.to_owned(), entries, children: false, text: String::new() });
    Ok(false)
}

fn named(name: &str) -> Result<&str, &'static str> {
    if is_name(name) { Ok(name) } else { Err("a name is malformed") }
}

/// Adds text to the innermost element. Answers that none ended.
fn say(open: &mut [Open], text: &str) -> Result<bool, &'static str> {
    if !text.chars().all(is_char) {
        return Err("it has a character that XML does not have");
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("it has text outside of its root element"),
    }
    Ok(false)
}

fn resolved(reference: &BytesRef<'_>) -> Result<char, &'static str> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().ok_or("a character reference is malformed");
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err("it refers to an entity that XML itself does not have"),
    }
}

/// Ends the innermost element.
fn close(open: &mut Vec<Open>) -> Option<(String, Value)> {
    let Open { name, mut entries, children, text } = open.pop()?;
    if entries.is_empty() {
        return Some((name, Value::String(text)));
    }
    let says = if children { !text.trim().is_empty() } else { !text.is_empty() };
    if says {
        entries.insert("#text".to_owned(), Value::String(text));
    }
    Some((name, Value::Object(entries)))
}

fn adopt(parent: &mut Open, name: String, value: Value) {
    parent.children = true;
    match parent.entries.get_mut(&name) {
        None => drop(parent.entries.insert(name, value)),
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// Writes a document. With `root` it becomes the content of an element of that name; without, it must be an object of one
/// entry.
///
/// # Errors
/// What XML cannot say, with its place as a JSON Pointer.
pub fn write(document: &Value, root: Option<&str>) -> Result<String, String> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let mut at = String::new();
    match (root, document) {
        (Some(root), _) => element(&mut out, root, document, &mut at)?,
        (None, Value::Object(entries)) if entries.len() == 1 => {
            for (name, value) in entries {
                at = pointer(name);
                element(&mut out, name, value, &mut at)?;
            }
        }
        (None, _) => return Err("XML has one root element: name it, or write an object of one entry".to_owned()),
    }
    Ok(out)
}

fn pointer(name: &str) -> String {
    let name: String = name.chars().take(60).collect();
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn element(out: &mut String, name: &str, value: &Value, at: &mut String) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("the name at `{at}` is none that an element can have"));
    }
    match value {
        Value::Array(_) => {
            return Err(format!("the list at `{at}` is within a list or a root: XML has no name for its elements"));
        }
        Value::Object(entries) => {
            let _ = write!(out, "<{name}");
            for (key, value) in entries.iter().filter(|(key, _)| key.starts_with('@')) {
                attribute(out, key, value, at)?;
            }
            out.push('>');
            for (key, value) in entries.iter().filter(|(key, _)| !key.starts_with('@')) {
                let length = at.len();
                at.push_str(&pointer(key));
                child(out, key, value, at)?;
                at.truncate(length);
            }
        }
        scalar => {
            let _ = write!(out, "<{name}>");
            text(out, scalar, false, at)?;
        }
    }
    let _ = write!(out, "</{name}>");
    Ok(())
}

fn child(out: &mut String, key: &str, value: &Value, at: &mut String) -> Result<(), String> {
    match value {
        _ if key == "#text" => text(out, value, false, at),
        Value::Array(list) => list.iter().try_for_each(|item| element(out, key, item, at)),
        value => element(out, key, value, at),
    }
}

fn attribute(out: &mut String, key: &str, value: &Value, at: &str) -> Result<(), String> {
    let at = format!("{at}{}", pointer(key));
    let name = key.strip_prefix('@').filter(|name| is_name(name));
    let name = name.ok_or_else(|| format!("the name at `{at}` is none that an attribute can have"))?;
    let _ = write!(out, " {name}=\"");
    text(out, value, true, &at)?;
    out.push('"');
    Ok(())
}

fn text(out: &mut String, value: &Value, quoted: bool, at: &str) -> Result<(), String> {
    let number;
    let said = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.as_str(),
        Value::Bool(_) | Value::Number(_) => {
            number = value.to_string();
            &number
        }
        Value::Array(_) | Value::Object(_) => return Err(format!("what is at `{at}` has to be text")),
    };
    for c in said.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if quoted => out.push_str("&quot;"),
            '\t' | '\n' if quoted => drop(write!(out, "&#{};", u32::from(c))),
            '\r' => out.push_str("&#13;"),
            c if is_char(c) => out.push(c),
            _ => return Err(format!("the text at `{at}` has a character that XML does not have")),
        }
    }
    Ok(())
}

/// May it be in a document of XML 1.0?
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Is it a name of XML 1.0?
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(begins_name) && chars.all(|c| begins_name(c) || continues_name(c))
}

fn begins_name(c: char) -> bool {
    matches!(c, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_xml_says() {
        for (text, value) in [
            ("<a/>", json!({ "a": "" })),
            ("<?xml version='1.0' encoding='utf-8'?>\n<!-- x --><a>1</a>\n", json!({ "a": "1" })),
            ("\u{feff}<a> b&lt;&#65;&#x1F600; </a>", json!({ "a": " b<A😀 " })),
            ("<a><![CDATA[<b>&amp;]]></a>", json!({ "a": "<b>&amp;" })),
            ("<a x='1' y=\"&quot;\"/>", json!({ "a": { "@x": "1", "@y": "\"" } })),
            ("<a x='1'>t</a>", json!({ "a": { "@x": "1", "#text": "t" } })),
            ("<a>\n <b>1</b>\n <c/>\n <b>2</b>\n</a>", json!({ "a": { "b": ["1", "2"], "c": "" } })),
            ("<s:a xmlns:s='u'><s:b>1</s:b></s:a>", json!({ "s:a": { "@xmlns:s": "u", "s:b": "1" } })),
            ("<a>one<b/>two</a>", json!({ "a": { "b": "", "#text": "onetwo" } })),
            ("<a>1\r\n2\r3</a>", json!({ "a": "1\n2\n3" })),
        ] {
            assert_eq!(read(text.as_bytes(), 64), Ok(value), "{text}");
        }
    }

    #[test]
    fn bombs_and_what_is_not_well_formed_are_refused() {
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;</l>";
        let outside = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l/>";
        let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
        for (text, says) in [
            (laughs.as_bytes(), "document type"),
            (outside.as_bytes(), "document type"),
            (b"<l>&secret;</l>", "entity"),
            (b"<l a='&secret;'/>", "entity"),
            (deep.as_bytes(), "nested too deep"),
            (b"<a>\xff</a>", "not UTF-8"),
            (b"<?xml version='1.0' encoding='utf-16'?><a/>", "only UTF-8"),
            (b"<?xml version='1.1'?><a/>", "version"),
            (b"<a><b></a></b>", "well-formed"),
            (b"<a>", "within an element"),
            (b"<a/><b/>", "second root"),
            (b"<a/>secret", "outside"),
            (b"", "no root"),
            (b"<a x='1' x='2'/>", "twice"),
            (b"<a x=1/>", "malformed"),
            (b"<1a/>", "malformed"),
            (b"<a>&#0;</a>", "malformed"),
            (b"<a>\x01</a>", "character"),
            (b"<a>&#1;</a>", "character"),
            (b"{\"a\":1}", "outside"),
        ] {
            let told = read(text, 64).unwrap_err();
            assert!(told.contains(says) && !told.contains("secret"), "{told}: {}", String::from_utf8_lossy(text));
        }
        assert!(read(b"<a>\n<b>\n</a>", 64).unwrap_err().contains("line 3"));
    }

    #[test]
    fn many_attributes_take_linear_time() {
        let mut text = String::from("<a");
        for index in 0..50_000 {
            let _ = write!(text, " a{index}=''");
        }
        text.push_str("/>");
        assert_eq!(read(text.as_bytes(), 4).unwrap()["a"].as_object().unwrap().len(), 50_000);
    }

    #[test]
    fn what_xml_cannot_say_is_told_with_its_place() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        let value = json!({ "a": { "@id": 7, "b": [1, true, null, "<&>\r"], "#text": "t", "none": [] } });
        let text = "<a id=\"7\"><b>1</b><b>true</b><b></b><b>&lt;&amp;&gt;&#13;</b>t</a>";
        assert_eq!(write(&value, None).unwrap(), format!("{head}{text}"));
        assert_eq!(write(&json!({ "b": 1 }), Some("a")).unwrap(), format!("{head}<a><b>1</b></a>"));
        for (value, root, place) in [
            (json!({ "a": { "b c": 1 } }), None, "/a/b c"),
            (json!({ "a": { "b": [[1]] } }), None, "/a/b"),
            (json!({ "a": [1] }), None, "/a"),
            (json!({ "a": 1, "b": 2 }), None, "one root"),
            (json!([1]), Some("a"), "list"),
            (json!({ "a": { "@x": {} } }), None, "/a/@x"),
            (json!({ "a": { "@": 1 } }), None, "/a/@"),
            (json!({ "a": { "#text": {} } }), None, "/a/#text"),
            (json!({ "a": "\u{1}" }), None, "/a"),
            (json!({ "a/~": { "" : 1 } }), None, "/a~1~0"),
        ] {
            let told = write(&value, root).unwrap_err();
            assert!(told.contains(place), "{told}");
        }
    }

    fn mappable() -> impl Strategy<Value = Value> {
        let text = || prop_oneof!["[ -~\\r\\n\\té\u{2028}]{0,8}", "\\PC{0,4}"].prop_map(Value::from);
        let name = "[A-Za-z_é][A-Za-z0-9_.:-]{0,4}";
        let element = text().prop_recursive(4, 24, 4, move |inner| {
            let list = prop::collection::vec(inner.clone(), 2..4).prop_map(Value::from);
            let entries = prop::collection::btree_map(name, prop_oneof![inner, list], 1..4);
            let attributes = prop::collection::btree_map(name.prop_map(|name| format!("@{name}")), text(), 0..3);
            (attributes, entries)
                .prop_map(|(attributes, entries)| Value::Object(attributes.into_iter().chain(entries).collect()))
        });
        (name, element).prop_map(|(name, element)| Value::Object(Map::from_iter([(name, element)])))
    }

    proptest! {
        #[test]
        fn json_to_xml_and_back(value in mappable()) {
            let text = write(&value, None).unwrap();
            prop_assert_eq!(read(text.as_bytes(), 64), Ok(value), "{}", text);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(text in "[<>/a-c='\"&;!\\[\\]? \\-#x0-9]{0,40}") {
            if let Ok(value) = read(text.as_bytes(), 8) {
                let again = write(&value, None).unwrap();
                prop_assert_eq!(read(again.as_bytes(), 8), Ok(value));
            }
        }
    }
}
