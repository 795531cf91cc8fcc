//! The two servers as the settings want them.

use std::{net::SocketAddr, sync::Arc};

use graceful_exit::{
    CertificateError, CertificateFiles, Language, Server,
    settings::{self, BindAddress, Settings},
};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use crate::{inherited::Inherited, locale::say};

/// The server with its settings, on its inherited sockets or on the addresses of the settings.
pub(crate) fn configured(
    server: Server,
    settings: &settings::Server,
    inherited: &mut Inherited,
    tls: Option<ServerConfig>,
) -> Server {
    let mut server = server
        .stop(settings.stop)
        .client_request_timeout(settings.client_request_timeout)
        .client_disconnect_timeout(settings.client_disconnect_timeout)
        .tls_handshake_timeout(settings.tls_handshake_timeout)
        .keep_alive(settings.keep_alive)
        .max_connections(settings.max_connections)
        .h1_allow_half_closed(settings.half_closed);
    #[cfg(unix)]
    {
        server = server.uds_mode(settings.unix_mode);
    }
    if let Some(workers) = settings.workers {
        server = server.workers(workers.get());
    }
    server = inherited.give(server, &settings.bind);
    if let Some(tls) = tls {
        server = server.with_rustls_0_23(tls);
    }
    if settings.h2c { server.with_h2c() } else { server }
}

/// The TLS configuration of a server; none without a certificate.
///
/// # Errors
/// The certificate or its key cannot be used.
pub(crate) fn tls(
    settings: &settings::Server,
    language: Language,
) -> Result<Option<ServerConfig>, CertificateError> {
    let (Some(certificate), Some(key)) = (&settings.tls.certificate, &settings.tls.key) else {
        return Ok(None);
    };
    let files = CertificateFiles::new(certificate, key).language(language);
    files.server_config(Arc::new(ring::default_provider())).map(Some)
}

/// A warning if other machines reach the admin server, and no token is set.
pub(crate) fn exposed(settings: &Settings) -> Option<String> {
    let is_reached = |address: &&BindAddress| match address {
        BindAddress::Unix(_) => false,
        BindAddress::Tcp(address) => match address.parse::<SocketAddr>() {
            Ok(address) => !address.ip().is_loopback(),
            Err(_) => !address.starts_with("localhost:"),
        },
    };
    let has_token = settings.admin.token.is_some() || settings.admin.token_file.is_some();
    let address = settings.servers.admin.bind.iter().find(is_reached).filter(|_| !has_token)?;
    Some(say!(settings.log.language(),
        en: "other machines reach the admin server (servers.admin.bind = \"{address}\") and can read it; set admin.token, or behind a proxy on this machine they can stop the application too",
        zh: "其他机器可以访问管理服务器（servers.admin.bind = \"{address}\"）并读取其内容；请设置 admin.token，否则经由本机上的代理还可以停止应用",
        zh_hant: "其他機器可以存取管理伺服器（servers.admin.bind = \"{address}\"）並讀取其內容；請設定 admin.token，否則經由本機上的代理還可以停止應用程式",
    ))
}
