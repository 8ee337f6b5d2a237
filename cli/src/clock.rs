//! The one place where the wall clock is read. What it says is passed on as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Now, for what takes a moment of the standard library.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
