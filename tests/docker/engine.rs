//! A Docker Engine of the test's own: its socket, data, network, mounts and processes are apart from the machine's,
//! and all of it is gone when the engine is dropped.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    network_namespace::NetworkNamespace,
    tools::{find, project_file, skipped},
    wait_until,
};

/// A running `dockerd`, in network, mount and process namespaces of its own.
pub(super) struct Engine {
    /// `unshare`, whose end ends everything that the engine has started.
    namespaces: Child,
    folder: TempDir,
    docker: PathBuf,
}

/// The name under which [`Engine::start`] has built the application's image.
pub(super) const IMAGE: &str = "graceful-exit";

impl Engine {
    /// Starts an engine and builds the application's image in it; prints why the test is skipped where that is not
    /// possible.
    pub(super) fn start(test: &str) -> Option<Self> {
        let skip = |why: &str| {
            skipped(test, why);
            None
        };
        for program in ["dockerd", "containerd", "runc", "iptables", "ip", "unshare", "busybox"] {
            if find(program).is_none() {
                return skip(&format!("{program} is not installed (.ci/install does that)"));
            }
        }
        if !context().join("graceful-exit").is_file() {
            return skip("there is no static binary in target/image (.ci/image builds it)");
        }
        // The client that belongs to the daemon: one of another age may not understand it.
        let docker = Path::new("/usr/bin/docker");
        let docker = if docker.is_file() { docker.to_owned() } else { find("docker")? };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let namespaces = match daemon(folder.path()) {
            Ok(child) => child,
            Err(error) => return skip(&format!("no namespaces can be made here: {error}")),
        };
        let mut engine = Self { namespaces, folder, docker };
        if let Err(log) = engine.wait_until_it_answers() {
            return skip(&format!("no dockerd can be started here: {log}"));
        }
        engine.build(IMAGE, &["--target", "prebuilt"], &context());
        Some(engine)
    }

    /// Runs `docker` with these arguments and returns what it prints.
    ///
    /// # Panics
    /// When the command fails.
    pub(super) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "docker {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The same, where the command may fail.
    pub(super) fn try_docker(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("docker runs")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.docker);
        command.arg("--host").arg(self.address());
        // Neither the user's own settings nor another engine's.
        command.env("DOCKER_CONFIG", self.folder.path()).env_remove("DOCKER_HOST").stdin(Stdio::null());
        command
    }

    /// The engine's address, as clients take it in `DOCKER_HOST`.
    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// Builds an image from a folder with a `Dockerfile`.
    pub(super) fn build(&self, name: &str, options: &[&str], context: &Path) {
        let mut command = self.command();
        command.env("DOCKER_BUILDKIT", "0").args(["build", "--tag", name]).args(options).arg(context);
        let output = command.output().expect("docker runs");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Builds an image of one of this machine's programs, with the libraries that it is linked to. `command` is what the
    /// image starts it with: a line of a Dockerfile, or nothing.
    pub(super) fn build_from_machine(&self, name: &str, program: &Path, command: &str) {
        let context = tempfile::tempdir().expect("a temporary folder");
        let root = context.path().join("root");
        let linked = Command::new("ldd").arg(program).output().expect("ldd runs");
        let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
        for file in libraries.chain([program.to_owned()]) {
            let copy = root.join(file.strip_prefix("/").expect("a path from the root"));
            fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
            fs::copy(&file, copy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        let dockerfile =
            format!("FROM scratch\nCOPY root /\nENTRYPOINT [\"{}\"]\n{command}", program.display());
        fs::write(context.path().join("Dockerfile"), dockerfile).expect("a file");
        self.build(name, &[], context.path());
    }

    /// What `docker inspect` says of a container.
    pub(super) fn inspect(&self, container: &str) -> Value {
        let text = self.docker(&["inspect", container]);
        let list: Value = serde_json::from_str(&text).expect("docker inspect prints JSON");
        list[0].clone()
    }

    /// How a container has ended, as the engine sees it: exit code, and whether it was killed for want of memory.
    pub(super) fn end_of(&self, container: &str) -> (i64, bool) {
        wait_until("the container has ended", || {
            self.inspect(container)["State"]["Running"] == Value::Bool(false)
        });
        let state = &self.inspect(container)["State"];
        (state["ExitCode"].as_i64().expect("a number"), state["OOMKilled"] == Value::Bool(true))
    }

    /// The id of a container's first process, as this machine counts: `docker inspect` tells the one of the engine's own
    /// process namespace.
    pub(super) fn process_of(&self, container: &str) -> u32 {
        let inside = self.inspect(container)["State"]["Pid"].to_string();
        let is_it = |status: &str| {
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            // This machine's, the engine's, the container's.
            ids.split_whitespace().nth(1) == Some(&inside) && ids.split_whitespace().nth(2) == Some("1")
        };
        let mut processes = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            is_it(&status).then_some(id)
        });
        processes.next().unwrap_or_else(|| panic!("no process {inside} of {container}"))
    }

    /// The network that the engine itself is in: every container's bridge is there.
    pub(super) fn network(&self) -> NetworkNamespace {
        NetworkNamespace::of_process(self.namespaces.id()).expect("the engine's network")
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let mut ended = None;
        wait_until("the engine answers", || {
            ended = self.namespaces.try_wait().expect("a child");
            ended.is_some() || self.try_docker(&["info"]).status.success()
        });
        match ended {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(self.folder.path().join("dockerd.log")).unwrap_or_default();
                Err(format!("{status}: {}", log.lines().last().unwrap_or_default()))
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Containers first, so that the engine removes their cgroups; then the first process of the namespace, with
        // which every other one in it ends.
        let containers = self.try_docker(&["ps", "--all", "--quiet"]);
        let containers = String::from_utf8_lossy(&containers.stdout).into_owned();
        let containers: Vec<&str> = containers.split_whitespace().collect();
        if !containers.is_empty() {
            self.try_docker(&[&["rm", "--force", "--volumes"][..], &containers].concat());
        }
        let _ = self.namespaces.kill();
        let _ = self.namespaces.wait();
    }
}

/// The build context that `.ci/image` lays out.
fn context() -> PathBuf {
    project_file("target/image")
}

fn daemon(folder: &Path) -> std::io::Result<Child> {
    let at = |name: &str| folder.join(name).display().to_string();
    let dockerd = [
        format!("--host=unix://{}", at("docker.sock")),
        format!("--data-root={}", at("data")),
        format!("--exec-root={}", at("exec")),
        format!("--pidfile={}", at("docker.pid")),
        "--storage-driver=vfs".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let log = fs::File::create(folder.join("dockerd.log"))?;
    let mut command = Command::new(find("unshare").unwrap_or_else(|| "unshare".into()));
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", "ip link set lo up && exec dockerd \"$@\"", "sh"]).args(dockerd);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // Not in the terminal's group: an interrupted test run still takes it down in order.
    command.process_group(0).spawn()
}
