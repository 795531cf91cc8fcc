//! The wire between a client and a dispatcher, both of the h2 crate: the same that actix-http builds on.

mod rig;

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use h2::{client, server};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, duplex},
    task::{LocalSet, spawn_local},
};

use self::rig::{RawClient, Wired, is_announcement, request, serve};
use super::{Ending, frames::Frame};
use crate::virtual_time::assert_virtual_time;

type TestResult = Result<(), Box<dyn Error>>;

/// With pipes so small that every frame is cut somewhere, an end in the middle of 100 streams loses none
/// that the client has begun.
#[tokio::test]
async fn every_stream_that_was_begun_is_answered_when_the_connection_ends_in_the_middle() -> TestResult {
    for (pipe, size) in [(61, 3000), (997, 20_000), (4096, 20_000), (100_000, 20_000)] {
        let tasks = LocalSet::new();
        let (near, far) = duplex(pipe);
        let (wired, shared) = Wired::new(far);
        let served = tasks.spawn_local(serve(wired, size));
        let lost = tasks.run_until(async {
            let (client, connection) = client::handshake(near).await?;
            let connection = spawn_local(connection);
            let mut answers = Vec::new();
            for index in 0..100 {
                answers.push(spawn_local(request(client.clone())));
                if index == 50 {
                    tokio::task::yield_now().await;
                    shared.end(Ending::Announce);
                }
            }
            let mut lost = 0;
            for answer in join_all(answers).await {
                match answer? {
                    Ok(length) => assert_eq!(length, size),
                    // The client has not sent it, and knows that it may go elsewhere.
                    Err(error) if error.is_go_away() => {}
                    Err(_) => lost += 1,
                }
            }
            connection.await??;
            drop(client);
            Ok::<_, Box<dyn Error>>(lost)
        });
        assert_eq!(lost.await?, 0, "with a pipe of {pipe} bytes");
        // The client may have closed while the last GOAWAY was on its way.
        let _ = tasks.run_until(served).await?;
        assert_eq!(*shared.begun.borrow(), *shared.ended.borrow(), "with a pipe of {pipe} bytes");
        assert!(!shared.begun.borrow().is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_opened_before_the_acknowledgement_is_answered_and_the_last_goaway_names_it() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Announce);
            assert!(client.read_until(is_announcement).await?);
            assert!(client.read_until(|frame| matches!(frame, Frame::Ping { is_ack: false, .. })).await?);
            // On its way when the client was told.
            client.open(3).await?;
            client.acknowledge().await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(3)).await?);
            let last = Frame::GoAway { last_stream: 3, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            assert!(!client.read_until(|_| false).await?, "and FIN");
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

/// Some clients open a connection for a request, and send that however soon they are told.
#[tokio::test]
async fn a_connection_that_is_opened_when_others_end_serves_one_stream_first() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    shared.end(Ending::Announce);
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.io.write_all(&[&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"a client"].concat()).await?;
            let answered = Frame::Ping { is_ack: true, payload: *b"a client" };
            assert!(client.read_until(|frame| *frame == answered).await?);
            assert!(!client.frames.iter().any(is_announcement), "{:?}", client.frames);
            client.open(1).await?;
            assert!(client.read_until(is_announcement).await?);
            client.acknowledge().await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_acknowledges_holds_the_connection_for_a_second_and_no_longer() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    let begun = tokio::time::Instant::now();
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Announce);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    assert_virtual_time(begun.elapsed(), Duration::from_secs(1));
    tasks.run_until(served).await??;
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_to_finish_waits_for_no_acknowledgement() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Finish);
            assert!(client.read_until(is_announcement).await?);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

/// What its client sends of the preface, or nothing, is no request.
#[tokio::test]
async fn a_connection_that_has_not_begun_to_speak_ends_at_once_when_it_is_to_finish() -> TestResult {
    for sent in [&b""[..], b"PRI * HTTP/2.0"] {
        let (mut near, far) = duplex(1024);
        let (mut wired, shared) = Wired::new(far);
        near.write_all(sent).await?;
        shared.end(Ending::Finish);
        let mut read = Vec::new();
        wired.read_to_end(&mut read).await?;
        assert_eq!(read, sent);
    }
    Ok(())
}

