//! What each operating system does in its own way: one file a subject, one module an operating system.
//!
//! - `arbiters`: threads with an event loop, started without a panic and stopped with their exit.
//! - [`signals`]: what asks the process to stop, caught on a thread of its own.
//! - [`hard_stop`]: a thread that ends the process when nothing else does.
//! - [`journal`]: whether standard error is connected to journald.
//! - `limits`: what happens at a limit of files or descriptors (on Unix).
//! - [`descriptors`]: how many the process may have, and how many are left.
//! - [`listener`]: accepting connections, and turning new ones away without resetting those in the queue.
//! - [`socket`]: whether a socket has pending input.
//! - `socket_file`: a Unix socket's file, which appears whole and goes away with its server.
//! - [`private_file`]: files and folders for this user alone.
//! - `orphans`: what PID 1 has to do (on Linux).
//! - `systemd`: readiness, progress, the watchdog, and inherited sockets (feature `systemd`, on Unix).
//! - [`user`]: the user that this process acts as.
//!
//! # Where platforms differ
//!
//! What is for Linux alone does nothing elsewhere, or the next best thing; its documentation says which.
//!
//! | what | where |
//! |---|---|
//! | Windows has control events instead of signals; SIGPWR is Linux's alone | `signals/name.rs`, `number` in `signals/unix.rs` and `windows.rs` |
//! | Windows ends the process as soon as the handler of a close, log-off or shutdown event returns: it never returns | `on_event` in `signals/windows.rs` |
//! | and about 5 s later in any case, unless the registry says otherwise: plan and start warn | [`signals::cut_short`] |
//! | Windows tells a process of no log-off and no shutdown once it has loaded user32.dll or gdi32.dll: it imports neither | `grace_period` in `signals/windows.rs`; looked for by `.ci/cross` |
//! | Windows holds no event back: one that comes before the handlers are there ends the process | [`signals::block`] |
//! | a fault is told from a request by codes that are not the same everywhere; Apple's kernel gives none for a TRAP (on arm64 also an ILL) that was sent: it counts as a fault | `is_own_end` in `signals/unix.rs` |
//! | each C library has its own name for `errno` | `errno` in `signals/unix.rs` |
//! | on Windows the hard stop calls `TerminateProcess`: an orderly end would end its thread first; and it writes nothing, for a write to a console may wait | [`hard_stop`] |
//! | Windows shares a port between two processes by the option with which Unix takes it over from a dead one: not set there | [`listener::bind`] |
//! | only Linux can turn new connections away before the listening socket is closed; elsewhere it is closed at a moment when none comes | [`listener::refuse_new`], [`listener::shut`] |
//! | systemd and its sockets are Unix's | `systemd.rs`, and `inherited.rs` of the application |
//! | Windows has a service manager: `graceful-exit service` | `service.rs` of the application |
//! | Windows syncs no folder: a rename is as durable as it makes it | `business/directory.rs` of the application |
//! | Windows lets go of a file's lock some time after its process has ended: the start waits for it | `business/spool/` of the application |
//! | Windows neither deletes nor moves a file that is open: nothing here does so with a file that it has open | the rows for it in `tests/` are Unix's |
//! | Windows' old console shows colours as characters, and `TERM` says nothing there | `logging/handle.rs`, `progress.rs` of the application |
#![expect(unsafe_code, reason = "system calls live here and nowhere else; each block says why it is sound")]

pub(crate) mod arbiters;
pub mod descriptors;
pub mod hard_stop;
pub mod journal;
#[cfg(unix)]
pub mod limits;
pub mod listener;
pub(crate) mod lock;
pub(crate) mod orphans;
pub mod private_file;
pub mod refusal;
pub mod signals;
pub mod socket;
#[cfg(unix)]
pub mod socket_file;
#[cfg(all(unix, feature = "systemd"))]
pub mod systemd;
pub mod user;

#[cfg(test)]
pub(crate) mod process;
