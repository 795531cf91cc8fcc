//! The files of `config/deploy/` agree with `plan`'s output; the application works as PID 1 without an init process.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use serde_json::Value;

use crate::support::{
    App, PAST_COALESCE, bare, signals,
    tools::{find, output, project_file, skipped, tool},
};

#[test]
fn the_deployment_has_the_numbers_of_the_plan() {
    let yaml = fs::read_to_string(project_file("config/deploy/kubernetes.yaml")).expect("a file");
    let environment = pod_environment(&yaml);
    assert!(environment.contains_key("GRACEFUL_EXIT__SHUTDOWN__TIMEOUT"), "{environment:?}");
    let plan: Value = serde_json::from_str(&plan(&environment, &["--format", "json"])).expect("JSON");
    assert_eq!(number(&yaml, "terminationGracePeriodSeconds"), plan["terminationGracePeriodSeconds"]);
    assert_eq!(plan["warnings"], serde_json::json!([]), "it fits");
    // The readiness probe fails within the ready delay.
    let delay = plan["phases"][0]["bound_ms"].as_u64().expect("a number");
    let probe = yaml.split("readinessProbe:").nth(1).expect("a probe");
    let [period, timeout, failures] =
        ["periodSeconds", "timeoutSeconds", "failureThreshold"].map(|key| number(probe, key));
    assert_eq!(plan["phases"][0]["name"], "ready_delay");
    assert!(
        (period * failures + timeout) * 1000 < delay,
        "{period} × {failures} + {timeout} s of {delay} ms"
    );

    // The plan's output for these settings is in the file, line by line, except for its comments.
    let block = self::plan(&environment, &["--format", "kubernetes"]);
    let lines: Vec<_> = yaml.lines().map(str::trim).collect();
    for line in block.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        assert!(lines.contains(&line), "`{line}` is not in kubernetes.yaml:\n{block}");
    }
}

/// Nothing but the platform's own pods reaches the admin server, whose reads need no token by default.
#[test]
fn the_deployment_lets_no_other_pod_reach_the_admin_server() {
    let yaml = fs::read_to_string(project_file("config/deploy/kubernetes.yaml")).expect("a file");
    let policy = yaml.split("\n---").find(|document| document.contains("kind: NetworkPolicy")).expect("one");
    let rules: Vec<_> = policy.split("- ports:").skip(1).collect();
    // A rule without `from` lets everything in, and so does one without `ports`.
    let for_admin: Vec<_> = rules.iter().filter(|rule| rule.contains("port: admin")).collect();
    assert!(for_admin.len() == 1 && rules.len() == policy.matches("- port: ").count(), "{policy}");
    // An empty selector names every pod, or every namespace.
    let from = for_admin[0].split("from:").nth(1).unwrap_or_default();
    assert!(from.contains("Selector:\n") && from.contains("matchLabels:\n"), "{policy}");
    assert!(policy.contains("policyTypes:\n    - Ingress"), "{policy}");
    // It is about the pods of the Deployment.
    let labels = |document: &str, above: &str| {
        let below = document.split(above).nth(1).unwrap_or_default();
        below.lines().map(str::trim).find(|line| line.starts_with("app: ")).map(str::to_owned)
    };
    let deployment = yaml.split("\n---").find(|document| document.contains("kind: Deployment")).expect("one");
    let pods = labels(deployment, "template:");
    assert!(pods.is_some() && labels(policy, "podSelector:") == pods, "{policy}");
}

