//! Memory of idle connections.

use std::io;

use crate::{
    common::{
        client::{Client, Target},
        crowd::connect_and_use,
    },
    metric::{Metric, Sample},
    stage::{Stage, stop},
};

/// The resident memory after the first request, and what each of many connections adds to it.
pub(crate) fn measure(stage: &Stage, connections: usize) -> io::Result<Sample> {
    let server = stage.start(None)?;
    let target = Target { address: server.address, tls: None };
    let _first = connect_and_use(&target, 1)?;
    let before = server.memory_kib();
    let mut clients = connect_and_use(&target, connections)?;
    let after = server.memory_kib();
    let closed =
        clients.iter_mut().filter_map(|client: &mut Client| client.is_closed().then_some(())).count();
    if closed > 0 {
        return Err(io::Error::other(format!("{closed} connections are closed already")));
    }
    stop(server)?;
    let Some((before, after)) = before.zip(after) else { return Ok(Vec::new()) };
    let of_each = after.saturating_sub(before) * 1024 / connections as u64;
    Ok(vec![(Metric::Connection, small(of_each)), (Metric::Process, small(before))])
}

fn small(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
