//! `graceful-exit plan`: the shutdown that the settings lead to, and what to tell the platform of it.
//!
//! - `shutdown`: the plan that `run` carries out.
//! - `platform`: how long each platform waits, and where the plan does not fit.
//! - `text` with `timeline`, `json`: the plan itself.
//! - `blocks`: what to paste into the manifest of a platform.

mod blocks;
mod json;
mod platform;
mod print;
mod shutdown;
mod text;
mod timeline;

pub(crate) use platform::GracePeriod;
pub(crate) use print::{Format, print};
