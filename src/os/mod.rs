//! What each operating system does in its own way: one file a subject.
#![expect(unsafe_code, reason = "system calls live here and nowhere else; each block says why it is sound")]
