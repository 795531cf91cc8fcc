//! An exit runs wherever a program's `main` may be.

use graceful_exit::{GracefulExit, Outcome, StartError};

use super::{hello, use_and_stop};

async fn serve_and_stop() {
    let exit = GracefulExit::for_tests().server(hello()).callback_fn("flush", |_| async { Ok(()) });
    let client = use_and_stop(exit.handle());
    let report = exit.run().await.expect("it starts");
    client.join().expect("it is answered");
    assert_eq!((report.outcome, report.reason.as_str()), (Outcome::Clean, "the test is over"));
}

#[actix_web::test]
async fn under_actix() {
    serve_and_stop().await;
}

#[tokio::test]
async fn under_tokio_on_one_thread() {
    serve_and_stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_tokio_on_many_threads_and_as_a_task() {
    tokio::spawn(serve_and_stop()).await.expect("no panic");
}

#[test]
fn without_any_runtime() {
    let exit = GracefulExit::for_tests().server(hello());
    let client = use_and_stop(exit.handle());
    let report = exit.run_blocking().expect("it starts");
    client.join().expect("it is answered");
    assert_eq!(report.outcome, Outcome::Clean);
}

#[tokio::test]
async fn run_blocking_is_refused_where_it_would_block_futures() {
    let refused = GracefulExit::for_tests().run_blocking();
    assert!(matches!(refused, Err(StartError::InsideRuntime)), "{refused:?}");
}

/// Handlers and jobs belong to the program's own `System`, and so share its actors.
#[actix_web::test]
async fn jobs_belong_to_the_systems_own_registry() {
    let system = actix::System::current().id();
    let exit = GracefulExit::for_tests().callback_fn("look", move |_| async move {
        if actix::System::current().id() == system { Ok(()) } else { Err("another System".into()) }
    });
    exit.handle().stop("at once");
    assert_eq!(exit.run().await.expect("it starts").outcome, Outcome::Clean);
}

#[test]
fn every_timeout_has_a_setter_under_its_own_name() {
    use std::time::Duration;
    let ms = Duration::from_millis;
    let exit = GracefulExit::builder()
        .coalesce(ms(1))
        .ready_delay(ms(2))
        .checkpoint_timeout(ms(3))
        .drain_timeout(ms(4))
        .keep_alive_grace(ms(5))
        .stop_timeout(ms(6))
        .callback_timeout(ms(7))
        .release_timeout(ms(8))
        .timeout(ms(9));
    let expected = graceful_exit::Timeouts::default()
        .coalesce(ms(1))
        .ready_delay(ms(2))
        .checkpoint_timeout(ms(3))
        .drain_timeout(ms(4))
        .keep_alive_grace(ms(5))
        .stop_timeout(ms(6))
        .callback_timeout(ms(7))
        .release_timeout(ms(8))
        .timeout(ms(9));
    assert!(format!("{exit:?}").contains(&format!("{expected:?}")), "{exit:?}");
}
