//! systemd in the container: what it is told, and what it says of the service.

use std::{fs, io::Write, net::SocketAddr, path::PathBuf, process::Command};

use crate::support::tools::output;

pub(super) const SERVICE: &str = "graceful-exit.service";
pub(super) const BUSINESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// A transcript of `systemctl show`, for a reader.
pub(super) struct Transcript(fs::File);

impl Transcript {
    pub(super) fn create(path: &str) -> Self {
        Self(fs::File::create(path).expect("a file"))
    }

    pub(super) fn say(&mut self, line: &str) {
        writeln!(self.0, "== {line}").expect("a file");
    }

    pub(super) fn show(&mut self, what: &str) -> String {
        self.say(what);
        let state = show();
        self.0.write_all(state.as_bytes()).expect("a file");
        state
    }
}

pub(super) fn show() -> String {
    let what =
        "--property=ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,StatusText,MainPID";
    output(Command::new("systemctl").args(["show", what, SERVICE]))
}

pub(super) fn get<'a>(state: &'a str, property: &str) -> &'a str {
    let found = state.lines().find_map(|line| line.strip_prefix(property)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{property} in {state}"))
}

pub(super) fn systemctl(arguments: &[&str]) {
    output(Command::new("systemctl").args(arguments));
}

pub(super) fn drop_in(name: &str, text: &str) {
    unit_drop_in(SERVICE, name, text);
}

pub(super) fn unit_drop_in(unit: &str, name: &str, text: &str) {
    let folder = PathBuf::from(format!("/run/systemd/system/{unit}.d"));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("{name}.conf")), text).expect("a file");
    systemctl(&["daemon-reload"]);
}

pub(super) fn remove_drop_in(name: &str) {
    fs::remove_file(format!("/run/systemd/system/{SERVICE}.d/{name}.conf")).expect("it is there");
    systemctl(&["daemon-reload"]);
}
