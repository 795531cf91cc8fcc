//! Who may start the exit over HTTP.

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    http::{
        header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN},
        uri::Authority,
    },
};
use subtle::ConstantTimeEq;

/// Why a caller may not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has not given the token.
    Token,
    /// No token is set, and it is not plainly a person or a script on this machine.
    Stranger(&'static str),
}

/// With a token set, the token alone decides. Without one, a caller has to be on this machine, to have asked for
/// this machine by a name that no foreign page can make its own, and not to speak for somebody else: that keeps
/// out pages of other origins, names that were rebound to a loopback address, and proxies.
pub(super) fn allowed(request: &HttpRequest, token: Option<&str>) -> Result<(), Refused> {
    let headers = request.headers();
    if let Some(token) = token {
        return if bearer(headers).is_some_and(|given| same(given, token)) {
            Ok(())
        } else {
            Err(Refused::Token)
        };
    }
    let here = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !here {
        return Err(Refused::Stranger("only this machine may, unless admin.token is set"));
    }
    let proxied = |name: &str| name == "forwarded" || name.starts_with("x-forwarded-");
    if headers.keys().any(|name| proxied(name.as_str())) {
        return Err(Refused::Stranger("no proxy may, unless admin.token is set"));
    }
    let host = one(headers, &HOST).and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host.filter(|host| is_loopback(host.host())) else {
        return Err(Refused::Stranger("Host does not name this machine"));
    };
    if headers.contains_key(ORIGIN) {
        let origin = one(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        let origin = origin.and_then(|origin| origin.parse::<Authority>().ok());
        let is_ours = origin.is_some_and(|origin| {
            origin.host().eq_ignore_ascii_case(host.host())
                && origin.port_u16().unwrap_or(80) == host.port_u16().unwrap_or(80)
        });
        if !is_ours {
            return Err(Refused::Stranger("no page of another origin may"));
        }
    }
    Ok(())
}

/// A header that is there once, and readable.
fn one<'a>(headers: &'a HeaderMap, name: &actix_web::http::header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next()?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && values.next().is_none()).then_some(token)
}

/// In a time that tells nothing of where the two differ; their lengths may be told.
fn same(given: &[u8], token: &str) -> bool {
    given.ct_eq(token.as_bytes()).into()
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn local() -> TestRequest {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 40_000));
        TestRequest::post().uri("/shutdown").peer_addr(peer)
    }

    fn is_allowed(request: TestRequest, token: Option<&str>) -> bool {
        allowed(&request.to_http_request(), token).is_ok()
    }

    #[test]
    fn a_caller_on_this_machine_may() {
        for host in ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST", "127.9.9.9"] {
            assert!(is_allowed(local().insert_header((HOST, host)), None), "{host}");
        }
        let page =
            local().insert_header((HOST, "localhost:8081")).insert_header((ORIGIN, "http://localhost:8081"));
        assert!(is_allowed(page, None));
    }

    #[test]
    fn nobody_else_may() {
        let host = || (HOST, "localhost:8081");
        let far = TestRequest::post().peer_addr(([10, 0, 0, 1], 1).into()).insert_header(host());
        assert!(!is_allowed(far, None));
        assert!(!is_allowed(local(), None), "without Host");
        for name in ["example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", ""] {
            assert!(!is_allowed(local().insert_header((HOST, name)), None), "{name}");
        }
        for origin in [
            "http://example.com",
            "null",
            "https://localhost:8081",
            "http://localhost:8080",
            "http://localhost",
        ] {
            assert!(
                !is_allowed(local().insert_header(host()).insert_header((ORIGIN, origin)), None),
                "{origin}"
            );
        }
        for header in ["forwarded", "x-forwarded-for", "x-forwarded-host", "X-Forwarded-Proto"] {
            assert!(
                !is_allowed(local().insert_header(host()).insert_header((header, "127.0.0.1")), None),
                "{header}"
            );
        }
    }

    #[test]
    fn with_a_token_the_token_alone_decides() {
        let far = || {
            TestRequest::post()
                .peer_addr(([10, 0, 0, 1], 1).into())
                .insert_header(("forwarded", "for=1.2.3.4"))
        };
        assert!(is_allowed(far().insert_header((AUTHORIZATION, "Bearer secret")), Some("secret")));
        assert!(is_allowed(far().insert_header((AUTHORIZATION, "bearer secret")), Some("secret")));
        let long = format!("Bearer {}", "x".repeat(10_000));
        for given in [
            "Bearer wrong!",
            "Bearer ",
            "Bearer",
            "",
            "secret",
            "Basic secret",
            "Bearer secret2",
            "Bearer secre",
            &long,
        ] {
            assert!(!is_allowed(local().insert_header((AUTHORIZATION, given)), Some("secret")), "{given}");
        }
        assert!(!is_allowed(local().insert_header((HOST, "localhost")), Some("secret")));
        let twice = far()
            .append_header((AUTHORIZATION, "Bearer secret"))
            .append_header((AUTHORIZATION, "Bearer secret"));
        assert!(!is_allowed(twice, Some("secret")));
    }
}
