//! What both stores share: their limits, and [`Writes`] in statements.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

/// What is written together: each key once, and in the same order everywhere, so that two instances
/// that write to one PostgreSQL cannot lock each other out.
pub(crate) type Writes = BTreeMap<String, Bytes>;

/// How long a lock that another program holds is waited for. Several such waits still fit into a
/// callback's 3 s, so that the error of the store is told and not a timeout.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection is waited for, a new one's login included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An upper bound on connections that read, whatever the load; a flush has one of its own.
pub(super) const MAX_CONNECTIONS: u32 = 4;

/// Rows and bytes that one statement carries at most: few round trips, little memory.
pub(super) const STATEMENT_ROWS: usize = 500;
pub(super) const STATEMENT_BYTES: usize = 4 << 20;

/// Splits `writes` into what one statement carries: at least one row, then up to both limits.
pub(super) fn statements(writes: &Writes) -> impl Iterator<Item = Vec<(&str, &[u8])>> {
    let mut rows = writes.iter().map(|(key, value)| (key.as_str(), &value[..])).peekable();
    std::iter::from_fn(move || {
        let mut statement = vec![rows.next()?];
        let size = |(key, value): &(&str, &[u8])| key.len() + value.len();
        let mut bytes = size(&statement[0]);
        while statement.len() < STATEMENT_ROWS
            && let Some(row) = rows.next_if(|row| bytes + size(row) <= STATEMENT_BYTES)
        {
            bytes += size(&row);
            statement.push(row);
        }
        Some(statement)
    })
}
