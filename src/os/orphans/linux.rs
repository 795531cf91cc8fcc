//! PID 1 of a namespace of Linux: an init that reaps everything and passes signals on to its program.

use std::{io, mem::MaybeUninit, ptr};

use libc::{c_int, pid_t, siginfo_t, sigset_t};

pub(super) fn reap_orphans() -> io::Result<()> {
    // SAFETY: it only returns a number.
    if unsafe { libc::getpid() } != 1 {
        return Ok(());
    }
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("orphans can be reaped only if no thread has been started yet"));
    }
    let mut every = MaybeUninit::<sigset_t>::zeroed();
    let mut before = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: both sets are ours; `sigfillset` initializes the first, `sigprocmask` the second.
    unsafe {
        libc::sigfillset(every.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, every.as_ptr(), before.as_mut_ptr());
    }
    // SAFETY: there is no other thread whose locks the child could inherit.
    match unsafe { libc::fork() } {
        -1 => {
            let error = io::Error::last_os_error();
            // SAFETY: as above.
            unsafe { libc::sigprocmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
            Err(error)
        }
        0 => {
            // SAFETY: as above.
            unsafe { libc::sigprocmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
            Ok(())
        }
        // SAFETY: both are what they are said to be.
        program => unsafe { be_init(program, every.as_ptr()) },
    }
}

/// Passes signals on to `program` and reaps everything, until `program` has ended.
///
/// # Safety
/// `program` must be a child, and `every` a set in which each signal is and which this thread has blocked.
unsafe fn be_init(program: pid_t, every: *const sigset_t) -> ! {
    // What the program closes is to be closed. The three standard streams stay, for there is nothing to wait for in them.
    // SAFETY: no other code of this process uses a descriptor from here on.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    loop {
        let mut info = MaybeUninit::<siginfo_t>::zeroed();
        // SAFETY: the set is valid, and so is `info` for the write.
        let signal = unsafe { libc::sigwaitinfo(every, info.as_mut_ptr()) };
        if signal == libc::SIGCHLD {
            // SAFETY: this process does nothing else.
            unsafe { reap(program) };
        } else if signal > 0 {
            // SAFETY: `sigwaitinfo` has filled it, or left the zeroes.
            unsafe { pass_on(program, signal, info.assume_init()) };
        }
    }
}

/// Reaps every child that has ended, and ends as `program` did if that is one of them.
///
/// # Safety
/// Every child of this process must be for this function to reap.
unsafe fn reap(program: pid_t) {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for the write.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if ended <= 0 {
            return;
        }
        if ended == program {
            let code = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            };
            // SAFETY: there is nothing left to do in this process.
            unsafe { libc::_exit(code) };
        }
    }
}

/// Sends a signal on, as its own sender. A terminal has sent it to the program, too: both are in one group.
///
/// # Safety
/// `program` must be a child that has not been waited for, and `info` what came with the signal.
unsafe fn pass_on(program: pid_t, signal: c_int, mut info: siginfo_t) {
    let from_terminal =
        matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP | libc::SIGWINCH);
    if from_terminal && info.si_code == libc::SI_KERNEL {
        return;
    }
    // The kernel takes another sender from a process only as a queued signal's.
    info.si_code = libc::SI_QUEUE;
    // SAFETY: `info` is valid for the call, which copies it.
    unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, program, signal, &raw const info) };
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::os::process::{Process, TestResult, part, say, wait_for_order};

    const CHILD: &str = "os::orphans::linux::tests::child";

    /// Before `main`, as the harness has a thread for each test.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;

    extern "C" fn before_main() {
        if reap_orphans().is_err() {
            std::process::abort();
        }
    }

    #[test]
    fn child() -> TestResult {
        let Some(part) = part() else { return Ok(()) };
        match part.as_str() {
            "orphans" => {
                let mut own = Command::new("sh").args(["-c", "exit 7"]).spawn()?;
                // Its child is an orphan as soon as it has ended.
                Command::new("sh").args(["-c", "(true; sleep 0.01) &"]).status()?;
                say("ready");
                wait_for_order();
                say(own.wait()?.code().unwrap_or(-1));
                crate::os::hard_stop::exit_immediately(5);
            }
            "signal" => {
                crate::os::signals::Signals::install(crate::os::signals::SignalName::UNIX, |caught| {
                    say(caught.name);
                })?;
                say("ready");
                wait_for_order();
            }
            _ => std::process::abort(),
        }
        Ok(())
    }

    /// A process that is PID 1, and its id; `None` where no namespace can be made.
    fn pid_1(part: &str) -> Result<Option<(Process, i32)>, Box<dyn std::error::Error>> {
        let works = Command::new("unshare").args(["--pid", "--fork", "true"]).status();
        if !works.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let mut process = Process::start_in(&["unshare", "--pid", "--fork", "--mount-proc"], CHILD, part)?;
        if part != "abort" {
            assert_eq!(process.line()?, "ready");
        }
        let outer = process.id();
        let children =
            std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap_or_default();
        Ok(Some((process, children.trim().parse().unwrap_or(0))))
    }

    #[test]
    fn orphans_are_reaped_and_no_child_of_the_program_is() -> TestResult {
        let Some((mut process, init)) = pid_1("orphans")? else { return Ok(()) };
        // The program is the only child that is left; what it has started itself is a zombie for it to wait for.
        while std::fs::read_to_string(format!("/proc/{init}/task/{init}/children"))?
            .split_whitespace()
            .count()
            > 1
        {
            std::thread::yield_now();
        }
        process.order()?;
        assert_eq!(process.line()?, "7");
        assert_eq!(process.wait()?.code(), Some(5), "it ends with the program's code");
        Ok(())
    }

    #[test]
    fn signals_reach_the_program() -> TestResult {
        let Some((mut process, init)) = pid_1("signal")? else { return Ok(()) };
        for (signal, name) in
            [(libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP"), (libc::SIGABRT, "SIGABRT")]
        {
            // SAFETY: it only sends; the process ends with this test.
            unsafe { libc::kill(init, signal) };
            assert_eq!(process.line()?, name);
        }
        process.order()?;
        process.wait()?;
        Ok(())
    }

    #[test]
    fn it_ends_as_the_program_does() -> TestResult {
        let Some((mut process, _)) = pid_1("abort")? else { return Ok(()) };
        assert_eq!(process.wait()?.code(), Some(128 + libc::SIGABRT));
        Ok(())
    }

    #[test]
    fn in_any_other_process_nothing_happens() -> TestResult {
        Ok(reap_orphans()?)
    }
}
