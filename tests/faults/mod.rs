//! Every fault, tried.

mod actors;
mod allocator;
mod child;
mod clients;
mod input;
mod log;
mod machine;
mod signals;
mod soak;
mod stage;
mod store;
mod system;
mod threads;
