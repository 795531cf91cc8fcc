//! Many idle connections.

use std::{io, net::Ipv4Addr, thread};

use super::client::{Client, Target};

/// Threads that connect and use connections.
const THREADS: usize = 16;
/// Loopback addresses that clients connect from, since each has some 28,000 local ports.
const LOCAL: [Ipv4Addr; 4] = [
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
    Ipv4Addr::new(127, 0, 0, 4),
];

/// Opens `count` connections on several threads, each with one answered request. The answer shows that the server has
/// accepted the connection: the accept queue is short on many machines, and a client that finds it full retries only
/// after a second.
pub(crate) fn connect_and_use(target: &Target, count: usize) -> io::Result<Vec<Client>> {
    // The addresses after the first belong to Linux's loopback alone.
    let local = if cfg!(target_os = "linux") && count > 10_000 { &LOCAL[..] } else { &LOCAL[..1] };
    let open = |thread: usize| {
        let mut client = Client::connect_from(local[thread % local.len()], target)?;
        client.get("/")?;
        let answer = client.answer()?;
        if answer.status != 200 || answer.last || answer.body.is_empty() {
            return Err(io::Error::other(format!("no connection is kept: {answer:?}")));
        }
        Ok(client)
    };
    let share = |thread: usize| count / THREADS + usize::from(thread < count % THREADS);
    let open_share = |thread| (0..share(thread)).map(|_| open(thread)).collect::<io::Result<Vec<_>>>();
    let mut clients = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || open_share(thread))).collect();
        for thread in threads {
            clients.extend(thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))?);
        }
        Ok(clients)
    })
}
