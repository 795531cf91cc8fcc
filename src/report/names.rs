//! Outcomes, phases and states in JSON: by the names that they have in [`crate::sequence`].

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    locale::escaped,
    sequence::{EndedBy, Outcome, PhaseKind, TaskStatus},
};

macro_rules! by_name {
    ($($Enum:ident: $key:literal),+) => {
        $(impl Serialize for $Enum {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $Enum {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                let foreign = || D::Error::custom(format_args!("`{}` is `{}`", $key, escaped(&name)));
                Self::from_name(&name).ok_or_else(foreign)
            }
        })+
    };
}

by_name!(Outcome: "outcome", PhaseKind: "phases.name", EndedBy: "phases.ended_by", TaskStatus: "outcome of a member");

/// A duration as a whole number of milliseconds.
pub(super) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::report) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(super::millis_of(*duration))
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// A time as in RFC 3339, in UTC, with milliseconds.
pub(super) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[cfg_attr(windows, expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so"))]
    pub(in crate::report) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(|error| D::Error::custom(format_args!("a time: {error}")))
    }
}

/// In whole milliseconds.
pub(crate) fn millis_of(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
