//! The admin routes, as an application answers them.

use actix_web::test::TestRequest;

use super::{super::builder::Admin, *};
use crate::exit::GracefulExit;
use crate::virtual_time::assert_virtual_time;

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_wrong_token_is_held_back_and_no_exit_waits_for_it() {
    let exit = GracefulExit::builder().handle();
    let state = Admin::new(exit.clone()).state(StreamEnd::Exited);
    let request = TestRequest::post().uri("/shutdown").to_http_request();
    let start = tokio::time::Instant::now();
    state.refuse(&request, Refusal::TokenMissing).await;
    assert_virtual_time(start.elapsed(), Duration::ZERO); // no token is no guess
    state.refuse(&request, Refusal::TokenWrong).await;
    assert_virtual_time(start.elapsed(), Duration::from_millis(100));

    exit.streams().cancel();
    state.refuse(&request, Refusal::TokenWrong).await;
    assert_virtual_time(start.elapsed(), Duration::from_millis(100)); // requests are rejected by now
}

#[test]
fn a_path_is_recognized_however_its_characters_are_written() {
    for (written, meant) in [("/%65vents", "/events"), ("/events", "/events"), ("/a%2Fb", "/a%2Fb")] {
        assert_eq!(decoded(&Uri::from_static(written)), meant);
    }
    assert!(is_stream(&Method::GET, &decoded(&Uri::from_static("/%65vents?x=%65"))));
}
