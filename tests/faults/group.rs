//! Control groups, of version 1 and 2: limits that the kernel sets a process from outside.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::stage;
use crate::support::wait_until;

/// A group of one controller. It is removed when it is dropped, which needs its processes to have ended.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Group {
    /// Makes a group for `controller`: `memory`, `pids` or `cpu`. Where the machine refuses, `row` is skipped.
    pub(super) fn of(controller: &str, row: &str) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let is_second = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let root = PathBuf::from("/sys/fs/cgroup").join(if is_second { "" } else { controller });
        let within = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            let is_here =
                if is_second { names.is_empty() } else { names.split(',').any(|name| name == controller) };
            is_here.then(|| path.trim_start_matches('/'))
        });
        let name = format!("graceful-exit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let places = [within.map(|within| root.join(within)), Some(root)];
        let group = places.into_iter().flatten().map(|place| place.join(&name)).find_map(|place| {
            fs::create_dir(&place).ok()?;
            let group = Self(place);
            // A group of version 2 has the files of the controllers that its parent hands on.
            let file = match (controller, is_second) {
                ("memory", true) => "memory.max",
                ("memory", false) => "memory.limit_in_bytes",
                ("pids", _) => "pids.max",
                (_, true) => "cpu.max",
                (_, false) => "cpu.cfs_quota_us",
            };
            group.0.join(file).exists().then_some(group)
        });
        if group.is_none() {
            stage::skip(row, format_args!("no control group for {controller} can be made here"));
        }
        group
    }

    /// Moves a process here, and limits it to little more than its unreclaimable memory.
    pub(super) fn limit_memory(&self, id: u32) {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: Option<u64> = anonymous.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok());
        let limit = kib.unwrap_or(0) * 1024 + (24 << 20);
        self.take(id);
        self.set(&[("memory.max", limit.to_string()), ("memory.limit_in_bytes", limit.to_string())]);
    }

    /// Moves a process here, and refuses it any thread beyond those it has.
    pub(super) fn limit_threads(&self, id: u32) {
        self.take(id);
        let threads = fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
        self.set(&[("pids.max", threads.to_string())]);
    }

    /// Limits what starts here to so many threads.
    pub(super) fn set_threads(&self, most: usize) {
        self.set(&[("pids.max", most.to_string())]);
    }

    /// Moves a process here, and lets it run for a hundredth of the time.
    pub(super) fn limit_processor(&self, id: u32) {
        self.take(id);
        self.set(&[("cpu.max", "1000 100000".to_owned()), ("cpu.cfs_quota_us", "1000".to_owned())]);
    }

    /// The file that a process joins by writing its number to it.
    pub(super) fn members(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    fn take(&self, id: u32) {
        fs::write(self.members(), id.to_string()).expect("a group takes a process");
    }

    /// Sets the file of the version that the machine has.
    fn set(&self, values: &[(&str, String)]) {
        let (name, value) =
            values.iter().find(|(name, _)| self.0.join(name).exists()).expect("a group has its limit");
        fs::write(self.0.join(name), value).unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_until("the control group is empty", || {
            fs::remove_dir(&self.0).is_ok() || env::var_os("CI").is_some()
        });
    }
}
