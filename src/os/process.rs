//! Tests with real processes: a test starts the test binary again, which then runs one test alone and plays a part in it.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

/// Names the part to play; without it, a test that is a child does nothing.
const PART: &str = "GRACEFUL_EXIT_TEST_PART";
/// The prefix of the lines that the child writes; lines without it are the test harness's own.
const SAYS: &str = "says: ";

/// A process that plays a part. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the test binary again to run only `test`, which finds `part` by [`part`].
    pub(crate) fn start(
        test: &str,
        part: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, Box<dyn Error>> {
        Self::start_command(Command::new(env::current_exe()?), test, part, prepare)
    }

    /// The same by another program, which is given it as its last arguments.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_in(by: &[&str], test: &str, part: &str) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(env::current_exe()?);
        Self::start_command(command, test, part, |_| {})
    }

    fn start_command(
        mut command: Command,
        test: &str,
        part: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, Box<dyn Error>> {
        command.args(["--exact", test, "--nocapture"]).env(PART, part);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        ignore_nothing(&mut command);
        prepare(&mut command);
        let mut child = command.spawn()?;
        let orders = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self { child, orders, output })
    }

    /// For sending signals to it.
    #[cfg(unix)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next thing that the child says; an error when it has ended.
    pub(crate) fn line(&mut self) -> Result<String, Box<dyn Error>> {
        for line in self.output.by_ref() {
            if let Some((_, said)) = line?.split_once(SAYS) {
                return Ok(said.to_owned());
            }
        }
        Err("the child has ended without saying more".into())
    }

    /// Lets the child's [`wait_for_order`] return.
    pub(crate) fn order(&mut self) -> io::Result<()> {
        self.orders.as_mut().map_or(Ok(()), |orders| orders.write_all(b"go on\n"))
    }

    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// Starts the child with nothing ignored: the tests' own surroundings may be `nohup` or a shell's background.
#[cfg(unix)]
fn ignore_nothing(command: &mut Command) {
    let set = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: it is async-signal-safe, and installs no handler here.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, set) };
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// The part that this process was started to play, if it was.
pub(crate) fn part() -> Option<String> {
    let part = env::var(PART).ok()?;
    // A child that hangs must not outlive its test, nor keep it from failing.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(30));
        super::hard_stop::exit_immediately(99);
    });
    Some(part)
}

pub(crate) fn say(what: impl std::fmt::Display) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{SAYS}{what}"); // the parent may be gone
    let _ = output.flush();
}

/// Blocks until the parent orders to go on, or is gone.
pub(crate) fn wait_for_order() {
    let _ = io::stdin().lines().next();
}
