//! Who may read the admin routes, and who may start the exit through them.

use std::{fmt, sync::Arc};

use actix_web::{
    HttpRequest,
    http::{
        Version,
        header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap, ORIGIN, REFERER},
        uri::Authority,
    },
};
use subtle::ConstantTimeEq;

use super::{
    host::{self, HostError},
    peer::{Peer, UnixUser},
};
use crate::locale::Language;

/// The rules. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Access {
    token: Option<Arc<str>>,
    token_for_reads: bool,
    hosts: Vec<String>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has no token, and one is needed.
    TokenMissing,
    /// Its token is not the one that is set.
    TokenWrong,
    /// No token is set, and the request may come from elsewhere than this machine.
    NotLocal(NotLocal),
    /// Its `Host` is not a name of this server.
    ForeignHost,
}

/// The sign that a request may come from elsewhere than this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLocal {
    OtherUser,
    OtherMachine,
    OlderHttp,
    Proxy,
    OtherSite,
    OtherHost,
    OtherOrigin,
}

impl Access {
    pub(super) fn set_token(&mut self, token: String) {
        self.token = Some(token.into());
    }

    pub(super) fn set_token_for_reads(&mut self, needed: bool) {
        self.token_for_reads = needed;
    }

    pub(super) fn add_host(&mut self, host: String) {
        self.hosts.push(host);
    }

    /// True if `POST /shutdown` needs the token.
    pub(super) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// True if reading needs the token as well.
    pub(super) fn reads_need_token(&self) -> bool {
        self.token_for_reads && self.needs_token()
    }

    /// Decides on a read. With [`Self::reads_need_token`] the token alone decides. Otherwise a request for a foreign
    /// host name is refused if it may come from a browser under DNS rebinding: see [`host::is_foreign`].
    pub(super) fn check_read(&self, request: &HttpRequest) -> Result<(), Refusal> {
        match &self.token {
            Some(token) if self.token_for_reads => check_token(request.headers(), token),
            _ => self.check_host(request),
        }
    }

    /// Decides on `POST /shutdown`. With a token set, the token alone decides. Without one, the request has to come
    /// from this machine, for this machine, and from no proxy and no page of another origin.
    pub(super) fn check_shutdown(&self, request: &HttpRequest) -> Result<(), Refusal> {
        match &self.token {
            Some(token) => check_token(request.headers(), token),
            None => check_local(request).map_err(Refusal::NotLocal),
        }
    }

    fn check_host(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let host = match host::of(request) {
            Ok(host) => host,
            // A request without a Host is not a browser's.
            Err(HostError::Missing) => return Ok(()),
            Err(HostError::Invalid) => return Err(Refusal::ForeignHost),
        };
        let is_own = |own: &String| own.eq_ignore_ascii_case(host.host());
        let may_be_lured = Peer::of(request).is_loopback() || is_from_browser(request.headers());
        if may_be_lured && host::is_foreign(host.host()) && !self.hosts.iter().any(is_own) {
            return Err(Refusal::ForeignHost);
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, token_for_reads, hosts } = self;
        let mut debug = f.debug_struct("Access");
        debug.field("token", &token.as_ref().map(|_| "***")).field("token_for_reads", token_for_reads);
        debug.field("hosts", hosts).finish()
    }
}

impl Refusal {
    /// Why, in a sentence. A client is told in English, and is not told that its token is wrong.
    pub(super) const fn reason(self, language: Language) -> &'static str {
        match self {
            Self::TokenMissing | Self::TokenWrong => language.admin_token_needed(),
            Self::NotLocal(NotLocal::OtherUser) => language.admin_other_user(),
            Self::NotLocal(NotLocal::OtherMachine) => language.admin_other_machine(),
            Self::NotLocal(NotLocal::OlderHttp) => language.admin_older_http(),
            Self::NotLocal(NotLocal::Proxy) => language.admin_proxy(),
            Self::NotLocal(NotLocal::OtherSite) => language.admin_other_site(),
            Self::NotLocal(NotLocal::OtherHost) => language.admin_other_host(),
            Self::NotLocal(NotLocal::OtherOrigin) => language.admin_other_origin(),
            Self::ForeignHost => language.admin_foreign_host(),
        }
    }
}

