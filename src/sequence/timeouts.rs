//! [`Timeouts`]: how long each part of an exit may take.

use std::time::Duration;

macro_rules! timeouts {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:literal, from $least:literal $(to $most:literal)?;)+) => {
        /// How long each part of an exit may take. The names are those of the settings.
        ///
        /// ```
        /// use std::time::Duration;
        /// use graceful_exit::Timeouts;
        ///
        /// let timeouts = Timeouts::default().drain_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(8));
        /// assert_eq!(timeouts.callback_timeout, Duration::from_secs(3));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Timeouts {
            $($(#[doc = $doc])+ pub $name: Duration,)+
        }

        impl Default for Timeouts {
            /// The defaults of `config/default.toml`.
            fn default() -> Self {
                Self { $($name: Duration::from_millis($default),)+ }
            }
        }

        impl Timeouts {
            $($(#[doc = $doc])+
            #[must_use]
            pub const fn $name(mut self, $name: Duration) -> Self {
                self.$name = $name;
                self
            }
            )+
        }
    };
}

/// Calls a macro with every timeout: its documentation, its name, its default, and the values that its setting may
/// have, in milliseconds. The one list of them.
macro_rules! for_each_timeout {
    ($make:ident) => {
        $make! {
            /// A signal at most this long after the first one is the same request. 50 ms by default.
            coalesce = 50, from 0 to 10_000;
            /// How long the service is not ready but still serves, with `Connection: close` on each answer: time for load
            /// balancers to turn away. Zero, the default, leaves the phase out.
            ready_delay = 0, from 0;
            /// The limit of each checkpoint, from the first request to stop. 2 s by default.
            checkpoint_timeout = 2_000, from 1;
            /// How long requests in flight are waited for. 10 s by default.
            drain_timeout = 10_000, from 0;
            /// How long a closing server keeps a connection open that was opened or used within the last second, because a
            /// request may be on its way. Ends early when each such connection has had its last response. 50 ms by default.
            keep_alive_grace = 50, from 0 to 60_000;
            /// How long the servers may take to close, the keep-alive grace included. 1 s by default.
            stop_timeout = 1_000, from 0;
            /// The timeout of each callback that has none of its own. 3 s by default.
            callback_timeout = 3_000, from 1;
            /// The timeout of each resource that has none of its own. 1 s by default.
            release_timeout = 1_000, from 1;
            /// The overall deadline, from the first request to stop until the exit is forced. 25 s by default, because
            /// Kubernetes kills after 30 s.
            timeout = 25_000, from 1;
        }
    };
}

pub(crate) use for_each_timeout;

for_each_timeout!(timeouts);
