//! A network namespace that a test has made, and threads whose sockets are in it.

use std::{fs::File, io, os::fd::AsRawFd, sync::Arc, thread};

/// A handle to a network namespace: it stays for as long as a handle to it does.
#[derive(Clone, Debug)]
pub(crate) struct NetworkNamespace {
    file: Arc<File>,
}

impl NetworkNamespace {
    /// The network namespace of a process. `unshare --fork` is itself in the namespaces that it has made, but for the
    /// process namespace.
    pub(crate) fn of_process(id: u32) -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::open(format!("/proc/{id}/ns/net"))?) })
    }

    /// Moves the calling thread into it: sockets that the thread opens from then on belong to it.
    pub(crate) fn enter(&self) {
        #[expect(unsafe_code, reason = "setns(2) has no safe form in std")]
        // SAFETY: the descriptor is open, and the call changes the calling thread alone.
        let entered = unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "{}", io::Error::last_os_error());
    }

    /// Runs `work` on a thread in this namespace.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
