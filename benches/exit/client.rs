//! A minimal HTTP client that writes given bytes and reads answers to their last byte.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer's status and whether the connection closes; its body is read and discarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// True if the answer has `Connection: close`.
    pub(crate) last: bool,
}

/// The read timeout: longer than any answer takes.
const STUCK_AFTER: Duration = Duration::from_secs(5);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, STUCK_AFTER)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK_AFTER))?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request for `path`.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<()> {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// True if the connection's end has arrived.
    pub(crate) fn is_closed(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let closed = !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).is_err() || closed
    }

    /// The bare stream, once no more requests are sent.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Reads the next answer to its last byte.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive()?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_ascii_lowercase();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = value("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        let last = value("connection:") == Some("close");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        while self.received.len() < end + length {
            self.receive()?;
        }
        self.received.drain(..end + length);
        Ok(Answer { status, last })
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.received.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

impl Answer {
    /// True for a success or a rejection that the client may repeat.
    pub(crate) fn is_good(self) -> bool {
        matches!(self.status, 200 | 503)
    }
}
