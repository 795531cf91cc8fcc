//! An HTTP/1.1 client on a plain socket: it sends what it is given, and reads answers to their last byte.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::wait::STUCK_AFTER;

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the server takes connections")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, STUCK_AFTER)?;
        stream.set_read_timeout(Some(STUCK_AFTER))?;
        stream.set_write_timeout(Some(STUCK_AFTER))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Sends a request without a body.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        self.send_body(method, path, headers, b"")
    }

    pub(crate) fn send_body(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        if !body.is_empty() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        self.write(&[head.as_bytes(), body].concat())
    }

    /// Reads the next complete answer, by its length, its chunks or to the end of the connection.
    pub(crate) fn read(&mut self) -> io::Result<Response> {
        let (status, headers) = self.read_head()?;
        let response = Response { status, headers, body: Vec::new() };
        let mut body = Vec::new();
        if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.read_chunk()? {
                body.extend(chunk);
            }
        } else if let Some(length) = response.header("content-length") {
            body = vec![0; length.parse().map_err(io::Error::other)?];
            self.reader.read_exact(&mut body)?;
        } else if status >= 200 && status != 204 && status != 304 {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(Response { body, ..response })
    }

    /// Reads a status line and its headers.
    pub(crate) fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok((status, headers))
    }

    /// Reads the next chunk of a chunked body; `None` at its end.
    pub(crate) fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = usize::from_str_radix(&self.read_line()?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk)?;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }

    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(bytes)
    }

    pub(crate) fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Waits for the connection's end. Returns true if the server closed it without a reset.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0))
    }

    pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
        Self::request(address, "GET", path, &[], b"")
    }

    pub(crate) fn put(address: SocketAddr, path: &str, body: &[u8]) -> Response {
        Self::request(address, "PUT", path, &[], body)
    }

    /// The answer to HEAD, which has no body.
    pub(crate) fn head(address: SocketAddr, path: &str) -> Response {
        let mut client = Self::connect(address);
        client.send("HEAD", path, &[("Connection", "close")]).expect("the request is sent");
        let (status, headers) = client.read_head().expect("the request is answered");
        let mut body = Vec::new();
        client.reader.read_to_end(&mut body).expect("the connection is closed");
        Response { status, headers, body }
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Sends one request on a connection of its own, and returns the answer.
    pub(crate) fn request(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut client = Self::connect(address);
        client.send_body(method, path, headers, body).expect("the request is sent");
        client.read().expect("the request is answered")
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// True if the platform distinguishes a reset by the peer from an ordinary end. Wine does not; the skip is printed.
pub(crate) fn resets_are_told(test: &str) -> bool {
    !is_skipped_under_wine(test, "wine tells no reset")
}

/// True under wine, where a line says that `test` is skipped, and why.
pub(crate) fn is_skipped_under_wine(test: &str, why: &str) -> bool {
    #[cfg(windows)]
    if super::control::is_wine() {
        use std::io::Write;
        // `eprintln!` would be captured for passing tests.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
        return true;
    }
    let _ = (test, why);
    false
}