/// A name that its owner can point elsewhere is no pin.
#[test]
fn the_hosted_workflow_runs_what_was_reviewed() {
    let yaml = fs::read_to_string(project_file(".github/workflows/ci.yml")).expect("a file");
    let uses: Vec<_> = yaml.lines().filter_map(|line| line.split_once("uses: ")).collect();
    assert!(!uses.is_empty());
    for (_, action) in uses {
        let pin = action.split_once('@').map(|(_, pin)| pin.split(' ').next().unwrap_or_default());
        let is_commit =
            pin.is_some_and(|pin| pin.len() == 40 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(is_commit, "{action}");
    }
    assert!(!yaml.contains("-latest"), "runners by version");
    for image in yaml.lines().filter_map(|line| line.trim().strip_prefix("image: ")) {
        let version = image.split_once(':').map_or("", |(_, version)| version);
        assert_eq!(version.split('-').next().unwrap_or_default().split('.').count(), 3, "{image}");
    }
}

#[test]
fn the_deployment_matches_kubernetes_schema() {
    let ours = project_file("target/tools/kubernetes/bin/kubernetes-validate");
    let Some(validate) = Some(ours).filter(|path| path.is_file()).or_else(|| find("kubernetes-validate"))
    else {
        return skipped(
            "the Deployment's schema",
            "kubernetes-validate is not installed (.ci/install does that)",
        );
    };
    let file = project_file("config/deploy/kubernetes.yaml");
    let said = output(Command::new(&validate).arg("--strict").arg(&file));
    for kind in ["Secret", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"] {
        assert!(said.to_lowercase().contains(&kind.to_lowercase()), "{kind} was checked: {said}");
    }
    eprintln!("{said}");
    // A misspelt key is found: the check works.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wrong = fs::read_to_string(&file).expect("a file").replace("maxUnavailable: 0", "maxUnavailabel: 0");
    fs::write(folder.path().join("wrong.yaml"), wrong).expect("a file");
    let refused = Command::new(&validate).arg("--strict").arg(folder.path().join("wrong.yaml")).output();
    assert!(!refused.expect("it runs").status.success());
}

/// What the package is built from reaches the image's build stage, and `target` does not.
#[test]
fn the_images_build_context_has_the_sources_alone() {
    let ignored = include_str!("../config/deploy/Dockerfile.dockerignore");
    let taken: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*") && !taken.contains(&"target"), "{ignored}");
    let manifest = include_str!("../Cargo.toml");
    let package = manifest.lines().find_map(|line| line.strip_prefix("include = ")).expect("a list");
    let package: Vec<_> = package.split('"').filter_map(|path| path.strip_prefix('/')).collect();
    let built: Vec<_> = package
        .into_iter()
        .filter(|path| !["README", "CHANGELOG", "LICENSE"].iter().any(|name| path.starts_with(name)))
        .collect();
    assert!(built.contains(&"src"), "{built:?}");
    for path in built.iter().chain(&["Cargo.toml", "Cargo.lock"]) {
        assert!(taken.contains(path) && project_file(path).exists(), "{path} is not in {taken:?}");
    }
}

#[test]
fn every_variable_of_a_deployment_file_is_a_setting() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shown = output(bare(folder.path()).args(["config", "show", "--format", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let keys = shown.as_object().expect("keys").keys();
    let settings: Vec<_> =
        keys.map(|key| format!("GRACEFUL_EXIT__{}", key.replace('.', "__").to_uppercase())).collect();
    for file in ["Dockerfile", "compose.yaml", "kubernetes.yaml", "graceful-exit.service"] {
        let text = fs::read_to_string(project_file("config/deploy").join(file)).expect("a file");
        let is_of_a_name = |sign: char| sign.is_ascii_uppercase() || sign == '_';
        let names: Vec<_> = text
            .split(|sign: char| !is_of_a_name(sign))
            .filter(|word| word.starts_with("GRACEFUL_EXIT__"))
            .collect();
        assert!(!names.is_empty(), "{file}");
        for name in names {
            assert!(settings.iter().any(|setting| setting == name), "{file}: {name} is no setting");
        }
    }
}

#[test]
fn the_deployment_takes_what_the_secret_of_the_example_has() {
    let yaml = fs::read_to_string(project_file("config/deploy/kubernetes.yaml")).expect("a file");
    let (secret, rest) = yaml.split_once("\n---\n").expect("documents");
    assert!(secret.contains("kind: Secret"), "the Secret is the first");
    let secret: BTreeMap<_, _> = secret
        .split("stringData:\n")
        .nth(1)
        .expect("data")
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| !name.starts_with('#'))
        .collect();
    let taken: Vec<_> =
        rest.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("key: ")).collect();
    assert_eq!(taken, ["store", "token"]);
    assert!(taken.iter().all(|key| secret.contains_key(key)), "{secret:?}");

    // With these values in place the settings are right, the token's length included.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut environment = pod_environment(&yaml);
    assert_eq!(environment.remove("GRACEFUL_EXIT__ADMIN__TOKEN_FILE").as_deref(), Some("/secret/token"));
    environment.insert("GRACEFUL_EXIT__ADMIN__TOKEN".to_owned(), secret["token"].to_owned());
    environment.insert("GRACEFUL_EXIT__CACHE__STORE".to_owned(), secret["store"].to_owned());
    output(bare(folder.path()).args(["config", "check"]).envs(environment));
}

#[test]
fn the_unit_has_the_lines_of_the_plan() {
    let unit = fs::read_to_string(project_file("config/deploy/graceful-exit.service")).expect("a file");
    let block = plan(&BTreeMap::new(), &["--format", "systemd"]);
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        assert!(unit.lines().any(|ours| ours == line), "`{line}` is not in the unit:\n{block}");
    }
    assert!(block.contains("SHUTDOWN__SIGNALS") && !block.contains("\"SIGABRT"), "{block}");
}

