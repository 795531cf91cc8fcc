//! [`Refusal`]: why a path or an address is refused that the system itself does not refuse.

use std::{error::Error, fmt, io};

/// The inside of an [`io::Error`] that is not the system's. `Language::cause` has its sentence in each language; its
/// `Display` is the English one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A file stands where a Unix socket is to be.
    NoSocket,
    /// A process listens on a Unix socket.
    SocketInUse,
    /// A process has bound a Unix socket at the same moment.
    SocketTaken,
    /// A socket that was passed in is of neither kind.
    UnknownSocket,
    /// A name has no address.
    NoAddress,
    /// A server was given no address.
    NowhereToListen,
    /// A device, a pipe or a folder stands where a file is to be.
    NotRegular,
    /// A path is that of a folder, where a file is to be.
    Folder,
    /// Another process has put a file in the place of one that was open.
    Replaced,
    /// A file was moved or deleted while it was open.
    Moved,
    /// No process reads a pipe.
    NoReader,
    /// A link is of another user.
    ForeignLink,
    /// Links lead in a circle.
    TooManyLinks,
}

impl Refusal {
    const fn kind(self) -> io::ErrorKind {
        match self {
            Self::NoSocket => io::ErrorKind::AlreadyExists,
            Self::SocketInUse | Self::SocketTaken => io::ErrorKind::AddrInUse,
            Self::UnknownSocket => io::ErrorKind::Unsupported,
            Self::NoAddress | Self::NowhereToListen => io::ErrorKind::NotFound,
            Self::ForeignLink => io::ErrorKind::PermissionDenied,
            Self::Folder => io::ErrorKind::IsADirectory,
            Self::NotRegular | Self::Replaced | Self::Moved | Self::NoReader | Self::TooManyLinks => {
                io::ErrorKind::Other
            }
        }
    }

    /// The sentence, without a capital and a full stop.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoSocket => "there is a file that is no socket",
            Self::SocketInUse => "a process listens on it",
            Self::SocketTaken => "another process has just bound it",
            Self::UnknownSocket => "it is neither a TCP nor a Unix socket",
            Self::NoAddress => "it resolves to no address",
            Self::NowhereToListen => "it was given no address",
            Self::NotRegular => "it is not a regular file",
            Self::Folder => "it is the path of a folder",
            Self::Replaced => "another file has taken its place",
            Self::Moved => "its file was moved or deleted while in use",
            Self::NoReader => "no process reads the pipe",
            Self::ForeignLink => "it is a symbolic link that another user has made",
            Self::TooManyLinks => "too many symbolic links",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind(), refusal)
    }
}
