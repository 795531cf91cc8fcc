//! Host names: which of them mean this machine, and which of them a stranger can own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    HttpRequest,
    http::{
        header::{HOST, HeaderMap, HeaderName},
        uri::Authority,
    },
};

/// Why a request names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostError {
    /// There is none.
    Missing,
    /// It is no host, is there twice, holds user information, or the request's target has another one.
    Invalid,
}

/// The host that a request is for: of its target (HTTP/2, and HTTP/1's absolute form), its `Host` header, or both where
/// they agree.
pub(super) fn of(request: &HttpRequest) -> Result<Authority, HostError> {
    let of_target = request.uri().authority().map(|authority| parse(authority.as_str()));
    let headers = request.headers();
    let of_header = headers.contains_key(HOST).then(|| single(headers, &HOST).and_then(parse));
    match (of_target, of_header) {
        (None, None) => Err(HostError::Missing),
        (Some(host), None) | (None, Some(host)) => host.ok_or(HostError::Invalid),
        (Some(target), Some(header)) => {
            target.filter(|target| header.is_some_and(|header| header == *target)).ok_or(HostError::Invalid)
        }
    }
}

/// A host with or without a port, and without user information.
pub(super) fn parse(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    // The parser takes user information before the host, and anything after it.
    let rest = text.strip_prefix(authority.host())?;
    let is_port = |port: &str| port.is_empty() || authority.port_u16().is_some();
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(authority)
}

/// The value of a header that is there once, and readable.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// True for localhost and the loopback addresses.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// True for a name that a stranger can own, and so can point at this server's address after a browser has loaded a page
/// from it (DNS rebinding). Addresses, names of one label, and names under what is never delegated to the public are
/// not: no stranger can own them.
pub(super) fn is_foreign(host: &str) -> bool {
    const NEVER_DELEGATED: [&str; 9] =
        ["localhost", "local", "internal", "svc", "localdomain", "lan", "home.arpa", "intranet", "corp"];
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|name| name.ends_with('.'));
    !(address(&host).is_some()
        || is_loopback(&host)
        || !host.contains('.')
        || NEVER_DELEGATED.into_iter().any(is_under))
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_foreign_if_a_stranger_can_own_it() {
        for host in [
            "localhost",
            "LOCALHOST",
            "app.localhost",
            "127.0.0.1",
            "10.1.2.3",
            "[::1]",
            "[2001:db8::1]",
            "app",
            "app.default.svc",
            "app.default.svc.cluster.local",
            "app.default.svc.cluster.local.",
            "printer.local",
            "app.internal",
        ] {
            assert!(!is_foreign(host), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "rebind.example",
            "localhost.com",
            "svc.example.com",
            "local.com",
            "internal.com",
            "::1.example.com",
        ] {
            assert!(is_foreign(host), "{host}");
        }
    }
}
