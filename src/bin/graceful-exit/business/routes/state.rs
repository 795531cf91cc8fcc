//! [`Business`]: what the routes work on.

use graceful_exit::ExitHandle;

use crate::business::cache::Cache;

/// What the routes work on.
#[derive(Clone, Debug)]
pub(crate) struct Business {
    pub(crate) cache: Cache,
    pub(crate) exit: ExitHandle,
    /// The harmful routes are there as well.
    pub(crate) chaos: bool,
}
