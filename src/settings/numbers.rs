//! Settings that are an amount: a duration, a number, a size, threads, permissions.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::Value as Shown;
use toml::de::DeValue;

use super::kind::{Kind, Refusal, text};
use crate::locale::Language;

/// The longest duration: more is a mistake in the unit, and overflows timers on some platforms.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration between two limits.
pub(super) struct Span {
    least: Duration,
    most: Duration,
    zero: Zero,
}

/// What `0s` means.
enum Zero {
    /// It is a duration like any other, or less than the least one.
    Plain,
    /// It is allowed although it is less than the least one, and means never.
    Never,
}

impl Span {
    /// For what may be left out by `0s`.
    pub(super) const ANY: Self = Self::at_least_millis(0);
    /// For what has to be given some time.
    pub(super) const SOME: Self = Self::at_least_millis(1);
    /// For what repeats: less than 10 ms would be a busy loop.
    pub(super) const REPEATED: Self = Self { least: Duration::from_millis(10), most: DAY, zero: Zero::Never };

    /// At least this long, and at most a day.
    pub(super) const fn at_least_millis(least: u64) -> Self {
        Self { least: Duration::from_millis(least), most: DAY, zero: Zero::Plain }
    }

    /// At most this long.
    pub(super) const fn at_most_millis(self, most: u64) -> Self {
        Self { most: Duration::from_millis(most), ..self }
    }
}

impl Kind for Span {
    type Value = Duration;

    fn read(&self, value: &DeValue<'_>) -> Result<Duration, Refusal> {
        let never = matches!(self.zero, Zero::Never);
        text(value)
            .and_then(|text| humantime::parse_duration(text.trim()).ok())
            .filter(|time| (never && time.is_zero()) || (self.least..=self.most).contains(time))
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &Duration) -> Shown {
        humantime::format_duration(*value).to_string().replace(' ', "").into()
    }

    fn allowed(&self, language: Language) -> String {
        let (least, most) = (short(self.least), short(self.most));
        match self.zero {
            Zero::Plain => language.settings_duration(&least, &most),
            Zero::Never => language.settings_interval(&least, &most),
        }
    }
}

/// A limit as people write it.
fn short(time: Duration) -> String {
    match time.as_millis() {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// A whole number between two limits.
pub(super) struct Integer<T> {
    pub(super) least: T,
    pub(super) most: T,
}

impl<T: Copy + Display + PartialOrd + TryFrom<i64> + Into<Shown>> Kind for Integer<T> {
    type Value = T;

    fn takes_text(&self) -> bool {
        false
    }

    fn read(&self, value: &DeValue<'_>) -> Result<T, Refusal> {
        integer(value)
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &T) -> Shown {
        (*value).into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_integer(&self.least, &self.most)
    }
}

/// `"cores"`, which is none, or a number of threads.
pub(super) struct Workers;

impl Workers {
    const MOST: i64 = 512;
    const CORES: &'static str = "cores";
}

impl Kind for Workers {
    type Value = Option<NonZeroUsize>;

    fn read(&self, value: &DeValue<'_>) -> Result<Option<NonZeroUsize>, Refusal> {
        if text(value) == Some(Self::CORES) {
            return Ok(None);
        }
        integer(value)
            .filter(|number| *number <= Self::MOST)
            .and_then(|number| NonZeroUsize::new(usize::try_from(number).ok()?))
            .map(Some)
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &Option<NonZeroUsize>) -> Shown {
        value.map_or(Self::CORES.into(), |workers| workers.get().into())
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_workers(Self::MOST)
    }
}

/// The permissions of a file, in octal digits.
pub(super) struct Mode;

impl Kind for Mode {
    type Value = u32;

    fn read(&self, value: &DeValue<'_>) -> Result<u32, Refusal> {
        text(value)
            .filter(|text| (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .filter(|mode| *mode <= 0o777)
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &u32) -> Shown {
        format!("{value:04o}").into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_mode().to_owned()
    }
}

/// A size in bytes: a whole number, or one with a unit.
pub(super) struct Size;

impl Size {
    const UNITS: [(&'static str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    /// Far more than a cache in memory can have.
    const MOST: u64 = 1 << 40;

    fn of(text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = Self::UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(unit.1)
    }
}

impl Kind for Size {
    type Value = u64;

    fn read(&self, value: &DeValue<'_>) -> Result<u64, Refusal> {
        let number = integer(value).and_then(|number| u64::try_from(number).ok());
        number
            .or_else(|| Self::of(text(value)?.trim()))
            .filter(|size| (1..=Self::MOST).contains(size))
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &u64) -> Shown {
        let unit = Self::UNITS.iter().find(|(_, unit)| value % unit == 0);
        unit.map_or_else(|| value.to_string(), |(name, unit)| format!("{}{name}", value / unit)).into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_size().to_owned()
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
