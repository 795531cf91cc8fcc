//! The live page in a real browser.

mod browser;
mod events;

use graceful_exit::{Outcome, admin::Admin};

use self::browser::Browser;
use crate::support::{App, Certificate, Client, PAST_COALESCE, Service, wait_until};

const SLOW_FLUSH: &str = "demo.flush_delay=700ms";

#[test]
fn the_page_shows_a_request_and_the_whole_exit_and_how_it_ended() {
    let test = "the page of an exit";
    let Some(browser) = Browser::start(test, "en-US") else { return };
    let app = App::start(&[SLOW_FLUSH]);
    browser.open(app.admin);
    browser.wait_for("#headline", "Serving");
    assert_eq!(browser.text("#link-text"), "live");
    assert_eq!(browser.run("return document.documentElement.lang"), "en");
    browser.wait_for("#about", &format!("version {} · pid {}", env!("CARGO_PKG_VERSION"), app.id()));
    assert_eq!(browser.text("#clock-label"), "since the start");
    let links =
        "return [...document.querySelectorAll('.links a')].map((it) => new URL(it.href).pathname).join()";
    assert_eq!(browser.run(links), "/status,/metrics");

    // A request is shown while it is in flight, and then is not.
    let mut first = app.in_flight("/stream?n=1&ms=900");
    browser.wait_for(".server:last-child .oldest", "GET /stream");
    first.read().expect("an answer");
    browser.wait_for(".server:last-child .oldest", "No request in flight");

    // The exit, from the button to the end.
    let mut last = app.in_flight("/slow?ms=2500");
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    assert!(browser.text("#token-label").is_empty(), "no token is set, none is asked for");
    browser.click("#ask-yes");
    browser.wait_for("#headline", "Draining");
    browser.wait_for("#detail", "Waiting for 1 request: GET /slow");
    browser.wait_until("document.querySelector('.phase').dataset.state === 'running'");
    browser.wait_until("parseFloat(document.querySelector('.phase .gone').style.width) > 0");
    assert!(browser.text("#clock-label").contains("until “drain” ends, at the latest"));
    assert!(browser.text("#clock-second").contains("of 25 s"), "the deadline comes second");
    assert!(browser.text("#stop").is_empty(), "there is nothing more to ask for");
    last.read().expect("an answer");
    browser.wait_for("#headline", "Running callbacks");
    browser.wait_for("#jobs .chip[data-tone=live]", "running");
    wait_for_the_end(&browser, "clean");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));

    // The process has ended, and the page stands.
    browser.wait_for("#link-text", "the process has ended");
    browser.wait_for("#headline", "lean");
    let detail = browser.text("#detail");
    assert!(detail.contains("The exit was asked for by POST /shutdown from 127.0.0.1:"), "{detail}");
    let all_done = browser.run(
        "return [...document.querySelectorAll('#jobs .chip')].every((it) => it.innerText.startsWith('done'))",
    );
    assert_eq!(all_done, true, "{}", browser.text("#jobs"));
    let over = browser
        .run("return [...document.querySelectorAll('.phase')].every((it) => it.dataset.state === 'over')");
    assert_eq!(over, true, "{}", browser.text("#phases"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_page_over_tls_and_http_2_shows_the_whole_exit_and_how_it_ended() {
    let Some(browser) = Browser::start("the page over TLS", "en-US") else { return };
    let certificate = Certificate::new(&["localhost"]);
    let [tls, key] = certificate.settings("admin");
    let app = App::start(&[SLOW_FLUSH, &tls, &key]);
    browser.open_url(&format!("https://localhost:{}/", app.admin.port()));
    browser.wait_for("#headline", "Serving");
    let protocols = browser
        .run("return performance.getEntries().map((it) => it.nextHopProtocol).filter(Boolean).join(' ')");
    assert!(protocols.as_str().is_some_and(|it| it.contains("h2") && !it.contains("http/1")), "{protocols}");
    let mut first = Client::connect(app.business);
    first.send("GET", "/stream?n=1&ms=900", &[]).expect("sent");
    browser.wait_for(".server:last-child .oldest", "GET /stream");
    first.read().expect("an answer");
    browser.wait_for(".server:last-child .oldest", "No request in flight");

    let mut last = Client::connect(app.business);
    last.send("GET", "/slow?ms=1500", &[]).expect("sent");
    browser.wait_for(".server:last-child .oldest", "GET /slow");
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    browser.click("#ask-yes");
    browser.wait_for("#headline", "Draining");
    browser.wait_for("#detail", "Waiting for 1 request: GET /slow");
    last.read().expect("an answer");
    browser.wait_for("#headline", "Running callbacks");
    wait_for_the_end(&browser, "clean");
    assert_eq!(app.wait().code(), Some(0));
    browser.wait_for("#link-text", "the process has ended");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_button_asks_for_the_token_where_one_is_set() {
    let Some(browser) = Browser::start("the button with a token", "en-US") else { return };
    let app = App::start(&["admin.token=correct-horse-battery"]);
    browser.open(app.admin);
    browser.wait_for("#headline", "Serving");

    // With the keyboard only: the dialog takes the focus, and Escape returns it.
    browser.run("document.getElementById('stop').focus()");
    browser.type_text("\u{e007}");
    browser.wait_until("document.activeElement.id === 'token'");
    browser.type_text("\u{e00c}");
    browser.wait_until("!document.getElementById('ask').open && document.activeElement.id === 'stop'");

    browser.type_text("\u{e007}");
    browser.wait_until("document.activeElement.id === 'token'");
    browser.type_text("wrong\u{e007}");
    browser.wait_for("#ask-error", "This token is not the one that is set.");
    assert_eq!(app.status()["phase"], "running");
    browser.run("document.getElementById('token').value = ''");
    browser.type_text("correct-horse-battery\u{e007}");
    wait_for_the_end(&browser, "clean");
    assert_eq!(app.wait().code(), Some(0));
    // The 401 of the wrong token is the only message on the console.
    assert!(browser.complaints().iter().all(|it| it.contains("401")), "{:?}", browser.complaints());
}

/// Waits until the page shows that the exit is over, and how it ended.
fn wait_for_the_end(browser: &Browser, outcome: &str) {
    browser.wait_until("document.body.hasAttribute('data-over')");
    let headline = browser.text("#headline").to_lowercase();
    assert!(headline.contains(outcome), "{headline}");
    let title = browser.run("return document.title").to_string().to_lowercase();
    assert!(title.contains(outcome), "{title}");
}

#[test]
fn the_page_says_that_a_killed_process_is_gone_and_offers_the_one_after_it() {
    let Some(browser) = Browser::start("the page of a killed process", "en-US") else { return };
    let app = App::start(&[]);
    let bind = format!("servers.admin.bind={}", app.admin);
    let _requests: Vec<_> = (0..7).map(|_| app.in_flight("/slow?ms=60000")).collect();
    browser.open(app.admin);
    browser.wait_for(".server:last-child .oldest", "and 2 more");
    let folder = app.kill();
    browser.wait_for("#headline", "Gone without an exit");
    assert_eq!(browser.text("#link-text"), "no process answers");
    let said =
        browser.run("return [document.title, document.getElementById('announce').textContent].join(' ')");
    assert_eq!(
        said.to_string().matches("Gone without an exit").count(),
        2,
        "title and screen readers: {said}"
    );
    // Nothing is in flight in a process that is gone.
    assert_eq!(browser.text(".server:last-child .counts dd"), "0");
    let requests = browser.text(".server:last-child .oldest");
    assert_eq!(requests.matches("lost after").count(), 5, "{requests}");
    assert!(browser.text("#stop").is_empty() && browser.text("#successor").is_empty());

    let app = App::start_in(folder, &[&bind]);
    browser.wait_for("#successor", &format!("A new process (pid {}) serves here.", app.id()));
    assert_eq!(browser.text("#headline"), "Gone without an exit", "what is shown is still the one before");
    let said = browser.run("return document.getElementById('announce').textContent");
    assert!(said.to_string().contains("A new process"), "{said}");
    browser.click("#follow");
    browser.wait_for("#headline", "Serving");
    browser.wait_for("#link-text", "live");
    assert!(browser.text("#successor").is_empty());
    browser.wait_for("#about", &format!("pid {}", app.id()));
}

#[test]
fn the_page_of_a_server_that_closes_first_shows_how_the_exit_ended() {
    let Some(browser) = Browser::start("the page of a server that closes first", "zh-CN") else { return };
    let app = App::start(&["servers.admin.stop=first", SLOW_FLUSH]);
    browser.open(app.admin);
    browser.wait_for("#headline", "服务中");
    assert_eq!(browser.run("return document.documentElement.lang"), "zh-Hans");
    app.signal_to_stop();
    assert_eq!(app.wait().code(), Some(0));
    browser.wait_for("#headline", "Clean");
    browser.wait_for("#detail", "进程已结束");
}

#[test]
fn a_page_that_is_mounted_in_a_service_says_that_its_server_closed_and_calls_no_clean_exit_killed() {
    let Some(browser) = Browser::start("the mounted page", "en-US") else { return };
    let app = Service::with_mount(|admin| admin);
    let held = app.hold();
    browser.open_at(app.address, "/ops/");
    browser.wait_for("#headline", "Serving");
    browser.wait_for(".oldest", "GET /held");
    app.exit.stop("the test");
    browser.wait_for("#headline", "This server has closed");
    drop(held);
    let report = app.report();
    assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
    // It looks for a successor, and that nothing answers changes nothing.
    browser.wait_until("performance.getEntriesByType('resource').some((it) => it.name.endsWith('/status'))");
    assert_eq!(browser.text("#headline"), "This server has closed");
    assert_eq!(browser.text("#link-text"), "this server has closed");
    let detail = browser.text("#detail");
    assert!(
        detail.contains("asked for by the test") && detail.contains("the log and the report can"),
        "{detail}"
    );
    assert_eq!(browser.text(".counts dd"), "–", "what is in flight is not known");
    assert!(browser.text(".oldest").starts_with("GET /held\nunknown"), "{}", browser.text(".oldest"));
    let all = browser.text("body").to_lowercase();
    assert!(!all.contains("killed") && !all.contains("gone"), "{all}");
    assert!(browser.run("return document.title").to_string().contains("This server has closed"));
}

#[test]
fn the_page_is_in_traditional_chinese_where_the_browser_is() {
    let Some(browser) = Browser::start("the page in traditional Chinese", "zh-TW") else { return };
    let app = App::start(&[SLOW_FLUSH]);
    browser.open(app.admin);
    browser.wait_for("#headline", "服務中");
    assert_eq!(browser.run("return document.documentElement.lang"), "zh-Hant");
    assert!(browser.text("#phases").contains("關閉伺服器"), "{}", browser.text("#phases"));
    browser.wait_for("#jobs .chip", "等待關閉");
    app.signal_to_stop();
    browser.wait_for("#headline", "執行回呼");
    browser.wait_until("document.body.hasAttribute('data-over')");
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn where_reading_needs_the_token_the_page_asks_for_it_first() {
    let Some(browser) = Browser::start("the page with a token for reads", "en-US") else { return };
    let app = Service::with_server(|admin| admin.token("correct-horse-battery").token_for_reads(true));
    browser.open(app.address);
    browser.wait_for("#ask-text", "Reading needs the server's admin token.");
    browser.wait_until("document.activeElement.id === 'token'");
    browser.type_text("wrong\u{e007}");
    browser.wait_for("#ask-error", "This token is not the one that is set.");
    assert!(browser.text("#servers").is_empty(), "nothing is shown without it");
    browser.type_text("correct-horse-battery\u{e007}");
    browser.wait_for("#headline", "Serving");
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    assert!(browser.text("#token-field").is_empty(), "it has been given");
    browser.click("#ask-yes");
    wait_for_the_end(&browser, "clean");
    assert_eq!(app.report().outcome, Outcome::Clean);
}

#[test]
fn the_page_shows_why_a_callback_failed_and_its_bar_is_red() {
    let Some(browser) = Browser::start("the page of a failed callback", "en-US") else { return };
    let app = Service::start(|exit, listener| {
        let handle = exit.handle();
        let server = Admin::new(&handle)
            .line("shard", || "<b>7</b> of 9\u{202e}".to_owned())
            .unbound_server()
            .listen(listener);
        exit.server(server).callback_fn("flush", |_| async { Err("the database is locked".into()) })
    });
    browser.open(app.address);
    browser.wait_for("#jobs .chip", "waits for the exit");
    assert_eq!(
        browser.text("#lines-list"),
        "shard\n<b>7</b> of 9\\u{202e}",
        "nothing is markup, and what is not seen is escaped"
    );
    app.exit.stop("test");
    wait_for_the_end(&browser, "incomplete");
    let headline = browser.text("#headline");
    assert!(headline.contains("flush failed: the database is locked"), "{headline}");
    assert_eq!(browser.text("#jobs small"), "the database is locked");
    let tone = browser.run(
        "return [...document.querySelectorAll('.phase')].find((it) => it.innerText.startsWith('Callbacks')).dataset.tone",
    );
    assert_eq!(tone, "bad");
    assert_eq!(app.report().outcome, Outcome::Incomplete);
}

#[test]
fn without_a_place_for_one_more_stream_the_page_asks_each_second() {
    let Some(browser) = Browser::start("the page without a stream", "en-US") else { return };
    let app = Service::with_server(|admin| admin.max_streams(0));
    browser.open(app.address);
    browser.wait_for("#headline", "Serving");
    browser.wait_for("#link-text", "live");
    app.exit.stop("test");
    assert_eq!(app.report().outcome, Outcome::Clean);
}

#[test]
fn the_page_is_accessible_and_fits_its_screen() {
    let test = "the page's accessibility";
    let Some(browser) = Browser::start(test, "en-US") else { return };
    let app = App::start(&["shutdown.drain_timeout=60s", "shutdown.timeout=70s"]);
    let _request = app.in_flight("/slow?ms=60000");
    browser.open(app.admin);
    browser.wait_for(".server:last-child .oldest code", "GET /slow");
    for (theme, width) in [("light", 1120), ("dark", 1120), ("light", 400), ("dark", 400)] {
        browser.look(theme, width);
        let fits = browser.run("return document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits, true, "{theme}, {width}: it scrolls sideways");
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, {width}, serving");
    }
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    assert_eq!(browser.inaccessible(test), [""; 0], "the question");
    browser.click("#ask-yes");
    browser.wait_for("#headline", "Draining");
    for theme in ["light", "dark"] {
        browser.look(theme, 1120);
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, draining");
    }
    app.signal_to_stop();
    wait_until("it is not coalesced", || !app.status()["reason"].is_null());
    std::thread::sleep(PAST_COALESCE);
    app.signal_to_stop();
    wait_for_the_end(&browser, "forced");
    browser.wait_for(".server:last-child .oldest", "cut off after");
    for theme in ["light", "dark"] {
        browser.look(theme, 400);
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, ended");
    }
    assert!(
        browser.text("#headline").contains("a second signal came after"),
        "{}",
        browser.text("#headline")
    );
    let is_above = "const it = document.querySelector('#headline').getBoundingClientRect();\
        return it.top >= 0 && it.bottom <= innerHeight";
    assert_eq!(browser.run(is_above), true, "a phone shows the cause without scrolling");
    assert_eq!(browser.complaints(), [""; 0]);

    let app = App::start(&[]);
    browser.open(app.admin);
    browser.wait_for("#headline", "Serving");
    app.kill();
    browser.wait_for("#headline", "Gone without an exit");
    for (theme, width) in [("light", 400), ("dark", 1280)] {
        browser.look(theme, width);
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, gone");
    }
}

#[test]
fn the_page_is_one_answer_with_a_strict_policy() {
    let app = App::start(&[]);
    let page = Client::get(app.admin, "/");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(Client::head(app.admin, "/").body.len(), 0);
    assert_eq!(Client::head(app.admin, "/events").status, 200);
}
