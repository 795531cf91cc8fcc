//! Where a server listens: `servers.NAME.bind`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value as Shown;
use toml::de::DeValue;

use super::kind::{Kind, Refusal, text};
use crate::locale::Language;

/// An address that a server listens on. Its `Display` is what the settings have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// `IP:port` or `host:port`. Whether the host exists is found out by binding.
    Tcp(String),
    /// A Unix socket at this path, written as `unix:/path`.
    Unix(PathBuf),
}

const UNIX: &str = "unix:";

impl BindAddress {
    /// The address that the text names; none if it names none.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(UNIX) {
            Some(path) => (!path.is_empty() && !path.contains('\0')).then(|| Self::Unix(path.into())),
            None => is_tcp(text).then(|| Self::Tcp(text.to_owned())),
        }
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

fn is_tcp(text: &str) -> bool {
    let is_host = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
            // A host of digits alone is an IP address that is not one: 256.0.0.1.
            && host.chars().any(|c| c.is_ascii_alphabetic())
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

/// One address, or a list of them.
pub(super) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<BindAddress>;

    fn read(&self, value: &DeValue<'_>) -> Result<Vec<BindAddress>, Refusal> {
        let address = |value| text(value).and_then(BindAddress::parse).ok_or(Refusal::NotAllowed);
        match value.as_array() {
            Some(list) if list.is_empty() => Err(Refusal::NotAllowed),
            Some(list) => list.iter().map(|value| address(value.get_ref())).collect(),
            None => address(value).map(|address| vec![address]),
        }
    }

    fn show(&self, value: &Vec<BindAddress>) -> Shown {
        match value.as_slice() {
            [address] => address.to_string().into(),
            list => list.iter().map(ToString::to_string).collect(),
        }
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_addresses().to_owned()
    }
}
