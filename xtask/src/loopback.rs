//! The least of HTTP that is needed to ask a server on this machine one thing.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::Result;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A port that was free a moment ago, for programs that cannot pick one themselves.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// `GET path`: the status and everything after the head (its chunks, if it is chunked, as they came).
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let (head, body) = ask(port, path)?;
    Ok((status(&head).ok_or("an answer without a status")?, body))
}

/// `GET path`: the head and everything after it.
pub(crate) fn ask(port: u16, path: &str) -> Result<(String, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
    Ok((head.to_owned(), body.to_owned()))
}

fn status(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// The port of the first `127.0.0.1:port` (or `localhost:port`, `[::1]:port`) in a text.
pub(crate) fn port_in(text: &str) -> Option<u16> {
    ["127.0.0.1:", "localhost:", "[::1]:"].iter().find_map(|host| {
        text.match_indices(host).find_map(|(at, _)| {
            let rest = text.get(at + host.len()..)?;
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..digits)?.parse().ok().filter(|port| *port != 0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_port() {
        assert_eq!(port_in("listening on http://127.0.0.1:4321\n"), Some(4321));
        assert_eq!(port_in("PORT=0 127.0.0.1:0, then http://127.0.0.1:80/"), Some(80));
        assert_eq!(port_in("nothing"), None);
    }

    #[test]
    fn reads_the_status() {
        assert_eq!(status("HTTP/1.1 204 No Content\r\nx: y"), Some(204));
        assert_eq!(status("SMTP"), None);
    }
}