fn check_token(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Err(Refusal::TokenMissing) };
    let bearer = value.as_bytes().split_at_checked("Bearer ".len());
    let given = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer ")).map(|(_, token)| token);
    match given {
        // The time does not depend on where the two differ, only on whether their lengths do.
        Some(given)
            if !token.is_empty() && bool::from(given.ct_eq(token.as_bytes())) && values.next().is_none() =>
        {
            Ok(())
        }
        _ => Err(Refusal::TokenWrong),
    }
}

/// Refuses a request that may be forwarded for a client elsewhere. A proxy that adds nothing to a request cannot be
/// distinguished from a client on this machine: behind a proxy, only a token protects this route.
fn check_local(request: &HttpRequest) -> Result<(), NotLocal> {
    match Peer::of(request) {
        peer if peer.is_loopback() => {}
        // The permissions of the socket's file admitted it.
        Peer::Unix(user) if user.is_none_or(UnixUser::may_act) => {}
        Peer::Unix(_) => return Err(NotLocal::OtherUser),
        Peer::Tcp(_) | Peer::Unknown => {
            return Err(NotLocal::OtherMachine);
        }
    }
    // Clients speak at least 1.1; nginx speaks 1.0 to its upstreams.
    if !matches!(request.version(), Version::HTTP_11 | Version::HTTP_2) {
        return Err(NotLocal::OlderHttp);
    }
    let headers = request.headers();
    if headers.keys().any(|name| is_proxy_header(name.as_str())) {
        return Err(NotLocal::Proxy);
    }
    if headers.get_all("sec-fetch-site").any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(NotLocal::OtherSite);
    }
    let host = host::of(request).map_err(|_| NotLocal::OtherHost)?;
    if !host::is_loopback(host.host()) {
        return Err(NotLocal::OtherHost);
    }
    if headers.contains_key(ORIGIN) && !is_same_origin(request, &host) {
        return Err(NotLocal::OtherOrigin);
    }
    Ok(())
}

fn is_same_origin(request: &HttpRequest, host: &Authority) -> bool {
    let (scheme, port) = if request.app_config().secure() { ("https://", 443) } else { ("http://", 80) };
    let origin = host::single(request.headers(), &ORIGIN).and_then(|origin| origin.strip_prefix(scheme));
    let origin = origin.and_then(host::parse);
    origin.is_some_and(|origin| {
        origin.host().eq_ignore_ascii_case(host.host())
            && origin.port_u16().unwrap_or(port) == host.port_u16().unwrap_or(port)
    })
}

/// True for the headers in which proxies, load balancers and content networks name the client that they forward for.
fn is_proxy_header(name: &str) -> bool {
    const PARTS: [&str; 7] = ["forward", "proxy", "client", "remote", "realip", "hostoverride", "comingfrom"];
    const PREFIXES: [&str; 9] = [
        "x-envoy-",
        "x-original-",
        "x-amzn-",
        "x-azure-",
        "x-appengine-",
        "x-arr-",
        "cf-",
        "fastly-",
        "fly-",
    ];
    const NAMES: [&str; 7] =
        ["via", "x-host", "x-scheme", "x-real-port", "x-rewrite-url", "x-cloud-trace-context", "cdn-loop"];
    // CGI and some proxies write `_` for `-`, and some write neither.
    let name = name.to_ascii_lowercase().replace('_', "-");
    let letters = name.replace('-', "");
    PARTS.iter().any(|part| letters.contains(part))
        || name.ends_with("-ip")
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || NAMES.contains(&name.as_str())
}

/// True if a header is there that every browser sends, and no probe or scraper does. A page cannot leave it out.
fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
        || headers.contains_key(REFERER)
        || headers.contains_key(ACCEPT_LANGUAGE)
        || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

#[cfg(test)]
mod tests;
