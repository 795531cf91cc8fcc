//! A headless Chromium, driven through its driver.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use fantoccini::{Client as Session, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{
    Client, STUCK_AFTER,
    tools::{project_file, skipped, tool},
    wait_until,
};

/// One browser with one page, closed on drop.
#[derive(Debug)]
pub(crate) struct Browser {
    session: Session,
    runtime: Runtime,
    driver: Driver,
    id: String,
    _profile: TempDir,
    /// One browser at a time: each needs much memory.
    _alone: MutexGuard<'static, ()>,
}

/// The driver's process.
#[derive(Debug)]
struct Driver {
    process: Child,
    address: SocketAddr,
}

static ALONE: Mutex<()> = Mutex::new(());

/// Options for a browser that connects only to this machine and shows no first-run pages.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A test's certificate is signed by no authority.
    "--ignore-certificate-errors",
    "--window-size=1120,760",
];

impl Browser {
    /// Starts a browser that prefers `language`. Returns `None`, and says that `test` is skipped, if there is none.
    pub(crate) fn start(test: &str, language: &str) -> Option<Self> {
        let chromedriver = tool("chromedriver", test)?;
        let chromium = tool("chromium", test)?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let driver = Driver::start(Command::new(chromedriver).arg("--port=0"));
        let profile = tempfile::tempdir().expect("a temporary folder");

        let mut flags: Vec<_> = FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({
            "binary": chromium,
            "args": flags,
            "prefs": { "intl.accept_languages": language },
        });
        let capabilities =
            json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!() };

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (session, id) = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let session =
                builder.capabilities(capabilities).connect(&format!("http://{}", driver.address)).await;
            let session = session.expect("the browser starts");
            let id = session.session_id().await.expect("a session").expect("an id");
            (session, id)
        });
        Some(Self { session, runtime, driver, id, _profile: profile, _alone: alone })
    }

    pub(crate) fn open(&self, server: SocketAddr) {
        self.open_at(server, "/");
    }

    pub(crate) fn open_at(&self, server: SocketAddr, path: &str) {
        self.open_url(&format!("http://{server}{path}"));
    }

    pub(crate) fn open_url(&self, url: &str) {
        self.runtime.block_on(self.session.goto(url)).expect("the page opens");
    }

    /// Runs a script, and returns its result.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.runtime
            .block_on(self.session.execute(script, Vec::new()))
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same for a script that calls its last argument back.
    pub(crate) fn run_async(&self, script: &str) -> Value {
        let result = self.runtime.block_on(self.session.execute_async(script, Vec::new()));
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The text that a selector's first element shows; empty if it is hidden.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.run(&format!(
            "const it = document.querySelector('{selector}'); return it?.checkVisibility() ? it.innerText : ''"
        ));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a selector's first element shows `text`.
    pub(crate) fn wait_for(&self, selector: &str, text: &str) {
        wait_until(&format!("{selector} shows {text:?}; it shows {:?}", self.text("main")), || {
            self.text(selector).contains(text)
        });
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_until(&self, expression: &str) {
        wait_until(expression, || self.run(&format!("return Boolean({expression})")) == json!(true));
    }

    /// Clicks as a user does, at the element's position on the screen.
    pub(crate) fn click(&self, selector: &str) {
        let click = async {
            let element = self
                .session
                .wait()
                .at_most(STUCK_AFTER)
                .for_element(fantoccini::Locator::Css(selector))
                .await?;
            element.click().await
        };
        self.runtime.block_on(click).unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types into the focused element.
    pub(crate) fn type_text(&self, text: &str) {
        let type_text = async { self.session.active_element().await?.send_keys(text).await };
        self.runtime.block_on(type_text).expect("an element has the focus");
    }

    /// Sets the theme, `light` or `dark`, and the screen's width.
    pub(crate) fn look(&self, theme: &str, width: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// The console's errors and warnings, refusals by the content security policy included; but for those of a server
    /// that is no longer there, since the page goes on looking for the next one.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask("se/log", &json!({ "type": "browser" }));
        let of_note = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        log.as_array()
            .expect("a log")
            .iter()
            .filter(of_note)
            .map(|entry| entry["message"].to_string())
            .filter(|message| !message.contains("net::ERR_"))
            .collect()
    }

    /// The violations that axe-core finds. Empty, with a line that says so, if axe-core is not installed.
    pub(crate) fn inaccessible(&self, test: &str) -> Vec<String> {
        let path = project_file("target/npm/node_modules/axe-core/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(&path) else {
            skipped(test, "axe-core is not installed (.ci/install does that)");
            return Vec::new();
        };
        let found = self.run_async(&format!(
            "{axe}; const done = arguments[arguments.length - 1];
             axe.run().then(({{ violations, passes }}) => done({{
                 passes: passes.length,
                 violations: violations.map((it) => `${{it.id}}: ${{it.nodes.map((node) => node.html + ' ' + node.failureSummary)}}`),
             }}), (error) => done({{ violations: [String(error)] }}))"
        ));
        assert!(
            found["violations"] != json!([]) || found["passes"].as_u64() > Some(10),
            "it checked some rules: {found}"
        );
        found["violations"].as_array().expect("a list").iter().map(ToString::to_string).collect()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Calls a command of Chromium's own, which the WebDriver standard does not have.
    fn ask(&self, what: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{what}", self.id);
        let headers = [("Content-Type", "application/json"), ("Connection", "close")];
        let host = self.driver.address.to_string();
        let headers = [&headers[..], &[("Host", host.as_str())]].concat();
        let answer =
            Client::request(self.driver.address, "POST", &path, &headers, body.to_string().as_bytes());
        let mut answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(answer["value"]["error"].is_null(), "{what}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // If this fails, the driver's end takes the browser along.
        let _ = self.runtime.block_on(self.session.clone().close());
    }
}

impl Driver {
    fn start(command: &mut Command) -> Self {
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the driver starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        Self { process, address: ([127, 0, 0, 1], port.expect("the driver says its port")).into() }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
