//! Sorted indexes: entries by the values of their fields.
//!
//! What is sorted by is encoded as the parts of a key are, so it is ordered as keys are: texts, then bigints, then numbers,
//! then booleans, each in their own order. A date is its milliseconds. An entry that lacks one of the fields, or has
//! another type there (null, bytes, objects), is not in the index; one with a list there is in it for each element.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use buntime_database::{Value as Sql, args};
use num_bigint::BigInt;
use sha2::{Digest, Sha256};

use super::{
    IndexKind, IndexState,
    declared::{Declared, Live},
};
use crate::{
    ByIndex, Edge, Error, Key, Page, Part, Result, Value, What,
    engine::{
        Namespace,
        row::{entry, signed},
    },
    fields::FieldPath,
    structured::Structured,
    within,
};

/// What one entry is found by.
const MOST_VALUES: usize = 100;
/// Bytes of what is sorted by. Of more the beginning counts, and then a hash of the whole: the same is the same, but what
/// begins alike for so long is in no order that means something.
const LONGEST: usize = 512;
const BEGINNING: usize = LONGEST - 32;

/// What an entry with that value is found by.
pub(super) fn values(value: &Value, paths: &[FieldPath]) -> Vec<Vec<u8>> {
    let Some(value) = value.tree() else { return Vec::new() };
    let mut all: Vec<Vec<Part>> = vec![Vec::new()];
    for path in paths {
        let mut parts = Vec::new();
        path.visit(&value, &mut |found| parts.extend(part(found).filter(|_| parts.len() < MOST_VALUES)));
        let with = |before: Vec<Part>| {
            let each = parts.clone().into_iter();
            each.map(move |part| before.iter().cloned().chain([part]).collect()).collect::<Vec<Vec<Part>>>()
        };
        all = all.into_iter().flat_map(with).take(MOST_VALUES).collect();
    }
    let mut all: Vec<Vec<u8>> =
        all.iter().filter_map(|parts| Key::new(parts).ok()).map(|key| shortened(key.as_bytes())).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn part(value: &Structured) -> Option<Part> {
    let number = |number: f64| (!number.is_nan()).then_some(Part::Number(number + 0.0));
    match value {
        Structured::String(text) => Some(match text.as_str() {
            Some(text) => text.into(),
            None => String::from_utf16_lossy(&text.units()).into(),
        }),
        Structured::Int(small) => number((*small).into()),
        Structured::Double(double) | Structured::Date(double) => number(*double),
        Structured::BigInt(big) => Some(Part::BigInt(BigInt::clone(big))),
        Structured::Bool(bool) => Some((*bool).into()),
        Structured::Boxed(inner) => part(inner),
        _ => None,
    }
}

fn shortened(bytes: &[u8]) -> Vec<u8> {
    match bytes.split_at_checked(BEGINNING) {
        Some((beginning, _)) if bytes.len() > LONGEST => [beginning, &Sha256::digest(bytes)].concat(),
        _ => bytes.to_vec(),
    }
}

/// The first and the last of what is selected, the last not included.
fn bounds(selected: &ByIndex, fields: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let equal = Key::new(&selected.equals.iter().map(normal).collect::<Vec<_>>())?;
    if selected.equals.len() == fields && selected.from.is_none() && selected.to.is_none() {
        let exact = shortened(equal.as_bytes());
        return Ok((exact.clone(), [exact.as_slice(), &[0]].concat()));
    }
    if selected.equals.len() >= fields {
        return Err(Error::Invalid(format!("The index has only {fields} fields").into()));
    }
    let at = |edge: &Edge, beyond: bool| -> Result<Vec<u8>> {
        let mut bytes = equal.join(&normal(&edge.value))?.as_bytes().to_vec();
        if beyond {
            // What follows a part in a key is less.
            bytes.push(0xff);
        }
        if bytes.len() > BEGINNING {
            return Err(Error::Invalid(format!("A bound has at most {BEGINNING} bytes").into()));
        }
        Ok(bytes)
    };
    if equal.len() > BEGINNING {
        return Err(Error::Invalid(format!("A bound has at most {BEGINNING} bytes").into()));
    }
    let first = selected.from.as_ref().map(|edge| at(edge, !edge.included)).transpose()?;
    let last = selected.to.as_ref().map(|edge| at(edge, edge.included)).transpose()?;
    let (first, last) = (
        first.unwrap_or_else(|| equal.as_bytes().to_vec()),
        last.unwrap_or_else(|| [equal.as_bytes(), &[0xff]].concat()),
    );
    Ok((first, last))
}

/// As it is in the index: there is one zero.
fn normal(part: &Part) -> Part {
    match part {
        Part::Number(number) => Part::Number(number + 0.0),
        other => other.clone(),
    }
}

/// A cursor: the length of what was sorted by, that, and the key.
fn cursor(value: &[u8], key: &[u8]) -> String {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    URL_SAFE_NO_PAD.encode([&length.to_be_bytes(), value, key].concat())
}

fn read_cursor(cursor: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let wrong = || Error::InvalidCursor("Cursor is not one of this index".into());
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or_else(wrong)?;
    let (value, key) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(wrong)?;
    Ok((value.to_vec(), key.to_vec()))
}

impl Namespace {
    /// The entries that a sorted index selects, in its order and then in that of their keys. An entry with a list there is
    /// listed for each element that is selected.
    ///
    /// # Errors
    /// [`Error::NoIndex`], [`Error::Building`] while it is being built, [`Error::Invalid`] for what makes no sense,
    /// [`Error::InvalidCursor`], or the database's.
    pub async fn by_index(&self, selected: &ByIndex) -> Result<Page> {
        within(What::Entries, selected.limit as usize, ByIndex::MOST as usize)?;
        let declared = self.declared().await?;
        let index = declared.sorted(&selected.prefix, &selected.name)?;
        let (mut first, mut last) = bounds(selected, index.fields.len())?;
        let after = selected.cursor.as_deref().map(read_cursor).transpose()?;
        if let Some((value, _)) = &after {
            if *value < first || *value >= last {
                return Err(Error::InvalidCursor("Cursor out of bounds".into()));
            }
            // What is behind it, and of what is equal to it what has a later key.
            if selected.reverse { last = [value.as_slice(), &[0]].concat() } else { first.clone_from(value) }
        }
        let mut args = args![index.id(), self.id, signed(self.engine.clock.now()), first, last, selected.limit];
        let (than, order) = if selected.reverse { ("<", "DESC") } else { (">", "ASC") };
        let mut behind = String::new();
        if let Some((value, key)) = after {
            args.extend([Sql::from(value), Sql::from(key)]);
            behind = format!(" AND (s.value {than} ?7 OR (s.value = ?7 AND s.key {than} ?8))");
        }
        let sql = format!(
            "SELECT e.key, e.value, e.encoding, e.version, e.expires_at, s.value FROM kv_sorted s \
             JOIN kv_entries e ON e.ns = ?2 AND e.key = s.key WHERE s.idx = ?1 AND s.value >= ?4 AND s.value < ?5{behind} \
             AND (e.expires_at IS NULL OR e.expires_at > ?3) ORDER BY s.value {order}, s.key {order} LIMIT ?6"
        );
        let rows = self.engine.database.query(&sql, args).await?.into_values();
        let full = u32::try_from(rows.len()).is_ok_and(|count| count == selected.limit && count > 0);
        let next = match rows.last().map(Vec::as_slice) {
            Some([Sql::Blob(key), .., Sql::Blob(value)]) if full => Some(cursor(value, key)),
            _ => None,
        };
        Ok(Page { entries: rows.iter().map(|row| entry(row.as_slice())).collect::<Result<_>>()?, cursor: next })
    }
}

impl Declared {
    fn sorted(&self, prefix: &Key, wanted: &str) -> Result<&Live> {
        let is = |index: &&Live| match &index.info.index.kind {
            IndexKind::Sorted { name, .. } => name == wanted && index.info.index.prefix == *prefix,
            _ => false,
        };
        let index = self.indexes.iter().map(AsRef::as_ref).find(is);
        let index =
            index.ok_or_else(|| Error::NoIndex(format!("There is no sorted index `{wanted}` of {prefix:?}").into()))?;
        let called = index.called();
        match &index.info.state {
            IndexState::Ready => Ok(index),
            IndexState::Building => Err(Error::Building(format!("The index {called} is being built").into())),
            IndexState::Failed(why) => {
                Err(Error::NoIndex(format!("The index {called} could not be built: {why}").into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &Structured, paths: &[&str]) -> Vec<Vec<u8>> {
        let paths: Vec<_> = paths.iter().map(|path| FieldPath::new(path).unwrap()).collect();
        values(&Value::V8(value.encode().into()), &paths)
    }

    #[test]
    fn what_entries_are_found_by() {
        let tags =
            Structured::Array(["b", "a", "b"].map(|tag| Some(Structured::String(tag.into()))).to_vec(), Vec::new());
        let value = Structured::Object(vec![
            ("tags".into(), tags),
            ("n".into(), Structured::Double(-0.0)),
            ("none".into(), Structured::Null),
            ("long".into(), Structured::String("x".repeat(2000).into())),
        ]);
        let keys = |keys: &[Key]| keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(of(&value, &["tags", "n"]), keys(&[crate::key!["a", 0], crate::key!["b", 0]]));
        assert!(of(&value, &["n", "none"]).is_empty() && of(&value, &["n", "missing"]).is_empty());
        assert_eq!(of(&value, &["long"])[0].len(), LONGEST);
    }

    #[test]
    fn what_is_selected() {
        let by = |equals: &[Part], from: Option<i32>, to: Option<i32>, included| {
            let edge = |value: i32| Edge { value: value.into(), included };
            let by = ByIndex { equals: equals.to_vec(), from: from.map(edge), to: to.map(edge), ..ByIndex::default() };
            let (first, last) = bounds(&by, 2).unwrap();
            move |key: &Key| (first.as_slice()..last.as_slice()).contains(&key.as_bytes())
        };
        use crate::key;
        let all = by(&["a".into()], None, None, true);
        assert!(all(&key!["a", 1]) && all(&key!["a", "x"]) && !all(&key!["a\0", 1]) && !all(&key!["b", 1]));
        let some = by(&["a".into()], Some(1), Some(3), true);
        assert!(some(&key!["a", 1]) && some(&key!["a", 3]) && !some(&key!["a", 0]) && !some(&key!["a", 4]));
        let between = by(&["a".into()], Some(1), Some(3), false);
        assert!(!between(&key!["a", 1]) && between(&key!["a", 2]) && !between(&key!["a", 3]));
        let first = by(&[], Some(1), Some(3), true);
        assert!(first(&key![1, "x"]) && first(&key![3, "x"]) && !first(&key![4, "x"]));
        let exact = by(&["a".into(), 1.into()], None, None, true);
        assert!(exact(&key!["a", 1]) && !exact(&key!["a", 2]));
        let from = Some(Edge { value: 1.into(), included: true });
        let much = ByIndex { equals: vec![1.into(), 2.into()], from, ..ByIndex::default() };
        assert!(bounds(&much, 2).is_err());
    }

    #[test]
    fn cursors_are_read_or_refused() {
        assert_eq!(read_cursor(&cursor(b"value", b"key")), Ok((b"value".to_vec(), b"key".to_vec())));
        for bad in ["", "!", "AA", "_____w"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
