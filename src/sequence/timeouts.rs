//! [`Timeouts`]: how long each part of an exit may take.

use std::time::Duration;

macro_rules! timeouts {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:expr;)+) => {
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
                Self { $($name: $default,)+ }
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

/// Calls a macro with every timeout: its documentation, its name and its default. The one list of them.
macro_rules! for_each_timeout {
    ($make:ident) => {
        $make! {
            /// A signal at most this long after the first one is the same request. 50 ms by default.
            coalesce = Duration::from_millis(50);
            /// How long the service is not ready but still serves, with `Connection: close` on each answer: time for load
            /// balancers to turn away. Zero, the default, leaves the phase out.
            ready_delay = Duration::ZERO;
            /// The limit of each checkpoint, from the first request to stop. 2 s by default.
            checkpoint_timeout = Duration::from_secs(2);
            /// How long requests in flight are waited for. 10 s by default.
            drain_timeout = Duration::from_secs(10);
            /// How long a closing server keeps a connection open that was opened or used within the last second, because a
            /// request may be on its way. Ends early when each such connection has had its last response. 50 ms by default.
            keep_alive_grace = Duration::from_millis(50);
            /// How long the servers may take to close, the keep-alive grace included. 1 s by default.
            stop_timeout = Duration::from_secs(1);
            /// The timeout of each callback that has none of its own. 3 s by default.
            callback_timeout = Duration::from_secs(3);
            /// The timeout of each resource that has none of its own. 1 s by default.
            release_timeout = Duration::from_secs(1);
            /// The overall deadline, from the first request to stop until the exit is forced. 25 s by default, because
            /// Kubernetes kills after 30 s.
            timeout = Duration::from_secs(25);
        }
    };
}

pub(crate) use for_each_timeout;

for_each_timeout!(timeouts);
