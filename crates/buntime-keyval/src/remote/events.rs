//! Server-sent events, as far as this store's server sends them.

use bytes::{Buf, BytesMut};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// Takes the next whole event out of what was read; `None`: there is none yet.
pub(super) fn next_event(read: &mut BytesMut) -> Option<Event> {
    let end = read.windows(2).position(|two| two == b"\n\n")?;
    let block = read.split_to(end);
    read.advance(2);
    let (text, mut event) = (String::from_utf8_lossy(&block), Event::default());
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut event.name),
            "id" => event.id = Some(value.to_owned()),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            // Comments and what is not of use here.
            _ => {}
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_or_not_yet() {
        let mut read = BytesMut::from("event: change\ndata: [1,\ndata:2]\nid: 5~a\n\n: hello\nevent:ping\n\nevent: ch");
        let change = Event { name: "change".into(), id: Some("5~a".into()), data: "[1,\n2]".into() };
        assert_eq!(next_event(&mut read), Some(change));
        assert_eq!(next_event(&mut read), Some(Event { name: "ping".into(), ..Event::default() }));
        assert_eq!(next_event(&mut read), None);
        read.extend_from_slice(b"ange\n\n");
        assert_eq!(next_event(&mut read).unwrap().name, "change");
    }
}
