//! Every test that sends a signal sends it to a process of its own.

use std::error::Error;
use std::io;
use std::mem;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitStatus};
use std::thread;
use std::time::Instant;

use libc::c_int;

use super::platform::number;
use super::{InstallError, ReceivedSignal, SignalName, Signals, block, unblock};
use crate::os::process::{Process, TestResult, part, say, wait_for_order};

const CHILD: &str = "os::signals::tests::child";

#[test]
fn child() -> TestResult {
    let Some(part) = part() else { return Ok(()) };
    match part.as_str() {
        "catch" => {
            let _signals = Signals::install(SignalName::UNIX, report)?;
            say("ready");
        }
        "catch TERM" => {
            let _signals =
                Signals::install(&[SignalName::Term, SignalName::CtrlC, SignalName::Term], report)?;
            say("ready");
        }
        "busy" => {
            let mut first = true;
            let _signals = Signals::install(SignalName::UNIX, move |caught| {
                report(caught);
                if mem::take(&mut first) {
                    wait_for_order();
                }
            })?;
            say("ready");
            loop {
                thread::park();
            }
        }
        "deliver" => {
            let signals = Signals::install(SignalName::UNIX, report)?;
            say(signals.first().is_none());
            wait_for_order();
            say(signals.first().map_or("none", |caught| caught.name.as_str()));
            signals.deliver_to(|caught| say(format_args!("delivered {}", caught.name)));
        }
        // Raised signals go to this thread alone: the harness has a main thread, which blocks nothing.
        "block TERM" | "block USR1" => {
            block();
            raise(if part == "block TERM" { SignalName::Term } else { SignalName::Usr1 })?;
            say("blocked");
            let _signals = Signals::install(SignalName::UNIX, report)?;
            say("installed");
        }
        "block and unblock" => {
            block();
            raise(SignalName::Term)?;
            say("blocked");
            unblock();
            say("survived");
        }
        "panic" => {
            let _signals = Signals::install(SignalName::UNIX, |caught| {
                report(caught);
                panic!("to be survived");
            })?;
            say("ready");
        }
        "twice" => {
            let _signals = Signals::install(SignalName::UNIX, |_| {})?;
            let again = Signals::install(SignalName::UNIX, |_| {});
            say(matches!(again, Err(InstallError::AlreadyInstalled)));
        }
        "time" => {
            let installed = Instant::now();
            let _signals = Signals::install(SignalName::UNIX, move |caught| {
                say((installed..=Instant::now()).contains(&caught.at));
            })?;
            say("ready");
        }
        "fork" => {
            let _signals = Signals::install(SignalName::UNIX, report)?;
            say(by_signal(fork_and_raise(libc::SIGTERM)?));
        }
        fault => {
            if let Some(fault) = fault.strip_prefix("caught ") {
                let _signals = Signals::install(SignalName::UNIX, report)?;
                commit(fault)?;
            }
            commit(fault)?;
            say("survived");
        }
    }
    wait_for_order();
    crate::os::hard_stop::exit_immediately(0);
}

fn report(caught: ReceivedSignal) {
    say(format_args!("caught {}", caught.name));
}

/// What a broken program does to itself.
fn commit(fault: &str) -> TestResult {
    match fault {
        "SIGABRT" => process::abort(),
        "SIGABRT raised" => raise(SignalName::Abrt)?,
        // SAFETY: none; that is the point.
        #[cfg(target_arch = "x86_64")]
        "SIGILL" => unsafe { std::arch::asm!("ud2") },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        "SIGTRAP" => unsafe { std::arch::asm!("int3") },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        "SIGILL" => unsafe { std::arch::asm!("udf #0") },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        "SIGTRAP" => unsafe { std::arch::asm!("brk #0") },
        #[cfg(target_os = "linux")]
        "SIGSYS" => forbidden_call()?,
        other => return Err(format!("{other} is no fault").into()),
    }
    Ok(())
}

/// Forbids `getppid` to this process, then calls it.
#[cfg(target_os = "linux")]
fn forbidden_call() -> io::Result<()> {
    let (load, jump_if_equal, answer) = (0x20, 0x15, 0x06);
    let call = u32::try_from(libc::SYS_getppid).map_err(io::Error::other)?;
    let mut filter = [
        libc::sock_filter { code: load, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: jump_if_equal, jt: 0, jf: 1, k: call },
        libc::sock_filter { code: answer, jt: 0, jf: 0, k: libc::SECCOMP_RET_TRAP },
        libc::sock_filter { code: answer, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program is valid for the call that copies it.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
        {
            return Err(io::Error::last_os_error());
        }
        libc::getppid();
    }
    Ok(())
}

fn raise(name: SignalName) -> TestResult {
    // SAFETY: it only sends.
    unsafe { libc::raise(number(name).ok_or("not of this platform")?) };
    Ok(())
}

fn fork_and_raise(signal: c_int) -> io::Result<ExitStatus> {
    let mut status = 0;
    // SAFETY: the fork calls only what a signal handler may.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                libc::raise(signal);
                libc::_exit(0);
            }
            fork => libc::waitpid(fork, &raw mut status, 0),
        }
    };
    Ok(ExitStatus::from_raw(status))
}

