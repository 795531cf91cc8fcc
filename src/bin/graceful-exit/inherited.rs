//! Sockets that a service manager has passed in, by the names of the servers that they are for.

#[cfg(unix)]
use graceful_exit::os::systemd::{InheritError, InheritedSocket, inherited_sockets};
use graceful_exit::{Server, settings::BindAddress};

/// What was passed in and has not been given to its server.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    #[cfg(unix)]
    sockets: Vec<(String, InheritedSocket)>,
}

/// The names that a socket may have.
#[cfg(unix)]
const SERVERS: [&str; 2] = ["admin", "business"];

impl Inherited {
    /// To be called before any thread is started: it takes variables out of the environment.
    #[cfg(unix)]
    pub(crate) fn from_environment() -> Result<Self, Error> {
        let sockets = inherited_sockets().map_err(Error::Socket)?;
        match sockets.iter().find(|(name, _)| !SERVERS.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::Name(name.clone())),
            None => Ok(Self { sockets }),
        }
    }

    /// Nothing is passed in here.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(crate) fn from_environment() -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// The server on its inherited sockets, or on `bind` if it has none.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "nothing is passed in there"))]
    pub(crate) fn give(&mut self, server: Server, bind: &[BindAddress]) -> Server {
        #[cfg(unix)]
        {
            let name = server.name().to_owned();
            let is_its = |(given, _): &mut (String, InheritedSocket)| *given == name;
            let mut its = self.sockets.extract_if(.., is_its).peekable();
            if its.peek().is_some() {
                return its.fold(server, |server, (_, socket)| match socket {
                    InheritedSocket::Tcp(listener) => server.listen_inherited(listener),
                    InheritedSocket::Unix(listener) => server.listen_uds_inherited(listener),
                });
            }
        }
        bind.iter().fold(server, |server, address| server.bind_address(&address.to_string()))
    }
}

/// Something was passed in that no server can use.
#[derive(Debug)]
pub(crate) enum Error {
    #[cfg(unix)]
    Socket(InheritError),
    #[cfg_attr(not(unix), expect(dead_code, reason = "nothing is passed in there"))]
    Name(String),
}
