//! [`Drain`]: a server's gate, its connections, and its endless answers.

use std::sync::Arc;

use super::{connection::Connections, gate::Gate, streams::StreamsEnd};

/// A server's gate and its connections.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Admits or rejects, and counts.
    pub gate: Arc<Gate>,
    /// Every open connection, and what each is doing.
    pub connections: Arc<Connections>,
    /// Tells its endless answers to end.
    pub streams: Arc<StreamsEnd>,
}

impl Drain {
    /// An open gate without connections, for this number of workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let gate = Arc::new(Gate::new(workers));
        Self { connections: Arc::new(Connections::new(Arc::clone(&gate))), gate, streams: Arc::default() }
    }
}
