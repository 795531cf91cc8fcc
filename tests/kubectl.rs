//! `kubectl apply --dry-run=client` takes `config/deploy/kubernetes.yaml`. Even so it asks an API server which resources
//! there are, and fails without one; the test answers as one that has those of the file. The fields are checked
//! against Kubernetes' schema in `deploy.rs`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    thread,
};

use serde_json::{Value, json};

use crate::support::tools::{find, project_file, skipped};

/// Groups of resources, and those of the file in each.
const GROUPS: [(&str, &[(&str, &str)]); 4] = [
    ("v1", &[("secrets", "Secret"), ("services", "Service")]),
    ("apps/v1", &[("deployments", "Deployment")]),
    ("policy/v1", &[("poddisruptionbudgets", "PodDisruptionBudget")]),
    ("networking.k8s.io/v1", &[("networkpolicies", "NetworkPolicy")]),
];

/// What an API server answers to a GET; nothing for an object, since none has been applied.
fn discovery(path: &str) -> Option<Value> {
    match path {
        "/api" => return Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => {
            let groups = GROUPS.iter().filter_map(|(version, _)| {
                let (name, number) = version.split_once('/')?;
                let version = json!({"groupVersion": version, "version": number});
                Some(json!({"name": name, "versions": [version], "preferredVersion": version}))
            });
            let groups: Vec<_> = groups.collect();
            return Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}));
        }
        _ => {}
    }
    let asked = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
    let (version, resources) = GROUPS.iter().find(|(version, _)| *version == asked)?;
    let resources = resources.iter().map(|(name, kind)| {
        json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "create", "patch"]})
    });
    let resources: Vec<_> = resources.collect();
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}),
    )
}

/// Serves [`discovery`] until the tests end.
fn api_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || answer(&connection));
        }
    });
    address
}

fn answer(mut connection: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let (status, body) = discovery(path).map_or_else(
        || {
            let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
            ("404 Not Found", missing)
        },
        |body| ("200 OK", body),
    );
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
    write!(connection, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn kubectl_would_create_each_resource_of_the_deployment() {
    let Some(kubectl) = find("kubectl") else {
        return skipped("kubectl apply --dry-run=client", "kubectl is not installed");
    };
    let (server, folder) = (api_server(), tempfile::tempdir().expect("a temporary folder"));
    let apply = |file: &Path| -> Output {
        // Neither the user's cluster nor cache.
        let mut command = Command::new(&kubectl);
        command.env("HOME", folder.path()).env("KUBECONFIG", folder.path().join("none"));
        command.arg("--server").arg(format!("http://{server}"));
        // Its own validation needs the server's schema.
        command.args(["apply", "--dry-run=client", "--validate=false", "--filename"]).arg(file);
        command.output().expect("it runs")
    };
    let file = project_file("config/deploy/kubernetes.yaml");
    let applied = apply(&file);
    let said = String::from_utf8_lossy(&applied.stdout).into_owned();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let kinds = fs::read_to_string(&file).expect("a file").matches("\nkind: ").count();
    assert_eq!((said.matches("created (dry run)").count(), kinds), (5, 5), "{said}");

    let wrong = fs::read_to_string(&file).expect("a file").replace("kind: Deployment", "kind: Deploymnet");
    let path = folder.path().join("wrong.yaml");
    fs::write(&path, wrong).expect("a file");
    assert!(!apply(&path).status.success(), "a kind that does not exist is refused");
}
