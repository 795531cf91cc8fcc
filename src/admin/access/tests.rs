//! Each rule by itself: who may start the exit, and who may read.

use actix_web::{http::header::HOST, test::TestRequest};

use super::*;

const TOKEN: &str = "0123456789abcdef";

fn local() -> TestRequest {
    TestRequest::post().uri("/shutdown").peer_addr(([127, 0, 0, 1], 40_000).into())
}

fn far() -> TestRequest {
    TestRequest::post().uri("/shutdown").peer_addr(([10, 0, 0, 1], 40_000).into())
}

fn without_token(request: TestRequest) -> Result<(), Refusal> {
    Access::default().check_shutdown(&request.to_http_request())
}

fn with_token(request: TestRequest) -> Result<(), Refusal> {
    let mut access = Access::default();
    access.set_token(TOKEN.into());
    access.check_shutdown(&request.to_http_request())
}

#[test]
fn a_client_on_this_machine_may_start_the_exit() {
    for host in ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST", "127.9.9.9"] {
        assert_eq!(without_token(local().insert_header((HOST, host))), Ok(()), "{host}");
    }
    let page =
        || local().insert_header((HOST, "localhost:8081")).insert_header((ORIGIN, "http://localhost:8081"));
    assert_eq!(without_token(page()), Ok(()));
    for site in ["same-origin", "none"] {
        assert_eq!(without_token(page().insert_header(("sec-fetch-site", site))), Ok(()), "{site}");
    }
    let absolute = local().uri("http://localhost:8081/shutdown");
    assert_eq!(without_token(absolute.insert_header((HOST, "localhost:8081"))), Ok(()));
}

#[test]
fn no_other_client_may_start_the_exit_without_a_token() {
    let refused = |request: TestRequest, what: &str| {
        let result = without_token(request);
        assert!(matches!(result, Err(Refusal::NotLocal(_))), "{what}: {result:?}");
    };
    let host = || (HOST, "localhost:8081");
    refused(far().insert_header(host()), "another machine");
    refused(TestRequest::post().insert_header(host()), "an unknown peer");
    refused(local(), "without Host");
    refused(local().insert_header(host()).append_header(host()), "with two");
    for name in [
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "",
        "user@localhost:8081",
        "localhost:8081@example.com",
        "@localhost",
        "[::1]x",
        "[::1]8081",
        "localhost:x",
        "localhost:99999",
        "localhost.",
        "127.1",
    ] {
        refused(local().insert_header((HOST, name)), name);
    }
    for origin in [
        "http://example.com",
        "null",
        "https://localhost:8081",
        "http://localhost:8080",
        "http://localhost",
        "http://localhost:8081@example.com",
        "http://user@localhost:8081",
    ] {
        refused(local().insert_header(host()).insert_header((ORIGIN, origin)), origin);
    }
    for site in ["cross-site", "same-site", "", "anything"] {
        refused(local().insert_header(host()).insert_header(("sec-fetch-site", site)), site);
    }
    refused(local().insert_header(host()).version(Version::HTTP_10), "HTTP/1.0");
    refused(local().insert_header(host()).version(Version::HTTP_09), "HTTP/0.9");
    for target in
        ["http://example.com/shutdown", "http://localhost:8080/shutdown", "http://u@localhost:8081/shutdown"]
    {
        refused(local().uri(target).insert_header(host()), target);
    }
}

#[test]
fn no_proxy_may_start_the_exit_without_a_token() {
    for header in [
        "forwarded",
        "x-forwarded",
        "x-forwarded-for",
        "X-Forwarded-Host",
        "X-FORWARDED-PROTO",
        "x_forwarded_for",
        "x-forwarded_server",
        "forwarded-for",
        "x-original-forwarded-for",
        "via",
        "x-real-ip",
        "X_Real_IP",
        "X-RealIP",
        "x-client-ip",
        "x-azure-clientip",
        "client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-ray",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-envoy-internal",
        "x-proxyuser-ip",
        "proxy-connection",
        "wl-proxy-client-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-http-host-override",
        "x-coming-from",
        "cdn-loop",
        "max-forwards",
    ] {
        let request = local().insert_header((HOST, "localhost:8081")).insert_header((header, "127.0.0.1"));
        assert!(matches!(without_token(request), Err(Refusal::NotLocal(_))), "{header}");
    }
    // What curl, a script or a browser send by themselves.
    for header in ["user-agent", "accept", "accept-encoding", "content-length", "cookie", "x-request-id"] {
        let request = local().insert_header((HOST, "localhost:8081")).insert_header((header, "1"));
        assert_eq!(without_token(request), Ok(()), "{header}");
    }
}

