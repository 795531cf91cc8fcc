//! The application over TLS and HTTP/2 with clients that people use, stopped while they wait for their answer.

use std::{path::Path, process::Command, thread};

use crate::support::{App, Certificate, stop, tools, wait_until};

/// Starts the application with it, and asks it to stop once all requests of a client are in flight. Returns what the
/// client printed.
fn stopped_meanwhile(
    certificate: &Certificate,
    client: &Path,
    requests: u64,
    arguments: impl Fn(u16) -> Vec<String>,
) -> String {
    let [certificate, key] = certificate.settings("business");
    let app = App::start(&[&certificate, &key]);
    let mut command = Command::new(client);
    command.args(arguments(app.business.port()));
    let client = thread::spawn(move || command.output().expect("it runs"));
    wait_until("the requests are in flight", || app.status()["servers"][1]["in_flight"] == requests);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let output = client.join().expect("no panic");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn curl_gets_its_answer_by_either_protocol() {
    let Some(curl) = tools::tool("curl", "curl_gets_its_answer_by_either_protocol") else { return };
    let certificate = Certificate::new(&["localhost"]);
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let trusted = certificate.certificate().display().to_string();
        let printed = stopped_meanwhile(&certificate, &curl, 1, |port| {
            let url = format!("https://localhost:{port}/slow?ms=4000");
            ["-s", flag, "--cacert", &trusted, "-w", " %{http_code} %{http_version}", &url]
                .map(str::to_owned)
                .into()
        });
        assert_eq!(printed.replace('\n', ""), format!("done 200 {version}"));
    }
}

/// Without `Expect` and by prior knowledge, which is how curl sends a body before it has an answer.
#[test]
fn curl_gets_the_answer_to_an_upload_that_is_refused() {
    let Some(curl) = tools::tool("curl", "curl_gets_the_answer_to_an_upload_that_is_refused") else { return };
    let app = App::start(&["servers.business.h2c=true", "shutdown.drain_timeout=1h", "shutdown.timeout=2h"]);
    let upload = app.path("upload");
    let answer = |path: &str, length: u32| {
        std::fs::write(&upload, vec![b'x'; length.try_into().expect("a length")]).expect("a file");
        let mut command = Command::new(&curl);
        command.args(["-s", "--http2-prior-knowledge", "-o"]).arg(app.path("answer"));
        command.args(["-w", "%{http_code} %{http_version}", "-T"]).arg(&upload);
        let output = command.arg(format!("http://{}{path}", app.business)).output().expect("it runs");
        format!("{} {}", String::from_utf8_lossy(&output.stdout), output.status)
    };
    for length in [262_145, 300_000, 1_000_000, 5_000_000] {
        assert_eq!(answer("/cache/key", length), "413 2 exit status: 0", "{length} bytes");
        assert_eq!(answer("/nowhere", length), "404 2 exit status: 0", "{length} bytes");
    }
    let held = app.in_flight("/slow?ms=600000");
    app.signal_to_stop();
    app.wait_for_phase("drain");
    for length in [300_000, 5_000_000] {
        assert_eq!(answer("/cache/key", length), "503 2 exit status: 0", "{length} bytes");
    }
    drop(held);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}

#[test]
fn nghttp_is_told_by_goaway_and_ping_and_gets_its_answer() {
    let Some(nghttp) = tools::tool("nghttp", "nghttp_is_told_by_goaway_and_ping_and_gets_its_answer") else {
        return;
    };
    let printed = stopped_meanwhile(&Certificate::new(&["localhost"]), &nghttp, 1, |port| {
        vec!["-nv".to_owned(), format!("https://localhost:{port}/slow?ms=4000")]
    });
    let at = |what: &str| printed.find(what).unwrap_or_else(|| panic!("no {what} in {printed}"));
    assert!(at("last_stream_id=2147483647, error_code=NO_ERROR") < at("send PING frame"), "{printed}");
    assert!(at("send PING frame") < at(":status: 200"), "{printed}");
}

#[test]
fn h2load_loses_no_stream() {
    let Some(h2load) = tools::tool("h2load", "h2load_loses_no_stream") else { return };
    let printed = stopped_meanwhile(&Certificate::new(&["localhost"]), &h2load, 200, |port| {
        let url = format!("https://localhost:{port}/slow?ms=4000");
        ["-n", "200", "-c", "4", "-m", "50", &url].map(str::to_owned).into()
    });
    assert!(printed.contains("0 failed, 0 errored, 0 timeout"), "{printed}");
}
