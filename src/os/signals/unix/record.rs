//! What the handler writes into the pipe of each signal: [`Record`].

use std::{
    mem::MaybeUninit,
    sync::OnceLock,
    time::{Duration, Instant},
};

use libc::{c_int, pid_t, siginfo_t};

use super::super::received::Sender;

/// Nanoseconds of the monotonic clock, the signal's number, its sender's process id or -1, and 1 if the kernel sent it. So
/// little arrives whole.
#[derive(Default)]
pub(super) struct Record([u8; 20]);

impl Record {
    /// Async-signal-safe.
    pub(super) fn new(signal: c_int, info: &siginfo_t) -> Self {
        // SAFETY: with these codes the sender is filled in.
        let pid = if is_from_process(info.si_code) { unsafe { info.si_pid() } } else { -1 };
        let mut record = Self::default();
        record.0[..8].copy_from_slice(&monotonic_nanos().to_ne_bytes());
        record.0[8..12].copy_from_slice(&signal.to_ne_bytes());
        record.0[12..16].copy_from_slice(&pid.to_ne_bytes());
        record.0[16] = u8::from(is_from_kernel(info.si_code));
        record
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    pub(super) fn signal(&self) -> c_int {
        c_int::from_ne_bytes(self.part(8))
    }

    pub(super) fn sender(&self) -> Sender {
        match u32::try_from(pid_t::from_ne_bytes(self.part(12))) {
            Ok(pid) if pid > 0 => Sender::Process(pid),
            _ if self.0[16] == 1 => Sender::Kernel,
            _ => Sender::Unknown,
        }
    }

    /// When the handler was called. All are counted from one instant, so that what lies between two is exact.
    pub(super) fn at(&self) -> Instant {
        static EPOCH: OnceLock<(Instant, u64)> = OnceLock::new();
        let &(epoch, epoch_nanos) = EPOCH.get_or_init(|| (Instant::now(), monotonic_nanos()));
        let nanos = u64::from_ne_bytes(self.part(0));
        let apart = Duration::from_nanos(nanos.abs_diff(epoch_nanos));
        let at = if nanos < epoch_nanos { epoch.checked_sub(apart) } else { epoch.checked_add(apart) };
        at.unwrap_or(epoch)
    }

    fn part<const LENGTH: usize>(&self, from: usize) -> [u8; LENGTH] {
        let mut part = [0; LENGTH];
        part.copy_from_slice(&self.0[from..from + LENGTH]);
        part
    }
}

/// The code of a signal that the kernel sends by itself, such as those of a terminal.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_from_kernel(code: c_int) -> bool {
    code == libc::SI_KERNEL
}

/// Other systems do not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_from_kernel(_code: c_int) -> bool {
    false
}

/// Returns true if `kill`, `sigqueue` or `tgkill` sent it; timers and the like have other codes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_from_process(code: c_int) -> bool {
    matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL)
}

/// The same by the numbers in the headers of macOS and FreeBSD, which the libc crate does not have: `SI_USER`,
/// `SI_QUEUE`, and FreeBSD's `SI_LWP`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_from_process(code: c_int) -> bool {
    matches!(code, 0x1_0001 | 0x1_0002 | 0x1_0007)
}

/// The clock of [`Instant`], which stands still while the system sleeps.
#[cfg(target_vendor = "apple")]
const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
#[cfg(not(target_vendor = "apple"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// [`Instant`] does not promise that it may be asked for in a signal handler; this is on POSIX's list.
fn monotonic_nanos() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `now` is valid for the write, and all zeroes is a valid value of it.
    let now = unsafe {
        libc::clock_gettime(CLOCK, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
