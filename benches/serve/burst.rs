//! How a burst of connections is shared among workers.

use std::{collections::BTreeMap, io, net::Shutdown};

use crate::{
    common::{
        client::{Client, Target},
        servers::Framework,
    },
    metric::{Metric, Sample},
    stage::{Stage, stop},
};

const BURST: usize = 200;

/// Opens the burst, then closes half of the connections, those of one worker after another, and opens as many again.
pub(crate) fn measure(stage: &Stage, workers: usize) -> io::Result<Sample> {
    // Its connections belong to no thread.
    if stage.framework == Framework::Axum {
        return Ok(Vec::new());
    }
    let server = stage.start(Some(workers))?;
    let target = Target { address: server.address, tls: None };
    let open = |count| (0..count).map(|_| Client::connect(&target)).collect::<io::Result<Vec<_>>>();
    let mut clients = open(BURST)?;
    let mut shares = by_worker(&mut clients)?;
    let spread = spread(&shares, workers)?;

    let mut placed: Vec<_> = clients.into_iter().zip(shares.drain(..)).collect();
    placed.sort_by(|(_, one), (_, other)| one.cmp(other));
    let closing = placed.drain(..BURST / 2);
    for (mut client, _) in closing.collect::<Vec<_>>() {
        client.socket().shutdown(Shutdown::Write)?;
        if !client.is_closed_cleanly() {
            return Err(io::Error::other("a connection was not closed in order"));
        }
    }
    let mut clients: Vec<_> = placed.into_iter().map(|(client, _)| client).collect();
    // A worker that answers has counted out what it has closed before.
    by_worker(&mut clients)?;
    clients.extend(open(BURST / 2)?);
    let spread_after = self::spread(&by_worker(&mut clients)?, workers)?;
    stop(server)?;
    Ok(vec![(Metric::Spread, spread), (Metric::SpreadAfter, spread_after)])
}

/// The worker of each connection.
fn by_worker(clients: &mut [Client]) -> io::Result<Vec<Vec<u8>>> {
    let worker = |client: &mut Client| {
        client.get("/worker")?;
        client.answer().map(|answer| answer.body)
    };
    clients.iter_mut().map(worker).collect()
}

/// The connections of the worker with the most, less those of the worker with the least.
fn spread(shares: &[Vec<u8>], workers: usize) -> io::Result<f64> {
    let mut counts = BTreeMap::new();
    for worker in shares {
        *counts.entry(worker).or_insert(0_u32) += 1;
    }
    if counts.len() > workers {
        return Err(io::Error::other(format!("{} threads answered, not {workers}", counts.len())));
    }
    let most = counts.values().max().copied().unwrap_or(0);
    // A worker without connections has named itself to none.
    let least = if counts.len() == workers { counts.values().min().copied().unwrap_or(0) } else { 0 };
    Ok(f64::from(most - least))
}
