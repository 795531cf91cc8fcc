//! Where the running application's admin server is.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use graceful_exit::{
    Language,
    settings::{BindAddress, Settings, TokenError},
};

use crate::locale::say;

/// The admin server, and the token that it may need.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) transport: Transport,
    pub(super) token: Option<String>,
    /// The language of the messages.
    pub(crate) language: Language,
}

/// How the admin server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// `host:port`.
    Tcp(String),
    /// The same over TLS, by the server that has this file's certificate.
    Tls {
        address: String,
        certificate: PathBuf,
    },
    Unix(PathBuf),
}

impl Target {
    /// The server that `url` names, or the one of the settings. Both with the settings' token.
    pub(crate) fn new(settings: &Settings, url: Option<&str>) -> Result<Self, TargetError> {
        let language = settings.log.language();
        let refused = |reason| TargetError { reason, language };
        let transport = match url {
            Some(url) => Transport::of_url(url, settings),
            None => Transport::of_settings(settings),
        }
        .map_err(refused)?;
        let token = settings.admin.read_token().map_err(|error| refused(Reason::Token(error)))?;
        Ok(Self { transport, token, language })
    }
}

impl Transport {
    fn of_url(url: &str, settings: &Settings) -> Result<Self, Reason> {
        let (certificate, rest, port) = match url.strip_prefix("https://") {
            Some(rest) => (Some(settings.servers.admin.tls.certificate.as_ref()), rest, 443),
            None => (None, url.strip_prefix("http://").unwrap_or(url), 80),
        };
        let address = rest.trim_end_matches('/');
        let address = if address.contains(':') { address.to_owned() } else { format!("{address}:{port}") };
        let transport = BindAddress::parse(&address).map(Self::of_address);
        match (transport, certificate) {
            (Some(Self::Tcp(address)), Some(Some(certificate))) => {
                Ok(Self::Tls { address, certificate: certificate.clone() })
            }
            (Some(Self::Tcp(_)), Some(None)) => Err(Reason::Certificate),
            (Some(transport), None) => Ok(transport),
            _ => Err(Reason::Url(url.to_owned())),
        }
    }

    fn of_settings(settings: &Settings) -> Result<Self, Reason> {
        let server = &settings.servers.admin;
        // A port that the system chose is not known here.
        let known = server
            .bind
            .iter()
            .find(|address| !matches!(address, BindAddress::Tcp(address) if address.ends_with(":0")));
        let transport = known.cloned().map(Self::of_address).ok_or(Reason::Port)?;
        Ok(match (transport, &server.tls.certificate) {
            (Self::Tcp(address), Some(certificate)) => {
                Self::Tls { address, certificate: certificate.clone() }
            }
            (transport, _) => transport,
        })
    }

    fn of_address(address: BindAddress) -> Self {
        match address {
            BindAddress::Unix(path) => Self::Unix(path),
            BindAddress::Tcp(address) => Self::Tcp(match address.parse::<SocketAddr>() {
                // A server that listens on all addresses is reached on loopback.
                Ok(bound) if bound.ip().is_unspecified() => {
                    let loopback = match bound.ip() {
                        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
                    };
                    SocketAddr::new(loopback, bound.port()).to_string()
                }
                Ok(_) | Err(_) => address,
            }),
        }
    }

    /// What the `Host` header names: of a Unix socket, this machine.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } => address,
            Self::Unix(_) => "localhost",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls { address, .. } => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why the admin server's address is not known.
#[derive(Debug)]
pub(crate) struct TargetError {
    reason: Reason,
    language: Language,
}

#[derive(Debug)]
enum Reason {
    /// The text of `--url` is no address.
    Url(String),
    /// The settings leave the port to the system.
    Port,
    /// The server speaks TLS, and no certificate is set to recognize it by.
    Certificate,
    /// The token's file cannot be used.
    Token(TokenError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match &self.reason {
            Reason::Url(url) => {
                let url = format!("{url:?}");
                say!(self.language,
                    en: "--url {url}: no address; allowed: http://HOST:PORT, https://HOST:PORT or unix:/path",
                    zh: "--url {url}：不是地址；允许：http://HOST:PORT、https://HOST:PORT 或 unix:/path",
                    zh_hant: "--url {url}：不是位址；允許：http://HOST:PORT、https://HOST:PORT 或 unix:/path",
                )
            }
            Reason::Port => say!(self.language,
                en: "servers.admin.bind leaves the port to the system: name the address with --url (the log of the application has it)",
                zh: "servers.admin.bind 的端口由系统选择：请用 --url 指定地址（见应用的日志）",
                zh_hant: "servers.admin.bind 的連接埠由系統選擇：請用 --url 指定位址（見應用程式的日誌）",
            ),
            Reason::Certificate => say!(self.language,
                en: "--url https://…: the server is known by its certificate, and servers.admin.tls.certificate is not set",
                zh: "--url https://…：须以证书识别服务器，但未设置 servers.admin.tls.certificate",
                zh_hant: "--url https://…：須以憑證識別伺服器，但未設定 servers.admin.tls.certificate",
            ),
            Reason::Token(error) => error.message(self.language),
        })
    }
}

impl Error for TargetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Token(error) => Some(error),
            Reason::Url(_) | Reason::Port | Reason::Certificate => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_a_scheme() {
        let tcp = |address: &str| Some(Transport::Tcp(address.to_owned()));
        for (url, transport) in [
            ("http://127.0.0.1:8081", tcp("127.0.0.1:8081")),
            ("http://127.0.0.1:8081/", tcp("127.0.0.1:8081")),
            ("localhost:8081", tcp("localhost:8081")),
            ("http://admin.example", tcp("admin.example:80")),
            ("http://0.0.0.0:8081", tcp("127.0.0.1:8081")),
            ("[::]:8081", tcp("[::1]:8081")),
            ("unix:/run/admin.sock", Some(Transport::Unix("/run/admin.sock".into()))),
            ("https://127.0.0.1:8081", None),
            ("https://unix:/run/admin.sock", None),
            ("http://127.0.0.1:8081/status", None),
            ("", None),
        ] {
            assert_eq!(Transport::of_url(url, &Settings::default()).ok(), transport, "{url}");
        }
    }

    #[test]
    fn a_server_with_tls_is_known_by_the_certificate_of_the_settings() {
        let mut settings = Settings::default();
        settings.servers.admin.tls.certificate = Some("cert.pem".into());
        let tls =
            |address: &str| Transport::Tls { address: address.to_owned(), certificate: "cert.pem".into() };
        assert_eq!(Transport::of_settings(&settings).ok(), Some(tls("127.0.0.1:8081")));
        for (url, address) in [("https://admin.example", "admin.example:443"), ("https://[::]:1/", "[::1]:1")]
        {
            assert_eq!(Transport::of_url(url, &settings).ok(), Some(tls(address)), "{url}");
        }
        settings.servers.admin.bind = vec![BindAddress::Unix("/run/admin.sock".into())];
        assert_eq!(Transport::of_settings(&settings).ok(), Some(Transport::Unix("/run/admin.sock".into())));
    }
}
