//! Values as trees to look into.

use crate::{
    Value,
    structured::{Structured, View, ViewKind},
};

/// The tree of a value; `None` if it is not what V8 serializes.
pub(crate) fn of(value: &Value) -> Option<Structured> {
    Some(match value {
        Value::V8(data) => Structured::decode(data).ok()?,
        Value::U64(number) => Structured::BigInt((*number).into()),
        Value::Bytes(bytes) => {
            let buffer = Structured::Buffer(bytes.to_vec(), None);
            let length = u32::try_from(bytes.len()).ok()?;
            Structured::View(Box::new(View { kind: ViewKind::Uint8, offset: 0, length, flags: 0, buffer }))
        }
    })
}

/// What a reference stands for, and the primitive in a box; anything else is itself.
pub(crate) fn resolve<'a>(root: &'a Structured, at: &'a Structured) -> &'a Structured {
    match at {
        Structured::Reference(id) => object(root, &mut u64::from(*id)).unwrap_or(at),
        Structured::Boxed(inner) => inner,
        other => other,
    }
}

/// The object of that number: objects are counted as they begin, a view after its buffer.
fn object<'a>(at: &'a Structured, left: &mut u64) -> Option<&'a Structured> {
    if let Structured::View(view) = at
        && let Some(found) = object(&view.buffer, left)
    {
        return Some(found);
    }
    if !at.is_object() {
        return None;
    }
    if *left == 0 {
        return Some(at);
    }
    *left -= 1;
    // A view's buffer was counted before it.
    let parts = at.parts().filter(|_| !matches!(at, Structured::View(_)));
    parts.filter_map(|part| object(part, left)).next()
}
