//! Options that actix-http 3.9 to 3.12 do not all have: [`Later`].

use actix_http::HttpServiceBuilder;

/// Methods of `HttpServiceBuilder` that came after actix-http 3.9, under their own names. A type's own method of the same
/// name comes first: these are called only where there is none, and have no effect.
pub(super) trait Later: Sized {
    /// The builder as it is. It names the methods below: with the newest actix-http none of them is called, and the
    /// compiler would say so.
    fn with_later_options(self) -> Self {
        let _ = (Self::h1_allow_half_closed, Self::h1_write_buffer_size);
        let _ = (Self::h2_initial_window_size, Self::h2_initial_connection_window_size);
        self
    }

    /// actix-http 3.12.
    fn h1_allow_half_closed(self, _allow: bool) -> Self {
        self
    }

    /// actix-http 3.12.1.
    fn h1_write_buffer_size(self, _bytes: usize) -> Self {
        self
    }

    /// actix-http 3.12.
    fn h2_initial_window_size(self, _bytes: u32) -> Self {
        self
    }

    /// actix-http 3.12.
    fn h2_initial_connection_window_size(self, _bytes: u32) -> Self {
        self
    }
}

impl<T, S, X, U> Later for HttpServiceBuilder<T, S, X, U> {}
