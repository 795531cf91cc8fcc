//! A minimal HTTP/1 client that writes given bytes and reads answers to their last byte, over TLS or without.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::certificate;

/// What a client connects to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Stream,
    received: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer's status and whether the connection closes, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// True if the answer has `Connection: close`.
    pub(crate) last: bool,
    pub(crate) body: Vec<u8>,
}

/// The read timeout: longer than any answer takes.
const STUCK_AFTER: Duration = Duration::from_secs(5);

impl Client {
    pub(crate) fn connect(target: &Target) -> io::Result<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, target)
    }

    /// Connects from a loopback address: each has its own local ports.
    pub(crate) fn connect_from(local: Ipv4Addr, target: &Target) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if local != Ipv4Addr::LOCALHOST {
            socket.bind(&SocketAddr::from((local, 0)).into())?;
        }
        socket.connect_timeout(&target.address.into(), STUCK_AFTER)?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STUCK_AFTER))?;
        let Some(config) = &target.tls else {
            return Ok(Self { stream: Stream::Plain(stream), received: Vec::new() });
        };
        let session = ClientConnection::new(Arc::clone(config), certificate::name()?);
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(session, stream)));
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Sends a request for `path`.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<()> {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// The socket below TLS.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// True if the connection's end has arrived.
    pub(crate) fn is_closed(&mut self) -> bool {
        let closed = self.socket().set_nonblocking(true).and_then(|()| match &mut self.stream {
            Stream::Plain(stream) => stream.peek(&mut [0]).map(|_| true),
            Stream::Tls(stream) => loop {
                // Session tickets may have arrived, which no answer was read after.
                if stream.conn.read_tls(&mut stream.sock)? == 0 {
                    break Ok(true);
                }
                let state = stream.conn.process_new_packets().map_err(io::Error::other)?;
                if state.peer_has_closed() {
                    break Ok(true);
                }
            },
        });
        let open = matches!(closed, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.socket().set_nonblocking(false).is_err() || !open
    }

    /// Waits for the connection's end, and returns true if it was closed in order: not reset, and nothing left to read.
    pub(crate) fn is_closed_cleanly(&mut self) -> bool {
        self.received.is_empty() && matches!(self.read(&mut [0]), Ok(0))
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
        let body = self.received[end..end + length].to_vec();
        self.received.drain(..end + length);
        Ok(Answer { status, last, body })
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.received.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}
