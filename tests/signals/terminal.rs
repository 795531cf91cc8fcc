//! A terminal that is closed: the shell sends SIGHUP to the application, and so does the kernel when the shell has ended.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{Client, bare, folder, report, side_by_side, tools::tool, wait_until};

/// How long the shell takes to end after it has sent its SIGHUP, in seconds.
const SHELLS: [&str; 3] = ["0.1", "1", "3"];

/// A shell that starts the application in the group of the terminal, and sends it a SIGHUP when the terminal is closed.
/// The kernel sends its own to the group when the shell has ended.
fn shell(delay: &str, application: &Command) -> String {
    let words = std::iter::once(application.get_program()).chain(application.get_args());
    let quoted: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    format!(
        "{} 2> log &\napplication=$!\n\
         trap 'kill -HUP $application; sleep {delay}; exit' HUP\n\
         echo $$ > shell\n\
         while :; do wait; done\n",
        quoted.join(" ")
    )
}

/// A terminal, which is closed when its process is killed.
struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn address(log: &Path, server: &str) -> SocketAddr {
    let mut found = None;
    wait_until("it listens", || {
        let text = fs::read_to_string(log).unwrap_or_default();
        let line = text.lines().find(|line| line.contains(&format!("server {server} listens")));
        found = line.and_then(|line| line.rsplit("http://").next()?.trim().parse().ok());
        found.is_some()
    });
    found.expect("it was found")
}

#[test]
fn the_shells_sighup_and_the_kernels_are_one_request_however_long_the_shell_takes_to_end() {
    if tool("script", "a terminal that is closed").is_none() {
        return;
    }
    side_by_side(&SHELLS, |delay| {
        let folder = folder();
        let mut application = bare(folder.path());
        for setting in [
            "servers.admin.bind=127.0.0.1:0",
            "servers.business.bind=127.0.0.1:0",
            "report.path=report.json",
            // None of these is reached, however slow the machine is.
            "shutdown.checkpoint_timeout=60s",
            "shutdown.drain_timeout=60s",
            "shutdown.stop_timeout=60s",
            "shutdown.callback_timeout=60s",
            "shutdown.release_timeout=60s",
            "shutdown.timeout=1h",
        ] {
            application.arg("-s").arg(setting);
        }
        fs::write(folder.path().join("shell.sh"), shell(delay, &application)).expect("a file");
        let mut command = Command::new("script");
        command.args(["-q", "-c", "exec sh shell.sh", "/dev/null"]).current_dir(folder.path());
        command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        crate::support::signals::all_default(&mut command);
        let terminal = Terminal(command.spawn().expect("script starts"));
        let business = address(&folder.path().join("log"), "business");
        let mut request = Client::connect(business);
        request.send("GET", "/slow?ms=6000", &[]).expect("sent");
        let in_flight = address(&folder.path().join("log"), "admin");
        wait_until("it is in flight", || {
            Client::get(in_flight, "/status").text().contains("\"path\":\"/slow\"")
        });

        drop(terminal);
        let shell = fs::read_to_string(folder.path().join("shell")).expect("its process id");
        let shell = Path::new("/proc").join(shell.trim());
        wait_until("the shell has ended, and the kernel has sent its signal", || !shell.exists());
        assert_eq!(request.read().expect("the second one does not force").status, 200, "{delay}");
        wait_until("the exit is over", || folder.path().join("report.json").exists());
        let report = report(&folder.path().join("report.json"));
        assert_eq!((&report["outcome"], &report["exit_code"]), (&"clean".into(), &0.into()), "{delay}");
        let reason = report["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("SIGHUP from sh (pid "), "{delay}: {reason}");
    });
}