#[test]
fn with_a_token_the_token_alone_decides() {
    let proxied = || far().insert_header(("forwarded", "for=1.2.3.4")).version(Version::HTTP_10);
    assert_eq!(with_token(proxied().insert_header((AUTHORIZATION, format!("Bearer {TOKEN}")))), Ok(()));
    assert_eq!(with_token(proxied().insert_header((AUTHORIZATION, format!("bearer {TOKEN}")))), Ok(()));
    let long = format!("Bearer {}", "x".repeat(10_000));
    let almost = [&format!("Bearer {TOKEN}2"), &format!("Bearer {}", &TOKEN[1..]), &format!("Basic {TOKEN}")];
    for given in ["Bearer wrong!", "Bearer ", "Bearer", "", TOKEN, almost[0], almost[1], almost[2], &long] {
        let request = local().insert_header((AUTHORIZATION, given));
        assert_eq!(with_token(request), Err(Refusal::TokenWrong), "{given}");
    }
    let twice = (AUTHORIZATION, format!("Bearer {TOKEN}"));
    assert_eq!(with_token(far().append_header(twice.clone()).append_header(twice)), Err(Refusal::TokenWrong));
    assert_eq!(with_token(local().insert_header((HOST, "localhost"))), Err(Refusal::TokenMissing));
    let mut empty = Access::default();
    empty.set_token(String::new());
    let request = local().insert_header((HOST, "localhost")).insert_header((AUTHORIZATION, "Bearer "));
    assert_eq!(
        empty.check_shutdown(&request.to_http_request()),
        Err(Refusal::TokenWrong),
        "an empty token opens nothing"
    );
}

fn read(access: &Access, request: TestRequest, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let request = headers.iter().fold(request, |request, &header| request.insert_header(header));
    access.check_read(&request.to_http_request())
}

#[test]
fn probes_and_scrapes_may_read_by_any_name() {
    let access = Access::default();
    for host in [
        "10.1.2.3:8081",
        "app:8081",
        "app.default:8081",
        "app.default.svc.cluster.local",
        "node1.example.com",
    ] {
        assert_eq!(
            read(&access, far(), &[("host", host), ("user-agent", "kube-probe/1.33")]),
            Ok(()),
            "{host}"
        );
    }
    assert_eq!(read(&access, far().version(Version::HTTP_10), &[]), Ok(()), "without Host");
    for host in ["localhost:8081", "127.0.0.1:8081", "app:8081"] {
        assert_eq!(read(&access, local(), &[("host", host)]), Ok(()), "{host}");
    }
}

#[test]
fn no_page_whose_name_was_rebound_to_this_address_may_read() {
    let access = Access::default();
    let host = ("host", "rebind.example:8081");
    for browser in [
        ("origin", "http://rebind.example:8081"),
        ("referer", "x"),
        ("accept-language", "en"),
        ("sec-fetch-site", "same-origin"),
    ] {
        assert_eq!(read(&access, far(), &[host, browser]), Err(Refusal::ForeignHost), "{browser:?}");
        // A browser may use the server's address, or a name that no stranger can own.
        for host in ["10.0.0.7:8081", "app:8081", "app.internal"] {
            assert_eq!(read(&access, far(), &[("host", host), browser]), Ok(()), "{host}");
        }
    }
    // A server on loopback admits no foreign name.
    assert_eq!(read(&access, local(), &[host]), Err(Refusal::ForeignHost));
    assert_eq!(read(&access, local(), &[("host", "a@localhost")]), Err(Refusal::ForeignHost));

    let mut told = Access::default();
    told.add_host("Rebind.example".into());
    assert_eq!(read(&told, local(), &[host, ("accept-language", "en")]), Ok(()));
}

#[test]
fn reads_need_the_token_only_where_that_is_asked_for() {
    let mut access = Access::default();
    access.set_token_for_reads(true);
    assert!(!access.reads_need_token(), "there is none");
    assert_eq!(read(&access, far(), &[]), Ok(()));
    access.set_token(TOKEN.into());
    assert!(access.reads_need_token());
    let right = format!("Bearer {TOKEN}");
    assert_eq!(read(&access, far(), &[("authorization", &right), ("host", "rebind.example")]), Ok(()));
    assert_eq!(read(&access, local(), &[]), Err(Refusal::TokenMissing));
    assert_eq!(read(&access, local(), &[("authorization", "Bearer no")]), Err(Refusal::TokenWrong));
    access.set_token_for_reads(false);
    assert_eq!(read(&access, local(), &[]), Ok(()));
}