#[test]
fn the_plan_warns_of_a_platform_that_kills_before_the_deadline() {
    let plan = |arguments: &[&str]| plan(&BTreeMap::new(), arguments);
    assert!(!plan(&[]).contains("warning"), "{}", plan(&[]));
    let long = plan(&["-s", "shutdown.timeout=40s"]);
    assert!(
        long.contains("warning: shutdown.timeout (40.0s) reaches past the platform's grace period of 30.0s"),
        "{long}"
    );
    assert!(long.contains("terminationGracePeriodSeconds: 45"), "{long}");
    assert!(!plan(&["-s", "shutdown.timeout=40s", "--grace-period", "60s"]).contains("warning"));
    let hook = plan(&["--pre-stop", "10s"]);
    assert!(hook.contains("warning") && hook.contains("terminationGracePeriodSeconds: 40"), "{hook}");
    let never = plan(&["-s", "shutdown.timeout=10s", "-s", "shutdown.callback_timeout=11s"]);
    assert!(never.contains("flush-cache: a timeout of 11.0s can never be used up"), "{never}");
    let kubernetes = plan(&["--format", "kubernetes"]);
    assert!(
        kubernetes.contains("# warning: nothing outside of the pod reaches servers.admin.bind"),
        "{kubernetes}"
    );
    assert!(kubernetes.contains("# warning: shutdown.ready_delay is 0ms"), "{kubernetes}");
}

#[test]
fn pid_1_needs_no_init_process() {
    const TEST: &str = "PID 1 without an init";
    let Some(unshare) = tool("unshare", TEST) else { return };
    let mut probe = Command::new(&unshare);
    probe.args(["--pid", "--fork", "--kill-child", "true"]).stderr(Stdio::null());
    if !probe.status().expect("unshare").success() {
        return skipped(TEST, "no PID namespace may be made here");
    }
    let start = || {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let inner = App::command(folder.path());
        let mut outer = Command::new(&unshare);
        outer.args(["--pid", "--fork", "--kill-child"]).arg(inner.get_program()).args(inner.get_args());
        outer.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
        // A script that runs these tests in its background ignores SIGINT, and its children inherit that.
        signals::all_default(&mut outer);
        let app = App::start_command(folder, outer);
        // `unshare` waits for its child, which is PID 1 of the namespace.
        let children = format!("/proc/{0}/task/{0}/children", app.id());
        let inside = fs::read_to_string(children).expect("a child").trim().parse::<i32>().expect("one child");
        (app, inside)
    };
    let (app, inside) = start();
    let status = fs::read_to_string(format!("/proc/{inside}/status")).expect("its status");
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    let mut slow = app.in_flight("/slow?ms=400");
    kill(inside, libc::SIGTERM);
    assert_eq!(slow.read().expect("answered").status, 200);
    assert_eq!(app.wait().code(), Some(0));

    // The second signal forces. PID 1 has no default actions, and none is needed.
    let (app, inside) = start();
    let _slow = app.in_flight("/slow?ms=60000");
    kill(inside, libc::SIGINT);
    app.wait_for_phase("drain");
    thread::sleep(PAST_COALESCE);
    kill(inside, libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(1));
}

#[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
fn kill(id: i32, signal: libc::c_int) {
    // SAFETY: the process is the test's own, and its parent has not waited for it.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}

/// Every variable that has a value in the file, `- name: X` and `value: "Y"` on two lines.
fn pod_environment(yaml: &str) -> BTreeMap<String, String> {
    let lines: Vec<_> = yaml.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let name = pair[0].strip_prefix("- name: ")?;
        let value = pair[1].strip_prefix("value: \"")?.strip_suffix('"')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn number(yaml: &str, key: &str) -> u64 {
    let line = yaml.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{key} has a number"))
}

fn plan(environment: &BTreeMap<String, String>, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = bare(folder.path());
    command.arg("plan").args(arguments).envs(environment);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
