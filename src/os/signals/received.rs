//! [`ReceivedSignal`]: which signal came, when, and from where.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::name::SignalName;

/// A signal, when it reached the process, and who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedSignal {
    /// Its name.
    pub name: SignalName,
    /// When the handler ran, not when the record was read.
    pub at: Instant,
    /// Who sent it.
    pub sender: Sender,
}

/// Who sent a signal, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The process of this id.
    Process(u32),
    /// The kernel itself. HUP, INT and QUIT it sends for a terminal: when that is closed, or for Ctrl-C and Ctrl-\.
    Kernel,
    /// The system does not tell; a process outside of this one's PID namespace, for example.
    Unknown,
}

/// What the times of all signals of this process are counted from. It is set before the first can come.
pub(super) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

impl ReceivedSignal {
    /// When the handler ran, counted for every signal from the same instant.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.at.saturating_duration_since(epoch())
    }

    /// The signal and its sender, as in `SIGTERM from systemd (pid 1)`; without the command, if the sender is gone by
    /// now or the system does not tell.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.sender {
            Sender::Process(pid) => self.describe_sender(pid, command(pid)),
            Sender::Kernel => match self.name {
                SignalName::Hup | SignalName::Int | SignalName::Quit => {
                    format!("{} from the terminal", self.name)
                }
                _ => format!("{} from the kernel", self.name),
            },
            Sender::Unknown => self.name.to_string(),
        }
    }

    fn describe_sender(&self, pid: u32, command: Option<String>) -> String {
        match command {
            Some(command) => format!("{} from {command} (pid {pid})", self.name),
            None => format!("{} from pid {pid}", self.name),
        }
    }
}

/// What `/proc` calls the process. A process chooses that itself: what would not be one printable character is `?`.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn command(pid: u32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned();
    let printable = |letter: char| letter.is_alphanumeric() || letter.is_ascii_graphic() || letter == ' ';
    let shown = name.chars().map(|letter| if printable(letter) { letter } else { '?' });
    Some(shown.collect()).filter(|name: &String| !name.is_empty())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn command(_pid: u32) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_described_with_its_sender_as_far_as_that_is_known() {
        let received = |name, sender| ReceivedSignal { name, at: Instant::now(), sender };
        let term = received(SignalName::Term, Sender::Process(7));
        assert_eq!(term.describe_sender(7, Some("systemd".to_owned())), "SIGTERM from systemd (pid 7)");
        // No process has this id.
        for (name, sender, described) in [
            (SignalName::Term, Sender::Process(u32::MAX), "SIGTERM from pid 4294967295"),
            (SignalName::Hup, Sender::Kernel, "SIGHUP from the terminal"),
            (SignalName::Xcpu, Sender::Kernel, "SIGXCPU from the kernel"),
            (SignalName::CtrlC, Sender::Unknown, "CTRL_C"),
        ] {
            assert_eq!(received(name, sender).describe(), described);
        }
    }

    /// A thread's name is what `/proc` has for its id.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_cannot_write_a_line_of_its_own_into_the_log() -> Result<(), Box<dyn std::error::Error>> {
        let named = std::thread::Builder::new().name("a\n\u{1b}[31m b".to_owned());
        let command = named.spawn(|| {
            // SAFETY: it only returns a number.
            u32::try_from(unsafe { libc::gettid() }).ok().and_then(command)
        })?;
        assert_eq!(command.join().map_err(|_| "it panicked")?.as_deref(), Some("a??[31m b"));
        Ok(())
    }
}
