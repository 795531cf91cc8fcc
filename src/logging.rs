//! stub
use std::time::Duration;
/// x
#[derive(Clone)]
pub struct Logging;
impl Logging {
    /// x
    pub fn flush(&self, _: Duration) -> bool {
        true
    }
}
struct S;
impl log::Log for S {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, r: &log::Record) {
        if r.target().starts_with("graceful_exit") {
            eprintln!("{} {}", jiff::Zoned::now().strftime("%Y/%m/%d %H:%M:%S"), r.args())
        }
    }
    fn flush(&self) {}
}
/// x
pub fn start(_: &crate::settings::Log) -> Result<Logging, std::fmt::Error> {
    log::set_logger(&S).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    Ok(Logging)
}
