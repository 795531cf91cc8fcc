//! `System::stop()` called by the program is an exit; and a program that runs its `System` itself.

use std::time::Duration;

use actix_web::{App, rt::System, web};
use graceful_exit::{ExitHandle, GracefulExit, Server};

use crate::support::{
    Client, UNREACHED,
    program::{Program, part, say},
    wait_until,
};

const PROGRAM: &str = "programs::system_stop::program";

#[test]
fn program() {
    let Some(part) = part() else { return };
    let exit = GracefulExit::builder();
    let handle = exit.handle();
    let app = move || {
        App::new()
            .app_data(web::Data::new(handle.clone()))
            .route("/", web::get().to(|| async { "hello\n" }))
            .route("/stop", web::get().to(stop_the_system))
            .route("/never", web::get().to(stop_the_system_during_the_exit))
    };
    let flush = |_| async {
        say("flushed");
        Ok(())
    };
    let exit = exit
        .signals(Vec::new())
        .callback_fn("flush", flush)
        .callback_fn("hangs", |_| std::future::pending())
        .timeout(UNREACHED)
        .callback_timeout(if part == "hangs" { UNREACHED } else { Duration::from_millis(100) })
        .report_to(std::env::var("REPORT").expect("a path"));
    let has_server = part != "no server";
    let exit =
        if has_server { exit.server(Server::new("web", app).bind("127.0.0.1:0").workers(2)) } else { exit };
    let handle = exit.handle();
    let told = async {
        handle.ready().await;
        if has_server {
            say(&handle.addrs("web")[0]);
        } else {
            System::current().stop();
        }
    };
    let serve = async {
        if part == "before" {
            System::current().stop();
        }
        let (report, ()) = tokio::join!(exit.run(), told);
        report.expect("it starts").exit()
    };
    if part == "tokio" {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(serve);
    } else {
        System::new().block_on(serve);
    }
}

async fn stop_the_system() -> &'static str {
    System::current().stop();
    "stopped\n"
}

async fn stop_the_system_during_the_exit(exit: web::Data<ExitHandle>) -> &'static str {
    exit.stop("the program asks for it");
    exit.streams().cancelled().await;
    System::current().stop();
    std::future::pending().await
}

/// What the report says, and how the program ended.
fn stopped(part: &str) -> (serde_json::Value, Option<i32>) {
    let folder = crate::support::folder();
    let report = folder.path().join("report.json");
    let mut program = Program::start_with(PROGRAM, part, |command| {
        command.env("REPORT", &report);
    });
    let address = program.address();
    assert_eq!(Client::get(address, "/").text(), "hello\n");
    let mut client = Client::connect(address);
    client.send("GET", "/stop", &[]).expect("sent");
    wait_until("nothing listens", || std::net::TcpStream::connect(address).is_err());
    assert_eq!(program.line().as_deref(), Some("flushed"), "{}", program.errors());
    let (status, _) = program.wait();
    (crate::support::report(&report), status.code())
}

#[test]
fn it_is_an_exit_with_a_report_in_which_callbacks_run() {
    for part in ["actix", "tokio"] {
        let (report, code) = stopped(part);
        assert_eq!(code, Some(3), "{part}: {report}");
        assert_eq!((&report["outcome"], &report["reason"]), (&"incomplete".into(), &"System::stop()".into()));
        assert_eq!(report["callbacks"][0]["outcome"], "done", "{part}: {report}");
        assert_eq!(report["callbacks"][1]["outcome"], "timed_out", "{part}: {report}");
    }
}

#[test]
fn it_has_a_deadline_of_its_own_however_long_the_timeout_is() {
    let (report, code) = stopped("hangs");
    assert_eq!((code, &report["outcome"]), (Some(1), &"timed_out".into()));
}

#[test]
fn it_is_an_exit_before_the_start_and_where_there_is_no_server() {
    for part in ["before", "no server"] {
        let folder = crate::support::folder();
        let report = folder.path().join("report.json");
        let program = Program::start_with(PROGRAM, part, |command| {
            command.env("REPORT", &report);
        });
        let (status, _) = program.wait();
        let report = crate::support::report(&report);
        assert_eq!(status.code(), Some(3), "{part}: {report}");
        assert_eq!(report["reason"], "System::stop()", "{part}");
    }
}

#[test]
fn a_request_that_it_cuts_off_during_an_exit_is_named_and_the_exit_is_not_clean() {
    let folder = crate::support::folder();
    let report = folder.path().join("report.json");
    let mut program = Program::start_with(PROGRAM, "actix", |command| {
        command.env("REPORT", &report);
    });
    let mut client = Client::connect(program.address());
    client.send("GET", "/never", &[]).expect("sent");
    let (status, _) = program.wait();
    let report = crate::support::report(&report);
    assert_eq!(status.code(), Some(3), "{report}");
    assert_eq!(report["reason"], "the program asks for it");
    assert_eq!(report["servers"][0]["in_flight_at_start"], 1, "{report}");
    assert_eq!(report["servers"][0]["abandoned"][0]["path"], "/never", "{report}");
}

const SPAWNS: &str = "programs::system_stop::program_that_spawns_the_exit";

/// Runs its `System`, with the exit as a task; says what `SystemRunner::run_with_code` returned, and how the exit ended.
#[test]
fn program_that_spawns_the_exit() {
    let Some(part) = part() else { return };
    let app = || App::new().route("/stop", web::get().to(stop_the_system));
    let exit = GracefulExit::builder()
        .signals(Vec::new())
        .server(Server::new("web", app).bind("127.0.0.1:0").workers(1))
        .callback_fn("fails", |_| async { Err("no disk".into()) });
    let handle = exit.handle();
    let system = System::new();
    system.block_on(async {
        actix_web::rt::spawn(exit.run());
        handle.ready().await;
        say(&handle.addrs("web")[0]);
        if part == "asked" {
            handle.stop("the program asks for it");
        }
    });
    say(system.run_with_code().expect("it runs"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let report = runtime.block_on(handle.report());
    say(report.outcome.name());
    report.exit();
}

#[test]
fn a_system_that_the_program_runs_ends_with_the_exit_code() {
    let mut program = Program::start(SPAWNS, "asked");
    program.address();
    assert_eq!(program.line().as_deref(), Some("3"), "{}", program.errors());
    assert_eq!(program.line().as_deref(), Some("incomplete"), "{}", program.errors());
    assert_eq!(program.wait().0.code(), Some(3));
}

#[test]
fn a_system_that_is_stopped_ends_at_once_and_the_report_tells_the_end_of_the_exit() {
    let mut program = Program::start(SPAWNS, "stopped");
    let address = program.address();
    let mut client = Client::connect(address);
    client.send("GET", "/stop", &[]).expect("sent");
    assert_eq!(program.line().as_deref(), Some("0"), "{}", program.errors());
    assert_eq!(program.line().as_deref(), Some("incomplete"), "{}", program.errors());
    assert_eq!(program.wait().0.code(), Some(3));
}
