//! Who may start the exit of the application, who may read, and what of that is logged.

use std::{fs, net::SocketAddr, os::unix::process::CommandExt, process::Command};

use super::post;
use crate::support::{
    App, Client, folder,
    tools::{skipped, tool},
    wait_until,
};

const TOKEN: &str = "correct-horse-battery";

/// Sends a request as it is written, and gives the status.
fn raw(address: SocketAddr, request: &str) -> u16 {
    let mut client = Client::connect(address);
    client.write(request.as_bytes()).expect("sent");
    client.read_head().expect("answered").0
}

#[test]
fn without_a_token_no_proxy_and_no_page_of_another_site_may_start_the_exit() {
    let app = App::start(&[]);
    let ours = format!("localhost:{}", app.admin.port());
    for (name, value) in [
        ("Via", "1.1 proxy"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Client-IP", "127.0.0.1"),
        ("True-Client-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("X-Cluster-Client-IP", "127.0.0.1"),
        ("X-Envoy-External-Address", "127.0.0.1"),
        ("X_Forwarded_For", "127.0.0.1"),
        ("X-Original-Forwarded-For", "127.0.0.1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", &format!("http://user@{ours}")),
    ] {
        assert_eq!(post(app.admin, &[("Host", &ours), (name, value)]).status, 403, "{name}: {value}");
    }
    assert_eq!(post(app.admin, &[("Host", &format!("user@{ours}"))]).status, 403, "userinfo in Host");
    let head = format!("Host: {ours}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(raw(app.admin, &format!("POST /shutdown HTTP/1.0\r\n{head}")), 403, "HTTP/1.0");
    assert_eq!(
        raw(app.admin, &format!("POST http://example.com/shutdown HTTP/1.1\r\n{head}")),
        403,
        "another target"
    );
    assert_eq!(Client::get(app.admin, "/readyz").status, 200, "none of them started the exit");
    let text = app.log_text();
    assert_eq!(
        text.matches("refused: POST /shutdown from 127.0.0.1:").count(),
        1,
        "limited to one line: {text}"
    );

    assert_eq!(
        raw(app.admin, &format!("POST http://{ours}/shutdown HTTP/1.1\r\n{head}")),
        202,
        "its own target"
    );
    let ended = app.wait();
    assert!(ended.has("accepted: POST /shutdown from 127.0.0.1:"), "{}", ended.text());
    let reason = ended.report()["reason"].to_string();
    assert!(reason.contains("POST /shutdown from 127.0.0.1:"), "{reason}");
}

#[test]
fn what_the_log_says_of_callers_is_in_its_language() {
    for (language, refused, accepted) in [
        ("zh", "：Host 指的不是本机", "已接受：POST /shutdown from 127.0.0.1:"),
        ("zh-Hant", "：Host 指的不是本機", "已接受：POST /shutdown from 127.0.0.1:"),
    ] {
        let app = App::start(&[&format!("log.language={language}")]);
        let answer = post(app.admin, &[("Host", "example.com")]);
        assert_eq!((answer.status, answer.text()), (403, "Host does not name this machine\n".into()));
        assert_eq!(post(app.admin, &[]).status, 202);
        let text = app.wait().text();
        assert!(text.contains(refused) && text.contains(accepted), "{text}");
    }
}

/// nginx as it comes: HTTP/1.0 and no header that would tell of it.
#[test]
fn a_bare_reverse_proxy_on_this_machine_cannot_start_the_exit() {
    let Some(nginx) = tool("nginx", "a bare reverse proxy") else { return };
    let app = App::start(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let socket = path("front.sock");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", path(what)))
        .concat();
    let admin = app.admin;
    let configuration = format!(
        "events {{}}\nhttp {{\n{temporary}access_log off;\nserver {{ listen unix:{socket}; location / {{ proxy_pass http://{admin}; }} }}\n}}\n"
    );
    fs::write(folder.path().join("nginx.conf"), configuration).expect("a file");
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
    command.arg("-g").arg(format!("daemon off; master_process off; pid {};", path("nginx.pid")));
    let mut proxy = command.spawn().expect("nginx starts");
    wait_until("nginx listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let status = through(&socket, "POST /shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let read = through(&socket, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    proxy.kill().expect("it is killed");
    proxy.wait().expect("a child");
    assert!(status.starts_with("HTTP/1.1 403"), "{status}");
    assert!(read.starts_with("HTTP/1.1 200"), "{read}");
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
}

/// Sends a request through a Unix socket, and gives the status line.
fn through(socket: &str, request: &str) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("the proxy listens");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("answered");
    line
}

#[test]
fn over_a_unix_socket_the_same_user_may_start_the_exit_and_no_other() {
    let test = "another user at the admin server's Unix socket";
    let folder = folder();
    let socket = folder.path().join("admin.sock");
    let bind = format!("servers.admin.bind=unix:{}", socket.display());
    let mut command = App::command(folder.path());
    command.args(["--set", &bind, "--set", "servers.admin.unix_mode=0666"]);
    let app = App::spawn(folder.clone(), command);
    app.wait_for("server started");
    let socket = socket.to_str().expect("text");
    let request = "POST /shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    if let Some(curl) = tool("curl", test) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("its folder");
        let mut other = Command::new(curl);
        other.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "--unix-socket", socket]);
        other.arg("http://localhost/shutdown").current_dir("/").uid(65_534);
        match other.output() {
            Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "403"),
            Err(error) => skipped(test, &format!("no process can be started as another user: {error}")),
        }
    }
    assert!(through(socket, request).starts_with("HTTP/1.1 202"));
    let ended = app.wait();
    let reason = ended.report()["reason"].to_string();
    assert!(reason.contains(&format!("POST /shutdown from pid {}", std::process::id())), "{reason}");
}

#[test]
fn wrong_tokens_fill_no_log_and_the_token_is_nowhere_in_it() {
    let app = App::start(&[&format!("admin.token={TOKEN}")]);
    let guess = |guess: usize| {
        post(app.admin, &[("Authorization", &format!("Bearer guess-number-{guess:05}"))]).status
    };
    assert!((0..20).all(|number| guess(number) == 401));
    let text = app.log_text();
    assert_eq!(text.matches("refused: POST /shutdown").count(), 1, "{text}");
    assert!(text.contains("the token is wrong"), "{text}");
    let metrics = Client::get(app.admin, "/metrics").text();
    assert!(metrics.contains("graceful_exit_admin_refused_total{cause=\"token\"} 20\n"), "{metrics}");
    assert_eq!(post(app.admin, &[("Authorization", &format!("Bearer {TOKEN}"))]).status, 202);
    let ended = app.wait();
    assert!(!ended.text().contains(TOKEN) && !ended.text().contains("guess-number"), "{}", ended.text());
}

#[test]
fn a_page_whose_name_was_rebound_reads_nothing() {
    let app = App::start(&[]);
    let get =
        |path: &str, headers: &[(&str, &str)]| Client::request(app.admin, "GET", path, headers, b"").status;
    for path in ["/", "/status", "/metrics", "/events"] {
        let browser = [("Host", "rebind.example:8081"), ("Accept-Language", "en"), ("Connection", "close")];
        assert_eq!(get(path, &browser), 403, "{path}");
    }
    for host in
        ["localhost", "127.0.0.1:8081", "[::1]", "10.0.0.7:8081", "app", "app.default.svc.cluster.local:8081"]
    {
        assert_eq!(get("/status", &[("Host", host), ("User-Agent", "Prometheus/3.5")]), 200, "{host}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(path, &[("Host", "health.example.com")]), 200, "{path}");
    }
}

#[test]
fn clients_that_send_nonsense_fill_no_log() {
    let app = App::start(&["log.level=info"]);
    let before = app.log_text().lines().count();
    for number in 0..1_000 {
        let mut client = Client::connect(if number % 2 == 0 { app.business } else { app.admin });
        client.write(b"\x16\x03\x01 nonsense \0\r\n\r\n").expect("sent");
        assert_eq!(client.read_head().expect("answered").0, 400);
    }
    let lines: Vec<_> = app.log_text().lines().skip(before).map(str::to_owned).collect();
    assert!(lines.len() < 20, "{} lines, the first of which are {:#?}", lines.len(), &lines[..20]);
    assert_eq!(Client::get(app.business, "/").status, 200);
}
