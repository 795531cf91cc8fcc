//! A program that uses the library, as a process of its own: the test binary runs one test again, which plays the part.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::STUCK_AFTER;

/// Names the part to play.
const PART: &str = "GRACEFUL_EXIT_PROGRAM";
/// What a program says follows this on its standard output, apart from what the test harness prints.
const SAYS: &str = "says: ";

/// The part that this process was started to play, if it was.
pub(crate) fn part() -> Option<String> {
    let part = env::var(PART).ok()?;
    // A program that hangs must not outlive its test.
    thread::spawn(|| {
        thread::sleep(STUCK_AFTER * 2);
        std::process::abort();
    });
    Some(part)
}

/// Tells the test a line.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{SAYS}{line}"); // the test may be gone
    let _ = output.flush();
}

/// A program that runs. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts `test` of this binary in a process of its own, to play `part`.
    pub(crate) fn start(test: &str, part: &str) -> Self {
        Self::start_with(test, part, |_| ())
    }

    pub(crate) fn start_with(test: &str, part: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env::current_exe().expect("this binary"));
        command.args(["--exact", test, "--nocapture"]).env(PART, part).env("LC_ALL", "C");
        command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        super::signals::all_default(&mut command);
        prepare(&mut command);
        let mut child = command.spawn().expect("this binary runs");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let errors = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().expect("its errors"));
        let all = Arc::clone(&errors);
        let reader = thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *all.lock().expect("no panic") += &(line + "\n");
            }
        });
        Self { child, output, errors, reader: Some(reader) }
    }

    /// The next line that the program says; `None` when it has ended.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).expect("text") > 0 {
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.trim_end().to_owned());
            }
            line.clear();
        }
        None
    }

    /// The next line, which is an address.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.line();
        line.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no address: {}", self.errors()))
    }

    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn errors(&self) -> String {
        self.errors.lock().expect("no panic").clone()
    }

    /// Waits for its end, and returns how it ended, with what it wrote to standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let start = std::time::Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < STUCK_AFTER, "it does not end:\n{}", self.errors());
            thread::sleep(Duration::from_millis(1));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("its errors are read");
        }
        (status, self.errors())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