/// What is caught when it was sent.
fn requests() -> impl Iterator<Item = SignalName> {
    SignalName::UNIX.iter().copied().filter(|&name| !looks_like_a_fault(name))
}

/// Apple's kernel says the same of these whether they were sent or are the process's own fault.
fn looks_like_a_fault(name: SignalName) -> bool {
    let is_arm = cfg!(target_arch = "aarch64");
    cfg!(target_vendor = "apple") && (name == SignalName::Trap || is_arm && name == SignalName::Ill)
}

fn start(part: &str) -> Result<Process, Box<dyn Error>> {
    Process::start(CHILD, part, |_| {})
}

fn send(process: &Process, name: SignalName) -> TestResult {
    let signal = number(name).ok_or("not of this platform")?;
    // SAFETY: the process is a child that has not been waited for, so the id is its own.
    match unsafe { libc::kill(i32::try_from(process.id())?, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

fn expect(process: &mut Process, lines: &[&str]) -> TestResult {
    for line in lines {
        assert_eq!(process.line()?, *line);
    }
    Ok(())
}

fn by_signal(status: ExitStatus) -> String {
    format!("signal {:?}, core {}", status.signal(), status.core_dumped())
}

fn prepared(part: &str, prepare: fn() -> io::Result<()>) -> Result<Process, Box<dyn Error>> {
    Process::start(CHILD, part, |command: &mut Command| {
        // SAFETY: every `prepare` here only makes system calls.
        unsafe { command.pre_exec(prepare) };
    })
}

#[test]
fn every_signal_of_the_list_is_caught_each_time() -> TestResult {
    let mut process = start("catch")?;
    expect(&mut process, &["ready"])?;
    for name in requests().chain(requests()) {
        send(&process, name)?;
        expect(&mut process, &[&format!("caught {name}")])?;
    }
    process.order()?;
    assert_eq!(process.wait()?.code(), Some(0));
    Ok(())
}

#[cfg(target_vendor = "apple")]
#[test]
fn what_looks_like_a_fault_ends_the_process_by_its_signal() -> TestResult {
    for &name in SignalName::UNIX.iter().filter(|&&name| looks_like_a_fault(name)) {
        let mut process = start("catch")?;
        expect(&mut process, &["ready"])?;
        send(&process, name)?;
        assert_eq!(process.wait()?.signal(), number(name), "{name}");
    }
    Ok(())
}

#[test]
fn a_signal_that_is_not_listed_keeps_its_effect() -> TestResult {
    let mut process = start("catch TERM")?;
    expect(&mut process, &["ready"])?;
    send(&process, SignalName::Term)?;
    expect(&mut process, &["caught SIGTERM"])?;
    send(&process, SignalName::Int)?;
    assert_eq!(process.wait()?.signal(), Some(libc::SIGINT));
    Ok(())
}

/// The kernel merges signals that it has not handed over; from there on none may be.
#[cfg(target_os = "linux")]
#[test]
fn equal_signals_are_not_merged_and_keep_their_order_while_the_reader_is_busy() -> TestResult {
    let mut process = start("busy")?;
    expect(&mut process, &["ready"])?;
    let sent = ["SIGTERM", "SIGTERM", "SIGTERM", "SIGHUP", "SIGTERM", "SIGINT", "SIGHUP"];
    for name in sent {
        send(&process, SignalName::parse(name)?)?;
        while is_pending(&process)? {
            thread::yield_now();
        }
    }
    process.order()?;
    for name in sent {
        expect(&mut process, &[&format!("caught {name}")])?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_pending(process: &Process) -> Result<bool, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let mut sets =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    Ok(sets.any(|set| set.trim().contains(|digit| digit != '0')))
}

#[test]
fn what_came_early_is_kept_in_order_and_what_comes_later_follows_it() -> TestResult {
    let mut process = start("deliver")?;
    expect(&mut process, &["true"])?;
    for name in [SignalName::Int, SignalName::Term, SignalName::Int] {
        send(&process, name)?;
        expect(&mut process, &[&format!("caught {name}")])?;
    }
    process.order()?;
    expect(&mut process, &["SIGINT", "delivered SIGINT", "delivered SIGTERM", "delivered SIGINT"])?;
    send(&process, SignalName::Hup)?;
    expect(&mut process, &["caught SIGHUP", "delivered SIGHUP"])
}

#[test]
fn what_is_blocked_is_caught_once_the_handlers_are_there() -> TestResult {
    let mut process = start("block TERM")?;
    expect(&mut process, &["blocked"])?;
    let mut lines = [process.line()?, process.line()?];
    lines.sort();
    assert_eq!(lines, ["caught SIGTERM", "installed"]);
    Ok(())
}

#[test]
fn what_is_blocked_takes_its_effect_when_it_is_unblocked_or_not_listed() -> TestResult {
    for (part, name) in [("block and unblock", SignalName::Term), ("block USR1", SignalName::Usr1)] {
        let mut process = start(part)?;
        expect(&mut process, &["blocked"])?;
        assert_eq!(process.wait()?.signal(), number(name), "{part}");
    }
    Ok(())
}

#[test]
fn what_the_parent_blocked_is_caught() -> TestResult {
    let mut process = prepared("catch", || {
        block();
        Ok(())
    })?;
    expect(&mut process, &["ready"])?;
    for name in requests() {
        send(&process, name)?;
        expect(&mut process, &[&format!("caught {name}")])?;
    }
    Ok(())
}

#[test]
fn hup_int_and_quit_stay_ignored_where_the_parent_ignores_them_and_no_other_does() -> TestResult {
    let mut process = prepared("catch", || {
        for name in SignalName::UNIX {
            let Some(signal) = number(*name) else {
                continue;
            };
            // SAFETY: it installs no handler.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        Ok(())
    })?;
    expect(&mut process, &["ready"])?;
    for name in requests() {
        send(&process, name)?;
        if !matches!(name, SignalName::Hup | SignalName::Int | SignalName::Quit) {
            expect(&mut process, &[&format!("caught {name}")])?;
        }
    }
    Ok(())
}

/// Each is compared with a process that catches nothing: whether there is a core depends on the machine.
#[test]
fn real_faults_and_the_own_abort_still_end_the_process_by_their_signal_with_a_core() -> TestResult {
    let mut faults = vec!["SIGABRT", "SIGABRT raised", "SIGTRAP"];
    if cfg!(target_os = "linux") {
        faults.extend(["SIGILL", "SIGSYS"]);
    }
    let folder = tempfile::tempdir()?;
    for fault in faults {
        let mut ends = Vec::new();
        for part in [fault.to_owned(), format!("caught {fault}")] {
            let mut process = Process::start(CHILD, &part, |command: &mut Command| {
                command.current_dir(folder.path());
                // SAFETY: only a system call.
                unsafe {
                    command.pre_exec(|| {
                        allow_cores();
                        Ok(())
                    })
                };
            })?;
            assert!(process.line().is_err(), "{part}: it goes on");
            ends.push(by_signal(process.wait()?));
        }
        let signal = number(SignalName::parse(fault.trim_end_matches(" raised"))?);
        assert!(ends[0].starts_with(&format!("signal {signal:?}")), "{fault}: {}", ends[0]);
        assert_eq!(ends[0], ends[1], "{fault}");
    }
    Ok(())
}

fn allow_cores() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
    }
}

/// `kill` from outside shows the process id 0, which a queued signal may claim for itself.
#[cfg(target_os = "linux")]
#[test]
fn an_abort_from_outside_the_pid_namespace_is_a_request() -> TestResult {
    let mut process = start("catch")?;
    expect(&mut process, &["ready"])?;
    // SAFETY: all zeroes is valid: sender 0, user 0.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    info.si_signo = libc::SIGABRT;
    info.si_code = libc::SI_QUEUE;
    // SAFETY: the process is a child that has not been waited for; `info` is valid for the call.
    let sent =
        unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, process.id(), libc::SIGABRT, &raw const info) };
    assert_eq!(sent, 0, "{}", io::Error::last_os_error());
    expect(&mut process, &["caught SIGABRT"])
}

#[test]
fn a_fork_without_a_reader_dies_and_its_parent_hears_nothing() -> TestResult {
    let mut process = start("fork")?;
    expect(&mut process, &["signal Some(15), core false"])?;
    send(&process, SignalName::Hup)?;
    expect(&mut process, &["caught SIGHUP"])
}

#[test]
fn a_panic_in_the_consumer_does_not_lose_the_next_signal() -> TestResult {
    let mut process = start("panic")?;
    expect(&mut process, &["ready"])?;
    for name in [SignalName::Term, SignalName::Int] {
        send(&process, name)?;
        expect(&mut process, &[&format!("caught {name}")])?;
    }
    Ok(())
}

#[test]
fn a_second_set_of_handlers_is_refused() -> TestResult {
    expect(&mut start("twice")?, &["true"])
}

#[test]
fn a_signal_carries_the_instant_at_which_it_was_caught() -> TestResult {
    let mut process = start("time")?;
    expect(&mut process, &["ready"])?;
    send(&process, SignalName::Term)?;
    expect(&mut process, &["true"])
}
