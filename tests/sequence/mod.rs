//! The machine's promises, held over every reachable state of small plans ([`explore`]) and over random
//! paths through large ones ([`properties`]). Both watch it through the same [`ledger`].

mod effects;
mod events;
mod explore;
mod ledger;
mod meaning;
mod promise;
mod properties;