#[tokio::test]
async fn the_client_is_told_how_many_streams_are_served_at_a_time() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, _shared) = Wired::new(far);
    tasks.spawn_local(serve(wired, 10));
    let mut head = [0; 9 + 64];
    let length = tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.io.read(&mut head).await
        })
        .await?;
    let limit = [0, 3, 0, 0, 1, 0];
    assert!(head[9..length].chunks(6).any(|setting| setting == limit), "{:?}", &head[..length]);
    Ok(())
}

#[tokio::test]
async fn what_a_client_sends_is_told_of_each_stream() -> TestResult {
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("a short one");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let sent = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(1, END_HEADERS | END_STREAM, 1, &[0x82]),
        frame(1, END_HEADERS, 3, &[0x82]),
        frame(0, 0, 3, b"one"),
        frame(0, END_STREAM, 3, b"two"),
        frame(3, 0, 1, &[0, 0, 0, 8]),
    ]
    .concat();
    let (mut near, far) = duplex(1024);
    let (mut wired, shared) = Wired::new(far);
    near.write_all(&sent).await?;
    drop(near);
    let mut read = Vec::new();
    wired.read_to_end(&mut read).await?;
    assert_eq!(read, sent, "the dispatcher has all of it");
    assert!(shared.begun.borrow().iter().eq(&[1, 3]) && shared.ended.borrow().iter().eq(&[1]));
    assert_eq!((&**shared.bodies.borrow(), &**shared.pieces.borrow()), (&[3][..], &[3, 3][..]));
    Ok(())
}

#[tokio::test]
async fn a_client_that_opens_streams_without_end_is_cut_off() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(1 << 20);
    let (wired, shared) = Wired::new(far);
    // Nothing is answered.
    let served = tasks.spawn_local(async move {
        let mut connection = server::handshake(wired).await?;
        let mut streams = Vec::new();
        while let Some(accepted) = connection.accept().await {
            streams.push(accepted?);
        }
        Ok::<_, h2::Error>(())
    });
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            for stream in (1..10_000).step_by(2) {
                if client.open(stream).await.is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        })
        .await?;
    assert!(tasks.run_until(served).await?.is_err());
    assert!(shared.begun.borrow().len() < 10_000 / 2);
    Ok(())
}

#[tokio::test]
async fn twice_as_many_streams_as_the_client_is_told_are_tolerated_and_no_more() -> TestResult {
    for (streams, is_served) in [(512, true), (513, false)] {
        let (mut near, far) = duplex(4096);
        let (mut wired, shared) = Wired::new(far);
        shared.begun.borrow_mut().extend(0..streams);
        near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        assert_eq!(wired.read(&mut [0; 100]).await.is_ok(), is_served, "{streams}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_is_read_on_until_the_client_closes_or_the_timeout_has_passed()
-> TestResult {
    let (mut near, far) = duplex(64);
    let (mut wired, _) = Wired::new(far);
    let begun = tokio::time::Instant::now();
    let client = async move {
        assert_eq!(near.read(&mut [0]).await?, 0, "FIN comes first");
        for _ in 0..10 {
            near.write_all(&[0; 64]).await?;
        }
        io::Result::Ok(())
    };
    let server = async move {
        wired.shutdown().await?;
        drop(wired);
        io::Result::Ok(())
    };
    let (client, server) = tokio::join!(client, server);
    client.and(server)?;
    assert_virtual_time(begun.elapsed(), Duration::ZERO);

    let (_near, far) = duplex(64);
    let (mut wired, _) = Wired::new(far);
    wired.shutdown().await?;
    assert_virtual_time(begun.elapsed(), Duration::from_secs(5));
    Ok(())
}

#[tokio::test]
async fn the_dispatcher_is_handed_the_goaway_as_soon_as_there_is_room_for_a_whole_one() -> TestResult {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let (mut near, far) = duplex(4096);
    let (mut wired, shared) = Wired::new(far);
    let sent = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &SETTINGS].concat();
    near.write_all(&sent).await?;
    wired.read_exact(&mut vec![0; sent.len()]).await?;
    wired.write_all(&SETTINGS).await?;
    shared.end(Ending::Finish);
    let mut cx = Context::from_waker(Waker::noop());
    for (room, expected) in [(16, 0), (17, 17)] {
        let mut bytes = [0; 17];
        let mut buf = ReadBuf::new(&mut bytes[..room]);
        assert_eq!(Pin::new(&mut wired).poll_read(&mut cx, &mut buf)?.is_ready(), expected > 0);
        assert_eq!(buf.filled().len(), expected);
    }
    Ok(())
}
