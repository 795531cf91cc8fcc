//! What the benchmarks have in common: the measured servers, each as a process, and clients for them.

pub(crate) mod call;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod limits;
pub(crate) mod process;
pub(crate) mod servers;
pub(crate) mod text_table;
