//! The files that the units' heads name, laid out as they say, and what the service makes of them.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::Command,
};

use super::manager::{
    BUSINESS, SERVICE, Transcript, drop_in, get, remove_drop_in, show, systemctl, unit_drop_in,
};
use crate::support::{
    Client,
    tools::{find, output, skipped},
};

const ETC: &str = "etc/graceful-exit";
const SOCKET: &str = "graceful-exit.socket";

/// Lays out the folder below `/etc`: settings, variables, the token, a certificate of `localhost` and its key.
pub(super) fn lay_out(root: &Path) {
    let folder = root.join(ETC);
    fs::create_dir_all(&folder).expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    for (name, text, mode) in [
        ("settings.toml", "[log]\nfile = \"exit.log\"\n".to_owned(), 0o644),
        ("environment", "GRACEFUL_EXIT__LOG__FORMAT=json\n".to_owned(), 0o600),
        ("token", "a-token-of-this-test\n".to_owned(), 0o600),
        ("tls.crt", made.cert.pem(), 0o644),
        ("tls.key", made.signing_key.serialize_pem(), 0o600),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its own file");
    }
}

/// The running service has its settings file, its variables and its limit of descriptors.
pub(super) fn are_used() {
    let log = fs::read_to_string("/var/lib/graceful-exit/exit.log").expect("the file that the settings name");
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(!log.is_empty() && log.lines().all(is_json), "the format that the variable names: {log}");
    // The unit's limit, or the highest that this machine allows.
    let allowed = open_files("self")[1].min(524_288);
    assert_eq!(open_files(get(&show(), "MainPID")), [allowed; 2]);
}

/// The soft and the hard limit of a process's open files.
fn open_files(process: &str) -> [u64; 2] {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).expect("its limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
    [(); 2].map(|()| numbers.next().expect("a number"))
}

/// After more exits than are kept, the last report and the ten before it are there, and readable by the service alone.
pub(super) fn keeps_ten_reports() {
    let folder = fs::read_dir("/var/lib/graceful-exit").expect("the state directory").flatten();
    let mut reports: Vec<_> = folder
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            name.starts_with("report") && Path::new(name).extension().is_some_and(|it| it == "json")
        })
        .collect();
    reports.sort_by_key(|name| (name.len(), name.clone()));
    let mut expected = vec!["report.json".to_owned()];
    expected.extend((1..=10).map(|number| format!("report.{number}.json")));
    assert_eq!(reports, expected);
    let mode = fs::metadata("/var/lib/graceful-exit").expect("the state directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// The lines of a unit that are to be uncommented for what it says.
fn commented(unit: &str, part: &str) -> String {
    let text = fs::read_to_string(Path::new("/etc/systemd/system").join(unit)).expect("the unit");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' '));
    let lines: Vec<_> = lines.filter(|line| line.contains(part)).collect();
    assert!(!lines.is_empty(), "{unit} has commented lines for {part}");
    lines.join("\n")
}

/// With the unit's lines for TLS, the key is a credential, and the certificate is the file below `/etc`.
pub(super) fn serve_tls(saw: &mut Transcript) {
    let Some(curl) = find("curl") else {
        return skipped("TLS by the unit's credential", "curl is not installed (.ci/install does that)");
    };
    drop_in("tls", &format!("[Service]\n{}", commented(SERVICE, "tls.")));
    systemctl(&["restart", SERVICE]);
    let certificate = format!("/{ETC}/tls.crt");
    let url = format!("https://localhost:{}/cache/key", BUSINESS.port());
    let answer = output(Command::new(curl).args(["-sS", "--fail", "--cacert", &certificate, &url]));
    assert_eq!(answer.trim(), "value");
    saw.show("serving TLS with a key that systemd has loaded");
    remove_drop_in("tls");
    systemctl(&["restart", SERVICE]);
}

/// With the socket unit's line for it, the service has a Unix socket beside its port.
pub(super) fn serve_a_unix_socket(saw: &mut Transcript) {
    systemctl(&["stop", SOCKET, SERVICE]);
    unit_drop_in(SOCKET, "unix", &format!("[Socket]\n{}", commented(SOCKET, "ListenStream")));
    systemctl(&["start", SOCKET]);
    // The first connection starts the service.
    let mut client = UnixStream::connect("/run/graceful-exit.sock").expect("systemd listens");
    client.write_all(b"GET /cache/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("value"), "{answer}");
    assert_eq!(Client::get(BUSINESS, "/cache/key").text(), "value");
    saw.show("started by a connection to its Unix socket");
}
