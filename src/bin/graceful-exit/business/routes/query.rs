//! Numbers in a request's query.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

use actix_web::{HttpResponse, ResponseError, web};

/// The longest time that a request may ask for, in milliseconds.
pub(super) const MILLISECONDS: RangeInclusive<u64> = 0..=600_000;

pub(super) type Query = web::Query<HashMap<String, String>>;

/// Returns the number that `query` has under `name`.
///
/// # Errors
///
/// It is missing, no number, or none of the `allowed` ones.
pub(super) fn number(
    query: &Query,
    name: &'static str,
    allowed: RangeInclusive<u64>,
) -> Result<u64, BadQuery> {
    let given = query.get(name);
    match given.map(|text| text.parse()) {
        Some(Ok(number)) if allowed.contains(&number) => Ok(number),
        _ => Err(BadQuery { name, allowed, given: given.cloned() }),
    }
}

/// A query that cannot be served: 400 with the reason.
#[derive(Debug)]
pub(super) struct BadQuery {
    name: &'static str,
    allowed: RangeInclusive<u64>,
    given: Option<String>,
}

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, least, most) = (self.name, self.allowed.start(), self.allowed.end());
        match &self.given {
            None => write!(f, "`{name}` is missing: a whole number from {least} to {most}"),
            Some(given) => write!(f, "`{name}` is a whole number from {least} to {most}, not `{given}`"),
        }
    }
}

impl ResponseError for BadQuery {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}
