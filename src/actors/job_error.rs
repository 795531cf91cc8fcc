//! Why a job failed: [`JobError`].

use std::{error::Error, fmt};

/// Why a job did not do its work: the text for the log and the report.
///
/// Made by `?` from everything that goes into a `Box<dyn Error + Send + Sync>`: any error, such a box itself,
/// `anyhow::Error`, `&str` and `String`. The text has the whole chain of causes.
///
/// ```
/// use graceful_exit::JobError;
///
/// fn save(count: &str) -> Result<(), JobError> {
///     count.parse::<u32>()?;
///     Err("disk full")?
/// }
/// assert_eq!(save("many").unwrap_err().to_string(), "invalid digit found in string");
/// assert_eq!(save("7").unwrap_err().to_string(), "disk full");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    message: String,
    panicked: bool,
}

impl JobError {
    /// With a message for the log and the report.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), panicked: false }
    }

    pub(super) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let message = payload.downcast_ref::<&str>().map(|message| (*message).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        Self { message: message.unwrap_or_else(|| "no message".to_owned()), panicked: true }
    }

    pub(super) fn is_panic(&self) -> bool {
        self.panicked
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `JobError` is no `Error` itself: then it would go into the box too, and this would overlap with `From<T> for T`.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for JobError {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_message = cause.to_string();
            if !message.ends_with(&cause_message) {
                message.push_str(": ");
                message.push_str(&cause_message);
            }
            source = cause.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the cache cannot be flushed")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_job_error_is_made_from_whatever_goes_into_a_box_and_keeps_the_causes() {
        let outer = || Outer(std::io::Error::other("disk full"));
        let text = |result: Result<(), JobError>| result.map_err(|error| error.to_string());
        let whole = Err("the cache cannot be flushed: disk full".to_owned());
        assert_eq!(text((|| Err(outer())?)()), whole);
        assert_eq!(text((|| Err(Box::<dyn Error + Send + Sync>::from(outer()))?)()), whole);
        assert_eq!(text((|| Err(anyhow::Error::from(outer()))?)()), whole);
        assert_eq!(text((|| Err("no time")?)()), Err("no time".to_owned()));
        assert_eq!(text((|| Err(String::from("no time"))?)()), Err("no time".to_owned()));
    }
}
